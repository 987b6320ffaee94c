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

from hrfevo.algorithms.base import Proposal, Result
from hrfevo.algorithms.breeding.genetic import Genetic, Population
from hrfevo.algorithms.breeding.individual import Fitness, Individual, best_first
from hrfevo.algorithms.breeding.variation import STRUCTURAL, Variation
from hrfevo.algorithms.registry import ALGORITHMS, make_algorithm
from hrfevo.runner.standings import Standings
from hrfevo.space.genome import Genome, canonical, sample
from hrfevo.space.reading import load_space, parse_space
from hrfevo.space.search_space import SearchSpace
from tests.conftest import ROOT, SPACES


@cache
def shipped(name: str) -> SearchSpace:
    return load_space(ROOT / "search_spaces" / f"{name}.yaml")[0]


def score(genome: Genome) -> tuple[float, float]:
    """Two objectives that disagree, from the genome alone."""
    generator = np.random.default_rng(int(genome.id, 16))
    return tuple((generator.random(2) + len(genome.text) / 1000).tolist())  # type: ignore[return-value]


# --- operators -----------------------------------------------------------------------------------


@given(path=st.sampled_from(SPACES), seed=st.integers(0, 2**20))
@settings(max_examples=200)
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
@settings(max_examples=100)
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
        # All other genes of the embedding depend on its kind.
        own, whole_own = ({k: v for k, v in g.values.items() if k.startswith("embedding.")} for g in (child, whole))
        assert own == whole_own


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


def test_mutation_changes_few_genes_and_the_list_of_layers_at_times() -> None:
    """1 + (1 - 1/n)^n genes on average, as one is changed at least; moved layers do not count as changed genes."""
    space = shipped("mixers")
    parent = canonical(space, space.founders["deep"])
    variation = Variation(space, np.random.default_rng(0))
    moved, changed = 0, []
    for _ in range(2000):
        child = variation.mutate(parent).values
        if len(child["layers"]) != 5:
            moved += 1
            continue
        pairs = [(parent.values, child), *zip(parent.values["layers"], child["layers"], strict=True)]
        changed.append(
            sum(one.get(name) != value for one, two in pairs for name, value in two.items() if name != "layers")
        )
    assert 0.03 < moved / 2000 < STRUCTURAL
    unmoved = [count for count in changed if count]  # where layers alone were swapped nothing is to be seen
    assert len(unmoved) > 0.8 * 2000
    assert np.median(unmoved) == 1


def test_tournaments_do_not_compare_rungs_by_their_scores() -> None:
    """A lower rung scores worse; who is worse there is no worse a parent for that than who is at a higher one."""
    space = shipped("embeddings")
    population = Population(space, np.random.default_rng(0))
    genomes = [sample(space, np.random.default_rng(seed)) for seed in range(4)]
    scores = {0: (1.0, 1.0), 1: (9.0, 9.0)}  # the higher rung scores worse
    population.add([Result(Proposal(g, "random", rung=i % 2), scores[i % 2]) for i, g in enumerate(genomes)])
    standings = {genomes.index(one.genome): one.standing for one in population.individuals}
    assert min(standings[1], standings[3]) > max(standings[0], standings[2])


def test_who_fails_at_a_higher_rung_is_no_parent() -> None:
    space = shipped("embeddings").model_copy(update={"rungs": [1, 2]})
    population = Population(space, np.random.default_rng(0))
    genome = sample(space, np.random.default_rng(0))
    population.add([Result(Proposal(genome, "random"), (1.0, 1.0))])
    assert [one.genome for one in population.individuals] == [genome]
    population.add([Result(Proposal(genome, "promotion", rung=1), None, failure="out of memory")])
    assert population.individuals == []


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


def test_generations_are_counted_by_births_and_their_median_is_of_one_rung() -> None:
    standings = Standings(population=2)
    low, high = individuals(np.array([[float(n), 0.0] for n in range(6)])), individuals(np.array([[9.0, 0.0]]), rung=1)
    for one in low[:2]:
        standings.ended(one.genome)  # without a score there is nothing to write
    standings.add(low[2])
    standings.add(high[0])  # of a genome that was born already: no birth
    standings.add(low[3])
    standings.ended(low[4].genome)
    standings.ended(low[5].genome)
    assert standings.logbook.select("generation") == [1, 2]
    assert standings.logbook.select("best") == [9.0, 9.0]
    assert standings.logbook.select("median")[0] == 9.0
    assert np.isnan(standings.logbook.select("median")[1])


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

    assert played(0) == played(1)


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
    for rung in (0, 1):
        assert 0.25 * len(told[rung]) - 1 <= len(told[rung + 1]) < 0.5 * len(told[rung])
        order = sorted(told[rung], key=lambda p: p.genome.id)
        promoted = {p.genome.id for p in told[rung + 1]}
        assert order[0].genome.id in promoted
        ranks = [i for i, p in enumerate(order) if p.genome.id in promoted]
        assert np.mean(ranks) < len(order) / 3


def test_scores_that_improve_are_promoted_as_they_come() -> None:
    """Asynchronous successive halving has no quota (Li et al. 2020): whoever is among the best when asked goes on."""
    space = shipped("quick").model_copy(update={"rungs": [1, 2], "promote": 0.25})
    algorithm = make_algorithm("random", space, np.random.SeedSequence(0), False)
    rungs = []
    for count in range(100):
        proposal = algorithm.ask()
        assert proposal is not None
        rungs.append(proposal.rung)
        algorithm.tell([Result(proposal, (-float(count), -float(count)))])
    assert sum(rungs) >= 45


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
        different = {*algorithm.population.individuals} ^ {*survivors}
        # Both ends of a front are as far from everybody; where only one has room it may be either.
        assert len(different) in (0, 2)
        assert all(np.isinf(individual.fitness.crowding_dist) for individual in different)
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

    medians = {name: np.median([best(name, seed) for seed in range(7)]) for name in ("evolution", "random")}
    assert medians["evolution"] < 0.5 * medians["random"]


@pytest.mark.parametrize("name", ALGORITHMS)
def test_founders_are_tried_first_and_once_and_learned_from(name: str) -> None:
    space = searchable(name, shipped("embeddings").model_copy(update={"population": 4}))
    founders = [sample(space, np.random.default_rng(seed)) for seed in range(3)]
    algorithm = make_algorithm(
        name, space, np.random.SeedSequence(0), founders=[Proposal(genome, "founder") for genome in founders]
    )
    proposals = []
    for _ in range(15):
        proposal = algorithm.ask()
        assert proposal is not None
        proposals.append(proposal)
        algorithm.tell([Result(proposal, scored(space, proposal.genome))])
    assert [p.genome for p in proposals[:3]] == founders
    assert {p.operator for p in proposals[:3]} == {"founder"}
    assert len({p.genome for p in proposals}) == 15


def test_of_equals_by_the_first_objective_the_next_decides_who_is_best() -> None:
    """As in the results of a run: whoever is shown as the best is dominated by nobody."""
    values = np.array([[1.0, 9.0], [1.0, 5.0], [1.0, 5.0], [3.0, 1.0]])
    for order in itertools.permutations(individuals(values)):
        standings = Standings(population=99)
        for one in order:
            standings.add(one)
        assert [one.fitness.values for one in standings.front] == [(1.0, 5.0), (1.0, 5.0), (3.0, 1.0)]
        assert standings.best is standings.front[0]
