"""What a person sees of a run: how far it is while it goes on, what became of the pages at the end."""

from __future__ import annotations

import logging
import os
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import click

from flows.render import counted, print_json, printable
from schemas.errors import BroadsheetError
from schemas.records import Counts, RunReport
from schemas.settings import Settings

Watch = Callable[[Counts, int], None]
"""Called with the counts and the known parts so far, whenever there are more of them."""

PLAIN_SECONDS = 5.0
"""Where there is no terminal, one line at most this often."""

INTERRUPTED = "Interrupted. What is loaded stays; the same command goes on from there and settles headlines."

MEANINGS = {
    "loaded": "new articles",
    "updated": "newer text of known articles",
    "unchanged": "pages that were there already",
    "duplicate": "further pages of known articles",
    "non_article": "listings, error pages, consent walls: kept with their headlines",
    "quarantined": "could not be read or processed: kept aside",
    "ignored": "records that are no page, or that the options leave out",
    "skipped": "parts that are known already: not read again",
}


def show_run(
    flow: Literal["ingest", "backfill"],
    parameters: Mapping[str, Any],
    *,
    json_output: bool,
    quiet: bool,
) -> None:
    """Run a flow with progress and print what it did.

    Raises:
        RunFailed: the run ended as failed; what it did is printed before.
        click.Abort: it was interrupted; says what that means.
    """
    from flows.launch import launch

    try:
        with _watching(quiet or json_output) as watch, _warnings_shown():
            report = launch(flow, parameters, Settings.from_environment(), watch)
    except KeyboardInterrupt as error:
        raise click.Abort(INTERRUPTED) from error
    if json_output:
        print_json(as_json(report))
    if report.state == "interrupted":
        raise click.Abort(INTERRUPTED)
    if not quiet and not json_output:
        click.echo(printable(summary(report)))
    if report.state == "failed":
        raise RunFailed(report.message)


class RunFailed(BroadsheetError):
    """The run ended, and too much of it went wrong."""


@contextmanager
def _warnings_shown() -> Iterator[None]:
    """Print on standard error what a run has to say of a database that is away."""
    log, printing = logging.getLogger("broadsheet"), logging.StreamHandler(sys.stderr)
    printing.setFormatter(_Printable())
    log.addHandler(printing)
    try:
        yield
    finally:
        log.removeHandler(printing)


class _Printable(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))


@contextmanager
def _watching(quiet: bool) -> Iterator[Watch]:
    """Show progress on standard error: a live line on a terminal, now and then a plain line elsewhere."""
    if quiet:
        yield lambda counts, known: None
    elif sys.stderr.isatty():
        with _live_line() as watch:
            yield watch
    else:
        yield _plain_lines()


@contextmanager
def _live_line() -> Iterator[Watch]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), BarColumn(24), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        line = progress.add_task("starting", total=None)
        pace = _Pace()
        yield lambda counts, known: progress.update(line, description=pace.line(counts, known))


def _plain_lines() -> Watch:
    pace = _Pace()
    shown = time.monotonic(), Counts(), 0

    def watch(counts: Counts, known: int) -> None:
        nonlocal shown
        line, now = pace.line(counts, known), time.monotonic()
        if now - shown[0] >= PLAIN_SECONDS and (counts, known) != shown[1:]:
            shown = now, counts, known
            click.echo(line, err=True)

    return watch


class _Pace:
    """Says how far a run is; its speed is measured from the first batch on, so starting does not count."""

    def __init__(self) -> None:
        self._first: tuple[float, int] | None = None

    def line(self, counts: Counts, known: int) -> str:
        now = time.monotonic()
        if self._first is None and counts.read:
            self._first = now, counts.read
        seconds, pages = (now - self._first[0], counts.read - self._first[1]) if self._first else (0.0, 0)
        speed = f", {pages / seconds:,.0f} pages per second" if pages and seconds > 0 else ""
        speed += f", {counted(known, 'part', 'parts')} known" if known else ""
        return (
            f"{counted(counts.read, 'page', 'pages')} read, "
            f"{counted(counts.loaded, 'new article', 'new articles')}, "
            f"{counts.quarantined:,} quarantined{speed}"
        )


def summary(report: RunReport) -> str:
    """The end of a run for people: outcomes, quarantine, headlines, speed and the next command to type."""
    if report.counts.read == 0 and report.state != "failed":
        return _nothing_new(report)
    counts = report.counts.as_dict()
    read = counts.pop("read")
    command = _as_typed()
    pages = counted(read, "page", "pages")
    seen_again = counted(report.headlines_seen_again, "time", "times")
    lines = [
        f"Run {report.run_id} {report.state}: {pages} in {report.seconds:.1f} s, {_speed(report)}.",
        "",
        *(_outcome(word, count) for word, count in counts.items()),
        "",
        *(_outcome(word, getattr(report, word)) for word in ("ignored", "skipped")),
    ]
    if report.quarantined_by_reason and not _dismissed(report):
        lines += ["", "Quarantined, and how to look at it:"]
        for reason, count in sorted(
            report.quarantined_by_reason.items(), key=lambda pair: (-pair[1], pair[0])
        ):
            lines.append(f"  {reason:<16}{count:>9,}  {command} quarantine list --reason {reason}")
    lines += [
        "",
        f"Articles: {report.counts.loaded:,} new, {report.counts.updated:,} with newer text.",
        f"Sidebar headlines: {report.headlines_new:,} new, seen again {seen_again}.",
    ]
    if report.message and report.state != "failed":
        lines += ["", report.message]
    lines += ["", f"Next: {_next(report, command)}"]
    return "\n".join(lines)


def _next(report: RunReport, command: str) -> str:
    """What to type after a run: where its pages are to be seen, or what brings it to its end."""
    counts, again = report.counts, report.replayed
    if again and again.failed and not again.loaded:
        return f"{command} quarantine show {again.failed[0]}"
    if counts.quarantined and (report.state == "failed" or counts.quarantined == counts.read):
        return f"{command} quarantine list"
    if report.state == "failed":
        return "the same command again: it goes on from there"
    return f"{command} articles list"


def _dismissed(report: RunReport) -> bool:
    """Whether all that failed was dismissed before and stays so: no list shows it."""
    again = report.replayed
    return bool(again and again.dismissed == again.failed)


def _as_typed() -> str:
    """How to type this command here: its name where the PATH leads to it, else its path."""
    program = Path(sys.argv[0])
    found = shutil.which("broadsheet")
    if program.name != "broadsheet" or (found and program.exists() and program.samefile(found)):
        return "broadsheet"
    nearby = os.path.relpath(program)
    return shlex.quote(str(program.absolute()) if nearby.startswith("..") else nearby)


def _nothing_new(report: RunReport) -> str:
    line = "Nothing new"
    if report.skipped:
        parts = counted(report.skipped, "part is", "parts are")
        was = "was" if report.skipped == 1 else "were"
        line += f": {parts} known already and {was} not read again"
    elif not report.ignored and not report.unavailable:
        line += ": no pages found"
    if report.ignored:
        line += f"; {counted(report.ignored, 'record', 'records')} ignored"
    return f"{line}. {report.message}".rstrip()


def _outcome(word: str, count: int) -> str:
    return f"  {word:<16}{count:>9,}  {MEANINGS[word]}"


def _speed(report: RunReport) -> str:
    return f"{report.counts.read / max(report.seconds, 0.001):,.1f} pages per second"


def as_json(report: RunReport) -> dict[str, object]:
    """The one object that `--json` prints."""
    return {
        "run_id": report.run_id,
        "state": report.state,
        "counts": report.counts.as_dict(),
        "ignored": report.ignored,
        "skipped": report.skipped,
        "unavailable": report.unavailable,
        "quarantined_by_reason": report.quarantined_by_reason,
        "headlines_new": report.headlines_new,
        "headlines_seen_again": report.headlines_seen_again,
        "sightings": report.sightings,
        "seconds": round(report.seconds, 3),
        "message": report.message,
        "replayed": asdict(report.replayed) if report.replayed else None,
    }
