"""What a confirmation claims: transformers as their own rival, and a rival that is truly one percent better.

Real trainings, resampled. Of transformers of a tiny space the best few by one seed, as a search would choose them, are
trained with many seeds each. Then confirmations are played, each with seeds of its own: either side is a search that
draws some of these transformers, ranks them by one seed, and has its first three trained again with fresh seeds, the
same on both sides. What is claimed is what `hrfevo confirm` would claim.

So that both sides are truly equal, each transformer's losses are moved to one common mean; what seeds do, to each and
to all alike, stays. For a rival that is truly better, one side's losses are a percent lower.

Beside the rule of `hrfevo confirm` (the first choice of each search, made before) stands the tempting one: the lowest
confirmed mean of the search's three beside the transformer's first choice.

Ends with exit code 1 if "better" is claimed in more than 5 % of equal pairs (unless `--no-check`).
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import torch
from common import end, machine, print_table

from hrfevo.results.confirmation.confirmed import Confirmation, Confirmed, Origin
from hrfevo.runner.baseline import baseline_of
from hrfevo.space.genome import Genome, express, sample
from hrfevo.space.reading import load_space, parse_space
from hrfevo.space.search_space import SearchSpace
from signal_model.data.corpus import Corpus, load_corpus
from signal_model.model import build_model
from signal_model.support.files import to_yaml
from signal_model.training.trainer import score_split, train, validate

SPACE = Path(__file__).parent.parent / "search_spaces" / "quick.yaml"
DRAWN, BEST = 24, 8
TOP = 3  # of a side's four candidates, trained again
SEEDS = (2, 3, 5, 10)
GAIN = 0.01
MOST_CLAIMED = 0.05  # the bar


@cache
def material() -> tuple[SearchSpace, Corpus]:
    space, _ = load_space(SPACE)
    transformers = parse_space(to_yaml(baseline_of(space, {"evaluations": DRAWN}, None)), "baseline")
    return transformers, load_corpus(transformers.corpus, transformers.tokenizer)


def losses(task: tuple[Genome, int]) -> tuple[float, float]:
    """Bits per byte on validation and on test."""
    torch.set_num_threads(1)
    (genome, seed), (space, corpus) = task, material()
    recipe, device = express(space, genome, seed=seed), torch.device("cpu")
    model = build_model(recipe.model, seed)
    train(model, corpus, recipe.training, device)
    validation = validate(model, corpus, recipe.training, device)
    return validation.bits_per_byte, score_split(model, corpus, "test", recipe.training, device).bits_per_byte


def trained(seeds: int, jobs: int) -> np.ndarray:
    """(transformers, seeds, splits): losses of the best of some random transformers."""
    generator = np.random.default_rng(0)
    drawn = [sample(material()[0], generator) for _ in range(DRAWN)]
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        once = [found[0] for found in pool.map(losses, [(genome, 10**6) for genome in drawn], chunksize=1)]
        best = [drawn[place] for place in np.argsort(once)[:BEST]]
        found = pool.map(losses, [(genome, seed) for genome in best for seed in range(seeds)], chunksize=4)
    return np.array(found).reshape(BEST, seeds, 2)


def rows(
    scores: np.ndarray, chosen: Sequence[int], seeds: np.ndarray, origin: Origin, factor: float
) -> list[Confirmed]:
    """What confirmation would have of the chosen, in the order of their search."""
    found = []
    for place, which in enumerate(chosen):
        validation, test = (factor * scores[which, seeds, split] for split in (0, 1))
        told = tuple(map(float, validation)), tuple(map(float, test))
        found.append(Confirmed(str(which), origin, {}, 1, 60, tuple(map(int, seeds)), *told, place))
    return found


def played(
    scores: np.ndarray, count: int, factor: float, times: int, generator: np.random.Generator
) -> dict[str, np.ndarray]:
    """How often the search's is claimed to be better and worse, by either rule, on validation and test: shares."""
    claims = {rule: np.zeros((2, 2)) for rule in ("first choice", "lowest mean")}
    for _ in range(times):
        drawn = generator.permutation(scores.shape[1])
        sides = []
        # No transformer is on both sides: beside itself with the same seeds it has no noise.
        dealt = generator.permutation(len(scores)).reshape(2, -1)
        for origin, own, once, candidates in (
            ("search", factor, drawn[0], dealt[0]),
            ("baseline", 1.0, drawn[1], dealt[1]),
        ):
            chosen = candidates[np.argsort(scores[candidates, once, 0])][:TOP]
            sides.append(rows(scores, chosen, drawn[2 : 2 + count], origin, own))  # type: ignore[arg-type]
        found = Confirmation(tuple(sides[0] + sides[1]))
        assert found.winner is not None
        assert found.transformer is not None
        lowest = min(sides[0], key=lambda one: one.mean)
        for rule, winner in (("first choice", found.winner), ("lowest mean", lowest)):
            for split, name in enumerate(("validation", "test")):
                less = winner.less(found.transformer, name)  # type: ignore[arg-type]
                assert less is not None
                claims[rule][split] += less.high < 0, less.low > 0
    return {rule: found / times for rule, found in claims.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description="What a confirmation claims.")
    parser.add_argument("--seeds", type=int, default=40, help="trainings of each transformer (%(default)s)")
    parser.add_argument("--times", type=int, default=2000, help="confirmations of each kind (%(default)s)")
    parser.add_argument("--jobs", type=int, default=2, help="trainings at once (%(default)s)")
    parser.add_argument("--table", type=Path, help="file of the trainings' losses, made if it is not there")
    parser.add_argument("--no-check", action="store_true", help="exit with 0 whatever the figures are")
    options = parser.parse_args()
    print(machine("torch", "numpy", "scipy"), flush=True)
    if options.table and options.table.is_file():
        found = np.load(options.table)
    else:
        found = trained(options.seeds, options.jobs)
        if options.table:
            np.save(options.table, found)
    spread = found.std(axis=1, ddof=1)[:, 0] / found.mean(axis=1)[:, 0]
    noise = [
        (found[a, :, 0] - found[b, :, 0]).std(ddof=1) / found[..., 0].mean()
        for a in range(len(found))
        for b in range(a)
    ]
    print(
        f"{len(found)} transformers × {found.shape[1]} seeds; standard deviation over seeds {spread.mean():.2%} of the "
        f"loss, of a paired difference {np.mean(noise):.2%}\n",
        flush=True,
    )
    equal = found - found.mean(axis=1, keepdims=True) + found.mean(axis=(0, 1))
    generator = np.random.default_rng(1)
    table, missed = [], []
    for count in SEEDS:
        same = played(equal, count, 1.0, options.times, generator)
        better = played(equal, count, 1 - GAIN, options.times, generator)
        for rule in same:
            figures = [same[rule][0, 0], same[rule][0, 1], same[rule][1, 0], better[rule][0, 0], better[rule][1, 0]]
            table.append([count, rule, *(f"{figure:.1%}" for figure in figures)])
        if max(same["first choice"][:, 0]) > MOST_CLAIMED:
            missed.append(f"{count} seeds: better is claimed of equals in {max(same['first choice'][:, 0]):.1%}")
    print_table(
        ["seeds", "rule", "equal: better", "worse", "better on test", f"{GAIN:.0%} better: found", "on test"], table
    )
    return end(missed, not options.no_check)


if __name__ == "__main__":
    sys.exit(main())
