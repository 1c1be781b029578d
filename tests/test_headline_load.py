"""The load generator at a small size: the same pages every time, and all of them found again."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).resolve().parent.parent / "benchmarks" / "headline_load.py"


@pytest.mark.slow
def test_what_is_put_in_is_there_once(empty_database_url: str, tmp_path: Path) -> None:
    size = [
        "--pages",
        "1200",
        "--headlines",
        "250",
        "--settle-every",
        "500",
        "--batch",
        "100",
        "--words",
        "30",
    ]
    where = ["--database", empty_database_url, "--json", str(tmp_path / "figures.json")]
    command = [sys.executable, str(BENCHMARK), *size, *where, "--processes", "1"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert (figures["found"]["headlines"], figures["found"]["sightings"]) == (250, 24_000)
    assert figures["found"]["generic headlines"] > 0
    assert figures["found"]["links with several texts"] > 0
    assert sum(tenth["pages"] for tenth in figures["tenths"]) == 1200
    assert sum(settled["headlines"] for settled in figures["settles"]) == 250


def test_pages_are_made_alike_alone_and_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARK.parent))
    from generated_news import World

    def world(seed: int) -> World:
        return World(pages=500, headlines=100, per_page=20, sources=2, days=60, words=30, seed=seed)

    pages = world(1).batch(0, 500).pages
    assert world(1).batch(300, 50).pages == pages[300:350]
    assert world(2).page(7).key != pages[7].key
    assert len({page.key for page in pages}) == 500
    assert {len(page.extraction.headlines) for page in pages} == {20}
