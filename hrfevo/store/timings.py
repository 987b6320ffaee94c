"""What steps and generated tokens of genomes took, timed again alone.

They lie beside the evaluations and are none of the events that rebuild a search: what is proposed does not follow from
them.
"""

from __future__ import annotations

import sqlalchemy as sa

from hrfevo.space.metrics import TIMED
from hrfevo.store.schema import timings
from hrfevo.workers.base import Outcome

_OF_RUN = timings.c.run_id == sa.bindparam("of_run")
_KNOWN = sa.select(timings.c.genome_id, *(timings.c[name] for name in TIMED)).where(_OF_RUN).order_by(timings.c.number)
_COUNT = sa.select(sa.func.count()).select_from(timings).where(_OF_RUN)


def keep(connection: sa.Connection, run_id: str, outcome: Outcome) -> None:
    """Keep one timing; where it is kept already, nothing changes."""
    key = {"run_id": run_id, "genome_id": outcome.job.genome.id, "number": outcome.job.timing}
    same = sa.and_(*(timings.c[name] == value for name, value in key.items()))
    if connection.scalar(sa.select(timings.c.number).where(same)) is None:
        times = {name: outcome.metrics.get(name) for name in TIMED}
        told = {**times, "worker": outcome.worker, "device": outcome.device}
        connection.execute(timings.insert().values(key | told))


def known(connection: sa.Connection, run_id: str) -> dict[str, tuple[dict[str, float], ...]]:
    """Milliseconds by metric, of each genome in the order in which they were timed."""
    found: dict[str, tuple[dict[str, float], ...]] = {}
    for genome, *times in connection.execute(_KNOWN, {"of_run": run_id}):
        told = {name: float(time) for name, time in zip(TIMED, times, strict=True) if time is not None}
        found[genome] = (*found.get(genome, ()), told)
    return found


def counted(connection: sa.Connection, run_id: str) -> int:
    """How many there are."""
    return int(connection.scalar(_COUNT, {"of_run": run_id}) or 0)
