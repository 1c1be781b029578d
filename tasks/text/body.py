"""Where the body of an article stands among the rows of a flattened page."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tasks.text.rows import Kind, Row, is_terminated, stands_beside_item, text_size

# What a row adds to a stretch of rows that might be the body, in characters. Prose pays for what stands
# between two paragraphs; lists, menus and footers cost more than their teasers bring.
_COST = {
    Kind.HEADLINE: -60,
    Kind.SHORT: -35,
    Kind.LABEL: -60,
    Kind.POINTS: -40,
    Kind.GLUED: -15,
    Kind.SPONSORED: -80,
    Kind.FURNITURE: -8,
    Kind.PROMPT: -20,
    Kind.END: -400,
    Kind.BYLINE: -40,
    Kind.DATE: -30,
    Kind.READING: -60,
    Kind.SOURCE: -60,
    Kind.CREDIT: -10,
    Kind.CAPTION: -5,
    Kind.SIGNOFF: -30,
    Kind.CLOCK: -15,
    Kind.NUMBER: -15,
    Kind.CATEGORY: -40,
    Kind.BREADCRUMB: -120,
}
_PROSE_BASE, _PROSE_MOST = 40, 350


def row_value(row: Row) -> float:
    """How much a row speaks for standing in the body."""
    if row.kind is Kind.PROSE:
        return min(text_size(row.text[:_PROSE_MOST]), _PROSE_MOST) - _PROSE_BASE
    if row.kind is Kind.SENTENCE:
        return min(text_size(row.text), 200) * 0.4
    return _COST[row.kind]


def find_core(rows: Sequence[Row]) -> tuple[int, int]:
    """(start, end) of the stretch of rows with the greatest value; (0, 0) where there is no prose."""
    best, best_span = 0.0, (0, 0)
    total, begin = 0.0, 0
    inside = _inline_lists(rows)
    for index, row in enumerate(rows):
        if total <= 0:
            total, begin = 0.0, index
        value = _INLINE_COST if index in inside else row_value(row)
        total += value * _TEASER_SHARE if _is_teaser(rows, index) else value
        if total > best:
            best, best_span = total, (begin, index + 1)
    return best_span[0], _extended(rows, best_span[1])


_TEASER_LENGTH, _TEASER_SHARE = 220, 0.5


def _is_teaser(rows: Sequence[Row], index: int) -> bool:
    """True for a short paragraph with a headline above and below: lists of articles are made of these."""
    row = rows[index]
    if row.kind not in _PARAGRAPHS or text_size(row.text[:_TEASER_LENGTH]) >= _TEASER_LENGTH:
        return False
    return 0 < index < len(rows) - 1 and rows[index - 1].kind in _TITLES and rows[index + 1].kind in _TITLES


_TITLES = frozenset({Kind.HEADLINE, Kind.SHORT, Kind.CATEGORY})


def _extended(rows: Sequence[Row], end: int) -> int:
    """The end of the stretch moved past short closing paragraphs that stand right below it."""
    index = end
    while end and index < len(rows) and index - end <= _ASIDE_ROWS:
        row = rows[index]
        if row.kind is Kind.SENTENCE and is_terminated(row.text) and len(row.text.split()) >= _CLOSING_WORDS:
            end = index + 1
        elif row.kind not in (Kind.FURNITURE, Kind.PROMPT, Kind.GLUED, Kind.CAPTION):
            break
        index += 1
    return end


_ASIDE_ROWS, _CLOSING_WORDS = 4, 8
_INLINE_COST = -5
_INLINE_ITEMS = 5
_INLINE_LINKS = 2
_TIMES = frozenset({Kind.CLOCK, Kind.DATE})
_LONG = 150
_ABOVE_INLINE = frozenset({Kind.PROSE, Kind.SENTENCE, Kind.FURNITURE, Kind.CAPTION})
_LISTED = frozenset({Kind.HEADLINE, Kind.FURNITURE, Kind.NUMBER, Kind.CLOCK, Kind.DATE, Kind.CATEGORY})


def _inline_lists(rows: Sequence[Row]) -> set[int]:
    """Rows of short labelled lists that stand between two paragraphs: they do not end the body."""
    found: set[int] = set()
    for index, row in enumerate(rows):
        if row.kind is not Kind.LABEL or not index or rows[index - 1].kind not in _ABOVE_INLINE:
            continue
        stop, items, long, plain, dated = index + 1, 0, False, True, False
        if stop < len(rows) and rows[stop].kind is Kind.LABEL:
            stop += 1
        while stop < len(rows) and (rows[stop].kind in _LISTED or stands_beside_item(rows, stop)):
            items += rows[stop].kind is Kind.HEADLINE
            long, plain = long or rows[stop].long, plain and rows[stop].kind in _LISTED
            dated = dated or rows[stop].kind is Kind.DATE
            if items > _INLINE_ITEMS or stop > index + 4 * _INLINE_ITEMS:
                break
            stop += 1
        if long and stop + 1 < len(rows) and rows[stop].kind is Kind.SHORT:
            stop, plain = stop + 1, False  # a crosshead
        if (
            stop + 1 < len(rows)
            and rows[stop].kind in _PARAGRAPHS
            and (plain or (long and not dated and _is_resumed(rows, stop)))
            and (rows[stop + 1].kind is not Kind.HEADLINE or _goes_on(rows, stop))
        ):
            found.update(range(index, stop))
    for index in inline_links(rows):
        found.update((index, index + 1 if rows[index + 1].kind in _TIMES else index - 1))
    return found


def _is_resumed(rows: Sequence[Row], index: int) -> bool:
    """True for a paragraph that is no teaser: a long one, or one above another."""
    return rows[index].kind is Kind.PROSE or rows[index + 1].kind in _PARAGRAPHS


def inline_links(rows: Sequence[Row]) -> frozenset[int]:
    """Rows between two paragraphs that a date beside them tells to be the headlines of other stories.

    Where there are many, they are the entries of a live page.
    """
    found = frozenset(
        index
        for index in range(1, len(rows) - 2)
        if rows[index].long and rows[index].kind is Kind.HEADLINE and _is_dated_link(rows, index)
    )
    return found if len(found) <= _INLINE_LINKS else frozenset()


def _is_dated_link(rows: Sequence[Row], index: int) -> bool:
    if rows[index + 1].kind in _TIMES:
        return rows[index - 1].kind is Kind.PROSE and _resumes(rows, index + 2)
    return (
        rows[index - 1].kind is Kind.DATE
        and index >= 2
        and rows[index - 2].kind is Kind.PROSE
        and rows[index + 1].kind is Kind.PROSE
    )


def _resumes(rows: Sequence[Row], index: int) -> bool:
    """True where a paragraph stands, or a crosshead above one."""
    if rows[index].kind in (Kind.SHORT, Kind.HEADLINE) and not rows[index].long and index + 1 < len(rows):
        index += 1
    return rows[index].kind is Kind.PROSE


def _goes_on(rows: Sequence[Row], index: int) -> bool:
    """True for a paragraph above a crosshead; above what may be a headline, for a long one."""
    below = rows[index + 2].kind if index + 2 < len(rows) else None
    crosshead = not rows[index + 1].long and below is Kind.PROSE
    return crosshead or (below in _PARAGRAPHS and text_size(rows[index].text[:_LONG]) >= _LONG)


_PARAGRAPHS = frozenset({Kind.PROSE, Kind.SENTENCE})
_HEAD_MARKERS = frozenset(
    {Kind.DATE, Kind.BYLINE, Kind.READING, Kind.CAPTION, Kind.CREDIT, Kind.SOURCE, Kind.BREADCRUMB}
)
_HEAD_ROWS = 10
_HEAD_PROSE = 2


def trim_head(rows: Sequence[Row], start: int, end: int, title: str | None) -> int:
    """First row of the body proper: standfirst, byline, date and caption at the front are the head's."""
    begin, prose = start, 0
    for index in range(start, min(end, start + _HEAD_ROWS)):
        row = rows[index]
        if row.kind in _HEAD_MARKERS or (title and row.folded == title):
            begin = index + 1
        elif row.kind is Kind.PROSE or (row.kind is Kind.SENTENCE and len(row.text) > 60):
            prose += 1
            if prose > _HEAD_PROSE - (begin > start):
                break
    return begin


def is_crosshead(rows: Sequence[Row], index: int, start: int, end: int) -> bool:
    """True for a short line that stands alone between two paragraphs."""
    row = rows[index]
    if row.kind not in (Kind.SHORT, Kind.HEADLINE) or not start < index < end - 1 or len(row.text) > 120:
        return False
    before, after = rows[index - 1], rows[index + 1]
    prose = (Kind.PROSE, Kind.SENTENCE)
    return before.kind in (*prose, Kind.FURNITURE, Kind.CAPTION, Kind.CREDIT, Kind.PROMPT) and (
        after.kind in prose or bool(_POINT.match(after.text))
    )


_BULLET = re.compile(r"[•▪●‣–-]\s+\S")
_POINT = re.compile(r"[•▪●‣]\s*\S")
_SAID = re.compile(r"[–—-]\s+\S")


def is_paragraph(row: Row) -> bool:
    """True for a row that reads as a paragraph or an item of a list inside the body."""
    if row.kind in (Kind.PROSE, Kind.SENTENCE):
        return True
    if row.kind is Kind.SHORT:
        return bool(_SAID.match(row.text)) and is_terminated(row.text)
    return row.kind is Kind.HEADLINE and (is_terminated(row.text) or bool(_BULLET.match(row.text)))
