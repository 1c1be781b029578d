"""Planning: what is found, how it is cut, what the ledger spares."""

from __future__ import annotations

import gzip
import os
import tempfile
import tracemalloc
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import pytest
import zstandard
from inputs import ALL, LIMITS, html, json_line, warc_page

from schemas.errors import ConfigError
from schemas.records import (
    Batch,
    Input,
    KnownPart,
    Limits,
    Page,
    Part,
    PassedOver,
    Rejection,
    Selection,
    Skipped,
    Unmatched,
)
from tasks import plan as planning
from tasks.inputs.storage import path_of
from tasks.plan import BATCH_BYTES, BATCH_PAGES, Note, NothingKnown, format_of, pack, plan
from tasks.read import read_part


class Ledger:
    """What a run has loaded so far, as the database would tell the next one."""

    def __init__(self) -> None:
        self.known: dict[tuple[str, str], list[KnownPart]] = {}
        self.asked: list[int] = []

    def parts(self, inputs: Sequence[Input], selection: str) -> dict[str, list[KnownPart]]:
        self.asked.append(len(inputs))
        return {i.fingerprint: k for i in inputs if (k := self.known.get((i.fingerprint, selection)))}

    def load(self, part: Part, selection: Selection = ALL) -> None:
        known = KnownPart(part.first_record, part.record_count, part.next_offset, part.last)
        self.known.setdefault((part.input.fingerprint, selection.digest), []).append(known)


def planned(*paths: object, ledger: Ledger | None = None, selection: Selection = ALL) -> list[Part | Note]:
    return list(plan([str(path) for path in paths], selection, ledger or Ledger()))


def parts(*paths: object, ledger: Ledger | None = None) -> list[Part]:
    return [item for item in planned(*paths, ledger=ledger) if isinstance(item, Part)]


def names(*paths: object) -> list[str]:
    return [path_of(part.input.uri).name for part in parts(*paths)]


def passed_over(*paths: object) -> dict[str, int]:
    """What is counted as no input: the last that a plan tells."""
    *_, last = planned(*paths)
    assert isinstance(last, PassedOver)
    return last.counts


def contents(part: Part) -> list[bytes]:
    return [item.content for item in read_part(part, ALL, LIMITS) if isinstance(item, Page)]


@pytest.fixture
def own_directory() -> Iterator[Path]:
    """A directory in a process that is not root, since permissions mean nothing to root."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        with tempfile.TemporaryDirectory() as directory:
            yield Path(directory)
            for path in Path(directory).iterdir():
                path.chmod(0o700)
    finally:
        os.seteuid(user)


# --- finding inputs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("a.txt", ("txt", "")),
        ("a.html", ("html", "")),
        ("a.HTM", ("html", "")),
        ("a.jsonl", ("jsonl", "")),
        ("a.ndjson.gz", ("jsonl", "gz")),
        ("a.warc.GZ", ("warc", "gz")),
        ("a.warc.wet.gz", ("warc", "gz")),
        ("a.wet.zst", ("warc", "zst")),
        ("a.b.txt.zst", ("txt", "zst")),
        ("a.gz", None),
        ("a.json", None),
        ("a.pdf.gz", None),
        ("a", None),
        ("txt", None),
        (".txt", None),
        ("", None),
    ],
)
def test_suffixes_name_format_and_compression(name: str, found: tuple[str, str] | None) -> None:
    assert format_of(name) == found


def test_a_directory_is_read_in_order_and_what_is_no_input_is_counted(tmp_path: Path) -> None:
    for name in [
        "b.txt",
        "a.html",
        "c.pdf",
        ".hidden.txt",
        "sub/d.htm",
        "sub/.e/f.txt",
        "sub.txt/g.txt",
        "B.txt.gz",
        "sub/h.PDF",
        "sub/i.tar.gz",
        "README",
    ]:
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).touch()
    os.mkfifo(tmp_path / "pipe.txt")
    assert names(tmp_path) == ["B.txt.gz", "a.html", "b.txt", "d.htm", "g.txt"]
    assert passed_over(tmp_path) == {".pdf": 2, ".tar.gz": 1, "": 1, "FIFO": 1}
    assert passed_over(tmp_path, tmp_path / "**" / "*") == passed_over(tmp_path), "each is counted once"


def test_an_empty_directory_is_nothing_to_do(tmp_path: Path) -> None:
    assert planned(tmp_path) == []


def test_globs_files_and_directories_are_taken_once_each(tmp_path: Path) -> None:
    (tmp_path / "x" / "y").mkdir(parents=True)
    for name in ["x/1.txt", "x/2.html", "x/y/3.txt", "4.txt", "x/[5].txt", "x/6.pdf"]:
        (tmp_path / name).touch()
    assert names(tmp_path / "x" / "*.txt") == ["1.txt", "[5].txt"]
    assert names(tmp_path / "**" / "?.txt") == ["4.txt", "1.txt", "3.txt"]
    assert names(tmp_path / "x" / "[5].txt") == ["[5].txt"], "a file that exists is no glob"
    assert names(tmp_path / "*") == ["4.txt", "1.txt", "2.html", "[5].txt", "3.txt"]
    assert passed_over(tmp_path / "x" / "?.*") == {".pdf": 1}
    assert names(tmp_path / "x" / "y", tmp_path, tmp_path / "4.txt", tmp_path / "x" / ".." / "4.txt") == [
        *["3.txt", "1.txt", "2.html", "[5].txt"],
        "4.txt",
    ]


def test_relative_paths_and_odd_names_become_uris(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = os.fsdecode("ä b%20#\xff.txt".encode("latin-1"))
    (tmp_path / name).write_bytes(b"x")
    monkeypatch.chdir(tmp_path)
    (part,) = parts(name)
    assert part.input.uri.isascii()
    assert part.input.uri.startswith("file:///")
    assert contents(part) == [b"x"]


def test_links_do_not_lead_out_of_the_directory(tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    (inside / ".store").mkdir()
    (outside / "secret.txt").touch()
    (inside / ".store" / "object").touch()
    (inside / "out.txt").symlink_to(outside / "secret.txt")
    (inside / "up").symlink_to(outside)
    (inside / "loop").symlink_to(inside)
    (inside / "gone.txt").symlink_to(inside / "nothing")
    (inside / "kept.txt").symlink_to(inside / ".store" / "object")
    (tmp_path / "link").symlink_to(inside)

    assert names(inside) == ["kept.txt"]
    assert passed_over(inside) == {"link leading outside": 2, "broken link": 1}
    assert passed_over(inside / "*") == {"link leading outside": 2, "broken link": 1}
    assert names(tmp_path / "link") == ["kept.txt"], "what the user names may be a link"
    assert names(inside / "*.txt") == ["kept.txt"]
    with pytest.raises(ConfigError, match="matches"):
        plan([str(inside / "u*" / "*.txt")], ALL, Ledger())
    assert names(inside / "out.txt") == ["out.txt"]
    assert [contents(part) for part in parts(inside, inside / "out.txt")] == [[b""], [b""]]


@pytest.mark.parametrize("name", ["a.txt", "a.jsonl"])
@pytest.mark.parametrize("swap", ["link", "pipe", "device", "directory", "nothing"])
def test_what_takes_a_files_place_after_planning_is_not_read(tmp_path: Path, name: str, swap: str) -> None:
    (tmp_path / "secret").write_bytes(json_line(1))
    landing = tmp_path / "landing"
    landing.mkdir()
    path = landing / name
    path.write_bytes(json_line(0))
    (part,) = parts(landing)
    path.unlink()
    if swap == "link":
        path.symlink_to(tmp_path / "secret")
    elif swap == "pipe":
        os.mkfifo(path)
    elif swap == "device":
        path.symlink_to("/dev/zero")
    elif swap == "directory":
        path.mkdir()
    (entry,) = read_part(part, ALL, LIMITS)
    assert isinstance(entry, Rejection)
    assert (entry.reason, entry.content) == ("unreadable", None)


@pytest.mark.parametrize("name", ["page.html", "pages.jsonl"])
def test_a_directory_that_takes_anothers_place_is_no_way_out(tmp_path: Path, name: str) -> None:
    for place in ("landing/daily", "secret"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / name).write_bytes(json_line(0))
    (part,) = parts(tmp_path / "landing")
    (tmp_path / "landing/daily").rename(tmp_path / "daily")
    (tmp_path / "landing/daily").symlink_to(tmp_path / "secret")
    (entry,) = read_part(part, ALL, LIMITS)
    assert isinstance(entry, Rejection)
    assert (entry.reason, entry.content) == ("unreadable", None)


def test_a_pattern_that_says_nothing_of_a_directory_is_refused(tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).touch()
    selection = Selection(path_pattern="{source}/{date}/*")
    with pytest.raises(ConfigError, match="matches the path pattern"):
        plan([str(tmp_path)], selection, Ledger())
    assert len(planned(tmp_path / "a.txt", selection=selection)) == 2
    (tmp_path / "daily" / "2025-05-17").mkdir(parents=True)
    (tmp_path / "daily" / "2025-05-17" / "c.txt").touch()
    found = planned(tmp_path, selection=selection)
    assert Counter(map(type, found)) == {Unmatched: 2, Part: 3}
    ledger = Ledger()
    for item in found:
        if isinstance(item, Part):
            ledger.load(item, selection)
    assert {type(item) for item in planned(tmp_path, ledger=ledger, selection=selection)} == {Skipped}


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("nowhere", "does not exist"),
        ("a.txt/b.txt", "does not exist"),
        ("nowhere/*.txt", "matches"),
        ("*.pdf", "matches"),
        ("a.pdf", "no known suffix"),
        ("pipe.txt", "neither a file nor a directory"),
        ("", "does not exist"),
        ("a\0b", "does not exist"),
        ("a" * 5000, "does not exist"),
    ],
)
def test_what_is_named_but_cannot_be_is_one_sentence_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.txt").touch()
    (tmp_path / "a.pdf").touch()
    os.mkfifo(tmp_path / "pipe.txt")
    with pytest.raises(ConfigError) as error:
        plan(["a.txt", path], ALL, Ledger())
    assert said in str(error.value)
    assert path in str(error.value)
    assert str(error.value).count(".") >= 1
    assert "\n" not in str(error.value)


def test_a_malformed_path_pattern_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="path pattern"):
        plan([str(tmp_path)], Selection(path_pattern="{outlet}/*"), Ledger())


@pytest.mark.parametrize("name", ["directory", "file.txt"])
def test_what_the_user_names_must_be_readable(own_directory: Path, name: str) -> None:
    path = own_directory / name
    path.mkdir(0) if name == "directory" else path.touch(0)
    with pytest.raises(ConfigError, match="permission denied"):
        plan([str(path)], ALL, Ledger())


def test_what_is_found_but_cannot_be_read_goes_to_quarantine_until_it_can(own_directory: Path) -> None:
    (own_directory / "a.txt").touch()
    (own_directory / "b.jsonl.gz").write_bytes(gzip.compress(json_line(0)))
    (own_directory / "c").mkdir()
    (own_directory / "d.txt").touch()
    for name in "a.txt", "b.jsonl.gz", "c":
        (own_directory / name).chmod(0)
    ledger = Ledger()

    found = parts(own_directory, ledger=ledger)

    assert [path_of(part.input.uri).name for part in found] == ["a.txt", "b.jsonl.gz", "c", "d.txt"]
    for part in found[:3]:
        (entry,) = read_part(part, ALL, LIMITS)
        assert isinstance(entry, Rejection)
        assert (entry.reason, entry.detail) == ("unreadable", "permission denied")
    ledger.load(found[3])
    (own_directory / "b.jsonl.gz").chmod(0o600)
    again = parts(own_directory, ledger=ledger)
    assert [path_of(part.input.uri).name for part in again] == ["a.txt", "b.jsonl.gz", "c"]
    assert contents(again[1]) == [html(0)]


def test_a_changed_file_is_another_input(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("1")
    (first,) = parts(path)
    (again,) = parts(path)
    os.utime(path, ns=(1, 1))
    (touched,) = parts(path)
    path.write_text("22")
    os.utime(path, ns=(1, 1))
    (longer,) = parts(path)
    assert first == again
    assert len({first.input.fingerprint, touched.input.fingerprint, longer.input.fingerprint}) == 3


# --- cutting them into parts ------------------------------------------------------------------------------


def stored_jsonl(count: int) -> dict[str, bytes]:
    lines = [json_line(n) for n in range(count)]
    return {
        "a.jsonl": b"".join(lines),
        "a.jsonl.gz": gzip.compress(b"".join(lines)),
        "a.jsonl.zst": zstandard.compress(b"".join(lines)),
        "a.warc.gz": b"".join(gzip.compress(warc_page(n)) for n in range(count)),
        "a.warc": b"".join(warc_page(n) for n in range(count)),
    }


NAMES = list(stored_jsonl(0))
SEEKABLE = {"a.jsonl", "a.warc.gz", "a.warc"}


@pytest.mark.parametrize("name", NAMES)
def test_a_large_input_is_cut_at_fixed_counts(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(stored_jsonl(1100)[name])

    found = parts(path)

    assert [(p.first_record, p.record_count, p.last) for p in found] == [
        (0, 500, False),
        (500, 500, False),
        (1000, 100, True),
    ]
    assert parts(path) == found
    assert [p.payload is None for p in found] == [True, name in SEEKABLE, name in SEEKABLE]
    for before, after in pairwise(found):
        assert before.next_offset == after.offset
        assert (after.offset > 0) == (name in SEEKABLE)
    assert found[-1].next_offset == 0
    assert [content for part in reversed(found) for content in reversed(contents(part))] == [
        html(n) for n in reversed(range(1100))
    ], "every part can be read alone"
    assert all(p.byte_count > 0 for p in found)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("count", [0, 1, 499, 500, 501, 1000])
def test_the_last_part_is_told(tmp_path: Path, name: str, count: int) -> None:
    path = tmp_path / name
    path.write_bytes(stored_jsonl(count)[name] or (gzip.compress(b"") if name.endswith(".gz") else b""))
    found = parts(path)
    assert [part.last for part in found] == [False] * (len(found) - 1) + [True]
    assert sum(part.record_count for part in found) == count
    assert len(found) == max(1, -(-count // 500))
    assert [part.damage for part in found] == [None] * len(found)


def test_large_records_close_a_part_early(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    line = b'{"html": "' + b"x" * 9_000_000 + b'"}\n'
    path.write_bytes(line * 9)
    assert [part.record_count for part in parts(path)] == [4, 4, 1]


@pytest.mark.parametrize("name", NAMES)
def test_known_parts_are_skipped_and_holes_are_filled(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(stored_jsonl(1600)[name])
    everything = parts(path)
    texts = [contents(part) for part in everything]
    for loaded in [(), (0,), (0, 1), (1,), (0, 2), (1, 3), (3,), (0, 1, 2), (1, 2, 3)]:
        ledger = Ledger()
        for number in reversed(loaded):  # batches are loaded in any order
            ledger.load(everything[number])
        items = planned(path, ledger=ledger)
        skipped = [item.parts for item in items if isinstance(item, Skipped)]
        missing = [item for item in items if isinstance(item, Part)]
        assert skipped == ([len(loaded)] if loaded else [])
        expected = [part for number, part in enumerate(everything) if number not in loaded]
        assert [(p.first_record, p.record_count, p.last, p.next_offset) for p in missing] == [
            (p.first_record, p.record_count, p.last, p.next_offset) for p in expected
        ], loaded
        assert all(contents(part) == texts[part.first_record // BATCH_PAGES] for part in missing)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_complete_is_not_opened(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(stored_jsonl(600)[name])
    ledger = Ledger()
    for part in parts(path):
        ledger.load(part)
    status = path.stat()
    path.write_bytes(b"\x00" * status.st_size)  # reading it would be noticed
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))

    (item,) = planned(path, ledger=ledger)

    assert isinstance(item, Skipped)
    assert item.parts == 2


@pytest.mark.parametrize("name", sorted(SEEKABLE))
def test_reading_resumes_where_the_known_parts_end(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(stored_jsonl(1200)[name])
    first, second, third = parts(path)
    ledger = Ledger()
    ledger.load(first)
    ledger.load(second)
    status = path.stat()
    with path.open("r+b") as file:
        file.write(b"\x00" * second.next_offset)  # reading it would be noticed
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))

    assert planned(path, ledger=ledger) == [Skipped(first.input, 2), third]


def test_other_selections_are_other_work(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.touch()
    ledger = Ledger()
    (part,) = parts(path)
    ledger.load(part)
    assert isinstance(planned(path, ledger=ledger)[0], Skipped)
    assert isinstance(planned(path, ledger=ledger, selection=Selection(source="x"))[0], Part)


def test_the_ledger_is_asked_for_a_thousand_inputs_at_a_time(tmp_path: Path) -> None:
    for number in range(1001):
        (tmp_path / f"{number}.txt").touch()
    ledger = Ledger()
    assert len(parts(tmp_path, ledger=ledger)) == 1001
    assert ledger.asked == [1000, 1]


def test_a_damaged_input_stays_done_once_loaded(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(json_line(0) + json_line(1))[:-4])
    ledger = Ledger()
    (part,) = parts(path, ledger=ledger)
    assert (part.record_count, part.last) == (2, True)
    assert part.damage is not None
    ledger.load(part)
    assert planned(path, ledger=ledger) == [Skipped(part.input, 1)]


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.jsonl.zst", "a.warc.gz", "a.warc.zst"])
def test_memory_does_not_grow_with_the_input(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An input of 64 MB is planned and read within what a few parts of 4 MB need."""
    monkeypatch.setattr(planning, "BATCH_BYTES", 4 * 1024 * 1024)
    _, kind, *compression = name.split(".")
    filler = "x" * 100_000
    record = b'{"html": "%s"}\n' % filler.encode() if kind == "jsonl" else warc_page(0, filler.encode())
    store = {"": bytes, "gz": gzip.compress, "zst": zstandard.compress}["".join(compression)]
    piece = store(record * 80)
    with (tmp_path / name).open("wb") as file:
        for _ in range(8):
            file.write(piece)
    tracemalloc.start()
    try:
        count = 0
        for item in plan([str(tmp_path / name)], ALL, Ledger()):
            assert isinstance(item, Part)
            count += sum(isinstance(found, Page) for found in read_part(item, ALL, LIMITS))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == 640
    assert peak < 32 * 1024 * 1024


# --- packing ----------------------------------------------------------------------------------------------


def part(count: int = 1, size: int = 1000) -> Part:
    return Part(Input("file:///x", "x", "txt"), 0, count, byte_count=size)


def packed(items: list[Part | Skipped]) -> list[list[int]]:
    batches = [item for item in pack(items, ALL, LIMITS) if isinstance(item, Batch)]
    assert [batch.number for batch in batches] == list(range(1, len(batches) + 1))
    assert [p for batch in batches for p in batch.parts] == [item for item in items if isinstance(item, Part)]
    return [[p.record_count for p in batch.parts] for batch in batches]


def test_batches_hold_five_hundred_pages_or_thirty_two_megabytes() -> None:
    assert packed([]) == []
    assert packed([part()] * 1001) == [[1] * 500, [1] * 500, [1]]
    assert packed([part(500), part(500), part(3), part(400)]) == [[500], [500], [3, 400]]
    assert packed([part(size=BATCH_BYTES)] * 2) == [[1], [1]]
    assert packed([part(size=BATCH_BYTES // 3)] * 4) == [[1, 1, 1], [1]]
    assert packed([part(), part(size=10 * BATCH_BYTES), part()]) == [[1], [1], [1]]
    assert packed([part(0)] * 3) == [[0, 0, 0]]
    assert BATCH_PAGES == 500


def test_packing_streams_and_passes_on_what_was_skipped() -> None:
    drawn = 0

    def endless() -> Iterator[Part | Skipped]:
        nonlocal drawn
        yield Skipped(Input("file:///x", "x", "txt"), 3)
        while True:
            drawn += 1
            yield part()

    selection, limits = Selection(source="daily"), Limits(page_seconds=1)
    items = pack(endless(), selection, limits)
    assert isinstance(next(items), Skipped)
    batch = next(items)
    assert isinstance(batch, Batch)
    assert (batch.selection, batch.limits, batch.accept) == (selection, limits, None)
    assert drawn == 501


def test_a_file_replaced_after_it_was_listed_costs_itself_alone(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / f"{name}.jsonl").write_bytes(b'{"text": "x"}\n' * 3)
    found = plan([str(tmp_path)], Selection(), NothingKnown())
    first = next(found)
    (tmp_path / "new").write_bytes(b'{"text": "y"}\n')
    (tmp_path / "new").rename(tmp_path / "b.jsonl")
    parts = [part for part in (first, *found) if isinstance(part, Part)]
    read = [list(read_part(part, Selection(), Limits())) for part in parts]
    assert [len(records) for records in read] == [3, 1, 3]
    [refused] = read[1]
    assert isinstance(refused, Rejection) and (refused.reason, refused.rest) == ("unreadable", True)
