"""Article fields, body and sidebar headlines from markup."""

from __future__ import annotations

from datetime import datetime

from selectolax.lexbor import LexborHTMLParser

from schemas.records import Extraction, Headline
from tasks.clean import block_texts
from tasks.html_blocks import segment
from tasks.html_body import find_body
from tasks.html_headlines import drop_kickers, find_headlines
from tasks.html_metadata import read_metadata


def extract_html(markup: str, url: str | None, fetched_at: datetime | None) -> Extraction:
    """The record of one page of markup. Linear in its size."""
    tree = LexborHTMLParser(markup)
    data = read_metadata(tree)
    blocks = segment(tree)
    title = data.text("headline") or data.first("og:title") or data.title
    found = find_body(blocks, title, data.first("og:description", "description"))
    chosen = found.standfirst + found.blocks
    inside = set(chosen)
    links = find_headlines(blocks, inside, title, url)
    drop_kickers(links)
    texts = block_texts([block.html for block in chosen + links])
    body = [text for text in texts[: len(chosen)] if text]
    headlines = [Headline(text=text, href=link.href) for text, link in zip(texts[len(chosen) :], links, strict=True)]
    return Extraction(
        is_article=bool(body),
        title=title,
        authors=data.names("author"),
        published_at=data.text("datePublished"),
        body=body,
        headlines=headlines,
    )
