"""The history of the schema, as Alembic applies it."""
