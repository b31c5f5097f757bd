"""The word of the verdict, whether the file has marks, evidence and thumbnail."""

import sqlalchemy as sa
from alembic import op

from unmask.serve.stored import complete

revision = "0002"
down_revision = "0001"

_ROWS_AT_ONCE = 1000


def upgrade() -> None:
    """Add the columns, and fill them from the stored verdicts; old records have no evidence and no thumbnail."""
    op.add_column("verdicts", sa.Column("word", sa.String(9), nullable=False, server_default=""))
    op.add_column("verdicts", sa.Column("marked", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("verdicts", sa.Column("evidence", sa.Text))
    op.add_column("verdicts", sa.Column("thumbnail", sa.LargeBinary))
    columns = [sa.column("id", sa.Uuid), sa.column("verdict"), sa.column("word"), sa.column("marked")]
    verdicts, connection = sa.table("verdicts", *columns), op.get_bind()
    fill = sa.update(verdicts).where(verdicts.c.id == sa.bindparam("of"))
    fill = fill.values(word=sa.bindparam("its_word"), marked=sa.bindparam("is_marked"))
    following = sa.select(verdicts.c.id, verdicts.c.verdict).order_by(verdicts.c.id).limit(_ROWS_AT_ONCE)
    rows = connection.execute(following).all()
    while rows:
        filled = [(row.id, complete(row.verdict)) for row in rows]
        connection.execute(
            fill, [{"of": key, "its_word": new["verdict"], "is_marked": bool(new["marks"])} for key, new in filled]
        )
        rows = connection.execute(following.where(verdicts.c.id > rows[-1].id)).all()
