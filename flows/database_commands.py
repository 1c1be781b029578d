"""The commands `broadsheet maintain` and `broadsheet db …`."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from schemas.errors import ConfigError

if TYPE_CHECKING:
    from tasks.postgres.roles import Duty


@click.command()
@click.option(
    "--keep-sightings",
    type=click.IntRange(1, 36_500),
    metavar="DAYS",
    help="Drop sightings of pages fetched longer ago. Default: keep all.",
)
def maintain(keep_sightings: int | None) -> None:
    """Settle what a run left behind, and make room for the sightings to come.

    Sightings are kept for ever unless told otherwise. They are dropped a million pages at a time, once all
    of these were fetched longer ago; pages of unknown fetch time count by when they were loaded. Pages,
    articles, headlines, and what the sightings come to by day, source and list stay.

    \b
    Examples:
      broadsheet maintain
      broadsheet maintain --keep-sightings 400
    """
    from schemas.settings import Settings
    from tasks.maintain import maintain as upkeep
    from tasks.postgres.database import open_database
    from tasks.settle import settle

    with open_database(Settings.from_environment()) as engine:
        if batches := settle(engine).batches:
            click.echo(f"Settled batches that a run left behind: {batches:,}.")
        click.echo(upkeep(engine, keep_sightings=keep_sightings).sentence)


@click.group()
def db() -> None:
    """Reach the database itself.

    Without BROADSHEET_DATABASE_URL it is an embedded PostgreSQL, which runs while a command uses it.
    """


@db.command()
@click.option("--hold", is_flag=True, help="Keep the embedded PostgreSQL running until Ctrl-C.")
def url(hold: bool) -> None:
    """Print the URL of the database, for psql and other programs.

    The password of a server of your own is shown as three stars. The embedded PostgreSQL has none: its socket
    is in a directory that only you may enter.

    \b
    Examples:
      broadsheet db url
      broadsheet db url --hold    # and open it in another program meanwhile
    """
    from schemas.settings import Settings
    from tasks.postgres.database import display_url, open_database
    from tasks.postgres.embedded import use_embedded

    settings = Settings.from_environment()
    if settings.database_url:
        click.echo(display_url(settings))
        return
    with open_database(settings), use_embedded(settings.home) as server:
        plain = server.url.replace("postgresql+psycopg://", "postgresql://", 1)
        click.echo(f"{plain}&options=-csearch_path%3D{settings.schema}")
        if hold:
            click.echo("Running until Ctrl-C.", err=True)
            while True:
                signal.pause()


@db.command()
def upgrade() -> None:
    """Create the tables, or bring them to what this version needs.

    The embedded PostgreSQL is brought up to date by every command; a server of your own only by this one.

    \b
    Example:
      BROADSHEET_DATABASE_URL=postgresql://me@db.example/news broadsheet db upgrade
    """
    from schemas.settings import Settings
    from tasks.postgres.database import current_revision, display_url, head_revision, open_database
    from tasks.postgres.database import upgrade as migrate

    settings = Settings.from_environment()
    with open_database(settings, migrate="never") as engine:
        before = current_revision(engine)
        if before == head_revision():
            click.echo(f"Up to date: {display_url(settings)} is at revision {before}.")
            return
        migrate(engine, settings.schema)
        click.echo(f"Upgraded {display_url(settings)} to revision {current_revision(engine)}.")


@db.command()
@click.argument("duty", type=click.Choice(["loader", "reader"]))
@click.argument("role")
def grant(duty: Duty, role: str) -> None:
    """Let another database role load pages, or read what is loaded; nothing else.

    Run it as the owner of the tables, the role that runs db upgrade and maintain. A loader reads and writes
    rows (ingest, backfill, quarantine) but makes and changes no table; a reader only reads. What ROLE, which
    must exist, was granted before is taken from it. Grant again after db upgrade: it may only read the tables
    that this adds.

    \b
    Examples:
      broadsheet db grant loader news_loader
      broadsheet db grant reader news_analyst
    """
    from schemas.settings import Settings
    from tasks.postgres.database import display_url, open_database
    from tasks.postgres.roles import grant as grant_rights

    settings = Settings.from_environment()
    with open_database(settings) as engine:
        grant_rights(engine, settings.schema, duty, role)
        click.echo(f"{role} may now {DUTIES[duty]} in {display_url(settings)}.")


DUTIES: dict[Duty, str] = {"loader": "load pages", "reader": "read everything"}


@db.command(context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def psql(context: click.Context, arguments: tuple[str, ...]) -> None:
    """Open psql on the database; further ARGUMENTS are psql's own.

    \b
    Examples:
      broadsheet db psql
      broadsheet db psql -c 'select title from article_list limit 5'
    """
    from schemas.settings import Settings
    from tasks.postgres.database import open_database, psql_arguments

    settings = Settings.from_environment()
    with open_database(settings) as engine:
        connection, password = psql_arguments(engine)
        program = _psql()
        engine.dispose()
        patience = signal.signal(signal.SIGINT, lambda *_: None)  # Ctrl-C is for psql alone
        try:
            environment = {**os.environ, **({"PGPASSWORD": password} if password else {})}
            code = subprocess.run([program, connection, *arguments], env=environment, check=False).returncode  # noqa: S603
        finally:
            signal.signal(signal.SIGINT, patience)
    context.exit(code)


def _psql() -> str:
    """The packaged psql before the system's, which may be too old to know every option of the connection."""
    from tasks.postgres.embedded import packaged_binary

    with suppress(ConfigError):  # a platform without packaged PostgreSQL
        packaged = packaged_binary("psql")
        if packaged.exists():
            return str(packaged)
    found = shutil.which("psql")
    if found is None:
        raise ConfigError("There is no psql on this machine; install the PostgreSQL client programs.")
    return found
