"""Sidebar headlines of pages of markup: which links are headlines, and what stands around them."""

from __future__ import annotations

import pytest

from tasks.html.page import extract_html

PROSE = "A sentence of some length. " * 9
SITE = "https://www.skerrypost.example"
STORY = f"<article><h1>Ferry line reopens after nine years</h1>{f'<p>{PROSE}</p>' * 4}</article>"


def listed(*markup: str) -> list[list[str | None]]:
    """[text, label, byline, path] of each headline that a page lists behind its article."""
    page = f"<html><body><main>{STORY}</main>{''.join(markup)}</body></html>"
    found = extract_html(page, f"{SITE}/news/ferry-line-reopens-4711", None).headlines
    return [[h.text, h.label, h.byline, (h.href or "").removeprefix(SITE)] for h in found]


def texts(*markup: str) -> list[str | None]:
    return [text for text, *_ in listed(*markup)]


def link(text: str, path: str | None = None, attributes: str = "") -> str:
    slug = "-".join("".join(c if c.isalnum() else " " for c in text.lower()).split())
    return f'<a href="{path or f"/news/{slug}-4688"}" {attributes}>{text}</a>'


LONG = "Seals return to West Bay after forty years, and the village puts up with the noise"
PAID = "rel='nofollow sponsored'"
SEALS = "Seals return to West Bay"
LIGHTS = "Council votes on harbour lights"
RING = "Baker finds wedding ring in sourdough"


@pytest.mark.parametrize(
    "inside",
    [
        f"<em>1h ago</em><span>{SEALS}</span>",
        f"<time>vor 18 Stunden</time><span>{SEALS}</span>",
        f"<span class='badge'>Premium</span> {SEALS}",
        f"<span>Abo</span><span class='t'>{SEALS}</span>",
        f"<span class='visually-hidden'>Article :</span> {SEALS}",
        f"<span class='kicker'>Wildlife</span> <span>{SEALS}</span>",
        f"{SEALS} <span class='comment-count'>17</span>",
        f"<div class='x'>Wildlife</div><div class='y'>{SEALS}</div>",
        f"<h4>On the sands</h4><h3>{SEALS}</h3>",
        f"<h3>Islands</h3><h4>{SEALS}</h4>",
        f"<h3>{SEALS}</h3><p>Forty animals were counted last week, more than ever since counting began.</p>",
        f"<div>{SEALS}</div><div>Forty animals were counted last week, more than in any winter before.</div>",
        f"<figure><figcaption>A seal on Monday. Photo: R. Keel</figcaption></figure><h3>{SEALS}</h3>",
        f"<div class='card__rubric'>The long column of Una</div><div class='card__title'>{SEALS}</div>",
        f"{SEALS} | video | mehr",
    ],
)
def test_of_a_card_the_headline_alone_is_kept(inside: str) -> None:
    cards = [f'<li><a href="/news/one-two-three-1234">{inside}</a></li>', f"<li>{link(RING)}</li>"]
    assert texts("<section><h3>Most read</h3><ul>", *cards, "</ul></section>") == [SEALS, RING]


def test_a_card_is_one_sighting_although_a_byline_parts_it() -> None:
    card = (
        f"<article><h3>{link(SEALS)}</h3><span class='author'>By Una Firth</span>"
        f"<p>{link('Forty animals were counted on the sands.', '/news/seals-return-to-west-bay-4688')}</p>"
        "</article>"
    )
    assert listed(f"<section><h2>Most read</h2>{card}</section>") == [
        [SEALS, "Most read", "Una Firth", "/news/seals-return-to-west-bay-4688"]
    ]


def test_a_byline_goes_to_the_headline_it_stands_closest_to() -> None:
    above = "".join(
        f"<li><p class='author'>{name}</p><h4>{link(text)}</h4></li>"
        for name, text in (("Una Firth", SEALS), ("Tom Berwick", LIGHTS))
    )
    assert [row[2] for row in listed(f"<ul>{above}</ul>")] == ["Una Firth", "Tom Berwick"]
    below = "".join(
        f"<li><h4>{link(text)}</h4><p class='author'>{name}</p></li>"
        for name, text in (("Una Firth", SEALS), ("Tom Berwick", LIGHTS))
    )
    assert [row[2] for row in listed(f"<ul>{below}</ul>")] == ["Una Firth", "Tom Berwick"]
    assert [row[2] for row in listed("<p>By Una Firth</p><h3>Most read</h3>", link(SEALS))] == [None]


def test_a_headline_that_begins_like_a_byline_is_one() -> None:
    assert texts(f"<ul><li>{link('Von der Mole bis zum Leuchtturm')}</li></ul>") == [
        "Von der Mole bis zum Leuchtturm"
    ]


def test_a_label_is_the_lists_and_no_kicker_or_title_of_another_block() -> None:
    kickers = "".join(
        f"<div class='card'><h4>{kicker}</h4><h3>{link(text)}</h3></div>"
        for kicker, text in (("Explained", SEALS), ("Interview", LIGHTS), ("Big read", RING))
    )
    assert {row[1] for row in listed(f"<section><h2>Editor's picks</h2>{kickers}</section>")} == {
        "Editor's picks"
    }
    others = (
        "<aside><section><h3>Stay on board</h3>"
        "<p>Our letter tells you every Friday morning what the islands talk about.</p></section>"
        f"<ul><li>{link(SEALS)}</li><li>{link(LIGHTS)}</li></ul></aside>"
    )
    assert {row[1] for row in listed(others)} == {None}
    two = (
        f"<aside><h3>Harbour front</h3><ul><li>{link(SEALS)}</li><li>{link(LIGHTS)}</li></ul>"
        f"<h3>Kitchen</h3><ul><li>{link(RING)}</li><li>{link('Twelve ways to cook dulse')}</li></ul></aside>"
    )
    assert [row[1] for row in listed(two)] == ["Harbour front", "Harbour front", "Kitchen", "Kitchen"]


def test_a_label_may_lead_to_the_whole_list() -> None:
    heading = "<h2><a href='/islands/'>The islands</a></h2>"
    section = listed(f"<section>{heading}<p>{link(SEALS)}</p><p>{link(RING)}</p></section>")
    assert [row[:2] for row in section] == [[SEALS, "The islands"], [RING, "The islands"]]


@pytest.mark.parametrize(
    ("label", "kept"),
    [("Lesen Sie auch", "Lesen Sie auch"), ("Harbour", None), (SEALS, None), ("Monday, 6 May 2024", None)],
)
def test_over_one_headline_only_the_words_of_a_label_count(label: str, kept: str | None) -> None:
    assert [row[1] for row in listed(f"<aside><h3>{label}</h3><p>{link(SEALS)}</p></aside>")] == [kept]


@pytest.mark.parametrize(
    "links",
    [
        [link(text) for text in ("Island ferry times", "Harbour lights", "Gold price", "Seals", "Storm Una")],
        [link("Sport", "/sport/"), link("Politics", "/politics/"), link("Island life now")],
        [link("Read this story now", f"/news/a-b-c-{number}") for number in range(1, 6)],
        [
            link(f"{sport}: round number {number}", f"/tv/programme-of-{sport}-1234")
            for number in range(1, 5)
            for sport in ("sailing", "curling")
        ],
    ],
    ids=["topics", "menu", "one text, many targets", "one target, many texts"],
)
def test_lists_of_links_that_are_no_headlines(links: list[str]) -> None:
    assert texts("<div><ul>", *(f"<li>{one}</li>" for one in links), "</ul></div>") == []


def test_topics_are_none_although_they_lead_to_stories() -> None:
    topics = "".join(
        f"<li>{link(text)}</li>" for text in ("Island ferry war talks", "Gold price today", LONG)
    )
    assert texts(f"<section><h3>Trending topics</h3><ul>{topics}</ul></section>") == [LONG]


def test_short_headlines_count_under_the_label_of_a_list() -> None:
    short = ("Seals are back", "Lights out again", "Baker finds ring")
    items = "".join(f"<li>{link(text)}</li>" for text in short)
    assert texts(f"<section><h3>Most read</h3><ul>{items}</ul></section>") == list(short)


def test_two_words_count_between_headlines_under_a_label() -> None:
    items = [link("Live updates"), link(SEALS), link(RING), link("Storks return"), link("Read more")]
    assert texts("<section><h3>Most read</h3>", *items, "</section>") == [
        "Live updates", SEALS, RING, "Storks return",
    ]  # fmt: skip
    menu = [link("Live scores"), link("Storks return"), link("Weather maps"), link(SEALS)]
    assert texts("<section><h3>Our pages</h3>", *menu, "</section>") == [SEALS]


@pytest.mark.parametrize(
    "target",
    [
        "/tags/seals-of-the-west-bay",
        "/autor/una-firth-of-the-bay",
        "/sponsored/seals-return-to-west-bay-12345",
        "/annonse/seals-return-to-west-bay/12345",
        "/advertise-with-us?from=rail",
        "/subscribe-offer?sid=1234567",
        "/files/seals-return-to-west-bay-4688.pdf",
        "https://jobs.skerrypost.example/seals-return-to-west-bay-1",
        "https://shop.skerrypost.example/seals-return-to-west-bay-1",
        "https://elsewhere.example/seals-return-to-west-1",
        "/news/ferry-line-reopens-4711?utm_source=rail",
        "/",
        "#seals-return-to-west-bay",
        "mailto:seals@west-bay-1.example",
        "/regions/west-bay/index.html",
        "/veranstaltungen?action=show&amp;id=3232",
        "/thema/seals-of-the-west-bay",
    ],
)
def test_links_that_lead_to_no_other_story(target: str) -> None:
    assert texts(f"<ul><li>{link(SEALS, target)}</li></ul>") == []


def test_a_link_that_other_stories_lie_below_is_a_section() -> None:
    items = (
        link("All that happens in the western isles now", "/the-western-isles-today"),
        link(SEALS, "/the-western-isles-today/seals-return-4688"),
    )
    assert texts("<ul>", *(f"<li>{item}</li>" for item in items), "</ul>") == [SEALS]


@pytest.mark.parametrize(
    "text",
    [
        "See all the news from the islands",
        "Mehr ähnliche Nachrichten lesen",
        "Ver más noticias de última hora",
        "Kapitän für die Inselfähre (m/w/d)",
        "vor 18 Stunden",
        "1. Februar 2022",
        "Related stories",
    ],
)
def test_texts_that_are_no_headline_wherever_they_lead(text: str) -> None:
    assert texts(
        f"<section><h3>Most read</h3><ul><li>{link(text)}</li><li>{link(SEALS)}</li></ul></section>"
    ) == [SEALS]


@pytest.mark.parametrize(
    "markup",
    [
        f"<section><h3>Sponsored</h3><ul><li>{link(SEALS)}</li><li>{link(RING)}</li></ul></section>",
        f"<section><h3>Anzeige</h3><p>{link(SEALS)}</p></section>",
        f"<div id='taboola-below'><h3>Most read</h3><p>{link(SEALS)}</p></div>",
        f"<ul><li>{link(SEALS, attributes=PAID)}</li></ul>",
        f"<ul><li><a rel='sponsored' href='/news/seals-return-to-bay-1'><h3>{SEALS}</h3></a></li></ul>",
    ],
)
def test_what_somebody_paid_for_is_left_out(markup: str) -> None:
    assert texts(markup) == []


def test_class_names_are_read_with_care() -> None:
    for name in ("css-1hg11ad", "hide-read-more-ad", "has-comments", "page-ad-hidden"):
        assert texts(f"<div class='{name}'><h3>{link(SEALS)}</h3></div>") == [SEALS]
    for name in ("top-ad", "ad-slot", "globalnav", "comments"):
        assert texts(f"<div class='{name}'><h3>{link(SEALS)}</h3></div>") == []


def between_paragraphs(markup: str) -> list[list[str | None]]:
    text = f"<p>{PROSE}</p><p>{PROSE}</p>{markup}<p>{PROSE}</p>"
    page = f"<article><h1>Ferry line reopens</h1><div class='text'>{text}</div></article>"
    found = extract_html(f"<html><body>{page}</body></html>", f"{SITE}/news/ferry-line-reopens-4711", None)
    return [[headline.text, headline.label] for headline in found.headlines]


@pytest.mark.parametrize(
    ("markup", "label"),
    [
        (f"<p>Related: {link(SEALS)}</p>", "Related"),
        (f"<p><strong>Lesen Sie auch:</strong> {link(SEALS)}</p>", "Lesen Sie auch"),
        (
            f"<div><span>Lire aussi :</span><span>Article réservé à nos abonnés {link(LONG)}</span></div>",
            "Lire aussi",
        ),
        (f"<p>{link(SEALS)}</p>", None),
        (f"<aside><h4>Read more</h4>{link(SEALS)}</aside>", "Read more"),
    ],
)
def test_a_single_related_link_in_the_text_is_a_headline(markup: str, label: str | None) -> None:
    assert between_paragraphs(markup) == [[LONG if LONG in markup else SEALS, label]]


@pytest.mark.parametrize(
    "sentence",
    [
        f"<p>The band {link('received seven nominations for the prize of the year')} and went home.</p>",
        f"<p>On Saturday {link('he won the caucuses in both of the northern states')}, by a lot.</p>",
    ],
)
def test_links_in_a_sentence_are_no_headlines(sentence: str) -> None:
    assert between_paragraphs(sentence) == []


def test_headlines_behind_a_second_tab_are_found_in_their_place() -> None:
    first = f"<ul><li>{link(SEALS)}</li><li>{link(LIGHTS)}</li></ul>"
    tabs = "".join(
        f"<li>{link(text)}</li>"
        for text in (RING, "Storm Una takes the pier at Solan", "Ferry fares stay frozen until spring", SEALS)
    )
    last = f"<ul><li>{link('Lighthouse keeper writes a cookery book')}</li></ul>"
    for how in ("style='display: none'", "hidden", "aria-hidden='true'"):
        assert texts(first, f"<ul {how}>{tabs}</ul>", last) == [
            SEALS,
            LIGHTS,
            RING,
            "Storm Una takes the pier at Solan",
            "Ferry fares stay frozen until spring",
            "Lighthouse keeper writes a cookery book",
        ]


def test_what_is_hidden_otherwise_stays_hidden() -> None:
    menu = "".join(f"<li>{link(t, f'/{t.lower()}/')}</li>" for t in ("Sport", "Politics", "Islands"))
    assert (
        texts(
            f"<ul hidden>{menu}<li>{link('All our ferry stories')}</li></ul>",
            f"<div hidden><p>{link(RING)}</p></div>",
        )
        == []
    )
    hidden = (
        f"<html><body>{STORY.replace('<p>', f'<div hidden><p>{PROSE}{PROSE}</p></div><p>', 1)}</body></html>"
    )
    assert PROSE.strip() + " " + PROSE.strip() not in extract_html(hidden, None, None).body
