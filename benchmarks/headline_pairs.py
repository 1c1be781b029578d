"""How well `group_headlines` collapses variants and keeps other news apart, on labelled pairs.

    python benchmarks/headline_pairs.py [PAIRS.jsonl[.gz] ...] [--show]

Each line holds `label` (1 = one headline, 0 = other news), `kind`, `a`, `b` and, where known, the hosts
`domain_a` and `domain_b`. Two titles of one link are often rewordings, which no text can tell from other
news; so recall is given twice: over all positives, and over those that **count**. A positive pair counts
when, by the few lines below, which share nothing with the code under test,

- the texts have the same words, in letters, digits and question marks, in one case and one Unicode form; or
- one ends in …, ... or […], and what stands before it (15 characters or more) begins the other; or
- they are the same, as above, once one or two segments are taken off one end of either, parted from it by
  `|`, a spaced `-`, `–`, `—`, `--`, `·`, `•`, `»`, `/`, `//` or a full-width colon, and those segments name
  the site (their letters contain a label of the host, or a label begins with them) or are one of `SITES`; or
- they are the same without one of `LABELS` in front, before a colon or such a mark, or without a comma and a
  date in figures behind.

A file whose lines have no hosts was written for this purpose: all its positives count.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.dedupe import group_headlines

ROOT = Path(__file__).parents[1]
DEFAULT = (
    ROOT.parent / "shared" / "eval" / "dev" / "headline_pairs.jsonl.gz",
    ROOT / "tests" / "headline_pairs.jsonl",
)
SITES = {"朝日新聞デジタル", "東京新聞デジタル", "読売新聞", "毎日新聞", "AFPBB News"}
"""Names of sites in a script that no host is written in."""
LABELS = frozenset(
    [
        *("video", "vídeo", "vidéo", "live", "watch", "photos", "exclusive", "breaking", "update", "updated"),
        *("opinion", "opinión", "analysis", "análisis", "kommentar", "related", "news", "pressemitteilung"),
    ]
)
_SEPARATOR = re.compile(r"\s*[|：]\s*|\s+(?:--|//|[-–—·•»/])\s+")
_COLON = re.compile(r":\s+")
_CUT = re.compile(r"\s*(?:…|\.{3}|\[…\]|\[\.{3}\])\s*$")
_DATE = re.compile(r",?\s*\d{1,2}[./]\d{1,2}[./]\d{4}$")
_LEAST = 15


def plain(text: str) -> str:
    """The words of a text: letters, digits and question marks, in one case and one Unicode form."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    spaced = "".join(sign if sign.isalnum() or sign == "?" else " " for sign in folded if sign != "\xad")
    return " ".join(spaced.split())


def counts(pair: dict[str, Any]) -> bool:
    """True where the texts of a pair differ only in what a site writes around a headline."""
    if "domain_a" not in pair:
        return True
    labels = [label for side in ("domain_a", "domain_b") for label in pair[side].split(".")[:-1]]
    names = {label.replace("-", "") for label in labels if len(label) > 2} - {"www", "com", "org", "net"}
    one, other = pair["a"], pair["b"]
    if not _forms(one, names).isdisjoint(_forms(other, names)):
        return True
    return _is_cut(one, other) or _is_cut(other, one)


def _is_cut(text: str, full: str) -> bool:
    stem = plain(_CUT.sub("", text))
    return bool(_CUT.search(text)) and len(stem) >= _LEAST and plain(full).startswith(stem)


def _forms(text: str, names: set[str]) -> set[str]:
    """The words of a text, and those without what stands at one of its ends, for each of them that may go."""
    return {plain(text), *_stripped(text, names)}


def _stripped(text: str, names: set[str]) -> Iterator[str]:
    marks = list(_SEPARATOR.finditer(text))
    for mark in marks[-2:]:
        if _names_site(text[mark.end() :], names):
            yield plain(text[: mark.start()])
    for mark in marks[:2]:
        if _names_site(text[: mark.start()], names):
            yield plain(text[mark.end() :])
    for mark in [*marks[:1], *list(_COLON.finditer(text))[:1]]:
        if text[: mark.start()].casefold() in LABELS:
            yield plain(text[mark.end() :])
    if dated := _DATE.search(text):
        yield plain(text[: dated.start()])


def _names_site(segment: str, names: set[str]) -> bool:
    found = plain(segment).replace(" ", "")
    return segment in SITES or any(
        name in found or (len(found) > 2 and name.startswith(found)) for name in names
    )


@dataclass
class Score:
    """How many pairs of one file were joined, of how many."""

    joined: int = 0
    pairs: int = 0

    def add(self, *, joined: bool) -> None:
        self.joined += joined
        self.pairs += 1

    def __str__(self) -> str:
        share = self.joined / self.pairs if self.pairs else 0.0
        return f"{self.joined} of {self.pairs} joined ({share:.3f})"


def measure(path: Path, *, show: bool) -> None:
    """Print the scores of one file; with `show` also the pairs that came out wrong."""
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    pairs = [json.loads(line) for line in content.decode().splitlines()]
    scores = {name: Score() for name in ("counted positives", "all positives", "negatives")}
    for pair in pairs:
        joined = len(set(group_headlines([pair["a"], pair["b"]]))) == 1
        counted = bool(pair["label"]) and counts(pair)
        scores["all positives" if pair["label"] else "negatives"].add(joined=joined)
        if pair["kind"] == "hard-negative":
            scores.setdefault("hard negatives", Score()).add(joined=joined)
        if counted:
            scores["counted positives"].add(joined=joined)
        if show and joined != bool(pair["label"]) and counted != joined:
            print("  joined" if joined else "  missed", pair["kind"], pair["a"], pair["b"], sep=" | ")
    print(path.name)
    for name, score in scores.items():
        print(f"  {name:18} {score}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pairs", nargs="*", type=Path, help="JSON lines, plain or .gz")
    parser.add_argument("--show", action="store_true", help="print the pairs that came out wrong")
    arguments = parser.parse_args()
    for path in arguments.pairs or [path for path in DEFAULT if path.exists()]:
        measure(path, show=arguments.show)


if __name__ == "__main__":
    main()
