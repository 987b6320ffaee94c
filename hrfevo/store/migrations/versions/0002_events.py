"""Indexes for those who ask again and again what is new; Alembic counts revisions, not a table of ours."""

from __future__ import annotations

from alembic import op

revision, down_revision = "0002", "0001"


def upgrade() -> None:
    for column in ("submitted_event", "ended_event"):
        op.create_index(f"evaluations_{column}", "evaluations", ["run_id", column], if_not_exists=True)
    op.drop_table("schema_version", if_exists=True)
