"""Pages of reports."""

from collections.abc import Mapping, Sequence
from typing import Any

from hrfevo.results.history import History
from hrfevo.space.search_space import SearchSpace
from hrfevo.store.records import Evaluation, RunRecord
from hrfevo.views.report.page import render
from hrfevo.workers.base import Point

Curves = Mapping[int, Sequence[Point]]


def rendered(run: RunRecord, space: SearchSpace, evaluations: Sequence[Evaluation], curves: Curves, **more: Any) -> str:
    """The page of a search in memory."""
    return render(run, History(space, tuple(evaluations)), curves, **more)
