"""Genes as pandas columns, `gene:<name>`: of layers `gene:layers[0].<name>`, with `gene:layers` their number.

An interval is a pair (low, high); genes that are not active are missing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from hrfevo.space.genes import BaseGene, FloatGene, IntGene, LayersGene
from hrfevo.space.genome import flat
from hrfevo.space.search_space import SearchSpace

GENE = "gene:"


def gene_frame(space: SearchSpace, genomes: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """A row for each genome, by its id, and a column for each gene that any of them has."""
    found: dict[str, list[Any]] = {}
    for place, values in enumerate(genomes.values()):
        for name, value in flat(values).items():
            if name not in found:
                found[name] = [None] * len(genomes)
            found[name][place] = _cell(value)
    columns = {f"{GENE}{name}": told for name, told in found.items()}
    order, index = sorted(columns, key=_gene_order(space)), pd.Index([*genomes], dtype="object")
    return pd.DataFrame({name: pd.Series(columns[name], index, gene_kind(space, name)) for name in order}, index)


def more_genes(space: SearchSpace, genes: pd.DataFrame, more: pd.DataFrame) -> pd.DataFrame:
    """Genes of some genomes and of others."""
    columns = sorted({*gene_columns(genes), *gene_columns(more)}, key=_gene_order(space))

    def completed(part: pd.DataFrame) -> pd.DataFrame:
        none, absent = [None] * len(part), [name for name in columns if name not in part]
        return part.assign(**{name: pd.Series(none, part.index, gene_kind(space, name)) for name in absent})[columns]

    return pd.concat([completed(genes), completed(more)]) if len(genes) else more


def with_genes(frame: pd.DataFrame, genes: pd.DataFrame) -> pd.DataFrame:
    """The rows of evaluations with the genes of their genomes."""
    return pd.concat([frame, genes.loc[frame["genome"]].set_axis(frame.index)], axis=1)


def gene_columns(frame: pd.DataFrame) -> list[str]:
    """The columns that hold values of genes."""
    return [name for name in map(str, frame.columns) if name.startswith(GENE)]


def gene_of(space: SearchSpace, column: str) -> BaseGene:
    """The gene whose values a column holds."""
    return _place_of(space, column)[0]


def _cell(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _place_of(space: SearchSpace, column: str) -> tuple[BaseGene, tuple[int, int, int]]:
    """The gene of a column, and where it stands among all columns."""
    name = column.removeprefix(GENE)
    names = list(space.genes)
    if not name.startswith("layers["):
        return space.genes[name], (names.index(name), -1, 0)
    layers = space.genes["layers"]
    assert isinstance(layers, LayersGene)
    index, _, inner = name.removeprefix("layers[").partition("].")
    return layers.genes[inner], (names.index("layers"), int(index), list(layers.genes).index(inner))


def _gene_order(space: SearchSpace) -> Callable[[str], tuple[int, int, int]]:
    return lambda column: _place_of(space, column)[1]


def gene_kind(space: SearchSpace, column: str) -> str:
    """Of a column of a gene, as pandas names it: numbers, or `object` for choices and intervals."""
    gene, _ = _place_of(space, column)
    if isinstance(gene, IntGene | LayersGene):
        return "Int64"
    return "float64" if isinstance(gene, FloatGene) else "object"


def all_genes(space: SearchSpace) -> list[str]:
    """The columns of all genes that a genome of a space can have, in order."""
    layers = space.genes.get("layers")
    outer = [f"{GENE}{name}" for name in space.genes]
    if not isinstance(layers, LayersGene):
        return outer
    inner = [f"{GENE}layers[{index}].{name}" for index in range(layers.max) for name in layers.genes]
    return sorted([*outer, *inner], key=_gene_order(space))


def gene_path(column: str) -> tuple[str | int, ...]:
    """Where a genome's values have that gene."""
    name = column.removeprefix(GENE)
    if not name.startswith("layers["):
        return (name,)
    index, _, inner = name.removeprefix("layers[").partition("].")
    return ("layers", int(index), inner)


def gene_series(space: SearchSpace, column: str, values: Mapping[str, Any]) -> pd.Series:
    """One gene of genomes, by their ids, as `gene_frame` has it."""
    told = [_cell(value) for value in values.values()]
    return pd.Series(told, pd.Index([*values], dtype="object"), gene_kind(space, column), name=column)
