"""Sidebar headlines out of the rows of a flattened page."""

from __future__ import annotations

import re
from collections.abc import Sequence

from schemas.records import Headline
from tasks.fields.labels import label_text, split_label, strip_decoration
from tasks.fields.lexicon import fold
from tasks.fields.people import split_authors
from tasks.text.rows import Kind, Row, is_terminated, word_count

_BESIDE = frozenset(
    {Kind.CLOCK, Kind.NUMBER, Kind.CATEGORY, Kind.READING, Kind.DATE, Kind.FURNITURE, Kind.CREDIT}
)
"""What stands beside a list's headlines without ending the list."""
_AFTER_HEADLINE = _BESIDE | {Kind.HEADLINE, Kind.SENTENCE, Kind.PROSE, Kind.BYLINE}
_AHEAD = 5
_NUMBERED = re.compile(r"(\d{1,2})\s+(?=\S)")
_LONGEST_HEADLINE = 220
_MORE = re.compile(
    r"(?:\bmehr|\bmore|\bmás|\bplus|\bleia mais|\bdevamı|\bдалее|»|›|→|…|\.\.\.)$", re.IGNORECASE
)


def opens_list(rows: Sequence[Row], index: int) -> bool:
    """True where a label is followed by a headline, not by a paragraph."""
    for row in rows[index + 1 : index + 1 + _AHEAD]:
        if row.kind in _BESIDE:
            continue
        return row.kind in (Kind.HEADLINE, Kind.GLUED) or (
            row.kind in (Kind.SENTENCE, Kind.SHORT) and word_count(row.text) >= 2 and len(row.text) <= 120
        )
    return False


def inline_items(rows: Sequence[Row], index: int, end: int) -> int:
    """End of the list that the label at `index` opens inside a body: where the next paragraph begins."""
    position = index + 1
    while position < end and (rows[position].kind in _BESIDE or _is_item(rows[position])):
        position += 1
    return position


def _is_item(row: Row) -> bool:
    """True for what a list inside a body can hold: no sentence that ends with a full stop."""
    if row.kind in (Kind.HEADLINE, Kind.GLUED):
        return len(row.text) <= _LONGEST_HEADLINE
    return row.kind is Kind.SHORT and word_count(row.text) >= 2 and len(row.text) >= 10


class HeadlineReader:
    """Reads rows in page order and keeps the headlines that lists place on the page."""

    def __init__(self, title: str | None, *, unlabelled: bool) -> None:
        """Args:
        title: the article's own, folded, which is never a sidebar headline.
        unlabelled: whether headlines outside any labelled list count.
        """
        self.headlines: list[Headline] = []
        self._title = title
        self._unlabelled = unlabelled
        self._label: str | None = None
        self._reading = False
        self._skipping = False
        self._number = 0
        self._fresh = False

    def read(self, rows: Sequence[Row]) -> None:
        """Take the headlines of a stretch of rows."""
        self._reading = self._skipping = self._fresh = False
        self._label = None
        for index, row in enumerate(rows):
            self._take(rows, index, row)

    def _take(self, rows: Sequence[Row], index: int, row: Row) -> None:
        match row.kind:
            case Kind.LABEL if opens_list(rows, index):
                self._open(label_text(row.text))
            case Kind.END if self._unlabelled and not self.headlines:
                pass
            case Kind.SPONSORED | Kind.END:
                self._reading, self._skipping, self._fresh = False, True, False
            case Kind.GLUED:
                label, _ = split_label(row.text)
                self._add(row.text, label)
            case Kind.BYLINE:
                self._byline(row.text)
            case Kind.PROMPT | Kind.SIGNOFF | Kind.SOURCE | Kind.BREADCRUMB:
                self._reading = self._fresh = False
            case Kind.HEADLINE | Kind.SENTENCE | Kind.SHORT | Kind.PROSE | Kind.CAPTION:
                self._item(rows, index, row)
            case _:
                pass

    def _open(self, label: str | None) -> None:
        self._label, self._reading, self._skipping, self._number, self._fresh = label, True, False, 0, False

    def _item(self, rows: Sequence[Row], index: int, row: Row) -> None:
        if self._skipping:
            if self._structural_label(rows, index):
                self._open(label_text(row.text))
            return
        if self._structural_label(rows, index):
            self._open(label_text(row.text))
            return
        if not self._reading:
            if not self._unlabelled or row.kind is not Kind.HEADLINE or word_count(row.text) < 4:
                return
            if index + 1 < len(rows) and rows[index + 1].kind not in _AFTER_HEADLINE:
                return
            self._add(row.text, None)
            return
        text = self._unnumbered(row.text)
        if self._is_teaser(row):
            self._fresh = False
            return
        if row.kind is Kind.PROSE or len(text) > _LONGEST_HEADLINE or word_count(text) < 3 or len(text) < 8:
            return
        self._add(text, self._label)

    def _is_teaser(self, row: Row) -> bool:
        """True for the sentence that some lists print below each headline."""
        if not self._fresh:
            return row.kind is Kind.PROSE
        return row.kind in (Kind.SENTENCE, Kind.PROSE) or (
            len(row.text) > 60 and bool(_MORE.search(row.text))
        )

    def _structural_label(self, rows: Sequence[Row], index: int) -> bool:
        """True for a short line that no list knows, above at least three headlines."""
        row = rows[index]
        if (
            row.kind not in (Kind.SHORT, Kind.HEADLINE)
            or word_count(row.text) > 5
            or len(row.text) > 40
            or is_terminated(row.text)
        ):
            return False
        if self._reading and not row.gap:
            return False
        following = [each for each in rows[index + 1 : index + 8] if each.kind not in _BESIDE][:3]
        return len(following) == 3 and all(
            each.kind is Kind.HEADLINE and word_count(each.text) >= 4 and len(each.text) > 1.3 * len(row.text)
            for each in following
        )

    def _unnumbered(self, text: str) -> str:
        found = _NUMBERED.match(text)
        if found and int(found.group(1)) == self._number + 1:
            self._number += 1
            return text[found.end() :]
        return text

    def _byline(self, text: str) -> None:
        if self._fresh and self.headlines and self.headlines[-1].byline is None:
            names = split_authors(text)
            if names:
                last = self.headlines[-1]
                self.headlines[-1] = Headline(last.text, last.label, ", ".join(names), last.href)
        elif (
            self._reading
            and self.headlines
            and self.headlines[-1].byline is None
            and (names := split_authors(text))
        ):
            last = self.headlines[-1]
            self.headlines[-1] = Headline(last.text, last.label, ", ".join(names), last.href)

    def _add(self, text: str, label: str | None) -> None:
        clean = strip_decoration(text)
        if clean and fold(clean) != self._title:
            self.headlines.append(Headline(clean, label))
            self._fresh = True
