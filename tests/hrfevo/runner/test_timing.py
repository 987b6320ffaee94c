"""Steps that are timed again, alone: whose, how often, and what comes of it."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hrfevo
from hrfevo.algorithms.registry import make_algorithm
from hrfevo.results.history import History
from hrfevo.results.overview import leader_of
from hrfevo.results.timings import timings_of, to_time
from hrfevo.runner.loop import Search
from hrfevo.runner.timing import time_leaders
from hrfevo.space.genome import Genome
from hrfevo.space.metrics import TIMED
from hrfevo.space.reading import parse_space
from hrfevo.space.search_space import SearchSpace
from hrfevo.store.database import sqlite_url
from hrfevo.store.records import Evaluation
from hrfevo.store.retrying import PatientStore
from hrfevo.store.run_folder import RunFolder
from hrfevo.store.store import Store
from hrfevo.views.dashboard.watch import Watched
from hrfevo.workers.base import Job, Outcome
from hrfevo.workers.inline import InlineWorkers
from tests.conftest import PowerCut, answer, command, only_run
from tests.tools.synthetic import LAYERS, search

SPACE = """
name: timing
genes:
  width: {type: ordered, values: [8, 16, 24, 32, 40, 48, 56, 64]}
  training.learning_rate: {type: float, low: 1e-3, high: 1e-1, log: true}
objectives: {bits_per_byte: minimize, step_time: minimize}
rungs: [3, 9]
population: 4
budget: {evaluations: 24}
"""
QUIET = type("Quiet", (), {"submitted": lambda *_: None, "ended": lambda *_: None})()


def true_time(genome: Genome) -> float:
    return float(genome.values["width"])


@dataclass
class Machine:
    """Trainings are held up, each by its own luck; timings are what a step takes, more in the first pass."""

    jobs: list[Job] = field(default_factory=list)
    fails: frozenset[str] = frozenset()

    def __call__(self, job: Job) -> Outcome:
        self.jobs.append(job)
        if job.timing is not None:
            if job.genome.id in self.fails:
                return Outcome(job, "failed", {}, "out of memory", ended=1.0)
            return Outcome(job, "finished", {"step_time": true_time(job.genome) * (1.5 if job.timing == 0 else 1.0)})
        luck = np.random.default_rng(int(job.genome.id, 16)).choice([1.0, 1.5, 3.0])
        loss = 9 - np.log2(job.genome.values["width"]) + abs(np.log10(job.genome.values["training.learning_rate"]) + 2)
        metrics = {"bits_per_byte": loss - job.rung, "step_time": luck * true_time(job.genome), "parameters": 5.0}
        return Outcome(job, "finished", metrics | {"train_seconds": 1.0}, ended=1.0)


@lru_cache
def space_of(text: str = SPACE) -> SearchSpace:
    return parse_space(text, "timing")


def store_at(path: Path) -> Store:
    store = Store(sqlite_url(path))
    store.create_run("run", "run", {})
    return store


def searched(space: SearchSpace, store: Store, machine: Machine, synchronous: bool = False) -> None:
    algorithm = make_algorithm("genetic", space, np.random.SeedSequence(0), synchronous)
    one = Search("run", space, algorithm, InlineWorkers(machine), store, 5)
    one.replay(store.evaluations("run"), 0.0)
    one.run(QUIET)


def timed(space: SearchSpace, store: Store, machine: Machine) -> list[str]:
    said: list[str] = []
    time_leaders("run", space, store, PatientStore(store, said.append), InlineWorkers(machine), said.append)
    return said


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return store_at(tmp_path / "results.db")


def test_who_leads_is_timed_as_often_as_asked_and_counts_for_the_least(store: Store) -> None:
    space, machine = space_of(), Machine()
    searched(space, store, machine)
    lucky = History(space, tuple(store.evaluations("run"))).front
    trained = len(machine.jobs)
    said = timed(space, store, machine)
    assert said == [f"timing steps of {len(lucky)} genomes again, alone, since step_time counts"]
    evaluations = store.evaluations("run")
    winners = History(space, tuple(evaluations)).front
    assert all(len(one.timings) == 3 for one in winners)
    assert all(one.metrics["step_time"] == true_time(Genome(one.values)) for one in winners)
    asked = [(job.genome.id, job.timing) for job in machine.jobs[trained:]]
    assert len(asked) == len(set(asked)) == 3 * len({e.genome for e in evaluations if e.timings})
    # Pass by pass, those of the front first.
    assert asked[: len(lucky)] == [(one.genome, 0) for one in lucky]
    # What trainings measured stays as it is, and nothing is left to do.
    assert [e.metrics["step_time"] for e in evaluations if e.status == "finished"] != []
    assert timed(space, store, machine) == []
    (told,) = timings_of(History(space, tuple(evaluations)))
    assert told.genomes == len({e.genome for e in evaluations if e.timings})
    assert 1 / 3 <= told.lowest <= told.median <= told.highest <= 1


@lru_cache
def template() -> Evaluation:
    return next(e for e in search(parse_space(LAYERS, "layers"), 9)[2] if e.status == "finished")


def trained(rows: list[tuple[float, float, float]]) -> tuple[SearchSpace, list[Evaluation]]:
    """Genomes with a loss, what a step takes, and how much their trainings were held up."""
    genomes = [Genome({"number": number}) for number in range(len(rows))]
    return space_of(), [
        replace(
            template(),
            number=number,
            genome=genome.id,
            values=dict(genome.values),
            rung=1,
            metrics={"bits_per_byte": float(loss), "step_time": time * held_up},
        )
        for number, (genome, (loss, time, held_up)) in enumerate(zip(genomes, rows, strict=True))
    ]


def with_timings(evaluations: list[Evaluation], of: dict[int, float]) -> list[Evaluation]:
    return [replace(e, timings=({"step_time": of[e.number]},) * 3) if e.number in of else e for e in evaluations]


def numbers(found: list[Evaluation]) -> list[int]:
    return [one.number for one in found]


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9), st.sampled_from([1.0, 1.4, 2.0])), min_size=1))
def test_it_ends_with_a_front_of_which_all_are_timed(rows: list[tuple[float, float, float]]) -> None:
    space, evaluations = trained(rows)
    known: dict[int, float] = {}
    while found := numbers(to_time(History(space, tuple(with_timings(evaluations, known))))):
        assert not known.keys() & {*found}, "each round times others"
        known |= {number: rows[number][1] for number in found}
    first = History(space, tuple(with_timings(evaluations, known))).front
    assert {*numbers(first)} <= known.keys()
    for one in first:
        loss, time, _ = rows[one.number]
        others = [rows[number][:2] for number in known if rows[number][:2] != (loss, time)]
        assert not any(a <= loss and b <= time for a, b in others)


def test_who_was_held_up_as_much_as_others_comes_to_the_front() -> None:
    # The third seems to be behind the second, which was trained in a quiet moment. The fourth is behind.
    space, evaluations = trained([(1, 8, 1.5), (5, 4, 1.0), (5, 3, 1.5), (9, 9, 1.5)])
    history = History(space, tuple(evaluations))
    assert numbers(history.front) == numbers(to_time(history)) == [0, 1]
    half = with_timings(evaluations, {0: 8.0, 1: 4.0})
    assert numbers(to_time(History(space, tuple(half)))) == [2]
    whole = with_timings(evaluations, {0: 8.0, 1: 4.0, 2: 3.0})
    assert to_time(History(space, tuple(whole))) == []
    assert numbers(History(space, tuple(whole)).front) == [0, 2]
    (told,) = timings_of(History(space, tuple(whole)))
    assert (
        told.words == "step_time of 3 genomes is timed again, alone: 0.67 of what their trainings said (0.67 to 1.00)"
    )


def test_who_breaks_a_bound_when_timed_alone_leads_nothing(store: Store) -> None:
    bound = space_of(
        SPACE.replace("step_time: minimize", "parameters: minimize") + "constraints: {step_time: {max: 5}}"
    )
    _, evaluations = trained([(1, 4.0, 1.0), (2, 4.5, 1.0)])
    evaluations = [replace(e, metrics=e.metrics | {"parameters": 1.0}) for e in evaluations]
    assert numbers(to_time(History(bound, tuple(evaluations)))) == [0]
    slower = with_timings(evaluations, {0: 5.5})
    history = History(bound, tuple(slower))
    assert numbers(history.front) == numbers(history.ranked(5)) == numbers(to_time(history)) == [1]
    assert History(bound, tuple(with_timings(evaluations, {0: 6.0, 1: 6.0}))).front == ()


def test_nobody_is_timed_where_step_time_counts_for_nothing_or_none_is_asked_for() -> None:
    space, evaluations = trained([(1, 1, 1.0)])
    for otherwise in ({"objectives": {"bits_per_byte": "minimize"}}, {"timings": 0}):
        assert to_time(History(space.model_copy(update=otherwise), tuple(evaluations))) == []


def test_who_cannot_be_timed_keeps_what_its_training_said(store: Store) -> None:
    space, machine = space_of(), Machine()
    searched(space, store, machine)
    first = History(space, tuple(store.evaluations("run"))).front[0]
    machine.fails = frozenset([first.genome])
    said = timed(space, store, machine)
    assert f"{first.genome} could not be timed: out of memory; what its training said of step_time stands" in said
    evaluations = store.evaluations("run")
    assert {e.genome for e in History(space, tuple(evaluations)).front if not e.timings} <= machine.fails
    assert sum(job.timing is not None and job.genome.id == first.genome for job in machine.jobs) == 1


def test_many_are_not_all_timed(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hrfevo.runner.timing.MOST", 2)
    space, machine = space_of(), Machine()
    searched(space, store, machine)
    assert len(History(space, tuple(store.evaluations("run"))).front) > 2
    timed(space, store, machine)
    assert len({e.genome for e in store.evaluations("run") if e.timings}) == 2


@pytest.mark.parametrize("after", [0, 1, 5])
def test_timing_goes_on_where_it_was_cut_off(store: Store, after: int) -> None:
    space, machine = space_of(), Machine()
    searched(space, store, machine)
    trained = len(machine.jobs)
    cut = PowerCut(machine, after)
    with pytest.raises(SystemExit):
        time_leaders("run", space, store, PatientStore(store, print), cut, print)
    timed(space, store, machine)
    asked = [(job.genome.id, job.timing) for job in machine.jobs[trained:]]
    assert len(asked) == len(set(asked)), "nothing that is known is timed twice"
    history = History(space, tuple(store.evaluations("run")))
    assert all(len(one.timings) == 3 for one in [*history.front, *(one for one in history if one.timings)])


@pytest.mark.parametrize("synchronous", [False, True])
def test_a_search_that_goes_on_later_does_not_know_that_it_was_timed(tmp_path: Path, synchronous: bool) -> None:
    machine = Machine()
    longer = space_of(SPACE.replace("evaluations: 24", "evaluations: 40"))
    stories = []
    for name, stages in (("whole", [longer]), ("in two", [space_of(), longer])):
        store = store_at(tmp_path / f"{name}.db")
        for space in stages:
            searched(space, store, machine, synchronous)
            timed(space, store, machine)
        evaluations = store.evaluations("run")
        stories.append([(e.genome, e.rung, e.operator, e.parents, e.submitted_event) for e in evaluations])
        assert all(e.timings for e in History(longer, tuple(evaluations)).front)
    assert stories[0] == stories[1]


def test_everybody_who_asks_hears_the_time_alone(tiny_space: Path, tmp_path: Path) -> None:
    """A real search: what is printed, listed, drawn and kept."""
    objectives = "objectives={bits_per_byte: minimize, step_time: minimize, generation_time: minimize}"
    told = ("--set", objectives, "--set", "timings=2", "--evaluations", 6)
    result = command("hrfevo", "run", tiny_space, "--out", tmp_path / "out", "--backend", "inline", *told)
    assert result.returncode == 0, result.stderr
    run = only_run(tmp_path / "out")
    found = hrfevo.load(run)
    assert all(len(one.timings) == 2 for one in found.winners)
    raw = {e.number: e.metrics for e in found.history}
    alone = {e.genome: {name: min(one[name] for one in e.timings) for name in TIMED} for e in found.winners}
    for name in TIMED:
        assert [e.metrics[name] for e in found.winners] == [alone[e.genome][name] for e in found.winners]
        assert any(raw[e.number][name] != alone[e.genome][name] for e in found.winners)
    lines = " ".join(result.stdout.split())
    assert "again, alone, since step_time and generation_time count" in lines
    assert [told.metric for told in timings_of(found.history)] == [*TIMED]
    assert all(told.words in lines for told in timings_of(found.history))
    assert "step_time and generation_time of" in " ".join(answer("best", run).split())
    assert "alone: the least of 2" in " ".join(answer("best", run).split())
    listed = json.loads(answer("best", run, "--format", "json"))
    assert [
        (one["timings"], {name: one["metrics"][name] for name in TIMED})
        for one in listed
        if one["genome"] in found.front["genome"].tolist()
    ] == [(2, alone[e.genome]) for e in found.winners]
    assert "is that of steps timed again, alone" in (run / "report.html").read_text()
    folder = RunFolder.open(run)
    with closing(folder.open_store()) as opened:
        leader = leader_of(folder.id, folder.space(), opened)
        assert leader is not None
        assert leader.genome == found.winners[0].genome
    with closing(Watched(run, None)) as watched:
        frame = watched.snapshot().frame
        assert frame[frame["front"]].set_index("genome")[[*TIMED]].to_dict("index") == alone


def test_a_genome_of_several_seeds_is_timed_as_often_as_others_where_that_was_cut_off(store: Store) -> None:
    space, evaluations = trained([(1, 4.0, 1.0), (2, 3.0, 1.0)])
    again = replace(evaluations[0], number=2, seed=99)
    begun = [replace(e, timings=({"step_time": 3.0},)) for e in (*evaluations, again)]
    assert numbers(to_time(History(space, tuple(begun)))) == [0, 1]


class Successor(InlineWorkers):
    """One worker that ends with every evaluation; the next is up when somebody waits for it."""

    capacity = 0

    def next_outcome(self) -> Outcome | None:
        if not self.capacity:
            self.capacity = 1
            return None
        outcome = super().next_outcome()
        self.capacity = 0
        return outcome


def test_a_worker_that_has_just_ended_leaves_nobody_untimed(store: Store) -> None:
    space, machine = space_of(), Machine()
    searched(space, store, machine)
    time_leaders("run", space, store, PatientStore(store, print), Successor(machine), print)
    assert all(len(one.timings) == 3 for one in History(space, tuple(store.evaluations("run"))).front)
