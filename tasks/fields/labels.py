"""Labels of headline lists, and what pages glue to a headline."""

from __future__ import annotations

import re
from functools import cache

from tasks.fields.dates import find_dates, month_number
from tasks.fields.lexicon import alternation, fold, start, stopwords, words
from tasks.fields.people import is_name

MOST_HEADLINES = 1_000
"""Sidebar headlines kept of one page, the first ones. Pages with more are archives or hostile."""
LONGEST_SECTION = 200
"""Characters; what is longer names no section."""
_LABEL_LENGTH = 60
_HEADLINE_LENGTH = 400
_BRACKETS = "【】《》〔〕[]()■◆●▼◎ "
_EDGES = " \t\u00a0|:»›>→•·*–—-▸▶►+#"


def label_text(text: str) -> str:
    """A label without the marks around it."""
    return text.strip(_EDGES).rstrip(" :.…»›>→")


def is_label(text: str) -> bool:
    """True for the label of a list of headlines: Recommended, Explore, Most read, Lo más leído …"""
    folded = fold(label_text(text).strip(_BRACKETS))
    if not folded or len(folded) > _LABEL_LENGTH:
        return False
    if folded in words("list_labels"):
        return True
    length = start(folded, "list_label_starts")
    rest = folded[length:].split()
    return bool(length) and 1 <= len(rest) <= 4 and not text.rstrip().endswith((".", "?", "!"))


def is_sponsored(text: str) -> bool:
    """True for the label of a list that somebody paid for."""
    folded = fold(label_text(text))
    if folded in words("sponsored_labels"):
        return True
    if len(folded) >= 80:
        return False
    if start(folded, "sponsored_starts"):
        return True
    return (
        " " in folded
        and len(tokens := folded.split()) <= 3
        and not words("sponsored_words").isdisjoint(tokens)
    )


_NUMBER = re.compile(
    r"^(?:(?:#\d{1,2}|\d{1,2}[.):])\s*|0\d\s+|\d{1,2}\s\|\s"
    r"|\d{1,2}\s(?=(?:The|An|Why|How|What|Who|When|Where|Warum|Wie|Pourquoi|Comment|Cómo|Qué)\s)"
    r"|\d{1,2}(?=[A-ZÀ-Þ][a-zß-ÿ]{2,}\s(?:\S+\s){2})(?!\d+News))(?=[^\W\d_]|[\"'“‘«„»‹¿¡]|(?<=\s)\d[\d.,]*\s[^\W\d_])"
)
"""Without a mark, only where it can count nothing: `1 The storm nears`, `4Storm nears the coast`."""
_CLOCK = re.compile(
    r"^(?:[01]?\d|2[0-3])(?::[0-5]\d(?!\d)\s?(?:uhr\b|h\b|[ap]\.?m\.?)?\s*[|·•–—-]?"
    r"|[.h][0-5]\d(?!\d)\s?(?:uhr\b|[|·•–—-]|[ap]\.?m\.?))\s*(?=\S)(?-i:(?![a-z]))",
    re.IGNORECASE,
)
"""A time in front; `3.50` alone may be a price, and `3:10 to Yuma` is a title."""
_TIME_BEHIND = re.compile(
    r"(?:\s*[|·•]\s*|(?<=[^\W\d_]))(?:[01]?\d|2[0-3])[:.h][0-5]\d(?:\s?(?:uhr|h|[ap]\.?m\.?))?$"
    r"|\s*[|·•]\s*\d{1,2}\s?(?:h|hr|hrs|min|m|d|std|j)\.?$",
    re.IGNORECASE,
)
_OUTLET = re.compile(r"^[A-ZÀ-Þ][\w.&]*(?:\s[A-ZÀ-Þ][\w.&]*){0,3}\s-\s(?=\S)")


@cache
def _glued_label() -> re.Pattern[str]:
    """A label run into the headline: `RelatedOutlet - `, `ALSO READ | `, `Mehr zum Thema: `."""
    return re.compile(
        rf"^(?P<label>{alternation('list_labels')})(?P<mark>\s?[:|»›→]\s*|\.\s+|\s+[-–—]\s+|(?=[^\W\d_]|[\s\"'“‘«„»‹¿¡]))",
        re.IGNORECASE,
    )


@cache
def _kicker() -> re.Pattern[str]:
    return re.compile(
        rf"^(?:[\[(【*]\s?)?(?:{alternation('kickers')})(?:\s?[\])】*])?\s?(?:[:：|•·]|\s[-–—]|(?<=[\])】*]))\s*",
        re.IGNORECASE,
    )


@cache
def _shouted() -> re.Pattern[str]:
    """A kicker in capitals before a word that is not: `VIDÉO. Le maire`, `EXCLUSIVE-Mayor`, `LIVE Mayor`."""
    kickers = sorted(
        {kicker.upper() for kicker in words("kickers") if len(kicker) > 3}, key=len, reverse=True
    )
    capital = r"[\"'“‘«„]?\s?(?:[^\W\d_a-zß-ÿ][a-zß-ÿ’']|[A-ZÀ-Þ]\s)"
    return re.compile(rf"^(?:{'|'.join(map(re.escape, kickers))})(?:\.\s+(?=\S)|(?:\s+|-|)(?={capital}))")


@cache
def _stopped() -> re.Pattern[str]:
    """A kicker with a full stop: `Vidéo. Le maire`."""
    kickers = sorted((kicker for kicker in words("kickers") if len(kicker) > 4), key=len, reverse=True)
    return re.compile(
        rf"^(?:{'|'.join(map(re.escape, kickers))})\.\s+(?-i:(?=[\"'“‘«„]?\s?[A-ZÀ-Þ]))", re.IGNORECASE
    )


_WIRE = re.compile(
    r"^(?:(?:UPDATE|WRAPUP|RPT|REFILE|CORRECTED|EXCLUSIVE)\s?\d{0,2}\s?-\s?)+(?=[^\W\d_]|[\"'“‘])"
)
"""How agencies mark that they sent a text again: `UPDATE 2-Storm nears`."""


@cache
def _tag() -> re.Pattern[str]:
    """A kicker behind the headline: `[Video]`, `(Photos)`, `– video`."""
    kickers, joint = alternation("kickers"), alternation("joined_kickers")
    return re.compile(
        rf"\s*(?:[(\[](?:(?:{joint})\s?)?(?:{kickers})[)\]]|\s[-–—]\s(?:{kickers}))$", re.IGNORECASE
    )


@cache
def _count() -> re.Pattern[str]:
    """The number of comments. A bare `(34)` stays: it may be an age, a year or the part of a series."""
    comments = alternation("comments")
    return re.compile(
        rf"\s*(?:💬\s?\d{{1,5}}|[(|·•\[]?\s*(?<!\d)\d{{1,5}}\s(?:{comments})[)\]]?)$", re.IGNORECASE
    )


@cache
def _category() -> re.Pattern[str]:
    """`EnergycategorySarnnet …`, `Politics | …`: a section in front, but no sport or place (`Berlin | …`)."""
    section = rf"(?!(?:{alternation('telling_categories')})\s?[|•·])(?:{alternation('categories')})"
    return re.compile(rf"^{section}(?:\s?[|•·]\s*|category(?=[A-ZÀ-Þ]))", re.IGNORECASE)


@cache
def _ago() -> re.Pattern[str]:
    units, after, updated = alternation("ago_units"), alternation("ago"), alternation("updated")
    one = r"\d{1,3}|an?|ein(?:er|em)?|une?|una?"
    return re.compile(
        rf"(?P<mark>[\s|·•,(–—-]*)(?:(?<!\w)(?:{updated})\s)?"
        rf"(?:(?<!\w)(?:{after})\s(?:{one})\s?(?P<unit>{units})\.?(?!\w)"
        rf"|(?<!\d)(?:\d{{1,3}}|(?<!\w)an?)\s?(?P<units>{units})\.?\s(?:{after}))\s*\)?$",
        re.IGNORECASE,
    )


def _without_age(text: str) -> str:
    """Text without `2 hours ago` behind it. Months and years need a mark: `King died 20 years ago`."""
    found = _ago().search(text, max(0, len(text) - _TAIL))
    if not found or found.start() < _LEAST:
        return text
    unit = fold(found["unit"] or found["units"])
    if unit in words("ago_long_units") and not found["mark"].strip(" \t\u00a0,"):
        return text
    return text[: found.start()]


@cache
def _reading() -> re.Pattern[str]:
    minutes, reading = alternation("minutes"), alternation("reading")
    return re.compile(rf"[\s|·•,–—-]*\d{{1,3}}[\s-]?(?:{minutes})\.?\s(?:{reading})\s*$", re.IGNORECASE)


def split_label(text: str) -> tuple[str | None, str]:
    """(label, rest) of a line with a list label glued in front of a headline; (None, text) of any other."""
    if not start(fold(text[:_LABEL_LENGTH]), "list_labels", whole=False):
        return None, text
    label: str | None = None
    rest = text
    for _ in range(3):  # some pages glue it twice
        found = _glued_label().match(rest)
        if not found:
            break
        name, behind = found["label"], rest[found.end() :]
        following = behind.lstrip()
        marked = found["mark"].strip() or name.endswith(":")
        if not following or not (marked or _glued(name, behind) or _invites(name, behind)):
            break
        label = label or name
        rest = following
    return label, rest


def _glued(label: str, following: str) -> bool:
    """True where a new word begins behind the label: `RelatedOutlet`, `RELATED Outlet`, not `Explorer`."""
    begins = following[:1]
    if label.isupper():
        rest = following.lstrip()
        return rest[:1].isupper() and rest[1:2].islower()
    return label[:1].isupper() and label[-1:].islower() and not begins.isspace() and not begins.islower()


def _invites(label: str, following: str) -> bool:
    """True for a label that only asks to read on, so that a space is enough: `À lire aussi L’île …`."""
    return following[:1].isspace() and fold(label) in words("invitations")


def _number(text: str) -> re.Match[str] | None:
    """A list's number in front (`3. Storm nears`), not a date's or a count's (`3. Mai`, `2. Bundesliga`)."""
    found = _NUMBER.match(text)
    if not found:
        return None
    following = text[found.end() : found.end() + 40]
    if following[0].islower():
        return None  # `3. köprü`, `#4 seed`: a part of the sentence
    if found.group().rstrip().endswith("."):
        noun = fold(following).partition(" ")[0].rstrip(":,.!?")
        if month_number(noun) or noun in words("counted_nouns"):
            return None
    return found


_LEAD = re.compile(
    r".{0,40}?(?:[\d:：|•·\])】]|\.\s|\s[–—-]|category)"
)  # cheap signs that there may be something to take off
_TRAIL = re.compile(r"\d|(?<!\w)an?\s\S+\s\S+$|(?<!\w)(?:une?|una|ein(?:er|em)?)\s\S+$")
_LEAST = 8
_LEAST_BYTES = 18  # in scripts of long code points a few characters say as much


def _says_enough(text: str) -> bool:
    return len(text) >= _LEAST or len(text.encode()) >= _LEAST_BYTES


def _without_lead(text: str, *patterns: re.Pattern[str]) -> str:
    for pattern in patterns:
        found = pattern.match(text)
        if found and _says_enough(text[found.end() :]):
            text = text[found.end() :]
    return text


def _without_tail(text: str, *patterns: re.Pattern[str]) -> str:
    for pattern in patterns:
        found = pattern.search(text, max(0, len(text) - _TAIL))
        if found and _says_enough(text[: found.start()]):
            text = text[: found.start()]
    return text


def strip_decoration(text: str) -> str:
    """A headline's text alone: no glued label or outlet, number, clock, category, date, age or `VIDEO:`."""
    text = text[:_HEADLINE_LENGTH].strip(" \t\u00a0|•·►▶▸")
    label, rest = split_label(text)
    if label:
        glued = text[len(label) : len(label) + 1].isalpha()
        text = _OUTLET.sub("", rest, count=1) if glued else rest
    numbered = _number(text)
    if numbered and _says_enough(text[numbered.end() :]):
        text = text[numbered.end() :]
    if _LEAD.match(text):
        text = _without_lead(text, _CLOCK, _category(), _kicker(), _stopped(), _category())
    if text[:4].isupper():
        text = _without_lead(text, _WIRE, _shouted())
    if _TRAIL.search(text, max(0, len(text) - _TAIL)):
        text = _without_age(_without_tail(text, _count(), _TIME_BEHIND, _reading()))
    return strip_trailing_date(text).strip(" \t\u00a0|•·")


def strip_credit(text: str) -> str:
    """A headline's text without a kicker or an author behind it: `[Video]`, `– by Jane Doe`.

    An author goes only where a mark, a missing space or a capital that the sentence does not ask for
    shows that the words are none of the headline's: `condemned by Jane Doe` and, in a headline that
    is capitalised throughout, `Covered By Jane Doe` stay.
    """
    if text.endswith((")", "]")) or " - " in text or " – " in text or " — " in text:
        text = _without_tail(text, _tag())
    words_behind = text.rsplit(maxsplit=_LONGEST_CREDIT)
    for position in range(len(words_behind) - 2, 0, -1):
        lead = _byline().search(words_behind[position])
        if lead:
            before = " ".join([*words_behind[:position], words_behind[position][: lead.start()]]).rstrip()
            credit = _is_credit(before, lead, words_behind[position + 1 :])
            return before.rstrip(_MARKS + ",") if credit else text
    return text


_LONGEST_CREDIT = 8
_LONGEST_NOUN = 3
"""Words that may be a title which an author completes: `The Sea, by Jane Doe`."""
_AND = re.compile(r",\s|\s(?:and|und|et|y|e|og|och|en|&)\s")
_MARKS = " \t\u00a0|·•–—-"


@cache
def _byline() -> re.Pattern[str]:
    """`by` as a word, or `By` glued to one."""
    leads = sorted(words("headline_bylines"), key=lambda word: (-len(word), word))
    capital = "|".join(lead.capitalize() for lead in leads)
    return re.compile(
        rf"^(?:{'|'.join(leads)}|{capital})$|(?<=\S)(?:{capital})$"
        rf"|(?<=[^\W\dA-Z_])(?:{'|'.join(lead.upper() for lead in leads)})$"
    )


def _is_credit(before: str, lead: re.Match[str], names: list[str]) -> bool:
    """True where `before` is a headline and nothing but an author's name follows."""
    authors = _AND.split(" ".join(names))
    if len(authors[0].split()) < 2 or not _says_enough(before) or not all(map(is_name, authors)):
        return False
    if lead.start() and lead[0].isupper() and before[-1].isupper():
        return False  # the end of a word in capitals: `TUKÅDI`
    marked = before[-1] in ".?!" or (before[-1] in _MARKS and before[-2:-1].isspace() | (before[-1] in "|·•"))
    marked = marked or (before[-1] == "," and len(before.split()) > _LONGEST_NOUN)
    return marked or bool(lead.start()) or (lead[0][0].isupper() and _in_sentence_case(before))


def _in_sentence_case(text: str) -> bool:
    """True where an ordinary word begins with a small letter: the headline is not capitalised throughout."""
    return any(
        len(word) > 3 and word.isalpha() and word.islower() and word not in _SMALL_IN_TITLES
        for word in text.split()
    )


_SMALL_IN_TITLES = frozenset(
    [
        *("with", "from", "over", "into", "onto", "upon", "after", "about", "under", "than", "that"),
        *(
            "against",
            "between",
            "through",
            "amid",
            "during",
            "before",
            "behind",
            "among",
            "without",
            "within",
        ),
        *("around", "across", "toward", "towards", "until", "since", "near", "like", "when", "what", "your"),
    ]
)


_TAIL = 40
_DIGIT = re.compile(r"\d")
_GLUED_DATE = re.compile(
    r"(?<=[^\W\d_A-Z]|[?!.”\"'»)])(?=[A-Z][a-z]{2,8}\.?\s\d)|(?<=[^\W\d_?!.”’\"')])(?=\d{1,2}[./ ])"
)


def strip_trailing_date(text: str) -> str:
    """Text without a date at its end: glued, after a separator, or as only templates print it.

    A date inside the sentence stays, and so does one that tells the pieces of a series apart:
    `Morning briefing | May 3, 2025`.
    """
    cut = max(0, len(text) - _TAIL)
    tail = text[cut:]
    if not _DIGIT.search(tail):
        return text
    length = len(tail.rstrip())
    spots = [0, *(found.start() for found in _GLUED_DATE.finditer(tail))]
    for spot in spots:
        for dated in find_dates(tail[spot:]):
            if spot + dated.end == length and dated.precision != "month":
                before = text[: cut + spot + dated.start]
                if spot or _parted(before, dated.raw) or _is_stamp(before, dated.raw):
                    before = before.rstrip(" |·•-–—,(")
                    return text if len(before) < _LEAST or is_serial(before) else before
    return text


def _parted(before: str, date: str) -> bool:
    """True where a mark parts the date from the title: a comma only one in figures."""
    mark = before.rstrip(" ")[-1:]
    return mark in "|·•-–—)(" or (mark == "," and not any(sign.isalpha() for sign in date))


_STAMP = re.compile(r"(?!May|\d+\sMay)(?:[A-Z][a-z]{2}\s\d{1,2},|\d{1,2}\s[A-Z][a-z]{2})\s\d{4}")
"""As templates print a date, and sentences do not: a month of three letters without a point, and the year."""


def _is_stamp(before: str, date: str) -> bool:
    """True for a template's date without a mark, unless a sentence leads up to it: `opens on Mar 3, 2026`."""
    if not _STAMP.fullmatch(date):
        return False
    last = fold(before).rpartition(" ")[2].rstrip(",")
    return last not in words("telling_days") and not any(last in common for common in stopwords().values())


_STOP = re.compile(r"[:;,.!?()\[\]\"|]")


@cache
def _dated_titles() -> tuple[frozenset[str], tuple[str, ...]]:
    """Single words, and what is looked for as it stands: phrases, and words of scripts without spaces."""
    dated = words("dated_titles")
    unspaced = {word for word in dated if word[0] > "\u3000"}
    phrases = {f" {word} " for word in dated - unspaced if not word.isalpha()}
    return dated, (*unspaced, *phrases)


def is_serial(title: str) -> bool:
    """True for the title of a series, which only its date, place or team completes."""
    found = _STOP.sub(" ", fold(title)).split()
    if title.isascii() and len(found) < 4:
        return True
    single, standing = _dated_titles()
    folded = f" {' '.join(found)} "
    return not single.isdisjoint(found) or any(phrase in folded for phrase in standing)
