"""Identity of headlines and articles: pure, the same for any order of arrival.

Two texts are one headline when their keys are equal. A truncated text joins a longer one only where
exactly one whole key starts with it. There is no similarity and no chain of joins: other numbers,
names, places or a negation are other news, and a reworded title of one link is a revision of that
link, found by its target and never by its text.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from bisect import bisect_left
from collections.abc import Hashable, Iterable, Sequence

from schemas.records import Extraction
from tasks.fields import urls
from tasks.fields.labels import strip_decoration
from tasks.fields.outlets import strip_outlet

ELLIPSIS = "…"
"""Ends the key of a truncated text, so that it never equals the key of a whole one."""
MIN_TRUNCATED = 15
"""Shorter truncated keys say too little to be joined to anything."""

_TRUNCATED = re.compile(r"[\s,;:–—-]*(?:…|\.{3,}|\[(?:…|\.{3})\])\s*$")
_APOSTROPHES = dict.fromkeys(map(ord, "‘’‚‛′ʼ´`＇ʹ"), "'")
_DASHES = dict.fromkeys(map(ord, "‐‑‒–—―−﹣－⁃"), "-")
_KEEP = frozenset("'%+?&@°/")
_INSIDE_WORD = re.compile(r"(?<=[^\W_])'(?=[^\W_])")
_INSIDE_NUMBER = re.compile(r"(?<=\d)[.,:](?=\d)")


def is_truncated(text: str) -> bool:
    """True when the text ends in … or three dots, behind any outlet's name."""
    return _TRUNCATED.search(strip_outlet(strip_decoration(text))) is not None


def headline_key(text: str) -> str:
    """The normal form of a headline; texts with equal keys are the same headline.

    Case, quotes, dashes, kinds of space, Unicode form, outlet names, list decoration (numbering,
    labels, times) and end punctuation do not count; figures, names and `?` do. The key of a
    truncated text ends in `…`. Never empty for a text that shows anything.

    >>> headline_key("VIDEO: “Storks” return — to Dol | Arna Post")
    'storks return to dol'
    >>> headline_key("Two charged over theft of chur…")
    'two charged over theft of chur…'
    """
    bare = strip_outlet(strip_decoration(text))
    cut = _TRUNCATED.search(bare)
    if cut:
        bare = bare[: cut.start()]
    key = _fold(bare) or _fold(text) or unicodedata.normalize("NFC", text).strip()
    return key + ELLIPSIS if cut else key


def group_headlines(texts: Sequence[str]) -> list[Hashable]:
    """A key for each text, in order; equal keys mean the same headline.

    A truncated text takes the key of the one whole text that starts with it; where there is none, or
    more than one, it keeps its own.

    >>> keys = group_headlines(["Ferry to Dol delayed", "Ferry to Dol …", "FERRY TO DOL DELAYED"])
    >>> len(set(keys))
    1
    """
    keys = [headline_key(text) for text in texts]
    whole = sorted({key for key in keys if not key.endswith(ELLIPSIS)})
    return [_settled(key, whole) for key in keys]


def _settled(key: str, whole: Sequence[str]) -> str:
    stem = key.removesuffix(ELLIPSIS)
    if stem == key or len(stem) < MIN_TRUNCATED:
        return key
    first = bisect_left(whole, stem)
    fits = [longer for longer in whole[first : first + 2] if longer.startswith(stem)]
    return fits[0] if len(fits) == 1 else key


def canonical_text(texts: Iterable[str]) -> str:
    """The text that stands for a headline: untruncated before truncated, shortest, smallest by code point."""
    return min(texts, key=lambda text: (is_truncated(text), len(text), text))


def article_key(extraction: Extraction, page_url: str | None) -> str:
    """What makes two pages the same article: `url:` + canonical URL, else `text:` + digest of title and body.

    A declared canonical URL counts only for a page whose own URL is known, within the same
    registrable domain, and not when it is the site's front page (a common fault of templates).
    """
    if page_url:
        declared = urls.canonical(extraction.canonical_url, page_url)
        return "url:" + urls.normalise(declared or page_url)
    return "text:" + _digest([extraction.title or "", *extraction.body])


def story_key(extraction: Extraction) -> str:
    """Joins the text and HTML forms of one story: digest of folded title and first paragraph.

    A standfirst that opens the body does not count: the other form may know it as summary only.
    """
    paragraphs = [text for text in extraction.body if text not in (extraction.summary or "")]
    return _digest([extraction.title or "", *(paragraphs or extraction.body)[:1]])


def _digest(texts: Iterable[str]) -> str:
    folded = "\n".join(_fold(text) for text in texts)
    return hashlib.blake2b(folded.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _fold(text: str) -> str:
    """Letters, digits and the few signs that carry meaning, in one case and one Unicode form."""
    text = unicodedata.normalize("NFKC", text.replace("İ", "i")).translate(_APOSTROPHES).translate(_DASHES)
    text = unicodedata.normalize("NFC", text.casefold())
    text = _INSIDE_WORD.sub("\x01", text)
    text = _INSIDE_NUMBER.sub(_protect, text)
    folded: list[str] = []
    for position, character in enumerate(text):
        category = unicodedata.category(character)
        if category[0] in "LNM" or character in _KEEP - {"'"} or category == "Sc":
            folded.append(character)
        elif character in "\x01\x02\x03\x04":
            folded.append("'.,:"["\x01\x02\x03\x04".index(character)])
        elif character == "-" and _is_minus(text, position):
            folded.append(character)
        elif category == "Cf" or character == "'":
            continue
        else:
            folded.append(" ")
    return " ".join("".join(folded).split())


def _protect(match: re.Match[str]) -> str:
    return {".": "\x02", ",": "\x03", ":": "\x04"}[match.group()]


def _is_minus(text: str, position: int) -> bool:
    """A dash right before a figure and behind a space: `-5 degrees`, not `5-4`."""
    before = text[position - 1] if position else " "
    after = text[position + 1] if position + 1 < len(text) else " "
    return before.isspace() and after.isdigit()
