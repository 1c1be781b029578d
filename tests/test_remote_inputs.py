"""Inputs that lie elsewhere: S3 as moto speaks it, Google's JSON API, web servers good and bad."""

from __future__ import annotations

import contextlib
import gzip
import importlib
import os
import re
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from urllib.request import Request, urlopen

import orjson
import pytest
from inputs import ALL, LIMITS, RECORDS, STORED, html
from runs import enter_run
from sqlalchemy import Engine, text

from schemas.errors import ConfigError, InputError, StoreUnreachable, missing_extra
from schemas.records import (
    Batch,
    BatchResult,
    Counts,
    Page,
    Part,
    PassedOver,
    Rejection,
    Selection,
    Skipped,
    Unmatched,
)
from schemas.settings import Settings
from tasks import plan as planning
from tasks.archive import Archive
from tasks.batch import extract_batch
from tasks.inputs import storage, stores
from tasks.inputs.storage import open_input, put_file, shown, withhold_query
from tasks.keep import Keeper, KeptAt, Spool, read_kept
from tasks.ledger import KnownParts
from tasks.load import load_batch
from tasks.plan import NothingKnown, pack, plan
from tasks.postgres.kept import worth_keeping
from tasks.postgres.quarantine import Chosen, dismiss
from tasks.read import read_part
from tasks.recover import STORE_AWAY, Unavailable
from tasks.replay import replay
from tasks.reprocess import reprocess

SECRET = "s3cretSigNature0815"


def planned(*uris: str, selection: Selection = ALL) -> list[Any]:
    found = plan(uris, selection, NothingKnown())
    return [item for item in found if not isinstance(item, PassedOver)]


def uris(*named: str) -> list[str]:
    return [part.input.uri for part in planned(*named)]


def read(parts: Sequence[Part]) -> list[bytes]:
    return [
        found.content for part in parts for found in read_part(part, ALL, LIMITS) if isinstance(found, Page)
    ]


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
        ("s3://news/[z-a]*", "is no glob that can be understood"),
        ("s3://other/a.txt", "there is no bucket other"),
        ("s3://news/a.pdf", "has no known suffix"),
        ("s3://news/../other/a.txt", r"has \. or \.\. in its path"),
        ("s3://", "names no bucket"),
        ("s3://ne*/a.txt", "names no bucket"),
        (f"s3://AKIAX:{SECRET}@news/a.txt", "must not hold credentials"),
        (f"s3://AKIAX:a/{SECRET}@news/a.txt", "must not hold credentials"),
        (
            f"s3://news/a.txt?X-Amz-Signature={SECRET}",
            r"s3://news/a\.txt has a query, which no s3:// URI has",
        ),
        (f"s3://?sig={SECRET}", "s3:// names no bucket"),
        (f"https:///a.txt?sig={SECRET}", "https:///a.txt names no host"),
        (f"gs://{SECRET}@news/a.txt", "must not hold credentials"),
        (f"https://me:{SECRET}@paper.example/a.txt", "must not hold credentials"),
        (f"https://paper.example/a.txt?sig={SECRET}", "has a query, which may be a secret"),
        ("http://paper.example/a.txt", "could be altered on its way; use https://"),
        ("http://localhost.example:80/a.txt", "could be altered on its way; use https://"),
        ("https:///a.txt", "names no host"),
        ("https://[::1/a.txt", "names no host"),
        ("https://localhost:99999/a.txt", "its address is malformed"),
        ("ftp://paper.example/a.txt", "ftp:// is not known"),
        ("file:///etc/passwd", "name a file by its path"),
    ],
)
def test_what_cannot_be_is_one_sentence_at_once(bucket: Bucket, uri: str, sentence: str) -> None:
    bucket.put("a.pdf", b"x")
    with pytest.raises(ConfigError, match=sentence) as refused:
        plan([uri], ALL, NothingKnown())
    assert SECRET not in str(refused.value)


def test_without_credentials_or_rights_it_says_so(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    with pytest.raises(ConfigError, match=r"a\.txt cannot be read: the store asks for credentials\."):
        plan(["s3://news/a.txt"], ALL, NothingKnown())


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
    bucket: Bucket, s3_server: tuple[str, list[str], dict[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(60):
        bucket.put(f"{number:03}.txt", b"x")
    monkeypatch.setattr(stores, "LISTED_AT_ONCE", 20)
    bucket.asked.clear()
    assert len(planned("s3://news")) == 60
    assert len([line for line in bucket.asked if "list-type" in line]) == 1 + 3  # the look, then the plan
    parts = plan(["s3://news"], ALL, NothingKnown())
    s3_server[2]["left"] = 2
    monkeypatch.setattr(planning, "_INPUTS_ASKED_AT_ONCE", 20)
    with pytest.raises(StoreUnreachable, match="s3://news stayed away: the store cannot be reached"):
        list(parts)


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
    found: list[object] = []
    with pytest.raises(StoreUnreachable, match="s3://news stayed away: the store cannot be reached"):
        found += read_part(everything[3], ALL, LIMITS)
    started = time.monotonic()
    for part in everything[:3]:
        with pytest.raises(StoreUnreachable):
            read([part])
    assert time.monotonic() - started < 1  # it is left alone for a while
    stores.store.cache_clear()
    life["left"] = sys.maxsize
    assert read(everything[:3]) == [b"x"] * 3


def test_what_the_planner_cannot_read_on_is_left_for_another_run(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "RANGE_BYTES", 65536)
    site.files = {"/a.jsonl": lines(100)}
    parts = plan([f"{site.url}/a.jsonl"], ALL, NothingKnown())
    site.faults = {"/a.jsonl": ["", "", "500"]}  # it is looked up again, then a range is read
    known, rest = parts
    assert isinstance(known, Part) and isinstance(rest, Part)
    assert 0 < known.record_count < 100 and not known.last
    assert (rest.first_record, rest.record_count, rest.last) == (known.record_count, 0, False)
    assert "answers 500" in rejection(rest)
    site.away = True
    with pytest.raises(StoreUnreachable, match=f"{site.url} stayed away: the store cannot be reached"):
        planned(f"{site.url}/a.jsonl")


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


def test_pages_are_kept_in_a_bucket(bucket: Bucket, tmp_path: Path) -> None:
    pages = [Page(html(number), "html", f"https://daily.example/{number}") for number in range(3)]
    keeper = Keeper("s3://news/kept/", tmp_path / "spools")
    keeper.check()
    with keeper:
        with Spool(keeper.spool, 1) as spool:
            spooled = [spool.put(page, key=page.key, digest=page.digest) for page in pages]
        kept = keeper.publish("000001-000001", spooled)
    assert kept.uri.startswith("s3://news/kept/2") and "//" not in kept.uri.removeprefix("s3://")
    assert [path.name for path in (tmp_path / "spools").iterdir()] == ["lock"]
    places = {digest: KeptAt(kept.uri, offset) for digest, offset in kept.records}
    assert sorted(page.key for _, page in read_kept(places)) == sorted(page.key for page in pages)
    assert read(planned("s3://news/kept")) == [page.content for page in pages]
    bucket.remove(kept.uri.removeprefix("s3://news/"))
    assert list(read_kept(places)) == []


def test_the_path_pattern_reads_keys(bucket: Bucket) -> None:
    bucket.put("gazette/2025-05-17/a.txt", b"x")
    bucket.put("b.txt", b"y")
    selection = Selection(path_pattern="{source}/{date}/*")
    unmatched, b, a = planned("s3://news", selection=selection)
    assert isinstance(unmatched, Unmatched) and unmatched.input == b.input
    (page,) = read_part(a, selection, LIMITS)
    assert isinstance(page, Page) and page.fetched_at is not None
    assert (page.source, page.fetched_at.date()) == ("gazette", date(2025, 5, 17))
    bucket.put("c.txt", b"z")
    with pytest.raises(ConfigError, match=r"Nothing in s3://news/\*\.txt matches the path pattern"):
        plan(["s3://news/*.txt"], selection, NothingKnown())


# --- web servers ----------------------------------------------------------------------------------------


class Site:
    """A web server on loopback, and how it treats each path."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.faults: dict[str, list[str]] = {}
        """What to do wrong with the next answers for a path; the last one stays."""
        self.asked: list[tuple[str, str]] = []
        """(path with query, the range asked for)"""
        self.headers: dict[str, str] = {"ETag": '"1"'}
        self.delay = 0.0
        self.away = False
        self.most = self.under_way = 0  # requests at once
        self.url = ""

    def fault(self, path: str) -> str:
        left = self.faults.get(path, [""])
        return left.pop(0) if len(left) > 1 else left[0]


def serve(site: Site, context: ssl.SSLContext | None = None) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            wanted = self.headers.get("Range", "")
            site.asked.append((self.path, wanted))
            if site.away:
                self.close_connection = True
                return None
            site.under_way += 1
            site.most = max(site.most, site.under_way)
            time.sleep(site.delay)
            site.under_way -= 1
            path = self.path.partition("?")[0]
            content, fault = site.files.get(path), site.fault(path)
            if fault.isdigit():
                return self.answer(int(fault), {}, b"no")
            if fault.startswith("to "):
                return self.answer(302, {"Location": fault[3:]}, b"")
            if content is None:
                return self.answer(404, {}, b"no")
            if fault == "cut":
                self.answer(200, {"Content-Length": str(len(content) + 10)}, content)
                self.close_connection = True
                return None
            if fault == "silent":
                time.sleep(3)
                return None
            if fault in ("endless", "unsized"):
                return self.chunks(content, endless=fault == "endless")
            found = re.fullmatch(r"bytes=(\d+)-(\d+)", wanted)
            if not found or fault == "whole":
                return self.answer(200, {}, content)
            first, last = int(found[1]), min(int(found[2]), len(content) - 1)
            if first >= len(content):
                return self.answer(416, {"Content-Range": f"bytes */{len(content)}"}, b"")
            if fault == "more":
                last = len(content) - 1
            said = {"Content-Range": f"bytes {first}-{last}/{len(content)}"}
            return self.answer(206, said, content[first : last + 1])

        def answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": str(len(content)), **site.headers, **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def chunks(self, content: bytes, endless: bool) -> None:
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            with contextlib.suppress(OSError):
                while True:
                    self.wfile.write(f"{len(content):x}\r\n".encode() + content + b"\r\n")
                    if not endless:
                        break
                self.wfile.write(b"0\r\n\r\n")

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            pass  # clients hang up on what is too much for them

    server = Server(("127.0.0.1", 0), Handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    site.url = f"http{'s' if context else ''}://localhost:{server.server_port}"
    return server


@pytest.fixture
def site() -> Iterator[Site]:
    """A server of plain http on loopback, where that is allowed."""
    site = Site()
    server = serve(site)
    yield site
    server.shutdown()
    server.server_close()


def test_single_files_of_a_web_server_are_read_in_ranges(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "BATCH_PAGES", 40)
    monkeypatch.setattr(storage, "RANGE_BYTES", 65536)
    site.files = {"/d/a.jsonl": lines(100), "/p%20q.html": html(7), "/empty.txt": b""}
    parts = planned(f"{site.url}/d/a.jsonl")
    assert [(part.record_count, part.payload) for part in parts] == [(40, None), (40, None), (20, None)]
    site.asked.clear()
    assert read(parts[1:2]) == [html(number, 2000) for number in range(40, 80)]
    assert site.asked[0][1].startswith(f"bytes={parts[1].offset}-")
    page, empty = planned(f"{site.url}/p%20q.html", f"{site.url}/empty.txt")
    assert (page.input.uri, read([page])) == (f"{site.url}/p%20q.html", [html(7)])
    assert read([empty]) == [b""]
    with pytest.raises(ConfigError, match="does not exist: a web server has single files only"):
        planned(f"{site.url}/*.html")


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.html"])
def test_a_server_without_ranges_is_read_in_one_go(
    site: Site, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(storage, "RANGE_BYTES", 4096)
    content = html(1, 100_000) if name == "a.html" else lines(100)
    site.files = {f"/{name}": gzip.compress(content) if name.endswith("gz") else content}
    site.faults = {f"/{name}": ["whole"]}
    (part,) = planned(f"{site.url}/{name}")
    assert (part.payload is None) is (name == "a.html")
    site.asked.clear()
    expected = [content] if name == "a.html" else [html(number, 2000) for number in range(100)]
    assert read([part]) == expected
    assert len(site.asked) == (2 if name == "a.html" else 0)


def test_compressed_files_come_as_they_are_stored(site: Site) -> None:
    site.files = {"/a.jsonl.gz": gzip.compress(lines(3))}
    site.headers["Content-Encoding"] = "gzip"  # what many servers say of .gz files
    assert read(planned(f"{site.url}/a.jsonl.gz")) == [html(number, 2000) for number in range(3)]


def test_validators_tell_versions_apart(site: Site) -> None:
    site.files = {"/a.txt": b"first", "/b.txt": b"other"}
    (first,), (again,) = planned(f"{site.url}/a.txt"), planned(f"{site.url}/a.txt")
    assert first.input.fingerprint == again.input.fingerprint
    site.headers = {"ETag": '"2"'}
    assert planned(f"{site.url}/a.txt")[0].input.fingerprint != first.input.fingerprint
    assert "another one" in rejection(first)
    site.headers = {"Last-Modified": "Sat, 17 May 2025 10:00:00 GMT"}
    (dated,) = planned(f"{site.url}/a.txt")
    site.headers = {"Last-Modified": "Sat, 17 May 2025 10:00:01 GMT"}
    assert "another one" in rejection(dated)
    site.headers = {}  # nothing tells, so it is read anew by every run
    (once,), (twice,) = planned(f"{site.url}/a.txt"), planned(f"{site.url}/a.txt")
    assert once.input.fingerprint != twice.input.fingerprint
    assert read([once, twice]) == [b"first"] * 2


def test_pages_without_a_stated_size_are_read_up_to_the_limit(site: Site) -> None:
    site.files = {"/page.html": html(1, 5000), "/flood.html": b"x" * 65536, "/dump.jsonl": lines(2)}
    site.faults = {"/page.html": ["unsized"], "/flood.html": ["endless"], "/dump.jsonl": ["unsized"]}
    assert read(planned(f"{site.url}/page.html")) == [html(1, 5000)]
    (flood,) = planned(f"{site.url}/flood.html")
    (entry,) = read_part(flood, ALL, LIMITS)
    assert isinstance(entry, Rejection) and entry.reason == "too_large"
    with pytest.raises(ConfigError, match="does not say how long it is"):
        planned(f"{site.url}/dump.jsonl")


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ("404", r"does not exist\."),
        ("410", r"does not exist\."),
        ("401", r"cannot be read: the store asks for credentials\."),
        ("403", r"cannot be read: the store denies access\."),
        ("500", r"cannot be read: the server answers 500\."),
        ("to /a.txt", r"cannot be read: it is redirected more than 5 times\."),
        ("to http://paper.example/a.txt", r"cannot be read: it is redirected to an open way\."),
        ("silent", r"cannot be read: the store does not answer in time\."),
    ],
)
def test_what_a_web_server_refuses_is_one_sentence(
    site: Site, monkeypatch: pytest.MonkeyPatch, fault: str, sentence: str
) -> None:
    monkeypatch.setattr(stores, "REQUEST_SECONDS", 0.5)
    site.files = {"/a.txt": b"x"}
    site.faults = {"/a.txt": [fault]}
    url = withhold_query(f"{site.url}/a.txt?sig={SECRET}")
    with pytest.raises(ConfigError, match=sentence) as refused:
        plan([url], ALL, NothingKnown())
    assert SECRET not in str(refused.value) and SECRET in site.asked[0][0]


def test_passing_troubles_are_sat_out(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "PATIENCE_SECONDS", 10.0)
    site.files = {"/a.txt": b"page"}
    site.faults = {"/a.txt": ["503", "429", "", "cut", "500", ""]}
    assert read(planned(f"{site.url}/a.txt")) == [b"page"]


@pytest.mark.parametrize(
    ("fault", "detail"),
    [("cut", "cannot be reached"), ("more", "more than was asked for"), ("403", "denies access")],
)
def test_what_goes_wrong_later_is_unreadable(
    site: Site, monkeypatch: pytest.MonkeyPatch, fault: str, detail: str
) -> None:
    monkeypatch.setattr(storage, "RANGE_BYTES", 65536)
    site.files = {"/a.jsonl": lines(100)}
    (part,) = planned(f"{site.url}/a.jsonl")
    site.faults = {"/a.jsonl": [fault]}
    assert detail in rejection(part)


def test_redirects_are_followed_and_the_query_stays_behind(site: Site) -> None:
    site.files = {"/real.txt": b"page"}
    site.faults = {"/a.txt": [f"to {site.url}/real.txt"]}
    (part,) = planned(withhold_query(f"{site.url}/a.txt?sig={SECRET}#part"))
    assert (part.input.uri, read([part])) == (f"{site.url}/a.txt", [b"page"])
    assert SECRET not in repr(part) and f"?sig={SECRET}" in part.input.address
    assert all(SECRET not in path for path, _ in site.asked if path.startswith("/real"))


def test_queries_do_not_make_two_inputs_of_one_address(site: Site) -> None:
    assert withhold_query("https://paper.example/a.txt?v=1") == "https://paper.example/a.txt"
    assert withhold_query("landing/what?.txt") == "landing/what?.txt"
    assert withhold_query("s3://news/what?.txt") == "s3://news/what?.txt"
    with pytest.raises(ConfigError, match="named twice with different queries"):
        withhold_query("https://paper.example/a.txt?v=2")


def test_small_objects_are_asked_for_ahead(site: Site) -> None:
    names = [f"/{number:02}.{'html' if number % 2 else 'jsonl'}" for number in range(24)]
    site.files = {name: html(1) if name.endswith("html") else lines(1) for name in names}
    found = [part for name in names for part in planned(f"{site.url}{name}")]
    site.delay, site.most = 0.05, 0
    result = extract_batch(Batch(1, tuple(found)))
    assert (result.read, len(result.rejections)) == (24, 0)
    assert 3 <= site.most <= storage.AHEAD
    site.asked.clear()
    site.delay = 0.0
    assert len(planned(*(f"{site.url}{name}" for name in names[::2]))) == 12
    assert len(site.asked) == 3 * 12  # looked at twice each, then read once
    result = extract_batch(Batch(1, tuple(found), accept=1))
    assert result.read == 1


# --- Google Cloud Storage -------------------------------------------------------------------------------


@pytest.fixture
def google(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, tuple[bytes, int]]]:
    """Objects of the bucket `news` (content, generation) behind as much of the JSON API as is asked."""
    objects: dict[str, tuple[bytes, int]] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = urlsplit(self.path)
            query = parse_qs(asked.query)
            found = re.fullmatch(r"(?:/download)?/storage/v1/b/news/o(?:/(.+))?", asked.path)
            key = unquote(found[1]) if found and found[1] else None
            if found is None or (key is not None and key not in objects):
                return self.answer(404, b"{}")
            if key is None:
                names = sorted(name for name in objects if name.startswith(query.get("prefix", [""])[0]))
                first = int(query.get("pageToken", ["0"])[0])
                last = first + int(query["maxResults"][0])
                page = {"items": [self.about(name) for name in names[first:last]]}
                return self.answer(
                    200, orjson.dumps(page | ({"nextPageToken": str(last)} if names[last:] else {}))
                )
            if query.get("alt") != ["media"]:
                return self.answer(200, orjson.dumps(self.about(key)))
            content, generation = objects[key]
            span = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers["Range"])
            assert span is not None
            if int(span[1]) >= len(content):
                return self.answer(416, orjson.dumps({"error": {"code": 416, "message": "no such range"}}))
            piece = content[int(span[1]) : int(span[2]) + 1]
            said = {"X-Goog-Generation": str(generation)}
            said["Content-Range"] = f"bytes {span[1]}-{int(span[1]) + len(piece) - 1}/{len(content)}"
            return self.answer(206, piece, **said)

        def about(self, name: str) -> dict[str, str]:
            content, generation = objects[name]
            return {"name": name, "size": str(len(content)), "generation": str(generation)}

        def answer(self, status: int, content: bytes, **headers: str) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": str(len(content)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("FSSPEC_GS_TOKEN", "anon")
    yield objects
    server.shutdown()
    server.server_close()


def test_google_cloud_storage_is_read_alike(
    google: dict[str, tuple[bytes, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "LISTED_AT_ONCE", 2)
    google |= {f"land/{name}": (name.encode(), 1) for name in ("a.txt", "b c.html", "d.txt", "e.pdf")}
    google |= {"land/empty.txt": (b"", 1), "dump.jsonl": (lines(3), 7)}
    parts = planned("gs://news/land")
    assert [part.input.uri.rpartition("/")[2] for part in parts] == [
        "a.txt",
        "b c.html",
        "d.txt",
        "empty.txt",
    ]
    assert read(parts) == [b"a.txt", b"b c.html", b"d.txt", b""]
    assert read(planned("gs://news/*.jsonl")) == [html(number, 2000) for number in range(3)]
    google["land/a.txt"] = (b"later", 2)
    assert "another one" in rejection(parts[0])
    assert planned("gs://news/land/a.txt")[0].input.fingerprint != parts[0].input.fingerprint
    with pytest.raises(ConfigError, match="there is no bucket other"):
        planned("gs://other/land")


# --- extras ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("uri", "module", "extra"),
    [
        ("s3://news/a.txt", "s3fs", "s3"),
        ("gs://news/a.txt", "gcsfs", "gs"),
        ("https://paper.example/a.txt", "aiohttp", "http"),
    ],
)
def test_a_missing_extra_is_named(uri: str, module: str, extra: str) -> None:
    code = (
        f"import sys; sys.modules[{module!r}] = None; from flows.cli import main; main(['ingest', {uri!r}])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr == f"Error: {missing_extra(uri.partition('://')[0] + '://', extra)}\n"
    assert run.stderr.endswith(f"[{extra}]'\n")


def test_local_files_load_no_client(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x")
    code = (
        "import sys; from tasks.inputs.storage import open_input, uri_of; "
        f"open_input(uri_of({str(tmp_path / 'a.txt')!r})).close(); "
        "print(*{'fsspec', 'aiohttp', 's3fs', 'asyncio'} & sys.modules.keys())"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == []


# --- end to end -----------------------------------------------------------------------------------------


def story(number: int, text: str = "A brass band met the ferry on the quay on Monday.") -> bytes:
    said = (f"{text} It was voyage {number} of {number + n}, said the pilot." for n in range(4))
    title = f"Ferry number {number} returns to Lorn"
    body = "".join(f"<p>{paragraph}</p>" for paragraph in said)
    page = f"<html lang=en><title>{title}</title><article><h1>{title}</h1>{body}</article></html>"
    return orjson.dumps({"html": page, "url": f"https://paper.example/{number}"}) + b"\n"


def load(database: Engine, *paths: str) -> tuple[Counts, int]:
    """What a run does, batch after batch in this process; the counts, and the parts it skipped."""
    run_id = enter_run(database)
    counts, skipped = Counts(), 0
    for item in pack(plan(paths, ALL, KnownParts(database)), ALL):
        if isinstance(item, Batch):
            counts += load_batch(database, item, extract_batch(item), run_id=run_id, extractor="1").counts
        elif isinstance(item, Skipped):
            skipped += item.parts
    assert counts.balanced
    return counts, skipped


def test_a_store_that_goes_silent_ends_the_run_and_the_next_one_goes_on(
    prefect_server: str,
    database: Engine,
    settings: Settings,
    bucket: Bucket,
    s3_server: tuple[str, list[str], dict[str, int]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from prefect.settings import PREFECT_API_URL, PREFECT_LOGGING_TO_API_ENABLED, temporary_settings

    from flows.ingest import ingest

    little = "from tasks.inputs import stores; stores.PATIENCE_SECONDS = 1.0"
    (tmp_path / "sitecustomize.py").write_text(little)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))  # of the workers
    monkeypatch.setenv("BROADSHEET_HOME", str(settings.home))
    monkeypatch.setenv("BROADSHEET_DATABASE_URL", str(settings.database_url))
    monkeypatch.setitem(pack.__kwdefaults__ or {}, "pages", 2)
    pages = [orjson.loads(story(number))["html"].encode() for number in range(12)]
    for number, page in enumerate(pages):
        bucket.put(f"landing/{number:02}.html", page)
    bucket.remove("landing/00.html")
    bucket.put("landing/00.html.gz", b"no gzip")  # broken by itself

    with temporary_settings({PREFECT_API_URL: prefect_server, PREFECT_LOGGING_TO_API_ENABLED: False}):
        s3_server[2]["left"] = 4 + 2 + 1  # two looks, a batch, half a batch
        broken = ingest(["s3://news/landing"], workers=1, return_state=True)
        s3_server[2]["left"] = sys.maxsize
        whole = ingest(["s3://news/landing"], workers=1, return_state=True)

    said = (
        r"s3://news stayed away: the store cannot be reached \(\w+\); "
        r"what was not read is left to the next run\. "
        r"2 pages read: 1 loaded, .* 1 quarantined\."
    )
    assert broken.is_failed() and re.fullmatch(said, broken.message or ""), broken.message
    assert whole.is_completed() and "10 pages read: 10 loaded" in (whole.message or ""), whole.message
    with database.connect() as connection:
        states = connection.scalars(text("SELECT state FROM runs ORDER BY id")).all()
        assert states == ["failed", "completed"]
    assert waiting(database) == 1


def test_what_lies_in_a_store_that_is_gone_comes_from_elsewhere_or_waits(
    database: Engine, settings: Settings, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And it keeps neither pages of other inputs nor quarantined ones from being tried again."""
    site.files = {"/kept.jsonl": story(1), "/lost.jsonl": story(2), "/cut.jsonl": story(4)}
    local = tmp_path / "local.jsonl"
    local.write_bytes(story(3))
    names = [f"{site.url}/kept.jsonl", f"{site.url}/lost.jsonl", str(local)]
    keeper = Keeper(str(tmp_path / "kept"), settings.spools)
    run_id = enter_run(database)
    with keeper:
        for number, name in enumerate(names):
            [batch] = pack(plan([name], ALL, NothingKnown()), ALL)
            assert isinstance(batch, Batch)
            spooling = replace(batch, number=number, keep=keeper.spool if "kept" in name else None)
            result = extract_batch(spooling)
            kept = keeper.publish("test", worth_keeping(database, result)) if spooling.keep else None
            load_batch(database, spooling, result, run_id=run_id, extractor="old", kept=kept)
    away = Rejection("unreadable", "read", "answers 500", f"{site.url}/cut.jsonl", 0)
    load_batch(database, Batch(9), BatchResult(9, (), (away,), read=1), run_id=run_id, extractor="old")

    site.away = True
    monkeypatch.setattr(stores, "PATIENCE_SECONDS", 0.5)
    archive = Archive(settings.archive)
    for _ in range(2):  # not for good: every further run gets as far
        found: list[Any] = []
        with pytest.raises(StoreUnreachable, match=f"{site.url} stayed away"):
            found += reprocess(database, archive, Selection())
        pages = {page.url for each in found if isinstance(each, Batch) for page in each.pages}
        assert pages == {"https://paper.example/1", "https://paper.example/3"}
        assert [each.why for each in found if isinstance(each, Unavailable)] == [STORE_AWAY]
    tried: list[Any] = []
    with pytest.raises(StoreUnreachable):
        tried += replay(database, archive, Selection())
    assert [each.why for each in tried if isinstance(each, Unavailable)] == [STORE_AWAY]

    site.away = False
    stores.store.cache_clear()
    found = list(reprocess(database, archive, Selection()))
    assert len({page.url for each in found if isinstance(each, Batch) for page in each.pages}) == 3
    assert not [each for each in found if isinstance(each, Unavailable)]


def test_an_object_that_fails_alone_is_unreadable(site: Site) -> None:
    site.files = {"/a.txt": b"x", "/b.txt": b"y"}
    failing, other = planned(f"{site.url}/a.txt", f"{site.url}/b.txt")
    site.faults = {"/a.txt": ["503"]}
    assert rejection(failing) == "the server answers 503"
    assert read([other]) == [b"y"]


def test_a_bucket_is_loaded_once_whatever_happens_to_it(database: Engine, bucket: Bucket) -> None:
    for number in range(6):
        bucket.put(f"landing/{number}.jsonl.gz", gzip.compress(story(number)))
    assert load(database, "s3://news/landing")[0].loaded == 6
    counts, skipped = load(database, "s3://news/landing")
    assert (counts.read, skipped) == (0, 6)
    bucket.put("landing/3.jsonl.gz", gzip.compress(story(3, "The ferry ran aground below the lighthouse.")))
    counts, skipped = load(database, "s3://news/landing")
    assert (counts.updated, counts.read, skipped) == (1, 1, 5)


def test_a_dismissed_input_stays_so_until_it_changes(
    database: Engine, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "RANGE_BYTES", 65536)
    site.files = {"/a.txt": b"The ferry is back.", "/b.jsonl": b"".join(map(story, range(200)))}
    urls = [f"{site.url}{path}" for path in site.files]

    def ingest(*answers: str) -> tuple[int, int, int]:
        """Pages read and quarantined, and entries that wait; both inputs get the last answer."""
        site.faults = {"/a.txt": ["", "", answers[-1]], "/b.jsonl": ["", "", *answers, ""]}
        counts, _ = load(database, *urls)
        return counts.read - counts.quarantined, counts.quarantined, waiting(database)

    pages, *others = ingest("", "403")
    assert 0 < pages < 200 and others == [2, 2]
    assert dismiss(database, Chosen()) == [1, 2]
    assert ingest("403") == (0, 2, 0)
    assert ingest("") == (0, 0, 0), "they are left alone"
    site.headers["ETag"] = '"2"'
    assert ingest("", "403") == (pages, 2, 2), "they have changed"
    dismiss(database, Chosen())
    assert ingest("") == (1 + 200 - pages, 0, 0)


def waiting(database: Engine) -> int:
    with database.connect() as connection:
        count = connection.scalar(text("SELECT count(*) FROM quarantine WHERE resolved_at IS NULL"))
    return int(count or 0)


# --- secrets --------------------------------------------------------------------------------------------


@pytest.fixture
def closed_site(tmp_path: Path) -> Iterator[tuple[Site, Path]]:
    """A server of https on loopback, and the certificate to trust it by."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    trusted = tmp_path / "certificate.pem"
    trusted.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private = tmp_path / "key.pem"
    plain = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    private.write_bytes(key.private_bytes(*plain))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(trusted, private)
    site = Site()
    server = serve(site, context)
    yield site, trusted
    server.shutdown()
    server.server_close()


def test_no_secret_is_kept_anywhere(
    environment: dict[str, str], database: Engine, bucket: Bucket, closed_site: tuple[Site, Path]
) -> None:
    site, trusted = closed_site
    bucket.put("landing/1.jsonl", story(1))
    bucket.put("landing/2.html", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")  # goes to quarantine
    site.files = {"/dump.jsonl": story(3), "/other.txt": b"The ferry is back.", "/late.txt": b"x"}
    site.faults = {"/late.txt": ["", "", "", "403"]}  # when the worker comes for it
    environment |= {name: os.environ[name] for name in (*CREDENTIALS, "AWS_ENDPOINT_URL")}
    environment |= {"SSL_CERT_FILE": str(trusted), "PREFECT_LOGGING_LEVEL": "DEBUG"}
    signed = f"{site.url}/dump.jsonl?X-Amz-Signature={SECRET}&X-Amz-Expires=60"
    command = [str(Path(sys.executable).with_name("broadsheet")), "ingest"]

    named = [
        "s3://news/landing",
        signed,
        *(f"{site.url}/{name}.txt?sig={SECRET}" for name in ("other", "late")),
    ]

    run = subprocess.run(
        [*command, *named, "--json"], env=environment, capture_output=True, text=True, timeout=180
    )

    counts = orjson.loads(run.stdout)["counts"]
    assert SECRET not in run.stdout + run.stderr
    assert (counts["read"], counts["loaded"] + counts["non_article"], counts["quarantined"]) == (5, 3, 2)
    assert all(SECRET in path for path, _ in site.asked)  # it was needed, and used
    with database.connect() as connection:
        tables = connection.scalars(
            text("SELECT table_name FROM information_schema.tables WHERE table_schema = 'broadsheet'")
        ).all()
        rows = [
            row
            for table in tables
            for row in connection.scalars(text(f'SELECT t::text FROM broadsheet."{table}" t'))
        ]
        assert any("dump.jsonl" in row for row in rows)
        assert not [row for row in rows if SECRET in row]
        find = "SELECT id FROM broadsheet.{} WHERE origin_uri LIKE '%{}'"
        late = connection.scalar(text(find.format("quarantine", "late.txt")))
        dump = connection.scalar(text(find.format("pages", "dump.jsonl")))
    for asked in (("quarantine", late), ("page", dump)):
        told = subprocess.run(
            [command[0], "why", *map(str, asked)], env=environment, capture_output=True, text=True, check=True
        ).stdout
        assert f"read from {site.url}/" in told and SECRET not in told
    kept = [path for path in Path(environment["BROADSHEET_HOME"]).rglob("*") if path.is_file()]
    assert any(b"dump.jsonl" in path.read_bytes() for path in kept)  # Prefect's own database
    assert any(b"ingest-quarantine" in path.read_bytes() for path in kept)  # the artifact that names inputs
    assert not [path for path in kept if SECRET.encode() in path.read_bytes()]


def test_a_redirect_from_a_closed_to_an_open_way_is_not_followed(closed_site: tuple[Site, Path]) -> None:
    site, trusted = closed_site
    site.files = {"/a.txt": b"x", "/b.txt": b"x"}
    site.faults = {"/a.txt": ["to http://127.0.0.1:9/a.txt"], "/c.txt": ["to /b.txt"]}
    code = (
        "import sys; from schemas.errors import ConfigError; from tasks.inputs.storage import look_up\n"
        "for url in sys.argv[1:]:\n"
        "    try: print(look_up(url).size)\n"
        "    except ConfigError as error: print(error)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, f"{site.url}/a.txt", f"{site.url}/b.txt", f"{site.url}/c.txt"],
        env={**os.environ, "SSL_CERT_FILE": str(trusted)},
        capture_output=True,
        text=True,
        check=True,
    )
    untrusted = [sys.executable, "-c", code, f"{site.url}/b.txt"]
    said = subprocess.run(untrusted, capture_output=True, text=True, check=True).stdout
    assert said == f"{site.url}/b.txt cannot be read: its certificate is not to be trusted.\n"
    refused, *sizes = run.stdout.splitlines()
    assert refused == f"{site.url}/a.txt cannot be read: it is redirected to an open way."
    assert sizes == ["1", "1"]


@pytest.mark.parametrize(
    ("path", "seen"),
    [
        ("landing/a?b=c@d.txt", "landing/a?b=c@d.txt"),
        ("s3://news/a?.txt", "s3://news/a?.txt"),
        (f"s3://news/a.txt?sig={SECRET}", "s3://news/a.txt"),
        (f"s3://AKIAX:{SECRET}@news/a@b.txt", "s3://news/a@b.txt"),
        (f"s3://AKIAX:a/{SECRET}@news/a.txt", "s3://…"),
        (
            f"https://me:{SECRET}@paper.example:8443/a.txt?{SECRET}#{SECRET}",
            "https://paper.example:8443/a.txt",
        ),
        (f"https://me:a/{SECRET}@paper.example/a.txt", "https://…"),
        ("https://paper.example/@me/a.txt", "https://paper.example/@me/a.txt"),
        (f"ftp://{SECRET}@paper.example?{SECRET}", "ftp://paper.example"),
    ],
)
def test_paths_are_shown_without_what_may_be_a_secret(path: str, seen: str) -> None:
    assert shown(path) == seen


@pytest.mark.parametrize(
    ("name", "path", "sentence"),
    [
        ("ingest", f"https://paper.example/a.txt?sig={SECRET}", "has a query"),
        ("backfill", f"s3://AKIAX:{SECRET}@news/a.txt", "must not hold credentials"),
    ],
)
def test_a_flow_that_is_given_a_secret_does_not_pass_it_on(
    prefect_server: str,
    database: Engine,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    path: str,
    sentence: str,
) -> None:
    """Prefect keeps it with the run's parameters, before the flow begins, and nowhere else."""
    from prefect.settings import (
        PREFECT_API_URL,
        PREFECT_LOGGING_TO_API_BATCH_INTERVAL,
        PREFECT_LOGGING_TO_API_ENABLED,
        temporary_settings,
    )

    monkeypatch.setenv("BROADSHEET_HOME", str(settings.home))
    monkeypatch.setenv("BROADSHEET_DATABASE_URL", str(settings.database_url))
    flow = getattr(importlib.import_module(f"flows.{name}"), name)
    prefect = {
        PREFECT_API_URL: prefect_server,
        PREFECT_LOGGING_TO_API_ENABLED: True,
        PREFECT_LOGGING_TO_API_BATCH_INTERVAL: 0.1,
    }
    with temporary_settings(prefect):
        state = flow([path], return_state=True)
        flow_run_id = str(state.state_details.flow_run_id)
        logs: list[dict[str, Any]] = []
        deadline = time.monotonic() + 60
        while not any("Finished in state" in entry["message"] for entry in logs):
            assert time.monotonic() < deadline, "Prefect's logs do not come"
            logs = asked(prefect_server, "logs", {"logs": {"flow_run_id": {"any_": [flow_run_id]}}})
    with pytest.raises(ConfigError, match=sentence) as refused:
        state.result()
    assert SECRET not in str(refused.value)
    assert any(sentence in entry["message"] for entry in logs)
    assert not [entry for entry in logs if SECRET in orjson.dumps(entry).decode()]
    chosen = {"flow_runs": {"id": {"any_": [flow_run_id]}}}
    [flow_run] = asked(prefect_server, "flow_runs", chosen)
    assert flow_run.pop("parameters")["paths"] == [path]
    assert SECRET not in orjson.dumps(flow_run).decode()
    with database.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM runs")) == 0


def asked(server: str, what: str, chosen: dict[str, Any]) -> list[dict[str, Any]]:
    """What Prefect has of some kind."""
    request = Request(f"{server}/{what}/filter", orjson.dumps(chosen), {"Content-Type": "application/json"})
    with urlopen(request, timeout=30) as answer:
        found: list[dict[str, Any]] = orjson.loads(answer.read())
    return found
