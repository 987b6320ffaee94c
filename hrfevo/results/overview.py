"""Runs in a folder at a glance: what databases can count and choose by themselves, no evaluation read."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, closing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hrfevo.results.history import History
from hrfevo.space.budget import Budget
from hrfevo.space.metrics import Direction
from hrfevo.space.reading import read_space
from hrfevo.space.search_space import SearchSpace
from hrfevo.store.records import Leader, State
from hrfevo.store.run_folder import SPACE_FILE, RunFolder, find_runs
from hrfevo.store.store import Store
from signal_model.support.errors import InputError, closest, one_line


@dataclass(frozen=True)
class Overview:
    """One run. `best` is the first objective's value at the highest rung reached; `created` is since the epoch."""

    run: str
    state: State
    finished: int
    failed: int
    infeasible: int
    budget: Budget
    objective: str
    direction: Direction
    best: float | None
    genome: str | None
    seconds: float
    created: float
    corpus: str
    corpus_hash: str
    seed: int
    algorithm: str

    @property
    def ended(self) -> int:
        """Evaluations trained, to a score or to a failure."""
        return self.finished + self.failed


# By what runs can be sorted: smaller first, a run without the value last.
_KEYS: dict[str, Callable[[Overview], Any]] = {
    "created": lambda o: -o.created,
    "run": lambda o: o.run,
    "state": lambda o: o.state,
    "evaluations": lambda o: -o.ended,
    "failed": lambda o: -o.failed,
    "best": lambda o: (
        o.best is None,
        o.objective,
        (o.best or 0.0) * (-1 if o.direction == "maximize" else 1),
    ),
    "seconds": lambda o: -o.seconds,
    "corpus": lambda o: o.corpus,
    "seed": lambda o: o.seed,
    "algorithm": lambda o: o.algorithm,
}


def overviews(parent: Path, sort: str = "created") -> tuple[list[Overview], dict[str, InputError]]:
    """The runs directly inside a folder, and those that cannot be read by name, each with what is wrong.

    Sorted by `sort`: the newest, longest or fullest first, else from small to large, the best first for `best`.

    Raises InputError for an unknown `sort` or no folder.
    """
    if sort not in _KEYS:
        raise InputError(f"--sort {sort}: unknown{closest(sort, _KEYS)}; accepted: {', '.join(_KEYS)}")
    found: list[Overview] = []
    unreadable: dict[str, InputError] = {}
    with ExitStack() as stack:
        reader = _Reader(stack)
        for path in find_runs(parent):
            try:
                found.append(reader.overview(RunFolder.open(path)))
            except InputError as error:
                unreadable[path.name] = error
    return sorted(found, key=_KEYS[sort]), unreadable


class _Reader:
    """Reads equal space files once, and opens a shared database once."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._spaces: dict[tuple[str, ...], SearchSpace] = {}
        self._stores: dict[str, Store] = {}

    def overview(self, folder: RunFolder) -> Overview:
        """Raises InputError if the run cannot be read."""
        space, settings = self._space(folder), folder.settings
        with self._store(folder) as store:
            run, tally = folder.record(store), store.tally(folder.id)
            leader = leader_of(folder.id, space, store)
        objective, direction = space.first_objective
        return Overview(
            run=folder.path.name,
            state=run.state,
            finished=tally["finished"],
            failed=tally["failed"],
            infeasible=tally["infeasible"],
            budget=space.budget,
            objective=objective,
            direction=direction,
            best=leader.value if leader else None,
            genome=leader.genome if leader else None,
            seconds=run.seconds,
            created=run.created,
            corpus=one_line(settings.corpus.name),
            corpus_hash=settings.corpus.hash,
            seed=settings.seed,
            algorithm=settings.algorithm,
        )

    def _space(self, folder: RunFolder) -> SearchSpace:
        text, overrides = folder.space_text(), folder.settings.overrides
        key = (text, *overrides)
        if key not in self._spaces:
            self._spaces[key] = read_space(text, str(folder.path / SPACE_FILE), overrides)
        return self._spaces[key]

    def _store(self, folder: RunFolder) -> AbstractContextManager[Store]:
        url = folder.settings.store
        if url is None:
            return closing(folder.open_store())
        if url not in self._stores:
            self._stores[url] = self._stack.enter_context(closing(folder.open_store()))
        return nullcontext(self._stores[url])


def leader_of(run_id: str, space: SearchSpace, store: Store) -> Leader | None:
    """As the database finds it, but where scores are means over seeds or timed again, which takes reading them all."""
    if not store.repeated(run_id):
        return store.leader(run_id, space.objectives)
    best = History.stored(space, store, run_id).best
    return None if best is None else Leader(best.genome, best.rung, best.metrics[space.first_objective[0]])
