from __future__ import annotations

import contextlib
import csv
import json
import os
import pty
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner

from flows import options
from flows.cli import broadsheet, main
from flows.progress import summary
from flows.render import plain, table
from schemas.errors import missing_extra
from schemas.records import Counts, Replayed, RunReport, Selection
from tasks.postgres.embedded import use_embedded

COMMAND = Path(sys.executable).with_name("broadsheet")
ROOT = Path(__file__).resolve().parent.parent

STORY = """<html lang="en"><head><title>Ferry returns to Lorn Island | Harbour Post</title>
<meta property="og:title" content="Ferry returns to Lorn Island"></head><body><main><article>
<h1>Ferry returns to Lorn Island</h1>
<p>The ferry to Lorn Island sailed again on Monday after eleven weeks in dry dock, and a band met it.</p>
<p>Islanders had lived on what fishing boats could carry, said the harbour master, counting forty trips.</p>
<p>A second vessel is promised for the spring, though the council has not said who will pay for its crew.</p>
</article></main></body></html>"""


def run(
    *arguments: str | Path,
    env: dict[str, str] | None = None,
    cwd: Path | None = None,
    stdin: str | bytes | None = None,
) -> subprocess.CompletedProcess[str]:
    """The installed command, as typed in a shell."""
    result = subprocess.run(
        [COMMAND, *arguments],
        env={**os.environ, **(env or {})},
        cwd=cwd,
        input=stdin.encode() if isinstance(stdin, str) else stdin,
        capture_output=True,
        timeout=180,
    )
    return subprocess.CompletedProcess(
        result.args, result.returncode, result.stdout.decode(), result.stderr.decode()
    )


# --- what people type --------------------------------------------------------------------------------


def read_options(*arguments: str) -> Selection:
    """The selection that these options of `ingest` stand for."""
    import click

    made: list[Selection] = []

    @click.command()
    @options.reading
    def probe(**chosen: Any) -> None:
        made.append(options.selection(**chosen))

    result = CliRunner().invoke(probe, arguments, standalone_mode=False)
    if result.exception:
        raise result.exception
    return made[0]


def test_no_options_make_the_default_selection() -> None:
    assert read_options() == Selection()
    assert read_options().digest == ""


def test_options_make_a_selection_whatever_their_order() -> None:
    one = read_options(
        "--fields",
        "url=link, html=raw_html",
        "--domain",
        "B.example.",
        "--domain",
        "a.example",
        "--language",
        "EN",
    )
    other = read_options(
        "--language",
        "en",
        "--domain",
        "a.example",
        "--domain",
        "b.example",
        "--fields",
        "html=raw_html,url=link",
    )
    assert one.fields == (("html", "raw_html"), ("url", "link"))
    assert one.domains == ("a.example", "b.example")
    assert one.digest == other.digest != ""


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--fields", "raw_html"], "'raw_html' is no pair"),
        (["--fields", "html="], "'html=' is no pair"),
        (["--fields", "page=raw"], "'page' is none of html, text, url"),
        (["--fields", "html=a,html=b"], "'html' is given twice"),
        (["--fields", ""], "'' is no pair"),
        (["--since", "2025-02-30"], "'2025-02-30' is no date"),
        (["--since", "20250517"], "'20250517' is no date"),
        (["--until", "yesterday"], "'yesterday' is no date"),
        (
            ["--since", "2025-05-18", "--until", "2025-05-17"],
            "--since 2025-05-18 is after --until 2025-05-17",
        ),
        (["--limit", "0"], "0 is not in the range x>=1"),
        (["--limit", "ten"], "'ten' is not a valid integer"),
        (["--workers", "0"], "0 is not in the range"),
        (["--max-quarantine", "150%"], "'150%' is no share"),
        (["--max-quarantine", "nan"], "'nan' is no share"),
        (["--max-quarantine", "half"], "'half' is no share"),
        (["--domain", "https://example.org/"], "is no host name"),
        (["--domain", ""], "is no host name"),
        (["--language", "english"], "'english' is no language code"),
        (["--colour"], "No such option"),
    ],
)
def test_mistakes_cost_one_sentence_and_exit_2(arguments: list[str], sentence: str) -> None:
    result = CliRunner().invoke(broadsheet, ["ingest", "somewhere", *arguments])
    assert result.exit_code == 2
    assert sentence in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("text", "value"), [("0.5", 0.5), ("50%", 0.5), ("0", 0.0), ("100%", 1.0), ("2.5%", 0.025)]
)
def test_shares_are_written_as_numbers_or_percentages(text: str, value: float) -> None:
    assert options.share(text) == pytest.approx(value)


# --- what people see ---------------------------------------------------------------------------------


def test_a_page_cannot_steer_the_terminal() -> None:
    assert plain("Storm\x1b[2J hits\u202e coast\x00\n today") == "Storm [2J hits coast today"


def test_columns_are_aligned_by_what_a_terminal_shows() -> None:
    shown = table(["id", "title"], [[7, "東京で地震"], [1234, "Quake"]])
    assert shown.splitlines() == ["  id  title", "   7  東京で地震", "1234  Quake"]


def test_a_summary_names_what_to_type_next() -> None:
    report = RunReport(
        run_id=7,
        state="partial",
        counts=Counts(read=1200, loaded=1000, duplicate=150, quarantined=50),
        quarantined_by_reason={"timeout": 10, "damaged": 40},
        headlines_new=300,
        headlines_seen_again=9000,
        seconds=4.0,
    )
    shown = summary(report)
    assert "Run 7 partial: 1,200 pages in 4.0 s, 300.0 pages per second." in shown
    assert shown.index("--reason damaged") < shown.index("--reason timeout")
    assert "Sidebar headlines: 300 new, seen again 9,000 times." in shown
    assert shown.endswith("Next: broadsheet articles list")
    failed = replace(report, state="failed", message="too much")
    assert summary(failed).endswith("Next: broadsheet quarantine list")
    away = replace(failed, counts=Counts(), quarantined_by_reason={})
    assert summary(away).endswith("Next: the same command again: it goes on from there")


@pytest.mark.parametrize(
    ("again", "shown", "following"),
    [
        (Replayed(failed=(2,)), "broadsheet quarantine list --reason damaged", "quarantine show 2"),
        (Replayed(failed=(2,), dismissed=(2,)), "Articles: 0 new", "quarantine show 2"),
        (Replayed(loaded=(1,), failed=(2,)), "broadsheet quarantine list --reason damaged", "articles list"),
    ],
)
def test_a_summary_of_a_replay_leads_to_what_there_is(again: Replayed, shown: str, following: str) -> None:
    counts = Counts(read=1 + len(again.loaded), loaded=len(again.loaded), quarantined=1)
    report = RunReport(1, "partial", counts=counts, quarantined_by_reason={"damaged": 1}, replayed=again)
    told = summary(report)
    assert shown in told and told.endswith(f"Next: broadsheet {following}")
    assert ("--reason damaged" in told) == (not again.dismissed)


@pytest.mark.parametrize(
    ("report", "sentence"),
    [
        (RunReport(1, "completed"), "Nothing new: no pages found."),
        (
            RunReport(1, "completed", skipped=1),
            "Nothing new: 1 part is known already and was not read again.",
        ),
        (
            RunReport(1, "completed", skipped=12, ignored=3),
            "Nothing new: 12 parts are known already and were not read again; 3 records ignored.",
        ),
        (
            RunReport(
                1, "completed", unavailable=2, message="2 pages are unavailable: their bytes are gone."
            ),
            "Nothing new. 2 pages are unavailable: their bytes are gone.",
        ),
    ],
)
def test_nothing_new_says_why(report: RunReport, sentence: str) -> None:
    assert summary(report) == sentence


# --- one page ----------------------------------------------------------------------------------------


def test_extract_prints_one_record(tmp_path: Path) -> None:
    page = tmp_path / "story.html"
    page.write_text(STORY)
    result = run("extract", page, "--url", "https://harbour.example/lorn")
    assert (result.returncode, result.stderr) == (0, "")
    record = json.loads(result.stdout)
    assert record["title"] == "Ferry returns to Lorn Island"
    assert len(record["body"]) == 3
    assert (
        json.loads(run("extract", "-", "--url", "https://harbour.example/lorn", stdin=STORY).stdout) == record
    )


def test_extract_says_in_one_sentence_what_is_wrong(tmp_path: Path) -> None:
    picture = tmp_path / "picture.html"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40)
    for argument, code in ((tmp_path / "missing.html", 2), (tmp_path, 2), (picture, 1)):
        result = run("extract", argument)
        assert result.returncode == code, result.stderr
        assert result.stdout == ""
        assert result.stderr.startswith("Error: ")
        assert str(argument) in result.stderr
        assert len(result.stderr.splitlines()) == 1


def test_extract_refuses_a_page_beyond_the_limit(tmp_path: Path) -> None:
    page = tmp_path / "huge.html"
    with page.open("wb") as stream:
        stream.truncate(11 * 1024 * 1024)
    result = run("extract", page)
    assert result.returncode == 1
    assert "limit" in result.stderr


@pytest.mark.parametrize(
    ("limits", "fault", "told"),
    [
        ("page_seconds=0.3", 're.match("(a+)+b", "a" * 64)', "longer than 0.3 seconds"),
        ("worker_bytes=50_000_000", "bytearray(200 << 20)", "more than 50,000,000 bytes of memory"),
        ("worker_bytes=50_000_000", 'raise SelectolaxError("no memory")', "50,000,000 bytes of memory"),
    ],
)
def test_extract_bounds_time_and_memory(tmp_path: Path, limits: str, fault: str, told: str) -> None:
    page = tmp_path / "story.html"
    page.write_text(STORY)
    program = f"""
import re, sys
import schemas.records, tasks.extract
from selectolax.lexbor import SelectolaxError
from flows.cli import main

bounds = schemas.records.Limits({limits})
schemas.records.Limits = lambda: bounds

def faulty(content, url):
    {fault}

tasks.extract.extract_page = faulty
main(["extract", {str(page)!r}])
"""
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert (run.returncode, run.stdout) == (1, "")
    assert len(run.stderr.splitlines()) == 1
    assert str(page) in run.stderr and told in run.stderr


def test_one_page_needs_neither_prefect_nor_a_database(tmp_path: Path) -> None:
    page = tmp_path / "story.html"
    page.write_text(STORY)
    program = f"""
import sys
from flows.cli import main
try:
    main(["extract", {str(page)!r}])
except SystemExit as end:
    assert end.code == 0
for heavy in ("prefect", "sqlalchemy", "alembic", "rich"):
    assert heavy not in sys.modules, heavy
"""
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)


def test_help_imports_no_parser_and_no_database() -> None:
    program = """
import sys
from flows.cli import main
try:
    main(["ingest", "--help"])
except SystemExit as end:
    assert end.code == 0
for heavy in ("prefect", "sqlalchemy", "bs4", "lxml", "selectolax", "rich", "psycopg"):
    assert heavy not in sys.modules, heavy
"""
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    page = tmp_path / "story.html"
    page.write_text(STORY)
    result = subprocess.run(
        ["sh", "-c", '"$0" extract "$1" | true', COMMAND, page], capture_output=True, text=True, timeout=60
    )
    assert result.stderr == ""


def test_a_bug_shows_its_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import tasks.extract

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a bug \x1b]0;mine\x07")

    monkeypatch.setattr(tasks.extract, "extract_page", broken)
    with pytest.raises(SystemExit) as end:
        main(["extract", str(ROOT / "README.md")])
    assert end.value.code == 1
    said = capsys.readouterr().err
    assert said.startswith("Traceback (most recent call last):\n")
    assert said.endswith("\nZeroDivisionError: a bug  ]0;mine \n")


# --- a whole run, through the embedded database ------------------------------------------------------

SIDEBAR = """<aside><h2>Most read</h2><ul>
<li><a href="/lorn">Ferry returns to Lorn Island after eleven weeks in dock</a></li>
<li><a href="/kiln">Old brick kiln becomes a library for three villages</a></li>
<li><a href="/frost">{latest}</a></li></ul></aside>"""


def story(title: str, latest: str = "First frost closes the mountain road for the winter") -> str:
    return STORY.replace("Ferry returns to Lorn Island", title).replace(
        "</main>", f"</main>{SIDEBAR.format(latest=latest)}"
    )


@dataclass(frozen=True)
class Loaded:
    """A home that has taken one run, with the embedded server kept up."""

    environment: dict[str, str]
    pages: Path
    report: dict[str, Any]

    def run(self, *arguments: str | Path, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        return run(*arguments, env=self.environment, stdin=stdin)

    def json(self, *arguments: str | Path) -> Any:
        result = self.run(*arguments, "--json")
        assert (result.returncode, result.stderr) == (0, "")
        return json.loads(result.stdout)


@pytest.fixture(scope="module")
def loaded(new_home: Callable[[], Path]) -> Iterator[Loaded]:
    home, pages = new_home(), new_home()
    (pages / "ferry.html").write_text(story("Ferry returns to Lorn Island"))
    (pages / "again.html").write_text(story("Ferry returns to Lorn Island"))
    (pages / "kiln.html").write_text(
        story("Old brick kiln becomes a library", "Snow follows the frost and shuts two schools").replace(
            "The ferry", "The kiln"
        )
    )
    (pages / "picture.html").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40)
    (pages / "dump.jsonl").write_text(
        json.dumps({"raw": story("Bell"), "link": "https://x.example/bell"})
        + "\n"
        + json.dumps(
            {"html": story("Band plays on").replace("band", "choir"), "url": "https://x.example/band"}
        )
    )
    environment = {
        "BROADSHEET_HOME": str(home),
        "BROADSHEET_WORKERS": "2",
        "BROADSHEET_DATABASE_URL": "",
        "PREFECT_HOME": str(home / "no profile"),
        "PREFECT_API_URL": "",
    }
    with use_embedded(home):
        result = run("ingest", pages, "--json", env=environment)
        assert result.returncode == 0, result.stderr
        yield Loaded(environment, pages, json.loads(result.stdout))


def test_ingest_prints_one_object_whose_counts_add_up(loaded: Loaded) -> None:
    counts = loaded.report["counts"]
    assert list(counts) == [
        "read",
        "loaded",
        "updated",
        "unchanged",
        "duplicate",
        "non_article",
        "quarantined",
    ]
    assert counts["read"] == 6 == sum(counts.values()) - 6
    assert (counts["loaded"], counts["unchanged"], counts["quarantined"]) == (3, 1, 2)
    assert loaded.report["quarantined_by_reason"] == {"undecodable": 1, "unknown_record": 1}
    assert loaded.report["state"] == "partial"
    assert (loaded.report["ignored"], loaded.report["skipped"]) == (0, 0)
    assert loaded.report["headlines_new"] == 4
    assert loaded.report["seconds"] > 0


def test_what_is_loaded_is_listed(loaded: Loaded) -> None:
    rows = loaded.json("articles", "list")
    assert {row["title"] for row in rows} == {
        "Ferry returns to Lorn Island",
        "Old brick kiln becomes a library",
        "Band plays on",
    }
    shown = loaded.run("articles", "list", "--limit", "2").stdout.splitlines()
    assert shown[0].split() == ["id", "published", "source", "section", "title"]
    assert len(shown) == 3
    assert loaded.json("articles", "list", "--since", "2030-01-01") == []


def test_an_article_is_shown_by_id_and_by_url(loaded: Loaded) -> None:
    by_url = loaded.json("articles", "show", "https://x.example/band")
    assert by_url["title"] == "Band plays on"
    assert len(by_url["pages"]) == 1
    text = loaded.run("articles", "show", str(by_url["id"])).stdout
    assert "Band plays on" in text
    assert "harbour master" in text


def test_articles_are_searched(loaded: Loaded) -> None:
    assert [row["title"] for row in loaded.json("articles", "search", "choir")] == ["Band plays on"]
    assert loaded.run("articles", "search", "zeppelin").stderr == "No article matches.\n"


def test_sidebar_headlines_are_listed_ranked_searched_and_shown(loaded: Loaded) -> None:
    assert len(loaded.json("headlines", "list")) == 4
    [top] = loaded.json("headlines", "top", "--limit", "1")
    assert (top["sightings"], top["generic"], top["first_seen_at"]) == (3, False, None)
    assert loaded.json("headlines", "search", *top["text"].split()) == [top]
    assert loaded.json("headlines", "top", "--since", "2020-01-01") == []
    detail = loaded.json("headlines", "show", str(top["id"]))
    assert (detail["sightings"], detail["timeline_count"]) == (3, len(detail["timeline"]))
    assert {(row["label"], row["day"]) for row in detail["timeline"]} == {("Most read", None)}
    assert sum(row["sightings"] for row in detail["timeline"]) == 3
    assert loaded.run("headlines", "search", "zeppelin").stderr == "No sidebar headline matches.\n"


def test_times_are_told_with_their_basis_and_unknown_ones_as_such(loaded: Loaded) -> None:
    top = loaded.run("headlines", "top")
    assert top.stderr == "Times are those at which pages were fetched, in UTC.\n"
    heading, first, *_ = top.stdout.splitlines()
    assert heading.split() == [
        "id", "sightings", "first_seen_at", "last_seen_at", "generic", "article_id", "text"
    ]  # fmt: skip
    assert first.split()[1:5] == ["3", "unknown", "unknown", "no"]
    shown = loaded.run("headlines", "show", first.split()[0])
    assert "first_seen_at  unknown" in shown.stdout
    assert shown.stdout.count("\nWordings\n") == shown.stdout.count("\nTimeline\n") == 1
    assert shown.stderr.startswith("Times are those")


def test_the_texts_of_links_are_listed(loaded: Loaded) -> None:
    [ferry] = loaded.json("headlines", "search", "ferry", "--limit", "1")
    found = loaded.json("headlines", "revisions", str(ferry["id"]))
    assert found
    assert all(row["number"] <= row["revisions"] for row in found)
    by_link = loaded.json("headlines", "revisions", found[0]["target"])
    assert by_link == [row for row in found if row["target"] == found[0]["target"]]
    shown = loaded.run("headlines", "revisions", found[0]["target"]).stdout.splitlines()
    assert shown[0] == found[0]["target"]
    assert shown[1].split()[:3] == ["number", "first_seen_at", "last_seen_at"]
    for name, said in (
        ("https://x.example/none", "No sidebar headline has led to https://x.example/none."),
        ("99999", "There is no sidebar headline 99999."),
        ("", "No sidebar headline has led to nothing."),
    ):
        none = loaded.run("headlines", "revisions", name)
        assert (none.returncode, none.stdout, none.stderr) == (2, "", f"Error: {said}\n")


def test_a_timeline_is_drawn_whole_or_not_at_all(loaded: Loaded, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs the extra `plot`")
    headline = str(loaded.json("headlines", "top", "--limit", "1")[0]["id"])
    picture = tmp_path / "timeline.svg"
    assert loaded.run("headlines", "show", headline, "--plot", picture).returncode == 0
    assert picture.read_bytes().rstrip().endswith(b"</svg>")
    refused = loaded.run("headlines", "show", headline, "--plot", tmp_path / "timeline.pdf")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "must end in .svg or .png" in refused.stderr
    assert loaded.run("headlines", "show", headline, "--plot", tmp_path / "no" / "t.png").returncode == 2
    assert loaded.run("headlines", "show", "999", "--plot", tmp_path / "none.png").returncode == 2
    assert [path.name for path in tmp_path.iterdir()] == ["timeline.svg"]


def test_a_plot_without_matplotlib_costs_one_sentence(loaded: Loaded, tmp_path: Path) -> None:
    """A package of the same name that cannot be imported stands before the real one."""
    (tmp_path / "matplotlib.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'matplotlib'\", name='matplotlib')"
    )
    environment = {**loaded.environment, "PYTHONPATH": str(tmp_path)}
    result = run("headlines", "show", "1", "--plot", tmp_path / "timeline.svg", env=environment)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == f"Error: {missing_extra('--plot', 'plot')}\n"
    assert result.stderr.endswith("[plot]'\n")


def test_quarantine_is_listed_and_shown(loaded: Loaded) -> None:
    listing = loaded.json("quarantine", "list")
    assert {row["reason"] for row in listing["reasons"]} == {"undecodable", "unknown_record"}
    [entry] = loaded.json("quarantine", "list", "--reason", "unknown_record")["entries"]
    assert "raw" in entry["detail"]
    assert entry["origin_uri"].endswith("dump.jsonl")
    shown = loaded.run("quarantine", "show", str(entry["id"])).stdout
    assert "unknown_record" in shown
    assert entry["detail"] in shown
    assert "undecodable" not in loaded.run("quarantine", "list", "--reason", "unknown_record").stdout


@pytest.mark.parametrize(
    "arguments", [("articles", "show", "999"), ("headlines", "show", "999"), ("quarantine", "show", "999")]
)
def test_what_is_not_there_costs_one_sentence(loaded: Loaded, arguments: tuple[str, ...]) -> None:
    result = loaded.run(*arguments)
    assert result.returncode == 2
    assert result.stderr.startswith("Error: There is no ")
    assert len(result.stderr.splitlines()) == 1


def test_status_counts_what_is_there(loaded: Loaded) -> None:
    status = loaded.json("status")
    assert (status["articles"], status["headlines"], status["quarantined"]) == (3, 4, 2)
    assert status["runs"][-1]["read"] == 6
    assert "embedded PostgreSQL" in loaded.run("status").stdout


def test_exports_are_whole_files(loaded: Loaded, tmp_path: Path) -> None:
    target = tmp_path / "articles.csv"
    assert loaded.run("export", "articles", "-o", target).returncode == 0
    with target.open(newline="") as stream:
        assert {row["title"] for row in csv.DictReader(stream)} >= {"Band plays on"}
    lines = loaded.run("export", "sightings", "--format", "jsonl").stdout.splitlines()
    assert len(lines) == 9
    assert {json.loads(line)["label"] for line in lines} == {"Most read"}
    result = loaded.run("export", "articles", "-o", tmp_path / "nowhere" / "articles.csv")
    assert result.returncode == 2
    assert "Cannot write" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["articles.csv"]


def test_the_database_can_be_reached(loaded: Loaded) -> None:
    result = loaded.run("db", "psql", "-At", "-c", "select count(*) from articles")
    assert (result.returncode, result.stdout) == (0, "3\n")
    url = loaded.run("db", "url").stdout.strip()
    with psycopg.connect(url) as connection:
        assert connection.execute("select count(*) from articles").fetchone() == (3,)
    assert loaded.run("db", "upgrade").stdout.startswith("Up to date")
    assert loaded.run("db", "psql", "-c", "select nonsense").returncode == 1


def test_only_what_is_new_is_read_whatever_lies_around(loaded: Loaded, tmp_path: Path) -> None:
    """Standard input beside known files, from a directory that holds packages of the same names as ours."""
    for package in ("tasks", "flows", "schemas"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("raise RuntimeError('the wrong package')")
    line = json.dumps(
        {"raw": story("Bell rings again").replace("band", "bell"), "link": "https://x.example/bell"}
    )
    arguments = ("ingest", "-", "--fields", "html=raw,url=link", "--source", "village-post")
    environment = {**loaded.environment, "PATH": os.defpath}
    result = run(*arguments, env=environment, cwd=tmp_path, stdin=line)
    assert result.returncode == 0, result.stderr
    assert re.search(r"^  loaded +1  new articles$", result.stdout, re.MULTILINE)
    assert result.stdout.endswith(f"Next: {shlex.quote(str(COMMAND))} articles list\n"), (
        "as typed from that directory"
    )
    [row] = loaded.json("articles", "list", "--source", "village-post")
    assert row["title"] == "Bell rings again"


def test_a_quarantined_page_is_tried_again(loaded: Loaded) -> None:
    [entry] = loaded.json("quarantine", "list", "--reason", "undecodable")["entries"]
    report = loaded.json("quarantine", "replay", str(entry["id"]))
    assert (report["counts"]["read"], report["quarantined_by_reason"]) == (1, {"undecodable": 1})
    assert loaded.json("quarantine", "show", str(entry["id"]))["attempts"] == entry["attempts"] + 1


def test_ctrl_c_ends_a_run_without_a_traceback(loaded: Loaded) -> None:
    """On a terminal: progress is shown until then."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [COMMAND, "ingest", loaded.pages],
        env={**os.environ, **loaded.environment},
        stderr=theirs,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # the terminal is gone when the process is
        while chunk := os.read(ours, 4096):
            if b"starting" in chunk and b"starting" not in shown:
                os.killpg(process.pid, signal.SIGINT)
            shown += chunk
    os.close(ours)
    assert process.communicate(timeout=60)[0] == b""
    assert process.returncode == 130
    assert b"Interrupted." in shown
    assert b"Traceback" not in shown


# --- what is set wrongly -----------------------------------------------------------------------------

UNREACHABLE = "postgresql://me:secret@127.0.0.1:1/news"


@pytest.mark.parametrize(
    ("command", "setting", "value", "sentence"),
    [
        (
            "ingest {pages}",
            "BROADSHEET_DATABASE_URL",
            "mysql://me:secret@127.0.0.1/news",
            "is no PostgreSQL URL",
        ),
        ("ingest {pages}", "BROADSHEET_DATABASE_URL", UNREACHABLE, "Cannot open postgresql://me:***@"),
        ("ingest {pages}", "BROADSHEET_SCHEMA", "News!", "BROADSHEET_SCHEMA is 'News!'"),
        ("ingest {pages}", "BROADSHEET_WORKERS", "many", "BROADSHEET_WORKERS is 'many'"),
        ("ingest {pages}", "BROADSHEET_HOME", "/dev/null/home", "/dev/null/home"),
        ("ingest {pages}", "PREFECT_API_URL", "http://127.0.0.1:1/api", "Look at PREFECT_API_URL"),
        ("articles list", "BROADSHEET_DATABASE_URL", UNREACHABLE, "Cannot open postgresql://me:***@"),
        ("db upgrade", "BROADSHEET_DATABASE_URL", UNREACHABLE, "Cannot open postgresql://me:***@"),
    ],
)
def test_a_wrong_setting_costs_one_sentence(
    command: str, setting: str, value: str, sentence: str, tmp_path: Path
) -> None:
    (tmp_path / "page.html").write_text(STORY)
    arguments = command.format(pages=tmp_path).split()
    result = run(*arguments, env={"BROADSHEET_HOME": str(tmp_path / "home"), setting: value})
    assert (result.returncode, result.stdout) == (2, "")
    assert sentence in result.stderr
    assert "secret" not in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("ingest", "{place}/nowhere"), "nowhere does not exist"),
        (("ingest", "{place}/*.html"), "*.html"),
        (("ingest", "{place}/notes.docx"), "notes.docx has no known suffix"),
        (("ingest", "{place}", "--path-pattern", "{{publisher}}/*.txt"), "{publisher}"),
        (("backfill", "{place}/nowhere"), "nowhere does not exist"),
    ],
)
def test_a_wrong_path_costs_one_sentence_before_anything_starts(
    arguments: tuple[str, ...], sentence: str, tmp_path: Path
) -> None:
    (tmp_path / "notes.docx").touch()
    typed = [argument.format(place=tmp_path) for argument in arguments]
    result = run(*typed, env={"BROADSHEET_HOME": str(tmp_path / "home")})
    assert (result.returncode, result.stdout) == (2, "")
    assert sentence in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "home").exists()


def test_a_directory_that_may_not_be_read_costs_one_sentence(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    program = f"""
import os, tasks.plan, flows.progress
from flows.cli import main
if os.geteuid() == 0:  # root may read everything
    os.setuid(65534)
main(["ingest", {str(closed)!r}])
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (result.returncode, result.stdout) == (2, "")
    assert re.fullmatch(r"Error: .*closed.* cannot be read: permission denied\.\n", result.stderr)


def test_a_server_of_ones_own_is_upgraded_only_when_asked(server: str, tmp_path: Path) -> None:
    name = "unmigrated"
    with psycopg.connect(server.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    environment = {
        "BROADSHEET_HOME": str(tmp_path / "home"),
        "BROADSHEET_DATABASE_URL": server.replace("/postgres?", f"/{name}?"),
    }
    (tmp_path / "page.html").write_text(STORY)
    refused = run("ingest", tmp_path / "page.html", env=environment)
    assert refused.returncode == 2
    assert "broadsheet db upgrade" in refused.stderr
    upgraded = run("db", "upgrade", env=environment)
    assert upgraded.returncode == 0
    assert upgraded.stdout.startswith("Upgraded postgresql://broadsheet@/unmigrated")
    listed = run("articles", "list", env=environment)
    assert (listed.returncode, listed.stdout) == (0, "")
    assert "broadsheet ingest" in listed.stderr


def test_a_database_that_refuses_costs_one_sentence(database_url: str, tmp_path: Path) -> None:
    role = f"reader_{os.getpid()}"
    with psycopg.connect(database_url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {role} LOGIN")
        connection.execute(f"GRANT USAGE ON SCHEMA broadsheet TO {role}")
        connection.execute(f"GRANT SELECT ON broadsheet.alembic_version TO {role}")
    environment = {
        "BROADSHEET_HOME": str(tmp_path / "home"),
        "BROADSHEET_DATABASE_URL": database_url.replace("broadsheet@", f"{role}@"),
    }
    result = run("articles", "list", env=environment)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("Error: The database refuses: permission denied for table")
    assert len(result.stderr.splitlines()) == 1
