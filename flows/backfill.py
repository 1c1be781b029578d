"""The flow `backfill`: pages of the past, chosen by path and fetch date, or out of quarantine."""

from __future__ import annotations

from collections.abc import Iterator

from prefect import flow
from prefect.client.schemas.objects import State
from sqlalchemy import Engine

from flows.parameters import (
    Domains,
    FieldNames,
    Languages,
    Limit,
    MaxQuarantine,
    PathPattern,
    Paths,
    QuarantineIds,
    Reason,
    Replay,
    Since,
    Source,
    Until,
    Workers,
    run_name,
)
from flows.run import Planned, run
from schemas.errors import ConfigError
from schemas.records import Selection
from tasks.archive import Archive
from tasks.ledger import KnownParts
from tasks.plan import pack, plan
from tasks.replay import replay as replay_quarantine


@flow(name="backfill", flow_run_name=run_name)
def backfill(
    paths: Paths = [],  # noqa: B006  Prefect hands over a copy
    since: Since = None,
    until: Until = None,
    replay: Replay = False,
    quarantine_ids: QuarantineIds = [],  # noqa: B006
    reason: Reason = None,
    fields: FieldNames = {},  # noqa: B006
    source: Source = None,
    path_pattern: PathPattern = None,
    domains: Domains = [],  # noqa: B006
    languages: Languages = [],  # noqa: B006
    limit: Limit = None,
    workers: Workers = None,
    max_quarantine: MaxQuarantine = 0.5,
) -> State[None]:
    """Load pages of the past: those of these inputs fetched on these days, or quarantined ones again.

    Older captures never replace the newer text of an article. What is loaded already is not loaded twice.
    """
    again = replay or bool(quarantine_ids) or reason is not None
    if not paths and not again:
        raise ConfigError("Name paths to backfill, or quarantined pages to try again.")
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

    def planned(engine: Engine, archive: Archive) -> Iterator[Planned]:
        yield from pack(plan(paths, selection, KnownParts(engine)), selection)
        if again:
            yield from replay_quarantine(engine, archive, selection, ids=quarantine_ids, reason=reason)

    return run(planned, workers=workers, limit=limit, max_quarantine=max_quarantine)
