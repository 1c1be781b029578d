"""The lines of a flattened page, each with what it looks like: prose, headline, label, date …

A line is judged by its own text alone: length, punctuation, word lists. What it means on its page is for
`tasks.text.body`, `tasks.text.head` and `tasks.text.lists` to say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache, lru_cache
from itertools import pairwise

from tasks.clean import Line
from tasks.fields.agencies import find_agency
from tasks.fields.captions import is_credit, split_credit
from tasks.fields.dates import ParsedDate, find_dates, month_number
from tasks.fields.labels import is_label, is_sponsored, label_text, split_label, strip_trailing_date
from tasks.fields.lexicon import alternation, fold, start, words
from tasks.fields.people import is_name, split_authors, strip_byline_start


class Kind(Enum):
    """What a line looks like."""

    PROSE = "prose"
    SENTENCE = "sentence"
    HEADLINE = "headline"
    SHORT = "short"
    LABEL = "label"
    POINTS = "label of key points"
    GLUED = "glued label"
    SPONSORED = "sponsored"
    FURNITURE = "furniture"
    PROMPT = "prompt"
    END = "end"
    BYLINE = "byline"
    DATE = "date"
    READING = "reading time"
    SOURCE = "source"
    CREDIT = "credit"
    CAPTION = "caption"
    SIGNOFF = "sign-off"
    CLOCK = "clock"
    NUMBER = "number"
    CATEGORY = "category"
    BREADCRUMB = "breadcrumb"

    __hash__ = (
        object.__hash__
    )  # members are compared by identity; the default hash is slow, and much asked for


@dataclass(slots=True)
class Row:
    """A line and what it looks like."""

    text: str
    gap: int
    kind: Kind
    folded: str = ""
    """For lines of up to 300 characters, else ''."""
    dates: Sequence[ParsedDate] = ()
    long: bool = False
    """Whether a headline is too long to be an entry of a menu."""


_FOLDED_LENGTH = 300
_LONG_WORDS, _LONG_SIZE = 5, 28
_DIGIT = re.compile(r"\d")
_SPOKEN = re.compile(
    r"list (?:of \d+ items?|\d+ of \d+)|end of list|\d+ ?(?:/|of) ?\d+"
)  # for screen readers
_SPOKEN_START = re.compile(r"list (?:of \d+ items?$|\d+ of \d{1,2}\s*)", re.IGNORECASE)
_DESKS = re.compile(r"\s*(?:,|&|/|\band\b|\bund\b|\bet\b|\by\b|\be\b|\bve\b|\bи\b)\s*")
_DATED_LENGTH = 160
_NUMBER = re.compile(r"#?\d{1,4}[.):]?")
_LETTER = re.compile(r"[^\W\d_]")
_TIME = re.compile(r"(?<![\d.:])(?:[01]?\d|2[0-3])[:.][0-5]\d(?![\d.:])")
_ONE = frozenset({"a", "an", "ein", "einer", "einem", "un", "une", "una", "uma"})
_ADULTS = ("18+", "(18+)")  # betting
_SAID = re.compile(r"[–—]\s")
_SPEAKER = re.compile(r"[^\W\d_]:\s\S")  # `Q: …`, `A: …`
_PHONE = re.compile(r"(?<!\d)(?:\+\d{1,3}[\s./-]?)?(?:\(?\d{2,4}\)?[\s./-]){3,5}\d{2,4}(?!\d)")
_HASHTAGS = re.compile(r"#[^\W\d]\S*(?:\s#?\S+){0,2}")
_BAR = re.compile(r"\s*\|\s*|\s+[•·]\s+")
_BAR_WORDS = {2: 1, 3: 3}
"""Most words of an entry, by how many entries there are; four where there are more."""
_LONGEST_NAME, _NAME_WORDS = 60, 4
_BY = re.compile(r"(?:by|von|par|por|di|door|av|af)\s")
_LED_NAME = re.compile(r"(?:[Bb]y|[Vv]on|[Pp]ar|[Pp]or|[Dd]oor)(?=[A-ZÀ-Þ])")
_SCORE = re.compile(
    r"[A-ZÀ-Þ]\S*(?:\s[A-ZÀ-Þ]\S*){0,2}\s\d{1,3}\s?[-–:,]\s?"
    r"(?:\d{1,3}(?:\s[A-ZÀ-Þ]\S*){1,3}|[A-ZÀ-Þ]\S*(?:\s[A-ZÀ-Þ]\S*){0,2}\s\d{1,3})"
)
_DECIMAL = re.compile(r"\d[.,]\d|\d\s?%|[▲▼]")
_DEGREES = re.compile(r"\d\s?°")
_MARKS = re.compile(r"[\W_]+")
_TERMINAL = re.compile(r"[.!?…。！？।؟][\"'”’»)\]]{0,3}$|[.!?…。！？।؟][\"”’»]?\s?\[\d+\]$")
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_DENSE = re.compile(r"[\u0590-\u08ff]")
_CRUMBS = re.compile(r"\s+[/»>›→|]\s+|\s*[»›>|]\s*")
_URL = re.compile(r"(?:https?://|www\.)\S+")
_PARTING = " |/·•–—-,:"
_PLACE_WORDS, _TOPIC_WORDS = 5, 2
_VIEWS = re.compile(r"\d[\d.,]{0,8}\s?[km]?\s[^\W\d_]+(?:ing|ed)\snow")  # `31.2k viewing now`
_CLOCK = re.compile(
    r"(?:(?:at|um|à|às|a las|klo?\.?)\s)?(?:[01]?\d|2[0-3])(?:[:.h][0-5]\d){1,2}\s?(?:[ap]\.?m\.?|uhr|hrs|h)?"
    r"\s?\(?(?:[a-zа-яi]{2,4}(?:[+-]\d{1,2})?)?\)?|\d{1,2}\s?[ap]m",
)


def word_count(text: str) -> int:
    """Words; about two characters are one in scripts without spaces."""
    spaced = len(text.split())
    if text.isascii():
        return spaced
    return spaced + len(_CJK.findall(text)) // 2 if _CJK.search(text) else spaced


def is_terminated(text: str) -> bool:
    """True where a text ends as a sentence does."""
    return bool(_TERMINAL.search(text[-12:]))


@cache
def _reading() -> re.Pattern[str]:
    minutes, reading = alternation("minutes"), alternation("reading")
    return re.compile(
        rf"(?<!\d)(\d{{1,3}})[\s-]*(?:{minutes})(?!\w)\.?[\s-]*(?:{reading})(?!\w)"
        rf"|(?<!\w)(?:{reading})\s*[:·-]?\s*(?:ca\.?\s?|~\s?|de\s)?(\d{{1,3}})\s*(?:{minutes})(?!\w)"
    )


def read_minutes(folded: str) -> int | None:
    """The reading time that a folded line states."""
    found = _reading().search(folded)
    return int(found.group(1) or found.group(2)) if found else None


@cache
def _ago() -> re.Pattern[str]:
    units, ago = alternation("ago_units"), alternation("ago")
    return re.compile(
        rf"(?:(?:{ago})\s)?(?:\d{{1,3}}|an?|un[ae]?|ein(?:er|em)?)\s?(?:{units})\.?(?:\s(?:{ago}))?"
        rf"|(?:{ago})\s(?=.*\d).{{1,20}}"
    )


@cache
def _said_ago() -> re.Pattern[str]:
    """A time before now with the word that says so; more may follow it."""
    units, ago = alternation("ago_units"), alternation("ago")
    number = r"(?:\d{1,3}|an?|un[ae]?|ein(?:er|em)?)"
    return re.compile(
        rf"(?<!\w)(?:(?:{ago})\s{number}\s?(?:{units})|{number}\s?(?:{units})\.?\s(?:{ago}))(?!\w)\.?"
    )


def _is_placed_ago(text: str) -> bool:
    """`News 2 hours ago`, `Topic // 2 hours ago`, `2 hours ago — In Harbourton`: when, and where."""
    lowered = text.lower()
    found = _said_ago().search(lowered) if len(lowered) == len(text) else None
    if not found or (found.start() and found.end() < len(text)):
        return False
    beside = text[: found.start()] or text[found.end() :]
    place = beside.strip(_PARTING)
    parted = len(place) < len(beside.strip())
    return (
        place[:1].isupper()
        and word_count(place) <= (_PLACE_WORDS if parted else _TOPIC_WORDS)
        and not is_terminated(place)
        and (parted or place.istitle() or fold(place) in words("categories"))
    )


@cache
def _updated_ago() -> re.Pattern[str]:
    """`9 hours agoUpdated 6 hours ago`: what stands behind the word."""
    return re.compile(rf"(?<=\w)\s?(?:{alternation('updated')})\s(?=.*\d)")


@cache
def _category_clock() -> re.Pattern[str]:
    """`Football21:05`."""
    return re.compile(r"[^\W\d_][^\d]{2,24}\s?(?:[01]?\d|2[0-3]):[0-5]\d")


def unspoken(lines: Sequence[Line]) -> list[Line]:
    """Lines without what is said to screen readers in front of them: `list 1 of 4Title`."""
    kept = []
    for line in lines:
        text = line.text
        if text[:4].lower() == "list" and (text := _SPOKEN_START.sub("", text)) == "":
            continue
        kept.append(line if text is line.text else Line(text, line.gap))
    return kept


def make_rows(lines: Sequence[Line]) -> list[Row]:
    """A row for each line; a line that runs a date or credit into a headline becomes two."""
    rows: list[Row] = []
    for line in _led(lines):
        for number, text in enumerate(_split_glued(line.text)):
            rows.append(make_row(text, 0 if number else line.gap))
    return _pictured(_captioned(_credited_bylines(_prompts(rows))))


def _led(lines: Sequence[Line]) -> Iterator[Line]:
    """`Read time:` above its value becomes one line with it, `Stories by` above its name."""
    lead: Line | None = None
    for line in lines:
        if lead and _leads_value(lead.text) and _is_value(line.text):
            yield Line(f"{lead.text.rstrip(' :')}: {line.text}", lead.gap)
            lead = None
            continue
        if lead and _names_author(lead.text, line.text):
            yield Line(f"{lead.text} {line.text}", lead.gap)
            lead = None
            continue
        if lead:
            yield lead
        led = len(line.text) <= 40 and (_leads_value(line.text) or _leads_name(line.text))
        lead = line if led else None
        if not led:
            yield line
    if lead:
        yield lead


def _leads_value(text: str) -> bool:
    name = fold(text).rstrip(" :")
    return any(name in words(kind) for kind in ("published", "updated", "reading"))


def _leads_name(text: str) -> bool:
    """True for `Stories by`."""
    folded = fold(text)
    return folded in words("list_label_starts") and bool(_BY.match(folded.rpartition(" ")[2] + " "))


def _names_author(lead: str, text: str) -> bool:
    """True for the name below `Stories by`."""
    return _leads_name(lead) and 2 <= word_count(text) <= _NAME_WORDS and is_name(text)


def _is_value(text: str) -> bool:
    """True for a date, or for a few minutes."""
    if len(text) > 60 or not _DIGIT.search(text):
        return False
    return bool(read_minutes(f"{next(iter(words('reading')))} {fold(text)}")) or any(find_dates(text))


def _split_glued(text: str) -> tuple[str, ...]:
    """`Updated: 19.07.2023 16:48 Title` as two texts."""
    if len(text) > 260 or not _DIGIT.search(text, 0, 80):
        return (text,)
    folded = fold(text[:40])
    if start(folded, "updated") or start(folded, "published"):
        for dated in find_dates(text[:90]):
            rest = text[dated.end :].lstrip(" |·•–—-,;:)")
            if (
                word_count(rest) >= 4
                and len(rest) >= 24
                and not list(find_dates(rest))
                and not read_minutes(fold(rest))
            ):
                return text[: dated.end], rest
            break
    return (text,)


def make_row(text: str, gap: int = 0) -> Row:
    """One line, judged by itself."""
    if len(text) > _FOLDED_LENGTH:
        kind = Kind.PROSE if is_terminated(text) or _sentences(text) else Kind.SENTENCE
        return Row(text, gap, kind)
    kind, folded, dates, long = _judge(text)
    return Row(text, gap, kind, folded, dates, long)


@lru_cache(maxsize=1024)
def _judge(text: str) -> tuple[Kind, str, tuple[ParsedDate, ...], bool]:
    folded = fold(text)
    kind = _simple(text, folded)
    dates: tuple[ParsedDate, ...] = ()
    if kind is None and _DIGIT.search(text):
        kind, dates = _dated(text, folded)
        kind = kind or (None if dates else _figured(text, folded))
    kind = kind or _worded(text, folded) or _shaped(text)
    long = kind is Kind.HEADLINE and word_count(text) >= _LONG_WORDS and text_size(text) >= _LONG_SIZE
    return kind, folded, dates, long


def _sentences(text: str) -> bool:
    return len(re.findall(r"[.!?।。؟]\s", text[:2000])) >= 1


def _simple(text: str, folded: str) -> Kind | None:
    if _MARKS.fullmatch(text) or _URL.fullmatch(text):
        return Kind.FURNITURE
    if text.startswith("#") and _HASHTAGS.fullmatch(text):
        return Kind.CATEGORY
    if _NUMBER.fullmatch(text) or _VIEWS.fullmatch(folded):
        return Kind.NUMBER
    if _SPOKEN.fullmatch(folded):
        return Kind.FURNITURE
    if len(folded) <= 40:
        digits = _DIGIT.search(folded)
        # the count of comments may be glued behind it
        if (digits or not _ONE.isdisjoint(folded.split())) and _ago().fullmatch(folded.rstrip("0123456789")):
            return Kind.CLOCK
        if digits and _is_placed_ago(text):
            return Kind.CLOCK
        if digits and len(parts := _updated_ago().split(folded)) == 2 and all(map(_ago().fullmatch, parts)):
            return Kind.CLOCK
        if digits:
            if folded.endswith(_ADULTS):
                return Kind.FURNITURE
            if _is_times(folded):
                return Kind.CLOCK
            if _CLOCK.fullmatch(folded) or _category_clock().fullmatch(text):
                return Kind.CLOCK
    return None


def _figured(text: str, folded: str) -> Kind | None:
    """What a short line with figures and no date is."""
    if len(folded) > 40:
        return None
    if _clocked(folded) or _is_day(folded):
        return Kind.CLOCK
    if _SCORE.fullmatch(text):
        return Kind.NUMBER
    if _DEGREES.search(folded) or _PHONE.search(text):
        return Kind.FURNITURE
    return Kind.NUMBER if _is_figures(text) else None


def _is_day(folded: str) -> bool:
    """`today, 3 july`, `february 20/27, 2023, issue`: a day without a year, the date of a magazine."""
    tokens = re.split(r"[\s,.]+", folded.strip(" ,."))
    figures = sum(not _LETTER.search(token) for token in tokens)
    months = sum(month_number(token) is not None for token in tokens)
    return months == 1 and 0 < figures <= 2 and len(tokens) - figures <= 2


def _is_times(folded: str) -> bool:
    """`3:12 pm gmt+3 · updated 5 mins ago`: times alone, set apart."""
    if not any(mark in folded for mark in "|•·"):
        return False
    parts = _BAR.split(folded)
    return len(parts) > 1 and all(
        bool(_CLOCK.fullmatch(part) or _ago().fullmatch(part))
        for part in (part[start(part, "updated") :].lstrip(" :") for part in parts)
    )


def _is_bar(text: str) -> bool:
    """True for a menu in one line: `App | FAQ`, `Newest | Best rated | Worst rated`."""
    if not any(mark in text for mark in "|•·") or _DIGIT.search(text):
        return False
    parts = _BAR.split(text)
    longest = _BAR_WORDS.get(len(parts), 4)
    return len(parts) > 1 and all(word_count(part) <= longest for part in parts)


def _clocked(folded: str) -> bool:
    """`yesterday 22.41`, `13:00 •`, `14.14 News`: a time, and a word or two beside it."""
    found = _TIME.search(folded)
    return bool(found) and len(_LETTER.findall(folded)) <= 12


def _is_figures(text: str) -> bool:
    """True for a line of a table of figures: quotes, results, standings, rates."""
    tokens = text.split()
    numbers = sum(token.strip("+-–.:%()").isdigit() for token in tokens)
    if numbers >= 3 and 2 * numbers >= len(tokens):
        return True
    digits, letters = len(_DIGIT.findall(text)), len(_LETTER.findall(text))
    return digits >= 5 and letters < 0.4 * len(text.replace(" ", "")) and bool(_DECIMAL.search(text))


def _dated(text: str, folded: str) -> tuple[Kind | None, tuple[ParsedDate, ...]]:
    """DATE for a line that is a date and little else, READING for a reading time; and the line's dates."""
    if len(text) > _DATED_LENGTH:
        return None, ()
    if read_minutes(folded) is not None and word_count(folded) <= 8:
        return Kind.READING, ()
    dates = tuple(find_dates(text))
    if not any(each.precision != "month" or len(text) < 30 for each in dates):
        return None, dates
    parts = _BAR.split(text)
    if len(parts) > 1 and all(word_count(part) <= 4 for part in parts):
        return Kind.DATE, dates
    rest = text
    for each in reversed(dates):
        rest = rest[: each.start] + " " + rest[each.end :]
    led = bool(start(folded, "published") or start(folded, "updated"))
    letters = len(re.sub(r"[\W\d_]+", "", rest))
    last = dates[-1]
    parted = last.end == len(text) and "T" in last.iso and text[: last.start].endswith((" - ", " – ", " | "))
    if letters <= (34 if led or parted else 16) or (led and len(dates) > 1):
        return Kind.DATE, dates
    return None, dates


def _worded(text: str, folded: str) -> Kind | None:
    label = fold(label_text(text))
    length = len(folded)
    if length <= 80:
        if label in words("block_labels"):
            return Kind.END
        if label in words("furniture") and label not in words("list_labels"):
            return Kind.FURNITURE if label not in words("categories") else Kind.CATEGORY
        if is_sponsored(text):
            return Kind.SPONSORED
        if label in words("key_points"):
            return Kind.POINTS
        if label in words("end_labels") and label not in words("list_labels"):
            return Kind.END
        if is_label(text):
            return Kind.LABEL
        if label in words("categories"):
            return Kind.CATEGORY
    if start(folded, "end_starts"):
        return Kind.END
    if length <= 80 and start(folded, "source") and _introduces(folded, "source"):
        return Kind.SOURCE
    if start(folded.lstrip("—–- "), "signoff_starts") and length < 240 and not _authors_lead(text, folded):
        return Kind.SIGNOFF
    if length <= 200 and _crumbs(text):
        return Kind.BREADCRUMB
    if length <= 80 and _is_menu(label):
        return Kind.FURNITURE
    if length <= 200 and _is_byline(text, folded):
        return Kind.BYLINE
    if _is_bar(text):
        return Kind.FURNITURE
    if start(folded, "signoff_starts") and length < 240:
        return Kind.SIGNOFF
    if start(folded, "furniture_starts") and length <= 200:
        return Kind.PROMPT
    if length <= 60 and start(folded, "onward_starts") and word_count(text) <= _ONWARD_WORDS:
        return Kind.PROMPT
    if length <= 40 and 1 < len(tokens := label.split()) <= 3 and not words("block_words").isdisjoint(tokens):
        return Kind.PROMPT
    if is_credit(text):
        return Kind.CREDIT
    if length > 8 and split_label(text)[0]:
        return Kind.GLUED
    if split_credit(text)[1] or _ends_with_agency(text):
        return Kind.CAPTION
    return None


def _ends_with_agency(text: str) -> bool:
    """`The minister on Sunday in Harbourton. EFE`."""
    if not text[-1:].isupper():
        return False
    sentence, stop, agency = text[-40:].rpartition(". ")
    return bool(stop) and len(sentence) > 10 and agency.isupper() and find_agency(agency) is not None


def _is_menu(folded: str) -> bool:
    """True for the entries of a menu in one line."""
    entries = folded.split()
    if len(entries) < 3:
        return False
    known = sum(entry in words("categories") or entry in words("furniture") for entry in entries)
    return known >= 0.6 * len(entries)


def _introduces(folded: str, kind: str) -> bool:
    rest = folded[start(folded, kind) :]
    return bool(re.match(r"\s?[:|/]\s?\S", rest))


def _authors_lead(text: str, folded: str) -> bool:
    return bool(start(folded, "byline_starts")) and _is_byline(text, folded)


def _crumbs(text: str) -> bool:
    parts = [part for part in _CRUMBS.split(text) if part]
    if len(parts) > 1 and all(fold(part) in words("categories") for part in parts):
        return True
    if len(parts) < 3:
        return False
    first = fold(parts[0])
    return (first in words("furniture") or first in words("categories")) and not is_terminated(parts[0])


def _is_byline(text: str, folded: str) -> bool:
    rest, led = strip_byline_start(text)
    if not led and len(text) <= _LONGEST_NAME:
        if glued := _LED_NAME.match(text):
            behind = text[glued.end() :]
            if split_authors(behind) or not words("roles").isdisjoint(fold(behind).split()):
                return True
        return _is_dated_name(text) or _is_role(text)
    if not led or (text[:1].islower() and not rest[:1].isupper()):
        return False
    if is_terminated(text) and word_count(text) > 8:
        return False
    if len(rest) <= _LONGEST_NAME and _BY.match(folded) and is_name(_without_roles(rest)):
        return True
    names = split_authors(text)
    if names:
        return sum(map(len, names)) >= 0.3 * len(rest) or "@" in text or "|" in text
    return all(part in words("desks") or find_agency(part.upper()) for part in _DESKS.split(fold(rest)))


def _without_roles(text: str) -> str:
    """`Ann Lee Reporter` as `Ann Lee`; a name of at least two words, else ''."""
    words_left = text.split()
    while words_left and fold(words_left[-1]) in words("roles"):
        words_left.pop()
    return " ".join(words_left) if 2 <= len(words_left) < len(text.split()) else ""


def _is_dated_name(text: str) -> bool:
    """`Ann Lee2 March 2024 21:45`: who wrote an entry of a live page."""
    if not _DIGIT.search(text[-6:]):
        return False
    name = strip_trailing_date(text)
    return name != text and is_name(name) and bool(split_authors(name))


def _is_role(text: str) -> bool:
    """`Sports editor: Ann Lee`."""
    role, mark, name = text.partition(":")
    if not mark or not name or word_count(role) > 3 or is_credit(text):
        return False
    return fold(role).endswith(tuple(words("roles"))) and is_name(name.strip())


def stands_beside_item(rows: Sequence[Row], index: int) -> bool:
    """True for the kicker above a headline, and for its author's name below: parts of a list's item."""
    row = rows[index]
    if row.kind is Kind.BYLINE:
        return rows[index - 1].kind is Kind.HEADLINE
    if row.kind is not Kind.SHORT:
        return False
    if index + 1 < len(rows) and rows[index + 1].kind is Kind.HEADLINE:
        return True
    return rows[index - 1].long and word_count(row.text) >= 2 and is_name(row.text)


def text_size(text: str) -> int:
    """Length in Latin letters: scripts that write syllables or no vowels say as much in fewer."""
    if text.isascii():
        return len(text)
    return len(text) + len(_CJK.findall(text)) * 3 // 2 + len(_DENSE.findall(text)) // 4


def _is_cut(text: str) -> bool:
    """True for a line cut to a length (`Growers Blame Warm Curr...`), no sentence that trails off."""
    if len(text) > _LONGEST_CUT or not text.endswith(("...", "…")) or text[0].islower():
        return False
    return not _sentences(text) and text[0] not in "–—-"


_LONGEST_CUT = 110


def _shaped(text: str) -> Kind:
    count, length = word_count(text), text_size(text)
    if length < 90 and (_SPEAKER.match(text) or (count >= 3 and _SAID.match(text) and is_terminated(text))):
        return Kind.SENTENCE
    if is_terminated(text):
        if length >= 90 and count >= 12:
            return Kind.PROSE
        if count >= 4 and not text.endswith(("?", "!", "؟", "？", "！")) and not _is_cut(text):
            return Kind.SENTENCE
    elif length >= 200 or (length >= 130 and _sentences(text)):
        return Kind.PROSE
    if (count >= 3 and length >= 14) or count >= 5:
        return Kind.HEADLINE
    return Kind.SHORT


_ONWARD_WORDS = 6
_PROMPT_LINES = 5
_PROMPTED = (Kind.HEADLINE, Kind.SHORT, Kind.SENTENCE)


def _prompts(rows: list[Row]) -> list[Row]:
    """What stands between a prompt ("Sign up for …") and the button or small print below it is furniture."""
    newsletter = re.compile(rf"(?<!\w)(?:{alternation('newsletter')})")
    for index, row in enumerate(rows):
        if row.kind is not Kind.PROMPT and row.folded not in words("newsletter"):
            continue
        end = index
        for number in range(index + 1, min(len(rows), index + 1 + _PROMPT_LINES)):
            other = rows[number]
            if newsletter.search(other.folded):
                other.kind, end = Kind.FURNITURE, number
            elif other.kind in (Kind.FURNITURE, Kind.PROMPT):
                end = number
                if row.kind is Kind.PROMPT or other.kind is Kind.FURNITURE:
                    break
            elif other.kind not in _PROMPTED:
                break
        for between in rows[index + 1 : end]:
            if between.kind in _PROMPTED:
                between.kind = Kind.FURNITURE
    return rows


def _credited_bylines(rows: list[Row]) -> list[Row]:
    """A name or an agency right above the date of publication is a byline, below a picture a credit."""
    for row, following in pairwise(rows):
        if row.kind is not Kind.CREDIT or following.kind not in (Kind.DATE, Kind.READING):
            continue
        led = start(following.folded, "published") or start(following.folded, "updated")
        if split_authors(row.text) or (led and find_agency(row.text)):
            row.kind = Kind.BYLINE
    return rows


def _captioned(rows: list[Row]) -> list[Row]:
    """`Image caption,` says that what follows it, in the line or in the next, is a caption."""
    for index, row in enumerate(rows):
        if len(row.folded) > _FOLDED_LENGTH or not (length := start(row.folded, "caption_labels")):
            continue
        if row.folded[length:].strip(" ,:"):
            if row.folded[length : length + 1] in ",:":
                row.text, row.kind = row.text[length + 1 :].strip(), Kind.CAPTION
        elif index + 1 < len(rows):
            row.kind = Kind.FURNITURE
            if rows[index + 1].kind in (Kind.HEADLINE, Kind.SENTENCE, Kind.PROSE, Kind.SHORT):
                rows[index + 1].kind = Kind.CAPTION
    return rows


_BELOW_CAPTION = frozenset({Kind.PROSE, Kind.SENTENCE, Kind.LABEL, Kind.GLUED})


_INITIALLED = re.compile(r"[A-ZÀ-Þ]\.\s?[A-ZÀ-Þ]")


def _pictured(rows: list[Row]) -> list[Row]:
    """Captions between paragraphs: shown twice (as alternative text, too), or above `I. Lastname`."""
    for above, one, two, below in zip(rows, rows[1:], rows[2:], rows[3:], strict=False):
        if not one.long or above.kind is not Kind.PROSE:
            continue
        if below.kind is Kind.PROSE and _INITIALLED.match(two.text) and is_name(two.text):
            one.kind, two.kind = Kind.CAPTION, Kind.CREDIT
        elif one.text == two.text and below.kind in _BELOW_CAPTION and one.kind is two.kind is Kind.HEADLINE:
            one.kind = two.kind = Kind.CAPTION
    return rows
