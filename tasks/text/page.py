"""Article fields, body and sidebar headlines from the flattened text of a page.

Nothing here knows an outlet: lines are judged by shape, word lists and place (`tasks.text.rows`), the body
is the stretch of lines with the most prose (`tasks.text.body`), what stands above it is the head
(`tasks.text.head`), headlines stand in labelled lists around and inside it (`tasks.text.lists`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

from schemas.records import Extraction, Headline
from tasks.clean import Line, html_text, text_lines
from tasks.fields.agencies import find_agency
from tasks.fields.captions import split_credit
from tasks.fields.dates import ParsedDate, find_date
from tasks.fields.labels import MOST_HEADLINES
from tasks.fields.language import detect_language
from tasks.fields.lexicon import fold, words
from tasks.fields.outlets import strip_outlet
from tasks.fields.people import is_name, split_authors
from tasks.text.body import find_core, inline_links, is_crosshead, is_paragraph, trim_head
from tasks.text.head import (
    Head,
    Reading,
    clean_title,
    content_words,
    find_title,
    read_head,
    read_source,
    take_dates,
)
from tasks.text.lists import HeadlineReader, inline_items, is_strong, menu_texts, opens_list
from tasks.text.rows import Kind, Row, make_rows, text_size, unspoken, word_count
from tasks.text.runs import join_runs

_DATE_PREFIX = re.compile(r"\s?date ((?:19|20)\d\d(?:-\d\d){0,2})(?=\s|$)\s?")
_ENCLOSED = re.compile(r"[(\[][^()\[\]]{2,40}[)\]](?=\s?[-–—.:]|\s*$)|/[^/\s]{2,20}/(?=\s?[-–—.:])")
_DATELINE = 120
_LEAST_BODY = 120
_MOST_LINES = 20_000  # twenty times the longest page known; what comes after is not looked at


def extract_text(text: str, url: str | None, fetched_at: datetime | None) -> Extraction:
    """What the flattened text of a page says.

    Args:
        text: the page as text, one block or inline run a line; stray tags and entities may be left in it.
        url: where it was captured, if known; its words help to tell the title.
        fetched_at: when it was captured; bounds what can be a date.
    """
    pasted, text = pasted_json(text)
    lines = text_lines(text)
    prefix, lines = _date_prefix(lines)
    if not lines:
        return Extraction(is_article=False, reason="empty")
    rows = make_rows(join_runs(unspoken(lines[:_MOST_LINES])))
    language = detect_language(
        " ".join(row.text for row in rows if row.kind in (Kind.PROSE, Kind.SENTENCE))[:6000]
    )
    language = language or detect_language(" ".join(row.text for row in rows[:200]))
    start, end = find_core(rows)
    title = find_title(rows, start, end, url) if end else None
    begin = trim_head(
        rows,
        max(start, 0 if title is None else title + 1),
        end,
        rows[title].folded if title is not None else None,
    )
    reason = _no_article(rows, start, begin, end)
    if reason:
        listing = reason in ("listing", "search")
        own = {rows[title].folded} if title is not None and not listing else ()
        reader = HeadlineReader(own, menu_texts(rows), unlabelled=1 if listing else None)
        reader.read(rows)
        return Extraction(
            False,
            reason=reason,
            language=language,
            headlines=reader.headlines[:MOST_HEADLINES],
            provenance={"headlines": "text"},
        )
    return _article(rows, title, begin, end, pasted, prefix, Reading(language, fetched_at))


def _article(
    rows: list[Row],
    title: int | None,
    begin: int,
    end: int,
    pasted: dict[str, Any],
    prefix: str | None,
    reading: Reading,
) -> Extraction:
    head = read_head(rows, title, begin, reading)
    own = {fold(head.title)} if head.title else set()
    own.update(row.folded for row in rows[title or begin : begin] if is_strong(row))
    if (page_title := strip_outlet(rows[0].text)) != rows[0].text:
        own.add(fold(page_title))
    chrome = menu_texts(rows)
    before = HeadlineReader(own, chrome, unlabelled=None)
    before.read(rows[: title if title is not None else begin])
    body = _read_body(rows, begin, end, head, before)
    after = HeadlineReader(own, chrome, unlabelled=3)
    after.read(rows[end:])
    _read_tail(rows[end:], head)
    return _assemble(head, body, before.headlines + after.headlines, pasted, prefix)


def _read_body(rows: Sequence[Row], begin: int, end: int, head: Head, inline: HeadlineReader) -> list[str]:
    """Paragraphs between the two rows; `inline` reads the lists that stand among them."""
    paragraphs: list[str] = []
    title = fold(head.title) if head.title else None
    index, resumed = begin, -1
    links = inline_links(rows)
    while index < end:
        row = rows[index]
        if row.kind is Kind.LABEL and opens_list(rows[:end], index):
            stop = inline_items(rows, index, end)
            if stop > index + 1:
                inline.read(rows[index:stop])
                index = resumed = stop
                continue
        if index in links:
            inline.take(row)
        elif row.kind is Kind.GLUED:
            inline.read(rows[index : index + 1])
        elif row.kind is Kind.CAPTION or (
            is_paragraph(row) and index + 1 < end and rows[index + 1].kind is Kind.CREDIT
        ):
            if head.caption is None and not paragraphs:
                head.caption, head.credit = split_credit(row.text)
        elif (
            is_paragraph(row)
            or is_crosshead(rows, index, begin, end)
            or (index == resumed and _is_heading(rows[index : index + 2]))
        ):
            if row.folded != title and row.text != head.summary:
                paragraphs.append(row.text)
        elif row.kind is Kind.SOURCE:
            head.agency = head.agency or read_source(row.text)
        elif row.kind in (Kind.BYLINE, Kind.SIGNOFF) and not head.authors:
            head.authors = split_authors(row.text)
        index += 1
    if head.summary is None and _is_standfirst(paragraphs):
        head.summary = paragraphs.pop(0)
    return paragraphs


def _is_heading(rows: Sequence[Row]) -> bool:
    """True for a short line above a paragraph, no author's name."""
    return (
        len(rows) == 2
        and rows[0].kind in (Kind.SHORT, Kind.HEADLINE)
        and not is_strong(rows[0])
        and not is_name(rows[0].text)
        and rows[1].kind in (Kind.PROSE, Kind.SENTENCE)
    )


def _is_standfirst(paragraphs: Sequence[str]) -> bool:
    """True where the second paragraph introduces anew what the first already named."""
    if len(paragraphs) < 3 or len(paragraphs[0]) > 260:
        return False
    opening = content_words(re.split(r"(?<=[.!?])\s", paragraphs[1], maxsplit=1)[0])
    again = opening & content_words(paragraphs[0])
    return len(again) >= 3 and len(again) >= 0.5 * len(opening)


_TAIL_ROWS = 12


def _read_tail(rows: Sequence[Row], head: Head) -> None:
    """Source, authors and date that a page prints below the body."""
    for row in rows[:3]:
        if row.kind is Kind.CREDIT and head.agency is None and word_count(row.text) <= 3:
            head.agency = find_agency(row.text)
    for row in rows[:_TAIL_ROWS]:
        if row.kind is Kind.SOURCE:
            head.agency = head.agency or read_source(row.text)
        elif row.kind in (Kind.BYLINE, Kind.SIGNOFF):
            head.agency = head.agency or find_agency(row.text)
            if not head.authors and row.kind is Kind.BYLINE:
                head.authors = split_authors(row.text)
        elif row.kind is Kind.DATE and head.published is None:
            take_dates(head, row.text)
        elif row.kind is Kind.LABEL:
            break


def _assemble(
    head: Head,
    body: list[str],
    headlines: list[Headline],
    pasted: dict[str, Any],
    prefix: str | None,
) -> Extraction:
    provenance = dict.fromkeys(("title", "body", "headlines"), "text")
    published = head.published
    stated = _pasted_date(pasted.get("datePublished"))
    if stated and (published is None or _refines(stated, published)):
        published, provenance["published_at"] = stated, "jsonld"
    published = published or head.updated
    if published is None and prefix and (dated := find_date(prefix)):
        published = dated
    authors = head.authors or _pasted_names(pasted.get("author"))
    agency = head.agency
    if body and agency is None:
        ends = body[0][:_DATELINE], body[-1][-_DATELINE // 2 :]
        named = (find_agency(found.group()) for end in ends for found in _ENCLOSED.finditer(end))
        agency = next(filter(None, named), None)
    title = head.title or _pasted_title(pasted.get("headline"))
    length = sum(map(len, body))
    return Extraction(
        is_article=True,
        title=title,
        summary=head.summary,
        authors=authors,
        published_at=published.iso if published else None,
        published_raw=published.raw if published else None,
        published_precision=published.precision if published else None,
        updated_at=head.updated.iso if head.updated else None,
        updated_raw=head.updated.raw if head.updated else None,
        section=head.section,
        language=head.reading.language,
        agency=agency,
        image_caption=head.caption,
        image_credit=head.credit,
        read_minutes=head.minutes,
        word_count=sum(map(word_count, body)),
        body=body,
        headlines=headlines[:MOST_HEADLINES],
        provenance=provenance,
        confidence=round(min(1.0, 0.3 + length / 3000 + (0.2 if title else 0.0)), 2),
    )


def _refines(finer: ParsedDate, coarser: ParsedDate) -> bool:
    """True where both state the same day, the first with more of the time."""
    return finer.iso[:10] == coarser.iso[:10] and len(finer.iso) > len(coarser.iso)


# --- what is no article ----------------------------------------------------------------------------


def _no_article(rows: Sequence[Row], start: int, begin: int, end: int) -> str | None:
    """Why the page is no article, None where it is one."""
    core = rows[begin:end]
    prose = [row for row in core if row.kind in (Kind.PROSE, Kind.SENTENCE)]
    length = sum(text_size(row.text) for row in prose)
    signs = " \n ".join(row.folded for row in rows[:400] if row.folded)
    if _asks_consent(prose):
        return "consent"
    if length < 600:
        for reason in ("not_found", "consent", "blocked", "search_results", "video_only"):
            if reason == "not_found" and len(prose) >= 2 and _is_signed(rows[max(0, start - 6) : start + 4]):
                continue
            hits = sum(1 for phrase in words(reason) if phrase in signs)
            if hits >= (1 if reason in ("not_found", "blocked") and length < 350 else 3):
                return {"search_results": "search", "video_only": "video"}.get(reason, reason)
    if length < _LEAST_VIDEO and _is_video(rows):
        return "video"
    if length < _LEAST_BODY and sum(row.kind is Kind.CAPTION for row in rows) >= _LISTED:
        return "gallery"
    if not _consecutive(core) and _teasers(rows) >= _LISTED:
        return "listing"
    if length < _LEAST_BODY:
        return "listing" if sum(row.kind is Kind.HEADLINE for row in rows) >= 5 else "empty"
    return None


_LISTED = 3
_LEAST_VIDEO = 350
_DURATION = re.compile(r"(?:\d{1,2}:)?\d{1,2}:\d\d")


def _is_video(rows: Sequence[Row]) -> bool:
    """True where a player stands above the first list: its length, and a word for what it is."""
    top = rows[: next((index for index, row in enumerate(rows) if row.kind is Kind.LABEL), 20)][:20]
    named = any(row.folded in _PLAYERS or row.folded.split(":")[0] in _PLAYERS for row in top)
    return named and any(_DURATION.fullmatch(row.text) for row in top)


_PLAYERS = frozenset({"video", "vídeo", "vidéo", "видео", "فيديو", "वीडियो", "watch", "watch live", "videos"})
_PARAGRAPHS = (Kind.PROSE, Kind.SENTENCE)
_ASKED = re.compile(r"\?$|^[–—-]\s|^[^\W\d_]:\s")
_PARTNERS = re.compile(
    r"\d{2,4}\s(?:partner|third part|drittanbiet|anbiet|socios|parceiros|partenaires|fornitori|партн)"
)


def _asks_consent(prose: Sequence[Row]) -> bool:
    """True where most paragraphs speak of cookies and consent, from the first on."""
    if not 2 <= len(prose) <= _MOST_ASKING or not any(map(_asks, prose[:2])):
        return False
    asking = sum(map(_asks, prose))
    return asking >= 2 and 2 * asking >= len(prose)


def _asks(row: Row) -> bool:
    folded = fold(row.text[:_ASKING_LENGTH])
    return bool(_PARTNERS.search(folded)) or any(phrase in folded for phrase in words("consent"))


_ASKING_LENGTH = 600
_MOST_ASKING = 12


def _is_signed(rows: Sequence[Row]) -> bool:
    """True where a byline or a date stands, as above an article."""
    return any(row.kind in (Kind.BYLINE, Kind.DATE) for row in rows)


def _consecutive(core: Sequence[Row]) -> bool:
    """True where paragraphs follow each other, as only articles have them."""
    return any(one.kind in _PARAGRAPHS and two.kind in _PARAGRAPHS for one, two in pairwise(core))


def _teasers(rows: Sequence[Row]) -> int:
    """How often a headline has one paragraph below it, as lists of articles do."""
    return sum(
        one.kind is Kind.HEADLINE
        and not _ASKED.search(one.text)
        and two.kind in _PARAGRAPHS
        and three.kind not in _PARAGRAPHS
        for one, two, three in zip(rows, rows[1:], rows[2:], strict=False)
    )


# --- metadata pasted into the text -----------------------------------------------------------------

_JSON_START = re.compile(r"(?:\[\s*)?\{\s*\"@(?:context|type|graph|id)\"")
_MOST_JSON = 5
_LONGEST_TITLE = 1_000


def pasted_json(text: str) -> tuple[dict[str, Any], str]:
    """The article's object of JSON-LD flattened into the text ({} if none), and the text without it."""
    decoder = json.JSONDecoder()
    article: dict[str, Any] = {}
    for _ in range(_MOST_JSON):
        found = _JSON_START.search(text)
        if not found:
            break
        try:
            value, end = decoder.raw_decode(text, found.start())
        except (ValueError, RecursionError):
            break
        text = text[: found.start()] + "\n" + text[end:]
        entries = value.get("@graph", value) if isinstance(value, dict) else value
        for entry in entries if isinstance(entries, list) else [entries]:
            if isinstance(entry, dict) and ("headline" in entry or "datePublished" in entry):
                article = article or entry
    return article, text


def _pasted_date(value: object) -> ParsedDate | None:
    return (
        find_date(re.sub(r"(T\d\d:\d\d):00(?:\.0+)?(?!\d)", r"\1", value)) if isinstance(value, str) else None
    )


def _pasted_title(value: object) -> str | None:
    text = html_text(value[:_LONGEST_TITLE]) if isinstance(value, str) else ""
    return clean_title(text) or None


def _pasted_names(value: object) -> list[str]:
    entries = value if isinstance(value, list) else [value]
    names = [entry.get("name") if isinstance(entry, dict) else entry for entry in entries]
    return [name for each in names if isinstance(each, str) for name in split_authors(each)]


def _date_prefix(lines: list[Line]) -> tuple[str | None, list[Line]]:
    """The date that a scraper put in front of the text, and the lines without it."""
    if not lines or not (found := _DATE_PREFIX.match(lines[0].text)):
        return None, lines
    rest = lines[0].text[found.end() :].strip()
    return found.group(1), ([Line(rest, 0)] if rest else []) + lines[1:]
