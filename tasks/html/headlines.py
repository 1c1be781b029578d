"""Which blocks of a page are sidebar headlines: links to other stories, with the label of their list."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from selectolax.lexbor import LexborNode

from tasks.clean import letters
from tasks.fields.labels import MOST_HEADLINES, is_label, is_sponsored
from tasks.fields.people import split_authors, strip_byline_start
from tasks.html.blocks import NAME_READ, Block, Place
from tasks.html.body import weigh
from tasks.html.cards import (
    SHORTEST,
    Card,
    headline_of,
    is_heading,
    is_named_title,
    is_time,
    names_topics,
    says_nothing,
    short_headline_of,
    shown,
)
from tasks.html.links import (
    NOT_PAGES,
    Site,
    ends_like_story,
    folders_of,
    is_section,
    last_segment,
    leads_to_list,
)

_FURNITURE_TAGS = frozenset(("nav", "footer", "menu", "form", "address"))
_FURNITURE = re.compile(
    r"breadcrumb|cookie|consent|(?<![a-z])(?:(?:global|main|top|side|sub|local|site|mega|primary|secondary)?-?nav|navbar|navigation|menu|submenu|footer|tag-?list|tag-?cloud|keywords?|"
    r"social|sharing|share|byline|comments?|disqus|pagination|pager|advert\w*|sponsor\w*|outbrain|taboola)(?![a-z])"
    r"|(?<![a-z0-9])ads?(?![a-z0-9])"
)
_STATE = re.compile(
    r"(?<=\s)(?:hide|hidden|has|no|with|without|show|is|not|js)-\S+|\S+-(?:hidden|enabled|disabled)(?=\s)"
)
"""Classes that say how an element is set, not what it is: `has-comments`, `hide-read-more-ad`."""
_LABEL_LONGEST = 60
_CARD_SPAN = 800
_LABEL_SPAN = 12_000
"""Characters that a list under one label may hold; more than that is a whole page."""
_LABEL_DIGITS = 4
_LABELS_BACK = 6
_BESIDE_LABEL = 60
"""Characters that may stand with a label before its list: "See all", a line of explanation."""
_LIST_LEAST = 3
_LIST_ABOVE = 7
_LIST_SHARE = 0.4
"""Share of a list's link text that must read like headlines."""
_FIRM_SHARE = 0.6
"""The same where the text alone says less: short, or not shown when the page opens."""
_PROSE = 600
"""Characters of running text in an element that is no list."""
_MOST_TEXTS = 3
_MOST_TARGETS = 3
_WORDS, _LETTERS = 4, 25
_LEAST_UNDER_TOPICS = 30
"""Letters of a headline among topics."""


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
class _Found:
    """A card on its way to being a sighting, and what stands around it."""

    sighting: Sighting
    folded: str
    """The letters of its text."""
    labels: list[Block]
    """What may be its list's label, the nearest last."""
    short: bool
    """Too short to be a headline but in a labelled list of headlines."""


@dataclass(slots=True)
class _List:
    """What an element links to."""

    links: int = 0
    linked: int = 0
    titled: int = 0
    """Of the linked letters, those of links that read like headlines."""


def find_headlines(
    blocks: list[Block], body: set[Block], titles: Sequence[str], url: str | None
) -> list[Sighting]:
    """The placements of other stories' headlines, in page order, `MOST_HEADLINES` at most.

    Args:
        blocks: every block of the page, in page order, hidden ones too.
        body: blocks of the article itself; links inside its sentences are no headlines.
        titles: the article's own titles, which are no headlines on its page.
        url: address of the page: links must stay within its registrable domain and lead elsewhere.
    """
    lists: dict[Place, _List] = {}
    shown_blocks = [block for block in blocks if not block.place.hidden]
    found = _without_lists(_cards(shown_blocks, body, titles, url, lists), url)
    _assign_labels(found)
    sightings = [one.sighting for one in found if _in_a_list(one, lists)]
    if len(shown_blocks) == len(blocks):
        return sightings
    folded = _folded_away(blocks, sightings, titles, url)
    if not folded:
        return sightings
    position = {block: index for index, block in enumerate(blocks)}
    return sorted(sightings + folded, key=lambda sighting: position[sighting.block])[:MOST_HEADLINES]


def _folded_away(
    blocks: list[Block], sightings: list[Sighting], titles: Sequence[str], url: str | None
) -> list[Sighting]:
    """Headlines of lists that are not shown when the page opens, as behind a second tab.

    Stricter than what is shown: whole lists of headlines only, and no target a second time, since much of
    what is hidden is menus and the same lists for other screens.
    """
    known = {sighting.href.partition("?")[0] for sighting in sightings}
    lists: dict[Place, _List] = {}
    hidden = [block for block in blocks if block.place.hidden]
    found = _without_lists(_cards(hidden, set(), titles, url, lists), url)
    _assign_labels(found)
    kept = []
    for one in found:
        around = _list_around(one, lists)
        target = one.sighting.href.partition("?")[0]
        if (
            around is not None
            and around.titled >= _FIRM_SHARE * around.linked
            and target not in known
            and _in_a_list(one, lists)
        ):
            known.add(target)
            kept.append(one.sighting)
    return kept


def _cards(
    blocks: list[Block], body: set[Block], titles: Sequence[str], url: str | None, lists: dict[Place, _List]
) -> list[_Found]:
    """Every card that may show another story's headline; `lists` gets what the page's elements link to."""
    own = set(map(letters, titles))
    site = Site(url)
    paragraphs = {block.place for block in body if block.tag == "p"}
    furniture: dict[Place, bool] = {}
    found: list[_Found] = []
    labels: list[Block] = []
    bylines: list[tuple[Block, list[Sighting]]] = []
    waiting: list[list[Sighting]] = []
    """What stands around bylines, still without the headline after them."""
    last: list[Sighting] = []
    card: Card | None = None

    def close() -> None:
        nonlocal card
        if card is None:
            return
        closed, card = card, None
        chosen = headline_of(closed, own)
        short = chosen is None
        if short and ends_like_story(closed.href) and not is_section(closed.href):
            chosen = short_headline_of(closed, own)
        block, nodes = chosen or closed.blocks[0]
        text = shown(nodes)
        size = weigh(text)
        target = (
            site.story(closed.href)
            if chosen is not None and _reads_like_headline(text, closed.href)
            else None
        )
        titled = (
            size
            if target is not None and (size >= _LETTERS or len(text.split()) >= _WORDS or is_heading(block))
            else 0
        )
        for place in _above(block.place):
            if (entry := lists.get(place)) is None:
                entry = lists[place] = _List()
            entry.links += 1
            entry.linked += size
            entry.titled += titled
        if target is None or any(_is_paid(link, nodes) for link, nodes in closed.blocks):
            return
        before = found[-1].sighting if found else None
        if before is not None and before.href == target and _meet(before.block, block, _CARD_SPAN):
            return  # the card's teaser, behind a byline or a date
        sighting = Sighting(block, nodes, target)
        found.append(_Found(sighting, letters(text), labels[-_LABELS_BACK:], short))
        for around in waiting:
            around.append(sighting)
        waiting.clear()
        last[:] = [sighting]

    for block in blocks:
        if len(found) == MOST_HEADLINES:
            break
        if _in_furniture(block.place, furniture):
            continue
        if block in body:
            close()
            labels.clear()
            waiting.clear()
            last.clear()
            continue
        if is_byline(block) and not is_label(block.raw):
            close()
            bylines.append((block, last.copy()))
            waiting.append(bylines[-1][1])
            continue
        targets = [] if _is_sentence(block, paragraphs) else list(_targets(block))
        if (
            block.length <= _LABEL_LONGEST
            and (not targets or _links_to_all(block, targets[0][1]))
            and _may_label(block)
        ):
            close()
            labels.append(block)
            waiting.clear()
            continue
        for nodes, href in targets:
            if card is None or card.href != href:
                close()
                card = Card(href)
            card.blocks.append((block, nodes))
    close()
    del found[MOST_HEADLINES:]
    for byline, near in bylines:
        _assign_byline(byline, near)
    return found


def _assign_byline(byline: Block, around: list[Sighting]) -> None:
    """Give a byline to the headline before or after it, whichever shares the smaller element with it."""
    near = [
        (shared.chars, sighting)
        for sighting in around
        if (shared := _junction(byline, sighting.block)[0]) is not None and shared.chars <= _CARD_SPAN
    ]
    if near:
        sighting = min(near, key=lambda pair: pair[0])[1]
        sighting.byline = sighting.byline or byline


def _targets(block: Block) -> Iterator[tuple[list[LexborNode], str]]:
    """The links that a block consists of: the elements that show each, and where it leads."""
    if block.place.link is not None:
        if not block.place.link.startswith(NOT_PAGES):
            yield block.nodes, block.place.link
    elif block.links and block.linked >= (0.3 if is_heading(block) else 0.5) * block.length:
        long = [link for link in block.links if len(link.text()) >= SHORTEST]
        for link in long if len(long) > 1 else [max(block.links, key=lambda node: len(node.text()))]:
            href = link.attributes.get("href") or ""
            if not href.startswith(NOT_PAGES):
                yield [link], href


def _is_paid(block: Block, nodes: list[LexborNode]) -> bool:
    """True where the link itself says that somebody paid for it."""
    around = (place.node for place in _chain(block.place) if place.tag == "a")
    link = nodes[0] if nodes[0].tag == "a" else next(around, None)
    return link is not None and "sponsored" in (link.attributes.get("rel") or "")


def _is_sentence(block: Block, paragraphs: set[Place]) -> bool:
    """True for a sentence with links in it: words, but no label, before the first or behind the last."""
    if not block.links or block.length - block.linked < 3 or is_heading(block):
        return False
    text = block.raw
    first = " ".join(block.links[0].text().split())
    last = " ".join(block.links[-1].text().split())
    before = text.partition(first)[0] if first else ""
    behind = text.rpartition(last)[2].strip(" .…»›→>|)") if last else ""
    labelled = (
        not before.strip() or is_label(before) or is_time(before) or before.rstrip().endswith((":", "|"))
    )
    if block.place in paragraphs or block.tag == "p":
        return not labelled or (len(behind) >= 3 and not is_time(behind))
    return len(before.split()) >= 3 and not labelled and len(behind.split()) >= 3


def _links_to_all(block: Block, href: str) -> bool:
    """True for a list's label that leads to the whole list."""
    return is_heading(block) and leads_to_list(href) and not _reads_like_headline(block.raw, href)


def _reads_like_headline(text: str, target: str) -> bool:
    """True where text and target together may be a story's: neither a section's name nor a single word."""
    words = len(text.split())
    if is_section(target):
        return words >= 6 or weigh(text) >= 45
    return ends_like_story(target) or words >= 6


def _without_lists(found: list[_Found], url: str | None) -> list[_Found]:
    """Without what other links show to be none: texts that lead to many places ("Read it"), places under
    many texts (a programme), and folders that hold other links' stories (a section).
    """
    folders = folders_of([url or "", *(one.sighting.href for one in found)])
    targets: dict[str, set[str]] = {}
    texts: dict[str, set[str]] = {}
    for one in found:
        targets.setdefault(one.folded, set()).add(one.sighting.href.partition("?")[0])
        texts.setdefault(one.sighting.href, set()).add(one.folded)
    return [
        one
        for one in found
        if len(targets[one.folded]) <= _MOST_TARGETS
        and len(texts[one.sighting.href]) <= _MOST_TEXTS
        and last_segment(one.sighting.href) not in folders
    ]


def _in_a_list(one: _Found, lists: dict[Place, _List]) -> bool:
    """False where the links around a text are no headlines (menus, topics, tables), and for ads."""
    label = one.sighting.label
    if label is not None and is_sponsored(label.raw):
        return False
    if one.short:
        around = _list_around(one, lists)
        headed = label is not None and is_label(label.raw)
        return headed and around is not None and around.titled >= _FIRM_SHARE * around.linked
    if label is not None and names_topics(label.raw):
        return len(one.folded) >= _LEAST_UNDER_TOPICS
    if is_heading(one.sighting.block) or (label is not None and is_label(label.raw)):
        return True
    around = _list_around(one, lists)
    return around is None or around.titled >= _LIST_SHARE * around.linked


def _list_around(one: _Found, lists: dict[Place, _List]) -> _List | None:
    """The smallest element around a headline that holds a few links, None between paragraphs."""
    for place in _above(one.sighting.block.place):
        if lists[place].links >= _LIST_LEAST:
            return lists[place]
        if place.weight >= _PROSE:
            return None
    return None


def _assign_labels(found: list[_Found]) -> None:
    """Give each sighting the label of its list: the nearest one that heads an element which holds both.

    What is not worded like a label must head two headlines at least: over a single one it is a kicker.
    """
    held = Counter(place for one in found for place in _chain(one.sighting.block.place))
    for one in found:
        for label in reversed(one.labels):
            shared, branch = _junction(label, one.sighting.block)
            if shared is None or shared.chars > _LABEL_SPAN:
                break
            paid = is_sponsored(label.raw)
            if (
                branch is not None
                and (held[branch] or branch.chars > label.length + _BESIDE_LABEL)
                and not paid
            ):
                continue  # heads a section of its own
            if held[shared] < 2 and not paid and not is_label(label.raw):
                continue
            if letters(label.raw) == one.folded or _is_set_alike(label, one.sighting.block):
                continue
            one.sighting.label = label
            break
    given = [one.sighting for one in found if one.sighting.label is not None]
    heads = Counter(sighting.label for sighting in given)
    for sighting in given:
        raw = sighting.label.raw if sighting.label else ""
        if heads[sighting.label] < 2 and not is_label(raw) and not is_sponsored(raw):
            sighting.label = None


def _is_set_alike(label: Block, headline: Block) -> bool:
    """True for a label that is a link set like the headline: a card of the same list."""
    return bool(label.linked) and label.tag == headline.tag and label.place.named == headline.place.named


def _may_label(block: Block) -> bool:
    """True for a short text that may head a list: a heading, or something that is set like one."""
    text = block.raw
    if sum(map(str.isdigit, text)) > _LABEL_DIGITS or _NO_LABEL.search(text):
        return False
    if is_label(text):
        return True
    if is_sponsored(text):
        return is_heading(block) or is_named_title(block)
    return (is_heading(block) or (block.length <= 40 and is_named_title(block))) and not says_nothing(text)


_NO_LABEL = re.compile(r"[@|]")


def _junction(one: Block, other: Block) -> tuple[Place | None, Place | None]:
    """The smallest element that holds both blocks, None for the page; its child on the first one's side."""
    above = set(_chain(other.place))
    branch: Place | None = None
    for place in _chain(one.place):
        if place in above:
            return (None if place.tag in ("body", "main") else place), branch
        branch = place
    return None, branch


def _meet(one: Block, other: Block, span: int) -> bool:
    """True when two blocks lie in one element of at most so many characters."""
    shared, _ = _junction(one, other)
    return shared is not None and shared.chars <= span


def is_byline(block: Block) -> bool:
    """True for a short block that by its class or wording names who wrote."""
    if block.length > 80:
        return False
    own = block.nodes[0].attributes.get("class") if block.nodes[0].tag != "-text" else None
    return (
        _names_author(block.place.named)
        or bool(own and _names_author(own[:NAME_READ].lower()))
        or (
            len(block.raw.split()) <= 8
            and strip_byline_start(block.raw)[1]
            and bool(split_authors(block.raw))
        )
    )


@lru_cache(maxsize=4096)
def _names_author(named: str) -> bool:
    return _BYLINE.search(named) is not None


_BYLINE = re.compile(r"byline|(?<![a-z])(?:author|autor|auteur|writer|autore|yazar)(?:s|es|en)?(?![a-z])")


def _chain(place: Place | None) -> Iterator[Place]:
    while place is not None:
        yield place
        place = place.parent


def _above(place: Place) -> Iterator[Place]:
    """The elements around a card in which its list may be, all shown or all hidden as it is."""
    above: Place | None = place
    for _ in range(_LIST_ABOVE):
        if above is None or above.hidden != place.hidden:
            return
        yield above
        above = above.parent


@lru_cache(maxsize=4096)  # the items of a list share their classes, and so do the pages of a site
def _names_furniture(named: str) -> bool:
    return bool(_FURNITURE.search(named)) and bool(_FURNITURE.search(_STATE.sub(" ", named)))


def _in_furniture(place: Place, known: dict[Place, bool]) -> bool:
    found = known.get(place)
    if found is None:
        found = (
            place.tag in _FURNITURE_TAGS
            or (
                place.tag not in ("body", "main", "article")
                and place.weight < 400
                and _names_furniture(place.named)
            )
            or (place.parent is not None and _in_furniture(place.parent, known))
        )
        known[place] = found
    return found
