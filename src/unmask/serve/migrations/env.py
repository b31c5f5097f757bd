"""Run by Alembic: migrations on the connection that ``unmask.serve.tables`` hands over."""

from alembic import context

from unmask.serve.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
