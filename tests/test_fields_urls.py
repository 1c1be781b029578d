"""URLs: absolute, normal, and judged by their domain; hostile ones never raise."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tasks.fields.urls import absolute, canonical, host, matches_domain, normalise, registrable_domain

PAGE = "https://news.daily.example/world/a.html?x=1"


@pytest.mark.parametrize(
    ("href", "found"),
    [
        ("b.html", "https://news.daily.example/world/b.html"),
        ("/b#top", "https://news.daily.example/b#top"),
        ("//cdn.example/b", "https://cdn.example/b"),
        ("?page=2", "https://news.daily.example/world/a.html?page=2"),
        ("HTTP://Other.example/b", "http://Other.example/b"),
        (" \n/b\tc d ", "https://news.daily.example/bc%20d"),
        ("/größe", "https://news.daily.example/größe"),
        ("#top", None),
        ("", None),
        ("  ", None),
        (None, None),
        ("javascript:alert(1)", None),
        ("java\nscript:alert(1)", None),
        ("mailto:desk@daily.example", None),
        ("data:text/html,<p>", None),
        ("ftp://daily.example/a", None),
        ("http://", None),
        ("http:///a", None),
        ("http://[bad", None),
        ("http://[::1]/a", "http://[::1]/a"),
        ("http://a b/", None),
        ("http://a<b>/", None),
        ("http://daily.example:x/", None),
        ("http://daily.example:99999/", None),
        ("https://daily.example/" + "a" * 10_000, None),
    ],
)
def test_links_become_absolute_web_addresses(href: str | None, found: str | None) -> None:
    assert absolute(href, PAGE) == found


def test_a_relative_link_without_a_base_leads_nowhere() -> None:
    assert absolute("/a", None) is None
    assert absolute("https://daily.example/a", None) == "https://daily.example/a"


@pytest.mark.parametrize(
    ("url", "normal"),
    [
        ("https://daily.example/world/a-b.html", "https://daily.example/world/a-b.html"),
        ("HTTPS://Daily.Example", "https://daily.example/"),
        ("http://daily.example:80/a", "http://daily.example/a"),
        ("https://daily.example:443/a", "https://daily.example/a"),
        ("https://daily.example:8443/a", "https://daily.example:8443/a"),
        ("https://daily.example./a#part", "https://daily.example/a"),
        ("https://user:word@daily.example/a", "https://daily.example/a"),
        ("https://daily.example/a?b=2&a=1", "https://daily.example/a?a=1&b=2"),
        (
            "https://daily.example/a?utm_source=x&UTM_Medium=y&id=7&fbclid=z&gclid=",
            "https://daily.example/a?id=7",
        ),
        ("https://daily.example/a?utm_source=x", "https://daily.example/a"),
        ("https://daily.example/a?ico=most_popular&iref=top", "https://daily.example/a"),
        ("https://daily.example/a?", "https://daily.example/a"),
        ("https://daily.example/%7euser/%e9", "https://daily.example/~user/%E9"),
        ("https://daily.example/é b", "https://daily.example/%C3%A9%20b"),
        ("http://zürich.example/", "http://xn--zrich-kva.example/"),
        ("  https://daily.example/a ", "https://daily.example/a"),
        ("no address", "no address"),
        ("javascript:alert(1)", "javascript:alert(1)"),
    ],
)
def test_one_page_has_one_normal_address(url: str, normal: str) -> None:
    assert normalise(url) == normal
    assert normalise(normal) == normal


@pytest.mark.parametrize(
    "name", ["id", "page", "article_id", "clid", "utmost", "author", "lang", "ref", "format"]
)
def test_parameters_that_name_the_page_stay(name: str) -> None:
    assert normalise(f"https://daily.example/a?{name}=1") == f"https://daily.example/a?{name}=1"


@pytest.mark.parametrize(
    ("url", "domain"),
    [
        ("https://news.bbc.co.uk/a", "bbc.co.uk"),
        ("https://WWW.Daily.example:8080/", "daily.example"),
        ("https://one.blogspot.com/", "one.blogspot.com"),
        ("https://www.zürich.ch/", "xn--zrich-kva.ch"),
        ("https://www.xn--zrich-kva.ch/", "xn--zrich-kva.ch"),
        ("http://192.0.2.1:80/a", "192.0.2.1"),
        ("http://[2001:db8::0:1]/a", "2001:db8::1"),
        ("http://localhost:8000/", "localhost"),
        ("https://co.uk/", "co.uk"),
        ("https://daily.example./", "daily.example"),
        ("ftp://daily.example/", None),
        ("daily.example", None),
        ("", None),
        (None, None),
    ],
)
def test_the_registrable_domain(url: str | None, domain: str | None) -> None:
    assert registrable_domain(url) == domain


@pytest.mark.parametrize(
    ("declared", "page", "believed"),
    [
        ("https://daily.example/a", PAGE, "https://daily.example/a"),
        ("/a", PAGE, "https://news.daily.example/a"),
        ("https://daily.example/a#part", PAGE, "https://daily.example/a"),
        ("https://DAILY.example:443/A", PAGE, "https://daily.example/A"),
        ("https://other.example/a", PAGE, None),
        ("https://daily.example.evil.example/a", PAGE, None),
        ("https://daily.example@evil.example/a", PAGE, None),
        ("https://evil.example/a", None, "https://evil.example/a"),
        ("https://two.blogspot.com/a", "https://one.blogspot.com/a", None),
        ("http://192.0.2.2/a", "http://192.0.2.1/a", None),
        ("http://192.0.2.1/b", "http://192.0.2.1/a", "http://192.0.2.1/b"),
        ("https://daily.example/", PAGE, None),
        ("https://daily.example", PAGE, None),
        ("https://daily.example/", "https://www.daily.example/", "https://daily.example/"),
        ("javascript:alert(1)", PAGE, None),
        ("/a", None, None),
        ("", PAGE, None),
        (None, PAGE, None),
        ("https://daily.example/a", "not an address", "https://daily.example/a"),
    ],
)
def test_a_canonical_address_counts_within_its_own_domain(
    declared: str | None, page: str | None, believed: str | None
) -> None:
    assert canonical(declared, page) == believed


@pytest.mark.parametrize(
    ("domains", "matches"),
    [
        (["daily.example"], True),
        (["news.daily.example"], True),
        ([".daily.example"], True),
        (["*.Daily.Example"], True),
        (["https://daily.example/"], True),
        (["other.example", "daily.example"], True),
        (["sport.daily.example"], False),
        (["aily.example"], False),
        (["example.daily"], False),
        ([""], False),
        ([], False),
    ],
)
def test_a_url_matches_a_domain_and_its_subdomains(domains: list[str], matches: bool) -> None:
    assert matches_domain(PAGE, domains) is matches


def test_domains_match_in_either_script() -> None:
    assert matches_domain("https://www.zürich.ch/", ["xn--zrich-kva.ch"])
    assert matches_domain("https://xn--zrich-kva.ch/", ["zürich.ch"])


@given(
    st.text(max_size=60) | st.text(alphabet="htps:/@[]#?.%&=:é\n 1xn-", max_size=60),
    st.text(max_size=20) | st.none(),
)
@example("http://\udfff/", None)
@example("http://1.2.3.4.5:0/%zz?&&=&", "http://[::1]/")
@example("http://xn--999999999/", "http://xn--/")
@example("http://" + "a." * 2000, "http://ẞ.ß/")
def test_nothing_is_a_crash(url: str, other: str | None) -> None:
    base = f"http://{other}" if other is not None else None
    found = absolute(url, base)
    assert found is None or found.startswith(("http://", "https://"))
    canonical(url, base)
    host(url)
    registrable_domain(url)
    matches_domain(url, [url, other or ""])
    assert normalise(normalise(url)) == normalise(url)
