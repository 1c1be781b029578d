"""Invented news sites at any size: captures of pages with their sidebars, the same for the same seed.

A world is a rule, not a list: any batch of its pages can be made alone, in any process, in any order.
Time is counted in pages: page `n` of `pages` is fetched at about `n / pages` of the days.
"""

# ruff: noqa: S311  nothing here is a secret

from __future__ import annotations

import random
from bisect import bisect_left
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import accumulate

from schemas.records import BatchResult, ExtractedPage, Extraction, Headline, Page
from tasks.dedupe import article_key, headline_key, story_key

BEGIN = datetime(2026, 1, 5, tzinfo=UTC)
LONGEST_DAYS = 21
GENERIC = (
    "Live updates",
    "Morning briefing",
    "Evening briefing",
    "What to watch tonight",
    "Picture of the day",
)
"""Titles that every site lists every day, each day with another target."""
OPENINGS = tuple(
    f"{who} {what}"
    for what in ("says new plan for", "warns of delays to", "votes again on", "opens inquiry into")
    for who in ("Council", "Government", "Police chief", "Court", "Minister", "Hospital", "Union", "Mayor")
)
LABELS = ("Most read", "Latest", "Recommended", "Explore", "Related", "Trending", "More from us", None)
_UNACCENTED = str.maketrans("éå", "ea")
_FORMS = ("upper", "outlet", "cut", "spaces")


def mixed(*numbers: int) -> int:
    """48 bits that look random and depend on nothing but these numbers."""
    state = 0x2545F4914F6CDD1D
    for number in numbers:
        state = (state ^ number) * 0x9E3779B97F4A7C15 % 2**64
        state ^= state >> 29
    return state >> 16


@dataclass(frozen=True)
class Listed:
    """A headline's time in one list of one site, in pages; a heavier one stands on more of them."""

    begin: float
    end: float
    weight: float
    number: int


class World:
    """Sites that list `headlines` headlines on `pages` pages, `per_page` on each.

    Every headline is listed at least once, so `pages` pages show exactly `headlines` headlines and
    `pages * per_page` placements. 70 % of the links live under a day, the rest up to three weeks. A tenth
    of the headlines is syndicated to other sites, a quarter is seen in 2 to 4 wordings that say the same,
    and one in twenty is a new wording of the link before it.
    """

    def __init__(
        self, *, pages: int, headlines: int, per_page: int, sources: int, days: float, words: int, seed: int
    ) -> None:
        if not len(GENERIC) < headlines <= pages * per_page // 4:
            raise ValueError("Too many or too few headlines for so many placements.")
        self.pages, self.headlines, self.per_page = pages, headlines, per_page
        self.sources, self.days, self.words, self.seed = sources, days, words, seed
        choose = random.Random(seed)
        self._vocabulary = _vocabulary(choose)
        self._frequency = list(accumulate(1 / (rank + 10) for rank in range(len(self._vocabulary))))
        shares = list(accumulate(1 / (rank + 3) for rank in range(sources)))
        self._sources = [bisect_left(shares, choose.random() * shares[-1]) for _ in range(4096)]
        self._lists: list[list[Listed]] = [[] for _ in range(sources)]
        self._link = list(range(headlines))
        self._place_headlines(choose)
        self.text = lru_cache(100_000)(self._text)
        self.variant = lru_cache(100_000)(self._variant)
        self.url = lru_cache(100_000)(self._url)
        self.key = lru_cache(100_000)(headline_key)
        self.shown = lru_cache(self.sources * 2)(self._shown)

    def _place_headlines(self, choose: random.Random) -> None:
        """Say when each headline stands where, and which link it leads to."""
        day = self.pages / self.days
        latest: dict[int, int] = {}
        for number in range(len(GENERIC), self.headlines):
            source, begin = self.source(self.debut(number)), self.debut(number)
            life = choose.uniform(0.1, 1) if choose.random() < 0.7 else LONGEST_DAYS ** choose.random()
            weight = 1 / (choose.random() + 0.001)
            if source in latest and choose.random() < 0.05:
                before = self._lists[source][latest[source]]
                self._link[number] = self._link[before.number]
                self._lists[source][latest[source]] = Listed(
                    before.begin, begin, before.weight, before.number
                )
            latest[source] = len(self._lists[source])
            self._lists[source].append(Listed(begin, begin + life * day, weight, number))
            if choose.random() < 0.1:
                for other in {*choose.choices(range(self.sources), k=choose.randint(1, 5))} - {source}:
                    self._lists[other].append(Listed(begin, begin + life * day, weight / 2, number))

    # --- who stands where -------------------------------------------------------------------------------

    def debut(self, number: int) -> int:
        """The page that lists a headline whatever chance says."""
        return number * self.pages // self.headlines

    def source(self, page: int) -> int:
        return self._sources[mixed(self.seed, page) % 4096]

    def _debuts(self, page: int) -> range:
        return range(-(-page * self.headlines // self.pages), -(-(page + 1) * self.headlines // self.pages))

    def _labels(self, source: int) -> list[str | None]:
        return [LABELS[(source + step * 3) % len(LABELS)] for step in range(4)]

    def _shown(self, source: int, hour: int) -> list[tuple[list[float], list[int]]]:
        """What each of a site's lists shows in an hour: summed weights, and the headlines."""
        length = self.pages / self.days / 24
        begin, end = hour * length, (hour + 1) * length
        listed = self._lists[source]
        first = bisect_left(listed, begin - LONGEST_DAYS * 24 * length, key=lambda place: place.begin)
        behind = bisect_left(listed, end, key=lambda place: place.begin)
        current = [place for place in listed[first:behind] if place.end > begin]
        # A headline stands in one list of a site, one in five in two.
        lists: list[list[Listed]] = [[], [], [], []]
        for place in current:
            lists[place.number % 4].append(place)
            if place.number % 5 == 0:
                lists[(place.number + 1) % 4].append(place)
        return [
            (list(accumulate(place.weight for place in places)), [place.number for place in places])
            for places in lists
        ]

    # --- what it says -----------------------------------------------------------------------------------

    def _text(self, number: int) -> str:
        if number < len(GENERIC):
            return GENERIC[number]
        choose = random.Random(mixed(self.seed, number, 1))
        words = choose.choices(self._vocabulary, k=choose.randint(6, 10))
        if number % 5 == 0:
            words.insert(0, OPENINGS[int(len(OPENINGS) * choose.random() ** 2)])
        text = " ".join(words)
        return text[0].upper() + text[1:]

    def _variant(self, number: int, place: int, source: int) -> str:
        """A headline as a list of a site words it."""
        plain = self.text(number)
        if number % 4 or number < len(GENERIC):
            return plain
        forms = 2 + number // 4 % 3
        form = mixed(number, source, place) % forms
        if form == 0:
            return plain
        kind = _FORMS[(number // 12 + form) % 4]
        if kind == "upper":
            return plain.upper()
        if kind == "outlet":
            return f"{plain} | {self.outlet(source)}"
        if kind == "cut":
            return plain[: len(plain) * 3 // 4].rstrip() + "…"
        return plain.replace(" ", "\u00a0", 1)

    def outlet(self, source: int) -> str:
        return f"{self._vocabulary[source].capitalize()} Post"

    def host(self, source: int) -> str:
        return f"https://www.outlet-{source}.example"

    def _url(self, number: int, source: int, day: int) -> str:
        """Where a headline leads to on a site; that of a generic title changes every day."""
        if number < len(GENERIC):
            return f"{self.host(source)}/live/{number}/{day}"
        link = self._link[number]
        slug = "-".join(self.text(link).lower().translate(_UNACCENTED).split(" ")[:6])
        return f"{self.host(source)}/news/{slug}-{link}"

    # --- pages ------------------------------------------------------------------------------------------

    def batch(self, first: int, count: int) -> BatchResult:
        """The pages `first` … `first + count - 1`, as extraction hands them over."""
        made = tuple(self.page(number) for number in range(first, min(first + count, self.pages)))
        return BatchResult(number=first // count + 1, pages=made, read=len(made))

    def page(self, number: int) -> ExtractedPage:
        choose = random.Random(mixed(self.seed, number, 2))
        source = self.source(number)
        url, article = self._article(number, source, choose)
        is_text = number % 5 == 0
        fetched_at = self._fetched_at(number, choose)
        found = Extraction(
            is_article=article is not None,
            reason=None if article else "listing",
            title=article[0] if article else None,
            body=article[1] if article else [],
            word_count=self.words if article else 0,
            language="en",
            section=None,
            headlines=self._sidebar(number, source, is_text, choose),
            provenance={"title": "jsonld", "body": "dom"},
            confidence=0.9,
        )
        stored = Page(f"{self.seed} {number}".encode(), "html", None if is_text else url, fetched_at)
        return ExtractedPage(
            key=stored.key,
            digest=stored.digest,
            kind="text" if is_text else "html",
            url=stored.url,
            fetched_at=fetched_at,
            source=self.outlet(source),
            origin_uri=f"file:///crawl/{number // 10_000:04}.warc.gz",
            origin_record=number % 10_000,
            byte_count=60_000 + number % 7 * 10_000,
            extraction=found,
            article_key=article_key(found, stored.url) if article else None,
            story_key=story_key(found) if article else None,
            headline_keys=tuple(self.key(headline.text) for headline in found.headlines),
            title_key=self.key(found.title) if found.title else None,
        )

    def _fetched_at(self, number: int, choose: random.Random) -> datetime | None:
        """Rising, but half an hour to and fro, now and then days late, and one in a hundred unknown."""
        if number % 100 == 99:
            return None
        moment = BEGIN + timedelta(days=self.days * number / self.pages, minutes=choose.uniform(-30, 30))
        if choose.random() < 0.02:
            moment -= timedelta(days=choose.uniform(0, 3))
        return max(moment, BEGIN).replace(microsecond=0)

    def _article(
        self, number: int, source: int, choose: random.Random
    ) -> tuple[str, tuple[str, list[str]] | None]:
        """Address, and title and paragraphs unless the page is a listing.

        Three in ten are listings. As many are articles that a headline leads to, before or after it is
        listed, some of them again and changed; the others are listed nowhere.
        """
        kind = choose.random()
        if kind < 0.3:
            return f"{self.host(source)}/section/{choose.randrange(50)}", None
        listed = self._lists[source]
        if kind < 0.6 and listed:
            near = bisect_left(listed, number, key=lambda place: place.begin) + choose.randint(-9, 9)
            story = listed[min(max(near, 0), len(listed) - 1)].number
            title, url, edition = (
                self.text(self._link[story]),
                self.url(story, source, 0),
                choose.random() < 0.1,
            )
            return url, (title, self._body(self._link[story], edition))
        again = choose.random() < 0.1
        story = self.headlines + number - (number % 17 if again else 0)
        title = " ".join(random.Random(mixed(self.seed, story, 3)).choices(self._vocabulary, k=8))
        return f"{self.host(source)}/archive/{story}", (title.capitalize(), self._body(story, False))

    def _body(self, story: int, edited: bool) -> list[str]:
        choose = random.Random(mixed(self.seed, story, 4))
        words = choose.choices(self._vocabulary, cum_weights=self._frequency, k=self.words)
        paragraphs = [
            " ".join(words[start : start + 40]).capitalize() + "." for start in range(0, self.words, 40)
        ]
        return [*paragraphs, "This article was corrected."] if edited else paragraphs

    def _sidebar(self, number: int, source: int, is_text: bool, choose: random.Random) -> list[Headline]:
        """Four lists: by their weights what stands in them now, but the page's debuts in any case."""
        day = int(number * self.days / self.pages)
        hour = int(number * self.days * 24 / self.pages)
        lists = [[generic] for generic in self._generic(choose)] + [[] for _ in range(4)]
        lists = lists[:4]
        debuts = self._debuts(number)
        for debut in debuts[: self.per_page]:
            lists[debut % 4].append(debut)
        for place, (weights, numbers) in enumerate(self.shown(source, hour)):
            wanted = self.per_page * (place + 1) // 4 - self.per_page * place // 4
            for _ in range(3 * wanted):
                if len(lists[place]) >= wanted or not numbers:
                    break
                found = numbers[bisect_left(weights, choose.random() * weights[-1])]
                if found not in lists[place]:
                    lists[place].append(found)
        placed = [(place, found) for place, numbers in enumerate(lists) for found in numbers]
        if len(placed) > self.per_page:  # debuts stay
            spare = [entry for entry in placed if entry[1] not in debuts]
            for entry in spare[: len(placed) - self.per_page]:
                placed.remove(entry)
        while len(placed) < self.per_page:  # a short list repeats what the others show
            placed.append((3, choose.choice(placed)[1] if placed else choose.randrange(len(GENERIC))))
        placed.sort(key=lambda entry: entry[0])
        labels = self._labels(source)
        return [
            Headline(
                # The first placement is plain, so that a text cut off always has its whole.
                self.text(found) if found in debuts else self.variant(found, place, source),
                labels[place],
                self._vocabulary[found % 2000].capitalize() + " Lind" if found % 3 == 0 else None,
                None if is_text else self.url(found, source, day if found < len(GENERIC) else 0),
            )
            for place, found in placed
        ]

    def _generic(self, choose: random.Random) -> list[int]:
        return [choose.randrange(len(GENERIC))] if choose.random() < 0.3 else []


def _vocabulary(choose: random.Random) -> list[str]:
    """20,000 words of two to four syllables, most frequent first."""
    syllables = [
        a + b for a in "bdfgklmnprstvz" for b in ("a", "e", "i", "o", "u", "ar", "en", "is", "é", "å")
    ]
    words: dict[str, None] = {}
    while len(words) < 20_000:
        words["".join(choose.choices(syllables, k=choose.choice((2, 2, 3, 3, 4))))] = None
    return list(words)
