"""The timeline of a sidebar headline as a picture: how often, in which lists, and under which texts.

Imported only when a picture is asked for: matplotlib is an extra, and takes a second to import. Texts come
from pages, so none is ever read as mathematics or as markup.
"""

from __future__ import annotations

import textwrap
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any, BinaryIO

import click
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager
from matplotlib.ticker import MaxNLocator, StrMethodFormatter
from rich.cells import cell_len, set_cell_size
from sqlalchemy import Engine

from flows.render import plain
from tasks.postgres.headlines import (
    HeadlineDetail,
    Hour,
    Promotion,
    Revision,
    find_headline,
    hourly,
    revisions,
)

HOURLY_UP_TO = timedelta(days=3)
"""A life this short is drawn by the hour."""

LEAST_HOURS = timedelta(hours=12)
"""However short a life, a picture shows so much of the day around it."""

MOST_ROWS, MOST_TEXTS = 40, 8
"""Lists, and texts of its links, that a picture shows; it says how many it leaves out."""

MOST_BARS = 100
"""Bars side by side that can still be told apart."""

HOURS, DAYS = (1, 3, 6), (1, 7, 28, 91, 364)
"""What a bar may stand for: the first of them that gives no more than that, else the last."""

WIDTH = 10.0
"""Inches; everything below is in inches, too."""
RIGHT, BARS, GAP, TEXT_ROW, AXIS, NOTE = 1.6, 1.7, 0.14, 0.36, 0.5, 0.22

INK, MUTED, FAINT = "#1c2430", "#69707a", "#e3e5e8"
COLOURS = ("#1f6f8b", "#d9822b", "#5f8f4e", "#b5443f", "#7b68a6", "#2fa098", "#c7a22c", "#8a6a50")
OTHER_SOURCES = "#9aa0a8"

FONTS = (
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "Noto Sans JP",
    "Noto Sans SC",
    "Noto Sans KR",
    "Hiragino Sans",
    "PingFang SC",
    "WenQuanYi Zen Hei",
    "IPAexGothic",
    "Noto Sans Arabic",
    "Noto Naskh Arabic",
    "Noto Sans Hebrew",
    "Noto Sans Devanagari",
    "Noto Sans Bengali",
    "Noto Sans Tamil",
    "Noto Sans Thai",
    "Arial Unicode MS",
    "Unifont",
)
"""For what DejaVu Sans, which comes with matplotlib, has no letters for: those of them that are installed."""


def draw_headline(engine: Engine, headline_id: int, stream: BinaryIO, form: str) -> None:
    """Write the timeline of a sidebar headline as `svg` or `png`.

    The same database gives the same bytes with the same version of matplotlib. In an SVG texts stay texts,
    so that whatever views it finds letters and directions for every language.

    Raises:
        LookupError: there is no such headline.
    """
    detail = find_headline(engine, headline_id, limit=None)
    if detail is None:
        raise LookupError(headline_id)
    first, last = detail.first_seen_at, detail.last_seen_at
    short = first is not None and last is not None and last - first <= HOURLY_UP_TO
    hours = hourly(engine, detail.id) if short else []
    texts = [] if detail.generic else revisions(engine, str(detail.id), limit=1000)
    installed = {font.name for font in fontManager.ttflist}
    settings: dict[Any, Any] = {
        "font.family": ["DejaVu Sans", *(name for name in FONTS if name in installed), "sans-serif"],
        "svg.fonttype": "none",
        "svg.hashsalt": "broadsheet",
        "text.parse_math": False,
        "axes.linewidth": 0.6,
    }
    metadata = {"Title": plain(detail.text)} | ({"Date": None} if form == "svg" else {"Software": None})
    with style.context(["default", settings]), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        timeline_figure(detail, hours, texts).savefig(stream, format=form, metadata=metadata, dpi=150)
    missing = [warning for warning in caught if "missing from" in str(warning.message)]
    for warning in caught:
        if warning not in missing:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    if missing and form == "png":
        click.echo("No font here has all its letters; an .svg leaves them to what shows it.", err=True)


@dataclass(frozen=True, slots=True)
class Row:
    """One list of one source."""

    source: str
    label: str
    days: Sequence[Promotion]
    """With known times, in order."""

    @property
    def sightings(self) -> int:
        return sum(day.sightings for day in self.days)

    @property
    def best_position(self) -> int:
        return min(day.best_position for day in self.days)


def timeline_figure(detail: HeadlineDetail, hours: Sequence[Hour], texts: Sequence[Revision]) -> Figure:
    """The picture.

    Args:
        detail: a headline with its whole timeline.
        hours: its known sightings by the hour; days are drawn where they do not tell of all of them.
        texts: what its links have carried, the headline itself included.
    """
    rows = _rows(detail.timeline)
    known = sum(row.sightings for row in rows)
    sources = [source for source, _ in _by_source(rows).most_common()]
    colours = dict(zip(sources, COLOURS, strict=False))
    bars, step = _bars(rows, hours, known)
    shown = sorted(rows, key=lambda row: -row.sightings)[:MOST_ROWS]
    shown.sort(key=lambda row: (sources.index(row.source), row.days[0].first_seen_at, row.label))
    reworded = _reworded(texts, detail.id)
    window = _window(bars, step, reworded)
    bars, step = _widened(bars, step, window)
    window = _window(bars, step, reworded)

    others = reworded[0].revisions - len(reworded) if reworded else 0
    notes = list(_notes(detail.sightings - known, len(rows) - len(shown), others))
    title = textwrap.wrap(plain(detail.text), 72 if cell_len(detail.text) < 1.5 * len(detail.text) else 38)
    title = [*title[:2], f"{title[2]} …"] if len(title) > 3 else title
    row_height = 0.27 if len(shown) <= 25 else 0.21
    labels = [_shortened(f"{row.source} · {row.label}", 36) for row in shown]
    left = 0.4 + max((0.07 * cell_len(label) for label in labels), default=1.0)
    head = 0.35 + 0.3 * len(title) + 0.32
    lists_height = row_height * max(len(shown), 1)
    texts_height = GAP + TEXT_ROW * len(reworded) if reworded else 0.0
    height = head + BARS + GAP + lists_height + texts_height + AXIS + NOTE * len(notes) + 0.12

    figure = Figure(figsize=(WIDTH, height), facecolor="white")

    def panel(top: float, tall: float) -> Axes:
        axes = figure.add_axes(
            (left / WIDTH, 1 - (top + tall) / height, (WIDTH - left - RIGHT) / WIDTH, tall / height)
        )
        axes.tick_params(length=0, pad=7, labelsize=8.5, labelcolor=MUTED, labelbottom=False)
        axes.spines[:].set_visible(False)
        axes.set_axisbelow(True)
        axes.grid(axis="x", color=FAINT, linewidth=0.8)
        return axes

    def say(text: str, top: float, size: float, colour: str = MUTED, weight: str = "normal") -> None:
        figure.text(0.3 / WIDTH, 1 - top / height, text, fontsize=size, color=colour, weight=weight, va="top")

    for number, line in enumerate(title):
        say(line, 0.28 + 0.3 * number, 15, INK, "bold")
    say(_summary(detail, rows), head - 0.38, 9.5)
    upper = panel(head, BARS)
    _draw_bars(upper, bars, step, colours)
    lists = panel(head + BARS + GAP, lists_height)
    _draw_rows(lists, shown, labels, colours, window)
    panels = [upper, lists]
    if reworded:
        panels.append(panel(head + BARS + GAP + lists_height + GAP, texts_height - GAP))
        _draw_texts(panels[-1], reworded, detail.id, window)
        _mark_rewordings(panels, reworded, window)
    for axes in panels:
        axes.set_xlim(*window)
    _time_axis(panels, rows != [])
    for number, note in enumerate(notes):
        say(note, height - 0.1 - NOTE * (len(notes) - number), 8.5)
    return figure


# --- what is drawn -----------------------------------------------------------------------------------


def _rows(timeline: Sequence[Promotion]) -> list[Row]:
    """The lists that it stood in at known times."""
    days: dict[tuple[str, str], list[Promotion]] = defaultdict(list)
    for day in timeline:
        if day.first_seen_at is not None:
            names = plain(day.source) or "unknown source", plain(day.label) or "no label"
            days[names].append(day)
    return [
        Row(source, label, sorted(found, key=lambda day: str(day.day)))
        for (source, label), found in days.items()
    ]


def _by_source(rows: Sequence[Row]) -> Counter[str]:
    counted: Counter[str] = Counter()
    for row in rows:
        counted[row.source] += row.sightings
    return counted


Bars = dict[str, dict[datetime, int]]
"""Sightings of each source, by when the step (hours or days) of a bar begins."""

MONDAY = datetime(1970, 1, 5, tzinfo=UTC)
"""Steps are counted from here, so that hours put together begin with a day and weeks with a Monday."""


def _bars(rows: Sequence[Row], hours: Sequence[Hour], known: int) -> tuple[Bars, timedelta]:
    bars: Bars = defaultdict(lambda: defaultdict(int))
    if known and sum(hour.sightings for hour in hours) == known:
        for hour in hours:
            bars[plain(hour.source) or "unknown source"][hour.hour.astimezone(UTC)] += hour.sightings
        return bars, timedelta(hours=1)
    for row in rows:
        for day in row.days:
            if day.day is not None:
                bars[row.source][datetime.combine(day.day, time(), UTC)] += day.sightings
    return bars, timedelta(days=1)


def _widened(bars: Bars, step: timedelta, window: tuple[float, float]) -> tuple[Bars, timedelta]:
    """Hours put together to three or six, days to weeks that begin on Mondays, where single ones would be too
    thin to see.
    """
    choices = HOURS if step == timedelta(hours=1) else DAYS
    single = (window[1] - window[0]) * timedelta(days=1) / step
    number = next((number for number in choices if single / number <= MOST_BARS), choices[-1])
    wider: Bars = defaultdict(lambda: defaultdict(int))
    for source, counts in bars.items():
        for moment, count in counts.items():
            wider[source][moment - (moment - MONDAY) % (number * step)] += count
    return wider, number * step


def _reworded(texts: Sequence[Revision], headline_id: int) -> list[Revision]:
    """The texts with known times of the link that carried most, some of them if there are many."""
    links: dict[str, list[Revision]] = defaultdict(list)
    for text in texts:
        if text.first_seen_at is not None and (not text.generic or text.headline_id == headline_id):
            links[text.target].append(text)
    carried = max(links.values(), key=len, default=[])
    own = next((place for place, text in enumerate(carried) if text.headline_id == headline_id), 0)
    start = max(0, min(own - MOST_TEXTS // 2, len(carried) - MOST_TEXTS))
    return carried[start : start + MOST_TEXTS] if len(carried) > 1 else []


def _window(bars: Bars, step: timedelta, reworded: Sequence[Revision]) -> tuple[float, float]:
    """From when to when, in days: the headline's life, and as much before and after for other texts."""
    begins = [moment for counts in bars.values() for moment in counts]
    if not begins:
        return 0.0, 1.0
    first, last = min(begins), max(begins) + step
    life = last - first
    room = max(LEAST_HOURS, 3 * step) - life
    if room > timedelta(0):
        first, last = first - room / 2, last + room / 2
    for text in reworded:
        if text.first_seen_at and text.last_seen_at:
            first = min(first, max(text.first_seen_at, min(begins) - life))
            last = max(last, min(text.last_seen_at, max(begins) + step + life))
    margin = (last - first) * 0.015
    return _days(first - margin), _days(last + margin)


def _summary(detail: HeadlineDetail, rows: Sequence[Row]) -> str:
    sources = len({row.source for row in rows})
    said = [
        _number(detail.sightings, "sighting"),
        f"{_number(len(rows), 'list')} of {_number(sources, 'source')}" if rows else "",
        f"{plain(detail.first_seen_at)} to {plain(detail.last_seen_at)}" if rows else "",
        "one text for many stories" if detail.generic else "",
    ]
    return "  ·  ".join(part for part in said if part)


def _notes(unknown: int, lists: int, texts: int) -> Iterator[str]:
    """What a picture leaves out."""
    if unknown > 0:
        yield f"Not drawn: {_number(unknown, 'sighting')} at unknown times."
    if lists > 0:
        yield f"Not drawn below the bars: {_number(lists, 'more list')} with fewer sightings."
    if texts > 0:
        yield f"Not drawn: {_number(texts, 'more text')} of its link."


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _shortened(text: str, cells: int) -> str:
    return text if cell_len(text) <= cells else set_cell_size(text, cells - 1).rstrip() + "…"


# --- drawing -----------------------------------------------------------------------------------------


def _draw_bars(axes: Axes, bars: Bars, step: timedelta, colours: dict[str, str]) -> None:
    """One bar a step; what each source adds to it, those without a colour of their own together."""
    parts: dict[str, Counter[datetime]] = {colour: Counter() for colour in (*colours.values(), OTHER_SOURCES)}
    for source, counts in bars.items():
        parts[colours.get(source, OTHER_SOURCES)].update(counts)
    below: Counter[datetime] = Counter()
    for colour, counts in parts.items():
        moments = sorted(counts)
        axes.bar(
            [_days(moment) for moment in moments],
            [counts[moment] for moment in moments],
            bottom=[below[moment] for moment in moments],
            width=step / timedelta(days=1),
            align="edge",
            color=colour,
            edgecolor="white",
            linewidth=0.5,
        )
        below.update(counts)
    axes.grid(axis="y", color=FAINT, linewidth=0.8)
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.set_ylim(0, max(below.values(), default=1) * 1.15)
    axes.set_ylabel(f"sightings {_each(step)}", fontsize=8.5, color=MUTED)


def _each(step: timedelta) -> str:
    if step < timedelta(days=1):
        hours = step // timedelta(hours=1)
        return "an hour" if hours == 1 else f"in {hours} hours"
    weeks = step // timedelta(weeks=1)
    return {0: "a day", 1: "a week"}.get(weeks, f"in {weeks} weeks")


def _draw_rows(
    axes: Axes,
    rows: Sequence[Row],
    labels: Sequence[str],
    colours: dict[str, str],
    window: tuple[float, float],
) -> None:
    least = (window[1] - window[0]) * 0.005
    for place, row in enumerate(rows):
        colour = colours.get(row.source, OTHER_SOURCES)
        spans = _joined(_span(day, least) for day in row.days)
        begin, end = spans[0][0], sum(spans[-1])
        axes.plot(
            [begin, end],
            [place, place],
            color=colour,
            linewidth=1.2,
            alpha=0.45,
            solid_capstyle="butt",
            zorder=2,
        )
        axes.broken_barh(spans, (place - 0.29, 0.58), facecolors=colour, zorder=3)
        _beside(axes, place, f"{row.sightings:,}×  best #{row.best_position}")
    if not rows:
        axes.text(
            0.5, 0, "None of its sightings has a known time.", ha="center", va="center", color=MUTED,
            transform=axes.get_yaxis_transform(),
        )  # fmt: skip
    axes.set_yticks(range(len(rows)), labels, color=INK)
    axes.set_ylim(max(len(rows), 1) - 0.5, -0.5)


def _beside(axes: Axes, place: int, text: str) -> None:
    """Say something to the right of a row."""
    axes.annotate(
        text,
        (1, place),
        xycoords=("axes fraction", "data"),
        xytext=(8, 0),
        textcoords="offset points",
        va="center",
        fontsize=8.5,
        color=MUTED,
    )


def _days(moment: datetime | None) -> float:
    """A time as matplotlib counts it: in days since 1970.

    Raises:
        ValueError: the time is unknown, which is for the caller to leave out.
    """
    if moment is None:
        raise ValueError("an unknown time has no place on an axis")
    return moment.timestamp() / 86_400


def _span(seen: Promotion | Revision, least: float) -> tuple[float, float]:
    """Where a bar begins, and how long it is: long enough to be seen."""
    begin = _days(seen.first_seen_at)
    return begin, max(_days(seen.last_seen_at) - begin, least)


def _joined(spans: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """Spans in order of time, those that touch as one: of thousands no more than can be seen are drawn."""
    joined: list[tuple[float, float]] = []
    for begin, long in sorted(spans):
        if joined and begin <= sum(joined[-1]):
            first, before = joined.pop()
            begin, long = first, max(before, begin + long - first)
        joined.append((begin, long))
    return joined


def _draw_texts(axes: Axes, texts: Sequence[Revision], headline_id: int, window: tuple[float, float]) -> None:
    least = (window[1] - window[0]) * 0.005
    for place, text in enumerate(texts):
        own = text.headline_id == headline_id
        axes.broken_barh([_span(text, least)], (place + 0.24, 0.18), facecolors=INK if own else OTHER_SOURCES)
        axes.annotate(
            f"{text.number}  {_shortened(plain(text.text), 96)}",
            (0, place),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=8.5,
            color=INK if own else MUTED,
            weight="bold" if own else "normal",
            bbox={"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none"},
            zorder=5,
        )
        _beside(axes, place, f"{text.sightings:,}×  from {text.first_seen_at:%Y-%m-%d}")
    axes.set_yticks([0], ["texts of its link"])
    axes.set_ylim(len(texts) - 0.5, -0.5)


def _mark_rewordings(panels: Sequence[Axes], texts: Sequence[Revision], window: tuple[float, float]) -> None:
    """A line where a text takes the place of another, with its number on top."""
    for text in texts[1:]:
        begin = _days(text.first_seen_at)
        if not window[0] <= begin <= window[1]:
            continue
        for axes in panels:
            axes.axvline(begin, color=INK, linewidth=0.8, linestyle=(0, (3, 3)), zorder=4)
        panels[0].annotate(
            str(text.number),
            (begin, 1),
            xycoords=("data", "axes fraction"),
            ha="center",
            va="center",
            fontsize=7.5,
            color="white",
            bbox={"boxstyle": "circle,pad=0.25", "facecolor": INK, "edgecolor": "none"},
            zorder=5,
        )


def _time_axis(panels: Sequence[Axes], known: bool) -> None:
    for axes in panels:
        if not known:
            axes.set_xticks([])
            continue
        locator = AutoDateLocator(tz=UTC, minticks=4, maxticks=9)  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_locator(locator)
        formatter = ConciseDateFormatter(locator, tz=UTC)  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_formatter(formatter)
    if known:
        panels[-1].tick_params(labelbottom=True)
        panels[-1].xaxis.get_offset_text().set(fontsize=8.5, color=MUTED)
        panels[-1].set_xlabel("fetch time of the pages, UTC", fontsize=8.5, color=MUTED)
