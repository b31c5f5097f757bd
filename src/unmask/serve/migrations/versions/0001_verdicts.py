"""The history: one row per verdict, with its feedback."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "verdicts",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("time_ms", sa.BigInteger, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("filename", sa.Text, nullable=False),
        sa.Column("result", sa.String(4), nullable=False),
        sa.Column("fake_probability", sa.Float, nullable=False),
        sa.Column("uncertain", sa.Boolean, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("verdict", sa.Text, nullable=False),
        sa.Column("image", sa.Text),
        sa.Column("image_bytes", sa.BigInteger),
        sa.Column("feedback", sa.String(6)),
        sa.Column("note", sa.Text),
        sa.Column("feedback_ms", sa.BigInteger),
    )
    op.create_index("verdicts_by_time", "verdicts", ["time_ms", "id"])
    op.create_index("verdicts_by_sha256", "verdicts", ["sha256"])
