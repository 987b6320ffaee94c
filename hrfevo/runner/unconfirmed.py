"""What of a run's confirmation is still to be done."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from hrfevo.results.attempts import DONE, WINNERS, attempts, plan_of
from hrfevo.results.history import History
from hrfevo.space.sections import Confirm
from hrfevo.store.run_folder import RUN_FILE, RunFolder


def left_to_confirm(run: RunFolder, history: History, wanted: bool, say: Callable[[str], None]) -> Confirm | None:
    """Of a run that has this history, the confirmation that was interrupted, as it was asked for; else the one of
    its space, where that is `wanted` and the last was of another state of the search. None if there is none.
    """
    usual, before = history.space.confirm, attempts(run)
    last = plan_at(before[-1]) if before else None
    if last is not None and not (before[-1] / DONE).exists():
        say(f"run {run.path}: goes on with its confirmation")
        return _options(last)
    if not wanted or not usual.top:
        return None
    kept = bool(before) and (before[-1] / WINNERS / RUN_FILE).is_file()
    if last is not None and kept and last.get("evaluations") == history.spent.evaluations:
        winners = history.ranked(_options(last).top)
        if last.get("winners") == [winner.genome for winner in winners]:
            say(f"run {run.path}: its winners are confirmed; nothing of it is done again")
            return None
    return usual


def plan_at(place: Path) -> dict[str, Any] | None:
    """What a confirmation is of, as plans say it now; None where that cannot be read, as where it was killed before it
    had begun."""
    told = plan_of(place)
    try:
        return told | _options(told).model_dump(mode="json") if told else None
    except ValueError:
        return None


def _options(plan: dict[str, Any]) -> Confirm:
    known = Confirm.model_fields if "rivals" in plan else [*Confirm.model_fields, "baseline"]
    return Confirm.model_validate({name: value for name, value in plan.items() if name in known})
