"""What a terminal, a file and a notebook show of a search."""

from __future__ import annotations

import contextlib
import io
import sys
from functools import partial
from types import ModuleType, SimpleNamespace

import pytest
from rich.console import Console

from hrfevo.results.status import failures_in_words
from hrfevo.runner.loop import Search
from hrfevo.runner.observers.display import PlainDisplay, _left, make_display
from hrfevo.space.search_space import SearchSpace
from hrfevo.store.store import Store
from hrfevo.workers.base import Job, Outcome
from hrfevo.workers.inline import InlineWorkers
from hrfevo.workers.simulated import SimulatedWorkers
from signal_model.support.console import library_console
from tests.tools.evaluators import Scripted
from tests.tools.searches import QUIET, search


def test_lines_say_after_how_many_steps_and_what_failed(space: SearchSpace, store: Store) -> None:
    budget = space.budget.model_copy(update={"evaluations": 40})
    long = space.model_copy(update={"rungs": [3, 9], "promote": 0.5, "budget": budget})
    out = io.StringIO()
    one = search(long, InlineWorkers(Scripted("some fail")), store, "run")
    display = PlainDisplay(Console(file=out, width=113), long)
    assert "left" not in _left(one), "nothing has been spent that would tell"
    one.run(display)
    lines = out.getvalue().splitlines()
    ended = [e for e in store.evaluations("run") if e.status != "running"]
    assert {e.rung for e in ended} == {0, 1}
    told = [line for line in lines if line.startswith("[")]
    for line, evaluation in zip(told, sorted(ended, key=lambda e: e.ended_event or 0), strict=True):
        assert f"] {evaluation.genome} ({long.rungs[evaluation.rung]} steps) " in line
    assert all(line.endswith(" left") for line in told)
    scores = [e.metrics["bits_per_byte"] for e in ended if e.rung == 1 and e.status == "finished"]
    assert f"best {min(scores):.6g} (9 steps)" in [line for line in told if "best" in line][-1]
    failed = [e for e in ended if e.status == "failed"]
    (words,) = failures_in_words(ended)
    assert words.startswith(f"failed {len(failed)} times: {failed[0].reason} ({failed[0].genome}, ")


def test_in_a_notebook_one_output_is_drawn_again_and_elsewhere_nothing_moves_the_cursor(
    space: SearchSpace, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a stand-in for IPython that keeps what is displayed; without a kernel there are plain lines."""
    drawn: list[tuple[str, str]] = []

    class Handle:
        def display(self, output: dict[str, str], raw: bool) -> None:
            drawn.append(("display", output["text/plain"]))

        def update(self, output: dict[str, str], raw: bool) -> None:
            drawn.append(("update", output["text/plain"]))

    ipython, display = ModuleType("IPython"), ModuleType("IPython.display")
    display.DisplayHandle = Handle  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr("hrfevo.runner.observers.display.REFRESHES", 1e9)
    for kernel in (None, object()):
        ipython.get_ipython = lambda kernel=kernel: SimpleNamespace(kernel=kernel)  # type: ignore[attr-defined]
        out, run = io.StringIO(), f"run{kernel is None}"
        store.create_run(run, run, {})
        one = search(space, InlineWorkers(Scripted()), store, run)
        with contextlib.redirect_stdout(out), make_display(library_console(), space, one) as shown:
            one.run(shown)
        assert isinstance(shown, PlainDisplay) == (kernel is None)
        assert len(out.getvalue().splitlines()) == (0 if kernel else one.tally.finished + len(one.standings.logbook))
        assert "\x1b[" not in out.getvalue().replace("\x1b[0m", "")
    assert [how for how, _ in drawn] == ["display"] + ["update"] * (2 * one.tally.finished + 1)
    assert f"{one.tally.finished} finished" in drawn[-1][1]
    assert not any("\x1b" in text for _, text in drawn)


def test_workers_of_a_search_that_goes_on_are_in_use_by_what_they_do_themselves(
    space: SearchSpace, store: Store
) -> None:
    """One worker, then four, none of which waits for anything."""

    def evaluate(job: Job) -> Outcome:
        return Outcome(job, "finished", {"bits_per_byte": 1.0, "parameters": 1.0}, ended=10.0)

    def at_the_fifth(one: Search) -> None:
        if one.tally.finished % 5 == 0:
            raise SystemExit

    uses = []
    for count in (1, 4):
        workers = SimulatedWorkers(evaluate, count)
        one = search(space, workers, store, "run", algorithm="random", clock=workers.clock)
        one.replay(store.evaluations("run"), store.run("run").seconds)
        with pytest.raises(SystemExit):
            one.run(QUIET, partial(at_the_fifth, one))
        uses.append(one.worker_use)
    assert uses == [1.0, 5 / 8], "at the fifth of two rounds of four"
