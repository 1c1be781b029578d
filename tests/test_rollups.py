"""What settle adds up: the same in any order, and what a recount gives; recurring titles; who saw what."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from captures import extracted, load, of, rows
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from runs import enter_run
from sqlalchemy import Engine, text

from schemas.errors import ConfigError
from schemas.records import Batch, ExtractedPage, Headline
from tasks.dedupe import canonical_text, group_headlines
from tasks.ledger import finish_dead_runs, run_headlines
from tasks.load import load_batch
from tasks.postgres.database import downgrade, upgrade
from tasks.settle import SettleReport, settle

MONDAY = datetime(2026, 3, 2, 23, 30, tzinfo=UTC)
TEXTS = [
    "Ferry to Dol delayed by storm",
    "FERRY TO DOL DELAYED BY STORM",
    "Ferry to Dol delayed by …",
    "Ferry to Dol d…",
    "Ferry to Dol delayed by strike",
    "Live updates",
    "Live updates | Gazette",
]
TARGETS = [
    None,
    "/ferry",
    *(f"https://gazette.example/{path}" for path in ("ferry", "ferry?list=1", "live/1", "live/2", "live/3")),
    *(f"https://courier.example/{path}" for path in ("ferry", "live")),
]

# The whole of what settle writes, by what things are and not by their ids.
SETTLED = {
    "headlines": """
        SELECT h.key, h.text, h.truncated, m.key, a.url, h.linked_by, h.generic
        FROM headlines h
        LEFT JOIN headlines m ON m.id = h.merged_into
        LEFT JOIN articles a ON a.id = h.article_id
        """,
    "variants": "SELECT v.text, h.key FROM headline_variants v JOIN headlines h ON h.id = v.headline_id",
    "totals": """
        SELECT h.key, t.sightings, t.first_seen_at, t.last_seen_at
        FROM headline_totals t JOIN headlines h ON h.id = t.headline_id
        """,
    "days": """
        SELECT v.text, d.day, s.name, l.text, d.sightings, d.best_position, d.first_seen_at, d.last_seen_at
        FROM sighting_days d
        JOIN headline_variants v ON v.id = d.variant_id
        LEFT JOIN sources s ON s.id = d.source_id
        LEFT JOIN sidebar_labels l ON l.id = d.label_id
        """,
    "links": """
        SELECT t.url, a.url, v.text, k.sightings, k.first_seen_at, k.last_seen_at
        FROM headline_links k
        JOIN headline_variants v ON v.id = k.variant_id
        JOIN link_targets t ON t.id = k.target_id
        LEFT JOIN articles a ON a.id = t.article_id
        """,
}

# The same counted again from the sightings themselves: what is there and what should be, where they differ.
_SEEN = """
    FROM headline_sightings s
    JOIN pages p ON p.id = s.page_id
    JOIN headline_variants v ON v.id = s.variant_id
    """
RECOUNTED = {
    "totals": (
        "SELECT headline_id, sightings, first_seen_at, last_seen_at FROM headline_totals",
        f"SELECT v.headline_id, count(*), min(fetched_at), max(fetched_at) {_SEEN} GROUP BY 1",
    ),
    "days": (
        "SELECT variant_id, day, source_id, label_id, sightings, best_position, first_seen_at, last_seen_at,"
        " last_page_id FROM sighting_days",
        "SELECT variant_id, (fetched_at AT TIME ZONE 'UTC')::date, source_id, label_id, count(*),"
        f" min(position), min(fetched_at), max(fetched_at), max(p.id) {_SEEN} GROUP BY 1, 2, 3, 4",
    ),
    "links": (
        "SELECT target_id, variant_id, sightings, first_seen_at, last_seen_at FROM headline_links",
        f"SELECT target_id, variant_id, count(*), min(fetched_at), max(fetched_at) {_SEEN}"
        " WHERE target_id IS NOT NULL GROUP BY 1, 2",
    ),
    "generic": (
        "SELECT id FROM headlines WHERE generic",
        f"""
        SELECT DISTINCT headline_id FROM (
            SELECT v.headline_id {_SEEN} JOIN link_targets t ON t.id = s.target_id
            WHERE t.url LIKE 'http%'
            GROUP BY v.headline_id, split_part(t.url, '/', 3)
            HAVING count(DISTINCT split_part(t.url, '?', 1)) >= 3
        ) many
        """,
    ),
}


def settled(engine: Engine) -> dict[str, list[tuple[Any, ...]]]:
    return {name: sorted(rows(engine, query), key=repr) for name, query in SETTLED.items()}


def differences(engine: Engine) -> dict[str, list[tuple[Any, ...]]]:
    """Rows that settle wrote and a recount has not, or the other way round."""
    found = {
        name: rows(
            engine,
            f"((SELECT * FROM ({kept}) a EXCEPT ({counted})) UNION ALL"
            f" (SELECT * FROM ({counted}) b EXCEPT ({kept})))",
        )
        for name, (kept, counted) in RECOUNTED.items()
    }
    return {name: differing for name, differing in found.items() if differing}


def empty(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(
            text("TRUNCATE runs, sources, headlines, link_targets, headline_sightings, sighting_days CASCADE")
        )


def listing(number: int, *headlines: Headline, **fields: Any) -> ExtractedPage:
    return extracted(number, title=None, is_article=False, headlines=headlines, **fields)


headlines = st.builds(
    Headline,
    text=st.sampled_from(TEXTS),
    label=st.sampled_from([None, "Explore", "Most read"]),
    byline=st.none(),
    href=st.sampled_from(TARGETS),
)
times = st.sampled_from([None, *(MONDAY + timedelta(hours=hours) for hours in (0, 1, 48))])


@st.composite
def pages(draw: st.DrawFn) -> list[ExtractedPage]:
    """Listings and articles of several sources, some of which are what headlines lead to."""
    made = []
    for number in range(draw(st.integers(3, 10))):
        placed = draw(st.lists(headlines, max_size=5))
        at, source = draw(times), draw(st.sampled_from([None, "gazette", "courier"]))
        title = draw(st.sampled_from([None, None, "Ferry to Dol delayed by storm", "Live updates"]))
        url = draw(st.sampled_from([each for each in TARGETS if each and each.startswith("http")]))
        page = extracted(
            number,
            title=title,
            body=(f"The text of page {number}.",),
            url=url if title else f"https://gazette.example/front/{number}",
            is_article=title is not None,
            headlines=placed,
            fetched_at=at,
        )
        made.append(replace(page, source=source))
    return made


@st.composite
def orders(draw: st.DrawFn, count: int) -> list[tuple[list[int], bool]]:
    """Numbers of pages in any order, cut into batches, with or without a settle behind each."""
    order = draw(st.permutations(range(count)))
    cuts = sorted(draw(st.sets(st.integers(1, max(1, count - 1)), max_size=3)))
    parts = [order[start:end] for start, end in zip([0, *cuts], [*cuts, count], strict=True)]
    return [(list(part), draw(st.booleans())) for part in parts]


@hypothesis_settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # a smaller example is not worth minutes
)
@given(data=st.data())
def test_any_order_gives_the_same_and_what_a_recount_gives(database: Engine, data: st.DataObject) -> None:
    made = data.draw(pages())
    outcomes = []
    for _ in range(2):
        empty(database)
        for numbers, settle_now in data.draw(orders(len(made))):
            load(database, *(made[number] for number in numbers))
            if settle_now:
                settle(database)
                assert differences_are_only_unsettled(database)
        settle(database)
        outcomes.append(settled(database))
        assert differences(database) == {}
    assert outcomes[0] == outcomes[1]
    texts = sorted({headline.text for page in made for headline in page.extraction.headlines})
    grouped: dict[object, list[str]] = {}
    for key, shown in zip(group_headlines(texts), texts, strict=True):
        grouped.setdefault(key, []).append(shown)
    canonical = {shown: canonical_text(group) for group in grouped.values() for shown in group}
    assert (
        dict(
            rows(
                database,
                "SELECT v.text, h.text FROM headline_variants v JOIN headlines h ON h.id = headline_id",
            )
        )
        == canonical
    )


def differences_are_only_unsettled(engine: Engine) -> bool:
    return bool(rows(engine, "SELECT FROM batches WHERE settled_at IS NULL")) or differences(engine) == {}


# --- recurring titles -------------------------------------------------------------------------------


def live(host: str, number: int, shown: str = "Live updates") -> Headline:
    return Headline(shown, "Latest", None, f"https://{host}/live/{number}")


GENERIC = "SELECT text FROM headlines WHERE generic ORDER BY 1"


def test_one_text_with_many_targets_on_one_host_is_generic(database: Engine) -> None:
    load(database, extracted(1, title="Live updates", url="https://gazette.example/live/1"))
    load(database, listing(2, live("gazette.example", 1), live("gazette.example", 2)))
    settle(database)
    link = "SELECT h.linked_by, a.url FROM headlines h LEFT JOIN articles a ON a.id = h.article_id"
    assert rows(database, GENERIC) == []
    assert rows(database, link) == [("target", "https://gazette.example/live/1")]
    load(database, listing(3, live("gazette.example", 3, "LIVE UPDATES")))
    settle(database)
    assert rows(database, GENERIC) == [("LIVE UPDATES",)]
    assert rows(database, link) == [(None, None)]
    load(database, extracted(4, title="Live updates", url="https://gazette.example/live/3"))
    settle(database)
    assert rows(database, link) == [(None, None)]
    assert rows(
        database,
        "SELECT t.url, a.url FROM link_targets t LEFT JOIN articles a ON a.id = t.article_id ORDER BY 1",
    ) == [
        ("https://gazette.example/live/1", "https://gazette.example/live/1"),
        ("https://gazette.example/live/2", None),
        ("https://gazette.example/live/3", "https://gazette.example/live/3"),
    ]


def test_syndication_is_not_generic(database: Engine) -> None:
    outlets = [f"{name}.example" for name in ("gazette", "courier", "post", "herald")]
    load(
        database, listing(1, *(live(outlet, n, "Storks return to Dol") for outlet in outlets for n in (1, 2)))
    )
    load(database, listing(2, *(Headline("Morning briefing", href=f"/briefing/{n}") for n in range(5))))
    settle(database)
    assert rows(database, GENERIC) == []


def test_what_a_list_appends_to_its_links_does_not_count(database: Engine) -> None:
    storks = [
        Headline("Storks return to Dol", href=f"https://gazette.example/storks?list={name}")
        for name in ("most_read", "editors_picks", "ticker", "above")
    ]
    load(database, listing(1, *storks))
    settle(database)
    assert rows(database, GENERIC) == []
    assert rows(database, "SELECT count(*) FROM link_targets") == [(4,)]


def test_another_link_to_the_same_path_is_told_by_a_few_links(database: Engine) -> None:
    def ferry(number: int) -> Headline:
        return Headline("Ferry is late", "Latest", None, f"https://gazette.example/ferry?page={number}")

    load(database, listing(1, *map(ferry, range(3000))))
    settle(database)
    with database.begin() as connection:
        connection.exec_driver_sql("ANALYZE")
    load(database, listing(2, *map(ferry, range(2990, 3010))))
    before = links_read(database)
    settle(database)
    assert links_read(database) - before < 500
    assert rows(database, GENERIC) == []
    load(database, listing(3, *(live("gazette.example", number, "Ferry is late") for number in (1, 2))))
    settle(database)
    assert rows(database, GENERIC) == [("Ferry is late",)]
    assert differences(database) == {}


def links_read(engine: Engine) -> int:
    with engine.connect() as connection:
        connection.exec_driver_sql("SELECT pg_stat_force_next_flush()")
    [(count,)] = rows(
        engine,
        "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_user_tables WHERE relname = 'headline_links'",
    )
    return int(count)


def test_a_headline_is_not_generic_by_targets_of_texts_that_left_it(database: Engine) -> None:
    cut, whole, other = (
        "Latest on the ferry strike …",
        "Latest on the ferry strike today",
        "Latest on the ferry strike in Dol",
    )
    load(database, listing(1, live("gazette.example", 1, cut), live("gazette.example", 2, cut)))
    load(database, listing(2, live("gazette.example", 3, whole)))
    settle(database)
    assert rows(database, GENERIC) == [(whole,)]
    load(database, listing(3, live("gazette.example", 4, other)))
    settle(database)
    assert rows(database, GENERIC) == []
    load(database, listing(4, live("gazette.example", 5, cut)))
    settle(database)
    assert rows(database, GENERIC) == [(cut,)]


# --- articles found later ---------------------------------------------------------------------------


def test_an_article_found_later_links_what_merged_and_detached(database: Engine) -> None:
    """By the title of the whole form, by the target of the cut one; after a settle each."""
    cut, whole, other = (
        "Ferry to Dol delayed by …",
        "Ferry to Dol delayed by storm",
        "Ferry to Dol delayed by strike",
    )
    url = "https://gazette.example/ferry"
    link = (
        "SELECT h.text, h.linked_by, a.url FROM headlines h LEFT JOIN articles a ON a.id = h.article_id"
        ' ORDER BY h.text COLLATE "C"'
    )
    load(database, listing(1, Headline(cut, href=url)))
    settle(database)
    load(database, listing(2, Headline(whole)))
    settle(database)
    load(database, extracted(3, title="A storm", url=url))
    settle(database)
    assert rows(database, link) == [(whole, "target", url), (cut, None, None)]
    load(database, listing(4, Headline(other)))
    settle(database)
    assert rows(database, link) == [(whole, None, None), (other, None, None), (cut, "target", url)]
    load(database, extracted(5, title=whole, url="https://gazette.example/storm"))
    settle(database)
    assert rows(database, link) == [
        (whole, "title", "https://gazette.example/storm"),
        (other, None, None),
        (cut, "target", url),
    ]
    assert differences(database) == {}


# --- who found what ---------------------------------------------------------------------------------


def begin(engine: Engine) -> int:
    return enter_run(engine)


def add(engine: Engine, run_id: int, number: int, *texts: str) -> None:
    """One batch of one page that lists these texts."""
    page = listing(100 * run_id + number, *map(Headline, texts))
    load_batch(engine, Batch(number), of(page), run_id=run_id, extractor="1")


def test_a_headline_is_new_in_the_batch_that_saw_it_first(database: Engine) -> None:
    run_id = begin(database)
    add(database, run_id, 1, "Storks return", "Storks return", "Toll doubles")
    add(database, run_id, 2, "STORKS RETURN", "Ferry is late")
    assert settle(database).headlines_new == 3
    add(database, run_id, 3, "Ferry is late", "Storks return", "Rain in May")
    assert settle(database).headlines_new == 1
    assert rows(database, "SELECT number, headlines_new, sightings FROM batches ORDER BY 1") == [
        (1, 2, 3),
        (2, 1, 2),
        (3, 1, 3),
    ]
    assert run_headlines(database, run_id) == (4, 4)


def test_the_whole_form_of_a_headline_that_was_cut_is_no_new_one(database: Engine) -> None:
    first, second = begin(database), begin(database)
    add(database, first, 1, "Ferry to Dol delayed by …")
    assert settle(database).headlines_new == 1
    add(database, second, 1, "Ferry to Dol delayed by storm", "Ferry to Dol delay…")
    assert settle(database) == SettleReport(batches=1, variants=2, headlines_merged=2)
    assert (run_headlines(database, first), run_headlines(database, second)) == ((1, 0), (0, 2))


def test_a_killed_run_is_credited_by_the_run_that_settles_its_batches(database: Engine) -> None:
    killed, other = begin(database), begin(database)
    add(database, killed, 1, "Storks return", "Toll doubles")
    finish_dead_runs(database)
    assert run_headlines(database, killed) == (0, 0)
    add(database, other, 1, "Storks return", "Ferry is late")
    settle(database)
    assert run_headlines(database, killed) == (2, 0)
    assert run_headlines(database, other) == (1, 1)
    assert rows(database, "SELECT state, sightings FROM runs ORDER BY id") == [("failed", 2), ("failed", 2)]


def test_two_runs_at_once_share_what_is_new(database: Engine) -> None:
    runs = begin(database), begin(database)

    def work(run_id: int) -> tuple[int, int]:
        for number in range(1, 6):
            add(
                database,
                run_id,
                number,
                f"Storks return on day {number}",
                f"Run {run_id} is at step {number}",
            )
            settle(database)
        return run_headlines(database, run_id)

    with ThreadPoolExecutor(2) as threads:
        counts = list(threads.map(work, runs))
    assert sum(new for new, _ in counts) == 15
    assert all(new + again == 10 for new, again in counts)
    assert differences(database) == {}


def test_what_is_new_is_counted_as_it_arrives(database: Engine) -> None:
    """A cut form that stands alone only later was new in no batch: runs may count fewer than there are."""
    whole, other, cut = (f"Ferry to Dol delayed by {end}" for end in ("storm", "strike", "…"))
    for number, shown in enumerate((whole, cut, other), start=1):
        load(database, listing(number, Headline(shown)))
        settle(database)
    assert rows(database, "SELECT count(*) FROM headlines WHERE merged_into IS NULL") == [(3,)]
    assert rows(database, "SELECT sum(headlines_new) FROM runs") == [(2,)]
    empty(database)
    load(database, *(listing(number, Headline(shown)) for number, shown in enumerate((whole, cut, other))))
    settle(database)
    assert rows(database, "SELECT sum(headlines_new) FROM runs") == [(3,)]


# --- databases that were there before ---------------------------------------------------------------


@pytest.mark.parametrize("fixture", ["database", "postgres15"])
def test_an_upgrade_adds_up_what_is_settled(fixture: str, request: pytest.FixtureRequest) -> None:
    engine: Engine = request.getfixturevalue(fixture)
    storks = Headline("Storks return to Dol", "Explore", None, "https://gazette.example/storks")
    load(engine, listing(1, storks, storks, replace(storks, text="Storks return …"), fetched_at=MONDAY))
    load(engine, listing(2, *(live("gazette.example", n) for n in range(3))))
    settle(engine)
    everything: Sequence[str] = (
        *SETTLED.values(),
        "SELECT id, headlines_new FROM batches",
        "SELECT id, sightings, headlines_new, headlines_seen_again FROM runs"
        " WHERE id IN (SELECT run_id FROM batches WHERE settled_at IS NOT NULL)",
    )
    load(engine, listing(3, storks, Headline("Toll doubles")))
    before = [sorted(rows(engine, query), key=repr) for query in everything]
    downgrade(engine, "broadsheet", "0002")
    upgrade(engine, "broadsheet")
    assert [sorted(rows(engine, query), key=repr) for query in everything] == before
    settle(engine)
    assert differences(engine) == {}


def test_no_downgrade_loses_what_dropped_sightings_came_to(database: Engine) -> None:
    load(database, listing(1, live("gazette.example", 1), live("gazette.example", 2)))
    settle(database)
    with database.begin() as connection:
        connection.exec_driver_sql("DROP TABLE headline_sightings_p0")
    before = settled(database)
    with pytest.raises(ConfigError, match="2 sightings were dropped"):
        downgrade(database, "broadsheet", "0002")
    assert settled(database) == before
    downgrade(database, "broadsheet", "0003")
