"""Who is tried next: operators, selection, and algorithms as the loop drives them."""

from __future__ import annotations

import itertools
import random
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from deap import tools
from hypothesis import given, settings
from hypothesis import strategies as st

from hrfevo.algorithms import ALGORITHMS, make_algorithm
from hrfevo.algorithms.evolution.encoding import Encoding
from hrfevo.algorithms.evolution import gained
from hrfevo.algorithms.genetic import Genetic
from hrfevo.algorithms.evolution.surrogate import Ladder, Surrogate
from hrfevo.algorithms.variation import Variation
from hrfevo.genome import Genome, canonical, sample
from hrfevo.individual import Fitness, Individual, Standings, best_first, non_dominated
from hrfevo.records import Proposal, Result
from hrfevo.space import SearchSpace
from hrfevo.validation import load_space, parse_space

from .conftest import ROOT, SPACES


@cache
def shipped(name: str) -> SearchSpace:
    return load_space(ROOT / "search_spaces" / f"{name}.yaml")[0]


def score(genome: Genome) -> tuple[float, float]:
    """Two objectives that disagree, from the genome alone."""
    generator = np.random.default_rng(int(genome.id, 16))
    return tuple((generator.random(2) + len(genome.text) / 1000).tolist())  # type: ignore[return-value]


# --- operators -----------------------------------------------------------------------------------


@given(path=st.sampled_from(SPACES), seed=st.integers(0, 2**20))
@settings(max_examples=200, deadline=None)
def test_children_are_genomes_of_the_space(path: Path, seed: int) -> None:
    """Bounds, types, conditions, canonical form, no lost gene: `canonical` checks all of them."""
    space = shipped(path.stem)
    generator = np.random.default_rng(seed)
    variation = Variation(space, generator)
    first, second = sample(space, generator), sample(space, generator)
    child = variation.crossover(first, second)
    mutant = variation.mutate(child)
    assert canonical(space, child.values) == child
    assert canonical(space, mutant.values) == mutant
    assert variation.crossover(first, first) == first


@given(seed=st.integers(0, 2**20))
@settings(max_examples=100, deadline=None)
def test_crossover_keeps_genes_together_that_depend_on_one_another(seed: int) -> None:
    """Parents of different kinds: the child's kind comes with the settings of the parent that has it."""
    space = shipped("embeddings")
    generator = np.random.default_rng(seed)
    variation = Variation(space, generator)
    first, second = sample(space, generator), sample(space, generator)
    kinds = first.values["embedding.kind"], second.values["embedding.kind"]
    child = variation.crossover(first, second)
    if kinds[0] != kinds[1]:
        whole = first if child.values["embedding.kind"] == kinds[0] else second
        assert child == whole  # all other genes of this space depend on the kind


def test_mutation_changes_something_and_crossover_mixes() -> None:
    space = shipped("mixers")
    generator = np.random.default_rng(0)
    variation = Variation(space, generator)
    parents = [sample(space, generator) for _ in range(200)]
    changed = sum(variation.mutate(parent) != parent for parent in parents)
    assert changed > 180  # the rest swapped or copied layers that are alike
    children = [variation.crossover(a, b) for a, b in itertools.pairwise(parents)]
    new = sum(child not in (a, b) for child, (a, b) in zip(children, itertools.pairwise(parents), strict=True))
    assert new > 190


def test_every_value_can_be_reached_by_mutation() -> None:
    space = parse_space(
        "name: small\nmodel: {context: 64}\nrungs: [1]\nbudget: {evaluations: 1}\ngenes:\n"
        "  embedding.kind: {type: choice, values: [standard, basis]}\n"
        "  embedding.bases: {type: int, low: 2, high: 5, when: {embedding.kind: basis}}\n"
        "  embedding.functions: {type: ordered, values: [dct, fourier, learned], when: {embedding.kind: basis}}\n",
        "small",
    )
    generator = np.random.default_rng(0)
    variation = Variation(space, generator)
    genome, seen = sample(space, generator), set()
    for _ in range(600):
        genome = variation.mutate(genome)
        seen.add(genome)
    assert len(seen) == 1 + 4 * 3


# --- selection -----------------------------------------------------------------------------------


def individuals(values: np.ndarray, weights: tuple[float, ...] = (-1.0, -1.0), rung: int = 0) -> list[Individual]:
    return [Individual(Genome({"i": i}), Fitness(weights, row), rung) for i, row in enumerate(values.tolist())]


@given(st.integers(0, 2**20), st.integers(1, 40))
@settings(max_examples=50, deadline=None)
def test_the_front_is_what_nothing_dominates(seed: int, count: int) -> None:
    values = np.random.default_rng(seed).integers(0, 8, (count, 2)).astype(float)
    values[:, 1] *= -1  # the second objective is maximised
    front = {individual.genome.values["i"] for individual in non_dominated(individuals(values * [1, -1], (-1.0, 1.0)))}
    dominated = [any((other <= row).all() and (other < row).any() for other in values) for row in values]
    assert front == {i for i in range(count) if not dominated[i]}


def test_higher_rungs_come_first_and_are_not_compared_with_lower_ones() -> None:
    low = individuals(np.array([[0.0, 0.0], [1.0, 1.0]]), rung=0)
    high = individuals(np.array([[5.0, 5.0], [6.0, 6.0]]), rung=1)
    assert best_first([*low, *high], 3) == [high[0], high[1], low[0]]


def test_standings_keep_the_archive_and_write_the_logbook() -> None:
    standings = Standings(population=4)
    values = np.array([[3.0, 1.0], [2.0, 2.0], [4.0, 4.0], [1.0, 3.0], [0.5, 5.0], [9.0, 9.0], [9.0, 8.0], [7.0, 7.0]])
    for individual in individuals(values):
        standings.add(individual)
    assert standings.best is not None
    assert standings.best.fitness.values == (0.5, 5.0)
    assert {individual.genome.values["i"] for individual in standings.front} == {0, 1, 3, 4}
    assert standings.logbook.select("best") == [1.0, 0.5]
    assert standings.logbook.select("front") == [3, 4]


# --- algorithms ----------------------------------------------------------------------------------


def searchable(name: str, space: SearchSpace) -> SearchSpace:
    """The space with no more objectives than the algorithm takes."""
    return space.model_copy(update={"objectives": {"bits_per_byte": "minimize"}}) if name == "cmaes" else space


def few(name: str, count: int) -> int:
    """Optuna's Gaussian process takes a good part of a second for each proposal beyond the first ten."""
    return min(count, 16) if name == "gp" else count


def scored(space: SearchSpace, genome: Genome) -> tuple[float, ...]:
    return score(genome)[: len(space.objectives)]


def play(
    name: str, space: SearchSpace, count: int, seed: int = 0, *, synchronous: bool, shuffle: int = 0
) -> list[Proposal]:
    """Ask and tell with up to five in flight, results coming back in an order drawn from `shuffle`."""
    space = searchable(name, space)
    algorithm = make_algorithm(name, space, np.random.SeedSequence(seed), synchronous)
    generator = np.random.default_rng(shuffle)
    proposals: list[Proposal] = []
    flying: list[Proposal] = []
    while len(proposals) < count:
        while len(flying) < 5 and (proposal := algorithm.ask()):
            proposals.append(proposal)
            flying.append(proposal)
        done = flying.pop(int(generator.integers(len(flying))))
        failed = int(done.genome.id, 16) % 7 == 0
        algorithm.tell([Result(done, None if failed else scored(space, done.genome))])
    return proposals[:count]


@pytest.mark.parametrize("name", ALGORITHMS)
def test_algorithms_are_deterministic_never_repeat_and_keep_to_the_space(name: str) -> None:
    space = shipped("quick")
    count = few(name, 60)
    once, again = (play(name, space, count, synchronous=False) for _ in range(2))
    assert [(p.genome.id, p.rung, p.operator) for p in once] == [(p.genome.id, p.rung, p.operator) for p in again]
    assert len({(p.genome.id, p.rung) for p in once}) == count
    assert all(canonical(space, proposal.genome.values) == proposal.genome for proposal in once)
    other = play(name, space, count, seed=1, synchronous=False)
    assert {p.genome.id for p in other} != {p.genome.id for p in once}


@pytest.mark.parametrize("name", ALGORITHMS)
def test_synchronous_proposals_do_not_depend_on_who_was_faster(name: str) -> None:
    space = shipped("quick")
    orders = [[p.genome.id for p in play(name, space, few(name, 50), synchronous=True, shuffle=s)] for s in (0, 1, 2)]
    assert orders[0] == orders[1] == orders[2]


def test_evolution_leaves_pythons_generator_alone() -> None:
    random.seed(7)
    expected = random.random()
    random.seed(7)
    play("evolution", shipped("embeddings"), 40, synchronous=False)
    assert random.random() == expected


SMALL = (
    "name: small\nrungs: [1, 2, 3]\npopulation: 4\nbudget: {evaluations: 100}\ngenes:\n"
    "  embedding.kind: {type: choice, values: [standard, spectral]}\n"
    "  embedding.bases: {type: int, low: 2, high: 9, when: {embedding.kind: spectral}}\n"
)


@pytest.mark.parametrize("name", [name for name in ALGORITHMS if name != "gp"])
def test_a_small_space_is_searched_through_and_then_no_more_is_asked(name: str) -> None:
    space = parse_space(SMALL, "small").model_copy(update={"rungs": [1]})
    algorithm = make_algorithm(name, space, np.random.SeedSequence(0), False)
    seen = set()
    while proposal := algorithm.ask():
        seen.add(proposal.genome)
        algorithm.tell([Result(proposal, (score(proposal.genome)[0],))])
    assert len(seen) == 9
    assert algorithm.ask() is None


@pytest.mark.parametrize("name", [name for name in ALGORITHMS if name != "gp"])
@pytest.mark.parametrize("synchronous", [False, True])
def test_asking_in_vain_changes_nothing(name: str, synchronous: bool) -> None:
    """A resumed search plays the proposals again that were made, not the questions that had no answer."""
    space = parse_space(SMALL, "small")

    def played(questions: int) -> list[tuple[str, int]]:
        algorithm = make_algorithm(name, space, np.random.SeedSequence(0), synchronous)
        made: list[tuple[str, int]] = []
        flying: list[Proposal] = []
        while True:
            while proposal := algorithm.ask():
                flying.append(proposal)
                made.append((proposal.genome.id, proposal.rung))
            assert not any(algorithm.ask() for _ in range(questions))
            if not flying:
                return made
            done = flying.pop(0)
            algorithm.tell([Result(done, (score(done.genome)[0] - done.rung,))])

    assert played(0) == played(3)


def test_promotion_takes_the_best_share_of_each_rung() -> None:
    space = shipped("quick").model_copy(update={"rungs": [1, 2, 4], "promote": 0.25})
    algorithm = make_algorithm("random", space, np.random.SeedSequence(0), False)
    told: dict[int, list[Proposal]] = {0: [], 1: [], 2: []}
    for _ in range(84):
        proposal = algorithm.ask()
        assert proposal is not None
        told[proposal.rung].append(proposal)
        quality = int(proposal.genome.id, 16) / 16**12
        algorithm.tell([Result(proposal, (quality, quality))])
    assert [len(told[rung]) for rung in range(3)] == [64, 16, 4]
    for rung in (0, 1):
        order = sorted(told[rung], key=lambda p: p.genome.id)
        promoted = {p.genome.id for p in told[rung + 1]}
        assert order[0].genome.id in promoted
        ranks = [i for i, p in enumerate(order) if p.genome.id in promoted]
        assert np.mean(ranks) < len(order) / 3


def test_generations_are_those_of_deaps_nsga2() -> None:
    """Told generation by generation, the survivors are `selNSGA2` of parents and children."""
    space = shipped("embeddings")
    algorithm = Genetic(space, np.random.default_rng(0))
    everyone: list[Individual] = []
    survivors: list[Individual] = []
    for _ in range(4):
        proposals = [algorithm.ask() for _ in range(space.population)]
        results = [Result(p, score(p.genome)) for p in proposals if p]
        algorithm.tell(results)
        children = [Individual(r.proposal.genome, Fitness(space.weights, r.objectives or ()), 0) for r in results]
        everyone += children
        survivors = tools.selNSGA2([*survivors, *children], space.population)
        assert {i.genome.id for i in algorithm.population.individuals} == {i.genome.id for i in survivors}
    best = min(everyone, key=lambda i: i.fitness.values[0])
    assert best in algorithm.population.individuals


def test_evolution_beats_random_search_where_there_is_something_to_learn() -> None:
    """On a smooth objective over a mixed, conditional space, medians over seeds."""
    space = shipped("embeddings").model_copy(update={"objectives": {"bits_per_byte": "minimize"}})

    def quality(genome: Genome) -> float:
        values = genome.values
        if values["embedding.kind"] != "spectral":
            return 3.0
        low, high = values["embedding.frequencies"]
        near = (np.log(low / 1.0)) ** 2 + (np.log(high / 20.0)) ** 2 + (np.log(values["embedding.bases"] / 30)) ** 2
        return float(near + (values["embedding.spacing"] != "mel") * 0.5)

    def best(name: str, seed: int) -> float:
        algorithm = make_algorithm(name, space, np.random.SeedSequence(seed), False)
        scores = []
        for _ in range(96):
            proposal = algorithm.ask()
            assert proposal is not None
            scores.append(quality(proposal.genome))
            algorithm.tell([Result(proposal, (scores[-1],))])
        return min(scores)

    medians = {name: np.median([best(name, seed) for seed in range(15)]) for name in ("evolution", "random")}
    assert medians["evolution"] < 0.5 * medians["random"]


# --- the surrogate -------------------------------------------------------------------------------


def test_vectors_have_one_length_and_tell_genomes_apart() -> None:
    for path in SPACES:
        space = shipped(path.stem)
        generator = np.random.default_rng(0)
        genomes = [sample(space, generator) for _ in range(100)]
        vectors = Encoding(space)(genomes)
        assert vectors.min() >= 0
        assert vectors.max() <= 1
        assert len(np.unique(vectors.round(9), axis=0)) > 0.95 * len(set(genomes))


def test_a_ladder_carries_values_of_lower_rungs_to_the_last() -> None:
    generator = np.random.default_rng(0)
    last = generator.normal(3, 0.3, 60)
    values = np.stack([2 * last + 1, 1.2 * last + 0.5, last], axis=1)
    values[20:, 2] = np.nan
    values[40:, 1] = np.nan
    ladder = Ladder.fit(values)
    for rung, error in ((0, 0.15), (1, 0.05)):
        assert np.abs(ladder.slopes[rung] * values[:40, rung] + ladder.shifts[rung] - last[:40]).max() < error
    assert ladder.errors[2] == 0 < ladder.errors[1] < ladder.errors[0]
    unknown = Ladder.fit(np.array([[3.0, np.nan], [4.0, np.nan]]))
    assert unknown.slopes.tolist() == [1, 1]
    assert unknown.shifts.tolist() == [0, 0]
    assert unknown.errors[0] > 0
    assert Ladder.flat(3).errors.tolist() == [0, 0, 0]


def test_the_surrogate_learns_from_all_rungs_and_knows_what_it_does_not_know() -> None:
    generator = np.random.default_rng(0)
    vectors = generator.random((60, 3))
    truth = np.sin(3 * vectors[:, 0]) + vectors[:, 1] ** 2
    values = np.full((60, 1, 2), np.nan)
    values[:, 0, 0] = truth + 2 + 0.01 * generator.standard_normal(60)
    values[:12, 0, 1] = truth[:12]
    surrogate = Surrogate([True])
    surrogate.fit(vectors, values)
    new = generator.random((200, 3))
    expected = np.sin(3 * new[:, 0]) + new[:, 1] ** 2
    assert np.corrcoef(surrogate.predict(new)[:, 0], expected)[0, 1] > 0.97
    assert np.abs(surrogate.predict(new)[:, 0] - expected).mean() < 0.1
    draws = surrogate.draw(np.vstack([vectors[:5], new[:5] + 3]), generator, 200)[:, :, 0]
    assert draws[:, 5:].std(axis=0).min() > 3 * draws[:, :5].std(axis=0).max()


@given(st.integers(0, 2**20), st.integers(1, 30), st.integers(0, 30), st.integers(1, 3))
@settings(max_examples=50, deadline=None)
def test_gains_are_positive_exactly_for_what_nothing_dominates(seed: int, new: int, old: int, objectives: int) -> None:
    generator = np.random.default_rng(seed)
    points, front = generator.random((new, objectives)), generator.random((old, objectives))
    gains = gained(points, front)
    dominated = (front[None] <= points[:, None]).all(axis=2).any(axis=1)
    assert ((gains > 0) == ~dominated).all()


@pytest.mark.parametrize("name", ALGORITHMS)
def test_founders_are_tried_first_and_once_and_learned_from(name: str) -> None:
    space = searchable(name, shipped("embeddings").model_copy(update={"population": 4}))
    founders = [sample(space, np.random.default_rng(seed)) for seed in range(3)]
    algorithm = make_algorithm(name, space, np.random.SeedSequence(0), founders=founders)
    proposals = []
    for _ in range(15):
        proposal = algorithm.ask()
        assert proposal is not None
        proposals.append(proposal)
        algorithm.tell([Result(proposal, scored(space, proposal.genome))])
    assert [p.genome for p in proposals[:3]] == founders
    assert {p.operator for p in proposals[:3]} == {"founder"}
    assert len({p.genome for p in proposals}) == 15


def test_evolution_promotes_what_is_promising_and_drops_the_rest() -> None:
    """The value at the first rung says all: the best should be trained to the last rung, the worst not."""
    space = shipped("quick").model_copy(update={"rungs": [1, 3, 9], "objectives": {"bits_per_byte": "minimize"}})
    algorithm = make_algorithm("evolution", space, np.random.SeedSequence(0))
    told: list[Proposal] = []
    for _ in range(120):
        proposal = algorithm.ask()
        assert proposal is not None
        told.append(proposal)
        quality = abs(np.log(proposal.genome.values["training.learning_rate"] / 0.005))
        algorithm.tell([Result(proposal, (quality + 2 - proposal.rung,))])

    def qualities(rung: int) -> list[float]:
        return [abs(np.log(p.genome.values["training.learning_rate"] / 0.005)) for p in told if p.rung == rung]

    assert 0 < len(qualities(2)) < len(qualities(0))
    assert max(qualities(2)) < np.median(qualities(0)[: space.population])
    for p in told:
        if p.rung:
            assert any(q.genome == p.genome and q.rung == p.rung - 1 for q in told)


def test_evolution_goes_on_with_the_best_of_a_rung_where_nothing_can_be_learned() -> None:
    """Scores are noise, so all that is new may be good; a quarter of each rung is promoted all the same."""
    space = shipped("mixers").model_copy(update={"objectives": {"bits_per_byte": "minimize"}, "rungs": [1, 3, 9]})
    algorithm = make_algorithm("evolution", space, np.random.SeedSequence(0))
    scores: list[dict[str, float]] = [{}, {}, {}]
    for _ in range(90):
        proposal = algorithm.ask()
        assert proposal is not None
        value = score(proposal.genome)[0]
        scores[proposal.rung][proposal.genome.id] = value
        algorithm.tell([Result(proposal, (value,), space.margins({"parameters": 1.0}))])
    for below, above in itertools.pairwise(scores):
        assert len(above) >= int(space.promote * (len(below) - 1))
        assert np.median(list(above.values())) < np.median(list(below.values()))


def test_evolution_learns_what_breaks_the_bounds() -> None:
    space = shipped("quick").model_copy(update={"rungs": [1], "objectives": {"bits_per_byte": "minimize"}})

    def size(genome: Genome) -> float:
        return 1e4 * sum(layer["feedforward.expansion"] for layer in genome.values["layers"])

    algorithm = make_algorithm("evolution", space, np.random.SeedSequence(0))
    allowed = []
    for _ in range(80):
        proposal = algorithm.ask()
        assert proposal is not None
        metrics = {"parameters": size(proposal.genome)}
        margins = space.margins(metrics)
        assert margins == ((metrics["parameters"] - 60_000) / 60_000,)
        allowed.append(margins[0] <= -0.5)  # at most 30,000
        objectives = (1e5 / metrics["parameters"],) if allowed[-1] else None  # larger is better, as far as it may be
        algorithm.tell([Result(proposal, objectives, (margins[0] + 0.5,))])
    random_share = np.mean([size(sample(space, np.random.default_rng(seed))) <= 30_000 for seed in range(300)])
    assert random_share < 0.6
    assert np.mean(allowed[-40:]) > 0.85
    best = max(size(g) for g, kept in zip(_seen(algorithm), allowed, strict=True) if kept)
    assert best == 30_000


def _seen(algorithm: object) -> list[Genome]:
    return algorithm._archive.genomes  # type: ignore[attr-defined, no-any-return]
