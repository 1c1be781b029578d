from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from tasks.fields import lexicon
from tasks.fields.labels import is_label, is_sponsored, split_label, strip_credit, strip_decoration
from tasks.fields.lexicon import fold, start, words


@pytest.mark.parametrize(
    "text",
    [
        *(
            "Recommended",
            "Explore",
            "Latest Stories:",
            "Most read in Business",
            "» Related Posts",
            "MÁS INFORMACIÓN",
        ),
        *(
            "Lo más leído",
            "İLGİLİ HABER",
            "Çok Okunanlar",
            "Meistgelesen",
            "Mehr aus Hamburg",
            "Les plus lus",
        ),
        *("Mais lidas", "Читайте также", "الأكثر قراءة", "यह भी पढ़ें:"),
        *("【関連記事】", "アクセスランキング", "Čtěte také", "Lue myös", "Baca juga", "Zum selben Thema"),
    ],
)
def test_label(text: str) -> None:
    assert is_label(text)


@pytest.mark.parametrize(
    "text", ["", "More than 20 people died", "Explorer finds ship", "Politics", "Share on Facebook"]
)
def test_no_label(text: str) -> None:
    assert not is_label(text)


def test_sponsored() -> None:
    assert is_sponsored("Sponsored Links by Adzuba")
    assert is_sponsored("You May Like")
    assert not is_sponsored("You might also like")


@pytest.mark.parametrize(
    ("text", "headline"),
    [
        ("RelatedTRT Global - No guarantees talks will be smooth", "No guarantees talks will be smooth"),
        ("RelatedRelatedTRT Global - Why old dams are failing", "Why old dams are failing"),
        ("ALSO READ | Bus fares to rise from December 1", "Bus fares to rise from December 1"),
        ("Mehr zum Thema: Wie sicher sind alte Kesselwagen?", "Wie sicher sind alte Kesselwagen?"),
        ("1. Snow totals: how much fell", "Snow totals: how much fell"),
        ("23:43 Cabinet approves grain purchase", "Cabinet approves grain purchase"),
        ("Phone rates to drop by half 2h ago", "Phone rates to drop by half"),
        ("Harbour dredging to start in AugustJune 1, 2020", "Harbour dredging to start in August"),
        ("EnergycategorySarnnet to spend more · August 30, 2023", "Sarnnet to spend more"),
        ("VIDEO: Cat saves dog from flood", "Cat saves dog from flood"),
        ("5 things to know about cranes", "5 things to know about cranes"),
        ("10 Downing Street gets a new cat", "10 Downing Street gets a new cat"),
        ("Related to this case: how it works", "Related to this case: how it works"),
        ("Ferries to stop on June 1, 2020", "Ferries to stop on June 1, 2020"),
    ],
)
def test_decoration(text: str, headline: str) -> None:
    assert strip_decoration(text) == headline


def test_decoration_is_taken_off_once_and_for_all() -> None:
    for text in (
        "RelatedTRT Global - No guarantees talks will be smooth",
        "1. Snow totals: how much fell 2h ago",
    ):
        once = strip_decoration(text)
        assert strip_decoration(once) == once


def test_glued_label_is_kept_apart() -> None:
    assert split_label("RelatedTRT Global - Why dams fail") == ("Related", "TRT Global - Why dams fail")
    assert split_label("Explorer finds ship") == (None, "Explorer finds ship")


def test_fold() -> None:
    assert fold("  “İLGİLİ”  Haber ") == '"ilgili" haber'
    assert fold("ISPARTA") == fold("ısparta")


def test_start_ends_at_words() -> None:
    assert start("source: aa", "source") == 6
    assert start("sourcebook", "source") == 0


def test_every_word_list_is_a_list_of_distinct_words() -> None:
    for path in sorted(Path(lexicon.__file__).parent.joinpath("data").glob("??.toml")):
        for kind, listed in tomllib.loads(path.read_text("utf-8")).items():
            assert listed, f"{path.name}: {kind} is empty"
            twice = {word for word in listed if listed.count(word) > 1}
            assert not twice, f"{path.name}: {kind} has {twice} twice"
            assert words(kind)


def test_unknown_kind_of_word() -> None:
    with pytest.raises(KeyError):
        words("colours")


@pytest.mark.parametrize(
    ("text", "headline"),
    [
        ("Cat saves dog from flood By Jane Doe", "Cat saves dog from flood"),
        ("Cat saves dog from floodBy Jane Doe", "Cat saves dog from flood"),
        ("Cat Saves Dog From Flood - by Jane Doe", "Cat Saves Dog From Flood"),
        ("Katze rettet Hund vor Flut Von Max Mustermann", "Katze rettet Hund vor Flut"),
        ("Why did the cat save the dog? By Jane Doe", "Why did the cat save the dog?"),
        ("Cat saves dog from flood [Video]", "Cat saves dog from flood"),
        ("Cat saves dog from flood (with video)", "Cat saves dog from flood"),
        ("Cat saves dog from flood – video", "Cat saves dog from flood"),
        ("Dog rescued from flood by Jane Doe", "Dog rescued from flood by Jane Doe"),
        ("Dog Rescued From Flood By Jane Doe", "Dog Rescued From Flood By Jane Doe"),
        ("Dog rescued from flood – unions", "Dog rescued from flood – unions"),
        ("Dog missing in flood (14)", "Dog missing in flood (14)"),
    ],
)
def test_credit(text: str, headline: str) -> None:
    assert strip_credit(text) == headline


@pytest.mark.parametrize(
    ("text", "headline"),
    [
        ("VIDÉO. L’île d’Arvor sans électricité", "L’île d’Arvor sans électricité"),
        ("À lire aussi L’île d’Arvor sans électricité", "L’île d’Arvor sans électricité"),
        ("【速報】台風10号が接近しています", "台風10号が接近しています"),
        ("Cat saves dog from flood (34 comments)", "Cat saves dog from flood"),
        ("Cat saves dog from flood · 14:30", "Cat saves dog from flood"),
        ("01 Cat saves dog from flood", "Cat saves dog from flood"),
        ("RelatedTariffs Hurt - minister quits", "minister quits"),
        ("Related: Tariffs Hurt - minister quits", "Tariffs Hurt - minister quits"),
        ("Cat of the year (2019)", "Cat of the year (2019)"),
        ("3.50 Euro mehr für Katzen", "3.50 Euro mehr für Katzen"),
        ("3:10 to Yuma is filmed again", "3:10 to Yuma is filmed again"),
        ("2. Verdächtiger nach Überfall gefasst", "2. Verdächtiger nach Überfall gefasst"),
        ("Morning briefing for the islands | May 3, 2025", "Morning briefing for the islands | May 3, 2025"),
        ("Storm on Monday, May 3, 2021", "Storm on Monday, May 3, 2021"),
    ],
)
def test_decoration_of_other_languages_and_figures_that_stay(text: str, headline: str) -> None:
    assert strip_decoration(text) == headline
