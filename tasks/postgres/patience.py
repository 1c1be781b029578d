"""A database that is away or busy: waited for in one way by everything that a run asks of it."""

from __future__ import annotations

import logging
import os
import random
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar
from weakref import WeakSet

from psycopg import Connection
from sqlalchemy import Engine, event

from schemas.errors import BroadsheetError, TransientLoadError
from tasks.postgres.errors import DATABASE_ERRORS, complaint, is_busy, is_transient

PATIENCE_SECONDS = 120.0
"""A restart, a failover or a crash recovery is over by then; what takes longer needs a person."""
OUTAGES = 3
"""So often one call may start its clock: a connection that is lost each time may be lost by what it asks."""
WORKED_SECONDS = 5.0
"""A try that went on for longer in a database that could be reached was at work: an outage was over."""
SHORTEST_PAUSE, LONGEST_PAUSE = 0.1, 5.0

_LOG = logging.getLogger("broadsheet")
_OPTION = "patience"
_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


class Patience:
    """How long the users of one engine wait for its database, and how they are told to wait no longer.

    Thread-safe. Once it has ended, used up by a database that stays away or by `end`, every call is tried
    once more at most.
    """

    def __init__(
        self,
        revive: Callable[[], None],
        seconds: float = PATIENCE_SECONDS,
        worked_seconds: float = WORKED_SECONDS,
    ) -> None:
        """Args:
        revive: called before each further try; starts a server that is ours to start.
        seconds: how long one call may be tried again after each of `OUTAGES`.
        worked_seconds: how long a try takes at least whose failure is an outage of its own.
        """
        self._revive = revive
        self._seconds = seconds
        self._worked_seconds = worked_seconds
        self._connected = 0
        self._ended = threading.Event()
        self._changed = threading.Condition()
        self._under_way = 0
        self._connections: WeakSet[Connection[Any]] = WeakSet()
        self._told = False

    @classmethod
    def of(cls, engine: Engine) -> Patience:
        """That of an engine; one that has ended where the engine was made without."""
        found = engine.get_execution_options().get(_OPTION)
        if isinstance(found, cls):
            return found
        none = cls(lambda: None)
        none.end()
        return none

    def given_to(self, engine: Engine) -> Engine:
        """The engine, with this patience."""
        event.listen(engine, "connect", lambda connection, _: self._note(connection))
        engine.update_execution_options(**{_OPTION: self})
        return engine

    @property
    def ended(self) -> bool:
        return self._ended.is_set()

    def end(self) -> None:
        """Let nobody wait any longer."""
        self._ended.set()

    def quiet(self, seconds: float) -> bool:
        """Wait for the calls under way to end; False when some have not."""
        with self._changed:
            return self._changed.wait_for(lambda: self._under_way == 0, seconds)

    def cut(self) -> None:
        """End every connection, whatever it is at: what is not committed is rolled back.

        Works with a server that does not answer any more, too.
        """
        with self._changed:
            connections = list(self._connections)
        for connection in connections:
            # One may be closed meanwhile.
            with suppress(Exception), socket.socket(fileno=os.dup(connection.fileno())) as stream:
                stream.shutdown(socket.SHUT_RDWR)

    def call(self, engine: Engine, function: Callable[[], _Result]) -> _Result:
        """What a function returns, which is called again as long as the database is away or busy.

        Raises:
            TransientLoadError: it stayed away, or others were in the way as long: see `only_busy`.
        """
        with self._changed:
            self._under_way += 1
        try:
            return self._call(engine, function)
        finally:
            with self._changed:
                self._under_way -= 1
                self._changed.notify_all()

    def _call(self, engine: Engine, function: Callable[[], _Result]) -> _Result:
        pause = SHORTEST_PAUSE
        outages, give_up = 0, 0.0
        while True:
            began, connected = time.monotonic(), self._connected
            try:
                result = function()
            except TransientLoadError as error:
                failure = error
            except DATABASE_ERRORS as error:
                if not is_transient(error):
                    raise
                failure = TransientLoadError(f"The database went away or was busy: {complaint(error)}")
                failure.__cause__ = error
            else:
                if outages:
                    self._tell(None)
                return result
            now = time.monotonic()
            busy = only_busy(failure)
            worked = now - began > self._worked_seconds and self._connected > connected and not busy
            if not outages or (worked and outages < OUTAGES):
                outages += 1
                give_up, pause = now + self._seconds, SHORTEST_PAUSE
            if now > give_up:
                if busy:
                    raise failure
                self.end()
            if self._ended.wait(pause * random.uniform(0.5, 1)):  # noqa: S311  not all at once
                raise failure
            self._tell(failure)
            pause = min(2 * pause, LONGEST_PAUSE)
            if busy:
                continue
            engine.dispose()  # a connection may lead to a server that is a standby by now
            with suppress(BroadsheetError, OSError):  # it may not be ready to start: the next try will tell
                self._revive()

    def _tell(self, failure: TransientLoadError | None) -> None:
        """Say once that the database is away, and that it is back."""
        with self._changed:
            if self._told == (failure is not None):
                return
            self._told = failure is not None
        if failure:
            said = str(failure).partition("\n")[0].rstrip(".")
            _LOG.warning("%s. Trying again for %d seconds.", said, self._seconds)
        else:
            _LOG.warning("The database is back.")

    def _note(self, connection: Any) -> None:
        with self._changed:
            self._connections.add(connection)
            self._connected += 1


def only_busy(failure: TransientLoadError) -> bool:
    """Whether the database is there, and it was others in it that were in the way."""
    cause = failure.__cause__
    return isinstance(cause, DATABASE_ERRORS) and is_busy(cause)


def patient(
    function: Callable[Concatenate[Engine, _Arguments], _Result],
) -> Callable[Concatenate[Engine, _Arguments], _Result]:
    """Have a function called again with the patience of the engine it is given.

    What it did before it failed must not count: its transaction is rolled back, or doing it again changes
    nothing.
    """

    @wraps(function)
    def again(engine: Engine, /, *args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Result:
        return Patience.of(engine).call(engine, lambda: function(engine, *args, **kwargs))

    return again
