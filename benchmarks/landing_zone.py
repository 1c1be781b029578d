"""Landing zones of any size, made from few pages: the same news, but each page an article of its own.

Page `n` is one of the templates with `-n` behind its URL, wherever that stands, and ` n` behind some words
of its text. Nothing else is touched: what there is to extract and to load stays what it was.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from html import escape
from multiprocessing import get_context
from pathlib import Path
from typing import Literal
from uuid import UUID

from generated_news import BEGIN, World

Kind = Literal["html", "text", "small"]
Layout = Literal["warc", "one-member", "files"]
"""A WARC with a gzip member a record, the same in a single gzip member, or a file a page."""

ROOT = Path(__file__).resolve().parent.parent
SAVED = sorted((ROOT.parent / "shared" / "eval" / "dev").glob("fundus*.jsonl.gz"))
"""Saved pages of publishers, where there are any; they are no part of the project."""
CHUNK = 200
MANY = 10_000_000
FILES_A_DIRECTORY = 1000
_RUNS = {"html": re.compile(r"<p[^<>]*>\s*([^<>&]{60,})"), "text": re.compile(r"^([^\n&]{60,})$", re.M)}


@dataclass(frozen=True)
class Template:
    """A page to make others from."""

    content: str
    url: str
    words: str
    """Some words of its running text."""

    def page(self, number: int) -> tuple[str, bytes]:
        url = f"{self.url}-{number}"
        content = self.content.replace(self.url, url).replace(self.words, f"{self.words} {number}")
        return url, content.encode("utf-8", "replace")


def templates(kind: Literal["html", "text"]) -> list[Template]:
    """The saved pages where there are any, else the pages of the examples and tests."""
    found = []
    for url, content in _saved(kind) if SAVED else _own(kind):
        runs = sorted(_RUNS[kind].findall(content), key=len)
        if runs and url:
            words = runs[len(runs) // 2][:40].rsplit(" ", 1)[0]
            found.append(Template(content, url, words))
    return found


def _saved(kind: str) -> Iterator[tuple[str, str]]:
    for path in SAVED:
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for record in map(json.loads, lines):
                content = record.get("html" if kind == "html" else "page_text_blocks")
                if content:
                    yield record["url"], content


def _own(kind: str) -> Iterator[tuple[str, str]]:
    suffix = ".html" if kind == "html" else ".txt"
    for directory in (ROOT / "examples", ROOT / "tests" / "pages"):
        for path in sorted(directory.rglob(f"*{suffix}")):
            content = path.read_bytes()
            if b"\0" not in content:
                yield f"https://www.{path.stem}.example/news/{path.stem}", content.decode("utf-8", "replace")


def make(directory: Path, kind: Kind, layout: Layout, *, pages: int, megabytes: float | None = None) -> int:
    """Make a landing zone of so many pages, or of one WARC of so many megabytes; return how many pages.

    Pages are made in processes beside this one.
    """
    directory.mkdir(parents=True)
    if layout == "files":
        return sum(len(made) for made in _made(kind, layout, pages, directory))
    count = size = 0
    with (directory / "crawl.warc.gz").open("wb") as file:
        packed = zlib.compressobj(1, zlib.DEFLATED, 31) if layout == "one-member" else None
        for records in _made(kind, layout, pages if megabytes is None else MANY, directory):
            count += len(records)
            for record in records:
                size += file.write(packed.compress(record) if packed else record)
            if megabytes is not None and size >= megabytes * 1e6:
                break
        file.write(packed.flush() if packed else b"")
    return count


def _made(kind: Kind, layout: Layout, pages: int, directory: Path) -> Iterator[list[bytes]]:
    """What `_chunk` makes, in order; a few chunks are made ahead, never more."""
    with ProcessPoolExecutor(2, get_context("spawn"), _build, (kind, pages)) as pool:
        ahead: deque[Future[list[bytes]]] = deque()
        for first in range(0, pages, CHUNK):
            ahead.append(pool.submit(_chunk, layout, first, min(CHUNK, pages - first), directory))
            if len(ahead) > 4:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


# --- in the processes that make pages -------------------------------------------------------------------

_page: Callable[[int], tuple[str, bytes]]
_suffix: str


def _build(kind: Kind, pages: int) -> None:
    global _page, _suffix
    _suffix = ".txt" if kind == "text" else ".html"
    if kind == "small":
        world = World(
            pages=pages, headlines=max(10, pages // 5), per_page=8, sources=20, days=60, words=120, seed=1
        )
        _page = lambda number: _rendered(world, number)  # noqa: E731
        return
    found = templates(kind)
    _page = lambda number: found[number % len(found)].page(number)  # noqa: E731


def _chunk(layout: Layout, first: int, count: int, directory: Path) -> list[bytes]:
    """Records of a WARC, each a gzip member if it is to be; or nothing but their number, written as files."""
    if layout == "files":
        place = directory / f"{first // FILES_A_DIRECTORY:04}"
        place.mkdir(exist_ok=True)
        for number in range(first, first + count):
            (place / f"{number:07}{_suffix}").write_bytes(_page(number)[1])
        return [b""] * count
    records = []
    for number in range(first, first + count):
        record = _record(number, *_page(number))
        records.append(record if layout == "one-member" else gzip.compress(record, 1, mtime=0))
    return records


def _record(number: int, url: str, content: bytes) -> bytes:
    """A page as a WARC keeps it: markup as a response, flattened text as a conversion."""
    if _suffix == ".html":
        kind, content_type = "response", "application/http; msgtype=response"
        head = f"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {len(content)}"
        content = head.encode() + b"\r\n\r\n" + content
    else:
        kind, content_type = "conversion", "text/plain"
    fetched_at = BEGIN + timedelta(seconds=number)
    fields = (
        "WARC/1.0",
        f"WARC-Type: {kind}",
        f"WARC-Record-ID: <urn:uuid:{UUID(int=number)}>",
        f"WARC-Date: {fetched_at:%Y-%m-%dT%H:%M:%SZ}",
        f"WARC-Target-URI: {url}",
        f"Content-Type: {content_type}",
        f"Content-Length: {len(content)}",
    )
    return "\r\n".join(fields).encode() + b"\r\n\r\n" + content + b"\r\n\r\n"


def _rendered(world: World, number: int) -> tuple[str, bytes]:
    """A page of an invented site as markup of about 3 KB."""
    made = world.page(number)
    found = made.extraction
    title = escape(found.title or "Section")
    lists: dict[str | None, list[str]] = {}
    for headline in found.headlines:
        item = f'<li><a href="{escape(headline.href or "#")}">{escape(headline.text)}</a></li>'
        lists.setdefault(headline.label, []).append(item)
    asides = "".join(
        f"<aside><h3>{label or ''}</h3><ul>{''.join(i)}</ul></aside>" for label, i in lists.items()
    )
    body = "".join(f"<p>{escape(paragraph)}</p>" for paragraph in found.body)
    url = f"{made.url or world.host(0) + '/text'}/{number}"
    page = (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{title}</title></head><body>'
        f"<main><article><h1>{title}</h1>{body}</article></main>{asides}</body></html>"
    )
    return url, page.encode()
