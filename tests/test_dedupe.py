"""Headline identity: variants collapse, other news never does."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.records import Extraction
from tasks.dedupe import article_key, canonical_text, group_headlines, headline_key, is_truncated, story_key

PAIRS = Path(__file__).parents[2] / "shared" / "eval" / "dev" / "headline_pairs.jsonl.gz"

SAME = [
    # first samples: case, quotes, dashes, spaces, Unicode form
    ("Ferry cut to two sailings", "FERRY CUT TO TWO SAILINGS"),
    ("‘We sell silence’: the firm of empty rooms", '"We sell silence": the firm of empty rooms'),
    ("No guarantees talks will be smooth—Dovric", "No guarantees talks will be smooth - Dovric"),
    ("Rail freight tariff to be frozen", "Rail\u00a0freight tariff\u2009to be frozen"),
    ("Türkiye’s basketball team returns", "Tu\u0308rkiye's basketball team returns"),
    ("Café closes after 40 years", "Cafe\u0301 closes after 40 years"),
    ("İstanbul'da kar yağışı bekleniyor", "İSTANBUL'DA KAR YAĞIŞI BEKLENİYOR".replace("I", "ı")),
    # outlets before and behind
    ("Harbour dredging to start in August", "Harbour dredging to start in August | Skerry"),
    ("Harbour dredging to start in August", "Harbour dredging to start in August - Skerry News"),
    ("Harbour dredging to start in August", "Harbour dredging to start in August | Local | The Skerry Post"),
    ("Harbour dredging to start in August", "Harbour dredging to start in August - skerrypost.com"),
    ("Harbour dredging to start in August", "The Skerry Herald - Harbour dredging to start in August"),
    # list decoration
    ("Storks return to the roofs of Dol", "VIDEO: Storks return to the roofs of Dol"),
    ("Storks return to the roofs of Dol", "LIVE: Storks return to the roofs of Dol"),
    ("Storks return to the roofs of Dol", "Related: Storks return to the roofs of Dol"),
    ("Storks return to the roofs of Dol", "RelatedStorks return to the roofs of Dol"),
    ("Storks return to the roofs of Dol", "3. Storks return to the roofs of Dol"),
    ("Storks return to the roofs of Dol", "Storks return to the roofs of Dol 5h ago"),
    ("Storks return to the roofs of Dol", "Storks return to the roofs of Dol 3 hours ago"),
    # truncation
    ("Opposition asks court to review emergency powers", "Opposition asks court to review…"),
    ("Opposition asks court to review emergency powers", "Opposition asks court to rev..."),
]

DIFFERENT = [
    ("Two charged over theft of church bells", "Three charged over theft of church bells"),
    ("Borna 1-1 Lesk: full report", "Borna 1-2 Lesk: full report"),
    ("Prices up 2.5 percent in May", "Prices up 25 percent in May"),
    ("Temperatures fall to -5 in Lesk", "Temperatures fall to 5 in Lesk"),
    ("Storm hits northern Arnavia", "Storm hits southern Arnavia"),
    ("Power cuts on Monday: full list", "Power cuts on Tuesday: full list"),
    ("Minister will resign over flood", "Minister will not resign over flood"),
    ("Tariffs hurt harbours - minister", "Tariffs hurt harbours - unions"),
    ("Two dead in Dol fire", "Two dead in Dol fire: what we know"),
    ("Ministry denies plan to merge courts", "Ministry denies plan to merge ports"),
    ("3 dead after harbour blast", "dead after harbour blast"),
    ("1. Mai: Tausende in Wendelsbrook", "2. Mai: Tausende in Wendelsbrook"),
    ("Is the mayor leaving?", "Is the mayor leaving"),
    ("Emirates calendar 2021", "Emirates calendar 2022"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_variants_of_a_headline_are_one(one: str, other: str) -> None:
    keys = group_headlines([one, other])
    assert keys[0] == keys[1]


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_other_news_stays_apart(one: str, other: str) -> None:
    keys = group_headlines([one, other])
    assert keys[0] != keys[1]


def test_a_truncated_text_that_fits_two_stays_alone() -> None:
    keys = group_headlines(
        [
            "Court to review emergency powers",
            "Court to review emergency budget",
            "Court to review emergency …",
        ]
    )
    assert len(set(keys)) == 3


def test_two_cuts_of_one_unknown_text_stay_apart() -> None:
    assert len(set(group_headlines(["Court to review emergency po…", "Court to review emergency …"]))) == 2


def test_a_short_cut_joins_nothing() -> None:
    assert len(set(group_headlines(["Court …", "Court to review emergency powers"]))) == 2


def test_canonical_text_is_whole_then_short_then_small() -> None:
    texts = ["LIVE: Court reviews powers", "Court reviews powers", "court reviews powers", "Court rev…"]
    assert canonical_text(texts) == "Court reviews powers"


headline_texts = st.lists(
    st.one_of(
        st.text(max_size=60),
        st.sampled_from([text for pair in SAME + DIFFERENT for text in pair]),
    ),
    max_size=12,
)


@given(headline_texts, st.randoms(use_true_random=False))
def test_groups_do_not_depend_on_order(texts: list[str], randomness: random.Random) -> None:
    order = list(range(len(texts)))
    randomness.shuffle(order)
    straight = group_headlines(texts)
    shuffled = group_headlines([texts[index] for index in order])
    assert [straight[index] for index in order] == shuffled


@given(st.text(min_size=1, max_size=200))
def test_a_key_is_never_empty_for_a_text_that_shows_something(text: str) -> None:
    assert bool(headline_key(text)) or not text.strip()
    assert is_truncated(text) == headline_key(text).endswith("…")


def test_hard_negatives_stay_apart() -> None:
    if not PAIRS.exists():
        pytest.skip("the evaluation pairs are not beside this checkout")
    with gzip.open(PAIRS, "rt", encoding="utf-8") as lines:
        pairs = [json.loads(line) for line in lines]
    negatives = [pair for pair in pairs if pair["label"] == 0]
    merged = [pair for pair in negatives if len(set(group_headlines([pair["a"], pair["b"]]))) == 1]
    assert len(negatives) > 500
    assert len(merged) <= 2, [(pair["a"], pair["b"]) for pair in merged]


def test_articles_are_named_by_url_within_their_own_site() -> None:
    extraction = Extraction(
        is_article=True,
        title="Ferry delayed",
        body=["It is."],
        canonical_url="https://post.example.com/ferry",
    )
    assert article_key(extraction, "https://www.example.com/a?utm_source=x").startswith("url:https://post.ex")
    assert "other.org" in article_key(extraction, "https://other.org/a")
    assert article_key(extraction, None).startswith("text:")


def test_a_story_joins_its_text_and_html_forms() -> None:
    text = Extraction(is_article=True, title="Ferry delayed", body=["It is late.", "Very."])
    html = Extraction(is_article=True, title="FERRY DELAYED", body=["It is late."])
    assert story_key(text) == story_key(html)
    assert story_key(text) != story_key(
        Extraction(is_article=True, title="Ferry delayed", body=["It is not."])
    )
