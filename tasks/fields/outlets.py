"""Names of outlets at the edges of a headline: `Title | Outlet`, `Outlet - Title`."""

from __future__ import annotations

import json
import re
from functools import cache
from importlib.resources import files

_SEPARATOR = re.compile(r"\s+(?:[-–—|•·»«]|::|/)\s+")
_DOMAIN = re.compile(
    r"(?:www\.)?[\w-]{2,40}\.(?:com|org|net|info|news|tv|co|eu|[a-z]{2})(?:\.[a-z]{2})?", re.IGNORECASE
)
_WORD = re.compile(r"[^\W_]+")
_MAX_NAME_WORDS = 5
_MIN_TITLE_WORDS = 3


@cache
def _cues() -> tuple[frozenset[str], frozenset[str]]:
    lists = json.loads(files("tasks.fields").joinpath("data/outlets.json").read_text("utf-8"))
    return frozenset(lists["anywhere"]), frozenset(lists["with_others"])


def is_outlet(name: str) -> bool:
    """True when a short text names an outlet: a domain, or words that outlets are called by.

    >>> is_outlet("The Harbour Gazette"), is_outlet("Trump"), is_outlet("report")
    (True, False, False)
    """
    if _DOMAIN.fullmatch(name.strip()):
        return True
    words = _WORD.findall(name)
    if not 1 <= len(words) <= _MAX_NAME_WORDS or not words[0][:1].isupper() | words[0][:1].isalpha():
        return False
    if any(word[:1].islower() and len(word) > 3 for word in words):
        return False  # running text: "more news from Berlin"
    anywhere, with_others = _cues()
    folded = [word.casefold() for word in words]
    if any(word in anywhere for word in folded):
        return True
    return (
        len(folded) > 1
        and folded[-1] in with_others
        and folded[-1] not in {"the", "le", "el", "la", "die", "der"}
    )


def strip_outlet(text: str) -> str:
    """The headline without an outlet's name before or behind it; the text itself where there is none.

    Behind a vertical bar any short name goes, since nothing else is written there; behind a dash only
    what reads as an outlet: `Tariffs hurt - minister` stays whole.

    >>> strip_outlet("Ferry cut to two sailings | Skerry Post")
    'Ferry cut to two sailings'
    """
    for _ in range(3):
        stripped = _strip_once(text)
        if stripped == text:
            break
        text = stripped
    return text


def _strip_once(text: str) -> str:
    separators = list(_SEPARATOR.finditer(text))
    if not separators:
        return text
    last = separators[-1]
    title, name = text[: last.start()].rstrip(), text[last.end() :].strip()
    if _is_title(title) and (is_outlet(name) or ("|" in last.group() and _is_bare_name(name))):
        return title
    first = separators[0]
    name, title = text[: first.start()].strip(), text[first.end() :].lstrip()
    if _is_title(title) and is_outlet(name):
        return title
    return text


def _is_title(text: str) -> bool:
    return len(_WORD.findall(text)) >= _MIN_TITLE_WORDS or len(text) >= 12


def _is_bare_name(text: str) -> bool:
    """A few capitalised words without a figure: what stands behind a bar when it is no part of the news."""
    words = _WORD.findall(text)
    return (
        1 <= len(words) <= 4
        and not any(character.isdigit() for character in text)
        and all(not word[:1].islower() or len(word) <= 3 for word in words)
    )
