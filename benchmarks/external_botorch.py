"""BoTorch behind ask and tell, for `external.py`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from botorch.acquisition.multi_objective.logei import qLogNoisyExpectedHypervolumeImprovement
from botorch.fit import fit_gpytorch_mll
from botorch.models import MixedSingleTaskGP, SingleTaskGP
from botorch.optim.optimize_mixed import optimize_acqf_mixed_alternating
from botorch.sampling.normal import SobolQMCNormalSampler
from botorch.utils.multi_objective.hypervolume import infer_reference_point
from botorch.utils.multi_objective.pareto import is_non_dominated
from botorch.utils.sampling import draw_sobol_samples
from gpytorch.mlls import ExactMarginalLogLikelihood

from benchmarks.external_peers import first, new_genome
from hrfevo.algorithms.base import Proposal, Result
from hrfevo.space.genes import BaseGene, ChoiceGene, IntGene, OrderedGene, UnitGene, Value
from hrfevo.space.genome import Genome, resolve
from hrfevo.space.search_space import SearchSpace

# Variance of a measurement's noise, in units of the variance of all: there is none.
EXACT = 1e-6


class BotorchPeer:
    """qLogNEHVI on Gaussian processes for mixed spaces (Daulton et al. 2021; Ament et al. 2023).

    Numbers are coordinates in [0, 1], categories have a kernel of Hamming distances; the acquisition function is
    maximised by alternating local search and L-BFGS. The reference point is inferred, measurements are exact.
    """

    def __init__(self, space: SearchSpace, seed: np.random.SeedSequence) -> None:
        self._space, self._generator = space, np.random.default_rng(seed)
        self._genes = [*space.genes.values()]
        self._known: dict[Genome, tuple[float, ...]] = {}
        bounds = [[0.0, len(gene.values) - 1.0 if isinstance(gene, ChoiceGene) else 1.0] for gene in self._genes]
        self._bounds = torch.tensor(bounds, dtype=torch.double).T
        unit = torch.tensor([[0.0], [1.0]], dtype=torch.double).expand(2, len(bounds))
        sobol = draw_sobol_samples(unit, first(space), 1, seed=self._draw()).squeeze(1).numpy()
        self._waiting = [self._genome(row) for row in self._stretched(sobol)]

    def ask(self) -> Proposal:
        genome = self._waiting.pop(0) if self._waiting else self._best()
        if genome in self._known:
            genome = new_genome(self._space, self._generator, self._known)
        return Proposal(genome, "peer")

    def tell(self, results: Sequence[Result]) -> None:
        for result in results:
            assert result.objectives is not None
            self._known[result.proposal.genome] = result.objectives

    def _draw(self) -> int:
        return int(self._generator.integers(2**31))

    def _stretched(self, units: np.ndarray) -> np.ndarray:
        """Coordinates in [0, 1] as places of categories, (N, genes)."""
        counts = np.array([len(gene.values) if isinstance(gene, ChoiceGene) else 0 for gene in self._genes])
        return np.where(counts, np.minimum(np.floor(units * counts), counts - 1), units)

    def _genome(self, row: Sequence[float]) -> Genome:
        coordinates = dict(zip(self._space.genes, row, strict=True))

        def choose(name: str, gene: BaseGene) -> Value:
            if isinstance(gene, ChoiceGene):
                return gene.values[round(coordinates[name])]
            assert isinstance(gene, UnitGene)
            return gene.from_unit([coordinates[name]])

        return Genome(resolve(self._space.genes, choose))

    def _row(self, genome: Genome) -> list[float]:
        """Coordinates of a genome; a gene that is not active is at 0."""
        row = []
        for name, gene in self._space.genes.items():
            if name not in genome.values:
                row.append(0.0)
            elif isinstance(gene, ChoiceGene):
                row.append(float(gene.values.index(genome.values[name])))
            else:
                assert isinstance(gene, UnitGene)
                row += gene.to_unit(genome.values[name])
        return row

    def _best(self) -> Genome:
        torch.set_num_threads(1)
        torch.manual_seed(self._draw())
        rows = torch.tensor([self._row(genome) for genome in self._known], dtype=torch.double)
        values = -torch.tensor([*self._known.values()], dtype=torch.double)
        values = (values - values.mean(0)) / values.std(0).clamp_min(1e-9)
        exact = torch.full_like(values, EXACT)
        places = {i: [*range(len(g.values))] for i, g in enumerate(self._genes) if isinstance(g, ChoiceGene)}
        if places:
            model = MixedSingleTaskGP(rows, values, [*places], exact, outcome_transform=None)
        else:
            model = SingleTaskGP(rows, values, exact, outcome_transform=None)
        fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
        acquisition = qLogNoisyExpectedHypervolumeImprovement(
            model,
            infer_reference_point(values[is_non_dominated(values)]),
            rows,
            sampler=SobolQMCNormalSampler(torch.Size([128]), seed=self._draw()),
            prune_baseline=True,
        )
        steps = {i: _coordinates(g) for i, g in enumerate(self._genes) if isinstance(g, IntGene | OrderedGene)}
        found, _ = optimize_acqf_mixed_alternating(
            acquisition, self._bounds, discrete_dims=steps, cat_dims=places, num_restarts=10, raw_samples=512
        )
        return self._genome(found[0].tolist())


def _coordinates(gene: IntGene | OrderedGene) -> list[float]:
    """Of every value."""
    return [gene.to_unit(value)[0] for value in gene.all_values()]
