"""What one page costs: `broadsheet ingest` beside a bare Prefect flow, and the commands that need no servers.

    python benchmarks/overhead.py [ROUNDS]

Every row is one run with its seconds of wall clock; a first round, which compiles, is not shown. `ingest`
gets a page that is new each time: with servers of its own in an empty home, again in that home, and with
servers that run already. The bare flow has the same Prefect server, or one of its own.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from end_to_end import BROADSHEET, clean_environment, prefect_server

from tasks.postgres.embedded import use_embedded

PAGE = Path(__file__).resolve().parent.parent / "examples" / "seed.txt"
BARE_FLOW = """
from prefect import flow, task

@task
def add(number: int) -> int:
    return number + 1

@flow
def bare() -> int:
    return add(1)

if __name__ == "__main__":
    bare()
"""
_numbers = count()


def seconds(command: list[str], environment: Mapping[str, str]) -> float:
    """Wall-clock seconds of a command."""
    started = time.perf_counter()
    run = subprocess.run(command, env=environment, capture_output=True, text=True)  # noqa: S603  our own
    if run.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{run.stderr[-3000:]}")
    return time.perf_counter() - started


def new_page(place: Path) -> str:
    """A page that was never loaded."""
    page = place / f"page-{next(_numbers)}.txt"
    page.write_text(PAGE.read_text("utf-8").replace("\n", f" {page.stem}\n", 1), "utf-8")
    return str(page)


def show(name: str, bare: float | None, ours: float, wanted: str) -> None:
    beside = "" if bare is None else f"{bare:.2f} s"
    more = "" if bare is None else f"{ours - bare:+.2f} s"
    print(f"{name:<34}{ours:>9.2f} s{beside:>12}{more:>12}   {wanted}", flush=True)


@contextmanager
def homes(place: Path, compiled: Path) -> Iterator[tuple[dict[str, str], dict[str, str]]]:
    """Environments with every directory in an empty home: that of the bare flow, and ours."""
    environments = []
    for name in ("bare", "ours"):
        home = place / name
        home.mkdir(mode=0o755)  # so that a root user's database stays inside
        own = {"HOME": str(home), "XDG_DATA_HOME": str(home / "share")}
        own["PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS"] = "120"
        environments.append(clean_environment(compiled) | own)
    yield environments[0], environments[1]
    for name in ("bare", "ours"):
        shutil.rmtree(place / name)


def one_round(place: Path, compiled: Path, *, shown: bool) -> None:
    script = place / "bare.py"
    script.write_text(BARE_FLOW)
    flow = [sys.executable, str(script)]

    def ingest() -> list[str]:
        return [str(BROADSHEET), "ingest", new_page(place)]

    rows: list[tuple[str, float | None, float, str]] = []
    with homes(place, compiled) as (bare, ours):
        for name, wanted in (("empty home", "at most +4 s"), ("used home", "at most +2 s")):
            rows.append((f"ingest, {name}", seconds(flow, bare), seconds(ingest(), ours), wanted))
    with homes(place, compiled) as (bare, ours), prefect_server(place / "server", bare) as (api, _):
        running = {"PREFECT_API_URL": api}
        with use_embedded(Path(ours["XDG_DATA_HOME"]) / "broadsheet"):
            seconds(ingest(), ours | running)  # makes the tables
            timed = seconds(flow, bare | running), seconds(ingest(), ours | running)
            rows.append(("ingest, servers running", *timed, "at most 2.5 s"))
    shutil.rmtree(place / "server")
    own = clean_environment(compiled)
    rows.append(("extract FILE", None, seconds([str(BROADSHEET), "extract", str(PAGE)], own), "under 0.6 s"))
    rows.append(("--help", None, seconds([str(BROADSHEET), "--help"], own), "under 0.3 s"))
    for row in rows if shown else ():
        show(*row)


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 2
    print(f"{'':<34}{'broadsheet':>11}{'bare flow':>12}{'difference':>12}   wanted")
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        place.chmod(0o755)
        for number in range(rounds + 1):
            one_round(place, place / "compiled", shown=number > 0)


if __name__ == "__main__":
    main()
