"""What a logger does, and how a search tells several observers without waiting for any logger."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import replace
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console

from hrfevo.runner.loop import Observer, Search
from hrfevo.runner.observers.course import Course
from hrfevo.space.genome import Genome
from hrfevo.space.search_space import SearchSpace
from hrfevo.store.store import Store
from hrfevo.workers.base import Job, Outcome
from signal_model.config.task import CONFUSED
from signal_model.support.console import say
from signal_model.support.errors import one_line

# Seconds that the end of a search waits for a logger that lags behind.
PATIENCE = 60.0


class Logger(Protocol):
    """Writes evaluations and the course of a search somewhere else. Any error it raises ends the logging only."""

    def known(self) -> Set[int]:
        """Numbers of the evaluations that were written before, by this process or an earlier one."""

    def evaluation(self, outcome: Outcome) -> None:
        """Write one evaluation."""

    def course(self, count: int, series: Mapping[str, float], seconds: float) -> None:
        """Write where the search stood after `count` evaluations, at `seconds` since the epoch."""

    def close(self, interrupted: bool) -> None:
        """There will be no more for now."""


class Observers:
    """Several observers as one."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = observers

    def submitted(self, job: Job) -> None:
        """Tell each."""
        for observer in self._observers:
            observer.submitted(job)

    def ended(self, outcome: Outcome, search: Search) -> None:
        """Tell each."""
        for observer in self._observers:
            observer.ended(outcome, search)


class LogObserver:
    """An observer that hands what ends to a logger in a thread of its own, for as long as its context lasts.

    What ended `before` and the logger does not know is written first. A logger that fails is given up, which is
    said once; the search never waits for it.
    """

    def __init__(
        self, name: str, logger: Logger, space: SearchSpace, before: Iterable[Outcome], console: Console
    ) -> None:
        self._name, self._logger, self._course, self._console = name, logger, Course(space), console
        self._waiting: queue.SimpleQueue[Outcome | None] = queue.SimpleQueue()
        for outcome in before:
            self._waiting.put(outcome)
        self._interrupted = False
        self._thread = threading.Thread(target=self._work, name=f"log {name}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._interrupted = kind is not None
        self._waiting.put(None)
        self._thread.join(PATIENCE)
        if self._thread.is_alive():
            lag = f"is {PATIENCE:.0f} s behind and is given up; what is missing there is in the store"
            go_without(self._name, lag, self._console)

    def submitted(self, job: Job) -> None:
        """Only results are logged."""

    def ended(self, outcome: Outcome, search: Search) -> None:
        """Leave it to the thread."""
        if self._thread.is_alive():
            self._waiting.put(outcome)

    def _work(self) -> None:
        try:
            known = self._logger.known()
            for count, outcome in enumerate(iter(self._waiting.get, None), 1):
                series = self._course.after(outcome)
                if outcome.job.number not in known:
                    self._logger.evaluation(_without_confusions(outcome))
                    self._logger.course(count, series, outcome.ended)
            self._logger.close(self._interrupted)
        except Exception as error:
            go_without(self._name, failure(error), self._console)


def _without_confusions(outcome: Outcome) -> Outcome:
    """Without what a classifier took for what: it has a table of its own, and names that MLflow refuses."""
    metrics = {name: value for name, value in outcome.metrics.items() if CONFUSED not in name}
    return replace(outcome, metrics=metrics)


def failure(error: Exception) -> str:
    """What went wrong with a logger, in a line."""
    return f"failed: {type(error).__name__}: {one_line(error)}"


def go_without(name: str, why: str, console: Console) -> None:
    """Say that a logger is given up."""
    say(console, f"--log {name} {why}; the search goes on without it")


def ended_before(store: Store, run_id: str) -> Iterator[Outcome]:
    """What the store says has ended, in that order."""
    curves = store.curves(run_id)
    ended = [e for e in store.evaluations(run_id) if e.ended_event is not None and e.status != "running"]
    for e in sorted(ended, key=lambda e: e.ended_event or 0):
        yield Outcome(
            Job(e.number, Genome(e.values), e.rung, e.seed),
            e.status,  # type: ignore[arg-type]
            e.metrics,
            e.reason,
            e.detail,
            tuple(curves.get(e.number, ())),
            e.started or e.submitted,
            e.ended or e.submitted,
            e.worker,
            e.device,
        )
