"""Names of outlets at the edges of a headline: `Title | Outlet`, `Outlet - Title`."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files

from tasks.fields.dates import month_number
from tasks.fields.labels import is_serial
from tasks.fields.lexicon import fold, start, words

_SEPARATOR = re.compile(
    r"(?P<bar>[|¦│｜]|(?:::|//)(?<=\s..)(?=\s))|(?P<mark>(?:--(?<=\s..)|[-–—·•»«›/](?<=\s.))(?=\s))"
    r"|(?P<colon>[:：])(?!\d)|_"
)
_ENCLOSED = re.compile(r"\s*[(\[]([^()\[\]]{2,40})[)\]]$")
_DOMAIN = re.compile(
    r"(?:www\.)?[\w-]{2,40}\.(?:com|org|net|info|news|tv|co|eu|[a-z]{2})(?:\.[a-z]{2})?", re.IGNORECASE
)
_ASSOCIATION = re.compile(r"\be\.\s?V\.$")
_WORD = re.compile(r"[^\W_]+")
_LONGEST_NAME = 60
_MAX_NAME_WORDS = 5
_MIN_TITLE_WORDS = 3
_ARTICLES = frozenset(["the", "le", "el", "la", "die", "der"])
_RUNNING = frozenset(
    ["what", "how", "why", "who", "our", "your", "new", "full", "best", "worst", "to", "on", "at"]
)
"""Words of a headline that is capitalised throughout: `What To Expect In The World`, `New Review`."""
_NO_NAME = frozenset(',;?!…"“”')
_JOINT = re.compile(r"\s*[,/&+]\s*|\s(?:and|und|et|y|e|en|og|och|vs?\.?|gegen|contre|contra)\s")
_PREPOSITIONS = frozenset(["in", "on", "for", "am", "im", "en", "à", "em", "no", "na", "w", "v", "в", "на"])
_MIN_GENERIC_WORDS = 4
"""A title of fewer words may be a rubric (`Live updates | Dol`), which only its other part tells apart."""


@dataclass(frozen=True, slots=True)
class _Cues:
    """`data/outlets.json`, which says what each list means."""

    anywhere: frozenset[str]
    with_others: frozenset[str]
    names: frozenset[str]
    small: frozenset[str]
    endings: tuple[str, ...]


@cache
def _cues() -> _Cues:
    lists = json.loads(files("tasks.fields").joinpath("data/outlets.json").read_text("utf-8"))
    return _Cues(
        frozenset(lists["anywhere"]),
        frozenset(lists["with_others"]),
        frozenset(_plain(name) for name in lists["names"]),
        frozenset(_plain(name) for name in lists["small"]),
        tuple(lists["endings"]),
    )


def _plain(name: str) -> str:
    return " ".join(_WORD.findall(name.casefold()))


def is_outlet(name: str) -> bool:
    """True when a short text names an outlet: a domain, a known name, or words that outlets are called by.

    >>> is_outlet("The Harbour Gazette"), is_outlet("Le Monde"), is_outlet("Trump"), is_outlet("report")
    (True, True, False, False)
    """
    name = name.strip()
    return 2 <= len(name) <= _LONGEST_NAME and _is_outlet(name)


@lru_cache(maxsize=4096)  # the same few names stand behind all headlines of a site
def _is_outlet(name: str) -> bool:
    return _is_known(name) or _sounds_like_one(name)


def _is_known(name: str) -> bool:
    if _DOMAIN.fullmatch(name) or _ASSOCIATION.search(name):
        return True
    cues, plain = _cues(), _plain(name)
    if plain in cues.small or (plain in cues.names and not name.islower()):
        return True
    return name.endswith(cues.endings) and len(_WORD.findall(name)) <= _MAX_NAME_WORDS


def _sounds_like_one(name: str) -> bool:
    parts = _WORD.findall(name)
    if not 1 <= len(parts) <= _MAX_NAME_WORDS or not parts[0][:1].isalpha() or not _NO_NAME.isdisjoint(name):
        return False
    if any((word[:1].islower() and len(word) > 3) or word.isdecimal() for word in parts):
        return False  # running text: "more news from Berlin", "Retiro AFP 2022"
    cues = _cues()
    folded = [word.casefold() for word in parts]
    if any(word in cues.anywhere for word in folded):
        return True
    return (
        len(folded) > 1
        and folded[-1] in cues.with_others
        and folded[-1] not in _ARTICLES
        and _RUNNING.isdisjoint(folded)
    )


def strip_outlet(text: str) -> str:
    """The headline without an outlet's name before or behind it; the text itself where there is none.

    Behind a vertical bar any short name goes, unless it is known to tell one headline from another
    (`School closings for Monday | Ohio`) or the title is a series'; behind a dash only what reads as an
    outlet: `Tariffs hurt - minister` stays whole. Behind a name that was taken off, a section goes too:
    `… - Crime - The Guardian`.

    >>> strip_outlet("Ferry cut to two sailings | Skerry Post")
    'Ferry cut to two sailings'
    """
    named = False
    for _ in range(4):
        stripped = _strip_once(text, named)
        if stripped == text:
            break
        text, named = stripped, True
    return text


def _strip_once(text: str, named: bool) -> str:
    if text.endswith((")", "]")):
        enclosed = _ENCLOSED.search(text)
        if enclosed and _is_title(text[: enclosed.start()]) and is_outlet(enclosed.group(1)):
            return text[: enclosed.start()]
    separators = list(_SEPARATOR.finditer(text))
    if not separators:
        return text
    last = separators[-1]
    title, name = text[: last.start()].rstrip(), text[last.end() :].strip()
    tight = last["colon"] and not text[last.start() - 1].isspace()  # `Title: Name` may be `Who: what`
    outlet = _is_known(name) if tight else _may_go(name)
    if _is_title(title) and (outlet or _is_aside(name, title, last, named)):
        return title
    first = separators[0]
    name, title = text[: first.start()].strip(), text[first.end() :].lstrip()
    if _may_go(name) and _is_title(title) and (not first["colon"] or _is_long(title)):
        return title
    return title if named and first["mark"] and fold(name) in words("categories") else text


def _may_go(name: str) -> bool:
    """True for an outlet's name that is not a place's with `News` behind it: `Berlin News: …`."""
    return is_outlet(name) and (_is_known(name) or not _is_telling(fold(name)))


@lru_cache(maxsize=4096)
def _tells_apart(name: str) -> bool:
    """True for what tells headlines of one wording apart: a place, team, day or part, alone or joined."""
    folded = fold(name).strip(" .")
    lead, end = start(folded, "name_leads"), folded.rpartition(" ")[2]
    if (lead and folded[lead:].strip()) or (end != folded and end in words("name_ends")):
        return True
    return any(_is_telling(part) for part in [folded, *_JOINT.split(folded)])


def _is_telling(name: str) -> bool:
    if name in _telling():
        return True
    parts = name.split()
    if len(parts) > 1 and {parts[0], parts[-1]} & words("news_words"):
        parts = [part for part in parts if part not in words("news_words")]
    elif parts[:1] and parts[0] in _PREPOSITIONS:
        parts = parts[1:]
    return " ".join(parts) in _telling() or bool(parts and all(_is_day(part) for part in parts))


def _is_day(word: str) -> bool:
    return word in words("telling_days") or month_number(word) is not None


@cache
def _telling() -> frozenset[str]:
    return words("telling_days") | words("countries") | words("regions") | words("cities") | words("clubs")


def _is_aside(name: str, title: str, separator: re.Match[str], named: bool) -> bool:
    """True for a name that is no part of the news because of what parts it from the title."""
    mark = separator["mark"]
    if separator["bar"] or (mark in {"»", "›"} and not set("«‹") & set(title)) or (named and mark == "--"):
        return _is_long(title) and _is_bare_name(name) and not _tells_apart(name) and not is_serial(title)
    return named and mark is not None and fold(name) in words("categories")


def _is_title(text: str) -> bool:
    return len(text) >= 12 or len(text.encode()) >= 18 or len(_WORD.findall(text)) >= _MIN_TITLE_WORDS


def _is_long(text: str) -> bool:
    return len(_WORD.findall(text)) >= _MIN_GENERIC_WORDS or (not text.isascii() and len(text.encode()) >= 36)


def _is_bare_name(text: str) -> bool:
    """A few capitalised words without a figure: what stands behind a bar when it is no part of the news."""
    parts = _WORD.findall(text)
    return (
        1 <= len(parts) <= 4
        and not any(character.isdigit() for character in text)
        and all(not word[:1].islower() or len(word) <= 3 for word in parts)
    )
