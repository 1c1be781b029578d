"""Where a link leads: another story of the site, or a section, an author, a shop, the page itself."""

from __future__ import annotations

import re
from collections.abc import Iterable

from tasks.fields.urls import MAX_LENGTH, absolute, registrable_domain

NOT_PAGES = ("#", "javascript:", "mailto:", "tel:", "data:")
"""Targets that are no page at all."""

_NEVER = re.compile(
    r"/(?:authors?|autor(?:en|es)?|auteurs?|profile?s?|members?|users?|(?:show)?login|log-in|account|register|anmeldung[\w-]*|"
    r"abo|abos|events?|veranstaltung(?:en)?|termine|eventos|"
    r"subscri(?:be|ption|ptions)(?:-[\w-]*)?|newsletters?|search|suche|impressum|datenschutz|privacy(?:-[\w-]*)?|"
    r"terms(?:-[\w-]*)?|cookies?(?:-[\w-]*)?|contact(?:-us)?|kontakt|about(?:-us)?|advertis(?:e|ing)(?:-[\w-]*)?|"
    r"shop|store|shopping|epaper|e-paper|jobs?|jobboerse|stellen(?:markt|anzeigen?|angebote)|careers?|donate|spenden?|"
    r"sponsored(?:-?[\w-]*)?|annonser?|annonsorinnhold|annonces?|anzeigen?|advertorials?|reklame|werbung|publireportage|"
    r"brand-?(?:studio|content|story|voice)|partner(?:-?(?:content|inhalte?|angebote?))?|paid-?content|paidpost|"
    r"gutscheine?|coupons?|vouchers?|deals|lotto|loterias?|horoskope?|puzzles?(?:-[\w-]*)?|crosswords?|"
    r"tags?|tagi|etiket(?:ler)?|etiquetas?|hashtag|reactions|comments|feeds?|print|share)(?:/|$)",
    re.IGNORECASE,
)
"""Path segments of what is never a story."""
_SECTION = re.compile(
    r"/(?:topics?|thema|themen|themes?|temas?|emner?|sujets?|categor(?:y|ies|ia|ias|ie)|kategorien?|"
    r"kategori|sections?|rubrik(?:en)?|rubriques?|rubriche|dossiers?|specials?|series?|serien?|rensai|lists?|issues?|"
    r"podcasts?|sendung(?:en)?|programmer?|programmes?|collections?|services?|people|personen?)(?:/|$)",
    re.IGNORECASE,
)
"""Path segments of lists of stories; some sites keep their stories below."""
_NEVER_HOST = re.compile(
    r"https?://(?:jobs?|stellen\w*|karriere|careers?|shop|store|boutique|tienda|loja|sklep|abos?|aboshop|subscri\w*|account|login|"
    r"konto|tickets?|events?|lotto|lottery|mediadaten|advertis\w*|werbung|anzeigen|inserate|gutscheine?|coupons?|partner|"
    r"epaper|e-paper|kiosk|newsletters?|support|help|hilfe|ateliers|trauer|immo\w*|immobilien|forum|mail|reisewelten)\."
)
_INDEX = re.compile(r"/(?:index|default|home)\.\w{2,5}$", re.IGNORECASE)
_FILE = re.compile(r"\.(?:pdf|docx?|xlsx?|zip|jpe?g|png|gif|mp3|mp4|xml|rss)$", re.IGNORECASE)
_AUTHORITY = re.compile(r"^(?:[a-z][a-z0-9+.-]*:)?//[^/?]*", re.IGNORECASE)
_NUMBER = re.compile(r"\d{4,}")
_JOINT = re.compile(r"[-_]")


class Site:
    """The page's own site, as its links see it."""

    def __init__(self, url: str | None) -> None:
        self._url = url
        self._domain = registrable_domain(url)
        self._here = _bare(url or "")

    def story(self, href: str) -> str | None:
        """The absolute address (as written if the page has none) if it may be another story, else None."""
        target = absolute(href, self._url) if self._url else href
        if target is None or len(target) > MAX_LENGTH:
            return None
        if self._domain is not None and registrable_domain(target) != self._domain:
            return None
        if self._here and _bare(target) == self._here:
            return None
        path = _INDEX.sub("/", _path(target))
        if path in ("", "/") and "?" not in target:
            return None
        if _NEVER.search(path) or _FILE.search(path) or _NEVER_HOST.match(target):
            return None
        return target


def ends_like_story(url: str) -> bool:
    """True for an address that ends like those of single stories: words or a number, not one word."""
    path = _INDEX.sub("/", _path(url))
    last = path.rstrip("/").rpartition("/")[2]
    return (
        len(_JOINT.findall(last)) >= 2
        or bool(_NUMBER.search(path + url.partition("?")[2]))
        or last.endswith((".html", ".htm"))
    )


def is_section(url: str) -> bool:
    """True for an address below a topic, a tag, a series: most such pages are lists."""
    return bool(_SECTION.search(_path(url)))


def leads_to_list(url: str) -> bool:
    """True for an address that looks like a section's front: short, and not one of a single story."""
    path = _INDEX.sub("/", _path(url)).strip("/")
    return (path.count("/") <= 1 or is_section(url)) and not ends_like_story(url)


def last_segment(url: str) -> str:
    """The end of an address's path, in small letters."""
    return _INDEX.sub("", _path(url)).rstrip("/").rpartition("/")[2].lower()


def folders_of(urls: Iterable[str]) -> set[str]:
    """The names of the folders that addresses lie in; numbers aside, which are dates and stories."""
    return {
        folder
        for url in urls
        for folder in _path(url).lower().rstrip("/").split("/")[1:-1]
        if not folder.isdigit()
    }


def _path(url: str) -> str:
    """The path of an address that need not be whole."""
    return _AUTHORITY.sub("", url.partition("#")[0].partition("?")[0], count=1)


def _bare(url: str) -> str:
    return url.partition("#")[0].partition("?")[0].rstrip("/").partition("://")[2]
