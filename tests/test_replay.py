"""Quarantined pages tried again: their bytes from archive, input or kept pages, and inputs read on."""

from __future__ import annotations

import dataclasses
import gzip
import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from operator import itemgetter
from pathlib import Path
from typing import Any, BinaryIO

import orjson
import psycopg
import pytest
from captures import load, rows
from click.testing import CliRunner
from inputs import RECORDS, STORED, html, warc_page, warc_record
from runs import enter_run
from sqlalchemy import Connection, Engine, event, text

from flows.cli import broadsheet as cli
from schemas.errors import ConfigError, LoadError
from schemas.records import Batch, Counts, Rejection, Replayed, Selection
from schemas.settings import Settings
from tasks.archive import Archive
from tasks.batch import extract_batch
from tasks.inputs.storage import open_input
from tasks.keep import Keeper
from tasks.ledger import KnownParts
from tasks.load import load_batch
from tasks.plan import pack, plan
from tasks.postgres.kept import worth_keeping
from tasks.postgres.quarantine import Chosen, count_quarantine, dismiss, list_quarantine, replayed
from tasks.recover import Away, LostPage, Unavailable, recover
from tasks.replay import Retried, replay

BROKEN = "\0\1\2" * 4000
"""A page that is no text in any encoding."""


EVERYTHING, AS_IT_WAS = Chosen(), Selection()


class Newsroom:
    """Ingests and replays as the flows do, in this process."""

    def __init__(self, engine: Engine, archive: Archive) -> None:
        self.engine, self.archive = engine, archive

    def ingest(self, *paths: Path, **selection: Any) -> Counts:
        chosen = Selection(**selection)
        parameters = {**selection, "fields": dict(chosen.fields)}
        found = pack(plan([str(path) for path in paths], chosen, KnownParts(self.engine)), chosen)
        return self._load("ingest", parameters, found)[0]

    def replay(
        self, chosen: Chosen = EVERYTHING, selection: Selection = AS_IT_WAS
    ) -> tuple[Counts, Replayed]:
        retried: list[int] = []
        gone: list[int] = []

        def batches() -> Iterator[Any]:
            for item in replay(self.engine, self.archive, selection, chosen):
                if isinstance(item, Retried):
                    retried.extend(item.entry_ids)
                if isinstance(item, Unavailable):
                    gone.append(item.id)
                yield item

        counts, run_id = self._load("backfill", {"fields": dict(selection.fields)}, batches())
        return counts, replayed(self.engine, retried, run_id, gone)

    def _load(self, kind: str, parameters: dict[str, Any], found: Iterable[Any]) -> tuple[Counts, int]:
        run_id = enter_run(self.engine, kind=kind, parameters=parameters)
        counts = Counts()
        for number, batch in enumerate((each for each in found if isinstance(each, Batch)), 1):
            numbered = dataclasses.replace(batch, number=number)
            result = extract_batch(numbered)
            for rejection in result.rejections:
                if rejection.content is not None:
                    self.archive.put(rejection.content)
            counts += load_batch(
                self.engine, numbered, result, run_id=run_id, extractor="1", archive=self.archive
            ).counts
        assert counts.balanced
        return counts, run_id

    def entries(self, columns: str = "reason, origin_record") -> list[tuple[Any, ...]]:
        waiting = f"SELECT {columns} FROM quarantine WHERE resolved_at IS NULL ORDER BY id"
        return rows(self.engine, waiting)


@pytest.fixture
def newsroom(database: Engine, settings: Settings) -> Newsroom:
    return Newsroom(database, Archive(settings.archive))


def lines(path: Path, *said: object) -> Path:
    content = b"".join(orjson.dumps(line) + b"\n" for line in said)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def story(number: int) -> dict[str, str]:
    return {"html": html(number, 900).decode(), "url": f"https://paper.example/{number}"}


# --- records in which no page was found ----------------------------------------------------------------


@pytest.mark.parametrize("archived", [True, False])
def test_lines_are_replayed_by_the_names_now_given(
    tmp_path: Path, newsroom: Newsroom, settings: Settings, archived: bool
) -> None:
    paths = [
        lines(tmp_path / name, story(1), {"mystery": f"<p>{name}</p>"}) for name in ("a.jsonl.gz", "b.jsonl")
    ]
    newsroom.ingest(*paths)
    assert newsroom.entries("reason") == [("unknown_record",)] * 2
    ordered = rows(newsroom.engine, "SELECT id FROM quarantine ORDER BY origin_uri")
    first, second = (number for (number,) in ordered)
    paths[1].unlink()
    if not archived:
        shutil.rmtree(settings.archive)
    counts, outcome = newsroom.replay(selection=Selection(fields=(("html", "mystery"),)))
    assert counts.read == 1 + archived
    gone = () if archived else (second,)
    assert outcome == Replayed(tuple(sorted((first, second)[: 1 + archived])), unavailable=gone)


def test_records_are_read_as_the_run_that_met_them_was_told(tmp_path: Path, newsroom: Newsroom) -> None:
    path = lines(
        tmp_path / "a.jsonl", {"raw": story(1)["html"], "link": "https://paper.example/1"}, {"raw": BROKEN}
    )
    newsroom.ingest(path, fields=(("html", "raw"), ("url", "link")), source="gazette")
    shutil.rmtree(newsroom.archive._directory)
    [(wanted, digest)] = newsroom.entries("id, digest")
    lost = LostPage(wanted, digest, path.as_uri(), 1, "html")
    [(_, page)] = recover(newsroom.engine, newsroom.archive, [lost], Away())
    assert page is not None and page.content == BROKEN.encode()


# --- inputs that could not be read on ------------------------------------------------------------------


def test_an_input_that_was_cut_is_read_on(tmp_path: Path, newsroom: Newsroom) -> None:
    path = tmp_path / "a.warc.gz"
    members = [gzip.compress(warc_page(number), mtime=0) for number in range(5)]
    path.write_bytes(b"".join(members[:3]) + members[3][:40])
    assert newsroom.ingest(path) == Counts(read=4, loaded=3, quarantined=1)
    [(number,)] = newsroom.entries("id")
    counts, outcome = newsroom.replay()
    assert (counts.quarantined, outcome) == (1, Replayed(failed=(number,))), "it is as it was"
    this = Chosen(ids=tuple(dismiss(newsroom.engine, Chosen(ids=(number,)))))
    assert newsroom.replay(this)[1] == Replayed(failed=(number,), dismissed=(number,))
    path.write_bytes(b"".join(members))
    counts, outcome = newsroom.replay(this)
    assert (counts.loaded, outcome) == (2, Replayed(loaded=(number,)))
    assert newsroom.ingest(path) == Counts(), "all of it is known"


def test_a_file_that_comes_back_is_resolved_whatever_its_records_are(
    tmp_path: Path, newsroom: Newsroom
) -> None:
    path = tmp_path / "a.warc"
    path.write_bytes(warc_page(1))
    newsroom.ingest(path)
    note(newsroom, "unreadable", path.as_uri(), 0)
    note(newsroom, "damaged", path.as_uri(), 2)
    note(newsroom, "damaged", path.as_uri(), 9)
    info = warc_record(b"software: x\r\n", kind="warcinfo", media="application/warc-fields")
    path.write_bytes(info + warc_page(1))
    assert newsroom.ingest(path) == Counts(read=1, unchanged=1)
    assert newsroom.entries() == [("damaged", 9)], "its end was passed, but not record 9"


def test_a_directory_that_can_be_read_again_is_resolved(tmp_path: Path, newsroom: Newsroom) -> None:
    directory = tmp_path / "landing" / "day"
    directory.mkdir(parents=True)
    note(newsroom, "unreadable", directory.as_uri(), 0)
    note(newsroom, "unreadable", (tmp_path / "landing" / "da").as_uri(), 0)
    (directory / "1.html").write_bytes(html(1))
    assert newsroom.replay(Chosen(ids=(1,))) == (Counts(read=1, loaded=1), Replayed(loaded=(1,)))
    assert newsroom.entries("id") == [(2,)]


def test_a_worker_that_died_while_reading_costs_no_record_for_good(
    tmp_path: Path, newsroom: Newsroom
) -> None:
    """What was behind it in its part is in the ledger, but was never read."""
    path = lines(tmp_path / "a.jsonl", *map(story, range(6)))
    newsroom.ingest(path)
    with newsroom.engine.begin() as connection:
        connection.execute(text("DELETE FROM headline_sightings"))
        connection.execute(text("DELETE FROM pages WHERE origin_record >= 2"))
    note(newsroom, "worker_died", path.as_uri(), 2)
    counts, outcome = newsroom.replay()
    assert (counts, outcome) == (Counts(read=4, duplicate=4), Replayed(loaded=(1,)))
    assert newsroom.ingest(path) == Counts()


def test_records_too_large_to_keep_are_tried_alone_and_their_input_is_read_once(
    tmp_path: Path, newsroom: Newsroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = lines(tmp_path / "a.jsonl.gz", *map(story, range(7)))
    newsroom.ingest(path)
    for record in (1, 2, 4):
        note(newsroom, "too_large", path.as_uri(), record)
    opened: list[str] = []

    def opening(uri: str, version: str) -> BinaryIO:
        opened.append(uri)
        return open_input(uri, version)

    monkeypatch.setattr("tasks.plan.open_input", opening)
    assert newsroom.replay() == (Counts(read=3, unchanged=3), Replayed(loaded=(1, 2, 3)))
    assert len(opened) == 2, "once for each gap"


@pytest.mark.parametrize("linked", ["landing/a.warc", "landing"])
def test_no_link_that_was_put_there_later_is_followed(
    tmp_path: Path, newsroom: Newsroom, linked: str
) -> None:
    """What could not be read has no digest: anything would be taken for it."""
    other = tmp_path / "other" / "a.warc"
    other.parent.mkdir()
    other.write_bytes(warc_page(1))
    path, link = tmp_path / "landing" / "a.warc", tmp_path / linked
    note(newsroom, "unreadable", path.as_uri(), 0)
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(other if linked.endswith("warc") else other.parent)
    assert newsroom.replay() == (Counts(), Replayed(unavailable=(1,)))
    link.unlink()
    path.parent.mkdir(exist_ok=True)
    other.rename(path)
    assert newsroom.replay() == (Counts(read=1, loaded=1), Replayed(loaded=(1,)))


def note(newsroom: Newsroom, reason: str, uri: str, record: int) -> None:
    """Enter something that could not be read, as a batch with nothing else does."""
    load(newsroom.engine, Rejection(reason, "read", "could not be read", uri, record))


# --- where bytes come from -----------------------------------------------------------------------------


@pytest.mark.parametrize("stored", STORED)
@pytest.mark.parametrize("kind", ["jsonl", "warc"])
def test_pages_come_back_from_their_input(tmp_path: Path, newsroom: Newsroom, kind: str, stored: str) -> None:
    suffix, store = STORED[stored]
    path = tmp_path / f"dump.{kind}{suffix}"
    path.write_bytes(b"".join(store([RECORDS[kind](number) for number in range(1200)])))
    newsroom.ingest(path)
    lost = stored_pages(newsroom.engine, "origin_record IN (0, 3, 499, 500, 777, 1199)")
    found = dict(recover(newsroom.engine, newsroom.archive, lost, Away()))
    assert [page and page.content for page in map(found.get, lost)] == [
        html(number) for number in (0, 3, 499, 500, 777, 1199)
    ]
    keys = rows(newsroom.engine, "SELECT id, key FROM pages")
    assert all(page is not None and (lost.id, page.key) in keys for lost, page in found.items())
    assert {page.content_type for page in found.values() if page} == {"text/html; charset=utf-8"}


def test_known_bytes_come_back_from_behind_a_link(tmp_path: Path, newsroom: Newsroom) -> None:
    path = lines(tmp_path / "a.jsonl", *map(story, range(3)))
    newsroom.ingest(path)
    path.rename(tmp_path / "moved.jsonl")
    path.symlink_to(tmp_path / "moved.jsonl")
    found = dict(recover(newsroom.engine, newsroom.archive, stored_pages(newsroom.engine), Away()))
    assert len(found) == 3 and None not in found.values()


def test_an_input_that_changed_has_only_the_pages_that_stayed(tmp_path: Path, newsroom: Newsroom) -> None:
    path = lines(tmp_path / "a.jsonl", *map(story, range(4)))
    newsroom.ingest(path)
    lost = stored_pages(newsroom.engine)
    lines(path, story(0), story(7), story(2))
    found = recover(newsroom.engine, newsroom.archive, lost, Away())
    assert {page.origin_record: back is not None for page, back in found} == {
        0: True, 1: False, 2: True, 3: False,
    }  # fmt: skip


def test_pages_come_back_from_kept_files(tmp_path: Path, newsroom: Newsroom, settings: Settings) -> None:
    path = lines(tmp_path / "a.jsonl", *map(story, range(4)))
    kept = tmp_path / "kept"
    selection = Selection()
    run_id = enter_run(newsroom.engine)
    with Keeper(str(kept), settings.spools) as keeper:
        for batch in pack(plan([str(path)], selection, KnownParts(newsroom.engine)), selection):
            assert isinstance(batch, Batch)
            spooling = dataclasses.replace(batch, keep=keeper.spool)
            result = extract_batch(spooling)
            published = keeper.publish("test", worth_keeping(newsroom.engine, result))
            load_batch(newsroom.engine, spooling, result, run_id=run_id, extractor="1", kept=published)
    path.unlink()
    found = dict(recover(newsroom.engine, newsroom.archive, stored_pages(newsroom.engine), Away()))
    assert len(found) == 4
    for lost, page in found.items():
        assert page is not None
        assert page.content == story(lost.origin_record)["html"].encode()
        assert (page.url, page.origin_uri) == (lost.url, lost.origin_uri)
    shutil.rmtree(kept)
    gone = recover(newsroom.engine, newsroom.archive, stored_pages(newsroom.engine), Away())
    assert [page for _, page in gone] == [None] * 4


def stored_pages(engine: Engine, where: str = "true") -> list[LostPage]:
    columns = "id, digest, origin_uri, origin_record, kind, url, fetched_at"
    return [
        LostPage(*row)
        for row in rows(engine, f"SELECT {columns} FROM pages WHERE {where} ORDER BY origin_record")
    ]


# --- a database that goes away -------------------------------------------------------------------------


def test_planning_outlives_cut_connections(
    tmp_path: Path, newsroom: Newsroom, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """Each statement loses its connection once."""
    path = lines(tmp_path / "a.jsonl", {"mystery": "x"}, {"html": BROKEN}, story(1))
    newsroom.ingest(path)
    note(newsroom, "unreadable", path.as_uri(), 2)
    shutil.rmtree(newsroom.archive._directory)
    planned = list(replay(newsroom.engine, newsroom.archive, Selection()))
    lines(path, {"mystery": "y"})  # kept files are asked, too
    changed = list(replay(newsroom.engine, newsroom.archive, Selection()))
    cut, url = set[str](), str(settings.database_url).replace("+psycopg", "")

    def cut_once(used: Connection, _cursor: object, statement: str, *_rest: object) -> None:
        if statement not in cut:
            cut.add(statement)
            assert isinstance(used.connection.dbapi_connection, psycopg.Connection)
            other.execute(
                "SELECT pg_terminate_backend(%s)", [used.connection.dbapi_connection.info.backend_pid]
            )

    with psycopg.connect(url, autocommit=True) as other:
        event.listen(newsroom.engine, "before_cursor_execute", cut_once)
        again = list(replay(newsroom.engine, newsroom.archive, Selection()))
        event.remove(newsroom.engine, "before_cursor_execute", cut_once)
    assert again == changed != planned
    assert {"quarantine", "parts", "kept_pages"} <= {
        name for statement in cut for name in re.findall(r"FROM (\w+)", statement)
    }
    assert "The database is back." in caplog.text


# --- choosing --------------------------------------------------------------------------------------------


@pytest.fixture
def waiting(tmp_path: Path, newsroom: Newsroom) -> Newsroom:
    """Six entries that fail whenever they are tried: two reasons, three runs, three days."""
    for run, day in enumerate(("2026-03-01", "2026-03-02", "2026-03-03"), 1):
        path = lines(
            tmp_path / f"{run}.jsonl", {"html": BROKEN + str(run), "source": f"paper {run}"}, {"no": run}
        )
        newsroom.ingest(path)
        with newsroom.engine.begin() as connection:
            moment = {"day": f"{day} 23:59:59.9+00", "run": run}
            connection.execute(text("UPDATE quarantine SET last_seen_at = :day WHERE run_id = :run"), moment)
            connection.execute(text("UPDATE quarantine SET id = 100 * run_id + origin_record WHERE id < 100"))
    with newsroom.engine.begin() as connection:
        connection.execute(text("UPDATE quarantine SET id = 2 * (id / 100) - 1 + id % 100"))
    return newsroom


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, [1, 2, 3, 4, 5, 6]),
        ({"ids": (2, 5)}, [2, 5]),
        ({"reason": "undecodable"}, [1, 3, 5]),
        ({"source": "paper 2"}, [3]),
        ({"run_id": 2}, [3, 4]),
        ({"since": "2026-03-02"}, [3, 4, 5, 6]),
        ({"until": "2026-03-02"}, [1, 2, 3, 4]),
        ({"until": "9999-12-31"}, [1, 2, 3, 4, 5, 6]),
        ({"since": "2026-03-02", "until": "2026-03-02", "reason": "unknown_record"}, [4]),
        ({"ids": (2, 5), "reason": "undecodable"}, [5]),
        ({"reason": "timeout"}, []),
        ({"reason": "a\0b"}, []),
        ({"run_id": 2**80}, []),
    ],
)
def test_entries_are_chosen_by_all_that_is_given(
    waiting: Newsroom, asked: dict[str, Any], expected: Sequence[int]
) -> None:
    days: dict[str, date] = {
        name: date.fromisoformat(asked[name]) for name in ("since", "until") if name in asked
    }
    given: dict[str, Any] = {**asked, **days}
    chosen = Chosen(**given)
    tried = [
        each
        for each in replay(waiting.engine, waiting.archive, Selection(), chosen)
        if isinstance(each, Retried)
    ]
    assert sorted(number for each in tried for number in each.entry_ids) == expected
    assert sorted(row.id for row in list_quarantine(waiting.engine, chosen)) == expected
    counted = count_quarantine(waiting.engine, chosen)
    assert sum(row.waiting for row in counted) == len(expected)
    assert {row.example for row in counted} <= set(expected)


def test_unknown_entries_are_refused_in_one_sentence(waiting: Newsroom) -> None:
    with pytest.raises(ConfigError, match=r"There are no quarantined pages 7, 8\."):
        replay(waiting.engine, waiting.archive, Selection(), Chosen(ids=(8, 1, 7)))


def test_entries_that_fail_again_are_told_from_those_that_are_gone(waiting: Newsroom) -> None:
    counts, outcome = waiting.replay()
    assert counts == Counts(read=3, quarantined=3)
    assert outcome == Replayed(failed=(1, 3, 5), unavailable=(2, 4, 6))


def test_dismissed_entries_wait_no_longer_until_they_fail_again(waiting: Newsroom, tmp_path: Path) -> None:
    assert dismiss(waiting.engine, Chosen(reason="undecodable")) == [1, 3, 5]
    assert dismiss(waiting.engine, Chosen(ids=(1, 2))) == [2]
    assert waiting.entries("id") == [(4,), (6,)]
    by_reason = {
        row.reason: (row.waiting, row.resolved, row.dismissed) for row in count_quarantine(waiting.engine)
    }
    assert by_reason == {"undecodable": (0, 0, 3), "unknown_record": (2, 0, 1)}
    assert waiting.replay(Chosen(reason="undecodable"))[1] == Replayed()
    assert waiting.replay(Chosen(ids=(1,)))[1] == Replayed(failed=(1,)), "to name an entry is to mean it"
    assert dismiss(waiting.engine, Chosen(ids=(1,))) == [1]
    os.utime(tmp_path / "1.jsonl", (1, 1))
    waiting.ingest(tmp_path / "1.jsonl")
    assert waiting.entries("id") == [(1,), (2,), (4,), (6,)]
    dismiss(waiting.engine, Chosen(ids=(2,)))
    os.utime(tmp_path / "1.jsonl", (2, 2))
    waiting.ingest(tmp_path / "1.jsonl", fields=(("text", "no"), ("html", "html")))
    with pytest.raises(ConfigError):
        dismiss(waiting.engine, Chosen(ids=(99,)))


def test_the_commands_dismiss_and_read_by_other_names(
    tmp_path: Path, newsroom: Newsroom, environment: dict[str, str]
) -> None:
    def said(*arguments: str, code: int = 0) -> str:
        done = CliRunner(env=environment).invoke(cli, ["quarantine", *arguments])
        assert done.exit_code == code, done.output
        return done.output

    newsroom.ingest(lines(tmp_path / "a.jsonl", {"mystery": story(1)["html"]}, {"html": BROKEN}, {"no": 1}))
    named, broken, other = (
        number for number, _ in sorted(newsroom.entries("id, origin_record"), key=itemgetter(1))
    )
    assert "Say which pages: by ID" in said("dismiss", code=2)
    assert "--all goes with no ID" in said("dismiss", "--all", str(broken), code=2)
    assert said("dismiss", "--reason", "undecodable", "--all") == f"Dismissed 1 page: {broken}.\n"
    assert said("dismiss", str(broken)) == f"Not dismissed: {broken} (dismissed or loaded already).\n"
    assert "Nothing that waits in the quarantine matches." in said("dismiss", "--reason", "undecodable")
    command = [
        str(Path(sys.executable).with_name("broadsheet")),
        "quarantine",
        "replay",
        "--fields",
        "html=mystery",
    ]
    done = subprocess.run(
        [*command, "--json"], env=environment, capture_output=True, text=True, timeout=180, check=True
    )
    outcome = {"loaded": [named], "failed": [], "dismissed": [], "unavailable": [other], "waiting": []}
    assert orjson.loads(done.stdout)["replayed"] == outcome
    assert orjson.loads(said("dismiss", "--all", "--json")) == {"dismissed": [other]}
    assert "Nothing that waits" in said("replay")
    assert said("replay", str(named)).startswith(f"Not tried: {named} (loaded already).\n")
    assert "unknown_record  A JSONL line that is sound JSON, but no object with" in said("list")


# --- what the database refuses --------------------------------------------------------------------------

REFUSALS = {
    "a check": (
        "ALTER TABLE pages ADD CONSTRAINT polite CHECK (origin_record <> 3)",
        "ALTER TABLE pages DROP CONSTRAINT polite",
    ),
    "a trigger": (
        """
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF NEW.body LIKE '%number 3%' THEN RAISE EXCEPTION 'not this one'; END IF;
            RETURN NEW;
        END $$;
        CREATE TRIGGER refuse BEFORE INSERT ON article_versions FOR EACH ROW EXECUTE FUNCTION refuse()
        """,
        "DROP TRIGGER refuse ON article_versions",
    ),
    "an index": ("CREATE INDEX wide ON pages (url)", "DROP INDEX wide"),
    "a domain": (
        """
        CREATE DOMAIN polite AS text CHECK (VALUE NOT LIKE '%number 3%');
        ALTER TABLE article_versions ALTER COLUMN body TYPE polite
        """,
        "ALTER DOMAIN polite DROP CONSTRAINT polite_check",
    ),
    "a check of texts": (
        "ALTER TABLE headline_variants ADD CONSTRAINT polite CHECK (text NOT LIKE '%number 3%')",
        "ALTER TABLE headline_variants DROP CONSTRAINT polite",
    ),
    "a check of sightings": (
        "ALTER TABLE headline_sightings ADD CONSTRAINT few CHECK (position < 4)",
        "ALTER TABLE headline_sightings DROP CONSTRAINT few",
    ),
}


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz"])
@pytest.mark.parametrize("refusal", REFUSALS)
def test_what_the_database_refuses_is_kept_and_loads_once_it_may(
    tmp_path: Path, newsroom: Newsroom, refusal: str, suffix: str
) -> None:
    """Read by the worker in its place, or handed over by the planner."""
    path = lines(tmp_path / f"dump{suffix}", *map(report, range(5)))
    refuse, allow = REFUSALS[refusal]
    execute(newsroom.engine, refuse)
    assert newsroom.ingest(path) == Counts(read=5, loaded=4, quarantined=1)
    assert newsroom.entries() == [("refused", 3)]
    path.unlink()
    assert newsroom.replay()[1] == Replayed(failed=(1,)), "its bytes are in the archive"
    execute(newsroom.engine, allow)
    counts, outcome = newsroom.replay(Chosen(reason="refused"))
    assert (counts, outcome) == (Counts(read=1, loaded=1), Replayed(loaded=(1,)))
    [(sightings,)] = rows(newsroom.engine, "SELECT count(*) FROM headline_sightings")
    assert sightings == 4 * 3 + 4


def report(number: int) -> dict[str, str]:
    """An article with three sidebar headlines, number 3 with one more and a URL that no index takes."""
    said = [
        "Council approves the harbour wall after a long night of debate",
        "Bakery on Mill Street closes after ninety years",
        "Storks are back on the tower of the old customs house",
        *["Night trains to the coast will run again from platform number 3"] * (number == 3),
    ]
    links = "".join(
        f'<li><a href="https://paper.example/h{n}">{text}</a></li>' for n, text in enumerate(said)
    )
    unlikely = "".join(random.Random(number).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=4000))
    body = "".join(
        f"<p>{text}</p>"
        for text in (
            f"The ferry number {number} began on Monday after eleven weeks in dry dock; a band met it.",
            "Islanders had lived on what fishing boats could carry, said the harbour master on the quay.",
            "A second vessel is promised for the spring, though nobody has said who will pay its crew.",
        )
    )
    return {
        "html": f"<html><title>Ferry {number} returns to Lorn Island</title><article>"
        f"<h1>Ferry {number} returns to Lorn Island</h1>{body}</article>"
        f"<aside><h2>Most read</h2><ul>{links}</ul></aside></html>",
        "url": f"https://paper.example/{unlikely if number == 3 else number}",
    }


def execute(engine: Engine, statements: str) -> None:
    with engine.begin() as connection:
        connection.execute(text(statements))


def test_a_full_archive_fails_the_batch_in_one_sentence(newsroom: Newsroom, settings: Settings) -> None:
    settings.archive.parent.mkdir(exist_ok=True)
    settings.archive.write_text("in the way")
    with pytest.raises(LoadError, match=r"The archive .* cannot be written: "):
        newsroom.archive.put(b"page")
