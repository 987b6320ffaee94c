"""Optuna's parameters as genes, and when they are asked for."""

from __future__ import annotations

import itertools
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from hrfevo.integrations.optuna.conditions import Asked, Conditions
from hrfevo.integrations.optuna.parameters import KnownSpace, Parameter
from hrfevo.space.conditions import active
from hrfevo.space.genes import ChoiceGene

DISTRIBUTIONS: list[BaseDistribution] = [
    CategoricalDistribution([None, False, 1, 2.5, "1"]),
    FloatDistribution(-3.0, 7.0),
    FloatDistribution(1e6, 1e6 + 1),
    FloatDistribution(1e-9, 1e3, log=True),
    FloatDistribution(-10.2, 10.2, step=0.1),
    FloatDistribution(0.0, 0.9, step=0.3),
    FloatDistribution(0.0, 1.0, step=3e-7),
    IntDistribution(-5, 5),
    IntDistribution(1, 10, step=3),
    IntDistribution(1, 1024, log=True),
    IntDistribution(-(2**52), 2**52),
    IntDistribution(0, 2**40, step=2),
]


@pytest.mark.parametrize("distribution", DISTRIBUTIONS, ids=str)
def test_values_go_there_and_back(distribution: BaseDistribution) -> None:
    parameter, generator = Parameter(distribution), np.random.default_rng(0)
    seen = set()
    for _ in range(300):
        value = parameter.gene.sample(generator)
        internal = parameter.decoded(value)
        assert distribution._contains(internal)
        assert distribution.to_internal_repr(distribution.to_external_repr(internal)) == pytest.approx(internal)
        assert parameter.encoded(internal) == pytest.approx(value, abs=2e-6)
        assert parameter.gene.admits(parameter.encoded(internal))
        seen.add(internal)
    assert len(seen) == min(300, parameter.gene.size or 300) or len(seen) > 100


def test_the_ends_are_reached_and_held() -> None:
    parameter = Parameter(FloatDistribution(2.0, 8.0, log=True))
    assert [parameter.decoded(place) for place in (0.0, 0.5, 1.0)] == pytest.approx([2.0, 4.0, 8.0])
    assert [parameter.encoded(value) for value in (1.0, 4.0, 9.0)] == pytest.approx([0.0, 0.5, 1.0])


RANGES = st.tuples(st.integers(-50, 50), st.integers(1, 40), st.sampled_from([1, 2, 3]))


@given(ranges=st.lists(RANGES, min_size=1, max_size=4), number=st.booleans(), data=st.data())
def test_a_range_that_changes_is_searched_in_all_its_extent(
    ranges: list[tuple[int, int, int]], number: bool, data: st.DataObject
) -> None:
    make: Any = IntDistribution if number else FloatDistribution
    space, asked = KnownSpace(), [make(low, low + width * step, step=step) for low, width, step in ranges]
    for trial, distribution in enumerate(asked):
        space.add(trial, {"x": distribution}, complete=True)
    union = space.searched["x"]
    for distribution in asked:
        steps = round((distribution.high - distribution.low) / distribution.step)
        value = distribution.low + distribution.step * data.draw(st.integers(0, steps))
        assert union._contains(float(value))
        parameter = Parameter(union)
        assert parameter.decoded(parameter.encoded(float(value))) == pytest.approx(value, abs=1e-4)


def test_what_has_one_value_is_not_searched() -> None:
    space = KnownSpace()
    space.add(0, {"one": CategoricalDistribution(["a"]), "grows": IntDistribution(3, 3)}, complete=True)
    assert space.searched == {}
    space.add(1, {"grows": IntDistribution(2, 3)}, complete=True)
    assert space.searched == {"grows": IntDistribution(2, 3)}


def test_what_one_trial_alone_asked_for_is_searched_once_another_asks_for_it() -> None:
    space, always, rare = KnownSpace(), FloatDistribution(0, 1), FloatDistribution(1, 2)
    space.add(0, {"x": always, "rare": rare}, complete=True)
    assert [*space.searched] == ["x", "rare"], "as far as is known all ask for it"
    space.add(1, {"x": always}, complete=False)
    assert [*space.searched] == ["x", "rare"], "it may yet ask"
    for complete in (False, True):
        space.add(1, {"x": always}, complete)
        space.add(0, {"x": always, "rare": rare}, complete=True)
    assert [*space.searched] == ["x"]
    space.add(2, {"x": always, "rare": rare}, complete=False)
    assert [*space.searched] == ["x", "rare"]


def test_twenty_thousand_categories_are_a_gene_at_once() -> None:
    began = time.process_time()
    gene = Parameter(CategoricalDistribution(range(20_000))).gene
    assert gene.size == 20_000
    assert time.process_time() - began < 5  # compared pair by pair they took half a minute


# --- conditions ----------------------------------------------------------------------------------------

VALUES = (0, 1, 2)


@st.composite
def trees(draw: st.DrawFn) -> dict[str, ChoiceGene]:
    """Genes of which each depends on at most two of those before it."""
    genes: dict[str, ChoiceGene] = {}
    for place in range(draw(st.integers(2, 5))):
        others = draw(st.lists(st.sampled_from([*genes]), max_size=2, unique=True)) if genes else []
        accepted = st.lists(st.sampled_from(VALUES), min_size=1, max_size=2, unique=True)
        when = {other: sorted(draw(accepted)) for other in others}
        genes[f"g{place}"] = ChoiceGene(type="choice", values=[*VALUES], when=when)
    return genes


def asked(genes: dict[str, ChoiceGene], combination: tuple[int, ...]) -> Asked:
    values: dict[str, int] = {}
    for (name, gene), value in zip(genes.items(), combination, strict=True):
        if active(gene, values):
            values[name] = value
    return Asked(values, complete=True)


@given(genes=trees(), seed=st.integers(0, 2**31))
def test_conditions_are_found(genes: dict[str, ChoiceGene], seed: int) -> None:
    """From all combinations exactly; those of a few foresee what these have asked for."""
    everything = [asked(genes, combination) for combination in itertools.product(VALUES, repeat=len(genes))]
    assume(all(any(name in trial.values for trial in everything) for name in genes))
    plain = {name: gene.model_copy(update={"when": {}}) for name, gene in genes.items()}
    assert all(map(Conditions.inferred(plain, everything).foresee, everything))
    assert not Conditions.inferred(plain, everything).erratic

    chosen = np.random.default_rng(seed).choice(len(everything), min(12, len(everything)), replace=False)
    some = [everything[place] for place in chosen]
    known = {name: gene for name, gene in plain.items() if any(name in trial.values for trial in some)}
    assert all(map(Conditions.inferred(known, some).foresee, some))


def test_trials_that_did_not_end_say_nothing_of_what_they_lack() -> None:
    gene = ChoiceGene(type="choice", values=[0, 1])
    cut_short = [Asked({"a": 0}, False), Asked({"a": 1}, False), Asked({"a": 0, "b": 1}, True)]
    conditions = Conditions.inferred({"a": gene, "b": gene}, cut_short)
    assert conditions.genes["b"].when == {}
    assert not conditions.foresee(Asked({"a": 0}, True))


def test_what_nothing_explains_is_always_proposed() -> None:
    """`c` is asked for where `a` or `b` is 1: no list of conditions that all have to hold says that."""
    gene = ChoiceGene(type="choice", values=[0, 1])
    trials = [Asked({"a": a, "b": b} | ({"c": 0} if a or b else {}), True) for a in (0, 1) for b in (0, 1)]
    conditions = Conditions.inferred({"a": gene, "b": gene, "c": gene}, trials)
    assert conditions.erratic == {"c"}
    assert conditions.genes["c"].when == {}
    assert all(map(conditions.foresee, trials))
