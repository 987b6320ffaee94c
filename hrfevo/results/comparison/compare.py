"""Searches side by side: their fronts measured against one reference point, after equal shares of training."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import moocore
import numpy as np

from hrfevo.results.averaging import with_times
from hrfevo.results.comparison.fronts import common_scale
from hrfevo.results.confirmation.confirmed import Confirmed, latest
from hrfevo.results.history import History
from hrfevo.space.budget import Spent
from hrfevo.space.search_space import SearchSpace
from hrfevo.store.records import Evaluation
from hrfevo.store.run_folder import RunFolder
from hrfevo.store.settings import RunSettings
from hrfevo.store.spending import Ledger
from signal_model.support.errors import InputError, counted

# Of what the shortest search was given: worker seconds, training steps or evaluations.
SHARES = (0.25, 0.5, 0.75, 1.0)
Unit = Literal["seconds", "steps", "evaluations"]
# Searches that were given amounts that differ by more than this factor have not been given the same.
UNEQUAL = 1.1


@dataclass(frozen=True)
class Searched:
    """One search with its results."""

    name: str
    settings: RunSettings
    state: str
    history: History
    confirmed: list[Confirmed]

    @classmethod
    def read(cls, path: Path, store: str | None = None, name: str | None = None) -> Searched:
        """Called as its folder unless it has a `name`. Raises InputError for no run folder, or a confirmation's."""
        folder = RunFolder.open(path)
        if folder.settings.genomes is not None:
            raise InputError(f"{path}: is a confirmation, not a search")
        opened = folder.open_store(store)
        history = History.read(folder, opened)
        state = folder.record(opened).state
        opened.close()
        return cls(name or folder.path.name, folder.settings, state, history, latest(folder))

    @property
    def space(self) -> SearchSpace:
        """What was searched."""
        return self.history.space

    @cached_property
    def _course(self) -> tuple[list[Spent], np.ndarray, np.ndarray]:
        """What had been spent, genomes and objectives, smaller is better, of top-rung evaluations that keep to the
        bounds. As in the front, a step that was timed alone takes that long."""
        signs, names = -np.array(self.space.weights), list(self.space.objectives)
        at_top = {evaluation.number for evaluation in self.history.top}
        ledger, spent, genomes, points = Ledger(self.space.rungs), [], [], []
        for e in self._ended:
            ledger.add(e.genome, e.seed, e.rung, e.status, e.metrics, e.seconds)
            if e.number not in at_top:
                continue
            metrics = with_times(e).metrics
            if not (e.timings and self.space.violation(metrics)):
                spent.append(ledger.spent)
                genomes.append(e.genome)
                points.append([metrics[name] for name in names])
        return spent, np.array(genomes), np.array(points).reshape(-1, len(names)) * signs

    @property
    def spent(self) -> Spent:
        """What all its evaluations took, those that failed too."""
        return self.history.spent

    @property
    def _ended(self) -> list[Evaluation]:
        return sorted((e for e in self.history if e.ended_event is not None), key=lambda e: e.ended_event or 0)

    @property
    def steps(self) -> int | None:
        """Training steps of the highest rung that any evaluation finished; its scores are compared."""
        top = self.history.top
        return self.space.rungs[top[0].rung] if top else None

    @property
    def devices(self) -> set[str]:
        """Kinds of device that it trained on."""
        return {evaluation.device.split(":")[0] for evaluation in self._ended if evaluation.device}

    def points(self, unit: Unit = "seconds", amount: float = np.inf) -> np.ndarray:
        """(n, objectives), smaller is better: the front when so much of a unit was spent, of means over seeds."""
        spent, genomes, values = self._course
        ended = np.array([getattr(one, unit) for one in spent]) <= amount * (1 + 1e-9)
        _, which, counts = np.unique(genomes[ended], return_inverse=True, return_counts=True)
        known = np.zeros((len(counts), values.shape[1]))
        np.add.at(known, which, values[ended])
        known /= counts[:, None]
        return np.unique(moocore.filter_dominated(known), axis=0) if len(known) else known


def read_searches(paths: Sequence[Path], store: str | None = None) -> list[Searched]:
    """The searches in these folders, by path where names are equal. Raises InputError for one that is named twice."""
    real = [path.resolve() for path in paths]
    for path, same in zip(paths, real, strict=True):
        if real.count(same) > 1:
            raise InputError(f"compare: {path} is named twice; a run says nothing of itself")
    names = [path.name for path in real]
    return [
        Searched.read(path, store, str(path) if names.count(name) > 1 else name)
        for path, name in zip(paths, names, strict=True)
    ]


@dataclass(frozen=True)
class Row:
    """One search in a comparison. Hypervolumes are shares of that of the front of all searches together."""

    run: str
    state: str
    algorithm: str
    seed: int
    best: float | None
    front: int
    evaluations: int
    steps: int
    """Trained in all of them."""
    seconds: float
    hypervolume: float | None
    at_shares: tuple[float | None, ...]
    """After each of `SHARES` of what the shortest search was given."""

    @property
    def columns(self) -> dict[str, Any]:
        """Its line in a table."""
        shares = {f"hypervolume_{share:.0%}": value for share, value in zip(SHARES, self.at_shares, strict=True)}
        return {name: value for name, value in vars(self).items() if name != "at_shares"} | shares


@dataclass(frozen=True)
class Comparison:
    """Searches for the same objectives. `reference` is in the objectives' own units."""

    searches: list[Searched]
    objectives: dict[str, str]
    reference: dict[str, float] | None
    unit: Unit
    """Of which equal shares are compared."""
    shortest: float
    rows: list[Row]
    notes: list[str]

    @property
    def alike(self) -> bool:
        """Whether scores are of the same text after the same training, so that they can be tested."""
        return of_one_text(self.searches) and len(_lengths(self.searches)) == 1


def compare(searches: Sequence[Searched], unit: Unit = "seconds") -> Comparison:
    """Compare at least two searches. Raises InputError if there are fewer, or their objectives differ."""
    _check(searches)
    space = searches[0].space
    shortest = min(getattr(search.spent, unit) for search in searches)
    moments = [share * shortest for share in SHARES]
    scale = common_scale([search.points(unit, amount) for search in searches for amount in (*moments, np.inf)])
    rows = [
        Row(
            run=search.name,
            state=search.state,
            algorithm=search.settings.algorithm,
            seed=search.settings.seed,
            best=_best(search),
            front=len(search.history.front),
            evaluations=search.spent.evaluations,
            steps=search.spent.steps,
            seconds=search.spent.seconds,
            hypervolume=scale.of(search.points()) if scale else None,
            at_shares=tuple(scale.of(search.points(unit, amount)) if scale else None for amount in moments),
        )
        for search in searches
    ]
    reference = None
    if scale is not None:
        own_units = -np.array(space.weights) * scale.reference
        reference = {str(name): float(value) for name, value in zip(space.objectives, own_units, strict=True)}
    objectives = {str(name): str(direction) for name, direction in space.objectives.items()}
    return Comparison(list(searches), objectives, reference, unit, shortest, rows, _notes(searches, unit))


def _check(searches: Sequence[Searched]) -> None:
    if len(searches) < 2:
        raise InputError(f"compare: takes at least two runs, got {len(searches)}")
    first = searches[0]
    for other in searches[1:]:
        if list(other.space.objectives.items()) != list(first.space.objectives.items()):
            raise InputError(
                f"compare: {first.name} and {other.name} have different objectives: "
                f"{_words(first.space)}; {_words(other.space)}"
            )


def _words(space: SearchSpace) -> str:
    return ", ".join(f"{direction} {name}" for name, direction in space.objectives.items())


def _notes(searches: Sequence[Searched], unit: Unit) -> list[str]:
    """What stands in the way of the comparison, in plain words."""
    notes = []
    if not of_one_text(searches):
        corpora = ", ".join(f"{s.name}: {s.settings.corpus.name or '?'}" for s in searches)
        notes.append(f"The corpora differ ({corpora}): scores on different text cannot be compared.")
    elif len({search.space.tokenizer for search in searches}) > 1:
        tokenizers = ", ".join(f"{search.name}: {search.space.tokenizer.words}" for search in searches)
        notes.append(
            f"Same text, but the tokenizers differ ({tokenizers}): bits per byte still compare, though where tokens "
            "are longer as many of them are more text; parameters and operations hold the table of tokens."
        )
    if len(lengths := _lengths(searches)) > 1:
        trained = ", ".join(f"{s.name}: {s.steps:,}" for s in searches if s.steps is not None)
        notes.append(
            f"The highest rungs reached differ (steps: {trained}): a longer training scores better by itself, so "
            "hypervolumes and bests cannot be compared."
        )
    elif lengths and any(search.steps != search.space.rungs[-1] for search in searches):
        notes.append("Not every search has reached its last rung.")
    if len({kind for search in searches for kind in search.devices}) > 1:
        notes.append("Trained on different kinds of device: seconds cannot be compared.")
    given = [getattr(search.spent, unit) for search in searches]
    if max(given) > UNEQUAL * min(given):
        most, least = amount_in_words(unit, max(given)), amount_in_words(unit, min(given))
        notes.append(
            f"The longest search trained {most}, the shortest {least}: only the columns of shares compare equal "
            "training."
        )
    if any(search.space.inherit for search in searches):
        notes.append("Offspring inherited weights (inherit: true): scores are those of lineages.")
    going = [search.name for search in searches if search.state != "finished"]
    if going:
        notes.append(f"Not finished: {', '.join(going)}.")
    return notes


def amount_in_words(unit: Unit, amount: float) -> str:
    """`28 s`, `1 step`, `1,200 evaluations`."""
    return f"{amount:,.0f} s" if unit == "seconds" else counted(amount, unit.removesuffix("s"), ",.0f")


def of_one_text(searches: Sequence[Searched]) -> bool:
    """Whether all have the same text. What a run has noted of it holds the tokenizer too: of runs that differ in that,
    the names are compared, which of files are made of what they say."""

    def same(one: Searched, other: Searched) -> bool:
        mine, its = one.settings.corpus, other.settings.corpus
        if one.space.tokenizer == other.space.tokenizer:
            return mine.hash == its.hash
        return one.space.corpus.keys == other.space.corpus.keys and mine.name == its.name

    return all(same(one, other) for one, other in itertools.combinations(searches, 2))


def _lengths(searches: Sequence[Searched]) -> set[int]:
    return {search.steps for search in searches if search.steps is not None}


def _best(search: Searched) -> float | None:
    best = search.history.best
    return best.metrics[search.space.first_objective[0]] if best else None
