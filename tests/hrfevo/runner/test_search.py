"""The loop of a search: when it ends and what it says, repeatable, never stopped by a genome."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hrfevo.algorithms.given import FixedList
from hrfevo.results.status import failures_in_words
from hrfevo.runner.loop import FAR_TO_STOP, NothingSucceeds, Search
from hrfevo.runner.nearest import Nearest
from hrfevo.space.genome import sample
from hrfevo.space.search_space import SearchSpace
from hrfevo.space.sections import Bounds
from hrfevo.store.database import sqlite_url
from hrfevo.store.store import Store
from hrfevo.workers.base import Job, Outcome
from hrfevo.workers.inline import InlineWorkers
from tests.conftest import PowerCut, command, only_run
from tests.tools.evaluators import Scripted
from tests.tools.searches import QUIET, search, statuses


def test_failures_count_and_do_not_stop_the_search(space: SearchSpace, store: Store) -> None:
    one = search(space, InlineWorkers(Scripted("some fail")), store, "run")
    assert one.run(QUIET) == "budget spent: 10 evaluations"
    assert statuses(store).count("failed") == 4
    assert len(statuses(store)) == 10
    assert one.spent.evaluations == 10


def test_terminal_and_report_count_the_same_generations(space: SearchSpace, store: Store) -> None:
    longer = {"rungs": [1, 2], "budget": space.budget.model_copy(update={"evaluations": 30})}
    space = space.model_copy(update=longer)
    one = search(space, InlineWorkers(Scripted("some fail")), store, "run", algorithm="random")
    one.run(QUIET)
    births = {evaluation.birth for evaluation in store.evaluations("run")}
    assert len(births) < len(store.evaluations("run")), "some were promoted"
    whole = len(births) // space.population
    assert one.standings.logbook.select("generation") == [*range(whole)]


@pytest.mark.parametrize("synchronous", [False, True])
@pytest.mark.parametrize("stop_after", [1, 4, 7])
def test_a_resumed_search_is_the_search_it_would_have_been(
    space: SearchSpace, tmp_path: Path, stop_after: int, synchronous: bool
) -> None:
    """Stopped dead after some evaluations, one in flight; the proposals that follow are the same."""
    whole = Store(sqlite_url(tmp_path / "whole.db"))
    whole.create_run("run", "run", {})
    search(space, InlineWorkers(Scripted("some fail")), whole, "run", synchronous=synchronous).run(QUIET)

    cut = Store(sqlite_url(tmp_path / "cut.db"))
    cut.create_run("run", "run", {})
    with pytest.raises(SystemExit):
        search(space, PowerCut(Scripted("some fail"), stop_after), cut, "run", synchronous=synchronous).run(QUIET)
    assert statuses(cut).count("running") == 1
    resumed = search(space, InlineWorkers(Scripted("some fail")), cut, "run", synchronous=synchronous)
    resumed.replay(cut.evaluations("run"), seconds=100.0)
    assert resumed.seconds >= 100
    resumed.run(QUIET)

    def story(store: Store) -> list[tuple[Any, ...]]:
        return [
            (e.number, e.genome, e.operator, e.parents, e.rung, e.status, e.metrics) for e in store.evaluations("run")
        ]

    assert story(cut) == story(whole)


# --- budgets --------------------------------------------------------------------------------------


def test_infeasible_genomes_do_not_count_against_the_budget(space: SearchSpace, store: Store) -> None:
    search(space, InlineWorkers(Scripted("infeasible")), store, "run").run(QUIET)
    assert statuses(store).count("finished") == 10
    assert statuses(store).count("infeasible") >= 9


def test_a_budget_in_minutes_ends_the_search(space: SearchSpace, store: Store) -> None:
    space = space.model_copy(update={"budget": space.budget.model_copy(update={"evaluations": None, "minutes": 1.0})})
    ticks = iter(range(0, 10_000, 7))
    one = search(space, InlineWorkers(Scripted()), store, "run", clock=lambda: float(next(ticks)))
    assert one.run(QUIET) == "budget spent: 1 minute"
    assert 2 <= len(statuses(store)) <= 6


@pytest.mark.usefixtures("undrawn")
def test_a_budget_below_what_is_done_is_refused(tiny_space: Path, tmp_path: Path) -> None:
    assert command("hrfevo", "run", tiny_space, "--out", tmp_path / "out", "--backend", "inline").returncode == 0
    run = only_run(tmp_path / "out")
    before = (run / "run.json").read_text()
    result = command("hrfevo", "resume", run, "--evaluations", 4, "--backend", "inline")
    assert result.returncode == 2
    assert "has 10 already; name as many or more" in result.stderr
    assert (run / "run.json").read_text() == before


# --- searches that come to nothing ----------------------------------------------------------------


def test_a_search_in_which_nothing_succeeds_says_so(space: SearchSpace, store: Store) -> None:
    with pytest.raises(NothingSucceeds, match="all of the first 8 evaluations failed, the last with: diverged"):
        search(space, InlineWorkers(Scripted("all fail")), store, "run").run(QUIET)


def test_a_short_search_in_which_all_failed_is_no_success(space: SearchSpace, store: Store) -> None:
    budget = space.budget.model_copy(update={"evaluations": 3})
    few = space.model_copy(update={"budget": budget})
    with pytest.raises(NothingSucceeds, match="all 3 evaluations failed"):
        search(few, InlineWorkers(Scripted("all fail")), store, "run").run(QUIET)


def test_a_search_that_had_failed_fails_again_with_the_same_reason(space: SearchSpace, store: Store) -> None:
    few = space.model_copy(update={"budget": space.budget.model_copy(update={"evaluations": 3})})
    said = []
    for _ in range(2):
        one = search(few, InlineWorkers(Scripted("all fail")), store, "run")
        one.replay(store.evaluations("run"), 0.0)
        with pytest.raises(NothingSucceeds) as error:
            one.run(QUIET)
        said.append(str(error.value))
    assert said[0] == said[1]
    assert said[0].endswith("diverged: the loss is nan")


def test_a_search_of_which_nothing_keeps_a_measured_bound_is_no_success(tiny_space: Path, tmp_path: Path) -> None:
    bound = ("--set", "constraints={bits_per_byte: {max: 0.1}}", "--evaluations", 4, "--backend", "inline")
    result = command("hrfevo", "run", tiny_space, "--out", tmp_path, *bound)
    assert result.returncode == 1
    assert "none of the first 4 genomes keeps to bits_per_byte at most 0.1; the nearest had " in result.stdout
    assert "Traceback" not in result.stderr


def test_a_search_that_finds_one_feasible_genome_in_thousands_ends_and_says_why(
    space: SearchSpace, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hrfevo.runner.loop.INFEASIBLE_TO_STOP", 50)
    one = search(space, InlineWorkers(Scripted("one")), store, "run")
    assert one.run(QUIET) == "the last 50 genomes were infeasible, the last with: parameters 9 above 3"
    assert (one.tally.finished, one.tally.infeasible) == (1, 53)
    again = search(space, InlineWorkers(Scripted("one")), store, "run")
    again.replay(store.evaluations("run"), 0.0)
    assert again.run(QUIET).startswith("the last 50 genomes were infeasible")
    assert failures_in_words(store.evaluations("run")) == ["infeasible 53 times: parameters above 3"]


def test_a_search_that_comes_no_nearer_to_a_bound_ends_and_says_how_near(
    space: SearchSpace, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seven genomes come nearer, then none does; resumed it tries no other, and half of it resumed ends alike."""
    monkeypatch.setattr("hrfevo.runner.loop.FAR_TO_STOP", 20)
    bound = {"parameters": Bounds(max=10)}
    tight = space.model_copy(update={"constraints": bound})
    says = "none of the first 28 genomes keeps to parameters at most 10; the nearest had 6,696"
    with pytest.raises(SystemExit):
        search(tight, PowerCut(Scripted("too large"), 15), store, "run").run(QUIET)
    for _ in range(2):
        again = search(tight, InlineWorkers(Scripted("too large")), store, "run")
        again.replay(store.evaluations("run"), 0.0)
        with pytest.raises(NothingSucceeds, match=says):
            again.run(QUIET)
        assert statuses(store) == ["infeasible"] * 28


@pytest.mark.parametrize("power", [1, 2, 5, 20])
def test_bounds_that_chance_may_keep_are_not_taken_for_out_of_reach(power: int, space: SearchSpace) -> None:
    """One genome in 400 keeps to them, distances of the others are the power's; then all are further away by a half."""
    bounded = space.model_copy(update={"constraints": {"parameters": Bounds(max=1)}})
    job = Job(0, sample(space, np.random.default_rng(0)), 0, 0)

    def given_up(beyond: float, seed: int) -> bool:
        """Whether draws before the first feasible one make the bound be taken for out of reach."""
        draws = np.random.default_rng(seed).random(2000) ** (1 / power) - (1 / 400) ** (1 / power) + beyond
        nearest = Nearest(bounded)
        for distance in itertools.takewhile(lambda d: d > 0, draws):
            nearest.add(Outcome(job, "infeasible", {"parameters": 1 + distance}))
            if nearest.since >= FAR_TO_STOP and nearest.out_of_reach:
                return True
        return False

    assert sum(given_up(0.0, seed) for seed in range(40)) <= (4 if power == 20 else 1)
    assert sum(given_up(0.5, seed) for seed in range(10)) == 10


def test_a_search_that_has_a_feasible_genome_is_not_ended_for_being_far(
    space: SearchSpace, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hrfevo.runner.loop.FAR_TO_STOP", 4)
    assert search(space, InlineWorkers(Scripted("infeasible")), store, "run").run(QUIET).startswith("budget spent")


def test_a_probe_is_measured_once_for_each_seed(space: SearchSpace, store: Store) -> None:
    """It is trained with the seed: what one seed gave is nothing that another has measured."""
    probed = space.model_copy(update={"objectives": {"bits_per_byte": "minimize", "memorization": "maximize"}})
    genome, known = sample(space, np.random.default_rng(0)), []

    def evaluate(job: Job) -> Outcome:
        known.append(dict(job.known))
        return Outcome(job, "finished", {"bits_per_byte": 2.0, "memorization": job.seed / 9})

    Search("run", probed, FixedList([genome], [1, 2, 3]), InlineWorkers(evaluate), store, 1).run(QUIET)
    assert known == [{}, {}, {}]
