"""Labels of headline lists, and what pages glue to a headline."""

from __future__ import annotations

import re
from functools import cache

from tasks.fields.dates import find_dates, month_number
from tasks.fields.lexicon import alternation, fold, start, words

MOST_HEADLINES = 1_000
"""Sidebar headlines kept of one page, the first ones. Pages with more are archives or hostile."""
_LABEL_LENGTH = 60
_HEADLINE_LENGTH = 400
_EDGES = " \t\u00a0|:»›>→•·*–—-▸▶►+#"


def label_text(text: str) -> str:
    """A label without the marks around it."""
    return text.strip(_EDGES).rstrip(" :.…»›>→")


def is_label(text: str) -> bool:
    """True for the label of a list of headlines: Recommended, Explore, Most read, Lo más leído …"""
    folded = fold(label_text(text))
    if not folded or len(folded) > _LABEL_LENGTH:
        return False
    if folded in words("list_labels"):
        return True
    length = start(folded, "list_label_starts")
    rest = folded[length:].split()
    return bool(length) and 1 <= len(rest) <= 4 and not text.rstrip().endswith((".", "?", "!"))


def is_sponsored(text: str) -> bool:
    """True for the label of a list that somebody paid for."""
    folded = fold(label_text(text))
    return folded in words("sponsored_labels") or (
        len(folded) < 80 and bool(start(folded, "sponsored_starts"))
    )


_NUMBER = re.compile(r"^(?:#\d{1,2}|\d{1,2}[.):])\s*(?=[^\W\d_]|[\"'“‘«¿¡])")
_CLOCK = re.compile(
    r"^(?:[01]?\d|2[0-3])[:.h][0-5]\d\s?(?:uhr\b|h\b|[ap]\.?m\.?)?\s*[|·•–—-]?\s*", re.IGNORECASE
)
_COUNT = re.compile(r"\s*(?:\(\d{1,5}\)|💬\s?\d{1,5})$")
_OUTLET = re.compile(r"^[A-ZÀ-Þ][\w.&]*(?:\s[A-ZÀ-Þ][\w.&]*){0,3}\s-\s(?=\S)")


@cache
def _glued_label() -> re.Pattern[str]:
    """A label run into the headline: `RelatedOutlet - `, `ALSO READ | `, `Mehr zum Thema: `."""
    return re.compile(
        rf"^(?P<label>{alternation('list_labels')})(?P<mark>\s?[:|»›→]\s*|\.\s+|\s+[-–—]\s+|(?=[^\W\d_]))",
        re.IGNORECASE,
    )


@cache
def _kicker() -> re.Pattern[str]:
    return re.compile(
        rf"^(?:[\[(]\s?)?(?:{alternation('kickers')})(?:\s?[\])])?\s?(?:[:|•·]|\s[-–—]|(?<=[\])]))\s*",
        re.IGNORECASE,
    )


@cache
def _category() -> re.Pattern[str]:
    """`EnergycategorySarnnet …`, `Football | …`: a section's name in front."""
    return re.compile(rf"^(?:{alternation('categories')})(?:\s?[|•·]\s*|category(?=[A-ZÀ-Þ]))", re.IGNORECASE)


@cache
def _ago() -> re.Pattern[str]:
    units, after = alternation("ago_units"), alternation("ago")
    return re.compile(
        rf"[\s|·•,–—-]*(?:(?:{after})\s(?:\d{{1,3}}|an?|ein(?:er|em)?|une?|una?)\s?(?:{units})\.?(?!\w)"
        rf"|(?<!\d)(?:\d{{1,3}}|an?)\s?(?:{units})\.?\s(?:{after}))\s*$",
        re.IGNORECASE,
    )


@cache
def _reading() -> re.Pattern[str]:
    minutes, reading = alternation("minutes"), alternation("reading")
    return re.compile(rf"[\s|·•,–—-]*\d{{1,3}}[\s-]?(?:{minutes})\.?\s(?:{reading})\s*$", re.IGNORECASE)


def split_label(text: str) -> tuple[str | None, str]:
    """(label, rest) of a line with a list label glued in front of a headline; (None, text) of any other."""
    if not start(fold(text[:_LABEL_LENGTH]), "list_labels", whole=False):
        return None, text
    label: str | None = None
    rest = text
    for _ in range(3):  # some pages glue it twice
        found = _glued_label().match(rest)
        if not found:
            break
        name, following = found.group("label"), rest[found.end() :].lstrip()
        if not following or (not found.group("mark").strip() and not _glued(name, rest[found.end() :])):
            break
        label = label or name
        rest = following
    return label, rest


def _glued(label: str, following: str) -> bool:
    """True where a new word begins right behind the label: `RelatedOutlet`, not `Explorer`."""
    return label[:1].isupper() and label[-1:].islower() and following[:1].isupper()


def _number(text: str) -> re.Match[str] | None:
    """A list's number in front (`3. Storm nears`), not a date's or a count's (`3. Mai`, `2. Bundesliga`)."""
    found = _NUMBER.match(text)
    if found and found.group().rstrip().endswith("."):
        noun = fold(text[found.end() : found.end() + 40]).partition(" ")[0].rstrip(":,.!?")
        if month_number(noun) or noun in words("counted_nouns"):
            return None
    return found


_LEAD = re.compile(
    r".{0,40}?(?:[\d:|•·\])]|\s[–—-]|category)"
)  # cheap signs that there may be something to take off
_TRAIL = re.compile(r"\d|(?<!\w)an?\s\S+\s\S+$|(?<!\w)(?:une?|una|ein(?:er|em)?)\s\S+$")


def _without(text: str, *patterns: re.Pattern[str]) -> str:
    for pattern in patterns:
        shorter = pattern.sub("", text, count=1)
        if len(shorter) >= 8:
            text = shorter
    return text


def strip_decoration(text: str) -> str:
    """A headline's text alone: no glued label or outlet, number, clock, category, date, age or `VIDEO:`."""
    text = text[:_HEADLINE_LENGTH].strip(" \t\u00a0|•·►▶▸")
    label, rest = split_label(text)
    if label:
        text = _OUTLET.sub("", rest, count=1)
    numbered = _number(text)
    if numbered and len(text) - numbered.end() >= 8:
        text = text[numbered.end() :]
    if _LEAD.match(text):
        text = _without(text, _CLOCK, _category(), _kicker(), _category())
    if _TRAIL.search(text):
        text = _without(text, _COUNT, _reading(), _ago())
    return strip_trailing_date(text).strip(" \t\u00a0|•·")


_TAIL = 40
_DIGIT = re.compile(r"\d")
_GLUED_DATE = re.compile(r"(?<=[^\W\d_A-Z])(?=[A-Z][a-z]{2,8}\.?\s\d)|(?<=[^\W\d_?!.”’\"')])(?=\d{1,2}[./ ])")


def strip_trailing_date(text: str) -> str:
    """Text without a date at its end, glued or after a separator; a date inside the sentence stays."""
    cut = max(0, len(text) - _TAIL)
    tail = text[cut:]
    if not _DIGIT.search(tail):
        return text
    spots = [0, *(found.start() for found in _GLUED_DATE.finditer(tail))]
    for spot in spots:
        for dated in find_dates(tail[spot:]):
            if dated.end == len(tail[spot:].rstrip()) and dated.precision != "month":
                begin = cut + spot + dated.start
                before = text[:begin]
                if spot or before.rstrip(" ")[-1:] in "|·•-–—,)(" or not before.strip():
                    return before.rstrip(" |·•-–—,(") if len(before) >= 8 else text
    return text
