"""What a running search shows: a live display on a terminal or in a notebook, plain lines elsewhere."""

from __future__ import annotations

import io
import math
import time
from importlib import import_module
from types import TracebackType
from typing import Any, Protocol, Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
from rich.table import Table
from rich.text import Text

from hrfevo.runner.loop import Search
from hrfevo.space.search_space import SearchSpace
from hrfevo.views.terminal.tables import genes_in_words, trained_in_words
from hrfevo.workers.base import Job, Outcome
from signal_model.support.console import is_notebook, say
from signal_model.support.errors import counted

# A display is drawn again so many times a second.
REFRESHES = 2


class Display(Protocol):
    """An observer of a search that is shown for as long as its context lasts."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def submitted(self, job: Job) -> None: ...

    def ended(self, outcome: Outcome, search: Search) -> None: ...


def make_display(console: Console, space: SearchSpace, search: Search) -> Display:
    """Live on a terminal, one output that is drawn again in a notebook, plain lines elsewhere."""
    if console.is_terminal:
        return LiveDisplay(console, space, search)
    if is_notebook():
        return NotebookDisplay(console, space, search)
    return PlainDisplay(console, space)


def seconds_left(search: Search) -> float | None:
    """Until the budget is spent, at the pace so far; None before anything has ended."""
    shares = [share for share in search.shares.values() if share]
    return search.seconds * max(0.0, 1 / max(shares) - 1) if shares else None


def clock(seconds: float | None) -> str:
    """Seconds as m:ss or h:mm:ss."""
    if seconds is None or not math.isfinite(seconds):
        return "–"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _left(search: Search) -> str:
    """`, 0:12 left`; empty where nothing has been spent yet that would tell."""
    left = seconds_left(search)
    return "" if left is None or not math.isfinite(left) else f", {clock(left)} left"


def _steps(space: SearchSpace, rung: int) -> str:
    """` (60 steps)`, where there is more than one length of training; their scores are never compared."""
    return f" ({counted(space.rungs[rung], 'step')})" if len(space.rungs) > 1 else ""


def _best(space: SearchSpace, search: Search) -> str:
    """`best 2.31 (240 steps, 3 seeds)`; what is one training of one length is said without."""
    best = search.standings.best
    assert best is not None
    seeds = search.standings.seeds_of(best.genome)
    told = [counted(space.rungs[best.rung], "step")] if len(space.rungs) > 1 else []
    told += [f"{seeds} seeds"] if seeds > 1 else []
    return f"best {best.fitness.values[0]:.6g}" + (f" ({', '.join(told)})" if told else "")


class PlainDisplay:
    """One line per evaluation, one per generation; for logs and pipes."""

    def __init__(self, console: Console, space: SearchSpace) -> None:
        self._console, self._space = console, space
        self._generations = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to take down."""

    def submitted(self, job: Job) -> None:
        """Plain lines tell of results only."""

    def ended(self, outcome: Outcome, search: Search) -> None:
        """Print what became of one evaluation."""
        budget, spent = self._space.budget, search.spent
        count = f"{spent.evaluations}{f'/{budget.evaluations}' if budget.evaluations else ''}"
        if budget.trainings:
            count += f", {spent.steps / self._space.rungs[-1]:.1f}/{budget.trainings:g} full"
        line = f"[{count}] {outcome.job.genome.id}{_steps(self._space, outcome.job.rung)} "
        if outcome.status == "finished":
            scores = " ".join(f"{name} {outcome.metrics[name]:.6g}" for name in self._space.objectives)
            line += f"{scores} ({outcome.ended - outcome.started:.1f} s)  {_best(self._space, search)}"
            line += f"; {outcome.detail}" if outcome.detail else ""
        else:
            line += f"{outcome.status}: {outcome.reason}"
        say(self._console, f"{line}{_left(search)}")
        logbook = search.standings.logbook
        if len(logbook) > self._generations:
            self._generations = len(logbook)
            entry = logbook[-1]
            median = "" if math.isnan(entry["median"]) else f"median {entry['median']:.6g}, "
            say(
                self._console,
                f"generation {entry['generation']}: {_best(self._space, search)}, {median}front {entry['front']}",
            )


class _Board:
    """A bar, the counts, the best so far, the front's size, worker use and the time left."""

    def __init__(self, console: Console, space: SearchSpace, search: Search) -> None:
        self._console, self._space, self._search = console, space, search
        self._started: dict[int, float] = {}
        self._noted: set[str] = set()
        self._bar = Progress(
            TextColumn("{task.description}"), BarColumn(bar_width=None), TaskProgressColumn(), expand=True
        )
        self._task = self._bar.add_task(space.name, total=1.0)

    def submitted(self, job: Job) -> None:
        """Count it as running."""
        self._started[job.number] = time.monotonic()

    def ended(self, outcome: Outcome, search: Search) -> None:
        """It runs no longer. What is to be known of one that finished is said once."""
        self._started.pop(outcome.job.number, None)
        if outcome.status == "finished" and outcome.detail and outcome.detail not in self._noted:
            self._noted.add(outcome.detail)
            say(self._console, outcome.detail)

    def _render(self) -> Group:
        search, tally = self._search, self._search.tally
        budget = self._space.budget
        self._bar.update(self._task, completed=min(1.0, max(search.shares.values())))
        table = Table.grid(padding=(0, 2))
        total = f" of {budget.evaluations}" if budget.evaluations else ""
        table.add_row(
            "evaluations",
            f"{tally.finished} finished, {tally.failed} failed, {tally.infeasible} infeasible, "
            f"{len(self._started)} running{total and f' ({search.spent.evaluations}{total})'}",
        )
        best = search.standings.best
        if best is not None:
            name = self._space.first_objective[0]
            table.add_row(name, f"{_best(self._space, search)}, genome {best.genome.id}")
            genes = Text(genes_in_words(dict(best.genome.values)), no_wrap=True, overflow="ellipsis")
            table.add_row("", genes)
            table.add_row("front", counted(len(search.standings.front), "genome"))
        spent = search.spent
        trained = trained_in_words(spent.steps, spent.steps / self._space.rungs[-1], spent.training_seconds)
        table.add_row("training", trained)
        table.add_row("workers", f"{search.workers.capacity}, {search.worker_use:.0%} in use")
        table.add_row("time", f"{clock(search.seconds)} so far{_left(search)}")
        return Group(self._bar, table)


class LiveDisplay(_Board):
    """The board on a terminal, drawn again twice a second."""

    def __init__(self, console: Console, space: SearchSpace, search: Search) -> None:
        super().__init__(console, space, search)
        self._live = Live(get_renderable=self._render, console=console, refresh_per_second=REFRESHES)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()


class NotebookDisplay(_Board):
    """The board as one output of a notebook's cell, put in the place of what it was at most twice a second."""

    def __init__(self, console: Console, space: SearchSpace, search: Search) -> None:
        super().__init__(console, space, search)
        self._handle: Any = import_module("IPython.display").DisplayHandle()
        self._drawn = time.monotonic()

    def __enter__(self) -> Self:
        self._handle.display(self._output(), raw=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._draw()

    def submitted(self, job: Job) -> None:
        """Count it as running."""
        super().submitted(job)
        self._draw_if_due()

    def ended(self, outcome: Outcome, search: Search) -> None:
        """It runs no longer."""
        super().ended(outcome, search)
        self._draw_if_due()

    def _draw_if_due(self) -> None:
        if time.monotonic() - self._drawn >= 1 / REFRESHES:
            self._draw()

    def _draw(self) -> None:
        self._handle.update(self._output(), raw=True)
        self._drawn = time.monotonic()

    def _output(self) -> dict[str, str]:
        """As text, which every front end of a notebook shows and keeps."""
        width = self._console.width
        page = Console(file=io.StringIO(), width=width, force_terminal=False, force_jupyter=False, color_system=None)
        with page.capture() as drawn:
            page.print(self._render())
        return {"text/plain": drawn.get()}
