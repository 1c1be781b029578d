"""What a reprocess takes back, until it is settled."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from schemas.errors import ConfigError

revision = "0006"
down_revision = "0005"

COMMENTS = {
    "batch_id": (
        "The batch it was loaded with.",
        "The batch it was loaded with, or in which a reprocess changed what it says.",
    ),
    "extractor": (
        "Version of the extractor that read it.",
        "Version of the extractor that read it; empty where it must be read again: its article's fields are "
        "not its own yet.",
    ),
}
"""Of columns of `pages`: before and after."""

PENDING = "SELECT EXISTS (SELECT FROM retracted_sightings) OR EXISTS (SELECT FROM retracted_claims)"


def upgrade() -> None:
    op.create_table(
        "retracted_sightings",
        sa.Column("batch_id", sa.BigInteger(), nullable=False, comment="The batch that took it back."),
        sa.Column("page_id", sa.BigInteger(), nullable=False, comment="The page (pages.id)."),
        sa.Column("variant_id", sa.BigInteger(), nullable=False, comment="The text (headline_variants.id)."),
        sa.Column(
            "target_id",
            sa.BigInteger(),
            nullable=True,
            comment="Where it led (link_targets.id); NULL without a link.",
        ),
        sa.Column(
            "label_id",
            sa.Integer(),
            nullable=True,
            comment="Label of its list (sidebar_labels.id); NULL without one.",
        ),
        sa.Column(
            "position",
            sa.SmallInteger(),
            nullable=False,
            comment="Its place among the sidebar headlines of the page.",
        ),
        sa.Column(
            "counted",
            sa.Boolean(),
            nullable=False,
            comment="True where it is in the sums: its page was settled.",
        ),
        sa.ForeignKeyConstraint(["batch_id"], ["batches.id"], name=op.f("retracted_sightings_batch_id_fkey")),
        comment="Sightings that a reprocess took back, until settle has taken them out of the sums.",
    )
    op.create_index(op.f("retracted_sightings_batch_id_idx"), "retracted_sightings", ["batch_id"])
    op.create_table(
        "retracted_claims",
        sa.Column("batch_id", sa.BigInteger(), nullable=False, comment="The batch that changed it."),
        sa.Column("page_id", sa.BigInteger(), nullable=False, comment="The page (pages.id)."),
        sa.Column(
            "article_id", sa.BigInteger(), nullable=False, comment="The article it named (articles.id)."
        ),
        sa.Column(
            "title_key",
            sa.LargeBinary(),
            nullable=True,
            comment="Digest of the title it named, as a headline key.",
        ),
        sa.ForeignKeyConstraint(["batch_id"], ["batches.id"], name=op.f("retracted_claims_batch_id_fkey")),
        comment="Articles and titles that pages named before a reprocess, until settle has looked at what "
        "followed from them.",
    )
    op.create_index(op.f("retracted_claims_batch_id_idx"), "retracted_claims", ["batch_id"])
    for name, (before, after) in COMMENTS.items():
        op.alter_column("pages", name, comment=after, existing_comment=before)


def downgrade() -> None:
    """Back to where pages are read once.

    Raises:
        ConfigError: a reprocess is not settled yet; the sums would keep what it took back.
    """
    if op.get_bind().scalar(sa.text(PENDING)):
        raise ConfigError("A reprocess is not settled yet; any finished ingest settles it.")
    for name, (before, after) in COMMENTS.items():
        op.alter_column("pages", name, comment=before, existing_comment=after)
    op.drop_table("retracted_claims")
    op.drop_table("retracted_sightings")
