"""Paragraphs that a flattener broke at links and emphasis, whole again."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from tasks.clean import Line
from tasks.fields.lexicon import fold, start, words
from tasks.text.rows import is_terminated

_CLOSING = re.compile(r"[,.;:!?)\]…%،؛।、。）」]|[»”’](?!\w)|['’]s\b")
_DASHED = re.compile(r"[–—-]\s([^\W\d_])")
_OPENING = re.compile(r"[(\[„«“（「]$|\s[\"'‘]$")
_ENDS_QUOTED = re.compile(r"[\"”“»’']$")
_LINK = 90  # characters: the text of a link inside a sentence
_LONG = 60
_REST = 50  # what goes on in lower case for this long is running text, not a tag or a time


def join_runs(lines: Sequence[Line]) -> list[Line]:
    """Lines with broken paragraphs joined.

    A line that goes on in lower case or with a closing mark, after one that did not end, is the rest of a
    paragraph; so is the short line (the text of a link) between such two. A chain of lines counts only if it
    ends as a sentence does, or shows otherwise that it is running text.
    """
    joined: list[Line] = []
    index = 0
    while index < len(lines):
        stop = index + 1
        while stop < len(lines) and lines[stop].gap == 0 and _goes_on(lines, stop - 1):
            stop += 1
        if stop > index + 1 and _is_running(lines[index:stop]):
            joined.append(Line(_glue([line.text for line in lines[index:stop]]), lines[index].gap))
        else:
            joined += lines[index:stop]
        index = stop
    return joined


def _goes_on(lines: Sequence[Line], index: int) -> bool:
    """True where the line after `index` belongs to the same paragraph."""
    before, after = lines[index].text, lines[index + 1].text
    if _continues(before, after):
        return True
    inside = index > 0 and lines[index].gap == 0 and _continues(lines[index - 1].text, before)
    if is_terminated(before) or not _leads(before, inside=inside):
        return False
    if is_terminated(after):
        return True
    following = lines[index + 2] if index + 2 < len(lines) else None
    return (
        len(after) <= _LINK
        and following is not None
        and not following.gap
        and _continues(after, following.text)
    )


def _continues(before: str, after: str) -> bool:
    """True for a text that can only be the rest of the one before."""
    if _CLOSING.match(after):
        return True
    dashed = _DASHED.match(after)
    if (
        not (dashed.group(1) if dashed else after[0]).islower()
        or after[1:2].isupper()
        or before.endswith(":")
    ):
        return False
    return (not is_terminated(before) or bool(_ENDS_QUOTED.search(before))) and not _stands_alone(after)


def _leads(text: str, *, inside: bool) -> bool:
    """True for a text that breaks off: after an opening mark, a comma, or a word no title ends with.

    Short texts do so only inside a paragraph.
    """
    if _OPENING.search(text) or text.endswith((",", "،")):
        return len(text) > 20
    last = text.rsplit(None, 1)[-1]
    return last.islower() and last.isalpha() and (len(text) >= _LONG or (inside and len(last) <= 4))


def _stands_alone(text: str) -> bool:
    """True for short lines that begin in lower case and are no rest of a sentence all the same."""
    if len(text) > _LINK:
        return False
    folded = fold(text)
    return (
        folded in words("furniture") or folded in words("list_labels") or start(folded, "byline_starts") > 0
    )


def _is_running(chain: Sequence[Line]) -> bool:
    rest = [line.text for line in chain[1:]]
    if sum(len(line.text) for line in chain) < _REST:
        return False
    if not any(_continues(one.text, two.text) for one, two in pairwise(chain)):
        return False
    return (
        is_terminated(chain[-1].text)
        or any(_CLOSING.match(text) for text in rest)
        or any(len(text) >= _REST and text[0].islower() for text in rest)
    )


def _glue(pieces: Sequence[str]) -> str:
    parts = [pieces[0]]
    for before, piece in pairwise(pieces):
        parts.append(piece if _CLOSING.match(piece) or _OPENING.search(before) else f" {piece}")
    return "".join(parts)
