"""Hostile pages through planner, workers and PostgreSQL: each is accounted for, within its limits."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

SCRIPTS = Path(__file__).resolve().parent.parent / "scripts"


@pytest.mark.slow
def test_every_hostile_page_is_accounted_for(database_url: str, tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPTS / "load_hostile.py"), "--without-giants", "--sample", "700"]
    command += ["--database", database_url, "--json", str(tmp_path / "figures.json")]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["outcomes"]["read"] >= 700
    assert {"damaged", "undecodable"} <= figures["reasons"].keys()
    assert "extractor_error" not in figures["reasons"]
    assert 0 < figures["worker_peak_bytes"] < 400_000_000


def test_the_corpus_is_large_and_the_same_every_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    from make_hostile import hostile_inputs, small_pages

    first, second = (hostile_inputs(0, with_giants=False) for _ in range(2))
    told = [
        [(each.name, each.content) for each in made if isinstance(each.content, bytes)]
        for made in (first, second)
    ]
    assert told[0] == told[1]
    assert len({each.name for each in first}) == len(first)

    assert len({page for _, _, page in small_pages(Random(0))}) >= 2_000
