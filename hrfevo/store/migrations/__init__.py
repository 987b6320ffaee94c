"""How databases of results come from one schema to the next, by Alembic; `hrfevo migrate` runs it."""
