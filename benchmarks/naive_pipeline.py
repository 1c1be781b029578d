"""A pipeline as one writes it at first: one flow, a mapped task a page, trafilatura, SQLAlchemy inserts.

    python benchmarks/naive_pipeline.py DIRECTORY DATABASE_URL

Each task reads a saved page and extracts it; the flow gathers what they return and inserts it, a hundred rows
a commit, but for pages that are there. Prints seconds and rows as JSON. It reads no archives and finds no
sidebar headlines; it has no versions of a text, no quarantine, no limits for a page and no ledger: run again,
it does everything again.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import trafilatura
from prefect import flow, task
from sqlalchemy import Text, create_engine
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

ROWS = 100


class Base(DeclarativeBase):
    """The one table."""


class Article(Base):
    """An article."""

    __tablename__ = "naive_articles"

    id: Mapped[int] = mapped_column(primary_key=True)
    path: Mapped[str] = mapped_column(Text, unique=True)
    url: Mapped[str | None] = mapped_column(Text, index=True)
    title: Mapped[str | None] = mapped_column(Text)
    author: Mapped[str | None] = mapped_column(Text)
    date: Mapped[str | None] = mapped_column(Text)
    body: Mapped[str] = mapped_column(Text)


@task
def extract(path: Path) -> dict[str, Any] | None:
    """One page as a row; None when there is no article on it."""
    found = trafilatura.bare_extraction(path.read_text("utf-8"), include_comments=False, with_metadata=True)
    if found is None or not found.text:
        return None
    return {
        "path": str(path),
        "url": found.url,
        "title": found.title,
        "author": found.author,
        "date": found.date,
        "body": found.text,
    }


@flow
def pipeline(directory: str, database: str) -> int:
    """Load every page of a directory; return how many rows were inserted."""
    engine = create_engine(database)
    Base.metadata.create_all(engine)
    rows: list[dict[str, Any]] = []
    inserted = 0

    def commit() -> None:
        nonlocal inserted
        with Session(engine) as session:
            done = session.execute(insert(Article).on_conflict_do_nothing().returning(Article.id), rows)
            inserted += len(done.all())
            session.commit()
        rows.clear()

    for future in extract.map(sorted(Path(directory).rglob("*.html"))):
        if row := future.result():
            rows.append(row)
        if len(rows) == ROWS:
            commit()
    if rows:
        commit()
    return inserted


if __name__ == "__main__":
    begun = time.perf_counter()
    loaded = pipeline(*sys.argv[1:])
    print(json.dumps({"rows": loaded, "seconds": time.perf_counter() - begun}))
