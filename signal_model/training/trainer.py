"""One training loop, for a three-second evaluation and for a three-day training alike."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from signal_model.config import Recipe, TrainingConfig
from signal_model.data.corpus import Corpus
from signal_model.evaluation.scores import LN2, Score
from signal_model.model import SignalClassifier, SignalLLM, build_model
from signal_model.support.devices import compute_in, undisturbed, wait_for
from signal_model.support.errors import InputError, counted
from signal_model.training.optimizers import build_optimizers, learning_rate_factor, set_learning_rates
from signal_model.training.tasks import Held, task_of

CURVE_POINTS = 20
MOST_STEPS_BETWEEN_POINTS = 1000


class Diverged(ArithmeticError):
    """The loss stopped being a number."""


@dataclass(frozen=True)
class CurvePoint:
    """Mean training loss over the steps since the point before; `seconds` since the start.

    In nats per token and bits per byte; of sound per sample, and of a classifier both per label.
    """

    step: int
    seconds: float
    nats_per_token: float
    bits_per_byte: float


@dataclass(frozen=True)
class Training:
    """What one training left behind besides the weights. `step_seconds` is what a step takes undisturbed."""

    curve: tuple[CurvePoint, ...]
    seconds: float
    step_seconds: float
    tokens: int


@dataclass(frozen=True)
class Replica:
    """One of `count` processes that train the same model, each on its share of every batch."""

    rank: int = 0
    count: int = 1

    def wrapped(self, model: nn.Module) -> nn.Module:
        """The model, with gradients averaged over all replicas."""
        return model if self.count == 1 else DistributedDataParallel(model)

    def mean(self, value: Tensor) -> Tensor:
        """Average over all replicas."""
        if self.count > 1:
            torch.distributed.all_reduce(value)
            value /= self.count
        return value


class Trainer:
    """A training in progress: `run` takes it to its last step, or to an earlier one and later on.

    AdamW or Muon, a learning rate that warms up and falls, clipped gradients, batches computed in
    `accumulation` parts and shared between replicas. `state_dict` holds all that decides what comes
    next: a trainer that loads it goes on to the same losses, to the bit on a CPU.
    """

    def __init__(
        self,
        model: SignalLLM | SignalClassifier,
        corpus: Corpus,
        config: TrainingConfig,
        device: torch.device,
        replica: Replica | None = None,
    ) -> None:
        """Raises InputError if the corpus is too short or not what the model is for, or a batch cannot be shared."""
        self.task = task_of(model.config)
        self.task.check(model.config, config, corpus)
        self.replica = replica or Replica()
        parts = config.accumulation * self.replica.count
        if config.batch_size % parts:
            raise InputError(
                f"training.batch_size: {counted(config.batch_size, 'window')} cannot be shared by "
                f"{self.replica.count} processes in {config.accumulation} parts each"
            )
        self.model = model.to(device).train()
        self.config, self.device, self.corpus = config, device, corpus
        self.batches = self.task.batches(model.config, config, corpus)
        self.optimizers = build_optimizers(model, config)
        self.interval = min(MOST_STEPS_BETWEEN_POINTS, max(1, config.steps // CURVE_POINTS))
        self.step = 0
        self.seconds = 0.0
        self.curve: list[CurvePoint] = []
        self.paces: list[float] = []
        self._since_point = _Since(torch.zeros((), device=device))
        self._wrapped = self.replica.wrapped(model)

    def run(
        self,
        on_point: Callable[[CurvePoint], None] | None = None,
        *,
        until: int | None = None,
        on_step: Callable[[int], None] | None = None,
    ) -> Training:
        """Train up to step `until` (default: the last); `on_point` hears of each point of the curve, `on_step`
        of each step.

        Where a step ends with its work done, as on a CPU, each interval of the curve counts by its fastest step;
        elsewhere by the mean of its steps, the device waited for at its end.
        Raises Diverged when the loss of an interval is not finite.
        """
        last = self.config.steps if until is None else min(until, self.config.steps)
        self.model.train()
        mark = time.perf_counter()
        while self.step < last:
            set_learning_rates(self.optimizers, learning_rate_factor(self.step, self.config))
            began = time.perf_counter()
            self._take_step()
            self._since_point.fastest = min(self._since_point.fastest, time.perf_counter() - began)
            if on_step:
                on_step(self.step)
            if self.step % self.interval == 0 or self.step == self.config.steps:
                nats = (
                    float(self.replica.mean(self._since_point.nats)) / self._since_point.steps
                )  # waits for the device
                if not math.isfinite(nats):
                    raise Diverged(f"the loss is {nats} at step {self.step}")
                mark = self._clock(mark)
                self._add_point(nats)
                if on_point:
                    on_point(self.curve[-1])
                    mark = time.perf_counter()
        wait_for(self.device)
        self._clock(mark)
        return self.training()

    def training(self) -> Training:
        """What there is so far."""
        tokens = self.step * self.config.batch_size * self.model.config.context
        pace = undisturbed(self.paces) if self.paces else self.seconds / max(1, self.step)
        return Training(tuple(self.curve), self.seconds, pace, tokens)

    def state_dict(self) -> dict[str, Any]:
        """Weights, what optimisers keep, the place in the text, the curve and the sums since its last point.

        The tensors are no copies: training goes on to change them.
        """
        return {
            "model": self.model.state_dict(),
            "optimizers": [optimizer.state_dict()["state"] for optimizer in self.optimizers],
            "windows": self.batches.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "curve": [*self.curve],
            "paces": [*self.paces],
            "since_point": vars(self._since_point) | {"nats": float(self._since_point.nats)},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from where the trainer that gave `state` was."""
        self.model.load_state_dict(state["model"])
        for optimizer, kept in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict({"state": kept, "param_groups": optimizer.state_dict()["param_groups"]})
        self.batches.load_state_dict(state["windows"])
        self.step, self.seconds = state["step"], state["seconds"]
        self.curve, self.paces = list(state["curve"]), list(state["paces"])
        since = state["since_point"]
        self._since_point = _Since(**(since | {"nats": torch.tensor(since["nats"], device=self.device)}))

    def _take_step(self) -> None:
        batch = self.batches.next()
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
        own = (array[self.replica.rank :: self.replica.count] for array in batch)
        parts = [*zip(*(np.split(array, self.config.accumulation) for array in own), strict=True)]
        for index, part in enumerate(parts):
            tensors = [torch.from_numpy(array).to(self.device) for array in part]
            with self._synchronised(last=index + 1 == len(parts)):
                loss = self._loss(tensors) / len(parts)
                loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), self.config.gradient_clip)
        for optimizer in self.optimizers:
            optimizer.step()
        self.step += 1
        self._since_point.count(*self.task.counts(batch, self.corpus))

    def _loss(self, batch: Sequence[Tensor]) -> Tensor:
        """What is minimised; what is reported leaves the regulariser out."""
        with compute_in(self.device, self.config.precision):
            loss = self.task.loss(self._wrapped, batch)
        self._since_point.nats += loss.detach() / self.config.accumulation
        penalty = self.task.penalty(self.model, batch, self.config)
        return loss if penalty is None else loss + penalty

    def _synchronised(self, last: bool) -> AbstractContextManager[object]:
        """Replicas exchange gradients once per step, with the last part of the batch."""
        return (
            nullcontext() if last or not isinstance(self._wrapped, DistributedDataParallel) else self._wrapped.no_sync()
        )

    def _clock(self, mark: float) -> float:
        now = time.perf_counter()
        self.seconds += now - mark
        self._since_point.seconds += now - mark
        return now

    def _add_point(self, nats: float) -> None:
        since = self._since_point
        self.paces.append(since.fastest if self.device.type == "cpu" else since.seconds / since.steps)
        bits = nats * since.tokens / LN2 / max(1, since.bytes)
        self.curve.append(CurvePoint(self.step, self.seconds, nats, bits))
        self._since_point = _Since(torch.zeros((), device=self.device))


@dataclass
class _Since:
    """Sums since the last point of the curve."""

    nats: Tensor
    steps: int = 0
    tokens: int = 0
    bytes: int = 0
    seconds: float = 0.0
    fastest: float = math.inf

    def count(self, tokens: int, bytes: int) -> None:
        self.steps += 1
        self.tokens += tokens
        self.bytes += bytes


def train(
    model: SignalLLM | SignalClassifier,
    corpus: Corpus,
    config: TrainingConfig,
    device: torch.device,
    on_point: Callable[[CurvePoint], None] | None = None,
) -> Training:
    """Train `model` in place on `corpus.train`, from its first step to its last. Raises what `Trainer` does."""
    return Trainer(model, corpus, config, device).run(on_point)


def validate(
    model: SignalLLM | SignalClassifier, corpus: Corpus, config: TrainingConfig, device: torch.device
) -> Score:
    """Score on the validation split, fixed windows of it or all its recordings, in the precision of training.

    Raises Diverged when the score is not finite.
    """
    return score_split(model, corpus, "validation", config, device)


def score_split(
    model: SignalLLM | SignalClassifier,
    corpus: Corpus,
    split: Held,
    config: TrainingConfig,
    device: torch.device,
) -> Score:
    """As `validate`, on either split that is not trained on."""
    with compute_in(device, config.precision):
        score = task_of(model.config).score(model, corpus, split, config, device)
    if not math.isfinite(score.nats):
        raise Diverged(f"the {split} loss is {score.nats}")
    return score


def run_recipe(
    recipe: Recipe, corpus: Corpus, device: torch.device, on_point: Callable[[CurvePoint], None] | None = None
) -> tuple[SignalLLM | SignalClassifier, Training, Score]:
    """Build from the seed, train, score: what a search does with a genome and a user with its export."""
    model = build_model(recipe.model, recipe.training.seed)
    training = train(model, corpus, recipe.training, device, on_point)
    return model, training, validate(model, corpus, recipe.training, device)
