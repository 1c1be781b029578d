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


@pytest.mark.parametrize(
    "name",
    [
        *("Monday", "am Montag", "Sábado", "Tonight", "March", "Ohio", "Deutschland", "Россия", "札幌"),
        *("Leeds", "In Ohio", "Ohio, Texas", "Leeds vs Derby", "Dol United", "VfB Leskau", "Kreis Dol"),
        *("North Arnavia", "Group A", "Part Two", "Berlin News", "Monday Morning"),
    ],
)
def test_what_tells_headlines_apart_stays_behind_a_bar(name: str) -> None:
    text = f"Storm closes the bridge at last | {name}"
    assert strip_outlet(text) == text


@pytest.mark.parametrize(
    "name",
    [
        *(
            "Gormulus",
            "Kestrel Bay Post",
            "The Skerry",
            "Le Phare d’Arvor",
            "Western Quay Journal",
            "Ana Kos",
        ),
        *(
            "Chicago Tribune",
            "The Northern Echo",
            "Politics",
            "Port Skerry Gazette",
            "Boston Globe",
            "WalesOnline",
        ),
    ],
)
def test_an_unknown_name_goes_behind_a_bar(name: str) -> None:
    assert strip_outlet(f"Storm closes the bridge at last | {name}") == "Storm closes the bridge at last"


def test_behind_a_series_title_only_an_outlet_goes() -> None:
    assert (
        strip_outlet("Election results and full coverage | Dol") == "Election results and full coverage | Dol"
    )
    assert (
        strip_outlet("Election results and full coverage | BBC News") == "Election results and full coverage"
    )


def test_a_place_in_front_of_news_is_no_outlet() -> None:
    text = "Berlin News: Kältewelle bringt Schnee"
    assert strip_outlet(text) == text
    assert strip_outlet("Dol News: Kältewelle bringt Schnee mit") == "Kältewelle bringt Schnee mit"


def test_lists_hold_no_word_twice() -> None:
    for kind, names in json.loads(
        files("tasks.fields").joinpath("data/outlets.json").read_text("utf-8")
    ).items():
        if kind != "about":
            assert len(names) == len(set(names)), kind
