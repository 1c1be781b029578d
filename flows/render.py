"""Plain text and JSON for a terminal or a pipe, Markdown for Prefect's pages.

What pages say is shown, so nothing here lets a page's control characters reach a terminal, nor its markup an
operator's browser.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import UTC, date, datetime
from typing import Any
from unicodedata import category

import click

_MARKS = re.compile(r"[\\`*_~|!$&<>\[\]{}]")

NARROWEST = 12
"""Characters that a column keeps however narrow the terminal is."""


def print_json(value: object) -> None:
    """One JSON document on stdout; records become objects, times ISO strings.

    What could steer a terminal is written as JSON's own escapes: a program reads the same values.
    """
    document = json.dumps(value, default=_json_value, ensure_ascii=False, indent=2)
    if not document.isascii():  # of these json escapes all that matter
        document = "".join(json.dumps(c)[1:-1] if _steers(c) else c for c in document)
    click.echo(document)


def _json_value(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, date | datetime):
        return value.isoformat()
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    return str(value)


def plain(value: object) -> str:
    """`value` on one line: no control characters, times to the minute in UTC, nothing for None."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%MZ")
    if isinstance(value, float):
        return f"{value:.2f}"
    if isinstance(value, list | tuple):
        return ", ".join(plain(each) for each in value)
    return " ".join(printable(str(value)).split())


def counted(count: int, one: str, many: str) -> str:
    """`1 entry`, `1,200 entries`."""
    return f"1 {one}" if count == 1 else f"{count:,} {many}"


def printable(text: str) -> str:
    """`text` without what could steer a terminal or turn its reading order; line breaks stay."""
    if text.isprintable():
        return text
    return "".join(" " if _steers(c) else c for c in text)


def _steers(character: str) -> bool:
    """True for controls, marks that turn or hide text, and what is no character."""
    return category(character)[0] == "C" and character not in "\n\t"


def markdown(text: str) -> str:
    """`text` on one line, as Markdown that shows it as it is: no link, picture, emphasis or HTML."""
    return _MARKS.sub(r"\\\g<0>", plain(text))


def table(headings: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Aligned columns; numbers to the right; on a terminal the widest columns give way to fit."""
    from rich.cells import cell_len, set_cell_size

    cells = [[plain(value) for value in row] for row in rows]
    widths = [max(map(cell_len, column)) for column in zip(headings, *cells, strict=True)]
    if sys.stdout.isatty():
        _fit(widths, shutil.get_terminal_size().columns - 2 * (len(widths) - 1))
    numeric = [
        all(isinstance(row[i], int | float | None) for row in rows) and bool(rows) for i in range(len(widths))
    ]

    def line(row: Sequence[str]) -> str:
        shown = []
        for text, width, right in zip(row, widths, numeric, strict=True):
            length = cell_len(text)
            if length > width:
                shown.append(set_cell_size(text, width - 1) + "…")
            else:
                shown.append(" " * (width - length) + text if right else text + " " * (width - length))
        return "  ".join(shown).rstrip()

    return "\n".join(line(row) for row in [list(headings), *cells])


def _fit(widths: list[int], room: int) -> None:
    """Narrow the widest columns until all fit, or none is wide."""
    while sum(widths) > room and max(widths) > NARROWEST:
        widths[widths.index(max(widths))] -= 1


def facts(values: Mapping[str, object]) -> str:
    """A line for each name that has a value, the values aligned."""
    shown = {name: plain(value) for name, value in values.items() if value not in (None, "", [], ())}
    width = max(map(len, shown), default=0)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in shown.items())
