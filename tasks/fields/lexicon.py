"""Words of news pages, kept as data: one TOML file a language, `data/<language>.toml`.

A page is read with the words of all languages at once: outlets mix them, and a page's language is
only known after its text is. Adding a language means adding a file.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Mapping
from functools import cache, lru_cache
from importlib.resources import files

_QUOTES = str.maketrans(
    "’‘‛`´ʼ“”„«»", "''''''\"\"\"\"\"", "\u0307\u093c\u200b\u200c\u200d\u200e\u200f\ufeff\u00ad"
)


def fold(text: str) -> str:
    """Text for comparison: no case, one form of quotes and spaces, dotless and dotted i as one."""
    return _fold_short(text) if len(text) <= 300 else _fold(text)


def _fold(text: str) -> str:
    folded = (
        unicodedata.normalize("NFKC", text).casefold().translate(_QUOTES).replace("ı", "i").replace("ё", "е")
    )
    return " ".join(folded.split())


_fold_short = lru_cache(maxsize=4096)(_fold)  # one line is compared with many lists


@cache
def _tables() -> Mapping[str, Mapping[str, list[str]]]:
    """Language → kind of word → words."""
    folder = files("tasks.fields") / "data"
    found = sorted(
        (entry for entry in folder.iterdir() if entry.name.endswith(".toml")), key=lambda e: e.name
    )
    return {entry.name[:-5]: tomllib.loads(entry.read_text("utf-8")) for entry in found}


@cache
def words(kind: str) -> frozenset[str]:
    """The folded words of one kind (`list_labels`, `roles` …) in every language."""
    found = frozenset(fold(word) for table in _tables().values() for word in table.get(kind, ()))
    if not found:
        raise KeyError(kind)
    return found


@cache
def stopwords() -> Mapping[str, frozenset[str]]:
    """Language → its most frequent words."""
    return {
        name: frozenset(map(fold, table["stopwords"]))
        for name, table in _tables().items()
        if "stopwords" in table
    }


@cache
def alternation(kind: str) -> str:
    """The words of one kind as a regular expression's alternatives, longest first, as written and folded."""
    written = {word for table in _tables().values() for word in table.get(kind, ())} | words(kind)
    return "|".join(re.escape(word) for word in sorted(written, key=lambda word: (-len(word), word)))


_STEM = 2


@cache
def _starts(kind: str) -> Mapping[str, tuple[str, ...]]:
    """First letters → the words that begin with them, longest first."""
    by_stem: dict[str, list[str]] = {}
    for word in sorted(words(kind), key=lambda word: (-len(word), word)):
        by_stem.setdefault(word[:_STEM], []).append(word)
    return {stem: tuple(group) for stem, group in by_stem.items()}


def start(folded: str, kind: str, *, whole: bool = True) -> int:
    """Length of the longest word of that kind at the start of folded text, else 0.

    `whole`: the word must end where a word of the text ends.
    """
    by_stem = _starts(kind)
    for stem in (folded[:_STEM], folded[:1]):
        for word in by_stem.get(stem, ()):
            if folded.startswith(word):
                length = len(word)
                if not whole or not (word[-1].isalnum() and folded[length : length + 1].isalnum()):
                    return length
    return 0
