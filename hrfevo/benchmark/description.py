"""A benchmark in words and figures."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hrfevo.benchmark.loading import is_survey, load_survey
from hrfevo.benchmark.table import about_of, load_table, read_parquet
from signal_model.support.errors import counted


def description(path: Path) -> str:
    """What a file of `hrfevo benchmark build` holds. Raises InputError if it is none."""
    return _of_survey(path) if is_survey(path) else _of_table(path)


def _of_table(path: Path) -> str:
    table = load_table(path)
    genomes = counted(len(table.stations), "genome")
    return f"table of {table.space.name}: all {genomes} at rungs {_rungs(table.space.rungs)}"


def _of_survey(path: Path) -> str:
    survey, about = load_survey(path), about_of(read_parquet(path), path)
    noise = survey.deviations.std(axis=0)
    together = np.corrcoef(survey.deviations.T)[-1] if noise.all() else noise
    lines = [
        f"emulator of {survey.space.name}: {counted(len(survey.genomes), 'genome')} trained to "
        f"{counted(survey.space.rungs[-1], 'step')}",
        f"rungs            {_rungs(survey.space.rungs)}",
        f"trainings        {survey.trainings:,}, of which {len(survey.failures):,} failed",
        f"with more seeds  {counted(survey.repeated, 'genome')}",
        f"noise of a seed  {_shares(noise)} of the loss at each rung; correlation with the last {_numbers(together)}",
        f"                 {survey.step_time_noise:.1%} of the step time",
        "",
    ]
    held_out = about.get("held_out", {})
    for name, agreement in held_out.items():
        lines.append(f"{name}: " + ", ".join(f"{measure} {value:.3f}" for measure, value in agreement.items()))
    return "\n".join(lines + ["of genomes not seen: five folds"] * bool(held_out))


def _rungs(rungs: list[int]) -> str:
    return ", ".join(map(str, rungs)) + " steps"


def _shares(values: np.ndarray) -> str:
    return ", ".join(f"{value:.2%}" for value in values)


def _numbers(values: np.ndarray) -> str:
    return ", ".join(f"{value:.2f}" for value in values)
