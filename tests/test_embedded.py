"""The embedded PostgreSQL with several users: who starts it, who stops it, and what is left alone."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import psycopg
import pytest

from schemas.errors import ConfigError
from tasks.postgres import embedded
from tasks.postgres.embedded import EmbeddedServer, use_embedded

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs to run as root")
not_as_root = pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")

USER = """
import sys
from pathlib import Path
from tasks.postgres.embedded import use_embedded
with use_embedded(Path(sys.argv[1])) as server:
    print(server.url, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def made(new_home: Callable[[], Path]) -> Path:
    """A home with a cluster that nobody uses."""
    home = new_home()
    with use_embedded(home):
        pass
    return home


@pytest.fixture
def home(made: Path, new_home: Callable[[], Path]) -> Path:
    """A copy of it, as making a cluster takes a second."""
    return copied(made, new_home())


def copied(made: Path, home: Path) -> Path:
    home.mkdir(exist_ok=True)
    subprocess.run(["cp", "-a", made / "postgres", home / "postgres"], check=True)
    return home


def connect(server: EmbeddedServer | str) -> psycopg.Connection:
    url = server if isinstance(server, str) else server.url
    return psycopg.connect(url.replace("+psycopg", ""))


def postmaster(home: Path) -> int | None:
    """The process id of the home's server, None where none runs."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        process = int((home / "postgres/data/postmaster.pid").read_text().split()[0])
        os.kill(process, 0)
        return process
    return None


@contextlib.contextmanager
def user(home: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Another process that uses the server until its standard input closes."""
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", USER, str(home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield process, pipe(process.stdout).readline().strip()
        finally:
            pipe(process.stdin).close()
            process.wait(30)


def pipe(stream: IO[str] | None) -> IO[str]:
    assert stream is not None
    return stream


def test_starts_on_demand_keeps_rows_and_stops(new_home: Callable[[], Path]) -> None:
    home = new_home()
    with use_embedded(home) as server, connect(server) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 'ğ' AS letter")
        connection.commit()
    assert postmaster(home) is None
    with use_embedded(home) as server, connect(server) as connection:
        assert connection.execute("SELECT upper(letter) FROM kept").fetchone() == ("Ğ",)
    assert postmaster(home) is None


def test_durable_and_off_the_network(home: Path) -> None:
    with use_embedded(home) as server, connect(server) as connection:
        shown = {
            name: connection.execute("SELECT current_setting(%s)", [name]).fetchone()
            for name in ("fsync", "synchronous_commit", "full_page_writes", "listen_addresses", "TimeZone")
        }
    assert shown == {
        "fsync": ("on",),
        "synchronous_commit": ("on",),
        "full_page_writes": ("on",),
        "listen_addresses": ("",),
        "TimeZone": ("UTC",),
    }


def test_one_server_for_nested_users_and_processes(home: Path) -> None:
    with user(home) as (_, url):
        running = postmaster(home)
        assert running is not None
        with use_embedded(home) as first, use_embedded(home) as second:
            assert first.url == second.url == url
            assert postmaster(home) == running
        assert postmaster(home) == running, "another process still uses it"
    assert postmaster(home) is None


def test_users_that_arrive_together_start_one_server(home: Path) -> None:
    with contextlib.ExitStack() as stack:
        arrivals = [
            subprocess.Popen(
                [sys.executable, "-c", USER, str(home)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(4)
        ]
        for process in arrivals:
            stack.enter_context(process)
        assert len({pipe(process.stdout).readline() for process in arrivals}) == 1
        for process in arrivals:
            pipe(process.stdin).close()
    assert [process.returncode for process in arrivals] == [0, 0, 0, 0]
    assert postmaster(home) is None


def test_the_last_living_user_stops_it_after_another_was_killed(home: Path) -> None:
    with use_embedded(home), user(home) as (process, _):
        process.kill()
        process.wait()
        assert postmaster(home) is not None
    assert postmaster(home) is None


def test_the_next_user_stops_it_after_the_only_one_was_killed(home: Path) -> None:
    with user(home) as (process, _):
        running = postmaster(home)
        process.kill()
        process.wait()
    assert postmaster(home) == running
    with use_embedded(home) as server, connect(server):
        assert postmaster(home) == running
    assert postmaster(home) is None


def test_a_forked_child_does_not_count_as_a_user(home: Path) -> None:
    """Its copy of the lock is the parent's lock: leaving gives up both."""
    with use_embedded(home):
        child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(30,))
        child.start()
    try:
        assert postmaster(home) is None
    finally:
        child.kill()
        child.join()


def test_ctrl_c_reaches_the_user_only(home: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", USER, str(home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        url = pipe(process.stdout).readline().strip()
        with use_embedded(home) as server:
            os.killpg(process.pid, signal.SIGINT)
            process.wait(30)
            assert "KeyboardInterrupt" in pipe(process.stderr).read()
            with connect(server) as connection:
                assert connection.execute("SELECT 1").fetchone() == (1,)
            assert server.url == url
    assert postmaster(home) is None


def test_recovers_from_a_crash(home: Path) -> None:
    with use_embedded(home) as server:
        with connect(server) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 1 AS number")
        running = postmaster(home)
        assert running is not None
        os.kill(running, signal.SIGKILL)
    with use_embedded(home) as server, connect(server) as connection:
        assert connection.execute("SELECT number FROM kept").fetchone() == (1,)


def test_a_lock_file_of_before_a_reboot_is_stale_though_its_process_id_lives(home: Path) -> None:
    # Process ids are dealt anew at a reboot: the one in the files is an innocent program's by now.
    status = home / "postgres/data/postmaster.pid"
    lines = [os.getppid(), "data", 1, 5432, "../run", "", "    123456         0", "ready"]
    status.write_text("\n".join(map(str, lines)) + "\n")
    (home / "postgres/run/.s.PGSQL.5432.lock").write_text(f"{os.getppid()}\n")
    with use_embedded(home) as server, connect(server) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert postmaster(home) is None


def test_a_home_removed_under_its_user_is_no_error(home: Path) -> None:
    with use_embedded(home):
        running = postmaster(home)
        assert running is not None
        shutil.rmtree(home)
    os.kill(running, signal.SIGQUIT)  # it would end by itself within a minute


def test_an_unfinished_cluster_is_made_anew(new_home: Callable[[], Path]) -> None:
    home = new_home()
    (home / "postgres/data.new/base").mkdir(parents=True)
    (home / "postgres").chmod(0o711)
    with use_embedded(home) as server, connect(server) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize("name", ["long" * 30, "blank and , comma", "quote ' \" $HOME", "percent %41 é"])
def test_any_path_will_do(made: Path, new_home: Callable[[], Path], name: str) -> None:
    home = copied(made, new_home() / name)
    with use_embedded(home) as server, connect(server) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert postmaster(home) is None


def test_nothing_reaches_the_terminal(home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with use_embedded(home) as server:
        with connect(server) as connection, pytest.raises(psycopg.Error):
            connection.execute("SELECT 'page text' / 0")
        said = server.log.read_text()
    assert capfd.readouterr() == ("", "")
    assert "ready to accept connections" in said
    assert "page text" not in said


def test_data_of_another_version_is_refused(home: Path) -> None:
    (home / "postgres/data/PG_VERSION").write_text("16\n")
    with (
        pytest.raises(ConfigError, match=r"made by PostgreSQL 16, and this Broadsheet brings 18"),
        use_embedded(home),
    ):
        pass


def test_a_server_that_cannot_start_says_why(home: Path) -> None:
    (home / "postgres/data/global/pg_control").write_bytes(b"")
    with (
        pytest.raises(ConfigError, match=r"does not start: .*pg_control.* \(see .*/run/log\)\.$"),
        use_embedded(home),
    ):
        pass


def test_a_home_that_is_a_file_is_refused(home: Path) -> None:
    (home / "file").write_text("")
    with (
        pytest.raises(ConfigError, match=r"cannot run in .*/file \(.*: File exists\)"),
        use_embedded(home / "file"),
    ):
        pass


@not_as_root
def test_a_home_without_write_permission_is_refused(new_home: Callable[[], Path]) -> None:
    home = new_home()
    home.chmod(0o500)
    with pytest.raises(ConfigError, match="Permission denied"), use_embedded(home):
        pass


@as_root
def test_root_opens_no_directory_to_others(home: Path) -> None:
    private = home / "private"
    private.mkdir(mode=0o700)
    (private / "mine").mkdir(mode=0o700)
    with use_embedded(private / "mine") as server, connect(server) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert [stat.S_IMODE(path.stat().st_mode) for path in (private, private / "mine")] == [0o700, 0o700]
    place = (private / "mine/postgres").resolve()
    assert not place.is_relative_to(home)
    assert stat.S_IMODE((place / "data").stat().st_mode) == 0o700
    with use_embedded(private / "mine") as again:
        assert again.url == server.url
    for path in sorted(place.rglob("*"), reverse=True):
        path.unlink() if not path.is_dir() else path.rmdir()
    place.rmdir()


@as_root
def test_root_runs_a_copy_of_programs_that_others_cannot_reach(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = embedded.packaged_binary("postgres")
    package = real.parents[2]
    private = home / "environment"
    private.mkdir(mode=0o700)
    (private / package.name).symlink_to(package)
    (private / f"{package.name}.libs").symlink_to(package.with_name(f"{package.name}.libs"))
    monkeypatch.setattr(embedded, "_package", lambda: private / package.name)
    monkeypatch.setattr(embedded, "_SYSTEM_PLACE", home / "system")
    with use_embedded(home) as server, connect(server) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
        running = postmaster(home)
        assert Path(f"/proc/{running}/exe").readlink().is_relative_to(home / "system")
    assert stat.S_IMODE(private.stat().st_mode) == 0o700
