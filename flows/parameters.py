"""The parameters that flows share, described as their forms show them."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from prefect.runtime import flow_run
from pydantic import Field

from tasks.inputs.storage import shown


def _about(description: str, *, ge: float | None = None, le: float | None = None) -> Any:
    """Prefect's form drops a field's own description, but not what the schema is given beside."""
    return Field(json_schema_extra={"description": description}, ge=ge, le=le)


Paths = Annotated[
    list[str], _about("Files, directories, globs, s3://, gs:// and https:// URIs that hold pages.")
]
FieldNames = Annotated[
    dict[str, str], _about('JSONL only: our name to the dump\'s, e.g. {"html": "raw_html", "url": "link"}.')
]
Source = Annotated[str | None, _about("Name of the source that all these pages come from.")]
PathPattern = Annotated[
    str | None, _about("What paths say, matched at their end, e.g. {source}/{date}/*.txt.")
]
Domains = Annotated[list[str], _about("Only pages of these domains and what is below them.")]
Languages = Annotated[list[str], _about("Only pages in these languages (ISO 639-1).")]
Since = Annotated[date | None, _about("Only pages fetched on this day (UTC) or later.")]
Until = Annotated[date | None, _about("Only pages fetched on this day (UTC) or earlier.")]
Limit = Annotated[int | None, _about("Read the first so many pages, known or not.", ge=1)]
Workers = Annotated[
    int | None, _about("Extraction processes; if empty, BROADSHEET_WORKERS, else one a core.", ge=1, le=256)
]
MaxQuarantine = Annotated[
    float, _about("Fail a run of 100 pages or more if a larger share of it is quarantined.", ge=0, le=1)
]
KeepPages = Annotated[
    str | None,
    _about("Keep the raw bytes of every page, as WARC, in this directory or bucket (s3://, gs://)."),
]
Replay = Annotated[bool, _about("Try again the pages that wait in quarantine, too.")]
QuarantineIds = Annotated[list[int], _about("Try again these quarantined pages.")]
Reason = Annotated[str | None, _about("Try again the pages quarantined for this reason, e.g. timeout.")]
FailedSince = Annotated[date | None, _about("Try again pages that last failed on this day (UTC) or later.")]
FailedUntil = Annotated[date | None, _about("Try again pages that last failed on this day (UTC) or earlier.")]
FailedIn = Annotated[int | None, _about("Try again pages that last failed in the run of this number.", ge=1)]
FailedSource = Annotated[str | None, _about("Try again the quarantined pages of this source.")]
Reprocess = Annotated[
    bool, _about("Read stored pages again that another version of the extractor has read, wherever they are.")
]
KeepSightings = Annotated[
    int | None,
    _about("Drop sightings of pages fetched more days ago than this; if empty, none.", ge=1, le=36_500),
]


REPLAYING = (
    "replay",
    "quarantine_ids",
    "reason",
    "failed_since",
    "failed_until",
    "failed_in",
    "failed_source",
)
"""Parameters of which each asks for quarantined pages."""


def run_name() -> str:
    """What a run is about: its flow, its first input without what may be a secret, its dates."""
    given = flow_run.parameters
    paths = given.get("paths") or []
    words = [str(flow_run.flow_name), *map(shown, paths[:1])]
    if paths[1:]:
        words.append(f"and {len(paths) - 1} more")
    if any(given.get(name) for name in REPLAYING):
        words.append("quarantine")
    if given.get("reprocess"):
        words.append("reprocess")
    words += [f"{word} {given[word]}" for word in ("since", "until") if given.get(word)]
    return " ".join(words)
