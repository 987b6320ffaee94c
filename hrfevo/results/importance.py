"""Which genes matter: shares of the variance of an objective that genes explain, from what a run measured."""

from __future__ import annotations

import re
import warnings
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from hrfevo.results.fanova import explained
from hrfevo.results.history import History
from hrfevo.space.distributions import flat_parameters
from hrfevo.space.metrics import Metric
from signal_model.support.errors import InputError, closest, counted

Method = Literal["fanova", "ped-anova"]
METHODS: tuple[Method, ...] = ("fanova", "ped-anova")
# What each method answers: two that differ need not contradict each other.
QUESTIONS: dict[Method, str] = {
    "fanova": "how much of the variance over all genomes that were tried a gene explains",
    "ped-anova": "how much a gene's values in the best tenth differ from those in all",
}
# Fewer evaluations than these say nothing of genes.
LEAST = 10
# A share is as sure as it is the same in so many random halves of the evaluations.
HALVES = 5


Ranges = dict[Metric, dict[str, tuple[float, float]]]
"""Of each gene the lowest and the highest share that the evaluations or a half of them give it, by objective."""


def ranges_of(history: History, shares: Mapping[Metric, Mapping[str, float]], method: Method, seed: int = 0) -> Ranges:
    """How far `shares`, which `importances_of` has said of this history, can be trusted; empty where a half would say
    nothing of genes. Each lies in its range: half as many can systematically say more of a gene, or less.
    """
    peers = history.fullest
    if len(peers) < 2 * LEAST:
        return {}
    generator = np.random.default_rng(seed)
    chosen = [generator.permutation(len(peers))[: len(peers) // 2] for _ in range(HALVES)]
    halves = [importances_of(peers.among(peers[i] for i in half), [*shares], method) for half in chosen]
    found: Ranges = {}
    for name, whole in shares.items():
        said = [whole, *(half[name] for half in halves)]
        genes = dict.fromkeys(gene for one in said for gene in one)
        of_gene = {gene: [one.get(gene, 0.0) for one in said] for gene in genes}
        found[name] = {gene: (min(some), max(some)) for gene, some in of_gene.items()}
    return found


def said_of(history: History, method: Method, has_ranges: bool) -> str:
    """Method, question, rung, number of genomes and what ranges are, as sentences."""
    peers = history.fullest
    genomes, steps = counted(len(peers), "genome"), counted(history.space.rungs[peers[0].rung], "step")
    told = f"{method}, from {genomes} after {steps}: {QUESTIONS[method]}."
    sure = (
        f"Ranges are over them and {HALVES} random halves of them."
        if has_ranges
        else "Too few to say how sure that is."
    )
    other = next(name for name in METHODS if name != method)
    return f"{told} {sure} --method {other} asks another question: {QUESTIONS[other]}."


def gene_importances(history: History, objective: Metric, method: Method = "fanova", seed: int = 0) -> dict[str, float]:
    """Shares of genes in one objective; see `importances_of`."""
    return importances_of(history, [objective], method, seed)[objective]


def importances_of(
    history: History, objectives: Sequence[Metric], method: Method = "fanova", seed: int = 0
) -> dict[Metric, dict[str, float]]:
    """Shares of genes in each objective, largest first, adding up to 1; of the rung with most genomes.

    `fanova`: functional analysis of variance of a random forest (Hutter, Hoos & Leyton-Brown 2014), see `fanova`.
    `ped-anova`: how much the best tenth's distribution of each gene differs from that of all (Watanabe, Bansal &
    Hutter 2023), Optuna's. A gene that some genomes do not have gets random values there, of those that it has
    elsewhere: what having it does is then seen with the gene that decides it. Genes of layers (`layers.mixer.kind`)
    are added up over the layers, an interval's ends over the two.

    Raises InputError for too few evaluations, or an unknown objective or method.
    """
    space = history.space
    for name in objectives:
        if name not in space.objectives:
            told = f"this run has no such objective{closest(name, space.objectives)}"
            raise InputError(f"objective {name!r}: {told}; accepted: {', '.join(space.objectives)}")
    if method not in METHODS:
        raise InputError(f"method {method!r}: no such method{closest(method, METHODS)}; accepted: {', '.join(METHODS)}")
    peers = history.fullest
    if len(peers) < LEAST:
        raise InputError(f"run: {len(peers)} finished evaluations say nothing of genes; {LEAST} are needed")
    parameters, distributions = _comparable(peers, np.random.default_rng(seed))
    # A forest depends on the order of its columns; by their names, it is the same in every run.
    varying = sorted(name for name in distributions if len({of_genome[name] for of_genome in parameters}) > 1)
    share_of = _by_fanova if method == "fanova" else _by_ped_anova
    found = dict[Metric, dict[str, float]]()
    for objective in objectives:
        # The less the better, for whoever asks for the best.
        sign = -1 if space.objectives[objective] == "maximize" else 1
        scores = np.array([sign * evaluation.metrics[objective] for evaluation in peers])
        shares = defaultdict[str, float](float)
        if varying and np.ptp(scores) > 0:
            some = {name: distributions[name] for name in varying}
            for parameter, share in share_of(parameters, some, scores, seed):
                shares[re.sub(r"\[\d+\]|\.(low|high)$", "", parameter)] += share
        total = sum(shares.values())
        largest_first = sorted(shares.items(), key=lambda one: -one[1])
        found[objective] = {name: share / total for name, share in largest_first} if total else {}
    return found


Parameters = list[dict[str, Any]]
"""Of each evaluation what all have, by name."""
Distributions = Mapping[str, Any]


def _comparable(peers: History, generator: np.random.Generator) -> tuple[Parameters, Distributions]:
    """Evaluations as if all genomes had all genes, and the distributions of these."""
    flat = [flat_parameters(peers.space, evaluation.values) for evaluation in peers]
    distributions = {name: distribution for _, known in flat for name, distribution in known.items()}
    pools = {name: [own[name] for own, _ in flat if name in own] for name in distributions}
    filled = []
    for own, _ in flat:
        drawn = {name: pool[generator.integers(len(pool))] for name, pool in pools.items() if name not in own}
        filled.append(own | drawn)
    return filled, distributions


def _by_fanova(
    parameters: Parameters, distributions: Distributions, scores: np.ndarray, seed: int
) -> list[tuple[str, float]]:
    """Numbers are columns of their own, choices one for each."""
    from optuna.distributions import CategoricalDistribution

    columns, bounds, genes = list[list[float]](), list[tuple[float, float]](), list[list[int]]()
    for name, distribution in distributions.items():
        values = [own[name] for own in parameters]
        if isinstance(distribution, CategoricalDistribution):
            own_columns = [[float(value == choice) for value in values] for choice in distribution.choices]
            own_bounds = [(0.0, 1.0)] * len(own_columns)
        else:
            own_columns, own_bounds = [values], [(distribution.low, distribution.high)]
        genes.append([*range(len(columns), len(columns) + len(own_columns))])
        columns += own_columns
        bounds += own_bounds
    shares = explained(np.array(columns).T, scores, np.array(bounds, dtype=float), genes, seed)
    return [*zip(distributions, map(float, shares), strict=True)]


def _by_ped_anova(
    parameters: Parameters, distributions: Distributions, scores: np.ndarray, seed: int
) -> list[tuple[str, float]]:
    """By Optuna, of a study with the same trials; it draws nothing."""
    from optuna import create_study, create_trial, logging
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    # Below that it tells of every study.
    logging.set_verbosity(logging.ERROR)
    study = create_study()
    chosen = [{name: own[name] for name in distributions} for own in parameters]
    study.add_trials(
        [
            create_trial(params=own, distributions=dict(distributions), value=float(score))
            for own, score in zip(chosen, scores, strict=True)
        ]
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*low `target` values")
        found = get_param_importances(study, evaluator=PedAnovaImportanceEvaluator(), params=[*distributions])
    return [*found.items()]
