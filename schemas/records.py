"""The records that travel along `read → clean → extract → dedupe → load`.

Frozen, compact and picklable: they cross process boundaries. Nothing here imports a parser, Prefect
or a database.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import date, datetime
from typing import Literal

Kind = Literal["html", "text"]
Format = Literal["txt", "html", "jsonl", "warc"]
"""How an input holds its pages; WET is WARC with `conversion` records."""

# --- read ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Selection:
    """How the user wants inputs read, and which of their pages.

    Two runs over one input with different selections are different work: the ledger keeps the digest.
    A limit makes no difference to it, since only parts that were read to their end are entered.
    """

    fields: tuple[tuple[str, str], ...] = ()
    """(our name, the dump's key) pairs for JSONL, as in `--fields html=raw_html,url=link`."""
    source: str | None = None
    path_pattern: str | None = None
    domains: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    since: date | None = None
    until: date | None = None
    """Fetch dates (UTC), both inclusive; a page without a fetch time is left out when either is set."""
    limit: int | None = None
    """Read the first so many pages, known or not."""

    @property
    def digest(self) -> str:
        """'' for the default selection, else 16 hex digits that name it; `limit` does not count."""
        unlimited = replace(self, limit=None)
        if unlimited == Selection():
            return ""
        return hashlib.blake2b(repr(unlimited).encode(), digest_size=8).hexdigest()


@dataclass(frozen=True, slots=True)
class Limits:
    """What one page may cost. Passing one quarantines the page; its batch goes on."""

    page_bytes: int = 10 * 1024 * 1024
    page_seconds: float = 20.0
    worker_bytes: int = 350_000_000
    """Private memory of a worker; what it maps of programs adds about 20 MB."""


@dataclass(frozen=True, slots=True)
class Input:
    """A file or stream that holds pages."""

    uri: str
    """`file:///…`, `s3://…`, `gs://…` or `https://…`, without credentials or query; standard input is first
    spooled to a file of the archive, named by its digest."""
    fingerprint: str
    """Hex digest of URI + size + mtime, or what the store states instead of that."""
    format: Format
    compression: Literal["", "gz", "zst"] = ""
    address: str = field(default="", repr=False)
    """What to open where it is not `uri`: a URL with its query, which no row may have, or a link's target."""
    version: str = ""
    """What it must still be when it is read: an object's ETag, generation or time of modification, a file's
    device and inode."""

    @property
    def place(self) -> str:
        """What to open."""
        return self.address or self.uri


@dataclass(frozen=True, slots=True)
class Part:
    """A run of records of one input: what the ledger knows, whole or not at all."""

    input: Input
    first_record: int
    record_count: int
    """Records from `first_record` on, page or not. A worker reads exactly this many."""
    offset: int = 0
    """Byte offset in the stored (compressed) file where the first record starts."""
    last: bool = True
    """True where the input ends with this part."""
    next_offset: int = 0
    """Where the record after this part starts, for an input that can seek; else 0."""
    payload: bytes | None = None
    """The records themselves, each behind its lengths, where the worker cannot seek to them."""
    unreadable: str | None = None
    """What kept the planner from reading on behind these records, where it may go well another time."""
    damage: str | None = None
    """What stopped the reading right after these records, when the input is cut or damaged."""
    byte_count: int = 0
    """About how many bytes it holds: what batches are packed by."""


@dataclass(frozen=True, slots=True)
class KnownPart:
    """What the ledger tells of a part that is loaded; the fields mean the same as in `Part`."""

    first_record: int
    record_count: int
    next_offset: int
    last: bool


@dataclass(frozen=True, slots=True)
class Skipped:
    """Parts of one input that the ledger already has: they are not read."""

    input: Input
    parts: int


@dataclass(frozen=True, slots=True)
class Unmatched:
    """An input about to be read, of which the path pattern says nothing."""

    input: Input


@dataclass(frozen=True, slots=True)
class PassedOver:
    """What lies in directories and is no input."""

    counts: dict[str, int]
    """By what it is: a suffix such as `.pdf`, "" for a name without one, or a word such as `FIFO`."""


def content_digest(content: bytes) -> bytes:
    """16 bytes that stand for raw bytes: what they are known by in tables, archive and kept files."""
    return hashlib.blake2b(content, digest_size=16).digest()


@dataclass(frozen=True, slots=True)
class Page:
    """One capture of one page, bytes as stored."""

    content: bytes
    kind: Kind
    url: str | None = None
    fetched_at: datetime | None = None
    """Aware and in UTC; None when the input states no time."""
    source: str | None = None
    content_type: str | None = None
    """As the input states it, e.g. `text/html; charset=latin-1`."""
    origin_uri: str = ""
    origin_record: int = 0
    misdated: bool = False
    """Its input states a fetch time that is none, such as `2025-13-45`: it counts as unknown."""

    @property
    def digest(self) -> bytes:
        """16 bytes that stand for the raw content."""
        return content_digest(self.content)

    @property
    def key(self) -> bytes:
        """The page's identity: URL + content digest + stated fetch time."""
        stated = self.fetched_at.isoformat() if self.fetched_at else ""
        named = f"{self.url or ''}\n{stated}\n".encode("utf-8", "surrogatepass")
        return hashlib.blake2b(named + self.digest, digest_size=16).digest()


@dataclass(frozen=True, slots=True)
class Ignored:
    """A record that is no page, or that the selection leaves out."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Parts that are not loaded yet, about 500 pages or 32 MB: a task, a transaction."""

    number: int
    parts: tuple[Part, ...] = ()
    pages: tuple[Page, ...] = ()
    """Pages handed over whole (replay from the archive) instead of parts to open."""
    replace: bool = False
    """The pages are stored, and what they say now replaces what they said."""
    selection: Selection = Selection()
    limits: Limits = Limits()
    accept: int | None = None
    """Take at most this many pages (what is left of `--limit`); further ones are ignored."""
    keep: str | None = None
    """A directory to spool the raw bytes of every page to, for `--keep-pages`."""


@dataclass(frozen=True, slots=True)
class Spooled:
    """A page whose raw bytes a worker has written to a file of its spool directory."""

    key: bytes
    digest: bytes
    file: str
    offset: int
    size: int


# --- extract ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Headline:
    """One placement of a sidebar headline on a page."""

    text: str
    label: str | None = None
    """The list's label as shown (`Explore`, `Most read`), None where it has none."""
    byline: str | None = None
    """Who the list names as author, without "By"."""
    href: str | None = None
    """Absolute link target where the page's URL is known, else as written."""


@dataclass(frozen=True, slots=True)
class Extraction:
    """What one page says: the record that `extract_page` returns.

    Times are ISO 8601 strings with exactly the precision the page shows (`2025`, `2025-05`,
    `2025-05-17`, `2025-05-17T14:05`, `2025-05-17T14:05+02:00`). Absent values are None or empty.
    """

    is_article: bool
    reason: str | None = None
    """Why the page is no article: `listing`, `not_found`, `consent`, `video`, `search`, `empty` …"""
    title: str | None = None
    summary: str | None = None
    authors: list[str] = field(default_factory=list)
    published_at: str | None = None
    published_raw: str | None = None
    published_precision: str | None = None
    """`year`, `month`, `day`, `minute`, `second`; the last two may carry a zone."""
    updated_at: str | None = None
    updated_raw: str | None = None
    section: str | None = None
    language: str | None = None
    """ISO 639-1."""
    agency: str | None = None
    image_caption: str | None = None
    image_credit: str | None = None
    read_minutes: int | None = None
    word_count: int = 0
    canonical_url: str | None = None
    body: list[str] = field(default_factory=list)
    """Paragraphs in page order."""
    headlines: list[Headline] = field(default_factory=list)
    """Every placement in page order."""
    provenance: dict[str, str] = field(default_factory=dict)
    """Field name → the signal that won: `jsonld`, `opengraph`, `meta`, `microdata`, `dom`, `text` …"""
    confidence: float = 0.0
    """0 … 1: how far the body can be trusted."""

    def as_dict(self) -> dict[str, object]:
        """The record as JSON-ready values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class ExtractedPage:
    """A page without its bytes, and what was found on it: what is loaded."""

    key: bytes
    digest: bytes
    kind: Kind
    url: str | None
    fetched_at: datetime | None
    source: str | None
    origin_uri: str
    origin_record: int
    byte_count: int
    extraction: Extraction
    article_key: str | None
    """`url:…` or `text:…`; None where the page is no article."""
    story_key: str | None
    """Joins the text and HTML forms of one story; None where the page is no article."""
    headline_keys: tuple[str, ...]
    """`tasks.dedupe.headline_key` of each placement, in the same order."""
    title_key: str | None = None
    """The same of the title of an article: how sidebar headlines find it where no link does."""
    kept: Spooled | None = None
    misdated: bool = False
    """As of the page."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """A page that goes to quarantine, or the rest of an input that could not be read."""

    reason: str
    stage: str
    detail: str
    origin_uri: str
    origin_record: int
    url: str | None = None
    kind: Kind | None = None
    fetched_at: datetime | None = None
    source: str | None = None
    content_type: str | None = None
    content: bytes | None = None
    """The raw bytes, for the archive; None where there are none to keep (or too many)."""
    kept: Spooled | None = None
    rest: bool = False
    """True where it stands for all the records left of its part, which another run may read."""


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What extraction made of one batch."""

    number: int
    pages: tuple[ExtractedPage, ...] = ()
    rejections: tuple[Rejection, ...] = ()
    read: int = 0
    """Pages met and wanted, counted by the reader: the left side of the outcome equation."""
    ignored: int = 0
    """Records that are no page, or that the selection left out."""
    seconds: float = 0.0
    """CPU seconds the worker spent on it."""

    @property
    def misdated(self) -> int:
        """How many pages state a fetch time that is none."""
        return sum(page.misdated for page in self.pages)

    @property
    def spooled(self) -> list[Spooled]:
        """The pages whose raw bytes were spooled."""
        found = [page.kept for page in self.pages] + [rejection.kept for rejection in self.rejections]
        return [spooled for spooled in found if spooled is not None]


# --- load ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the pages of a batch or a run."""

    read: int = 0
    loaded: int = 0
    updated: int = 0
    unchanged: int = 0
    duplicate: int = 0
    non_article: int = 0
    quarantined: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    @property
    def balanced(self) -> bool:
        """True when every page read has exactly one outcome."""
        return self.read == (
            self.loaded + self.updated + self.unchanged + self.duplicate + self.non_article + self.quarantined
        )

    def as_dict(self) -> dict[str, int]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What loading one batch did."""

    counts: Counts = Counts()
    ignored: int = 0
    quarantined_by_reason: dict[str, int] = field(default_factory=dict)
    sightings: int = 0
    """Sightings written with this batch's new pages."""
    misdated: int = 0
    """Pages that state a fetch time that is none; the ledger does not keep it."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of quarantined entries that were tried again, by their ids."""

    loaded: tuple[int, ...] = ()
    failed: tuple[int, ...] = ()
    """Quarantined once more."""
    dismissed: tuple[int, ...] = ()
    """Those that failed and stay dismissed: an input that was dismissed and has not changed."""
    unavailable: tuple[int, ...] = ()
    """They gave no page to try: gone from archive and input alike, or as unreadable as before."""
    waiting: tuple[int, ...] = ()
    """Not tried, since the limit was met or their batch failed; or left out by what was asked for."""


@dataclass(frozen=True, slots=True)
class RunReport:
    """What a run did: what the summary shows and `--json` prints."""

    run_id: int
    state: Literal["completed", "partial", "failed", "interrupted"]
    counts: Counts = Counts()
    ignored: int = 0
    skipped: int = 0
    """Parts the ledger already had; they were not read."""
    quarantined_by_reason: dict[str, int] = field(default_factory=dict)
    headlines_new: int = 0
    headlines_seen_again: int = 0
    """Sightings in this run of headlines that were known before it, or seen earlier in it."""
    sightings: int = 0
    seconds: float = 0.0
    unavailable: int = 0
    """Stored pages that were to be read again, and whose bytes are gone."""
    message: str = ""
    replayed: Replayed | None = None
    """Of a run that tried quarantined pages again."""
