"""What confirmation found, read from a run folder: winners, a founder and transformers, trained again from scratch."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from hrfevo.results.comparison.fronts import FrontPair, front_pair, front_pair_by_seed
from hrfevo.results.comparison.paired import Difference, difference
from hrfevo.results.cost import Cost
from hrfevo.results.history import History
from hrfevo.space.budget import Spent
from hrfevo.space.genome import Genome, express
from hrfevo.store.run_folder import RUN_FILE, RunFolder
from signal_model.support.errors import InputError
from signal_model.support.files import read_text

FOLDER, WINNERS, BASELINE, BASELINE_WINNER = "confirmation", "winners", "baseline", "baseline-winner"
PLAN = "plan.json"
# The keys of the best founder and of where a transformer was tuned in a plan.
FOUNDER, TUNED, DONE = "founder", "tuned", "done"
Origin = Literal["search", "founder", "baseline"]


@dataclass(frozen=True)
class Confirmed:
    """One genome, trained from scratch at the same length with several fresh seeds, in bits per byte.

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

    def less(self, other: Confirmed, split: Literal["validation", "test"] = "validation") -> Difference | None:
        """Its loss less another's, paired by seed; None where they have none in common."""
        return difference(
            *(dict(zip(one.seeds, getattr(one, split), strict=True)) for one in (self, other)),
        )


@dataclass(frozen=True)
class Confirmation:
    """All that was trained again of a run, best mean first, and what was spent on finding it."""

    rows: tuple[Confirmed, ...] = ()
    searched: Spent = field(default_factory=Spent)
    tuned: Spent | None = None
    """On transformers, those that were trained again included in neither."""
    as_searched: FrontPair | None = None
    """The search's whole front and the transformers', from the trainings that chose them; of several objectives."""
    cost: Cost = field(default_factory=Cost)
    """Of all confirmations: what they trained again, and their searches for transformers."""

    @property
    def winner(self) -> Confirmed | None:
        """The search's first choice."""
        return self._first("search")

    @property
    def transformer(self) -> Confirmed | None:
        """The first choice of the transformers' search."""
        return self._first("baseline")

    @property
    def founder(self) -> Confirmed | None:
        """The best of the genomes that the search began with, by what it measured itself."""
        return next((one for one in self.rows if one.is_founder), None)

    @cached_property
    def fronts(self) -> FrontPair | None:
        """Winners beside transformers, of several objectives, hypervolumes paired by seed."""
        sides = [[one for one in self.rows if one.origin == origin] for origin in ("search", "baseline")]
        several = all(one.objectives and len(one.objectives[0]) > 1 for side in sides for one in side)
        return front_pair_by_seed(*map(_by_seed, sides)) if all(sides) and several else None

    def _first(self, origin: Origin) -> Confirmed | None:
        own = [one for one in self.rows if one.origin == origin]
        return min(own, key=lambda one: one.place, default=None)


# Of a run that was not confirmed.
NOTHING = Confirmation()


def attempts(folder: RunFolder) -> list[Path]:
    """Folders of confirmations, the first first."""
    found = [path for path in (folder.path / FOLDER).glob("*") if path.name.isdigit()]
    return sorted(found, key=lambda path: int(path.name))


def stages(folder: RunFolder) -> list[RunFolder]:
    """All that confirmations of a run have trained, each a run of its own."""
    return [RunFolder.open(run.parent) for place in attempts(folder) for run in sorted(place.glob(f"*/{RUN_FILE}"))]


def latest(folder: RunFolder) -> list[Confirmed]:
    """What the last confirmation of a run has trained, best mean first, as far as it has come; none if there is none.

    Earlier confirmations of the same search with as many steps are pooled with it: their genomes are there too, and a
    genome has all the seeds that any of them has trained it with.
    """
    found: dict[tuple[bool, str], Confirmed] = {}
    places, tuned = attempts(folder), None
    for place in reversed(places):
        if plan_of(place).get("evaluations") != plan_of(places[-1]).get("evaluations"):
            continue  # of another moment of the search
        for one in _trained(place):
            key = one.origin == "baseline", one.genome
            if one.origin == "baseline":
                tuned = tuned or tuned_at(place)
            if one.steps == next(iter(found.values()), one).steps and (not key[0] or tuned == tuned_at(place)):
                found[key] = _pooled(one, found[key]) if key in found else one
    return sorted(found.values(), key=lambda confirmed: (confirmed.mean, confirmed.genome))


def confirmation_of(folder: RunFolder, history: History) -> Confirmation:
    """What confirmation has found of a run with this history, as far as it has come."""
    rows, cost = tuple(latest(folder)), cost_of_confirmation(folder)
    tuning = tuning_of(folder)
    if not rows or tuning is None:
        return Confirmation(rows, history.spent, cost=cost)
    transformers = History.read(tuning)
    as_searched = None
    if len(history.space.objectives) > 1:
        as_searched = front_pair(_front(history), _front(transformers))
    return Confirmation(rows, history.spent, transformers.spent, as_searched, cost)


def cost_of_confirmation(folder: RunFolder) -> Cost:
    """What all confirmations of a run have taken, as far as they have come."""
    return Cost.of(map(History.read, stages(folder)))


def tuning_of(folder: RunFolder) -> RunFolder | None:
    """The search for a transformer that the last confirmation with one took its own from, of those that have ended if
    any has; None if there is none."""
    for place in sorted(attempts(folder), key=lambda place: ((place / DONE).exists(), int(place.name)), reverse=True):
        if (tuned_at(place) / RUN_FILE).is_file():
            return RunFolder.open(tuned_at(place))
    return None


def tuned_at(place: Path) -> Path:
    """Where the transformers of a confirmation were searched: there, or in an earlier one on the same terms."""
    return place.parent / str(plan_of(place).get(TUNED, place.name)) / BASELINE


def plan_of(place: Path) -> dict[str, Any]:
    """What a confirmation is to do; empty where that is not known."""
    try:
        told = json.loads(read_text(place / PLAN))
    except (InputError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}


def _front(history: History) -> np.ndarray:
    """(n, objectives), smaller is better."""
    space = history.space
    points = [[one.metrics[name] for name in space.objectives] for one in history.front]
    signed: np.ndarray = -np.array(space.weights) * np.array(points).reshape(-1, len(space.objectives))
    return signed


def _trained(place: Path) -> Iterator[Confirmed]:
    """What one confirmation has trained."""
    for name in (WINNERS, BASELINE_WINNER):
        if (place / name / RUN_FILE).is_file():
            yield from trained_in(RunFolder.open(place / name), name == BASELINE_WINNER)


def trained_in(folder: RunFolder, is_baseline: bool) -> Iterator[Confirmed]:
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
            tuple(e.metrics["bits_per_byte"] for e in same),
            tuple(e.metrics["test_bits_per_byte"] for e in same),
            place,
            not is_baseline and genome == best_founder,
            tuple(tuple((signs * [e.metrics[name] for name in space.objectives]).tolist()) for e in same),
            express(space, Genome(same[0].values), seed=same[0].seed).model.is_transformer,
        )


def _pooled(earlier: Confirmed, later: Confirmed) -> Confirmed:
    """One genome of two confirmations, as the later knows it, with the seeds of both."""
    new = [place for place, seed in enumerate(later.seeds) if seed not in earlier.seeds]
    return replace(
        later,
        seeds=(*earlier.seeds, *(later.seeds[place] for place in new)),
        validation=(*earlier.validation, *(later.validation[place] for place in new)),
        test=(*earlier.test, *(later.test[place] for place in new)),
        objectives=(*earlier.objectives, *(later.objectives[place] for place in new)),
    )


def _by_seed(side: Sequence[Confirmed]) -> dict[int, np.ndarray]:
    """(genomes, objectives) for each seed that all of them have."""
    common = [seed for seed in side[0].seeds if all(seed in one.seeds for one in side)]
    return {seed: np.array([one.objectives[one.seeds.index(seed)] for one in side]) for seed in common}
