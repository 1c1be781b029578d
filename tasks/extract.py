"""The front door: one page in, one record out."""

from __future__ import annotations

import re
from datetime import datetime

from schemas.records import Extraction
from tasks.clean import decode
from tasks.html.page import extract_html
from tasks.text.page import extract_text

EXTRACTOR_VERSION = "1"
"""Goes up with every change that makes a page yield another record; loaded rows name it."""

_DOCUMENT = re.compile(r"<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE)
_STRUCTURE = re.compile(
    r"</?(?:html|head|body|div|p|article|section|main|table|tr|ul|li|h[1-6]|br)(?:\s[^<>]{0,2000})?/?>", re.I
)
_SURROGATE = re.compile("[\ud800-\udfff]")
"""Half a character, as lenient decoders leave it: no parser and no database takes it."""
_HEAD = 200_000


def extract_page(
    content: str | bytes,
    url: str | None = None,
    *,
    fetched_at: datetime | str | None = None,
    content_type: str | None = None,
) -> Extraction:
    """What a news page says: article fields, body paragraphs and sidebar headlines.

    Args:
        content: the page, as markup or as flattened text; which of the two it is shows.
        url: where the page was captured; resolves links and bounds what a canonical URL may be.
        fetched_at: when it was captured (ISO 8601 if a string); anchors relative dates ("2 hours ago").
        content_type: as sent with the page; its charset is believed where the bytes do not contradict it.

    Raises:
        UndecodablePage: the bytes are no text in any encoding.
    """
    text = decode(content, content_type) if isinstance(content, bytes) else _SURROGATE.sub("\ufffd", content)
    fetched = _moment(fetched_at)
    if is_markup(text, content_type):
        return extract_html(text, url, fetched)
    return extract_text(text, url, fetched)


def is_markup(text: str, content_type: str | None = None) -> bool:
    """True for a document or fragment of HTML; False for text, be it with stray tags or pasted JSON-LD.

    Markup starts like a document, or most of its lines hold structural tags. A declared type only tips
    the balance, since dumps mislabel both ways.
    """
    head = text[:_HEAD]
    if _DOCUMENT.match(head, _start(head)):
        return True
    tags = len(_STRUCTURE.findall(head))
    if not tags or (content_type or "").lower().startswith("text/plain"):
        return False
    bare = text.strip()
    if bare.endswith(">") and _STRUCTURE.match(bare):
        return True
    lines = [line for line in head.splitlines() if line.strip()]
    tagged = sum(1 for line in lines if _STRUCTURE.search(line))
    enough = 0.2 if "html" in (content_type or "").lower() else 0.5
    return tagged >= enough * len(lines) and (tags >= 4 or len(lines) == 1)


def _start(text: str) -> int:
    """Where the first thing begins that is no white space, comment or XML declaration."""
    position = 0
    while found := _SKIPPED.match(text, position):
        end = text.find("-->" if found.group(1) == "<!--" else ">", found.end())
        position = found.end() if not found.group(1) else end + 3 if found.group(1) == "<!--" else end + 1
        if found.group(1) and end < 0:
            return len(text)
    return position


_SKIPPED = re.compile(r"[\s\ufeff]+|(<!--|<\?xml)")


def _moment(value: datetime | str | None) -> datetime | None:
    if value is None or isinstance(value, datetime):
        return value
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        return None
