"""Tables of the results store, and the statements over them that are used again and again."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import sqlalchemy as sa

# The last of `hrfevo.store.migrations`: a change to these tables is a new one there.
REVISION = "0004"

metadata = sa.MetaData()

alembic_version = sa.Table(
    "alembic_version",
    metadata,
    sa.Column("version_num", sa.String(32), nullable=False),
    sa.PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)

runs = sa.Table(
    "runs",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("reason", sa.Text, nullable=False, default=""),
    sa.Column("created", sa.Float, nullable=False),
    sa.Column("seconds", sa.Float, nullable=False, default=0.0),
    sa.Column("settings", sa.JSON, nullable=False),
)

genomes = sa.Table(
    "genomes",
    metadata,
    sa.Column("run_id", sa.ForeignKey("runs.id"), primary_key=True),
    sa.Column("id", sa.String(12), primary_key=True),
    sa.Column("birth", sa.Integer, nullable=False),
    sa.Column("operator", sa.String(32), nullable=False),
    sa.Column("parents", sa.JSON, nullable=False),
    sa.Column("values", sa.JSON, nullable=False),
)

evaluations = sa.Table(
    "evaluations",
    metadata,
    sa.Column("run_id", sa.ForeignKey("runs.id"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("genome_id", sa.String(12), nullable=False),
    sa.Column("rung", sa.Integer, nullable=False),
    sa.Column("seed", sa.BigInteger, nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("reason", sa.Text, nullable=False, default=""),
    sa.Column("detail", sa.Text, nullable=False, default=""),
    sa.Column("metrics", sa.JSON, nullable=False, default={}),
    sa.Column("worker", sa.String(200), nullable=False, default=""),
    sa.Column("device", sa.String(64), nullable=False, default=""),
    sa.Column("submitted", sa.Float, nullable=False),
    sa.Column("started", sa.Float),
    sa.Column("ended", sa.Float),
    sa.Column("submitted_event", sa.Integer, nullable=False),
    sa.Column("ended_event", sa.Integer),
    sa.ForeignKeyConstraint(["run_id", "genome_id"], ["genomes.run_id", "genomes.id"]),
    sa.UniqueConstraint("run_id", "genome_id", "rung", "seed"),
    sa.Index("evaluations_submitted_event", "run_id", "submitted_event"),
    sa.Index("evaluations_ended_event", "run_id", "ended_event"),
)

curves = sa.Table(
    "curves",
    metadata,
    sa.Column("run_id", sa.String(32), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("step", sa.Integer, primary_key=True),
    sa.Column("seconds", sa.Float, nullable=False),
    sa.Column("bits_per_byte", sa.Float, nullable=False),
    sa.ForeignKeyConstraint(["run_id", "number"], ["evaluations.run_id", "evaluations.number"]),
)

# What a step takes, in milliseconds, of genomes whose steps were timed again while nothing else of the search ran; and
# a generated token, where that counts.
timings = sa.Table(
    "timings",
    metadata,
    sa.Column("run_id", sa.String(32), primary_key=True),
    sa.Column("genome_id", sa.String(12), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("step_time", sa.Float, nullable=False),
    sa.Column("generation_time", sa.Float),
    sa.Column("worker", sa.String(200), nullable=False, default=""),
    sa.Column("device", sa.String(64), nullable=False, default=""),
    sa.ForeignKeyConstraint(["run_id", "genome_id"], ["genomes.run_id", "genomes.id"]),
)


# Built once: putting a statement together costs several times what the database needs to run it.
NEW_GENOME, NEW_EVALUATION = genomes.insert(), evaluations.insert()
_ENDED_COLUMNS = ("status", "reason", "detail", "metrics", "worker", "device", "started", "ended", "ended_event")
EVALUATION_ENDED = (
    evaluations.update()
    .where(
        evaluations.c.run_id == sa.bindparam("of_run"),
        evaluations.c.number == sa.bindparam("of_number"),
        evaluations.c.status == "running",
    )
    .values({name: sa.bindparam(name) for name in _ENDED_COLUMNS})
)
RUN_LASTED = runs.update().where(runs.c.id == sa.bindparam("of_run")).values(seconds=sa.bindparam("seconds"))

TALLY = (
    sa.select(evaluations.c.status, sa.func.count())
    .where(evaluations.c.run_id == sa.bindparam("of_run"))
    .group_by(evaluations.c.status)
)
# Whether any genome was trained to a rung with several seeds.
REPEATED = (
    sa.select(evaluations.c.genome_id)
    .where(evaluations.c.run_id == sa.bindparam("of_run"), evaluations.c.status == "finished")
    .group_by(evaluations.c.genome_id, evaluations.c.rung)
    .having(sa.func.count() > 1)
    .limit(1)
)
RUN = sa.select(runs).where(runs.c.id == sa.bindparam("of_run"))


@lru_cache
def leading(objectives: tuple[tuple[str, str], ...]) -> sa.Select[Any]:
    """The best at the highest rung; one without a score, which there should not be, comes first."""
    here = (evaluations.c.run_id == sa.bindparam("of_run"), evaluations.c.status == "finished")
    top = sa.select(sa.func.max(evaluations.c.rung)).where(*here).scalar_subquery()
    values = [evaluations.c.metrics[name].as_float() for name, _ in objectives]
    order = [v.desc() if way == "maximize" else v for v, (_, way) in zip(values, objectives, strict=True)]
    return (
        sa.select(evaluations.c.genome_id, evaluations.c.rung, values[0])
        .where(*here, evaluations.c.rung == top)
        .order_by(values[0].is_not(None), *order, evaluations.c.genome_id)
        .limit(1)
    )
