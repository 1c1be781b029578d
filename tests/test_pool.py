"""The worker pool against pages that hang, kill and outgrow real worker processes.

The faults come in through `sitecustomize`, which every worker imports at its start: the extractor then
does what a page names. Everything else is what production runs.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from schemas.errors import Interrupted
from schemas.records import Batch, BatchResult, Input, Limits, Page, Part
from tasks.pool import ExtractionPool, WorkerUnusable

FAULTS = """
import collections, ctypes, itertools, os, re, sys, time
import selectolax.lexbor
import tasks.batch

whole = tasks.batch.extract_page

def faulty(content, *arguments, **keywords):
    if b"FAULT-count" in content:
        with open(os.environ["KILLED"], "a") as tries:
            tries.write("x")
    if b"FAULT-segfault" in content:
        ctypes.string_at(0)
    if b"FAULT-exit" in content:
        os._exit(3)
    if b"FAULT-killed-once" in content and not os.path.exists(os.environ["KILLED"]):
        open(os.environ["KILLED"], "x").close()
        os.kill(os.getpid(), 9)
    if b"FAULT-sleep" in content:
        time.sleep(60)
    if b"FAULT-swallow-once" in content:
        try:
            time.sleep(60)
        except Exception:
            time.sleep(60)
    if b"FAULT-swallow" in content:
        while True:
            try:
                time.sleep(60)
            except Exception:
                pass
    if b"FAULT-loop-in-c" in content:
        collections.deque(itertools.repeat(None), maxlen=0)
    if b"FAULT-regex" in content:
        re.match("(a+)+b", "a" * 64)
    if b"FAULT-memory" in content:
        bytearray(8 << 30)
    if b"FAULT-no-memory-left" in content:
        raise selectolax.lexbor.SelectolaxError("Can't parse HTML.")
    if b"FAULT-leftovers" in content:
        global leftovers
        leftovers = bytearray(700 << 20)
    if b"FAULT-half" in content:
        bytearray(500 << 20)
    if b"FAULT-bug" in content:
        raise KeyError("unforeseen")
    if b"FAULT-modules" in content:
        raise KeyError(" ".join(sorted({name.partition(".")[0] for name in sys.modules})))
    return whole(content, *arguments, **keywords)

tasks.batch.extract_page = faulty
"""

QUICK = Limits(page_seconds=0.6, worker_bytes=1 << 30)


@pytest.fixture
def faults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sitecustomize.py").write_text(FAULTS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("KILLED", str(tmp_path / "killed"))


@pytest.fixture
def pool(faults: None) -> Iterator[ExtractionPool]:
    with ExtractionPool(1, QUICK) as pool:
        yield pool


def page(number: int, fault: str = "") -> Page:
    markup = f"""<html lang="en"><head><title>Ferry {number} returns</title></head><body><article>
    <h1>Ferry {number} returns to Lorn Island</h1><!-- {fault} -->
    <p>The ferry sailed again on Monday after eleven weeks in dry dock, and a brass band met it.</p>
    <p>Islanders had lived on what fishing boats could carry, said the harbour master on the quay.</p>
    </article></body></html>"""
    return Page(markup.encode(), "html", url=f"https://paper.example/{number}", origin_record=number)


def batch(*faults: str, **more: object) -> Batch:
    pages = tuple(page(number, fault) for number, fault in enumerate(faults))
    return replace(Batch(1, pages=pages, limits=QUICK), **more)  # type: ignore[arg-type]


def rejected(result: BatchResult) -> dict[int, str]:
    return {each.origin_record: each.reason for each in result.rejections}


@pytest.mark.parametrize(
    ("fault", "reason", "detail"),
    [
        ("FAULT-segfault", "worker_died", "ended by SIGSEGV"),
        ("FAULT-exit", "worker_died", "ended with exit code 3"),
        ("FAULT-sleep", "timeout", "took longer than 0.6 seconds"),
        ("FAULT-swallow-once", "timeout", "took longer than 0.6 seconds"),
        ("FAULT-regex", "timeout", "took longer than 0.6 seconds"),
        ("FAULT-loop-in-c", "timeout", "took too long where only the end of its process could stop it"),
        ("FAULT-memory", "memory", "needs more than 1,073,741,824 bytes of memory"),
        ("FAULT-no-memory-left", "memory", "needs more than 1,073,741,824 bytes of memory"),
        ("FAULT-bug", "extractor_error", "KeyError: 'unforeseen'"),
    ],
)
def test_a_fault_costs_its_page_only(pool: ExtractionPool, fault: str, reason: str, detail: str) -> None:
    result = pool.extract_batch(batch("", fault, "", fault, ""))
    assert rejected(result) == {1: reason, 3: reason}
    assert [each.origin_record for each in result.pages] == [0, 2, 4]
    assert result.read == 5
    assert all(detail in each.detail for each in result.rejections), result.rejections[0].detail
    lost = result.rejections[0]
    assert (lost.content, lost.url) == (page(1, fault).content, "https://paper.example/1")
    assert rejected(pool.extract_batch(batch("", ""))) == {}, "the pool goes on"


def test_a_page_that_swallows_the_alarm_is_stopped_from_outside(
    faults: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.pool.GRACE_SECONDS", 0.5)
    with ExtractionPool(1, QUICK) as pool:
        result = pool.extract_batch(batch("", "FAULT-swallow", ""))
    assert rejected(result) == {1: "timeout"}
    assert "no sign of life" in result.rejections[0].detail


def test_workers_hold_neither_prefect_nor_sqlalchemy(pool: ExtractionPool) -> None:
    import prefect  # noqa: F401  as in a flow's process
    import sqlalchemy  # noqa: F401

    modules = pool.extract_batch(batch("FAULT-modules")).rejections[0].detail
    assert "bs4" in modules
    assert not {"prefect", "sqlalchemy", "psycopg", "pydantic"} & set(modules.replace("'", " ").split())


def test_accept_is_counted_across_a_death(pool: ExtractionPool) -> None:
    result = pool.extract_batch(batch("", "FAULT-exit", "", "", "", accept=3))
    assert (result.read, result.ignored) == (3, 2)
    assert rejected(result) == {1: "worker_died"}
    assert [each.origin_record for each in result.pages] == [0, 2]


def test_killed_workers_that_are_idle_cost_nothing(faults: None) -> None:
    with ExtractionPool(2, Limits()) as pool:
        pool.extract_batch(batch(""))
        for worker in list(pool._running):
            os.kill(worker._process.pid, signal.SIGKILL)
        time.sleep(0.2)
        assert rejected(pool.extract_batch(batch("", ""))) == {}


def test_a_page_whose_worker_is_killed_is_tried_once_more(pool: ExtractionPool) -> None:
    result = pool.extract_batch(batch("", "FAULT-killed-once", "", accept=2))
    assert rejected(result) == {}
    assert [each.origin_record for each in result.pages] == [0, 1], "each once, and no more than wanted"
    assert (result.read, result.ignored) == (2, 1)


@pytest.mark.parametrize(("fault", "tries"), [("exit", 2), ("sleep", 1), ("loop-in-c", 1), ("memory", 2)])
def test_only_a_page_that_may_be_innocent_gets_a_second_try(
    pool: ExtractionPool, tmp_path: Path, fault: str, tries: int
) -> None:
    result = pool.extract_batch(batch("", f"FAULT-count FAULT-{fault}", ""))
    assert list(rejected(result)) == [1]
    assert len((tmp_path / "killed").read_text()) == tries


def test_a_page_is_not_condemned_for_what_another_left_in_memory(faults: None) -> None:
    limits = replace(QUICK, page_seconds=5)
    whole = batch("", "FAULT-leftovers", "FAULT-half", "", "FAULT-half", accept=4, limits=limits)
    with ExtractionPool(1, limits) as pool:
        result = pool.extract_batch(whole)
    assert rejected(result) == {}
    assert [each.origin_record for each in result.pages] == [0, 1, 2, 3], "each once, and no more than wanted"


def test_memory_that_runs_out_costs_the_page() -> None:
    cells = Page(b"<html><body><table>" + b"<tr><td>x<td>y" * 200_000, "html", url="https://paper.example/t")
    for megabytes in (120, 200):
        limits = Limits(worker_bytes=megabytes * 1_000_000)
        with ExtractionPool(1, limits) as pool:
            result = pool.extract_batch(Batch(1, pages=(cells, page(1)), limits=limits))
        assert rejected(result) in ({0: "memory"}, {0: "worker_died"})
        assert [each.origin_record for each in result.pages] == [1]


def test_a_record_that_takes_too_much_memory_to_read_costs_itself(tmp_path: Path) -> None:
    path = tmp_path / "pages.jsonl"
    good = json.dumps({"text": "The ferry is back\n\nThe ferry sailed again on Monday.\n"})
    path.write_text(f"{good}\n" + "[" + "[]," * 3_000_000 + "[]]\n" + f"{good}\n{good}\n")
    limits = Limits(worker_bytes=150_000_000)
    with ExtractionPool(1, limits) as pool:
        part = Part(Input(path.as_uri(), "0", "jsonl"), 0, 4)
        result = pool.extract_batch(Batch(1, parts=(part,), limits=limits))
    assert rejected(result) in ({1: "memory"}, {1: "worker_died"})
    assert [each.origin_record for each in result.pages] == [0, 2, 3]


def test_workers_leave_signals_to_their_parent(pool: ExtractionPool) -> None:
    pool.extract_batch(batch(""))
    [worker] = pool._running
    for told in (signal.SIGINT, signal.SIGTERM):
        os.kill(worker._process.pid, told)
    assert rejected(pool.extract_batch(batch("", ""))) == {}
    assert [worker] == [*pool._running]


def test_batches_run_side_by_side_from_many_threads(faults: None) -> None:
    results: list[BatchResult] = []
    with ExtractionPool(2, QUICK) as pool:
        threads = [
            threading.Thread(target=lambda: results.append(pool.extract_batch(batch("", "FAULT-exit", ""))))
            for _ in range(6)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [rejected(result) for result in results] == [{1: "worker_died"}] * 6


def test_a_pool_entered_again_has_one_worker_and_ends_with_the_first_who_leaves() -> None:
    with ExtractionPool(2, Limits()) as pool:
        with pool as again:
            [worker] = again._running
        assert worker._process.poll() is not None


def test_leaving_the_pool_ends_workers_and_waiting_callers(faults: None) -> None:
    with ExtractionPool(1, Limits()) as pool:
        running = pool.submit(batch("FAULT-sleep", limits=Limits(page_seconds=60)))
        time.sleep(1.0)
        [worker] = pool._running
    assert worker._process.returncode is not None
    with pytest.raises(Interrupted):
        running.result(timeout=5)


def test_workers_end_with_their_parent(tmp_path: Path) -> None:
    import subprocess
    import sys

    program = (
        "import time; from schemas.records import *; from tasks.pool import ExtractionPool\n"
        "pool = ExtractionPool(2, Limits()).__enter__()\n"
        "batches = [Batch(number, pages=(Page(b'x', 'text'),)) for number in (1, 2)]\n"
        "[extraction.result() for extraction in [pool.submit(batch) for batch in batches]]\n"
        "print(*[worker._process.pid for worker in pool._running], flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    with parent:
        assert parent.stdout is not None
        workers = [int(word) for word in parent.stdout.readline().split()]
        parent.kill()
    deadline = time.monotonic() + 10
    while any(is_alive(worker) for worker in workers):
        assert time.monotonic() < deadline, "workers outlive their parent"
        time.sleep(0.05)
    assert len(workers) == 2


def is_alive(process: int) -> bool:
    """False for a zombie, too: its new parent may be slow to ask for it."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except OSError:
        return False


def test_a_worker_that_cannot_start_fails_loudly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\nprint('no such luck', file=sys.stderr, flush=True)\nos._exit(9)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with ExtractionPool(1, QUICK) as pool, pytest.raises(WorkerUnusable, match="no such luck"):
        pool.extract_batch(batch(""))


def test_workers_that_could_not_start_are_tried_again_with_the_next_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "sitecustomize.py"
    broken.write_text("import os\nos._exit(9)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with ExtractionPool(1, QUICK) as pool:
        for _ in range(2):
            with pytest.raises(WorkerUnusable):
                pool.extract_batch(batch(""))
        broken.unlink()
        assert pool.extract_batch(batch("", "")).read == 2


def test_no_process_more_to_be_had_is_no_fault_of_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise BlockingIOError("Resource temporarily unavailable")

    with ExtractionPool(2, Limits()) as pool:
        pool.extract_batch(batch(""))
        monkeypatch.setattr("subprocess.Popen", refuse)
        assert [each.result().read for each in [pool.submit(batch("")) for _ in range(3)]] == [1, 1, 1]


def test_another_package_called_tasks_does_not_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "__init__.py").write_text("raise RuntimeError('the wrong one')")
    monkeypatch.chdir(tmp_path)
    with ExtractionPool(1, QUICK) as pool:
        assert pool.extract_batch(batch("", "")).read == 2
