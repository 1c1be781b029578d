"""What no page, no file name and no log may do: speak SQL, listen to the network, give away a password."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from captures import rows
from sqlalchemy import Engine
from sqlalchemy.engine import make_url

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
