"""Dates and times as pages print them, to ISO 8601 with exactly the precision shown."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from importlib.resources import files

from tasks.fields.lexicon import alternation, fold

_EARLIEST_YEAR = 1990
_LONGEST = 2_000  # characters looked at: a date stands near the start of its line
_ASCII_DIGITS = {ord(zero) + n: str(n) for zero in "٠۰०০" for n in range(10)}


@dataclass(frozen=True, slots=True)
class ParsedDate:
    """A point in time, no finer than it was printed."""

    iso: str
    """`2025`, `2025-05`, `2025-05-17`, `2025-05-17T14:05`, with `+02:00` or `Z` where a zone is shown."""
    raw: str
    """As it stands in the text."""
    precision: str
    """`year`, `month`, `day`, `minute` or `second`."""
    start: int = 0
    end: int = 0
    """Where it stands in the text."""


_DIGITS_ISO = (
    r"(?P<iy>(?:19|20)\d\d)(?P<isep>[-/.])(?P<im>0?[1-9]|1[0-2])"
    r"(?:(?P=isep)(?P<id>0?[1-9]|[12]\d|3[01]))?(?!\d|[-/.]\d)"
)
_NUMERIC = r"(?P<na>[0-3]?\d)(?P<nsep>[./-])\s?(?P<nb>[0-3]?\d)(?P=nsep)\s?(?P<ny>(?:19|20)\d\d|\d\d)(?!\d)"
_WORD = r"(?:(?:تشرين|كانون) (?:الأول|الثاني)|[^\W\d_](?:[^\s\d.,;:/()|·•\[\]<>-]|\u200d){1,14})"
_OF = r"(?:(?:de|del|di|of|d')\s?)?"
_DAY_MONTH = (
    r"(?P<dd>[0-3]?\d)(?:st|nd|rd|th|er|\.º|º|ª|°|\.)?[ \u00a0-]?\s?"
    + _OF
    + r"(?P<dm>"
    + _WORD
    + r")[.,॰]{0,2}[ \u00a0-]?\s?"
    r"(?:de\s|del\s|of\s)?[’']?(?P<dy>(?:19|20)\d\d|\d\d(?=\s*(?:$|[|,)·•])))(?!\d(?!\d?\s[^\W\d]))"
)
_MONTH_DAY = (
    r"(?P<mm>" + _WORD + r")\.?\s(?P<md>[0-3]?\d)(?:st|nd|rd|th)?(?:\s*,\s*|\s+)(?P<my>(?:19|20)\d\d)(?!\d)"
)
_YEAR_FIRST = r"(?P<yy>(?:19|20)\d\d)\.?\s(?P<ym>" + _WORD + r")\.?\s(?P<yd>[0-3]?\d)(?!\d)"
_EAST_ASIAN = r"(?P<cy>(?:19|20)\d\d)\s?[年년]\s?(?P<cm>\d{1,2})\s?[月월]\s?(?P<cd>\d{1,2})\s?[日일]"
_MONTH_YEAR = r"(?P<wm>" + _WORD + r")\.?,?\s(?:de\s|del\s)?(?P<wy>(?:19|20)\d\d)(?!\d)"

_DATE = re.compile(
    rf"(?<![\d\w])(?:{_DIGITS_ISO}|{_EAST_ASIAN}|{_DAY_MONTH}|{_NUMERIC}|{_YEAR_FIRST})|(?<![\w])(?:{_MONTH_DAY}|{_MONTH_YEAR})",
    re.IGNORECASE,
)
_CLOCK = (
    r"(?P<h>[01]?\d|2[0-4])\s?(?:[:.٫]|\s?h\s?|h|時|시\s)(?P<mi>[0-5]\d)(?!\d)(?::(?P<s>[0-5]\d)(?!\d)(?:[.,]\d+)?)?\s?分?"
    r"(?:\s?(?P<ap>[ap]\.?\s?m\b\.?))?"
)
_CLOCK_HOUR = r"(?P<h1>1[0-2]|0?[1-9])\s?(?P<ap1>[ap]\.?m\b\.?)"
_ZONE = (
    r"(?P<z>Z\b|(?:UTC|GMT)\s?[+\u2212-]\s?\d{1,2}(?::?[0-5]\d)?(?!\d)|[+\u2212-](?:0\d|1[0-4]):?[0-5]\d(?!\d)"
    r"|(?:[A-Z]{2,4}|TSİ|МСК|Мск|мск|UTC|GMT)(?![\w]))"
)


@cache
def _after() -> re.Pattern[str]:
    at = alternation("at")
    return re.compile(
        rf"(?:T|[\s,،;/|·•–—@-]{{0,6}}(?:\(?(?:{at})\b[\s:.]{{0,3}}|\b)?[\s,|·•–—-]{{0,4}})\(?(?:{_CLOCK}|{_CLOCK_HOUR})"
        rf"(?:\s?(?:Uhr|hrs|hs|h|hod|ч)\b\.?)?(?:\s?[(,]?\s?(?-i:{_ZONE})\)?)?",
        re.IGNORECASE,
    )


_BEFORE = re.compile(
    rf"(?:{_CLOCK})(?:\s?(?:Uhr|hrs|hs|h)\b\.?)?(?:\s?\(?(?-i:{_ZONE})\)?)?"
    r"[\s,،;|·•–—-]{1,4}(?:on\s|am\s|le\s|el\s|del\s|em\s|(?:[^\W\d_]{2,12}[.,]?\s){1,2})?$",
    re.IGNORECASE,
)


@cache
def _months() -> tuple[Mapping[str, int], Mapping[str, Mapping[str, int]]]:
    """All month names in one table, and by language, since a few mean different months."""
    by_language = json.loads((files("tasks.fields") / "data" / "months.json").read_text("utf-8"))
    folded = {
        lang: {fold(name): month for name, month in table.items()} for lang, table in by_language.items()
    }
    merged: dict[str, int] = {}
    for table in (folded["en"], *folded.values()):
        for name, month in table.items():
            merged.setdefault(name, month)
    return merged, folded


@cache
def _zones() -> Mapping[str, Mapping[str, int]]:
    tables: dict[str, dict[str, int]] = tomllib.loads(
        (files("tasks.fields") / "data" / "zones.toml").read_text("utf-8")
    )
    return tables


def month_number(word: str, language: str | None = None) -> int | None:
    """1 … 12 for a month's name or abbreviation in any language, else None."""
    merged, by_language = _months()
    name = fold(word).strip(".")
    number = by_language.get(language or "", {}).get(name) or merged.get(name)
    if number is None and name.startswith("d'"):
        number = merged.get(name[2:])
    return number


def _order(
    first: int, second: int, year: int, sep: str, language: str | None, latest: date
) -> tuple[int, int]:
    """(month, day) of `first sep second sep year`."""
    if first > 12:
        return second, first
    month_first = second > 12 or (sep == "/" and language in (None, "en"))
    if month_first and second <= 12:
        day_first = _valid(year, second, first)
        if (
            _valid(year, first, second)
            and date(year, first, second) > latest
            and day_first
            and date(year, second, first) <= latest
        ):
            return second, first
    return (first, second) if month_first else (second, first)


def _valid(year: int, month: int, day: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True


def _century(year: str) -> int:
    number = int(year)
    return number + (2000 if number < 70 else 1900) if len(year) == 2 else number


def _parts(
    found: re.Match[str], language: str | None, latest: date
) -> tuple[int, int | None, int | None] | None:
    """(year, month, day) of a match, None where its word is no month or its numbers no date."""
    group = found.group
    if group("iy"):
        return int(group("iy")), int(group("im")), int(group("id")) if group("id") else None
    if group("cy"):
        return int(group("cy")), int(group("cm")), int(group("cd"))
    if group("na"):
        year = _century(group("ny"))
        month, day = _order(int(group("na")), int(group("nb")), year, group("nsep"), language, latest)
        return year, month, day
    for name, day_name, year_name in (
        ("dm", "dd", "dy"),
        ("mm", "md", "my"),
        ("ym", "yd", "yy"),
        ("wm", "", "wy"),
    ):
        if word := group(name):
            month_of_word = month_number(word, language)
            if month_of_word is None:
                return None
            return _century(group(year_name)), month_of_word, int(group(day_name)) if day_name else None
    return None


def _us_summer(moment: datetime) -> bool:
    """Second Sunday of March to first Sunday of November, 2 a.m."""
    march, november = datetime(moment.year, 3, 8, 2), datetime(moment.year, 11, 1, 2)  # noqa: DTZ001 (wall clock)
    begins = march + timedelta(days=(6 - march.weekday()) % 7)
    ends = november + timedelta(days=(6 - november.weekday()) % 7)
    return begins <= moment < ends


def _offset(zone: str | None, moment: datetime) -> str:
    """`+05:30`, `Z`, or '' where no known zone is shown."""
    if not zone:
        return ""
    name = fold(zone).replace("\u2212", "-").replace(" ", "")
    for prefix in ("utc", "gmt"):
        if len(name) > 3 and name.startswith(prefix):
            name = name[3:]
    if name[0] in "+-":
        digits = name[1:].replace(":", "")
        hours, minutes = (int(digits[:-2]), int(digits[-2:])) if len(digits) > 2 else (int(digits), 0)
        total = (hours * 60 + minutes) * (-1 if name[0] == "-" else 1)
    else:
        zones = _zones()
        if name in zones["seasonal_us"]:
            total = zones["seasonal_us"][name] + (60 if _us_summer(moment) else 0)
        elif name in zones["fixed"]:
            total = zones["fixed"][name]
        else:
            return ""
    if total == 0:
        return "Z"
    return f"{'-' if total < 0 else '+'}{abs(total) // 60:02d}:{abs(total) % 60:02d}"


def _time(found: re.Match[str]) -> tuple[int, int, int | None] | None:
    """(hour, minute, second) on the 24-hour clock."""
    groups = found.groupdict()
    hour_text, half = (groups["h"], groups["ap"]) if groups["h"] else (groups.get("h1"), groups.get("ap1"))
    if not hour_text:
        return None
    hour, minute = int(hour_text), int(groups["mi"] or 0) if groups["h"] else 0
    second = int(groups["s"]) if groups.get("s") else None
    if half:
        if hour > 12:
            half = None
        else:
            hour = hour % 12 + (12 if half[0] in "pP" else 0)
    return (hour, minute, second) if hour < 24 else None


def find_dates(
    text: str, *, language: str | None = None, fetched_at: datetime | None = None
) -> Iterator[ParsedDate]:
    """Every date in the text, from its start. Arguments as for `find_date`."""
    text = text[:_LONGEST].translate(_ASCII_DIGITS)
    latest = (fetched_at or datetime.now(UTC)).date() + timedelta(days=2)
    position = 0
    while found := _DATE.search(text, position):
        position = found.end()
        parts = _parts(found, language, latest)
        if parts is None or not _EARLIEST_YEAR <= parts[0] <= latest.year + 1:
            position = found.start() + 1 if parts is None else position
            continue
        year, month, day = parts
        if month is None or day is None:
            if month is not None and 1 <= month <= 12:
                yield ParsedDate(
                    f"{year:04d}-{month:02d}", found.group().strip(), "month", found.start(), found.end()
                )
            continue
        if not 1 <= month <= 12 or not _valid(year, month, day):
            continue
        iso, precision, begin, end = f"{year:04d}-{month:02d}-{day:02d}", "day", found.start(), found.end()
        clock = _after().match(text, end)
        if clock is None:
            clock = _BEFORE.search(text[max(0, begin - 48) : begin])
            time = _time(clock) if clock else None
            if clock and time:
                begin -= len(clock.group())
        else:
            time = _time(clock)
            if time:
                end = position = clock.end()
        if clock and time:
            hour, minute, second = time
            moment = datetime(year, month, day, hour, minute)  # noqa: DTZ001 (wall clock; its zone is added below)
            iso += f"T{hour:02d}:{minute:02d}" + (f":{second:02d}" if second is not None else "")
            iso += _offset(clock.group("z"), moment)
            precision = "minute" if second is None else "second"
        yield ParsedDate(iso, text[begin:end].strip(), precision, begin, end)


def find_date(
    text: str, *, language: str | None = None, fetched_at: datetime | None = None
) -> ParsedDate | None:
    """The first date in a text, or None.

    `language` (ISO 639-1) settles month names that mean two months and the order of `03/04/2025`;
    `fetched_at` rules out readings that lie in the future. Years from 1990 on count.
    """
    found = list(find_dates(text, language=language, fetched_at=fetched_at))
    return next((each for each in found if each.precision != "month"), found[0] if found else None)
