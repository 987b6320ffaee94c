"""A table of trainings: every genome of a finite space, measured at every rung. One Parquet file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from hrfevo.benchmark.base import Scale, Station
from hrfevo.space.genome import Genome, all_genomes
from hrfevo.space.reading import parse_space
from hrfevo.space.search_space import SearchSpace
from hrfevo.space.sections import Bounds
from hrfevo.store.records import Evaluation
from hrfevo.workers.base import Point
from signal_model.support.errors import InputError, one_line

# Measured once and the same at every rung.
FIXED = ("parameters", "flops_per_token", "state_size")
# Measured at each rung; the names of list columns.
BY_RUNG = ("bits_per_byte", "step_time", "seconds")
ABOUT = b"hrfevo"
NOT_BUILT = "is not a table of `hrfevo benchmark build`"


class Table:
    """Genomes by id, each with its stations; `about` says where it was made, of what."""

    def __init__(self, space: SearchSpace, stations: Mapping[str, Sequence[Station]], about: dict[str, Any]) -> None:
        self.space, self.stations, self.about = space, stations, about

    def at(self, genome: Genome, rung: int, seed: int = 0) -> Station:
        """One measurement; a table has one seed. Raises InputError for a genome that the table does not hold."""
        try:
            station = self.stations[genome.id][rung]
        except KeyError:
            raise InputError(f"table: has no genome {genome.text}") from None
        return replace(station, from_start=sum(s.seconds for s in self.stations[genome.id][: rung + 1]))

    def at_full_length(self) -> Table:
        """The same with its last rung alone."""
        space = self.space.model_copy(update={"rungs": self.space.rungs[-1:]})
        return Table(space, {genome: (_whole(stations),) for genome, stations in self.stations.items()}, self.about)

    def scale(self) -> Scale:
        """Of all genomes of the table: each objective from its best to its worst value."""
        finished = [s[-1] for s in self.stations.values() if s[-1].status == "finished"]
        if not finished:
            raise InputError("table: no genome of it came to the last rung within the bounds; accepted: wider bounds")
        points = np.array([[s.metrics[name] for name in self.space.objectives] for s in finished])
        points = -points * np.array(self.space.weights)
        trained = [stations for stations in self.stations.values() if stations[-1].status != "infeasible"]
        full = float(np.mean([sum(s.seconds for s in stations) for stations in trained]))
        return Scale(points, points.min(axis=0), points.max(axis=0), full)


def _whole(stations: Sequence[Station]) -> Station:
    return replace(stations[-1], seconds=sum(station.seconds for station in stations))


def refuse_unknowable(place: str, space: SearchSpace) -> None:
    """Raise InputError, naming the `place` of a space, where it asks for what no benchmark keeps."""
    if space.inherit:
        raise InputError(f"{place}: inherit: a benchmark knows no weights that others begin with; accepted: false")
    known = [*BY_RUNG[:2], *FIXED]
    if others := [name for name in (*space.objectives, *space.constraints) if name not in known]:
        raise InputError(f"{place}: no benchmark knows of {others[0]}; accepted: {', '.join(known)}")


def table_of_run(
    space: SearchSpace,
    evaluations: Sequence[Evaluation],
    curves: Mapping[int, Sequence[Point]],
    about: dict[str, Any],
) -> pa.Table:
    """A run of the algorithm `grid` as a table, one row per genome.

    Raises InputError unless every genome of the space has ended, at the last rung or in failure.
    """
    found: dict[str, list[Evaluation]] = {}
    for evaluation in evaluations:
        if evaluation.status != "running":
            found.setdefault(evaluation.genome, []).append(evaluation)
    rows = []
    for genome in all_genomes(space):
        stations = sorted(found.get(genome.id, []), key=lambda e: e.rung)
        if not stations or (stations[-1].status == "finished" and len(stations) < len(space.rungs)):
            raise InputError(f"run: genome {genome.id} has not been trained to every rung; `hrfevo resume` goes on")
        rows.append(_row(genome, stations, curves))
    table = pa.Table.from_pylist(rows, schema=_schema())
    return table.replace_schema_metadata({ABOUT: json.dumps(about)})


def save_table(table: pa.Table, path: Path) -> None:
    """Write it, compressed. Raises InputError if that cannot be done."""
    try:
        pq.write_table(table, path, compression="zstd", compression_level=19, use_dictionary=True)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {one_line(error)}") from None


def load_table(path: Path, overrides: Sequence[str] = ()) -> Table:
    """Read a table, and keep to the bounds of its space.

    Raises InputError if it is none, or `overrides` make its space one it does not hold.
    """
    raw = read_parquet(path)
    about = about_of(raw, path)
    if raw.schema.names != _schema().names:
        raise InputError(f"{path}: {NOT_BUILT}")
    made = about.get("set", [])
    full = parse_space(about["space"], f"{path} (space)", made)
    space = parse_space(about["space"], f"{path} (space)", [*made, *overrides])
    missing = [steps for steps in space.rungs if steps not in full.rungs]
    if missing:
        raise InputError(f"{path}: rungs: has no measurements after {missing} steps; accepted: {full.rungs}")
    chosen = [full.rungs.index(steps) for steps in space.rungs]
    refuse_unknowable(str(path), space)
    rows = raw.to_pylist()
    if any(row["reason"].startswith("infeasible") for row in rows):
        _refuse_wider(f"{path}: constraints", full.constraints, space.constraints)
    stations = {Genome(json.loads(row["genome"])).id: _bounded(space, _stations(row, chosen)) for row in rows}
    if any(genome.id not in stations for genome in all_genomes(space)):
        raise InputError(f"{path}: does not hold all genomes of its space")
    return Table(space, stations, about)


def about_of(raw: pa.Table, path: Path) -> dict[str, Any]:
    """Where and of what a file was made, as it says. Raises InputError if it does not."""
    about = json.loads((raw.schema.metadata or {}).get(ABOUT, b"{}"))
    if not isinstance(about, dict) or not isinstance(about.get("space"), str):
        raise InputError(f"{path}: {NOT_BUILT}")
    return about


def read_parquet(path: Path) -> pa.Table:
    """The file as it is. Raises InputError if it cannot be read."""
    try:
        return pq.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise InputError(f"{path}: cannot be read as a Parquet file: {one_line(error)}") from None


def _schema() -> pa.Schema:
    floats = pa.list_(pa.float32())
    return pa.schema(
        [("genome", pa.string()), ("reason", pa.string())]
        + [(name, pa.int64()) for name in FIXED]
        + [(name, floats) for name in BY_RUNG]
        + [("curve_steps", pa.list_(pa.int32())), ("curve", floats)]
    )


def _row(genome: Genome, stations: Sequence[Evaluation], curves: Mapping[int, Sequence[Point]]) -> dict[str, Any]:
    finished = [e for e in stations if e.status == "finished"]
    points = [point for e in stations for point in curves.get(e.number, ())]
    metrics = stations[0].metrics
    return {
        "genome": genome.text,
        "reason": "" if len(finished) == len(stations) else f"{stations[-1].status}: {stations[-1].reason}",
        **{name: int(metrics[name]) if name in metrics else None for name in FIXED},
        "bits_per_byte": [e.metrics["bits_per_byte"] for e in finished],
        "step_time": [e.metrics["step_time"] for e in finished],
        "seconds": [e.seconds for e in stations],
        "curve_steps": [point.step for point in points],
        "curve": [point.bits_per_byte for point in points],
    }


def _stations(row: dict[str, Any], chosen: Sequence[int]) -> list[Station]:
    """The measurements at some of the rungs; a training that failed has none after."""
    fixed = {name: float(row[name]) for name in FIXED if row[name] is not None}
    status, _, reason = row["reason"].partition(": ")
    finished, seconds = len(row["bits_per_byte"]), row["seconds"]
    stations, below = [], -1
    for rung in chosen:
        spent = sum(seconds[below + 1 : rung + 1])
        if rung < finished:
            metrics = fixed | {name: row[name][rung] for name in ("bits_per_byte", "step_time")}
            metrics["train_seconds"] = sum(seconds[: rung + 1])
            stations.append(Station("finished", "", metrics, spent))
        else:
            stations.append(Station(status, reason, fixed, spent))
        below = rung
    return stations


def _bounded(space: SearchSpace, stations: list[Station]) -> list[Station]:
    """As a search within the bounds finds them: who is beyond one untrained takes no time, others those they took."""
    untrained = {name: value for name, value in stations[0].metrics.items() if name in FIXED}
    if stations[0].status != "infeasible" and (beyond := space.violation(untrained)):
        return [Station("infeasible", beyond, untrained, 0.0)] * len(stations)
    return [
        replace(station, status="infeasible", reason=beyond)
        if station.status == "finished" and (beyond := space.violation(station.metrics))
        else station
        for station in stations
    ]


def _refuse_wider(place: str, made: Mapping[str, Bounds], wanted: Mapping[str, Bounds]) -> None:
    """Raise InputError for bounds beyond those that genomes were refused by: nothing else was measured of these."""
    for name, bounds in made.items():
        lowest, highest = (-np.inf, np.inf) if name not in wanted else _ends(wanted[name])
        low, high = _ends(bounds)
        if lowest < low or highest > high:
            raise InputError(f"{place}: {name}: was measured within bounds alone; accepted: {bounds.words}")


def _ends(bounds: Bounds) -> tuple[float, float]:
    return -np.inf if bounds.min is None else bounds.min, np.inf if bounds.max is None else bounds.max
