from __future__ import annotations

import gzip
import importlib.util
import json
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tasks.extract import extract_page
from tasks.html.page import extract_html

PAGES = sorted(Path(__file__).parent.glob("pages/html/*.html"))
PROSE = "A sentence of some length. " * 9
EVALUATION = Path(__file__).parents[2] / "shared" / "eval"


def shown(extraction: Any) -> dict[str, Any]:
    record = extraction.as_dict()
    record["headlines"] = [[h["text"], h["label"], h["byline"], h["href"]] for h in record["headlines"]]
    return record


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_layouts(path: Path) -> None:
    case = json.loads(path.with_suffix(".json").read_text("utf-8"))
    record = shown(extract_page(path.read_bytes(), case["url"]))
    assert {field: record[field] for field in case["expected"]} == case["expected"]


def test_a_page_says_which_signal_won() -> None:
    page = next(path for path in PAGES if path.stem == "modern").read_text("utf-8")
    provenance = extract_html(page, None, None).provenance
    assert provenance["published"] == "jsonld"
    assert provenance["body"] == "dom"
    assert provenance["canonical_url"] == "meta"


def test_a_canonical_url_of_another_domain_does_not_count() -> None:
    page = '<link rel="canonical" href="https://elsewhere.example/a/story-one-two"><p>Text</p>'
    assert extract_html(page, "https://here.example/a/b-c-d", None).canonical_url is None
    assert extract_html(page, None, None).canonical_url == "https://elsewhere.example/a/story-one-two"


def test_without_an_address_links_stay_as_written() -> None:
    page = next(path for path in PAGES if path.stem == "modern").read_text("utf-8")
    assert extract_html(page, None, None).headlines[0].href == "/news/quay-rebuilt-in-record-time-4502"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("<noscript>", ""),  # never closed: everything after it lies in it
        ("<div class='newsletter'><div class='related'>", "</div></div>"),  # named for what it is not
        ("<form><table><tr><td>", "</table></form>"),
    ],
)
def test_a_text_is_found_in_unlikely_places(before: str, after: str) -> None:
    paragraphs = [f"Paragraph {number} of the text. {PROSE}".strip() for number in range(30)]
    text = "".join(f"<p>{paragraph}</p>" for paragraph in paragraphs)
    assert extract_html(f"<body>{before}<h1>A title</h1>{text}{after}", None, None).body == paragraphs


def test_an_unclear_language_is_believed_as_declared() -> None:
    norwegian = (
        "<p>Kommunen sier at den nye broen skal være ferdig til våren, og at den blir åpen for alle.</p>" * 3
    )
    assert extract_html(f"<html lang='nb-NO'><body>{norwegian}", None, None).language == "nb"
    german = (
        "<p>Die Gemeinde sagt, dass die neue Brücke im Frühjahr fertig ist und allen offen steht.</p>" * 3
    )
    assert extract_html(f"<html lang='en'><body>{german}", None, None).language == "de"


@pytest.mark.parametrize(
    "script",
    [
        '{"@type":"NewsArticle","headline":"H","datePublished":"2024-05-06",}',
        '<!-- {"@type":["NewsArticle","Thing"],"about":"two\nlines","datePublished":["2024-05-06"]} -->',
        '[{"@type":"WebPage"},[{"@type":"https://schema.org/BlogPosting","datePublished":"2024-05-06"}]]',
        '{"@graph":[{"mainEntity":{"@type":"ReportageNewsArticle","datePublished":"2024-05-06"}}]}',
    ],
)
def test_json_ld_as_pages_write_it(script: str) -> None:
    page = f'<script type="application/ld+json">{script}</script><h1>H</h1><p>{PROSE}</p>'
    assert extract_html(page, None, None).published_at == "2024-05-06"


@pytest.mark.parametrize(
    "script",
    ["[" * 100_000, '{"@type":' * 50_000, "null", '"NewsArticle"', "{}", "[[[]]]", '{"a":1,'],
)
def test_hostile_json_ld_costs_nothing(script: str) -> None:
    page = f'<script type="application/ld+json">{script}</script><h1>Title of it</h1><p>{PROSE}</p>'
    assert extract_html(page, None, None).title == "Title of it"


@pytest.mark.parametrize(
    "page",
    [
        "<div>" * 15_000 + "text",
        "<p>" + "<b>" * 15_000 + "text",
        "<a href=/x-y-z-1>A headline that goes on</a>" * 6_000,
        "<ul>" + "<li><a href='/a-b-c'>One two three four</a>" * 6_000,
        "<h1>T</h1>" + "<p>A paragraph that reads like a sentence of prose, with a comma.</p>" * 6_000,
        "<p>" + "word " * 400_000,
        "<table><tr><td>" * 5_000 + "text",
        "<br>" * 200_000,
        "<!--" * 200_000,
        "<p class='" + "a " * 300_000 + "'>text",
        "<meta name=date content='" + "1" * 500_000 + "'><p>text",
        "<p>" + "2 " * 300_000,
        "&#x110000;&#0;&nbsp" * 50_000,
    ],
    ids=range(13),
)
def test_hostile_pages_take_linear_time(page: str) -> None:
    started = time.process_time()
    extract_html(page, "https://a.example/b-c-d", None)
    assert time.process_time() - started < 10


@pytest.fixture(scope="module")
def scorer() -> ModuleType:
    if not (EVALUATION / "score.py").exists():
        pytest.skip("the evaluation pages are not shipped with the project")
    spec = importlib.util.spec_from_file_location("score", EVALUATION / "score.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["score"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("corpus", "floors"),
    [
        (
            "fundus",
            {
                "body": 0.96,
                "title_near": 0.85,
                "authors": 0.85,
                "date": 0.98,
                "recall": 0.93,
                "precision": 0.77,
            },
        ),
        ("fundus-evaluation", {"body": 0.94, "recall": 0.98, "precision": 0.87}),
    ],
)
def test_accuracy_on_real_pages(scorer: ModuleType, corpus: str, floors: dict[str, float]) -> None:
    with gzip.open(EVALUATION / "dev" / f"{corpus}.jsonl.gz", "rt", encoding="utf-8") as lines:
        records = [json.loads(line) for line in lines]
    result = scorer.summarise(records, scorer.run_extractor(extract_page, records), rounds=0)
    reached = {"body": result["body"]["f1"], **result["headlines"]}
    reached |= {name: result[name]["score"] for name in ("title_near", "authors", "date") if name in result}
    assert result["crashes"] == 0
    assert {name: reached[name] for name, floor in floors.items() if reached[name] < floor} == {}
