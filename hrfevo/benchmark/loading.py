"""A file of `hrfevo benchmark build`, whichever kind it is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hrfevo.benchmark.base import Benchmark
from hrfevo.benchmark.emulator import Emulator
from hrfevo.benchmark.survey import Survey, read_survey, survey_schema
from hrfevo.benchmark.table import about_of, load_table, read_parquet, refuse_unknowable
from hrfevo.space.reading import parse_space
from hrfevo.space.search_space import SearchSpace
from signal_model.support.errors import InputError


def load_benchmark(path: Path, overrides: Sequence[str] = ()) -> Benchmark:
    """A table, or an emulator of a survey, which learns as it is loaded.

    Raises InputError if the file is neither, or `overrides` make its space one of which it knows nothing.
    """
    if not is_survey(path):
        return load_table(path, overrides)
    space = check_benchmark(path, overrides)
    return Emulator(load_survey(path), space, about_of(read_parquet(path), path))


def check_benchmark(path: Path, overrides: Sequence[str] = ()) -> SearchSpace:
    """The space of a benchmark, without what takes time. Raises InputError as `load_benchmark`."""
    if not is_survey(path):
        return load_table(path, overrides).space
    space, full = space_of(path, overrides), space_of(path)
    if missing := [steps for steps in space.rungs if steps not in full.rungs]:
        raise InputError(f"{path}: rungs: has no measurements after {missing} steps; accepted: {full.rungs}")
    if space.genes != full.genes:
        raise InputError(f"{path}: genes: are not those of its survey; leave them as they are")
    refuse_unknowable(str(path), space)
    return space


def space_of(path: Path, overrides: Sequence[str] = ()) -> SearchSpace:
    """The space that a file is about. Raises InputError if it says none, or for `overrides` that do not fit."""
    about = about_of(read_parquet(path), path)
    return parse_space(about["space"], f"{path} (space)", [*about.get("set", []), *overrides])


def is_survey(path: Path) -> bool:
    """Whether a file holds a survey. Raises InputError if it cannot be read."""
    return bool(read_parquet(path).schema.names == survey_schema().names)


def load_survey(path: Path) -> Survey:
    """The measurements that an emulator learns from."""
    return read_survey(read_parquet(path), space_of(path))
