"""Which blocks of a page are sidebar headlines: links to other stories, with the label of their list."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from selectolax.lexbor import LexborNode

from tasks.clean import letters
from tasks.fields.labels import MOST_HEADLINES, is_label, is_sponsored
from tasks.fields.people import strip_byline_start
from tasks.fields.urls import absolute, registrable_domain
from tasks.html.blocks import HEADINGS, Block, Place
from tasks.html.body import weigh

_FURNITURE_TAGS = frozenset(("nav", "footer", "menu", "form", "address"))
_FURNITURE = re.compile(
    r"breadcrumb|cookie|consent|(?<![a-z])(?:nav|navbar|navigation|menu|submenu|footer|tag-?list|tag-?cloud|keywords?|"
    r"social|sharing|share|byline|comments?|disqus|pagination|pager|ad|ads|advert\w*|sponsor\w*|outbrain|taboola)(?![a-z])"
)
_NOT_A_STORY = re.compile(
    r"/(?:authors?|autor(?:en|es)?|auteurs?|profile?|tags?|topics?|themen?|temas?|sujets?|categor(?:y|ies|ia)|kategorie|sections?|"
    r"users?|login|account|abo|subscribe|newsletters?|search|suche|impressum|datenschutz|privacy|terms|contact|kontakt|about|"
    r"podcasts?|shop|epaper|e-paper)(?:/|$)",
    re.I,
)
_NOT_PAGES = ("#", "javascript:", "mailto:", "tel:", "data:")
_SHORTEST = 12
_LONGEST = 250
_LABEL_LONGEST = 60
_CARD_SPAN = 800
_LABEL_SPAN = 12_000
"""Characters that a list under one label may hold; more than that is a whole page."""


@dataclass(slots=True, eq=False)
class Sighting:
    """A sidebar headline as placed: elements, not yet texts."""

    block: Block
    nodes: list[LexborNode]
    href: str
    label: Block | None = None
    byline: Block | None = None

    @property
    def leads(self) -> bool:
        """True when words stand beside the link in its block: a label may be among them."""
        block = self.block
        return bool(block.links) and 3 <= block.length - block.linked <= 60 + block.linked

    @property
    def html(self) -> str:
        return "".join(node.html or "" for node in self.nodes)


@dataclass(slots=True)
class _Card:
    """Adjacent blocks that lead to one address."""

    href: str
    blocks: list[tuple[Block, list[LexborNode]]] = field(default_factory=list)


def find_headlines(
    blocks: list[Block], body: set[Block], titles: Sequence[str], url: str | None
) -> list[Sighting]:
    """The placements of other stories' headlines, in page order, `MOST_HEADLINES` at most.

    Args:
        body: blocks of the article itself; links inside its sentences are no headlines.
        titles: the article's own titles, which are no headlines on its page.
        url: address of the page: links must stay within its registrable domain and lead elsewhere.
    """
    own = set(map(letters, titles))
    domain = registrable_domain(url)
    here = _without_query(url or "")
    furniture: dict[Place, bool] = {}
    found: list[Sighting] = []
    label: Block | None = None
    card: _Card | None = None
    card_label: Block | None = None

    def close() -> None:
        nonlocal card
        if card is not None and (sighting := _headline_of(card, own)):
            resolved = _story(card.href, url, domain, here)
            if resolved is None or not (
                looks_like_story(resolved) or len(_shown(sighting.nodes).split()) >= 6
            ):
                card = None
                return
            sighting.href = resolved
            sighting.label = card_label if _labels(card_label, sighting.block) else None
            if sighting.label is not None and is_sponsored(sighting.label.raw):
                card = None
                return
            sighting.byline = next(
                (b for b, _ in card.blocks if b is not sighting.block and is_byline(b)), None
            )
            found.append(sighting)
        card = None

    for block in blocks:
        if len(found) == MOST_HEADLINES:
            return found
        if _in_furniture(block.place, furniture):
            continue
        if block in body:
            close()
            label = None
            continue
        targets = [(nodes, href) for nodes, href in _targets(block) if not href.startswith(_NOT_PAGES)]
        if is_byline(block):
            close()
            if found and _meet(block, found[-1].block, _CARD_SPAN):
                found[-1].byline = found[-1].byline or block
            continue
        if not targets and _is_label(block):
            close()
            label = block
        for nodes, href in targets:
            if card is None or card.href != href:
                close()
                card = _Card(href)
                card_label = label
            card.blocks.append((block, nodes))
    close()
    return found


def _targets(block: Block) -> Iterator[tuple[list[LexborNode], str]]:
    """The links that a block consists of: the elements that show each, and where it leads."""
    if block.place.link is not None:
        yield block.nodes, block.place.link
    elif block.links and block.linked >= (0.3 if _is_heading(block) else 0.5) * block.length:
        long = [link for link in block.links if len(link.text()) >= _SHORTEST]
        for link in long if len(long) > 1 else [max(block.links, key=lambda node: len(node.text()))]:
            yield [link], link.attributes.get("href") or ""


def _story(href: str, url: str | None, domain: str | None, here: str) -> str | None:
    """The absolute address if it may be another story of this site, else None."""
    target = absolute(href, url) if url else href
    if target is None:
        return None
    if domain is not None and registrable_domain(target) != domain:
        return None
    bare = _without_query(target)
    if here and bare == here:
        return None
    path = _path(target).partition("?")[0]
    if path in ("", "/") or _NOT_A_STORY.search(path):
        return None
    return target


def _without_query(url: str) -> str:
    return url.partition("#")[0].partition("?")[0].rstrip("/").partition("://")[2]


def looks_like_story(url: str) -> bool:
    """True for an address that ends like those of single stories: words or a number, not one word."""
    path, _, query = _path(url).partition("?")
    last = path.rstrip("/").rpartition("/")[2]
    return (
        len(re.findall(r"[-_]", last)) >= 2
        or bool(re.search(r"\d{4,}", path + query))
        or last.endswith((".html", ".htm"))
    )


def _path(url: str) -> str:
    """Path and query of an address that need not be whole."""
    return _HOST.sub("", url.partition("#")[0], count=1)


_HOST = re.compile(r"^(?:[a-z][a-z0-9+.-]*:)?//[^/?]*", re.IGNORECASE)


def _headline_of(card: _Card, own: set[str]) -> Sighting | None:
    """The block of a card that is its headline: a heading, else the first that is long enough for one."""
    fitting = [
        (block, nodes)
        for block, nodes in card.blocks
        if weigh(shown := _shown(nodes)) >= _SHORTEST and len(shown) <= _LONGEST and letters(shown) not in own
    ]
    if not fitting:
        return None
    block, nodes = next(((b, n) for b, n in fitting if _is_heading(b)), fitting[0])
    shown = _shown(nodes)
    words = len(shown.split())
    if words < 3 and weigh(shown) < 25 and not _is_heading(block):
        return None
    return Sighting(block, _title_nodes(nodes), card.href)


def _is_heading(block: Block) -> bool:
    if block.tag in HEADINGS:
        return True
    place: Place | None = block.place
    for _ in range(3):
        if place is None:
            return False
        if place.tag in HEADINGS:
            return True
        place = place.parent
    return False


def _shown(nodes: list[LexborNode]) -> str:
    return " ".join(" ".join(node.text() for node in nodes).split())


def _title_nodes(nodes: list[LexborNode]) -> list[LexborNode]:
    """The part of a link that is its headline, where kicker, headline, teaser are elements of their own."""
    for _ in range(6):
        if len(nodes) != 1 or nodes[0].tag == "-text":
            return nodes
        parts: list[tuple[LexborNode, int]] = []
        for child in nodes[0].iter(include_text=True):
            length = len((child.text() or "").strip())
            if length and child.tag == "-text":
                return nodes
            if length:
                parts.append((child, length))
        if not parts or any(child.tag in _EMPHASIS for child, _ in parts):
            return nodes
        if len(parts) > 1 and len({(child.tag, child.attributes.get("class")) for child, _ in parts}) == 1:
            return nodes  # lines of one headline
        nodes = [_title_part(parts)]
    return nodes


def _title_part(parts: list[tuple[LexborNode, int]]) -> LexborNode:
    """The headline among a link's elements: a heading, what is named so, else what follows the kicker."""
    longest = max(length for _, length in parts)
    fitting = [(child, length) for child, length in parts if length >= min(_SHORTEST, longest)]
    for wanted in (
        lambda child: child.tag in HEADINGS,
        lambda child: _TITLE.search((child.attributes.get("class") or "").lower()),
    ):
        named = [(child, length) for child, length in fitting if wanted(child)]
        if named and (best := max(named, key=lambda part: part[1]))[1] >= 0.3 * longest:
            return best[0]
    first, length = fitting[0]
    if len(fitting) > 1 and length <= 50 and length < fitting[1][1] <= 160:
        return fitting[1][0]
    return first


_EMPHASIS = frozenset(("b", "strong", "em", "i", "mark", "sup", "sub", "q", "u"))
_TITLE = re.compile(
    r"(?<!sub)(?<!over)(?:title|headline|heading)(?!-?(?:kicker|prefix|sub))|titel|titre|titulo"
)


def _is_label(block: Block) -> bool:
    """True for a short text that may head a list: a heading, or something that is set like one."""
    if block.length > _LABEL_LONGEST or sum(map(str.isdigit, block.raw)) > 0.3 * block.length:
        return False
    return (
        _is_heading(block)
        or is_label(block.raw)
        or (block.length <= 40 and bool(_TITLE.search(block.place.named)))
    )


def _labels(label: Block | None, block: Block) -> bool:
    """True when label and headline meet in an element small enough to be one list."""
    return label is not None and _meet(label, block, _LABEL_SPAN)


def _meet(one: Block, other: Block, span: int) -> bool:
    """True when two blocks lie in one element of at most so many characters."""
    above = set(_chain(other.place))
    meeting = next((place for place in _chain(one.place) if place in above), None)
    return meeting is not None and meeting.tag not in ("body", "main") and meeting.chars <= span


def is_byline(block: Block) -> bool:
    """True for a short block that by its class or wording names who wrote."""
    if block.length > 80:
        return False
    own = block.nodes[0].attributes.get("class") if block.nodes[0].tag != "-text" else None
    named = f"{own or ''} {block.place.named}".lower()
    return bool(_BYLINE.search(named)) or (len(block.raw.split()) <= 8 and strip_byline_start(block.raw)[1])


_BYLINE = re.compile(r"byline|(?<![a-z])(?:author|autor|auteur|writer|autore|yazar)(?:s|es|en)?(?![a-z])")


def _chain(place: Place | None) -> Iterator[Place]:
    while place is not None:
        yield place
        place = place.parent


def _in_furniture(place: Place, known: dict[Place, bool]) -> bool:
    found = known.get(place)
    if found is None:
        found = (
            place.tag in _FURNITURE_TAGS
            or (
                place.tag not in ("body", "main", "article")
                and place.weight < 400
                and bool(_FURNITURE.search(place.named))
            )
            or (place.parent is not None and _in_furniture(place.parent, known))
        )
        known[place] = found
    return found
