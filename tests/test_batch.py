"""A batch in one process: what becomes of each record, and within which limits."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from schemas.records import Batch, BatchResult, Input, Limits, Page, Part, Rejection, Selection
from tasks.batch import Place, extract_batch, extract_records, unread_unit
from tasks.plan import NothingKnown, pack, plan


def story(number: int, language: str = "en", paragraph: str = "") -> str:
    return f"""<html lang="{language}"><head><title>Ferry {number} returns to the island</title></head><body>
    <article><h1>Ferry {number} returns to the island</h1>
    <p>{paragraph or "The ferry sailed again on Monday after weeks in dock, and a brass band met it."}</p>
    <p>Islanders had lived on what fishing boats could carry, said the harbour master on the quay.</p>
    </article></body></html>"""


def write_lines(path: Path, *lines: object) -> Path:
    path.write_bytes(
        b"".join(line if isinstance(line, bytes) else orjson.dumps(line) + b"\n" for line in lines)
    )
    return path


EVERYTHING = Selection()


def batch_of(path: Path, selection: Selection = EVERYTHING, **more: object) -> Batch:
    [batch] = pack(plan([str(path)], selection, NothingKnown()), selection)
    assert isinstance(batch, Batch)
    return replace(batch, **more)  # type: ignore[arg-type]


def numbers(result: BatchResult) -> list[int]:
    return [page.origin_record for page in result.pages]


def test_every_record_has_one_outcome(tmp_path: Path) -> None:
    path = write_lines(
        tmp_path / "dump.jsonl",
        {"html": story(0), "url": "https://paper.example/0", "fetched_at": "2025-05-17T10:00:00Z"},
        {"headline": "no page at all"},
        b'{"html": "broken\n',
        {"html": story(3)},
        {"html": "\x00\x01\x02" * 4000},
    )
    result = extract_batch(batch_of(path))
    assert result.read == 5 == len(result.pages) + len(result.rejections)
    assert result.ignored == 0
    assert numbers(result) == [0, 3]
    assert {each.origin_record: each.reason for each in result.rejections} == {
        1: "unknown_record",
        2: "damaged",
        4: "undecodable",
    }


def test_what_is_found_carries_its_page_and_its_keys(tmp_path: Path) -> None:
    line = {"html": story(7), "url": "https://paper.example/7", "fetched_at": "2025-05-17T10:00:00Z"}
    [page] = extract_batch(batch_of(write_lines(tmp_path / "dump.jsonl", line))).pages
    content = line["html"].encode()
    assert page.byte_count == len(content)
    assert page.digest == hashlib.blake2b(content, digest_size=16).digest()
    assert page.extraction.is_article and page.extraction.title == "Ferry 7 returns to the island"
    assert page.article_key and page.story_key
    assert len(page.headline_keys) == len(page.extraction.headlines)
    assert page.origin_uri == (tmp_path / "dump.jsonl").as_uri()


def test_languages_not_asked_for_are_ignored(tmp_path: Path) -> None:
    german = (
        "Die Fähre zur Insel fuhr am Montag nach elf Wochen im Dock wieder, und eine Kapelle spielte am Kai."
    )
    path = write_lines(
        tmp_path / "dump.jsonl",
        {"html": story(0)},
        {"html": story(1, "de", german)},
        {"html": story(2)},
        {"nothing": 1},
    )
    result = extract_batch(batch_of(path, Selection(languages=("de",))))
    assert numbers(result) == [1]
    assert (result.read, result.ignored, len(result.rejections)) == (2, 2, 1)


@pytest.mark.parametrize("accept", [0, 1, 3, 5, 9])
def test_accept_leaves_the_rest_ignored(tmp_path: Path, accept: int) -> None:
    path = write_lines(tmp_path / "dump.jsonl", *({"html": story(n)} for n in range(4)), {"nothing": 1})
    result = extract_batch(batch_of(path, accept=accept))
    assert result.read == min(accept, 5)
    assert result.ignored == 5 - result.read
    assert numbers(result) == list(range(min(accept, 4)))


def test_pages_handed_over_need_no_input() -> None:
    pages = tuple(
        Page(story(n).encode(), "html", origin_uri="file:///gone", origin_record=n) for n in range(3)
    )
    assert numbers(extract_batch(Batch(1, pages=pages))) == [0, 1, 2]


def test_the_size_limit_holds_for_pages_handed_over() -> None:
    page = Page(story(0).encode(), "html")
    result = extract_batch(Batch(1, pages=(page,), limits=Limits(page_bytes=len(page.content) - 1)))
    assert [each.reason for each in result.rejections] == ["too_large"]
    assert extract_batch(Batch(1, pages=(page,), limits=Limits(page_bytes=len(page.content)))).pages


def test_an_input_that_went_away_is_one_rejection(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "dump.jsonl", *({"html": story(n)} for n in range(3)))
    batch = batch_of(path)
    path.unlink()
    result = extract_batch(batch)
    assert [(each.reason, each.origin_record) for each in result.rejections] == [("unreadable", 0)]
    assert result.read == 1


def test_a_page_beyond_its_time_is_rejected_with_its_bytes() -> None:
    slow = story(0, paragraph="The ferry sailed again on Monday. " * 60_000)
    page = Page(slow.encode(), "html", url="https://paper.example/slow")
    [rejection] = extract_batch(Batch(1, pages=(page,), limits=Limits(page_seconds=0.01))).rejections
    assert (rejection.reason, rejection.content) == ("timeout", page.content)
    assert len(extract_batch(Batch(2, pages=(Page(b"<p>short", "html"),))).pages) == 1


def test_outside_the_main_thread_a_batch_is_extracted_all_the_same() -> None:
    results: list[BatchResult] = []
    page = Page(story(0).encode(), "html")
    thread = threading.Thread(target=lambda: results.append(extract_batch(Batch(1, pages=(page,)))))
    thread.start()
    thread.join()
    assert numbers(results[0]) == [0]


def test_going_on_at_any_place_gives_the_rest(tmp_path: Path) -> None:
    first = batch_of(write_lines(tmp_path / "a.jsonl", *({"html": story(n)} for n in range(3)))).parts
    second = batch_of(write_lines(tmp_path / "b.jsonl", {"nothing": 1}, {"html": story(9)})).parts
    batch = Batch(1, parts=(*first, *second), pages=(Page(story(5).encode(), "html"),))
    whole = list(extract_records(batch))
    assert [unit for unit, _ in whole] == [0, 0, 0, 1, 1, 2]
    done = 0
    for unit, size in enumerate((3, 2, 1)):
        for record in range(size + 1):
            assert list(extract_records(batch, Place(unit, record))) == whole[done + record :]
        done += size


def test_a_verdict_falls_on_the_next_page_only(tmp_path: Path) -> None:
    from schemas.errors import WorkerDied

    batch = batch_of(write_lines(tmp_path / "a.jsonl", *({"html": story(n)} for n in range(4))))
    rest = [outcome for _, outcome in extract_records(batch, Place(0, 1, WorkerDied("ended by SIGSEGV")))]
    assert isinstance(rest[0], Rejection)
    assert (rest[0].reason, rest[0].origin_record) == ("worker_died", 1)
    assert rest[0].content == story(1).encode()
    assert [type(outcome).__name__ for outcome in rest[1:]] == ["ExtractedPage"] * 2


def test_the_unit_of_the_next_record() -> None:
    part = Part(Input("file:///a", "0", "jsonl"), 0, 2)
    batch = Batch(1, parts=(part, part), pages=(Page(b"", "html"),))
    assert unread_unit(batch, Place(0, 1)) == 0
    assert unread_unit(batch, Place(0, 2)) == 1
    assert unread_unit(batch, Place(1, 2)) == 2
    assert unread_unit(batch, Place(2, 1)) is None


def test_parts_after_the_limit_stay_closed(tmp_path: Path) -> None:
    there = batch_of(write_lines(tmp_path / "a.jsonl", {"html": story(0)})).parts[0]
    gone = Part(Input("file:///nowhere.jsonl", "0", "jsonl"), 0, 7)
    result = extract_batch(Batch(1, parts=(there, gone), accept=1))
    assert (result.read, result.ignored, result.rejections) == (1, 7, ())
