"""Why a page of markup is no article."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from tasks.fields.lexicon import alternation, fold
from tasks.html_blocks import Block
from tasks.html_metadata import Metadata

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
    if size < 1500:
        opening = fold(" ".join(block.raw for block in blocks[:40])[:4000])
        for reason, kind, text in (
            ("not_found", "not_found", heading),
            ("blocked", "blocked", f"{heading} {opening}"),
            ("search", "search_results", heading),
        ):
            if size < _SHORT_BODY or kind == "not_found":
                if re.search(rf"(?<!\w)(?:{alternation(kind)})(?!\w)", text):
                    return reason
        if (
            size < _SHORT_BODY
            and not dated
            and len(re.findall(rf"(?<!\w)(?:{alternation('consent')})(?!\w)", opening)) >= 3
        ):
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


def _is_front(url: str | None) -> bool:
    return bool(url) and urlsplit(url or "").path in ("", "/") and not urlsplit(url or "").query
