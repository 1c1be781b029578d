"""Hostile pages through planner, workers and PostgreSQL: each is accounted for, within its limits."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest
import zstandard

from schemas.records import Batch, Limits, Selection
from tasks.plan import NothingKnown, pack, plan
from tasks.pool import ExtractionPool

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


def test_giants_cost_a_worker_neither_its_life_nor_its_memory(tmp_path: Path) -> None:
    """What the sample leaves out: 300 MB in 30 KB, a line of 50 MB, 200,000 elements in one another."""
    zeros = io.BytesIO()
    with zstandard.ZstdCompressor().stream_writer(zeros, closefd=False) as writer:
        for _ in range(300):
            writer.write(bytes(1 << 20))
    page = b"<html><body><h1>Ferry returns</h1><p>The ferry sailed again on Monday.</p></body></html>"
    line = b'{"html": "%b"}\n{"html": "%b"}\n' % (b"word " * 10_000_000, page)
    (tmp_path / "1-bomb.html.zst").write_bytes(zeros.getvalue())
    (tmp_path / "2-lines.jsonl.gz").write_bytes(gzip.compress(line, 1))
    (tmp_path / "3-nested.html").write_bytes(b"<html><body>" + b"<div>" * 200_000 + b"x")
    (tmp_path / "4-page.html").write_bytes(page)
    batches = list(pack(plan([str(tmp_path)], Selection(), NothingKnown()), Selection()))
    with ExtractionPool(1, Limits()) as pool:
        [worker] = pool._running
        results = [pool.extract_batch(batch) for batch in batches if isinstance(batch, Batch)]
        assert [worker] == [*pool._running]
        status = Path(f"/proc/{worker._process.pid}/status").read_text()
    read = [Path(page.origin_uri).name for result in results for page in result.pages]
    assert read == ["2-lines.jsonl.gz", "3-nested.html", "4-page.html"]
    assert [each.reason for result in results for each in result.rejections] == ["too_large", "too_large"]
    assert int(status.partition("VmHWM:")[2].split()[0]) * 1024 < 400_000_000


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
