"""The command `broadsheet`: parses what people type, calls, prints.

Prefect, SQLAlchemy and the parsers take seconds to import; each command imports only what it needs.
"""

from __future__ import annotations

import gc
import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NoReturn

import click

from flows import signals
from flows.database_commands import db, maintain
from flows.listings import articles, export, headlines, status
from flows.options import reading, running, selection
from flows.quarantine_commands import quarantine
from flows.render import printable
from flows.why import why
from schemas.errors import BroadsheetError, ConfigError, PageError
from schemas.settings import Settings

FAILED, MISUSED = 1, 2
"""Exit codes beside 0: the run failed, the command or a setting is wrong."""


class _InOrder(click.Group):
    """Lists its commands in the order in which people meet them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


@click.group(cls=_InOrder, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="broadsheet")
def broadsheet() -> None:
    """Scraped news pages in, clean and de-duplicated rows in Postgres out.

    \b
    Start with:
      broadsheet ingest examples
      broadsheet articles list
      broadsheet headlines top

    Exit codes: 0 fine, 1 the run failed, 2 the command or a setting is wrong, 130 Ctrl-C,
    143 SIGTERM.
    """


@broadsheet.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@reading
@running
def ingest(paths: tuple[str, ...], **options: Any) -> None:
    """Load scraped pages. What is loaded already is skipped.

    A PATH is a file, a directory (with everything below it), a quoted glob, or - for JSONL on standard input;
    s3:// and gs:// name objects, prefixes and globs in the same way, https:// names single files.
    Read are .txt, .html, .htm, .jsonl, .warc and .wet, each plain or as .gz or .zst; other files in a
    directory are counted and passed over.

    \b
    Examples:
      broadsheet ingest examples
      broadsheet ingest 'landing/2025-05-*/*.warc.gz' --domain example.org
      broadsheet ingest landing --path-pattern '{source}/{date}/*.txt'
      zcat dump.jsonl.gz | broadsheet ingest - --fields html=raw_html,url=link
    """
    _run("ingest", paths, **options)


@broadsheet.command()
@click.argument("paths", nargs=-1, metavar="[PATH...]")
@click.option(
    "--reprocess",
    is_flag=True,
    help="Read stored pages again that another version of the extractor has read; takes no PATH.",
)
@reading
@running
def backfill(paths: tuple[str, ...], reprocess: bool, **options: Any) -> None:
    """Load pages of the past, chosen by path and fetch date.

    Takes the same inputs and options as ingest, and skips what is loaded in the same way. Older captures
    never replace the newer text of an article.

    With --reprocess, stored pages that another version of the extractor has read are read again, and what
    they say now replaces what they said: articles, their texts, sidebar headlines and all sums. Choose them
    by --source, --domain, --since, --until and --limit. Their bytes come from where they were read, else from
    kept pages, else from the archive; a page whose bytes are gone stays as it is. What was read again
    counts as loaded (its article is new), updated (the article's text or fields changed), duplicate or
    non-article (something else of the page changed), or unchanged. Running it again goes on where it was.

    \b
    Examples:
      broadsheet backfill archive/2024 --since 2024-03-01 --until 2024-03-31
      broadsheet backfill --reprocess --source gazette --since 2025-01-01
    """
    if reprocess:
        given = [name for name in ("fields", "path_pattern", "languages") if options[name]]
        if paths or given:
            raise click.UsageError("--reprocess takes stored pages: by --source, --domain, --since, --until.")
    elif not paths:
        raise click.UsageError("Name a PATH to load, or --reprocess stored pages.")
    _run("backfill", paths, more={"reprocess": reprocess}, **options)


@broadsheet.command()
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--url", help="Where the page was found; makes links absolute and confirms the canonical one.")
def extract(file: Path, url: str | None) -> None:
    """Print what one page says, as JSON. Needs no database.

    FILE is one saved page, HTML or flattened text; - reads it from standard input.

    \b
    Example:
      broadsheet extract examples/seed.txt
      curl -s https://example.org/story.html | broadsheet extract - --url https://example.org/story.html
    """
    from flows.render import print_json
    from schemas.records import Limits
    from tasks.extract import extract_page
    from tasks.limits import memory_limit, out_of_memory, within_limits

    limits = Limits()
    try:
        content = _page_bytes(file, limits.page_bytes)
        with memory_limit(limits):
            found = within_limits(partial(extract_page, content, url), limits)
    except PageError as error:
        raise PageError(f"{file}: {error}") from error
    except MemoryError:
        _complain(PageError(f"{file}: {out_of_memory(limits)}"), FAILED)
        sys.stderr.flush()
        os._exit(FAILED)  # at once: to take apart what fills the memory can last minutes
    print_json(found.as_dict())


def _page_bytes(file: Path, limit: int) -> bytes:
    """The bytes of one page, `limit` at most.

    Raises:
        ConfigError: the file cannot be read.
        PageTooLarge: it has more.
    """
    from schemas.errors import PageTooLarge

    try:
        if str(file) == "-":
            content = sys.stdin.buffer.read(limit + 1)
        else:
            with file.open("rb") as stream:
                content = stream.read(limit + 1)
    except OSError as error:
        raise ConfigError(f"Cannot read {file}: {error.strerror}.") from error
    if len(content) > limit:
        raise PageTooLarge(f"more than {limit:,} bytes, the limit for one page")
    return content


for each in (status, articles, headlines, why, quarantine, export, maintain, db):
    broadsheet.add_command(each)


def _run(
    flow: Literal["ingest", "backfill"],
    paths: tuple[str, ...],
    *,
    workers: int | None,
    max_quarantine: float | None,
    keep_pages: str | None,
    json_output: bool,
    quiet: bool,
    more: Mapping[str, Any] = MappingProxyType({}),
    **chosen: Any,
) -> None:
    """Check what was asked for, run the flow on it, tell what it did."""
    from flows.progress import show_run
    from tasks.inputs.storage import withhold_query
    from tasks.keep import Keeper
    from tasks.plan import NothingKnown, plan

    wanted = selection(**chosen)
    settings = Settings.from_environment()
    inputs = [withhold_query(path) for path in _spooled(paths, settings)]
    plan(inputs, wanted, NothingKnown())  # complains at once; Prefect takes seconds to start
    if keep_pages:
        Keeper(keep_pages, settings.spools).check(inputs)
    parameters = {**asdict(wanted), "fields": dict(wanted.fields), "paths": inputs}
    parameters |= {"workers": workers, "max_quarantine": 0.5 if max_quarantine is None else max_quarantine}
    parameters |= {"keep_pages": keep_pages, **more}
    show_run(flow, parameters, json_output=json_output, quiet=quiet)


def _spooled(paths: tuple[str, ...], settings: Settings) -> list[str]:
    """The paths, with - replaced by a copy of standard input that can be read again later."""
    if "-" not in paths:
        return list(paths)
    if sys.stdin.isatty():
        raise ConfigError("Nothing is piped into standard input, which - stands for.")
    from tasks.archive import Archive

    spooled = str(Archive(settings.archive).spool_stdin(sys.stdin.buffer))
    return list(dict.fromkeys(spooled if path == "-" else path for path in paths))


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command and exit: a mistake costs one sentence, a bug shows its traceback."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError):  # a caller may have put something simpler in its place
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    try:
        with signals.heeded():
            code = broadsheet.main(arguments, prog_name="broadsheet", standalone_mode=False) or 0
            sys.stdout.flush()
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        code = MISUSED
    except click.UsageError as error:
        place = error.ctx.command_path if error.ctx else "broadsheet"
        click.echo(f"Error: {printable(error.format_message())} See {place} --help.", err=True)
        code = MISUSED
    except click.ClickException as error:
        click.echo(f"Error: {printable(error.format_message())}", err=True)
        code = error.exit_code
    except ConfigError as error:
        code = _complain(error, MISUSED)
    except BroadsheetError as error:
        code = _complain(error, FAILED)
    except (click.Abort, KeyboardInterrupt) as error:
        click.echo(str(error) or "Interrupted.", err=True)
        code = signals.exit_code()
    except Exception as error:  # noqa: BLE001  shown whole, but what it quotes may come from a page
        refusal = _refusal(error)
        if refusal is None:
            click.echo(printable(traceback.format_exc()), err=True, nl=False)
            code = FAILED
        else:
            code = _complain(refusal, MISUSED)
    gc.freeze()  # the interpreter would look through all there is for cycles before it ends
    sys.exit(code)


def _refusal(error: Exception) -> ConfigError | None:
    """What the database says when it refuses a right or goes away; None for any other error."""
    if "sqlalchemy" not in sys.modules:
        return None
    from sqlalchemy.exc import DBAPIError, OperationalError

    if not isinstance(error, DBAPIError):
        return None
    insufficient_privilege = getattr(error.orig, "sqlstate", None) == "42501"
    if not insufficient_privilege and not isinstance(error, OperationalError):
        return None
    return ConfigError(f"The database refuses: {str(error.orig).strip().splitlines()[0]}.")


def _complain(error: BroadsheetError, code: int) -> int:
    click.echo(f"Error: {printable(str(error))}", err=True)
    return code
