"""Sidebar headlines out of the rows of a flattened page."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise

from schemas.records import Headline
from tasks.fields.labels import is_label, label_text, split_label, strip_decoration
from tasks.fields.lexicon import alternation, fold, stopwords, words
from tasks.fields.people import is_name, split_authors
from tasks.text.rows import Kind, Row, is_terminated, stands_beside_item, word_count

_BESIDE = frozenset(
    {Kind.CLOCK, Kind.NUMBER, Kind.CATEGORY, Kind.READING, Kind.DATE, Kind.FURNITURE, Kind.CREDIT}
)
"""What stands beside a list's headlines without ending the list."""
_PARAGRAPHS = frozenset({Kind.PROSE, Kind.SENTENCE})
_ITEMS = frozenset({Kind.HEADLINE, Kind.SENTENCE, Kind.SHORT, Kind.PROSE})
_MENU = frozenset({Kind.SHORT, Kind.CATEGORY, Kind.FURNITURE})
_FIGURES = frozenset({Kind.CLOCK, Kind.DATE, Kind.NUMBER})
_PARTING = frozenset({Kind.CLOCK, Kind.NUMBER, Kind.READING, Kind.DATE, Kind.SHORT})
_AHEAD = 8
_MENU_ROWS = 4
_CHROME_REPEATS = 3
_CARDS = 3
_NUMBERED = re.compile(
    r"#?(\d{1,2})(?:[.):–-]?\s+(?=\S)|[.):–-]?(?=[A-ZÀ-Þ¿¡«“„\"‘'’\u3040-\u9fff\uac00-\ud7af]))"
)
_REGULAR = 3
_NAME_WORDS = 6
_AND = re.compile(r",\s|\s(?:and|und|et|y|e|i|og|och|en|ja|a|és|ve|и|&)\s")
_BULLET = re.compile(r"^[•▪●‣·–-]\s+")
_NETWORK = re.compile(
    r"(?:\S+\s){1,4}(?:facebook|twitter|instagram|linkedin|youtube|tiktok|whatsapp|telegram|threads|bluesky|rss)"
)
_COUNTED = re.compile(r"(?<=[^\W\d_]|[»”’\"?!)」])\d{1,4}$")
_TIME_BEHIND = re.compile(
    r"(?:\s?[·|•]\s?(?=[^·|•]{0,24}\d)[^·|•]{1,40})+$|\s?[(（]\d{1,2}:\d{2}[)）]$|(?<=[^\W\d_]|[»”’\"?!)])\d{1,2}\s?min\.?$|(?<=\D)(?:\d{4}年)?\d{1,2}月\d{1,2}日(?:\s?\d{1,2}:\d{2})?$"
)
_PREFIX = re.compile(r"(?:[^\W\d_][^\d:|\[\]]{2,24}:|[\[【][^\d\]】]{1,16}[\]】])\s?$")
"""`Analysis: ` and `[Video] ` in front belong to the title; what only stands beside it does not."""
_COUNT_BEFORE = re.compile(r"^\d{1,4}\s+(?=[A-ZÀ-Þ«“„\"‘'])")
_INNER_END = re.compile(r"[.!?]\s+[^\W\d_a-z]")
_LEAST_HEADLINE, _LONGEST_HEADLINE = 8, 220
_BADGE, _LEAST_BADGE = 24, 5
_LABEL_LENGTH, _LABEL_WORDS = 40, 5
_STRIP_WORDS = 8
_STRIP_COMMAS = 5
_STRIP_LENGTH = 32
_COMMA = re.compile(r"[,;] ?(?=[A-ZÀ-Þ])")
_MORE = re.compile(
    r"(?:\bmehr|\bmore|\bmás|\bplus|\bleia mais|\bdevamı|\bдалее|^[^«]*»|›|→|…|\.\.\.)$", re.IGNORECASE
)
_ADDRESS = re.compile(r"\S@\S+\.\S|https?://|www\.")
_ONWARD = re.compile(r"^[^«‹]*[»›→]$")
_GLUED = re.compile(r"[a-zß-ÿа-яё][A-ZÀ-ÞА-ЯİŞÇ]")
_PUNCTUATION = re.compile(r"[,;:.?!\"'’“”„«»()|–—-]")
_CASED = re.compile(r"[^\W\d_]{2,}")
_WORD = re.compile(r"[^\W\d_]+")
_STRONG_WORDS = 5
_LOWER = re.compile(r"(?<!\w)[a-zß-ÿа-яёα-ω][^\W\d_]{4,}")


def is_strong(row: Row) -> bool:
    """True for a line too long to be an entry of a menu."""
    return row.long and row.kind is Kind.HEADLINE


class _Menu:
    """Tells a menu or a row of tags from a list of headlines, row by row.

    Section names stand below each other; headlines are long, or stand between what belongs to them.
    """

    __slots__ = ("balance",)

    def __init__(self) -> None:
        self.balance = 0

    def reached(self, row: Row) -> bool:
        """Weigh the next row; True once the rows before it are a menu."""
        if row.kind in (Kind.SHORT, Kind.CATEGORY, Kind.LABEL) or (
            row.kind is Kind.FURNITURE and self.balance
        ):
            self.balance += 1
        elif row.kind is Kind.HEADLINE:
            self.balance = 0 if is_strong(row) else max(0, self.balance - 1)
        elif row.kind in _PARAGRAPHS or row.kind in (Kind.GLUED, Kind.DATE):
            self.balance = 0
        return self.balance >= _MENU_ROWS


def is_titled(text: str) -> bool:
    """True for a line with capitals throughout, as English headlines have: `Nobody Watched. I Did.`"""
    found = _WORD.findall(text[:_LONGEST_HEADLINE])
    return len(found) >= _STRONG_WORDS and sum(word[0].isupper() for word in found) >= 0.75 * len(found)


def opens_list(rows: Sequence[Row], index: int) -> bool:
    """True where a label is followed by a headline, not by a paragraph, a menu or tags."""
    menu, items = _Menu(), 0
    for row in rows[index + 1 : index + 1 + _AHEAD]:
        if menu.reached(row):
            return False
        if is_strong(row) or row.kind is Kind.GLUED:
            return True
        if row.kind is Kind.HEADLINE or (
            row.kind is Kind.SENTENCE
            and len(row.text) <= 120
            and (not _INNER_END.search(row.text) or is_titled(row.text))
        ):
            items += 1
        elif row.kind not in _BESIDE and row.kind not in (Kind.SHORT, Kind.LABEL):
            break
    return items > 0 and menu.balance == 0


def inline_items(rows: Sequence[Row], index: int, end: int) -> int:
    """End of the list that the label at `index` opens inside a body: where the next paragraph begins.

    A short line above that paragraph is its crosshead, if long ones stand in the list.
    """
    position, strong = index + 1, 0
    while position < end and (
        rows[position].kind in _BESIDE
        or rows[position].kind is Kind.LABEL
        or _is_item(rows[position])
        or stands_beside_item(rows, position)
    ):
        strong += is_strong(rows[position])
        position += 1
    last = rows[position - 1]
    crosshead = (
        strong
        and last.kind in (Kind.HEADLINE, Kind.SHORT)
        and not is_strong(last)
        and not (last.kind is Kind.SHORT and is_name(last.text))
        and position < end
    )
    return position - 1 if crosshead else position


def _is_item(row: Row) -> bool:
    """True for what a list inside a body can hold: no sentence that ends with a full stop."""
    if row.kind in (Kind.HEADLINE, Kind.GLUED):
        return len(row.text) <= _LONGEST_HEADLINE
    return row.kind is Kind.SHORT and word_count(row.text) >= 2 and len(row.text) >= 10


@dataclass(slots=True)
class _Entry:
    """A line of a list that may be a headline."""

    text: str
    row: Row
    apart: bool = False
    """Whether a time, a number or a short line stands between it and the entry above."""
    kicker: bool = False
    """Whether a short line stands right above it."""
    byline: str | None = None
    name: str | None = None
    """The short line right below it, where that can be a person's name."""


@dataclass(slots=True)
class _List:
    """What has been read of one list."""

    label: str | None
    least: int
    """So many strong headlines show that it is a list."""
    below_menu: bool = False
    """Whether nothing but a menu stands above it."""
    entries: list[_Entry] = field(default_factory=list)
    number: int = 0
    fresh: bool = False
    """Whether the row above was a headline."""
    apart: bool = False
    kicker: bool = False
    paid: bool = False
    """Whether the mark of an advertisement stands where the next entry's kicker would."""
    strong: int = 0
    """How many of the entries are long."""
    bulleted: int = 0
    """How many of them begin with a bullet."""
    parted: int = 0
    """How many of them something stands above."""
    kickers: int = 0
    """How many of them but the first a short line stands above."""
    gap: int | None = None
    """How many short lines stand between the entries, where that is always the same."""
    even: bool = True
    beside: Kind | None = None
    """The number or time that last stood beside an entry."""
    short_lines: int = 0
    """Short lines since the last entry."""
    badges: set[str] = field(default_factory=set)
    """The short lines so far, folded: what recurs among the entries is a badge, no label."""
    after_paid: bool = False
    """Whether the entry above was an advertisement: below it stands who paid."""

    def add(self, text: str, row: Row, *, short_lines: int) -> bool:
        """Take an entry; False where it breaks the order of the list.

        `short_lines`: how many stand above it.
        """
        if self.entries and self.fresh and self.entries[-1].row.folded == row.folded:
            return True  # a card's picture and its title
        if number := self._is_next(text):
            self.number += 1
            text = text[number.end() :]
        elif self._breaks(row, short_lines):
            return False
        if self.entries and self.even:
            self.even = self.gap in (None, self.short_lines)
            self.gap = self.short_lines if self.even else None
        self.short_lines = 0
        below_paid = self.after_paid and not (self.apart or self.kicker or is_strong(row))
        if not (self.paid or below_paid):
            self.kickers += bool(self.entries) and self.kicker
            self.entries.append(_Entry(text, row, self.apart, self.kicker))
            self.strong += is_strong(row)
            self.bulleted += bool(_BULLET.match(text))
            self.parted += self.apart
        self.after_paid = self.paid
        self.fresh, self.apart, self.kicker, self.paid = True, False, False, False
        return True

    def _is_next(self, text: str) -> re.Match[str] | None:
        """The number in front of a line that is the list's next."""
        found = _NUMBERED.match(text)
        return found if found and int(found.group(1)) == self.number + 1 else None

    def _breaks(self, row: Row, short_lines: int) -> bool:
        """True for a line without the number, the mark or the time that all entries have."""
        entries = self.entries
        if self.number >= _REGULAR:
            return True
        if len(entries) >= 2 and self.bulleted == len(entries):
            return not _BULLET.match(row.text)
        if is_strong(row):
            return False
        if short_lines >= 2 and self.is_plain:
            return True
        return not self.apart and len(entries) >= _REGULAR and self.parted == len(entries)

    @property
    def is_plain(self) -> bool:
        """True where no short line stands between the entries, so that one more is a label."""
        return len(self.entries) >= 2 and not self.kickers

    @property
    def is_mixed(self) -> bool:
        """True where there are few long lines, or many short ones among them, as in footers."""
        return self.strong < _CARDS or self.strong < 0.8 * len(self.entries)

    @property
    def is_weak(self) -> bool:
        """True where one short line is all that stands below the label, as in menus."""
        return len(self.entries) == 1 and not is_strong(self.entries[0].row)

    @property
    def kicked(self) -> bool:
        """True where a short line stands above each entry."""
        return bool(self.entries) and all(each.kicker for each in self.entries)

    def is_teaser(self, row: Row) -> bool:
        """True for the sentence that some lists print below each headline."""
        if self._is_next(row.text):
            return False
        if row.kind is Kind.SENTENCE:
            if is_titled(row.text):
                return False
            first = not self.entries or self.entries[-1].row.kind is Kind.SENTENCE
            return not first or bool(_INNER_END.search(row.text))
        if not self.fresh:
            return row.kind is Kind.PROSE
        if row.text.endswith(("...", "…")) and self.entries and self.entries[-1].text.endswith(("...", "…")):
            return False
        return row.kind is Kind.PROSE or (len(row.text) > 60 and bool(_MORE.search(row.text)))

    def resolved(self, *, menu: bool) -> list[_Entry]:
        """The entries that are headlines.

        `menu`: a menu stands where the list ends; short lines above it are its first.
        """
        if self.strong < self.least or (menu and 2 * self.strong < len(self.entries)):
            return []
        self._drop_head()
        self._drop_first_kicker()
        self._drop_tail(1 if menu else 2)
        self._take_off(_TIME_BEHIND, 0.5, 2)
        self._take_off(_COUNTED, 0.5, _REGULAR)
        self._take_off(_COUNT_BEFORE, 0.8, _REGULAR)
        self._take_off(_BULLET, 1.0, 1)
        self._drop_dated()
        kickers = self._kickers()
        kept = [entry for index, entry in enumerate(self.entries) if index not in kickers]
        if kept and kept[-1].name and sum(entry.name is not None for entry in kept) >= 2:
            for entry in kept:
                entry.byline = entry.byline or entry.name
        return _without_names(kept)

    def _drop_head(self) -> None:
        """Leave out short lines that something parts from the long ones below them: buttons, say."""
        head = next((index for index, entry in enumerate(self.entries) if is_strong(entry.row)), 0)
        if (
            head >= 2
            and len(self.entries) - head >= _REGULAR
            and (self.entries[head].apart or self.entries[head].kicker)
            and not any(entry.apart or entry.kicker for entry in self.entries[1:head])
            and all(is_strong(entry.row) for entry in self.entries[head:])
        ):
            del self.entries[:head]

    def _drop_first_kicker(self) -> None:
        """Leave out a kicker as long as a headline, where all other entries have a short one."""
        if len(self.entries) <= _REGULAR or is_strong(self.entries[0].row):
            return
        first, *rest = self.entries[1:]
        if is_strong(first.row) and not first.apart and not first.kicker and all(e.kicker for e in rest):
            del self.entries[0]

    def _drop_tail(self, least: int) -> None:
        """Leave out the short lines at the end of a list of long ones: what stands below it."""
        end = len(self.entries)
        if all(entry.apart for entry in self.entries[1:]):
            return
        while end and not is_strong(self.entries[end - 1].row):
            end -= 1
        if (
            end >= _REGULAR
            and len(self.entries) - end >= least
            and all(is_strong(entry.row) for entry in self.entries[:end])
        ):
            del self.entries[end:]

    def _take_off(self, mark: re.Pattern[str], share: float, least: int) -> None:
        """Take a mark off the entries, where so many of them have it: comments, their number, a bullet."""
        marked = [entry for entry in self.entries if mark.search(entry.text)]
        if len(marked) >= max(least, share * len(self.entries)):
            for entry in marked:
                entry.text = mark.sub("", entry.text, count=1)

    def _drop_dated(self) -> None:
        """Leave out the lines with a date that recur below the headlines."""
        below = [
            index
            for index, (one, two) in enumerate(pairwise(self.entries), 1)
            if two.row.dates and not two.apart and not one.row.dates
        ]
        if len(below) >= 2 and 2 * len(below) >= len(self.entries) - 1:
            dropped = set(below)
            self.entries = [entry for index, entry in enumerate(self.entries) if index not in dropped]

    def _kickers(self) -> set[int]:
        """Entries of up to four words, each above a longer one, where the list is made of such pairs."""
        pairs = {
            index
            for index, (one, two) in enumerate(pairwise(self.entries))
            if not (is_strong(one.row) or is_terminated(one.text) or two.apart)
            and len(two.text) > len(one.text)
            and (index == 0 or one.apart or len(self.entries[index - 1].text) > len(one.text))
        }
        parted = {
            index
            for index in pairs
            if self.entries[index].apart and (index + 2 == len(self.entries) or self.entries[index + 2].apart)
        }
        if len(parted) >= 2:
            return parted
        return pairs if len(pairs) >= 2 and 2 * len(pairs) >= len(self.entries) - 1 else set()


def _whole_label(rows: Sequence[Row], index: int) -> str:
    """The label at `index`, and the word in the next row that belongs to it: `RELATED`, `POSTS`."""
    text = rows[index].text
    following = rows[index + 1] if index + 1 < len(rows) else None
    alone = not following or following.text.endswith(":")
    if (
        following
        and not alone
        and following.kind is Kind.SHORT
        and is_label(joined := f"{text} {following.text}")
    ):
        return label_text(joined)
    return label_text(text)


def _is_tag(rows: Sequence[Row], index: int) -> bool:
    """True for the last of a row of tags: no label of the headlines below."""
    above = rows[index - 1] if index else None
    if above is None or above.kind not in (Kind.SHORT, Kind.CATEGORY) or any(map(str.isdigit, above.text)):
        return False
    numbered = any(row.kind is Kind.NUMBER for row in rows[index + 1 : index + 3])
    return not numbered and not rows[index].text.endswith(":")


def _ends_above_label(rows: Sequence[Row], index: int) -> bool:
    """True for the link to all news below a list: the next list's label follows."""
    return index + 1 < len(rows) and rows[index + 1].kind is Kind.LABEL and opens_list(rows, index + 1)


def _reads_on(text: str) -> bool:
    """True for `Live updates`: more than a name, which has capitals throughout."""
    return any(word[0].islower() for word in text.split()[1:])


def _is_hashtag(row: Row) -> bool:
    return row.text.startswith("#")


def _goes_on(rows: Sequence[Row], index: int) -> bool:
    """True where a second paragraph follows: below headlines stands one at most."""
    return index + 1 < len(rows) and rows[index + 1].kind in _PARAGRAPHS


def _without_names(entries: Sequence[_Entry]) -> list[_Entry]:
    """Headlines without the names of authors that stand in between: above is their headline."""
    kept: list[_Entry] = []
    roles = sum(_names_a_role(entry.text) for entry in entries) >= 2
    for entry in entries:
        if (
            kept
            and 2 <= word_count(entry.text) <= _NAME_WORDS
            and (_LOWER.search(kept[-1].text) or _AND.search(entry.text))
            and (_names_someone(entry.text) or (roles and _names_a_role(entry.text)))
        ):
            kept[-1].byline = kept[-1].byline or entry.text
        else:
            kept.append(entry)
    return kept


def _names_someone(text: str) -> bool:
    """True for `Ann Lee`, `Ann Lee, Bob Roy` and `Ann Lee, columnist`."""
    names = _AND.split(text)
    if len(names) > 1 and all(len(name.split()) >= 2 and is_name(name) for name in names):
        return True
    name, comma, rest = text.partition(", ")
    if not comma:
        return is_name(text)
    return len(name.split()) >= 2 and is_name(name) and (is_name(rest) or fold(rest) in words("roles"))


def _names_a_role(text: str) -> bool:
    """True for `Ann Lee, head of the harbour board`, whatever the role: a sign only where it recurs."""
    name, comma, role = text.partition(", ")
    return bool(comma) and role[:1].islower() and len(name.split()) >= 2 and is_name(name)


def menu_texts(rows: Sequence[Row]) -> frozenset[str]:
    """Folded texts of the short lines that recur on the page, and stand in a menu there or recur often."""
    repeats: Counter[str] = Counter()
    in_menus = set()
    for index, row in enumerate(rows):
        if row.kind in _ITEMS and not is_strong(row):
            repeats[row.folded] += 1
            if 0 < index < len(rows) - 1 and rows[index - 1].kind in _MENU and rows[index + 1].kind in _MENU:
                in_menus.add(row.folded)
    return frozenset(
        text
        for text, count in repeats.items()
        if count >= _CHROME_REPEATS or (count > 1 and text in in_menus)
    )


class HeadlineReader:
    """Reads rows in page order and keeps the headlines that lists place on the page."""

    def __init__(self, own: Collection[str], chrome: Collection[str], *, unlabelled: int | None) -> None:
        """Args:
        own: folded texts that are never sidebar headlines: the article's title, and what stands around it.
        chrome: folded texts of the page's menus (`menu_texts`).
        unlabelled: of how many long lines at least a list without a label consists; None: there is none.
        """
        self.headlines: list[Headline] = []
        self._own = own
        self._unlabelled = unlabelled
        self._list: _List | None = None
        self._skipping = False
        self._menu = _Menu()
        self._short_lines = 0
        self._chrome = chrome

    def read(self, rows: Sequence[Row]) -> None:
        """Take the headlines of a stretch of rows."""
        self._list, self._skipping = None, False
        for index, row in enumerate(rows):
            self._short_lines = self._menu.balance
            if self._menu.reached(row) and self._list:
                self._close(menu=True)
            if row.kind is not Kind.FURNITURE:
                self._take(rows, index, row)
        self._close()

    def take(self, row: Row) -> None:
        """Take a headline that stands alone."""
        self._keep(_Entry(row.text, row), None)

    def _take(self, rows: Sequence[Row], index: int, row: Row) -> None:
        match row.kind:
            case Kind.LABEL if self._list and self._is_under_label(rows, index):
                if self._unlabelled:
                    self._list.label = label_text(row.text)
            case Kind.LABEL if self._list and self._list.entries and _ends_above_label(rows, index):
                self._close()
            case Kind.LABEL if opens_list(rows, index):
                self._open(_whole_label(rows, index))
            case Kind.CATEGORY | Kind.SHORT if _is_hashtag(row) and index and _is_hashtag(rows[index - 1]):
                self._close()
            case Kind.CATEGORY if self._skipping and self._structural_label(rows, index):
                self._open(None if _is_tag(rows, index) else label_text(row.text))
                return
            case Kind.CATEGORY if self._renames(rows, index):
                self._open(label_text(row.text))
                return
            case Kind.END if self._unlabelled == 1 and not self.headlines:
                pass
            case Kind.SPONSORED if self._list and self._list.entries and self._marks_one(row):
                self._list.paid = True
            case Kind.END | Kind.PROMPT if self._is_kicker(rows, index):
                pass
            case Kind.SPONSORED | Kind.END:
                self._close(menu=bool(self._list and self._list.is_weak), footer=row.kind is Kind.END)
                self._skipping = True
            case Kind.GLUED:
                label, rest = split_label(row.text)
                if not _is_strip(rest):
                    self._keep(_Entry(row.text, row), label)
            case Kind.NUMBER if row.text.strip("#.) ") == "1" and self._names_list(rows, index):
                pass
            case Kind.BYLINE:
                self._byline(row.text)
            case Kind.PROMPT | Kind.SIGNOFF | Kind.SOURCE | Kind.BREADCRUMB:
                self._close()
            case _ if row.kind in _ITEMS:
                self._item(rows, index, row)
            case _:
                pass
        if self._list:
            if row.kind is Kind.SHORT or row.kind is Kind.CATEGORY:
                self._list.short_lines += 1
                self._list.badges.add(row.folded)
            elif row.kind in _FIGURES:
                self._list.beside = row.kind
            self._list.apart = self._list.apart or row.kind in _PARTING
            if row.kind not in _FIGURES:
                self._list.kicker = row.kind is Kind.SHORT or row.kind is Kind.CATEGORY

    def _names_list(self, rows: Sequence[Row], index: int) -> bool:
        """Open the list that the short line above its first number names."""
        above = rows[index - 1] if index else None
        counts = any(row.text.strip("#.) ") == "2" for row in rows[index + 1 : index + 1 + _AHEAD])
        if not above or above.kind not in (Kind.SHORT, Kind.HEADLINE) or is_strong(above) or not counts:
            return False
        if self._list and self._list.entries and self._list.entries[-1].row is above:
            self._list.entries.pop()
        self._open(label_text(above.text))
        return True

    def _is_kicker(self, rows: Sequence[Row], index: int) -> bool:
        """True for a word that could end a list, where the list has a short line above each headline."""
        return bool(
            self._list
            and self._list.kicked
            and word_count(rows[index].text) <= 3
            and index + 1 < len(rows)
            and is_strong(rows[index + 1])
        )

    def _marks_one(self, row: Row) -> bool:
        """True for a mark of an advertisement that stands for the next entry alone."""
        listed = self._list
        return bool(listed and listed.kicked) or fold(label_text(row.text)) in words("sponsored_marks")

    def _is_under_label(self, rows: Sequence[Row], index: int) -> bool:
        """True for the second of two labels: the first is the list's."""
        return bool(self._list and not self._list.entries and index and rows[index - 1].kind is Kind.LABEL)

    def _open(self, label: str | None, least: int = 0) -> _List:
        self._close()
        self._skipping = False
        self._menu = _Menu()
        self._list = _List(label, least)
        return self._list

    def _close(self, *, menu: bool = False, footer: bool = False) -> None:
        listed, self._list = self._list, None
        if listed and listed.below_menu and (menu or footer) and listed.is_mixed:
            return
        for entry in listed.resolved(menu=menu) if listed else ():
            self._keep(entry, listed.label if listed else None)

    def _item(self, rows: Sequence[Row], index: int, row: Row) -> None:
        if row.kind is Kind.SHORT and self._list and self._is_short_item(rows, index):
            self._list.add(row.text, row, short_lines=0)
            return
        if self._structural_label(rows, index):
            tag = _is_tag(rows, index)
            below_menu = tag and self._short_lines >= _MENU_ROWS
            self._open(None if tag else label_text(row.text)).below_menu = below_menu
            return
        if self._skipping:
            return
        if row.kind is not Kind.PROSE and self._renames(rows, index):
            self._open(label_text(row.text))
            if not words("block_words").isdisjoint(row.folded.split()):
                self._close()
                self._skipping = True
            return
        listed = self._list or self._open_unlabelled(row)
        if listed is None:
            return
        if row.kind is Kind.PROSE and _goes_on(rows, index):
            self._close()
        elif listed.is_teaser(row):
            listed.fresh = False
        elif row.kind is Kind.SHORT:
            if listed.fresh and word_count(row.text) >= 2 and is_name(row.text):
                listed.entries[-1].name = row.text
            listed.fresh = False
        elif (
            _can_be_headline(row)
            and row.folded not in self._chrome
            and not listed.add(row.text, row, short_lines=self._short_lines)
        ):
            self._close()
            if listed := self._open_unlabelled(row):
                listed.add(row.text, row, short_lines=0)

    def _open_unlabelled(self, row: Row) -> _List | None:
        if self._unlabelled is None or row.kind is not Kind.HEADLINE or word_count(row.text) < 4:
            return None
        below_menu = self._short_lines >= _MENU_ROWS
        listed = self._open(None, _CARDS if below_menu else self._unlabelled)
        listed.below_menu = below_menu
        return listed

    def _is_short_item(self, rows: Sequence[Row], index: int) -> bool:
        """True for a headline of two words: it stands where the list's other headlines do."""
        row, listed = rows[index], self._list
        if not (listed and listed.label and listed.entries and 0 < index < len(rows) - 1):
            return False
        if len(row.text) < _LEAST_HEADLINE or word_count(row.text) < 2:
            return False
        above, below = rows[index - 1].kind, rows[index + 1].kind
        if listed.beside is not None:
            beside = above is listed.beside is below
            return beside and (above is Kind.NUMBER or _reads_on(row.text)) and not is_name(row.text)
        if not listed.fresh or listed.gap != 0:
            return False
        goes_on = all(is_strong(each) and _can_be_headline(each) for each in rows[index + 1 : index + 3])
        return goes_on and _reads_on(row.text) and not is_name(row.text)

    def _renames(self, rows: Sequence[Row], index: int) -> bool:
        """True for one short line more than stands between the list's entries: the label of the next list.

        Below it the list goes on as before, with at least two headlines.
        """
        row, listed = rows[index], self._list
        gap = listed.gap if listed else None
        if (
            listed is None
            or listed.strong < listed.least
            or gap is None
            or listed.short_lines != gap
            or is_strong(row)
            or (row.kind is Kind.SHORT and row.folded in listed.badges)
            or len(row.text) > _LABEL_LENGTH
            or word_count(row.text) > _LABEL_WORDS
            or is_terminated(row.text)
            or not row.text[:1].isupper()
            or (row.kind is not Kind.CATEGORY and row.text[-1:].isdigit())
            or (gap == 0 and row.kind is not Kind.CATEGORY and _reads_on(row.text))
            or (word_count(row.text) > 1 and is_name(row.text))
        ):
            return False
        found = short_lines = 0
        for each in rows[index + 1 : index + 1 + _AHEAD]:
            if each.kind in (Kind.SHORT, Kind.CATEGORY):
                short_lines += 1
            elif is_strong(each):
                if short_lines != (gap if found else 0):
                    return False
                found, short_lines = found + 1, 0
                if found == 2:
                    return True
            elif each.kind not in _BESIDE and each.kind is not Kind.BYLINE:
                return False
        return False

    def _structural_label(self, rows: Sequence[Row], index: int) -> bool:
        """True for a short line that no list knows, above at least three headlines."""
        row = rows[index]
        if (
            row.kind not in (Kind.SHORT, Kind.HEADLINE, Kind.CATEGORY)
            or len(row.text) > 40
            or (
                self._list
                and not row.gap
                and not (self._list.is_plain and (row.kind is Kind.SHORT or row.text.isupper()))
            )
            or word_count(row.text) > 5
            or is_terminated(row.text)
            or (self._list and row.folded in self._list.badges)
            or self._is_badge(rows, index)
        ):
            return False
        found = strong = 0
        for each in rows[index + 1 : index + 1 + 2 * _AHEAD]:
            if each.kind is Kind.CATEGORY and self._unlabelled is None:
                return False
            if each.kind in _BESIDE or each.kind is Kind.BYLINE:
                continue
            if (
                each.kind is not Kind.HEADLINE
                or len(each.text) <= 1.3 * len(row.text)
                or word_count(each.text) < 4
            ):
                return False
            found, strong = found + 1, strong + is_strong(each)
            if found == _CARDS:
                return strong >= (1 if self._unlabelled else 2)
        return False

    def _is_badge(self, rows: Sequence[Row], index: int) -> bool:
        """True for a word in capitals right below the list's label: `PRIME`."""
        listed, text = self._list, rows[index].text
        return bool(
            listed
            and listed.label
            and not listed.entries
            and index
            and rows[index - 1].kind is Kind.LABEL
            and text.isupper()
            and word_count(text) == 1
        )

    def _byline(self, text: str) -> None:
        listed = self._list
        if listed and listed.entries and listed.entries[-1].byline is None:
            listed.entries[-1].byline = ", ".join(split_authors(text)) or None

    def _keep(self, entry: _Entry, label: str | None) -> None:
        text = _ago_before().sub("", _without_badge(entry.text), count=1)
        clean = strip_decoration(text)
        if entry.row.kind is not Kind.GLUED and (prefix := _PREFIX.search(text[: text.find(clean)])):
            clean = prefix.group() + clean
        if clean and fold(clean) not in self._own:
            self.headlines.append(Headline(clean, label, entry.byline))


def _without_badge(text: str) -> str:
    """`AbonnéLe vieux port` without the badge that is glued in front."""
    if not text[:1].isupper():
        return text
    for end in range(_LEAST_BADGE, min(_BADGE, len(text))):
        if text[end].isupper() and text[end - 1].isalpha() and fold(text[:end]) in words("badges"):
            return text[end:]
    return text


@cache
def _ago_before() -> re.Pattern[str]:
    """`6m ago` glued in front of a headline."""
    return re.compile(
        rf"^\d{{1,2}}\s?(?:{alternation('ago_units')})\.?\s(?:{alternation('ago')})(?=[^\W\d_a-z])"
    )


def _can_be_headline(row: Row) -> bool:
    return (
        _LEAST_HEADLINE <= len(row.text) <= _LONGEST_HEADLINE
        and word_count(row.text) >= 3
        and not (row.text.startswith("(") and row.text.endswith(")"))
        and not _ONWARD.match(row.text)
        and not _NETWORK.fullmatch(row.folded)
        and not _ADDRESS.search(row.text)
        and not _is_strip(row.text)
    )


def _is_strip(text: str) -> bool:
    """True for a menu or tags in one line: glued, or many words with capitals and no mark between them."""
    if len(text) < _STRIP_LENGTH:
        return False
    if len(_GLUED.findall(text)) >= 3 or len(_COMMA.findall(text)) >= _STRIP_COMMAS:
        return True
    found = _CASED.findall(text)
    return (
        len(found) >= _STRIP_WORDS
        and not _PUNCTUATION.search(text)
        and sum(word[0].isupper() for word in found) >= 0.75 * len(found)
        and (
            len(found) >= 2 * _STRIP_WORDS
            or not any(word in _function_words() for word in fold(text).split())
        )
    )


@cache
def _function_words() -> frozenset[str]:
    return frozenset(word for language in stopwords().values() for word in language)
