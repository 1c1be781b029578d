"""The flows end to end, against a real Prefect server, a real database and real worker processes."""

from __future__ import annotations

import gzip
import shutil
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import copy_context
from pathlib import Path
from typing import Any

import orjson
import psycopg
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    PREFECT_LOGGING_TO_API_ENABLED,
    temporary_settings,
)
from sqlalchemy import Connection, Engine, event, text

from flows.backfill import backfill
from flows.ingest import ingest
from flows.run import Observer, observer
from schemas.errors import ConfigError
from schemas.records import Batch, Counts, RunReport, Selection
from schemas.settings import Settings
from tasks.archive import Archive
from tasks.replay import Retried, replay

STORY = """<html lang="en"><head><title>{title}</title></head><body><article><h1>{title}</h1>{fault}
<p>The {title} story begins on Monday after eleven weeks in dry dock, and a brass band met it.</p>
<p>Islanders had lived on what fishing boats could carry, said the harbour master on the quay.</p>
<p>A second vessel is promised for the spring, though nobody has said who will pay its crew.</p></article>
<aside><h2>Most read</h2><ul>{links}</ul></aside></body></html>"""
HEADLINES = (
    "Council approves the harbour wall after a long night of debate",
    "Bakery on Mill Street closes after ninety years",
    "Storks are back on the tower of the old customs house",
    "Night trains to the coast will run again from June",
)

NATURAL_KEYS = {
    "pages": "encode(key, 'hex'), url, is_article, reason",
    "articles": "key, title, body",
    "article_versions": "title, body",
    "headline_variants": "text",
    "headline_sightings": "page_id, position",
    "quarantine": "encode(key, 'hex'), reason, origin_uri, origin_record",
    "parts": "fingerprint, first_record, record_count",
}


@pytest.fixture(autouse=True)
def prefect(prefect_server: str) -> Iterator[None]:
    changed = {
        PREFECT_API_URL: prefect_server,
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None,
        PREFECT_LOGGING_TO_API_ENABLED: False,
    }
    with temporary_settings(changed):
        yield


@pytest.fixture(autouse=True)
def configured(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROADSHEET_HOME", str(settings.home))
    monkeypatch.setenv("BROADSHEET_DATABASE_URL", str(settings.database_url))
    monkeypatch.setenv("BROADSHEET_WORKERS", "2")


def story(number: int, fault: str = "") -> str:
    links = "".join(
        f'<li><a href="https://paper.example/h{n}">{text}</a></li>' for n, text in enumerate(HEADLINES)
    )
    return STORY.format(title=f"Ferry {number} returns to Lorn Island", fault=fault, links=links)


def dump(path: Path, numbers: range, *more: object) -> Path:
    lines = [{"html": story(n), "url": f"https://paper.example/{n}"} for n in numbers]
    content = b"".join(orjson.dumps(line) + b"\n" for line in [*lines, *more])
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def run(flow: Any, **parameters: object) -> tuple[State[None], RunReport]:
    """Run a flow as a caller in this process does."""
    seen = Observer(lambda counts, known: None)
    token = observer.set(seen)
    try:
        state = flow(**parameters, return_state=True)
    finally:
        observer.reset(token)
    assert seen.report is not None, state
    return state, seen.report


def content(database: Engine) -> dict[str, list[Any]]:
    """Every table that a run fills, by natural keys."""
    with database.connect() as connection:
        return {
            table: sorted(map(repr, connection.execute(text(f"SELECT {columns} FROM {table}"))))
            for table, columns in NATURAL_KEYS.items()
        }


def scalar(database: Engine, statement: str) -> Any:
    with database.connect() as connection:
        return connection.scalar(text(statement))


def test_every_format_arrives_and_a_second_run_changes_nothing(tmp_path: Path, database: Engine) -> None:
    (tmp_path / "one.html").write_text(story(1))
    dump(tmp_path / "two.jsonl", range(2, 4), {"html": story(4), "fetched_at": "2025-13-45"})
    dump(tmp_path / "three.jsonl.gz", range(5, 8), {"headline": "no page"})
    (tmp_path / "notes.md").write_text("no input")
    for name in ("a.html", "b.html"):
        (tmp_path / name).write_bytes(b"\0\1\2" * 4000)
    counted: list[Counts] = []
    token = observer.set(Observer(lambda counts, known: counted.append(counts)))
    try:
        ingest(paths=[str(tmp_path)], return_state=True)
        first = observer.get().report  # type: ignore[union-attr]
    finally:
        observer.reset(token)
    assert first is not None
    assert first.state == "partial"
    assert first.counts == Counts(read=10, loaded=7, quarantined=3)
    assert first.quarantined_by_reason == {"unknown_record": 1, "undecodable": 2}
    assert "1 entry is no input: 1 of unknown kind (.md)." in first.message
    assert "1 page states a fetch time that cannot be understood;" in first.message
    assert "The 3 quarantined pages are 2 entries: those with equal bytes," in first.message
    assert (first.headlines_new, first.headlines_seen_again, first.sightings) == (4, 24, 28)
    assert counted[-1] == first.counts

    before = content(database)
    assert len(before["pages"]) == 7 and len(before["headline_sightings"]) == 28
    state, second = run(ingest, paths=[str(tmp_path)])
    assert content(database) == before
    assert (second.counts, second.skipped) == (Counts(), 5)
    assert "2 pages wait in quarantine: broadsheet quarantine list." in second.message
    assert (state.name, second.state) == ("Completed", "completed")
    assert "Nothing new" in str(state.message)
    assert scalar(database, "SELECT count(*) FROM runs WHERE state <> 'running'") == 2


def test_what_prefect_shows(tmp_path: Path, database: Engine) -> None:
    path = dump(tmp_path / "dump.jsonl", range(3), {"nothing": 1})
    state, report = run(ingest, paths=[str(path)])
    assert (state.name, state.is_completed()) == ("Partial", True)
    assert "4 pages read: 3 loaded" in str(state.message)
    stored = scalar(database, f"SELECT flow_run_id FROM runs WHERE id = {report.run_id}")
    flow_run_id = state.state_details.flow_run_id
    assert flow_run_id
    with get_client(sync_client=True) as client:
        flow_run = client.read_flow_run(flow_run_id)
        assert str(flow_run.id) == stored
        assert flow_run.name == f"ingest {path}"
        artifacts = client.request(
            "POST", "/artifacts/filter", json={"artifacts": {"flow_run_id": {"any_": [stored]}}}
        ).json()
    shown = {artifact["key"]: artifact for artifact in artifacts}
    assert set(shown) == {"ingest-summary", "ingest-quarantine", "run-progress"} and len(artifacts) == 3
    assert float(shown["run-progress"]["data"]) == 100.0
    rows = {row["what"]: row["count"] for row in orjson.loads(shown["ingest-summary"]["data"])}
    assert (rows["read"], rows["loaded"], rows["quarantined: unknown_record"]) == ("4", "3", "1")


@pytest.mark.parametrize("flow", [ingest, backfill])
def test_every_parameter_is_described(flow: Any) -> None:
    properties = flow.parameters.model_dump()["properties"]
    assert [name for name, about in properties.items() if not about.get("description")] == []
    assert {"paths", "since", "until", "limit", "workers", "max_quarantine"} <= set(properties)
    assert properties["since"]["anyOf"][0] == {"type": "string", "format": "date"}


def test_a_limit_is_met_exactly(tmp_path: Path, database: Engine) -> None:
    for name in ("a", "b", "c"):
        dump(tmp_path / f"{name}.jsonl", range(600) if name == "b" else range(600, 605))
    _, report = run(ingest, paths=[str(tmp_path)], limit=7)
    assert report.counts.read == 7
    assert scalar(database, "SELECT count(*) FROM pages") == 7
    assert scalar(database, "SELECT count(*) FROM parts") == 1, "only a.jsonl was read to its end"

    _, report = run(ingest, paths=[str(tmp_path)], limit=7)
    assert report.counts == Counts(read=7, unchanged=7), "the same seven again"
    _, report = run(ingest, paths=[str(tmp_path)])
    assert report.skipped == 1
    assert scalar(database, "SELECT count(*) FROM pages") == 605, "what the limit left is still to be had"
    assert run(ingest, paths=[str(tmp_path)])[1].counts.read == 0


def test_a_limit_among_single_files(tmp_path: Path, database: Engine) -> None:
    for number in range(520):
        (tmp_path / f"{number:03}.txt").write_text(f"Page {number}\n")
    for _ in range(2):
        assert run(ingest, paths=[str(tmp_path)], limit=5)[1].counts.read == 5
        assert scalar(database, "SELECT count(*) FROM parts") == 4, "nobody looked behind the last page"
    assert run(ingest, paths=[str(tmp_path)])[1].skipped == 4
    assert scalar(database, "SELECT count(*) FROM pages") == 520


def test_damage_right_behind_the_limit_is_met_by_the_next_run(tmp_path: Path, database: Engine) -> None:
    whole = gzip.compress(dump(tmp_path / "dump", range(60)).read_bytes())
    path = tmp_path / "cut.jsonl.gz"
    path.write_bytes(whole[: 2 * len(whole) // 3])
    readable = len(zlib.decompressobj(31).decompress(path.read_bytes()).splitlines()) - 1
    assert run(ingest, paths=[str(path)], limit=readable)[1].counts.quarantined == 0
    assert run(ingest, paths=[str(path)])[1].counts == Counts(
        read=readable + 1, unchanged=readable, quarantined=1
    )


def test_what_is_known_is_not_kept_and_said_to_be_so(tmp_path: Path, database: Engine) -> None:
    path = dump(tmp_path / "dump.jsonl", range(3))
    assert run(ingest, paths=[str(path)])[1].message == ""
    _, report = run(ingest, paths=[str(path)], keep_pages=str(tmp_path / "kept"))
    assert report.message == "1 known part was not read: pages there are kept only if they were before."


def test_nobody_who_looks_any_more_is_no_fault_of_a_run(tmp_path: Path, database: Engine) -> None:
    def gone(*_: object) -> None:
        raise BrokenPipeError

    token = observer.set(Observer(gone))
    try:
        state = ingest([str(dump(tmp_path / "dump.jsonl", range(3)))], return_state=True)
    finally:
        observer.reset(token)
    assert state.is_completed() and scalar(database, "SELECT sum(loaded) FROM runs") == 3


def test_too_much_quarantine_fails_the_run(tmp_path: Path, database: Engine) -> None:
    path = dump(tmp_path / "dump.jsonl", range(30), *({"nothing": n} for n in range(70)))
    state, report = run(ingest, paths=[str(path)], max_quarantine=0.69)
    assert state.is_failed() and report.state == "failed"
    assert "70 of 100 pages are quarantined, more than 69%" in str(state.message)
    assert scalar(database, "SELECT state FROM runs") == "failed"
    assert report.counts == Counts(read=100, loaded=30, quarantined=70), "what could be loaded is loaded"

    few = dump(tmp_path / "few.jsonl", range(30, 31), *({"nothing": n} for n in range(98)))
    assert run(ingest, paths=[str(few)])[1].state == "partial", "99 pages are too few to judge"


def test_a_batch_that_fails_leaves_the_others_going(
    tmp_path: Path, database: Engine, settings: Settings
) -> None:
    settings.archive.parent.mkdir(exist_ok=True)
    settings.archive.write_text("in the way: nothing can be kept")
    dump(tmp_path / "a.jsonl", range(1000, 1500))
    dump(tmp_path / "b.jsonl", range(1500, 1503), {"html": "\0\1\2" * 5000})
    state, report = run(ingest, paths=[str(tmp_path)])
    assert state.is_failed() and report.state == "failed"
    assert "1 of 2 batches failed" in report.message
    assert report.counts == Counts(read=500, loaded=500)
    settings.archive.unlink()
    _, again = run(ingest, paths=[str(tmp_path)])
    assert again.counts == Counts(read=4, loaded=3, quarantined=1)
    assert again.skipped == 1


def test_a_mistake_in_the_paths_is_told_as_such(tmp_path: Path, database: Engine) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        ingest(paths=[str(tmp_path / "nowhere")])
    with pytest.raises(ConfigError, match="Name paths"):
        backfill()


def test_a_lost_connection_is_overcome_without_extracting_again(
    tmp_path: Path, database: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    path = dump(tmp_path / "dump.jsonl", range(3))
    done: list[tuple[State[None], RunReport]] = []
    with locked(database, "pages") as release:
        context = copy_context()  # holds Prefect's settings
        flow = threading.Thread(target=lambda: done.append(context.run(run, ingest, paths=[str(path)])))
        flow.start()
        deadline = time.monotonic() + 60
        while not cut_waiting_connection(database):
            assert time.monotonic() < deadline, "no load is waiting for the lock"
            time.sleep(0.1)
        path.unlink()  # extracting again would find nothing
        release()
        flow.join(timeout=60)
    [(state, report)] = done
    assert state.is_completed()
    assert report.counts == Counts(read=3, loaded=3)
    assert "terminating connection due to administrator command. Trying again" in caplog.text
    assert "The database is back." in caplog.text


@contextmanager
def locked(database: Engine, table: str) -> Iterator[Any]:
    with database.connect() as connection:
        connection.execute(text(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"))
        yield connection.rollback


def cut_waiting_connection(database: Engine) -> bool:
    """End a connection that waits for a lock; False while there is none."""
    return bool(
        scalar(
            database,
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'",
        )
    )


def test_a_quarantined_page_is_replayed_from_the_archive(
    tmp_path: Path, database: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "sitecustomize.py").write_text(
        "import tasks.batch\n"
        "whole = tasks.batch.extract_page\n"
        "def faulty(content, *arguments, **keywords):\n"
        "    assert b'FAULT' not in content\n"
        "    return whole(content, *arguments, **keywords)\n"
        "tasks.batch.extract_page = faulty\n"
    )
    path = dump(tmp_path / "dump.jsonl", range(2), {"html": story(2, "<!-- FAULT -->"), "source": "gazette"})
    with monkeypatch.context() as patch:
        patch.setenv("PYTHONPATH", str(broken))
        _, first = run(ingest, paths=[str(path)])
    assert first.quarantined_by_reason == {"extractor_error": 1}
    path.unlink()
    state, again = run(backfill, reason="extractor_error")
    assert state.name == "Completed"
    assert again.counts == Counts(read=1, loaded=1)
    assert scalar(database, "SELECT count(*) FROM quarantine WHERE resolved_at IS NULL") == 0
    assert (
        scalar(
            database,
            "SELECT count(*) FROM pages JOIN sources ON sources.id = source_id WHERE name = 'gazette'",
        )
        == 1
    )
    assert run(backfill, replay=True)[1].counts == Counts()


def test_lines_are_replayed_by_the_names_now_given(tmp_path: Path, database: Engine) -> None:
    path = dump(tmp_path / "dump.jsonl", range(1), {"mystery": story(7)}, {"riddle": story(8)})
    _, first = run(ingest, paths=[str(path)])
    assert first.quarantined_by_reason == {"unknown_record": 2}
    path.unlink()
    ids = scalar(database, "SELECT array_agg(id) FROM quarantine")
    state, again = run(backfill, quarantine_ids=ids, fields={"html": "mystery"})
    assert again.counts == Counts(read=1, loaded=1)
    assert "1 held no page again and waits (" in str(state.message)
    title = scalar(database, "SELECT title FROM articles ORDER BY id DESC LIMIT 1")
    assert title == "Ferry 7 returns to Lorn Island"
    assert scalar(database, "SELECT count(*) FROM quarantine WHERE resolved_at IS NULL") == 1


def test_what_was_not_archived_is_read_again_from_its_input(
    tmp_path: Path, database: Engine, settings: Settings
) -> None:
    paths = [
        dump(tmp_path / name, range(1), {"mystery": story(7), "name": name})
        for name in ("a.jsonl.gz", "b.jsonl")
    ]
    run(ingest, paths=[str(tmp_path)])
    shutil.rmtree(settings.archive)
    paths[1].unlink()
    state, again = run(backfill, replay=True, fields={"html": "mystery"})
    assert again.counts == Counts(read=1, loaded=1)
    assert "1 had no bytes left in archive, input or kept pages (" in str(state.message)


def test_every_entry_asked_for_is_a_page_or_unavailable(
    tmp_path: Path, database: Engine, settings: Settings
) -> None:
    path = tmp_path / "dump.jsonl"
    broken = "\0\1\2" * 4000
    for number in ("1", "2"):  # it fails, changes, and fails again: two entries for each record
        dump(path, range(0), {"html": broken + number}, {"html": broken * 2 + number})
        run(ingest, paths=[str(path)])
    assert scalar(database, "SELECT count(*) FROM quarantine") == 4
    shutil.rmtree(settings.archive)
    found = list(replay(database, Archive(settings.archive), Selection()))
    pages = [page for batch in found if isinstance(batch, Batch) for page in batch.pages]
    assert [page.content.decode() for page in pages] == [broken + "2", broken * 2 + "2"]
    assert sum(len(each.entry_ids) for each in found if isinstance(each, Retried)) == 4


def test_backfill_takes_the_days_it_is_asked_for(tmp_path: Path, database: Engine) -> None:
    for day in ("2025-05-16", "2025-05-17", "2025-05-18"):
        (tmp_path / day).mkdir()
        (tmp_path / day / "page.html").write_text(story(int(day[-2:])))
    chosen = {"paths": [str(tmp_path)], "path_pattern": "{date}/*.html", "since": "2025-05-17"}
    state, report = run(backfill, **chosen, until="2025-05-17")
    assert (report.counts, report.ignored) == (Counts(read=1, loaded=1), 2)
    assert scalar(database, "SELECT kind FROM runs") == "backfill"
    flow_run_id = state.state_details.flow_run_id
    assert flow_run_id
    with get_client(sync_client=True) as client:
        name = client.read_flow_run(flow_run_id).name
    assert name == f"backfill {tmp_path} since 2025-05-17 until 2025-05-17"


@contextmanager
def connections_lost() -> Iterator[list[str]]:
    """Lose the connection at the first statement of each transaction, once for each; yields these."""
    lost: list[str] = []

    def begun(connection: Connection) -> None:
        connection.info["begun"] = True

    def before(connection: Connection, cursor: Any, statement: str, *_: Any) -> None:
        if connection.info.pop("begun", False) and "alembic" not in statement and statement not in lost:
            lost.append(statement)
            driver = connection.connection.dbapi_connection
            assert isinstance(driver, psycopg.Connection)
            driver.pgconn.finish()

    event.listen(Engine, "begin", begun)
    event.listen(Engine, "before_cursor_execute", before)
    try:
        yield lost
    finally:
        event.remove(Engine, "begin", begun)
        event.remove(Engine, "before_cursor_execute", before)


def test_a_connection_lost_before_each_thing_a_run_asks_changes_nothing(
    tmp_path: Path, database: Engine
) -> None:
    path = dump(tmp_path / "dump.jsonl", range(3), {"html": "\0\1\2" * 4000}, {"nothing": 1})
    with connections_lost() as lost:
        state, report = run(ingest, paths=[str(path)], keep_pages=str(tmp_path / "kept"))
        assert (state.name, report.counts) == ("Partial", Counts(read=5, loaded=3, quarantined=2))
        _, again = run(backfill, replay=True)
    assert again.counts == Counts(read=1, quarantined=1)
    assert again.replayed is not None
    assert len(again.replayed.failed) == len(again.replayed.unavailable) == 1
    assert len(lost) > 12, lost
    assert scalar(database, "SELECT count(*) FROM runs WHERE state = 'partial'") == 2
    assert scalar(database, "SELECT count(*) FROM batches WHERE settled_at IS NULL") == 0


def test_entries_behind_the_limit_are_said_to_wait(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        dump(tmp_path / f"{name}.jsonl", range(0), {"html": "\0\1\2" * 4000 + name})
    run(ingest, paths=[str(tmp_path)], max_quarantine=1.0)
    state, report = run(backfill, replay=True, limit=1)
    assert report.replayed is not None
    [failed], waiting = report.replayed.failed, report.replayed.waiting
    assert sorted((failed, *waiting)) == [1, 2, 3]
    left = f"2 not tried, behind the limit, or left out ({waiting[0]}, {waiting[1]})"
    assert f"Of 3 quarantined entries 1 failed again ({failed}), {left}." in str(state.message)
