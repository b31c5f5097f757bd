"""Run by Alembic: migrations on the connection that ``unmask.serve.database`` hands over."""

from alembic import context

from unmask.serve.database import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
