"""Importance of genes: those that decide are found, with ranges that narrow."""

from __future__ import annotations

import numpy as np
import pytest

from hrfevo.results.history import History
from hrfevo.results.importance import gene_importances, importances_of, ranges_of
from hrfevo.space.genome import sample
from hrfevo.space.reading import load_space
from hrfevo.space.search_space import SearchSpace
from hrfevo.store.records import Evaluation
from tests.conftest import SPACES


def judged(space: SearchSpace, count: int, seed: int = 0) -> list[Evaluation]:
    """Random genomes of the embeddings space whose score depends on the kind, and on bases where there are any."""
    generator = np.random.default_rng(seed)
    evaluations = []
    for number in range(count):
        genome = sample(space, generator)
        score = {"standard": 3.0, "spectral": 2.0, "basis": 2.5, "hybrid": 2.2}[genome.values["embedding.kind"]]
        score -= 0.3 * np.log(genome.values.get("embedding.bases", 1))
        evaluations.append(
            Evaluation(
                number, genome.id, dict(genome.values), number, "random", (), 0, 0, "finished", "", "",
                {"bits_per_byte": float(score), "parameters": 1.0}, "", "cpu", 0.0, 0.0, 1.0,
                2 * number, 2 * number + 1,
            )
        )  # fmt: skip
    return evaluations


@pytest.mark.parametrize("method", ["fanova", "ped-anova"])
def test_importance_finds_the_genes_that_decide(method: str) -> None:
    space, _ = load_space(next(path for path in SPACES if path.stem == "embeddings"))
    shares = gene_importances(History(space, tuple(judged(space, 600))), "bits_per_byte", method)  # type: ignore[arg-type]
    assert sum(shares.values()) == pytest.approx(1)
    assert set(list(shares)[:2]) == {"embedding.kind", "embedding.bases"}
    assert gene_importances(History(space, tuple(judged(space, 300))), "parameters", method) == {}  # type: ignore[arg-type]


@pytest.mark.parametrize("method", ["fanova", "ped-anova"])
def test_ranges_hold_the_shares_and_narrow_with_more_evaluations(method: str) -> None:
    space, _ = load_space(next(path for path in SPACES if path.stem == "embeddings"))
    widths = []
    for count in (30, 300):
        some = History(space, tuple(judged(space, count)))
        shares = importances_of(some, ["bits_per_byte"], method)  # type: ignore[arg-type]
        ranges = ranges_of(some, shares, method)["bits_per_byte"]  # type: ignore[arg-type]
        assert all(0 <= low <= high <= 1 for low, high in ranges.values())
        assert all(ranges[gene][0] <= share <= ranges[gene][1] for gene, share in shares["bits_per_byte"].items())
        widths.append(sum(high - low for low, high in ranges.values()))
    assert widths[1] < widths[0]
    assert ranges_of(History(space, tuple(judged(space, 19))), shares, method) == {}  # type: ignore[arg-type]
