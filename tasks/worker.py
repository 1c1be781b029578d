"""What runs in a worker process: receive a batch, send back what became of each of its records.

Started by `tasks.pool` with one end of a socket pair. It ends with that socket, so with its parent.
"""

from __future__ import annotations

import resource
import signal
import sys
import time
from multiprocessing.connection import Connection

from schemas.errors import KeepError
from tasks.batch import extract_records
from tasks.extract import extract_page

READY = "ready"


def serve(descriptor: int, memory_bytes: int) -> None:
    """Extract batch after batch until the parent closes the connection.

    Receives (Batch, Place); sends (unit, outcome) for each record, then the CPU seconds it took, or the error
    that ends the batch.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    _bound_memory(memory_bytes)
    _warm_up()
    with Connection(descriptor) as connection:
        connection.send(READY)
        try:
            while True:
                batch, place = connection.recv()
                started = time.process_time()
                try:
                    for unit_and_outcome in extract_records(batch, place):
                        connection.send(unit_and_outcome)
                except KeepError as error:  # costs the batch, not this process
                    connection.send(error)
                    continue
                connection.send(time.process_time() - started)
        except (EOFError, BrokenPipeError, ConnectionResetError):
            return


def _warm_up() -> None:
    """Load word lists and models now: the time limit of the first page is not theirs to use."""
    sentence = "The ferry sailed again on Monday, and a brass band met it on the quay of Sandø."
    markup = f"<html><head><title>Ferry</title></head><body><h1>Ferry</h1><p>{sentence}</p></body></html>"
    text = f"The ferry is back\nBy Ilse Varga\n12 May 2025\n\n{sentence}\n"
    for content in (markup, text):
        extract_page(content.encode(), "https://www.paper.example/ferry")


def _bound_memory(memory_bytes: int) -> None:
    """Make what would outgrow `memory_bytes` a MemoryError.

    On Linux private memory is what counts; elsewhere only the address space can be bounded, if at all.
    """
    kind = resource.RLIMIT_DATA if sys.platform == "linux" else resource.RLIMIT_AS
    _, hard = resource.getrlimit(kind)
    bound = memory_bytes if hard == resource.RLIM_INFINITY else min(memory_bytes, hard)
    try:
        resource.setrlimit(kind, (bound, hard))
    except (OSError, ValueError):
        if sys.platform == "linux":
            raise
