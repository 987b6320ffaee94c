"""Budgets in training steps: what an evaluation costs is what it trained."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from hrfevo.algorithms.registry import make_algorithm
from hrfevo.runner.loop import Search
from hrfevo.space.budget import Budget
from hrfevo.space.genome import express, sample
from hrfevo.space.reading import load_space
from hrfevo.space.search_space import SearchSpace
from hrfevo.store.database import sqlite_url
from hrfevo.store.spending import Ledger, spent
from hrfevo.store.store import Store
from hrfevo.workers.base import TRAIN_STEPS, Job, Outcome
from hrfevo.workers.evaluation import TrainingEvaluator
from hrfevo.workers.inline import InlineWorkers
from hrfevo.workers.simulated import SimulatedWorkers
from signal_model.data.corpus import load_corpus
from signal_model.training.trainer import Trainer
from tests.conftest import PowerCut, answer, command, only_run
from tests.tools.forks import UNDRAWN

import numpy as np  # isort: skip

QUIET = type("Quiet", (), {"submitted": lambda *_: None, "ended": lambda *_: None})()


@dataclass(frozen=True)
class Priced:
    """An evaluator whose steps take so many milliseconds; every fifth evaluation diverges at its second step."""

    milliseconds: float = 500.0
    tells: bool = True

    def __call__(self, job: Job) -> Outcome:
        metrics = {"parameters": 1.0}
        if job.number % 5 == 4:
            metrics |= {TRAIN_STEPS: 2} if self.tells else {}
            return Outcome(job, "failed", metrics, "diverged", started=0.0, ended=9.0)
        metrics |= {"bits_per_byte": int(job.genome.id, 16) / 16**12, "step_time": self.milliseconds}
        return Outcome(job, "finished", metrics, started=0.0, ended=9.0)


def searched(space: SearchSpace, workers: InlineWorkers, store: Store, resumed: bool = False) -> Search:
    algorithm = make_algorithm("evolution", space, np.random.SeedSequence(0))
    one = Search("run", space, algorithm, workers, store, training_seed=7)
    if resumed:
        one.replay(store.evaluations("run"), 0.0)
    return one


@pytest.fixture
def space(tiny_space: Path) -> SearchSpace:
    return load_space(tiny_space, ["rungs=[3, 9]", "promote=0.5"])[0]


@pytest.mark.parametrize("tells", [True, False])
def test_a_budget_in_trainings_is_spent_by_steps(space: SearchSpace, store: Store, tells: bool) -> None:
    """A rung costs what it adds to the one below; a failure what it trained, or what was asked where nobody knows."""
    space = space.model_copy(update={"budget": Budget(trainings=8)})
    one = searched(space, InlineWorkers(Priced(tells=tells)), store)
    assert one.run(QUIET) == "budget spent: 8 full trainings"
    evaluations = store.evaluations("run")
    assert {e.rung for e in evaluations} == {0, 1}, "a search that promotes"
    steps, come_to = 0, dict[str, int]()
    for e in sorted(evaluations, key=lambda e: e.ended_event or 0):
        asked = (3, 9)[e.rung] - come_to.get(e.genome, 0)
        steps += 2 if e.status == "failed" and tells else asked
        if e.status == "finished":
            come_to[e.genome] = (3, 9)[e.rung]
    assert one.spent == spent(space.rungs, evaluations)
    assert one.spent.steps == steps
    assert 72 <= steps < 72 + 9, "one evaluation at most goes beyond it"
    assert one.spent.training_seconds == pytest.approx(0.5 * steps), "a failure counts at the pace of the others"
    assert one.spent.seconds == 9.0 * len(evaluations)


def test_a_budget_in_minutes_of_training_counts_undisturbed_steps(space: SearchSpace, store: Store) -> None:
    space = space.model_copy(update={"budget": Budget(training_minutes=0.5)})
    one = searched(space, InlineWorkers(Priced()), store)
    assert one.run(QUIET) == "budget spent: 0.5 minutes of training"
    assert 30 <= one.spent.training_seconds < 30 + 9 * 0.5


@pytest.mark.parametrize(
    ("limits", "ended_by"),
    [
        ({"evaluations": 6, "minutes": 600}, "6 evaluations"),
        ({"evaluations": 600, "trainings": 2}, "2 full trainings"),
        ({"evaluations": 1, "minutes": 600}, "1 evaluation"),
    ],
)
def test_of_several_limits_the_one_that_ended_the_search_is_named(
    space: SearchSpace, store: Store, limits: dict[str, float], ended_by: str
) -> None:
    space = space.model_copy(update={"budget": Budget.model_validate(limits)})
    assert searched(space, InlineWorkers(Priced()), store).run(QUIET) == f"budget spent: {ended_by}"


def test_a_budget_in_trainings_is_resumed_where_it_was(space: SearchSpace, store: Store, tmp_path: Path) -> None:
    space = space.model_copy(update={"budget": Budget(trainings=6)})
    searched(space, InlineWorkers(Priced()), store).run(QUIET)
    cut = Store(sqlite_url(tmp_path / "cut.db"))
    cut.create_run("run", "run", {})
    with pytest.raises(SystemExit):
        searched(space, PowerCut(Priced(), 5), cut).run(QUIET)
    searched(space, InlineWorkers(Priced()), cut, resumed=True).run(QUIET)
    whole, resumed = ([(e.genome, e.rung, e.status) for e in s.evaluations("run")] for s in (store, cut))
    assert whole == resumed


def test_steps_that_are_told_are_the_steps_that_were_taken(
    tiny_space: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To a rung, on to the next, on to it with the training lost, and to where it diverges."""
    space, _ = load_space(tiny_space, ["rungs=[3, 9]"])
    evaluate = TrainingEvaluator(space, load_corpus(space.corpus, space.tokenizer), "cpu")
    taken = 0
    take_step = Trainer._take_step

    def counting(trainer: Trainer) -> None:
        nonlocal taken
        taken += 1
        take_step(trainer)
        if diverging and trainer.step == 2:
            next(trainer.model.parameters()).data.fill_(float("nan"))

    monkeypatch.setattr(Trainer, "_take_step", counting)
    genome, diverging = sample(space, np.random.default_rng(1)), False
    kept, lost = str(tmp_path / "kept"), str(tmp_path / "lost")
    told = []
    for rung, place in ((0, kept), (1, kept), (1, lost)):
        taken = 0
        outcome = evaluate(Job(rung, genome, rung, 5, place))
        assert outcome.metrics[TRAIN_STEPS] == taken
        told.append(taken)
    assert told == [3, 6, 9]
    taken, diverging = 0, True
    outcome = evaluate(Job(3, genome, 1, 6))
    assert outcome.status == "failed"
    assert outcome.metrics[TRAIN_STEPS] == taken
    assert taken < 9
    assert express(space, genome, seed=5).training.steps == 9


def test_ledgers_plan_from_where_a_training_of_that_seed_has_come_to() -> None:
    ledger = Ledger([3, 9])
    ledger.add("a", 7, 0, "finished", {"step_time": 1000.0}, 4.0)
    assert [ledger.planned(genome, seed, 1) for genome, seed in (("a", 7), ("a", 8), ("b", 7))] == [6, 9, 9]
    ledger.add("b", 7, 0, "infeasible", {"parameters": 9.0}, 1.0)
    assert (ledger.spent.evaluations, ledger.spent.steps, ledger.spent.seconds) == (1, 3, 5.0)
    assert ledger.expected(6, 1).training_seconds == pytest.approx(9.0)


def test_the_budget_is_told_and_extended_on_the_command_line(tiny_space: Path, tmp_path: Path) -> None:
    out = ("--out", tmp_path / "runs", "--backend", "inline")
    started = command("hrfevo", "run", tiny_space, *out, "--trainings", 2.5)
    assert started.returncode == 0, started.stderr
    assert "[3/10, 3.0/2.5 full]" in started.stdout
    run = only_run(tmp_path / "runs")
    told = json.loads(answer("status", run, "--format", "json"))
    assert (told["steps"], told["trainings"], told["budget_trainings"]) == (9, 3.0, 2.5)
    assert "10 evaluations or 2.5 full trainings" in answer("status", run)
    assert "10 evaluations or 2.5 full trainings" in (run / "report.html").read_text()
    (listed,) = json.loads(answer("list", tmp_path / "runs", "--format", "json"))
    assert listed["budget_trainings"] == 2.5
    less = command("hrfevo", "resume", run, "--trainings", 2, "--backend", "inline")
    assert (less.returncode, "--trainings 2: " in less.stderr, "has 3 already" in less.stderr) == (2, True, True)
    more = ("resume", run, "--trainings", 5, "--backend", "inline")
    assert command("hrfevo", *more, environment={UNDRAWN: "1"}).returncode == 0
    assert json.loads(answer("status", run, "--format", "json"))["steps"] == 15


def test_what_was_in_flight_ends_though_the_budget_was_spent_as_the_search_was_cut_off(
    space: SearchSpace, tmp_path: Path
) -> None:
    """Two workers, one minute: at every place where it can be cut off."""
    space = space.model_copy(update={"budget": Budget(minutes=1)})

    def evaluate(job: Job) -> Outcome:
        return replace(Priced()(job), ended=25.0 if job.number % 2 else 35.0)

    def one(store: Store) -> Search:
        workers = SimulatedWorkers(evaluate, 2)
        algorithm = make_algorithm("evolution", space, np.random.SeedSequence(0))
        return Search("run", space, algorithm, workers, store, 7, clock=workers.clock)

    for cut in range(1, 5):
        store = Store(sqlite_url(tmp_path / f"{cut}.db"))
        store.create_run("run", "run", {})
        ends = iter(range(1, cut + 1))

        def check(ends: Iterator[int] = ends, cut: int = cut) -> None:
            if next(ends) == cut:
                raise SystemExit

        with pytest.raises(SystemExit):
            one(store).run(QUIET, check)
        resumed = one(store)
        resumed.replay(store.evaluations("run"), store.run("run").seconds)
        assert resumed.run(QUIET) == "budget spent: 1 minute"
        assert "running" not in {e.status for e in store.evaluations("run")}
