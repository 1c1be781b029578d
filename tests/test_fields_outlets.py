"""Outlets at the edges of a headline."""

from __future__ import annotations

import json
from importlib.resources import files

import pytest

from tasks.fields.outlets import is_outlet, strip_outlet


@pytest.mark.parametrize(
    "name",
    [
        *(
            "The Harbour Gazette",
            "BBC News",
            "Le Monde",
            "DER SPIEGEL",
            "la Repubblica",
            "de Volkskrant",
            "n-tv.de",
        ),
        *(
            "朝日新聞デジタル",
            "新浪新闻",
            "연합뉴스",
            "الجزيرة نت",
            "РИА Новости",
            "Folha de S.Paulo",
            "skerrypost.com",
        ),
    ],
)
def test_outlet(name: str) -> None:
    assert is_outlet(name)


@pytest.mark.parametrize(
    "name",
    [
        "Trump",
        "report",
        "unions",
        "more news from Berlin",
        "What To Expect In The World",
        "Retiro AFP 2022",
        "",
    ],
)
def test_no_outlet(name: str) -> None:
    assert not is_outlet(name)


@pytest.mark.parametrize(
    ("text", "headline"),
    [
        ("Ferry cut to two sailings|Skerry", "Ferry cut to two sailings"),
        ("Ferry cut to two sailings - Crime - The Guardian", "Ferry cut to two sailings"),
        ("Ferry cut to two sailings (Reuters)", "Ferry cut to two sailings"),
        ("Ferry cut to two sailings -- Shipping -- skerry.net", "Ferry cut to two sailings"),
        ("Ferry cut to two sailings » Local » Skerry Post", "Ferry cut to two sailings"),
        ("BBC News: Ferry cut to two sailings", "Ferry cut to two sailings"),
        ("台風10号が接近しています：朝日新聞", "台風10号が接近しています"),
        ("Ferry cut to two sailings - union", "Ferry cut to two sailings - union"),
        ("Who pays: Daily Mail", "Who pays: Daily Mail"),
        ("Weather | Dol", "Weather | Dol"),
        ("Le maire de « Verlune »", "Le maire de « Verlune »"),
    ],
)
def test_outlet_is_taken_off(text: str, headline: str) -> None:
    assert strip_outlet(text) == headline


def test_lists_hold_no_word_twice() -> None:
    for kind, names in json.loads(
        files("tasks.fields").joinpath("data/outlets.json").read_text("utf-8")
    ).items():
        if kind != "about":
            assert len(names) == len(set(names)), kind
