"""Runs as they are now: read from their stores again only where something has changed, and then only that."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from sqlalchemy.exc import SQLAlchemyError

from hrfevo.results.earlier import read_earlier
from hrfevo.results.frames import finished_at, record_frame, score_frame, updated
from hrfevo.results.gene_frames import (
    all_genes,
    gene_frame,
    gene_path,
    gene_series,
    more_genes,
    with_genes,
)
from hrfevo.results.history import History
from hrfevo.space.search_space import SearchSpace
from hrfevo.store.records import RunRecord, Version
from hrfevo.store.run_folder import RUN_FILE, RunFolder, find_runs
from hrfevo.store.store import Store
from hrfevo.views.dashboard.attained import Course, course_of
from hrfevo.views.figures.winners.front import front
from hrfevo.workers.base import Point
from signal_model.support.errors import InputError, closest, one_line

# A message names so many runs of a folder.
NAMED = 5


@dataclass(frozen=True)
class Snapshot:
    """A run at one moment: `records` are its evaluations as they were measured, see `record_frame`.

    All else is made of them, or read, when a part of the page first asks for it. What is read then may know a little
    more than they do, and never less. Raises InputError where that cannot be read.
    """

    run: RunRecord
    version: Version
    records: pd.DataFrame
    source: Watched

    @property
    def space(self) -> SearchSpace:
        """What is searched."""
        return self.source.space

    @property
    def folder(self) -> RunFolder:
        """Where it lies."""
        return self.source.folder

    @cached_property
    def frame(self) -> pd.DataFrame:
        """A row for each evaluation, without genes, of means over seeds; see `score_frame`."""
        return score_frame(self.records, self.space)

    @property
    def losses(self) -> list[float]:
        """Of all genomes at the highest rung reached, by the score of the task, means over seeds."""
        return list(finished_at(self.frame)[self.space.score].dropna())

    @cached_property
    def course(self) -> Course | None:
        """What it had attained after how much training; None before anything was."""
        return course_of(self.run, self.space, self.records)

    @cached_property
    def front(self) -> go.Figure | None:
        """The figure of the front; None before two evaluations have finished."""
        if (self.frame["status"] == "finished").sum() < 2:
            return None
        # Labels without genes, which a click shows: for thousands of points they take longer than all the rest.
        return front(self.frame, self.space.objectives, measures=self.space.measure)

    def column(self, name: str) -> pd.Series | None:
        """A column of `frame`, or a gene of each of its rows; None for what is neither."""
        if name not in all_genes(self.space):
            return self.frame.get(name)
        last = int(self.records["birth"].max()) if len(self.records) else -1
        return self.source.gene(name, last).loc[self.frame["genome"]].set_axis(self.frame.index)

    def rows(self, places: np.ndarray) -> pd.DataFrame:
        """Some rows of `frame` with all their genes."""
        some = self.frame.iloc[places]
        return with_genes(some, self.source.genes_of({*some["genome"]}))

    @cached_property
    def history(self) -> History:
        """What `hrfevo show` knows of it."""
        return self.source.history()

    @cached_property
    def with_genes(self) -> pd.DataFrame:
        """`frame` with a column for each gene."""
        return with_genes(self.frame, self.source.genes(self.history))

    def curves(self, numbers: Sequence[int]) -> dict[int, list[Point]]:
        """Learning curves of these evaluations, by number."""
        return self.source.curves(numbers)


class Watched:
    """One run folder with its store held open."""

    def __init__(self, path: Path, url: str | None) -> None:
        self.folder = RunFolder.open(path)
        self.space, self._earlier = self.folder.space(), read_earlier(self.folder)
        self._store: Store = self.folder.open_store(url)
        self._snapshot: Snapshot | None = None
        self._trouble: tuple[Version, InputError] | None = None
        self._lock = threading.Lock()
        # Of what not every part of the page asks for, which nobody else waits for.
        self._later = threading.Lock()
        self._columns: dict[str, tuple[int, pd.Series]] = {}
        self._history, self._read = History(self.space, ()), Version("running", "", 0.0, -1)
        self._genes = gene_frame(self.space, {})

    def version(self) -> Version:
        """How far it is, at the price of one small query. Raises InputError if its store cannot be read."""
        version = self._store.version(self.folder.id)
        return replace(version, state=self.folder.state(version.state))

    def snapshot(self) -> Snapshot:
        """All of it as it is now. Raises InputError if its store cannot be read, or could not for one since."""
        with self._lock:
            version = self.version()
            if self._trouble is not None and self._trouble[0] == version:
                raise self._trouble[1]
            if self._snapshot is None or self._snapshot.version != version:
                with self._telling(version):
                    self._snapshot = self._changed(self._snapshot, version)
            return self._snapshot

    def _changed(self, before: Snapshot | None, version: Version) -> Snapshot:
        since = _since(before.version if before else None, version)
        columns = self._store.columns(self.folder.id, since)
        columns["operator"] = self._earlier.named_operators(columns["genome"], columns["operator"])
        records = record_frame(columns)
        if before is not None and since >= 0:
            records = updated(before.records, records)
        return Snapshot(self.folder.record(self._store), version, records, self)

    def gene(self, column: str, last: int) -> pd.Series:
        """One gene of genomes, those born as number 0 to `last` among them, by their ids: of each it is read once."""
        with self._later, self._telling():
            born, known = self._columns.get(column, (-1, gene_series(self.space, column, {})))
            if last > born:
                found = self._store.gene(self.folder.id, gene_path(column), born + 1, last)
                more = gene_series(self.space, column, found)
                known = pd.concat([known, more]) if len(known) else more
                self._columns[column] = (last, known)
            return known

    def genes_of(self, genomes: Collection[str]) -> pd.DataFrame:
        """All genes of a few genomes; see `gene_frame`."""
        with self._telling():
            return gene_frame(self.space, self._store.values(self.folder.id, genomes))

    def genes(self, history: History) -> pd.DataFrame:
        """All genes of all; see `gene_frame`."""
        with self._later:
            new = {one.genome: one.values for one in history if one.genome not in self._genes.index}
            if new:
                self._genes = more_genes(self.space, self._genes, gene_frame(self.space, new))
            return self._genes

    def history(self) -> History:
        """All evaluations as they are now; those alone are read that have changed."""
        with self._later, self._telling():
            version = self._store.version(self.folder.id)
            since = _since(self._read, version)
            changed = self._earlier.named(self._store.evaluations(self.folder.id, since))
            known = {one.number: one for one in (*self._history, *changed)}
            self._history, self._read = History(self.space, tuple(known[number] for number in sorted(known))), version
            return self._history

    def curves(self, numbers: Sequence[int]) -> dict[int, list[Point]]:
        """Learning curves of these evaluations, by number."""
        with self._telling():
            return self._store.curves(self.folder.id, numbers)

    @contextmanager
    def _telling(self, version: Version | None = None) -> Iterator[None]:
        """What cannot be read is told as long as the run stays at this version, by default that of the snapshot."""
        try:
            yield
        except (InputError, SQLAlchemyError) as error:
            at = version or (self._snapshot.version if self._snapshot else None)
            trouble = InputError(one_line(error))
            self._trouble = (at, trouble) if at else None
            raise trouble from None

    def close(self) -> None:
        """Let go of the store."""
        self._store.close()


def _since(before: Version | None, now: Version) -> int:
    """The event after which all is new, -1 for all: timings are of evaluations that have long ended."""
    return before.event if before is not None and before.timings == now.timings else -1


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
