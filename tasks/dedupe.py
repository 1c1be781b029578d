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
from collections.abc import Callable, Hashable, Iterable, Sequence

from schemas.records import Extraction
from tasks.fields import urls
from tasks.fields.labels import strip_credit, strip_decoration
from tasks.fields.outlets import strip_outlet

ELLIPSIS = "…"
"""Ends the key of a truncated text, so that it never equals the key of a whole one."""
MIN_TRUNCATED = 15
"""Shorter truncated keys say too little to be joined to anything."""

_TRUNCATED = re.compile(r"[\s,;:–—-]*(?:…|‥|\.{3,}|\.\s\.\s\.|[\[(](?:…|\.{3})[\])])[\s…‥.]*$")
_APOSTROPHES = dict.fromkeys(map(ord, "‘’‚‛′ʻʼ´`＇ʹ"), "'")
_DASHES = dict.fromkeys(map(ord, "‐‑‒–—―−﹣－⁃"), "-")
_LONGEST = 600  # characters looked at: no headline is longer
_ROUNDS = 3
"""Times that decoration is looked for: an outlet may stand before a date, and that before an author."""


def is_truncated(text: str) -> bool:
    """True when the text ends in … or three dots, behind any outlet's name."""
    return _TRUNCATED.search(_bare(text)) is not None


def headline_key(text: str) -> str:
    """The normal form of a headline; texts with equal keys are the same headline.

    Case, quotes, dashes, kinds of space, Unicode form, outlet names, list decoration (numbering,
    labels, times, authors) and end punctuation do not count; figures, names and `?` do. The key of a
    truncated text ends in `…`. Never empty for a text that shows anything.

    >>> headline_key("VIDEO: “Storks” return — to Dol | Arna Post")
    'storks return to dol'
    >>> headline_key("Two charged over theft of chur…")
    'two charged over theft of chur…'
    """
    bare = _bare(text)
    cut = _TRUNCATED.search(bare)
    if cut:
        bare = bare[: cut.start()]
    key = _fold(bare) or _fold(text) or unicodedata.normalize("NFC", text).strip()
    if not cut:
        return key
    whole_number = cut.group()[0].isspace() and key[-1].isdecimal()  # `2 …` begins no headline with 25
    return key + " " * whole_number + ELLIPSIS


def _bare(text: str) -> str:
    """The headline without what a page writes around it, in one Unicode form."""
    bare = _plain(text[:_LONGEST])
    for _ in range(_ROUNDS):
        shorter = strip_credit(strip_decoration(strip_outlet(bare)))
        if shorter == bare:
            break
        bare = shorter
    return bare


def _plain(text: str) -> str:
    """Text in one Unicode form, without what does not show and without pictures in front."""
    if text.isascii():
        return text
    text = unicodedata.normalize("NFKC", text.translate(_VISIBLE))
    first = 0
    while first < len(text) and unicodedata.category(text[first]) in _PICTORIAL:
        first += 1
    return text[first:]


def group_headlines(texts: Sequence[str]) -> list[Hashable]:
    """A key for each text, in order; equal keys mean the same headline.

    A truncated text takes the key of the one whole text that starts with it; where there is none, or
    more than one, it keeps its own.

    >>> len(set(group_headlines(["Ferry to Dol delayed again", "Ferry to Dol dela…"])))
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


class _Table(dict[int, str | None]):
    """What `str.translate` makes of a code point, worked out when it is first met.

    Kept for the plane of the living scripts only: a page of a million other code points leaves nothing.
    """

    def __init__(self, known: dict[int, str], meaning: Callable[[str, str], str | None]) -> None:
        super().__init__(known)
        self._meaning = meaning

    def __missing__(self, code: int) -> str | None:
        character = chr(code)
        meaning = self._meaning(character, unicodedata.category(character))
        if code < 0x10000:
            self[code] = meaning
        return meaning


def _visible(character: str, category: str) -> str | None:
    return None if category == "Cf" or character == "\ufe0f" else character


def _folded(character: str, category: str) -> str | None:
    """A letter, mark, digit or sign that carries meaning as it is, a digit of any script as ASCII."""
    if category == "Nd":
        return str(unicodedata.digit(character))
    if category[0] in "LNM" or category == "Sc" or character in "'.,:-%+±?&@°/":
        return character
    return None if category == "Cf" else " "


_PICTORIAL = frozenset(["So", "Sk", "Zs", "Mn", "Cc"])
_VISIBLE = _Table(_APOSTROPHES | {ord("İ"): "i", ord("\n"): " ", ord("\t"): " "}, _visible)
_LIKE = str.maketrans("ıё؟⁄×άέήίόύώϊϋΐΰ", "iе?/xαεηιουωιυιυ", "ـ")
"""What capitals, languages and keyboards write in two ways: one of them."""
_FOLDED = _Table(_APOSTROPHES | _DASHES, _folded)
_MARK = re.compile(r"['.,:-]")
_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\u0e00-\u0e7f"
_SURPLUS = re.compile(
    rf" (?:(?=[?{_UNSPACED}])|(?<=[{_UNSPACED}] )|(?<=\d )(?=[%°€$£¥₹₽₺]))|\?(?=\?)|(?<=\d),(?=\d\d\d(?!\d))"
)
"""Spaces before `?`, `%` and where a script has none, the commas of thousands, all but one `?`."""


def _mark(found: re.Match[str]) -> str:
    """An apostrophe inside a word, a point inside a number, a minus; else what parts words."""
    text, place = found.string, found.start()
    before, after = text[place - 1 : place], text[place + 1 : place + 2]
    if found[0] == "'":
        return "'" if before.isalnum() and after.isalnum() else ""
    if found[0] == "-":
        return "-" if after.isdecimal() and not before.strip() else " "
    return found[0] if before.isdecimal() and after.isdecimal() else " "


def _fold(text: str) -> str:
    """Letters, digits and the few signs that carry meaning, in one case and one Unicode form."""
    if text.isascii():
        text = text.casefold()
    else:
        text = unicodedata.normalize("NFKC", text.translate(_VISIBLE)).casefold()
        text = unicodedata.normalize("NFC", text.translate(_LIKE))
    text = _MARK.sub(_mark, text.translate(_FOLDED))
    return _SURPLUS.sub("", " ".join(text.split()))
