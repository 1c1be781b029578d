"""Pages and inputs made up by Hypothesis, and what must hold of every one of them.

Used by test_fuzz.py for some seconds and by scripts/fuzz.py for as long as asked.
"""

# ruff: noqa: E501  tables of what pages are made of

from __future__ import annotations

import base64
import gzip
import json
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache, reduce
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

import zstandard
from hypothesis import HealthCheck, Phase
from hypothesis import strategies as st
from inputs import HEADERS, RECORDS, STORED, warc_page, warc_record

from schemas.errors import PAGE_REASONS, UndecodablePage
from schemas.records import (
    Batch,
    ExtractedPage,
    Extraction,
    Ignored,
    Limits,
    Page,
    Part,
    Rejection,
    Selection,
)
from tasks.batch import extract_batch, extract_one
from tasks.extract import extract_page
from tasks.fields.labels import MOST_HEADLINES
from tasks.fields.urls import MAX_LENGTH
from tasks.keep import pack_page
from tasks.limits import time_limit
from tasks.plan import NothingKnown, plan
from tasks.postgres.rows import Placements, article_row, page_row
from tasks.read import Found, read_part

ROOT = Path(__file__).resolve().parent.parent
SLOW = Limits(page_seconds=20)
"""What one case may take, made up or not: the limit of a page."""


# --- cases -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PageCase:
    """What `extract_page` is called with."""

    content: str | bytes
    url: str | None = None
    content_type: str | None = None
    fetched_at: datetime | None = None


@dataclass(frozen=True)
class InputCase:
    """A file of the landing zone."""

    suffix: str
    """`.jsonl.gz`: how its name ends."""
    content: bytes
    page_bytes: int = Limits().page_bytes


@dataclass(frozen=True)
class CutCase:
    """A sound file that ends too early."""

    suffix: str
    content: bytes
    kept: int
    """Bytes left of it."""


Case = PageCase | InputCase | CutCase


def to_json(case: Case) -> str:
    """The case as `from_json` reads it."""

    def plain(value: object) -> object:
        if isinstance(value, bytes):
            return {"bytes": base64.b64encode(value).decode()}
        return {"time": value.isoformat()} if isinstance(value, datetime) else value

    said = {name: plain(value) for name, value in asdict(case).items()}
    return json.dumps({"case": type(case).__name__} | said, indent=1)


def from_json(text: str) -> Case:
    """The case that `to_json` wrote."""

    def rich(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return base64.b64decode(value["bytes"]) if "bytes" in value else datetime.fromisoformat(value["time"])

    said = json.loads(text)
    kinds: dict[str, type[Case]] = {kind.__name__: kind for kind in get_args(Case)}
    return kinds[said.pop("case")](**{name: rich(value) for name, value in said.items()})


def check(case: Case) -> None:
    """Raise AssertionError, or whatever comes up, unless all holds that must hold of the case."""
    with time_limit(SLOW):
        if isinstance(case, PageCase):
            check_page(case)
        elif isinstance(case, InputCase):
            check_input(case)
        else:
            check_cut(case)


# --- pages: what must hold ---------------------------------------------------------------------------

_TIMES = {
    "year": r"\d{4}",
    "month": r"\d{4}-\d\d",
    "day": r"\d{4}-\d\d-\d\d",
    "minute": r"\d{4}-\d\d-\d\dT\d\d:\d\d(?:Z|[+-]\d\d:\d\d)?",
    "second": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:Z|[+-]\d\d:\d\d)?",
}
_MOST = {
    "title": 1_000,
    "summary": 10_000,
    "section": 200,
    "language": 3,
    "agency": 200,
    "image_caption": 2_000,
    "image_credit": 2_000,
    "published_raw": 200,
    "updated_raw": 200,
    "canonical_url": MAX_LENGTH,
}
_MOST_OF_HEADLINES = {"text": 1_000, "label": 200, "byline": 400, "href": MAX_LENGTH}
_MOST_AUTHORS, _LONGEST_AUTHOR = 200, 100
_AMBIGUOUS = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f\ufeff]")
"""Characters whose bytes may mean something else: marks, escapes, signs of another format."""
_SIGNS = ("%PDF", "PK", "BZh", "GIF8", "Rar!", "RIFF", "OggS", "ID3", "MZ", "wOF", "SQLite", "7z", "\ufeff")


def check_page(case: PageCase) -> None:
    """A record twice the same, whole, bounded, storable; or one of the declared errors."""
    try:
        found = _extracted(case, case.content)
    except UndecodablePage:
        assert isinstance(case.content, bytes)
        return
    assert _extracted(case, case.content) == found
    check_record(found)
    if isinstance(case.content, str):
        content = case.content.encode("utf-8", "replace")
        if not _AMBIGUOUS.search(case.content) and not case.content.startswith(_SIGNS):
            assert _extracted(case, content) == _extracted(case, content.decode())
    else:
        content = case.content
    page = Page(content, "html", case.url, case.fetched_at, content_type=case.content_type)
    try:
        check_rows(extract_one(page))
    except UndecodablePage:
        assert isinstance(case.content, str)


def _extracted(case: PageCase, content: str | bytes) -> Extraction:
    return extract_page(content, case.url, fetched_at=case.fetched_at, content_type=case.content_type)


def check_record(found: Extraction) -> None:
    assert found.is_article == (found.reason is None)
    assert found.is_article or not found.body
    assert found.word_count >= 0 and 0 <= found.confidence <= 1
    assert found.read_minutes is None or 0 <= found.read_minutes < 1_000
    for name, most in _MOST.items():
        check_line(name, getattr(found, name), most)
    assert isinstance(found.body, list)
    for paragraph in found.body:
        check_line("body", paragraph, None)
    assert isinstance(found.authors, list) and len(found.authors) <= _MOST_AUTHORS
    for author in found.authors:
        assert author
        check_line("authors", author, _LONGEST_AUTHOR)
    if found.published_at is None:
        assert found.published_precision is None and found.published_raw is None
    else:
        assert found.published_precision is not None and found.published_raw
        check_time(found.published_at, found.published_precision)
    if found.updated_at is not None:
        assert found.updated_raw
        assert any(re.fullmatch(form, found.updated_at) for form in _TIMES.values()), found.updated_at
    assert len(found.headlines) <= MOST_HEADLINES
    for headline in found.headlines:
        assert headline.text
        for name, most in _MOST_OF_HEADLINES.items():
            check_line(f"headline {name}", getattr(headline, name), most)


def check_line(name: str, text: str | None, most: int | None) -> None:
    """None, or a clean text on one line."""
    if text is None:
        return
    assert isinstance(text, str) and text and text == text.strip(), (name, text[:40], text[-40:])
    assert most is None or len(text) <= most, (name, len(text), text[:200])
    assert not (found := re.search(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]", text)), (name, found, text[:200])


def check_time(iso: str, precision: str) -> None:
    assert re.fullmatch(_TIMES[precision], iso), (iso, precision)
    if precision not in ("year", "month"):
        datetime.fromisoformat(iso)


def check_rows(page: ExtractedPage) -> None:
    """Its rows can be stored: text that UTF-8 has and PostgreSQL takes, keys and counts in their columns."""
    check_record(page.extraction)
    placed = Placements()
    placed.add(1, page)
    assert len(placed.rows) <= MOST_HEADLINES
    assert (page.article_key is None) == (not page.extraction.is_article) == (page.story_key is None)
    rows: list[object] = [page_row(page), *placed.texts]
    if page.extraction.is_article:
        rows.append(article_row(page))
    for value in _values(rows):
        if isinstance(value, str):
            assert "\0" not in value
            value.encode()
        elif isinstance(value, bytes):
            assert len(value) == 16
        elif isinstance(value, int):
            assert -(2**31) <= value < 2**31
    name = page_row(page)["source"]
    assert name is None or (len(name) <= 260 and name == name.strip() != ""), name[:300]


def _values(value: object) -> Iterator[object]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for each in value:
            yield from _values(each)
    else:
        yield value


# --- inputs: what must hold --------------------------------------------------------------------------


def _parts(path: Path, limits: Limits) -> list[Part]:
    parts = []
    for planned in plan([str(path)], Selection(), NothingKnown(), limits):
        assert isinstance(planned, Part)
        parts.append(planned)
    return parts


def _outcomes(part: Part, limits: Limits) -> list[Found]:
    return list(read_part(part, Selection(), limits))


def check_input(case: InputCase) -> None:
    """One outcome a record, one entry for what cannot be read, the same twice; and its pages hold."""
    limits = Limits(page_bytes=case.page_bytes)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, f"input{case.suffix}")
        path.write_bytes(case.content)
        parts = _parts(path, limits)
        assert _parts(path, limits) == parts
        for one, two in pairwise(parts):
            assert two.first_record == one.first_record + one.record_count
        assert [part.last for part in parts] == [False] * (len(parts) - 1) + [True]
        for part in parts:
            found = _outcomes(part, limits)
            assert _outcomes(part, limits) == found
            _check_outcomes(part, found, limits)
        result = extract_batch(Batch(1, tuple(parts), limits=limits))
    outcomes = sum(
        part.record_count + (part.damage is not None) for part in parts if part.input.format != "txt"
    )
    if parts[0].input.format in ("jsonl", "warc"):
        assert result.read + result.ignored == outcomes
    assert result.read == len(result.pages) + len(result.rejections)
    for rejection in result.rejections:
        assert rejection.reason in PAGE_REASONS and rejection.reason != "extractor_error", rejection.detail
        assert "Traceback" not in rejection.detail and len(rejection.detail) <= 2_000, rejection.detail
    for page in result.pages:
        check_rows(page)


def _check_outcomes(part: Part, found: Sequence[Found], limits: Limits) -> None:
    single = part.input.format in ("txt", "html")
    if not single:
        assert len(found) == part.record_count + (part.damage is not None)
    assert 1 <= len(found) <= 2 or not single
    if part.damage is not None:
        assert isinstance(found[-1], Rejection) and found[-1].reason == "damaged"
    for number, each in enumerate(found, part.first_record):
        if isinstance(each, Page):
            assert len(each.content) <= limits.page_bytes
            assert each.url is None or len(each.url) <= MAX_LENGTH
            assert len(each.key) == len(each.digest) == 16
        if not isinstance(each, Ignored):
            assert each.origin_record == number
            assert each.origin_uri == part.input.uri
            assert each.fetched_at is None or each.fetched_at.tzinfo is not None


def check_cut(case: CutCase) -> None:
    """What is left of a cut file are its first records, and at most one entry for the rest."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, f"input{case.suffix}")
        read = []
        for content in (case.content, case.content[: case.kept]):
            path.write_bytes(content)
            outcomes = [found for part in _parts(path, Limits()) for found in _outcomes(part, Limits())]
            read.append([each for each in outcomes if not isinstance(each, Ignored)])
    whole, left = read
    if left and isinstance(left[-1], Rejection) and left[-1] not in whole:
        assert left[-1].reason == "damaged"
        left = left[:-1]
    assert left == whole[: len(left)]


# --- pages made up -----------------------------------------------------------------------------------

URLS = st.sampled_from(
    (
        None,
        "https://www.paper.example/2025/05/17/ferry-sails-again",
        "http://paper.example",
        "https://user:pw@[2001:db8::1]:8080/a/b?utm_source=x&id=1#top",
        "https://zeitung.example/a//../b/%ff%zz?q=\u202e&&=",
        "ftp://paper.example/x",
        "https://" + "a" * 300 + ".example/" + "b" * 5_000,
        "not an address",
        "https://[::1",
        "https://x:99999/",
        "",
    )
)
CONTENT_TYPES = st.sampled_from(
    (
        None,
        "text/html",
        "text/plain",
        "text/html; charset=utf-8",
        "text/html; charset=iso-8859-1",
        "text/html; charset=shift_jis",
        "text/html; charset=utf-7",
        "text/html; charset=utf-16",
        'text/plain; charset="windows-1251',
        "text/html; charset=rot13",
        "application/pdf",
        ";;=",
    )
)
TIMES = st.sampled_from((None, datetime(2025, 5, 18, 9, 30, tzinfo=UTC), datetime(1999, 12, 31, tzinfo=UTC)))

TEXTS = (
    "The ferry sailed again on Monday, and a brass band met it on the quay, where people had waited for it.",
    "Der Stadtrat stimmt am Dienstag über die Brücke ab; „das ist überfällig“, sagte die Bürgermeisterin.",
    "Le conseil municipal a voté lundi la rénovation du pont, attendue depuis dix ans par les habitants.",
    "市議会は月曜日、橋の改修を承認した。住民は十年間この工事を待っていた。",
    "وافق مجلس المدينة يوم الاثنين على ترميم الجسر الذي انتظره السكان عشر سنوات.",
    "Ferry sails again after ten years",
    "Related stories", "Most read", "Mehr zum Thema", "Lire aussi :", "関連記事", "Explore", "Recommended",
    "By Ilse Varga and Tom O'Hara, Reuters", "Von Jo Doe (dpa)", "Par A. B.", "(AP)", "By", "by by by",
    "Published 17 May 2025 at 14:05 CEST", "Updated: 2025-05-18T09:00:00+02:00", "31/02/2025", "17.5.25",
    "3 hours ago", "9999-12-31T23:59:59-14:00", "0000-00-00", "२०२५-०५-१७", "24:00", "May 2025", "2025",
    "1 January 1990, 00:00 GMT+14", "20 min read", "999 min read", "٣ دقائق", "Photo: Ann Lee/Reuters", "©",
    "[Video]", "1.", "|", " | ", "»", "/", "...", "…", "&", "&amp;", "&lt;b&gt;", "&#0;", "&#xD800;", "&#x10FFFF;",
    "&#99999999999;", "&NotEqualTilde;", "&amp;amp;lt;", "\u200b", "\u202e", "\ufeff", "\ufffe", "\ud800", "\0", "\x1b",
    "\x1f", "\x85", "\u2028", "\u2029", "\x0c", "\r", "ß", "İ", "ı", "ŉ", "ﬀ", "e\u0301", "\u0301", "한", "👩‍👩‍👧", "\U000e0041",
    "%s%n", "{{x}}", "\\.", "\\N", "'; DROP TABLE pages; --", "\t", "  ", "\xa0", "x" * 300, "Ferry-" * 1_000, "A - " * 50, "١٢٣", "²",
    "Cookies and consent: we and our 842 partners store and access information on your device.",
    "Page not found", "404", "Subscribe", "Home", "News > Local > Ferries", "12,345 comments", "(34)", "#1", "💬 12",
)  # fmt: skip
_NAMES = (
    "headline", "name", "author", "datePublished", "dateModified", "articleSection", "description", "articleBody",
    "@type", "@id", "@graph", "@context", "publisher", "itemListElement", "item", "inLanguage", "timeRequired", "url",
    "image", "mainEntityOfPage",
)  # fmt: skip
_TAGS = (
    "html", "head", "body", "title", "article", "main", "section", "div", "p", "h1", "h2", "h3", "ul", "ol", "li", "a",
    "span", "b", "em", "time", "figure", "figcaption", "aside", "nav", "footer", "header", "table", "tr", "td", "th",
    "script", "style", "template", "noscript", "iframe", "svg", "math", "mi", "textarea", "select", "option", "button",
    "form", "blockquote", "pre", "br", "hr", "img", "base", "dl", "dt", "dd", "frameset", "plaintext", "xmp", "custom-x",
)  # fmt: skip
_ATTRIBUTES = (
    ' class="article-body"', ' class="byline author"', ' class="related"', ' class="date"', " hidden", ' id="x"',
    ' class="most-read"', ' href="/2025/05/17/ferry-sails-again"', ' href="/news/bridge-vote-delayed-again-in-may"',
    ' href="https://other.example/a-story-of-some-length"', ' href="javascript:alert(1)"', ' href="//"', ' href="#"',
    ' href="http://[::1"', ' href="' + "x" * 5_000 + '"', ' href="data:text/html,x"', ' href="\x00\u202e/a b"',
    ' datetime="2025-05-17T14:05:00+02:00"', ' datetime="x"', ' itemprop="author"', ' itemprop="datePublished"',
    ' style="display:none"', ' rel="author"', ' aria-hidden="true"', " class=", " a=b c='d", ' lang="de"', ' lang="',
    ' class="comments"', ' class="caption credit"', ' role="navigation"', " /", ' title="A title of a link, whole"',
)  # fmt: skip
_METAS = (
    "og:title", "og:description", "og:url", "og:site_name", "og:locale", "article:published_time", "author",
    "article:section", "article:modified_time", "description", "twitter:label1", "twitter:data1", "twitter:title",
    "date", "parsely-author", "dc.subject",
)  # fmt: skip
_SCRAPS = (
    "<!--", "-->", "<![CDATA[", "]]>", "<!doctype html>", "<?xml version='1.0'?>", "</", "<", ">", "<a", "<p a='", '"',
    "'", "</p>", "</div>", "</body></html>", "<br><br>", "\n", "\n\n", "<!", "<?", '<base href="https://b.example/">',
    '<link rel="canonical" href="/a">', '<link rel="canonical" href="https://www.paper.example/other">',
    '<link rel="canonical" href="javascript:x">', '<meta charset="utf-16">', '<meta charset="koi8-r">',
    '{"@type": "NewsArticle", "headline": ["a", {"b": 1}], "datePublished": "2025-05-17"}',
    '[{"@context": "https://schema.org", "@graph": 7}]', '{"@graph": ["x"], "@type": "Report", "headline": 5}',
)  # fmt: skip

_texts = st.sampled_from(TEXTS) | st.text(max_size=30)
_json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _texts,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_NAMES) | st.text(max_size=5), inner)
    ),
    max_leaves=8,
)


def _ld(value: object) -> str:
    said: dict[str, object] = {"@type": "NewsArticle", "headline": "Ferry sails again"}
    said |= value if isinstance(value, dict) else {"author": value}
    return json.dumps(said)


_fragments = st.one_of(
    _texts,
    st.sampled_from(TEXTS[:6]).map(lambda text: f"<p>{text}</p>\n"),
    st.builds("<{}{}>".format, st.sampled_from(_TAGS), st.just("") | st.sampled_from(_ATTRIBUTES)),
    st.builds("</{}>".format, st.sampled_from(_TAGS)),
    st.builds("<{0}{1}>{2}</{0}>".format, st.sampled_from(_TAGS), st.sampled_from(_ATTRIBUTES), _texts),
    st.builds("<li><a{}>{}</a></li>".format, st.sampled_from(_ATTRIBUTES), _texts),
    st.builds("<meta property='{}' content='{}'>".format, st.sampled_from(_METAS), _texts),
    st.builds('<script type="application/ld+json">{}</script>'.format, _json_values.map(_ld)),
    st.sampled_from(_SCRAPS),
)


def _document(fragments: Sequence[str], repeated: int, story: str) -> str:
    return f"<html><body>{story}{''.join(fragments) * repeated}{story}"


_STORY = "".join(f"<p>{text} {text[::2]}</p>\n" for text in TEXTS[:5])
_markup = st.builds(
    _document,
    st.lists(_fragments, max_size=40),
    st.sampled_from((1, 1, 1, 2, 30)),
    st.sampled_from((_STORY, f"<h1>{TEXTS[5]}</h1>{_STORY}", "")),
)
_declarations = st.one_of(
    st.builds("<meta property='{}' content='{}'>".format, st.sampled_from(_METAS), _texts),
    st.builds('<script type="application/ld+json">{}</script>'.format, _json_values.map(_ld)),
    st.sampled_from([scrap for scrap in _SCRAPS if scrap.startswith(("<link", "<base", "<meta"))]),
    st.builds("<div{0}><a{1}>{2}</a> {3}</div>".format, *[st.sampled_from(_ATTRIBUTES)] * 2, _texts, _texts),
)
_declaring = st.builds(
    _document, st.lists(_declarations, min_size=1, max_size=12), st.just(1), st.just(_STORY)
)
_paragraph = st.integers(0, 4).map(lambda number: TEXTS[number])
_lines = st.one_of(_texts, _paragraph, st.sampled_from(_SCRAPS), _json_values.map(_ld), st.just(""))
_flat = st.builds(
    lambda before, story, after, end: end.join([*before, *story, *after]),
    st.lists(_lines, max_size=30),
    st.sampled_from(((), TEXTS[:5], (TEXTS[0], TEXTS[0].upper(), TEXTS[0] * 3))),
    st.lists(_lines, max_size=30),
    st.sampled_from(("\n", "\n", "\n\n", "\r\n", "\r", "\u2028", " ")),
)


DIRECTORIES = [ROOT / "examples", ROOT / "tests" / "pages"]
"""Where the pages are that mutations begin with."""


@cache
def real_pages() -> tuple[bytes, ...]:
    """Pages as they should be, markup and text."""
    names = sorted(name for directory in DIRECTORIES for name in directory.rglob("*.*"))
    return tuple(name.read_bytes() for name in names if name.suffix in (".txt", ".html"))


_KINDS = ("cut", "delete", "double", "insert", "flip", "move", "splice")


@dataclass(frozen=True)
class Mutation:
    """One change to some bytes; places are parts of 65,536."""

    kind: str
    start: int
    length: int
    scrap: bytes


_SPAN = 65_536
_scraps = st.sampled_from(
    [scrap.encode("utf-8", "surrogatepass") for scrap in (*TEXTS, *_SCRAPS)]
    + [
        b"\xff",
        b"\xc0\x80",
        b"\xf4\x90\x80\x80",
        b"\xed\xa0\x80",
        b"\x1f\x8b\x08",
        b"\xef\xbb\xbf",
        b"\n{}\n",
    ]
) | st.binary(max_size=8)
_mutations = st.lists(
    st.builds(
        Mutation,
        st.sampled_from(_KINDS),
        st.integers(0, _SPAN),
        st.integers(0, _SPAN),
        _scraps,
    ),
    min_size=1,
    max_size=6,
)


def mutated(content: bytes, mutation: Mutation) -> bytes:
    at = len(content) * mutation.start // _SPAN
    # Most spans are short; a few are as long as the whole.
    end = at + int(len(content) * (mutation.length / _SPAN) ** 4) + 1
    span = content[at:end]
    match mutation.kind:
        case "cut":
            return content[:at]
        case "delete":
            return content[:at] + content[end:]
        case "double":
            return content[:at] + span * min(20, 1 + 20_000 // max(1, len(span))) + content[end:]
        case "insert":
            return content[:at] + mutation.scrap * (1 + mutation.length % 3) + content[at:]
        case "flip":
            return (
                content[:at]
                + bytes(byte ^ (1 << mutation.length % 8) for byte in span[:3])
                + content[at + 3 :]
            )
        case "move":
            rest = content[:at] + content[end:]
            to = len(rest) * mutation.length // _SPAN
            return rest[:to] + span + rest[to:]
        case _:
            other = real_pages()[mutation.length % len(real_pages())]
            return content[:at] + other[len(other) * mutation.start // _SPAN :]


def _mutate(content: bytes, mutations: Sequence[Mutation]) -> bytes:
    return reduce(mutated, mutations, content)


_real_pages = st.integers(0, 10_000).map(lambda number: real_pages()[number % len(real_pages())])
_mutated_pages = st.builds(_mutate, _real_pages, _mutations)
_ENCODINGS = ("utf-8", "utf-16-le", "utf-16", "latin-1", "shift_jis", "koi8-r", "utf-32-be", "utf-7")
_encoded = st.builds(
    lambda text, encoding: text.encode("utf-8", "replace").decode().encode(encoding, "replace"),
    _markup | _flat,
    st.sampled_from(_ENCODINGS),
)

PAGES = st.builds(
    PageCase,
    st.one_of(
        st.text(alphabet=st.characters(), max_size=200),
        st.binary(max_size=300),
        _markup,
        _declaring,
        _flat,
        _encoded,
        _mutated_pages,
        _mutated_pages.map(lambda content: content.decode("utf-8", "replace")),
    ),
    URLS,
    CONTENT_TYPES,
    TIMES,
)

# --- inputs made up ----------------------------------------------------------------------------------

_COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": lambda content: gzip.compress(content, mtime=0),
    ".zst": lambda content: zstandard.ZstdCompressor(write_checksum=True).compress(content),
}
_FORMATS = (".txt", ".html", ".jsonl", ".warc", ".wet")
_SUFFIXES = [form + compression for form in _FORMATS for compression in _COMPRESS]


def _json_lines(said: Sequence[object]) -> bytes:
    return b"".join(json.dumps(each).encode() + b"\n" for each in said)


_line_keys = ("html", "text", "url", "fetched_at", "source", "content_type")
_jsonl = st.lists(
    st.fixed_dictionaries({}, optional=dict.fromkeys(_line_keys, _markup | _texts | _json_values))
    | _json_values,
    max_size=5,
).map(_json_lines)
_CODINGS = (
    "",
    "Content-Encoding: gzip\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Content-Encoding: br\r\nTransfer-Encoding: chunked\r\n",
    "Content-Length: 5\r\n",
)


def _warc(pages: Sequence[tuple[str, str, str, str]]) -> bytes:
    records = []
    for kind, coding, text, url in pages:
        content = text.encode("utf-8", "replace")
        if kind == "kept":
            page = Page(content, "html", url, datetime(2025, 5, 17, tzinfo=UTC), source=text[:20])
            records.append(gzip.decompress(b"".join(pack_page(page, page.digest))))
            continue
        if "gzip" in coding:
            content = gzip.compress(content, mtime=0)
        elif "chunked" in coding:
            content = b"%x\r\n%s\r\n0\r\n\r\n" % (len(content), content)
        media = "text/plain" if kind == "conversion" else "application/http; msgtype=response"
        head = HEADERS.replace(b"\r\n\r\n", b"\r\n" + coding.encode() + b"\r\n")
        block = content if kind in ("conversion", "resource") else head + content
        records.append(warc_record(block, kind=kind, media=media, url=url))
    return b"".join(records)


_WARC_KINDS = (
    "response",
    "response",
    "response",
    "conversion",
    "resource",
    "request",
    "metadata",
    "revisit",
    "kept",
    "x",
)
_warcs = st.lists(
    st.tuples(
        st.sampled_from(_WARC_KINDS),
        st.sampled_from(_CODINGS),
        _markup | _texts,
        URLS.map(lambda url: (url or "").encode("ascii", "ignore").decode()),
    ),
    max_size=4,
).map(_warc)


@cache
def _sound(form: str) -> bytes:
    """A file of some records that is whole."""
    if form in (".txt", ".html"):
        return b"<html><body><h1>Ferry</h1><p>" + b"The ferry sailed again on Monday. " * 20
    if form == ".jsonl":
        return b"".join(map(RECORDS["jsonl"], range(5)))
    return b"".join(
        [*map(warc_page, range(4)), _warc([("conversion", "", TEXTS[0] * 5, "https://a.example/")])]
    )


_contents = {
    ".txt": _flat.map(lambda text: text.encode("utf-8", "replace")) | _mutated_pages,
    ".html": _markup.map(lambda text: text.encode("utf-8", "replace")) | _mutated_pages,
    ".jsonl": _jsonl | st.just(_sound(".jsonl")),
    ".warc": _warcs | st.just(_sound(".warc")),
    ".wet": _warcs | st.just(_sound(".warc")),
}


@st.composite
def _inputs(draw: st.DrawFn) -> InputCase:
    suffix = draw(st.sampled_from(_SUFFIXES))
    form, dot, compression = suffix.rpartition(".") if suffix.count(".") > 1 else (suffix, "", "")
    content = draw(_contents[form] | st.binary(max_size=200))
    within, after = draw(st.sampled_from(((False, False), (True, False), (False, True), (True, True))))
    if within:
        content = _mutate(content, draw(_mutations))
    content = _COMPRESS[dot + compression](content)
    if after:
        content = _mutate(content, draw(_mutations))
    return InputCase(suffix, content, draw(st.sampled_from((Limits().page_bytes, 2_000, 100))))


INPUTS = _inputs()


@st.composite
def _cuts(draw: st.DrawFn) -> CutCase:
    form = draw(st.sampled_from(("jsonl", "warc")))
    compression, store = STORED[draw(st.sampled_from(sorted(STORED)))]
    numbers = draw(st.lists(st.integers(0, 50), min_size=1, max_size=5))
    content = b"".join(store([RECORDS[form](number) for number in numbers]))
    return CutCase(f".{form}{compression}", content, draw(st.integers(0, len(content))))


CUTS = _cuts()
GENERATED: dict[str, Any] = {
    "deadline": None,
    "database": None,
    "phases": (Phase.generate, Phase.shrink),
    "suppress_health_check": list(HealthCheck),
}
"""How Hypothesis makes cases, in a test and in a long run."""

CASES: dict[str, st.SearchStrategy[Case]] = {"pages": PAGES, "inputs": INPUTS, "cuts": CUTS}
