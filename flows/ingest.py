"""The flow `ingest`: what is new in the inputs becomes rows."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from pydantic import Field
from tasks.ledger import KnownParts

from flows.run import Order, run
from schemas.records import Selection
from schemas.settings import Settings
from tasks.plan import pack, plan

Paths = Annotated[
    list[str],
    Field(description="Files, directories (read recursively) and globs that hold pages."),
]
FieldNames = Annotated[
    dict[str, str],
    Field(description='JSONL only: our name to the dump\'s, e.g. {"html": "raw_html", "url": "link"}.'),
]
Source = Annotated[str | None, Field(description="Name of the source all these pages come from.")]
PathPattern = Annotated[
    str | None,
    Field(description="What paths say, matched at their end, e.g. {source}/{date}/*.txt."),
]
Domains = Annotated[list[str], Field(description="Only pages of these domains and what is below them.")]
Languages = Annotated[list[str], Field(description="Only pages in these languages (ISO 639-1).")]
Since = Annotated[date | None, Field(description="Only pages fetched on this day (UTC) or later.")]
Until = Annotated[date | None, Field(description="Only pages fetched on this day (UTC) or earlier.")]
Limit = Annotated[int | None, Field(ge=1, description="Stop after so many pages.")]
Workers = Annotated[
    int | None,
    Field(ge=1, le=256, description="Extraction processes; BROADSHEET_WORKERS or all cores if empty."),
]
MaxQuarantine = Annotated[
    float,
    Field(ge=0, le=1, description="Fail a run of 100 pages or more if a larger share of it is quarantined."),
]


def run_name() -> str:
    """What the run is about: its flow, its first input, its dates."""
    given = flow_run.parameters
    paths = given.get("paths") or []
    words = [str(flow_run.get_flow_name()), *paths[:1], f"and {len(paths) - 1} more" if paths[1:] else ""]
    words += [f"{word} {given[word]}" for word in ("since", "until") if given.get(word)]
    return " ".join(word for word in words if word)


@flow(name="ingest", flow_run_name=run_name)
def ingest(
    paths: Paths,
    fields: FieldNames = {},  # noqa: B006  Prefect copies it
    source: Source = None,
    path_pattern: PathPattern = None,
    domains: Domains = [],  # noqa: B006
    languages: Languages = [],  # noqa: B006
    since: Since = None,
    until: Until = None,
    limit: Limit = None,
    workers: Workers = None,
    max_quarantine: MaxQuarantine = 0.5,
) -> State[None]:
    """Load the pages that these inputs hold and the database does not have yet.

    Whatever cannot be read or processed goes to the quarantine and leaves the rest going. Running it
    again loads nothing twice.
    """
    settings = Settings.from_environment()
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
    order = Order("ingest", dict(flow_run.parameters), workers or settings.workers, limit, max_quarantine)
    return run(settings, order, lambda engine: pack(plan(paths, selection, KnownParts(engine)), selection))
