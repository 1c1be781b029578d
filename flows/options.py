"""What people type at `broadsheet`, checked and turned into the records that flows take."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from typing import Any, TypeVar

import click

from schemas.records import Selection

Command = TypeVar("Command", bound=Callable[..., Any])

PAGE_KEYS = ("html", "text", "url", "fetched_at", "source", "content_type")
"""Our names for what a line of JSONL may hold: the left sides of `--fields`."""


def field_names(text: str) -> tuple[tuple[str, str], ...]:
    """`html=raw_html,url=link` → (("html", "raw_html"), ("url", "link"))."""
    pairs: dict[str, str] = {}
    for pair in text.split(","):
        ours, _, theirs = (piece.strip() for piece in pair.partition("="))
        if not (ours and theirs):
            raise click.BadParameter(f"{pair!r} is no pair; write for example html=raw_html,url=link.")
        if ours not in PAGE_KEYS:
            raise click.BadParameter(f"{ours!r} is none of {', '.join(PAGE_KEYS)}.")
        if ours in pairs:
            raise click.BadParameter(f"{ours!r} is given twice.")
        pairs[ours] = theirs
    return tuple(sorted(pairs.items()))


def day(text: str) -> date:
    """`2025-05-17` → date."""
    with suppress(ValueError):
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
            return date.fromisoformat(text)
    raise click.BadParameter(f"{text!r} is no date; write it as 2025-05-17.")


def share(text: str) -> float:
    """`0.5` or `50%` → 0.5."""
    with suppress(ValueError):
        value = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
        if 0 <= value <= 1:
            return value
    raise click.BadParameter(f"{text!r} is no share; write 0.5 or 50%.")


def language(text: str) -> str:
    """An ISO 639-1 code, in small letters."""
    if re.fullmatch(r"[A-Za-z]{2}", text):
        return text.lower()
    raise click.BadParameter(f"{text!r} is no language code; write two letters, as in en or pt.")


def domain(text: str) -> str:
    """A host name such as `example.org`, in small letters."""
    host = text.lower().strip(".")
    if re.fullmatch(r"[^\s/:@?#*.]+(\.[^\s/:@?#*.]+)*", host):
        return host
    raise click.BadParameter(f"{text!r} is no host name; write it as example.org.")


def as_json(command: Command) -> Command:
    """Add `--json` to a command, as the argument `json_output`."""
    return click.option("--json", "json_output", is_flag=True, help="Print JSON instead of text.")(command)


def date_range(what: str) -> Callable[[Command], Command]:
    """Add `--since` and `--until`, both inclusive, about `what`."""

    def add(command: Command) -> Command:
        command = click.option(
            "--until", type=day, metavar="YYYY-MM-DD", help=f"Only {what} on or before this day."
        )(command)
        return click.option(
            "--since", type=day, metavar="YYYY-MM-DD", help=f"Only {what} on or after this day."
        )(command)

    return add


def check_range(since: date | None, until: date | None) -> None:
    """Refuse a range that ends before it starts.

    Raises:
        click.UsageError: naming both days.
    """
    if since and until and since > until:
        raise click.UsageError(f"--since {since} is after --until {until}.")


def reading(command: Command) -> Command:
    """Add the options that make a `Selection`: how inputs are read, and which of their pages are wanted."""
    for option in reversed(
        (
            click.option(
                "--fields",
                type=field_names,
                metavar="OURS=THEIRS,…",
                help="JSONL keys that have other names: html=raw_html,url=link. "
                f"Ours are {', '.join(PAGE_KEYS)}.",
            ),
            click.option("--source", metavar="NAME", help="The outlet or scraper all these pages come from."),
            click.option(
                "--path-pattern",
                metavar="PATTERN",
                help="What the path says: '{source}/{date}/*.txt' takes source and fetch date from it.",
            ),
            click.option(
                "--domain",
                "domains",
                type=domain,
                metavar="HOST",
                multiple=True,
                help="Only pages of this site and its subdomains. May be repeated.",
            ),
            click.option(
                "--language",
                "languages",
                type=language,
                metavar="CODE",
                multiple=True,
                help="Only pages in this language. May be repeated.",
            ),
            date_range("pages fetched"),
            click.option(
                "--limit", type=click.IntRange(min=1), help="Read the first so many pages, known or not."
            ),
        )
    ):
        command = option(command)
    return command


def selection(
    *,
    fields: tuple[tuple[str, str], ...] | None,
    source: str | None,
    path_pattern: str | None,
    domains: tuple[str, ...],
    languages: tuple[str, ...],
    since: date | None,
    until: date | None,
    limit: int | None,
) -> Selection:
    """The selection that the options of `reading` describe.

    Raises:
        click.UsageError: the dates contradict each other.
    """
    check_range(since, until)
    return Selection(
        fields=fields or (),
        source=source,
        path_pattern=path_pattern,
        domains=tuple(sorted(set(domains))),
        languages=tuple(sorted(set(languages))),
        since=since,
        until=until,
        limit=limit,
    )


def running(command: Command) -> Command:
    """Add the options of a command that runs a flow: workers, tolerance, kept pages, output."""
    for option in reversed(
        (
            click.option(
                "--workers",
                type=click.IntRange(1, 256),
                help="Extraction processes; BROADSHEET_WORKERS or the number of cores unless given.",
            ),
            click.option(
                "--max-quarantine",
                type=share,
                metavar="SHARE",
                help="Fail a run of 100 pages or more when a larger share of it is quarantined: 0.5 or 50%.",
            ),
            click.option(
                "--keep-pages",
                metavar="DIR|URI",
                help="Keep the raw bytes of every page, as WARC, in this directory or bucket (s3://, gs://).",
            ),
            as_json,
            click.option("--quiet", "-q", is_flag=True, help="Print nothing but errors."),
        )
    ):
        command = option(command)
    return command
