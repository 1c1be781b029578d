"""Which blocks of a page are the article's body."""

from __future__ import annotations

import re

from tasks.html_blocks import HEADINGS, Block, Place

_OTHER = re.compile(
    r"related|recirc|recommend|newsletter|promo|teaser|sidebar|breadcrumb|cookie|consent|advert|sponsor|most-?read|popular|"
    r"trending|outbrain|taboola|paywall|subscri|comment|disqus|read-?more|readmore|more-?on|also-?read|gallery|slideshow|"
    r"byline|author|caption|credit|copyright|toolbar|sharing|social|follow|signup|sign-up|login|donat|feedback|survey|"
    r"visually-?hidden|screen-?reader|sr-only|print-only|modal|popup|tooltip|overlay|infobox|factbox|"
    r"(?<![a-z])(?:ad|ads|adv|bio|tag|tags|nav|menu|share|meta|date|time|topics?|keywords?|widget|embed|figure|rating|tools?|toc|"
    r"notice|footer|kicker|links?|box)(?![a-z])",
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
    return size >= 60 and block.linked < 0.5 * block.length and block.tag not in HEADINGS or (
        size >= 25 and block.tag == "p" and block.linked < 0.3 * block.length and bool(_SENTENCE_END.search(block.raw))
    )


def is_other(place: Place) -> bool:
    """True for an element that its tag or class sets apart from the body."""
    return place.tag in _OTHER_TAGS or bool(_OTHER.search(place.named) and not _BODY.search(place.named))


def find_body(blocks: list[Block]) -> tuple[Place | None, list[Block]]:
    """The container of the article and its blocks, in page order."""
    running = [block for block in blocks if is_running_text(block) and block.tag != "figcaption"]
    for block in running:
        place: Place | None = block.place
        weight = weigh(block.raw) - 2 * block.linked
        weight *= 1.0 if block.tag in ("p", "") else 0.7
        while place is not None:
            place.weight += weight
            place = place.parent
    if not running:
        return None, []
    root = running[0].place
    while root.parent is not None:
        root = root.parent
    others = _others(running, root.weight)
    weights: dict[Place, float] = {}
    for block in running:
        if others[block.place]:
            continue
        place = block.place
        weight = weigh(block.raw) - 2 * block.linked
        weight *= 1.0 if block.tag in ("p", "") else 0.7
        while place is not None:
            weights[place] = weights.get(place, 0.0) + weight
            place = place.parent
    if not weights:
        return None, []
    total = weights[root]
    container = root
    while True:
        child = max((p for p in weights if p.parent is container), key=lambda p: weights[p], default=None)
        if child is None or weights[child] < 0.75 * total:
            break
        container = child
    inside = [block for block in blocks if _within(block.place, container)]
    others = _others(inside, weights[container], container)
    kept = [block for block in inside if not others[block.place] and _belongs(block)]
    return container, _settle_headings(kept)


def _others(blocks: list[Block], most: float, top: Place | None = None) -> dict[Place, bool]:
    """For the place of each block: does it lie in an element set apart that is not most of the text itself?"""
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
    if block.tag == "figcaption" or block.tag == "h1":
        return False
    if block.linked >= 0.7 * block.length:
        return False
    if block.tag in HEADINGS or is_running_text(block):
        return True
    return block.tag in ("p", "li", "") and block.length >= 2 and block.linked < 0.5 * block.length


def _settle_headings(blocks: list[Block]) -> list[Block]:
    """Without headings that no text follows."""
    kept: list[Block] = []
    follows = False
    for block in reversed(blocks):
        if block.tag in HEADINGS and not follows:
            continue
        follows = block.tag not in HEADINGS
        kept.append(block)
    return kept[::-1]
