"""Runs killed, stopped and cut off at random moments: a seeded sample of `benchmarks/kill_runs.py`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

COMMAND = Path(__file__).resolve().parent.parent / "benchmarks" / "kill_runs.py"
SAMPLE = {"parents": 5, "workers": 5, "stops": 1, "restarts": 1, "cuts": 1, "pairs": 1, "alone": 0}
AT_WORK = ("planned", "loading", "settling", "finishing")
"""Of a run that is entered in the ledger and has not ended there: most moments are drawn from then."""


@pytest.mark.slow
def test_whatever_happens_to_a_run_the_database_equals_a_clean_one(
    prefect_server: str, tmp_path: Path
) -> None:
    sample = [word for name, number in SAMPLE.items() for word in (f"--{name}", str(number))]
    size = ["--copies", "1", "--days", "4", "--json", str(tmp_path / "figures.json")]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BROADSHEET_")}
    killed = subprocess.run(
        [sys.executable, COMMAND, *sample, *size],
        env={**environment, "PREFECT_API_URL": prefect_server},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert killed.returncode == 0, killed.stdout + killed.stderr
    trials = json.loads((tmp_path / "figures.json").read_text())["trials"]
    assert len(trials) == sum(SAMPLE.values())
    assert not any(trial["faults"] for trial in trials)
    stages = Counter(trial["stage"] for trial in trials)
    assert sum(stages[stage] for stage in AT_WORK) >= len(trials) / 2, f"too little is shown: {stages}"
