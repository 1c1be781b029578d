"""Runs that are told to end, and runs whose database or Prefect server goes away.

Processes, signals and servers are real.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import orjson
import psycopg
import pytest
from captures import empty
from content import Content, content, differences
from prefect import flow
from prefect.client.schemas.objects import State
from prefect.settings import PREFECT_API_URL, PREFECT_LOGGING_TO_API_ENABLED, temporary_settings
from runs import enter_run
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import OperationalError, ProgrammingError

from flows.run import run
from schemas.errors import ConfigError, TransientLoadError
from schemas.records import Batch, RunReport, Selection
from schemas.settings import Settings
from tasks.archive import Archive
from tasks.batch import extract_batch
from tasks.extract import EXTRACTOR_VERSION
from tasks.ledger import finish_dead_runs, finish_run, run_under_way
from tasks.load import load_batch
from tasks.plan import NothingKnown, pack, plan
from tasks.postgres.database import open_database
from tasks.postgres.embedded import use_embedded
from tasks.postgres.patience import Patience, only_busy, patient
from tasks.settle import settle

COMMAND = Path(sys.executable).with_name("broadsheet")
END_SECONDS = 10.0
STORY = """<html lang="en"><head><title>{0}</title></head><body><article><h1>{0}</h1>
<p>The {0} story begins on Monday after eleven weeks in dry dock, and a brass band met it.</p>
<p>Islanders had lived on what fishing boats could carry, said the harbour master on the quay.</p></article>
<aside><h2>Most read</h2><ul>
<li><a href="/wall">Council approves the harbour wall after a long night</a></li>
<li><a href="/{1}">Chapter {1} of the lighthouse keepers comes home at last</a></li></ul></aside>"""


def landing(path: Path, inputs: int, pages: int = 1) -> Path:
    """A directory of so many dumps with so many pages each; 500 pages are a batch."""
    path.mkdir()
    for number in range(inputs):
        numbers = range(number * pages, (number + 1) * pages)
        lines = [
            {"html": STORY.format(f"Ferry {n} returns to Lorn", n), "url": f"https://paper.example/{n}"}
            for n in numbers
        ]
        (path / f"{number}.jsonl").write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))
    return path


@pytest.fixture
def environment(environment: dict[str, str], prefect_server: str) -> dict[str, str]:
    return {**environment, "PREFECT_API_URL": prefect_server}


@contextmanager
def ingesting(pages: Path, environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [COMMAND, "ingest", pages, "--json"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def told(process: subprocess.Popen[str], number: int) -> tuple[str, str, float]:
    """Send a signal and wait for the end: standard output and error, and the seconds it took."""
    process.send_signal(number)
    began = time.monotonic()
    said = process.communicate(timeout=60)
    return *said, time.monotonic() - began


def catches(process: subprocess.Popen[str], number: int) -> bool:
    """Whether a process has a handler for a signal, which before would simply end it."""
    status = Path(f"/proc/{process.pid}/status")
    if not status.exists():
        pytest.skip("what a process does with signals shows in Linux's /proc only")
    [caught] = [line for line in status.read_text().splitlines() if line.startswith("SigCgt")]
    return bool(int(caught.split()[1], 16) >> number - 1 & 1)


def finished(process: subprocess.Popen[str]) -> dict[str, Any]:
    """The report of a run that goes through."""
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    report: dict[str, Any] = json.loads(out)
    return report


def load_undisturbed(engine: Engine, pages: Path) -> Content:
    """What a database holds that was empty and lost nothing and nobody meanwhile."""
    run_id = enter_run(engine, extractor=EXTRACTOR_VERSION)
    for batch in pack(plan([str(pages)], Selection(), NothingKnown()), Selection()):
        assert isinstance(batch, Batch)
        load_batch(engine, batch, extract_batch(batch), run_id=run_id, extractor=EXTRACTOR_VERSION)
    settle(engine)
    return content(engine)


def eventually(what: Callable[[], Any], seconds: float = 60) -> Any:
    deadline = time.monotonic() + seconds
    while not (answer := what()):
        assert time.monotonic() < deadline, "it does not come about"
        time.sleep(0.05)
    return answer


def one(database: Engine, statement: str) -> Any:
    with database.connect() as connection:
        return connection.execute(text(statement)).one()


def prefect_run(server: str, flow_run_id: str) -> dict[str, Any]:
    with urlopen(f"{server}/flow_runs/{flow_run_id}", timeout=30) as answer:
        run: dict[str, Any] = json.load(answer)
    return run


def task_states(server: str, flow_run_id: str) -> list[str]:
    """Those of a run's tasks, of which the server hears as events, some time after they happened."""
    asked = Request(
        f"{server}/task_runs/filter",
        json.dumps({"flow_runs": {"id": {"any_": [flow_run_id]}}}).encode(),
        {"Content-Type": "application/json"},
    )
    with urlopen(asked, timeout=30) as answer:
        return [str(run["state_type"]) for run in json.load(answer)]


def prefect_state(server: str, flow_run_id: str) -> str:
    return str(prefect_run(server, flow_run_id)["state_type"])


@contextmanager
def held(database: Engine, lock: str) -> Iterator[None]:
    """Hold a lock; the block begins when somebody waits for it."""
    with database.connect() as connection:
        connection.execute(text(lock))
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = "

        def somebody_waits() -> bool:
            return bool(one(database, f"{waiting} current_database()")[0])

        eventually(somebody_waits)
        yield
        connection.rollback()


LOADING = "LOCK TABLE pages IN ACCESS EXCLUSIVE MODE"
SETTLING = "SELECT pg_advisory_xact_lock(hashtext('broadsheet settle'))"


# --- told to end -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "code", "at", "loaded"),
    [(signal.SIGTERM, 143, LOADING, 0), (signal.SIGINT, 130, SETTLING, 3)],
    ids=["sigterm while loading", "ctrl-c while settling"],
)
def test_what_hangs_in_the_database_is_rolled_back(
    number: int,
    code: int,
    at: str,
    loaded: int,
    tmp_path: Path,
    environment: dict[str, str],
    database: Engine,
    prefect_server: str,
) -> None:
    pages = landing(tmp_path / "landing", inputs=1, pages=3)
    with ingesting(pages, environment) as process:
        with held(database, at):
            out, err, seconds = told(process, number)
        assert seconds < END_SECONDS
    assert process.returncode == code, err
    assert err.strip().startswith("Interrupted.") and len(err.strip().splitlines()) == 1
    assert json.loads(out)["state"] == "interrupted"
    row = one(database, "SELECT state, read, loaded, finished_at IS NOT NULL, message, flow_run_id FROM runs")
    name = "SIGTERM" if number == signal.SIGTERM else "Ctrl-C"
    assert row[:5] == ("interrupted", loaded, loaded, True, f"Interrupted by {name}.")
    assert one(database, "SELECT count(*) FROM pages")[0] == loaded
    assert prefect_state(prefect_server, row.flow_run_id) == "CANCELLED"

    with ingesting(pages, environment) as process:
        assert finished(process)["counts"]["loaded"] == 3 - loaded
    assert one(database, "SELECT count(*) FILTER (WHERE settled_at IS NULL) FROM batches")[0] == 0
    assert one(database, "SELECT count(*) FROM pages")[0] == 3


def test_the_batch_in_hand_is_finished(tmp_path: Path, environment: dict[str, str], database: Engine) -> None:
    pages = landing(tmp_path / "landing", inputs=1, pages=3)
    with ingesting(pages, environment) as process:
        with held(database, LOADING):
            process.terminate()
            time.sleep(1)
        _, err = process.communicate(timeout=END_SECONDS)
    assert process.returncode == 143, err
    assert tuple(one(database, "SELECT state, read, loaded FROM runs")) == ("interrupted", 3, 3)
    assert one(database, "SELECT count(*) FROM pages")[0] == 3


def test_a_page_that_hangs_does_not_delay_the_end(
    tmp_path: Path, environment: dict[str, str], database: Engine, prefect_server: str
) -> None:
    slow = tmp_path / "slow"
    slow.mkdir()
    (slow / "sitecustomize.py").write_text(
        "import sys, time\n"
        "if 'tasks.worker' in ' '.join(sys.orig_argv):\n"
        "    import tasks.batch\n"
        "    def hang(*_, **__):\n"
        f"        open({str(tmp_path / 'begun')!r}, 'w').close()\n"
        "        time.sleep(99)\n"
        "    tasks.batch.extract_page = hang\n"
    )
    pages = landing(tmp_path / "landing", inputs=1, pages=3)
    with ingesting(pages, {**environment, "PYTHONPATH": str(slow)}) as process:
        eventually((tmp_path / "begun").exists)  # perhaps before there is a task that waits for the worker
        [flow_run_id] = one(database, "SELECT flow_run_id FROM runs")
        eventually(lambda: task_states(prefect_server, flow_run_id) == ["RUNNING"])
        _, err, seconds = told(process, signal.SIGTERM)
    assert (process.returncode, seconds < END_SECONDS) == (143, True), err
    assert tuple(one(database, "SELECT state, read FROM runs")) == ("interrupted", 0)
    run = prefect_run(prefect_server, flow_run_id)
    assert run["state"]["message"] == "Interrupted by SIGTERM before a batch was loaded."
    final = {"CANCELLED", "FAILED", "COMPLETED", "CRASHED"}
    eventually(lambda: final >= set(task_states(prefect_server, flow_run_id)))
    assert task_states(prefect_server, flow_run_id) == ["CANCELLED"], "a batch given up is no failure"
    with ingesting(pages, environment) as process:
        assert finished(process)["counts"]["loaded"] == 3


def test_an_error_waits_for_what_is_loading_and_counts_it(
    tmp_path: Path,
    settings: Settings,
    database: Engine,
    prefect_server: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever breaks a run off: no batch commits once it is entered as ended."""
    pages = landing(tmp_path / "landing", inputs=1, pages=3)
    monkeypatch.setenv("BROADSHEET_HOME", str(settings.home))
    monkeypatch.setenv("BROADSHEET_DATABASE_URL", str(settings.database_url))

    def planned(engine: Engine, archive: Archive) -> Iterator[Batch]:
        [batch] = pack(plan([str(pages)], Selection(), NothingKnown()), Selection())
        assert isinstance(batch, Batch)
        yield batch
        with held(database, LOADING):
            threading.Timer(1.0, release.set).start()
            release.wait()
        raise ZeroDivisionError("a bug in planning")

    @flow(name="broken")
    def broken() -> State[None]:
        return run(planned, workers=1, limit=None, max_quarantine=0.5, keep_pages=None)

    release = threading.Event()
    told = {PREFECT_API_URL: prefect_server, PREFECT_LOGGING_TO_API_ENABLED: False}
    with temporary_settings(told), pytest.raises(ZeroDivisionError):
        broken()
    assert tuple(one(database, "SELECT state, read, loaded FROM runs")) == ("failed", 3, 3)
    late = "SELECT count(*) FROM batches b JOIN runs r ON r.id = b.run_id WHERE b.loaded_at > r.finished_at"
    assert one(database, late)[0] == 0


@pytest.mark.parametrize("after", [0.0, 0.5, 2.0])
def test_a_run_that_only_starts_ends_in_order(
    after: float, new_home: Callable[[], Path], tmp_path: Path
) -> None:
    """With embedded and ephemeral servers, which are stopped."""
    home = new_home()
    pages = landing(tmp_path / "landing", inputs=1, pages=3)
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("PREFECT", "BROADSHEET"))
    }
    environment |= {"BROADSHEET_HOME": str(home), "PREFECT_HOME": str(home / "no profile")}
    with ingesting(pages, environment) as process:
        eventually(lambda: catches(process, signal.SIGTERM))
        time.sleep(after)
        _, err, seconds = told(process, signal.SIGTERM)
    assert seconds < END_SECONDS
    assert process.returncode == 143, err
    assert err.strip().startswith("Interrupted.") and len(err.strip().splitlines()) == 1
    assert not (home / "postgres" / "data" / "postmaster.pid").exists()


def test_a_killed_run_is_put_right_by_the_next(
    tmp_path: Path, environment: dict[str, str], database: Engine, prefect_server: str
) -> None:
    pages = landing(tmp_path / "landing", inputs=1, pages=3)
    with ingesting(pages, environment) as process, held(database, LOADING):
        process.kill()
        process.wait()
    [flow_run_id] = one(database, "SELECT flow_run_id FROM runs")
    assert prefect_state(prefect_server, flow_run_id) == "RUNNING"
    with ingesting(pages, environment) as process:
        assert finished(process)["counts"]["loaded"] == 3
    states = "SELECT array_agg(state ORDER BY id), sum(read) FROM runs"
    assert tuple(one(database, states)) == (["failed", "completed"], 3)
    assert prefect_state(prefect_server, flow_run_id) == "CRASHED"


def test_a_second_signal_ends_at_once(tmp_path: Path, environment: dict[str, str], database: Engine) -> None:
    pages = landing(tmp_path / "landing", inputs=1, pages=3)
    with ingesting(pages, environment) as process, held(database, LOADING):
        process.terminate()
        time.sleep(1)
        _, _, seconds = told(process, signal.SIGTERM)
        assert seconds < 1
    assert process.returncode == 143


# --- the database goes away --------------------------------------------------------------------------


def cut_connections(url: str) -> int:
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        cut = connection.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        ).fetchone()
    return int(cut[0]) if cut else 0


def test_connections_cut_again_and_again_change_nothing(
    tmp_path: Path, environment: dict[str, str], database: Engine, database_url: str
) -> None:
    pages = landing(tmp_path / "landing", inputs=3, pages=400)
    with ingesting(pages, environment) as process:
        cut = 0
        deadline = time.monotonic() + 60
        while cut < 8 and process.poll() is None and time.monotonic() < deadline:
            cut += cut_connections(database_url) > 0
            time.sleep(0.3)
        report = finished(process)
    assert cut >= 3
    assert (report["state"], report["counts"]["loaded"]) == ("completed", 1200)
    assert tuple(one(database, "SELECT state, read FROM runs")) == ("completed", 1200)
    assert one(database, "SELECT sum(read), count(settled_at) - count(*) FROM batches")[:] == (1200, 0)
    found = content(database)
    empty(database)
    assert list(differences(load_undisturbed(database, pages), found)) == []


def test_an_embedded_server_that_dies_is_started_again(
    new_home: Callable[[], Path],
    tmp_path: Path,
    prefect_server: str,
    database: Engine,
    environment: dict[str, str],
) -> None:
    pages = landing(tmp_path / "landing", inputs=2, pages=300)
    home = new_home()
    settings = Settings(home, None, "broadsheet", 2)
    own = {**environment, "BROADSHEET_HOME": str(home), "BROADSHEET_DATABASE_URL": ""}
    with use_embedded(home), open_database(settings) as embedded:
        with ingesting(pages, own) as process:
            with suppress(OperationalError), held(embedded, LOADING):  # our own connection is lost, too
                postmaster = (home / "postgres" / "data" / "postmaster.pid").read_text().split()[0]
                os.kill(int(postmaster), signal.SIGKILL)
            report = finished(process)
        assert (report["state"], report["counts"]["loaded"]) == ("completed", 600)
        assert list(differences(load_undisturbed(database, pages), content(embedded))) == []
        assert one(embedded, "SELECT count(*) FILTER (WHERE state = 'completed') FROM runs")[0] == 1


def test_patience_ends(database: Engine) -> None:
    calls: list[float] = []

    @patient
    def ask(engine: Engine) -> None:
        calls.append(time.monotonic())
        raise TransientLoadError("away")

    url = database.url
    brief = Patience(lambda: None, seconds=0.5).given_to(create_engine(url))
    with pytest.raises(TransientLoadError, match="away"):
        ask(brief)
    assert 0.4 < calls[-1] - calls[0] < 5 and len(calls) > 2
    calls.clear()
    with pytest.raises(TransientLoadError):
        ask(brief)
    assert len(calls) == 1, "once it is used up nobody waits again"

    calls.clear()
    long = Patience(lambda: None, seconds=60).given_to(create_engine(url))
    threading.Timer(0.3, Patience.of(long).end).start()
    with pytest.raises(TransientLoadError):
        ask(long)
    assert Patience.of(long).quiet(0)
    with pytest.raises(TransientLoadError):
        ask(create_engine(url))  # an engine without


def failing(*tries: float) -> Callable[[Engine], None]:
    """A patient function that loses its connection as often, each time after so many seconds."""
    left = list(tries)

    @patient
    def ask(engine: Engine) -> None:
        with engine.connect() as connection:
            if left:
                time.sleep(left.pop(0))
                lose(connection)
            connection.execute(text("SELECT 1"))

    return ask


def lose(connection: Connection) -> None:
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    driver.pgconn.finish()


def test_an_outage_late_in_a_call_has_patience_of_its_own(database_url: str) -> None:
    engine = Patience(lambda: None, seconds=0.6, worked_seconds=0.5).given_to(create_engine(database_url))
    failing(0, 0.9, 0)(engine)
    assert not Patience.of(engine).ended
    with pytest.raises(TransientLoadError):  # what costs its connection each time is given up
        failing(*[0.9] * 9)(engine)
    assert Patience.of(engine).ended
    engine.dispose()


def test_a_call_that_others_are_in_the_way_of_gives_up_alone(database: Engine, database_url: str) -> None:
    @patient
    def ask(engine: Engine) -> None:
        with engine.begin() as connection:
            connection.execute(text("LOCK TABLE broadsheet.pages IN ACCESS EXCLUSIVE MODE NOWAIT"))

    brief = Patience(lambda: None, seconds=0.3).given_to(create_engine(database_url))
    with database.begin() as connection:
        connection.execute(text("LOCK TABLE pages"))
        with pytest.raises(TransientLoadError) as caught:
            ask(brief)
    assert only_busy(caught.value) and not Patience.of(brief).ended
    ask(brief)
    brief.dispose()


@pytest.mark.parametrize(("query", "idle"), [("", "30"), ("?keepalives_idle=5", "5")])
def test_a_connection_that_goes_silent_is_lost_within_a_minute(
    query: str, idle: str, settings: Settings
) -> None:
    asked: list[dict[str, Any]] = []

    def note(*arguments: Any) -> None:
        asked.append(arguments[3])

    event.listen(Engine, "do_connect", note)
    try:
        url = f"postgresql://nobody@127.0.0.1:1/nothing{query}"
        with pytest.raises(ConfigError), open_database(replace(settings, database_url=url)):
            pass
    finally:
        event.remove(Engine, "do_connect", note)
    assert (asked[0]["tcp_user_timeout"], asked[0]["keepalives_idle"]) == ("60000", idle)


def test_every_worker_s_batch_finds_a_connection(settings: Settings) -> None:
    with open_database(replace(settings, workers=30)) as engine, ExitStack() as batches:
        for _ in range(34):
            batches.enter_context(engine.connect())


def test_a_mistake_is_not_tried_again(database: Engine) -> None:
    calls = []

    @patient
    def ask(engine: Engine) -> None:
        calls.append(1)
        with engine.connect() as connection:
            connection.execute(text("SELECT nothing FROM nowhere"))

    with pytest.raises(ProgrammingError):
        ask(database)
    assert len(calls) == 1


def test_a_query_that_hangs_is_cut(database: Engine) -> None:
    @patient
    def ask(engine: Engine) -> None:
        with engine.connect() as connection:
            connection.execute(text("SELECT pg_sleep(60)"))

    failed = []

    def waiting() -> None:
        with pytest.raises(TransientLoadError) as caught:
            ask(database)
        failed.append(caught)

    thread = threading.Thread(target=waiting)
    thread.start()
    patience = Patience.of(database)
    time.sleep(0.3)
    patience.end()
    assert not patience.quiet(0.2)
    patience.cut()
    assert patience.quiet(5)
    thread.join()
    assert failed


def test_a_run_whose_lock_was_lost_is_shown_alive_again(database: Engine, database_url: str) -> None:
    state = "SELECT state, finished_at FROM runs"
    with run_under_way(database, kind="ingest", parameters={}, flow_run_id=None, extractor="1") as run_id:
        gone = RunReport(run_id, "failed", message="Its process is gone.")
        finish_run(database, run_id, gone)  # as a run does that begins while the lock is lost
        assert cut_connections(database_url)
        eventually(lambda: one(database, state) == ("running", None), 20)
        finish_dead_runs(database)
        assert one(database, state)[0] == "running"

    def seen_dead() -> bool:
        finish_dead_runs(database)
        return bool(one(database, state)[0] == "failed")

    eventually(seen_dead, 20)  # the server takes a moment to see that a connection was closed
