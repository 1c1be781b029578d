"""Pages as flattened text: whole pages of our own, and what must never happen to any page."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from schemas.records import Extraction
from tasks.extract import extract_page
from tasks.text.page import extract_text

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "tests" / "pages"
SHARED = ROOT.parent / "shared"


def told(extraction: Extraction) -> dict[str, Any]:
    """What a record says, without what it does not say."""
    record = asdict(extraction)
    record["headlines"] = [[each["label"], each["text"], each["byline"]] for each in record["headlines"]]
    unsaid = ("provenance", "confidence", "word_count", "canonical_url")
    return {name: value for name, value in record.items() if name not in unsaid and value not in (None, [])}


@pytest.mark.parametrize("page", sorted((PAGES / "text").glob("*.txt")), ids=lambda path: path.stem)
def test_page(page: Path) -> None:
    assert told(extract_text(page.read_text("utf-8"), None, None)) == json.loads(
        page.with_suffix(".json").read_text("utf-8")
    )


def test_seed_page_in_every_field() -> None:
    expected = json.loads((PAGES / "seed.expected.json").read_text("utf-8"))
    record = asdict(extract_page((ROOT / "examples" / "seed.txt").read_text("utf-8")))
    for headline in record["headlines"]:
        assert headline.pop("href") is None
    assert {name: record[name] for name in expected} == expected


def test_seed_page_is_the_shared_one() -> None:
    shared = SHARED / "seed" / "page.txt"
    if not shared.exists():
        pytest.skip("the shared seed page is not beside this checkout")
    assert (ROOT / "examples" / "seed.txt").read_bytes() == shared.read_bytes()


@pytest.mark.parametrize("case", sorted((SHARED / "pages-dev").glob("*.txt")), ids=lambda path: path.stem)
def test_shared_cases(case: Path) -> None:
    gold = json.loads(case.with_suffix(".json").read_text("utf-8"))
    with case.open(encoding="utf-8", errors="replace", newline="") as file:
        record = extract_text(file.read(), None, None)
    optional = set(gold.get("body_optional", []))
    assert record.is_article == gold["is_article"]
    assert [text for text in record.body if text not in optional] == gold["body"]
    assert [(each.label, each.text, each.byline) for each in record.headlines] == [
        (each["label"], each["text"], each["byline"]) for each in gold["headlines"]
    ]
    if gold["is_article"]:
        assert (record.title, record.summary) == (gold["title"], gold["summary"])


PARAGRAPHS = (
    "The harbour board said on Monday that the old crane would be taken down before the winter storms come.",
    "Two companies have offered to buy the steel, and a museum has asked for the cabin and the seat.",
    "Residents who remember the crane at work gathered on the quay in the morning to take photographs of it.",
)


def flat(*lines: str) -> Extraction:
    return extract_text("\n".join(lines), None, None)


def test_list_labels_end_the_body_and_carry_their_headlines() -> None:
    page = flat(
        "Old harbour crane to come down",
        *PARAGRAPHS,
        "Most read",
        "1 Goat found on roof again",
        "2 Fog closes bridge for a day",
    )
    assert page.body == list(PARAGRAPHS)
    assert [(each.label, each.text) for each in page.headlines] == [
        ("Most read", "Goat found on roof again"),
        ("Most read", "Fog closes bridge for a day"),
    ]


def test_sponsored_lists_tags_and_comments_hold_no_headlines() -> None:
    page = flat(
        "Old harbour crane to come down",
        *PARAGRAPHS,
        "Tags",
        "harbour crane demolition museum",
        "Sponsored Links by Adzuba",
        "Seniors are rushing to get these hearing aids",
        "Leave a Reply",
        "I will miss the old crane very much indeed",
    )
    assert (page.body, page.headlines) == (list(PARAGRAPHS), [])


def test_own_title_is_never_a_sidebar_headline() -> None:
    title = "Old harbour crane to come down"
    page = flat(title, *PARAGRAPHS, "Latest news", title, "Fog closes bridge for a day")
    assert [each.text for each in page.headlines] == ["Fog closes bridge for a day"]


def test_byline_below_a_headline_belongs_to_it() -> None:
    page = flat(
        "Old crane to come down",
        *PARAGRAPHS,
        "Explore",
        "Why cranes fascinate us all",
        "By Ann Lee",
        "Fog closes bridge",
    )
    assert [(each.text, each.byline) for each in page.headlines] == [
        ("Why cranes fascinate us all", "Ann Lee"),
        ("Fog closes bridge", None),
    ]


def test_paragraphs_broken_at_links_are_joined() -> None:
    whole = (
        "The harbour board said on Monday that the old crane would be gone, as the Courier reported first."
    )
    page = flat(
        "Old harbour crane to come down",
        "The harbour board said on Monday that the",
        "old crane",
        "would be gone, as the",
        "Courier",
        "reported first.",
        *PARAGRAPHS[1:],
    )
    assert page.body == [whole, *PARAGRAPHS[1:]]


def test_pasted_json_gives_fields_and_no_text() -> None:
    pasted = (
        '{"@context":"https://schema.org","@type":"NewsArticle","headline":"Old crane",'
        '"datePublished":"2024-05-06T07:08:00+02:00","author":[{"name":"Ann Lee"}]}'
    )
    page = flat(pasted, "Old harbour crane to come down", *PARAGRAPHS)
    assert page.published_at == "2024-05-06T07:08+02:00"
    assert (page.authors, page.body) == (["Ann Lee"], list(PARAGRAPHS))
    assert page.provenance["published_at"] == "jsonld"


def test_url_words_tell_the_title_from_its_neighbours() -> None:
    lines = ["Harbour board weighs its options this winter", "Old crane to come down at last", *PARAGRAPHS]
    page = extract_text(
        "\n".join(lines), "https://courier.example/news/old-crane-to-come-down-at-last-8812", None
    )
    assert page.title == "Old crane to come down at last"


def test_empty_text_is_no_article() -> None:
    for text in ("", "\n \n\x00\n", "<script>var a = 1;</script>"):
        assert (flat(text).is_article, flat(text).reason) == (False, "empty")


HOSTILE = {
    "one line": "word " * 400_000,
    "no spaces": "x" * 2_000_000,
    "short lines": "ab\n" * 100_000,
    "headlines": "Goat found on harbour roof again today\n" * 15_000,
    "labels": "Most read\nRelated\n" * 9_000,
    "angles": "<" * 400_000,
    "open tags": "<p " * 200_000,
    "nested": "<div>" * 15_000 + "text",
    "comments": "<!--" * 200_000,
    "entities": "&amp;" * 500_000,
    "json": '{"@type":' * 200_000,
    "digits": "1 " * 500_000,
    "dates": "12 May 2024 " * 100_000,
    "commas": "Ann, " * 500_000,
    "fragments": "the old\ncrane,\n" * 9_000,
    "crumbs": "Home / " * 300_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_takes_linear_time(name: str) -> None:
    text = HOSTILE[name]
    half = _seconds(text[: len(text) // 2])
    whole = _seconds(text)
    assert whole < 20
    assert whole < 4 * half + 0.5, f"{half:.2f} s for a half, {whole:.2f} s for the whole"


def _seconds(text: str) -> float:
    begin = time.process_time()
    extract_text(text, None, None)
    return time.process_time() - begin


def test_capture_time_bounds_what_is_a_date() -> None:
    text = "\n".join(["Old harbour crane to come down", "Published: 08/04/2024", *PARAGRAPHS])
    assert extract_text(text, None, None).published_at == "2024-08-04"
    assert extract_text(text, None, datetime(2024, 4, 10, tzinfo=UTC)).published_at == "2024-04-08"
