"""Inputs as they are stored: decompressed in bounded steps and cut into records.

The planner walks an input with these functions to count its records and to find where they start; a worker
walks the same bytes again to read them. Both see the same records, and both see where an input is cut or
damaged, which WARC libraries pass over in silence.
"""

from __future__ import annotations

import os
import re
import struct
import zlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Literal, Protocol

import orjson
import zstandard

from schemas.errors import DamagedInput
from schemas.records import Format, Limits

HEAD_BYTES = 64 * 1024
"""What is kept of a record that is too large to be kept whole: enough to say what it is."""

_READ_BYTES = 64 * 1024
_STEP_BYTES = 256 * 1024
_ZSTD_PIECE_BYTES = 1024  # one block of 4 bytes can stand for 128 KB: 32 MB at most come of this
_WARC_HEADER_BYTES = 64 * 1024

_BLANK = re.compile(rb"[ \t\r\n]*")
_CONTENT_LENGTH = re.compile(rb"\ncontent-length[ \t]*:[ \t]*(\d{1,18})[ \t]*\r?\n", re.IGNORECASE)
_LENGTHS = struct.Struct("<QQ")


class CorruptInput(DamagedInput):
    """Bytes are there, but they are not what was written."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record as stored: a JSON line, a WARC record with its headers, or a whole file."""

    content: bytes
    size: int
    """Bytes it has; more than `content` holds where it was too large to keep."""

    @property
    def whole(self) -> bool:
        return len(self.content) == self.size


def record_limit(limits: Limits) -> int:
    """How many bytes of a record are held: escapes make a JSON line several times as long as its page."""
    return 4 * limits.page_bytes + HEAD_BYTES


def pack_record(record: Record) -> bytes:
    """Return the record as it travels in `Part.payload`."""
    return _LENGTHS.pack(len(record.content), record.size) + record.content


def unpack_records(payload: bytes) -> Iterator[Record]:
    """Yield the records of a `Part.payload`."""
    at = 0
    while at < len(payload):
        kept, size = _LENGTHS.unpack_from(payload, at)
        at += _LENGTHS.size
        yield Record(payload[at : at + kept], size)
        at += kept


class _Codec(Protocol):
    """One gzip member or zstd frame being decompressed."""

    @property
    def eof(self) -> bool: ...

    def step(self, data: bytes) -> tuple[bytes, bytes]:
        """Return (decompressed bytes, a bounded number of them; what of `data` is still to do)."""


class _Gzip:
    magic = b"\x1f\x8b\x08"
    name = "gzip"

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._inflate.eof

    def step(self, data: bytes) -> tuple[bytes, bytes]:
        before = self._inflate.copy()
        try:
            out = self._inflate.decompress(data, _STEP_BYTES)
        except zlib.error as error:
            raise _StepError(str(error), _salvage(before, data)) from None
        return out, self._inflate.unused_data if self.eof else self._inflate.unconsumed_tail


class _Zstd:
    magic = b"\x28\xb5\x2f\xfd"
    name = "zstd"

    def __init__(self) -> None:
        self._frame = zstandard.ZstdDecompressor().decompressobj()

    @property
    def eof(self) -> bool:
        return self._frame.eof

    def step(self, data: bytes) -> tuple[bytes, bytes]:
        piece, rest = data[:_ZSTD_PIECE_BYTES], data[_ZSTD_PIECE_BYTES:]
        try:
            out = self._frame.decompress(piece)
        except zstandard.ZstdError as error:
            raise _StepError(str(error), b"") from None
        return out, self._frame.unused_data + rest if self.eof else rest


class _StepError(Exception):
    """(what the codec says, bytes it gave before)"""


def _salvage(inflate: zlib._Decompress, data: bytes) -> bytes:
    """What a gzip member gives up to the byte that fails."""
    saved = bytearray()
    try:
        while data and not inflate.eof:
            saved += inflate.decompress(data, 64)
            data = inflate.unconsumed_tail
    except zlib.error:
        pass
    return bytes(saved)


_CODECS: dict[str, type[_Gzip | _Zstd]] = {"gz": _Gzip, "zst": _Zstd}
_SKIPPABLE = re.compile(rb"[\x50-\x5f]\x2a\x4d\x18")


class Stream:
    """The decompressed bytes of one input, read forward only.

    It holds a bounded piece at a time, whatever a record or a compression ratio comes to.
    """

    def __init__(self, file: BinaryIO, compression: Literal["", "gz", "zst"], offset: int = 0) -> None:
        file.seek(offset)
        self._file = file
        self._first = offset
        self._codec_type = _CODECS.get(compression)
        self._codec: _Codec | None = None
        self._stored = b""  # read from the file, not decompressed yet
        self._buffer = bytearray()
        self._position = 0  # of the buffer's start among the decompressed bytes
        self._members: deque[tuple[int, int]] = deque()  # (position, offset in the file) where members start
        self._failure: DamagedInput | None = None
        self._suspect: int | None = None

    def more(self) -> bool:
        """Pass over blank bytes; return whether anything follows.

        Raises:
            DamagedInput: nothing that can be read follows, though something should.
        """
        while True:
            self._drop(_BLANK.match(self._buffer).end())  # type: ignore[union-attr]  # it matches always
            if self._buffer:
                return True
            if not self._fill():
                return False

    def offset(self) -> int | None:
        """Where in the file the next byte is stored, if reading can begin there, else None."""
        if self._codec_type is None:
            return self._first + self._position
        return self._members[0][1] if self._members and self._members[0][0] == self._position else None

    @property
    def position(self) -> int:
        """Decompressed bytes consumed."""
        return self._position

    @property
    def suspect(self) -> int | None:
        """Position from which on bytes were given that then failed their checksum; None as a rule."""
        return self._suspect

    def take_line(self, keep: int) -> Record:
        """Consume a line, without its line end; a longer one than `keep` bytes is kept by its head."""
        searched = 0
        while (end := self._buffer.find(b"\n", searched)) < 0:
            searched = len(self._buffer)
            if searched > keep:
                return self._take_long_line()
            try:
                if not self._fill():
                    break
            except DamagedInput:
                if _is_json(self._buffer):  # only its line end is lost; the failure is raised again
                    break
                raise
        line = bytes(self._buffer if end < 0 else self._buffer[:end])
        self._drop(len(line) + (end >= 0))
        return Record(line, len(line))

    def _take_long_line(self) -> Record:
        head = bytes(self._buffer[:HEAD_BYTES])
        size = 0
        while (end := self._buffer.find(b"\n")) < 0:
            size += len(self._buffer)
            self._drop(len(self._buffer))
            if not self._fill():
                return Record(head, size)
        self._drop(end + 1)
        return Record(head, size + end)

    def take_warc(self, keep: int) -> Record:
        """Consume a WARC record with its headers; a longer one than `keep` bytes is kept by its head."""
        header = self._warc_header()
        found = _CONTENT_LENGTH.search(header)
        if found is None:
            raise CorruptInput("a WARC record does not say how long it is")
        size = len(header) + int(found[1])
        content = self._take(size, keep)
        self._end_warc_record()
        return Record(content, size)

    def _warc_header(self) -> bytes:
        searched = 0
        while True:
            if not b"WARC/".startswith(bytes(self._buffer[:5])):
                raise CorruptInput("there is no WARC record where one should begin")
            end = self._buffer.find(b"\r\n\r\n", searched)
            bare = self._buffer.find(b"\n\n", searched, end if end >= 0 else len(self._buffer))
            if bare >= 0 or end >= 0:
                return bytes(self._buffer[: bare + 2 if bare >= 0 else end + 4])
            searched = max(0, len(self._buffer) - 3)
            if searched > _WARC_HEADER_BYTES:
                raise CorruptInput("the header of a WARC record does not end")
            if not self._fill():
                raise DamagedInput("the file ends within the header of a WARC record")

    def _end_warc_record(self) -> None:
        """Consume the two line ends behind a record; where they are cut, the next read tells."""
        try:
            while len(self._buffer) < 4 and not self._buffer.startswith(b"\n\n"):
                if not self._fill():
                    self._failure = DamagedInput("the file ends within the line ends of a WARC record")
                    return
        except DamagedInput:
            return  # raised again by the next read; this record is complete
        for end in (b"\r\n\r\n", b"\n\n"):
            if self._buffer.startswith(end):
                self._drop(len(end))
                return

    def take_rest(self, keep: int) -> Record:
        """Consume all that follows; more than `keep` bytes are kept by their head."""
        while len(self._buffer) <= keep:
            try:
                if not self._fill():
                    content = bytes(self._buffer)
                    self._drop(len(content))
                    return Record(content, len(content))
            except DamagedInput:
                if self._codec is not None or not self._position + len(self._buffer):
                    raise
                content = bytes(self._buffer)  # all members are whole; what follows them is foreign
                self._drop(len(content))
                return Record(content, len(content))
        head = bytes(self._buffer[:HEAD_BYTES])
        size = 0
        while True:
            size += len(self._buffer)
            self._drop(len(self._buffer))
            if not self._fill():
                return Record(head, size)

    def _take(self, size: int, keep: int) -> bytes:
        """Consume `size` bytes; return them all, or their head where they are more than `keep`."""
        wanted = size if size <= keep else min(size, HEAD_BYTES)
        while len(self._buffer) < wanted:
            if not self._fill():
                raise DamagedInput(f"the file ends {len(self._buffer)} bytes into a record of {size}")
        content = bytes(self._buffer[:wanted])
        left = size - wanted
        self._drop(wanted)
        while left > len(self._buffer):
            left -= len(self._buffer)
            self._drop(len(self._buffer))
            if self._codec_type is None:
                left -= self._seek_forward(left)
            if left and not self._fill():
                raise DamagedInput(f"the file ends {size - left} bytes into a record of {size}")
        self._drop(left)
        return content

    def _seek_forward(self, count: int) -> int:
        """Pass over bytes of an uncompressed file without reading them; return how many there were."""
        here = self._file.tell()
        there = min(here + count, max(here, self._file.seek(0, os.SEEK_END)))
        self._file.seek(there)
        self._position += there - here
        return there - here

    def _drop(self, count: int) -> None:
        del self._buffer[:count]
        self._position += count
        while self._members and self._members[0][0] < self._position and len(self._members) > 1:
            self._members.popleft()

    def _fill(self) -> bool:
        """Get more bytes into the buffer; False at the regular end of the input."""
        if self._failure is not None:
            raise self._failure
        try:
            data = self._next_bytes()
        except DamagedInput as failure:
            self._failure = failure  # what was got before is used first, then it is raised again
            raise
        self._buffer += data
        return bool(data)

    def _next_bytes(self) -> bytes:
        if self._codec_type is None:
            return self._file.read(_READ_BYTES)
        while True:
            if self._codec is None and not self._begin_member(self._codec_type):
                return b""
            codec = self._codec
            assert codec is not None  # noqa: S101  just begun
            self._stored = self._stored or self._file.read(_READ_BYTES)
            if not self._stored:
                raise DamagedInput(f"the {self._codec_type.name} data is cut: it ends too early")
            try:
                data, self._stored = codec.step(self._stored)
            except _StepError as error:
                message, saved = error.args
                self._failure = CorruptInput(f"the {self._codec_type.name} data is damaged: {message}")
                self._suspect = self._members[-1][0]
                if saved:
                    return bytes(saved)
                raise self._failure from None
            if codec.eof:
                self._codec = None
            if data:
                return data

    def _begin_member(self, codec_type: type[_Gzip | _Zstd]) -> bool:
        """Start the next gzip member or zstd frame; False where the input regularly ends."""
        self._stored = self._stored.lstrip(b"\0") if self._members else self._stored  # zeros pad on tapes
        while len(self._stored) < 4 and (read := self._file.read(_READ_BYTES)):
            self._stored = (self._stored + read).lstrip(b"\0") if self._members else self._stored + read
        offset = self._file.tell() - len(self._stored)
        if not self._stored:
            if not self._members:
                raise DamagedInput(f"the file is empty, it holds no {codec_type.name} data")
            return False
        if not (self._stored.startswith(codec_type.magic) or self._skippable(codec_type)):
            if codec_type.magic.startswith(self._stored):
                raise DamagedInput(f"the {codec_type.name} data is cut: it ends too early")
            where = f"{offset} bytes into the file" if self._members else "at its start"
            raise CorruptInput(f"there is no {codec_type.name} data {where}, where some should be")
        self._codec = codec_type()
        self._members.append((self._position + len(self._buffer), offset))
        return True

    def _skippable(self, codec_type: type[_Gzip | _Zstd]) -> bool:
        return codec_type is _Zstd and _SKIPPABLE.match(self._stored) is not None


def take_record(stream: Stream, kind: Format, keep: int) -> Record:
    """Consume the next record of an input of that format, after `stream.more()`.

    Raises:
        DamagedInput: the record is cut, or what stands there is none.
    """
    if kind == "jsonl":
        return stream.take_line(keep)
    if kind == "warc":
        return stream.take_warc(keep)
    return stream.take_rest(keep)


def _is_json(line: bytes | bytearray) -> bool:
    try:
        return isinstance(orjson.loads(line), dict)
    except ValueError:
        return False
