"""Cheap pages made to cost much: work must grow with the size of a page, not with its square."""

from __future__ import annotations

import time

import pytest
from selectolax.lexbor import LexborHTMLParser

from tasks.dedupe import _FOLDED, _VISIBLE, headline_key
from tasks.extract import extract_page
from tasks.html.blocks import NAME_READ, segment
from tasks.html.bounds import bounded

STORY = (
    "<p>The ferry sailed again on Monday, and a brass band met it on the quay, where people had waited.</p>"
)
LINKS = "<ul>" + '<li><a href="/news/{0}-of-town">Headline number {0} about things in town</a></li>' + "</ul>"


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("<html><body>" + "<div>" * 200_000 + "x", id="nested elements"),
        pytest.param("<html><body>" + "<div><b>" * 60_000 + "</x>" * 60_000, id="nested, closed by others"),
        pytest.param("<html><body><p " + " ".join(f"a{n}=1" for n in range(100_000)) + ">x", id="attributes"),
        pytest.param(
            "<html><body><p " + " ".join(f"a{n}" for n in range(100_000)) + ">x", id="bare attributes"
        ),
        pytest.param(f"<html><title>{'A - ' * 300_000}</title><body>{STORY}", id="title of many parts"),
        pytest.param("Title\nBy Ilse Varga\n" + " " * 300_000 + "x\n", id="blanks"),
        pytest.param("Title\n" + "[ " * 200_000, id="brackets"),
        pytest.param("<html><body>" + "<!--" * 200_000, id="comments never closed"),
        pytest.param("<html><body>" + "<p a='" * 100_001, id="quotes never closed"),
        pytest.param("<html><body>" + "<script>" * 100_000, id="scripts never closed"),
    ],
)
def test_a_hostile_page_takes_seconds_at_most(content: str) -> None:
    begun = time.process_time()
    extract_page(content, "https://a.example/x")
    assert time.process_time() - begun < 8


def test_many_links_cost_in_proportion_and_at_most_a_thousand_headlines_are_kept() -> None:
    seconds = []
    for count in (4_000, 8_000):
        page = f"<html><body><h1>News</h1>{STORY * 4}{''.join(LINKS.format(n) for n in range(count))}"
        begun = time.process_time()
        found = extract_page(page, "https://a.example/x")
        seconds.append(time.process_time() - begun)
        assert len(found.headlines) == 1_000
        assert found.headlines[0].text == "Headline number 0 about things in town"
    assert seconds[1] < 3.5 * seconds[0] + 0.1


def test_a_text_page_keeps_at_most_a_thousand_headlines() -> None:
    page = "Most read\n" + "\n".join(
        f"Council votes on fountain number {n} in the old town" for n in range(3_000)
    )
    assert 0 < len(extract_page(page).headlines) <= 1_000


def test_what_is_within_the_bounds_is_left_alone() -> None:
    page = "<html><body>" + "<div><!-- <div> --><p class='a > b'>x</p><br></div>" * 6_000
    assert bounded(page) == page


def test_text_below_the_bound_stays() -> None:
    page = "<div>" * 10_000 + "deep <b>text</b>" + "</div>" * 10_000 + STORY
    assert "deep" in bounded(page)
    assert STORY in bounded(page)
    assert bounded(page).count("<div>") == bounded(page).count("</div>") < 10_000


def test_a_long_value_is_not_many_attributes() -> None:
    page = (
        f'<img src="data:image/png;base64,{"iVBORw0KGgo" * 2_000}" data-words="{"a b " * 3_000}" alt="Quay">'
    )
    assert bounded(page) == page
    many = " ".join(f"a{n}=1" for n in range(5_000))
    assert bounded(f"<p>one</p><p {many}>two</p>") == "<p>one</p><p>two</p>"


def test_a_million_code_points_leave_nothing_behind() -> None:
    for first in range(0x20000, 0x110000, 0x4000):
        headline_key("".join(map(chr, range(first, first + 500))))
    assert max(_FOLDED) < 0x10000
    assert max(_VISIBLE) < 0x10000


def test_of_the_names_of_elements_only_the_start_is_kept() -> None:
    page = f'<div class="{"k " * 50_000}" id="{"i" * 50_000}"><p>A paragraph of some words.</p></div>'
    [block] = segment(LexborHTMLParser(page))
    names = [block.place.named, block.place.parent.named if block.place.parent else ""]
    assert NAME_READ < max(map(len, names)) < 3 * NAME_READ


@pytest.mark.parametrize("encoding", ["rot13", "punycode", "unicode_escape", "idna", "undefined", "hex"])
def test_what_is_no_encoding_of_text_is_not_believed(encoding: str) -> None:
    page = f'<html><head><meta charset="{encoding}"><title>F\xe4hre</title></head><body>{STORY * 3}'.encode(
        "cp1252"
    )
    found = extract_page(page, content_type=f"text/html; charset={encoding}")
    assert found.body and found.title == "F\xe4hre"
