"""Deployments as a user makes them: a Prefect server, a work pool, a worker, `prefect deploy`."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from sqlalchemy import Engine, text

ROOT = Path(__file__).resolve().parent.parent
STORY = """<html lang="en"><head><title>Ferry returns</title></head><body><article>
<h1>Ferry returns to Lorn Island</h1>
<p>The ferry sailed again on Monday after eleven weeks in dry dock, and a brass band met it.</p>
<p>Islanders had lived on what fishing boats could carry, said the harbour master on the quay.</p>
</article></body></html>"""


@pytest.fixture
def user(
    environment: dict[str, str], prefect_server: str, tmp_path: Path, new_home: Callable[[], Path]
) -> dict[str, str]:
    """The environment of someone who works with that server, has pages landed, and no Prefect profile."""
    landing = tmp_path / "landing" / "2025-05-17"
    landing.mkdir(parents=True)
    (landing / "ferry.html").write_text(STORY)
    return environment | {
        "PREFECT_API_URL": prefect_server,
        "PREFECT_HOME": str(new_home()),
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        "BROADSHEET_LANDING": str(tmp_path / "landing"),
        "BROADSHEET_WORKERS": "1",
    }


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A directory whose own packages are called like ours."""
    for package in ("flows", "tasks", "schemas"):
        (tmp_path / "other" / package).mkdir(parents=True)
        (tmp_path / "other" / package / "__init__.py").write_text(f"raise RuntimeError('another {package}')")
    return tmp_path / "other"


def prefect(*arguments: str, user: dict[str, str]) -> str:
    """The `prefect` command, as typed in the checkout."""
    done = subprocess.run(
        [sys.executable, "-m", "prefect", "--no-prompt", *arguments],
        cwd=ROOT,
        env=user | {"PWD": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def broadsheet(*arguments: str, user: dict[str, str], cwd: Path) -> subprocess.CompletedProcess[str]:
    """The installed command, as typed in some directory."""
    command = Path(sys.executable).with_name("broadsheet")
    return subprocess.run(
        [command, *arguments], env=user, cwd=cwd, capture_output=True, text=True, timeout=180
    )


@pytest.fixture
def worker(user: dict[str, str], elsewhere: Path) -> Iterator[Path]:
    """A worker of the pool, started where other packages are in the way; yields its log."""
    prefect("work-pool", "create", "broadsheet", "--type", "process", user=user)
    log = elsewhere / "worker.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "prefect", "worker", "start", "--pool", "broadsheet"],
            cwd=elsewhere,
            env=user,
            stdout=stream,
            stderr=stream,
        )
        yield log
        process.terminate()
        process.wait(timeout=60)


def call(server: str, path: str, body: dict[str, Any] | None = None) -> Any:
    """What the server answers; asked again, as Prefect's own clients do, while its SQLite is busy."""
    request = Request(f"{server}{path}", headers={"Content-Type": "application/json"})
    if body is not None:
        request.data = json.dumps(body).encode()
    deadline = time.monotonic() + 60
    while True:
        try:
            with urlopen(request, timeout=30) as answer:
                return json.load(answer)
        except HTTPError as error:
            if error.code != 503 or time.monotonic() > deadline:
                raise
            time.sleep(0.5)


def eventually(seconds: float, what: Callable[[], Any]) -> Any:
    """What is true in the end; the last answer where nothing is."""
    deadline = time.monotonic() + seconds
    while not (answer := what()) and time.monotonic() < deadline:
        time.sleep(0.5)
    return answer


@pytest.mark.slow
def test_deployed_flows_are_scheduled_triggered_and_load(
    user: dict[str, str], worker: Path, prefect_server: str, database: Engine
) -> None:
    prefect("deploy", "--all", "--prefect-file", "deploy/prefect.yaml", user=user)
    ingest, backfill, maintain = (
        call(prefect_server, f"/deployments/name/{name}/{name}")
        for name in ("ingest", "backfill", "maintain")
    )
    assert ingest["parameters"] == {"paths": [user["BROADSHEET_LANDING"]]}
    assert ingest["parameter_openapi_schema"]["properties"]["since"]["description"]
    assert maintain["parameters"] == {"keep_sightings": None}
    assert maintain["parameter_openapi_schema"]["properties"]["keep_sightings"]["description"]

    scheduled = {
        "deployments": {"id": {"any_": [ingest["id"]]}},
        "flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}},
    }
    assert eventually(60, lambda: call(prefect_server, "/flow_runs/count", scheduled)) > 0

    asked = {"paths": [user["BROADSHEET_LANDING"]], "path_pattern": "{date}/*.html", "since": "2025-05-17"}
    run = call(prefect_server, f"/deployments/{backfill['id']}/create_flow_run", {"parameters": asked})

    def ended() -> Any:
        found = call(prefect_server, f"/flow_runs/{run['id']}")
        return found if found["state_type"] in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED") else None

    run = eventually(120, ended)
    assert run and run["state_type"] == "COMPLETED", worker.read_text()
    assert run["name"] == f"backfill {user['BROADSHEET_LANDING']} since 2025-05-17"
    with database.connect() as connection:
        rows = connection.execute(
            text("SELECT title FROM articles JOIN pages ON article_id = articles.id")
        ).all()
        kinds = connection.execute(
            text("SELECT kind FROM runs WHERE flow_run_id = :id"), {"id": run["id"]}
        ).scalars()
        assert [row.title for row in rows] == ["Ferry returns to Lorn Island"]
        assert list(kinds) == ["backfill"]

    refused = Request(
        f"{prefect_server}/deployments/{backfill['id']}/create_flow_run",
        data=json.dumps({"parameters": {"limit": 0}}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with pytest.raises(OSError, match="409"):
        urlopen(refused, timeout=30)


@pytest.mark.slow
def test_the_command_reports_to_the_server_that_is_configured(
    user: dict[str, str], elsewhere: Path, prefect_server: str
) -> None:
    done = broadsheet("ingest", user["BROADSHEET_LANDING"], "--json", "--quiet", user=user, cwd=elsewhere)
    assert (json.loads(done.stdout)["counts"]["loaded"], done.stderr) == (1, "")
    name = f"ingest {user['BROADSHEET_LANDING']}"
    found = call(prefect_server, "/flow_runs/filter", {"flow_runs": {"name": {"any_": [name]}}})
    assert [run["state_type"] for run in found] == ["COMPLETED"]
    assert not (Path(user["BROADSHEET_HOME"]) / "prefect").exists()


@pytest.mark.slow
def test_without_one_a_quiet_server_of_its_own_is_used(user: dict[str, str], tmp_path: Path) -> None:
    """Twice, in an empty HOME and in the home this leaves: nothing on the terminal, nothing of the user's."""
    del user["PREFECT_API_URL"], user["PREFECT_HOME"]
    home = tmp_path / "user"
    home.mkdir()
    user["HOME"] = str(home)
    told = []
    for _ in range(2):
        done = broadsheet("ingest", user["BROADSHEET_LANDING"], "--json", "--quiet", user=user, cwd=home)
        assert (done.returncode, done.stderr) == (0, "")
        told.append(json.loads(done.stdout))
    assert [(each["counts"]["loaded"], each["skipped"]) for each in told] == [(1, 0), (0, 1)]
    assert (Path(user["BROADSHEET_HOME"]) / "prefect" / "prefect.db").exists()
    assert list(home.iterdir()) == []
