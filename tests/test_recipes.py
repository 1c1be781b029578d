"""The recipes for sidebar headlines, asked of the fortnight that they were written for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from captures import rows
from sqlalchemy import Engine, text

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "headlines.md").read_text("utf-8")
RECIPES = [
    (heading, query, shown.splitlines())
    for heading, section in re.findall(r"^### (.*?)\n(.*?)(?=^### |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    for query, shown in re.findall(
        r"^```sql\n(.*?)^```\n+^```text\n(.*?)^```", section, re.MULTILINE | re.DOTALL
    )
]


def test_every_recipe_shows_its_answer() -> None:
    assert len(RECIPES) == len(re.findall("^```sql", PAGE, re.MULTILINE)) >= 12


@pytest.mark.parametrize(("query", "shown"), [pytest.param(*rest, id=name) for name, *rest in RECIPES])
def test_a_recipe_gives_what_is_shown(newsstand: Engine, query: str, shown: list[str]) -> None:
    with newsstand.connect() as connection:
        answer = connection.execute(text(query.replace(":", r"\:")))
        columns, found = list(answer.keys()), answer.fetchall()
    heading, *lines = shown
    assert heading.split() == columns
    assert len(found) == len(lines) > 0
    for row, line in zip(found, lines, strict=True):
        said = [value for value in row if isinstance(value, str | int)]
        assert all(str(value) in line for value in said), (row, line)


def test_the_fortnight_is_what_it_says(newsstand: Engine) -> None:
    assert rows(newsstand, "SELECT count(*) FROM pages WHERE fetched_at IS NULL")[0][0] > 0
    assert rows(newsstand, "SELECT count(*) FROM headlines WHERE generic") == [(1,)]
    assert rows(newsstand, "SELECT max(revisions) FROM headline_revisions") == [(4,)]
    assert rows(newsstand, "SELECT count(*) > 0 FROM headline_variants WHERE text LIKE '%…'") == [(True,)]
