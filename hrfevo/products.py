"""What a run leaves in its folder: the report and the best model's recipe."""

from __future__ import annotations

from pathlib import Path

from hrfevo.confirmed import latest
from hrfevo.export import recipe_yaml
from hrfevo.ranking import front
from hrfevo.report import render
from hrfevo.run_folder import RunFolder
from hrfevo.space import SearchSpace
from hrfevo.store import Store
from signal_model.files import write_atomically


def leave_products(folder: RunFolder, space: SearchSpace, store: Store) -> Path:
    """Write `report.html`, and `best.yaml` if anything has finished; returns the report's path."""
    evaluations = store.evaluations(folder.id)
    winners = front(space, evaluations)
    if winners:
        write_atomically(folder.path / "best.yaml", recipe_yaml(space, winners[0], folder.path.name))
    report = folder.path / "report.html"
    page = render(folder.record(store), space, evaluations, store.curves(folder.id), latest(folder))
    write_atomically(report, page)
    return report
