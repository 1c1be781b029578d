"""Article fields, body and sidebar headlines from markup."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from selectolax.lexbor import LexborHTMLParser

from schemas.records import Extraction, Headline
from tasks.clean import block_texts, html_paragraphs, letters, plain
from tasks.fields.captions import split_credit
from tasks.fields.labels import is_label, label_text, strip_decoration
from tasks.fields.language import detect_language
from tasks.fields.lexicon import fold, stopwords, words
from tasks.fields.people import split_authors, strip_byline_start
from tasks.fields.urls import canonical
from tasks.html.blocks import Block, Place, segment
from tasks.html.body import Body, find_body
from tasks.html.bounds import bounded
from tasks.html.fields import (
    choose_agency,
    choose_authors,
    choose_date,
    choose_read_minutes,
    choose_section,
    choose_title,
)
from tasks.html.headlines import Sighting, find_headlines
from tasks.html.kind import why_no_article
from tasks.html.metadata import Metadata, read_metadata

_T = TypeVar("_T")
_BYLINE = re.compile(
    r"byline|author|(?<![a-z])(?:autor|auteur|writer|verfasser|journalist|redakt\w*|autore|yazar|firma)(?![a-z])"
)
_DATED = re.compile(
    r"(?<![a-z])(?:date|datum|fecha|time|timestamp|publish\w*|posted|meta|dateline|pubdate)(?![a-z])"
)
_DAY = re.compile(r"\d.*(?:19|20)\d\d|(?:19|20)\d\d.*\d")
_COMMENTS = re.compile(r"comment|respond|(?<![a-z])repl(?:y|ies)(?![a-z])")
_MUCH_MORE = 1.4
"""A declared text this many times longer than what is shown stands behind a paywall."""
_LONGEST_SUMMARY = 5_000
"""Characters; what is longer is the text itself or data."""
_ABOVE, _BELOW = 6, 12
"""Blocks before the heading and after it, before the body, that may show date, authors, reading time."""


def extract_html(markup: str, url: str | None, fetched_at: datetime | None) -> Extraction:
    """The record of one page of markup."""
    tree = LexborHTMLParser(bounded(markup))
    data = read_metadata(tree)
    everything = segment(tree)
    blocks = [block for block in everything if not block.place.hidden]
    summary = data.text("description") or data.first("og:description", "description")
    found = find_body(blocks, data.titles, summary)
    sightings = find_headlines(everything, {*found.standfirst, *found.blocks}, data.titles, url)
    around = _around(blocks, found)
    shown = _read(blocks, found, sightings, around)
    times = [value for block in around for value in _times(block)]
    return _record(data, blocks, found, shown, times, url, fetched_at)


@dataclass(slots=True)
class _Shown:
    """Texts of the page, as BeautifulSoup gives them."""

    heading: str | None
    standfirst: list[str]
    body: list[str]
    caption: str | None
    around: list[str]
    bylines: list[str]
    datelines: list[str]
    headlines: list[Headline]


def _read(blocks: list[Block], found: Body, sightings: list[Sighting], around: list[Block]) -> _Shown:
    """Read every text that the record needs, in one go."""
    caption = _caption(blocks, found)
    about = [sighting.block for sighting in sightings if sighting.leads]
    about += [block for sighting in sightings for block in (sighting.label, sighting.byline) if block]
    wanted: list[Block | Sighting] = [
        *([found.heading] if found.heading else []),
        *found.standfirst,
        *found.blocks,
        *([caption] if caption else []),
        *around,
        *dict.fromkeys(about),
        *sightings,
    ]
    aside = set(map(id, around))
    apart = {position for position, block in enumerate(wanted) if id(block) in aside}
    texts = dict(zip(map(id, wanted), block_texts([block.html for block in wanted], apart), strict=True))

    def line(block: Block | Sighting | None) -> str | None:
        return " ".join(texts[id(block)]) or None if block is not None else None

    headlines = []
    for sighting in sightings:
        if text := strip_decoration(_without_badges(line(sighting) or "")):
            label = line(sighting.label)
            if sighting.leads and is_label(lead := _lead(line(sighting.block) or "", sighting.block)):
                label = lead
            names = line(sighting.byline) or ""
            headlines.append(
                Headline(text, label_text(label) if label else None, _byline(names), sighting.href)
            )
    return _Shown(
        heading=line(found.heading),
        standfirst=[text for block in found.standfirst for text in texts[id(block)]],
        body=_without_repeats(text for block in found.blocks for text in texts[id(block)]),
        caption=line(caption),
        around=[one for block in around if (one := line(block))],
        bylines=[one for block in around if _is_byline(block) and (one := line(block))],
        datelines=[
            one
            for block in around
            if _DATED.search(block.place.named) and _DAY.search(block.raw) and (one := line(block))
        ],
        headlines=headlines,
    )


def _byline(text: str) -> str | None:
    """The persons that a list names, else its short name of an agency or a desk."""
    rest = strip_byline_start(text)[0]
    desk = rest if len(rest.split()) <= _DESK_WORDS and not any(map(str.isdigit, rest)) else ""
    return ", ".join(split_authors(text)) or desk or None


_DESK_WORDS = 4


def _without_badges(text: str) -> str:
    """A headline without what a bar sets behind it: `… | mehr`, `… | video | mehr`."""
    title, bar, badge = text.rpartition("|")
    while bar and fold(badge.strip()) in words("badges"):
        text = title.rstrip()
        title, bar, badge = text.rpartition("|")
    return text


def _lead(text: str, block: Block) -> str:
    """What a block says before its first link: `Related: `, `Lire aussi : (abonnés) `."""
    link = plain(block.links[0].text())
    before = text.partition(link)[0].strip() if link else ""
    return before.partition(":")[0].strip()


def _around(blocks: list[Block], found: Body) -> list[Block]:
    """Short blocks that may tell about the article, the likeliest first: below its heading, above, dated."""
    chosen = {*found.standfirst, *found.blocks}
    position = {block: index for index, block in enumerate(blocks)}
    first = position[found.blocks[0]] if found.blocks else len(blocks)
    last = position[found.blocks[-1]] if found.blocks else first
    start = (
        position[found.heading]
        if found.heading and position[found.heading] <= first
        else max(0, first - _BELOW)
    )
    near = [*blocks[start : min(first + 3, start + 40)], *reversed(blocks[max(0, start - _ABOVE) : start])]
    below = blocks[last + 1 : last + 1 + _BELOW]
    near += [block for block in below if _tells_of_article(block)]
    near += [
        block for block in blocks[: last + 1] if block.length <= 60 and _DATED.search(block.place.named)
    ][:6]
    near += [block for block in blocks[: last + 1 + _BELOW] if block.length <= 40 and _DAY.search(block.raw)][
        :6
    ]
    return list(
        dict.fromkeys(
            block
            for block in near
            if block not in chosen
            and block is not found.heading
            and block.length <= 200
            and not _in_comments(block)
        )
    )[:30]


def _tells_of_article(block: Block) -> bool:
    """True for a byline or a date line under the text."""
    if block.length > 160:
        return False
    return bool(_BYLINE.search(block.place.named) or _DATED.search(block.place.named)) or (
        strip_byline_start(block.raw)[1] and len(block.raw.split()) <= 12
    )


def _in_comments(block: Block) -> bool:
    place: Place | None = block.place
    while place is not None:
        if _COMMENTS.search(place.named):
            return True
        place = place.parent
    return False


def _is_byline(block: Block) -> bool:
    """True for a short block that is named, linked or worded as the author's."""
    if block.length > 200:
        return False
    if any("author" in (link.attributes.get("rel") or "") for link in block.links):
        return True
    place: Place | None = block.place
    for _ in range(3):
        if place is not None:
            if _BYLINE.search(place.named):
                return True
            place = place.parent
    own = block.nodes[0].attributes.get("class") if block.nodes[0].tag != "-text" else None
    if own and _BYLINE.search(own.lower()):
        return True
    return strip_byline_start(block.raw)[1]


def _times(block: Block) -> list[str]:
    nodes = [node for node in block.nodes if node.tag != "-text"]
    found = [
        time for node in nodes for time in ([node] if node.tag == "time" else node.css("time[datetime]"))
    ]
    return [value for time in found if (value := time.attributes.get("datetime"))]


def _caption(blocks: list[Block], found: Body) -> Block | None:
    """The first picture's caption: near the heading or in the body, not in a list of other stories."""
    if not found.blocks:
        return None
    chosen = {*found.standfirst, *found.blocks}
    position = {block: index for index, block in enumerate(blocks)}
    start = position[found.heading] if found.heading else 0
    last = position[found.blocks[-1]]
    for block in blocks[min(start, position[found.blocks[0]]) : last]:
        if block.length > 600 or block in chosen or block.linked > 0.5 * block.length:
            continue
        if block.tag == "figcaption" or _in_caption(block):
            return block
    return None


def _in_caption(block: Block) -> bool:
    place = block.place
    for _ in range(3):
        if (
            place.tag == "figcaption"
            or _CAPTION.search(place.named)
            or _CAPTION.search((block.nodes[0].attributes or {}).get("class") or "")
        ):
            return True
        if place.parent is None:
            return False
        place = place.parent
    return False


_CAPTION = re.compile(
    r"caption|bildunterschrift|(?<![a-z])(?:legend|legende|pie-?de-?foto|didascalia|bildtext|cutline)(?![a-z])"
)


def _without_repeats(paragraphs: Iterable[str]) -> list[str]:
    """Long paragraphs count once: pages repeat quotes and texts for other screens."""
    seen: set[str] = set()
    kept = []
    for text in paragraphs:
        folded = letters(text)
        if len(folded) >= 40 and folded in seen:
            continue
        seen.add(folded)
        kept.append(text)
    return kept


def _record(
    data: Metadata,
    blocks: list[Block],
    found: Body,
    shown: _Shown,
    times: list[str],
    url: str | None,
    fetched_at: datetime | None,
) -> Extraction:
    provenance: dict[str, str] = {}

    def won(name: str, answer: tuple[_T, str]) -> _T:
        value, source = answer
        if value:
            provenance[name] = source
        return value

    title = won("title", choose_title(data, shown.heading))
    body = won("body", _body(data, shown))
    sample = " ".join(body)[:1500]
    language = won("language", _language(data, sample))
    dates = [
        won(name, choose_date(data, name, shown.around, times, url, language, fetched_at))
        for name in ("published", "updated")
    ]
    published, updated = dates
    authors = won("authors", choose_authors(data, shown.bylines, shown.datelines))
    edges = [*shown.bylines, *(text[:90] for text in body[:1]), *(text[-60:] for text in body[-1:])]
    caption, credit = split_credit(shown.caption) if shown.caption else (None, None)
    section = won("section", choose_section(data, [*data.titles, title or ""]))
    declared_url = data.canonical or data.first("og:url") or data.text("url")
    reason = why_no_article(data, blocks, body, title, published is not None, len(shown.headlines), url)
    return Extraction(
        is_article=reason is None,
        reason=reason,
        title=title,
        summary=won("summary", _summary(data, shown, body)),
        authors=authors,
        published_at=published.iso if published else None,
        published_raw=published.raw if published else None,
        published_precision=published.precision if published else None,
        updated_at=updated.iso if updated else None,
        updated_raw=updated.raw if updated else None,
        section=section,
        language=language,
        agency=won("agency", choose_agency(authors, edges)),
        image_caption=caption,
        image_credit=credit,
        read_minutes=won("read_minutes", choose_read_minutes(data, shown.around)),
        word_count=sum(len(text.split()) for text in body),
        canonical_url=won("canonical_url", (canonical(declared_url, url), "meta")),
        body=body if reason is None else [],
        headlines=shown.headlines,
        provenance=provenance,
        confidence=_confidence(found, body, reason),
    )


def _language(data: Metadata, sample: str) -> tuple[str | None, str]:
    """The text's language; what the page declares counts where the text cannot tell."""
    detected = detect_language(sample)
    declared = (data.language or data.text("inLanguage") or data.first("og:locale") or "")[:2].lower()
    usable = len(declared) == 2 and declared.isalpha()
    if usable and (detected is None or declared not in stopwords() or {declared, detected} <= _SCANDINAVIAN):
        return declared, "meta"
    return detected, "text"


_SCANDINAVIAN = frozenset(("da", "nb", "nn", "no"))
"""Too alike in writing for word counts."""


def _body(data: Metadata, shown: _Shown) -> tuple[list[str], str]:
    """The paragraphs on the page, or the declared text where the page shows only its beginning."""
    visible = [*shown.standfirst, *shown.body]
    declared = data.article.get("articleBody")
    if isinstance(declared, str) and len(declared) > _MUCH_MORE * sum(map(len, visible)) + 100:
        paragraphs = html_paragraphs(declared)
        if sum(map(len, paragraphs)) > _MUCH_MORE * sum(map(len, visible)) + 100:
            return _without_repeats([*shown.standfirst, *paragraphs]), "jsonld"
    return visible, "dom"


def _summary(data: Metadata, shown: _Shown, body: list[str]) -> tuple[str | None, str]:
    """The standfirst on the page, else the declared description unless it only repeats the text."""
    standfirst = " ".join(shown.standfirst)
    if 0 < len(standfirst) <= _LONGEST_SUMMARY:
        return standfirst, "dom"
    opening = letters(" ".join(body[:3]))
    for source, text in (
        ("jsonld", data.text("description")),
        ("opengraph", data.first("og:description")),
        ("meta", data.first("description")),
    ):
        if text and 20 <= len(text) <= _LONGEST_SUMMARY and letters(text)[:60] not in opening:
            return text, source
    return None, ""


def _confidence(found: Body, body: list[str], reason: str | None) -> float:
    """How far the body can be trusted: long, whole in one element, with a heading."""
    if reason is not None or not body:
        return 0.0
    size = min(1.0, sum(map(len, body)) / 1500)
    return round(0.3 + 0.4 * size + 0.15 * (found.heading is not None) + 0.15 * (len(body) >= 3), 2)
