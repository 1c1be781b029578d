"""Invented page texts in real layouts: that their gold is sound, and how well they are read."""

from __future__ import annotations

import html
import json
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tasks.extract import extract_page

LAYOUTS = Path(__file__).parent / "pages" / "layouts"
NAMES = sorted(path.stem for path in LAYOUTS.glob("*.json"))

KEYS = {
    "is_article", "title", "summary", "authors", "published_at", "section", "read_minutes", "agency",
    "image_caption", "image_credit", "body", "headlines", "language", "notes",
}  # fmt: skip
OPTIONAL_KEYS = {"accept", "body_optional", "extra_captions", "body_as_one"}


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
    texts += [*gold.get("extra_captions", ())]
    for headline in gold["headlines"]:
        assert headline.keys() == {"text", "label", "byline"}
        texts += headline.values()
    assert [text for text in texts if text is not None and folded(text) not in shown] == []
    headlines = [headline["text"] for headline in gold["headlines"]]
    assert len(set(headlines)) == len(headlines)
    assert gold["title"] not in headlines
    assert gold["body"] if gold["is_article"] else not gold["body"]


@dataclass(slots=True)
class Counts:
    """What was found of what there is."""

    right: int = 0
    found: int = 0
    there: int = 0

    def __iadd__(self, other: Counts) -> Counts:
        self.right += other.right
        self.found += other.found
        self.there += other.there
        return self

    @property
    def precision(self) -> float:
        return self.right / self.found if self.found else 1.0

    @property
    def recall(self) -> float:
        return self.right / self.there if self.there else 1.0

    @property
    def f1(self) -> float:
        return 2 * self.right / (self.found + self.there) if self.found + self.there else 1.0


def overlap(found: Counter[str], there: Counter[str]) -> Counts:
    return Counts((found & there).total(), found.total(), there.total())


def shingles(paragraphs: list[str], size: int = 12) -> Counter[str]:
    """Runs of `size` characters, white space left out: languages that part no words count alike."""
    runs: Counter[str] = Counter()
    for paragraph in paragraphs:
        text = "".join(folded(paragraph).split())
        runs.update(text[start : start + size] for start in range(max(1, len(text) - size + 1)))
    return runs


def score(name: str) -> tuple[Counts, Counts]:
    """Headlines by their text, each once; the body by shingles, optional paragraphs aside."""
    gold, record = gold_of(name), extract_page(page_text(name))
    headlines = overlap(
        Counter({folded(each.text) for each in record.headlines}),
        Counter({folded(each["text"]) for each in gold["headlines"]}),
    )
    optional = {folded(text) for text in gold.get("body_optional", ())}
    body = [text for text in record.body if folded(text) not in optional]
    return headlines, overlap(shingles(body), shingles(gold["body"]))


def table(scores: dict[str, tuple[Counts, Counts]]) -> str:
    return "\n".join(
        f"{name:<40} headlines {headlines.precision:.3f} {headlines.recall:.3f}"
        f" ({headlines.right}/{headlines.found}/{headlines.there})  body {body.f1:.3f}"
        for name, (headlines, body) in scores.items()
    )


# Precision and recall of the headlines, and F1 of the body, over all cases of a set together.
FLOORS = {"d": (0.95, 0.96, 0.93), "h": (0.92, 0.94, 0.90), "x": (0.94, 0.96, 0.90), "y": (0.88, 0.97, 0.90)}


@pytest.mark.parametrize("chosen", sorted(FLOORS))
def test_the_layouts_are_read(chosen: str) -> None:
    scores = {name: score(name) for name in NAMES if name.startswith(chosen)}
    headlines, body = Counts(), Counts()
    for of_headlines, of_body in scores.values():
        headlines += of_headlines
        body += of_body
    scores["all"] = (headlines, body)
    print(table(scores))
    reached = (headlines.precision, headlines.recall, body.f1)
    assert all(value >= floor for value, floor in zip(reached, FLOORS[chosen], strict=True)), table(scores)
