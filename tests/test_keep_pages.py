"""Kept pages: their bytes come back as they were, whatever they are and whoever is killed meanwhile."""

from __future__ import annotations

import gzip
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import pytest
from captures import empty
from content import content, differences
from fastwarc.warc import ArchiveIterator
from inputs import html, warc_page
from runs import enter_run
from sqlalchemy import Engine, text

from schemas.errors import ConfigError, KeepError, LoadError
from schemas.records import Batch, Extraction, Limits, Page, PassedOver, Selection
from tasks.archive import Archive
from tasks.batch import extract_batch
from tasks.extract import EXTRACTOR_VERSION, extract_page
from tasks.keep import STATED_CHARACTERS, Keeper, KeptAt, Published, Spool, pack_page, read_kept, unpack_page
from tasks.ledger import KnownParts
from tasks.load import load_batch
from tasks.plan import NothingKnown, pack, plan
from tasks.pool import ExtractionPool
from tasks.postgres.kept import find_kept, read_kept_pages, worth_keeping
from tasks.read import read_part
from tasks.settle import settle

FETCHED = datetime(2025, 5, 17, 10, 0, 0, 250_000, tzinfo=UTC)
EVERYTHING = Selection()
COMMAND = Path(sys.executable).with_name("broadsheet")
EXAMPLES = Path(__file__).resolve().parent.parent / "examples"

HOSTILE = [
    Page(b"", "text"),
    Page(b"\x00\xff\xfe\x1f\x8b", "html"),
    Page(gzip.compress(b"a page that is itself gzip"), "html", url="https://daily.example/gz"),
    Page(b"WARC/1.1\r\nContent-Length: 9\r\n\r\nWARC/1.0\r\n\r\n", "text", url="https://daily.example/warc"),
    Page(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n", "html", content_type="text/html"),
    Page(html(1), "html", url="https://daily.example/1", fetched_at=FETCHED, source="daily"),
    Page(html(2), "html", url="https://daily.example/\r\nWARC-Date: 1999\r\n\r\n<html>", fetched_at=FETCHED),
    Page(html(3), "html", url="https://дейли.example/ü?q=\u2028\x85 \t", source="дейли\nBroadsheet-Page: {}"),
    Page(html(4), "html", content_type="text/html; charset=latin-1\r\nX: y"),
    Page(html(5), "text", url="not a url", content_type="text/html; charset=koi8-r"),
    Page(html(6), "html", url="http://[half", fetched_at=datetime(1, 1, 1, tzinfo=UTC)),
    Page(html(7), "html", fetched_at=datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)),
    Page(html(8), "text", source="\udcff name of a file"),
    Page(os.urandom(3 * 1024 * 1024), "html", url="https://daily.example/large"),
]


def record(page: Page) -> bytes:
    """The record as it is stored, without its line ends behind."""
    return gzip.decompress(b"".join(pack_page(page, page.digest))).removesuffix(b"\r\n\r\n")


@contextmanager
def keeping(directory: Path) -> Iterator[Keeper]:
    with Keeper(str(directory), directory / "no bucket") as keeper:
        yield keeper


def batches(path: Path, keeper: Keeper | None = None, engine: Engine | None = None) -> Iterator[Batch]:
    known = KnownParts(engine) if engine else NothingKnown()
    for batch in pack(plan([str(path)], EVERYTHING, known), EVERYTHING):
        if isinstance(batch, PassedOver):
            continue
        assert isinstance(batch, Batch)
        yield Batch(batch.number, batch.parts, keep=keeper.spool if keeper else None)


def pages_in(directory: Path) -> list[Page]:
    """What reading the directory as an input finds."""
    found = []
    for batch in batches(directory):
        for part in batch.parts:
            for page in read_part(part, EVERYTHING, Limits()):
                assert isinstance(page, Page), page
                found.append(page)
    return found


def files(directory: Path) -> list[Path]:
    return sorted(directory.glob("20*/*/*/*.warc.gz"))


def identity(page: Page) -> tuple[object, ...]:
    return (page.key, page.digest, page.kind, page.url, page.fetched_at, page.source, page.content_type)


def published(keeper: Keeper, pages: list[Page], name: str = "000001-000001") -> Published:
    with Spool(keeper.spool, 1) as spool:
        return keeper.publish(name, [spool.put(page, key=page.key, digest=page.digest) for page in pages])


# --- the record -------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", HOSTILE)
def test_a_page_comes_back_as_it_was(page: Page) -> None:
    again = unpack_page(record(page))
    assert again is not None
    assert again.content == page.content
    assert identity(again) == identity(page)


def test_what_no_header_can_hold_is_not_stated() -> None:
    page = Page(b"news", "html", url="https://daily.example/" + "ü" * STATED_CHARACTERS, source="daily")
    packed = record(page)
    again = unpack_page(packed)
    assert again == Page(b"news", "html", source="daily")
    assert len(packed) < 5000


@pytest.mark.parametrize(
    "change",
    [
        lambda said: said.pop("digest"),
        lambda said: said.pop("kind"),
        lambda said: said.update(kind="pdf"),
        lambda said: said.update(url=["https://daily.example"]),
        lambda said: said.update(fetched_at="yesterday"),
        lambda said: said.update(fetched_at=20250517),
        lambda said: said.update(fetched_at="2025-05-17T10:00"),
        lambda said: said.update(fetched_at="9999-12-31T23:59-05:00"),
        lambda said: said.update(content="other"),
        lambda said: said.update(digest="00" * 16),
    ],
)
def test_a_forged_record_is_none_of_ours(change: Callable[[dict[str, object]], object]) -> None:
    packed = record(Page(b"news", "html", url="https://daily.example/1"))
    before, _, rest = packed.partition(b"Broadsheet-Page: ")
    said, _, after = rest.partition(b"\r\n")
    forged = json.loads(said)
    change(forged)
    assert unpack_page(before + b"Broadsheet-Page: " + json.dumps(forged).encode() + b"\r\n" + after) is None


@pytest.mark.parametrize("said", [b"", b"{", b"[]", b"1", b"null", b"[" * 60_000, b'{"digest": 1}', b"\xff"])
def test_a_field_that_says_nothing(said: bytes) -> None:
    assert unpack_page(b"WARC/1.1\r\nBroadsheet-Page: " + said + b"\r\n\r\nnews") is None
    assert unpack_page(said) is None


# --- files ------------------------------------------------------------------------------------------


def test_any_reader_of_warc_understands_the_files(tmp_path: Path) -> None:
    with keeping(tmp_path / "kept") as keeper:
        published(keeper, HOSTILE)
    (path,) = files(tmp_path / "kept")
    with path.open("rb") as stream:
        records = [
            (dict(warc.headers.asdict()), warc.verify_block_digest(), warc.reader.read())
            for warc in ArchiveIterator(stream)
        ]
    assert [block for _, _, block in records] == [page.content for page in HOSTILE]
    assert all(verified for _, verified, _ in records)
    for (headers, _, _), page in zip(records, HOSTILE, strict=True):
        assert headers["WARC-Type"] == "resource"
        assert headers["WARC-Record-ID"].startswith("<urn:uuid:")
        assert headers["WARC-Target-URI"].isascii() and " " not in headers["WARC-Target-URI"]
        assert headers["Content-Type"] in (page.content_type, "text/html", "text/plain")
        assert page.url or headers["WARC-Target-URI"] == headers["WARC-Record-ID"].strip("<>")
        if page.fetched_at:
            assert datetime.fromisoformat(headers["WARC-Date"]) == page.fetched_at
    assert len({headers["WARC-Record-ID"] for headers, _, _ in records}) == len(HOSTILE)


def test_warcio_understands_them_too(tmp_path: Path) -> None:
    warcio = pytest.importorskip("warcio.archiveiterator", reason="warcio is not installed")
    with keeping(tmp_path / "kept") as keeper:
        published(keeper, HOSTILE)
    (path,) = files(tmp_path / "kept")
    with path.open("rb") as stream:
        read = [
            warc.content_stream().read() for warc in warcio.ArchiveIterator(stream, check_digests="raise")
        ]
    assert read == [page.content for page in HOSTILE]


def test_a_kept_directory_is_an_input_of_the_same_pages(tmp_path: Path) -> None:
    with keeping(tmp_path / "kept") as keeper:
        published(keeper, HOSTILE[:7])
        published(keeper, HOSTILE[7:], "000001-000002")
    found = pages_in(tmp_path / "kept")
    one_line = [replace(page, source=page.source and " ".join(page.source.split())) for page in HOSTILE]
    assert [identity(page) for page in found] == [identity(page) for page in one_line]
    assert [page.content for page in found] == [page.content for page in HOSTILE]


def test_pages_are_found_by_where_they_are(tmp_path: Path) -> None:
    with keeping(tmp_path / "kept") as keeper:
        one = published(keeper, HOSTILE)
        two = published(keeper, [Page(html(n), "html") for n in range(20, 24)], "000001-000002")
    places = {digest: KeptAt(file.uri, offset) for file in (one, two) for digest, offset in file.records}
    found = dict(read_kept(places))
    assert found.keys() == places.keys()
    assert all(page.digest == digest for digest, page in found.items())
    assert {page.key for page in HOSTILE} < {page.key for page in found.values()}


def test_what_is_gone_or_damaged_does_not_come(tmp_path: Path) -> None:
    pages = [Page(html(n, 4000), "html") for n in range(4)]
    with keeping(tmp_path / "kept") as keeper:
        gone, damaged = (
            published(keeper, pages[:1], "000001-000001"),
            published(keeper, pages[1:], "000001-000002"),
        )
    places = {digest: KeptAt(damaged.uri, offset) for digest, offset in damaged.records}
    (first, first_at), (_, second_at), (third, _) = damaged.records
    paths = files(tmp_path / "kept")
    paths[0].unlink()
    stored = bytearray(paths[1].read_bytes())
    stored[second_at + 900] ^= 0xFF
    paths[1].write_bytes(stored)
    places[b"0" * 16] = KeptAt(damaged.uri, first_at)  # another page's place
    places[b"1" * 16] = KeptAt(damaged.uri, 3)
    places[b"2" * 16] = KeptAt(damaged.uri, 10**12)
    places |= {digest: KeptAt(gone.uri, offset) for digest, offset in gone.records}
    assert {digest for digest, _ in read_kept(places)} == {first, third}


def test_nobody_else_may_look(tmp_path: Path) -> None:
    with keeping(tmp_path / "kept") as keeper:
        published(keeper, HOSTILE[:2])
        made = list(tmp_path.rglob("*"))
        assert len(made) > 5
        assert {path.stat().st_mode & 0o077 for path in made} == {0}


def keep(place: Path) -> None:
    with keeping(place) as keeper:
        published(keeper, HOSTILE[:2])


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(keep, id="kept pages"),
        pytest.param(lambda place: Archive(place).put(b"news"), id="archive"),
        pytest.param(lambda place: Archive(place).spool_stdin(BytesIO(b"{}\n")), id="standard input"),
    ],
)
def test_nothing_has_its_name_before_it_is_on_disk(
    write: Callable[[Path], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All bytes of the file, then its name, then the name in its directory."""
    synced: list[tuple[int, int]] = []
    named: list[tuple[Path, int]] = []
    syncs, renames = os.fsync, os.rename

    def note_sync(descriptor: int) -> None:
        syncs(descriptor)
        synced.append((os.fstat(descriptor).st_ino, os.fstat(descriptor).st_size))

    def note_rename(source: Path, target: Path) -> None:
        renames(source, target)
        named.append((target, len(synced)))

    monkeypatch.setattr("os.fsync", note_sync)
    monkeypatch.setattr("os.rename", note_rename)
    write(tmp_path / "kept")
    [(path, before)] = named
    assert (path.stat().st_ino, path.stat().st_size) in synced[:before]
    assert path.parent.stat().st_ino in [inode for inode, _ in synced[before:]]


def test_names_sort_and_never_meet(tmp_path: Path) -> None:
    with keeping(tmp_path / "kept") as one, keeping(tmp_path / "kept") as two:
        uris = [published(keeper, HOSTILE[:1]).uri for keeper in (one, two)]
    paths = files(tmp_path / "kept")
    assert {path.as_uri() for path in paths} == set(uris) and len(set(uris)) == 2
    day = f"{datetime.now(UTC):%Y/%m/%d}"
    assert all(f"/kept/{day}/broadsheet-000001-000001-" in uri for uri in uris)


def test_what_dead_runs_left_is_removed_and_what_lives_is_not(tmp_path: Path) -> None:
    dead = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time; from pathlib import Path; from tasks.keep import Keeper\n"
            "with Keeper(sys.argv[1], Path(sys.argv[1])) as keeper:\n"
            "    Path(keeper.spool, '1-1.warc.gz').write_bytes(b'half a page')\n"
            "    print(keeper.spool, flush=True)\n"
            "    time.sleep(60)\n",
            str(tmp_path / "kept"),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert dead.stdout is not None
    left = Path(dead.stdout.readline().strip())
    with dead, keeping(tmp_path / "kept") as alive:
        assert (left / "1-1.warc.gz").exists(), "its process lives"
        dead.kill()
        dead.wait()
        with keeping(tmp_path / "kept"):
            assert not left.exists()
            assert Path(alive.spool).exists()
    assert [path for path in (tmp_path / "kept").rglob("*") if path.name != "lock"] == [
        tmp_path / "kept" / ".spool"
    ]


@pytest.mark.parametrize(
    "place", ["taken", "taken/below", "https://daily.example/kept", "s3://key:secret@bucket"]
)
def test_a_place_that_cannot_be_written_is_told_at_once(tmp_path: Path, place: str) -> None:
    (tmp_path / "taken").write_text("a file")
    destination = place if "://" in place else str(tmp_path / place)
    with pytest.raises(ConfigError) as error:
        Keeper(destination, tmp_path / "spools").check()
    assert "secret" not in str(error.value)


@pytest.mark.parametrize("inside", ["landing", "landing/kept", "link/kept"])
def test_kept_pages_are_not_among_the_inputs(tmp_path: Path, inside: str) -> None:
    (tmp_path / "landing").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "landing")
    with pytest.raises(ConfigError, match="would be inputs of"):
        Keeper(str(tmp_path / inside), tmp_path / "spools").check([str(tmp_path / "landing")])
    Keeper(str(tmp_path / "landing-kept"), tmp_path / "spools").check([str(tmp_path / "landing")])
    assert not (tmp_path / "landing" / "kept").exists()


# --- workers ----------------------------------------------------------------------------------------


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """What processes started meanwhile may write: as if the disk were full behind it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_fails_the_batch_and_spares_the_worker(tmp_path: Path) -> None:
    pages = tuple(Page(html(n, 20_000), "html") for n in range(10))
    with keeping(tmp_path / "kept") as keeper:
        with largest_file(50_000):
            pool = ExtractionPool(1, Limits())
            pool.__enter__()
        with pool:
            with pytest.raises(KeepError, match="file too large"):
                pool.extract_batch(Batch(1, pages=pages, keep=keeper.spool))
            assert len(pool.extract_batch(Batch(2, pages=pages[:2], keep=keeper.spool)).spooled) == 2


def test_every_outcome_with_a_page_is_kept(tmp_path: Path) -> None:
    undecodable = Page(b"\x00\x01\x02" * 600, "html", url="https://daily.example/bin")
    large = b"<p>" + b"x" * 3000
    (tmp_path / "in.warc").write_bytes(warc_page(1) + warc_page(2, large) + warc_page(3) * 2)
    (tmp_path / "lines.jsonl").write_bytes(b'{"headline": "no page"}\nno json\n')
    (batch,) = batches(tmp_path)
    with keeping(tmp_path / "kept") as keeper:
        limits = Limits(page_bytes=2000)
        whole = Batch(1, batch.parts, (undecodable,), limits=limits, keep=keeper.spool)
        result = extract_batch(whole)
        assert result.read == 7
        reasons = sorted(rejection.reason for rejection in result.rejections)
        assert reasons == ["damaged", "too_large", "undecodable", "unknown_record"]
        keeper.publish("1-1", result.spooled)
    kept = {page.content: page for page in pages_in(tmp_path / "kept")}
    assert kept.keys() == {html(1), html(3), large, undecodable.content}
    assert kept[large].url == "https://daily.example/2"


def test_what_a_selection_leaves_out_is_not_kept(tmp_path: Path) -> None:
    pages = (HOSTILE[5], HOSTILE[6])
    with keeping(tmp_path / "kept") as keeper:
        result = extract_batch(Batch(1, pages=pages, accept=1, keep=keeper.spool))
        assert len(result.spooled) == 1
        none = extract_batch(Batch(2, pages=pages, selection=Selection(languages=("sw",)), keep=keeper.spool))
        assert none.ignored == 2 and none.spooled == []


def test_a_worker_killed_at_any_moment_costs_no_reported_page(tmp_path: Path) -> None:
    pages = tuple(Page(html(n, 3000), "html", url=f"https://daily.example/{n}") for n in range(120))
    with keeping(tmp_path / "kept") as keeper, ExtractionPool(1, Limits()) as pool:
        future = pool.submit(Batch(1, pages=pages, keep=keeper.spool))
        kills = 0
        while not future.done() and kills < 3:
            time.sleep(0.2)
            for worker in list(pool._running):
                if any(Path(keeper.spool).glob("1-*")):
                    os.kill(worker._process.pid, signal.SIGKILL)
                    kills += 1
        result = future.result()
        keeper.publish("1-1", result.spooled)
    assert kills
    assert result.read == len(pages)
    assert sorted(page.key for page in pages_in(tmp_path / "kept")) == sorted(page.key for page in pages)


# --- the database -----------------------------------------------------------------------------------


def load(engine: Engine, path: Path, keeper: Keeper | None = None, extractor: str = "1") -> int:
    """Load what is new as a run does; return how many files that came to."""
    run_id = enter_run(engine, extractor=extractor)
    made = 0
    for batch in batches(path, keeper, engine):
        result = extract_batch(batch)
        kept = None
        if keeper and (records := worth_keeping(engine, result)):
            kept = keeper.publish(f"{run_id}-{batch.number}", records)
            made += 1
        load_batch(engine, batch, result, run_id=run_id, extractor=extractor, kept=kept)
    settle(engine)
    return made


def lines(path: Path, *pages: Page, times: str = "") -> Path:
    said = [
        {page.kind: page.content.decode(), "url": page.url, "source": page.source}
        | ({"fetched_at": times} if times else {})
        for page in pages
    ]
    path.write_bytes(b"".join(json.dumps(line).encode() + b"\n" for line in said))
    return path


def test_what_was_kept_makes_the_same_database(tmp_path: Path, database: Engine) -> None:
    landing = tmp_path / "landing"
    landing.mkdir()
    shutil.copy(EXAMPLES / "seed.txt", landing)
    (landing / "latin.html").write_bytes(
        "<html><head><meta charset=latin-1></head><h1>Café</h1>".encode("latin-1")
    )
    (landing / "binary.html").write_bytes(b"\x00\x01\x02" * 600)
    (landing / "some.warc.gz").write_bytes(gzip.compress(b"".join(map(warc_page, range(5)))))
    lines(landing / "first.jsonl", *(Page(html(n), "html", f"https://daily.example/{n}") for n in range(3)))
    lines(landing / "later.jsonl", Page(html(1), "html", "https://daily.example/1"), times="2025-06-01")
    with keeping(tmp_path / "kept") as keeper:
        assert load(database, landing, keeper) == 1
    assert len(pages_in(tmp_path / "kept")) == 12
    origins = [
        f"{table}.{column}" for table in ("pages", "quarantine") for column in ("origin_uri", "origin_record")
    ]
    before = content(database, origins)
    empty(database)
    load(database, tmp_path / "kept")
    after = content(database, origins)
    for table in ("parts", "kept_pages"):
        del before[table], after[table]
    assert not list(differences(before, after))
    assert len(before["pages"]) == 11 and len(before["quarantine"]) == 1


def test_known_pages_are_not_kept_again(tmp_path: Path, database: Engine) -> None:
    page = Page(html(1), "html", "https://daily.example/1")
    dump = lines(tmp_path / "dump.jsonl", page)
    with keeping(tmp_path / "kept") as keeper:
        assert load(database, dump, keeper) == 1
        lines(dump, page, page)
        assert load(database, dump, keeper) == 0, "the dump has grown by what is known"
        lines(dump, page, Page(html(2), "html", "https://daily.example/2"))
        assert load(database, dump, keeper) == 1
        lines(dump, page, times="2025-06-01")
        assert load(database, dump, keeper) == 1, "the same bytes captured later are another page"
    assert sorted(len(page.content) for page in pages_in(tmp_path / "kept")) == [len(html(1))] * 3
    assert len(find_kept(database, [page.digest, Page(html(2), "html").digest])) == 2


def test_pages_whose_file_was_deleted_are_kept_again(tmp_path: Path, database: Engine) -> None:
    page = Page(html(1), "html", "https://daily.example/1")
    dump = lines(tmp_path / "dump.jsonl", page)
    with keeping(tmp_path / "kept") as keeper:
        load(database, dump, keeper)
        for number in range(2):  # the same page read again; then a later capture of its bytes, twice
            shutil.rmtree(tmp_path / "kept" / str(datetime.now(UTC).year))
            assert list(read_kept_pages(database, [page.digest])) == []
            lines(dump, *[page] * (number + 1), times="2025-06-01" * number)
            os.utime(dump, (number, number))
            assert load(database, dump, keeper) == 1
            assert [found for found, _ in read_kept_pages(database, [page.digest])] == [page.digest]


def test_pages_loaded_before_are_kept_when_asked(tmp_path: Path, database: Engine) -> None:
    dump = lines(tmp_path / "dump.jsonl", Page(html(1), "html", "https://daily.example/1"))
    load(database, dump)
    digest = Page(html(1), "html").digest
    assert find_kept(database, [digest]) == {}
    os.utime(dump, (0, 0))
    with keeping(tmp_path / "kept") as keeper:
        assert load(database, dump, keeper) == 1
    [(found, page)] = read_kept_pages(database, [digest, b"0" * 16])
    assert (found, page.content, page.url) == (digest, html(1), "https://daily.example/1")


def test_no_row_tells_of_bytes_of_a_batch_that_failed(tmp_path: Path, database: Engine) -> None:
    dump = lines(tmp_path / "dump.jsonl", Page(html(1), "html", "https://daily.example/1"))
    with database.begin() as connection:
        connection.execute(text("ALTER TABLE parts ADD CONSTRAINT never CHECK (false)"))
    with keeping(tmp_path / "kept") as keeper, pytest.raises(LoadError):
        load(database, dump, keeper)
    with database.begin() as connection:
        assert connection.scalar(text("SELECT count(*) FROM kept_files")) == 0
        connection.execute(text("ALTER TABLE parts DROP CONSTRAINT never"))
    with keeping(tmp_path / "kept") as keeper:
        load(database, dump, keeper)
    assert [page.content for _, page in read_kept_pages(database, [Page(html(1), "html").digest])] == [
        html(1)
    ]
    assert len(files(tmp_path / "kept")) == 2, "what no row tells of is a copy"


# --- the command ------------------------------------------------------------------------------------


@pytest.fixture
def served(environment: dict[str, str], prefect_server: str) -> dict[str, str]:
    """The environment of commands that report to a running Prefect server."""
    return environment | {"PREFECT_API_URL": prefect_server}


def broadsheet(environment: dict[str, str], *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, *arguments], env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def test_the_command_complains_at_once(tmp_path: Path, environment: dict[str, str]) -> None:
    (tmp_path / "taken").write_text("a file")
    done = broadsheet(environment, "ingest", EXAMPLES / "seed.txt", "--keep-pages", tmp_path / "taken")
    assert done.returncode == 2
    assert done.stderr == f"Error: Pages cannot be kept in {tmp_path / 'taken'}: not a directory.\n"


def test_a_run_killed_before_its_batch_is_in_the_database(
    tmp_path: Path, database: Engine, served: dict[str, str]
) -> None:
    pages = [Page(html(n), "html", f"https://daily.example/{n}") for n in range(20)]
    dump, kept = lines(tmp_path / "dump.jsonl", *pages), tmp_path / "kept"
    command = [COMMAND, "ingest", dump, "--keep-pages", kept, "--quiet"]
    with database.begin() as connection:
        connection.execute(text("LOCK TABLE batches IN EXCLUSIVE MODE"))
        run = subprocess.Popen(command, env=served)
        deadline = time.monotonic() + 60
        while not files(kept):
            assert run.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        run.kill()
        run.wait()
    with database.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM kept_files")) == 0
    assert len(list((kept / ".spool").iterdir())) == 2, "a lock, and what the dead run left"

    assert broadsheet(served, *command[1:]).returncode == 0
    assert dict(read_kept_pages(database, [page.digest for page in pages])).keys() == {
        page.digest for page in pages
    }
    assert [path.name for path in (kept / ".spool").iterdir()] == ["lock"]
    assert len(files(kept)) == 2

    lines(dump, *pages, Page(os.urandom(500_000).hex().encode(), "text", "https://daily.example/x"))
    with largest_file(300_000):
        failed = broadsheet(served, *command[1:])
    assert failed.returncode == 1
    assert "Pages cannot be kept: file too large" in failed.stderr


def test_pages_are_read_again_when_all_but_what_was_kept_is_gone(
    tmp_path: Path, database: Engine, served: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an older version loaded or stumbled over becomes what this one would have loaded at first."""
    landing = tmp_path / "landing"
    shutil.copytree(EXAMPLES, landing)
    lines(landing / "works.jsonl", Page(story("Gasworks"), "html", "https://daily.example/works"))
    load(database, landing, extractor=EXTRACTOR_VERSION)
    expected = content(database)
    empty(database)

    def older(page: bytes, *arguments: object, **keywords: object) -> Extraction:
        assert b"Gasworks" not in page, "what this version stumbles over"
        found = extract_page(page, *arguments, **keywords)  # type: ignore[arg-type]
        title = (found.title or "").upper()
        return replace(found, title=title, headlines=found.headlines[1:], canonical_url=None)

    with keeping(tmp_path / "kept") as keeper, monkeypatch.context() as patch:
        patch.setattr("tasks.batch.extract_page", older)
        load(database, landing, keeper, extractor="older")
    assert content(database)["articles"] != expected["articles"]
    shutil.rmtree(landing)

    done = broadsheet(served, "backfill", "--reprocess", "--json")
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)["counts"]
    assert counts["read"] == len(expected["pages"]) - 1 and counts["quarantined"] == 0
    done = broadsheet(served, "quarantine", "replay", "--reason", "extractor_error")
    assert done.returncode == 0, done.stderr
    found = content(database)
    for table in ("quarantine", "kept_pages"):
        del expected[table], found[table]
    assert not list(differences(expected, found))


def story(title: str) -> bytes:
    return f"""<html lang="en"><head><title>{title} sold to a baker</title></head><body><article>
    <h1>{title} sold to a baker</h1>
    <p>The ferry sailed again on Monday after weeks in dock, and a brass band met it on the quay.</p>
    <p>Islanders had lived on what fishing boats could carry, said the harbour master on the quay.</p>
    </article></body></html>""".encode()
