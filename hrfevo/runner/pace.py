"""What a training step of two models takes, timed in turn: how long both are trained at equal seconds."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from hrfevo.space.sections import Resources
from signal_model.config import Recipe
from signal_model.data.corpus import load_corpus
from signal_model.support.devices import choose_device, threads

# Steps of both in turn, and how often; the first round warms up and does not count.
TIMED_STEPS, ROUNDS = 5, 12
# So many of the lowest and of the highest ratios may be wrong: that those between the others hold the median is 98.8 %
# sure, whatever disturbs the machine (binomial, of 11 rounds).
LEFT_OUT = 1


@dataclass(frozen=True)
class Pace:
    """What a step takes. `ratios` are the first's seconds over the second's, one of each round, undisturbed or not."""

    seconds: tuple[float, float]
    """Of the fastest round of each."""
    ratios: tuple[float, ...]

    @property
    def low(self) -> float:
        """The lowest ratio that it may be."""
        return sorted(self.ratios)[LEFT_OUT]

    @property
    def high(self) -> float:
        """The highest ratio that it may be."""
        return sorted(self.ratios)[-1 - LEFT_OUT]

    @property
    def ratio(self) -> float:
        """The median, or 1 where no difference is seen: else two alike would be trained for different numbers of steps,
        and what comes of that would be taken for a difference between them."""
        return 1.0 if self.low <= 1 <= self.high else statistics.median(self.ratios)

    @property
    def words(self) -> str:
        """What is trained at equal seconds, and how sure that is."""
        own, other = (f"{1000 * one:.3g} ms" for one in self.seconds)
        doubt = f"steps of the second for one of the first: {self.low:.3g} to {self.high:.3g}"
        taken = "no difference is seen, so both are trained alike" if self.ratio == 1 else f"{self.ratio:.3g} are taken"
        return f"a step takes {own} and {other}, timed in turn; {doubt}, {taken}"


def pace_of(recipes: Sequence[Recipe], device: str) -> Pace:
    """Time a step of two recipes, which name their text, here and in turn; who is first changes from round to round.

    Steps have the threads of an evaluation, as they will have when they are trained.
    """
    with threads(Resources().cpus):
        return _timed_in_turn(recipes, device)


def _timed_in_turn(recipes: Sequence[Recipe], device: str) -> Pace:
    from signal_model.model import build_model
    from signal_model.training.trainer import Trainer

    trainers = []
    for recipe in recipes:
        assert recipe.corpus is not None
        corpus = load_corpus(recipe.corpus, recipe.tokenizer)
        training = recipe.training.model_copy(update={"steps": ROUNDS * TIMED_STEPS})
        trainers.append(Trainer(build_model(recipe.model, 0), corpus, training, choose_device(device)))
    timed: list[list[float]] = []
    for number in range(1, ROUNDS + 1):
        seconds = [0.0, 0.0]
        for which in (0, 1) if number % 2 else (1, 0):
            before = trainers[which].seconds
            trainers[which].run(until=number * TIMED_STEPS)
            seconds[which] = (trainers[which].seconds - before) / TIMED_STEPS
        timed.append(seconds)
    counted = timed[1:]
    fastest = min(own for own, _ in counted), min(other for _, other in counted)
    return Pace(fastest, tuple(own / other for own, other in counted))
