"""What a difference between searches says, and where it says nothing."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hrfevo.results.comparison.compare import Comparison, Row, Searched, of_one_text
from hrfevo.results.confirmation.confirmed import Confirmation, Confirmed

# Intervals hold the true difference in so many of 100 repetitions.
CONFIDENCE = 0.95
# In so many ways at most searches are dealt to two groups, each way looked at: equal hypervolumes, as of searches that
# found the same front, would make the p of the normal distribution far too small.
MOST_WAYS = 20_000
_OF_ONE_RUN = ("run", "state", "algorithm", "seed")


@dataclass(frozen=True)
class Difference:
    """Two sides and how sure their difference is: `difference` is the first's less the second's."""

    first: str
    second: str
    name: str
    difference: float
    low: float | None
    high: float | None
    p: float

    @property
    def words(self) -> str:
        """One line."""
        between = "" if self.low is None else f" (95 % interval {self.low:+.4g} to {self.high:+.4g})"
        return f"{self.first} − {self.second}: {self.difference:+.4g}{between}, {self.name}, p = {self.p:.2g}"


@dataclass(frozen=True)
class Group:
    """Searches of one space with one algorithm and different seeds; values are medians."""

    space: str
    algorithm: str
    searches: tuple[Searched, ...]
    rows: tuple[Row, ...]

    @property
    def name(self) -> str:
        """As tables have it."""
        return f"{self.space} {self.algorithm}"

    @property
    def hypervolumes(self) -> list[float]:
        """Of each search at its end; none where there is too little to measure by."""
        return [row.hypervolume for row in self.rows if row.hypervolume is not None]

    @property
    def row(self) -> dict[str, Any]:
        """Its line in a table."""
        columns = [row.columns for row in self.rows]
        medians = {name: _median([c[name] for c in columns]) for name in columns[0] if name not in _OF_ONE_RUN}
        return {
            "group": self.name,
            "runs": len(self.rows),
            **medians,
            "lowest": min(self.hypervolumes, default=None),
            "highest": max(self.hypervolumes, default=None),
        }


def grouped(comparison: Comparison) -> list[Group]:
    """The searches of a comparison by the name of their space and by algorithm, in the order they come."""
    found: dict[tuple[str, str], list[tuple[Searched, Row]]] = {}
    for search, row in zip(comparison.searches, comparison.rows, strict=True):
        found.setdefault((search.space.name, row.algorithm), []).append((search, row))
    return [Group(*key, *map(tuple, zip(*members, strict=True))) for key, members in found.items()]


def between_groups(comparison: Comparison, groups: Sequence[Group]) -> tuple[list[Difference], list[str]]:
    """Mann-Whitney U tests, two-sided, of final hypervolumes; and what must be said of them.

    Searches with the same seed are no independent repetitions, so a group that has some is not tested.
    """
    from scipy.stats import PermutationMethod, mannwhitneyu

    notes = [note for group in groups for note in _doubts(group)]
    if not comparison.alike:
        return [], [*notes, "Not tested: scores on different text or after different training."]
    if comparison.reference is None:
        return [], [*notes, "Not tested: there are too few points to measure hypervolumes by."]
    sound = [group for group in groups if len(group.rows) > 1 and len({r.seed for r in group.rows}) == len(group.rows)]
    tests = []
    for one, other in itertools.combinations(sound, 2):
        ways = math.comb(len(one.rows) + len(other.rows), len(one.rows))
        method = PermutationMethod(n_resamples=MOST_WAYS) if ways <= MOST_WAYS else "auto"
        p = float(mannwhitneyu(one.hypervolumes, other.hypervolumes, method=method).pvalue)
        difference = float(np.median(one.hypervolumes) - np.median(other.hypervolumes))
        tests.append(Difference(one.name, other.name, "Mann-Whitney U", difference, None, None, p))
        least = 2 / ways
        if least > 1 - CONFIDENCE:
            notes.append(
                f"{one.name} and {other.name}: with {len(one.rows)} and {len(other.rows)} searches p cannot be below "
                f"{least:.2g}, whatever the difference."
            )
    if len(groups) == 1:
        notes.append(f"Only one group, {groups[0].name}: there is nothing to test it against.")
    elif len(sound) < len(groups):
        alone = ", ".join(group.name for group in groups if group not in sound)
        notes.append(f"Not tested: {alone}; a test needs several searches with different seeds on both sides.")
    return tests, notes + _of_many(tests)


def between_winners(comparison: Comparison) -> tuple[list[Difference], list[str]]:
    """Welch's t-tests of the confirmed winners' scores on the test split, where both sides have several seeds.

    One search each says nothing of algorithms or spaces: how good a search is varies from seed to seed.
    """
    winners = {search.name: winner for search in comparison.searches if (winner := _winner(search))}
    notes = ["One search each says nothing about significance: repeat them with other seeds and use --group."]
    missing = [search.name for search in comparison.searches if search.name not in winners]
    if missing:
        notes.append(
            f"Not confirmed with several seeds: {', '.join(missing)}; `hrfevo confirm RUN` trains winners again."
        )
    tests = list(_welch(comparison, winners))
    if tests:
        notes.append("Welch's t-test is about the confirmed winners on the test split, not about the searches.")
        if len({winner.steps for winner in winners.values()}) > 1:
            lengths = ", ".join(f"{name}: {winner.steps:,}" for name, winner in winners.items())
            notes.append(f"The winners were confirmed with different numbers of steps ({lengths}).")
    return tests, notes + _of_many(tests)


def _welch(comparison: Comparison, winners: Mapping[str, Confirmed]) -> Iterator[Difference]:
    from scipy.stats import ttest_ind

    searches = {search.name: search for search in comparison.searches}
    for one, other in itertools.combinations(winners, 2):
        a, b = winners[one].test, winners[other].test
        if not of_one_text([searches[one], searches[other]]) or len({*a}) == len({*b}) == 1:
            continue  # other text, or no spread to judge by
        result = ttest_ind(a, b, equal_var=False)
        interval = result.confidence_interval(CONFIDENCE)
        difference = float(np.mean(a) - np.mean(b))
        yield Difference(
            one, other, "Welch's t", difference, float(interval.low), float(interval.high), float(result.pvalue)
        )


def _winner(search: Searched) -> Confirmed | None:
    """The first choice of a search, made before it was trained again, if that was with several seeds."""
    winner = Confirmation(tuple(search.confirmed)).winner
    return winner if winner and len(winner.test) > 1 else None


def _doubts(group: Group) -> Iterator[str]:
    seeds = [row.seed for row in group.rows]
    if len(set(seeds)) < len(seeds):
        twice = min(seed for seed in seeds if seeds.count(seed) > 1)
        yield f"{group.name}: seed {twice} stands more than once; such searches are no independent repetitions."
    terms = {"space_hash", "overrides", "synchronous", "founders", "earlier"}
    if len({str(search.settings.model_dump(include=terms)) for search in group.searches}) > 1:
        yield f"{group.name}: its searches differ in more than the seed (space file, --set, --synchronous or --from)."


def _median(values: Sequence[float | None]) -> float | None:
    found = [value for value in values if value is not None]
    return float(np.median(found)) if found else None


def _of_many(tests: Sequence[Difference]) -> list[str]:
    return [f"p-values are not corrected for there being {len(tests)} tests."] if len(tests) > 1 else []
