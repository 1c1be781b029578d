"""Invented page texts in real layouts: that their gold is sound, and how well they are read."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any

import pytest

LAYOUTS = Path(__file__).parent / "pages" / "layouts"
NAMES = sorted(path.stem for path in LAYOUTS.glob("*.json"))

KEYS = {
    "is_article", "title", "summary", "authors", "published_at", "section", "read_minutes", "agency",
    "image_caption", "image_credit", "body", "headlines", "language", "notes",
}  # fmt: skip
OPTIONAL_KEYS = {"accept", "body_optional", "extra_captions", "body_as_one", "headlines_optional"}


def page_text(name: str) -> str:
    return (LAYOUTS / f"{name}.txt").read_bytes().decode("utf-8", "replace")


def gold_of(name: str) -> dict[str, Any]:
    gold: dict[str, Any] = json.loads((LAYOUTS / f"{name}.json").read_text(encoding="utf-8"))
    return gold


def folded(text: str) -> str:
    """Text as a reader sees it: no stray tags or control characters, white space collapsed."""
    without_tags = re.sub(r"</?(?:b|i|em|strong|a|span)\b[^<>]{0,200}>", "", text)
    without_tags = re.sub(r"</?(?:p|br)\b[^<>]{0,200}>", " ", without_tags)
    decoded = html.unescape(html.unescape(without_tags))
    return " ".join(re.sub(r"[\x00-\x08\x0b-\x1f\x7f\u00ad\u200b]", "", decoded).split())


@pytest.mark.parametrize("name", NAMES)
def test_the_gold_is_on_its_page(name: str) -> None:
    gold, shown = gold_of(name), folded(page_text(name))
    assert KEYS <= gold.keys() <= KEYS | OPTIONAL_KEYS
    texts = [gold["title"], gold["summary"], gold["section"], gold["agency"], gold["image_caption"]]
    texts += [*gold["authors"], *gold["body"], *gold.get("body_optional", ())]
    texts += [*gold.get("extra_captions", ()), *gold.get("headlines_optional", ())]
    for headline in gold["headlines"]:
        assert headline.keys() == {"text", "label", "byline"}
        texts += headline.values()
    assert [text for text in texts if text is not None and folded(text) not in shown] == []
    headlines = [headline["text"] for headline in gold["headlines"]]
    assert len(set(headlines)) == len(headlines)
    assert gold["title"] not in headlines
    assert gold["body"] if gold["is_article"] else not gold["body"]
