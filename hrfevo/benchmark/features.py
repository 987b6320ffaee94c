"""Genomes as columns for an emulator."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hrfevo.space.genes import ChoiceGene, LayersGene, UnitGene, Value
from hrfevo.space.genome import Genome
from hrfevo.space.search_space import SearchSpace


def features(space: SearchSpace, genomes: Sequence[Genome], parameters: np.ndarray) -> np.ndarray:
    """(genomes, columns), with one fact beside the genes: the logarithm of the number of parameters, (genomes,).

    Numbers are in [0, 1] in their gene's own scale, choices a column for each value; what is not active is halfway.
    Layers are their number, their mean, the first and the last. Every layer in a place of its own has been tried: trees
    are a little worse for it, and kernels more than a little.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # means of genes that are active in no layer
        rows = [_columns(space.genes, genome.values) for genome in genomes]
    # A tenfold model is as far as from one end of a gene to the other.
    columns: np.ndarray = np.column_stack([np.nan_to_num(np.array(rows), nan=0.5), np.log10(parameters)])
    return columns


def _columns(genes: Mapping[str, Any], values: Mapping[str, Value]) -> list[float]:
    columns: list[float] = []
    for name, gene in genes.items():
        if isinstance(gene, LayersGene):
            layers = np.array([_columns(gene.genes, layer) for layer in values[name]])
            columns.append((len(layers) - gene.min) / max(1, gene.max - gene.min))
            columns += [*np.nanmean(layers, axis=0), *layers[0], *layers[-1]]
        elif isinstance(gene, ChoiceGene):
            columns += [float(name in values and values[name] == value) for value in gene.values]
        else:
            assert isinstance(gene, UnitGene)
            columns += gene.to_unit(values[name]) if name in values else [np.nan] * gene.dimensions
    return columns
