"""Making views with their comments: what every migration that has views does."""

from __future__ import annotations

from collections.abc import Mapping

from alembic import op

View = tuple[str, str, dict[str, str]]
"""The statement that creates it, its comment, and the comments of its columns."""


def create_views(views: Mapping[str, View]) -> None:
    """Create views, each with its comments."""
    for name, (create, comment, columns) in views.items():
        op.execute(create)
        op.execute(f"COMMENT ON VIEW {name} IS {_quoted(comment)}")
        for column, said in columns.items():
            op.execute(f"COMMENT ON COLUMN {name}.{column} IS {_quoted(said)}")


def drop_views(views: Mapping[str, View]) -> None:
    """Drop views."""
    for name in views:
        op.execute(f"DROP VIEW {name}")


def _quoted(comment: str) -> str:
    return "'" + comment.replace("'", "''") + "'"
