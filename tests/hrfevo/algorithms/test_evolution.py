"""The default algorithm: its surrogate, what it expects, what it has learned to leave alone, whom it promotes."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import approx_fprime
from scipy.stats import spearmanr
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

from hrfevo.algorithms.base import Proposal, Result
from hrfevo.algorithms.evolution.encoding import Encoding
from hrfevo.algorithms.evolution.evolution import MAX_WAITING
from hrfevo.algorithms.evolution.gaussian_process import GaussianProcess, Kernel, fit, log_posterior
from hrfevo.algorithms.evolution.ladder import Ladder
from hrfevo.algorithms.evolution.surrogate import Pending, Surrogate
from hrfevo.algorithms.registry import make_algorithm
from hrfevo.benchmark.attainment import Yardstick
from hrfevo.benchmark.loading import load_benchmark
from hrfevo.benchmark.simulation import simulate
from hrfevo.space.budget import Budget
from hrfevo.space.genome import Genome, canonical, sample
from hrfevo.space.reading import load_space, read_space
from hrfevo.space.search_space import SearchSpace
from hrfevo.space.sections import Bounds
from tests.conftest import ROOT, SPACES


@cache
def shipped(name: str) -> SearchSpace:
    return load_space(ROOT / "search_spaces" / f"{name}.yaml")[0]


def noise(genome: Genome) -> float:
    """A number that nothing can be learned from."""
    return float(np.random.default_rng(int(genome.id, 16)).random())


def one_objective(name: str, **others: object) -> SearchSpace:
    return shipped(name).model_copy(update={"objectives": {"bits_per_byte": "minimize"}, **others})


# --- Gaussian processes --------------------------------------------------------------------------


def _measured(count: int, columns: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    points = generator.random((count, columns))
    return points, 5 + 2 * np.sin(4 * points[:, 0]) + points[:, 1] ** 2 + 0.1 * generator.standard_normal(count)


def test_the_process_is_scikit_learns() -> None:
    """Mean, deviation, likelihood: an independent implementation at the same kernel."""
    points, values = _measured(30, 4)
    kernel = Kernel(np.log([0.3, 0.8, 1.5, 4.0]), 0.4, -3.0)
    new = np.random.default_rng(1).random((7, 4))
    theirs = GaussianProcessRegressor(
        ConstantKernel(np.exp(0.4)) * Matern(np.exp(kernel.log_lengths), nu=2.5) + WhiteKernel(kernel.noise),
        alpha=1e-8,
        optimizer=None,
        normalize_y=True,
    ).fit(points, values)
    mean, deviation = GaussianProcess(kernel, points, values).predict(new)
    expected, spread = theirs.predict(new, return_std=True)
    np.testing.assert_allclose(mean, expected, rtol=1e-6)
    true = np.sqrt(spread**2 - kernel.noise * values.var())  # theirs is that of a measurement
    np.testing.assert_allclose(deviation, true, rtol=1e-4)
    standardised = (values - values.mean()) / values.std()
    other = Kernel(kernel.log_lengths + 0.2, 0.1, -2.0)
    ours = [log_posterior(one, points, standardised)[0] for one in (kernel, other)]
    prior = [log_posterior(one, points[:0], standardised[:0])[0] for one in (kernel, other)]
    likelihoods = [
        theirs.log_marginal_likelihood(np.concatenate([[one.log_signal], one.log_lengths, [one.log_noise]]))
        for one in (kernel, other)
    ]
    assert (ours[0] - prior[0]) - (ours[1] - prior[1]) == pytest.approx(likelihoods[0] - likelihoods[1], rel=1e-6)


@given(st.integers(0, 2**20), st.integers(1, 40), st.integers(1, 6))
@settings(max_examples=30)
def test_the_gradient_is_the_slope(seed: int, count: int, columns: int) -> None:
    generator = np.random.default_rng(seed)
    points, values = generator.random((count, columns)), generator.standard_normal(count)
    vector = Kernel(generator.normal(0, 0.5, columns), *generator.normal(-1, 0.5, 2)).vector
    counts = generator.integers(1, 4, count)
    _, gradient = log_posterior(Kernel.of(vector), points, values, counts=counts)
    slopes = approx_fprime(vector, lambda v: log_posterior(Kernel.of(v), points, values, counts=counts)[0], 1e-6)
    np.testing.assert_allclose(gradient, slopes, rtol=1e-3, atol=1e-3)


def test_what_is_pending_takes_from_the_deviation_and_leaves_the_mean() -> None:
    """As if it were measured and were as expected."""
    points, values = _measured(25, 3)
    pending, new = np.random.default_rng(2).random((2, 4, 3))
    process = GaussianProcess(Kernel.broad(3, 0.5), points, values)
    mean, deviation = process.expecting(pending).predict(new)
    believed, _ = process.predict(pending)
    units = float(values.mean()), float(values.std())
    together = GaussianProcess(process.kernel, np.vstack([points, pending]), np.append(values, believed), units)
    np.testing.assert_allclose(mean, together.predict(new)[0], rtol=1e-6)
    np.testing.assert_allclose(deviation, together.predict(new)[1], rtol=1e-4)
    assert (deviation < process.predict(new)[1]).all()


def test_the_correlation_is_that_of_draws() -> None:
    generator = np.random.default_rng(0)
    kernel = Kernel(np.log([0.5, 1.0, 2.0]), 0.3, -2.0)
    known, points, others = (generator.random((count, 3)) for count in (12, 5, 5))
    process = GaussianProcess(kernel, known, generator.standard_normal(12), (0.0, 1.0))
    every = np.concatenate([points, others])
    across = kernel(every, known)
    explained = across @ np.linalg.solve(kernel(known, known) + kernel.noise * np.eye(12), across.T)
    covariance = kernel(every, every) - explained
    deviations = np.sqrt(np.diag(covariance))
    expected = np.diag(covariance[:5, 5:]) / (deviations[:5] * deviations[5:])
    np.testing.assert_allclose(process.predict_with(points, [others])[1][:, 0], expected.clip(0, 1), atol=1e-6)


def test_a_kernel_is_found_in_a_hundred_columns() -> None:
    """Where length scales are far too short or too long all pairs look the same, and the likelihood is flat."""
    generator = np.random.default_rng(0)
    points = generator.random((120, 100))
    values = points[:, :10] @ np.arange(10)
    kernel, _ = fit(points[:80], values[:80])
    process = GaussianProcess(kernel, points[:80], values[:80])
    assert spearmanr(process.predict(points[80:])[0], values[80:])[0] > 0.9


# --- the surrogate -------------------------------------------------------------------------------


def test_vectors_have_one_length_and_tell_genomes_apart() -> None:
    for path in SPACES:
        space = shipped(path.stem)
        generator = np.random.default_rng(0)
        genomes = [sample(space, generator) for _ in range(100)]
        vectors = Encoding(space)(genomes)
        # Four lists of four are five times as far from a list of one as a list of four is.
        repeated = any("repeat" in layer for genome in genomes for layer in genome.values.get("layers", ()))
        assert np.abs(vectors).max() <= (5 if repeated else 1)
        assert len(np.unique(vectors.round(9), axis=0)) > 0.95 * len(set(genomes))


def test_the_order_of_layers_is_told() -> None:
    space = shipped("mixers")
    values = dict(next(g for g in (sample(space, np.random.default_rng(s)) for s in range(99))
                       if len(g.values["layers"]) == 3).values)  # fmt: skip
    turned = values | {"layers": values["layers"][::-1]}
    one, other = Encoding(space)([canonical(space, values), canonical(space, turned)])
    assert not np.allclose(one, other)


def test_layers_that_share_weights_are_told_from_those_that_do_not() -> None:
    space = shipped("hybrids")
    layer = space.founders["harmonic"]["layers"][0] | {"repeat": 4, "share": True}

    def vector(*layers: dict[str, object]) -> list[float]:
        return list(Encoding(space)([canonical(space, space.founders["harmonic"] | {"layers": [*layers]})])[0])

    assert vector(layer) != vector(layer | {"repeat": 2}, layer | {"repeat": 2})
    assert vector(layer) != vector(layer | {"share": False})


def test_a_repeated_layer_is_as_many_layers() -> None:
    genes = "repeat: {type: int, low: 1, high: 4}, mixer.kind: {type: choice, values: [attention, harmonic]}"
    space = read_space(
        f"{{name: a, genes: {{layers: {{type: layers, min: 1, max: 4, genes: {{{genes}}}}}}}, rungs: [1], "
        "budget: {minutes: 1}}",
        "a.yaml",
    )

    def vector(*layers: tuple[str, int]) -> list[float]:
        told = [{"mixer.kind": kind, "repeat": repeat} for kind, repeat in layers]
        return list(Encoding(space)([canonical(space, {"layers": told})])[0])

    assert vector(("harmonic", 3)) == vector(("harmonic", 1), ("harmonic", 2)) != vector(("harmonic", 2))
    assert vector(("attention", 2), ("harmonic", 1)) != vector(("attention", 1), ("harmonic", 2))


def test_a_ladder_carries_values_of_lower_rungs_to_the_last() -> None:
    generator = np.random.default_rng(0)
    last = generator.normal(3, 0.3, 60)
    values = np.stack([2 * last + 1, 1.2 * last + 0.5, last], axis=1)
    values[20:, 2] = np.nan
    values[40:, 1] = np.nan
    ladder = Ladder.fit(values)
    for rung, error in ((0, 0.15), (1, 0.05)):
        assert np.abs(ladder.slopes[rung] * values[:40, rung] + ladder.shifts[rung] - last[:40]).max() < error
    np.testing.assert_allclose(ladder(values)[:20], (ladder.slopes * values + ladder.shifts)[:20])
    unknown = Ladder.fit(np.array([[3.0, np.nan], [4.0, np.nan]]))
    assert unknown.slopes.tolist() == [1, 1]
    assert unknown.shifts.tolist() == [0, 0]


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
    found = surrogate.predict(new).medians[:, 0]
    assert np.corrcoef(found, expected)[0, 1] > 0.97
    assert np.abs(found - expected).mean() < 0.1
    near, far = surrogate.predict(vectors[:5]), surrogate.predict(new[:5] + 3)
    assert far.deviations.min() > 3 * near.deviations.max()


@pytest.mark.parametrize(
    ("shape", "logarithmic"),
    [(lambda z: 3 + z, False), (lambda z: np.exp(3 * z), True), (lambda z: -9 + np.exp(3 * z), True)],
)
def test_an_objective_is_modelled_as_what_it_is(shape: Callable[[np.ndarray], np.ndarray], logarithmic: bool) -> None:
    """A smooth number, a product of smooth factors, and a distance from a floor that is not zero."""
    generator = np.random.default_rng(0)
    vectors = generator.random((80, 3))
    values = shape(vectors @ [1.0, -1.0, 0.5])[:, None, None]
    surrogate = Surrogate([True])
    surrogate.fit(vectors, values)
    assert bool(np.isnan(surrogate.predict(vectors[:1]).origins[0])) != logarithmic
    new = generator.random((100, 3))
    assert spearmanr(surrogate.predict(new).medians[:, 0], shape(new @ [1.0, -1.0, 0.5]))[0] > 0.99


def _size(genome: Genome) -> float:
    """Something that adds up over layers and depends on what they are."""
    kinds = {"attention": 2.0, "harmonic": 2.2, "wavelet": 1.5, "fourier_attention": 1.8}
    return sum(layer["feedforward.expansion"] + kinds[layer["mixer.kind"]] for layer in genome.values["layers"])


def test_what_a_rung_tells_of_the_last_is_learned() -> None:
    """The first rung is about something else, the second nearly the last."""
    generator = np.random.default_rng(0)
    vectors = generator.random((80, 3))
    truth, other = np.sin(4 * vectors[:, 0]), np.cos(5 * vectors[:, 1])
    values = np.stack([other, 0.8 * truth + 0.3, truth], axis=1)[:, None]
    values[60:, 0, 2] = np.nan
    surrogate = Surrogate([True])
    surrogate.fit(vectors, values)
    nothing = Pending(np.empty((0, 3)), np.empty(0, int))
    _, telling = surrogate.expecting(nothing).telling(generator.random((20, 3)))
    first, second, last = telling[:, 0].mean(axis=0)
    assert first + 0.25 < second < last == 1


def test_the_surrogate_learns_in_a_space_of_a_hundred_columns() -> None:
    space = one_objective("mixers", rungs=[1])
    generator = np.random.default_rng(0)
    genomes = [sample(space, generator) for _ in range(130)]
    vectors, sizes = Encoding(space)(genomes), np.array([_size(genome) for genome in genomes])
    assert vectors.shape[1] >= 100
    surrogate = Surrogate([True])
    surrogate.fit(vectors[:30], sizes[:30, None, None])
    assert spearmanr(surrogate.predict(vectors[30:]).medians[:, 0], sizes[30:])[0] > 0.9


# --- what failed ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("rung", "seeds"), [(0, 3), (1, 6)])
def test_failures_teach(rung: int, seeds: int) -> None:
    """Larger is better until memory runs out, at the first rung or at the last, for three of four random genomes."""
    space = one_objective("mixers", rungs=[1, 3][: rung + 1], constraints={})
    generator = np.random.default_rng(0)
    wall = np.quantile([_size(sample(space, generator)) for _ in range(500)], 0.25)
    failed: list[bool] = []
    nearest = [0.0] * seeds
    for seed in range(seeds):
        algorithm = make_algorithm("evolution", space, np.random.SeedSequence(seed))
        for count in range(130):
            proposal = algorithm.ask()
            assert proposal is not None
            size = _size(proposal.genome)
            fails = bool(size > wall and proposal.rung == rung)
            score = (-size + 0.05 * generator.standard_normal(),)
            algorithm.tell([Result(proposal, None if fails else score, (), "out of memory" if fails else "")])
            if count >= 50:
                failed.append(fails)
            if proposal.rung == rung and not fails:
                nearest[seed] = max(nearest[seed], size / wall)
    assert np.median(nearest) > 0.95
    assert min(nearest) > 0.8
    assert np.mean(failed) <= 0.1


def test_every_bound_is_learned_from_those_of_whom_it_is_known() -> None:
    """Of a genome that breaks the first bound the second is never measured."""
    bound = Bounds(max=1.0)
    space = one_objective("mixers", rungs=[1], constraints={"parameters": bound, "step_time": bound})
    generator = np.random.default_rng(0)

    def slowness(genome: Genome) -> float:
        slow = {"attention": 4.0, "harmonic": 1.0, "wavelet": 2.0, "fourier_attention": 6.0}
        return sum(slow[layer["mixer.kind"]] for layer in genome.values["layers"])

    many = [sample(space, generator) for _ in range(500)]
    limits = [np.median([measure(genome) for genome in many]) for measure in (_size, slowness)]
    algorithm = make_algorithm("evolution", space, np.random.SeedSequence(0))
    kept = []
    for _ in range(150):
        proposal = algorithm.ask()
        assert proposal is not None
        metrics = {"parameters": _size(proposal.genome) / limits[0]}
        if metrics["parameters"] <= 1:
            metrics["step_time"] = slowness(proposal.genome) / limits[1]
        kept.append(len(metrics) == 2 and max(metrics.values()) <= 1)
        score = -_size(proposal.genome) - 0.3 * slowness(proposal.genome)
        algorithm.tell([Result(proposal, (score,) if kept[-1] else None, space.margins(metrics))])
    assert np.mean(kept[75:]) >= 0.9


def test_the_surest_is_tried_until_something_else_is_known() -> None:
    """Four percent of the genomes keep the bound: eight of them must be found for a surrogate to begin."""
    bound = Bounds(max=1.0)
    space = one_objective("mixers", rungs=[1], constraints={"parameters": bound})
    generator = np.random.default_rng(0)
    limit = np.quantile([_size(sample(space, generator)) for _ in range(1000)], 0.04)
    found = []
    for seed in range(2):
        algorithm = make_algorithm("evolution", space, np.random.SeedSequence(seed))
        kept = 0
        for asked in range(1, 200):
            proposal = algorithm.ask()
            assert proposal is not None
            share = _size(proposal.genome) / limit
            kept += share <= 1
            if kept == 8:
                found.append(asked)
                break
            algorithm.tell([Result(proposal, (share,) if share <= 1 else None, space.margins({"parameters": share}))])
    # At random it takes two hundred.
    assert len(found) == 2
    assert max(found) <= 40


# --- promotion -----------------------------------------------------------------------------------


def test_who_is_promoted_was_never_given_up() -> None:
    """More wait than may: trainings of the others are forgotten, and nobody asks for them again."""
    space = one_objective("quick", rungs=[1, 100], promote=0.01)
    algorithm = make_algorithm("evolution", space, np.random.SeedSequence(0))
    kept: set[str] = set()
    promoted = 0
    for count in range(300):
        proposal = algorithm.ask()
        assert proposal is not None
        if proposal.operator == "promotion":
            promoted += 1
            assert proposal.genome.id in kept
        value = abs(np.log(proposal.genome.values["training.learning_rate"] / 0.005))
        algorithm.tell([Result(proposal, (value + (0.5 - proposal.rung) * 0.1 * np.sin(count),))])
        waiting = algorithm.promotable()
        # What is kept now was kept before, or came just now.
        assert waiting - kept <= {proposal.genome.id}
        kept = set(waiting)
    assert promoted > 3
    assert len(kept) <= 1.1 * MAX_WAITING + 8


def test_evolution_promotes_what_is_promising_and_drops_the_rest() -> None:
    """The value at the first rung says all: the best should be trained to the last rung, the worst not."""
    space = one_objective("quick", rungs=[1, 3, 9])
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
    usual = np.median(qualities(0)[: space.population])
    assert np.median(qualities(2)) < 0.1 * usual
    assert np.mean(np.array(qualities(2)) > usual) < 0.1  # the least share goes on, whoever is left
    for p in told:
        if p.operator == "promotion":
            assert any(q.genome == p.genome and q.rung == p.rung - 1 for q in told)


def test_evolution_goes_on_with_the_best_of_a_rung_where_nothing_can_be_learned() -> None:
    """Scores are noise, so all that is new may be good; a quarter of each rung is promoted all the same."""
    space = one_objective("mixers", rungs=[1, 3, 9])
    better: list[list[float]] = [[], []]
    for seed in range(3):
        algorithm = make_algorithm("evolution", space, np.random.SeedSequence(seed))
        scores: list[dict[str, float]] = [{}, {}, {}]
        promoted: list[list[float]] = [[], [], []]
        for _ in range(90):
            proposal = algorithm.ask()
            assert proposal is not None
            value = noise(proposal.genome)
            scores[proposal.rung][proposal.genome.id] = value
            if proposal.operator == "promotion":
                promoted[proposal.rung].append(value)
            algorithm.tell([Result(proposal, (value,), space.margins({"parameters": 1.0}))])
        for below, above in itertools.pairwise(scores):
            assert len(above) >= int(space.promote * (len(below) - 1))
        for rung in (1, 2):
            better[rung - 1].append(float(np.median([*scores[rung - 1].values()]) - np.median(promoted[rung])))
    assert np.mean(better, axis=1).min() > 0


def test_evolution_learns_what_breaks_the_bounds() -> None:
    space = one_objective("quick", rungs=[1])

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


def test_where_the_budget_is_of_time_what_is_fast_comes_first() -> None:
    """Of all that is as good: time is an objective, but gains are promised by slow ones as well."""
    space = shipped("quick").model_copy(
        update={"rungs": [1, 4], "objectives": {"bits_per_byte": "minimize", "step_time": "minimize"}}
    )

    def measure(genome: Genome, rung: int) -> tuple[float, float]:
        layers = genome.values["layers"]
        slow = sum(layer["feedforward.expansion"] for layer in layers)
        return 5 - rung - slow / 8 + noise(genome), 4.0**slow

    spent = []
    budgets = (Budget(evaluations=100), Budget(training_minutes=100))
    for budget, seed in itertools.product(budgets, range(3)):
        algorithm = make_algorithm(
            "evolution", space.model_copy(update={"budget": budget}), np.random.SeedSequence(seed)
        )
        seen = []
        for _ in range(60):
            proposal = algorithm.ask()
            assert proposal is not None
            found = measure(proposal.genome, proposal.rung)
            seen.append(found[1])
            algorithm.tell([Result(proposal, found, (-1.0,))])
        spent.append(np.log(seen[10:]).mean())  # times are powers, of which one outweighs all others
    assert np.mean(spent[3:]) < np.mean(spent[:3]) + np.log(0.5), spent


def test_a_search_looks_beyond_the_largest_that_it_has_trained_in_full() -> None:
    """On the table, with one worker: the widest models have the lowest losses, and are promoted last."""
    table = load_benchmark(ROOT / "benchmarks" / "tabular.parquet")
    yardstick = Yardstick(table)
    algorithm = make_algorithm("evolution", table.space, np.random.SeedSequence([0, 1]), False)
    seconds = 40 * yardstick.full_training
    found = yardstick.hypervolume(simulate(table, algorithm, workers=1, seconds=seconds))
    assert found.at(np.array([seconds]))[0] > 0.95


def _seen(algorithm: object) -> list[Genome]:
    return algorithm.inner._archive.genomes  # type: ignore[attr-defined, no-any-return]
