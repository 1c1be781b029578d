"""The flow `ingest`: what is new in the inputs becomes rows."""

from __future__ import annotations

from prefect import flow
from prefect.client.schemas.objects import State

from flows.parameters import (
    Domains,
    FieldNames,
    KeepPages,
    Languages,
    Limit,
    MaxQuarantine,
    PathPattern,
    Paths,
    Since,
    Source,
    Until,
    Workers,
    run_name,
)
from flows.run import run
from schemas.records import Selection
from tasks.ledger import KnownParts
from tasks.plan import pack, plan


@flow(name="ingest", flow_run_name=run_name)
def ingest(
    paths: Paths,
    fields: FieldNames = {},  # noqa: B006  Prefect hands over a copy
    source: Source = None,
    path_pattern: PathPattern = None,
    domains: Domains = [],  # noqa: B006
    languages: Languages = [],  # noqa: B006
    since: Since = None,
    until: Until = None,
    limit: Limit = None,
    workers: Workers = None,
    max_quarantine: MaxQuarantine = 0.5,
    keep_pages: KeepPages = None,
) -> State[None]:
    """Load the pages of these inputs that the database does not have yet.

    What cannot be read or processed goes to quarantine and leaves the rest going. Running it again loads
    nothing twice.
    """
    selection = Selection(
        fields=tuple(sorted(fields.items())),
        source=source,
        path_pattern=path_pattern,
        domains=tuple(domains),
        languages=tuple(languages),
        since=since,
        until=until,
        limit=limit,
    )
    return run(
        lambda engine, archive: pack(plan(paths, selection, KnownParts(engine)), selection),
        workers=workers,
        limit=limit,
        max_quarantine=max_quarantine,
        keep_pages=keep_pages,
    )
