"""Reading: every format and compression, cut anywhere, filtered, and fed with rubbish."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import brotli
import pytest
import zstandard
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from inputs import (
    ALL,
    HEADERS,
    LIMITS,
    RECORDS,
    STORED,
    frames,
    html,
    json_line,
    members,
    warc_page,
    warc_record,
)

from schemas.records import Ignored, Limits, Page, Part, Rejection, Selection
from tasks.inputs.containers import Stream
from tasks.plan import NothingKnown, plan
from tasks.read import Found, parse_time, read_part

WARCS = Path(__file__).parent.parent.parent / "shared" / "warc"


def read(path: Path, selection: Selection = ALL, limits: Limits = LIMITS) -> list[Found]:
    found: list[Found] = []
    for part in plan([str(path)], selection, NothingKnown(), limits):
        assert isinstance(part, Part)
        items = list(read_part(part, selection, limits))
        assert len(items) == part.record_count + (part.damage is not None) or isinstance(items[-1], Rejection)
        found += items
    return found


def pages(found: Sequence[Found]) -> list[bytes]:
    return [item.content for item in found if isinstance(item, Page)]


def rejections(found: Sequence[Found]) -> list[Rejection]:
    return [item for item in found if isinstance(item, Rejection)]


# --- formats ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stored", STORED)
@pytest.mark.parametrize("kind", RECORDS)
def test_every_record_of_every_format_and_compression_is_read(tmp_path: Path, kind: str, stored: str) -> None:
    suffix, store = STORED[stored]
    path = tmp_path / f"dump.{kind}{suffix}"
    path.write_bytes(b"".join(store([RECORDS[kind](n) for n in range(1234)])))

    found = read(path)

    assert pages(found) == [html(n) for n in range(1234)]
    assert [item.origin_record for item in found if isinstance(item, Page)] == list(range(1234))
    assert {item.origin_uri for item in found if isinstance(item, Page)} == {path.as_uri()}
    first = found[0]
    assert isinstance(first, Page)
    assert (first.url, first.kind) == ("https://daily.example/0", "html")


@pytest.mark.parametrize("suffix", ["html", "htm", "HTML", "txt"])
@pytest.mark.parametrize("compression", ["", ".gz", ".zst"])
def test_a_file_is_a_page(tmp_path: Path, suffix: str, compression: str) -> None:
    content = b"\n  \xffbytes stay as they are\r\n"
    store = {"": bytes, ".gz": gzip.compress, ".zst": zstandard.compress}[compression]
    path = tmp_path / f"ä page.{suffix}{compression}"
    path.write_bytes(store(content))

    (page,) = read(path)

    assert isinstance(page, Page)
    assert page.content == content
    assert page.kind == ("text" if suffix == "txt" else "html")
    assert (page.url, page.fetched_at, page.source, page.content_type) == (None, None, None, None)


@pytest.mark.parametrize("name", ["empty.txt", "empty.html"])
def test_an_empty_file_is_an_empty_page(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    (page,) = read(tmp_path / name)
    assert isinstance(page, Page)
    assert page.content == b""


@pytest.mark.parametrize("name", ["empty.jsonl", "empty.warc"])
def test_an_empty_container_holds_nothing(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    assert read(tmp_path / name) == []


@pytest.mark.parametrize("name", ["empty.jsonl.gz", "empty.warc.zst", "empty.html.gz"])
def test_an_empty_compressed_file_is_damaged(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    (entry,) = rejections(read(tmp_path / name))
    assert entry.reason == "damaged"


# --- JSONL -----------------------------------------------------------------------------------------------


def test_what_names_a_page_is_what_a_row_can_hold(tmp_path: Path) -> None:
    """Else the page read again by what its row says would be another one."""
    (page,) = lines(
        tmp_path, {"html": "<p>A\0", "url": "https://paper.example/\0a", "source": "\0", "content_type": "\0"}
    )
    assert isinstance(page, Page)
    assert (page.url, page.source, page.content) == ("https://paper.example/a", None, b"<p>A\0")


def lines(tmp_path: Path, *said: object, **options: object) -> list[Found]:
    path = tmp_path / "dump.jsonl"
    path.write_text("\n".join(one if isinstance(one, str) else json.dumps(one) for one in said))
    return read(path, Selection(**options))  # type: ignore[arg-type]


def test_a_line_gives_every_known_key(tmp_path: Path) -> None:
    (page,) = lines(
        tmp_path,
        {
            "html": "<p>é</p>",
            "url": "https://daily.example/1",
            "fetched_at": "2025-05-17T12:00:00+02:00",
            "source": "daily",
            "content_type": "text/html; charset=latin-1",
        },
    )
    assert isinstance(page, Page)
    assert page.content.decode() == "<p>é</p>"
    assert page.url == "https://daily.example/1"
    assert page.fetched_at == datetime(2025, 5, 17, 10, tzinfo=UTC)
    assert page.source == "daily"
    assert page.content_type == "text/html; charset=utf-8", "JSON is UTF-8, whatever the page was"


def test_a_fetch_time_that_is_none_is_noticed(tmp_path: Path) -> None:
    stated = ["2025-13-45", "last Monday", {"$date": 1}, "2025-05-17", "", None, 0]
    found = lines(tmp_path, *({"html": "<p>", "fetched_at": time} for time in stated))
    assert [page.misdated for page in found if isinstance(page, Page)] == [True] * 3 + [False] * 4


def test_keys_can_be_renamed(tmp_path: Path) -> None:
    (page,) = lines(
        tmp_path,
        {"raw_html": "<p>", "link": "x", "url": "no"},
        fields=(("html", "raw_html"), ("url", "link")),
    )
    assert isinstance(page, Page)
    assert (page.content, page.url) == (b"<p>", "x")


def test_html_is_preferred_to_text_where_a_line_has_both(tmp_path: Path) -> None:
    both, null = lines(tmp_path, {"text": "plain", "html": "<p>"}, {"text": "plain", "html": None})
    assert isinstance(both, Page)
    assert isinstance(null, Page)
    assert (both.kind, both.content) == ("html", b"<p>")
    assert (null.kind, null.content) == ("text", b"plain")


@pytest.mark.parametrize(
    ("line", "reason", "said"),
    [
        ({"body": "x", "link": "y"}, "unknown_record", "'body', 'link'"),
        ({"html": None, "url": "x"}, "unknown_record", "'html', 'url'"),
        ({"html": ["x"]}, "unknown_record", "'html'"),
        ({}, "unknown_record", "none"),
        ("[1]", "unknown_record", "no JSON object"),
        ("17", "unknown_record", "no JSON object"),
        ('{"html": "x"', "damaged", "no JSON"),
        ("\x00\x00", "damaged", "no JSON"),
        ("[" * 100_000, "damaged", "no JSON"),
        ('{"a":' * 100_000, "damaged", "no JSON"),
    ],
)
def test_a_strange_line_is_quarantined_alone(tmp_path: Path, line: object, reason: str, said: str) -> None:
    before, strange, after = lines(tmp_path, {"html": "1"}, line, {"html": "2"})
    assert isinstance(before, Page)
    assert isinstance(after, Page)
    assert isinstance(strange, Rejection)
    assert (strange.reason, strange.origin_record) == (reason, 1)
    assert said in strange.detail
    assert strange.content is not None


def test_what_only_python_calls_json_is_read_too(tmp_path: Path) -> None:
    (page,) = lines(tmp_path, '{"html": "a\\ud800b", "url": "u\\udfff", "score": NaN}')
    assert isinstance(page, Page)
    assert page.content == b"a?b"
    assert page.url == "u?"


def test_blank_lines_and_a_byte_order_mark_are_no_records(tmp_path: Path) -> None:
    found = lines(tmp_path, "\ufeff" + '{"html": "1"}', "", "  \t", '{"html": "2"}\r', "", "")
    assert pages(found) == [b"1", b"2"]
    assert len(found) == 2


# --- WARC ------------------------------------------------------------------------------------------------


def warc(tmp_path: Path, *records: bytes, **options: object) -> list[Found]:
    path = tmp_path / "crawl.warc"
    path.write_bytes(b"".join(records))
    return read(path, Selection(**options))  # type: ignore[arg-type]


def response(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    said = "".join(f"{header}\r\n" for header in headers)
    return warc_record(f"HTTP/1.1 {status}\r\n{said}\r\n".encode() + body)


BODY = b"<html><p>" + b"Some words. " * 50
CHUNKED = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
ZIPPED = gzip.compress(BODY)


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ([], BODY),
        (["Transfer-Encoding: chunked"], CHUNKED),
        (["Content-Encoding: gzip"], ZIPPED),
        (["Content-Encoding: x-gzip"], ZIPPED),
        (["Content-Encoding: deflate"], zlib.compress(BODY)),
        (["Content-Encoding: br"], brotli.compress(BODY)),
        (["Content-Encoding: zstd"], zstandard.compress(BODY)),
        (["Content-Encoding: identity"], BODY),
        (
            ["Transfer-Encoding: chunked", "Content-Encoding: gzip"],
            b"%x\r\n%s\r\n0\r\n\r\n" % (len(ZIPPED), ZIPPED),
        ),
        (["Content-Encoding: gzip"], BODY),  # decoded by the crawler, which kept the header
        (["Transfer-Encoding: chunked"], BODY),
        (["Transfer-Encoding: chunked", "Content-Encoding: gzip"], BODY),
        (["Transfer-Encoding: chunked", "Content-Encoding: gzip"], ZIPPED),
        (["Transfer-Encoding: chunked", "Content-Encoding: gzip"], CHUNKED),
        (["Content-Encoding: nonsense"], BODY),
    ],
    ids=lambda value: (", ".join(value) or "none") if isinstance(value, list) else f"{len(value)} bytes",
)
def test_a_payload_is_decoded_as_far_as_it_is_encoded(
    tmp_path: Path, headers: list[str], body: bytes
) -> None:
    (page,) = warc(tmp_path, response(body, "Content-Type: text/html", *headers))
    assert isinstance(page, Page)
    assert page.content == BODY
    assert page.url == "https://daily.example/1"
    assert page.fetched_at == datetime(2025, 5, 17, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    "record",
    [
        warc_record(b"software: x\r\n", kind="warcinfo", media="application/warc-fields"),
        warc_record(b"GET / HTTP/1.1\r\n\r\n", kind="request", media="application/http; msgtype=request"),
        warc_record(b"a: b\r\n", kind="metadata", media="application/warc-fields"),
        warc_record(HEADERS, kind="revisit"),
        warc_record(b"<p>", kind="continuation"),
        warc_record(b"\x89PNG", kind="resource", media="image/png"),
        warc_record(b"example. 60 IN A 192.0.2.1\n", media="text/dns", url="dns:daily.example"),
        response(b"\x89PNG", "Content-Type: image/png"),
        response(b"{}", "Content-Type: application/json"),
        response(b"Moved", "Content-Type: text/html", status="301 Moved Permanently"),
        response(b"", "Location: /", status="302 Found"),
        response(b"%PDF-1.7 and more"),
    ],
)
def test_records_that_are_no_page_are_ignored(tmp_path: Path, record: bytes) -> None:
    assert warc(tmp_path, record) == [Ignored()]


@pytest.mark.parametrize(
    ("record", "kind"),
    [
        (response(b"<p>gone", "Content-Type: text/html", status="404 Not Found"), "html"),
        (response(b"plain", "content-type: Text/Plain;charset=x"), "text"),
        (response(b"<p>", "Content-Type: application/xhtml+xml"), "html"),
        (response(b" <!DOCTYPE html><p>no type stated"), "html"),
        (warc_record(b"plain", kind="conversion", media="text/plain"), "text"),
        (warc_record(b"<p>", kind="resource", media="text/html"), "html"),
        (
            warc_record(
                HEADERS.replace(b"text/html; charset=utf-8", b"application/octet-stream") + b"<p>",
                extra="WARC-Identified-Payload-Type: text/html\r\n",
            ),
            "html",
        ),
        (warc_record((HEADERS + b"<p>").replace(b"\r\n", b"\n")), "html"),
        (warc_record((HEADERS + b"<p>").replace(b"\r\n", b"\n")).replace(b"\r\n", b"\n"), "html"),
    ],
)
def test_records_that_are_pages(tmp_path: Path, record: bytes, kind: str) -> None:
    (page,) = warc(tmp_path, record)
    assert isinstance(page, Page)
    assert page.kind == kind


def test_a_record_that_cannot_be_parsed_costs_itself_only(tmp_path: Path) -> None:
    broken = warc_record(b"no HTTP at all")
    found = warc(tmp_path, warc_page(1), broken, warc_page(2))
    assert pages(found) == [html(1), html(2)]
    (entry,) = rejections(found)
    assert (entry.reason, entry.origin_record) == ("damaged", 1)


@pytest.mark.parametrize(("name", "kind"), [("whirlwind.warc.gz", "html"), ("whirlwind.warc.wet.gz", "text")])
def test_a_real_capture(name: str, kind: str) -> None:
    if not (WARCS / name).exists():
        pytest.skip("the shared WARC files are not on this machine")
    (page,) = [item for item in read(WARCS / name) if not isinstance(item, Ignored)]
    assert isinstance(page, Page)
    assert page.kind == kind
    assert page.url == "https://an.wikipedia.org/wiki/Escopete"
    assert page.fetched_at == datetime(2024, 5, 18, 1, 58, 10, tzinfo=UTC)
    assert "Escopete" in page.content.decode()


# --- cut and damaged files -------------------------------------------------------------------------------


def complete(kind: str, stored: str, pieces: list[bytes], cut: int) -> tuple[int, bool]:
    """(records that are whole before a cut, whether the rest of the file still looks sound)."""
    ends = [sum(map(len, pieces[: n + 1])) for n in range(len(pieces))]
    sound = cut in (0, *ends)
    if stored == "plain":
        whole = sum(end - (1 if kind == "jsonl" else 4) <= cut for end in ends)
        return whole, sound or (kind == "jsonl" and cut + 1 in ends)
    if len(pieces) > 1:  # a record is whole where its last byte is, even if the checksum behind it is not
        whole = sum(end <= cut for end in ends)
        begun = next((n for n, end in enumerate(ends) if end > cut), None)
        if begun is not None and begun == whole:
            start = ends[begun] - len(pieces[begun])
            whole += _records_in(kind, decompressed(stored, pieces[begun][: cut - start]))
        return whole, sound and cut > 0
    return _records_in(kind, decompressed(stored, pieces[0][:cut])), cut == len(pieces[0])


def decompressed(stored: str, data: bytes) -> bytes:
    if not data:
        return b""
    if "gzip" in stored:
        return zlib.decompressobj(wbits=31).decompress(data)
    return zstandard.ZstdDecompressor().decompressobj().decompress(data)


def _records_in(kind: str, data: bytes) -> int:
    if kind == "warc":
        starts = data.split(b"WARC/1.0\r\n")[1:]
        return sum(
            len(html(n)) <= len(s.partition(HEADERS)[2].rstrip(b"\r\n")) for n, s in enumerate_pages(starts)
        )
    return sum(line.endswith(b"}") for line in data.split(b"\n"))


def enumerate_pages(starts: list[bytes]) -> Iterator[tuple[int, bytes]]:
    for start in starts:
        number = start.partition(b"daily.example/")[2].partition(b"\r")[0]
        if number:
            yield int(number), start


@pytest.mark.parametrize("stored", STORED)
@pytest.mark.parametrize("kind", RECORDS)
def test_a_file_cut_anywhere_gives_the_pages_before_the_cut_and_one_entry(
    tmp_path: Path, kind: str, stored: str
) -> None:
    suffix, store = STORED[stored]
    pieces = store([RECORDS[kind](n) for n in range(3)])
    whole_file = b"".join(pieces)
    path = tmp_path / f"cut.{kind}{suffix}"
    for cut in range(len(whole_file) + 1):
        path.write_bytes(whole_file[:cut])
        found = read(path)
        expected, sound = complete(kind, stored, pieces, cut)
        got = pages(found)
        assert got == [html(n) for n in range(len(got))], cut
        assert len(got) == expected, cut
        entries = rejections(found)
        assert [entry.reason for entry in entries] == ([] if sound else ["damaged"]), cut
        assert len(found) == len(got) + len(entries), cut
        if entries:
            assert entries[0].origin_record == len(got)
            assert entries[0].detail


@pytest.mark.parametrize("compression", ["gz", "zst"])
def test_a_page_file_cut_anywhere_is_one_entry(tmp_path: Path, compression: str) -> None:
    store = {"gz": gzip.compress, "zst": zstandard.ZstdCompressor(write_checksum=True).compress}[compression]
    whole_file = store(html(1))
    path = tmp_path / f"page.html.{compression}"
    for cut in range(len(whole_file)):
        path.write_bytes(whole_file[:cut])
        (entry,) = read(path)
        assert isinstance(entry, Rejection)
        assert entry.reason == "damaged"


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.warc.gz", "a.html.gz", "a.jsonl.zst", "a.html.zst"])
def test_foreign_bytes_behind_compressed_data_are_one_entry(tmp_path: Path, name: str) -> None:
    _, kind, compression = name.split(".")
    content = html(0) if kind == "html" else RECORDS[kind](0)
    stored = gzip.compress(content) if compression == "gz" else zstandard.compress(content)
    (tmp_path / name).write_bytes(stored + b"<html>appended by accident")

    page, entry = read(tmp_path / name)

    assert isinstance(page, Page)
    assert page.content == html(0)
    assert isinstance(entry, Rejection)
    assert (entry.reason, entry.origin_record) == ("damaged", 1)


def test_zeros_behind_a_gzip_file_are_padding(tmp_path: Path) -> None:
    path = tmp_path / "padded.jsonl.gz"
    path.write_bytes(gzip.compress(json_line(0)) + bytes(100_000) + gzip.compress(json_line(1)) + bytes(512))
    assert pages(read(path)) == [html(0), html(1)]
    assert rejections(read(path)) == []


@pytest.mark.parametrize("name", ["a.html.gz", "a.jsonl.gz", "a.warc.gz", "a.jsonl.zst", "a.txt.zst"])
def test_a_file_that_is_not_what_its_suffix_says_is_one_entry(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 10)
    (entry,) = read(tmp_path / name)
    assert isinstance(entry, Rejection)
    assert entry.reason == "damaged"


def test_a_warc_that_is_none_is_one_entry(tmp_path: Path) -> None:
    (entry,) = warc(tmp_path, b"<html>no WARC at all" * 1000)
    assert isinstance(entry, Rejection)
    assert entry.reason == "damaged"


@pytest.mark.parametrize("compress", [members, frames])
def test_a_flipped_bit_costs_its_record_and_the_rest_as_one_entry(
    tmp_path: Path, compress: Callable[[Sequence[bytes]], list[bytes]]
) -> None:
    pieces = compress([warc_page(n) for n in range(6)])
    path = tmp_path / ("crawl.warc.gz" if compress is members else "crawl.warc.zst")
    start = sum(map(len, pieces[:3]))
    for at in range(start + 40, start + len(pieces[3]), 7):
        stored = bytearray(b"".join(pieces))
        stored[at] ^= 0x10
        path.write_bytes(stored)
        found = read(path)
        if pages(found) == [html(n) for n in range(6)]:
            assert compress is members and gzip.decompress(stored), "a bit that gzip does not use"
            continue
        assert pages(found) == [html(0), html(1), html(2)]
        (entry,) = rejections(found)
        assert (entry.reason, entry.origin_record) == ("damaged", 3)


def test_what_a_gzip_member_gives_before_it_breaks_is_read(tmp_path: Path) -> None:
    stored = bytearray(gzip.compress(b"".join(json_line(n) for n in range(1000)), mtime=0))
    stored[len(stored) // 2 :] = b"\xff" * (len(stored) - len(stored) // 2)
    path = tmp_path / "broken.jsonl.gz"
    path.write_bytes(stored)

    found = read(path)

    assert 450 < len(pages(found)) < 550
    assert {entry.reason for entry in rejections(found)} == {"damaged"}


def test_an_input_that_shrinks_after_planning_loses_nothing_in_silence(tmp_path: Path) -> None:
    path = tmp_path / "dump.jsonl"
    path.write_bytes(b"".join(json_line(n) for n in range(5)))
    (part,) = plan([str(path)], ALL, NothingKnown())
    assert isinstance(part, Part)
    path.write_bytes(b"".join(json_line(n) for n in range(2)))

    found = list(read_part(part, ALL, LIMITS))

    assert pages(found) == [html(0), html(1)]
    (entry,) = rejections(found)
    assert (entry.reason, entry.origin_record) == ("unreadable", 2)
    path.unlink()
    (entry,) = rejections(list(read_part(part, ALL, LIMITS)))
    assert (entry.reason, entry.detail) == ("unreadable", "no such file or directory")


# --- size limits -----------------------------------------------------------------------------------------

SMALL = Limits(page_bytes=50_000)


@pytest.mark.parametrize(
    "name", ["p.html", "p.html.gz", "p.jsonl", "p.jsonl.gz", "p.warc", "p.warc.gz", "p.warc.zst"]
)
@pytest.mark.parametrize(("size", "kept"), [(60_000, True), (3_000_000, False)])
def test_a_page_over_the_limit_is_quarantined_alone(tmp_path: Path, name: str, size: int, kept: bool) -> None:
    _, kind, *compression = name.split(".")
    content = html(0, size)
    record = {
        "html": lambda: content,
        "jsonl": lambda: json.dumps({"html": content.decode()}).encode() + b"\n" + json_line(1),
        "warc": lambda: warc_record(HEADERS + content) + warc_page(1),
    }[kind]()
    store = {"": bytes, "gz": gzip.compress, "zst": zstandard.compress}["".join(compression)]
    (tmp_path / name).write_bytes(store(record))

    found = read(tmp_path / name, limits=SMALL)

    entry = found[0]
    assert isinstance(entry, Rejection)
    assert entry.reason == "too_large"
    assert entry.content == (content if kept else None)
    assert "the limit for one page is 50,000" in entry.detail
    assert pages(found[1:]) == ([] if kind == "html" else [html(1)])
    if kind == "warc":
        assert entry.url == "https://daily.example/1"


def test_a_large_record_that_is_no_page_is_ignored(tmp_path: Path) -> None:
    film = response(bytes(3_000_000), "Content-Type: video/mp4")
    path = tmp_path / "crawl.warc.zst"
    path.write_bytes(zstandard.compress(film + warc_page(1)))
    assert [type(item) for item in read(path, limits=SMALL)] == [Ignored, Page]


@pytest.mark.parametrize("name", ["b.html.gz", "b.html.zst", "b.jsonl.gz", "b.jsonl.zst", "b.warc.gz"])
def test_a_decompression_bomb_is_held_in_bounded_memory(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, kind, compression = name.split(".")
    size = 64 * 1024 * 1024
    squeeze = (
        zlib.compressobj(9, wbits=31) if compression == "gz" else zstandard.ZstdCompressor().compressobj()
    )
    start = b""
    if kind == "warc":
        start = (
            warc_record(HEADERS).partition(b"Content-Length")[0] + f"Content-Length: {size}\r\n\r\n".encode()
        )
    with (tmp_path / name).open("wb") as file:
        file.write(squeeze.compress(start + HEADERS if kind == "warc" else b'{"html": "'))
        for _ in range(size // 1024 // 1024):
            file.write(squeeze.compress(b"a" * 1024 * 1024))
        file.write(squeeze.flush())
    held: list[int] = []
    fill = Stream._fill

    def measured(stream: Stream) -> bool:
        more = fill(stream)
        held.append(len(stream._buffer))
        return more

    monkeypatch.setattr(Stream, "_fill", measured)
    (entry, *rest) = read(tmp_path / name, limits=SMALL)
    assert isinstance(entry, Rejection)
    assert entry.reason == "too_large"
    assert entry.content is None
    assert [item.reason for item in rejections(rest)] == (["damaged"] if kind == "warc" else [])
    assert max(held) < 40 * 1024 * 1024


@pytest.mark.parametrize(
    ("encoding", "body"),
    [("gzip", gzip.compress(bytes(50_000_000))), ("br", brotli.compress(bytes(50_000_000), quality=2))],
)
def test_an_encoded_bomb_in_a_payload_is_too_large(tmp_path: Path, encoding: str, body: bytes) -> None:
    path = tmp_path / "crawl.warc"
    path.write_bytes(response(body, "Content-Type: text/html", f"Content-Encoding: {encoding}"))
    (entry,) = read(path, limits=SMALL)
    assert isinstance(entry, Rejection)
    assert (entry.reason, entry.content) == ("too_large", None)
    assert "more than 200,000 bytes" in entry.detail


# --- selections ------------------------------------------------------------------------------------------


def fetched(day: int, **more: str) -> dict[str, str]:
    return {"html": f"{day}", "fetched_at": f"2025-05-{day:02}T23:59:59Z", **more}


def test_fetch_dates_are_inclusive_and_unknown_ones_left_out(tmp_path: Path) -> None:
    found = lines(
        tmp_path,
        *(fetched(day) for day in range(1, 6)),
        {"html": "when?"},
        since=date(2025, 5, 2),
        until=date(2025, 5, 4),
    )
    assert pages(found) == [b"2", b"3", b"4"]
    assert found.count(Ignored()) == 3


def test_the_fetch_date_is_that_of_utc(tmp_path: Path) -> None:
    stated = {"html": "x", "fetched_at": "2025-05-02T01:00:00+05:00"}
    assert pages(lines(tmp_path, stated, until=date(2025, 5, 1))) == [b"x"]


def test_domains_keep_their_subdomains_and_nothing_else(tmp_path: Path) -> None:
    urls = ["https://daily.example/1", "http://www.Daily.example:80/", "https://notdaily.example/", "x", None]
    found = lines(
        tmp_path, *({"html": str(n), "url": url} for n, url in enumerate(urls)), domains=("daily.example",)
    )
    assert pages(found) == [b"0", b"1"]
    assert found.count(Ignored()) == 3


def test_a_source_given_by_the_user_counts_before_the_record_and_the_path(tmp_path: Path) -> None:
    folder = tmp_path / "daily" / "2025-05-17"
    folder.mkdir(parents=True)
    pattern = "{source}/{date}/*.jsonl"
    (named,) = lines(folder, {"html": "", "source": "weekly"}, source="mine", path_pattern=pattern)
    (own,) = lines(folder, {"html": "", "source": "weekly"}, path_pattern=pattern)
    (path,) = lines(folder, {"html": ""}, path_pattern=pattern)
    assert [item.source for item in (named, own, path) if isinstance(item, Page)] == [
        "mine",
        "weekly",
        "daily",
    ]
    assert isinstance(path, Page)
    assert path.fetched_at == datetime(2025, 5, 17, tzinfo=UTC)


def test_a_record_states_its_time_better_than_its_path(tmp_path: Path) -> None:
    folder = tmp_path / "2025-05-17"
    folder.mkdir()
    (page,) = lines(folder, fetched(3), path_pattern="{date}/*")
    assert isinstance(page, Page)
    assert page.fetched_at == datetime(2025, 5, 3, 23, 59, 59, tzinfo=UTC)


def test_file_times_are_no_fetch_times(tmp_path: Path) -> None:
    (tmp_path / "page.txt").write_text("x")
    assert read(tmp_path / "page.txt", Selection(since=date(2000, 1, 1))) == [Ignored()]


# --- times -----------------------------------------------------------------------------------------------

TEN = datetime(2025, 5, 17, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    "stated",
    [
        "2025-05-17T10:00:00Z",
        "2025-05-17 10:00:00",
        "2025-05-17T12:00+02:00",
        "20250517T100000Z",
        "20250517100000",
        " Sat, 17 May 2025 10:00:00 GMT",
        "Sat, 17 May 2025 12:00:00 +0200",
        "1747476000",
        "1747476000.0",
        1747476000,
        1747476000.0,
        1747476000000,
        "1747476000000",
    ],
)
def test_times_are_understood(stated: object) -> None:
    assert parse_time(stated) == TEN


@pytest.mark.parametrize(
    "stated",
    [
        *("", "yesterday", "2025-13-01", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"),
        *("1" * 5000, "20259999999999", "1970-01-01T00:00:00Z"),
        *(0, -1, 1e300, float("nan"), float("inf"), True, None, [], {}),
    ],
)
def test_bad_times_are_none(stated: object) -> None:
    assert parse_time(stated) is None


@given(st.integers(700_000_000, 4_000_000_000), st.integers(-14 * 60, 14 * 60))
def test_any_iso_time_comes_back_in_utc(seconds: int, minutes: int) -> None:
    stated = datetime.fromtimestamp(seconds, timezone(timedelta(minutes=minutes)))
    found = parse_time(stated.isoformat())
    assert found == stated
    assert found is not None
    assert found.tzinfo is UTC


@given(st.text() | st.integers() | st.floats() | st.none())
def test_no_stated_time_is_a_crash(stated: object) -> None:
    found = parse_time(stated)
    assert found is None or found.tzinfo is UTC


# --- rubbish ---------------------------------------------------------------------------------------------

rubbish = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.mark.parametrize(
    "name", ["r.html", "r.jsonl", "r.warc", "r.html.gz", "r.jsonl.gz", "r.warc.gz", "r.warc.zst"]
)
@rubbish
@given(data=st.data())
def test_no_bytes_are_a_crash(tmp_path: Path, name: str, data: st.DataObject) -> None:
    _, kind, *compression = name.split(".")
    record = {"html": html, "jsonl": json_line, "warc": warc_page}[kind]
    store = {"": bytes, "gz": gzip.compress, "zst": zstandard.compress}["".join(compression)]
    content = bytearray(record(0) + (record(1) if kind != "html" else b""))
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(0, len(content)))
        content[at : at + data.draw(st.integers(0, 5))] = data.draw(st.binary(max_size=20))
    stored = bytearray(store(bytes(content)))
    if data.draw(st.booleans()):
        stored[data.draw(st.integers(0, len(stored) - 1))] ^= data.draw(st.integers(0, 255))
    (tmp_path / name).write_bytes(stored)
    for item in read(tmp_path / name):
        assert isinstance(item, Page | Rejection | Ignored)
        assert not isinstance(item, Rejection) or item.detail


@rubbish
@given(head=st.binary(max_size=200), body=st.binary(max_size=200))
@example(
    head=b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked",
    body=b"FFFFFFFFFFFF\r\nx",
)
@example(head=b"HTTP/1.1 200 OK\r\nContent-Type: text/html\xff; \x00", body=b"x")
@example(head=b"HTTP/1.1 99999999999999999999 OK\r\nContent-Type: text/html", body=b"x")
def test_no_response_is_a_crash(tmp_path: Path, head: bytes, body: bytes) -> None:
    path = tmp_path / "r.warc"
    path.write_bytes(warc_record(head + b"\r\n\r\n" + body) + warc_page(1))
    found = read(path)
    assert len(found) == 2
    assert pages(found[1:]) == [html(1)]


def test_a_line_too_large_to_look_into_is_never_left_out(tmp_path: Path) -> None:
    path = tmp_path / "dump.jsonl"
    path.write_bytes(json.dumps({"html": "x" * 400_000, "url": "https://other.example/"}).encode() + b"\n")
    [found] = read(path, Selection(domains=("paper.example",)), limits=SMALL)
    assert isinstance(found, Rejection)
    assert found.reason == "too_large"
