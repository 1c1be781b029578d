"""Enters runs, for tests that load batches one by one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Engine

from tasks.ledger import run_under_way


def enter_run(
    engine: Engine,
    kind: str = "ingest",
    parameters: Mapping[str, Any] | None = None,
    flow_run_id: str | None = None,
    extractor: str = "1",
) -> int:
    """Enter a run and leave it as one whose process is gone does: `running`, and not alive."""
    under_way = run_under_way(
        engine, kind=kind, parameters=parameters or {}, flow_run_id=flow_run_id, extractor=extractor
    )
    with under_way as run_id:
        return run_id
