"""Authors out of a printed byline."""

from __future__ import annotations

import re
from functools import cache

from tasks.fields.agencies import find_agency
from tasks.fields.dates import find_dates
from tasks.fields.lexicon import alternation, fold, start, words

_LONGEST = 400  # characters of a byline
_MAIL = re.compile(
    r"\(?[\w.+-]{1,64}@[\w-]{1,64}(?:\.[\w-]{1,64}){0,4}\)?|(?<!\w)@\w{2,30}|https?://\S{1,200}"
)
_PARTS = re.compile(r"\s*[;|•·\n\t/＊]\s*|\s+[–—-]\s+")
_NAMES = re.compile(
    r"\s*,\s*(?:and|und|et|y|e|ve|и|و|और|en|i|og|och)\s+|\s+(?:and|und|et|y|e|ve|и|और|og|och|with|mit|avec|con|com)\s+"
    r"|\s*&\s*|\s*[,،、]\s*|\s+و\s?(?=\w)"
)
_NAME_WORD = re.compile(r"[^\W\d_]", re.UNICODE)
_SUFFIX = re.compile(r"^(?:jr|sr|ii|iii|iv|phd|ph\.d|md|m\.d|dr|mba|esq)\.?$", re.IGNORECASE)
_PARTICLES = frozenset(
    [
        *("de", "da", "do", "dos", "das", "del", "della", "di", "du", "des", "d'", "la", "le", "las", "los"),
        *("el", "al", "bin", "bint", "ibn", "ben", "abu", "van", "von", "der", "den", "ter", "ten", "zu"),
        *("zum", "y", "e", "i", "und", "of", "st.", "san", "dela", "mac", "mc", "o'", "af", "av", "ul", "ur"),
    ]
)
_CASELESS = re.compile(r"[\u0590-\u08ff\u0900-\u0dff\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")


@cache
def _role() -> re.Pattern[str]:
    """A role in front of a name or behind it, on folded text."""
    return re.compile(rf"(?:{alternation('roles')})(?!\w)")


def strip_byline_start(text: str) -> tuple[str, bool]:
    """Text without a leading "By", "Written by" … , and whether there was one."""
    length = start(fold(text), "byline_starts")
    if not length:
        return text, False
    # folding may change lengths; a byline's lead never holds characters that do more than shrink
    rest = text[length:]
    return rest.lstrip(" :.\u00a0"), True


def is_name(text: str) -> bool:
    """True for what can be a person's name: up to six words, with capitals where the script has them."""
    if not 3 <= len(text) <= 60 or any(mark in text for mark in '?!:"“”«»()[]{}<>=%$€£#'):
        return False
    parts = text.split()
    if not 1 <= len(parts) <= 6 or any(letter.isdigit() for letter in text):
        return False
    if _CASELESS.search(text):
        return len(parts) <= 5
    proper = [word for word in parts if fold(word) not in _PARTICLES]
    if not proper or (len(parts) == 1 and len(text) < 4):
        return False
    return all(_NAME_WORD.match(word.lstrip("'’‘.-")) and _capital(word) for word in proper)


def _capital(word: str) -> bool:
    first = word.lstrip("'’‘.-")[:1]
    if first.isupper() or not first.islower():
        return True
    return len(word) > 2 and word[1:2] in "'’" and word[2:3].isupper()  # d'Arcy


def _without_role(name: str) -> str:
    """A name without `(now)`, a leading or a trailing role; '' where only a role is left."""
    name = re.sub(r"\s*[(\[][^)\]]{0,80}[)\]]?", "", name).strip(" .,:-–—*")
    folded = fold(name)
    if folded in words("desks") or folded in words("roles"):
        return ""
    leading = _role().match(folded)
    if leading and len(folded) > leading.end() and len(fold(name)) == len(name):
        rest = name[leading.end() :].lstrip(" :,-–")
        return rest if is_name(rest) else ""
    return name


def split_authors(text: str) -> list[str]:
    """The persons a byline names, as printed, in order: no "By", roles, e-mails, places, agencies, dates."""
    text, *others = _MAIL.split(text[:_LONGEST])
    for other in others:  # behind an address stands the outlet, unless the sentence goes on
        if _NAMES.match(other):
            text += other
    for dated in reversed(list(find_dates(text))):
        text = text[: dated.start] + " | " + text[dated.end :]
    names: list[str] = []
    after_name = False
    for part in _PARTS.split(text):
        part, _ = strip_byline_start(part.strip(" ,.:"))
        part, _ = strip_byline_start(part)
        for piece in _NAMES.split(part):
            if after_name and _SUFFIX.match(piece):
                names[-1] += f", {piece}"
                continue
            name = _without_role(
                re.split(r"\s+(?:in|aus|à|en|for|für|pour|para|at)\s+", piece, maxsplit=1)[0]
            )
            name = re.sub(r"\s+", " ", name)
            after_name = bool(name) and is_name(name) and not find_agency(name) and not _place_or_desk(name)
            if after_name and names and " " not in name and not _CASELESS.search(name):
                continue  # `Ann Lee, Berlin`: a place
            if after_name and name not in names:
                if name.isupper() and not _CASELESS.search(name) and len(name) > 4:
                    name = name.title()
                names.append(name)
    return names


def _place_or_desk(name: str) -> bool:
    folded = fold(name)
    return (
        folded in words("desks")
        or folded in words("roles")
        or folded in words("categories")
        or folded in words("furniture")
        or any(word in words("roles") or word in words("desks") for word in folded.split())
        or bool(
            re.search(
                r"\b(?:news|times|post|press|herald|tribune|online|daily|media|agency|redaktion|tv)\b", folded
            )
        )
    )
