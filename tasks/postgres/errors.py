"""Errors of the database, translated in one place into what a caller must tell apart."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import errors
from sqlalchemy.exc import DBAPIError

from schemas.errors import LoadError, TransientLoadError

_ROLLED_BACK = "40"
_TRANSIENT_CLASSES = ("08", _ROLLED_BACK)  # the other: connection exception
_TRANSIENT_STATES = frozenset(
    error.sqlstate
    for error in (
        errors.AdminShutdown,
        errors.CrashShutdown,
        errors.CannotConnectNow,
        errors.IdleSessionTimeout,
        errors.LockNotAvailable,
        errors.ReadOnlySqlTransaction,  # during a failover
        errors.TooManyConnections,
    )
)
_VALUES = "22"
_REFUSAL_CLASSES = (_VALUES, "23", "P0")  # the others: constraints, what triggers of the user's own raise
_QUOTED = re.compile('["«„“].*["»“”]', re.DOTALL)
_PLACE_IN_COPY = re.compile(r"COPY \w+, line \d+(?:, column \w+)?")

DatabaseError = DBAPIError | psycopg.Error
"""From SQLAlchemy, or from COPY, which speaks to the driver directly."""
DATABASE_ERRORS = (DBAPIError, psycopg.Error)


@contextmanager
def translated_errors() -> Iterator[None]:
    """Raise TransientLoadError for what may go better the next time, LoadError for the rest."""
    try:
        yield
    except DATABASE_ERRORS as error:
        if is_transient(error):
            raise TransientLoadError(f"The database went away or was busy: {complaint(error)}") from error
        # Tracebacks are logged: the cause would tell what `complaint` leaves out.
        raise LoadError(f"The database did not take it: {complaint(error)}") from None


def complaint(error: DatabaseError) -> str:
    """What the database said, without the statement and the values of rows: pages give those.

    Its detail and its context are left out, and what it quotes where it complains of a value.
    """
    cause = _cause(error)
    diagnosis = cause.diag if isinstance(cause, psycopg.Error) else None
    if diagnosis is None or diagnosis.message_primary is None:
        return str(cause).strip().partition("\n")[0]
    said = diagnosis.message_primary
    if (_state(error) or "").startswith(_VALUES):
        said = _QUOTED.sub('"…"', said)
    named = {
        "table": diagnosis.table_name,
        "column": diagnosis.column_name,
        "constraint": diagnosis.constraint_name,
    }
    places = [f"{kind} {name}" for kind, name in named.items() if name and name not in said]
    if copied := _PLACE_IN_COPY.match(diagnosis.context or ""):
        places.append(copied[0])
    return f"{said} ({', '.join(places)})" if places else said


def is_refusal(error: DatabaseError) -> bool:
    """True when the rows are to blame: their values, constraints on them, limits of the server."""
    state = _state(error)
    if state is None:
        return isinstance(_cause(error), psycopg.DataError)
    return state[:2] in _REFUSAL_CLASSES or state == errors.ProgramLimitExceeded.sqlstate


def is_transient(error: DatabaseError) -> bool:
    """True when the same may go better the next time: connection lost, deadlock, restart, failover."""
    state = _state(error)
    if state is None:  # libpq speaks, not the server: the connection is gone or was never made
        return isinstance(_cause(error), psycopg.OperationalError | psycopg.InterfaceError)
    return state[:2] in _TRANSIENT_CLASSES or state in _TRANSIENT_STATES


def is_busy(error: DatabaseError) -> bool:
    """True when others were in the way in a database that answers: a deadlock, a lock not to be had."""
    state = _state(error)
    return state is not None and (state[:2] == _ROLLED_BACK or state == errors.LockNotAvailable.sqlstate)


def _cause(error: DatabaseError) -> BaseException:
    return error.orig or error if isinstance(error, DBAPIError) else error


def _state(error: DatabaseError) -> str | None:
    return getattr(_cause(error), "sqlstate", None)
