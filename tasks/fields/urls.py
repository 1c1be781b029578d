"""URLs: made absolute, made comparable, and judged by the domain they belong to.

What pages say about URLs is hostile until shown otherwise: functions here return None or False for it
and never raise.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from functools import cache, lru_cache
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urljoin, urlsplit, urlunsplit

if TYPE_CHECKING:
    from publicsuffixlist import PublicSuffixList

MAX_LENGTH = 4096
"""Characters; what is longer is no address but data."""

_LONGEST_HOST = 253
_DEFAULT_PORTS = {"http": 80, "https": 443}
_CONTROL = re.compile(r"[\x00-\x20\x7f]+")
_HOST = re.compile(r"[^\s\x00-\x20\x7f<>\"'(),/:;?@\[\\\]^`{|}%#]+|\[[0-9a-fA-F:.]+\]")
_PLAIN = re.compile(r"https?://[a-z0-9-]+(?:\.[a-z0-9-]+)+/[A-Za-z0-9_~/-]*(?:\.[A-Za-z0-9]+)?")
"""Addresses that are their own normal form: most of what news pages link to."""

_TRACKING = re.compile(
    r"(?:utm_|at_|ns_|wt[._]|oly_|vero_|mtm_|pk_|piwik_|_hs).*|"
    r"(?:fb|g|d|ms|y|tw|tt|s_k)clid|gclsrc|gbraid|wbraid|igshid?|mc_[ce]id|_ga|_gl|mkt_tok|"
    r"xtor|s_?cid|i?cmpid|ocid|[iu]?cmp|smid|smtyp|ito|itm_.*|intcid|icid|__twitter_impression|ref_?src|"
    r"ico|iref|_medium",  # the list of the outlet's own that was clicked
    re.IGNORECASE,
)
"""Names of query parameters that say how a reader came, not what the page is."""


def absolute(href: str | None, base: str | None = None) -> str | None:
    """Return where a link leads as an http or https URL.

    None for other schemes, for links within the page (`#top`, empty), for relative links without a base,
    and for what is no address at all. Non-ASCII characters stay as written.
    """
    if not href or len(href) > MAX_LENGTH:
        return None
    href = _CONTROL.sub(_browser_space, href.strip())
    if not href or href.startswith("#"):
        return None
    try:
        parts = urlsplit(urljoin(base, href) if base and len(base) <= MAX_LENGTH else href)
    except ValueError:
        return None
    found = urlunsplit(parts) if _is_web(parts) else ""
    return found if 0 < len(found) <= MAX_LENGTH else None


def normalise(url: str) -> str:
    """Return the form in which two URLs of one page are equal.

    Scheme and host in small letters, no default port, credentials or fragment, tracking parameters dropped,
    the query sorted, percent-encoding uniform. What is no web address comes back stripped of white space.
    """
    url = url.strip()
    if _PLAIN.fullmatch(url) and len(url) <= MAX_LENGTH:
        return url
    return _normalise(url)


@lru_cache(maxsize=4096)  # the same links stand on page after page
def _normalise(url: str) -> str:
    found = absolute(url)
    if found is None:
        return url
    from w3lib.url import canonicalize_url  # late: costs more than all the rest of this module

    parts = urlsplit(found)
    kept = [p for p in parts.query.split("&") if p and not _TRACKING.fullmatch(p.partition("=")[0])]
    bare = SplitResult(parts.scheme, _authority(parts), parts.path or "/", "&".join(kept), "")
    try:
        return canonicalize_url(urlunsplit(bare), keep_blank_values=True, keep_fragments=False)
    except (ValueError, UnicodeError):
        return urlunsplit(bare)


def host(url: str | None) -> str | None:
    """Return the host of a web URL in small letters and ASCII (punycode), None when there is none."""
    if not url or len(url) > MAX_LENGTH:
        return None
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        return None
    return _ascii_host(parts) if _is_web(parts) else None


def registrable_domain(url: str | None) -> str | None:
    """Return the domain that was registered for a URL's host: `news.bbc.co.uk` → `bbc.co.uk`.

    By the public suffix list that ships with the library, private suffixes included, so that two blogs
    of one hoster are two domains. IP addresses, single labels and suffixes stand for themselves.
    """
    name = host(url)
    return None if name is None else _registrable(name)


@lru_cache(maxsize=4096)
def _registrable(name: str) -> str:
    try:
        return str(ipaddress.ip_address(name.strip("[]")))
    except ValueError:
        return _suffixes().privatesuffix(name) or name


@cache
def _suffixes() -> PublicSuffixList:
    from publicsuffixlist import PublicSuffixList  # late: reads its list, 50 ms

    return PublicSuffixList()


def canonical(declared: str | None, page_url: str | None = None) -> str | None:
    """Return the canonical URL that a page declares of itself, if it may be believed.

    It counts only within the registrable domain of the page's own URL, where that is known, and not
    when it names the site's front page from a page below: many sites do so by mistake, and all their articles
    would become one. No fragment, no credentials.
    """
    found = absolute(declared, page_url)
    if found is None:
        return None
    parts = urlsplit(found)
    if page_url is not None and host(page_url) is not None:
        if registrable_domain(found) != registrable_domain(page_url):
            return None
        if _is_front_page(parts) and not _is_front_page(urlsplit(page_url.strip())):
            return None
    return urlunsplit((parts.scheme, _authority(parts), parts.path, parts.query, ""))


def matches_domain(url: str | None, domains: Iterable[str]) -> bool:
    """Return True when the URL's host is one of the domains or lies below one."""
    name = host(url)
    if name is None:
        return False
    return any(name == wanted or name.endswith(f".{wanted}") for wanted in map(_bare_domain, domains))


@lru_cache(maxsize=256)
def _bare_domain(domain: str) -> str:
    """A domain as users write it (`BBC.co.uk`, `.bbc.co.uk`, `https://bbc.co.uk/`) as a host."""
    domain = domain.strip()
    return host(domain if "://" in domain else f"http://{domain.lstrip('.*')}") or domain.lower()


def _browser_space(found: re.Match[str]) -> str:
    # Browsers drop line breaks and tabs from addresses and encode spaces.
    return "%20" * found.group().count(" ")


def _is_web(parts: SplitResult) -> bool:
    if parts.scheme not in _DEFAULT_PORTS:
        return False
    try:
        parts.port  # noqa: B018  the property checks the port
    except ValueError:
        return False
    authority = parts.netloc.rpartition("@")[2]
    name = authority if authority.endswith("]") else re.sub(r":\d*$", "", authority)
    return len(name) <= _LONGEST_HOST and _HOST.fullmatch(name) is not None and name.strip(".") != ""


def _authority(parts: SplitResult) -> str:
    """Host and port as they must be written: small letters, no credentials, no default port."""
    name = (parts.hostname or "").rstrip(".")
    name = f"[{name}]" if ":" in name else name
    return name if parts.port in (None, _DEFAULT_PORTS[parts.scheme]) else f"{name}:{parts.port}"


def _ascii_host(parts: SplitResult) -> str:
    name = (parts.hostname or "").rstrip(".")
    try:
        return name.encode("idna").decode("ascii") if not name.isascii() else name
    except UnicodeError:
        return name


def _is_front_page(parts: SplitResult) -> bool:
    return parts.path in ("", "/") and not parts.query
