"""Image captions: the caption and its credit apart."""

from __future__ import annotations

import re
from functools import cache

from tasks.fields import lexicon
from tasks.fields.agencies import find_agency
from tasks.fields.lexicon import alternation, fold, start

_LONGEST = 2_000
_CREDIT_LENGTH = 90


@cache
def _lead() -> re.Pattern[str]:
    """`Photo:`, `Photograph by`, `©`, `Foto -` at the start of a credit."""
    return re.compile(
        rf"(?:\s*(?:©|\(c\)|®|/|\||(?:{alternation('credit')})(?:\s*[:/|.-]|\s+(?:by|von|de|di|par|por|av)\b|(?=\s*[:©]))|by\b)\s*)+",
        re.IGNORECASE,
    )


@cache
def _marked() -> re.Pattern[str]:
    """Where a credit begins inside a caption: a sign, or a credit word with a colon."""
    return re.compile(
        rf"\s*(?:©|\(c\)\s|(?<![\w])(?:{alternation('credit')})(?:\s(?:by|von|de|di|par|por|av|credit|courtesy))?\s?[:©])",
        re.IGNORECASE,
    )


_SLASH = re.compile(r"\s/\s+([^/]{2,60})$")
_HOLDER = re.compile(r"(?<=[.!?…»”])\s+([^.!?…:,;()]{3,36})$")  # `… 2023. JO DOE / AGENCY`
_BRACKET = re.compile(r"\s*[(\[]([^()\[\]]{2,90})[)\]]\s*\.?$")
_CAPITALS = re.compile(r"(?<=[.!?…»”)])\s+((?:[A-ZÀ-Þ][A-ZÀ-Þ'’.-]+\s?){2,5}(?:[/(].{1,40})?)$")
_DASHED = re.compile(r"\s[-–—]\s+([A-ZÀ-Þ][^/]{2,40}/[^/]{2,40})$")
_GLUED = re.compile(r"(?<=[.!?…”\"'’)])\s*([^.!?…]{2,70})$")
_SOURCE_LIKE = re.compile(r"(?<!\w)[A-ZÀ-Þ][^\s/]{0,40}(?:\s[^\s/]{1,40}){0,4}/[A-ZÀ-Þ][^/]{1,50}$")


def strip_credit(text: str) -> str:
    """A credit without `Photo:`, `©`, `/` and closing brackets."""
    text = text.strip(" \t([|–—-")
    found = _lead().match(text)
    if found:
        text = text[found.end() :]
    return text.strip(" \t)]|:/.,–—-")


def is_credit(text: str) -> bool:
    """True for a line that is nothing but a picture's credit."""
    text = text.strip()
    if not 2 <= len(text) <= _CREDIT_LENGTH:
        return False
    folded = fold(text)
    lead = _lead().match(text) if start(folded, "credit") or text.startswith(("©", "(c)")) else None
    if lead:
        return _names(text[lead.end() :])
    return bool(_SOURCE_LIKE.fullmatch(text)) or (len(text.split()) <= 4 and find_agency(text) is not None)


def _names(text: str) -> bool:
    """True for what can name a holder of rights: hardly any words that are no names."""
    return sum(word.islower() and len(word) > 3 for word in text.split()) < 3


def split_credit(text: str) -> tuple[str | None, str | None]:
    """(caption, credit) of an image's caption, either of them None where it is not there."""
    text = text[:_LONGEST].strip()
    if not text:
        return None, None
    marked = _marked().search(text) if any(sign in text for sign in ":©") or "(c)" in text else None
    if marked and len(text) - marked.start() <= _CREDIT_LENGTH + 30 and _names(text[marked.end() :]):
        caption, rest = text[: marked.start()], text[marked.start() :]
        bracket = caption.rstrip().endswith(("(", "["))
        credit = strip_credit(rest.split(")")[0] if bracket else rest)
        if rest.lstrip().startswith("©"):
            first = _marked().search(credit)
            if first and first.start() > 1:  # `© dpa Foto: Jo Doe`: the right holder
                credit = credit[: first.start()]
        return _whole(caption), strip_credit(credit) or None
    for sign, pattern, trusted in (
        ("", _CAPITALS, True),
        ("/", _DASHED, True),
        ("/", _SLASH, True),
        ("", _BRACKET, False),
        ("", _GLUED, False),
    ):
        if sign not in text:
            continue
        found = pattern.search(text)
        if found and (trusted or _looks_credit(found.group(1), bracket=pattern is _BRACKET)):
            caption, credit = text[: found.start()], strip_credit(found.group(1))
            if pattern is _SLASH and (holder := _HOLDER.search(caption)):
                caption, credit = caption[: holder.start()], f"{holder.group(1)} / {credit}"
            return _whole(caption), credit or None
    if is_credit(text):
        return None, strip_credit(text) or None
    return _whole(text), None


def _looks_credit(text: str, *, bracket: bool) -> bool:
    words = text.split()
    if not words or len(words) > 9 or (len(words) == 1 and fold(text) in lexicon.words("credit")):
        return False
    folded = fold(text)
    if (
        (find_agency(text) and len(words) <= 6)
        or "/" in text
        or re.search(rf"(?<!\w)(?:{alternation('credit')})(?!\w)", folded)
    ):
        return text[:1].isupper() or bracket
    return False


def _whole(caption: str) -> str | None:
    return caption.strip(" \t([|/–—-") or None
