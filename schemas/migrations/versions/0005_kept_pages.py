"""Where the bytes of kept pages are; runs that were interrupted; how quarantined pages were resolved."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

STATE = "running, completed, partial (something was quarantined) or failed."
STATES = ("running", "completed", "partial", "failed")


def upgrade() -> None:
    _allow_states(*STATES, "interrupted")
    op.alter_column(
        "runs",
        "state",
        comment="running, completed, partial (something was quarantined), failed or interrupted (stopped).",
        existing_comment=STATE,
    )
    op.create_table(
        "kept_files",
        sa.Column("id", sa.Integer(), sa.Identity(), nullable=False, comment="Identity key."),
        sa.Column("uri", sa.Text(), nullable=False, comment="Where it is."),
        sa.Column(
            "kept_at",
            sa.DateTime(timezone=True),
            nullable=False,
            server_default=sa.text("now()"),
            comment="When it was entered.",
        ),
        sa.PrimaryKeyConstraint("id", name="kept_files_pkey"),
        sa.UniqueConstraint("uri", name="kept_files_uri_key"),
        comment="WARC files that hold the raw bytes of pages, written by runs with --keep-pages.",
    )
    op.create_table(
        "kept_pages",
        sa.Column(
            "digest", sa.LargeBinary(), nullable=False, comment="Digest of the raw bytes: pages.digest."
        ),
        sa.Column(
            "record_offset",
            sa.BigInteger(),
            nullable=False,
            comment="Where its record begins in the file, in stored bytes.",
        ),
        sa.Column("file_id", sa.Integer(), nullable=False, comment="The file."),
        sa.PrimaryKeyConstraint("digest", name="kept_pages_pkey"),
        sa.ForeignKeyConstraint(["file_id"], ["kept_files.id"], name="kept_pages_file_id_fkey"),
        comment="Where the raw bytes of pages are kept: one place each, however often they were captured.",
    )
    op.create_index("kept_pages_file_id_idx", "kept_pages", ["file_id"])
    op.add_column(
        "quarantine",
        sa.Column(
            "resolution", sa.Text(), nullable=True, comment="How: loaded or dismissed; NULL while it is open."
        ),
    )
    op.execute("UPDATE quarantine SET resolution = 'loaded' WHERE resolved_at IS NOT NULL")
    op.alter_column(
        "quarantine",
        "resolved_at",
        comment="When it was loaded after all, or dismissed; NULL while it is open.",
        existing_comment="When it was loaded after all; NULL while it is open.",
    )
    op.create_check_constraint(
        op.f("quarantine_resolution_check"),
        "quarantine",
        "resolution IN ('loaded', 'dismissed') AND (resolution IS NULL) = (resolved_at IS NULL)",
    )


def downgrade() -> None:
    op.drop_constraint("quarantine_resolution_check", "quarantine")
    op.alter_column(
        "quarantine",
        "resolved_at",
        comment="When it was loaded after all; NULL while it is open.",
        existing_comment="When it was loaded after all, or dismissed; NULL while it is open.",
    )
    op.drop_column("quarantine", "resolution")
    op.drop_table("kept_pages")
    op.drop_table("kept_files")
    op.alter_column("runs", "state", comment=STATE)
    op.execute("UPDATE runs SET state = 'failed' WHERE state = 'interrupted'")
    _allow_states(*STATES)


def _allow_states(*states: str) -> None:
    op.drop_constraint("runs_state_check", "runs")
    allowed = ", ".join(f"'{state}'" for state in states)
    op.create_check_constraint(op.f("runs_state_check"), "runs", f"state IN ({allowed})")
