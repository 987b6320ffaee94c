"""A benchmark of a space too large for a table: what any genome would give, from a survey of some."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any

import moocore
import numpy as np

from hrfevo.benchmark.base import Scale, Station
from hrfevo.benchmark.fates import Fates
from hrfevo.benchmark.noise import Noise
from hrfevo.benchmark.prediction import Prediction
from hrfevo.benchmark.survey import Survey
from hrfevo.space.genome import Genome, express, sample
from hrfevo.space.search_space import SearchSpace
from hrfevo.workers.base import Status
from signal_model.support.errors import InputError

# A full training is the mean over so many random genomes that keep to the bounds, of at most so many that are drawn.
TYPICAL, ATTEMPTS = 100, 2000


@dataclass(frozen=True)
class _Expected:
    """What is expected of a genome, on average over seeds."""

    fixed: dict[str, float]
    beyond: str
    """Which bound it breaks untrained; nothing else is known of it then."""
    losses: np.ndarray
    """At each rung of the survey."""
    step_time: float


class Emulator:
    """Measurements of genomes that were never trained, with the noise that was measured (Zela et al. 2022).

    Losses and step times are a `Prediction`, seeds scatter them by `Noise`, some fail by their `Fates`. Sizes are those
    of the model itself, and bounds are kept by them.
    """

    def __init__(self, survey: Survey, space: SearchSpace, about: dict[str, Any]) -> None:
        """`space` is that of the survey, perhaps with other objectives or bounds, or some of its rungs."""
        self.space, self.about = space, about
        self._survey = survey
        self._prediction = Prediction(survey)
        self._noise, self._fates = Noise(survey), Fates(survey)
        self._known: dict[Genome, _Expected] = {}

    def at(self, genome: Genome, rung: int, seed: int = 0) -> Station:
        """What an evaluation would give: the same however often it is asked for."""
        expected = self._expected(genome)
        if expected.beyond:
            return Station("infeasible", expected.beyond, expected.fixed, self._survey.refusal_seconds)
        at = self._at(rung)
        overhead, a_step = float(self._survey.overheads[at]), expected.step_time / 1000
        steps, below = self.space.rungs[rung], self.space.rungs[rung - 1] if rung else 0
        seconds, from_start = a_step * (steps - below + overhead), a_step * (steps + overhead)
        if fate := self._fates(genome, expected.fixed["parameters"], seed, at):
            return Station("failed", fate, expected.fixed, seconds, from_start)
        truth = expected.fixed | {"bits_per_byte": float(expected.losses[at]), "step_time": expected.step_time}
        loss_noise, time_noise = self._noise(genome, seed, at)
        metrics = truth | {
            "bits_per_byte": truth["bits_per_byte"] * loss_noise,
            "step_time": truth["step_time"] * time_noise,
            "train_seconds": a_step * steps,
        }
        beyond = self.space.violation(metrics)
        status: Status = "infeasible" if beyond else "finished"
        return Station(status, beyond, metrics, seconds, from_start, truth)

    def at_full_length(self) -> Emulator:
        """The same with its last rung alone."""
        return self.with_space(self.space.model_copy(update={"rungs": self.space.rungs[-1:]}))

    def with_space(self, space: SearchSpace) -> Emulator:
        """The same, learned once, for another use of the space."""
        other = copy.copy(self)
        other.space, other._known = space, {}
        vars(other).pop("_scale", None)
        return other

    def scale(self) -> Scale:
        """Of the genomes of the survey, on average over seeds: from the best of each objective to the median, or to the
        worst of their front where that is worse; the worst of all would make everything look near to the front."""
        return self._scale

    @cached_property
    def _scale(self) -> Scale:
        last = len(self.space.rungs) - 1
        predicted = np.exp(self._prediction.logarithms(self._survey.genomes, self._survey.sizes["parameters"]))
        known = self._survey.sizes | {"bits_per_byte": predicted[:, self._at(last)], "step_time": predicted[:, -1]}
        metrics = [dict(zip(known, row, strict=True)) for row in zip(*known.values(), strict=True)]
        values = [[m[name] for name in self.space.objectives] for m in metrics if not self.space.violation(m)]
        if not values:
            raise InputError("constraints: no genome of the survey keeps to them; accepted: wider bounds")
        generator = np.random.default_rng(0)
        random = (self.at(sample(self.space, generator), last).from_start for _ in range(ATTEMPTS))
        seconds = list(islice((took for took in random if took is not None), TYPICAL))
        if not seconds:
            raise InputError("constraints: hardly any genome of the space keeps to them; accepted: wider bounds")
        points = -np.array(values) * np.array(self.space.weights)
        front = points[moocore.is_nondominated(points)]
        worst = np.maximum(front.max(axis=0), np.median(points, axis=0))
        return Scale(points, front.min(axis=0), worst, float(np.mean(seconds)))

    def _at(self, rung: int) -> int:
        """Which rung of the survey it is."""
        return self._survey.space.rungs.index(self.space.rungs[rung])

    def _expected(self, genome: Genome) -> _Expected:
        if genome not in self._known:
            fixed = _sizes(self.space, genome)
            beyond = self.space.violation(fixed)
            losses, step_time = (np.empty(0), 0.0) if beyond else self._prediction(genome, fixed["parameters"])
            self._known[genome] = _Expected(fixed, beyond, losses, step_time)
        return self._known[genome]


def _sizes(space: SearchSpace, genome: Genome) -> dict[str, float]:
    """What is counted on the untrained model: what objectives and bounds name, and the number of parameters."""
    from signal_model.analysis.counting import flops_per_token, recurrent_state_size
    from signal_model.model import build_model, count_parameters

    model = build_model(express(space, genome, seed=0).model, 0)
    sizes = {"parameters": float(count_parameters(model))}
    wanted = {*space.objectives, *space.constraints}
    if "flops_per_token" in wanted and not space.violation(sizes):
        sizes["flops_per_token"] = float(flops_per_token(model))
    if "state_size" in wanted and not space.violation(sizes):
        sizes["state_size"] = float(recurrent_state_size(model))
    return sizes
