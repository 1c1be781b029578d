"""What no page, file name or log may do: speak SQL, steer a terminal, listen to the network, tell secrets."""

from __future__ import annotations

import ast
import json
import os
import pty
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from unicodedata import category
from urllib.request import Request, urlopen

import pytest
from captures import extracted, load, rows
from click.testing import CliRunner
from markdown_it import MarkdownIt
from sqlalchemy import Engine
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ProgrammingError

from flows.cli import broadsheet as cli
from flows.render import markdown, plain
from flows.summary import quarantine_rows
from schemas.records import Headline, Limits, Rejection
from schemas.settings import Settings
from tasks.extract import extract_page
from tasks.pool import ExtractionPool
from tasks.postgres.quarantine import Chosen, count_quarantine
from tasks.settle import settle

ROOT = Path(__file__).resolve().parent.parent
COMMAND = Path(sys.executable).with_name("broadsheet")
PASSWORD = "Hunter2.Secret~PW"
SPEAK_SQL = {"text", "execute", "exec_driver_sql", "copy", "scalar", "scalars"}

BUILT_BY_US = {
    "schemas/migrations/views.py": {"_quoted(comment)", "_quoted(said)", "name", "column", "create"},
    "schemas/migrations/versions/0003_rollups.py": {"characters"},
    "schemas/migrations/versions/0005_kept_pages.py": {"allowed"},
    "tasks/postgres/database.py": {"schema"},  # a setting that must match [a-z_][a-z0-9_]*
    "tasks/postgres/partitions.py": {"partition.name", "partition.first_page", "partition.end"},  # numbers
    "tasks/postgres/staging.py": {"table", "', '.join(columns)"},  # of the declared tables
    "tasks/settle.py": {"name", "step.query"},  # keys and values of a constant
}
"""What statements are put together from, file by file, beside constants: never a value from outside."""


def statements() -> Iterator[tuple[str, ast.expr]]:
    """(file, expression) for every value that is put into a statement by formatting it."""
    for package in ("schemas", "tasks", "flows"):
        for path in sorted((ROOT / package).rglob("*.py")):
            name = str(path.relative_to(ROOT))
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if not isinstance(node, ast.Call):
                    continue
                called = node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)
                if called not in SPEAK_SQL or not node.args:
                    continue
                for part in ast.walk(node.args[0]):
                    if isinstance(part, ast.FormattedValue):
                        yield name, part.value
                    elif isinstance(part, ast.BinOp) and is_text(part.left):
                        yield name, part


def is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def test_no_statement_is_put_together_from_values() -> None:
    found = [(name, ast.unparse(value)) for name, value in statements()]
    assert len(found) > 5
    foreign = [
        (name, value)
        for name, value in found
        if not value.strip("_").isupper() and value not in BUILT_BY_US.get(name, ())
    ]
    assert foreign == []


METACHARACTERS = (
    "Robert'); DROP TABLE articles; --",
    "\\.",
    "\\N",
    "a\\\tb\\nc\\000",
    '"quoted", {brace,d} (row)',
    "$$ $1 %s %(name)s :name ? {0}",
    "E'\\x00' U&'\\0000' /* -- */",
)


def test_what_pages_say_is_stored_as_they_say_it(database: Engine) -> None:
    pages = [
        extracted(
            number,
            title=said,
            body=(said, f"{said} {said}"),
            url=f"https://gazette.example/{number}?q={said}",
            authors=[said],
            section=said,
            headlines=[Headline(f"Storks return to Dol {said}", said, said)],
        )
        for number, said in enumerate(METACHARACTERS)
    ]
    load(database, *pages, Rejection("damaged", "read", METACHARACTERS[0], "file:///x", 0))
    settle(database)
    stored = rows(database, "SELECT title, body, url, authors, section FROM articles")
    assert sorted(stored) == sorted(
        (said, f"{said}\n\n{said} {said}", f"https://gazette.example/{number}?q={said}", [said], said)
        for number, said in enumerate(METACHARACTERS)
    )
    texts = rows(database, "SELECT text FROM headline_variants")
    assert sorted(texts) == sorted((f"Storks return to Dol {said}",) for said in METACHARACTERS)
    assert rows(database, "SELECT detail FROM quarantine") == [(METACHARACTERS[0],)]


def test_errors_of_the_database_do_not_repeat_what_pages_say(database: Engine) -> None:
    with database.connect() as connection, pytest.raises(ProgrammingError) as failed:
        connection.exec_driver_sql("SELECT %(said)s FROM nowhere", {"said": PASSWORD})
    assert PASSWORD not in str(failed.value)


# --- what pages refer to -----------------------------------------------------------------------------

REFERRING = """<?xml version="1.0"?><?xml-stylesheet href="{at}/a.xsl"?>
<!DOCTYPE html SYSTEM "{at}/a.dtd" [<!ENTITY own SYSTEM "{file}"><!ENTITY far SYSTEM "{at}/b">]>
<html xmlns:xi="http://www.w3.org/2001/XInclude"><head><title>Storks return to Dol</title>
<base href="{at}/"><meta http-equiv="refresh" content="0; url={at}/c"><link rel="canonical" href="{at}/d">
<link rel="stylesheet" href="{at}/e.css"><script src="{at}/f.js"></script>
<style>@import url({at}/g.css);</style>
<script type="application/ld+json">{{"@context": "{at}/h", "@type": "NewsArticle", "@id": "{file}"}}</script>
</head><body><article><h1>Storks return to Dol</h1><p>&own; &far; {text}</p><img src="{at}/i.png">
<xi:include href="{file}" parse="text"/><iframe src="{at}/j"></iframe><object data="{file}"></object>
<svg><image href="{at}/k.svg"/><use href="{file}#a"/></svg><p>{text}</p></article></body></html>"""


def test_a_page_reaches_neither_the_network_nor_a_file(tmp_path: Path) -> None:
    asked: list[str] = []

    class Site(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

    secret = tmp_path / "secret.txt"
    secret.write_text(PASSWORD)
    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as site:
        serving = threading.Thread(target=site.serve_forever)
        serving.start()
        at = f"http://127.0.0.1:{site.server_port}"
        text = "Two storks circled the tower above the market and settled on the old nest. " * 5
        page = REFERRING.format(at=at, file=secret.as_uri(), text=text)
        for content_type in (None, "text/html", "application/xhtml+xml", "application/xml"):
            found = extract_page(page.encode(), f"{at}/story", content_type=content_type)
            assert found.title == "Storks return to Dol"
            assert PASSWORD not in json.dumps(found.as_dict(), default=str)
        site.shutdown()
        serving.join()
    assert asked == []


# --- terminals and browsers --------------------------------------------------------------------------

STEERING = (
    "Storm \x1b[2J\x1b]52;c;cm0K\x07 \x1b]8;;https://evil.example\x1b\\ \x9b31m \u202ehits\u2066 \x7fcoast"
)
"""Clears the screen, fills the clipboard, links elsewhere, colours without ESC, turns the reading order."""


def steers(shown: str) -> set[str]:
    return {c for c in shown if category(c)[0] == "C" and c not in "\n\t"}


@pytest.fixture
def steering(database: Engine) -> Engine:
    """A database in which everything that is shown tries to steer what shows it."""
    page = extracted(
        1,
        title=STEERING,
        body=(STEERING, "More are on their way."),
        url=f"https://gazette.example/{STEERING}",
        section=STEERING,
        authors=[STEERING],
        provenance={STEERING: STEERING},
        headlines=[
            Headline(f"{STEERING} {more}", STEERING, STEERING, f"https://gazette.example/{STEERING}")
            for more in ("again", "anew")
        ],
    )
    refused = Rejection(
        "damaged", "read", STEERING, f"file:///{STEERING}", 0, url=f"https://gazette.example/{STEERING}"
    )
    load(database, page, refused)
    settle(database)
    return database


SHOWING = (
    "status",
    "articles list",
    "articles show 1",
    "articles search way",
    "headlines list",
    "headlines top",
    "headlines search storm",
    "headlines show 1",
    "headlines revisions",
    "quarantine list",
    "quarantine show 1",
    "why article 1",
    "why headline 1",
    "why page 1",
    "why quarantine 1",
)


@pytest.mark.parametrize("form", [(), ("--json",)], ids=["table", "json"])
def test_nothing_that_is_shown_steers_a_terminal(
    form: tuple[str, ...], steering: Engine, settings: Settings
) -> None:
    environment = {"BROADSHEET_HOME": str(settings.home), "BROADSHEET_DATABASE_URL": settings.database_url}
    quoted = 0
    for command in SHOWING:
        shown = CliRunner(env=environment).invoke(cli, [*command.split(), *form], catch_exceptions=False)
        assert shown.exit_code == 0, shown.output
        assert steers(shown.stdout) <= ({"\x7f"} if form else set()), command
        if form:
            json.loads(shown.stdout)
        quoted += ("\\u001b[2J" if form else "[2J") in shown.stdout
    assert quoted == len(SHOWING) - 1, "all but status show it"


def test_json_says_the_same_that_is_stored(steering: Engine, settings: Settings) -> None:
    environment = {"BROADSHEET_HOME": str(settings.home), "BROADSHEET_DATABASE_URL": settings.database_url}
    shown = CliRunner(env=environment).invoke(cli, ["articles", "show", "1", "--json"])
    assert json.loads(shown.stdout)["title"] == STEERING


def test_an_export_steers_no_terminal_and_stays_as_it_is_elsewhere(
    steering: Engine, environment: dict[str, str], tmp_path: Path
) -> None:
    arguments = [COMMAND, "export", "articles"]
    ours, theirs = pty.openpty()
    subprocess.run(arguments, env=environment, stdout=theirs, check=True, timeout=60)
    os.close(theirs)
    shown = b""
    try:
        while piece := os.read(ours, 65536):
            shown += piece
    except OSError:  # how Linux says that a terminal is closed
        pass
    os.close(ours)
    assert "[2J" in shown.decode()
    assert steers(shown.decode().replace("\r\n", "\n")) == set()

    # A name that others have planted is not written through.
    precious, file = tmp_path / "precious", tmp_path / "articles.csv"
    precious.write_text("mine")
    file.symlink_to(precious)
    subprocess.run([*arguments, "-o", file], env=environment, check=True, timeout=60)
    assert STEERING in file.read_text()
    assert (precious.read_text(), file.is_symlink()) == ("mine", False)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["articles.csv", "precious"]


def test_no_error_steers_a_terminal(environment: dict[str, str], tmp_path: Path) -> None:
    named = tmp_path / f"{STEERING.replace('/', '-')}.html"
    for arguments in (
        ["ingest", named],
        ["extract", named],
        ["ingest", "--source"],
        ["ingest", f"--{STEERING}"],
        ["articles", "show", STEERING],
        ["headlines", "show", "1", "--plot", named],
        ["quarantine", "show", STEERING],
    ):
        refused = subprocess.run(
            [COMMAND, *arguments], env=environment, capture_output=True, text=True, timeout=60
        )
        assert refused.returncode == 2, arguments
        assert refused.stderr.startswith("Error: ") and steers(refused.stderr) == set()


MARKUP = (
    "<img src=x onerror=alert(1)>",
    "<script>alert(1)</script>",
    "[toll](javascript:alert(1))",
    "![pixel](https://evil.example/pixel.png)",
    "<https://evil.example>",
    "a | b | c",
    "**bold** _thin_ ~~gone~~ `code` $x$ &lt;b&gt; \\<i>",
)


@pytest.mark.parametrize("text", [*MARKUP, STEERING])
def test_what_prefect_shows_as_markdown_is_text(text: str) -> None:
    shown = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(markdown(text))
    kinds = [token.type for token in shown]
    assert kinds == ["paragraph_open", "inline", "paragraph_close"]
    assert {child.type for child in shown[1].children or []} == {"text"}
    assert "".join(child.content for child in shown[1].children or []) == plain(text)


def test_the_table_of_quarantined_pages_holds_no_markup(database: Engine) -> None:
    for number, text in enumerate(MARKUP):
        load(database, Rejection("damaged", "read", "cut", f"file:///{text}", number))
    for row in quarantine_rows(1, count_quarantine(database, Chosen())):
        for cell in row.values():
            inline = MarkdownIt("commonmark").parseInline(cell)[0]
            assert {child.type for child in inline.children or []} <= {"text", "text_special"}, cell


# --- workers ----------------------------------------------------------------------------------------------


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc")
def test_workers_are_not_given_the_keys_of_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BROADSHEET_DATABASE_URL", "PGPASSWORD", "PREFECT_API_KEY", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, PASSWORD)
    before = descendants(os.getpid())
    with ExtractionPool(1, Limits()):
        (worker,) = descendants(os.getpid()) - before
        given = Path(f"/proc/{worker}/environ").read_text().split("\0")
    names = [variable.partition("=")[0] for variable in given if PASSWORD in variable]
    assert names == ["AWS_SECRET_ACCESS_KEY"], "the store of the inputs asks for that"


# --- the network -------------------------------------------------------------------------------------


def listening(process_ids: set[int]) -> set[str]:
    """Addresses (hex, as the kernel has them) on which these processes listen for TCP."""
    sockets = set()
    for process_id in process_ids:
        try:
            for entry in Path(f"/proc/{process_id}/fd").iterdir():
                sockets.add(str(entry.readlink()))
        except OSError:
            continue
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in sockets:
                found.add(fields[1].partition(":")[0])
    return found


def descendants(process_id: int) -> set[int]:
    """A process and all below it, whatever sessions they made for themselves."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    found = {process_id}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="needs /proc/net/tcp")
def test_a_run_listens_on_the_loopback_alone(environment: dict[str, str], home: Path) -> None:
    environment = {name: value for name, value in environment.items() if name != "BROADSHEET_DATABASE_URL"}
    environment["BROADSHEET_HOME"] = str(home)
    arguments = [COMMAND, "ingest", ROOT / "examples", "--quiet", "--workers", "1"]
    run = subprocess.Popen(arguments, env=environment)
    addresses: set[str] = set()
    postmaster = home / "postgres" / "data" / "postmaster.pid"
    while run.poll() is None:
        processes = descendants(run.pid)
        if postmaster.exists() and (lines := postmaster.read_text().splitlines()):
            processes |= descendants(int(lines[0]))
        addresses |= listening(processes)
        time.sleep(0.1)
    assert run.returncode == 0
    assert addresses == {"0100007F"}, "127.0.0.1: the ephemeral Prefect server, and nothing else"


# --- passwords ---------------------------------------------------------------------------------------


def broadsheet(*arguments: str, environment: dict[str, str]) -> str:
    """Everything a command prints."""
    done = subprocess.run(
        [COMMAND, *arguments], env=environment, capture_output=True, text=True, timeout=180, cwd=ROOT
    )
    return done.stdout + done.stderr


def asked(server: str, what: str, session: list[Any]) -> None:
    """Add all that Prefect has of some kind, page by page."""
    while True:
        body = {"limit": 200, "offset": len(session)}
        request = Request(
            f"{server}/{what}/filter", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urlopen(request, timeout=30) as answer:
            found = json.load(answer)
        session += found
        if len(found) < 200:
            return


@pytest.mark.slow
def test_a_password_is_never_told(
    environment: dict[str, str], prefect_server: str, database: Engine, database_url: str
) -> None:
    right = make_url(database_url).set(password=PASSWORD)
    wrong = {
        "database": right.set(database="nowhere"),
        "host": right.update_query_dict({"host": "/nowhere"}),
        "role": right.set(username="nobody"),
    }
    environment = environment | {"PREFECT_API_URL": prefect_server}
    told = {}
    for case, url in {"right": right, **wrong}.items():
        case_environment = environment | {
            "BROADSHEET_DATABASE_URL": url.render_as_string(hide_password=False).replace("+psycopg", "")
        }
        commands = [["ingest", "examples", "--json"]]
        if case == "right":
            commands += [["status", "--json"], ["db", "url"], ["db", "psql", "-c", "\\conninfo"]]
        for command in commands:
            told[case, *command] = broadsheet(*command, environment=case_environment)
    malformed = environment | {"BROADSHEET_DATABASE_URL": f"postgresql://me:{PASSWORD}@h:port/x"}
    told["malformed", "status"] = broadsheet("status", environment=malformed)
    assert '"state": "partial"' in told["right", "ingest", "examples", "--json"]
    assert "***" in told["right", "db", "url"]
    assert [command for command, output in told.items() if PASSWORD in output] == []

    prefect: dict[str, list[Any]] = {"flow_runs": [], "task_runs": [], "logs": [], "artifacts": []}
    for what, session in prefect.items():
        asked(prefect_server, what, session)
        assert session, what
        assert PASSWORD not in json.dumps(session), what
    tables = "SELECT relname FROM pg_class WHERE relnamespace = 'broadsheet'::regnamespace AND relkind = 'r'"
    for (table,) in rows(database, tables):
        assert not rows(database, f"SELECT FROM {table} t WHERE strpos(t::text, '{PASSWORD}') > 0"), table


def test_psql_gets_the_password_where_no_process_list_shows_it(
    environment: dict[str, str], database_url: str
) -> None:
    url = make_url(database_url).set(password=PASSWORD).render_as_string(hide_password=False)
    environment = environment | {"BROADSHEET_DATABASE_URL": url}
    arguments = ["db", "psql", "-Atc", r"\! tr '\0' ' ' < /proc/$PPID/cmdline"]
    shown = broadsheet(*arguments, environment=environment)
    assert "psql" in shown
    assert PASSWORD not in shown
