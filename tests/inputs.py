"""Makes the files that pages come in: JSONL and WARC, compressed in every way they are met."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable, Sequence

import zstandard

from schemas.records import Limits, Selection

ALL = Selection()
LIMITS = Limits()
HEADERS = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\r\n"


def html(number: int, size: int = 80) -> bytes:
    """A page of text that hardly compresses, the same for every run."""
    words = random.Random(number).choices("abcdefghijklmnopqrstuvwxyz ", k=size)
    return f"<html><p>Page {number} {''.join(words)}</p></html>".encode()


def warc_record(
    block: bytes,
    *,
    kind: str = "response",
    media: str = "application/http; msgtype=response",
    url: str = "https://daily.example/1",
    extra: str = "",
) -> bytes:
    head = (
        f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Target-URI: {url}\r\nWARC-Date: 2025-05-17T10:00:00Z\r\n"
        f"WARC-Record-ID: <urn:uuid:0f5ad5f0-2a5c-4e1c-a4e5-6c8a6d1e2b3c>\r\n{extra}"
        f"Content-Type: {media}\r\nContent-Length: {len(block)}\r\n\r\n"
    )
    return head.encode() + block + b"\r\n\r\n"


def json_line(number: int) -> bytes:
    said = {"html": html(number).decode(), "url": f"https://daily.example/{number}"}
    return json.dumps(said).encode() + b"\n"


def warc_page(number: int, content: bytes | None = None) -> bytes:
    return warc_record(HEADERS + (content or html(number)), url=f"https://daily.example/{number}")


RECORDS: dict[str, Callable[[int], bytes]] = {"jsonl": json_line, "warc": lambda number: warc_page(number)}


def one_member(records: Sequence[bytes]) -> list[bytes]:
    return [gzip.compress(b"".join(records), mtime=0)]


def members(records: Sequence[bytes]) -> list[bytes]:
    return [gzip.compress(record, mtime=0) for record in records]


def one_frame(records: Sequence[bytes]) -> list[bytes]:
    return [zstandard.ZstdCompressor(write_checksum=True).compress(b"".join(records))]


def frames(records: Sequence[bytes]) -> list[bytes]:
    return [zstandard.ZstdCompressor(write_checksum=True).compress(record) for record in records]


def plain(records: Sequence[bytes]) -> list[bytes]:
    return list(records)


STORED: dict[str, tuple[str, Callable[[Sequence[bytes]], list[bytes]]]] = {
    "plain": ("", plain),
    "one gzip member": (".gz", one_member),
    "a gzip member a record": (".gz", members),
    "one zstd frame": (".zst", one_frame),
    "a zstd frame a record": (".zst", frames),
}
