"""Values of an article's fields from what a page declares and from what it shows around its heading.

Each function returns the value and the signal it came from, `(None, "")` where the page says nothing.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime

from tasks.clean import letters
from tasks.fields.agencies import find_agency
from tasks.fields.dates import ParsedDate, find_date
from tasks.fields.labels import LONGEST_SECTION
from tasks.fields.lexicon import words
from tasks.fields.outlets import strip_outlet
from tasks.fields.people import split_authors
from tasks.html.metadata import LONGEST_TITLE, Metadata

# Names of `meta` elements, the most reliable first.
_PUBLISHED = (
    "article:published_time", "og:article:published_time", "article:published", "datepublished",
    "datecreated", "published_time", "og:published_time", "og:pubdate", "pubdate", "publishdate",
    "publish-date", "publish_date", "publication_date", "publication-date", "originalpublicationdate",
    "parsely-pub-date", "sailthru.date", "cxenseparse:recs:publishtime", "cxenseparse:publishtime",
    "vr:published_time", "dc.date.issued", "dc.date.created", "dcterms.created", "dcterms.issued",
    "dcterms.date", "dc.date", "date.issued", "citation_publication_date", "uploaddate", "date",
)  # fmt: skip
_UPDATED = (
    "article:modified_time", "og:article:modified_time", "og:updated_time", "datemodified",
    "article:modified", "dcterms.modified", "dc.date.modified", "modified_time", "lastmod", "last-modified",
)  # fmt: skip
_AUTHOR = (
    "author", "article:author", "article:author_name", "parsely-author", "sailthru.author", "byl",
    "cxenseparse:author", "dc.creator", "dcterms.creator", "dc.contributor", "citation_author", "authors",
    "og:article:author",
)  # fmt: skip
_SECTION = (
    "article:section", "og:article:section", "section", "parsely-section", "cxenseparse:section",
    "articlesection", "dc.subject",
)  # fmt: skip
_LONGEST_CRUMB = 40
_URL_DATE = re.compile(
    r"/(20\d\d|199\d)[/-](\d{1,2})[/-](\d{1,2})(?=[/_-]|$)|/(20\d\d)(0[1-9]|1[0-2])([0-2]\d|3[01])(?=[/_-]|$)"
)
_TITLE_PART = re.compile(r"\s+[|\-–—•·»«:]+\s+|\s*[|»]\s*")
_WEIGHTS = {"dom": 1.5, "opengraph": 1.2, "jsonld": 0.8, "meta": 0.3}


def choose_title(data: Metadata, shown: str | None) -> tuple[str | None, str]:
    """The title most signals agree on; between equals what the page shows.

    Args:
        shown: text of the heading on the page.
    """
    candidates = {
        "dom": shown,
        "opengraph": data.first("og:title"),
        "jsonld": data.text("headline"),
        "meta": data.title,
    }
    given = {source: text[:LONGEST_TITLE].rstrip() for source, text in candidates.items() if text}
    site = letters(data.first("og:site_name", "application-name") or "")
    trimmed = {source: _trim_title(text, site, list(given.values())) for source, text in given.items()}
    votes: Counter[str] = Counter()
    for source, text in trimmed.items():
        if folded := letters(text):
            votes[folded] += _WEIGHTS[source]  # type: ignore[assignment]
    if not votes:
        title = data.first("twitter:title")
        return (title[:LONGEST_TITLE].rstrip() if title else None), "meta"
    best = max(votes, key=votes.__getitem__)
    return next((text, source) for source, text in trimmed.items() if letters(text) == best)


def _trim_title(text: str, site: str, others: Sequence[str]) -> str:
    """The title without the outlet's name or section behind or before it."""
    for cut in reversed(list(_TITLE_PART.finditer(text))):
        head, tail = text[: cut.start()], text[cut.end() :]
        folded = letters(tail)
        if site and (folded == site or (site in folded and len(folded) < len(site) + 15)):
            return _trim_title(head, site, others)
        if any(letters(head) == letters(other) for other in others if other != text):
            return head
        if any(folded == letters(other) for other in others if other != text):
            return tail
    return strip_outlet(text)


def choose_date(
    data: Metadata,
    key: str,
    around: Sequence[str],
    times: Sequence[str],
    url: str | None,
    language: str | None,
    fetched_at: datetime | None,
) -> tuple[ParsedDate | None, str]:
    """Publication (`key` "published") or update time ("updated").

    Args:
        around: texts shown near the heading.
        times: values of `<time datetime>` among them.
    """
    published = key == "published"
    tried = (
        (
            "jsonld",
            [
                data.text(
                    *(("datePublished", "dateCreated", "uploadDate") if published else ("dateModified",))
                )
            ],
        ),
        ("meta", [data.first(*(_PUBLISHED if published else _UPDATED))]),
        ("microdata", data.items.get("datePublished" if published else "dateModified", [])),
    )
    for source, values in tried:
        for value in values:
            if value and (date := find_date(_readable(value), language=language, fetched_at=fetched_at)):
                return date, source
    if not published:
        return _shown_date(around, words("updated"), language, fetched_at), "dom"
    for value in times:
        if date := find_date(value, language=language, fetched_at=fetched_at):
            return date, "time"
    if date := _shown_date(around, frozenset(), language, fetched_at):
        return date, "dom"
    if url and (found := _URL_DATE.search(url)):
        year, month, day = (part for part in found.groups() if part)
        if date := find_date(f"{year}-{int(month):02d}-{int(day):02d}", fetched_at=fetched_at):
            return date, "url"
    return None, ""


def _readable(value: str) -> str:
    """A machine's way to write a time as one that people read: `20250517`, `20250517T1405`."""
    return re.sub(r"^(\d{4})(\d\d)(\d\d)(?:T?(\d\d):?(\d\d)(?::?(\d\d))?.*)?$", _spaced, value.strip())


def _spaced(found: re.Match[str]) -> str:
    year, month, day, hour, minute, _ = found.groups()
    return f"{year}-{month}-{day}" + (f" {hour}:{minute}" if hour else "")


def _shown_date(
    around: Sequence[str], cues: frozenset[str], language: str | None, fetched_at: datetime | None
) -> ParsedDate | None:
    for text in around:
        if len(text) > 200 or not any(c.isdigit() for c in text):
            continue
        if cues:
            cue = next(
                (
                    m
                    for m in re.finditer(r"[^\W\d_]+(?:\s[^\W\d_]+)?", text.casefold())
                    if m.group() in cues or m.group().split()[0] in cues
                ),
                None,
            )
            if cue is None:
                continue
            text = text[cue.end() :]
        if date := find_date(text, language=language, fetched_at=fetched_at):
            return date
    return None


def choose_authors(data: Metadata, bylines: Sequence[str], datelines: Sequence[str]) -> tuple[list[str], str]:
    """Names as declared, else as shown: persons anywhere go before the outlet's own name.

    Args:
        bylines: texts that name the author by their element or wording.
        datelines: texts that show the date; a full name beside it is the author's.
    """
    own = {letters(name) for name in (data.first("og:site_name") or "", *data.names("publisher"))}
    tried: tuple[tuple[str, Iterable[str]], ...] = (
        ("jsonld", data.names("author", "creator")),
        ("meta", [value for name in _AUTHOR for value in data.meta.get(name, ()) if "://" not in value][:6]),
        ("microdata", data.items.get("author", [])[:6]),
        ("dom", bylines),
    )
    outlet: tuple[list[str], str] = ([], "")
    for source, values in tried:
        names: dict[str, str] = {}
        for value in values:
            if len(value) > 300:
                continue
            for name in split_authors(value) or ([value] if source == "jsonld" and len(value) < 60 else []):
                if letters(name):
                    names.setdefault(letters(name), name)
        others = {folded: name for folded, name in names.items() if folded not in own}
        if others.keys() - data.organisations:
            return list(others.values()), source
        if names and not outlet[0]:
            outlet = list(names.values()), source
    if outlet[0]:
        return outlet
    beside = (name for text in datelines for name in split_authors(text) if len(name.split()) in (2, 3))
    return list(dict.fromkeys(beside)), "dom"


def choose_section(data: Metadata, titles: Sequence[str]) -> tuple[str | None, str]:
    """The innermost rubric: last breadcrumb that is not the article itself, else the declared section."""
    own = set(map(letters, titles)) | {""}
    crumbs = [crumb for crumb in data.crumbs if letters(crumb) not in own and len(crumb) <= _LONGEST_CRUMB]
    if len(crumbs) > 1:
        return crumbs[-1], "jsonld"
    for source, section in (("jsonld", data.text("articleSection")), ("meta", data.first(*_SECTION))):
        if section and len(section) <= LONGEST_SECTION:
            return section, source
    return None, ""


def choose_read_minutes(data: Metadata, around: Sequence[str]) -> tuple[int | None, str]:
    """The reading time in whole minutes, as declared or as shown near the heading."""
    declared = data.text("timeRequired") or ""
    if found := re.fullmatch(r"PT?(\d{1,3})M(?:\d+S)?", declared):
        return int(found.group(1)), "jsonld"
    for text in [*around, *data.labelled]:
        if len(text) > 120:
            continue
        folded = text.casefold()
        for found in _MINUTES.finditer(folded):
            if found.group(2).strip(".") in words("minutes") and any(
                cue in folded for cue in words("reading")
            ):
                return int(found.group(1)), "dom"
    return None, ""


_MINUTES = re.compile(r"(?<!\d)(\d{1,3})[\s\u00a0-]*([^\W\d_]+\.?)")


def choose_agency(authors: Sequence[str], edges: Sequence[str]) -> tuple[str | None, str]:
    """A news agency that is credited as author or at the edges of the text.

    Args:
        edges: byline texts, the beginning of the first paragraph, short last paragraphs.
    """
    for text in [*authors, *edges]:
        if agency := find_agency(text):
            return agency, "dom"
    return None, ""
