"""What confirmation found, read from a run folder: winners, a founder and rivals, trained again from scratch."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from hrfevo.results.comparison.fronts import FrontPair, front_pair, front_pair_by_seed
from hrfevo.results.comparison.paired import Difference, difference
from hrfevo.results.confirmation.attempts import (
    WINNERS,
    attempts,
    rivals_at,
    stages,
    trained_name,
    tuned_at,
    tunings_at,
)
from hrfevo.results.confirmation.plan import Plan
from hrfevo.results.confusion import Confusion, confusion_on_test, summed
from hrfevo.results.cost import Cost
from hrfevo.results.footprints import Footprints, footprints_at
from hrfevo.results.history import History
from hrfevo.results.range_ends import RangeEnd, range_ends
from hrfevo.space.budget import Spent
from hrfevo.space.genome import Genome, express
from hrfevo.space.rivals import TRANSFORMER, transformer_first
from hrfevo.store.run_folder import RUN_FILE, RunFolder
from hrfevo.workers.base import TEST

Origin = Literal["search", "founder", "baseline"]
Split = Literal["validation", "test"]


@dataclass(frozen=True)
class Confirmed:
    """One genome, trained from scratch at the same length with several fresh seeds, by the score of its task.

    `place` is the one that its search gave it among those trained again, 0 for its first choice: it is known before
    these trainings, so what is compared does not depend on them. `objectives` has a row for each seed, smaller is
    better.
    """

    genome: str
    origin: Origin
    values: dict[str, Any]
    parameters: int
    steps: int
    seeds: tuple[int, ...]
    validation: tuple[float, ...]
    test: tuple[float, ...]
    place: int = 0
    is_founder: bool = False
    """Whether it is the best of those that the search began with."""
    objectives: tuple[tuple[float, ...], ...] = ()
    is_transformer: bool = False
    """Whether its model is nothing but a transformer, whoever found it."""
    rival: str = TRANSFORMER
    """Which rival it is, of origin `baseline`."""
    seen: tuple[int, ...] = ()
    """How many of its seeds, the first ones, were there each time that more were added."""
    unit: str = "bits per byte"
    """What its scores are in."""
    confusions: tuple[Confusion | None, ...] = ()
    """Of a classifier, on the test split: one for each seed."""
    failed: int = 0
    """Trainings with other seeds that have failed, as by diverging: no mean knows of them."""

    @property
    def mean(self) -> float:
        """On validation: what genomes are ranked by."""
        return statistics.fmean(self.validation)

    @property
    def spread(self) -> float:
        """Standard deviation over seeds on validation; 0 for one."""
        return statistics.stdev(self.validation) if len(self.validation) > 1 else 0.0

    @property
    def test_mean(self) -> float:
        """On the test split, which nothing was chosen by."""
        return statistics.fmean(self.test)

    @property
    def confusion(self) -> Confusion | None:
        """Of a classifier, on the test split: that of all seeds together."""
        return summed(self.confusions)

    def less(self, other: Confirmed, split: Split = "validation") -> Difference | None:
        """Its loss less another's, paired by seed; None where they have none in common."""
        return difference(self._losses(split), other._losses(split))

    def looks(self, other: Confirmed) -> list[int]:
        """How many seeds both had each time that more were added: their difference could be seen, and could be why."""
        counts = [len({*self.seeds[:mine]} & {*other.seeds[:its]}) for mine in self.seen for its in other.seen]
        return sorted({count for count in counts if count})

    def less_unseen(self, other: Confirmed, split: Split = "validation") -> Difference | None:
        """As `less`, over the seeds alone that were added last; None where there are none.

        Whatever was seen before, this interval holds the true difference in 95 of 100.
        """
        seen = {*self.seeds[: max(self.seen, default=0)], *other.seeds[: max(other.seen, default=0)]}
        mine, its = (
            {seed: loss for seed, loss in one._losses(split).items() if seed not in seen} for one in (self, other)
        )
        return difference(mine, its)

    def _losses(self, split: Split) -> dict[int, float]:
        return dict(zip(self.seeds, getattr(self, split), strict=True))


@dataclass(frozen=True)
class Confirmation:
    """All that was trained again of a run, best mean first, and what was spent on finding it."""

    rows: tuple[Confirmed, ...] = ()
    searched: Spent = field(default_factory=Spent)
    tuned: Mapping[str, Spent] = field(default_factory=dict)
    """On each rival, those that were trained again included in neither."""
    as_searched: Mapping[str, FrontPair] = field(default_factory=dict)
    """The search's whole front and each rival's, from the trainings that chose them; of several objectives."""
    cost: Cost = field(default_factory=Cost)
    """Of all confirmations: what they trained again, and their searches for rivals."""
    footprints: Footprints | None = None
    """What the first choices take, where the last confirmation has measured that."""
    tuned_in: Mapping[str, str] = field(default_factory=dict)
    """The folder of each rival's search, within that of the run."""
    range_ends: Mapping[str, Sequence[RangeEnd]] = field(default_factory=dict)
    """Where the tuning of each rival ended at a limit."""
    evaluations: int | None = None
    """How many the search had when its winners were chosen; None where that was not kept."""

    @property
    def is_outdated(self) -> bool:
        """Whether the search has gone on since its winners were chosen."""
        return self.evaluations not in (None, self.searched.evaluations)

    @property
    def unit(self) -> str:
        """What scores are in."""
        return next((one.unit for one in self.rows), "")

    @property
    def winner(self) -> Confirmed | None:
        """The search's first choice."""
        return self._first([one for one in self.rows if one.origin == "search"])

    @cached_property
    def rivals(self) -> dict[str, Confirmed]:
        """The first choice of each rival's search, by its name, the transformer first."""
        names = sorted({one.rival for one in self.rows if one.origin == "baseline"}, key=transformer_first)
        found = {name: self._first(self._of(name)) for name in names}
        return {name: one for name, one in found.items() if one is not None}

    @property
    def transformer(self) -> Confirmed | None:
        """The first choice of the transformers' search."""
        return self.rivals.get(TRANSFORMER)

    @property
    def founder(self) -> Confirmed | None:
        """The best of the genomes that the search began with, by what it measured itself."""
        return next((one for one in self.rows if one.is_founder), None)

    @cached_property
    def fronts(self) -> dict[str, FrontPair]:
        """Winners beside those of each rival, of several objectives, hypervolumes paired by seed."""
        own = [one for one in self.rows if one.origin == "search"]
        found = {}
        for name in self.rivals if own else ():
            sides = [own, self._of(name)]
            several = all(one.objectives and len(one.objectives[0]) > 1 for side in sides for one in side)
            if several and (pair := front_pair_by_seed(*map(_by_seed, sides))):
                found[name] = replace(pair, whose=_whose(name))
        return found

    def _of(self, rival: str) -> list[Confirmed]:
        return [one for one in self.rows if one.origin == "baseline" and one.rival == rival]

    @staticmethod
    def _first(rows: Sequence[Confirmed]) -> Confirmed | None:
        return min(rows, key=lambda one: one.place, default=None)


# Of a run that was not confirmed.
NOTHING = Confirmation()


def latest(folder: RunFolder) -> list[Confirmed]:
    """What the last confirmation of a run has trained, best mean first, as far as it has come; none if there is none.

    Earlier confirmations of the same search with as many steps are pooled with it: their genomes are there too, and a
    genome has all the seeds that any of them has trained it with.
    """
    return _pooled_of(_of_the_last_moment(folder)[0])[0]


def _of_the_last_moment(folder: RunFolder) -> tuple[list[Path], int | None]:
    """Confirmations of the search as the last of them found it, the last first; and how many evaluations it had."""
    places = attempts(folder)[::-1]
    moments = [plan.evaluations if (plan := Plan.read(place)) else None for place in places]
    return [p for p, moment in zip(places, moments, strict=True) if moment == moments[0]], next(iter(moments), None)


def _pooled_of(places: Sequence[Path]) -> tuple[list[Confirmed], dict[str, Path]]:
    """What these confirmations have trained, the last first, best mean first; and where each rival was searched."""
    found: dict[tuple[str | None, str], Confirmed] = {}
    tuned: dict[str, Path] = {}
    for place in places:
        for one in _trained(place):
            rival = one.rival if one.origin == "baseline" else None
            if rival and tuned.setdefault(rival, tuned_at(place, rival)) != tuned_at(place, rival):
                continue  # of another search
            if one.steps == next(iter(found.values()), one).steps:
                key = rival, one.genome
                found[key] = _pooled(one, found[key]) if key in found else one
    return sorted(found.values(), key=lambda confirmed: (confirmed.mean, confirmed.genome)), tuned


def confirmation_of(folder: RunFolder, history: History) -> Confirmation:
    """What confirmation has found of a run with this history, as far as it has come."""
    places, evaluations = _of_the_last_moment(folder)
    (rows, searched_in), cost = _pooled_of(places), cost_of_confirmation(folder)
    if not rows:
        return Confirmation((), history.spent, cost=cost)
    # Those that the rows are of; of rivals that have none yet, the search that is under way.
    own = {name: RunFolder.open(path) for name, path in searched_in.items() if (path / RUN_FILE).is_file()}
    tunings = tunings_at(places) | own
    tuned = {name: History.read(tuning) for name, tuning in tunings.items()}
    pairs = {}
    if len(history.space.objectives) > 1:
        pairs = {name: front_pair(_front(history), _front(rival)) for name, rival in tuned.items() if rival.front}
    as_searched = {name: replace(pair, whose=_whose(name)) for name, pair in pairs.items()}
    footprints = (footprints_at(place) for place in places)
    return Confirmation(
        tuple(rows),
        history.spent,
        {name: rival.spent for name, rival in tuned.items()},
        as_searched,
        cost,
        next(filter(None, footprints), None),
        {name: tuning.path.relative_to(folder.path).as_posix() for name, tuning in tunings.items()},
        {name: range_ends(rival) for name, rival in tuned.items()},
        evaluations,
    )


def cost_of_confirmation(folder: RunFolder) -> Cost:
    """What all confirmations of a run have taken, as far as they have come."""
    return Cost.of(map(History.read, stages(folder)))


def _front(history: History) -> np.ndarray:
    """(n, objectives), smaller is better."""
    space = history.space
    points = [[one.metrics[name] for name in space.objectives] for one in history.front]
    signed: np.ndarray = -np.array(space.weights) * np.array(points).reshape(-1, len(space.objectives))
    return signed


def _trained(place: Path) -> Iterator[Confirmed]:
    """What one confirmation has trained."""
    if (place / WINNERS / RUN_FILE).is_file():
        yield from trained_in(RunFolder.open(place / WINNERS), is_baseline=False)
    for rival in rivals_at(place):
        if (path := place / trained_name(rival)) and (path / RUN_FILE).is_file():
            yield from trained_in(RunFolder.open(path), is_baseline=True, rival=rival)


def trained_in(folder: RunFolder, is_baseline: bool, rival: str = TRANSFORMER) -> Iterator[Confirmed]:
    """The genomes of one run of given genomes with given seeds, in the order they were given."""
    history = History.read(folder)
    space, signs = history.space, -np.array(history.space.weights)
    # As they were given; a genome all of whose trainings failed keeps its place.
    given = list(dict.fromkeys(e.genome for e in history))
    best_founder = folder.settings.founder
    chosen = len(given) if folder.settings.winners is None else folder.settings.winners
    for place, genome in enumerate(given):
        same = [e for e in history.finished if e.genome == genome]
        if not same:
            continue
        yield Confirmed(
            genome,
            "baseline" if is_baseline else "search" if place < chosen else "founder",
            same[0].values,
            int(same[0].metrics["parameters"]),
            space.rungs[-1],
            tuple(e.seed for e in same),
            tuple(e.metrics[space.score] for e in same),
            tuple(e.metrics[f"{TEST}{space.score}"] for e in same),
            place,
            not is_baseline and genome == best_founder,
            tuple(tuple((signs * [e.metrics[name] for name in space.objectives]).tolist()) for e in same),
            express(space, Genome(same[0].values), seed=same[0].seed).model.is_transformer,
            rival,
            unit=space.measure(space.score).unit,
            confusions=tuple(confusion_on_test(e.metrics) for e in same),
            failed=sum(e.genome == genome and e.status == "failed" for e in history),
        )


def _whose(rival: str) -> str:
    return "the transformers'" if rival == TRANSFORMER else f"{rival}'s"


def _pooled(earlier: Confirmed, later: Confirmed) -> Confirmed:
    """One genome of two confirmations, as the later knows it, with the seeds of both."""
    new = [place for place, seed in enumerate(later.seeds) if seed not in earlier.seeds]
    return replace(
        later,
        seeds=(*earlier.seeds, *(later.seeds[place] for place in new)),
        validation=(*earlier.validation, *(later.validation[place] for place in new)),
        test=(*earlier.test, *(later.test[place] for place in new)),
        objectives=(*earlier.objectives, *(later.objectives[place] for place in new)),
        confusions=(*earlier.confusions, *(later.confusions[place] for place in new)),
        failed=earlier.failed + later.failed,
        seen=(len(earlier.seeds), *(len(earlier.seeds) + count for count in later.seen)),
    )


def _by_seed(side: Sequence[Confirmed]) -> dict[int, np.ndarray]:
    """(genomes, objectives) for each seed that all of them have."""
    common = [seed for seed in side[0].seeds if all(seed in one.seeds for one in side)]
    return {seed: np.array([one.objectives[one.seeds.index(seed)] for one in side]) for seed in common}
