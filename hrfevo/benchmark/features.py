"""Genomes as columns for an emulator: every layer in its place, and what layers have in common."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hrfevo.genes import ChoiceGene, LayersGene, UnitGene, Value
from hrfevo.genome import Genome
from hrfevo.space import SearchSpace


class Features:
    """Two views of genomes, with one fact beside the genes: the logarithm of the number of parameters.

    Numbers are in [0, 1] in their gene's own scale, choices a column for each value; what is not active is not a
    number. `whole` has the number of layers, each layer in its place from the first on, the last one again, and least,
    mean and greatest over the layers: for trees, which choose among columns. `brief` has the mean over the layers, the
    first and the last: for kernels, which measure distance in all columns.
    """

    def __init__(self, space: SearchSpace) -> None:
        self._space = space

    def whole(self, genomes: Sequence[Genome], parameters: np.ndarray) -> np.ndarray:
        """(genomes, columns)"""
        return self._rows(genomes, parameters, _in_place)

    def brief(self, genomes: Sequence[Genome], parameters: np.ndarray) -> np.ndarray:
        """(genomes, columns), what is not active halfway."""
        filled: np.ndarray = np.nan_to_num(self._rows(genomes, parameters, _summed_up), nan=0.5)
        return filled

    def _rows(self, genomes: Sequence[Genome], parameters: np.ndarray, of_layers: Any) -> np.ndarray:
        rows = [_columns(self._space.genes, genome.values, of_layers) for genome in genomes]
        # A tenfold model is as far as from one end of a gene to the other.
        return np.column_stack([np.array(rows), np.log10(parameters)])


def _columns(genes: Mapping[str, Any], values: Mapping[str, Value], of_layers: Any = None) -> list[float]:
    columns: list[float] = []
    for name, gene in genes.items():
        if isinstance(gene, LayersGene):
            layers = np.array([_columns(gene.genes, layer) for layer in values[name]])
            columns += [(len(layers) - gene.min) / max(1, gene.max - gene.min), *of_layers(layers, gene.max)]
        elif isinstance(gene, ChoiceGene):
            columns += [float(name in values and values[name] == value) for value in gene.values]
        else:
            assert isinstance(gene, UnitGene)
            columns += gene.to_unit(values[name]) if name in values else [np.nan] * gene.dimensions
    return columns


def _in_place(layers: np.ndarray, most: int) -> np.ndarray:
    absent = np.full((most - len(layers), layers.shape[1]), np.nan)
    return np.concatenate([*layers, *absent, layers[-1], *_over(layers)])


def _summed_up(layers: np.ndarray, most: int) -> np.ndarray:
    return np.concatenate([_over(layers)[1], layers[0], layers[-1]])


def _over(layers: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Least, mean and greatest of each column over the layers in which it is active."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of a column that is active in none
        return np.nanmin(layers, axis=0), np.nanmean(layers, axis=0), np.nanmax(layers, axis=0)
