"""Surveys of spaces too large for a table, and emulators that learn from them."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hrfevo.algorithms.base import Proposal, Result
from hrfevo.algorithms.registry import SURVEY, make_algorithm
from hrfevo.benchmark.attainment import Yardstick
from hrfevo.benchmark.base import Station
from hrfevo.benchmark.comparison import Case, Comparison
from hrfevo.benchmark.emulator import Emulator
from hrfevo.benchmark.fates import Fates
from hrfevo.benchmark.loading import load_benchmark
from hrfevo.benchmark.quality import judged
from hrfevo.benchmark.simulation import simulate
from hrfevo.benchmark.survey import parameters_of, read_survey, survey_of_run
from hrfevo.benchmark.table import about_of, read_parquet, save_table
from hrfevo.runner.loop import Search
from hrfevo.space.genome import Genome, sample
from hrfevo.space.reading import parse_space
from hrfevo.space.search_space import SearchSpace
from hrfevo.store.records import Evaluation
from hrfevo.workers.base import Job, Outcome
from hrfevo.workers.simulated import SimulatedWorkers
from signal_model.support.errors import InputError

LARGE = """
name: large
model: {context: 32}
genes:
  width: {type: ordered, values: [8, 16, 24]}
  training.learning_rate: {type: float, low: 1e-3, high: 1e-1, log: true}
  layers:
    type: layers
    min: 1
    max: 3
    fixed: {feedforward: {kind: mlp, expansion: 1}}
    genes:
      mixer.kind: {type: choice, values: [attention, harmonic]}
      mixer.bases: {type: int, low: 1, high: 16, when: {mixer.kind: harmonic}}
founders:
  plain: {width: 8, training.learning_rate: 0.01, layers: [{mixer.kind: attention}]}
objectives: {bits_per_byte: minimize, step_time: minimize}
constraints: {parameters: {max: 30_000}}
rungs: [3, 9, 27]
population: 8
budget: {evaluations: 5}
"""
SPACE = parse_space(LARGE, "large")
NOISE = 0.01


def loss(genome: Genome, steps: int, seed: int) -> float:
    """A known function: depth, width and a best learning rate; a seed that is lucky early is lucky later."""
    values = genome.values
    rate = np.log10(values["training.learning_rate"]) + 2
    harmonic = np.mean([layer["mixer.kind"] == "harmonic" for layer in values["layers"]])
    quality = 2.0 + rate**2 / 2 - values["width"] / 40 - 0.1 * len(values["layers"]) - 0.2 * harmonic
    luck = np.random.default_rng([int(genome.id, 16), seed]).standard_normal()
    return float(quality * (1 + 2 / np.sqrt(steps)) * np.exp(NOISE * luck))


def evaluated(job: Job) -> Outcome:
    """What a worker would have made of it, the time included: a step takes as long as there are layers."""
    parameters = 1000.0 * job.genome.values["width"] * len(job.genome.values["layers"])
    if parameters > 60_000:
        return Outcome(job, "infeasible", {"parameters": parameters}, "parameters above", ended=0.001)
    steps, step = SPACE.rungs[job.rung], 0.01 * len(job.genome.values["layers"])
    if job.genome.values["training.learning_rate"] > 0.08:
        return Outcome(job, "failed", {"parameters": parameters}, "diverged: loss is nan", ended=step)
    metrics = {"bits_per_byte": loss(job.genome, steps, job.seed), "step_time": 1000 * step, "parameters": parameters}
    below = SPACE.rungs[job.rung - 1] if job.rung else 0
    return Outcome(job, "finished", metrics | {"train_seconds": steps * step}, ended=step * (steps - below + 2))


class Collected:
    """A journal that keeps evaluations as a store would give them."""

    def __init__(self) -> None:
        self._submitted: dict[int, Proposal] = {}
        self.evaluations: list[Evaluation] = []

    def submitted(self, *arguments: object) -> None:
        job, proposal = arguments[-2:] if len(arguments) == 3 else (arguments[0], None)
        if isinstance(job, Job) and isinstance(proposal, Proposal):
            self._submitted[job.number] = proposal

    def record(self, run_id: str, outcome: Outcome, seconds: float) -> bool:
        job, proposal = outcome.job, self._submitted[outcome.job.number]
        genome = {"genome": job.genome.id, "values": dict(job.genome.values), "birth": 0}
        origin = {"operator": proposal.operator, "parents": proposal.parents, "rung": job.rung, "seed": job.seed}
        ended = {"status": outcome.status, "reason": outcome.reason, "detail": "", "metrics": outcome.metrics}
        times = {"submitted": 0.0, "started": outcome.started, "ended": outcome.ended}
        events = {"submitted_event": 0, "ended_event": 1}
        where = {"number": job.number, "worker": "", "device": ""}
        self.evaluations.append(Evaluation(**genome, **origin, **ended, **times, **events, **where))  # type: ignore[arg-type]
        return True

    def ended(self, outcome: Outcome, search: Search) -> None:
        """`record` has kept it."""


def surveyed(evaluations: int, workers: int = 2) -> list[Evaluation]:
    """The evaluations of a survey of the known function."""
    override = f"budget={{evaluations: {evaluations}}}"
    space = parse_space(LARGE, "large", [override])
    founders = [Proposal(Genome(values), "founder") for values in space.founders.values()]
    algorithm = make_algorithm(SURVEY, space, np.random.SeedSequence(0), founders=founders)
    kept = Collected()
    simulated = SimulatedWorkers(evaluated, workers)
    Search("survey", space, algorithm, simulated, kept, training_seed=7, clock=simulated.clock).run(kept)
    return kept.evaluations


@pytest.fixture(scope="module")
def survey_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("survey") / "large.parquet"
    table = survey_of_run(SPACE, surveyed(330), {"space": LARGE, "set": [], "seed": 0})
    save_table(judged(table, SPACE), path)
    return path


@pytest.fixture(scope="module")
def emulator(survey_file: Path) -> Emulator:
    benchmark = load_benchmark(survey_file)
    assert isinstance(benchmark, Emulator)
    return benchmark


def test_a_survey_trains_to_the_last_rung_and_some_again() -> None:
    evaluations = surveyed(330)
    operators = {e.genome: e.operator for e in reversed(evaluations)}
    counts = Counter(operators.values())
    assert abs(counts["random"] - counts["mutation"] - counts["crossover"]) < 20
    trainings = {(e.genome, e.seed): e for e in evaluations if e.status == "finished"}
    ended = [e.rung for e in trainings.values()]
    assert ended.count(2) >= len(ended) - 2  # but for what the budget has cut off
    again = [(genome, seed) for genome, seed in trainings if seed != 7]
    assert 0.07 < len(again) / len(trainings) < 0.14
    best = min(
        (e for e in evaluations if e.status == "finished" and e.rung == 2), key=lambda e: e.metrics["bits_per_byte"]
    )
    founder = Genome(next(iter(SPACE.founders.values()))).id
    assert {founder, best.genome} <= {genome for genome, _ in again}


# --- the emulator --------------------------------------------------------------------------------


def allowed(count: int, seed: int = 1) -> list[Genome]:
    """Genomes that the known function is good for and that keep to the bound."""
    generator, found = np.random.default_rng(seed), list[Genome]()
    while len(found) < count:
        genome = sample(SPACE, generator)
        if genome.values["width"] < 24 and genome.values["training.learning_rate"] < 0.05:
            found.append(genome)
    return found


def test_an_emulator_orders_genomes_it_has_not_seen(emulator: Emulator, survey_file: Path) -> None:
    genomes = allowed(60)
    for rung, steps in enumerate(SPACE.rungs):
        said = {genome: emulator.at(genome, rung).truth for genome in genomes}
        values = [truth["bits_per_byte"] for truth in said.values() if truth]
        expected = [
            np.mean([loss(genome, steps, seed) for seed in range(9)]) for genome, truth in said.items() if truth
        ]
        assert len(values) > 50
        assert np.corrcoef(np.argsort(np.argsort(values)), np.argsort(np.argsort(expected)))[0, 1] > 0.9
        assert np.abs(np.log(values) - np.log(expected)).mean() < 0.05
    held_out = about_of(read_parquet(survey_file), survey_file)["held_out"]
    assert held_out["bits_per_byte at 27"]["spearman"] > 0.9


def test_the_same_question_has_the_same_answer(emulator: Emulator, survey_file: Path) -> None:
    again = load_benchmark(survey_file)
    for genome in allowed(5):
        assert emulator.at(genome, 1, 3) == again.at(genome, 1, 3)
        assert emulator.at(genome, 1, 3) != emulator.at(genome, 1, 4)
        assert emulator.at(genome, 1, 3).truth == emulator.at(genome, 1, 4).truth


def test_noise_is_as_wide_as_measured_and_lasts_from_rung_to_rung(emulator: Emulator) -> None:
    logs = []
    for genome, seed in itertools.product(allowed(20), range(10)):
        stations = [emulator.at(genome, rung, seed) for rung in range(3)]
        if all(station.status == "finished" for station in stations):
            logs.append([np.log(s.metrics["bits_per_byte"] / (s.truth or {})["bits_per_byte"]) for s in stations])
    assert 0.5 * NOISE < np.std(logs) < 2 * NOISE
    assert np.corrcoef(np.array(logs).T)[0, 2] > 0.95


def test_bounds_are_kept_by_the_model_itself_and_times_add_up(emulator: Emulator) -> None:
    from hrfevo.space.genome import express
    from signal_model.model import build_model, count_parameters

    tight = SPACE.model_copy(
        update={"constraints": parse_space(LARGE, "l", ["constraints={parameters: {max: 4000}}"]).constraints}
    )
    bound = emulator.with_space(tight)
    statuses = set()
    for genome in allowed(30):
        parameters = count_parameters(build_model(express(SPACE, genome, seed=0).model, 0))
        station = bound.at(genome, 0)
        statuses.add(station.status)
        assert (station.status == "infeasible") == (parameters > 4000)
        assert station.metrics["parameters"] == parameters
        if station.status == "finished":
            a_step = (station.truth or {})["step_time"] / 1000
            assert [bound.at(genome, rung).seconds for rung in range(3)] == pytest.approx(
                [5 * a_step, 8 * a_step, 20 * a_step], rel=1e-3
            )
            assert bound.at(genome, 2).from_start == pytest.approx(29 * a_step, rel=1e-3)
            assert bound.at_full_length().at(genome, 0).seconds == pytest.approx(29 * a_step, rel=1e-3)
    assert statuses >= {"finished", "infeasible"}


def test_algorithms_are_compared_on_an_emulator_as_on_a_table(survey_file: Path) -> None:
    comparison = Comparison(survey_file, trainings=30)
    scores = list(comparison.run([Case(name, 2, 0) for name in ("random", "random:full")], processes=1))
    # More than the survey has, since the emulator knows of better genomes.
    assert all(score.hypervolume.values[-1] > 0 for score in scores)
    assert scores[0].promotions > 0
    assert scores[1].promotions == 0
    one = comparison.run([Case("random", 2, 0)], processes=1)
    assert next(iter(one)).regret.values.tolist() == scores[0].regret.values.tolist()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("rungs=[4]", "has no measurements after [4] steps; accepted: [3, 9, 27]"),
        ("genes.width.values=[8, 16]", "are not those of its survey"),
        (
            "objectives={compression: maximize}",
            "no benchmark knows of compression; accepted: bits_per_byte",
        ),
        ("inherit=true", "inherit: a benchmark knows no weights"),
    ],
)
def test_what_an_emulator_does_not_know_is_said(survey_file: Path, override: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        load_benchmark(survey_file, [override])
    assert message in str(caught.value)


def test_bounds_that_nothing_keeps_to_are_said(emulator: Emulator) -> None:
    space = parse_space(LARGE, "large", ["constraints={parameters: {max: 1}}"])
    with pytest.raises(InputError, match="no genome of the survey keeps to them"):
        emulator.with_space(space).scale()


def test_too_little_makes_no_emulator() -> None:
    with pytest.raises(InputError, match="an emulator needs"):
        survey_of_run(SPACE, surveyed(20), {})


def test_a_worker_that_died_before_it_counted_parameters_is_learned_from_too() -> None:
    evaluations = surveyed(200)
    parameters = {e.genome: parameters_of(SPACE, Genome(e.values)) for e in evaluations}
    died = [replace(e, status="failed", metrics={}, reason="died: killed") for e in evaluations if e.seed == 7][:12]
    rest = [e for e in evaluations if e.genome not in {one.genome for one in died}]
    survey = read_survey(survey_of_run(SPACE, [*died, *rest], {}), SPACE)
    told = {failure.genome.id: failure.parameters for failure in survey.failures if failure.reason == "died: killed"}
    assert told == {e.genome: parameters[e.genome] for e in died}
    assert 0 < Fates(survey)._probability(Genome(died[0].values), told[died[0].genome]) < 1


# --- trainings that are lost ---------------------------------------------------------------------


class Forgetful:
    """Trains one genome to the first rung, then others, then the one further; keeps it only if it is `promotable`."""

    def __init__(self, space: SearchSpace, keeps: bool) -> None:
        self._one, *others = allowed(1 + space.population)
        self._waiting = [Proposal(genome, "given") for genome in (self._one, *others)]
        self._waiting += [Proposal(self._one, "promotion", rung=1), Proposal(self._one, "promotion", rung=2)]
        self._keeps = keeps

    def ask(self) -> Proposal | None:
        return self._waiting.pop(0) if self._waiting else None

    def tell(self, results: Sequence[Result]) -> None:
        """It has its plan."""

    def adopt(self, proposal: Proposal) -> Proposal:
        return proposal

    def promotable(self) -> Set[str]:
        return {self._one.id} if self._keeps else set()


class Fixed:
    """A benchmark where a step takes a second, and so does each evaluation besides; each genome beats those before."""

    def __init__(self) -> None:
        self.space = SPACE
        self._order: dict[Genome, int] = {}

    def at(self, genome: Genome, rung: int, seed: int = 0) -> Station:
        steps = (0, *SPACE.rungs)
        metrics = {"bits_per_byte": 9.0 - 0.1 * self._order.setdefault(genome, len(self._order)), "step_time": 1.0}
        return Station("finished", "", metrics, float(steps[rung + 1] - steps[rung] + 1), float(steps[rung + 1] + 1))


@pytest.mark.parametrize(("keeps", "promoted", "lost"), [(True, [7.0, 19.0], 0), (False, [10.0, 19.0], 1)])
def test_who_drops_a_training_pays_for_it_from_the_start(keeps: bool, promoted: list[float], lost: int) -> None:
    trace = simulate(Fixed(), Forgetful(SPACE, keeps), workers=1, seconds=1000)  # type: ignore[arg-type]
    spent = [later - earlier for earlier, later in itertools.pairwise([0.0, *trace.spent])]
    assert spent == [4.0] * 9 + promoted
    assert (trace.promotions, trace.lost) == (2, lost)


def test_yardsticks_count_what_a_genome_is_worth_not_its_luck(emulator: Emulator) -> None:
    algorithm = make_algorithm("random", emulator.space, np.random.SeedSequence(0))
    trace = simulate(emulator, algorithm, workers=1, seconds=20.0, seed=5)
    last = [o for o, rung in zip(trace.objectives, trace.rungs, strict=True) if rung == 2 and o is not None]
    front = emulator.scale().ideal[0]
    assert Yardstick(emulator).regret(trace).values[-1] == pytest.approx(min(o[0] for o in last) - front)
    luckier = simulate(
        emulator, make_algorithm("random", emulator.space, np.random.SeedSequence(0)), workers=1, seconds=20.0, seed=6
    )
    assert luckier.objectives[0] == trace.objectives[0]
