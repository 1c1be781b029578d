from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from flows import options
from flows.cli import broadsheet, main
from flows.render import plain, table
from schemas.records import Selection

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


def test_a_bug_shows_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    import tasks.extract

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(tasks.extract, "extract_page", broken)
    with pytest.raises(ZeroDivisionError):
        main(["extract", str(ROOT / "README.md")])
