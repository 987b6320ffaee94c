"""A run as Python has it: what its folder and store hold, as frames, genomes, recipes and models."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from hrfevo.results.agreement import Agreement, agreements
from hrfevo.results.confirmation.confirmed import Confirmation, confirmation_of
from hrfevo.results.genome.recipe import recipe_of
from hrfevo.results.history import History
from hrfevo.results.importance import Method, importances_of, ranges_of
from hrfevo.results.scaling.scaling import Scaling, scaling_of
from hrfevo.space.genome import Genome
from hrfevo.space.search_space import SearchSpace
from hrfevo.store.records import Evaluation, RunRecord
from hrfevo.store.run_folder import RunFolder
from hrfevo.store.settings import RunSettings
from hrfevo.workers.base import Point
from signal_model.config import Recipe
from signal_model.support.errors import counted

if TYPE_CHECKING:
    import pandas as pd

    from signal_model.model import SignalLLM


@dataclass(frozen=True, repr=False, eq=False)
class Run:
    """A run, read once. Genomes are named by their id or its first digits; without, the best is meant.

    `history` is every evaluation in the order of submission, and who of them leads; `points` are learning curves by
    evaluation number. Frames are made of them when they are first asked for.
    """

    folder: RunFolder
    record: RunRecord
    history: History
    points: Mapping[int, Sequence[Point]]

    @classmethod
    def read(cls, path: str | os.PathLike[str], store: str | None = None) -> Self:
        """The run in a folder, as it stands now; `store` is its database where that needs a password.

        Raises InputError if there is no run, or it is damaged.
        """
        folder = RunFolder.open(Path(path))
        with closing(folder.open_store(store)) as opened:
            history = History.read(folder, opened)
            return cls(folder, folder.record(opened), history, opened.curves(folder.id))

    def __repr__(self) -> str:
        return f"<run {self.record.name}: {self.record.state}, {counted(len(self.history), 'evaluation')}>"

    @property
    def space(self) -> SearchSpace:
        """What was searched."""
        return self.history.space

    @property
    def settings(self) -> RunSettings:
        """What it was started with."""
        return self.folder.settings

    @property
    def winners(self) -> tuple[Evaluation, ...]:
        """The front, best first objective first; none before an evaluation has finished."""
        return self.history.front

    @property
    def best(self) -> Evaluation | None:
        """The first of the winners."""
        return self.history.best

    def find(self, genome: str | None = None) -> Evaluation:
        """A genome at its highest rung, averaged over seeds. Raises InputError if none or several match."""
        return self.history.find(genome)

    @cached_property
    def confirmation(self) -> Confirmation:
        """What was trained again from scratch, and what was spent."""
        return confirmation_of(self.folder, self.history)

    @cached_property
    def scaling(self) -> Scaling | None:
        """The last ladder of sizes that it was scaled to, with its laws; None without one."""
        return scaling_of(self.folder)

    @cached_property
    def evaluations(self) -> pd.DataFrame:
        """One row per evaluation; see `hrfevo.results.frames.evaluation_frame`."""
        from hrfevo.results.frames import evaluation_frame

        return evaluation_frame(self.history)

    @cached_property
    def curves(self) -> pd.DataFrame:
        """One row per point of every learning curve: number of the evaluation, step, seconds, bits_per_byte."""
        from hrfevo.results.frames import curve_frame

        return curve_frame(self.points)

    @cached_property
    def scores(self) -> pd.DataFrame:
        """`evaluations` as they are ranked: of a genome with several `seeds` the first has the means, and where steps
        were timed again, alone, their times are those."""
        from hrfevo.results.frames import evaluation_frame

        return evaluation_frame(self.history.with_means)

    @property
    def front(self) -> pd.DataFrame:
        """The rows of `scores` on the front, best first objective first."""
        return self.scores[self.scores["front"]].sort_values("place")

    @cached_property
    def confirmed(self) -> pd.DataFrame:
        """One row per confirmed genome and seed, best mean first, in the unit of the score.

        `origin` is search, founder or baseline, `rival` which one of these last, such as transformer, and `place` the
        one that its own search gave it, 0 for the first.
        """
        import pandas as pd

        columns = ["genome", "origin", "rival", "place", "parameters", "steps", "seed", "validation", "test"]
        rows = [
            (
                c.genome,
                c.origin,
                c.rival if c.origin == "baseline" else None,
                c.place,
                c.parameters,
                c.steps,
                seed,
                validation,
                test,
            )
            for c in self.confirmation.rows
            for seed, validation, test in zip(c.seeds, c.validation, c.test, strict=True)
        ]
        return pd.DataFrame(rows, columns=columns)

    @property
    def differences(self) -> pd.DataFrame:
        """What its verdicts are said of: the winner's loss less a rival's, paired by seed, a row per rival and split.

        In the unit of the score, less than 0 where the winner is better; `low` and `high` are the ends of the 95 %
        interval, infinite for one seed, and where all differ by the same. Of its `seeds`, `seen` were there before more
        were added; 0 where none were. `kind` is transformer or another rival's name, or founder. No row where they have
        no seed in common.
        """
        import pandas as pd

        found, rows = self.confirmation, []
        splits: tuple[Literal["validation", "test"], ...] = ("validation", "test")
        for name, rival in [*found.rivals.items(), ("founder", found.founder)]:
            if found.winner is None or rival is None or rival.genome == found.winner.genome:
                continue
            seen = max(found.winner.looks(rival), default=0)
            for split in splits:
                if less := found.winner.less(rival, split):
                    names = (found.winner.genome, rival.genome, name, split)
                    rows.append((*names, less.mean, less.low, less.high, less.pairs, seen))
        return pd.DataFrame(rows, columns=["genome", "rival", "kind", "split", "mean", "low", "high", "seeds", "seen"])

    @property
    def footprints(self) -> pd.DataFrame:
        """What the first choices take, a row for each, the search's first, times in milliseconds.

        No row where the last confirmation has not measured it. `confirmation.footprints` has every turn.
        """
        import pandas as pd

        columns = ["side", "genome", "parameters", "state_size", "step_time", "generation_time"]
        found = self.confirmation.footprints
        rows = [[getattr(row, name) for name in columns] for row in found.rows] if found else []
        return pd.DataFrame(rows, columns=columns)

    @property
    def agreement(self) -> pd.DataFrame:
        """How far the order at each rung is that at the last, a row for each; see `results.agreement.Agreement`."""
        import pandas as pd

        names = [field.name for field in dataclasses.fields(Agreement)]
        rows = [vars(one) | {"poor": one.poor} for one in agreements(self.history)]
        return pd.DataFrame(rows, columns=[*names, "poor"])

    def importance(self, objective: str | None = None, method: Method = "fanova") -> pd.DataFrame:
        """Which genes matter: a row for each, the share of an objective's variance that it explains, the most first.

        Of the first objective unless one is given. `lowest` and `highest` are what samples of the same data say; they
        are missing below twenty evaluations: a half of fewer says nothing of genes.
        Raises InputError for no objective of the run, or too few evaluations.
        """
        import pandas as pd

        name = objective or str(self.space.first_objective[0])
        shares = importances_of(self.history, [name], method)
        ranges = ranges_of(self.history, shares, method)
        (found,) = shares.values()
        spans = ranges[name] if ranges else {}
        rows = [(gene, share, *spans.get(gene, (None, None))) for gene, share in found.items()]
        return pd.DataFrame(rows, columns=["gene", "share", "lowest", "highest"])

    def genome(self, genome: str | None = None) -> Genome:
        """Its values. Raises InputError if none or several match."""
        return Genome(self.find(genome).values)

    def recipe(self, genome: str | None = None) -> Recipe:
        """What `signal-model train` would train it by. Raises InputError if none or several match."""
        return recipe_of(self.space, self.find(genome))

    def model(self, genome: str | None = None) -> SignalLLM:
        """Its model as its training began: built, not trained. Raises InputError if none or several match."""
        from signal_model.model import build_model

        recipe = self.recipe(genome)
        return build_model(recipe.model, recipe.training.seed)
