"""The parameters that flows share, described as their forms show them."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from prefect.runtime import flow_run
from pydantic import Field

Paths = Annotated[
    list[str],
    Field(description="Files, directories (read recursively) and globs that hold pages."),
]
FieldNames = Annotated[
    dict[str, str],
    Field(description='JSONL only: our name to the dump\'s, e.g. {"html": "raw_html", "url": "link"}.'),
]
Source = Annotated[str | None, Field(description="Name of the source that all these pages come from.")]
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
    Field(ge=1, le=256, description="Extraction processes; BROADSHEET_WORKERS, else one a core, if empty."),
]
MaxQuarantine = Annotated[
    float,
    Field(ge=0, le=1, description="Fail a run of 100 pages or more if a larger share of it is quarantined."),
]
Replay = Annotated[bool, Field(description="Also try again the pages that wait in quarantine.")]
QuarantineIds = Annotated[list[int], Field(description="Try again only these quarantined pages.")]
Reason = Annotated[
    str | None, Field(description="Try again only pages quarantined for this reason, e.g. timeout.")
]


def run_name() -> str:
    """What a run is about: its flow, its first input, its dates."""
    given = flow_run.parameters
    paths = given.get("paths") or []
    words = [str(flow_run.flow_name), *paths[:1]]
    if paths[1:]:
        words.append(f"and {len(paths) - 1} more")
    if given.get("replay") or given.get("quarantine_ids") or given.get("reason"):
        words.append("quarantine")
    words += [f"{word} {given[word]}" for word in ("since", "until") if given.get(word)]
    return " ".join(words)
