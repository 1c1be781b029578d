"""Article fields, body and sidebar headlines from markup."""

from __future__ import annotations

from datetime import datetime

from selectolax.lexbor import LexborHTMLParser

from schemas.records import Extraction, Headline
from tasks.clean import block_texts
from tasks.html_metadata import Metadata, read_metadata
from tasks.html_regions import Region, find_headlines, find_region, prune


def extract_html(markup: str, url: str | None, fetched_at: datetime | None) -> Extraction:
    """The record of one page of markup. Linear in its size."""
    tree = LexborHTMLParser(markup)
    data = read_metadata(tree)
    prune(tree)
    region = find_region(tree)
    links = find_headlines(tree, region)
    texts = block_texts([block.html or "" for block in region.blocks] + [link.html or "" for link in links])
    body = [text for text in texts[: len(region.blocks)] if text]
    headlines = [
        Headline(text=text, href=link.attributes.get("href"))
        for text, link in zip(texts[len(region.blocks) :], links)
    ]
    title = data.text("headline") or data.first("og:title") or data.title
    return Extraction(
        is_article=bool(body),
        title=title,
        authors=data.names("author"),
        published_at=data.text("datePublished"),
        body=body,
        headlines=headlines,
    )
