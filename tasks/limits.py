"""What one page may cost of this process's time and memory, made to hold."""

from __future__ import annotations

import resource
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TypeVar

from selectolax.lexbor import SelectolaxError

from schemas.errors import PageOutOfMemory, PageTimeout
from schemas.records import Limits

_DATA = resource.RLIMIT_DATA if sys.platform == "linux" else resource.RLIMIT_AS
"""On Linux private memory is what counts; elsewhere only the address space can be bounded, if at all."""
_UNBOUND = (resource.getrlimit(_DATA)[1],) * 2
_NO_MEMORY = (MemoryError, SelectolaxError)
"""The parser never fails of anything else."""

T = TypeVar("T")


def within_limits(work: Callable[[], T], limits: Limits) -> T:
    """Do the work in bounded time, and tell when it takes too much memory.

    Raises:
        PageTimeout: it has run for `page_seconds`.
        MemoryError: there was no memory left; `bound_memory` says how much there is. The bound is lifted
            now, and the process must end, by `os._exit`: to take apart what fills it can last minutes.
    """
    with time_limit(limits):
        return _lifting_bound(work)


def _lifting_bound(work: Callable[[], T]) -> T:
    """Do the work; have memory again when it runs out.

    CPython 3.11 needs memory to unwind through `with` and `finally`, and tries without end when there is
    none. So this catches before any of them, and allocates nothing before it lifts the bound.
    """
    try:
        return work()
    except _NO_MEMORY:
        resource.setrlimit(_DATA, _UNBOUND)
        raise MemoryError from None


def out_of_memory(limits: Limits) -> PageOutOfMemory:
    return PageOutOfMemory(f"needs more than {limits.worker_bytes:,} bytes of memory")


def hard_seconds(limits: Limits) -> float:
    """When a page that no exception can interrupt costs its worker's life."""
    return 2 * limits.page_seconds + 1


def bound_memory(memory_bytes: int) -> None:
    """Make what would outgrow `memory_bytes` of private memory a MemoryError, from now on."""
    _, hard = resource.getrlimit(_DATA)
    bound = memory_bytes if hard == resource.RLIM_INFINITY else min(memory_bytes, hard)
    try:
        resource.setrlimit(_DATA, (bound, hard))
    except (OSError, ValueError):
        if sys.platform == "linux":
            raise


@contextmanager
def memory_limit(limits: Limits) -> Iterator[None]:
    """Bound what the block adds to the memory of this process by `worker_bytes`, on Linux."""
    if sys.platform != "linux":
        yield
        return
    before = resource.getrlimit(_DATA)
    pages = int(Path("/proc/self/statm").read_text().split()[5])
    bound_memory(pages * resource.getpagesize() + limits.worker_bytes)
    try:
        yield
    finally:
        resource.setrlimit(_DATA, before)


@contextmanager
def time_limit(limits: Limits) -> Iterator[None]:
    """Raise PageTimeout in the block once it has run for `page_seconds`.

    The alarm repeats, should someone's `except Exception` swallow it. It cannot interrupt C code: there
    the kernel ends the process after `hard_seconds` of CPU time, and a supervisor counts the rest. Only
    the main thread of a process can be interrupted; elsewhere the block runs without limit.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(signum: int, frame: FrameType | None) -> None:
        raise PageTimeout(f"took longer than {limits.page_seconds:g} seconds")

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_PROF, hard_seconds(limits))
    signal.setitimer(signal.ITIMER_REAL, limits.page_seconds, 1.0)
    try:
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    finally:  # again, should the alarm have gone off right there
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGALRM, before)
