"""Genome → measurements: build, probe for leaks, train to a rung, probe again, measure."""

from __future__ import annotations

import ctypes
import gc
import math
import os
import socket
import time
import traceback
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
import torch
from pydantic import ValidationError

from hrfevo.space.genome import express
from hrfevo.space.search_space import SearchSpace
from hrfevo.workers.added import Candidate, measured
from hrfevo.workers.base import INHERITED, OUT_OF_MEMORY, TEST, TRAIN_STEPS, Job, Outcome, Point, Status, Unfit
from hrfevo.workers.limits import OverLimit, enforced
from hrfevo.workers.trainings import fetched, kept_at
from signal_model.config import Recipe
from signal_model.data.corpus import Corpus
from signal_model.evaluation.causality import (
    causality_fault,
    causality_violation,
    forms_tolerance,
)
from signal_model.evaluation.pace import token_seconds
from signal_model.model import SignalLLM, build_model, count_parameters
from signal_model.support.devices import choose_device, computes, give_back, ran_out_of_memory
from signal_model.support.errors import InputError, one_line
from signal_model.support.files import explain
from signal_model.support.plugins import VARIABLE, plugins
from signal_model.training.checkpoints import load_training, load_weights, save_training
from signal_model.training.probes import probe
from signal_model.training.tasks import Task, task_of
from signal_model.training.trainer import CurvePoint, Diverged, Trainer, score_split, validate

# So many steps are timed where nothing else is measured; as in a training, the low quantile of them counts.
TIMED_STEPS = 20
TOKEN_TIME = "generation_time"
# Of positions at which both forms of a model are compared, at most so many: each costs a step of generation.
FORMS_COMPARED = 24


class _Stopped(Exception):
    """An evaluation that ends without a score, and why."""

    def __init__(self, status: Status, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


@dataclass
class _Known:
    """What is known of a genome so far: it stays known where the evaluation ends before its time."""

    metrics: dict[str, float] = field(default_factory=dict)
    curve: list[Point] = field(default_factory=list)
    note: str = ""


def _unfit(error: Exception) -> Unfit:
    return Unfit(f"worker {_worker()}: {one_line(error)}")


def _worker() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


def _release_memory(device: torch.device) -> None:
    """Give back what the last model held, to the system too: glibc keeps pieces of every size that models ever had."""
    gc.collect()
    if computes(device):
        give_back(device)
    with suppress(AttributeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)


@dataclass(frozen=True)
class TrainingEvaluator:
    """Trains what a genome stands for. Occupies `space.resources.cpus` threads of the process.

    Where the job names a checkpoint, the training is kept there at its rung: the evaluation at the next rung
    goes on from it, and pictures of a winner are of its weights. Where it is not found, that evaluation begins at the
    first step, to the same result.
    Where the job names a parent, the model begins with its weights as far as they fit, and the metric `inherited` says
    how far that was; a parent that is not found gives none.
    """

    space: SearchSpace
    corpus: Corpus
    device: str = "auto"
    test: bool = False
    """Whether the test split is scored too: for confirmation only."""

    def in_memory(self) -> Self:
        """The same with the tokens as plain arrays, which an object store can share between processes."""
        corpus = replace(
            self.corpus,
            train=np.asarray(self.corpus.train),
            validation=np.asarray(self.corpus.validation),
            test=np.asarray(self.corpus.test),
        )
        return replace(self, corpus=corpus)

    def __call__(self, job: Job) -> Outcome:
        started = time.time()
        torch.set_num_threads(self.space.resources.cpus)
        plugins()
        try:
            device = choose_device(self.device)
        except InputError as error:
            raise _unfit(error) from None
        known = _Known()
        status: Status = "finished"
        reason = ""
        try:
            with enforced(self.space.limits):
                if job.timing is None:
                    self._measure(job, device, known)
                else:
                    known.metrics |= self._timed(job, device)
        except OverLimit as error:
            status, reason = "failed", str(error)
        except _Stopped as stopped:
            status, reason = stopped.status, stopped.reason
        except Diverged as error:
            status, reason = "failed", f"diverged: {error}"
        except Unfit:
            raise
        except ImportError as error:
            raise _unfit(error) from None
        except Exception as error:
            if ran_out_of_memory(error):
                status, reason, known.note = "failed", OUT_OF_MEMORY, str(error)
            else:
                # A defect in a part of the model must not end the search; it is kept with its traceback.
                status, reason = "failed", f"error: {type(error).__name__}: {one_line(error)}"
                known.note = traceback.format_exc()
        finally:
            _release_memory(device)
        return Outcome(
            job,
            status,
            known.metrics,
            reason,
            known.note,
            tuple(known.curve),
            started,
            time.time(),
            _worker(),
            str(device),
            ends_worker=not computes(device),
        )

    def _measure(self, job: Job, device: torch.device, known: _Known) -> None:
        """Build, probe, train and score; what comes to light is noted as it does."""
        metrics = known.metrics
        try:
            recipe = express(self.space, job.genome, seed=job.seed)
        except ValidationError as error:
            if any(detail["type"] == "unknown_kind" for detail in error.errors()):
                # Whoever began the search knows all kinds of the space.
                raise _unfit(
                    explain(error, f"a part is not known there (its plugin is not installed, nor named by ${VARIABLE})")
                ) from None
            raise _Stopped("infeasible", str(explain(error, "settings that do not fit together"))) from None
        metrics[TRAIN_STEPS] = 0
        model = build_model(recipe.model, recipe.training.seed)
        metrics["parameters"] = count_parameters(model)
        _keep_to(self.space, metrics)
        # These run the model, which takes several times as long as building it.
        task = task_of(recipe.model)
        metrics |= task.sizes(model)
        _keep_to(self.space, metrics)
        model.to(device)
        _refuse_leak(model, device)
        candidate = Candidate(model, recipe, self.corpus, device)
        metrics |= measured(self.space, candidate, trained=False)
        for name in self.space.probes:
            metrics[name] = job.known[name] if name in job.known else self._probe(name, candidate)
        _keep_to(self.space, metrics)
        trainer = Trainer(model, self.corpus, recipe.training, device)
        if self._continues(job, trainer, recipe):
            metrics |= {name: value for name, value in job.known.items() if name == INHERITED}
        elif self.space.inherit:
            metrics[INHERITED] = _inherit(model, job.parent) if job.parent else 0.0
        # One that was lost after its training was kept finds that at its own rung: it has cost what it took.
        begun_at = min(trainer.step, self.space.rungs[job.rung - 1]) if job.rung else 0
        known.curve += [_point(point) for point in trainer.curve if point.step > begun_at]
        try:
            training = trainer.run(lambda point: known.curve.append(_point(point)), until=self.space.rungs[job.rung])
        finally:  # a training that diverges has cost what it took
            metrics[TRAIN_STEPS] = trainer.step - begun_at
        known.note = self._keep(job, trainer, recipe)
        _refuse_leak(model, device)
        _refuse_disagreement(task, model, device)
        score = validate(model, self.corpus, recipe.training, device)
        metrics |= score.metrics
        metrics |= {
            "step_time": training.step_seconds * 1000,
            "train_seconds": training.seconds,
            "train_tokens": training.tokens,
        }
        metrics |= measured(self.space, candidate, trained=True)
        if self.test:
            held_out = score_split(model, self.corpus, "test", recipe.training, device)
            found = held_out.metrics | held_out.details(self.corpus.classes)
            metrics |= {f"{TEST}{name}": value for name, value in found.items()}
        _keep_to(self.space, metrics)

    def _timed(self, job: Job, device: torch.device) -> dict[str, float]:
        """Milliseconds that a step takes undisturbed, of the first few of a training that is thrown away, and where
        they count those of a token."""
        recipe = express(self.space, job.genome, seed=job.seed)
        training = recipe.training.model_copy(update={"steps": TIMED_STEPS})
        model = build_model(recipe.model, training.seed)
        found = {"step_time": 1000 * Trainer(model, self.corpus, training, device).run().step_seconds}
        return found | ({TOKEN_TIME: 1000 * token_seconds(model)} if TOKEN_TIME in self.space.timed else {})

    def _probe(self, name: str, candidate: Candidate) -> float:
        if name == TOKEN_TIME:
            return 1000 * token_seconds(candidate.model)
        recipe, device = candidate.recipe, candidate.device
        return probe(name, recipe.model, recipe.training, device, self.space.probe_steps)  # type: ignore[arg-type]

    def _continues(self, job: Job, trainer: Trainer, recipe: Recipe) -> bool:
        """Set `trainer` to what is kept, which ended at the rung below; False if that is not known here."""
        if job.checkpoint is None or job.rung == 0:
            return False
        # A missing or damaged checkpoint costs time, not truth: the training then begins at its first step.
        try:
            with fetched(job.checkpoint) as folder:
                load_training(folder, trainer, recipe, self.corpus.content_hash)
        except (InputError, OSError):
            return False
        return True

    def _keep(self, job: Job, trainer: Trainer, recipe: Recipe) -> str:
        """Keep the training for the rung above, for offspring that inherit, and for pictures of a winner.

        Returns why that was not possible, as on a full disk: what was measured is true all the same.
        """
        if job.checkpoint is not None:
            try:
                with kept_at(job.checkpoint) as folder:
                    save_training(folder, trainer, recipe, self.corpus.content_hash)
            except OSError as error:
                then = "" if job.rung + 1 == len(self.space.rungs) else ", its next rung will begin at the first step"
                return f"the training was not kept{then}: {one_line(error)}"
        return ""


def _point(point: CurvePoint) -> Point:
    return Point(point.step, point.seconds, point.bits_per_byte)


def _inherit(model: SignalLLM, parent: str) -> float:
    """Copy the weights of another training wherever name and shape agree; returns the share of parameters copied."""
    with suppress(InputError, OSError):
        with fetched(parent) as folder:
            weights = load_weights(folder)
        own = dict(model.named_parameters())
        fitting = {name: w for name, w in weights.items() if name in own and own[name].shape == w.shape}
        model.load_state_dict(fitting, strict=False)
        return sum(own[name].numel() for name in fitting) / count_parameters(model)
    return 0.0


def _keep_to(space: SearchSpace, metrics: Mapping[str, float]) -> None:
    """Raise _Stopped for the first known metric out of bounds."""
    if violation := space.violation(metrics):
        raise _Stopped("infeasible", violation)


def _refuse_leak(model: SignalLLM, device: torch.device) -> None:
    """Before training a leak costs nothing to find; after it, the weights that score are the ones probed."""
    violation = causality_violation(model, model.config.context)
    if math.isnan(violation):
        raise Diverged("the logits are not numbers")
    if wrong := causality_fault(model, violation, device):
        raise _Stopped("failed", wrong)


def _refuse_disagreement(task: Task, model: Any, device: torch.device) -> None:
    """A model that generates with another function than the one that is scored would be ranked for what it is not."""
    found = task.disagreement(model, min(model.config.context, FORMS_COMPARED))
    if not found <= forms_tolerance(device):
        raise _Stopped(
            "failed", f"two forms: step() and forward() disagree (logits differ by {found:.2g} of the largest)"
        )
