"""A run as Python has it: what its folder and store hold, as frames, genomes, recipes and models."""

from __future__ import annotations

import dataclasses
import os
from contextlib import closing
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from hrfevo.results.agreement import Agreement, agreements
from hrfevo.results.confirmed import latest
from hrfevo.results.genome.recipe import recipe_of
from hrfevo.results.ranking import find_genome
from hrfevo.space.genome import Genome
from hrfevo.space.search_space import SearchSpace
from hrfevo.store.run_folder import RunFolder
from hrfevo.store.store import Evaluation, Run
from hrfevo.workers.base import Point
from signal_model.config import Recipe
from signal_model.support.errors import counted

if TYPE_CHECKING:
    import pandas as pd

    from signal_model.model import SignalLLM


def load(path: str | os.PathLike[str], store: str | None = None) -> LoadedRun:
    """The run in a folder, as it stands now; `store` is its database where that needs a password.

    Raises InputError if there is no run, or it is damaged.
    """
    folder = RunFolder.open(Path(path))
    space = folder.space()
    with closing(folder.open_store(store)) as opened:
        return LoadedRun(folder, space, folder.record(opened), opened.evaluations(folder.id), opened.curves(folder.id))


class LoadedRun:
    """A run, read once. Genomes are named by their id or its first digits; without, the best is meant."""

    def __init__(
        self,
        folder: RunFolder,
        space: SearchSpace,
        record: Run,
        evaluations: list[Evaluation],
        curves: dict[int, list[Point]],
    ) -> None:
        self.folder, self.space, self.record = folder, space, record
        self._evaluations, self._curves = evaluations, curves

    def __repr__(self) -> str:
        return f"<run {self.record.name}: {self.record.state}, {counted(len(self._evaluations), 'evaluation')}>"

    @cached_property
    def evaluations(self) -> pd.DataFrame:
        """One row per evaluation; see `hrfevo.results.frames.evaluation_frame`."""
        from hrfevo.results.frames import evaluation_frame

        return evaluation_frame(self._evaluations, self.space)

    @cached_property
    def curves(self) -> pd.DataFrame:
        """One row per point of every learning curve: number of the evaluation, step, seconds, bits_per_byte."""
        from hrfevo.results.frames import curve_frame

        return curve_frame(self._curves)

    @property
    def front(self) -> pd.DataFrame:
        """The rows of `evaluations` on the front, best first objective first."""
        objective, direction = next(iter(self.space.objectives.items()))
        rows = self.evaluations[self.evaluations["front"]]
        return rows.sort_values([objective, "genome"], ascending=[direction == "minimize", True])

    @cached_property
    def confirmed(self) -> pd.DataFrame:
        """One row per confirmed genome and seed, best mean first, in bits per byte.

        `origin` is search, founder or baseline, `place` the one that its own search gave it, 0 for the first.
        """
        import pandas as pd

        columns = ["genome", "origin", "place", "parameters", "steps", "seed", "validation", "test"]
        rows = [
            (c.genome, c.origin, c.place, c.parameters, c.steps, seed, validation, test)
            for c in latest(self.folder)
            for seed, validation, test in zip(c.seeds, c.validation, c.test, strict=True)
        ]
        return pd.DataFrame(rows, columns=columns)

    @property
    def agreement(self) -> pd.DataFrame:
        """How far the order at each rung is that at the last, a row for each; see `results.agreement.Agreement`."""
        import pandas as pd

        names = [field.name for field in dataclasses.fields(Agreement)]
        rows = [vars(one) | {"poor": one.poor} for one in agreements(self.space, self._evaluations)]
        return pd.DataFrame(rows, columns=[*names, "poor"])

    def genome(self, genome: str | None = None) -> Genome:
        """Its values. Raises InputError if none or several match."""
        return Genome(find_genome(self.space, self._evaluations, genome).values)

    def recipe(self, genome: str | None = None) -> Recipe:
        """What `signal-model train` would train it by. Raises InputError if none or several match."""
        return recipe_of(self.space, find_genome(self.space, self._evaluations, genome))

    def model(self, genome: str | None = None) -> SignalLLM:
        """Its model as its training began: built, not trained. Raises InputError if none or several match."""
        from signal_model.model import build_model

        recipe = self.recipe(genome)
        return build_model(recipe.model, recipe.training.seed)
