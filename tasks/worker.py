"""What runs in a worker process: receive a batch, send back what became of each of its records.

Started by `tasks.pool` with one end of a socket pair. It ends with that socket, so with its parent.
"""

from __future__ import annotations

import os
import signal
import time
from multiprocessing.connection import Connection

from schemas.errors import BroadsheetError
from tasks.batch import extract_records
from tasks.extract import extract_page
from tasks.limits import bound_memory

READY = "ready"
OUT_OF_MEMORY = 86
"""Exit code of a worker whose memory is full."""


def serve(descriptor: int, memory_bytes: int) -> None:
    """Extract batch after batch until the parent closes the connection.

    Receives (Batch, Place); sends (unit, outcome) for each record, then the CPU seconds it took, or the error
    that ends the batch.
    """
    for told in (signal.SIGINT, signal.SIGTERM):  # what is sent to all of a group is the parent's to handle
        signal.signal(told, signal.SIG_IGN)
    bound_memory(memory_bytes)
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
                except BroadsheetError as error:  # costs the batch, not this process
                    connection.send(error)
                    continue
                connection.send(time.process_time() - started)
        except (EOFError, BrokenPipeError, ConnectionResetError):
            return
        except MemoryError:  # at once: to take apart what fills it can last minutes
            os._exit(OUT_OF_MEMORY)


def _warm_up() -> None:
    """Load word lists and models now: the time limit of the first page is not theirs to use."""
    sentence = "The ferry sailed again on Monday, and a brass band met it on the quay of Sandø."
    markup = f"<html><head><title>Ferry</title></head><body><h1>Ferry</h1><p>{sentence}</p></body></html>"
    text = f"The ferry is back\nBy Ilse Varga\n12 May 2025\n\n{sentence}\n"
    for content in (markup, text):
        extract_page(content.encode(), "https://www.paper.example/ferry")
