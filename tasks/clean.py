"""Clean: raw bytes to text, markup to blocks of plain text.

Every text that leaves this module went through BeautifulSoup. A C parser may choose the regions before;
it never gives the text.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import cchardet
from bs4 import BeautifulSoup
from bs4.element import Tag
from w3lib.encoding import html_body_declared_encoding, http_content_type_encoding

from schemas.errors import UndecodablePage

# --- bytes to text ---------------------------------------------------------------------------------

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_MAGIC = (
    b"%PDF-", b"PK\x03\x04", b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"BZh", b"7z\xbc\xaf", b"\xfd7zXZ", b"Rar!",
    b"\x89PNG", b"GIF8", b"\xff\xd8\xff", b"RIFF", b"OggS", b"ID3", b"\x7fELF", b"MZ\x90", b"wOFF", b"wOF2",
    b"SQLite format 3\x00", b"\x00asm",
)  # fmt: skip
_SAMPLE = 65_536
_CONTROL = bytes(c for c in range(32) if c not in b"\t\n\r\f\x1b")
_MOST_CONTROL = 0.04
"""Random bytes hold about 11 % control characters, dirty text a stray NUL here and there."""
_MOST_BROKEN = 0.02


def decode(content: bytes, content_type: str | None = None) -> str:
    """Bytes of a page as text, whatever encoding they are in.

    A byte order mark decides; then UTF-8, which other encodings hardly ever look like and which many
    pages that declare another one are in, a few broken bytes or none; then the charset declared by
    `content_type` or by the markup; then detection by byte statistics.

    Raises:
        UndecodablePage: the bytes are a picture, an archive, a program.
    """
    for mark, encoding in _BOMS:
        if content.startswith(mark):
            return content[len(mark) :].decode(encoding, "replace")
    if content.startswith(_MAGIC):
        raise UndecodablePage("the bytes start like a picture, an archive or a program, not like text")
    sample = content[:_SAMPLE]
    if wide := _unmarked_utf16(sample):
        return content.decode(wide, "replace")
    control = len(sample) - len(sample.translate(None, _CONTROL))
    if control > _MOST_CONTROL * len(sample):
        raise UndecodablePage(f"{100 * control // len(sample)} % of the bytes are control characters")
    if b"\x1b$" not in sample and (text := _utf8(content)) is not None:
        return text
    for encoding in _declared(content, content_type):
        text = content.decode(encoding, "replace")
        if text.count("\ufffd") <= _MOST_BROKEN * len(text):
            return text
    detected = cchardet.detect(sample)["encoding"]
    try:
        return content.decode(detected or "cp1252", "replace")
    except LookupError:
        return content.decode("cp1252", "replace")


def _utf8(content: bytes) -> str | None:
    """The text if it is UTF-8: whole characters by far outnumber the broken ones, which become U+FFFD.

    A character cut off at the end is left out.
    """
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.reason == "unexpected end of data" and error.end == len(content):
            return content[: error.start].decode("utf-8")
    text = content.decode("utf-8", "replace")
    broken = text.count("\ufffd") - content.count(b"\xef\xbf\xbd")
    whole = len(text) - len(content.translate(None, _HIGH)) - broken
    return text if whole >= _WHOLE_TO_BROKEN * broken else None


_HIGH = bytes(range(0x80, 0x100))
_WHOLE_TO_BROKEN = 4
"""Text of one-byte and East Asian encodings read as UTF-8 has fewer whole characters than broken ones."""


def _unmarked_utf16(sample: bytes) -> str | None:
    """UTF-16 without a mark: every other byte is NUL, or one of two values if the script is not Latin."""
    half = len(sample) // 2
    if half < 8:
        return None
    for encoding, low, high in (
        ("utf-16-le", sample[::2], sample[1::2]),
        ("utf-16-be", sample[1::2], sample[::2]),
    ):
        nul = high.count(0)
        if low.count(0) >= 0.1 * half or nul < 0.05 * half:
            continue
        second = max(map(high.count, range(1, 256))) if nul <= 0.7 * half else 0
        if nul > 0.7 * half or nul + second > 0.9 * half:
            return encoding
    return None


def _declared(content: bytes, content_type: str | None) -> Iterable[str]:
    stated = http_content_type_encoding(content_type), html_body_declared_encoding(content[:4096])
    return [encoding for encoding in stated if encoding and _WRITING.match(encoding)]


_WRITING = re.compile(r"ascii|big5|cp\d|euc|gb|hz|iso|johab|koi8|mac-|ptcp|shift|tis|utf")
"""Encodings of text: Python decodes by `rot13`, `punycode` and `unicode_escape` too, slowly or not at all."""


# --- markup to blocks ------------------------------------------------------------------------------

_INVISIBLE = re.compile(
    "[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\ufeff\x00-\x08\x0e-\x1f\x7f-\x9f]"
)


def plain(text: str) -> str:
    """One line of text: composed (NFC), without invisible characters, white space collapsed."""
    return unicodedata.normalize("NFC", " ".join(_INVISIBLE.sub("", text).split()))


def letters(text: str) -> str:
    """Letters and digits only, without case: equal for texts that differ in typography."""
    return _NOT_LETTERS.sub("", text.casefold())


_NOT_LETTERS = re.compile(r"[\W_]+")


def block_texts(fragments: Sequence[str], apart: Collection[int] = ()) -> list[list[str]]:
    """The visible text of each fragment of markup, by a single BeautifulSoup.

    Args:
        fragments: serialised elements.
        apart: positions of fragments whose inline elements are set apart by style, not by white space
            (date and byline in one line): a blank goes between them.

    Returns:
        For each fragment its paragraphs, one line each: more than one where line breaks part them,
        none where nothing is visible.
    """
    if not fragments:
        return []
    lean = [_lean(fragment, " " if position in apart else "") for position, fragment in enumerate(fragments)]
    markup = "".join(f"<section>{fragment}</section>" for fragment in lean)
    body = BeautifulSoup(markup, "lxml").body
    tags = [tag for tag in body or () if isinstance(tag, Tag)]
    if len(tags) == len(fragments):
        return [
            _paragraphs(tag.get_text(" " if position in apart else "")) for position, tag in enumerate(tags)
        ]
    # Nested beyond what the parser follows: one fragment must not cost the others.
    return [_paragraphs(BeautifulSoup(one, "lxml").get_text()) for one in lean]


def _lean(fragment: str, between: str) -> str:
    """A serialised element without attributes and inline tags: half the work for the parser behind."""
    return _INLINE.sub(between, _ATTRIBUTES.sub(r"<\1>", _BREAK.sub(_LINE, fragment)))


def html_paragraphs(markup: str) -> list[str]:
    """The paragraphs of a long value that may hold markup (a JSON-LD `articleBody`)."""
    marked = _BLOCK_EDGE.sub("\n", markup)
    return [
        line
        for text in BeautifulSoup(f"<p>{marked}</p>", "lxml").get_text().splitlines()
        if (line := plain(text))
    ]


def html_text(markup: str) -> str:
    """The text of a short value that may hold markup or entities (a JSON-LD string, a meta content)."""
    if _MARKUP_SIGN.search(markup):
        return plain(BeautifulSoup(f"<p>{markup}</p>", "lxml").get_text(" "))
    return plain(markup)


_ATTRIBUTES = re.compile(r'<([a-z][a-z0-9-]*)(?: [^\s=<>"]+="[^"]*")+>')
_INLINE = re.compile(
    r"</?(?:a|abbr|b|bdi|bdo|cite|code|em|font|i|ins|label|mark|q|small|span|strong|time|u)>"
)
_LINE = "\u2028"
_BREAK = re.compile(r"<br\b[^<>]{0,200}>")
_PARAGRAPH_BREAK = re.compile(rf"{_LINE}\s*{_LINE}\s*")
_BLOCK_EDGE = re.compile(r"<(?:/?(?:p|div|h[1-6]|li|ul|ol|blockquote)|br)\b[^<>]{0,500}>", re.IGNORECASE)
_SENTENCE_END = re.compile(r"[.!?…。！？।؟»”\"]\s*$")


def _paragraphs(text: str) -> list[str]:
    parts = (
        [part for part in map(plain, _PARAGRAPH_BREAK.split(text)) if part]
        if _LINE in text
        else [plain(text)]
    )
    if len(parts) == 1 and text.count(_LINE) >= 2:
        lines = [line for line in map(plain, text.split(_LINE)) if line]
        if all(len(line) >= 60 and _SENTENCE_END.search(line) for line in lines):
            return lines
    return [part for part in parts if part]


_MARKUP_SIGN = re.compile(r"[<&]")


# --- flattened text to lines -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Line:
    """One line of flattened text, clean."""

    text: str
    """Not empty, on one line."""
    gap: int = 0
    """Blank lines right before it."""


_TAG_NAMES = (
    "a|abbr|address|article|aside|b|big|blockquote|body|br|button|caption|center|cite|code|col|colgroup|dd|del|"
    "details|div|dl|dt|em|embed|fieldset|figcaption|figure|font|footer|form|h[1-6]|head|header|hr|html|i|iframe|img|"
    "input|ins|label|legend|li|link|main|mark|meta|nav|noscript|object|ol|option|p|param|picture|pre|q|s|samp|script|"
    "section|select|small|source|span|strike|strong|style|sub|summary|sup|svg|table|tbody|td|template|textarea|tfoot|"
    "th|thead|time|title|tr|tt|u|ul|var|video|wbr"
)
_STRAY = re.compile(rf"<(/?)((?:{_TAG_NAMES}))((?:\s[^<>]{{0,2000}})?/?)>|<", re.IGNORECASE)
_ESCAPED_TAG = re.compile(rf"&lt;(/?(?:{_TAG_NAMES})(?:\s[^<>&]{{0,300}})?/?)&gt;", re.IGNORECASE)
_ESCAPED_TWICE = re.compile(r"&amp;(?=#?\w{1,12};)", re.IGNORECASE)
_UNSEEN = ("script", "style", "template", "noscript", "iframe", "svg", "select", "textarea", "object", "head")
_EDGE_TAG = re.compile(
    r"p|div|section|article|aside|header|footer|nav|main|h[1-6]|li|ul|ol|dl|dt|dd|table|tr|td|th|figure|figcaption|"
    r"blockquote|hr|form|pre|address|title|caption",
    re.IGNORECASE,
)
_MOST_TAGS = 20_000
"""Text with more tags than this is no text with stray tags: they are dropped before the soup, not by it."""
_ROWS = re.compile(r"\r\n|[\r\n\x0b\x0c\x85\u2029]")


def text_lines(text: str) -> list[Line]:
    """Flattened page text as lines, by way of BeautifulSoup.

    Entities (also those encoded twice) become characters, stray tags go, script and style with what they
    hold. Only names that HTML defines are tags: `p<0.05` and `<sources>` are text.
    """
    marked = _INVISIBLE.sub("", text)
    if "&" in marked:
        marked = _ESCAPED_TAG.sub(r"<\1>", _ESCAPED_TWICE.sub("&", _ESCAPED_TWICE.sub("&", marked)))
    if "<" in marked:
        marked = _stray_tags(_without_comments(marked))
    soup = BeautifulSoup(f"<p>{marked}</p>", "lxml")
    if "<" in marked:
        for unseen in soup.find_all(_UNSEEN):
            unseen.decompose()
    lines: list[Line] = []
    gap = 0
    for row in _ROWS.split(soup.get_text().replace(_LESS_THAN, "<")):
        found = [clean for part in row.split(_LINE) if (clean := plain(part))]
        for number, clean in enumerate(found):
            lines.append(Line(clean, 0 if number else gap))
        gap = 0 if found else gap + 1
    return lines


def _without_comments(text: str) -> str:
    kept, position = [], 0
    while (begin := text.find("<!--", position)) >= 0 and (end := text.find("-->", begin)) >= 0:
        kept.append(text[position:begin])
        position = end + 3
    return "".join(kept) + text[position:]


def _stray_tags(text: str) -> str:
    """Markup in which every tag is whole and known, and every other `<` is text."""
    closed = {name: text.lower().rfind(f"</{name}") for name in _UNSEEN}
    dropping = text.count("<") > _MOST_TAGS

    def sign(found: re.Match[str]) -> str:
        name = (found.group(2) or "").lower()
        if not name:
            return _LESS_THAN
        if name in closed and closed[name] < found.start():
            return " "  # never closed: it must not swallow the rest
        if name == "br":
            return _BREAK_SPACE
        edge = _LINE if _EDGE_TAG.fullmatch(name) else ""
        return edge if dropping else f"{edge}<{found.group(1)}{name}>"

    return _DOUBLE_BREAK.sub(_LINE, _STRAY.sub(sign, text)).replace(_BREAK_SPACE, " ")


_LESS_THAN = "\ufdd0"  # no character: stands for a "<" of the text, at a tenth of an entity's cost
_BREAK_SPACE = "\u001d"
_DOUBLE_BREAK = re.compile(f"{_BREAK_SPACE}(?:\\s*{_BREAK_SPACE})+")
