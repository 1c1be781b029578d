from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import UndecodablePage
from tasks.clean import block_texts, decode, html_paragraphs, html_text, letters, plain

GERMAN = "Der Gemeinderat hat über die Größe des Brunnens gestritten. Die Kosten überschreiten das Budget."
RUSSIAN = "Городской совет до поздней ночи спорил о новом фонтане и в конце концов ничего не решил. " * 4
JAPANESE = (
    "市議会は夜遅くまで新しい噴水について議論したが、結局何も決まらなかった。市長は残念だと述べた。" * 4
)
CHINESE = "市议会就新喷泉问题争论到深夜，最后什么也没有决定。市长说这是一个失败的夜晚。" * 4
KOREAN = "시의회는 밤늦게까지 새 분수대를 두고 논쟁했지만 결국 아무것도 결정하지 못했다. " * 4


@pytest.mark.parametrize(
    ("text", "encoding", "content_type"),
    [
        (GERMAN, "utf-8", None),
        (GERMAN, "utf-8-sig", None),
        (GERMAN, "utf-16", None),
        (GERMAN, "utf-16-le", None),
        (GERMAN, "utf-16-be", None),
        (GERMAN, "utf-32", None),
        (GERMAN, "cp1252", "text/html; charset=ISO-8859-1"),
        (GERMAN, "cp1252", None),
        (GERMAN, "utf-8", "text/html; charset=ISO-8859-1"),
        ("“Quotes” of a server that says Latin-1", "cp1252", "text/html; charset=latin1"),
        (f'<meta charset="windows-1251">{RUSSIAN}', "cp1251", None),
        (f'<meta charset="utf-8">{RUSSIAN}', "cp1251", "text/html; charset=windows-1251"),
        (RUSSIAN, "cp1251", None),
        (RUSSIAN, "koi8-r", None),
        (RUSSIAN, "utf-16-le", None),
        (RUSSIAN, "utf-16-be", None),
        (CHINESE, "gb18030", None),
        (JAPANESE, "shift_jis", None),
        (KOREAN, "euc_kr", None),
        (f'<meta http-equiv="Content-Type" content="text/html; charset=gb2312">{CHINESE}', "gb18030", None),
        (f'<meta charset="Shift_JIS">{JAPANESE}', "shift_jis", None),
        (JAPANESE, "euc_jp", None),
        (f'<meta charset="iso-2022-jp">{JAPANESE}', "iso2022_jp", None),
        (GERMAN, "cp1252", "text/html; charset=no-such-thing"),
    ],
)
def test_decode(text: str, encoding: str, content_type: str | None) -> None:
    assert decode(text.encode(encoding), content_type) == text


def test_a_character_cut_at_the_end_costs_that_character_only() -> None:
    assert decode(("ab" * 50 + "ü").encode()[:-1]) == "ab" * 50


def test_one_broken_byte_does_not_change_the_encoding() -> None:
    page = f'<meta charset="utf-8">{GERMAN * 5}'.encode() + b"\xff" + GERMAN.encode()
    assert decode(page).count("ü") == 12
    assert "Ã" not in decode(page)


@pytest.mark.parametrize("content_type", [None, "text/html", "text/html; charset=iso-8859-1"])
@pytest.mark.parametrize("stray", [b"\xff", b"\x96", b"\xe9", b"\xd0"])
@pytest.mark.parametrize(
    "text",
    [
        "A população esperou até à manhã; não há previsão. ",
        "Die Fähre fährt wieder über die Förde, sagte Müller. ",
        "La traversée a été rétablie après la tempête d’été. ",
        "La población esperó mañana según el alcalde Muñoz. ",
        "Feribot pazartesi günü yeniden çalıştı, dedi Öğüt. ",
        "The ferry’s crew said “yes” — at last. ",
        RUSSIAN,
        JAPANESE,
        CHINESE,
        KOREAN,
    ],
    ids=["pt", "de", "fr", "es", "tr", "en", "ru", "ja", "zh", "ko"],
)
def test_a_stray_byte_costs_itself_only(text: str, stray: bytes, content_type: str | None) -> None:
    page = (text * 10).encode() + stray + (text * 10).encode()
    assert decode(page, content_type) == text * 10 + "\ufffd" + text * 10


def test_stray_control_characters_are_no_sign_of_a_program() -> None:
    assert decode(b"A page\x00 with\x00 dirt" + b" and words" * 20).startswith("A page\x00 with")


@pytest.mark.parametrize(
    "content",
    [
        b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4,
        b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n" + b"stream of things " * 20,
        b"PK\x03\x04" + b"\x00" * 30,
        b"\x1f\x8b\x08\x00" + bytes(range(200)),
        random.Random(4).randbytes(5_000),
        b"\x00" * 64,
        bytes(range(32)) * 8,
    ],
)
def test_what_is_no_text_is_refused(content: bytes) -> None:
    with pytest.raises(UndecodablePage):
        decode(content)


@given(st.binary(max_size=300), st.none() | st.text(max_size=40))
def test_decode_returns_text_or_refuses(content: bytes, content_type: str | None) -> None:
    try:
        text = decode(content, content_type)
    except UndecodablePage:
        return
    assert isinstance(text, str)


def test_plain() -> None:
    assert plain(" a\u00adb\u200b \n\t c\x00d\u00a0e\u0301 ") == "ab cdé".replace("é", " é")


def test_letters() -> None:
    assert letters("“Ümlaut” — No. 9!") == letters("ümlaut no 9") == "ümlautno9"


@pytest.mark.parametrize(
    ("fragment", "paragraphs"),
    [
        ("<p>One &amp; two&nbsp;three &lt;b&gt;</p>", ["One & two three <b>"]),
        ("<p>A <b>bold</b><i>glued</i> word</p>", ["A boldglued word"]),
        (
            '<p class="a > b" title="x &quot; y">Attributes <a href="/?a=1&amp;b=2">do</a> not show</p>',
            ["Attributes do not show"],
        ),
        (
            "<div>First part.<br><br>Second part.<br>\n<br/>Third part.</div>",
            ["First part.", "Second part.", "Third part."],
        ),
        ("<p>A line<br>broken once</p>", ["A line broken once"]),
        (
            "<p>"
            + "<br>".join(["This line is a paragraph of its own, as its length and end tell the reader."] * 3)
            + "</p>",
            ["This line is a paragraph of its own, as its length and end tell the reader."] * 3,
        ),
        ("<p> \n </p>", []),
        ("", []),
        ("text alone", ["text alone"]),
        ("<td>cell</td>", ["cell"]),
        ("</section></body></html><p>early end</p>", ["early end"]),
    ],
)
def test_block_texts(fragment: str, paragraphs: list[str]) -> None:
    around = ["<p>before</p>", fragment, "<h2>after</h2>"]
    assert block_texts(around) == [["before"], paragraphs, ["after"]]


def test_inline_elements_set_apart() -> None:
    assert block_texts(["<p>By <a>Ann Lee</a><time>3 May</time></p>"], apart={0}) == [["By Ann Lee 3 May"]]


def test_one_fragment_beyond_what_the_parser_follows_does_not_cost_the_others() -> None:
    texts = block_texts(["<p>before</p>", "<div>" * 3_000 + "deep", "<p>after</p>"])
    assert (texts[0], texts[2]) == (["before"], ["after"])


def test_values() -> None:
    assert html_text("Rock &amp; Roll <em>today</em>") == "Rock & Roll today"
    assert html_text("https://a.example/?b=1&c=2") == "https://a.example/?b=1&c=2"
    assert html_paragraphs("One.\n\nTwo &quot;x&quot;.<p>Three.</p><br/>Four.") == [
        "One.",
        'Two "x".',
        "Three.",
        "Four.",
    ]
