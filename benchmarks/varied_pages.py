"""A landing zone of all that a run meets, small enough to be loaded a hundred times.

The fortnight of `scripts/make_newsstand.py`, day by day in every format, and what scrapers make of it: pages
captured again and again, reworded stories, copies in other files, older captures that come later, texts
beside markup, listings that cut a headline off before a second one fits it, pages that are no news, damaged
archives. A site's pages stand in crawls among its pictures, which cut them into many batches. Every call
writes the same bytes and file times.
"""
# ruff: noqa: S311  chance need not be unforeseeable

from __future__ import annotations

import gzip
import html
import json
import os
import random
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import zstandard

sys.path.append(str(Path(__file__).resolve().parent.parent / "scripts"))
import make_newsstand as newsstand

RECORDS_A_CRAWL = 500
"""Records of one day's crawl, pages and pictures: as many as a batch holds."""
OVERSIZE = 45 * 1024 * 1024
"""Bytes of a page that is too large, even for the archive; the file has no blocks on disk."""
AGAIN = (timedelta(hours=24), timedelta(hours=72), timedelta(hours=150))
"""When each story is fetched again."""


@dataclass(frozen=True)
class Capture:
    """One page as a scraper meets it."""

    url: str
    content: str
    fetched_at: datetime | None
    kind: str = "html"
    status: str = "200 OK"


def make_landing_zone(directory: Path, copies: int = 1) -> list[Path]:
    """Write the landing zone, each outlet as so many sites; return its directories, one a day, in order."""
    captures = [capture for copy in range(copies) for capture in _captures(copy)]
    chance = random.Random(0)
    first = newsstand.START
    days: list[list[Capture]] = [[] for _ in range(newsstand.DAYS)]
    for capture in captures:
        late = chance.choice((0, 0, 0, 0, 0, 1, 5))
        day = ((capture.fetched_at or first) - first).days + late
        days[min(day, newsstand.DAYS - 1)].append(capture)
    made = []
    for number, day_captures in enumerate(days):
        place = directory / f"{first + timedelta(days=number):%Y-%m-%d}"
        place.mkdir(parents=True)
        _write_day(place, number, day_captures, days[number - 1][:6] if number else ())
        made.append(place)
    _write_damaged(made[3], captures)
    for path in sorted(directory.rglob("*")):
        os.utime(path, (first.timestamp(), first.timestamp()))
    return made


# --- pages ------------------------------------------------------------------------------------------------


def _captures(copy: int) -> Iterator[Capture]:
    """A fortnight of one copy of each outlet: another host, otherwise the same news."""

    def renamed(said: str) -> str:
        return re.sub(
            r"(harbourcourier|valleypost|nordwind|laribera)\.example", rf"\g<1>{copy}.example", said
        )

    for line in newsstand.pages():
        stated = line.get("fetched_at")
        fetched_at = datetime.fromisoformat(stated) if stated else None
        capture = Capture(renamed(line["url"]), renamed(line["html"]), fetched_at)
        yield capture
        if not capture.url.endswith(".example/"):
            yield _flattened(capture)
    for outlet in newsstand.OUTLETS:
        for story in outlet.stories:
            for later in AGAIN:
                hours = story.begins + later / timedelta(hours=1)
                url = renamed(f"https://{outlet.host}/{story.slug}")
                at = newsstand.START + timedelta(hours=hours)
                yield Capture(url, renamed(newsstand.article(outlet, story, hours)), at)
    yield from _lists_of_cut_titles(copy)
    yield from _no_news(copy)


def _lists_of_cut_titles(copy: int) -> Iterator[Capture]:
    """A title that is cut off; then one that it fits; then a second, so that it stands alone again."""
    titles = (
        (1, "The canal board weighs a new plan for the old …"),
        (4, "The canal board weighs a new plan for the old locks at Dol"),
        (9, "The canal board weighs a new plan for the old ferry landing"),
    )
    host = f"canalwatch{copy}.example"
    for day, title in titles:
        rows = (
            f'<li><a href="/plan">{title}</a></li><li><a href="/tide">Spring tide closes {day} roads</a></li>'
        )
        content = (
            f"<html><head><title>Canal watch</title></head><body><h2>Latest</h2><ul>{rows}</ul></body></html>"
        )
        yield Capture(f"https://{host}/", content, newsstand.START + timedelta(days=day, hours=2))


def _no_news(copy: int) -> Iterator[Capture]:
    host = f"harbourcourier{copy}.example"
    at = newsstand.START + timedelta(days=2)
    missing = "<html><head><title>404 Not Found</title></head><body><h1>Page not found</h1></body></html>"
    yield Capture(f"https://{host}/gone", missing, at, status="404 Not Found")
    yield Capture(f"https://{host}/empty", "<html><body></body></html>", at)
    yield Capture(f"https://{host}/blank", "", at)


def _flattened(capture: Capture) -> Capture:
    """The page as its text, one line a block, as other scrapers keep it."""
    body = capture.content.partition("<body>")[2]
    lines = re.sub(r"<header>.*?</header>|</(?:h1|h2|p|li|ol|ul)>|<[^>]*>", "\n", body)
    said = "\n".join(line.strip() for line in html.unescape(lines).splitlines() if line.strip())
    return replace(capture, content=said, kind="text")


# --- files ------------------------------------------------------------------------------------------------


def _write_day(place: Path, number: int, captures: Sequence[Capture], copied: Sequence[Capture]) -> None:
    """One day in files of the formats whose turn it is, and some of the day before once more."""
    crawled, dumped = captures[::2], captures[1::2]
    alone = [capture for capture in dumped if capture.fetched_at is None or capture.kind == "text"][:8]
    records = [_warc_record(capture) for capture in crawled]
    pictures = [_picture(each) for each in range(max(0, RECORDS_A_CRAWL - len(records)))]
    mixed = random.Random(number).sample([*records, *pictures], len(records) + len(pictures))
    name, stored = [
        ("crawl.warc", b"".join(mixed)),
        ("crawl.warc.gz", b"".join(gzip.compress(record, 1, mtime=0) for record in mixed)),
        ("crawl.warc.gz", gzip.compress(b"".join(mixed), 1, mtime=0)),
        ("crawl.warc.zst", zstandard.compress(b"".join(mixed))),
    ][number % 4]
    (place / name).write_bytes(stored)
    _write_lines(place / ["dump.jsonl", "dump.jsonl.gz", "dump.jsonl.zst"][number % 3], [*dumped, *copied])
    for index, capture in enumerate(alone):
        suffix = "txt" if capture.kind == "text" else "html"
        compression = ("", ".gz", ".zst")[index % 3]
        content = capture.content.encode()
        packed = {"": bytes, ".gz": lambda said: gzip.compress(said, mtime=0), ".zst": zstandard.compress}
        (place / f"page-{index}.{suffix}{compression}").write_bytes(packed[compression](content))


def _write_lines(path: Path, captures: Sequence[Capture]) -> None:
    lines = b"".join(json.dumps(_line(capture), ensure_ascii=False).encode() + b"\n" for capture in captures)
    packed = {".gz": lambda said: gzip.compress(said, mtime=0), ".zst": zstandard.compress}
    path.write_bytes(packed.get(path.suffix, bytes)(lines))


def _line(capture: Capture) -> dict[str, str]:
    stated = {"fetched_at": capture.fetched_at.isoformat()} if capture.fetched_at else {}
    return {"url": capture.url, capture.kind: capture.content, **stated}


def _warc_record(capture: Capture) -> bytes:
    content = capture.content.encode()
    if capture.kind == "text":
        return _record("conversion", "text/plain", content, capture.url, capture.fetched_at)
    head = f"HTTP/1.1 {capture.status}\r\nContent-Type: text/html; charset=utf-8\r\n\r\n".encode()
    media = "application/http; msgtype=response"
    return _record("response", media, head + content, capture.url, capture.fetched_at)


def _picture(number: int) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n\r\n\x89PNG"
    url = f"https://pictures.example/{number}.png"
    return _record("response", "application/http; msgtype=response", head, url, newsstand.START)


def _record(kind: str, media: str, block: bytes, url: str, at: datetime | None) -> bytes:
    stated = f"WARC-Date: {at:%Y-%m-%dT%H:%M:%SZ}\r\n" if at else ""
    head = (
        f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Target-URI: {url}\r\n{stated}"
        f"Content-Type: {media}\r\nContent-Length: {len(block)}\r\n\r\n"
    )
    return head.encode() + block + b"\r\n\r\n"


def _write_damaged(place: Path, captures: Sequence[Capture]) -> None:
    """What cannot be read, or only in part."""
    few = captures[40:60]
    records = [gzip.compress(_warc_record(capture), mtime=0) for capture in few]
    (place / "cut.warc.gz").write_bytes(b"".join(records)[:-40])
    lines = b"".join(json.dumps(_line(capture)).encode() + b"\n" for capture in few)
    (place / "cut.jsonl.gz").write_bytes(gzip.compress(lines, mtime=0)[:-300])
    (place / "cut.html.zst").write_bytes(zstandard.compress(few[0].content.encode())[:-20])
    (place / "mixed.jsonl").write_bytes(
        b'{"html": "<p>half a li\n["no", "page"]\n{"title": "no text"}\n' + lines
    )
    (place / "picture.html").write_bytes(b"\x89PNG\r\n\x1a\n" + random.Random(0).randbytes(2000))
    (place / "empty.html").touch()
    with (place / "endless.html").open("wb") as file:
        file.truncate(OVERSIZE)
