"""Algorithms of other packages, each through its own interface, with the settings its authors would choose.

Each takes the genes in the form that suits it, and asks and tells as hrfevo's do. A genome that a peer
proposes again is told for nothing what is known of it; after `REPETITIONS` in a row it is helped on with a new one
at random.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from hrfevo.algorithms.base import Proposal, Result
from hrfevo.space.genes import BaseGene, ChoiceGene, FloatGene, IntGene, OrderedGene, Value
from hrfevo.space.genome import Genome, resolve, sample
from hrfevo.space.search_space import SearchSpace

if TYPE_CHECKING:
    import optuna

REPETITIONS = 20


class Asked(Protocol):
    """What a search needs of an algorithm."""

    def ask(self) -> Proposal | None:
        """What to try next, None if there is nothing left."""

    def tell(self, results: Sequence[Result]) -> None:
        """What became of it."""


Factory = Callable[[SearchSpace, np.random.SeedSequence], Asked]


def first(space: SearchSpace) -> int:
    """With how many genomes to begin, where a peer leaves it open: as BoTorch's tutorials do."""
    return 2 * (len(space.genes) + 1)


def new_genome(space: SearchSpace, generator: np.random.Generator, known: Collection[Genome]) -> Genome:
    """A random genome that is not known."""
    while (genome := sample(space, generator)) in known:
        pass
    return genome


class OptunaPeer:
    """One of Optuna's samplers: categories for choices, places in the list for ordered values, numbers as they are."""

    def __init__(
        self, sampler: Callable[[int], optuna.samplers.BaseSampler], space: SearchSpace, seed: np.random.SeedSequence
    ) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._space, self._generator = space, np.random.default_rng(seed)
        self._study = optuna.create_study(
            directions=[*space.objectives.values()], sampler=sampler(int(self._generator.integers(2**31)))
        )
        self._known: dict[Genome, tuple[float, ...]] = {}
        self._trials: dict[Genome, optuna.Trial] = {}

    def ask(self) -> Proposal:
        for _ in range(REPETITIONS):
            trial, genome = self._asked()
            if genome not in self._known:
                break
            self._study.tell(trial, self._known[genome])
        else:
            genome = new_genome(self._space, self._generator, self._known)
            self._study.enqueue_trial({n: _parameter(self._space.genes[n], v) for n, v in genome.values.items()})
            trial, genome = self._asked()
        self._trials[genome] = trial
        return Proposal(genome, "peer")

    def tell(self, results: Sequence[Result]) -> None:
        for result in results:
            assert result.objectives is not None
            self._known[result.proposal.genome] = result.objectives
            self._study.tell(self._trials.pop(result.proposal.genome), result.objectives)

    def _asked(self) -> tuple[optuna.Trial, Genome]:
        trial = self._study.ask()
        return trial, Genome(resolve(self._space.genes, lambda name, gene: _suggested(trial, name, gene)))


def _suggested(trial: optuna.Trial, name: str, gene: BaseGene) -> Value:
    if isinstance(gene, ChoiceGene):
        return trial.suggest_categorical(name, gene.values)
    if isinstance(gene, OrderedGene):
        return gene.values[trial.suggest_int(name, 0, len(gene.values) - 1)]
    if isinstance(gene, IntGene):
        return trial.suggest_int(name, gene.low, gene.high, log=gene.log)
    assert isinstance(gene, FloatGene)
    return trial.suggest_float(name, gene.low, gene.high, log=gene.log)


def _parameter(gene: BaseGene, value: Value) -> Any:
    return gene.values.index(value) if isinstance(gene, OrderedGene) else value


def tpe(space: SearchSpace, seed: np.random.SeedSequence) -> OptunaPeer:
    """Tree-structured Parzen estimator, multi-objective and multivariate (Watanabe 2023)."""
    import optuna

    conditional = any(gene.when for gene in space.genes.values())
    return OptunaPeer(
        lambda seed: optuna.samplers.TPESampler(multivariate=True, group=conditional, seed=seed), space, seed
    )


def nsga2(space: SearchSpace, seed: np.random.SeedSequence) -> OptunaPeer:
    """NSGA-II with a population that suits 200 evaluations."""
    import optuna

    return OptunaPeer(lambda seed: optuna.samplers.NSGAIISampler(population_size=16, seed=seed), space, seed)


def gp(space: SearchSpace, seed: np.random.SeedSequence) -> OptunaPeer:
    """Gaussian processes and expected hypervolume improvement."""
    import optuna

    return OptunaPeer(
        lambda seed: optuna.samplers.GPSampler(deterministic_objective=True, n_startup_trials=10, seed=seed),
        space,
        seed,
    )


def smac(space: SearchSpace, seed: np.random.SeedSequence) -> Asked:
    """SMAC3's ParEGO."""
    from benchmarks.external_smac import SmacPeer

    return SmacPeer(space, seed)


def botorch(space: SearchSpace, seed: np.random.SeedSequence) -> Asked:
    """BoTorch's noisy expected hypervolume improvement."""
    from benchmarks.external_botorch import BotorchPeer

    return BotorchPeer(space, seed)


@dataclass(frozen=True)
class Peer:
    """What makes it, and the package that it comes from. If it is slow it has fewer seeds."""

    make: Factory
    package: str
    slow: bool = False

    @property
    def version(self) -> str:
        """Of its package."""
        return f"{self.package} {metadata.version(self.package)}"

    @property
    def seeds(self) -> int:
        """At most."""
        return 10 if self.slow else 20


PEERS = {
    "Optuna TPE": Peer(tpe, "optuna"),
    "Optuna NSGA-II": Peer(nsga2, "optuna"),
    "Optuna GP": Peer(gp, "optuna", slow=True),
    "SMAC3 ParEGO": Peer(smac, "smac", slow=True),
    "BoTorch qLogNEHVI": Peer(botorch, "botorch", slow=True),
}
