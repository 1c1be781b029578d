"""What a page declares about itself: JSON-LD, OpenGraph and other `meta`, microdata, `link`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson
from selectolax.lexbor import LexborHTMLParser

from tasks.clean import html_text, letters

_ARTICLE = re.compile(r"(?:article|posting|report|review|analysis)$", re.I)
_NOT_NEWS = ("ItemList", "CollectionPage", "SearchResultsPage")
_ITEMS = ",".join(f'[itemprop="{name}"]' for name in ("datePublished", "dateModified", "author"))
_MOST_DEPTH = 8
_MOST_NODES = 2_000
LONGEST_TITLE = 1_000
"""Characters of a declared title that are read; a longer one is no title."""


@dataclass(slots=True)
class Metadata:
    """Declared values by source; texts are plain."""

    article: dict[str, Any] = field(default_factory=dict)
    """The JSON-LD object of the article, {} where there is none."""
    types: set[str] = field(default_factory=set)
    """Every JSON-LD type on the page."""
    crumbs: list[str] = field(default_factory=list)
    """Breadcrumb names, outermost first."""
    nodes: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Named JSON-LD objects by @id, for references."""
    meta: dict[str, list[str]] = field(default_factory=dict)
    """`name`, `property` or `itemprop` of a `meta`, in small letters, to its contents in page order."""
    items: dict[str, list[str]] = field(default_factory=dict)
    """Microdata: `itemprop` to its values in page order, for the few properties that articles use."""
    title: str | None = None
    language: str | None = None
    canonical: str | None = None

    def first(self, *names: str) -> str | None:
        """The first non-empty `meta` content under any of these names, in order of the names."""
        for name in names:
            for value in self.meta.get(name, ()):
                if value:
                    return value
        return None

    @property
    def labelled(self) -> list[str]:
        """`Label: value` for the pairs that pages declare for previews, such as a reading time."""
        return [
            f"{label}: {value}"
            for number in "12"
            for label in self.meta.get(f"twitter:label{number}", ())[:1]
            for value in self.meta.get(f"twitter:data{number}", ())[:1]
        ]

    def text(self, *names: str) -> str | None:
        """The first string of the article's JSON-LD object under any of these keys, plain."""
        for name in names:
            for value in _each(self.article.get(name)):
                if isinstance(value, str) and (found := html_text(value)):
                    return found
        return None

    @property
    def titles(self) -> list[str]:
        """What is declared as the article's title, the likeliest first."""
        declared = (self.text("headline"), self.first("og:title"), self.title)
        return [title[:LONGEST_TITLE] for title in declared if title]

    @property
    def organisations(self) -> set[str]:
        """Folded names of the authors that are declared to be organisations."""
        found = set()
        for value in _each(self.article.get("author")):
            if isinstance(value, dict) and "Organization" in str(value.get("@type")):
                found |= {letters(name) for name in _each(value.get("name")) if isinstance(name, str)}
        return found

    def names(self, *keys: str) -> list[str]:
        """Names of persons or organisations under these keys, in order, each once."""
        found: dict[str, None] = {}
        for key in keys:
            for value in _each(self.article.get(key)):
                if isinstance(value, dict):
                    value = value if "name" in value else self.nodes.get(str(value.get("@id")), {})
                    value = next((v for v in _each(value.get("name")) if isinstance(v, str)), "")
                if isinstance(value, str) and (name := html_text(value)):
                    found[name] = None
        return list(found)


def read_metadata(tree: LexborHTMLParser) -> Metadata:
    """Everything declared in a parsed page. Call before scripts are stripped from the tree."""
    data = Metadata()
    for node in tree.css("meta[content]"):
        attributes = node.attributes
        name = attributes.get("property") or attributes.get("name") or attributes.get("itemprop")
        if name:
            value = html_text(attributes.get("content") or "")
            data.meta.setdefault(name.lower(), []).append(value)
    for node in tree.css(_ITEMS):
        attributes = node.attributes
        value = attributes.get("content") or attributes.get("datetime") or html_text(node.html or "")
        if value and len(value) < 400:
            data.items.setdefault(attributes.get("itemprop") or "", []).append(value)
    title = tree.css_first("head > title") or tree.css_first("title")
    data.title = html_text(title.html or "") if title else None
    root = tree.root
    data.language = (root.attributes.get("lang") or root.attributes.get("xml:lang")) if root else None
    link = tree.css_first('link[rel~="canonical"][href]')
    data.canonical = link.attributes.get("href") if link else None
    _read_json_ld(tree, data)
    return data


def _read_json_ld(tree: LexborHTMLParser, data: Metadata) -> None:
    articles: list[dict[str, Any]] = []
    for script in tree.css('script[type*="ld+json"]'):
        value = _tolerant_json(script.text())
        for count, node in enumerate(_objects(value, 0)):
            if count > _MOST_NODES:
                break
            types = {str(t) for t in _each(node.get("@type"))}
            data.types |= types
            identifier = node.get("@id")
            if isinstance(identifier, str) and "name" in node:
                data.nodes.setdefault(identifier, node)
            if "BreadcrumbList" in types:
                data.crumbs = data.crumbs or _crumbs(node)
            elif any(_ARTICLE.search(t) for t in types) and ("headline" in node or "datePublished" in node):
                articles.append(node)
    if articles:
        data.article = max(
            articles,
            key=lambda a: bool(a.get("headline")) + bool(a.get("datePublished")) + bool(a.get("author")),
        )


def _tolerant_json(text: str) -> Any:
    """JSON as pages write it: in comment marks, with bare line breaks, with commas too many."""
    text = text.strip().removeprefix("<!--").removeprefix("//<![CDATA[").removeprefix("<![CDATA[")
    text = text.removesuffix("-->").removesuffix("//]]>").removesuffix("]]>").strip().rstrip(";")
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        pass
    for candidate in (text, re.sub(r",(\s*[}\]])", r"\1", text)):
        try:
            return json.loads(candidate, strict=False)
        except (ValueError, RecursionError):
            continue
    return None


def _objects(value: Any, depth: int) -> Iterator[dict[str, Any]]:
    """Every object of a JSON-LD value, outer before inner, lists inside `itemListElement` left out."""
    if depth > _MOST_DEPTH:
        return
    if isinstance(value, list):
        for item in value:
            yield from _objects(item, depth + 1)
    elif isinstance(value, dict):
        yield value
        for key, item in value.items():
            if isinstance(item, (dict, list)) and key not in (
                "itemListElement",
                "comment",
                "hasPart",
                "citation",
            ):
                yield from _objects(item, depth + 1)


def _crumbs(node: dict[str, Any]) -> list[str]:
    found = []
    for item in _each(node.get("itemListElement")):
        if isinstance(item, dict):
            inner = item.get("item")
            name = item.get("name") or (inner.get("name") if isinstance(inner, dict) else None)
            if isinstance(name, str):
                found.append(html_text(name))
    return found


def _each(value: Any) -> Iterator[Any]:
    if isinstance(value, list):
        yield from value
    elif value is not None:
        yield value
