"""Genes admit what they make, genomes have one form, and every gene matters."""

from __future__ import annotations

import copy
import itertools
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hrfevo.space.genes import BaseGene, ChoiceGene, FloatGene, IntervalGene, IntGene, LayersGene, OrderedGene, UnitGene
from hrfevo.space.genome import Genome, canonical, express, resolve, sample
from hrfevo.space.reading import load_space, parse_space
from hrfevo.space.search_space import SearchSpace
from hrfevo.space.trials import trials
from signal_model.config import ModelConfig, Recipe
from signal_model.model import build_model
from signal_model.training.optimizers import build_optimizers, learning_rate_factor
from tests.conftest import ROOT, SPACES

finite = st.floats(1e-4, 1e4)


@st.composite
def genes(draw: st.DrawFn) -> BaseGene:
    kind = draw(st.sampled_from(["float", "int", "interval", "ordered", "choice"]))
    log = draw(st.booleans())
    if kind == "int":
        low = draw(st.integers(1, 50))
        return IntGene(type="int", low=low, high=low + draw(st.integers(1, 10**6)), log=log)
    if kind in ("ordered", "choice"):
        values = draw(st.lists(st.integers() | st.text() | st.booleans(), min_size=1, max_size=6, unique_by=repr))
        return (
            OrderedGene(type="ordered", values=values)
            if kind == "ordered"
            else ChoiceGene(type="choice", values=values)
        )
    low = draw(finite)
    high = low * (1 + draw(st.floats(0.1, 1e4)))
    return (
        FloatGene(type="float", low=low, high=high, log=log)
        if kind == "float"
        else IntervalGene(type="interval", low=low, high=high, log=log)
    )


@given(gene=genes(), seed=st.integers(0, 2**20), unit=st.lists(st.floats(-0.5, 1.5), min_size=2, max_size=2))
@settings(max_examples=300)
def test_genes_admit_what_they_make_and_know_the_way_back(gene: BaseGene, seed: int, unit: list[float]) -> None:
    value = gene.sample(np.random.default_rng(seed))
    assert gene.admits(value)
    assert gene.admits(json.loads(json.dumps(value)))
    assert all(gene.admits(extreme) for extreme in gene.extremes())
    if isinstance(gene, UnitGene):
        decoded = gene.from_unit(unit[: gene.dimensions])
        assert gene.admits(decoded)
        again = gene.from_unit(gene.to_unit(decoded))
        assert gene.admits(again)
        if isinstance(decoded, float | list):
            np.testing.assert_allclose(again, decoded, rtol=1e-4)
        else:
            assert (again, type(again)) == (decoded, type(decoded))


SCALARS = st.sampled_from([0, 1, 0.0, 1.0, True, False, "1", "", None])


@given(values=st.lists(SCALARS | st.lists(SCALARS, max_size=2), min_size=1, max_size=6))
def test_a_value_is_named_twice_where_two_are_equal_and_of_one_type(values: list[Any]) -> None:
    pairs = itertools.combinations(values, 2)
    if any(type(one) is type(other) and one == other for one, other in pairs):
        with pytest.raises(ValueError, match="names a value twice"):
            ChoiceGene(type="choice", values=values)
    else:
        assert ChoiceGene(type="choice", values=values).values == values


@cache
def shipped(path: Path) -> SearchSpace:
    return load_space(path)[0]


@given(seed=st.integers(0, 2**20), path=st.sampled_from(SPACES))
@settings(max_examples=100)
def test_genomes_have_one_canonical_form(seed: int, path: Path) -> None:
    space = shipped(path)
    genome = sample(space, np.random.default_rng(seed))
    shuffled = dict(reversed(list(json.loads(genome.text).items())))
    again = canonical(space, shuffled)
    assert again == genome
    assert again.id == genome.id
    recipe = express(space, genome, seed=0)
    assert Recipe.from_yaml(recipe.to_yaml()) == recipe


def test_canonical_refuses_what_is_missing_idle_or_out_of_range() -> None:
    space, _ = load_space(ROOT / "search_spaces" / "embeddings.yaml")
    rates = {"training.learning_rate": 0.006, "training.optimizer.kind": "adamw"}
    with pytest.raises(
        ValueError, match=r"embedding\.bases is active and has no value; accepted: whole numbers 4 to 96"
    ):
        canonical(space, rates | {"embedding.kind": "basis", "embedding.functions": "dct"})
    with pytest.raises(ValueError, match=r"embedding\.bases has a value and is not active"):
        canonical(space, rates | {"embedding.kind": "standard", "embedding.bases": 8})
    with pytest.raises(ValueError, match=r"embedding\.kind cannot be 'spectrum'; accepted: standard, spectral"):
        canonical(space, rates | {"embedding.kind": "spectrum"})


NUMBERS = """
name: numbers
model: {width: 32, context: 16, embedding: {kind: spectral}}
genes:
  training.weight_decay: {type: float, low: 0, high: 2}
  embedding.bases: {type: int, low: 2, high: 8}
  embedding.frequencies: {type: interval, low: 1, high: 8}
  training.batch_size: {type: ordered, values: [2, 4]}
  training.warmup: {type: choice, values: [0.0, 0.5]}
founders: {mine: FOUNDER}
rungs: [10]
budget: {minutes: 1}
"""


def test_a_number_is_the_same_genome_however_people_write_it() -> None:
    written: dict[str, Any] = {"training.weight_decay": 1, "embedding.bases": 4.0, "embedding.frequencies": [2, 4.0]}
    written |= {"training.batch_size": 2.0, "training.warmup": 0}
    space = parse_space(NUMBERS.replace("FOUNDER", json.dumps(written)), "numbers.yaml")
    found = canonical(space, space.founders["mine"])
    assert json.dumps([*found.values.values()]) == "[1.0, 4, [2.0, 4.0], 2, 0.0]"
    assert found.id == canonical(space, found.values).id
    for name, wrong in (("training.weight_decay", True), ("embedding.bases", 4.5), ("training.warmup", False)):
        with pytest.raises(ValueError, match=f"{name} cannot be {wrong}"):
            canonical(space, {**written, name: wrong})


# --- no dead genes --------------------------------------------------------------------------------


def fingerprint(space: SearchSpace, genome: Genome) -> tuple[Any, ...]:
    """What a genome makes: the shapes and values of the model's weights and output, and its training."""
    recipe = express(space, genome, seed=0)
    model = build_model(recipe.model, 0)
    tokens = torch.arange(64)[None] % recipe.model.vocab_size
    with torch.no_grad():
        # An input of every frequency and scale, so that each setting of a mixer shows.
        output = model(tokens)
    trained = tuple(name for name, parameter in model.named_parameters() if parameter.requires_grad)
    optimizers = [
        (type(one), repr({name: value for name, value in group.items() if name != "params"}))
        for one in build_optimizers(model, recipe.training)
        for group in one.param_groups
    ]
    schedule = tuple(recipe.training.learning_rate * learning_rate_factor(s, recipe.training) for s in range(3))
    shapes = tuple((name, tuple(value.shape)) for name, value in model.state_dict().items())
    drawn = recipe.training.batch_size, recipe.training.speed_change, recipe.training.noise
    return shapes, output.numpy().tobytes(), trained, schedule, tuple(optimizers), drawn


@pytest.mark.parametrize("path", SPACES, ids=lambda path: path.stem)
def test_no_gene_is_dead(path: Path) -> None:
    """Change one gene of a genome in which it is active: what is built or how it is trained must change."""
    space, _ = load_space(path)
    tried = set()
    for genome, _ in trials(space):
        for name, gene in active_genes(space, genome):
            if name in tried:
                continue
            for value in gene.extremes():
                other = with_value(space, genome, name, value)
                if other is None or other == genome:
                    continue
                tried.add(name)
                assert fingerprint(space, genome) != fingerprint(space, other), f"{name} = {value} changes nothing"
    expected = {
        f"{name}/{inner}" if inner else name
        for name, gene in space.genes.items()
        for inner in (gene.genes if isinstance(gene, LayersGene) else [""])
    }
    assert tried == expected


def active_genes(space: SearchSpace, genome: Genome) -> list[tuple[str, BaseGene]]:
    found: list[tuple[str, BaseGene]] = []
    for name, value in genome.values.items():
        gene = space.genes[name]
        if isinstance(gene, LayersGene):
            found += [(f"{name}/{inner}", gene.genes[inner]) for inner in value[0]]
        else:
            found.append((name, gene))
    return found


def with_value(space: SearchSpace, genome: Genome, name: str, value: Any) -> Genome | None:
    """The genome with one gene changed and genes that this makes active at their first value."""

    def complete(genes_: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
        return resolve(
            genes_, lambda n, gene: known.get(n, None if isinstance(gene, LayersGene) else gene.extremes()[0])
        )

    outer, _, inner = name.partition("/")
    values = copy.deepcopy(dict(genome.values))
    if inner:
        gene = space.genes[outer]
        assert isinstance(gene, LayersGene)
        values[outer][0] = complete(dict(gene.genes), values[outer][0] | {inner: value})
    else:
        values[name] = value
    return Genome(complete(dict(space.genes), values))


def test_depth_is_not_dead() -> None:
    space, _ = load_space(ROOT / "search_spaces" / "mixers.yaml")
    layer = {"filter_bank.kind": "none", "mixer.kind": "attention", "mixer.heads": 4, "feedforward.kind": "mlp"}
    layer |= {"mixer.window": 64, "mixer.short_convolution": 1}
    layer |= {"feedforward.expansion": 2.0, "feedforward.activation": "gelu"}
    rest = {"training.learning_rate": 0.01, "training.weight_decay": 0.1, "training.optimizer.kind": "adamw"}
    rest |= {"positions.kind": "none", "embedding.kind": "standard"}
    depths = [express(space, canonical(space, rest | {"layers": [layer] * n}), seed=0).model for n in (2, 3)]
    assert [len(model.layers) for model in depths] == [2, 3]
    assert isinstance(depths[0], ModelConfig)
