"""The commands about pages that could not be read, processed or stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from datetime import date
from typing import TYPE_CHECKING, Any

import click

from flows.listings import at_most, database, found_or_refused, record_table
from flows.options import Command, as_json, check_range, date_range, field_names, running
from flows.render import facts, print_json, printable
from schemas.errors import PAGE_REASONS

if TYPE_CHECKING:
    from tasks.postgres.quarantine import Chosen


@click.group()
def quarantine() -> None:
    """List, show, retry and dismiss pages that could not be read, processed or stored."""


def choosing(command: Command) -> Command:
    """Add the options that say which entries are meant."""
    for option in reversed(
        (
            click.option(
                "--reason", type=click.Choice(list(PAGE_REASONS)), help="Only pages with this reason."
            ),
            click.option("--source", metavar="NAME", help="Only pages of this source."),
            click.option(
                "--run",
                "run_id",
                type=click.IntRange(min=1),
                metavar="ID",
                help="Only what failed in this run.",
            ),
            date_range("pages that last failed"),
        )
    ):
        command = option(command)
    return command


def chosen(
    *,
    reason: str | None,
    source: str | None,
    run_id: int | None,
    since: date | None,
    until: date | None,
    ids: Sequence[int] = (),
) -> Chosen:
    """What the options of `choosing` describe.

    Raises:
        click.UsageError: the dates contradict each other.
    """
    from tasks.postgres.quarantine import Chosen

    check_range(since, until)
    return Chosen(tuple(ids), reason, source, since, until, run_id)


REASON_COLUMNS = ("reason", "stage", "waiting", "resolved", "dismissed", "last_seen_at", "example")
ENTRY_COLUMNS = ("id", "reason", "origin_uri", "origin_record", "detail")
RECORD_BASIS = "Records of an input are counted from 0; empty lines are none."


def meaning(reason: str) -> str:
    """What a reason says, in one sentence."""
    return (PAGE_REASONS[reason].__doc__ or "").partition("\n")[0]


@quarantine.command("list")
@choosing
@at_most
@as_json
def list_quarantine(limit: int, json_output: bool, **options: Any) -> None:
    """Count the quarantine by reason, and list the pages that wait, the last to fail first.

    Resolved are those that loaded after all. Days are those on which pages last failed (UTC).

    \b
    Examples:
      broadsheet quarantine list --reason damaged
      broadsheet quarantine list --run 12 --json
    """
    from tasks.postgres import quarantine as queries

    meant = chosen(**options)
    with database() as engine:
        counts = queries.count_quarantine(engine, meant)
        entries = queries.list_quarantine(engine, meant, limit=limit)
    if json_output:
        print_json({"reasons": counts, "entries": entries})
    elif counts:
        click.echo(record_table(counts, REASON_COLUMNS))
        click.echo("\n" + facts({row.reason: meaning(row.reason) for row in counts}))
        if entries:
            click.echo(f"\n{record_table(entries, ENTRY_COLUMNS)}")
            click.echo(RECORD_BASIS, err=True)
    else:
        asked = any(value is not None for value in options.values())
        click.echo("Nothing in the quarantine matches." if asked else "The quarantine is empty.", err=True)


@quarantine.command("show")
@click.argument("entry", type=int, metavar="ID")
@as_json
def show_quarantined(entry: int, json_output: bool) -> None:
    """Show one page of the quarantine: what went wrong, and where the page is.

    \b
    Example:
      broadsheet quarantine show 3
    """
    from tasks.postgres import quarantine as queries

    with database() as engine:
        found = found_or_refused(queries.find_quarantined(engine, entry), f"quarantined page {entry}")
    if json_output:
        print_json(found)
        return
    shown = {field.name: getattr(found, field.name) for field in fields(found)}
    detail = shown.pop("detail")
    click.echo(f"{facts(shown)}\n\n{meaning(found.reason)}\n{printable(detail)}")
    click.echo(RECORD_BASIS, err=True)


@quarantine.command("replay")
@click.argument("entries", type=int, nargs=-1, metavar="[ID]...")
@choosing
@click.option(
    "--fields",
    type=field_names,
    metavar="OURS=THEIRS,…",
    help="Read lines of JSONL by these names instead of those they were read by.",
)
@running
def replay(
    entries: tuple[int, ...],
    fields: tuple[tuple[str, str], ...] | None,
    workers: int | None,
    max_quarantine: float | None,
    keep_pages: str | None,
    json_output: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Try quarantined pages again; those that load leave the quarantine.

    Tried are those that meet all that is given: by ID, reason, source, run and day on which they last failed;
    all that wait if nothing is, and dismissed ones if their ID is. Their bytes come from the archive, else
    from where they were read, else from kept pages. Where an input could not be read on, the rest of it is
    read.

    \b
    Examples:
      broadsheet quarantine replay
      broadsheet quarantine replay 3 4
      broadsheet quarantine replay --reason timeout --since 2026-03-01
      broadsheet quarantine replay --reason unknown_record --fields html=raw_html
    """
    from flows.progress import show_run
    from tasks.postgres.quarantine import Chosen, listed, waiting_ids

    meant = chosen(ids=entries, **options)
    with database() as engine:
        waiting = waiting_ids(engine, meant)
        if left := sorted(set(entries).difference(waiting)):
            why = "loaded already" if meant == Chosen(meant.ids) else "loaded, or left out by an option"
            click.echo(f"Not tried: {listed(left)} ({why}).", err=True)
        if not waiting:
            click.echo("Nothing that waits in the quarantine matches.", err=True)
            return
        parameters = {
            "replay": True,
            "quarantine_ids": list(entries),
            "reason": meant.reason,
            "failed_source": meant.source,
            "failed_since": meant.since,
            "failed_until": meant.until,
            "failed_in": meant.run_id,
            "fields": dict(fields or ()),
            "workers": workers,
            "max_quarantine": 1.0 if max_quarantine is None else max_quarantine,
            "keep_pages": keep_pages,
        }
        show_run("backfill", parameters, json_output=json_output, quiet=quiet)


@quarantine.command("dismiss")
@click.argument("entries", type=int, nargs=-1, metavar="[ID]...")
@choosing
@click.option("--all", "everything", is_flag=True, help="All that wait and meet the other options.")
@as_json
def dismiss(entries: tuple[int, ...], everything: bool, json_output: bool, **options: Any) -> None:
    """Take pages that nobody will load off the list of those that wait.

    They stay in the quarantine, as dismissed. One that loads after all is resolved. A page that is read again
    and fails again waits again; what could not be read of an input stays dismissed until the input changes.

    \b
    Examples:
      broadsheet quarantine dismiss 3 4
      broadsheet quarantine dismiss --reason too_large --until 2026-03-01
    """
    from tasks.postgres import quarantine as queries

    meant = chosen(ids=entries, **options)
    if everything and entries:
        raise click.UsageError("--all goes with no ID: name pages by ID, or take all of them.")
    if not everything and meant == queries.Chosen():
        raise click.UsageError("Say which pages: by ID, by an option such as --reason, or --all of them.")
    with database() as engine:
        ids = queries.dismiss(engine, meant)
    if left := sorted(set(entries).difference(ids)):
        why = "dismissed" if meant == queries.Chosen(meant.ids) else "dismissed, left out by an option,"
        click.echo(f"Not dismissed: {queries.listed(left)} ({why} or loaded already).", err=True)
    if json_output:
        print_json({"dismissed": ids})
    elif ids:
        pages = "1 page" if len(ids) == 1 else f"{len(ids):,} pages"
        click.echo(f"Dismissed {pages}: {queries.listed(ids)}.")
    elif not entries:
        click.echo("Nothing that waits in the quarantine matches.", err=True)
