"""Words of news pages, kept as data: one TOML file a language, `data/<language>.toml`.

A page is read with the words of all languages at once: outlets mix them, and a page's language is
only known after its text is. Adding a language means adding a file.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

_QUOTES = str.maketrans(
    "’‘‛`´ʼ“”„«»", "''''''\"\"\"\"\"", "\u0307\u093c\u200b\u200c\u200d\u200e\u200f\ufeff\u00ad"
)
_SPACE = re.compile(r"\s+")


def fold(text: str) -> str:
    """Text for comparison: no case, one form of quotes, white space collapsed, dotless and dotted i as one."""
    folded = unicodedata.normalize("NFKC", text).casefold().translate(_QUOTES).replace("ı", "i")
    return _SPACE.sub(" ", folded).strip()


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
    """The words of one kind as a regular expression's alternatives, longest first, for folded text."""
    return "|".join(re.escape(word) for word in sorted(words(kind), key=lambda word: (-len(word), word)))


@cache
def _starts(kind: str) -> tuple[dict[int, frozenset[str]], tuple[int, ...]]:
    by_length: dict[int, set[str]] = {}
    for word in words(kind):
        by_length.setdefault(len(word), set()).add(word)
    return {n: frozenset(group) for n, group in by_length.items()}, tuple(sorted(by_length, reverse=True))


def start(folded: str, kind: str) -> int:
    """Length of the longest word of that kind at the start of folded text, ending at a word's end; else 0."""
    groups, lengths = _starts(kind)
    for length in lengths:
        if folded[:length] in groups[length]:
            last, following = folded[length - 1], folded[length : length + 1]
            if not (last.isalnum() and following.isalnum()):
                return length
    return 0
