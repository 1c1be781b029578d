"""From records to rows: what Postgres can hold, as COPY takes it. Pure."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any, Literal

from schemas.records import ExtractedPage
from tasks.dedupe import headline_key
from tasks.fields.urls import normalise, registrable_domain

Row = dict[str, Any]
"""Column → value."""

_BLANK_LINES = re.compile(r"\n\s*\n")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")


def digest(text: str) -> bytes:
    """16 bytes that stand for a text."""
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


def storable(text: str) -> str:
    """The text as Postgres can hold it: without NUL, and `?` for half a surrogate pair."""
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode()
    return text.replace("\0", "")


def url_key(url: str) -> bytes:
    """Digest of a URL in normal form: the key of the article that this URL names."""
    return digest("url:" + storable(normalise(url)))


def is_url(href: str) -> bool:
    """True for a whole web address, False for a link as it was written on a page of unknown URL."""
    return href.startswith(("http://", "https://"))


def target_key(href: str, written: str | None) -> bytes:
    """Digest of where a link leads: that of a page for a URL, else of the link and where it was written."""
    if is_url(href):
        return url_key(href)
    return digest(f"href:{storable(written or '')}\n{storable(href)}")


def moment(iso: str | None) -> tuple[date | None, datetime | None]:
    """The date as printed, and the point in time where both time and zone are stated.

    A year or a month alone is no date.

    >>> moment("2025-05"), moment("2025-05-17")
    ((None, None), (datetime.date(2025, 5, 17), None))
    >>> moment("2025-05-17T23:30-05:00")[1].isoformat()
    '2025-05-18T04:30:00+00:00'
    """
    if not iso or not _DAY.match(iso):
        return None, None
    try:
        printed = datetime.fromisoformat(iso)
        return printed.date(), printed.astimezone(UTC) if printed.tzinfo else None
    except (ValueError, OverflowError):
        return None, None


# --- pages and articles -----------------------------------------------------------------------------


def article_row(page: ExtractedPage) -> Row:
    """What a page that is an article says."""
    found = page.extraction
    title, summary = _maybe(found.title), _maybe(found.summary)
    body = "\n\n".join(_BLANK_LINES.sub("\n", storable(paragraph)) for paragraph in found.body)
    published_on, published_at = moment(found.published_at)
    updated_on, updated_at = moment(found.updated_at)
    return {
        "text_digest": digest("\x1f".join((title or "", summary or "", body))),
        "title": title,
        "summary": summary,
        "body": body,
        "story_key": digest(storable(page.story_key or "")),
        "title_key": digest(storable(page.title_key)) if page.title_key else None,
        "canonical_url": _maybe(found.canonical_url),
        "authors": [storable(author) for author in found.authors],
        "published_on": published_on,
        "published_at": published_at,
        "published_raw": _maybe(found.published_raw),
        "published_precision": _maybe(found.published_precision),
        "updated_on": updated_on,
        "updated_at": updated_at,
        "updated_raw": _maybe(found.updated_raw),
        "section": _maybe(found.section),
        "language": _maybe(found.language),
        "agency": _maybe(found.agency),
        "image_caption": _maybe(found.image_caption),
        "image_credit": _maybe(found.image_credit),
        "read_minutes": found.read_minutes,
        "word_count": found.word_count,
        "confidence": found.confidence,
        "provenance": json.dumps({storable(k): storable(v) for k, v in found.provenance.items()}),
    }


def source_name(source: str | None, url: str | None) -> str | None:
    """Where a page comes from: as the input or the user says, else the domain of its URL."""
    return _maybe(source or registrable_domain(url))


def page_row(page: ExtractedPage) -> Row:
    """What identifies a page, and where it comes from."""
    return {
        "source": source_name(page.source, page.url),
        "article_key": digest(storable(page.article_key)) if page.article_key else None,
        "key": page.key,
        "digest": page.digest,
        "kind": page.kind,
        "url": _maybe(page.url),
        "url_key": url_key(page.url) if page.url else None,
        "fetched_at": page.fetched_at,
        "origin_uri": storable(page.origin_uri),
        "origin_record": page.origin_record,
        "byte_count": page.byte_count,
        "is_article": page.article_key is not None,
        "reason": _maybe(page.extraction.reason),
    }


def _maybe(text: str | None) -> str | None:
    return storable(text) if text is not None else None


# --- sidebar headlines ------------------------------------------------------------------------------

Dictionary = Literal["variants", "targets", "labels", "bylines"]
TextRow = tuple[Dictionary, int, bytes, str, str | None, bytes | None]
"""dictionary, ordinal, digest, text; of a variant also its headline key and the digest of that."""


REMEMBERED_TEXTS, REMEMBERED_CHARACTERS = 10_000, 500
"""Texts whose rows are remembered, about 7 MB of them: page after page of a site lists the same."""


@dataclass(slots=True)
class Texts:
    """Distinct texts of one dictionary, each with the ordinal by which placements name it."""

    dictionary: Dictionary
    ordinals: dict[tuple[str, str | None], int] = field(default_factory=dict)
    rows: list[TextRow] = field(default_factory=list)

    def ordinal(self, text: str | None, key: str | None = None) -> int | None:
        """The ordinal of a text, new or seen; None for none.

        Args:
            key: of a variant its headline key; of a link that is no URL where it was written.
        """
        if not text:
            return None
        known = self.ordinals.get((text, key))
        if known is None:
            known = self.ordinals[text, key] = len(self.ordinals)
            made = _text if len(text) <= REMEMBERED_CHARACTERS else _text.__wrapped__
            self.rows.append((self.dictionary, known, *made(self.dictionary, text, key)))
        return known


@lru_cache(REMEMBERED_TEXTS)
def _text(dictionary: Dictionary, text: str, key: str | None) -> tuple[bytes, str, str | None, bytes | None]:
    """A text's row but for its ordinal."""
    stored = storable(text)
    if dictionary == "variants":
        key = key if key and stored == text else headline_key(stored)
        return digest(stored), stored, key, digest(key)
    if dictionary == "targets":
        url = storable(normalise(stored)) if is_url(stored) else stored
        return target_key(stored, key), url, None, None
    return digest(stored), stored, None, None


_Said = tuple[str, str, str | None, str | None, str | None, str | None]


@dataclass(slots=True)
class Placements:
    """Sidebar headlines of some pages; texts are named by ordinals."""

    variants: Texts = field(default_factory=lambda: Texts("variants"))
    targets: Texts = field(default_factory=lambda: Texts("targets"))
    labels: Texts = field(default_factory=lambda: Texts("labels"))
    bylines: Texts = field(default_factory=lambda: Texts("bylines"))
    entries: list[tuple[int, int | None, int | None, int | None]] = field(default_factory=list)
    """Distinct: variant, target, label, byline. Page after page of a site lists the same."""
    rows: list[tuple[int, int, int]] = field(default_factory=list)
    """page id, index of the entry, position from 1."""
    _indices: dict[_Said, int | None] = field(default_factory=dict)

    def add(self, page_id: int, page: ExtractedPage) -> None:
        """Add what one page lists, in its order.

        Where the page's URL is unknown its relative links are told apart by its source, else by the page:
        the same path at two outlets is not the same thing.
        """
        written = page.source or page.key.hex()
        headlines = page.extraction.headlines
        for position, (headline, key) in enumerate(zip(headlines, page.headline_keys, strict=True), 1):
            href = headline.href
            place = written if href and not is_url(href) else None
            said = (headline.text, key, href, place, headline.label, headline.byline)
            if said not in self._indices:
                self._indices[said] = self._entered(*said)
            index = self._indices[said]
            if index is not None:
                self.rows.append((page_id, index, position))

    def _entered(
        self,
        text: str,
        key: str,
        href: str | None,
        written: str | None,
        label: str | None,
        byline: str | None,
    ) -> int | None:
        """The index of a new entry; None where there is no text."""
        variant = self.variants.ordinal(text, key)
        if variant is None:
            return None
        target = self.targets.ordinal(href, written)
        self.entries.append((variant, target, self.labels.ordinal(label), self.bylines.ordinal(byline)))
        return len(self.entries) - 1

    @property
    def texts(self) -> list[TextRow]:
        """The rows of all four dictionaries."""
        return [*self.variants.rows, *self.targets.rows, *self.labels.rows, *self.bylines.rows]
