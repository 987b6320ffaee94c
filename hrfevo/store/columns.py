"""Evaluations as columns, for whoever asks for all of them at once; genes, by far the longest, only where wanted."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa

from hrfevo.store import timings
from hrfevo.store.schema import evaluations, genomes
from signal_model.support.errors import InputError

ROWS = 1000
STATUSES = ("running", "finished", "failed", "infeasible")
_NUMBERS = frozenset({int, float, bool})

_OF_RUN = evaluations.c.run_id == sa.bindparam("of_run")
_OF_EVALUATIONS = ("number", "rung", "status", "reason", "metrics", "worker", "submitted", "started", "ended")
_OF_GENOMES = ("birth", "operator", "parents")
_ALL = (
    sa.select(
        evaluations.c.genome_id.label("genome"),
        *(evaluations.c[name] for name in (*_OF_EVALUATIONS, "ended_event")),
        *(genomes.c[name] for name in _OF_GENOMES),
    )
    .join_from(
        evaluations,
        genomes,
        (genomes.c.run_id == evaluations.c.run_id) & (genomes.c.id == evaluations.c.genome_id),
        isouter=True,
    )
    .where(_OF_RUN)
    .order_by(evaluations.c.number)
)
_AFTER: sa.BindParameter[int] = sa.bindparam("after")
_CHANGED = _ALL.where((evaluations.c.submitted_event > _AFTER) | (evaluations.c.ended_event > _AFTER))
_BORN = (genomes.c.run_id == sa.bindparam("of_run"), genomes.c.birth.between(sa.bindparam("low"), sa.bindparam("high")))


def read(connection: sa.Connection, run_id: str, after: int) -> dict[str, list[Any]]:
    """Columns by name, in the order of submission: of all, or of those with something new after an event.

    They are fields of `Evaluation`, but those that only one at a time is asked for. Raises InputError for what no store
    has written.
    """
    query, given = (_CHANGED, {"after": after}) if after >= 0 else (_ALL, {})
    columns: dict[str, list[Any]] = {column.name: [] for column in query.selected_columns}
    # Few rows at a time: Python's collector would look through all of them again and again.
    for rows in connection.execute(query, {"of_run": run_id} | given).partitions(ROWS):
        for column, values in zip(columns.values(), zip(*rows, strict=True), strict=True):
            column.extend(values)
    fields = ("number", "status", "metrics", "ended_event", "birth", "parents")
    for number, status, metrics, ended_event, birth, parents in zip(*map(columns.__getitem__, fields), strict=True):
        if birth is None or not isinstance(parents, list) or not is_sound(status, metrics, ended_event):
            raise InputError(f"store: evaluation {number} is damaged")
    columns["parents"] = [*map(tuple, columns["parents"])]
    alone = timings.known(connection, run_id)
    return columns | {"timings": [alone.get(genome, ()) for genome in columns["genome"]]}


def gene(connection: sa.Connection, run_id: str, path: Sequence[str | int], low: int, high: int) -> dict[str, Any]:
    """By genome, of those born as number `low` to `high`, what stands at a path in their values; None for nothing.

    Of layers it is their number. The database looks for it: to read all the genes of so many takes seconds.
    """
    values = genomes.c["values"]
    found = sa.func.json_array_length(values["layers"]) if tuple(path) == ("layers",) else values[tuple(path)]
    given = {"of_run": run_id, "low": low, "high": high}
    rows = connection.execute(sa.select(genomes.c.id, found).where(*_BORN), given)
    return dict(map(tuple, rows))


def values(connection: sa.Connection, run_id: str, ids: Collection[str]) -> dict[str, Any]:
    """All the genes of some genomes, by id."""
    table = genomes.c
    rows = connection.execute(sa.select(table.id, table["values"]).where(table.run_id == run_id, table.id.in_(ids)))
    return dict(map(tuple, rows))


def is_sound(status: Any, metrics: Any, ended_event: int | None) -> bool:
    """Whether an evaluation is one that this store wrote."""
    return (
        status in STATUSES
        and (status == "running") == (ended_event is None)
        and isinstance(metrics, dict)
        and (bool(metrics) or status != "finished")
        and _NUMBERS.issuperset(map(type, metrics.values()))
    )
