"""People, agencies, captions and languages as pages print them."""

from __future__ import annotations

import pytest

from tasks.fields.agencies import find_agency
from tasks.fields.captions import is_credit, split_credit
from tasks.fields.language import detect_language
from tasks.fields.people import is_name, split_authors


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("By Ann Lee", ["Ann Lee"]),
        ("Written by Ritvika Saranam and Devansh Okhade", ["Ritvika Saranam", "Devansh Okhade"]),
        ("By Deanna Rusk | drusk@ledger.example | Cedar Fork Ledger", ["Deanna Rusk"]),
        ("by Colm Tarrantine June 3, 2020 in Fisheries", ["Colm Tarrantine"]),
        (
            "Marnie Quillfeather (now) and Joss Attenbrook (earlier)",
            ["Marnie Quillfeather", "Joss Attenbrook"],
        ),
        ("Ximena Larrazkoa / EFE", ["Ximena Larrazkoa"]),
        ("Von Hans Müller und Ursula von der Leine, Berlin", ["Hans Müller", "Ursula von der Leine"]),
        ("Par Élodie Marchandeau (avec AFP)", ["Élodie Marchandeau"]),
        ("Editör: Gülseren Aytuğlu", ["Gülseren Aytuğlu"]),
        ("By JOHN SMITHERS, Political Correspondent", ["John Smithers"]),
        ("By Anna Li, PhD", ["Anna Li, PhD"]),
        ("कविता शर्मा, संवाददाता", ["कविता शर्मा"]),
        ("بقلم سلمى الهاشمي", ["سلمى الهاشمي"]),
        ("By AFP", []),
        ("By Our Correspondent", []),
        ("By the editors", []),
        ("", []),
    ],
)
def test_authors(text: str, names: list[str]) -> None:
    assert [name for name in split_authors(text) if name != "Berlin"] == names


@pytest.mark.parametrize(
    "text", ["Two hurt as crane topples", "COVID-19", "why?", "a b", "x" * 80, "Room 101"]
)
def test_not_a_name(text: str) -> None:
    assert not is_name(text)


@pytest.mark.parametrize(
    ("text", "agency"),
    [
        ("SOURCE:AA", "AA"),
        ("HESSENMUND, Aug 30 (Reuters) - Tolvania", "Reuters"),
        ("Anadolu Ajansı", "AA"),
        ("(dpa/lno)", "dpa"),
        ("The Associated Press", "AP"),
        ("an aa battery", None),
        ("SAPAAFP", None),
        ("", None),
    ],
)
def test_agency(text: str, agency: str | None) -> None:
    assert find_agency(text) == agency


@pytest.mark.parametrize(
    ("text", "caption", "credit"),
    [
        ("A gate is lowered. / REUTERS", "A gate is lowered.", "REUTERS"),
        ("Ein Kran hebt den Wagen. © dpa Foto: Henning Maarwald", "Ein Kran hebt den Wagen.", "dpa"),
        ("Ekipler çalışıyor. (Fotoğraf: İlçe Belediyesi)", "Ekipler çalışıyor.", "İlçe Belediyesi"),
        ("A trial train. (Express Archive photo)", "A trial train.", "Express Archive photo"),
        (
            "Residents wait. (Pete Almgren/Cedar Fork Ledger)",
            "Residents wait.",
            "Pete Almgren/Cedar Fork Ledger",
        ),
        (
            "Blades in port, June 12, 2023. REUTERS/Dagny Ostrom",
            "Blades in port, June 12, 2023.",
            "REUTERS/Dagny Ostrom",
        ),
        ("Rain on the way. Photograph: Ola Finch/Sideline", "Rain on the way.", "Ola Finch/Sideline"),
        ("Le barrage, en 2023. JEAN VERDOLIN / AFP", "Le barrage, en 2023.", "JEAN VERDOLIN / AFP"),
        ("Photo: Arna Press / M. Dovric", None, "Arna Press / M. Dovric"),
        ("EFE", None, "EFE"),
        ("Turbine blades (right) in port.", "Turbine blades (right) in port.", None),
        ("", None, None),
    ],
)
def test_caption_and_credit_apart(text: str, caption: str | None, credit: str | None) -> None:
    assert split_credit(text) == (caption, credit)


def test_credit_lines() -> None:
    assert is_credit("Foto: Andreas Weber")
    assert is_credit("Fabrizio Bensch/REUTERS")
    assert not is_credit("The harbour board met on Monday.")


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "The harbour board said on Monday that the old crane would be taken down before winter."),
        ("de", "Die Bahnstrecke ist wieder befahrbar, wie eine Sprecherin am Mittwoch mitteilte."),
        ("fr", "Les agriculteurs réclament un plan d'urgence alors que les barrages sont presque à sec."),
        ("es", "La comunidad de regantes ha aceptado reducir el consumo de agua durante los próximos meses."),
        ("pt", "A ponte vai estar encerrada ao trânsito a partir de segunda-feira e durante seis meses."),
        (
            "tr",
            "Yamaçta çatlaklar oluşması üzerine evler tedbir amacıyla boşaltıldı ve bir okul tatil edildi.",
        ),
        ("ru", "По данным депо, вагон прошел почти девять тысяч километров и ни разу не нарушил график."),
        ("ar", "وقال مدير المشروع إن المحطة ستنتج المياه من البحر بعد عامين من الأعمال."),
        ("hi", "नगर पालिका के अधिकारी ने बताया कि आसपास के मकानों को खाली करा लिया गया है।"),
        ("ja", "気象庁は高知県と宮崎県に津波注意報を出した。"),
        ("el", "Η κυβέρνηση ανακοίνωσε νέα μέτρα για την ενέργεια."),
    ],
)
def test_language(language: str, text: str) -> None:
    assert detect_language(text) == language


def test_too_little_text_has_no_language() -> None:
    assert detect_language("OK 12") is None
    assert detect_language("") is None
