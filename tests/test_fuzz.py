"""Made-up pages and inputs: what must hold of every one of them. scripts/fuzz.py makes more of them."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import fuzzing
import pytest
from fuzzing import CASES, GENERATED, Case, CutCase, InputCase, PageCase, check, from_json, to_json
from hypothesis import given, settings

from tasks.extract import extract_page

EXAMPLES = {"pages": 220, "inputs": 400, "cuts": 150}

STORY = "The ferry sailed again on Monday, and a brass band met it on the quay, where people had waited. " * 3
LONG = f'<html><meta property="{{}}" content="{{}}"><body><p>{STORY}</p><p>{STORY}</p><p>{STORY}</p>'
LINK = '<li><a href="{}">A story of another ferry that sails</a></li>'


@pytest.mark.parametrize("kind", CASES)
def test_what_is_promised_holds(kind: str) -> None:
    @settings(
        max_examples=EXAMPLES[kind],
        derandomize=True,
        **GENERATED,
    )
    @given(CASES[kind])
    def run(case: Case) -> None:
        check(case)

    run()


@pytest.mark.parametrize(
    "case",
    [
        PageCase('{"@type": "NewsArticle", "@graph": null}'),
        PageCase('{"@type": "NewsArticle", "@graph": 7, "headline": ["a", {}]}'),
        PageCase(LONG.format("article:section", "Ferries " * 1_000)),
        PageCase(LONG.format("description", "The ferry sailed again. " * 1_000)),
        PageCase(LONG.format("twitter:title", "Ferries " * 1_000)),
        PageCase(f"<html><title>{'A ' * 600}</title><body><p>{STORY}</p><p>{STORY}</p>"),
        PageCase(f"<h1>Ferry</h1><p>{STORY}<ul>" + LINK.format("/" + "x-" * 3_000) * 3),
        InputCase(".jsonl", b'{"text": "x", "url": "https://' + b"a" * 300 + b'.example/"}'),
        InputCase(
            ".jsonl", b'{"text": "x", "source": " \\t "}\n{"text": "x", "source": "' + b"x" * 9_000 + b'"}'
        ),
        InputCase(".jsonl", b'{"text": "x", "url": "https://a.example/' + b"x" * 9_000 + b'"}'),
    ],
)
def test_what_once_failed(case: Case) -> None:
    check(case)


@pytest.mark.parametrize(
    "case",
    [
        PageCase("\ud800\0", "https://a.example/", None, datetime(2025, 5, 17, tzinfo=UTC)),
        PageCase(b"\xff\0", None, "text/html"),
        InputCase(".wet.zst", bytes(range(256)), 100),
        CutCase(".jsonl", b"{}\n", 1),
    ],
)
def test_a_saved_case_is_read_as_it_was(case: Case) -> None:
    assert from_json(to_json(case)) == case


@pytest.mark.parametrize(
    ("name", "wrong"),
    [("title", "two\nlines"), ("section", "s" * 300), ("authors", [""]), ("body", ["\ud800"])],
)
def test_a_broken_promise_is_noticed(monkeypatch: pytest.MonkeyPatch, name: str, wrong: Any) -> None:
    page = next(page for page in fuzzing.real_pages() if b"<article" in page)
    broken = replace(extract_page(page), **{name: wrong})
    monkeypatch.setattr(fuzzing, "extract_page", lambda *_, **__: broken)
    with pytest.raises(AssertionError):
        check(PageCase(page))


def test_a_failing_case_is_saved_small_and_ends_the_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parent.parent / "scripts"))
    import fuzz

    def fails_on_long_pages(case: PageCase) -> None:
        assert len(case.content) < 3

    monkeypatch.setattr(fuzz, "check", fails_on_long_pages)
    saved = tmp_path / "case.json"
    assert not fuzz.fuzz(["pages"], 1.0, 3, saved)
    assert f"seed 3: python {sys.argv[0]} --repeat {saved}" in capsys.readouterr().out
    case = from_json(saved.read_text())
    assert isinstance(case, PageCase) and len(case.content) == 3
    monkeypatch.setattr(fuzz, "check", lambda _: None)
    monkeypatch.setattr(fuzz, "ROUND", 5)
    assert fuzz.fuzz(["cuts", "inputs"], 0.01, 0, saved)
