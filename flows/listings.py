"""The commands that show and hand out what is in the database."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from datetime import date
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

import click

from flows.options import Command, as_json, check_range, date_range, day
from flows.render import facts, plain, print_json, printable, table
from schemas.errors import ConfigError, missing_extra

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from tasks.postgres.export import Format, What

Record = TypeVar("Record")


@contextmanager
def database() -> Iterator[Engine]:
    """The database that the environment names, started when it is the embedded one."""
    from schemas.settings import Settings
    from tasks.postgres.database import open_database

    with open_database(Settings.from_environment()) as engine:
        yield engine


def at_most(command: Command) -> Command:
    """Add `--limit` to a listing."""
    option = click.option(
        "--limit", type=click.IntRange(1, 100_000), default=20, show_default=True, help="At most this many."
    )
    return option(command)


def show_rows(rows: Sequence[Any], columns: Sequence[str], json_output: bool, nothing: str) -> None:
    """Print records as JSON, or these of their fields as a table."""
    if json_output:
        print_json(rows)
    elif rows:
        click.echo(record_table(rows, columns))
    else:
        click.echo(nothing, err=True)


def record_table(rows: Sequence[Any], columns: Sequence[str]) -> str:
    """These fields of the records as a table."""
    return table(columns, [list(shown_fields(row, columns).values()) for row in rows])


def shown_fields(record: Any, names: Sequence[str]) -> dict[str, Any]:
    """These fields of a record; a fetch time that no page states is said to be unknown."""
    values = {name: getattr(record, name) for name in names}
    return {
        name: "unknown" if value is None and name in FETCH_TIMES else value for name, value in values.items()
    }


FETCH_TIMES = frozenset({"day", "fetched_at", "first_seen_at", "last_seen_at"})
"""Fields that come from the fetch times of pages."""


def found_or_refused(found: Record | None, what: str) -> Record:
    """The record that was asked for.

    Raises:
        ConfigError: there is none.
    """
    if found is None:
        raise ConfigError(f"There is no {what}.")
    return found


# --- articles ----------------------------------------------------------------------------------------

ARTICLE_COLUMNS = ("id", "published", "source", "section", "title")


@click.group()
def articles() -> None:
    """List, show and search articles."""


@articles.command("list")
@click.option("--source", metavar="NAME", help="Only articles of this source.")
@click.option("--section", metavar="NAME", help="Only articles of this section.")
@date_range("articles published")
@at_most
@as_json
def list_articles(
    source: str | None,
    section: str | None,
    since: date | None,
    until: date | None,
    limit: int,
    json_output: bool,
) -> None:
    """List articles, newest first.

    \b
    Example:
      broadsheet articles list --source harbour-post --since 2025-05-01
    """
    from tasks.postgres import query

    check_range(since, until)
    with database() as engine:
        rows = query.list_articles(
            engine, source=source, section=section, since=since, until=until, limit=limit
        )
    show_rows(rows, ARTICLE_COLUMNS, json_output, "No articles. Load some pages: broadsheet ingest PATH")


@articles.command("show")
@click.argument("article", metavar="ID|URL")
@as_json
def show_article(article: str, json_output: bool) -> None:
    """Show one article: its fields, its text, where it was found.

    \b
    Examples:
      broadsheet articles show 7
      broadsheet articles show https://harbour.example/lorn-ferry
    """
    from tasks.postgres import query

    with database() as engine:
        found = found_or_refused(query.find_article(engine, article), f"article {article}")
    if json_output:
        print_json(found)
        return
    shown = {field.name: getattr(found, field.name) for field in fields(found)}
    body, pages = shown.pop("body"), shown.pop("pages")
    shown["provenance"] = [f"{field}: {signal}" for field, signal in found.provenance.items()]
    click.echo(facts(shown))
    click.echo(f"\n{printable(body)}\n")
    click.echo(record_table(pages, ("fetched_at", "kind", "url", "origin_uri", "origin_record")))


@articles.command("search")
@click.argument("words", nargs=-1, required=True)
@at_most
@as_json
def search_articles(words: tuple[str, ...], limit: int, json_output: bool) -> None:
    """Search titles, summaries and texts, best match first.

    All words must occur, in any place; words in double quotes must follow each other; a word behind a minus
    sign must not occur.

    \b
    Examples:
      broadsheet articles search ferry island
      broadsheet articles search '"dry dock" -repair'
    """
    from tasks.postgres import query

    with database() as engine:
        rows = query.search_articles(engine, " ".join(words), limit=limit)
    show_rows(rows, ("id", "published", "source", "title", "snippet"), json_output, "No article matches.")


# --- sidebar headlines -------------------------------------------------------------------------------

HEADLINE_COLUMNS = ("id", "sightings", "first_seen_at", "last_seen_at", "generic", "article_id", "text")
HEADLINE_FACTS = (
    "id",
    "text",
    "generic",
    "article_id",
    "article_title",
    "article_url",
    "sightings",
    "first_seen_at",
    "last_seen_at",
)
WORDING_COLUMNS = ("sightings", "first_seen_at", "last_seen_at", "text")
LINK_COLUMNS = ("sightings", "first_seen_at", "last_seen_at", "article_id", "article_title", "target")
TIMELINE_COLUMNS = (
    "day",
    "source",
    "label",
    "sightings",
    "best_position",
    "first_seen_at",
    "last_seen_at",
    "page_url",
)
REVISION_COLUMNS = ("number", "first_seen_at", "last_seen_at", "sightings", "headline_id", "generic", "text")

TIME_BASIS = "Times are those at which pages were fetched, in UTC."


@click.group()
def headlines() -> None:
    """List, rank, search and show sidebar headlines: titles that pages list outside their body.

    Times are those at which the pages were fetched, in UTC, never those of files or articles; "unknown" where
    no page says when it was fetched. A generic headline is one text that stands for many stories, such as
    "Live updates": no single article is behind it.
    """


@headlines.command("list")
@at_most
@as_json
def list_headlines(limit: int, json_output: bool) -> None:
    """List sidebar headlines, newest in the database first.

    \b
    Example:
      broadsheet headlines list --limit 50
    """
    from tasks.postgres.headlines import list_headlines

    with database() as engine:
        rows = list_headlines(engine, limit=limit)
        show_headlines(engine, rows, json_output, "No sidebar headlines.")


@headlines.command("top")
@click.option(
    "--since", type=day, metavar="YYYY-MM-DD", help="Count only sightings on pages fetched since this day."
)
@at_most
@as_json
def top_headlines(since: date | None, limit: int, json_output: bool) -> None:
    """Rank sidebar headlines by how often pages list them.

    Since a day, sightings at unknown times do not count. The times shown are the first and the last of all.

    \b
    Examples:
      broadsheet headlines top
      broadsheet headlines top --since 2025-05-01 --limit 50
    """
    from tasks.postgres.headlines import top_headlines

    with database() as engine:
        rows = top_headlines(engine, since=since, limit=limit)
        show_headlines(
            engine, rows, json_output, f"No sidebar headlines{f' since {since}' if since else ''}."
        )


@headlines.command("search")
@click.argument("words", nargs=-1, required=True)
@at_most
@as_json
def search_headlines(words: tuple[str, ...], limit: int, json_output: bool) -> None:
    """Search the texts of sidebar headlines, most seen first.

    All words must occur, in any place; words in double quotes must follow each other; a word behind a minus
    sign must not occur.

    \b
    Examples:
      broadsheet headlines search ferry island
      broadsheet headlines search '"night train" -strike'
    """
    from tasks.postgres.headlines import search_headlines

    with database() as engine:
        rows = search_headlines(engine, " ".join(words), limit=limit)
        show_headlines(engine, rows, json_output, "No sidebar headline matches.")


def show_headlines(engine: Engine, rows: Sequence[Any], json_output: bool, nothing: str) -> None:
    """Print sidebar headlines and what their times mean; or that there are none, and what may be why."""
    from tasks.postgres.query import count_unsettled

    if not rows and (batches := count_unsettled(engine)):
        nothing += f" {unsettled(batches)}"
    show_rows(rows, HEADLINE_COLUMNS, json_output, nothing)
    if rows and not json_output:
        click.echo(TIME_BASIS, err=True)


def unsettled(batches: int) -> str:
    """What to do about loaded batches whose headlines wait."""
    wait = "1 loaded batch waits" if batches == 1 else f"{batches:,} loaded batches wait"
    return f"{wait} to have headlines settled: broadsheet maintain does it, or the next run."


def picture(context: click.Context, parameter: click.Parameter, file: Path | None) -> Path | None:
    """A file to draw into, by its ending."""
    if file is not None and file.suffix.lower() not in (".svg", ".png"):
        raise click.BadParameter(f"{file.name!r} must end in .svg or .png.")
    return file


@headlines.command("show")
@click.argument("headline", type=int, metavar="ID")
@click.option(
    "--plot",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    callback=picture,
    help="Draw its timeline into this file, .svg or .png, whole or not at all; needs matplotlib.",
)
@at_most
@as_json
def show_headline(headline: int, plot: Path | None, limit: int, json_output: bool) -> None:
    """Show one sidebar headline: its wordings, where it leads, where it stood on which day.

    The timeline has a row for each day, source and list, the latest first: how often the headline was placed
    on a page, how high, and one of the pages.

    \b
    Examples:
      broadsheet headlines show 12 --limit 100
      broadsheet headlines show 12 --plot timeline.svg
    """
    from tasks.postgres.headlines import find_headline, revisions

    draw = drawing() if plot else None
    with database() as engine:
        found = found_or_refused(find_headline(engine, headline, limit=limit), f"sidebar headline {headline}")
        if draw and plot:
            with _destination(plot) as stream:
                draw(engine, found.id, stream, plot.suffix[1:].lower())
        if json_output:
            print_json(found)
            return
        reworded = any(text.headline_id != found.id for text in revisions(engine, str(found.id), limit=100))
    click.echo(facts(shown_fields(found, HEADLINE_FACTS)))
    for heading, rows, count, columns in (
        ("Wordings", found.wordings, found.wording_count, WORDING_COLUMNS),
        ("Links", found.links, found.link_count, LINK_COLUMNS),
        ("Timeline", found.timeline, found.timeline_count, TIMELINE_COLUMNS),
    ):
        if rows:
            more = f" ({len(rows)} of {count:,}; --limit shows more)" if len(rows) < count else ""
            click.echo(f"\n{heading}{more}\n{record_table(rows, columns)}")
    click.echo(TIME_BASIS, err=True)
    if reworded:
        click.echo(f"Other texts of its links: broadsheet headlines revisions {found.id}", err=True)


def drawing() -> Callable[[Engine, int, BinaryIO, str], None]:
    """The function that draws timelines.

    Raises:
        ConfigError: matplotlib is not installed.
    """
    try:
        from flows.plot import draw_headline
    except ModuleNotFoundError as error:
        if error.name != "matplotlib":
            raise
        raise missing_extra("--plot", "plot") from None
    return draw_headline


@headlines.command("revisions")
@click.argument("link", metavar="[ID|URL]", required=False)
@at_most
@as_json
def list_revisions(link: str | None, limit: int, json_output: bool) -> None:
    """Show how links were reworded: the headlines that each has carried, in the order of time.

    With a link target's URL, of that link; with the ID of a sidebar headline, of the links it stood on, the
    latest first; with neither, of the links that have carried the most. Spellings and truncations of one
    headline are no revision. Texts seen only at unknown times come first.

    \b
    Examples:
      broadsheet headlines revisions
      broadsheet headlines revisions 12
      broadsheet headlines revisions https://harbour.example/lorn-ferry
    """
    from tasks.postgres.headlines import find_headline, revisions

    with database() as engine:
        rows = revisions(engine, link, limit=limit)
        if not rows and link is not None:
            if link.isdecimal():
                found_or_refused(find_headline(engine, int(link), limit=1), f"sidebar headline {link}")
            else:
                raise ConfigError(f"No sidebar headline has led to {link or 'nothing'}.")
    if json_output:
        print_json(rows)
        return
    if not rows:
        click.echo(f"Sidebar headline {link} had no link." if link else "No revisions.", err=True)
        return
    for number, (target, carried) in enumerate(groupby(rows, key=attrgetter("target"))):
        shown = list(carried)
        click.echo("\n" * bool(number) + printable(target))
        click.echo(record_table(shown, REVISION_COLUMNS))
    click.echo(TIME_BASIS, err=True)


# --- export ------------------------------------------------------------------------------------------


@click.command()
@click.argument("what", type=click.Choice(["articles", "headlines", "sightings"]))
@click.option(
    "--format",
    "form",
    type=click.Choice(["csv", "jsonl", "parquet"]),
    default="csv",
    show_default=True,
    help="How rows are written; Parquet needs pyarrow.",
)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write to this file, whole or not at all, instead of standard output.",
)
def export(what: What, form: Format, output: Path | None) -> None:
    """Write all articles, sidebar headlines or sightings as CSV, JSON lines or Parquet.

    Rows are streamed. Columns keep their names and order from version to version.

    \b
    Examples:
      broadsheet export articles -o articles.csv
      broadsheet export sightings --format jsonl | gzip > sightings.jsonl.gz
    """
    from tasks.postgres.export import export as exported

    with database() as engine, _destination(output) as stream:
        on_terminal = stream.isatty()
        if form == "parquet" and on_terminal:
            raise ConfigError("Parquet is not for a terminal; name a file with -o.")
        for chunk in exported(engine, what, form):  # of whole rows
            stream.write(printable(chunk.decode()).encode() if on_terminal else chunk)
        stream.flush()


@contextmanager
def _destination(output: Path | None) -> Iterator[BinaryIO]:
    """Standard output, or a file that gets its name when it is whole."""
    if output is None:
        yield sys.stdout.buffer
        return
    in_place = output.exists() and not output.is_file()  # a device or a pipe has its name already
    unfinished = output if in_place else output.with_name(f"{output.name}.{secrets.token_hex(4)}.part")
    try:
        with unfinished.open("wb" if in_place else "xb") as stream:  # x follows no link that lies there
            yield stream
        if not in_place:
            unfinished.replace(output)
    except OSError as error:
        raise ConfigError(f"Cannot write {output}: {error.strerror}.") from error
    finally:
        if not in_place:
            unfinished.unlink(missing_ok=True)


# --- status ------------------------------------------------------------------------------------------


@click.command()
@click.option(
    "--runs", type=click.IntRange(0, 1000), default=5, show_default=True, help="How many runs to list."
)
@as_json
def status(runs: int, json_output: bool) -> None:
    """Show what the database holds and what the last runs did.

    \b
    Example:
      broadsheet status
    """
    from schemas.settings import Settings
    from tasks.ledger import GONE, dead_runs
    from tasks.postgres import query
    from tasks.postgres.database import display_url

    with database() as engine:
        found = query.find_status(engine, runs=runs)
        dead = dead_runs(engine)
    place = display_url(Settings.from_environment())
    shown = {field.name: getattr(found, field.name) for field in fields(found)}
    shown["runs"] = listed = [
        replace(row, state="failed", message=GONE) if row.id in dead else row for row in found.runs
    ]
    if json_output:
        print_json({"database": place, **shown})
        return
    del shown["runs"], shown["unsettled"]
    size = f"{shown.pop('bytes') / 2**20:,.1f} MB"
    click.echo(facts({"database": place, **shown, "size": size}))
    if listed:
        click.echo(f"\n{record_table(listed, RUN_COLUMNS)}")
    for row in listed:
        if row.state in ("failed", "interrupted") and row.message:
            click.echo(f"Run {row.id} {row.state}: {plain(row.message)}")
    if found.unsettled and not any(row.state == "running" for row in listed):
        click.echo(unsettled(found.unsettled))


RUN_COLUMNS = (
    "id",
    "kind",
    "state",
    "started_at",
    "seconds",
    "read",
    "loaded",
    "updated",
    "unchanged",
    "duplicate",
    "non_article",
    "quarantined",
    "ignored",
    "skipped",
)
