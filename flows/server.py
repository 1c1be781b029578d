"""A Prefect server for one run, started before Prefect itself is imported.

Prefect starts one too, but only in the middle of a run, and imports its whole server into the flow's
process for that: several seconds one after the other that here pass side by side.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from http.client import HTTPConnection
from pathlib import Path

from schemas.errors import BroadsheetError

START_SECONDS = 120.0
STOP_SECONDS = 5.0

_PROGRAM = """
import os, signal, sys, threading

def end_with_parent():
    os.read(int(sys.argv[2]), 1)
    os.kill(os.getpid(), signal.SIGTERM)

threading.Thread(target=end_with_parent, daemon=True).start()
import uvicorn
uvicorn.run(
    "prefect.server.api.server:create_app",
    factory=True, fd=int(sys.argv[1]), log_level="error", lifespan="on", timeout_graceful_shutdown=2,
)
"""


class EphemeralServer:
    """A server on a free port of the loopback interface; it ends when this process does.

    It outlives what Prefect has to tell it at exit: create it before Prefect is imported. The environment has
    PREFECT_HOME; servers of one home start one after another.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._turn = _turn(Path(environment["PREFECT_HOME"]))
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  closed at exit
        lifeline, self._parent = os.pipe()
        with socket.socket() as listening:
            listening.bind(("127.0.0.1", 0))
            listening.listen(128)  # requests wait here until the server is up
            self._port: int = listening.getsockname()[1]
            descriptors = [listening.fileno(), lifeline]
            self._process = subprocess.Popen(  # noqa: S603  our own program
                [sys.executable, "-P", "-c", _PROGRAM, *map(str, descriptors)],
                env={
                    **environment,
                    "PREFECT_SERVER_UI_ENABLED": "false",
                    "PREFECT__SERVER_EPHEMERAL": "1",  # only the services that a single run needs
                    "PREFECT__SERVER_FINAL": "1",
                },
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                pass_fds=descriptors,
                start_new_session=True,  # Ctrl-C must not take it from the run, which has yet to report
            )
        os.close(lifeline)
        atexit.register(self._stop)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/api"

    def wait_until_ready(self) -> None:
        """Wait for the server to answer.

        Raises:
            BroadsheetError: it does not start.
        """
        try:
            self._answer()
        finally:
            os.close(self._turn)

    def _answer(self) -> None:
        try:
            connection = HTTPConnection("127.0.0.1", self._port, timeout=START_SECONDS)
            connection.request("GET", "/api/health")
            answer = connection.getresponse().read()
            connection.close()
        except OSError as error:
            self._log.seek(0)
            complaint = self._log.read()[-2000:].decode(errors="replace").strip()
            raise BroadsheetError(f"Prefect's server does not start: {complaint or error}") from error
        if answer != b"true":
            raise BroadsheetError(f"Prefect's server is not well: {answer[:200].decode(errors='replace')}")

    def _stop(self) -> None:
        os.close(self._parent)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_SECONDS)
        self._process.kill()
        self._process.wait()
        self._log.close()


def _turn(home: Path) -> int:
    """A lock held until the server is up: two that make one new home's tables get in each other's way."""
    descriptor = os.open(home / "starting", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    return descriptor
