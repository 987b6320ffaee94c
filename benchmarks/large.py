"""How a search fares in a space too large for a table: on an emulator of trainings made before.

    python benchmarks/large.py benchmarks/mixers.parquet

Needs the extra `benchmark`. Every search runs its own unmodified code through hrfevo's loop; workers and time are
simulated. The measurements are those of an emulator that learned from real trainings (`hrfevo benchmark describe` says
how well), scattered as seeds were seen to scatter; what counts as attained is what a genome is worth without luck.

- effort: the loss that the best of Optuna's TPE, GP and NSGA-II (all at full length), `genetic` and `random` reaches
  as the median over seeds with 100 full trainings, and the share of that training that each needs. The bar for
  `evolution` is half.
- surrogate: how well what `evolution` has learned from 100 random genomes, trained to the last rung, orders others: the
  bars are 0.8 for the loss, and 0.95 for every objective that is not computed outright.
- lost: promotions whose training had been dropped, with 1, 16 and 64 workers. The bar is none.
- rates (only if asked for): the regret when genes of training are those of the survey's best genome, beside a search.
- ablation, ablation_of_fronts (only if asked for): the default algorithm without one of its parts, for the loss alone
  and for all objectives; the target is its own. Differences are paired by seed.
- replicates: what the genome is worth that a search names at its end, beside the best that it has trained and the score
  that it names, when a share of the training goes to leaders again with fresh seeds. No bar; only in `--parts`.

Peers are simulated once: `--scores FILE` keeps what was, and only searches whose code has changed are run again.

Ends with exit code 1 if a bar is missed (unless `--no-check`).
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from common import end, machine, print_table
from kept import Kept
from scipy.stats import spearmanr, wilcoxon
from variants import VARIANTS

from hrfevo.algorithms.base import KNOWN, Algorithm, Proposal, Result
from hrfevo.algorithms.evolution import Evolution
from hrfevo.algorithms.registry import make_algorithm
from hrfevo.benchmark.base import Benchmark
from hrfevo.benchmark.comparison import Case, Comparison, Score
from hrfevo.benchmark.loading import load_benchmark, load_survey
from hrfevo.benchmark.summary import Measure, markdown, summarise
from hrfevo.space.genome import Genome, sample
from hrfevo.space.metrics import METRICS
from hrfevo.space.search_space import SearchSpace

PEERS = ("tpe:full", "gp:full", "nsga2:full", "genetic", "random")
WORKERS, MANY_WORKERS = (1, 16), (1, 16, 64)
LOSS = "objectives={bits_per_byte: minimize}"
# The bars: the share of the peers' training, rank correlations.
SHARE, LOSS_CORRELATION, OTHER_CORRELATION = 0.5, 0.8, 0.95
LEARNED_FROM, HELD_OUT = 100, 300
# Of the training steps, what may go to fresh seeds.
SHARES = (0.0, 0.05, 0.1, 0.2)

# What an algorithm expects of genomes at the last rung, (genomes, objectives), after it was told of others.
Expectation = Callable[[Algorithm, list[Genome]], np.ndarray]


def of_evolution(algorithm: Algorithm, genomes: list[Genome]) -> np.ndarray:
    """The expectation of the default algorithm, by its own surrogate in its own encoding."""
    vectors = algorithm.inner._archive.encode(genomes)  # type: ignore[attr-defined]
    expected: np.ndarray = algorithm.inner._surrogate.predict(vectors).medians  # type: ignore[attr-defined]
    return expected


def correlations(
    benchmark: Benchmark, seed: int, algorithm: str = "evolution", expectation: Expectation = of_evolution
) -> dict[str, float]:
    """Spearman's ρ of each objective that is not computed outright, over genomes that the algorithm was not told of."""
    generator = np.random.default_rng(seed)
    learner = make_algorithm(algorithm, benchmark.space, np.random.SeedSequence(seed))
    last, names = len(benchmark.space.rungs) - 1, list(benchmark.space.objectives)
    unseen, truths, told = [], [], 0
    while len(unseen) < HELD_OUT:
        genome = sample(benchmark.space, generator)
        station = benchmark.at(genome, last, seed)
        if station.status == "finished" and told < LEARNED_FROM:
            told += 1
            proposal = learner.adopt(Proposal(genome, KNOWN, rung=last))
            objectives = tuple(station.metrics[name] for name in names)
            learner.tell([Result(proposal, objectives, benchmark.space.margins(station.metrics))])
        elif station.status == "finished":
            truth = station.truth or station.metrics
            unseen.append(genome)
            truths.append([truth[name] for name in names])
    expected = expectation(learner, unseen) * -np.array(benchmark.space.weights)
    pairs = zip(names, np.array(truths).T, expected.T, strict=True)
    return {name: float(spearmanr(truth, guess).statistic) for name, truth, guess in pairs if METRICS[name].trained}


def simulated(
    options: argparse.Namespace, names: Sequence[str], workers: Sequence[int], overrides: tuple[str, ...] = ()
) -> list[Score]:
    """Scores of searches, of which those are run that are not kept."""
    kept = Kept(options.scores, options.benchmark, overrides, options.trainings)
    cases = [Case(name, count, seed) for name in names for count in workers for seed in range(options.seeds)]
    comparison = Comparison(options.benchmark, options.trainings, overrides, tuple(VARIANTS.items()))
    began = time.perf_counter()
    for score in comparison.run(kept.missing(cases), options.processes):
        kept.add(score)
        if score.case.seed == options.seeds - 1:
            took = f"{time.perf_counter() - began:.0f} s"
            print(f"{score.case.algorithm}, {score.case.workers} workers: {took}", file=sys.stderr, flush=True)
    return kept.of(cases)


def effort(options: argparse.Namespace) -> list[str]:
    """Training that searches need to the loss of the best of the peers; returns the bars that are missed."""
    print(f"Validation bits per byte, {options.trainings:g} full trainings:\n")
    peers = options.peers.split(",")
    summaries = summarise(simulated(options, ["evolution", *peers], WORKERS, (LOSS,)), "regret", peers)
    print(markdown(summaries, "regret"))
    missed = []
    for summary in summaries:
        share = summary.share_to_target[0]
        if summary.algorithm == "evolution" and not share <= SHARE:
            missed.append(
                f"{summary.workers} workers: {share:.0%} of the training of the peers; the bar is {SHARE:.0%}"
            )
    return missed


def surrogate(options: argparse.Namespace) -> list[str]:
    """How well the surrogate orders genomes; returns the bars that are missed."""
    print(f"\nSurrogate, told of {LEARNED_FROM} random genomes, on {HELD_OUT} others, median over seeds:\n")
    benchmark = load_benchmark(options.benchmark)
    found = [correlations(benchmark, seed) for seed in range(options.seeds)]
    medians = {name: float(np.median([one[name] for one in found])) for name in found[0]}
    lowest = {name: min(one[name] for one in found) for name in found[0]}
    print_table(
        ["objective", "Spearman's ρ", "lowest"], [(n, f"{m:.3f}", f"{lowest[n]:.3f}") for n, m in medians.items()]
    )
    bars = {name: LOSS_CORRELATION if name == "bits_per_byte" else OTHER_CORRELATION for name in medians}
    return [f"{n}: ρ is {m:.3f}; the bar is {bars[n]:g}" for n, m in medians.items() if not m >= bars[n]]


def lost(options: argparse.Namespace) -> list[str]:
    """Promotions that began at step 0; returns the bars that are missed."""
    print("\nPromotions of evolution, by all objectives, whose training had been dropped:\n")
    scores = simulated(options, ("evolution",), MANY_WORKERS)
    counts = {w: [(s.lost, s.promotions) for s in scores if s.case.workers == w] for w in MANY_WORKERS}
    sums = {workers: np.sum(pairs, axis=0).tolist() for workers, pairs in counts.items()}
    print_table(["workers", "lost", "promotions"], [(workers, *pair) for workers, pair in sums.items()])
    return [f"{workers} workers: {gone} promotions lost their training" for workers, (gone, _) in sums.items() if gone]


def replicates(options: argparse.Namespace) -> list[str]:
    """What fresh seeds for leaders bring, and what they cost; no bar."""
    print(f"\nBits per byte above the best known, {options.trainings:g} full trainings, mean ± standard error:\n")
    rows = []
    for share in SHARES:
        scores = simulated(options, ("evolution",), WORKERS, (LOSS, f"replicates={share}"))
        for workers in WORKERS:
            found = [s for s in scores if s.case.workers == workers]
            named = np.array([score.recommended_regret for score in found])
            best = np.array([float(score.regret.at(np.array([score.seconds]))[0]) for score in found])
            flattery = np.array([score.recommended_flattery for score in found])
            rows.append((share, workers, *map(_mean, (best, named, named - best, flattery))))
    print_table(["share", "workers", "best trained", "named", "named − best trained", "worth − score named"], rows)
    return []


def _mean(values: np.ndarray, form: str = ".4f") -> str:
    return f"{values.mean():{form}} ± {values.std(ddof=1) / np.sqrt(len(values)):.4f}"


def ablation(options: argparse.Namespace) -> list[str]:
    """What each part of the algorithm earns for the loss alone; no bar."""
    return _ablation(options, "regret", (LOSS,))


def ablation_of_fronts(options: argparse.Namespace) -> list[str]:
    """What each part earns for all objectives; no bar."""
    return _ablation(options, "hypervolume", ())


def _ablation(options: argparse.Namespace, measure: Measure, overrides: tuple[str, ...]) -> list[str]:
    print(f"\nAblation, {measure}, {options.trainings:g} full trainings:\n")
    names = options.variants.split(",")
    scores = simulated(options, ["evolution", *names], WORKERS, overrides)
    summaries = summarise(scores, measure, ["evolution"])
    print(markdown(summaries, measure))
    print(f"\nIts {measure} less that of evolution with as many workers and the same seed, mean ± standard error:\n")
    finals = {(summary.algorithm, summary.workers): summary.final for summary in summaries}
    rows = []
    for name in names:
        by_workers = [finals[name, workers] - finals["evolution", workers] for workers in WORKERS]
        every = np.concatenate(by_workers)
        rows.append((name, *(_mean(one, "+.4f") for one in (*by_workers, every)), f"{wilcoxon(every).pvalue:.3f}"))
    print_table(["variant", *(f"{w} workers" for w in WORKERS), "all", "p (Wilcoxon)"], rows)
    return []


class KnownRates(Evolution):
    """Nothing of how to train is searched: all genomes have the genes of `training` of one that is known."""

    def __init__(self, known: Genome, space: SearchSpace, seed: np.random.SeedSequence) -> None:
        super().__init__(space, np.random.default_rng(seed))
        self._training = {name: value for name, value in known.values.items() if name.startswith("training.")}

    def _random(self) -> Proposal | None:
        proposal = super()._random()
        return proposal and self._trained_alike(proposal)

    def _strangers(self, count: int) -> list[Proposal]:
        return [*map(self._trained_alike, super()._strangers(count))]

    def _offspring(self, count: int) -> list[Proposal]:
        return [*map(self._trained_alike, super()._offspring(count))]

    def _mutants(self, parents: Sequence[Proposal]) -> list[Proposal]:
        return [*map(self._trained_alike, super()._mutants(parents))]

    def _trained_alike(self, proposal: Proposal) -> Proposal:
        others = {name: value for name, value in proposal.genome.values.items() if not name.startswith("training.")}
        merged = others | self._training
        return replace(proposal, genome=Genome({name: merged[name] for name in self._space.genes if name in merged}))


def rates(options: argparse.Namespace) -> list[str]:
    """What it would save to know how to train; no bar."""
    print(f"\nValidation bits per byte, {options.trainings:g} full trainings, with rates known and searched:\n")
    survey = load_survey(options.benchmark)
    best = survey.genomes[int(np.argmin(survey.log_losses[:, -1]))]
    factories = (("known rates", partial(KnownRates, best)),)
    cases = [Case("known rates", workers, seed) for workers in WORKERS for seed in range(options.seeds)]
    comparison = Comparison(options.benchmark, options.trainings, (LOSS,), factories)
    scores = [*simulated(options, ("evolution",), WORKERS, (LOSS,)), *comparison.run(cases, options.processes)]
    shares = np.array([0.1, 0.2, 0.3, 0.5, 0.75, 1.0])
    rows = []
    for name in ("evolution", "known rates"):
        for workers in WORKERS:
            found = [s for s in scores if (s.case.algorithm, s.case.workers) == (name, workers)]
            medians = np.median([score.regret.at(shares * score.seconds) for score in found], axis=0)
            rows.append((name, workers, *(f"{median:.3f}" for median in medians)))
    print_table(["algorithm", "workers", *(f"after {share:.0%}" for share in shares)], rows)
    return []


PARTS = {part.__name__: part for part in (effort, surrogate, lost, replicates, ablation, ablation_of_fronts, rates)}
# Those that have a bar.
USUAL = ("effort", "surrogate", "lost")


def main() -> int:
    parser = argparse.ArgumentParser(description="How a search fares in a space too large for a table.")
    parser.add_argument("benchmark", type=Path, help="a file of `hrfevo benchmark build --genomes`")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--trainings", type=float, default=100, help="budget in full trainings (%(default)s)")
    parser.add_argument("--processes", type=int)
    parser.add_argument("--scores", type=Path, help="file that keeps what was simulated, for a later call to go on")
    parser.add_argument("--peers", default=",".join(PEERS), help="of them gp:full thinks for minutes a search")
    parser.add_argument("--variants", default=",".join(VARIANTS), help="of the ablation")
    parser.add_argument("--parts", default=",".join(USUAL))
    parser.add_argument("--no-check", action="store_true")
    options = parser.parse_args()
    print(f"{machine('optuna', 'scikit-learn', 'deap', 'numpy')}; {options.seeds} seeds\n")
    missed = [sentence for part in options.parts.split(",") for sentence in PARTS[part](options)]
    return end(missed, not options.no_check)


if __name__ == "__main__":
    sys.exit(main())
