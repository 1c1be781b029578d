"""Quarantined pages are found by their URL, in any spelling.

The digest of a normal form cannot be made here: entries from before take that of a stored page with the same
URL; the others have theirs once they fail again, and are found by id or in lists until then.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

BACK_FILL = """
UPDATE quarantine q
SET url_key = p.url_key
FROM pages p
WHERE q.url = p.url AND q.url IS NOT NULL
"""


def upgrade() -> None:
    op.add_column(
        "quarantine",
        sa.Column(
            "url_key", sa.LargeBinary(), nullable=True, comment="Digest of its URL in normal form: finds it."
        ),
    )
    op.execute(BACK_FILL)
    op.create_index(op.f("quarantine_url_key_idx"), "quarantine", ["url_key"])


def downgrade() -> None:
    op.drop_index(op.f("quarantine_url_key_idx"), table_name="quarantine")
    op.drop_column("quarantine", "url_key")
