"""What a ladder of sizes has measured, and what its laws say: where sides cross, what larger sizes will show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np

from hrfevo.results.comparison.paired import Difference
from hrfevo.results.confirmation.confirmed import Confirmed, Split, trained_in
from hrfevo.results.history import History
from hrfevo.results.scaling.law import Crossing, Interval, Law, Seeds, crossing, fit
from hrfevo.results.scaling.plan import Plan, Sized, ladders
from hrfevo.space.rivals import TRANSFORMER
from hrfevo.store.run_folder import RUN_FILE, RunFolder
from signal_model.support.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

Against = Literal["parameters", "tokens", "operations"]
AGAINST: tuple[Against, ...] = ("parameters", "tokens", "operations")
# Operations of a training step for those of the model alone: backwards it is twice as much (Kaplan et al. 2020).
WITH_BACKWARD = 3
# How far beyond the largest size a crossing is looked for.
HORIZON = 100.0


@dataclass(frozen=True)
class Row:
    """One side at one size, as it was trained."""

    size: float
    side: str
    trained: Confirmed
    """Losses by seed, in bits per byte, and parameters."""
    width: int
    layers: int
    learning_rate: float
    tokens: int
    """Read in a training."""
    operations: float
    """Of a training, forwards and backwards."""
    step_seconds: float
    """What a step takes undisturbed, the median over seeds."""

    @property
    def parameters(self) -> int:
        """That are trained."""
        return self.trained.parameters

    def losses(self, split: Split) -> tuple[float, ...]:
        """By seed, in bits per byte."""
        return self.trained.validation if split == "validation" else self.trained.test

    def amount(self, against: Against) -> float:
        """What a law is against."""
        return float(getattr(self, against))


@dataclass(frozen=True)
class Prediction:
    """What laws say of a size, in bits per byte; `advantage` is the first side's loss less the last's there.

    `beyond` is by which factor the size is larger than the largest that was trained, or smaller than the smallest; 1
    between them.
    """

    parameters: float
    beyond: float
    losses: Mapping[str, Interval]
    advantage: Interval | None


@dataclass(frozen=True)
class Foretold:
    """What the smaller sizes say of the largest one, with the doubt of its own seeds, beside what was measured."""

    size: float
    predicted: Mapping[str, Interval]
    measured: Mapping[str, float]
    advantage: tuple[Interval, float] | None
    """The first side's loss less the last's: as predicted, and as measured."""

    @property
    def held(self) -> bool:
        """Whether all that was measured lies within its interval."""
        within = [self.measured[side] in interval for side, interval in self.predicted.items()]
        return all(within) and (self.advantage is None or self.advantage[1] in self.advantage[0])


@dataclass(frozen=True)
class Scaling:
    """A ladder of sizes, as far as it has come: rows by size, the first genome first.

    Laws are of losses on `split`, over the seeds that all sides have in common at a size. Everything is the same
    whenever it is asked.
    """

    plan: Plan
    rows: tuple[Row, ...]
    missing: tuple[str, ...] = ()
    """Names of models none of whose trainings has finished."""
    split: Split = "validation"
    unit: str = "bits per byte"
    """Of losses."""

    def on(self, split: Split) -> Scaling:
        """The same of another split; of the test split, which chose nothing."""
        return replace(self, split=split)

    @property
    def sides(self) -> tuple[str, ...]:
        """Those that have rows, the first genome first, the transformer last."""
        return tuple(side for side in self.plan.sides if any(row.side == side for row in self.rows))

    def of(self, side: str) -> tuple[Row, ...]:
        """The rows of a side, by size. Raises InputError for none of the ladder."""
        if side not in self.plan.sides:
            raise InputError(f"side {side!r}: is none of the ladder; accepted: {', '.join(self.plan.sides)}")
        return tuple(row for row in self.rows if row.side == side)

    @property
    def whole(self) -> tuple[float, ...]:
        """Sizes at which all sides have a loss, and a seed in common."""
        return tuple(
            size for size in self.plan.terms.sizes if len(self._at(size)) == len(self.sides) and self._seeds(size)
        )

    def difference(self, size: float, side: str | None = None) -> Difference | None:
        """A side's loss less the last's at a size, paired by seed; of the first unless another is named."""
        rows = {row.side: row for row in self._at(size)}
        first, last = rows.get(side or self.plan.sides[0]), rows.get(self.plan.sides[-1])
        return None if first is None or last is None or first is last else first.trained.less(last.trained, self.split)

    # --- laws ---------------------------------------------------------------------------------------

    @property
    def laws(self) -> dict[str, Law]:
        """Of each side against parameters; empty with fewer than two sizes."""
        return {side: self.law(side) for side in self.sides} if len(self.whole) > 1 else {}

    def law(self, side: str, against: Against = "parameters") -> Law:
        """Of one side. Raises InputError with fewer than two sizes, or where all have as much of what it is against."""
        return self._fits(against)[0][self._place(side)]

    def exponent(self, side: str, against: Against = "parameters") -> Interval:
        """How fast its reducible loss falls, with what seeds leave open."""
        found, redrawn = self._fits(against)
        place = self._place(side)
        return Interval.of(float(found[place].exponent), redrawn[place].exponent if redrawn else None)

    def varies(self, against: Against) -> bool:
        """Whether sizes differ in it, as tokens need not."""
        return all(len({row.amount(against) for row in self._of_whole(side)}) > 1 for side in self.sides)

    def predict(self, parameters: float) -> Prediction:
        """What the laws say of a size. Raises InputError for none, and with fewer than two sizes."""
        if not 0 < parameters < np.inf:
            raise InputError(f"scaling: {parameters:g} parameters are no size; accepted: a number above 0")
        found, redrawn = self._fits("parameters")
        at = np.array([parameters])
        values = [float(law.at(at)[0]) for law in found]
        draws = [law.at(at)[:, 0] for law in redrawn] if redrawn else None
        losses = {
            side: Interval.of(values[place], draws[place] if draws else None) for place, side in enumerate(self.sides)
        }
        advantage = None
        if len(self.sides) > 1:
            advantage = Interval.of(values[0] - values[-1], draws[0] - draws[-1] if draws else None)
        sizes = [row.parameters for side in self.sides for row in self._of_whole(side)]
        return Prediction(parameters, max(1.0, parameters / max(sizes), min(sizes) / parameters), losses, advantage)

    @cached_property
    def crossing(self) -> Crossing | None:
        """Where the first side's law crosses the last's, from the smallest size to a hundred times the largest; None
        for one side, or with fewer than two sizes."""
        if len(self.sides) < 2 or len(self.whole) < 2:
            return None
        found, redrawn = self._fits("parameters")
        sizes = [row.parameters for side in self.sides for row in self._of_whole(side)]
        ends = (float(min(sizes)), HORIZON * max(sizes))
        return crossing(found[0], found[-1], *ends, (redrawn[0], redrawn[-1]) if redrawn else None)

    @cached_property
    def foretold(self) -> Foretold | None:
        """The largest size as the smaller ones predict it; None with fewer than two of these."""
        if len(self.whole) < 3:
            return None
        *smaller, largest = self.whole
        smaller_seeds, own = self._losses(smaller), self._losses([largest])
        found, redrawn = self._fitted(smaller_seeds, smaller, "parameters")
        at = [np.array([float(row.parameters)]) for row in self._at(largest)]
        values = [float(law.at(x)[0]) for law, x in zip(found, at, strict=True)]
        draws = None
        if redrawn:
            # The mean that will be measured has seeds of its own.
            moved = smaller_seeds.redrawn(self._generator(1), [own.losses[0].shape[1]])[:, :, 0]
            draws = [law.at(x)[:, 0] * moved[:, place] for place, (law, x) in enumerate(zip(redrawn, at, strict=True))]
        measured = own.means[:, 0]
        advantage = None
        if len(self.sides) > 1:
            expected = Interval.of(values[0] - values[-1], draws[0] - draws[-1] if draws else None)
            advantage = expected, float(measured[0] - measured[-1])
        places = {side: place for place, side in enumerate(self.sides)}
        return Foretold(
            largest,
            {side: Interval.of(values[p], draws[p] if draws else None) for side, p in places.items()},
            {side: float(measured[p]) for side, p in places.items()},
            advantage,
        )

    def band(self, side: str, parameters: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        """A side's law at sizes (M,) with the ends of its interval, each (M,); without any doubt known, None."""
        _, redrawn = self._fits("parameters")
        if redrawn is None:
            return None
        low, high = np.quantile(redrawn[self._place(side)].at(parameters), [0.025, 0.975], axis=0)
        return self.law(side).at(parameters), low, high

    @property
    def frame(self) -> pd.DataFrame:
        """A row for each side, size and seed; losses in bits per byte."""
        import pandas as pd

        named = ("size", "side", "parameters", "width", "layers", "learning_rate", "tokens", "operations")
        rows = [
            (*(getattr(row, name) for name in named), row.trained.steps, row.step_seconds, seed, validation, test)
            for row in self.rows
            for seed, validation, test in zip(row.trained.seeds, row.trained.validation, row.trained.test, strict=True)
        ]
        return pd.DataFrame(rows, columns=[*named, "steps", "step_seconds", "seed", "validation", "test"])

    def _place(self, side: str) -> int:
        self.of(side)
        if side not in self.sides:
            raise InputError(f"side {side!r}: none of its trainings has finished")
        return self.sides.index(side)

    def _at(self, size: float) -> list[Row]:
        return [row for row in self.rows if row.size == size]

    def _of_whole(self, side: str) -> list[Row]:
        return [row for row in self.of(side) if row.size in self.whole]

    def _seeds(self, size: float) -> list[int]:
        """That all sides have there."""
        first, *others = (row.trained.seeds for row in self._at(size))
        return [seed for seed in first if all(seed in seeds for seeds in others)]

    def _losses(self, sizes: Sequence[float]) -> Seeds:
        def of(row: Row) -> list[float]:
            losses = dict(zip(row.trained.seeds, row.losses(self.split), strict=True))
            return [losses[seed] for seed in self._seeds(row.size)]

        return Seeds(tuple(np.array([of(row) for row in self._at(size)]) for size in sizes))

    def _fits(self, against: Against) -> tuple[list[Law], list[Law] | None]:
        if against not in self._known:
            if len(self.whole) < 2:
                raise InputError("scaling: a law takes two sizes at which every side has finished a training")
            if not self.varies(against):
                raise InputError(f"scaling: all sizes have as many {against}, so there is no law against them")
            self._known[against] = self._fitted(self._losses(self.whole), self.whole, against)
        return self._known[against]

    @cached_property
    def _known(self) -> dict[Against, tuple[list[Law], list[Law] | None]]:
        """Fits that have been made."""
        return {}

    def _fitted(self, seeds: Seeds, sizes: Sequence[float], against: Against) -> tuple[list[Law], list[Law] | None]:
        """The law of each side over these sizes, and those of redrawn seeds; None of the latter for one seed."""
        amounts = [np.array([row.amount(against) for row in self.of(side) if row.size in sizes]) for side in self.sides]
        means, error = seeds.means, seeds.error
        found = [fit(x, mean, error) for x, mean in zip(amounts, means, strict=True)]
        if not seeds.freedom:
            return found, None
        moved = seeds.redrawn(self._generator(0))
        return found, [
            fit(x, mean * moved[:, p], error) for p, (x, mean) in enumerate(zip(amounts, means, strict=True))
        ]

    def _generator(self, purpose: int) -> np.random.Generator:
        return np.random.default_rng([purpose, *self.plan.seeds])


def scaling_of(run: RunFolder) -> Scaling | None:
    """The last ladder of a run, as far as it has come; None without one, or before anything of it has finished."""
    places = ladders(run)
    if not places:
        return None
    plan = Plan.read(places[-1])
    rows, missing = [], []
    for model in plan.models:
        path = plan.place_of(model, places[-1])
        if (path / RUN_FILE).is_file():
            row = _row(model, RunFolder.open(path))
            if row is None:
                missing.append(model.name)
            else:
                rows.append(row)
    space = run.space()
    return Scaling(plan, tuple(rows), tuple(missing), unit=space.measure(space.loss).unit) if rows else None


def _row(model: Sized, folder: RunFolder) -> Row | None:
    """What a stage has trained; None before a training has finished."""
    trained = next(trained_in(folder, is_baseline=model.side == TRANSFORMER), None)
    if trained is None:
        return None
    finished = History.read(folder).finished
    tokens = int(finished[0].metrics["train_tokens"])
    return Row(
        model.size,
        model.side,
        trained,
        model.recipe.model.width,
        model.recipe.model.depth,
        model.recipe.training.learning_rate,
        tokens,
        WITH_BACKWARD * finished[0].metrics["flops_per_token"] * tokens,
        float(np.median([one.metrics["step_time"] for one in finished])) / 1000,
    )
