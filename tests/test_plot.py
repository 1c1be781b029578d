"""The timeline of a headline as a picture: what it says, for every kind of life, text and time."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from xml.etree import ElementTree as ET

import pytest
from captures import extracted, load, rows
from sqlalchemy import Engine

from schemas.records import ExtractedPage, Headline
from tasks.postgres.headlines import HeadlineDetail, Hour, Promotion, Revision, top_headlines
from tasks.settle import settle

pytest.importorskip("matplotlib", reason="needs the extra `plot`")

from flows.plot import MOST_BARS, MOST_ROWS, draw_headline, timeline_figure

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
FERRY = "Ferry to Arna delayed by storm"


def pages(*headlines: tuple[float | None, Headline]) -> list[ExtractedPage]:
    """A page for each headline, fetched so many hours after noon."""
    return [
        extracted(
            number,
            title=f"Page {number}",
            fetched_at=None if hours is None else NOON + timedelta(hours=hours),
            headlines=[headline],
        )
        for number, (hours, headline) in enumerate(headlines)
    ]


def loaded(engine: Engine, *headlines: tuple[float | None, Headline]) -> int:
    """The id of the headline that is seen most."""
    load(engine, *pages(*headlines))
    settle(engine)
    return top_headlines(engine, limit=1)[0].id


def drawn(engine: Engine, headline_id: int, form: str = "svg") -> bytes:
    stream = io.BytesIO()
    draw_headline(engine, headline_id, stream, form)
    return stream.getvalue()


def texts(picture: bytes) -> list[str]:
    """What an SVG says: it must be well-formed, and hold its texts as texts."""
    return ["".join(node.itertext()) for node in ET.fromstring(picture).iter() if is_text(node)]


def is_text(node: ET.Element) -> bool:
    return node.tag == "{http://www.w3.org/2000/svg}text"


def test_a_picture_says_what_was_seen_where(database: Engine) -> None:
    explore, most_read = Headline(FERRY, "Explore"), Headline(FERRY, "Most read")
    headline = loaded(database, (0, explore), (30, explore), (100, most_read), (None, most_read))
    said = texts(drawn(database, headline))
    assert FERRY in said
    assert "4 sightings  ·  2 lists of 1 source  ·  2026-05-01 12:00Z to 2026-05-05 16:00Z" in said
    assert {"gazette.example · Explore", "gazette.example · Most read", "sightings a day"} <= set(said)
    assert {"2×  best #1", "1×  best #1"} <= set(said)
    assert "Not drawn: 1 sighting at unknown times." in said
    assert "fetch time of the pages, UTC" in said


def test_a_short_life_is_drawn_by_the_hour(database: Engine) -> None:
    headline = loaded(database, (0, Headline(FERRY)), (0.5, Headline(FERRY)), (7, Headline(FERRY)))
    assert {"sightings an hour", "gazette.example · no label"} <= set(texts(drawn(database, headline)))
    with database.begin() as connection:
        connection.exec_driver_sql("DELETE FROM headline_sightings")
    assert "sightings a day" in texts(drawn(database, headline)), "what retention drops is drawn by the day"


def test_rewordings_are_marked(database: Engine) -> None:
    link = "https://gazette.example/ferry"
    worded = (FERRY, "Storm keeps the Arna ferry in harbour", "Ferry to Arna sails again after the storm")
    load(
        database,
        *pages(
            (0, Headline(worded[0], None, None, link)),
            (96, Headline(worded[1], None, None, link)),
            (96.5, Headline(worded[1], None, None, link)),
            (216, Headline(worded[2], None, None, link)),
        ),
    )
    settle(database)
    said = texts(drawn(database, top_headlines(database)[0].id))
    for number, text in enumerate(worded, start=1):
        assert f"{number}  {text}" in said
    assert {"2", "texts of its link", "2×  from 2026-05-05", "1×  from 2026-05-10"} <= set(said)


@pytest.mark.parametrize(
    "text",
    [
        "Ferries cost $5 to $10 & <b>more</b> \\frac{1}{2} ^_ $x^2$",
        "橋の亀裂は三年前から知られていた、調査報告で判明した",
        "العبارة إلى أرنا تأخرت بسبب العاصفة",
        "फेरी तूफान से लेट हुई अर्ना के लिए",
        "Ferry 🛳 delayed ﷽ by storm",
        "word " * 200 + "end",
        "x" * 500,
    ],
)
@pytest.mark.parametrize("form", ["svg", "png"])
def test_every_text_is_drawn_as_it_is(
    database: Engine, text: str, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A warning would be an error here; letters that no font has are told of in one sentence."""
    load(database, *pages((0, Headline(text, text, None, "https://gazette.example/x"))))
    settle(database)
    picture = drawn(database, 1, form)
    if form == "png":
        assert picture.startswith(b"\x89PNG\r\n\x1a\n")
        assert len(capsys.readouterr().err.splitlines()) <= 1
    else:
        assert any(said.startswith(text[:20]) for said in texts(picture))
        assert capsys.readouterr().err == ""


def test_a_headline_without_known_times_says_so(database: Engine) -> None:
    headline = loaded(database, (None, Headline(FERRY)))
    said = texts(drawn(database, headline))
    assert "None of its sightings has a known time." in said
    assert "Not drawn: 1 sighting at unknown times." in said


def test_the_same_picture_has_the_same_bytes(database: Engine) -> None:
    headline = loaded(database, (0, Headline(FERRY)), (50, Headline(FERRY)))
    for form in ("svg", "png"):
        assert drawn(database, headline, form) == drawn(database, headline, form)


def test_what_is_no_headline_is_not_drawn(database: Engine) -> None:
    with pytest.raises(LookupError):
        drawn(database, 1)


# --- bounds ------------------------------------------------------------------------------------------


def detail(timeline: Sequence[Promotion]) -> HeadlineDetail:
    return HeadlineDetail(
        id=1,
        text=FERRY,
        generic=False,
        article_id=None,
        article_title=None,
        article_url=None,
        sightings=sum(row.sightings for row in timeline),
        first_seen_at=min((row.first_seen_at for row in timeline if row.first_seen_at), default=None),
        last_seen_at=max((row.last_seen_at for row in timeline if row.last_seen_at), default=None),
        wording_count=0,
        wordings=[],
        link_count=0,
        links=[],
        timeline_count=len(timeline),
        timeline=list(timeline),
    )


def promotion(day: int, source: int = 1, label: str = "Explore", sightings: int = 1) -> Promotion:
    seen = NOON + timedelta(days=day)
    return Promotion(
        date(2026, 5, 1) + timedelta(days=day), f"paper{source}.example", label, sightings, 1, seen,
        seen + timedelta(hours=6), 1, None,
    )  # fmt: skip


def figure_texts(figure: object) -> list[str]:
    stream = io.BytesIO()
    figure.savefig(stream, format="svg")  # type: ignore[attr-defined]
    return re.findall(r"<!-- (.*?) -->", stream.getvalue().decode())


def test_many_lists_are_bounded_and_the_rest_is_counted() -> None:
    timeline = [promotion(day, source) for source in range(60) for day in range(source % 5 + 1)]
    figure = timeline_figure(detail(timeline), [], [])
    bars, lists = figure.axes
    assert len(lists.get_yticks()) == MOST_ROWS
    assert f"Not drawn below the bars: {60 - MOST_ROWS} more lists with fewer sightings." in figure_texts(
        figure
    )
    heights: dict[float, float] = {}
    for bar in bars.patches:
        heights[bar.get_x()] = heights.get(bar.get_x(), 0) + bar.get_height()  # type: ignore[attr-defined]
    assert sum(heights.values()) == len(timeline), "the bars count every list"
    assert figure.get_size_inches()[1] < 14


@pytest.mark.parametrize(
    ("days", "unit"), [(60, "a day"), (600, "a week"), (2000, "in 4 weeks"), (8000, "in 13 weeks")]
)
def test_long_lives_are_drawn_by_the_week(days: int, unit: str) -> None:
    """As many bars and spans as can be told apart, and no sighting is lost."""
    timeline = [promotion(day, source) for source in range(2) for day in range(0, days, 1 + days // 1000)]
    figure = timeline_figure(detail(timeline), [], [])
    bars, lists = figure.axes
    assert bars.get_ylabel() == f"sightings {unit}"
    assert len(bars.patches) <= 2 * (MOST_BARS + 2)
    heights = [bar.get_height() for bar in bars.patches]  # type: ignore[attr-defined]
    assert sum(heights) == len(timeline)
    low, high = bars.get_xlim()
    for bar in bars.patches:
        begin, wide = bar.get_x(), bar.get_width()  # type: ignore[attr-defined]
        assert low <= begin < begin + wide <= high
        if days > 60:
            assert (date(1970, 1, 1) + timedelta(days=begin)).weekday() == 0
    assert all(len(spans.get_paths()) <= 2 * MOST_BARS for spans in lists.collections)


def test_days_that_touch_are_one_span() -> None:
    timeline = [promotion(day) for day in (0, 1, 2, 200, 201, 400)]
    _, lists = timeline_figure(detail(timeline), [], []).axes
    [spans] = lists.collections
    extents = [path.get_extents() for path in spans.get_paths()]
    begins = [round(extent.x0 - extents[0].x0) for extent in extents]
    assert begins == [0, 200, 400]
    assert [extent.width > 3 for extent in extents] == [True, True, False]


def test_a_merged_headline_is_drawn_as_its_survivor(database: Engine) -> None:
    cut, whole = Headline("Ferry to Arna delayed by …"), Headline(FERRY)
    load(database, *pages((0, cut), (2, whole), (4, whole)))
    settle(database)
    [(merged, survivor)] = rows(database, "SELECT id, merged_into FROM headlines WHERE merged_into > 0")
    assert drawn(database, merged) == drawn(database, survivor)
    assert "sightings an hour" in texts(drawn(database, merged))


def test_one_list_on_one_day_is_enough() -> None:
    figure = timeline_figure(detail([promotion(0)]), [Hour(NOON, "paper1.example", 1)], [])
    bars, lists = figure.axes
    assert len(bars.patches) == len(lists.get_yticks()) == 1
    low, high = bars.get_xlim()
    assert high - low >= 0.5


def test_long_histories_of_a_link_are_bounded() -> None:
    carried = [
        Revision("https://paper.example/x", number, 500, number, f"Text {number}", False, 1,
                 NOON + timedelta(days=number), NOON + timedelta(days=number), None)
        for number in range(1, 501)
    ]  # fmt: skip
    ours = detail([promotion(250), promotion(260)])
    figure = timeline_figure(replace(ours, id=250), [], carried)
    said = figure_texts(figure)
    assert any(text.startswith("250 ") for text in said)
    assert sum(" Text " in text for text in said) == 8
    assert "Not drawn: 492 more texts of its link." in said
    low, high = figure.axes[0].get_xlim()
    assert high - low < 40


def test_nothing_of_matplotlib_is_imported_before_it_is_needed() -> None:
    code = "import sys, flows.cli, flows.listings; print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
