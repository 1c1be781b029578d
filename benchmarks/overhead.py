"""How much longer `broadsheet ingest` of one page takes than a bare Prefect flow, in one run.

    python benchmarks/overhead.py [ROUNDS]

Both run with ephemeral servers: first in an empty home, then again in the same home. Prints one row a
round: seconds of wall clock, and the difference.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PAGE = Path(__file__).resolve().parent.parent / "examples" / "seed.txt"
BROADSHEET = Path(sys.executable).with_name("broadsheet")
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


def seconds(command: list[str], home: Path) -> float:
    """Wall-clock seconds of a command whose every directory lies in `home`."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("PREFECT", "BROADSHEET"))
    }
    environment = kept | {"HOME": str(home), "XDG_DATA_HOME": str(home / "share")}
    started = time.perf_counter()
    subprocess.run(command, env=environment, cwd=home, check=True, capture_output=True)  # noqa: S603
    return time.perf_counter() - started


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 2
    print("home       bare flow  broadsheet  difference")
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
            Path(second).chmod(0o755)  # so that a root user's database stays inside
            script = Path(first) / "bare.py"
            script.write_text(BARE_FLOW)
            for home in ("empty", "used"):
                bare = seconds([sys.executable, str(script)], Path(first))
                ours = seconds([str(BROADSHEET), "ingest", str(PAGE)], Path(second))
                print(f"{home:<10} {bare:7.1f} s  {ours:8.1f} s  {ours - bare:+8.1f} s", flush=True)


if __name__ == "__main__":
    main()
