"""Where on a parsed page the article and the lists of other stories are.

Works on the C parser's tree and gives elements, never text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from selectolax.lexbor import LexborHTMLParser, LexborNode

_DROPPED_TAGS = ["script", "style", "noscript", "svg", "iframe", "template", "object", "embed", "canvas", "select",
                 "button", "input", "textarea", "map", "audio", "video", "dialog", "link", "meta"]  # fmt: skip
_OUTSIDE = re.compile(
    r"(?:^|[\s_-])(?:comment|comments|disqus|related|recirc|recommend\w*|newsletter|promo\w*|share|sharing|social\w*|"
    r"sidebar|footer|breadcrumbs?|cookie\w*|consent|advert\w*|ad|ads|sponsor\w*|teaser\w*|most-?read|popular|trending|"
    r"caption|gallery|byline|author|authors|bio|tags?|toolbar|nav|menu|paywall|subscribe|subscription|outbrain|taboola|"
    r"hidden|sr-only|visually-hidden|print-only|modal|popup|more-?on)(?:$|[\s_-])",
    re.I,
)
_OUTSIDE_TAGS = {"nav", "footer", "aside", "figure", "figcaption", "form", "address", "menu"}
_BLOCKS = {"p", "h2", "h3", "h4", "h5", "h6", "li", "blockquote", "pre", "td", "th", "dt", "dd"}


@dataclass(slots=True)
class Region:
    """The article's container and its body blocks in page order."""

    container: LexborNode | None = None
    blocks: list[LexborNode] = field(default_factory=list)
    inside: set[int] = field(default_factory=set)


def prune(tree: LexborHTMLParser) -> None:
    """Drop what no reader sees as text."""
    tree.strip_tags(_DROPPED_TAGS)


def is_outside(node: LexborNode) -> bool:
    """True for an element that by its tag or class holds no body text."""
    tag = node.tag
    if tag in _OUTSIDE_TAGS:
        return True
    if tag in ("body", "html", "main", "article"):
        return False
    attributes = node.attributes
    named = attributes.get("class")
    if named and _OUTSIDE.search(named):
        return True
    named = attributes.get("id")
    return bool(named and _OUTSIDE.search(named))


def find_region(tree: LexborHTMLParser) -> Region:
    """The deepest element that holds most of the paragraph text outside of boilerplate."""
    outside: dict[int, bool] = {}

    def under_outside(node: LexborNode | None) -> bool:
        if node is None or node.tag in ("html", "body"):
            return False
        key = node.mem_id
        if key not in outside:
            outside[key] = is_outside(node) or under_outside(node.parent)
        return outside[key]

    weights: dict[int, float] = {}
    total = 0.0
    first: LexborNode | None = None
    best = 0.0
    for node in tree.css("p"):
        text = node.text()
        length = len(text.strip())
        if length < 40 or under_outside(node):
            continue
        linked = sum(len(a.text()) for a in node.css("a"))
        weight = max(0.0, length - 2 * linked)
        total += weight
        if weight > best:
            best, first = weight, node
        parent = node.parent
        while parent is not None:
            weights[parent.mem_id] = weights.get(parent.mem_id, 0.0) + weight
            parent = parent.parent
    if first is None:
        return Region()
    container = first.parent
    while (
        container is not None
        and container.parent is not None
        and weights.get(container.mem_id, 0.0) < 0.8 * total
    ):
        container = container.parent
    region = Region(container)
    if container is not None:
        _collect(container, region, 0)
    return region


def _collect(node: LexborNode, region: Region, depth: int) -> None:
    for child in node.iter():
        tag = child.tag
        if tag in _BLOCKS:
            if tag != "li" or not child.css_first("p"):
                region.blocks.append(child)
                continue
        if is_outside(child) or depth > 60:
            continue
        _collect(child, region, depth + 1)


def find_headlines(tree: LexborHTMLParser, region: Region) -> list[LexborNode]:
    found = []
    for node in tree.css("a[href]"):
        if len(node.text().strip()) < 20:
            continue
        parent = node.parent
        skip = False
        while parent is not None:
            if parent.tag in ("nav", "header", "footer", "p"):
                skip = True
                break
            parent = parent.parent
        if not skip:
            found.append(node)
    return found
