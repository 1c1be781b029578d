"""The flow `backfill`: pages of the past, chosen by path and fetch date, out of quarantine, or read again."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from prefect import flow
from prefect.client.schemas.objects import State
from sqlalchemy import Engine

from flows.parameters import (
    Domains,
    FailedIn,
    FailedSince,
    FailedSource,
    FailedUntil,
    FieldNames,
    KeepPages,
    Languages,
    Limit,
    MaxQuarantine,
    PathPattern,
    Paths,
    QuarantineIds,
    Reason,
    Replay,
    Reprocess,
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
from tasks.postgres.quarantine import Chosen
from tasks.replay import replay as replay_quarantine
from tasks.reprocess import reprocess as stored_again


@flow(name="backfill", flow_run_name=run_name)
def backfill(
    paths: Paths = [],  # noqa: B006  Prefect hands over a copy
    since: Since = None,
    until: Until = None,
    reprocess: Reprocess = False,
    replay: Replay = False,
    quarantine_ids: QuarantineIds = [],  # noqa: B006
    reason: Reason = None,
    failed_since: FailedSince = None,
    failed_until: FailedUntil = None,
    failed_in: FailedIn = None,
    failed_source: FailedSource = None,
    fields: FieldNames = {},  # noqa: B006
    source: Source = None,
    path_pattern: PathPattern = None,
    domains: Domains = [],  # noqa: B006
    languages: Languages = [],  # noqa: B006
    limit: Limit = None,
    workers: Workers = None,
    max_quarantine: MaxQuarantine = 0.5,
    keep_pages: KeepPages = None,
) -> State[None]:
    """Load pages of the past: those of these inputs fetched on these days, or quarantined ones again.

    Older captures never replace the newer text of an article. What is loaded already is not loaded twice,
    unless it is reprocessed: then what this extractor reads on stored pages replaces what another one loaded.
    """
    chosen = Chosen(tuple(quarantine_ids), reason, failed_source, failed_since, failed_until, failed_in)
    again = replay or chosen != Chosen()
    if reprocess and (paths or again or fields or path_pattern or languages):
        raise ConfigError("Reprocess takes stored pages by source, domain and fetch date, and nothing else.")
    if not (paths or again or reprocess):
        raise ConfigError(
            "Name paths to backfill, quarantined pages to try again, or reprocess stored pages."
        )
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
        # What cannot be is refused here, before the run begins and keeps what it was called with.
        sources: list[Iterator[Planned]] = [pack(plan(paths, selection, KnownParts(engine)), selection)]
        if again:
            sources.append(replay_quarantine(engine, archive, selection, chosen))
        if reprocess:
            sources.append(stored_again(engine, archive, selection))
        return chain.from_iterable(sources)

    return run(
        planned,
        workers=workers,
        limit=None if reprocess else limit,  # of these the plan knows how many there are
        max_quarantine=max_quarantine,
        keep_pages=keep_pages,
    )
