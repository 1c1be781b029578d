"""What stands above the body of a flattened page: title, standfirst, authors, dates, section, picture."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import unquote

from tasks.fields.agencies import find_agency
from tasks.fields.captions import split_credit, strip_credit
from tasks.fields.dates import ParsedDate, find_dates
from tasks.fields.labels import LONGEST_SECTION, label_text, strip_decoration
from tasks.fields.lexicon import alternation, fold, start, words
from tasks.fields.outlets import strip_outlet
from tasks.fields.people import is_name, split_authors
from tasks.text.rows import Kind, Row, read_minutes, word_count

_TITLE_ROWS = 80
_TITLE_KINDS = frozenset(
    {Kind.HEADLINE, Kind.SENTENCE, Kind.SHORT, Kind.PROSE, Kind.GLUED, Kind.CAPTION, Kind.BYLINE, Kind.LABEL}
)
_WORD = re.compile(r"[^\W\d_]{4,}|\d{2,}")
_CASED = re.compile(r"[A-ZÀ-ÞΑ-ΩА-Я]")
_UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]{2,}")


def content_words(text: str) -> set[str]:
    """The words of a text that carry its matter, folded; pairs of letters where a script has no spaces."""
    folded = fold(text)
    found = set(_WORD.findall(folded))
    runs = _UNSPACED.findall(folded)
    return found | {run[at : at + 2] for run in runs for at in range(len(run) - 1)} if runs else found


def _slug_words(url: str | None) -> set[str]:
    path = url.partition("://")[2].partition("/")[2].partition("?")[0].partition("#")[0] if url else ""
    return content_words(unquote(path).replace("-", " ").replace("_", " "))


def find_title(rows: Sequence[Row], start_of_body: int, end_of_body: int, url: str | None) -> int | None:
    """Index of the row that is the article's title, or None.

    A title is repeated (page title, breadcrumb, heading), shares its words with the body and the address,
    stands close above the body and before its date and byline.
    """
    body = content_words(
        " ".join(row.text[:600] for row in rows[start_of_body : min(end_of_body, start_of_body + 6)])
    )
    slug = _slug_words(url)
    first = max(0, start_of_body - _TITLE_ROWS)
    last = _first_paragraphs(rows, start_of_body)
    seen: dict[str, int] = {}
    for row in rows[:last]:
        seen[row.folded] = seen.get(row.folded, 0) + 1
    page_titles = [strip_outlet(row.text) for row in rows[:2]] + [
        row.text for row in rows[:last] if row.kind is Kind.BREADCRUMB
    ]
    folded_titles = [fold(text) for text in page_titles]
    best, best_score = None, 0.5
    candidates = [
        index for index in (*range(min(2, first)), *range(first, last)) if _can_be_title(rows[index], seen)
    ]
    for index in candidates:
        folded = rows[index].folded
        score = _title_score(rows, index, start_of_body, body, slug)
        if seen[folded] > 1:
            score += 1.5
        if len(folded) > 20 and any(folded in title for title in folded_titles if title != folded):
            score += 1.5
        if score > best_score:
            best, best_score = index, score
    return None if best is None else _without_crumbs(rows, best, candidates)


def _can_be_title(row: Row, seen: Mapping[str, int]) -> bool:
    if row.kind not in _TITLE_KINDS or not 8 <= len(row.text) <= 260:
        return False
    return row.kind is not Kind.LABEL or (seen[row.folded] > 1 and word_count(row.text) > 2)


def _without_crumbs(rows: Sequence[Row], best: int, candidates: Sequence[int]) -> int:
    """The row that holds the title alone, where the best one has a breadcrumb or kicker run into it."""
    title = rows[best].folded
    alone = [
        at for at in candidates if 20 <= len(rows[at].folded) < len(title) and title.endswith(rows[at].folded)
    ]
    return max(alone, key=lambda at: len(rows[at].folded), default=best)


def _first_paragraphs(rows: Sequence[Row], start: int) -> int:
    """Where the second paragraph of the stretch begins, at most four rows on: no title stands below that."""
    prose = 0
    for index in range(start, min(len(rows), start + 4)):
        prose += rows[index].kind is Kind.PROSE
        if prose == 2:
            return index
    return min(len(rows), start + 3)


def _title_score(rows: Sequence[Row], index: int, body_start: int, body: set[str], slug: set[str]) -> float:
    row = rows[index]
    own = content_words(row.text)  # a paragraph shares all of them with the body: itself
    count = word_count(row.text)
    score = -0.06 * max(0, body_start - index) if index >= 2 else -1.5
    if index >= body_start:
        score -= 1.0
    if own:
        score += 2.0 * len(own & body) / len(own)
        if slug:
            score += 3.0 * len(own & slug) / max(len(own), min(len(slug), 8))
    if 4 <= count <= 24:
        score += 1.0
    if row.kind in (Kind.SENTENCE, Kind.PROSE):
        score -= 1.5 if row.kind is Kind.SENTENCE else 2.5
    if row.kind in (Kind.SHORT, Kind.CAPTION, Kind.BYLINE, Kind.GLUED):
        score -= 2.0 if row.kind is Kind.CAPTION else 1.0
    if (
        count <= 12
        and _CASED.search(row.text)
        and (names := split_authors(row.text))
        and sum(map(len, names)) > 0.55 * len(row.text)
    ):
        score -= 2.5
    if row.dates or "@" in row.text:
        score -= 1.5
    following = rows[index + 1 : index + 5]
    if following and following[0].kind in (Kind.CREDIT, Kind.CAPTION):
        score -= (
            1.2 if following[0].kind is Kind.CREDIT or following[0].folded.startswith(row.folded) else 0.0
        )
    if any(each.kind in (Kind.BYLINE, Kind.DATE, Kind.READING) for each in following):
        score += 0.8
    if any(each.kind in (Kind.BYLINE, Kind.DATE) for each in rows[max(0, index - 4) : index]):
        score -= 0.4
    above = rows[index - 1].kind if index else Kind.FURNITURE
    if above not in (Kind.HEADLINE, Kind.SENTENCE, Kind.PROSE):
        score += 0.5
    return score


@dataclass(frozen=True, slots=True)
class Reading:
    """What helps to read a date: the page's language, and when it was captured."""

    language: str | None = None
    fetched_at: datetime | None = None


@dataclass(slots=True)
class Head:
    """What the rows above the body say."""

    reading: Reading
    title: str | None = None
    summary: str | None = None
    authors: list[str] = field(default_factory=list)
    published: ParsedDate | None = None
    stated: bool = False
    """Whether a label says that this is the publication."""
    updated: ParsedDate | None = None
    section: str | None = None
    agency: str | None = None
    caption: str | None = None
    credit: str | None = None
    minutes: int | None = None


def read_head(rows: Sequence[Row], title: int | None, body: int, reading: Reading) -> Head:
    """Read the rows from a little above the title to the first row of the body."""
    head = Head(reading)
    top = body if title is None else title
    if title is not None:
        head.title = clean_title(rows[title].text)
    head.section = find_section(rows, top, head.title)
    for row in rows[max(0, top - 4) : top]:
        _read_meta(head, row)
    _read_below(head, rows, top + (title is not None), body)
    for row in rows[max(0, top - 4) : body] if head.published is None and head.updated is None else ():
        if row.dates and row.dates[0].precision != "month" and len(row.text) <= _DATED_ROW:
            take_dates(head, row.text)
            head.authors = head.authors or split_authors(row.text)
            break
    if not head.authors:
        head.authors = _lone_name(rows[top + (title is not None) : body])
    return head


_DATED_ROW = 120


def _lone_name(rows: Sequence[Row]) -> list[str]:
    """The one line of a head that is nothing but a person's name."""
    for row in rows:
        if row.kind is Kind.SHORT and 2 <= word_count(row.text) <= 3 and is_name(row.text):
            names = split_authors(row.text)
            if names == [row.text]:
                return names
    return []


def clean_title(text: str) -> str:
    """A title without the outlet's name and what is glued to it."""
    return strip_outlet(strip_decoration(text))


def _read_below(head: Head, rows: Sequence[Row], begin: int, body: int) -> None:
    own = fold(head.title or "")
    points = False
    for index in range(begin, body):
        row = rows[index]
        following = rows[index + 1] if index + 1 < len(rows) else None
        if row.kind is Kind.POINTS:
            points = True
        if row.kind is Kind.CATEGORY and head.section is None and row.folded in words("categories"):
            head.section = label_text(row.text)
        if _read_meta(head, row) or (row.folded and row.folded in own) or (points and row.kind in _POINTS):
            continue
        points = points and row.kind is Kind.POINTS
        if row.kind is Kind.CAPTION or (
            row.kind in (Kind.PROSE, Kind.SENTENCE) and _credit_follows(following)
        ):
            _take_caption(head, row, following)
        elif row.kind is Kind.CREDIT:
            if head.caption and not head.credit:
                head.credit = strip_credit(row.text)
        elif row.kind is Kind.HEADLINE and _credit_follows(following):
            _take_caption(head, row, following)
        elif row.kind in (Kind.HEADLINE, Kind.SHORT) and not head.authors and _bare_byline(rows, index):
            head.authors = split_authors(row.text)
        elif row.kind in (Kind.PROSE, Kind.SENTENCE, Kind.HEADLINE) and 30 <= len(row.text) <= 600:
            if (
                following
                and following.kind is Kind.CAPTION
                and following.folded.startswith(row.folded)
                and row.folded
            ):
                continue  # the caption, printed once without its credit
            if head.summary is None and head.caption is None:
                head.summary = row.text
            elif head.caption is None and (row.kind is not Kind.HEADLINE or word_count(row.text) >= 8):
                head.caption = row.text


_POINTS = frozenset({Kind.HEADLINE, Kind.SENTENCE, Kind.SHORT})


def _credit_follows(row: Row | None) -> bool:
    return row is not None and row.kind is Kind.CREDIT


def _take_caption(head: Head, row: Row, following: Row | None) -> None:
    if head.caption is not None:
        return
    caption, credit = split_credit(row.text)
    if credit is None and following is not None and following.kind is Kind.CREDIT:
        credit = strip_credit(following.text)
    head.caption, head.credit = caption, credit


def _bare_byline(rows: Sequence[Row], index: int) -> bool:
    """True for names without "By" beside a date, clock, reading time or other byline."""
    row = rows[index]
    if word_count(row.text) > 12:
        return False
    names = split_authors(row.text)
    if word_count(row.text) > 4 and not any(letter.isupper() for letter in row.text):
        return False
    if not names or not all(2 <= len(name.split()) <= 4 and is_name(name) for name in names):
        return False
    near = [*rows[max(0, index - 2) : index], *rows[index + 1 : index + 3]]
    return any(each.kind in (Kind.DATE, Kind.CLOCK, Kind.READING, Kind.BYLINE) for each in near)


def _read_meta(head: Head, row: Row) -> bool:
    """Take dates, byline, reading time and source; True where the row is one of these."""
    minutes = read_minutes(row.folded) if row.kind in (Kind.READING, Kind.DATE, Kind.BYLINE) else None
    if minutes is not None and head.minutes is None:
        head.minutes = minutes
    match row.kind:
        case Kind.DATE:
            take_dates(head, row.text)
            if head.agency is None:
                head.agency = find_agency(row.text)
        case Kind.BYLINE | Kind.SIGNOFF:
            head.authors += [name for name in split_authors(row.text) if name not in head.authors]
            if head.agency is None and len(row.text) < 120:
                head.agency = find_agency(row.text)
            take_dates(head, row.text)
            if head.section is None and (found := _IN_SECTION.search(row.text)):
                head.section = found.group(1)
        case Kind.SOURCE:
            head.agency = head.agency or read_source(row.text)
        case Kind.CREDIT if (
            not head.caption and "/" in row.text and find_agency(row.text) and split_authors(row.text)
        ):
            head.authors += [name for name in split_authors(row.text) if name not in head.authors]
            head.agency = head.agency or find_agency(row.text)
        case Kind.READING:
            pass
        case _:
            return False
    return True


_IN_SECTION = re.compile(r"\d\s+in\s+([^\W\d_][\w &-]{2,30})$")


def read_source(text: str) -> str | None:
    """The agency, or whoever a short source line credits."""
    agency = find_agency(text)
    if agency:
        return agency
    name = text[start(fold(text), "source") :].lstrip(" :|/")
    return name if name and word_count(name) <= 4 and fold(name) not in words("desks") else None


def take_dates(head: Head, text: str) -> None:
    """Publication and update time of a line; the label in front of each says which it is."""
    end = 0
    for dated in find_dates(text, language=head.reading.language, fetched_at=head.reading.fetched_at):
        lead = fold(text[end : dated.start]).strip(" |·•:,-–(")
        end = dated.end
        if _ends_with(lead, "updated"):
            head.updated = head.updated or dated
        elif head.published is None or (_ends_with(lead, "published") and not head.stated):
            head.published, head.stated = dated, _ends_with(lead, "published")


def _ends_with(folded: str, kind: str) -> bool:
    return bool(re.search(rf"(?:^|\W)(?:{alternation(kind)})\W{{0,4}}(?:\w{{1,3}}\W{{0,3}})?$", folded[-60:]))


_CRUMBS = re.compile(r"\s+[/»>›→|]\s+|\s*[»›|]\s*")


def find_section(rows: Sequence[Row], top: int, title: str | None) -> str | None:
    """The section line above the title, or the last crumb of a breadcrumb that is a section."""
    own = fold(title or "")
    for index in range(top - 1, max(-1, top - 12), -1):
        row = rows[index]
        if row.kind is Kind.BREADCRUMB:
            crumbs = [part.strip() for part in _CRUMBS.split(row.text) if part.strip()]
            crumbs = [
                part
                for part in crumbs
                if not own or (own not in fold(part) and not own.startswith(fold(part)[:24].ljust(24)))
            ]
            if len(crumbs) > 1 and len(crumbs[-1]) <= LONGEST_SECTION:
                return crumbs[-1]
    run: list[Row] = []
    for index in range(top - 1, max(-1, top - 8), -1):
        row = rows[index]
        if own and row.folded and own in row.folded:
            continue
        if (
            row.kind in (Kind.CATEGORY, Kind.SHORT, Kind.LABEL)
            and word_count(row.text) <= 4
            and len(row.text) <= LONGEST_SECTION
            and not row.folded[:1].isdigit()
        ):
            run.append(row)
        elif row.kind not in (Kind.DATE, Kind.READING, Kind.CLOCK) or run:
            break
    if len(run) >= _MENU and not _below_home(rows, run):
        return None
    known = [row for row in run if row.folded in words("categories")]
    chosen = known[0] if known else (run[0] if run else None)
    return label_text(chosen.text) if chosen else None


_MENU = 3
"""So many section names below each other are a menu, unless they begin at "Home" as a breadcrumb does."""


def _below_home(rows: Sequence[Row], run: Sequence[Row]) -> bool:
    first = next(index for index, row in enumerate(rows) if row is run[-1])
    return first > 0 and rows[first - 1].folded in words("home")
