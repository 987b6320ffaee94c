"""Runs as they are now: read from their stores again only where something has changed, and then only that."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import pandas as pd
import plotly.graph_objects as go
from sqlalchemy.exc import SQLAlchemyError

from hrfevo.results.earlier import read_earlier
from hrfevo.results.frames import curve_frame, evaluation_frame, gene_columns, updated_frame
from hrfevo.results.history import History
from hrfevo.space.search_space import SearchSpace
from hrfevo.store.run_folder import RUN_FILE, RunFolder, find_runs
from hrfevo.store.store import RunRecord, Store, Version
from hrfevo.views.dashboard.attained import Course, course_of
from hrfevo.views.figures.winners.front import front
from hrfevo.workers.base import Point
from signal_model.support.errors import InputError, closest, one_line

# A message names so many runs of a folder.
NAMED = 5


@dataclass(frozen=True)
class Snapshot:
    """A run at one moment: its history, and frames as figures have them, of means over seeds. `curves` is by
    evaluation number."""

    run: RunRecord
    version: Version
    history: History
    curves: Mapping[int, list[Point]]
    frame: pd.DataFrame
    curve_frame: pd.DataFrame
    folder: RunFolder

    @property
    def space(self) -> SearchSpace:
        """What is searched."""
        return self.history.space

    @cached_property
    def course(self) -> Course | None:
        """What it had attained after how much training; None before anything was."""
        return course_of(self.run, self.history)

    @cached_property
    def front(self) -> go.Figure | None:
        """The figure of the front; None before two evaluations have finished."""
        if (self.frame["status"] == "finished").sum() < 2:
            return None
        # Labels without genes, which a click shows: for thousands of points they take longer than all the rest.
        return front(self.frame.drop(columns=gene_columns(self.frame)), self.space.objectives)


class Watched:
    """One run folder with its store held open."""

    def __init__(self, path: Path, url: str | None) -> None:
        self.folder = RunFolder.open(path)
        self.space, self._earlier = self.folder.space(), read_earlier(self.folder)
        self._store: Store = self.folder.open_store(url)
        self._snapshot: Snapshot | None = None
        self._trouble: tuple[Version, InputError] | None = None
        self._lock = threading.Lock()

    def version(self) -> Version:
        """How far it is, at the price of one small query. Raises InputError if its store cannot be read."""
        version = self._store.version(self.folder.id)
        return replace(version, state=self.folder.state(version.state))

    def snapshot(self) -> Snapshot:
        """All of it as it is now. Raises InputError if its store cannot be read."""
        with self._lock:
            version = self.version()
            if self._trouble is not None and self._trouble[0] == version:
                raise self._trouble[1]
            if self._snapshot is None or self._snapshot.version != version:
                try:
                    self._snapshot = self._changed(self._snapshot, version)
                except (InputError, SQLAlchemyError) as error:
                    self._trouble = (version, InputError(one_line(error)))
                    raise self._trouble[1] from None
            return self._snapshot

    def _changed(self, before: Snapshot | None, version: Version) -> Snapshot:
        if before is not None and before.version.timings != version.timings:
            before = None  # they are of evaluations that have long ended
        run_id, since = self.folder.id, before.version.event if before else -1
        run = self.folder.record(self._store)
        changed = self._earlier.named(self._store.evaluations(run_id, since))
        points = self._store.curves(run_id, after=since)
        if before is None:
            history = History(self.space, tuple(changed))
            frame = evaluation_frame(history.with_means)
            return Snapshot(run, version, history, points, frame, curve_frame(points), self.folder)
        known = {evaluation.number: evaluation for evaluation in before.history}
        new = {evaluation.number: evaluation for evaluation in changed}
        known |= new
        history = History(self.space, tuple(known[number] for number in sorted(known)))
        scored = history.with_means
        # The mean of one that is long there changes with a seed that is new, and is none once a higher rung is reached.
        stale = {*new, *before.frame["number"][before.frame["seeds"] > 1]}
        rows = [one for one in scored if one.number in stale or one.seeds > 1 or one.timings]
        frame = updated_frame(before.frame, rows, scored)
        kept = before.curve_frame[~before.curve_frame["number"].isin(list(points))]
        lines = pd.concat([kept, curve_frame(points)], ignore_index=True) if points else before.curve_frame
        return Snapshot(run, version, history, {**before.curves, **points}, frame, lines, self.folder)

    def close(self) -> None:
        """Let go of the store."""
        self._store.close()


@dataclass(frozen=True)
class Listed:
    """A run in the list: how far it is, or in one line why it cannot be read."""

    name: str
    version: Version | None
    trouble: str = ""


class Runs:
    """The runs in a folder, or the one that the folder is, by name.

    Names are only ever looked up among those found, so that none can point elsewhere.
    """

    def __init__(self, folder: Path, url: str | None = None) -> None:
        self.folder = folder
        self._url = url
        self._open: dict[str, tuple[tuple[int, int], Watched]] = {}
        self._lock = threading.Lock()

    def listed(self) -> list[Listed]:
        """Every run there, newest first; none where there is no such folder yet."""
        paths = self._paths()
        for gone in self._open.keys() - paths.keys():
            self._drop(gone)
        return [self._listed(name, path) for name, path in paths.items()]

    def snapshot(self, name: str) -> Snapshot:
        """A run as it is now. Raises InputError if there is none of that name or it cannot be read."""
        return self._watched(name, self._paths()).snapshot()

    def _paths(self) -> dict[str, Path]:
        if not self.folder.exists():
            return {}
        own = (self.folder / RUN_FILE).is_file()
        return {path.name or str(path): path for path in ([self.folder.resolve()] if own else find_runs(self.folder))}

    def _listed(self, name: str, path: Path) -> Listed:
        try:
            return Listed(name, self._watched(name, {name: path}).version())
        except InputError as error:
            return Listed(name, None, one_line(error))

    def _watched(self, name: str, paths: Mapping[str, Path]) -> Watched:
        if name not in paths:
            some = ", ".join([*paths][:NAMED]) + (", …" if len(paths) > NAMED else "")
            there = f"there are: {some}" if some else "there is none"
            raise InputError(f"run {name!r}: no run of that name in {self.folder}{closest(name, paths)}; {there}")
        try:
            # A run that was resumed with another budget, or another run of the same name, has another file.
            status = (paths[name] / RUN_FILE).stat()
        except OSError as error:
            raise InputError(f"run {name!r}: cannot be read: {error.strerror}") from None
        mark = (status.st_mtime_ns, status.st_ino)
        with self._lock:
            found = self._open.get(name)
            if found is not None and found[0] == mark:
                return found[1]
            watched = Watched(paths[name], self._url)
            self._open[name] = (mark, watched)
        if found is not None:
            found[1].close()
        return watched

    def _drop(self, name: str) -> None:
        with self._lock:
            found = self._open.pop(name, None)
        if found is not None:
            found[1].close()
