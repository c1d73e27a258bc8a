"""Alembic's entry point: it uses the connection and the transaction that `migrate` passes to it."""

from alembic import context

from interlock.store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
