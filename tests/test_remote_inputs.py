"""Inputs that lie elsewhere: S3 as moto speaks it, a server of Google's JSON API, web servers good and bad."""

from __future__ import annotations

import contextlib
import datetime
import gzip
import ipaddress
import os
import re
import socket
import ssl
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import orjson
import pytest
from inputs import ALL, LIMITS, RECORDS, STORED, html, json_line

from schemas.errors import ConfigError, InputError
from schemas.records import Input, KnownPart, Page, Part, Rejection, Selection, Unmatched
from tasks import plan as planning
from tasks.inputs import storage, stores
from tasks.inputs.storage import open_input, put_file, withhold_query
from tasks.plan import plan
from tasks.read import read_part

SECRET = "s3cretSigNature0815"


class Nothing:
    """An empty ledger."""

    def parts(self, inputs: Sequence[Input], selection: str) -> dict[str, list[KnownPart]]:
        return {}


def planned(*uris: str, selection: Selection = ALL) -> list[Any]:
    return list(plan(uris, selection, Nothing()))


def uris(*named: str) -> list[str]:
    return [part.input.uri for part in planned(*named)]


def read(parts: Sequence[Part]) -> list[bytes]:
    return [found.content for part in parts for found in read_part(part, ALL, LIMITS) if isinstance(found, Page)]


def lines(count: int) -> bytes:
    """JSONL of pages of 2 KB."""
    pages = [{"html": html(number, 2000).decode()} for number in range(count)]
    return b"".join(orjson.dumps(page) + b"\n" for page in pages)


def rejection(part: Part) -> str:
    *_, last = read_part(part, ALL, LIMITS)
    assert isinstance(last, Rejection) and last.reason == "unreadable"
    return last.detail


@pytest.fixture(autouse=True)
def fresh_stores(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Stores that know nothing of other tests' servers, and little patience."""
    monkeypatch.setattr(storage, "_queries", {})
    monkeypatch.setattr(stores, "PATIENCE_SECONDS", 1.0)
    stores.store.cache_clear()
    yield
    stores.store.cache_clear()


# --- S3 -------------------------------------------------------------------------------------------------


class Bucket:
    """A bucket of a moto server in this process, and what was asked of it."""

    def __init__(self, client: Any, asked: list[str]) -> None:
        self._client = client
        self.asked = asked

    def put(self, key: str, content: bytes) -> None:
        self._client.put_object(Bucket="news", Key=key, Body=content)

    def remove(self, key: str) -> None:
        self._client.delete_object(Bucket="news", Key=key)

    def get(self, key: str) -> bytes:
        content: bytes = self._client.get_object(Bucket="news", Key=key)["Body"].read()
        return content


@pytest.fixture(scope="session")
def s3_server() -> Iterator[tuple[str, list[str], dict[str, int]]]:
    """URL of an S3 server; what it was asked for; after how many answers it falls silent."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, make_server

    app = DomainDispatcherApplication(create_backend_app)
    asked: list[str] = []
    life = {"left": sys.maxsize}

    class Quiet(WSGIRequestHandler):
        def log_request(self, code: object = "-", size: object = "-") -> None:
            asked.append(f"{self.command} {self.path} {code}")

        def run_wsgi(self) -> None:
            life["left"] -= 1
            if life["left"] >= 0:
                super().run_wsgi()
            else:
                self.close_connection = True  # without an answer

    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", asked, life
    server.shutdown()
    thread.join()
    server.server_close()


CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "AKIABROADSHEETTEST00",
    "AWS_SECRET_ACCESS_KEY": SECRET,
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@pytest.fixture
def bucket(
    s3_server: tuple[str, list[str], dict[str, int]], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Bucket]:
    """An empty bucket `news`, which the environment leads to."""
    import boto3

    url, asked, life = s3_server
    for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": url}.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3")
    client.create_bucket(Bucket="news")
    asked.clear()
    yield Bucket(client, asked)
    life["left"] = sys.maxsize
    listed = client.get_paginator("list_objects_v2").paginate(Bucket="news")
    for key in [each["Key"] for page in listed for each in page.get("Contents", ())]:
        client.delete_object(Bucket="news", Key=key)
    client.delete_bucket(Bucket="news")
    client.close()


def test_objects_prefixes_and_globs_are_found_in_order(bucket: Bucket) -> None:
    for key in ["b.txt", "land/c.html", "land/a?b.jsonl.gz", "land/.hidden/d.txt", "land/deep/er/e.wet.zst"]:
        bucket.put(key, b"x")
    for key in ["land/f.pdf", "land/", "landing/g.txt", ".top.txt"]:
        bucket.put(key, b"x")
    land = ["s3://news/land/a?b.jsonl.gz", "s3://news/land/c.html", "s3://news/land/deep/er/e.wet.zst"]
    found: dict[str, list[str]] = {
        "s3://news": ["s3://news/b.txt", *land, "s3://news/landing/g.txt"],
        "s3://news/land": land,
        "s3://news/land/": land,
        "s3://news/land/.hidden": ["s3://news/land/.hidden/d.txt"],
        "s3://news/land/a?b.jsonl.gz": land[:1],
        "s3://news/land/*": land[:2],
        "s3://news/land*/[!c]*": [*land[:1], "s3://news/landing/g.txt"],
        "s3://news/**/*.wet.zst": land[2:],
    }
    for uri, expected in found.items():
        assert uris(uri) == expected, uri
    assert uris("s3://news/b.txt", "s3://news") == found["s3://news"]  # each once


@pytest.mark.parametrize(
    ("uri", "sentence"),
    [
        ("s3://news/nothing", r"s3://news/nothing does not exist\."),
        ("s3://news/nothing*", r"s3://news/nothing\* does not exist\."),
        ("s3://other/a.txt", "there is no bucket other"),
        ("s3://news/a.pdf", "has no known suffix"),
        ("s3://news/../other/a.txt", r"has \. or \.\. in its path"),
        ("s3://", "names no bucket"),
        ("s3://ne*/a.txt", "names no bucket"),
        (f"s3://AKIAX:{SECRET}@news/a.txt", "must not hold credentials"),
        (f"gs://{SECRET}@news/a.txt", "must not hold credentials"),
        (f"https://me:{SECRET}@paper.example/a.txt", "must not hold credentials"),
        (f"https://paper.example/a.txt?sig={SECRET}", "has a query, which may be a secret"),
        ("http://paper.example/a.txt", "could be altered on its way; use https://"),
        ("ftp://paper.example/a.txt", "ftp:// is not known"),
        ("file:///etc/passwd", "name a file by its path"),
    ],
)
def test_what_cannot_be_is_one_sentence_at_once(bucket: Bucket, uri: str, sentence: str) -> None:
    bucket.put("a.pdf", b"x")
    with pytest.raises(ConfigError, match=sentence) as refused:
        plan([uri], ALL, Nothing())
    assert SECRET not in str(refused.value)


def test_without_credentials_or_rights_it_says_so(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    with pytest.raises(ConfigError, match=r"s3://news/a\.txt cannot be read: the store asks for credentials\."):
        plan(["s3://news/a.txt"], ALL, Nothing())


@pytest.mark.parametrize("kind", RECORDS)
@pytest.mark.parametrize("way", STORED)
def test_objects_are_cut_and_read_like_files(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, way: str
) -> None:
    monkeypatch.setattr(planning, "BATCH_PAGES", 40)
    monkeypatch.setattr(storage, "RANGE_BYTES", 65536)
    suffix, store = STORED[way]
    content = b"".join(store([RECORDS[kind](number) for number in range(100)]))
    (tmp_path / f"a.{kind}{suffix}").write_bytes(content)
    bucket.put(f"a.{kind}{suffix}", content)

    here = planned(str(tmp_path))
    there = planned("s3://news")

    cuts = [[replace(part, input=here[0].input) for part in parts] for parts in (here, there)]
    assert cuts[0] == cuts[1]
    assert [part.record_count for part in there] == [40, 40, 20]
    bucket.asked.clear()
    assert read(there[2:]) == [html(number) for number in range(80, 100)]
    if there[2].payload is None:
        assert len(bucket.asked) == 1


def test_an_object_is_known_by_its_etag_and_a_changed_one_is_noticed(bucket: Bucket) -> None:
    bucket.put("a.txt", b"first")
    (first,) = planned("s3://news")
    assert planned("s3://news/a.txt")[0].input.fingerprint == first.input.fingerprint
    bucket.put("a.txt", b"later")
    (later,) = planned("s3://news")
    assert later.input.fingerprint != first.input.fingerprint
    assert rejection(first) == "the object is another one than when it was planned"
    assert read([later]) == [b"later"]
    bucket.remove("a.txt")
    assert rejection(later) == "there is no such object"


def test_an_object_that_changes_while_it_is_read_is_noticed(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "RANGE_BYTES", 65536)
    bucket.put("a.jsonl", lines(100))
    (part,) = planned("s3://news")
    found = read_part(part, ALL, LIMITS)
    assert isinstance(next(found), Page)
    bucket.put("a.jsonl", lines(101))
    *_, last = found
    assert isinstance(last, Rejection) and "another one" in last.detail


def test_a_listing_costs_a_request_for_a_thousand_objects(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(60):
        bucket.put(f"{number:03}.txt", b"x")
    monkeypatch.setattr(stores, "LISTED_AT_ONCE", 20)
    bucket.asked.clear()
    assert len(planned("s3://news")) == 60
    assert len([line for line in bucket.asked if "list-type" in line]) == 1 + 3  # the look, then the plan


def test_a_store_that_falls_silent_costs_a_bounded_time(
    bucket: Bucket,
    s3_server: tuple[str, list[str], dict[str, int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in "abc":
        bucket.put(f"{name}.txt", b"x")
    bucket.put("d.jsonl", lines(100))
    monkeypatch.setattr(storage, "RANGE_BYTES", 65536)
    everything = planned("s3://news")
    life = s3_server[2]
    life["left"] = 2  # d.jsonl is in the middle of being read
    *pages, rest = read_part(everything[3], ALL, LIMITS)
    assert 10 < len(pages) < 100 and all(isinstance(page, Page) for page in pages)
    assert isinstance(rest, Rejection) and rest.reason == "unreadable"
    assert "cannot be reached" in rest.detail
    started = time.monotonic()
    assert ["cannot be reached" in rejection(part) for part in everything[:3]] == [True] * 3
    assert time.monotonic() - started < 1  # it is left alone for a while
    stores.store.cache_clear()
    life["left"] = sys.maxsize
    assert read(everything[:3]) == [b"x"] * 3


def test_what_the_planner_cannot_read_on_is_left_for_another_run(
    bucket: Bucket,
    s3_server: tuple[str, list[str], dict[str, int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(storage, "RANGE_BYTES", 65536)
    bucket.put("a.jsonl", lines(100))
    parts = plan(["s3://news/a.jsonl"], ALL, Nothing())
    s3_server[2]["left"] = 2 + 1  # what is named is looked up again, then two ranges are read
    known, rest = parts
    assert isinstance(known, Part) and isinstance(rest, Part)
    assert 0 < known.record_count < 100 and not known.last
    assert (rest.first_record, rest.record_count, rest.last) == (known.record_count, 0, False)
    assert "cannot be reached" in rejection(rest)


def test_a_file_is_put_whole(bucket: Bucket, tmp_path: Path) -> None:
    path = tmp_path / "kept.warc.gz"
    path.write_bytes(os.urandom(3 * 1024 * 1024))
    put_file(path, "s3://news/kept/1.warc.gz")
    assert bucket.get("kept/1.warc.gz") == path.read_bytes()
    with open_input("s3://news/kept/1.warc.gz") as file:
        file.seek(2 * 1024 * 1024 + 1)
        assert file.read(100) == path.read_bytes()[2 * 1024 * 1024 + 1 :][:100]
        assert file.seek(0, os.SEEK_END) == 3 * 1024 * 1024
    with pytest.raises(InputError, match="there is no such"):
        put_file(path, "s3://other/kept/1.warc.gz")


def test_the_path_pattern_reads_keys(bucket: Bucket) -> None:
    bucket.put("gazette/2025-05-17/a.txt", b"x")
    bucket.put("b.txt", b"y")
    selection = Selection(path_pattern="{source}/{date}/*")
    unmatched, b, a = planned("s3://news", selection=selection)
    assert isinstance(unmatched, Unmatched) and unmatched.input == b.input
    (page,) = read_part(a, selection, LIMITS)
    assert isinstance(page, Page) and page.fetched_at is not None
    assert (page.source, page.fetched_at.date()) == ("gazette", datetime.date(2025, 5, 17))
    bucket.put("c.txt", b"z")
    with pytest.raises(ConfigError, match="Nothing in s3://news/\\*.txt matches the path pattern"):
        plan(["s3://news/*.txt"], selection, Nothing())
