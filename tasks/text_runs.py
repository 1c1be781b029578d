"""Paragraphs that a flattener broke at links and emphasis, whole again."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tasks.clean import Line
from tasks.fields.lexicon import fold, start, words
from tasks.text_rows import is_terminated

_CLOSING = re.compile(r"[,.;:!?)\]»”’…%،؛।、。]|'s\b|[–—-]\s[^\W\dA-ZÀ-Þ_]")
_OPENING = re.compile(r"[(\[„«“]$|\s[\"'‘]$")
_ENDS_QUOTED = re.compile(r"[\"”“»’']$")
_LONG, _FRAGMENT = 40, 90
_EVIDENCE = 3


def join_runs(lines: Sequence[Line]) -> list[Line]:
    """Lines with broken paragraphs joined; the same lines where the page shows no sign of breaks.

    A line that goes on in lower case or with a closing mark, after one that did not end, is the rest of a
    paragraph; so is the short line (the text of a link) between such two.
    """
    if not _is_broken(lines):
        return list(lines)
    joined: list[Line] = []
    pieces: list[str] = []
    gap = 0
    for index, line in enumerate(lines):
        following = lines[index + 1] if index + 1 < len(lines) else None
        if pieces and line.gap == 0 and _goes_on(pieces, line.text, following):
            pieces.append(line.text)
            continue
        if pieces:
            joined.append(Line(_glue(pieces), gap))
        pieces, gap = [line.text], line.gap
    if pieces:
        joined.append(Line(_glue(pieces), gap))
    return joined


def _is_broken(lines: Sequence[Line]) -> bool:
    breaks = 0
    for before, after in zip(lines, lines[1:], strict=False):
        if after.gap == 0 and len(before.text) >= _LONG and not is_terminated(before.text) and _continues(after.text):
            breaks += 1
            if breaks >= _EVIDENCE:
                return True
    return False


def _continues(text: str) -> bool:
    """True for text that no paragraph begins with."""
    if _CLOSING.match(text):
        return True
    return text[0].islower() and not text[1:2].isupper()


def _is_own_line(text: str) -> bool:
    """True for short lines that begin in lower case and stand alone all the same."""
    if len(text) > _FRAGMENT:
        return False
    folded = fold(text)
    return folded in words("furniture") or folded in words("list_labels") or start(folded, "byline_starts") > 0


def _goes_on(pieces: Sequence[str], text: str, following: Line | None) -> bool:
    before = pieces[-1]
    length = sum(map(len, pieces[-4:]))
    if _CLOSING.match(text):
        return True
    ended = is_terminated(before)
    if _continues(text) and not _is_own_line(text):
        return (not ended or bool(_ENDS_QUOTED.search(before))) and length + len(text) >= _LONG
    if ended or length < _LONG:
        return False
    if _OPENING.search(before) or before.endswith((",", "،")):
        return True
    if len(text) <= _FRAGMENT and following is not None and following.gap == 0 and _continues(following.text):
        return not _is_own_line(following.text)
    last = before.rsplit(None, 1)[-1]
    return length >= 60 and last.islower() and last.isalpha() and len(last) <= 5 and is_terminated(text)


def _glue(pieces: Sequence[str]) -> str:
    if len(pieces) == 1:
        return pieces[0]
    text = pieces[0]
    parts = [text]
    for before, piece in zip(pieces, pieces[1:], strict=False):
        tight = (_CLOSING.match(piece) and piece[0] not in "–—-") or _OPENING.search(before)
        parts.append(piece if tight else f" {piece}")
    return "".join(parts)
