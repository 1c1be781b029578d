"""Runs a flow from the command line: chooses its Prefect, and starts what takes time side by side."""

from __future__ import annotations

import gc
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any, Literal

from flows.environment import prepare_prefect
from flows.server import EphemeralServer
from schemas.errors import BroadsheetError, ConfigError, TransientLoadError
from schemas.records import Counts, Limits, RunReport
from schemas.settings import Settings

_LOG = logging.getLogger("broadsheet")


def launch(
    flow: Literal["ingest", "backfill"],
    parameters: Mapping[str, Any],
    settings: Settings,
    watch: Callable[[Counts, int], None] = lambda counts, known: None,
) -> RunReport:
    """Run the flow in this process and report what it did.

    Args:
        flow: which one.
        parameters: the flow's own, by name.
        settings: what the flow will read from the environment, too.
        watch: called with the counts and the known parts so far, whenever there are more of them.

    Raises:
        ConfigError: an input, the database or Prefect's server is not what the parameters or settings say.
        BroadsheetError: the run ended without a report, as when it lost its database.
    """
    server = None if prepare_prefect(settings) else _start_server()
    from tasks.pool import ExtractionPool

    workers = parameters.get("workers") or settings.workers
    with _database_starting(settings), ExtractionPool(workers, Limits()) as pool:
        with _kept_from_collector():
            from flows import backfill, ingest
            from flows.run import Observer, observer

        if server is not None:
            server.wait_until_ready()
        seen = Observer(watch, pool)
        token = observer.set(seen)
        try:
            run = backfill.backfill if flow == "backfill" else ingest.ingest
            state = run(**parameters, return_state=True)
        except RuntimeError as error:
            if not str(error).startswith("Failed to reach API"):
                raise
            raise ConfigError(
                f"Prefect's server does not answer: {error}. Look at PREFECT_API_URL, or the Prefect profile."
            ) from error
        except Exception as error:
            if seen.report is None:
                raise
            said = str(error).partition("\n")[0] or type(error).__name__
            _LOG.warning("The run is done, but Prefect's server does not know: %s", said)
        finally:
            observer.reset(token)
        if seen.report is not None:
            return seen.report
        try:
            state.result()  # raises what ended the flow before it had anything to report
        except TransientLoadError as error:
            said = str(error).partition("\n")[0].rstrip(".")
            raise BroadsheetError(f"The run lost its database. {said}.") from error
        raise BroadsheetError(f"The {flow} flow ended as {state.name} and reported nothing.")


def _start_server() -> EphemeralServer:
    """Start a server and make Prefect, which is not imported yet, report to it."""
    server = EphemeralServer(os.environ)
    os.environ["PREFECT_API_URL"] = server.url
    return server


@contextmanager
def _database_starting(settings: Settings) -> Iterator[None]:
    """Start the embedded PostgreSQL beside the block, which then finds it running.

    A server of one's own is asked at once instead: when it refuses, nothing else need start.
    """
    if settings.database_url is not None:
        with _kept_from_collector():
            from tasks.postgres.database import open_database

        with open_database(settings):
            yield
        return
    from tasks.postgres.embedded import use_embedded

    with ExitStack() as users, ThreadPoolExecutor(1) as thread:
        entered = thread.submit(users.enter_context, use_embedded(settings.home))
        yield
        entered.result()


@contextmanager
def _kept_from_collector() -> Iterator[None]:
    """Import in this block: what imports make stays, and to look through it for cycles takes long."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
