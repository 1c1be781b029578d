"""Headlines from variants: in the database as on a list, whatever the order of arrival."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from captures import extracted, load, rows
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, event, text

from schemas.records import ExtractedPage, Headline, Rejection
from schemas.tables import STEM_INDEXED
from tasks.dedupe import MIN_TRUNCATED, canonical_text, group_headlines
from tasks.settle import SettleReport, settle

FORMS = [
    "Ferry to Dol delayed by storm",
    "FERRY TO DOL DELAYED BY STORM",
    "Ferry to Dol delayed by storm, mayor says",
    "Ferry to Dol delayed by …",
    "Ferry to Dol delayed...",
    "Ferry to Dol d…",
    "Ferry to D…",
    "Ferry to Dol delayed by strike",
    "“Ferry to Dol” delayed by storm",
    "Toll on the old bridge doubles to 4 euros",
    "Toll on the old bridge doubles to 5 euros",
    "Toll on the old bridge doubles to …",
    "Toll on the old bridge doubles to 5 euros after vote in the council …",
    "Storks return …",
    "Live updates",
]


def listing(number: int, texts: Iterable[str]) -> ExtractedPage:
    """A page that lists headlines."""
    return extracted(number, title=None, body=(), is_article=False, headlines=[Headline(t) for t in texts])


def groups(engine: Engine) -> dict[str, frozenset[str]]:
    """Canonical text → its variants."""
    found: dict[str, set[str]] = defaultdict(set)
    for canonical, variant in rows(
        engine, "SELECT h.text, v.text FROM headlines h JOIN headline_variants v ON v.headline_id = h.id"
    ):
        found[canonical].add(variant)
    return {canonical: frozenset(variants) for canonical, variants in found.items()}


def expected(texts: Sequence[str]) -> dict[str, frozenset[str]]:
    """The same from the list, by `tasks.dedupe`."""
    found: dict[object, set[str]] = defaultdict(set)
    for key, shown in zip(group_headlines(texts), texts, strict=True):
        found[key].add(shown)
    return {canonical_text(variants): frozenset(variants) for variants in found.values()}


def empty(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(
            text("TRUNCATE runs, sources, headlines, link_targets, headline_sightings, sighting_days CASCADE")
        )


@hypothesis_settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    batches=st.lists(
        st.tuples(st.lists(st.sampled_from(FORMS), min_size=1, max_size=5), st.booleans()),
        min_size=1,
        max_size=6,
    )
)
def test_any_order_gives_what_the_list_gives(database: Engine, batches: list[tuple[list[str], bool]]) -> None:
    empty(database)
    for number, (texts, settled) in enumerate(batches):
        load(database, listing(number, texts))
        if settled:
            settle(database)
    settle(database)
    assert groups(database) == expected([shown for texts, _ in batches for shown in texts])


def test_settling_again_changes_nothing(database: Engine) -> None:
    load(database, listing(0, FORMS))
    first = settle(database)
    before = rows(database, "SELECT h::text, xmin::text FROM headlines h ORDER BY id")
    assert first.variants == len(set(FORMS))
    assert first.headlines_new == len(expected(FORMS))
    assert settle(database) == SettleReport()
    load(database, listing(1, FORMS))
    assert settle(database) == SettleReport(batches=1)
    assert rows(database, "SELECT h::text, xmin::text FROM headlines h ORDER BY id") == before


def test_a_truncated_headline_keeps_its_id_and_points_to_the_longer_one(database: Engine) -> None:
    load(database, listing(0, ["Ferry to Dol delayed by …"]))
    settle(database)
    [(cut,)] = rows(database, "SELECT id FROM headlines")
    load(database, listing(1, ["Ferry to Dol delayed by storm"]))
    assert settle(database) == SettleReport(batches=1, variants=1, headlines_merged=1)
    assert rows(database, "SELECT id, text FROM headlines WHERE merged_into IS NOT NULL") == [
        (cut, "Ferry to Dol delayed by …")
    ]
    load(database, listing(2, ["Ferry to Dol delayed by strike"]))
    assert settle(database) == SettleReport(batches=1, variants=1, headlines_new=1, headlines_detached=1)
    assert rows(database, "SELECT count(*) FROM headlines WHERE merged_into IS NOT NULL") == [(0,)]


def test_the_index_of_truncated_keys_holds_what_the_rule_asks_for() -> None:
    assert STEM_INDEXED == MIN_TRUNCATED


def test_keys_longer_than_the_index_holds(database: Engine) -> None:
    stem = "Storks return to the tower of Dol " * 20
    texts = [stem + "…", stem + "in the spring", stem.strip(), "Storks return to the tower of D…"]
    random.Random(3).shuffle(texts)
    for number, shown in enumerate(texts):
        load(database, listing(number, [shown]))
        settle(database)
    assert groups(database) == expected(texts)


# --- links ------------------------------------------------------------------------------------------

STORKS = Headline("Storks return to Dol", "Explore", None, "https://gazette.example/storks?utm_source=side")
LINKS = """
    SELECT h.text, h.linked_by, a.url
    FROM headlines h LEFT JOIN articles a ON a.id = h.article_id ORDER BY 1
    """


def storks(**fields: Any) -> ExtractedPage:
    return extracted(1, url="https://gazette.example/storks", **fields)


@pytest.mark.parametrize("article_first", [True, False])
def test_linked_by_target_whichever_came_first(database: Engine, article_first: bool) -> None:
    pages = [storks(title="Storks are back"), extracted(2, headlines=[STORKS], is_article=False)]
    for page in pages if article_first else reversed(pages):
        load(database, page)
        settle(database)
    assert rows(database, LINKS) == [(STORKS.text, "target", "https://gazette.example/storks")]


def test_linked_by_the_address_a_page_was_fetched_from(database: Engine) -> None:
    """The sidebar links to one address, the page behind it declares another."""
    moved = "https://gazette.example/2026/storks"
    load(database, extracted(2, headlines=[STORKS], is_article=False))
    load(database, storks(title="Storks are back", canonical_url=moved))
    settle(database)
    assert rows(database, LINKS) == [(STORKS.text, "target", moved)]


@pytest.mark.parametrize("article_first", [True, False])
def test_linked_by_title_where_no_target_is_known(database: Engine, article_first: bool) -> None:
    plain = Headline("“STORKS return to Dol”")
    pages = [storks(), extracted(2, headlines=[plain], is_article=False)]
    for page in pages if article_first else reversed(pages):
        load(database, page)
        settle(database)
    assert rows(database, LINKS) == [(plain.text, "title", "https://gazette.example/storks")]


def test_a_title_that_the_article_had_once_still_links(database: Engine) -> None:
    monday = datetime(2026, 3, 2, tzinfo=UTC)
    load(database, storks(fetched_at=monday))
    load(database, storks(fetched_at=monday + timedelta(days=1), title="Storks are back"))
    load(database, extracted(2, headlines=[Headline("Storks return to Dol")], is_article=False))
    settle(database)
    assert rows(database, LINKS) == [("Storks return to Dol", "title", "https://gazette.example/storks")]


def test_a_title_of_several_articles_links_to_none(database: Engine) -> None:
    live = [Headline("Live updates", None, None, f"https://gazette.example/live/{n}") for n in (1, 2)]
    load(database, extracted(9, headlines=live, is_article=False))
    for number in (1, 2):
        load(database, extracted(number, title="Live updates", url=f"https://gazette.example/live/{number}"))
        settle(database)
        linked = ("target", "https://gazette.example/live/1") if number == 1 else (None, None)
        assert rows(database, LINKS) == [("Live updates", *linked)]
    assert rows(
        database,
        "SELECT t.url, a.url FROM link_targets t JOIN articles a ON a.id = t.article_id ORDER BY 1",
    ) == [(f"https://gazette.example/live/{n}",) * 2 for n in (1, 2)]


def test_the_texts_of_a_link_are_kept(database: Engine) -> None:
    reworded = replace(STORKS, text="Storks are back in Dol")
    load(database, extracted(1, headlines=[STORKS, STORKS], is_article=False))
    load(database, extracted(2, headlines=[reworded], is_article=False))
    settle(database)
    assert rows(
        database,
        "SELECT t.url, v.text FROM headline_links JOIN link_targets t ON t.id = target_id"
        " JOIN headline_variants v ON v.id = variant_id ORDER BY 2",
    ) == [("https://gazette.example/storks", text) for text in sorted([STORKS.text, reworded.text])]


# --- views ------------------------------------------------------------------------------------------


def test_the_views_tell_what_was_loaded(database: Engine) -> None:
    monday = datetime(2026, 3, 2, tzinfo=UTC)
    load(database, storks(fetched_at=monday, authors=["Ana Kos", "Bo Lind"], headlines=[STORKS]))
    load(database, storks(fetched_at=monday + timedelta(days=1), headlines=[STORKS]))
    load(database, replace(storks(), key=b"text", url=None, kind="text", article_key="text:1"))
    load(
        database,
        Rejection("timeout", "extract", "20 s", "file:///p", 1, "https://gazette.example/x", content=b""),
        Rejection("timeout", "extract", "20 s", "file:///p", 2, "https://sick.example/x", content=b"1"),
    )
    settle(database)
    assert rows(
        database, "SELECT source, authors, captures, versions FROM article_list ORDER BY captures"
    ) == [
        (None, "", 1, 1),
        ("gazette.example", "", 2, 1),
    ]
    assert rows(
        database,
        "SELECT headline, sightings, sources, labels, first_seen_at, last_seen_at, article_url"
        " FROM sidebar_list",
    ) == [
        (
            STORKS.text,
            2,
            1,
            ["Explore"],
            monday,
            monday + timedelta(days=1),
            "https://gazette.example/storks",
        )
    ]
    assert rows(
        database,
        "SELECT source, pages, articles, quarantined, title_percent::int, author_percent::int,"
        " headlines_a_page::int FROM source_health ORDER BY source",
    ) == [
        ("gazette.example", 2, 1, 1, 100, 0, 1),
        ("sick.example", 0, 0, 1, None, None, None),
        (None, 1, 1, 0, 100, 0, 0),
    ]
    assert rows(database, "SELECT title, articles, sources, kinds, urls FROM stories") == [
        (
            "Storks return to Dol",
            2,
            ["gazette.example"],
            ["html", "text"],
            ["https://gazette.example/storks"],
        )
    ]


# --- plans ------------------------------------------------------------------------------------------

MANY = 3_000


def loops_over_tables(connection: Connection, statement: str) -> list[str]:
    """The loops within loops that the planner chooses for a statement, over tables with many rows each."""
    cursor = connection.connection.cursor()
    cursor.execute(f"EXPLAIN (FORMAT JSON) {statement}")
    [(plans,)] = cursor.fetchall()
    sizes: dict[str, int] = {}

    def size(node: dict[str, Any]) -> int:
        """Rows of the largest table below a node of which all may be read; looked up by a value, few are."""
        name = node.get("Relation Name", "")
        if node["Node Type"] == "Seq Scan" or " NULL" in node.get("Index Cond", ""):
            if name not in sizes:
                cursor.execute(f"SELECT count(*) FROM {name}")
                [(sizes[name],)] = cursor.fetchall()
        else:
            name = ""
        return max([sizes.get(name, 0), *map(size, node.get("Plans", ()))])

    def within(node: dict[str, Any]) -> Iterator[str]:
        children = node.get("Plans", [])
        if node["Node Type"] == "Nested Loop" and min(map(size, children)) >= MANY:
            yield " with ".join(str(child.get("Relation Name", child["Node Type"])) for child in children)
        for child in children:
            yield from within(child)

    return list(within(plans[0]["Plan"]))


def test_old_statistics_mislead_no_plan(database: Engine) -> None:
    """Those from the middle of a load, when no text had its headline: all that is new is joined at once."""
    lists = [
        [Headline(f"Story {n} of the day {n % 7}", href=f"https://paper.example/{n}") for n in numbers]
        for numbers in (range(first, first + 100) for first in range(0, MANY + 500, 100))
    ]
    load(database, *(extracted(n, is_article=False, headlines=each) for n, each in enumerate(lists)))
    with database.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))
    wrong: dict[str, list[str]] = {}

    def explain(connection: Connection, cursor: object, statement: str, *_: object) -> None:
        planned = statement.partition(" ON COMMIT DROP AS ")[2] or statement
        is_plannable = planned.split(None, 1)[0] in ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")
        if is_plannable and (found := loops_over_tables(connection, planned)):
            wrong[statement[:100]] = found

    event.listen(database, "before_cursor_execute", explain)
    report = settle(database)
    event.remove(database, "before_cursor_execute", explain)
    assert report.headlines_new == MANY + 500
    assert not wrong
