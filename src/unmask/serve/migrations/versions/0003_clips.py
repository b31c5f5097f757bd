"""Clips: one row per clip, from its upload on, with its state, its verdict and feedback."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "clips",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("time_ms", sa.BigInteger, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("filename", sa.Text, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("frames", sa.Integer, nullable=False),
        sa.Column("state", sa.String(9), nullable=False),
        sa.Column("alive_ms", sa.BigInteger, nullable=False),
        sa.Column("ended_ms", sa.BigInteger),
        sa.Column("word", sa.String(9)),
        sa.Column("fake_probability", sa.Float),
        sa.Column("verdict", sa.Text),
        sa.Column("error", sa.Text),
        sa.Column("clip", sa.Text),
        sa.Column("clip_bytes", sa.BigInteger),
        sa.Column("feedback", sa.String(6)),
        sa.Column("note", sa.Text),
        sa.Column("feedback_ms", sa.BigInteger),
    )
    op.create_index("clips_by_time", "clips", ["time_ms", "id"])
    op.create_index("clips_by_sha256", "clips", ["sha256"])
