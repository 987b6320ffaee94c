"""What searches on other people's tables attained: kept in a file, compared, put into words."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from scipy.stats import mannwhitneyu, wilcoxon

AT = (50, 100, 150, 200)
"""After so many evaluations losses are kept."""
TESTED_AT = (50, 100, 200)
# Smaller losses count as this: what is left is finer than the noise of trainings.
LEAST_LOSS = 1e-3
SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Case:
    """One search to do; `versions` says with what code on which measurements."""

    table: str
    algorithm: str
    seed: int
    versions: str


@dataclass(frozen=True)
class Score:
    """What one search attained: losses after `AT` evaluations, and milliseconds per proposal."""

    case: Case
    losses: tuple[float, ...]
    proposal_ms: float


class Kept:
    """Scores in a file, a line each: what was searched once is not searched again, also after a kill."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._scores: dict[Case, Score] = {}
        for line in path.read_text().splitlines() if path.exists() else ():
            kept = json.loads(line)
            losses, proposal_ms = tuple(kept.pop("losses")), kept.pop("proposal_ms")
            case = Case(**kept)
            self._scores[case] = Score(case, losses, proposal_ms)

    def missing(self, cases: Iterable[Case]) -> list[Case]:
        """Those of the cases that are not known."""
        return [case for case in cases if case not in self._scores]

    def add(self, score: Score) -> None:
        """Keep one more; others may be writing to the same file."""
        self._scores[score.case] = score
        line = asdict(score.case) | {"losses": score.losses, "proposal_ms": score.proposal_ms}
        with self._path.open("a") as file:
            file.write(json.dumps(line) + "\n")

    def of(self, cases: Iterable[Case]) -> list[Score]:
        """The scores of those cases that are known."""
        return [self._scores[case] for case in cases if case in self._scores]


class Results:
    """Scores by table and algorithm, in the order they come."""

    def __init__(self, scores: Iterable[Score]) -> None:
        self._scores: dict[str, dict[str, list[Score]]] = {}
        for score in scores:
            self._scores.setdefault(score.case.table, {}).setdefault(score.case.algorithm, []).append(score)

    @property
    def tables(self) -> list[str]:
        """Of which something is known."""
        return [*self._scores]

    def algorithms(self, table: str) -> list[str]:
        """Of which something is known on a table."""
        return [*self._scores[table]]

    def losses(self, table: str, algorithm: str, at: int) -> list[float]:
        """Of each seed."""
        return [score.losses[AT.index(at)] for score in self._scores[table].get(algorithm, ())]

    def median(self, table: str, algorithm: str, at: int) -> float:
        """Loss of the median seed."""
        return float(np.median(self.losses(table, algorithm, at)))

    def rows(self, table: str) -> list[list[str]]:
        """Algorithm, seeds, median losses and milliseconds per proposal, as printed."""
        return [
            [
                algorithm,
                f"{len(scores)}",
                *(f"{self.median(table, algorithm, at):.4f}" for at in AT),
                f"{np.median([score.proposal_ms for score in scores]):.3g}",
            ]
            for algorithm, scores in self._scores[table].items()
        ]

    def ratio(self, ours: str, peers: Sequence[str], at: int = AT[-1]) -> tuple[float, int]:
        """Our median loss over that of the best peer, geometric mean over the tables both are known on; how many."""
        logs = []
        for table in self.tables:
            known = [peer for peer in peers if self.losses(table, peer, at)]
            if known and self.losses(table, ours, at):
                best = min(max(self.median(table, peer, at), LEAST_LOSS) for peer in known)
                logs.append(np.log(max(self.median(table, ours, at), LEAST_LOSS) / best))
        return float(np.exp(np.mean(logs))) if logs else float("nan"), len(logs)

    def paired(self, changed: str, ours: str, at: int = AT[-1]) -> tuple[float, float, int, int]:
        """A variant's loss over ours of the same seed: geometric mean over tables of those over seeds; p of Wilcoxon's
        signed-rank test over all pairs; how many tables and pairs."""
        by_table = []
        for scores in self._scores.values():
            found, own = (
                {score.case.seed: max(score.losses[AT.index(at)], LEAST_LOSS) for score in scores.get(name, ())}
                for name in (changed, ours)
            )
            if shared := found.keys() & own.keys():
                by_table.append([np.log(found[seed] / own[seed]) for seed in shared])
        logs = [log for table in by_table for log in table]
        p = float(wilcoxon(logs).pvalue) if any(logs) else 1.0
        return float(np.exp(np.mean([np.mean(table) for table in by_table]))), p, len(by_table), len(logs)

    def worse(self, ours: str, peers: Sequence[str]) -> list[str]:
        """Where we are significantly worse than a peer, in words.

        Mann-Whitney U, one-sided, for it is the side that matters; p-values corrected (Holm 1979) over the tests of
        a table, so that a table more does not hide what another shows.
        """
        found = []
        for table in self.tables:
            tests = [
                (peer, at)
                for peer in peers
                for at in TESTED_AT
                if self.losses(table, peer, at) and self.losses(table, ours, at)
            ]
            pairs = [(self.losses(table, ours, at), self.losses(table, peer, at)) for peer, at in tests]
            values = holm([float(mannwhitneyu(*pair, alternative="greater").pvalue) for pair in pairs])
            found += [
                f"{table} at {at}: {self.median(table, ours, at):.4f}, {peer} {self.median(table, peer, at):.4f} "
                f"(p = {p:.2g})"
                for (peer, at), p in zip(tests, values, strict=True)
                if p < SIGNIFICANT
            ]
        return found


def holm(values: Sequence[float]) -> list[float]:
    """p-values corrected for their number, step by step from the smallest (Holm 1979)."""
    order = np.argsort(values, kind="stable")
    factors = np.arange(len(values), 0, -1)
    corrected = np.empty(len(values))
    corrected[order] = np.minimum(np.maximum.accumulate(np.array(values)[order] * factors), 1.0)
    return [float(p) for p in corrected]
