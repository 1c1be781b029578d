"""Bounds on markup before it is parsed: the parser's work grows with the square of depth and attributes."""

from __future__ import annotations

import re
from collections import Counter

_MOST_OPEN = 500
"""Elements open at once. News pages stay below 100; other parsers give up at 256."""
_MOST_ATTRIBUTES = 1_000
_FEW_TAGS = 5_000
"""Fewer tags than this cannot nest so deep that parsing takes a tenth of a second."""
_LONG_TAG = re.compile(r"<[a-z][^<>]{20000}", re.IGNORECASE)
_TAG = re.compile(
    r"<!--[^-]*+(?:-(?!->)[^-]*+)*+"
    r"|<(?P<raw>script|style|textarea|title|iframe|xmp)\b(?P<raw_rest>[^>]*+)>(?:[^<]++|<(?!/(?P=raw)))*+"
    r"|<(?P<end>/?)(?P<name>[a-z][^\s/>]*+)"
    r"(?P<rest>(?:[^>=]++|=\s*+(?:\"[^\"]*+\"|'[^']*+'|[^\s>\"'][^\s>]*+)?+)*+)>?",
    re.IGNORECASE,
)
_VALUE = re.compile(r"=\s*+(?:\"[^\"]*+\"|'[^']*+')")
_SELF_CLOSED = frozenset((
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track",
    "wbr", "p", "li", "dd", "dt", "option", "tr", "td", "th", "tbody", "thead", "tfoot", "body", "html",
    "head",
))  # fmt: skip
"""Elements that hold nothing, or that the next of their kind closes."""


def bounded(markup: str) -> str:
    """The markup without the tags that nest too deep and without too many attributes; work is linear.

    What lies between the tags stays. A page within the bounds comes back as it is, and most pages are told
    to be so without a look at every tag; what is made to slip through meets the time limit of its worker.
    """
    opening = markup.count("<") - markup.count("</")
    if opening <= _FEW_TAGS and not _LONG_TAG.search(markup):
        return markup
    open_tags: Counter[str] = Counter()
    dropped: Counter[str] = Counter()
    depth, position = 0, 0
    kept: list[str] = []
    for tag in _TAG.finditer(markup):
        raw, name, rest = tag["raw"], tag["name"], tag["rest"] or tag["raw_rest"] or ""
        replaced = None
        if name:
            name = name.lower()
            if name not in _SELF_CLOSED:
                if not tag["end"] and depth < _MOST_OPEN:
                    open_tags[name] += 1
                    depth += 1
                elif not tag["end"]:
                    dropped[name] += 1
                    replaced = " "
                elif dropped[name]:
                    dropped[name] -= 1
                    replaced = " "
                elif open_tags[name]:
                    open_tags[name] -= 1
                    depth -= 1
        if replaced is None and len(rest) > 2 * _MOST_ATTRIBUTES:
            names = _VALUE.sub(" ", rest).replace("/", " ").split()
            if len(names) > _MOST_ATTRIBUTES:
                start = tag.start("raw_rest") if raw else tag.start("rest")
                kept.append(markup[position:start])
                position = start + len(rest)
        if replaced is not None:
            kept += markup[position : tag.start()], replaced
            position = tag.end()
    return "".join(kept) + markup[position:] if kept else markup
