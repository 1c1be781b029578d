"""Headlines from variants: in the database as on a list, whatever the order of arrival."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Sequence

from captures import extracted, load, rows
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from schemas.records import ExtractedPage, Headline
from tasks.dedupe import canonical_text, group_headlines
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
            text("TRUNCATE runs, sources, headlines, link_targets, headline_sightings CASCADE")
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
    assert settle(database) == SettleReport(batches=1, variants=1, headlines_new=1, headlines_merged=1)
    assert rows(database, "SELECT id, text FROM headlines WHERE merged_into IS NOT NULL") == [
        (cut, "Ferry to Dol delayed by …")
    ]
    load(database, listing(2, ["Ferry to Dol delayed by strike"]))
    assert settle(database) == SettleReport(batches=1, variants=1, headlines_new=1, headlines_detached=1)
    assert rows(database, "SELECT count(*) FROM headlines WHERE merged_into IS NOT NULL") == [(0,)]


def test_keys_longer_than_the_index_holds(database: Engine) -> None:
    stem = "Storks return to the tower of Dol " * 10
    texts = [stem + "…", stem + "in the spring", stem.strip(), "Storks return to the tower of D…"]
    random.Random(3).shuffle(texts)
    for number, shown in enumerate(texts):
        load(database, listing(number, [shown]))
        settle(database)
    assert groups(database) == expected(texts)
