"""Which blocks of a page are the article's body."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from tasks.clean import letters
from tasks.fields import lexicon
from tasks.fields.dates import find_dates
from tasks.fields.people import strip_byline_start
from tasks.html.blocks import HEADINGS, Block, Place

_OTHER = re.compile(
    r"related|recirc|recommend|newsletter|promo|teaser|sidebar|breadcrumb|cookie|consent|advert|sponsor|most-?read|popular|"
    r"trending|outbrain|taboola|paywall|subscri|comment|disqus|read-?more|readmore|more-?on|also-?read|gallery|slideshow|"
    r"byline|author|caption|credit|copyright|toolbar|sharing|social|follow|signup|sign-up|login|donat|feedback|survey|"
    r"visually-?hidden|screen-?reader|sr-only|print-only|modal|popup|tooltip|overlay|infobox|factbox|"
    r"(?<![a-z])(?:ad|ads|adv|bio|tags|tag-?list|nav|menu|share|figure|rating|tools?|toc|"
    r"footer|kicker)(?![a-z])",
)
_BODY = re.compile(
    r"article-?_?-?(?:body|content|text|copy)|articlebody|story-?_?-?(?:body|content|text)|entry-?_?content|post-?_?(?:content|body|text)|"
    r"body-?_?(?:content|text|copy)|main-?content|content-?_?body|richtext|rich-text|paragraph"
)
_OTHER_TAGS = frozenset(("nav", "footer", "aside", "figure", "form", "address", "menu", "table"))
_SENTENCE_END = re.compile(r"[.!?…:;。！？।؟۔»”\"’'）)]\s*$")
_WIDE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")


def weigh(text: str) -> int:
    """Length of a text in letters of an alphabet: an ideograph says about three times as much."""
    return len(text) + 2 * len(_WIDE.findall(text))


def is_running_text(block: Block) -> bool:
    """True for a block that reads like a sentence of prose, not like a link, a label or a button."""
    size = weigh(block.raw)
    return (size >= 60 and block.linked < 0.5 * block.length and block.tag not in HEADINGS) or (
        size >= 25
        and block.tag == "p"
        and block.linked < 0.3 * block.length
        and bool(_SENTENCE_END.search(block.raw))
    )


def is_other(place: Place) -> bool:
    """True for an element that its tag or class sets apart from the body."""
    return place.tag in _OTHER_TAGS or _is_named_other(place.named)


@lru_cache(maxsize=4096)  # many elements share their classes
def _is_named_other(named: str) -> bool:
    return bool(_OTHER.search(named)) and not _BODY.search(named)


@dataclass(slots=True)
class Body:
    """Where the article is: blocks in page order."""

    container: Place | None = None
    heading: Block | None = None
    """The element that shows the article's title."""
    standfirst: list[Block] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    """The paragraphs after the standfirst, subheads and list items included."""


def find_body(blocks: list[Block], titles: Sequence[str] = (), description: str | None = None) -> Body:
    """Choose container, heading, standfirst and body among a page's blocks.

    Args:
        titles: what the page declares as the article's title, the likeliest first; tell its heading.
        description: its declared summary; tells a standfirst that is set apart.
    """
    running = [block for block in blocks if block.tag != "figcaption" and is_running_text(block)]
    heading = find_heading(blocks, titles)
    if not running:
        return Body(heading=heading)
    for block in running:
        _add(block, None)
    root = running[0].place
    while root.parent is not None:
        root = root.parent
    others = _others(running, root.weight)
    weights: dict[Place, float] = {}
    for block in running:
        if not others[block.place]:
            _add(block, weights)
    if not weights:  # not everything can be set apart: names mislead on this page
        for block in running:
            _add(block, weights)
    container = root
    while True:
        child = max((p for p in weights if p.parent is container), key=weights.__getitem__, default=None)
        if child is None or weights[child] < 0.75 * weights[root]:
            break
        container = child
    inside = [block for block in blocks if _within(block.place, container)]
    others = _others(inside, weights[container], container)
    counted = Counter(_kind(block) for block in inside if is_running_text(block) and not others[block.place])
    kinds = {kind for kind, count in counted.items() if count >= 3}
    chosen = [
        block
        for block in inside
        if not others[block.place]
        and block is not heading
        and (
            _belongs(block)
            or (_kind(block) in kinds and not is_furniture(block.raw) and block.linked < 0.5 * block.length)
        )
        and not _in_card(block, container)
    ]
    chosen = _below_heading(_first_story(chosen, inside, heading), blocks, heading)
    if heading is None and chosen:
        heading = _heading_above(blocks, chosen[0])
    body = Body(container, heading, blocks=_settle_headings(_without_credits(chosen)))
    _find_standfirst(body, blocks, _others(blocks, weights[container]), description)
    return body


def _below_heading(chosen: list[Block], blocks: list[Block], heading: Block | None) -> list[Block]:
    """Without what stands above the article's heading, where most of the text stands below it."""
    if heading is None:
        return chosen
    above = set(blocks[: blocks.index(heading)])
    below = [block for block in chosen if block not in above]
    return below if 2 * sum(b.length for b in below) > sum(b.length for b in chosen) else chosen


def _without_credits(blocks: list[Block]) -> list[Block]:
    """Without bylines and date lines at the text's start and end."""
    edges = {*blocks[:5], *blocks[-2:]}
    return [
        block
        for block in blocks
        if block not in edges or block.tag in HEADINGS or not _is_credit_line(block.raw)
    ]


def _is_credit_line(text: str) -> bool:
    """True for a short line that is a byline or mostly a date."""
    if len(text) > 120:
        return False
    if len(text.split()) <= 12 and not _SENTENCE_END.search(text) and strip_byline_start(text)[1]:
        return True
    if _SENTENCE_END.search(text):
        return False
    digits = sum(map(str.isdigit, text))
    if digits >= 6 and len(text) <= 100 and _YEAR.search(text):
        return True
    return digits > 0 and sum(len(date.raw) for date in find_dates(text)) > 0.35 * len(text)


_YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")


def _first_story(chosen: list[Block], inside: list[Block], heading: Block | None) -> list[Block]:
    """Without a second article that follows the first on one page under a heading of its own."""
    position = {block: index for index, block in enumerate(inside)}
    seen = 0
    for block in inside:
        if block.tag == "h1" and block is not heading and seen > 400:
            return [other for other in chosen if position[other] < position[block]]
        if is_running_text(block):
            seen += weigh(block.raw)
    return chosen


def _find_standfirst(
    body: Body, blocks: list[Block], others: dict[Place, bool], description: str | None
) -> None:
    """Find the summary that stands between heading and body, or opens the body."""
    if not body.blocks:
        return
    position = {block: index for index, block in enumerate(blocks)}
    start = position[body.blocks[0]]
    first = position[body.heading] + 1 if body.heading else start
    wanted = letters(description or "")
    between = blocks[first:start] if start - first <= 60 else []
    before: list[Block] = []
    for distance, block in enumerate(between):
        if block.tag in ("figcaption", "h1") or block.linked > 0.5 * block.length:
            continue
        if distance < 2 and block.tag in ("h2", "h3", "h4") and weigh(block.raw) >= 80:
            body.standfirst.append(block)
            continue
        if _tells(block, wanted) and not (body.container and _in_card(block, body.container)):
            body.standfirst.append(block)
        elif is_running_text(block) and not others[block.place] and not is_caption(block):
            before.append(block)
    shown = {letters(block.raw) for block in body.standfirst}
    if (
        not body.standfirst
        and before
        and (first_named := next((b for b in before if _STANDFIRST.search(_names(b))), None))
    ):
        body.standfirst.append(first_named)
        before.remove(first_named)
    body.blocks = [block for block in before + body.blocks if letters(block.raw) not in shown]
    if not body.standfirst and len(body.blocks) > 1:
        lead = next((b for b in body.blocks[:3] if _tells(b, wanted) or _STANDFIRST.search(_names(b))), None)
        if lead is not None and not (
            wanted and letters(lead.raw).startswith(wanted[:-3]) and len(letters(lead.raw)) > len(wanted) + 20
        ):
            body.standfirst.append(lead)
            body.blocks.remove(lead)


_STANDFIRST = re.compile(
    r"standfirst|stand-first|(?<![a-z])(?:lead|lede|lead-?text|dek|deck|intro|ingress|vorspann|chapo|entradilla|bajada|sommario|"
    r"occhiello|abstract|excerpt|summary|sub-?title|subtitulo|sub-?head(?:line|ing)?|untertitel|teaser-?text|description|perex|anons)(?![a-z])|"
    r"(?:article|post|story|entry)[-_]*(?:lead|intro|summary|subtitle|excerpt|description|dek|teaser)"
)


def _names(block: Block) -> str:
    node = block.nodes[0]
    attributes = node.attributes
    own = f" {attributes.get('class') or ''} {attributes.get('itemprop') or ''} ".lower()
    return own + block.place.named


def _tells(block: Block, description: str) -> bool:
    """True when block and declared summary say the same, one perhaps cut short."""
    shown = letters(block.raw)
    if len(shown) < 20 or len(description) < 20:
        return False
    size = min(len(shown), len(description)) - 3
    return shown[:size] == description[:size] and size > 0.4 * len(shown)


def is_caption(block: Block) -> bool:
    """True for a text that ends in a picture credit."""
    return block.length < 400 and bool(_CREDIT.search(block.raw[-80:]))


_CREDIT = re.compile(
    r"(?:©|\(c\)|(?:\b(?:photo|foto|fotograf|bild|image|imagen|picture|credit|quelle|source|crédit|crédits|zdj|fot|fotó|kuva)\b\s*[:/.|(]))",
    re.I,
)


def find_heading(blocks: list[Block], titles: Sequence[str]) -> Block | None:
    """The heading that shows a declared title, else the first h1 of the page."""
    headings = [(block, letters(block.raw)) for block in blocks if {block.tag, block.place.tag} & HEADINGS]
    for wanted in filter(None, map(letters, titles)):
        fitting = [
            block
            for block, shown in headings
            if shown and (shown in wanted or wanted in shown) and 2 * len(shown) > len(wanted)
        ]
        if fitting:
            return next((block for block in fitting if "h1" in (block.tag, block.place.tag)), fitting[0])
    return next((block for block in blocks if block.tag == "h1"), None)


def _heading_above(blocks: list[Block], first: Block) -> Block | None:
    """A heading a little above the text, where none shows what the page declares."""
    end = blocks.index(first)
    near = [
        block for block in blocks[max(0, end - 10) : end] if block.tag in ("h2", "h3") and not block.linked
    ]
    return near[0] if near else None


def is_furniture(text: str) -> bool:
    """True for prompts, buttons, sign-offs: "Subscribe to …", "Share", "Reporting by …"."""
    if len(text) > 240:
        return False
    folded = lexicon.fold(text).strip(" :.>»→")
    return (
        folded in lexicon.words("furniture")
        or folded in lexicon.words("list_labels")
        or folded in lexicon.words("end_labels")
        or bool(lexicon.start(folded, "furniture_starts"))
        or bool(lexicon.start(folded, "signoff_starts"))
        or (len(folded) < 100 and bool(lexicon.start(folded, "end_starts")))
    )


def _add(block: Block, weights: dict[Place, float] | None) -> None:
    weight = max(0.0, weigh(block.raw) - 2.0 * block.linked) * (1.0 if block.tag in ("p", "") else 0.7)
    place: Place | None = block.place
    while place is not None:
        if weights is None:
            place.weight += weight
        else:
            weights[place] = weights.get(place, 0.0) + weight
        place = place.parent


def _kind(block: Block) -> tuple[str, str, str]:
    """What the paragraphs of one text have in common: how they are tagged and named."""
    return block.tag, block.place.named, block.place.parent.named if block.place.parent else ""


def _in_card(block: Block, container: Place) -> bool:
    """True in a small element that is largely link: the teaser of another story."""
    place = block.place
    while place is not container and place.parent is not None:
        if (
            place.linked > 0.3 * place.chars
            and place.chars - place.linked < 400
            and place.weight < 0.3 * container.weight
        ):
            return True
        place = place.parent
    return False


def _others(blocks: list[Block], most: float, top: Place | None = None) -> dict[Place, bool]:
    """For each block's place: does it lie in an element set apart that is not itself most of the text?"""
    known: dict[Place, bool] = {}

    def decide(place: Place) -> bool:
        if place in known:
            return known[place]
        if place is top or place.parent is None:
            found = False
        else:
            found = (is_other(place) and place.weight < 0.5 * most) or decide(place.parent)
        known[place] = found
        return found

    for block in blocks:
        decide(block.place)
    return known


def _within(place: Place | None, container: Place) -> bool:
    while place is not None:
        if place is container:
            return True
        place = place.parent
    return False


def _belongs(block: Block) -> bool:
    """True for what can be part of a text: prose, a subhead, an item; no link list, caption or prompt."""
    if block.tag in ("figcaption", "h1") or is_furniture(block.raw):
        return False
    if is_caption(block) and not _SENTENCE_END.search(block.raw):
        return False
    unlinked = block.length - block.linked
    if block.tag == "p" and (unlinked >= 60 or (unlinked >= 40 and _SENTENCE_END.search(block.raw))):
        return True
    if block.linked >= 0.6 * block.length:
        return False
    return (
        block.tag in HEADINGS
        or is_running_text(block)
        or (block.tag in ("p", "li", "") and block.length >= 2 and block.linked < 0.5 * block.length)
    )


def _settle_headings(blocks: list[Block]) -> list[Block]:
    """Without headings that no text follows."""
    kept: list[Block] = []
    follows = False
    for block in reversed(blocks):
        if (
            block.tag in HEADINGS
            and not follows
            and not (block.length >= 50 and _SENTENCE_END.search(block.raw))
        ):
            continue
        follows = True
        kept.append(block)
    return kept[::-1]
