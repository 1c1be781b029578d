"""Every error raised on purpose, by who must act on it.

Messages are positional, so that each error survives the way back from a worker process.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path


class BroadsheetError(Exception):
    """Base of every error that Broadsheet raises on purpose."""


class ConfigError(BroadsheetError):
    """The user asked for something that cannot be: one sentence, exit code 2."""


class Interrupted(BroadsheetError):
    """A run was told to end: what it had begun and not finished is left to the next one."""


def missing_extra(what: str, extra: str) -> ConfigError:
    """The error for what needs packages that only an extra brings, with the command that installs them."""
    checkout = Path(__file__).resolve().parent.parent
    command = f"{shlex.quote(sys.executable)} -m pip install --editable {shlex.quote(f'{checkout}[{extra}]')}"
    return ConfigError(f"{what} needs packages that are not installed: {command}")


class InputError(BroadsheetError):
    """An input cannot be opened or read to its end; what came before still counts."""

    reason = "unreadable"
    stage = "read"


class StoreUnreachable(BroadsheetError):
    """A store stays away: no fault of what lies in it. Its batch fails, and the run plans no other."""


class DamagedInput(InputError):
    """An input is cut or damaged, or one of its records is: a line that is no JSON, a broken WARC record."""

    reason = "damaged"


class PageError(BroadsheetError):
    """One page cannot be processed: it goes to quarantine, its batch goes on."""

    reason = "page"
    stage = "read"


class UnknownRecord(PageError):
    """A JSONL line that is sound JSON, but no object with a text under html or text: see --fields."""

    reason = "unknown_record"


class PageTooLarge(PageError):
    """The page passes the size limit, 10 MB: Limits.page_bytes in schemas/records.py."""

    reason = "too_large"


class UndecodablePage(PageError):
    """The bytes are no text in any encoding worth trying (a picture, an archive, a program)."""

    reason = "undecodable"
    stage = "clean"


class PageTimeout(PageError):
    """The page took longer than its time limit."""

    reason = "timeout"
    stage = "extract"


class PageOutOfMemory(PageError):
    """The page needed more memory than a worker may use."""

    reason = "memory"
    stage = "extract"


class WorkerDied(PageError):
    """Two worker processes died while they held this page."""

    reason = "worker_died"
    stage = "extract"


class ExtractionFailed(PageError):
    """The extractor raised something unforeseen on this page: a bug, kept with its traceback."""

    reason = "extractor_error"
    stage = "extract"


class LoadError(BroadsheetError):
    """The database did not take a batch."""


class TransientLoadError(LoadError):
    """Connection lost, deadlock or restart: the same batch may be tried again."""


class KeepError(BroadsheetError):
    """The bytes of pages cannot be kept, as `--keep-pages` asks: the batch fails, none of it is loaded."""


class RefusedPage(PageError):
    """The database refuses this page's row; it is quarantined alone."""

    reason = "refused"
    stage = "load"


PAGE_REASONS: dict[str, type[PageError] | type[InputError]] = {
    error.reason: error
    for error in (
        InputError,
        DamagedInput,
        UnknownRecord,
        PageTooLarge,
        UndecodablePage,
        PageTimeout,
        PageOutOfMemory,
        WorkerDied,
        ExtractionFailed,
        RefusedPage,
    )
}
"""Every reason a page can be quarantined for, with the class that explains it."""
