"""Leaders that are trained again with fresh seeds: who, how often, and what becomes of a lucky one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hrfevo
from hrfevo.algorithms.base import Proposal, Result
from hrfevo.algorithms.breeding.individual import Fitness, Individual
from hrfevo.algorithms.evolution.gaussian_process import GaussianProcess, Kernel
from hrfevo.algorithms.registry import ALGORITHMS, make_algorithm
from hrfevo.algorithms.replicates import MAX_SEEDS, REPLICATE, Replicates
from hrfevo.algorithms.seeds import Scores
from hrfevo.benchmark.attainment import Yardstick
from hrfevo.benchmark.base import Scale
from hrfevo.benchmark.simulation import Trace
from hrfevo.results.averaging import averaged
from hrfevo.results.frames import best_of, evaluation_frame, finished_at
from hrfevo.results.history import History
from hrfevo.results.overview import leader_of
from hrfevo.runner.loop import Search
from hrfevo.runner.observers.course import Course
from hrfevo.runner.standings import Standings
from hrfevo.space.genome import Genome, sample
from hrfevo.space.reading import load_space, parse_space
from hrfevo.space.search_space import SearchSpace
from hrfevo.store.database import sqlite_url
from hrfevo.store.records import Evaluation
from hrfevo.store.store import Store
from hrfevo.views.dashboard.watch import Watched
from hrfevo.views.terminal.tables import as_table
from hrfevo.views.words import summary
from hrfevo.workers.base import Job, Outcome
from hrfevo.workers.evaluation import TrainingEvaluator
from hrfevo.workers.inline import InlineWorkers
from hrfevo.workers.simulated import SimulatedWorkers
from signal_model.data.corpus import load_corpus
from signal_model.support.errors import InputError
from tests.conftest import PowerCut, answer, command, only_run

SPACE = """
name: seeds
genes:
  width: {type: ordered, values: [8, 16, 24, 32]}
  training.learning_rate: {type: float, low: 1e-3, high: 1e-1, log: true}
objectives: {bits_per_byte: minimize, parameters: minimize}
rungs: [3, 9]
population: 8
replicates: 0.2
budget: {evaluations: 60}
"""
SPACE_RUNGS = (3, 9)
OWN_SEED, NOISE = 5, 0.05
# Optuna's Gaussian process takes a good part of a second for each proposal.
TWO_OBJECTIVES = [name for name in ALGORITHMS if name not in ("gp", "cmaes")]
QUIET = type("Quiet", (), {"submitted": lambda *_: None, "ended": lambda *_: None})()


def space_of(**overrides: Any) -> SearchSpace:
    return parse_space(SPACE, "seeds").model_copy(update=overrides)


def worth(genome: Genome) -> float:
    """What a genome scores on average over seeds."""
    return float(2 + (np.log10(genome.values["training.learning_rate"]) + 2) ** 2 - genome.values["width"] / 100)


def measured(job: Job) -> Outcome:
    """A step takes a second; a genome in nine fails with a seed in two."""
    below = SPACE_RUNGS[job.rung - 1] if job.rung and job.checkpoint else 0
    took = float(SPACE_RUNGS[job.rung] - below)
    if int(job.genome.id, 16) % 9 == 0 and job.seed % 2:
        return Outcome(job, "failed", {}, "diverged: loss is nan", ended=took)
    luck = np.random.default_rng([int(job.genome.id, 16), job.seed, job.rung]).standard_normal()
    metrics = {"bits_per_byte": worth(job.genome) + NOISE * luck, "parameters": float(job.genome.values["width"])}
    return Outcome(job, "finished", metrics | {"train_seconds": took}, ended=took)


@dataclass
class Kept:
    """Where trainings would be kept."""

    asked: list[str] = field(default_factory=list)

    def of(self, genome: str) -> str:
        self.asked.append(genome)
        return genome

    def keep_only(self, genomes: Any) -> None:
        """Nothing is removed."""


def store_at(path: Path) -> Store:
    store = Store(sqlite_url(path))
    if not path.exists() or store.tally("run") == dict.fromkeys(store.tally("run"), 0):
        store.create_run("run", "run", {})
    return store


def searched(
    space: SearchSpace, store: Store, workers: Any, name: str = "genetic", synchronous: bool = False
) -> Search:
    algorithm = make_algorithm(name, space, np.random.SeedSequence(0), synchronous)
    clock = {"clock": workers.clock} if isinstance(workers, SimulatedWorkers) else {}
    search = Search("run", space, algorithm, workers, store, OWN_SEED, Kept(), **clock)
    search.replay(store.evaluations("run"), 0.0)
    search.run(QUIET)
    return search


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return store_at(tmp_path / "results.db")


def replicates(evaluations: Sequence[Evaluation]) -> list[Evaluation]:
    return [evaluation for evaluation in evaluations if evaluation.seed != OWN_SEED]


def first_ended(evaluations: Sequence[Evaluation]) -> set[str]:
    return {e.genome for e in evaluations if (e.seed, e.rung, e.status) == (OWN_SEED, 1, "finished")}


def story(evaluations: Sequence[Evaluation]) -> list[tuple[Any, ...]]:
    return [(e.number, e.genome, e.rung, e.seed, e.status, e.metrics) for e in evaluations]


class Listener:
    """An algorithm that proposes given genomes at the last rung, and keeps what it hears."""

    def __init__(self, space: SearchSpace) -> None:
        self.heard: list[Result] = []
        self._waiting = [Proposal(genome, "given", rung=len(space.rungs) - 1) for genome in genomes(30)]

    def ask(self) -> Proposal | None:
        return self._waiting.pop(0) if self._waiting else None

    def tell(self, results: Sequence[Result]) -> None:
        self.heard += results

    def adopt(self, proposal: Proposal) -> Proposal:
        return proposal

    def promotable(self) -> set[str]:
        return set()


# --- who is trained again ------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "workers"), [*((name, 16) for name in TWO_OBJECTIVES), ("evolution", 1)])
def test_a_share_of_the_steps_goes_to_leaders_with_fresh_seeds(store: Store, name: str, workers: int) -> None:
    space = space_of()
    searched(space, store, SimulatedWorkers(measured, workers), name)
    evaluations = store.evaluations("run")
    again = replicates(evaluations)
    first = [e for e in evaluations if e not in again]
    reached = {genome: max(e.rung for e in first if e.genome == genome) for genome in {e.genome for e in first}}
    steps = sum(space.rungs[rung] for rung in reached.values()) + len(again) * space.rungs[-1]
    assert again
    assert len(again) * space.rungs[-1] <= 0.2 * (steps + space.rungs[-1])
    assert {e.rung for e in again} == {len(space.rungs) - 1}
    counts = Counter(e.genome for e in again)
    assert max(counts.values()) < MAX_SEEDS
    assert all(len({e.seed for e in again if e.genome == one}) == count for one, count in counts.items())
    assert store.repeated("run") == any(e.status == "finished" and e.genome in first_ended(evaluations) for e in again)
    # Before any noise is known, it is somebody on the front of what has come to the last rung.
    ended = [e for e in evaluations if e.rung == 1 and (e.ended_event or 0) < again[0].submitted_event]
    assert again[0].genome in {e.genome for e in History(space, tuple(ended)).front}


@pytest.mark.parametrize("synchronous", [False, True])
@pytest.mark.parametrize("stop_after", [25, 47])
def test_a_resumed_search_repeats_the_same_leaders(tmp_path: Path, stop_after: int, synchronous: bool) -> None:
    space = space_of()
    with closing(store_at(tmp_path / "whole.db")) as whole, closing(store_at(tmp_path / "cut.db")) as cut:
        searched(space, whole, InlineWorkers(measured), synchronous=synchronous)
        with pytest.raises(SystemExit):
            searched(space, cut, PowerCut(measured, stop_after), synchronous=synchronous)
        searched(space, cut, InlineWorkers(measured), synchronous=synchronous)
        assert story(cut.evaluations("run")) == story(whole.evaluations("run"))
        assert replicates(whole.evaluations("run"))


def test_whole_generations_repeat_the_same_leaders_with_any_number_of_workers(tmp_path: Path) -> None:
    found = []
    for workers in (1, 5):
        with closing(store_at(tmp_path / f"{workers}.db")) as store:
            searched(space_of(), store, SimulatedWorkers(measured, workers), synchronous=True)
            found.append(sorted((e.genome, e.rung, e.seed) for e in store.evaluations("run")))
    assert found[0] == found[1]


@pytest.mark.parametrize("name", ["evolution", "genetic"])
def test_without_a_share_nothing_is_trained_again(tmp_path: Path, name: str) -> None:
    """And what is proposed is what is proposed without the part that would: the generator is not touched."""
    with closing(store_at(tmp_path / "none.db")) as none, closing(store_at(tmp_path / "some.db")) as some:
        searched(space_of(replicates=0.0), none, SimulatedWorkers(measured, 1), name)
        searched(space_of(), some, SimulatedWorkers(measured, 1), name)
        without, with_some = none.evaluations("run"), some.evaluations("run")
        assert not none.repeated("run")
    assert not replicates(without)
    before = next(place for place, e in enumerate(with_some) if e.seed != OWN_SEED)
    assert story(without)[:before] == story(with_some)[:before]


def test_the_algorithm_hears_the_mean_and_of_how_many() -> None:
    inner = Listener(space_of())
    algorithm = Replicates(inner, space_of(), np.random.SeedSequence(0))
    told: dict[str, list[float]] = {}
    while proposal := algorithm.ask():
        outcome = measured(Job(0, proposal.genome, 1, OWN_SEED if proposal.seed is None else proposal.seed))
        assert (proposal.operator == REPLICATE) == proposal.fresh == (proposal.seed is not None)
        if outcome.status == "failed":
            algorithm.tell([Result(proposal, None, (), "diverged")])
            assert inner.heard[-1].objectives is None
            continue
        objectives = tuple(outcome.metrics[name] for name in space_of().objectives)
        algorithm.tell([Result(proposal, objectives)])
        own = told.setdefault(proposal.genome.id, [])
        own.append(objectives[0])
        assert inner.heard[-1].objectives == pytest.approx((np.mean(own), objectives[1]))
        assert inner.heard[-1].measurements == len(own)
    assert max(len(own) for own in told.values()) > 1


# --- trainings -----------------------------------------------------------------------------------


def test_a_replicate_begins_at_step_0_and_leaves_what_is_kept(tiny_space: Path, tmp_path: Path) -> None:
    """Real trainings, kept where the genome's own is: its seed decides the score, nothing else does."""
    from hrfevo.workers.trainings import Checkpoints

    space = load_space(tiny_space, ["rungs=[2, 4]", "replicates=0.5", "objectives={bits_per_byte: minimize}"])[0]
    evaluate = TrainingEvaluator(space, load_corpus(space.corpus, space.tokenizer), "cpu")
    with closing(store_at(tmp_path / "results.db")) as store:
        algorithm = make_algorithm("random", space, np.random.SeedSequence(0))
        kept = Checkpoints(str(tmp_path / "checkpoints"))
        Search("run", space, algorithm, InlineWorkers(evaluate), store, OWN_SEED, kept).run(QUIET)
        again = replicates(store.evaluations("run"))
    assert again
    one = again[0]
    alone = evaluate(Job(0, Genome(one.values), one.rung, one.seed))
    assert alone.metrics["bits_per_byte"] == one.metrics["bits_per_byte"]


# --- who wins ------------------------------------------------------------------------------------


def evaluation(number: int, genome: Genome, score: float, seed: int = OWN_SEED, **other: Any) -> Evaluation:
    told: dict[str, Any] = {"status": "finished", "reason": "", "detail": "", "worker": "", "device": "", "rung": 1}
    told |= {"submitted": 0.0, "started": 0.0, "ended": 1.0, "submitted_event": 0, "ended_event": 1, "birth": 0}
    told |= {"metrics": {"bits_per_byte": score, "parameters": 8}, "operator": "", "parents": ()} | other
    return Evaluation(number, genome.id, dict(genome.values), seed=seed, **told)


ONE = {"objectives": {"bits_per_byte": "minimize"}}


def genomes(count: int) -> list[Genome]:
    generator = np.random.default_rng(0)
    return [sample(space_of(), generator) for _ in range(count)]


def test_a_lucky_genome_loses_its_place() -> None:
    lucky, good, single = genomes(3)
    rows = [evaluation(0, lucky, 1.90), evaluation(1, good, 1.92), evaluation(2, single, 2.5)]
    assert [e.genome for e in History(space_of(**ONE), tuple(rows)).front] == [lucky.id]
    # Measured again, the lucky one is found out; its first evaluation stands for it, with the mean.
    rows += [evaluation(3, lucky, 2.10, seed=6), evaluation(4, good, 1.90, seed=6)]
    (winner,) = History(space_of(**ONE), tuple(rows)).front
    assert (winner.genome, winner.number, winner.seeds) == (good.id, 1, 2)
    assert winner.metrics == {"bits_per_byte": pytest.approx(1.91), "parameters": 8}
    assert [e.genome for e in History(space_of(**ONE), tuple(rows)).ranked(3)] == [good.id, lucky.id, single.id]
    assert History(space_of(**ONE), tuple(rows)).find(lucky.id).metrics["bits_per_byte"] == pytest.approx(2.0)


def test_a_list_of_runs_names_the_best_mean(store: Store) -> None:
    """Not the luckiest training, which the database would find by itself."""
    searched(space_of(**ONE), store, SimulatedWorkers(measured, 4))
    best = History(space_of(**ONE), tuple(store.evaluations("run"))).front[0]
    leader = leader_of("run", space_of(**ONE), store)
    assert leader is not None
    assert (leader.genome, leader.value) == (best.genome, best.metrics["bits_per_byte"])


def test_of_equals_the_next_objective_decides_for_all_who_name_the_best(store: Store) -> None:
    """Losses of small models may be the same to the last digit, and shares of errors often are."""
    ways = {"bits_per_byte": "minimize", "step_time": "minimize", "state_size": "minimize"}
    space = space_of(objectives=ways, replicates=0.0)

    def tied(job: Job) -> Outcome:
        rank = int(job.genome.id[-3:], 16)  # not as whole ids are ordered
        metrics = {"bits_per_byte": 2.0, "step_time": 1.0 + rank, "state_size": float(4096 - rank)}
        return Outcome(job, "finished", metrics | {"train_seconds": 1.0}, ended=1.0)

    searched(space, store, SimulatedWorkers(tied, 4))
    front = History(space, tuple(store.evaluations("run"))).front
    assert len(front) > 2
    leader = leader_of("run", space, store)
    assert leader is not None
    assert leader.genome == front[0].genome == min(front, key=lambda one: one.metrics["step_time"]).genome


def test_one_training_does_not_win_by_less_than_its_doubt() -> None:
    single, repeated = genomes(2)
    rows = [evaluation(0, single, 1.90)]
    rows += [evaluation(n, repeated, 1.91 + 0.04 * (-1) ** n, seed=n) for n in range(1, 5)]
    assert History(space_of(**ONE), tuple(rows)).front[0].genome == repeated.id
    far_better = [evaluation(0, single, 1.80), *rows[1:]]
    assert History(space_of(**ONE), tuple(far_better)).front[0].genome == single.id


def test_averages_stay_as_they_are_and_tables_say_of_how_many_seeds() -> None:
    one, other = genomes(2)
    rows = [evaluation(0, one, 1.9), evaluation(1, other, 2.0), evaluation(2, one, 2.0, seed=6)]
    means = averaged(space_of().objectives, rows)
    assert averaged(space_of().objectives, means) == means
    assert [e.seeds for e in means] == [2, 1]
    assert History(space_of(), tuple(means)).front == History(space_of(), tuple(rows)).front
    for some, count in ((means, 1), (rows[:2], 0)):
        table = as_table(History(space_of(), tuple(some)), some)
        assert [str(column.header) for column in table.columns].count("seeds") == count


def test_whoever_says_who_is_best_says_of_how_many_seeds(tiny_space: Path, tmp_path: Path) -> None:
    told = ("--set", "replicates=0.5", "--evaluations", 16, "--backend", "inline", "--no-confirm")
    result = command("hrfevo", "run", tiny_space, "--out", tmp_path / "out", *told)
    assert result.returncode == 0, result.stderr
    path = only_run(tmp_path / "out")
    run = hrfevo.load(path)
    best = run.winners[0]
    assert best.seeds > 1
    mean = np.mean([e.metrics["bits_per_byte"] for e in run.history if e.genome == best.genome])
    assert best.metrics["bits_per_byte"] == pytest.approx(mean)
    assert run.front["seeds"].tolist() == [one.seeds for one in run.winners]
    assert run.front["bits_per_byte"].tolist() == [one.metrics["bits_per_byte"] for one in run.winners]
    said = f"the mean of {best.seeds} seeds"
    assert said in " ".join(answer("status", path).split())
    assert f"{said}, chosen by the search" in (path / "best.yaml").read_text()
    assert f"With the first of its {best.seeds} seeds again" in (path / "best.yaml").read_text()
    assert said in (path / "report.html").read_text()
    assert f"best {mean:.6g} ({best.seeds} seeds)" in result.stdout
    with closing(Watched(path, None)) as watched:
        frame = watched.snapshot().frame
    assert frame[frame["front"]].set_index("genome")["seeds"].to_dict() == {e.genome: e.seeds for e in run.winners}


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(2, 10))
def test_standings_rank_as_the_results_do(seed: int, count: int) -> None:
    generator = np.random.default_rng(seed)
    space, standings, rows = space_of(), Standings(population=4), list[Evaluation]()
    some = genomes(6)
    for number in range(count):
        genome = some[int(generator.integers(len(some)))]
        rows.append(evaluation(number, genome, float(generator.normal(2, 0.1)), seed=number))
        rows[-1].metrics["parameters"] = float(some.index(genome))
        values = [rows[-1].metrics[name] for name in space.objectives]
        standings.add(Individual(genome, Fitness(space.weights, values), 1))
        expected = History(space, tuple(rows)).front
        assert [one.genome.id for one in standings.front] == [e.genome for e in expected]
        assert standings.best is not None
        assert standings.best.genome.id == expected[0].genome
        found = {one.genome.id: one.fitness.values for one in standings.front}
        for e in expected:
            assert found[e.genome] == pytest.approx([e.metrics[name] for name in space.objectives])


def test_logged_courses_follow_the_mean() -> None:
    course = Course(space_of(**ONE))
    lucky, good = genomes(2)
    found = []
    for genome, score in ((lucky, 1.0), (good, 1.2), (lucky, 2.0)):
        job = Job(0, genome, 1, OWN_SEED)
        found.append(course.after(Outcome(job, "finished", {"bits_per_byte": score}))["9_steps/best_bits_per_byte"])
    assert found == [1.0, 1.0, 1.2]


def test_a_search_is_judged_by_what_it_would_name() -> None:
    """Not by the best that it has trained: the lucky one leads until it is measured again."""
    lucky, good = (genome.id for genome in genomes(2))

    class Known:
        space = space_of(**ONE)

        def scale(self) -> Scale:
            return Scale(np.array([[1.0], [2.0]]), np.array([1.0]), np.array([2.0]), 1.0)

    trace = Trace([lucky, good, lucky], [1, 1, 1], [1.0, 2.0, 3.0], [1.0, 2.0, 3.0])
    trace.objectives, trace.measured = [(1.5,), (1.25,), (1.5,)], [(1.2,), (1.3,), (1.6,)]
    yardstick = Yardstick(Known())  # type: ignore[arg-type]
    early, late = (yardstick.recommended(trace, seconds) for seconds in (2.0, 3.0))
    assert (early.regret, early.flattery) == (pytest.approx(0.5), pytest.approx(0.3))
    assert (late.regret, late.flattery) == (pytest.approx(0.25), pytest.approx(-0.05))
    assert (early.hypervolume, late.hypervolume) == (pytest.approx(0.5), pytest.approx(0.75))
    assert np.isnan(yardstick.recommended(trace, 0.5).regret)


# --- what is known of noise ----------------------------------------------------------------------


def test_the_noise_of_one_training_is_found_from_few_seeds_of_many() -> None:
    generator = np.random.default_rng(0)
    groups = [generator.normal(level, (NOISE, 0.0), (2, 2)) for level in range(400)]
    scores = Scores.of([*groups, np.array([[1.0, 2.0]])])
    assert scores.noise == pytest.approx([NOISE, 0.0], rel=0.1)
    assert scores.doubts[-1] == pytest.approx(scores.noise)
    assert scores.doubts[0] == pytest.approx(scores.noise / np.sqrt(2))
    assert Scores.of([np.ones((1, 2)), np.zeros((1, 2))]).noise.tolist() == [0.0, 0.0]


def test_what_could_be_on_the_front_is_at_stake_and_the_rest_is_not() -> None:
    means, counts = np.array([[1.0], [1.03], [1.3]]), np.array([4, 1, 1])
    gains = Scores(means, counts, np.array([0.05])).at_stake()
    assert gains[1] > 0
    assert gains[2] == 0
    # One objective alone: the lowest bound is whose turn it is.
    assert np.argmax(gains) == np.argmin(means[:, 0] - 0.05 / np.sqrt(counts))


def test_a_mean_of_four_is_four_measurements_to_the_process() -> None:
    generator = np.random.default_rng(1)
    points, others = generator.random((6, 2)), generator.random((5, 2))
    values = generator.normal(size=(6, 4))
    kernel, units = Kernel.broad(2, 0.5), (0.0, 1.0)
    alone = GaussianProcess(kernel, np.repeat(points, 4, axis=0), values.ravel(), units)
    mean = GaussianProcess(kernel, points, values.mean(axis=1), units, counts=np.full(6, 4))
    for one, other in zip(alone.predict(others), mean.predict(others), strict=True):
        assert one == pytest.approx(other, abs=1e-5)


def test_fresh_seeds_of_inherited_weights_are_refused() -> None:
    with pytest.raises(InputError, match=r"replicates: .*inherit"):
        parse_space(SPACE + "inherit: true\n", "seeds")


def test_figures_and_sentences_name_the_best_that_the_results_name() -> None:
    """Of a front the first by what can be relied on, not the one whose single training was the luckiest."""
    space, (lucky, good, other) = space_of(), genomes(3)
    scores = [(lucky, 2.0, 8.0), *((good, score, 9.0) for score in (2.02, 1.95, 2.09, 2.02)), (other, 3.0, 1.0)]
    rows = [evaluation(number, genome, score, seed=number) for number, (genome, score, _) in enumerate(scores)]
    for row, (_, _, size) in zip(rows, scores, strict=True):
        row.metrics["parameters"] = size
    history = History(space, tuple(rows))
    order = [one.genome for one in history.front]
    frame = evaluation_frame(history.with_means)
    assert best_of(finished_at(frame), space.objectives)["genome"] == order[0]
    assert frame[frame["front"]].sort_values("place")["genome"].tolist() == order
    assert summary(frame, space).startswith(f"Best genome {order[0]}")
    assert finished_at(frame)["bits_per_byte"].tolist() == pytest.approx([2.0, 2.02, 3.0]), "no seed stands beside them"
    alone = history.among(one for one in rows if one.genome == good.id)
    assert "It is the only one that has finished there" in summary(evaluation_frame(alone.with_means), space)
