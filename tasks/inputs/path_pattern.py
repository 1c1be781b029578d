"""What a path says about its pages: `{source}/{date}/*.txt` by a pattern that the user names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from schemas.errors import ConfigError

_FIELDS = {
    "source": r"[^/]+?",
    "date": r"\d{4}(?P<_part>[-_.]?)\d{2}(?P=_part)\d{2}",
    "year": r"\d{4}",
    "month": r"\d{1,2}",
    "day": r"\d{1,2}",
    "hour": r"\d{1,2}",
}
_TOKEN = re.compile(r"\{(\w*)\}|(\*\*/?)|(\*)|(\?)|([^{}*?]+)|(.)", re.DOTALL)
_COMPRESSION = re.compile(r"\.(?:gz|zst)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class PathFacts:
    """What was read from a path."""

    source: str | None = None
    fetched_at: datetime | None = None
    """Start of the day, or of the hour where the pattern has one; UTC."""


def read_path(path: str, pattern: str) -> PathFacts:
    """Match a pattern on the end of a path; a path that does not match, or whose date is none, says nothing.

    The compression suffix of the path may be left out of the pattern.

    Raises:
        ConfigError: the pattern is malformed.
    """
    expression = compile_pattern(pattern)
    found = expression.search(path) or expression.search(_COMPRESSION.sub("", path))
    if found is None:
        return PathFacts()
    said = found.groupdict()
    return PathFacts(said.get("source"), _time(said))


@lru_cache(maxsize=16)
def compile_pattern(pattern: str) -> re.Pattern[str]:
    """Return the pattern as an expression to search a path with.

    Raises:
        ConfigError: it names an unknown field, a field twice, or none at all.
    """
    expression, fields = "", set[str]()
    for field, deep, wide, one, literal, wrong in _TOKEN.findall(pattern.lstrip("/")):
        if wrong or (field and field not in _FIELDS) or (not field and not (deep or wide or one or literal)):
            known = ", ".join(f"{{{name}}}" for name in _FIELDS)
            raise ConfigError(f"The path pattern {pattern!r} is malformed: its fields may be {known}.")
        if field in fields:
            raise ConfigError(f"The path pattern {pattern!r} has {{{field}}} twice.")
        if field:
            fields.add(field)
            expression += f"(?P<{field}>{_FIELDS[field]})"
        elif deep:
            expression += "(?:.*/)?" if deep.endswith("/") else ".*"
        else:
            expression += "[^/]*" if wide else "[^/]" if one else re.escape(literal)
    if not fields:
        raise ConfigError(f"The path pattern {pattern!r} names no field such as {{source}} or {{date}}.")
    return re.compile(f"(?:^|/){expression}$", re.DOTALL)


def _time(said: dict[str, str | None]) -> datetime | None:
    if date := said.get("date"):
        digits = re.sub(r"\D", "", date)
        year, month, day = digits[:4], digits[4:6], digits[6:8]
    else:
        year, month, day = (said.get(name) or "" for name in ("year", "month", "day"))
    if not (year and month and day):
        return None
    try:
        return datetime(int(year), int(month), int(day), int(said.get("hour") or 0), tzinfo=UTC)
    except ValueError:
        return None
