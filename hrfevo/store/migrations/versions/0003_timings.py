"""Steps that are timed again, alone: a training's own time holds what else its machine did."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0003", "0002"


def upgrade() -> None:
    op.create_table(
        "timings",
        sa.Column("run_id", sa.String(32), primary_key=True),
        sa.Column("genome_id", sa.String(12), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("step_time", sa.Float, nullable=False),
        sa.Column("worker", sa.String(200), nullable=False),
        sa.Column("device", sa.String(64), nullable=False),
        sa.ForeignKeyConstraint(["run_id", "genome_id"], ["genomes.run_id", "genomes.id"]),
    )
