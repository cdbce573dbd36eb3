"""What Alembic runs its steps with: the connection that `migrate` gives it."""

from alembic import context

from runtime_mcp.audit.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
