"""Runs, genomes, evaluations, curves."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0001", None


def upgrade() -> None:
    op.create_table("schema_version", sa.Column("version", sa.Integer, nullable=False))
    op.create_table(
        "runs",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("created", sa.Float, nullable=False),
        sa.Column("seconds", sa.Float, nullable=False),
        sa.Column("settings", sa.JSON, nullable=False),
    )
    op.create_table(
        "genomes",
        sa.Column("run_id", sa.String(32), sa.ForeignKey("runs.id"), primary_key=True),
        sa.Column("id", sa.String(12), primary_key=True),
        sa.Column("birth", sa.Integer, nullable=False),
        sa.Column("operator", sa.String(32), nullable=False),
        sa.Column("parents", sa.JSON, nullable=False),
        sa.Column("values", sa.JSON, nullable=False),
    )
    op.create_table(
        "evaluations",
        sa.Column("run_id", sa.String(32), sa.ForeignKey("runs.id"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("genome_id", sa.String(12), nullable=False),
        sa.Column("rung", sa.Integer, nullable=False),
        sa.Column("seed", sa.BigInteger, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("metrics", sa.JSON, nullable=False),
        sa.Column("worker", sa.String(200), nullable=False),
        sa.Column("device", sa.String(64), nullable=False),
        sa.Column("submitted", sa.Float, nullable=False),
        sa.Column("started", sa.Float),
        sa.Column("ended", sa.Float),
        sa.Column("submitted_event", sa.Integer, nullable=False),
        sa.Column("ended_event", sa.Integer),
        sa.ForeignKeyConstraint(["run_id", "genome_id"], ["genomes.run_id", "genomes.id"]),
        sa.UniqueConstraint("run_id", "genome_id", "rung", "seed"),
    )
    op.create_table(
        "curves",
        sa.Column("run_id", sa.String(32), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("step", sa.Integer, primary_key=True),
        sa.Column("seconds", sa.Float, nullable=False),
        sa.Column("bits_per_byte", sa.Float, nullable=False),
        sa.ForeignKeyConstraint(["run_id", "number"], ["evaluations.run_id", "evaluations.number"]),
    )
