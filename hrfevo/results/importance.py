"""Which genes matter: shares of the variance of an objective that genes explain, from what a run measured."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from hrfevo.results.ranking import averaged
from hrfevo.space.distributions import flat_parameters, new_study
from hrfevo.space.metrics import Metric
from hrfevo.space.search_space import SearchSpace
from hrfevo.store.store import Evaluation
from signal_model.support.errors import InputError, counted

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

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


def importance_rung(evaluations: Sequence[Evaluation]) -> int:
    """The rung with most finished evaluations: what genes do shows best where most genomes are."""
    finished = Counter(evaluation.rung for evaluation in evaluations if evaluation.status == "finished")
    return max(finished, key=lambda rung: (finished[rung], rung)) if finished else 0


def peers_of(space: SearchSpace, evaluations: Sequence[Evaluation]) -> list[Evaluation]:
    """Those that importance is taken from: finished ones of one rung, each genome once."""
    rung = importance_rung(evaluations)
    return averaged(space, [e for e in evaluations if e.status == "finished" and e.rung == rung])


Ranges = dict[Metric, dict[str, tuple[float, float]]]
"""Of each gene the lowest and the highest share that a half of the evaluations gives it, by objective."""


def ranges_of(
    space: SearchSpace, evaluations: Sequence[Evaluation], objectives: Sequence[Metric], method: Method, seed: int = 0
) -> Ranges:
    """How far the shares of `importances_of` can be trusted; empty where a half would say nothing of genes."""
    peers = peers_of(space, evaluations)
    if len(peers) < 2 * LEAST:
        return {}
    generator = np.random.default_rng(seed)
    halves = [
        importances_of(
            space, [peers[i] for i in generator.permutation(len(peers))[: len(peers) // 2]], objectives, method
        )
        for _ in range(HALVES)
    ]
    found: Ranges = {}
    for name in objectives:
        genes = dict.fromkeys(gene for half in halves for gene in half[name])
        shares = {gene: [half[name].get(gene, 0.0) for half in halves] for gene in genes}
        found[name] = {gene: (min(of_gene), max(of_gene)) for gene, of_gene in shares.items()}
    return found


def said_of(space: SearchSpace, evaluations: Sequence[Evaluation], method: Method, has_ranges: bool) -> str:
    """Method, question, rung, number of genomes and what ranges are, as sentences."""
    peers = peers_of(space, evaluations)
    genomes, steps = counted(len(peers), "genome"), counted(space.rungs[peers[0].rung], "step")
    told = f"{method}, from {genomes} after {steps}: {QUESTIONS[method]}."
    sure = f"Ranges are over {HALVES} random halves of them." if has_ranges else "Too few to say how sure that is."
    other = next(name for name in METHODS if name != method)
    return f"{told} {sure} --method {other} asks another question: {QUESTIONS[other]}."


def gene_importances(
    space: SearchSpace,
    evaluations: Sequence[Evaluation],
    objective: Metric,
    method: Method = "fanova",
    seed: int = 0,
) -> dict[str, float]:
    """Shares of genes in one objective; see `importances_of`."""
    return importances_of(space, evaluations, [objective], method, seed)[objective]


def importances_of(
    space: SearchSpace,
    evaluations: Sequence[Evaluation],
    objectives: Sequence[Metric],
    method: Method = "fanova",
    seed: int = 0,
) -> dict[Metric, dict[str, float]]:
    """Shares of genes in each objective, largest first, adding up to 1; from the rung with most evaluations.

    `fanova`: functional analysis of variance of a random forest (Hutter, Hoos & Leyton-Brown 2014). `ped-anova`: how
    much the best tenth's distribution of each gene differs from that of all (Watanabe, Bansal & Hutter 2023). Both
    are Optuna's. A gene that some genomes do not have gets random values there, of those that it has elsewhere: what
    having it does is then seen with the gene that decides it. Genes of layers (`layers.mixer.kind`) are added up over
    the layers, an interval's ends over the two.

    Raises InputError for too few evaluations, or an unknown objective or method.
    """
    from optuna.importance import FanovaImportanceEvaluator, PedAnovaImportanceEvaluator, get_param_importances

    for name in objectives:
        if name not in space.objectives:
            raise InputError(f"objective {name!r}: is none of this run; accepted: {', '.join(space.objectives)}")
    if method not in METHODS:
        raise InputError(f"method {method!r}: is none; accepted: {', '.join(METHODS)}")
    peers = peers_of(space, evaluations)
    if len(peers) < LEAST:
        raise InputError(f"run: {len(peers)} finished evaluations say nothing of genes; {LEAST} are needed")
    study = _comparable(space, peers, np.random.default_rng(seed))
    trials = study.get_trials(deepcopy=False)
    varying = [name for name in trials[0].params if len({trial.params[name] for trial in trials}) > 1]
    names, found = [*space.objectives], dict[Metric, dict[str, float]]()
    for objective in objectives:
        evaluator = FanovaImportanceEvaluator(seed=seed) if method == "fanova" else PedAnovaImportanceEvaluator()
        # The less the better, for whoever asks for the best.
        place, sign = names.index(objective), -1 if space.objectives[objective] == "maximize" else 1

        def target(trial: FrozenTrial, place: int = place, sign: int = sign) -> float:
            return sign * float(trial.values[place])

        shares: Counter[str] = Counter()
        if varying and len({*map(target, trials)}) > 1:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", ".*low `target` values")
                parts = get_param_importances(study, evaluator=evaluator, params=varying, target=target)
            for name, share in parts.items():
                shares[re.sub(r"\[\d+\]|\.(low|high)$", "", name)] += share
        total = sum(shares.values())
        found[objective] = {name: share / total for name, share in shares.most_common()} if total else {}
    return found


def _comparable(space: SearchSpace, evaluations: Sequence[Evaluation], generator: np.random.Generator) -> optuna.Study:
    """Evaluations as trials that all have all parameters."""
    from optuna import create_trial

    flat = [flat_parameters(space, evaluation.values) for evaluation in evaluations]
    distributions = {name: distribution for _, known in flat for name, distribution in known.items()}
    pools = {name: [parameters[name] for parameters, _ in flat if name in parameters] for name in distributions}
    study = new_study(space, [*space.objectives])
    trials = []
    for evaluation, (parameters, _) in zip(evaluations, flat, strict=True):
        filled = {name: pool[generator.integers(len(pool))] for name, pool in pools.items() if name not in parameters}
        values = [evaluation.metrics[name] for name in space.objectives]
        trials.append(create_trial(params=parameters | filled, distributions=distributions, values=values))
    study.add_trials(trials)
    return study
