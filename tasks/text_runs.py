"""Paragraphs that a flattener broke at links and emphasis, whole again."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tasks.clean import Line
from tasks.fields.lexicon import fold, start, words
from tasks.text_rows import is_terminated

_CLOSING = re.compile(r"[,.;:!?)\]»”’…%،؛।、。]|'s\b")
_DASHED = re.compile(r"[–—-]\s([^\W\d_])")
_OPENING = re.compile(r"[(\[„«“]$|\s[\"'‘]$")
_ENDS_QUOTED = re.compile(r"[\"”“»’']$")
_LONG, _FRAGMENT = 40, 90
_REST = 50  # what goes on in lower case for this long is running text, not a tag or a time


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
    """True where a long line without an end is followed by one that can only be its rest."""
    return any(
        after.gap == 0
        and len(before.text) >= _LONG
        and not is_terminated(before.text)
        and (_CLOSING.match(after.text) or (_continues(after.text) and _runs(after.text)))
        for before, after in zip(lines, lines[1:], strict=False)
    )


def _runs(text: str) -> bool:
    return len(text) >= _REST or is_terminated(text)


def _continues(text: str) -> bool:
    """True for text that no paragraph begins with."""
    if _CLOSING.match(text):
        return True
    dashed = _DASHED.match(text)
    first = dashed.group(1) if dashed else text[0]
    return first.islower() and not text[1:2].isupper()


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
    link = following is not None and following.gap == 0 and _continues(following.text)
    if _continues(text) and not _is_own_line(text):
        open_end = not ended or bool(_ENDS_QUOTED.search(before))
        return open_end and length + len(text) >= _LONG and (_runs(text) or link or len(pieces) > 1 or length >= 100)
    if ended or length < _LONG:
        return False
    if _OPENING.search(before) or before.endswith((",", "،")):
        return True
    if len(text) <= _FRAGMENT and link and following is not None:
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
