"""Reading a search space file: every gene is tried before anything is trained."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from hrfevo.space.conditions import active
from hrfevo.space.explaining import explained
from hrfevo.space.genes import BaseGene, LayersGene, Value
from hrfevo.space.genome import Genome, canonical, combinations, express, sample
from hrfevo.space.search_space import SearchSpace
from hrfevo.space.shipped import find_space
from hrfevo.space.trials import misfit, simplest, trials
from signal_model.support.errors import InputError, counted
from signal_model.support.files import (
    Document,
    Place,
    dotted,
    error_message,
    parse_document,
    parse_value,
    read_text,
)
from signal_model.support.plugins import plugins

RANDOM_TRIALS = 300


def load_space(path: Path | str, overrides: Sequence[str] = ()) -> tuple[SearchSpace, str]:
    """Read, override (`key=value`), validate; returns the space and the text of the file.

    The name of a shipped space, where no such path is, stands for its file.
    Raises InputError naming file, line, value and what is accepted, and for text that lies beside the file alone.
    """
    file = find_space(path)
    text = read_text(file)
    space = parse_space(text, str(file), overrides)
    space.corpus.refuse_beside(file, f"{file}: corpus")
    return space, text


def parse_space(text: str, name: str, overrides: Sequence[str] = ()) -> SearchSpace:
    """As `load_space`, from text.

    Examples:
        >>> space = parse_space('''
        ... name: tiny
        ... model: {width: 16, context: 32}
        ... genes:
        ...   embedding.kind: {type: choice, values: [standard, spectral]}
        ...   embedding.bases: {type: int, low: 2, high: 5, when: {embedding.kind: spectral}}
        ...   embedding.frequencies: {type: interval, low: 0.5, high: 8, when: {embedding.kind: spectral}}
        ... rungs: [10]
        ... budget: {evaluations: 4}
        ... ''', "tiny.yaml")
        >>> list(space.genes)
        ['embedding.kind', 'embedding.bases', 'embedding.frequencies']
        >>> parse_space("name: tiny\\nbudjet: {}", "tiny.yaml")
        Traceback (most recent call last):
            ...
        signal_model.support.errors.InputError: tiny.yaml:2: budjet: unknown setting (did you mean 'budget'?)...
    """
    document = _document(text, name, overrides)
    space = SearchSpace.from_document(document)
    try:
        _try_genes(space, document)
    except InputError as error:
        if overrides and _is_valid(text, name):  # it names a line that is not to blame
            told = " ".join(f"--set {override}" for override in overrides)
            raise InputError(f"{error}; without {told} it is valid") from None
        raise
    return space


def _is_valid(text: str, name: str) -> bool:
    try:
        parse_space(text, name)
    except InputError:
        return False
    return True


def read_space(text: str, name: str, overrides: Sequence[str] = ()) -> SearchSpace:
    """As `parse_space`, ten times as fast: no gene is tried, so its values may not fit together."""
    return SearchSpace.from_document(_document(text, name, overrides))


def _document(text: str, name: str, overrides: Sequence[str]) -> Document:
    plugins()  # one that cannot be imported is no fault of this text
    document = parse_document(text, name)
    for override in overrides:
        document.options[_override(document.data, override)] = f"--set {override}"
    return document


def _override(data: dict[str, Any], override: str) -> Place:
    """Set `model.width=64`; dots inside a gene's name are found by the longest key that matches. Returns the place."""
    key, separator, text = override.partition("=")
    if not separator or not key:
        raise InputError(f"--set {override}: expected key=value")
    parts, place = key.split("."), list[str]()
    while True:
        length = next((n for n in range(len(parts), 0, -1) if ".".join(parts[:n]) in data), None)
        value = parse_value(text) if length is None else None
        is_gene = place[-1:] == ["genes"] and isinstance(value, dict)  # a new one, whose name has dots
        if length is None and len(parts) > 1 and parts[0] not in data and not is_gene:
            data[parts[0]] = {}
            length = 1
        if length is None or length == len(parts):
            data[".".join(parts)] = parse_value(text)
            return (*place, ".".join(parts))
        parent = data[".".join(parts[:length])]
        if not isinstance(parent, dict):
            raise InputError(f"--set {override}: {'.'.join(parts[:length])} is {parent!r}, which has no settings")
        place.append(".".join(parts[:length]))
        data, parts = parent, parts[length:]


def _try_genes(space: SearchSpace, document: Document) -> None:
    """Build a config from the extremes of every gene, then from random genomes."""

    def misfit_of(genome: Genome) -> tuple[str, ErrorDetails] | None:
        try:
            return misfit(space, genome)
        except ValueError as error:  # names of genes that cannot all be settings
            raise document.error(("genes",), str(error)) from None

    simple_fits = misfit_of(simplest(space)) is None
    random = ((sample(space, np.random.default_rng(seed)), ()) for seed in range(RANDOM_TRIALS))
    for genome, tried in itertools.chain(trials(space), random):
        found = misfit_of(genome)
        if found is None:
            continue
        place, message = explained(space, document, genome, *found)
        if tried and simple_fits and place[0] != "genes":  # well but for what this gene makes of it
            raise document.error(("genes", *tried[0]), f"with {tried[1]!r}, {dotted(place)}: {message}")
        raise document.error(place, message)
    for name, values in space.founders.items():
        try:
            express(space, canonical(space, values), seed=0)
        except ValidationError as error:
            detail = error.errors(include_url=False)[0]
            raise document.error(("founders", name), error_message(detail)) from None
        except (ValueError, TypeError, AttributeError) as error:
            raise document.error(("founders", name), str(error)) from None


# --- size ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SpaceSize:
    """How many different genomes there are: `discrete` of them, times a continuum of `continuous` dimensions."""

    discrete: int
    continuous: int

    def __str__(self) -> str:
        count = f"{self.discrete:,}" if self.discrete < 10**15 else f"about 10^{int(math.log10(self.discrete))}"
        if not self.continuous:
            return counted(self.discrete, "genome") if self.discrete < 10**15 else f"{count} genomes"
        noun = "discrete combination" if self.discrete == 1 else "discrete combinations"
        return f"{count} {noun}, up to {counted(self.continuous, 'continuous dimension')}"


def gene_count(space: SearchSpace) -> int:
    """Genes of a space; those of layers count once, however many layers there are."""
    return sum(1 + len(gene.genes) if isinstance(gene, LayersGene) else 1 for gene in space.genes.values())


def space_size(space: SearchSpace) -> SpaceSize:
    """Count the genomes of a space, conditions included.

    Examples:
        >>> genes = "{a: {type: int, low: 1, high: 4}, b: {type: float, low: 0, high: 1}}"
        >>> text = f"{{name: tiny, genes: {genes}, rungs: [10], budget: {{evaluations: 4}}}}"
        >>> str(space_size(read_space(text, "tiny.yaml")))
        '4 discrete combinations, up to 1 continuous dimension'
    """
    return _size(space.genes)


def _size(genes: Mapping[str, Any]) -> SpaceSize:
    deciding = {other for gene in genes.values() for other in gene.conditions}
    discrete = continuous = 0
    for values in _decisions(genes, deciding):
        product, dimensions = 1, 0
        for name, gene in genes.items():
            if name in deciding or not active(gene, values):
                continue
            size = _gene_size(gene)
            product *= size.discrete
            dimensions += size.continuous
        discrete += product
        continuous = max(continuous, dimensions)
    return SpaceSize(discrete, continuous)


def _decisions(genes: Mapping[str, Any], deciding: set[str]) -> Iterator[dict[str, Value]]:
    """Every combination of values of the genes that conditions name."""
    for name in deciding:
        if genes[name].size is None:
            raise InputError(f"genes.{name}: a condition cannot depend on a continuous gene")
    return combinations(genes, [name for name in genes if name in deciding])


def _gene_size(gene: BaseGene) -> SpaceSize:
    if isinstance(gene, LayersGene):
        one = _size(gene.genes)
        counts = range(gene.min, gene.max + 1)
        return SpaceSize(sum(one.discrete**n for n in counts), one.continuous * gene.max)
    if gene.size is None:
        return SpaceSize(1, getattr(gene, "dimensions", 1))
    return SpaceSize(gene.size, 0)
