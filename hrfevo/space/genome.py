"""Values of genes: their canonical form, their identity, the model they describe."""

from __future__ import annotations

import copy
import hashlib
import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from hrfevo.space.conditions import active
from hrfevo.space.genes import BaseGene, LayersGene, Value
from hrfevo.space.search_space import SearchSpace
from signal_model.config import ModelConfig, Recipe, TrainingConfig
from signal_model.support.errors import counted

Values = dict[str, Value]
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"))


@dataclass(frozen=True)
class Genome:
    """One value for every active gene, none for the others. Build it with `canonical` or `resolve`."""

    values: Mapping[str, Value]

    @cached_property
    def text(self) -> str:
        """Canonical JSON: equal genomes have equal text."""
        return _CANONICAL.encode(self.values)

    @cached_property
    def id(self) -> str:
        """Twelve hexadecimal digits that stand for the values."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:12]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Genome) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.id)

    @classmethod
    def stored(cls, values: Mapping[str, Value], identity: str) -> Genome:
        """One whose id is known to be that of its values, since a store has looked: thousands are read at once."""
        genome = cls(values)
        genome.__dict__["id"] = identity
        return genome


def resolve(genes: Mapping[str, Any], choose: Callable[[str, BaseGene], Value]) -> Values:
    """Ask `choose` for the value of every active gene of a space or layer; conditions are decided first.

    Sampling, crossover, mutation and canonical form are all this function with another `choose`.
    """
    values: Values = {}
    for name, gene in genes.items():
        if active(gene, values):
            values[name] = choose(name, gene)
    return values


def sample(space: SearchSpace, generator: np.random.Generator) -> Genome:
    """A random genome: every active gene uniform in its own scale.

    Examples:
        >>> from hrfevo.space.reading import load_space
        >>> space, _ = load_space("search_spaces/quick.yaml")
        >>> genome = sample(space, np.random.default_rng(0))
        >>> genome == sample(space, np.random.default_rng(0)), len(genome.id)
        (True, 12)
    """
    return Genome(resolve(space.genes, lambda _, gene: sample_value(gene, generator)))


def sample_value(gene: BaseGene, generator: np.random.Generator) -> Value:
    """A random value of any gene, layers included."""
    if isinstance(gene, LayersGene):
        count = int(generator.integers(gene.min, gene.max + 1))
        return [sample_layer(gene, generator) for _ in range(count)]
    return gene.sample(generator)


def sample_layer(gene: LayersGene, generator: np.random.Generator) -> Values:
    """Random values of the genes of one layer."""
    return resolve(gene.genes, lambda _, inner: inner.sample(generator))


def all_genomes(space: SearchSpace) -> Iterator[Genome]:
    """Every genome of a space, in order. Raises InputError if a gene is a continuum."""
    return map(Genome, combinations(space.genes, [*space.genes]))


def combinations(genes: Mapping[str, Any], names: Sequence[str], values: Values | None = None) -> Iterator[Values]:
    """Every combination of values of these genes, each after those it depends on; of those that are active.

    `values` are decided already. Raises InputError if one is a continuum.
    """
    values = values or {}
    if not names:
        yield values
        return
    name, *rest = names
    gene = genes[name]
    if not active(gene, values):
        yield from combinations(genes, rest, values)
        return
    for value in _all_layers(gene) if isinstance(gene, LayersGene) else gene.all_values():
        yield from combinations(genes, rest, values | {name: value})


def _all_layers(gene: LayersGene) -> Iterator[Value]:
    layers = list(combinations(gene.genes, [*gene.genes]))
    for count in range(gene.min, gene.max + 1):
        yield from map(list, itertools.product(layers, repeat=count))


def flat(values: Mapping[str, Value]) -> Values:
    """One name for every value: `layers` is their number, `layers[0].mixer.kind` a gene of the first.

    Examples:
        >>> flat({"width": 16, "layers": [{"mixer.kind": "attention"}, {"mixer.kind": "harmonic"}]})
        {'width': 16, 'layers': 2, 'layers[0].mixer.kind': 'attention', 'layers[1].mixer.kind': 'harmonic'}
    """
    found: Values = {}
    for name, value in values.items():
        if name == "layers":
            found[name] = len(value)
            for index, layer in enumerate(value):
                found |= {f"{name}[{index}].{inner}": v for inner, v in layer.items()}
        else:
            found[name] = value
    return found


def canonical(space: SearchSpace, values: Mapping[str, Value]) -> Genome:
    """The genome with exactly these values, each as its gene writes it.

    Raises ValueError for a value that is missing, not admitted, or of a gene that is not active.

    Examples:
        >>> from hrfevo.space.reading import read_space
        >>> genes = "{width: {type: int, low: 8, high: 32}}"
        >>> space = read_space(f"{{name: tiny, genes: {genes}, rungs: [10], budget: {{minutes: 1}}}}", "tiny.yaml")
        >>> canonical(space, {"width": 16}).values
        {'width': 16}
        >>> canonical(space, {"width": 7})
        Traceback (most recent call last):
            ...
        ValueError: genome: width cannot be 7; accepted: whole numbers 8 to 32
    """
    return Genome(_canonical(space.genes, values, ""))


def _canonical(genes: Mapping[str, Any], values: Mapping[str, Value], place: str) -> Values:
    def choose(name: str, gene: BaseGene) -> Value:
        if name not in values:
            raise ValueError(f"genome: {place}{name} is active and has no value; accepted: {gene.domain}")
        value = gene.spelled(values[name])
        if not gene.admits(value):
            several = isinstance(gene, LayersGene) and isinstance(value, list)
            told = counted(len(value), "layer") if several else repr(value)
            raise ValueError(f"genome: {place}{name} cannot be {told}; accepted: {gene.domain}")
        if isinstance(gene, LayersGene):
            return [_canonical(gene.genes, layer, f"{place}{name}[{i}].") for i, layer in enumerate(value)]
        return value

    result = resolve(genes, choose)
    if idle := [name for name in values if name not in result]:
        raise ValueError(f"genome: {place}{idle[0]} has a value and is not active")
    return result


def express(space: SearchSpace, genome: Genome, *, seed: int) -> Recipe:
    """The training a genome stands for, up to the last rung, from a seed; lower rungs are stations on its way.

    Raises pydantic.ValidationError if the settings do not fit together.

    Examples:
        >>> from hrfevo.space.reading import read_space
        >>> genes = "{width: {type: int, low: 8, high: 32}}"
        >>> space = read_space(f"{{name: tiny, genes: {genes}, rungs: [10, 30], budget: {{minutes: 1}}}}", "tiny.yaml")
        >>> recipe = express(space, Genome({"width": 16}), seed=3)
        >>> recipe.model.width, recipe.training.steps, recipe.training.seed
        (16, 30, 3)
    """
    model, training = expressed_settings(space, genome)
    return Recipe(
        task=space.task,
        model=ModelConfig.model_validate(model),
        training=TrainingConfig.model_validate(training | {"steps": space.rungs[-1], "seed": seed}),
        corpus=space.corpus,
        tokenizer=space.tokenizer,
    )


def expressed_settings(space: SearchSpace, genome: Genome) -> tuple[dict[str, Any], dict[str, Any]]:
    """Settings of the model and of the training, not yet validated."""
    model = copy.deepcopy(space.model) | {"vocab_size": space.tokenizer.size}
    training = copy.deepcopy(space.training)
    for name, value in genome.values.items():
        gene = space.genes[name]
        if isinstance(gene, LayersGene):
            model[name] = [_layer_settings(gene, layer) for layer in value]
        elif name.startswith("training."):
            _put(training, name.removeprefix("training."), value)
        else:
            _put(model, name, value)
    return model, training


def _layer_settings(gene: LayersGene, values: Values) -> dict[str, Any]:
    settings = copy.deepcopy(gene.fixed)
    for name, value in values.items():
        _put(settings, name, value)
    return settings


def _put(settings: dict[str, Any], name: str, value: Value) -> None:
    *folders, last = name.split(".")
    for folder in folders:
        settings = settings.setdefault(folder, {})
        if not isinstance(settings, dict):
            raise ValueError(f"gene {name}: {folder} is fixed to {settings!r}, which has no settings")
    settings[last] = value
