"""Exports: what is written out reads back equal, in every format."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, get_args

import pytest
from sqlalchemy import Engine, text

from schemas.errors import missing_extra
from tasks.postgres.export import COLUMNS, Format, What, export

BODY = 'He said:\t"C:\\new",\\. done\n\n\\.\n\nÜnïcödé 🛳, {braces} and \\N'


def written(engine: Engine, what: What, form: Format) -> bytes:
    return b"".join(export(engine, what, form))


def csv_rows(engine: Engine, what: What) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(written(engine, what, "csv").decode(), newline="")))


def jsonl_rows(engine: Engine, what: What) -> list[dict[str, Any]]:
    return [json.loads(line) for line in written(engine, what, "jsonl").decode().split("\n") if line]


def parquet_table(engine: Engine, what: What) -> Any:
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs the extra `parquet`")
    return parquet.read_table(io.BytesIO(written(engine, what, "parquet")))


def by_title(row: dict[str, Any]) -> Any:
    return row["title"]


def test_articles_as_csv(newsroom: Engine) -> None:
    ferry, storks = sorted(csv_rows(newsroom, "articles"), key=by_title)
    assert list(storks) == [column.name for column in COLUMNS["articles"]]
    assert (storks["title"], storks["source"]) == ("Storks return to Dol", "gazette")
    assert storks["published_at"] == "2026-03-02T04:30:00+00:00"
    assert (storks["published_on"], ferry["published_at"]) == ("2026-03-01", "")
    assert json.loads(ferry["authors"]) == ['O\'Hara, "Kit"']
    assert ferry["body"] == BODY


def test_articles_as_json_lines(newsroom: Engine) -> None:
    ferry, storks = sorted(jsonl_rows(newsroom, "articles"), key=by_title)
    assert list(storks) == [column.name for column in COLUMNS["articles"]]
    assert storks["authors"] == ["Ana Kos", "Bo Lind"]
    assert storks["published_at"] == "2026-03-02T04:30:00+00:00"
    assert (ferry["published_at"], ferry["published_on"]) == (None, "2026-03-02")
    assert ferry["body"] == BODY


def test_articles_as_parquet(newsroom: Engine) -> None:
    table = parquet_table(newsroom, "articles")
    assert table.column_names == [column.name for column in COLUMNS["articles"]]
    ferry, storks = sorted(table.to_pylist(), key=by_title)
    assert storks["published_at"] == datetime(2026, 3, 2, 4, 30, tzinfo=UTC)
    assert storks["published_on"] == date(2026, 3, 1)
    assert storks["authors"] == ["Ana Kos", "Bo Lind"]
    assert (ferry["body"], ferry["published_at"]) == (BODY, None)


def test_headlines(newsroom: Engine) -> None:
    headlines = {row["text"]: row for row in jsonl_rows(newsroom, "headlines")}
    ferry = headlines.pop("FERRY to Arna delayed by storm")
    assert list(headlines) == ["Toll on the old bridge doubles"]
    assert ferry["sightings"] == 3
    assert sorted(ferry["variants"]) == [
        "FERRY to Arna delayed by storm",
        "Ferry to Arna delayed by storm",
        "Ferry to Arna delayed by …",
    ]
    assert ferry["first_seen_at"] == "2026-03-02T06:00:00+00:00"
    assert ferry["last_seen_at"] == "2026-03-04T06:00:00.25+00:00"
    assert ferry["generic"] is False
    assert json.loads(csv_rows(newsroom, "headlines")[0]["variants"])
    assert [row["generic"] for row in csv_rows(newsroom, "headlines")] == ["false", "false"]
    assert parquet_table(newsroom, "headlines")["generic"].to_pylist() == [False, False]


def test_sightings(newsroom: Engine) -> None:
    sightings = jsonl_rows(newsroom, "sightings")
    assert [(row["page_id"], row["position"]) for row in sightings] == sorted(
        (row["page_id"], row["position"]) for row in sightings
    )
    by_time = {row["seen_at"]: row for row in sightings if "erry" in row["text"].lower()}
    first, last = by_time["2026-03-02T06:00:00+00:00"], by_time["2026-03-04T06:00:00.25+00:00"]
    assert (first["text"], first["label"], first["byline"]) == (
        "Ferry to Arna delayed by storm",
        "Explore",
        "Bo Lind",
    )
    assert (last["text"], last["label"], last["article_id"]) == ("Ferry to Arna delayed by …", None, None)
    assert first["headline_id"] == last["headline_id"]
    assert last["target"] == "https://gazette.example/ferry"


@pytest.mark.parametrize("what", get_args(What))
def test_every_format_says_the_same(newsroom: Engine, what: What) -> None:
    rows = jsonl_rows(newsroom, what)
    assert rows
    assert parquet_table(newsroom, what).num_rows == len(rows)
    for record, row in zip(rows, csv_rows(newsroom, what), strict=True):
        assert {name: row[name] for name in row if isinstance(record[name], str)} == {
            name: value for name, value in record.items() if isinstance(value, str)
        }


@pytest.mark.parametrize("what", get_args(What))
def test_every_column_is_documented_in_its_order(what: What) -> None:
    page = (Path(__file__).parent.parent / "docs" / "exports.md").read_text()
    table = page.partition(f"## {what}\n")[2].partition("\n## ")[0]
    documented = [line for line in table.splitlines() if line.startswith("| `")]
    assert documented == [
        f"| `{column.name}` | {column.kind} | {column.meaning} |" for column in COLUMNS[what]
    ]


@pytest.mark.parametrize("what", get_args(What))
def test_an_empty_database_gives_an_empty_file(database: Engine, what: What) -> None:
    assert written(database, what, "csv").decode().splitlines() == [
        ",".join(column.name for column in COLUMNS[what])
    ]
    assert written(database, what, "jsonl") == b""
    assert parquet_table(database, what).num_rows == 0


@pytest.mark.parametrize("form", get_args(Format))
def test_large_exports_come_in_pieces(database: Engine, form: Format) -> None:
    if form == "parquet":
        pytest.importorskip("pyarrow", reason="needs the extra `parquet`")
    with database.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO articles (key, story_key, text_digest, page_key, page_digest, title, authors,"
                " word_count, body, confidence, provenance)"
                " SELECT decode(md5(n::text), 'hex'), '', '', '', '', md5(n::text), '{}',"
                " 1, md5(n::text), 1, '{}' FROM generate_series(1, 25000) n"
            )
        )
    pieces = [len(piece) for piece in export(database, "articles", form)]
    assert len(pieces) >= 3
    assert max(pieces) < sum(pieces) / 2


def test_a_reader_that_stops_gives_the_connection_back(newsroom: Engine) -> None:
    for form in get_args(Format):
        if form == "parquet":
            pytest.importorskip("pyarrow", reason="needs the extra `parquet`")
        stream = export(newsroom, "articles", form)
        next(stream)
        stream.close()  # type: ignore[attr-defined]
    assert newsroom.pool.checkedout() == 0  # type: ignore[attr-defined]


def test_parquet_without_pyarrow_is_one_sentence() -> None:
    script = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "from schemas.errors import ConfigError\n"
        "from tasks.postgres.export import export\n"
        "try: export(None, 'articles', 'parquet')\n"
        "except ConfigError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == f"{missing_extra('Parquet', 'parquet')}\n"
