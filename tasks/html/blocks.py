"""A parsed page as blocks: paragraph-like elements in page order, with what is known of their place.

Works on the C parser's tree and gives elements and lengths, never text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from selectolax.lexbor import LexborHTMLParser, LexborNode

_UNSEEN = [
    "script", "style", "noscript", "svg", "iframe", "template", "object", "embed", "canvas", "select",
    "button", "input", "textarea", "map", "audio", "video", "dialog", "link", "meta", "head", "img",
    "picture", "nav", "footer",
]  # fmt: skip
"""Elements that hold no text of a story, or none that is shown."""
_INLINE = frozenset((
    "-text", "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "br", "cite", "code", "data", "del", "dfn",
    "em", "font", "i", "img", "ins", "kbd", "label", "mark", "nobr", "q", "rb", "rp", "rt", "ruby", "s",
    "samp", "small", "span", "strike", "strong", "sub", "sup", "time", "tt", "u", "var", "wbr",
))  # fmt: skip
HEADINGS = frozenset(("h1", "h2", "h3", "h4", "h5", "h6"))
_WRAPPERS = frozenset(("a", "span", "label", "font", "ins", "strong", "b", "em"))
_LEAVES = HEADINGS | {"p", "pre", "figcaption", "dt", "summary", "caption"}
_NESTED = ",".join((
    "p", "div", "h1", "h2", "h3", "h4", "h5", "h6", "li", "ul", "ol", "table", "section", "article",
    "blockquote", "header", "footer", "figure", "figcaption", "aside", "main", "dl", "dd", "pre", "form",
    "nav",
))  # fmt: skip
_LONGEST_NOSCRIPT = 5_000
_MOST_DEPTH = 120


NAME_READ = 1_000
"""Characters of a class or an id that are looked at: what caches keep of them is bounded by it."""


@dataclass(slots=True, eq=False)
class Place:
    """An element that holds blocks."""

    node: LexborNode
    tag: str
    parent: Place | None
    named: str
    """Its class and id, in small letters, with a space at both ends."""
    link: str | None = None
    """Target of the link it is or lies in."""
    hidden: bool = False
    """Not shown when the page opens: a folded menu, the second tab of a list."""
    weight: float = 0.0
    """Characters of running text inside."""
    chars: int = 0
    """Characters of any text inside; for an element that is shown, of text that is shown."""
    linked: int = 0


@dataclass(slots=True, eq=False)
class Block:
    """One paragraph-like run of visible text."""

    nodes: list[LexborNode]
    """The element, or the sibling nodes of a run inside a larger element."""
    tag: str
    place: Place
    raw: str
    """The parser's text, white space collapsed: for decisions only."""
    linked: int
    """Characters of it inside links."""
    length: int
    links: list[LexborNode] = field(default_factory=list)

    @property
    def html(self) -> str:
        return "".join(node.html or "" for node in self.nodes)


def segment(tree: LexborHTMLParser) -> list[Block]:
    """Every block of the page, hidden ones too, in page order. Strips what is never seen from the tree."""
    for node in tree.css("noscript"):
        if len(node.text()) > _LONGEST_NOSCRIPT:
            node.unwrap()  # never closed: the page lies in it
    tree.strip_tags(_UNSEEN)
    body = tree.body
    if body is None:
        return []
    blocks: list[Block] = []
    _walk(Place(body, "body", None, ""), blocks)
    for block in blocks:
        place: Place | None = block.place
        hidden = block.place.hidden
        while place is not None and place.hidden == hidden:
            place.chars += block.length
            place.linked += block.linked
            place = place.parent
    return blocks


def _walk(place: Place, blocks: list[Block]) -> None:
    """Append the blocks below `place`.

    Goes down on a stack of its own: running out of memory then ends it at once, where generators within
    generators would swallow the error, one after the other.
    """
    above: list[tuple[Place, LexborNode | None]] = []
    run: list[LexborNode] = []
    child = place.node.first_child
    while True:
        if child is None:
            if run:
                _emit(_whole(run, place), place.tag, place, blocks)
                run = []
            if not above:
                return
            place, child = above.pop()
            continue
        node, child = child, child.next
        tag = node.tag or ""
        if tag in _INLINE or tag.startswith("-"):
            if tag in _WRAPPERS and _holds_blocks(node):
                tag = "div" if tag != "a" else "a"
            else:
                if tag != "-comment":
                    run.append(node)
                continue
        if run:
            _emit(run, "", place, blocks)
            run = []
        if tag in _LEAVES or len(above) > _MOST_DEPTH:
            _emit([node], tag, place, blocks)
            continue
        above.append((place, child))
        place = _entered(node, tag, place)
        child = node.first_child


def _entered(node: LexborNode, tag: str, parent: Place) -> Place:
    attributes = node.attributes
    style = attributes.get("style")
    hidden = (
        parent.hidden
        or "hidden" in attributes
        or attributes.get("aria-hidden") == "true"
        or bool(style and _HIDDEN.search(style))
    )
    classes, own_id = attributes.get("class") or "", attributes.get("id") or ""
    named = f" {classes[:NAME_READ]} {own_id[:NAME_READ]} ".lower()
    if "tag-" in named or "category-" in named:
        named = _TOPICS.sub("", named)
    link = attributes.get("href") if tag == "a" else parent.link
    return Place(node, tag, parent, named, link, hidden)


def _whole(run: list[LexborNode], place: Place) -> list[LexborNode]:
    """The run, or the element it lies in where it is all that this holds."""
    whole = (
        len(run) > 1
        and place.tag in ("li", "div", "td", "dd", "blockquote")
        and run[0].prev is None
        and run[-1].next is None
    )
    return [place.node] if whole else run


def _holds_blocks(node: LexborNode) -> bool:
    """True for an inline element around block-level ones: a card that is a link."""
    first = node.first_child
    if first is None or (first.tag == "-text" and first.next is None):
        return False  # most of them, and quicker to see than by a selector
    return node.css_first(_NESTED) is not None


_TOPICS = re.compile(r"\b(?:tag|category)-[^\s]+")
"""Content systems name an article's topics in its classes: `tag-newsletter` says nothing of the element."""
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.I)


def _emit(nodes: list[LexborNode], tag: str, place: Place, blocks: list[Block]) -> None:
    text = nodes[0].text() if len(nodes) == 1 else " ".join([node.text() or "" for node in nodes])
    raw = " ".join((text or "").split())
    if not raw:
        return
    if place.link is not None:
        blocks.append(Block(nodes, tag, place, raw, len(raw), len(raw)))
        return
    links: list[LexborNode] = []
    for node in nodes:
        if node.tag == "a":
            links.append(node)
        elif node.tag != "-text":
            links += node.css("a")
    linked = sum(len(" ".join(link.text().split())) for link in links)
    blocks.append(Block(nodes, tag, place, raw, min(linked, len(raw)), len(raw), links))
