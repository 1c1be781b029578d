"""Print a fortnight of four invented outlets as JSONL: front pages every six hours, articles, their sidebars.

    python scripts/make_newsstand.py | broadsheet ingest -

Links are reworded, texts are cut off and carry outlets' names, stories run at two outlets, a briefing has
a new address each time, and a few pages do not say when they were fetched: what sidebar headlines meet in
life. Every call prints the same bytes. The outlets, people and places do not exist.
"""

from __future__ import annotations

import html
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

START = datetime(2026, 3, 2, tzinfo=UTC)
DAYS = 14
EVERY = timedelta(hours=6)
CUT = 44
"""Characters after which the second list of a front page cuts titles off."""


@dataclass(frozen=True)
class Story:
    """A link of an outlet, and what its text says over time."""

    slug: str
    begins: float
    """Hours after the start."""
    lasts: float
    """Hours on the front page; 0 for a story that no list ever shows."""
    titles: tuple[tuple[float, str], ...]
    """(hours after its beginning, text): a later one takes the place of an earlier one."""
    appeal: float = 1.0
    """How high it stands in ranked lists."""
    beside: str = ""
    """Another text for the same link in the list beside articles, while the first one is tried."""

    def title(self, hours: float) -> str:
        return [text for since, text in self.titles if self.begins + since <= hours or since == 0][-1]

    def is_up(self, hours: float) -> bool:
        return self.begins <= hours < self.begins + self.lasts

    def rank(self, hours: float) -> float:
        return self.appeal / (1 + (hours - self.begins) / 24)


@dataclass(frozen=True)
class Outlet:
    """An outlet, the names of its lists and its stories."""

    name: str
    host: str
    language: str
    labels: tuple[str, str, str]
    """Of the ranked list, of the newest ones, and of the list beside an article."""
    stories: tuple[Story, ...]
    suffix: str = ""
    """What the list beside an article puts behind a title."""


def once(slug: str, begins: float, lasts: float, title: str, appeal: float = 1.0, beside: str = "") -> Story:
    return Story(slug, begins, lasts, ((0, title),), appeal, beside)


COURIER = Outlet(
    "Harbour Courier",
    "harbourcourier.example",
    "en",
    ("Most read", "Latest", "Recommended"),
    (
        Story(
            "bridge-inquiry",
            5,
            230,
            (
                (0, "Lorn bridge closed after inspectors find cracks in two cables"),
                (19, "Cracked cables close Lorn bridge until summer, county admits"),
                (67, "The county knew of the cracks in Lorn bridge for three years"),
                (140, "What the inspectors wrote about Lorn bridge, and who read it"),
            ),
            9,
        ),
        once("ferry-timetable", 8, 40, "Ferry adds two night sailings while the bridge stays shut", 4),
        once("night-trains", 20, 120, "Night trains return to the northern coast this winter", 5),
        once("pool-vote", 30, 30, "Council votes 7-4 to keep the open-air pool"),
        once("briefing-1", 10, 14, "Morning briefing: five things to know before the tide", 6),
        once("briefing-2", 58, 14, "Morning briefing: five things to know before the tide", 6),
        once("briefing-3", 106, 14, "Morning briefing: five things to know before the tide", 6),
        once("briefing-4", 154, 14, "Morning briefing: five things to know before the tide", 6),
        once("pilots", 52, 26, "Harbour pilots call off strike an hour before the first tide", 3),
        once("goat", 75, 20, "The goat that crossed first now has a season ticket", 2),
        once(
            "lighthouse",
            96,
            90,
            "A keeper for the lighthouse: 400 apply, one can climb",
            5,
            "Only one of 400 would-be lighthouse keepers can climb",
        ),
        once("school-roofs", 130, 22, "Seven school roofs will not last another winter"),
        once("herring", 170, 60, "Herring come back to the inner bay after nine years", 4),
        once("budget", 200, 24, "Harbour budget passes with one vote and a broken gavel"),
        once("moorings", 230, 70, "Who owns the moorings? Nobody has asked since 1961", 2),
        once("corrections", 60, 0, "Corrections and clarifications"),
        once("tender-notice", 150, 0, "County invites tenders for harbour lamps"),
    ),
)
VALLEY = Outlet(
    "The Valley Post",
    "valleypost.example",
    "en",
    ("Trending", "Just in", "More from The Valley Post"),
    (
        once("night-trains-north", 26, 80, "Night trains return to the northern coast this winter", 4),
        Story(
            "reservoir",
            12,
            160,
            (
                (0, "Villagers speak out on the new reservoir"),
                (40, "‘Nobody asked us’: villagers speak out on the new reservoir"),
            ),
            6,
        ),
        once("strike", 56, 30, "Harbour pilots call off strike an hour before the first tide", 3),
        once("chess", 14, 36, "Chess club of eleven beats the capital in the cup"),
        once("orchard", 44, 50, "Frost takes a third of the valley's plum blossom in one night", 3),
        once("bus", 70, 30, "Last bus to Dol waits for the last reader of the library", 2),
        once("cracks", 84, 60, "The county knew of the cracks in Lorn bridge for three years", 4),
        once("mill", 101, 80, "Old mill grinds again, and the miller is nineteen", 3),
        once("bakers", 140, 40, "Bakers weigh a smaller loaf against a dearer one", 2),
        once("bears", 190, 100, "Two bears seen above the pass; sheep are brought down", 5),
        once("survey", 120, 0, "Readers' survey: how the paper reaches you"),
    ),
    " | The Valley Post",
)
NORDWIND = Outlet(
    "Nordwind",
    "nordwind.example",
    "de",
    ("Meistgelesen", "Aktuell", "Lesen Sie auch"),
    (
        once("nachtzug", 22, 70, "Nachtzug an die Küste fährt wieder, aber ohne Speisewagen", 5),
        Story(
            "deich",
            6,
            150,
            (
                (0, "Deich bei Osterhamm muss um achtzig Zentimeter wachsen"),
                (50, "Achtzig Zentimeter mehr: Wer den Deich bei Osterhamm bezahlt"),
            ),
            6,
        ),
        once(
            "windpark",
            48,
            60,
            "Windpark vor der Insel liefert zum ersten Mal mehr als verbraucht wird",
            3,
            "Mehr Strom, als die Insel braucht: Der Windpark hat geliefert",
        ),
        once("krabben", 90, 50, "Krabbenfischer verlangen sechs Wochen Schonzeit", 2),
        once("glocke", 128, 40, "Die Glocke von Sankt Annen schlägt seit Sonntag dreizehn", 4),
        once("watt", 180, 80, "Wattführer rettet eine Schulklasse und acht Gummistiefel", 4),
    ),
    " | Nordwind",
)
RIBERA = Outlet(
    "La Ribera",
    "laribera.example",
    "es",
    ("Lo más leído", "Última hora", "Te puede interesar"),
    (
        once("biblioteca", 9, 130, "La vieja fábrica de vidrio será una biblioteca con hornos", 5),
        once("harina", 33, 60, "Los panaderos no esperan que baje la harina antes del otoño", 3),
        once("tren", 28, 50, "El tren nocturno vuelve a la costa norte este invierno", 4),
        once("cubos", 82, 60, "Un pueblo con más cubos que libros", 2),
        once("olivos", 116, 90, "Los olivos de la ladera sur se regarán con agua de lluvia", 3),
        once("puente", 160, 90, "El puente de barcas se abre dos horas al día para las garzas", 4),
    ),
)
OUTLETS = (COURIER, VALLEY, NORDWIND, RIBERA)

BODY = {
    "en": "It began with a letter that nobody wanted to open. By noon there were {n} people in the hall, and "
    "the talk went on until the lamps were lit.|The office said on Monday that it would answer within {n} "
    "days. Those who live nearby have heard that before, and some of them have kept the envelopes.|“We will "
    "still be here in the morning,” said a woman at the door, who gave her age as {n} and her name as none "
    "of our business.",
    "de": "Es begann mit einem Brief, den niemand öffnen wollte. Gegen Mittag saßen {n} Leute im Saal, und "
    "das Gespräch dauerte, bis die Lampen brannten.|Das Amt will binnen {n} Tagen antworten, hieß es am "
    "Montag. Wer in der Nähe wohnt, hat das schon einmal gehört und die Umschläge aufgehoben.|„Wir sind auch "
    "morgen noch da“, sagte eine Frau an der Tür, die ihr Alter mit {n} angab.",
    "es": "Todo empezó con una carta que nadie quería abrir. Al mediodía había {n} personas en la sala, y la "
    "conversación siguió hasta que se encendieron las lámparas.|La oficina contestará en {n} días, según "
    "dijo el lunes. Quienes viven cerca ya lo han oído otras veces y han guardado los sobres.|«Por la mañana "
    "seguiremos aquí», dijo en la puerta una mujer que declaró tener {n} años.",
}


def pages() -> Iterator[dict[str, str]]:
    """Captures as lines of JSONL take them, in the order in which a scraper meets them."""
    number = 0
    for step in range(int(timedelta(days=DAYS) / EVERY)):
        at = START + step * EVERY
        hours = step * EVERY / timedelta(hours=1)
        for minute, outlet in enumerate(OUTLETS):
            fetched = at + timedelta(minutes=7 * minute)
            yield captured(front_page(outlet, hours), f"https://{outlet.host}/", fetched, number)
            number += 1
            for story in outlet.stories:
                if hours - EVERY / timedelta(hours=1) < story.begins <= hours:
                    url = f"https://{outlet.host}/{story.slug}"
                    yield captured(article(outlet, story, hours), url, fetched + timedelta(minutes=2), number)
                    number += 1


def captured(content: str, url: str, fetched_at: datetime, number: int) -> dict[str, str]:
    line = {"url": url, "fetched_at": f"{fetched_at:%Y-%m-%dT%H:%M:%SZ}", "html": content}
    if number % 41 == 40:
        del line["fetched_at"]
    return line


def front_page(outlet: Outlet, hours: float) -> str:
    ranked, newest, _ = outlet.labels
    up = [story for story in outlet.stories if story.is_up(hours)]
    by_rank = sorted(up, key=lambda story: -story.rank(hours))[:5]
    by_age = sorted(up, key=lambda story: -story.begins)[:4]
    return document(
        outlet,
        outlet.name,
        "<main>"
        + links(ranked, outlet, [(story, story.title(hours)) for story in by_rank], "ol")
        + links(newest, outlet, [(story, cut_off(story.title(hours))) for story in by_age])
        + "</main>",
    )


def article(outlet: Outlet, story: Story, hours: float) -> str:
    others = [other for other in outlet.stories if other.is_up(hours) and other is not story]
    beside = sorted(others, key=lambda other: -other.rank(hours))[:3]
    title = story.title(hours)
    published = START + timedelta(hours=story.begins)
    data = {
        "@context": "https://schema.org",
        "@type": "NewsArticle",
        "headline": title,
        "datePublished": published.isoformat(),
        "inLanguage": outlet.language,
    }
    body = BODY[outlet.language].format(n=11 + int(story.begins) % 80).split("|")
    return document(
        outlet,
        title,
        f"<main><article><h1>{html.escape(title)}</h1>"
        + "".join(f"<p>{paragraph}</p>" for paragraph in body)
        + "</article>"
        + links(
            outlet.labels[2],
            outlet,
            [(each, (each.beside or each.title(hours)) + outlet.suffix) for each in beside],
        )
        + "</main>",
        f'<script type="application/ld+json">{json.dumps(data)}</script>',
    )


def links(label: str, outlet: Outlet, items: list[tuple[Story, str]], kind: str = "ul") -> str:
    if not items:
        return ""
    rows = "".join(
        f'<li><a href="https://{outlet.host}/{story.slug}">{html.escape(text)}</a></li>'
        for story, text in items
    )
    return f"<aside><h2>{label}</h2><{kind}>{rows}</{kind}></aside>"


def cut_off(text: str) -> str:
    return text if len(text) <= CUT else text[:CUT].rsplit(" ", 1)[0] + "…"


def document(outlet: Outlet, title: str, content: str, head: str = "") -> str:
    return (
        f'<!DOCTYPE html><html lang="{outlet.language}"><head><meta charset="utf-8">'
        f"<title>{html.escape(title)}</title>{head}</head><body>"
        f'<header><a href="/">{outlet.name}</a></header>{content}</body></html>'
    )


if __name__ == "__main__":
    for page in pages():
        sys.stdout.write(json.dumps(page, ensure_ascii=False) + "\n")
