"""Why a page of markup is no article."""

from __future__ import annotations

import re
from functools import cache

from tasks.fields.lexicon import alternation, fold
from tasks.html.blocks import Block
from tasks.html.metadata import Metadata

_SHORT_BODY = 350
"""Characters of body below which a page must show in another way that it is an article."""
_LIST_TYPES = frozenset(("CollectionPage", "ItemList", "SearchResultsPage", "ProfilePage"))


def why_no_article(
    data: Metadata,
    blocks: list[Block],
    body: list[str],
    title: str | None,
    dated: bool,
    headlines: int,
    url: str | None,
) -> str | None:
    """None for an article, else `not_found`, `consent`, `blocked`, `search`, `video`, `listing`, `empty`.

    Args:
        dated: the page states or shows a publication time.
        headlines: how many headlines of other stories it lists.
    """
    size = sum(map(len, body))
    heading = fold(f"{title or ''} {data.title or ''}")
    if not dated or size < 120:
        if size < 1500 and _says_not_found(heading):
            return "not_found"
        if _says("search_results", heading):
            return "search"
    if size < _SHORT_BODY and not dated:
        opening = fold(" ".join(block.raw for block in blocks[:40])[:4000])
        if _says("blocked", f"{heading} {opening}"):
            return "blocked"
        if len(_pattern("consent").findall(opening)) >= 3:
            return "consent"
    declared = bool(data.article) or data.first("og:type") == "article"
    if size < 120 and (
        ("VideoObject" in data.types and not data.article)
        or (data.first("og:type") or "").startswith("video")
    ):
        return "video"
    if not body:
        return "listing" if headlines >= 5 else "empty"
    if declared and (dated or size >= _SHORT_BODY) and not _is_front(url):
        return None
    if _is_front(url) or (data.types & _LIST_TYPES and not dated):
        return "listing"
    if size < _SHORT_BODY and headlines >= (3 if size < 120 else 8) and not dated:
        return "listing"
    return None


def _says_not_found(heading: str) -> bool:
    """True for `404` alone or in front of a mark, `Page not found` anywhere; not for flight 404."""
    found = {match.group() for match in _pattern("not_found").finditer(heading)}
    return bool(found - {"404"}) or _STATUS.match(heading) is not None


_STATUS = re.compile(r"404(?!\s?\w)")


def _says(kind: str, folded: str) -> bool:
    return bool(_pattern(kind).search(folded))


@cache
def _pattern(kind: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w)(?:{alternation(kind)})(?!\w)")


def _is_front(url: str | None) -> bool:
    return bool(url and _FRONT.fullmatch(url))


_FRONT = re.compile(r"https?://[^/?#]+/?(?:#.*)?", re.IGNORECASE)
