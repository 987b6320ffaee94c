"""What of a run's confirmation is still to be done."""

from __future__ import annotations

from collections.abc import Callable

from hrfevo.results.confirmation.attempts import DONE, WINNERS, attempts
from hrfevo.results.confirmation.plan import Plan
from hrfevo.results.history import History
from hrfevo.space.sections import Confirm
from hrfevo.store.run_folder import RUN_FILE, RunFolder


def left_to_confirm(run: RunFolder, history: History, wanted: bool, say: Callable[[str], None]) -> Confirm | None:
    """Of a run that has this history, the confirmation that was interrupted, as it was asked for; else the one of
    its space, where that is `wanted` and the last was of another state of the search. None if there is none.
    """
    usual, before = history.space.confirm, attempts(run)
    last = Plan.read(before[-1]) if before else None
    if last is not None and not (before[-1] / DONE).exists():
        say(f"run {run.path}: goes on with its confirmation")
        return last.options
    if not wanted or not usual.top:
        return None
    if last is not None and (before[-1] / WINNERS / RUN_FILE).is_file() and last.is_of(history):
        say(f"run {run.path}: its winners are confirmed; nothing of it is done again")
        return None
    return usual
