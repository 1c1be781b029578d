"""Time one page at a time: Broadsheet beside other extractors, in one process on the same pages.

    ./run bench [PATH ...]     HTML files, directories of them, or .jsonl.gz files with an `html` key

Each extractor reads every page once to warm up, then --rounds times; the figure is the CPU time of the
median round.
Broadsheet returns every field and the sidebar headlines, the others what their name stands for: speed
compares what a page costs, not what one gets for it.
"""

from __future__ import annotations

import argparse
import gzip
import json
import logging
import platform
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def broadsheet(html: str) -> str:
    from tasks.extract import extract_page

    return "\n\n".join(extract_page(html).body)


def trafilatura(html: str) -> str:
    import trafilatura

    return trafilatura.extract(html, include_comments=False) or ""


def newspaper4k(html: str) -> str:
    from newspaper import Article

    article = Article("https://page.example/", fetch_images=False)
    article.download(input_html=html)
    article.parse()
    return str(article.text)


def readability(html: str) -> str:
    from lxml.html import fromstring
    from readability import Document

    return str(fromstring(Document(html).summary()).text_content())


def resiliparse(html: str) -> str:
    from resiliparse.extract.html2text import extract_plain_text

    return extract_plain_text(html, main_content=True)


def turbohtml(html: str) -> str:
    import turbohtml

    return turbohtml.parse(html).main_text()


EXTRACTORS: dict[str, tuple[str, Callable[[str], str]]] = {
    "broadsheet": ("broadsheet", broadsheet),
    "trafilatura": ("trafilatura", trafilatura),
    "newspaper4k": ("newspaper4k", newspaper4k),
    "readability": ("readability-lxml", readability),
    "resiliparse main content": ("resiliparse", resiliparse),
    "turbohtml main text": ("turbohtml", turbohtml),
}
"""Name → the distribution whose version is shown, and what is timed."""


def pages(paths: list[Path]) -> Iterator[str]:
    for path in paths:
        if path.is_dir():
            yield from pages(sorted(path.rglob("*.html")))
        elif path.name.endswith(".jsonl.gz"):
            with gzip.open(path, "rt", encoding="utf-8") as lines:
                yield from (record["html"] for record in map(json.loads, lines) if record.get("html"))
        elif b"\0" not in (content := path.read_bytes()):
            yield content.decode("utf-8", "replace")


def time_round(extract: Callable[[str], str], corpus: list[str]) -> tuple[float, int, int]:
    """CPU seconds, characters of text and failures of one round over the corpus."""
    characters = failures = 0
    started = time.process_time()
    for html in corpus:
        try:
            characters += len(extract(html))
        except Exception:  # noqa: BLE001 (a peer that gives up on a page is part of the result)
            failures += 1
    return time.process_time() - started, characters, failures


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("paths", nargs="*", type=Path, default=[ROOT / "examples", ROOT / "tests" / "pages"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", action="append", choices=EXTRACTORS)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable()
    corpus = list(pages(options.paths))
    if not corpus:
        sys.exit("No pages there.")
    size = sum(map(len, corpus)) / 1e6
    print(f"{len(corpus)} pages, {size:.1f} million characters")
    print(f"Python {platform.python_version()}, {platform.system()} {platform.machine()}")
    print(f"{'extractor':<26}{'version':>10}{'ms a page':>11}{'text a page':>13}{'failed':>8}")
    for name in options.only or EXTRACTORS:
        distribution, extract = EXTRACTORS[name]
        time_round(extract, corpus)
        rounds = [time_round(extract, corpus) for _ in range(options.rounds)]
        seconds = statistics.median(seconds for seconds, _, _ in rounds)
        _, characters, failures = rounds[0]
        print(
            f"{name:<26}{version(distribution):>10}{1000 * seconds / len(corpus):>11.2f}"
            f"{characters // len(corpus):>13}{failures:>8}",
            flush=True,
        )


if __name__ == "__main__":
    main()
