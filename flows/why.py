"""The command that says where a row comes from."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from flows.listings import database, found_or_refused
from flows.options import as_json
from flows.render import plain, print_json

if TYPE_CHECKING:
    from tasks.postgres.lineage import (
        ArticleLineage,
        Capture,
        Entry,
        HeadlineLineage,
        Mention,
        Outcome,
        Seen,
        UrlLineage,
    )

KINDS = ("article", "headline", "page", "quarantine")

OUTCOMES: dict[Outcome, str] = {
    "text": "gives article {article} its text",
    "newer_text": "gives article {article} its text, newer than those of other captures",
    "same_text": "the same text as page {page}, of article {article}",
    "older_text": "an older text than page {page}, of article {article}",
    "other_text": "another text than page {page}, of article {article}, at the same or an unknown time",
    "non_article": "no article: {reason}",
}
"""What a capture came to, in words."""


_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|(//)?[^\s/]+\.[^\s/]|/")
"""How a URL begins, be it as people write it; a page of unknown URL has links that begin with a slash."""
_ID = re.compile("[1-9][0-9]{0,99}")


@click.command()
@click.argument("what", metavar="URL|KIND")
@click.argument("named", metavar="[ID]", required=False)
@as_json
def why(what: str, named: str | None, json_output: bool) -> None:
    """Say where something comes from: page, input and record, batch, run, extractor.

    KIND is article, headline, page or quarantine, and needs an ID. Of a URL all that is known is said:
    captures of it, articles, quarantined pages, and sidebar headlines that lead there. Tracking parameters,
    fragment, and the order of the query make no other URL. One of which nothing is known is tried with the
    other scheme, with and without "www." and the slash at the end, and what was found is said.

    \b
    Examples:
      broadsheet why article 12
      broadsheet why headline 7
      broadsheet why quarantine 3
      broadsheet why https://harbour.example/lorn-ferry
    """
    from tasks.postgres import lineage

    number = _number(what, named)
    lines: Iterator[str]
    with database() as engine:
        if number is None:
            known = f"page, quarantined page or sidebar headline of {plain(what)}"
            found: object = (shown := found_or_refused(lineage.why_url(engine, what), known))
            lines = _url(shown)
        elif what == "article":
            found = article = found_or_refused(lineage.why_article(engine, number), f"article {number}")
            lines = _article(article)
        elif what == "headline":
            found = headline = found_or_refused(
                lineage.why_headline(engine, number), f"sidebar headline {number}"
            )
            lines = _headline(headline)
        elif what == "page":
            found = page = found_or_refused(lineage.why_page(engine, number), f"page {number}")
            lines = _capture(page)
        else:
            found = entry = found_or_refused(
                lineage.why_quarantined(engine, number), f"quarantined page {number}"
            )
            lines = _entry(entry)
    if json_output:
        print_json(found)
    else:
        click.echo("\n".join(lines))


def _number(what: str, named: str | None) -> int | None:
    """The ID that goes with a kind; None with a URL.

    Raises:
        click.UsageError: it is neither.
    """
    if what not in KINDS:
        if named is not None or not _URL.match(what):
            raise click.UsageError(f"{what!r} is neither a URL nor one of {', '.join(KINDS)} with an ID.")
        return None
    if named is None or not _ID.fullmatch(named):
        given = "has no ID" if named is None else f"has {named!r} for its ID"
        raise click.UsageError(f"{what!r} {given}; name it by its number, as in: why {what} 12.")
    return int(named)


def _article(found: ArticleLineage) -> Iterator[str]:
    yield f"Article {found.id}: {plain(found.title)}"
    texts = "1 text" if found.versions == 1 else f"{found.versions:,} texts"
    yield f"It has had {texts}; the page with the greatest fetch time gives it the current one."
    yield from _section("Captures", [_capture(each) for each in found.captures])
    yield from _section("Quarantined captures", [_entry(each) for each in found.quarantined])
    yield from _section("Sidebar headlines that lead to it", [_mention(each) for each in found.headlines])


def _headline(found: HeadlineLineage) -> Iterator[str]:
    merged = f" ({found.asked} was merged into it)" if found.asked != found.id else ""
    yield f"Sidebar headline {found.id}{merged}: {plain(found.text)}"
    if found.generic:
        yield "Generic: one text that leads to many things, so it has no article."
    elif found.article_id is not None:
        how = "its links lead there" if found.linked_by == "target" else "its words are the article's title"
        yield f"Article {found.article_id}: {how}."
    else:
        yield "No article: none that is loaded is known to be behind it, or several are."
    texts = [iter([f"{plain(each.text)} ({each.joined})"]) for each in found.variants]
    yield from _section("Texts", texts)
    for name, seen in (("First seen", found.first), ("Last seen", found.last)):
        if seen is not None:
            yield from _seen(name, seen)


def _seen(name: str, found: Seen) -> Iterator[str]:
    when = plain(found.seen_at) if found.seen_at else "at an unknown time"
    where = "on" if found.exact else "on a page whose sightings were dropped for their age; one of that day"
    yield f"\n{name} {when} {where}"
    yield from _listed([_capture(found.page)] if found.page else [])


def _url(found: UrlLineage) -> Iterator[str]:
    yield plain(found.url)
    if found.url != found.asked:
        yield f"Nothing is known of {plain(found.asked)}."
    if found.article_ids:
        yield "Articles: " + ", ".join(
            f"{each} (broadsheet why article {each})" for each in found.article_ids
        )
    if not found.captures and not found.quarantined:
        yield "No page with this URL is loaded or quarantined."
    yield from _section("Captures", [_capture(each) for each in found.captures])
    yield from _section("Quarantined", [_entry(each) for each in found.quarantined])
    yield from _section("Sidebar headlines that lead there", [_mention(each) for each in found.headlines])


def _section(heading: str, items: Sequence[Iterator[str]]) -> Iterator[str]:
    from tasks.postgres.lineage import MOST_SHOWN

    if items:
        # As many as are shown at most: there may be more.
        yield f"\n{heading}" + (f" (the first {len(items)})" if len(items) == MOST_SHOWN else "")
    yield from _listed(items)


def _listed(items: Sequence[Iterator[str]]) -> Iterator[str]:
    for lines in items:
        yield f"- {next(lines)}"
        yield from (f"    {line}" for line in lines)


def _capture(found: Capture) -> Iterator[str]:
    fetched = plain(found.fetched_at) if found.fetched_at else "at an unknown time"
    said = OUTCOMES[found.outcome].format(
        article=found.article_id, page=found.text_page_id, reason=plain(found.reason) or "unknown"
    )
    yield f"page {found.id}, fetched {fetched}: {said}"
    if found.url:
        yield plain(found.url)
    part = ""
    if found.part_first is not None and found.part_count is not None:
        part = f", in the part of records {found.part_first} to {found.part_first + found.part_count - 1}"
    yield f"read from {plain(found.origin_uri)}, record {found.origin_record}{part} (counted from 0)"
    yield f"loaded {plain(found.loaded_at)} in batch {found.batch_number} of {_run(found)}"
    yield f"extracted by version {plain(found.extractor)}"
    kept = "not kept by a run"
    if found.kept_uri:
        from tasks.keep import is_gone  # late: opens archives

        gone = ", a file that is gone" if is_gone(found.kept_uri) else ""
        kept = f"{plain(found.kept_uri)}, offset {found.kept_offset}{gone}"
    yield f"bytes {found.digest}: {kept}"


def _entry(found: Entry) -> Iterator[str]:
    state = f"{found.resolution} {plain(found.resolved_at)}" if found.resolution else "waits"
    tried = "once" if found.attempts == 1 else f"{found.attempts} times"
    yield f"quarantined page {found.id}: {found.reason} in {found.stage}, tried {tried}, {state}"
    if found.url:
        yield plain(found.url)
    yield plain(found.detail.strip().rpartition("\n")[2])
    yield f"read from {plain(found.origin_uri)}, record {found.origin_record} (counted from 0)"
    if found.run_id is not None:
        yield f"failed {plain(found.last_seen_at)} in batch {found.batch_number} of {_run(found)}"
    if found.page_id is not None:
        yield f"loaded as page {found.page_id}"


def _run(found: Capture | Entry) -> str:
    said = f"run {found.run_id} ({found.run_kind}, {found.run_state}, started {plain(found.run_started_at)})"
    if found.flow_run_id:
        said += f", flow run {found.flow_run_id}"
        if ui := os.environ.get("PREFECT_UI_URL"):
            said += f" {ui.rstrip('/')}/runs/flow-run/{found.flow_run_id}"
    return said


def _mention(found: Mention) -> Iterator[str]:
    by = f", linked by {found.linked_by}" if found.linked_by else ""
    yield f"sidebar headline {found.id}, {found.sightings:,} sightings{by}: {plain(found.text)}"
