"""A card: adjacent blocks that lead to one story. Which of its texts is the headline, and that alone."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache

from selectolax.lexbor import LexborNode

from tasks.clean import letters
from tasks.fields.dates import find_dates
from tasks.fields.labels import is_label, is_sponsored
from tasks.fields.lexicon import fold, start, words
from tasks.html.blocks import HEADINGS, Block, Place
from tasks.html.body import weigh

SHORTEST = 12
_LONGEST = 250
_LEAST_LEFT = 8
_SECTION_LONGEST = 25
_KICKER_LONGEST = 50
_HEADLINE_LONGEST = 160
_TEASER_SHORTEST = 90
_PROMPT_LONGEST = 60
_TIME_LONGEST = 40
_DECORATION_LONGEST = 30
_TITLE = re.compile(
    r"(?<!sub)(?<!over)(?<!top)(?<!pre)(?:title|headline|heading)"
    r"(?!-?_?-?(?:kicker|prefix|sub|header|top|wrap))|titel(?!zeile)|titre|titulo"
)
_BESIDE = re.compile(
    r"badge|kicker|overline|topline|top-?title|pre-?title|dachzeile|eyebrow|(?<![a-z])(?:premium|paywall|duration|comments?|"
    r"count(?:er)?|time|date|timestamp|label|rubrik|category|section|tag|index|rank|number|icon)(?![a-z])|"
    r"visually-?hidden|sr-only|screen-?reader"
)
_EMPHASIS = frozenset(("b", "strong", "em", "i", "mark", "sup", "sub", "q", "u"))
_RUNNING_END = re.compile(r"(?:[.…。।]|\.\.\.)[\"”»’']?$")


@dataclass(slots=True)
class Card:
    """Adjacent blocks that lead to one address."""

    href: str
    blocks: list[tuple[Block, list[LexborNode]]] = field(default_factory=list)


def headline_of(card: Card, own: set[str]) -> tuple[Block, list[LexborNode]] | None:
    """The block of a card that is its headline, and the elements of it that show the headline.

    The highest heading, else what is named a title, else the first text that is long enough for one and
    no kicker before it.
    """
    fitting = [
        (block, nodes, text)
        for block, nodes in card.blocks
        if weigh(text := shown(nodes)) >= SHORTEST and len(text) <= _LONGEST and letters(text) not in own
    ]
    if len(fitting) > 1:
        fitting = [part for part in fitting if not says_nothing(part[2])]
    if not fitting:
        return None
    block, nodes, text = min(fitting, key=lambda part: _rank(part[0])) if len(fitting) > 1 else fitting[0]
    if len(fitting) > 1 and _rank(block) > _NAMED_RANK and _is_kicker(text, fitting[1][2]):
        block, nodes, text = fitting[1]
    longer = [part for part in fitting if is_heading(part[0]) and weigh(part[2]) > 2.5 * weigh(text)]
    if longer and weigh(text) < _SECTION_LONGEST:
        block, nodes, text = longer[0]
    if len(text.split()) < 3 and weigh(text) < 25 and not is_heading(block):
        return None
    nodes = title_nodes(nodes)
    text = shown(nodes)
    return (block, nodes) if weigh(text) >= _LEAST_LEFT and not says_nothing(text) else None


def short_headline_of(card: Card, own: set[str]) -> tuple[Block, list[LexborNode]] | None:
    """The one text of a card that is too short to be a headline wherever it stands: `Live updates`."""
    if len(card.blocks) > 1:
        return None
    block, nodes = card.blocks[0]
    nodes = title_nodes(nodes)
    text = shown(nodes)
    long_enough = weigh(text) >= SHORTEST or (" " in text and weigh(text) >= _LEAST_LEFT)
    return (block, nodes) if long_enough and letters(text) not in own and not says_nothing(text) else None


_NAMED_RANK = 7


def _rank(block: Block) -> int:
    """1 to 6 for a heading of that level, then what is named a title, then the rest."""
    if level := _level(block):
        return level
    return _NAMED_RANK if _TITLE.search(_named(block)) else _NAMED_RANK + 1


def _level(block: Block) -> int:
    """The level of the heading that a block is or closely lies in, 0 for none."""
    if block.tag in HEADINGS:
        return int(block.tag[1])
    place: Place | None = block.place
    for _ in range(3):
        if place is None:
            return 0
        if place.tag in HEADINGS:
            return int(place.tag[1])
        place = place.parent
    return 0


def is_heading(block: Block) -> bool:
    """True for a block that is a heading or closely lies in one."""
    return _level(block) > 0


def is_named_title(block: Block) -> bool:
    """True for a block whose class says title or headline."""
    return bool(_TITLE.search(_named(block)))


def _named(block: Block) -> str:
    own = block.nodes[0].attributes.get("class") if len(block.nodes) == 1 else None
    return f"{(own or '').lower()} {block.place.named}"


def shown(nodes: list[LexborNode]) -> str:
    """The parser's text of a few elements, white space collapsed: for decisions only."""
    return " ".join(" ".join([node.text() or "" for node in nodes]).split())


def _is_kicker(first: str, second: str) -> bool:
    """True where a short text stands before the headline rather than the headline before its teaser."""
    return (
        len(first) <= _KICKER_LONGEST
        and len(first) < len(second) <= _HEADLINE_LONGEST
        and not (len(second) >= _TEASER_SHORTEST or _RUNNING_END.search(second))
    )


def title_nodes(nodes: list[LexborNode]) -> list[LexborNode]:
    """The part of a link that is its headline, where kicker, teaser and time are elements of their own."""
    for _ in range(6):
        kept = [node for node in nodes if not is_beside(node)] if len(nodes) > 1 else nodes
        if any((node.text() or "").strip() for node in kept):
            nodes = kept
        filled = [node for node in nodes if (node.text() or "").strip()]
        if len(filled) == 1:
            if filled[0].tag == "-text":
                return filled
            nodes = list(filled[0].iter(include_text=True))
            if not any(node.tag != "-text" for node in nodes):
                return filled
            continue
        if (
            not filled
            or any(node.tag == "-text" or node.tag in _EMPHASIS for node in filled)
            or len({(node.tag, node.attributes.get("class")) for node in filled})
            == 1  # lines of one headline
        ):
            return nodes
        nodes = [_title_part([(node, len((node.text() or "").strip())) for node in filled])]
    return nodes


def _title_part(parts: list[tuple[LexborNode, int]]) -> LexborNode:
    """The headline among a link's elements: a heading, what is named so, else what follows the kicker."""
    longest = max(length for _, length in parts)
    fitting = [(child, length) for child, length in parts if length >= min(SHORTEST, longest)]
    for wanted in (
        lambda child: child.tag in HEADINGS,
        lambda child: _TITLE.search((child.attributes.get("class") or "").lower()),
    ):
        named = [(child, length) for child, length in fitting if wanted(child)]
        if named and (best := max(named, key=lambda part: part[1]))[1] >= 0.3 * longest:
            return best[0]
    first = fitting[0][0]
    if len(fitting) > 1 and _is_kicker(shown([first]), shown([fitting[1][0]])):
        return fitting[1][0]
    return first


def is_beside(node: LexborNode) -> bool:
    """True for an element beside a headline: a time, a badge, a kicker, a count, words for screen readers."""
    if node.tag == "time":
        return True
    text = " ".join((node.text() or "").split())
    if not text or len(text) > _DECORATION_LONGEST:
        return False
    if is_time(text) or text.isdigit():
        return True
    if node.tag == "-text":
        return False
    return fold(text) in words("badges") or bool(_BESIDE.search((node.attributes.get("class") or "").lower()))


def says_nothing(text: str) -> bool:
    """True for a text that is no headline wherever it stands: a prompt, a label, a time, a count."""
    folded = fold(text).strip(" :.>»→›|-–")
    return (
        folded in words("furniture")
        or folded in words("end_labels")
        or folded in words("badges")
        or (
            len(folded) < _PROMPT_LONGEST
            and ":" not in folded
            and bool(start(folded, "leads_on") or start(folded, "furniture_starts"))
        )
        or is_label(text)
        or is_sponsored(text)
        or is_time(text)
        or bool(_VACANCY.search(folded))
    )


_VACANCY = re.compile(r"\((?:[mwfdx]\s?[/|]\s?){2}[a-z]{1,3}\)")
"""`(m/w/d)`: every German job advertisement says so."""


def names_topics(text: str) -> bool:
    """True for the label of a list of topics: `Trending topics`, `Es noticia`."""
    return fold(text).strip(" :.") in words("topic_labels")


def is_time(text: str) -> bool:
    """True for what says only when: `2 hours ago`, `vor 18 Stunden`, `1. Februar 2022`, `14:05`."""
    if len(text) > _TIME_LONGEST or not any(map(str.isdigit, text)):
        return False
    if _CLOCK.fullmatch(text.strip()):
        return True
    spoken = _LETTERS.findall(fold(text))
    if spoken and all(word in _time_words() for word in spoken):
        return True
    return sum(len(date.raw) for date in find_dates(text)) > 0.6 * len(text)


_CLOCK = re.compile(r"(?:\d{1,2}[:.h]\d{2}(?::\d{2})?\s?(?:[ap]\.?m\.?|uhr|h)?\s*[|·•-]?\s*)+", re.IGNORECASE)
_LETTERS = re.compile(r"[^\W\d_]+")


@cache
def _time_words() -> frozenset[str]:
    return frozenset(
        word for kind in ("ago", "ago_units", "minutes", "reading") for phrase in words(kind)
        for word in _LETTERS.findall(phrase)
    )  # fmt: skip
