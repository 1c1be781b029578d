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


TITLE = "Old harbour crane to come down"
NEWS = (
    "Ferry captain fined for racing a swan across the bay",
    "Library lends out its last typewriter after forty years",
    "Snow closes the upper valley road until further notice",
)
MORE_NEWS = (
    "Council has no idea why a cow stands on the ring road",
    "Choir without a conductor finds its beat at last",
    "First picture of the dog that saved a village shop",
)


def listed(*below: str, above: tuple[str, ...] = ()) -> list[tuple[str | None, str]]:
    """(label, text) of what a page lists whose body is followed by these lines."""
    page = flat(*above, TITLE, *PARAGRAPHS, *below)
    assert page.body == list(PARAGRAPHS)
    return [(each.label, each.text) for each in page.headlines]


def told_headlines(*lines: str) -> list[tuple[str | None, str]]:
    return [(each.label, each.text) for each in flat(*lines).headlines]


def under(label: str | None, *texts: str) -> list[tuple[str | None, str]]:
    return [(label, text) for text in texts]


def test_a_menu_or_tags_below_a_list_end_it() -> None:
    menu = ("About us", "Jobs", "Our journalists", "Terms", "Privacy", "Work at the Courier", "Letters page")
    assert listed("Most read", *NEWS, *menu) == under("Most read", *NEWS)
    assert listed("Read more", "Harbours", "Cranes", "Museums", "Steel", "Port of Borna") == []


def test_a_label_above_a_menu_opens_no_list() -> None:
    menu = ("Latest", "Politics", "Our region", "Long reads", "Crime", "The magazine today", "Weather map")
    assert listed("Most read", *NEWS, above=menu) == under("Most read", *NEWS)


def test_short_headlines_under_a_label_are_kept() -> None:
    short = ("Bus fares rise again", "Mayor quits at last", "Rain ends long drought")
    assert listed("Latest news", *short) == under("Latest news", *short)


def test_cards_without_a_label_count_where_there_are_three() -> None:
    cards = [line for text in NEWS for line in ("Local", text, "3 hours ago")]
    assert listed("Tags", "harbour", "crane", "museum", *cards) == under(None, *NEWS)
    assert listed("Share", *cards) == under(None, *NEWS)
    assert listed("Share", *cards[:6]) == []


def test_kickers_teasers_and_times_are_no_headlines() -> None:
    with_kickers = [
        line
        for pair in zip(("Ferry race", "Old machines", "Winter roads"), NEWS, strict=True)
        for line in pair
    ]
    assert listed("Read next", *with_kickers) == under("Read next", *NEWS)
    with_teasers = [
        line for text in NEWS for line in (text, "Nobody had expected it this early in the year.")
    ]
    assert listed("Read next", *with_teasers) == under("Read next", *NEWS)
    with_times = [
        line for text in NEWS for line in (text, "Yesterday 22.41", "2:40 PM GMT+3 · Updated 9 mins ago")
    ]
    assert listed("Read next", *with_times) == under("Read next", *NEWS)
    glued = [f"{text} · 3:12 PM GMT+3" for text in NEWS]
    assert listed("Read next", *glued) == under("Read next", *NEWS)


def test_numbers_are_taken_off_where_they_count() -> None:
    numbered = [f"{number}{text}" for number, text in enumerate(NEWS, 1)]
    offer = "Only subscribers can save this page for later reading"
    assert listed("Most read", *numbered, offer) == under("Most read", *NEWS)
    own = "14 signs that your neighbour keeps a goat in the attic"
    assert listed("Most read", own, *NEWS) == under("Most read", own, *NEWS)
    comments = [f"{text}{count}" for text, count in zip(NEWS, (176, 64, 9), strict=True)]
    assert listed("Most read", *comments) == under("Most read", *NEWS)


def test_a_badge_glued_in_front_is_taken_off() -> None:
    assert listed("Sur le même sujet", *(f"Abonné{text}" for text in NEWS)) == under(
        "Sur le même sujet", *NEWS
    )


def test_an_unknown_label_above_a_first_number_is_one() -> None:
    ranked = [line for number, text in enumerate(NEWS, 1) for line in (str(number), text)]
    first = "Choir without a conductor finds its beat at last"
    assert listed("Latest news", first, "The week in numbers", *ranked) == [
        ("Latest news", first),
        *under("The week in numbers", *NEWS),
    ]


def test_what_repeats_between_headlines_is_not_one() -> None:
    lines = [line for text in NEWS for line in ("Now playing next", text)]
    assert listed("Top stories", *lines) == under("Top stories", *NEWS)


@pytest.mark.parametrize("text", ["Live updates", "Morning briefing", "Storks return"])
def test_a_headline_of_two_words_stands_where_the_others_do(text: str) -> None:
    lines = [*NEWS, text, *MORE_NEWS]
    assert listed("Most read", *lines) == under("Most read", *lines)
    timed = [line for each in lines for line in ("10:15", each)]
    assert listed("Most read", *timed) == under("Most read", *lines)
    ranked = [line for number, each in enumerate(lines, 1) for line in (str(number), each)]
    assert listed("Most read", *ranked) == under("Most read", *lines)


@pytest.mark.parametrize("text", ["Ann Lee", "Culture news"])
def test_a_name_or_a_kicker_of_two_words_is_no_headline(text: str) -> None:
    lines = [line for each in (*NEWS, *MORE_NEWS) for line in (text, each)]
    assert listed("Most read", *lines) == under("Most read", *NEWS, *MORE_NEWS)


def test_one_short_line_more_than_between_the_entries_is_the_next_label() -> None:
    kicked = [line for each in NEWS for line in ("Region", each)]
    more = [line for each in MORE_NEWS for line in ("Region", each)]
    assert listed("Most read", *NEWS, "Opinion", *MORE_NEWS) == [
        *under("Most read", *NEWS),
        *under("Opinion", *MORE_NEWS),
    ]
    assert listed("Most read", *kicked, *more) == under("Most read", *NEWS, *MORE_NEWS)


def test_two_paragraphs_end_a_list_and_one_is_a_teaser() -> None:
    teasers = [line for each in NEWS for line in (each, PARAGRAPHS[0])]
    assert [text for _, text in told_headlines(TITLE, *PARAGRAPHS, "Tags", "Most read", *teasers)] == list(
        NEWS
    )
    figures = ("Player ratings", "Borna: Stone 5; Mills 6, Ojo 6, Roy 4; Lee 8")
    lines = (TITLE, *PARAGRAPHS, "Tags", "Read more", NEWS[0], *PARAGRAPHS[:2], *figures)
    assert told_headlines(*lines) == under("Read more", NEWS[0])


def test_titles_cut_to_a_length_are_headlines() -> None:
    cut = [f"{text[:45]}..." for text in NEWS]
    assert listed("Latest articles", *cut) == under("Latest articles", *cut)


def test_a_prefix_with_a_colon_belongs_to_the_headline() -> None:
    lines = [f"Analysis: {NEWS[0]}", f"[Video] {NEWS[1]}", f"Video | {NEWS[2]}"]
    assert listed("Most read", *lines) == under("Most read", *lines[:2], NEWS[2])


def test_the_picture_and_the_title_of_a_card_are_one() -> None:
    doubled = [line for each in NEWS for line in (each, each, "Bob Roy Stone")]
    assert listed("Most read", *doubled) == under("Most read", *NEWS)


def test_a_menu_line_in_a_list_is_no_headline() -> None:
    menu = ("Home", "World", "Books and the arts", "Magazine", "Shop")
    lines = (NEWS[0], "Books and the arts", NEWS[1], "Books and the arts", NEWS[2])
    assert listed("Most read", *lines, above=menu) == under("Most read", *NEWS)


def test_names_with_roles_are_no_headlines_where_they_recur() -> None:
    roles = ("Ann Lee, head of the board", "Bob Roy, lecturer", "Cara Mills, reader")
    lines = [line for pair in zip(NEWS, roles, strict=True) for line in pair]
    page = flat(TITLE, *PARAGRAPHS, "Latest", *lines)
    assert [(each.text, each.byline) for each in page.headlines] == list(zip(NEWS, roles, strict=True))


def test_who_paid_stands_below_an_advertisement() -> None:
    lines = [
        *(
            "Markets",
            NEWS[0],
            "3 hours ago",
            "Sponsored",
            "Three charts that explain the price of private credit",
        ),
        *("Alder and Finch", "Business", NEWS[1], "4 hours ago"),
    ]
    assert listed("Read next", *lines) == under("Read next", *NEWS[:2])


def test_notices_between_a_menu_and_the_footer_are_no_headlines() -> None:
    menu = ("Newsroom", "Columnists", "Subscriptions", "Delivery", "Archive shop")
    notices = (
        "Ranking of the thousand largest firms",
        "like us here too",
        "News feeds for readers and mobile apps",
    )
    lines = ("Most read", *NEWS, *menu, *notices, "© 2024 Borna Courier")
    assert listed(*lines) == under("Most read", *NEWS)


def test_a_headline_with_its_date_between_paragraphs_is_no_paragraph() -> None:
    page = flat(TITLE, *PARAGRAPHS, NEWS[0], "5 May 2024 14:40", *PARAGRAPHS)
    assert page.body == [*PARAGRAPHS, *PARAGRAPHS]
    assert [(each.label, each.text) for each in page.headlines] == [(None, NEWS[0])]


def test_tables_scores_phones_and_menus_in_one_line_are_no_headlines() -> None:
    noise = (
        *("1 Lesk 20 14 3 3 45", "Borna 2–1 Lesk", "KSM 12.40 ▲ 0.31 (2.56%)", "Newsroom: 24 00 10 00"),
        *(
            "Newest | Best rated | Worst rated",
            "Arna 14° partly cloudy",
            "tips@courier.example for your story",
        ),
        "World NewsCity NewsSports NewsMoney NewsWeather",
    )
    lines = [line for pair in zip(noise, NEWS * 3, strict=False) for line in pair]
    assert {text for _, text in listed("Top stories", *lines)} == set(NEWS)


def test_authors_below_headlines_are_their_bylines() -> None:
    authors = ("Ann Lee", "Bob Roy Stone", "Cara Mills")
    page = flat(
        TITLE,
        *PARAGRAPHS,
        "Opinion pieces",
        "Most read",
        *[x for y in zip(NEWS, authors, strict=True) for x in y],
    )
    assert [(each.text, each.byline) for each in page.headlines] == list(zip(NEWS, authors, strict=True))


def test_a_byline_with_bars_is_no_menu() -> None:
    page = flat(TITLE, "By Ann Lee | alee@courier.example | Borna Courier", "6 May 2024", *PARAGRAPHS)
    assert page.authors == ["Ann Lee"]


def test_a_marked_advertisement_in_a_list_is_left_out() -> None:
    lines = [NEWS[0], "Ad feature", "The beach towel that everyone in town talks about", *NEWS[1:]]
    assert listed("Most read", *lines) == under("Most read", *NEWS)


def test_a_crosshead_below_an_inline_list_stays_in_the_body() -> None:
    page = flat(TITLE, *PARAGRAPHS, "Also read", NEWS[0], "What comes next", *PARAGRAPHS)
    assert page.body == [*PARAGRAPHS, "What comes next", *PARAGRAPHS]
    assert [(each.label, each.text) for each in page.headlines] == [("Also read", NEWS[0])]


def test_questions_and_short_answers_are_body() -> None:
    answers = ("A: By being late.", "A: Gerald, of course.", "A: Nobody ever did, not once in fifty years.")
    talk = [line for answer in answers for line in ("Q: How does one become a crane driver?", answer)]
    page = flat(TITLE, "By Ann Lee", "6 May 2024", *PARAGRAPHS, *talk, PARAGRAPHS[0])
    assert page.body == [*PARAGRAPHS, *talk, PARAGRAPHS[0]]


def test_a_page_that_asks_for_consent_is_no_article() -> None:
    page = flat(
        "We value your privacy",
        "We and our 214 partners store and access information on your device, such as cookies, and process "
        "data such as addresses and standard information that your device sends for advertising.",
        "With your consent we and our partners may use precise location data and identification by scanning "
        "your device. You may click to consent to the processing by us and our partners as described above.",
        "Reject all",
        "Accept all",
    )
    assert (page.is_article, page.reason, page.headlines) == (False, "consent", [])


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


@pytest.mark.parametrize(
    "beside",
    ["Sports | 10 min ago", "News 2 hours ago", "Há 23 minutos — Em Vale do Itamiri", "World // 1 hour ago"],
)
def test_a_time_with_a_place_is_no_headline(beside: str) -> None:
    headlines = ["Ferry runs aground off the northern cape", "Council votes to keep the old market hall"]
    listed = [row for headline in headlines for row in (headline, beside)]
    text = "\n".join(["Old harbour crane to come down", *PARAGRAPHS, "Latest stories", *listed])
    assert [each.text for each in extract_text(text, None, None).headlines] == headlines


def test_a_time_inside_a_headline_is_part_of_it() -> None:
    headlines = ["Diver lost 3 days ago is found alive", "2 hours ago the bridge was still standing here"]
    text = "\n".join(["Old harbour crane to come down", *PARAGRAPHS, "Latest stories", *headlines])
    assert [each.text for each in extract_text(text, None, None).headlines] == headlines


def test_the_body_goes_on_below_a_list_with_kickers_and_names() -> None:
    listed = ["Related stories", "Harbour:", "The lighthouse that moved nine inches", "By Ann Lee"]
    text = "\n".join(["Old harbour crane to come down", *PARAGRAPHS, *listed, *reversed(PARAGRAPHS)])
    record = extract_text(text, None, None)
    assert record.body == [*PARAGRAPHS, *reversed(PARAGRAPHS)]
    assert [(each.label, each.text, each.byline) for each in record.headlines] == [
        ("Related stories", "The lighthouse that moved nine inches", "Ann Lee")
    ]


def test_marks_for_screen_readers_are_no_part_of_headlines() -> None:
    listed = ["list of 2 items", "list 1 of 2Photos: The women milling barley by hand"]
    listed += ["list 2 of 2Ships wait 26 days to unload their grain", "end of list"]
    text = "\n".join(["Old harbour crane to come down", *PARAGRAPHS, "Recommended stories", *listed])
    assert [each.text for each in extract_text(text, None, None).headlines] == [
        "Photos: The women milling barley by hand",
        "Ships wait 26 days to unload their grain",
    ]
