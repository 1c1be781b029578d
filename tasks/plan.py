"""What there is to do: inputs found, cut into parts, packed into batches.

The planner opens only what holds many pages. It hands over references; where reading cannot begin in the
middle (one gzip member, zstd), it reads the records itself and hands those over.
"""

# ruff: noqa: PTH100, PTH114, PTH116, PTH118, PTH207, PTH208
# os.path costs a fraction of pathlib, and directories hold a million pages.

from __future__ import annotations

import glob
import hashlib
import os
import re
import secrets
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, islice
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

from schemas.errors import ConfigError, DamagedInput, InputError
from schemas.records import (
    Batch,
    Format,
    Input,
    KnownPart,
    Limits,
    Part,
    PassedOver,
    Selection,
    Skipped,
    Unmatched,
)
from tasks.inputs.containers import Record, Stream, pack_record, record_limit, take_record
from tasks.inputs.path_pattern import PathFacts, compile_pattern, read_path
from tasks.inputs.storage import (
    file_version,
    is_ranged,
    is_remote,
    look_up,
    name_of,
    open_input,
    read_ahead,
    sentence,
    uri_of,
)

if TYPE_CHECKING:
    from tasks.inputs.stores import Stored

BATCH_PAGES = 500
BATCH_BYTES = 32 * 1024 * 1024
"""A part of a large input and a batch both end at the first of the two."""

_FORMATS: dict[str, Format] = {
    "txt": "txt",
    "html": "html",
    "htm": "html",
    "jsonl": "jsonl",
    "ndjson": "jsonl",
    "warc": "warc",
    "wet": "warc",
}
_PAGES = ("txt", "html")
"""Formats of which an input is one page."""
_COMPRESSIONS: dict[str, Literal["gz", "zst"]] = {"gz": "gz", "zst": "zst"}
_INPUTS_ASKED_AT_ONCE = 1000
_SUFFIX = re.compile(r"(?:\.\w{1,8})?\.(?:gz|zst)$|\.\w{1,8}$", re.ASCII)
_SUFFIXES_COUNTED = 100
"""Of names that are no input; those of any more suffixes are counted with the names that have none."""
_LIMITS = Limits()

Note = Skipped | Unmatched | PassedOver
"""What a plan tells beside the parts to read."""


class Known(Protocol):
    """What the ledger already has."""

    def parts(self, inputs: Sequence[Input], selection: str) -> Mapping[str, Sequence[KnownPart]]:
        """Return the loaded parts of inputs by fingerprint, as read with the selection of that digest."""


class NothingKnown:
    """An empty ledger."""

    def parts(self, inputs: Sequence[Input], selection: str) -> Mapping[str, Sequence[KnownPart]]:
        return {}


class _Found(NamedTuple):
    """An input and the bytes it has as stored."""

    input: Input
    size: int


class _Gap(NamedTuple):
    """Records `first` up to `until` (None: the end) that the ledger lacks.

    Reading begins at `record`, stored at `offset`: the nearest place before them where it can.
    """

    first: int
    until: int | None
    record: int
    offset: int


def plan(
    paths: Sequence[str], selection: Selection, known: Known, limits: Limits = _LIMITS
) -> Iterator[Part | Note]:
    """Find the inputs that files, directories, globs and URIs name and yield what of them is not loaded yet.

    Directories are read recursively, in the order of their names; hidden names and other suffixes are passed
    over, and symbolic links do not lead out of the directory named, nor out of where a glob begins; a prefix
    of a bucket is read in the same way. What is passed over is counted, hidden names apart, at the end. A
    file with one page is one part and is not opened. Larger inputs are cut at fixed counts, so that planning
    again finds the same parts; what the ledger has of them is not read again. What is found but cannot be
    opened is a part too: reading it puts it into quarantine.

    Raises:
        ConfigError: at once, when something named does not exist, may not be read or has no known suffix, or
            when nothing in it matches the path pattern.
        InputError: a store refuses to list its objects to their end.
        StoreUnreachable: a store stays away.
    """
    others = Counter[str]()
    named = _named(paths, others)
    if selection.path_pattern:
        _check_pattern(selection.path_pattern, paths)
    return _plan(named, others, selection, known, limits)


def pack(
    items: Iterable[Part | Note],
    selection: Selection,
    limits: Limits = _LIMITS,
    *,
    pages: int = BATCH_PAGES,
    size: int = BATCH_BYTES,
) -> Iterator[Batch | Note]:
    """Gather parts into batches of at most `pages` records and about `size` bytes, in order.

    A part that is larger alone is a batch of its own. What is no part passes through.
    """
    number, parts, records, held = 1, list[Part](), 0, 0
    for item in items:
        if not isinstance(item, Part):
            yield item
            continue
        if parts and (records + item.record_count > pages or held + item.byte_count > size):
            yield Batch(number, tuple(parts), selection=selection, limits=limits)
            number, parts, records, held = number + 1, [], 0, 0
        parts.append(item)
        records += item.record_count
        held += item.byte_count
    if parts:
        yield Batch(number, tuple(parts), selection=selection, limits=limits)


def format_of(name: str) -> tuple[Format, Literal["", "gz", "zst"]] | None:
    """Return what a file name says about format and compression, None when its suffix is unknown."""
    stem, _, suffix = name.lower().rpartition(".")
    compression = _COMPRESSIONS.get(suffix) if stem else None
    if compression:
        stem, _, suffix = stem.rpartition(".")
    found = _FORMATS.get(suffix) if stem else None
    return (found, compression or "") if found else None


# --- finding inputs ----------------------------------------------------------------------------------------


def _named(paths: Sequence[str], others: Counter[str]) -> dict[str, os.stat_result | None]:
    """The files and directories that the user named, each once, by absolute path; URIs have no status.

    Links that a glob matches and that lead nowhere or outside are counted in `others`.
    """
    named: dict[str, os.stat_result | None] = {}
    for path in paths:
        if is_remote(path):
            _look_up(path)
            named[path] = None
            continue
        if path.startswith("file:"):
            raise ConfigError(f"{path} is a URI; name a file by its path.")
        absolute = os.path.abspath(path)
        status = _status(path, absolute)
        if status is not None:
            _check_named(path, absolute, status)
            named[absolute] = status
        elif path and glob.has_magic(path):
            matches = dict(_matches(absolute, others))
            if not any(_can_be_input(match, found) for match, found in matches.items()):
                raise ConfigError(f"No page or archive of pages matches {path}.")
            named |= matches
        else:
            raise ConfigError(f"{path or 'An empty path'} does not exist.")
    return named


def _look_up(uri: str) -> Iterator[Stored]:
    """The objects that a URI names, by itself, as a prefix or as a glob.

    Raises:
        ConfigError: there is none, or the one that is named cannot be an input.
    """
    found = look_up(uri)
    if isinstance(found, Iterator):
        return found
    if found is None:
        single = uri.lower().startswith("http") and ("*" in uri or uri.endswith("/"))
        raise ConfigError(f"{uri} does not exist{': a web server has single files only' if single else ''}.")
    kind, _ = _format_named(uri, uri)
    if found.size is None and kind not in _PAGES:
        raise ConfigError(f"{uri} cannot be read in parts: its server does not say how long it is.")
    return iter([found])


def _check_pattern(pattern: str, paths: Sequence[str]) -> None:
    """Refuse a path pattern that nothing in a directory matches: no page would have what it promises."""
    compile_pattern(pattern)
    for path in paths:
        found = (source for source, _ in _inputs(_named([path], Counter()), Counter()))
        first = next(found, None)
        if first is None or not _says_nothing(first, pattern):
            continue
        second = next(found, None)  # one input alone may be standard input
        if second and all(_says_nothing(source, pattern) for source in chain([second], found)):
            raise ConfigError(f"Nothing in {path} matches the path pattern {pattern!r}.")


def _says_nothing(source: Input, pattern: str | None) -> bool:
    return pattern is not None and read_path(name_of(source.uri), pattern) == PathFacts()


def _status(path: str, absolute: str) -> os.stat_result | None:
    try:
        return os.stat(absolute) if path else None
    except PermissionError:
        raise ConfigError(f"{path} cannot be read: permission denied.") from None
    except (OSError, ValueError):
        return None


def _check_named(path: str, absolute: str, status: os.stat_result) -> None:
    """Refuse what the user named himself and what cannot be read, rather than quarantine it."""
    try:
        if stat.S_ISDIR(status.st_mode):
            os.scandir(absolute).close()
            return
        if not stat.S_ISREG(status.st_mode):
            raise ConfigError(f"{path} is neither a file nor a directory.")
        _format_named(path, absolute)
        os.close(os.open(absolute, os.O_RDONLY))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {(error.strerror or str(error)).lower()}.") from None


def _matches(pattern: str, others: Counter[str]) -> Iterator[tuple[str, os.stat_result]]:
    """What a glob may mean, in order; links lead no further than below where the glob begins."""
    fixed = re.split(r"[*?[]", pattern, maxsplit=1)[0].rpartition("/")[0]
    root = os.path.join(os.path.realpath(fixed), "")
    for path in sorted(glob.glob(pattern, recursive=True)):
        try:
            status = os.stat(path)
        except OSError:
            if os.path.islink(path):
                others["broken link"] += 1
            continue
        target = os.path.realpath(path)
        if target.startswith(root):
            yield path, status
        elif os.path.join(target, "") != root:
            others["link leading outside"] += 1


def _can_be_input(path: str, status: os.stat_result) -> bool:
    return stat.S_ISDIR(status.st_mode) or (stat.S_ISREG(status.st_mode) and format_of(path) is not None)


def _format_named(path: str, name: str) -> tuple[Format, Literal["", "gz", "zst"]]:
    """The format of what the user named himself; raises ConfigError where its name tells none."""
    named = format_of(name)
    if named is None:
        known = ", ".join(f".{suffix}" for suffix in _FORMATS)
        raise ConfigError(f"{path} has no known suffix: use {known}, or one of them with .gz or .zst.")
    return named


def _inputs(named: Mapping[str, os.stat_result | None], others: Counter[str]) -> Iterator[_Found]:
    """The inputs there are; what is met and is none is counted in `others`."""
    for path, status in named.items():
        if status is None:
            yield from _below(path, named, others)
        elif stat.S_ISDIR(status.st_mode):
            yield from _walk(path, named, others)
        elif _can_be_input(path, status):
            yield _found(path, status, os.path.realpath(path) if os.path.islink(path) else "")
        else:  # a glob matches it
            _pass_over(path, status, others)


def _below(uri: str, named: Mapping[str, object], others: Counter[str]) -> Iterator[_Found]:
    """The inputs that a URI names, but for what is named by itself, or below that."""
    inner = [other.rstrip("/") for other in named if other != uri and other.startswith(uri.rstrip("/") + "/")]
    for stored in _look_up(uri):
        if not any(stored.uri == other or stored.uri.startswith(f"{other}/") for other in inner):
            known = format_of(stored.uri)
            if known:
                yield _stored(stored, *known)
            elif not stored.uri.endswith("/"):  # what some tools put in place of a directory
                _pass_over(stored.uri, None, others)


def _stored(stored: Stored, kind: Format, compression: Literal["", "gz", "zst"]) -> _Found:
    size = "" if stored.size is None else str(stored.size)
    version = stored.version or secrets.token_hex(8)  # what nothing tells apart is another input every time
    address = "" if stored.address == stored.uri else stored.address
    fingerprint = _fingerprint(stored.uri, size, version)
    source = Input(stored.uri, fingerprint, kind, compression, address, stored.version)
    return _Found(source, stored.size or 0)


def _walk(top: str, named: Mapping[str, object], others: Counter[str]) -> Iterator[_Found]:
    """The inputs in a directory and below it, but for what is named by itself."""
    root = os.path.join(os.path.realpath(top), "")
    stack = [_children(top)]
    while stack:
        path = next(stack[-1], None)
        if path is None:
            stack.pop()
            continue
        if path in named:
            continue
        status, target = _status_below(root, path)
        if status is None:
            others.update([target] if target else [])
        elif stat.S_ISDIR(status.st_mode):
            try:
                stack.append(_children(path))
            except FileNotFoundError:
                continue
            except OSError:
                yield _found(path, status)  # reading it fails too, and says so in the quarantine
        elif _can_be_input(path, status):
            yield _found(path, status, target)
        else:
            _pass_over(path, status, others)


def _pass_over(path: str, status: os.stat_result | None, others: Counter[str]) -> None:
    """Count what is no input: a file or object by its suffix, anything else by what it is."""
    mode = status.st_mode if status else stat.S_IFREG
    if not stat.S_ISREG(mode):
        others["FIFO" if stat.S_ISFIFO(mode) else "socket" if stat.S_ISSOCK(mode) else "device"] += 1
        return
    suffix = _SUFFIX.search(path.rpartition("/")[2][1:])
    kind = suffix[0].lower() if suffix else ""
    others[kind if kind in others or len(others) < _SUFFIXES_COUNTED else ""] += 1


def _children(directory: str) -> Iterator[str]:
    names = sorted(os.listdir(directory))
    return (os.path.join(directory, name) for name in names if not name.startswith("."))


def _status_below(root: str, path: str) -> tuple[os.stat_result | None, str]:
    """What a path below `root` is, and where it leads if it is a link.

    None for what is passed over, with what to count it as; "" for what is gone, or is walked elsewhere.
    """
    try:
        status = os.lstat(path)
    except OSError:
        return None, ""
    if not stat.S_ISLNK(status.st_mode):
        return status, ""
    try:
        target = os.path.realpath(path, strict=True)
        status = os.lstat(target)
    except OSError:
        return None, "broken link"
    if not os.path.join(target, "").startswith(root):
        return None, "link leading outside"
    # A linked directory is walked where it stands.
    return (None, "") if stat.S_ISDIR(status.st_mode) else (status, target)


def _found(path: str, status: os.stat_result, target: str = "") -> _Found:
    """The input that a file is; `target` is where it leads if it is a link, since none is followed later."""
    uri = uri_of(path)
    fingerprint = _fingerprint(uri, str(status.st_size), str(status.st_mtime_ns))
    kind, compression = format_of(path) or ("txt", "")
    address = uri_of(target) if target else ""
    source = Input(uri, fingerprint, kind, compression, address, file_version(status))
    return _Found(source, status.st_size)


def _fingerprint(*stated: str) -> str:
    return hashlib.blake2b("\n".join(stated).encode(), digest_size=16).hexdigest()


# --- cutting them into parts -------------------------------------------------------------------------------


def _plan(
    named: Mapping[str, os.stat_result | None],
    others: Counter[str],
    selection: Selection,
    known: Known,
    limits: Limits,
) -> Iterator[Part | Note]:
    inputs = _inputs(named, others)
    while chunk := list(islice(inputs, _INPUTS_ASKED_AT_ONCE)):
        # With a limit the first pages are read, known or not: what is known would not count against it.
        asked = [] if selection.limit else [source for source, _ in chunk]
        loaded = known.parts(asked, selection.digest)
        work: list[tuple[_Found, _Gap]] = []
        for found in chunk:
            parts = loaded.get(found.input.fingerprint, ())
            if parts:
                yield Skipped(found.input, len(parts))
            gaps = _gaps(parts)
            if gaps and _says_nothing(found.input, selection.path_pattern):
                yield Unmatched(found.input)
            work += ((found, gap) for gap in gaps)
        for index, ((source, size), gap) in enumerate(work):
            if source.format in _PAGES:
                yield Part(source, first_record=0, record_count=1, byte_count=size)
            else:
                read_ahead(_opened(islice(work, index, None)))
                yield from _cut(source, gap, limits)
    if others:
        yield PassedOver(dict(others))


def _opened(work: Iterable[tuple[_Found, _Gap]]) -> Iterator[tuple[str, int]]:
    """Where reading begins in those inputs that the planner opens."""
    return ((found.input.place, gap.offset) for found, gap in work if found.input.format not in _PAGES)


def _gaps(parts: Iterable[KnownPart]) -> list[_Gap]:
    """What the ledger lacks of an input: nothing, its end, or holes that failed batches left."""
    gaps: list[_Gap] = []
    expected = record = offset = 0
    for part in sorted(parts, key=lambda part: part.first_record):
        if part.first_record > expected:
            gaps.append(_Gap(expected, part.first_record, record, offset))
        expected = max(expected, part.first_record + part.record_count)
        if part.next_offset:
            record, offset = expected, part.next_offset
        if part.last:
            return gaps
    return [*gaps, _Gap(expected, None, record, offset)]


def _cut(source: Input, gap: _Gap, limits: Limits) -> Iterator[Part]:
    """Walk the records of a gap and yield its parts; what stops the walk is told by the last one."""
    try:
        file = open_input(source.place, source.version)
    except (InputError, OSError):
        yield Part(source, gap.first, record_count=1)  # reading it fails too, and says so in the quarantine
        return
    with file:
        stream = Stream(file, source.compression, gap.offset)
        number, draft, more = gap.record, None, True
        damage = unreadable = None
        try:
            while (more := stream.more()) and number != gap.until:
                if number >= gap.first:
                    place = stream.offset() if is_ranged(file) else None
                    if draft and draft.full:
                        yield draft.part(next_offset=place or 0)
                        draft = None
                    draft = draft or _Draft(source, number, place)
                    draft.add(take_record(stream, source.format, draft.keep(limits)), stream.position)
                else:
                    take_record(stream, source.format, 0)
                number += 1
        except DamagedInput as error:
            damage = str(error)
        except (InputError, OSError) as error:  # the rest may be readable another time
            unreadable = sentence(error)
        if unreadable:
            if draft:
                yield draft.part(next_offset=0)
            first = max(number, gap.first)
            yield Part(source, first, record_count=0, last=False, payload=b"", unreadable=unreadable)
            return
        draft = draft or _Draft(source, max(number, gap.first), 0)
        if stream.suspect is not None:
            draft.drop_after(stream.suspect)
        end = 0 if damage or not is_ranged(file) else stream.offset() or 0
        last = not more or damage is not None
        yield replace(draft.part(next_offset=0 if last else end), last=last, damage=damage)


class _Draft:
    """A part being cut."""

    def __init__(self, source: Input, first: int, offset: int | None) -> None:
        self._source = source
        self._first = first
        self._offset = offset
        self._count = self._bytes = 0
        self._payload = bytearray()
        self._before = self._end = 0  # payload bytes before the last record; position behind it

    @property
    def full(self) -> bool:
        return self._count >= BATCH_PAGES or self._bytes >= BATCH_BYTES

    def keep(self, limits: Limits) -> int:
        """How many bytes of a record are wanted: those of a WARC record only where no worker can seek to it.

        Lines must be looked at either way, as a worker does: it is their content that tells where one ends.
        """
        return 0 if self._source.format == "warc" and self._offset is not None else record_limit(limits)

    def add(self, record: Record, end: int) -> None:
        self._before, self._end = len(self._payload), end
        if self._offset is None:
            self._payload += pack_record(record)
        self._count += 1
        self._bytes += min(record.size, BATCH_BYTES)

    def drop_after(self, position: int) -> None:
        """Take the last record back if it ends behind a position: its bytes were not what was written."""
        if self._count and self._end > position:
            self._count -= 1
            del self._payload[self._before :]

    def part(self, next_offset: int) -> Part:
        return Part(
            self._source,
            self._first,
            self._count,
            offset=self._offset or 0,
            last=False,
            next_offset=next_offset,
            payload=bytes(self._payload) if self._offset is None else None,
            byte_count=self._bytes,
        )
