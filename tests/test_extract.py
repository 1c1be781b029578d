from __future__ import annotations

import pickle
import re
import time
import unicodedata
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup
from bs4.element import NavigableString
from hypothesis import given, settings
from hypothesis import strategies as st

import tasks.clean
from schemas.errors import UndecodablePage
from schemas.records import Extraction
from tasks.extract import EXTRACTOR_VERSION, extract_page, is_markup

HTML = sorted(Path(__file__).parent.glob("pages/html/*.html"))
TEXT = sorted((Path(__file__).parents[1] / "examples").glob("**/*.txt"))


@pytest.mark.parametrize(
    ("content", "content_type", "markup"),
    [
        ("<!DOCTYPE html><title>x</title>", None, True),
        ("\ufeff \n<?xml version='1.0'?>\n<!-- a > b -->\n<HTML lang=en>", None, True),
        ("<p>One</p><p>Two</p><p>Three</p>", None, True),
        ("<p>A fragment of one paragraph.</p>", None, True),
        ("<div>\n  some\n  words\n  in\n  lines\n</div>", "text/html", True),
        (
            "A title\nA line of text\nAnother <b>line</b> with a tag\n<p>and a stray one\nmore text\nmore",
            None,
            False,
        ),
        ('{"@type":"NewsArticle","headline":"<p>x</p>"}\nA title\nSome text\nmore text', None, False),
        ("In 5 < 7 cases p<0.05 held\nand <sources> agreed", None, False),
        ("<p>One</p><p>Two</p><p>Three</p>", "text/plain; charset=utf-8", False),
        ("plain words", "text/html", False),
        ("", None, False),
        ("<!--", None, False),
    ],
)
def test_markup_or_text(content: str, content_type: str | None, markup: bool) -> None:
    assert is_markup(content, content_type) is markup


def test_deciding_takes_linear_time() -> None:
    started = time.process_time()
    for content in (
        "<!-- x -->" * 200_000,
        "<!--" * 500_000,
        " \n" * 1_000_000,
        "<p " * 500_000,
        "<?xml " * 300_000,
    ):
        is_markup(content)
    assert time.process_time() - started < 10


def test_bytes_and_text_give_one_record() -> None:
    page = next(path for path in HTML if path.stem == "modern").read_text("utf-8")
    assert extract_page(page) == extract_page(page.encode())
    legacy = page.replace('charset="utf-8"', 'charset="windows-1252"').encode("cp1252", "xmlcharrefreplace")
    assert extract_page(legacy).body == extract_page(page).body


def test_the_fetch_time_may_be_a_string() -> None:
    page = "<h1>A title of some words</h1><p>2 May 2024</p><p>" + "A sentence of some length. " * 9
    fetched = datetime(2024, 5, 3, tzinfo=UTC)
    assert extract_page(page, fetched_at=fetched) == extract_page(page, fetched_at=fetched.isoformat())
    assert extract_page(page, fetched_at="yesterday").published_at == "2024-05-02"


def test_a_picture_is_refused() -> None:
    with pytest.raises(UndecodablePage):
        extract_page(b"\x89PNG\r\n\x1a\n" + bytes(500), content_type="text/html")


def test_records_travel() -> None:
    for path in HTML:
        record = extract_page(path.read_bytes())
        assert pickle.loads(pickle.dumps(record)) == record
    assert EXTRACTOR_VERSION.isdecimal()


@pytest.mark.parametrize("path", [*HTML, *TEXT], ids=lambda path: path.name)
def test_every_text_of_body_and_headlines_came_through_beautifulsoup(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Letters are replaced inside the soup; a text that went around it would keep its own."""

    class Swapped(BeautifulSoup):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            for string in list(self.find_all(string=True)):
                string.replace_with(NavigableString(re.sub("[aeoäöüéıi]", "å", str(string))))

    page = path.read_text("utf-8")
    before = extract_page(page)
    assert before.body or before.headlines
    monkeypatch.setattr(tasks.clean, "BeautifulSoup", Swapped)
    after = extract_page(page)
    texts = [*after.body, *(headline.text for headline in after.headlines)]
    assert texts
    assert [text for text in texts if re.search("[aeoäöüéıi]", text)] == []


def hygienic(record: Extraction) -> bool:
    values = [
        record.title,
        record.summary,
        record.section,
        record.image_caption,
        *record.authors,
        *record.body,
    ]
    values += [
        value for headline in record.headlines for value in (headline.text, headline.label, headline.byline)
    ]
    return not any(
        unicodedata.category(letter) in ("Cc", "Cs") for value in values if value for letter in value
    )


TAGS = [
    "<p>",
    "</p>",
    "<div class='article-body'>",
    "</div>",
    "<h1>",
    "<a href='/one-two-three'>",
    "</a>",
    "<br>",
]
TAGS += ["<li>", "<table>", "<html>", "<!--", "-->", "<", "<![CDATA[", "<meta name='author' content='", "'>"]
TAGS += ["<script type='application/ld+json'>", '{"@type":"NewsArticle",', "</script>"]
WORDS = [
    "A sentence that is long enough to be taken for a paragraph of prose.",
    "Related: ",
    "By Ann Lee",
    "12 May 2024",
]
WORDS += ["&amp;", "&#0;", "\x00", "\ud800", "\u202e", "\u00ad", "🙂", "\n"]
PIECES = st.sampled_from(TAGS + WORDS)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(PIECES, max_size=40),
    st.none() | st.sampled_from(["https://a.example/b", "not a url", "http://[", "ftp://x/y"]),
)
def test_no_page_is_too_strange(pieces: list[str], url: str | None) -> None:
    assert hygienic(extract_page("".join(pieces), url))
    assert hygienic(
        extract_page("<html>" + "".join(pieces) + "<ul><li><a href='//['>Links to nowhere at all</a>", url)
    )


@settings(max_examples=100, deadline=None)
@given(
    st.binary(max_size=400), st.none() | st.sampled_from(["text/html", "text/plain; charset=utf-16", "x;y=z"])
)
def test_no_bytes_are_too_strange(content: bytes, content_type: str | None) -> None:
    try:
        record = extract_page(content, content_type=content_type)
    except UndecodablePage:
        return
    assert hygienic(record)
