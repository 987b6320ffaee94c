"""Figures of the dashboard: several runs on common axes, and how far behind they are."""

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import pytest
from pymoo.indicators.hv import HV

from hrfevo.views.dashboard import drawing
from hrfevo.views.dashboard.attained import attainment, course_of
from tests.tools.dashboards import Search


def test_figures_that_are_behind_say_by_how_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "gallery", lambda *_: {"front": go.Figure()})
    monkeypatch.setattr(drawing, "REST", 1e6)
    one, album = Search(tmp_path), drawing.Album()
    one.go_on(5)
    assert album.of(one.snapshot()).said == "Drawing …"
    while not album.of(one.snapshot()).figures:
        time.sleep(0.01)
    assert album.of(one.snapshot()).said == ""
    one.submit()
    assert album.of(one.snapshot()).said == ""
    one.end()
    one.go_on(20)
    assert album.of(one.snapshot()).said.startswith("These figures are 21 evaluations behind")


def test_runs_are_compared_on_common_axes(tmp_path: Path) -> None:
    """Against pymoo's hypervolume and a plain loop."""
    found = {}
    for seed, name in enumerate(("a", "b")):
        search = Search(tmp_path, name, seed)
        search.go_on(60)
        search.submit()
        search.end("failed", "diverged")
        found[name] = search.snapshot()
    courses = {name: snapshot.course for name, snapshot in found.items() if snapshot.course}
    figures = attainment(courses, {"a": 0, "b": 1})
    best, volume = figures["best 1"], figures["hypervolume 1"]
    assert best.layout.yaxis.title.text == "validation loss, bits per byte"
    heard = attainment({name: replace(course, unit="sample") for name, course in courses.items()}, {"a": 0, "b": 1})
    assert heard["best 1"].layout.yaxis.title.text == "validation loss, bits per sample"
    points = {name: np.array([[e.metrics["bits_per_byte"], e.metrics["parameters"]] for e in snapshot.history
                              if e.status == "finished"]) for name, snapshot in found.items()}  # fmt: skip
    every = np.vstack(list(points.values()))
    low, high = every.min(axis=0), every.max(axis=0)
    for name, snapshot in found.items():
        line, area = (next(t for t in figure.data if t.name == name) for figure in (best, volume))
        assert line.y[-1] == points[name][:, 0].min()
        assert area.y[-1] == pytest.approx(HV(ref_point=np.ones(2))((points[name] - low) / (high - low)))
        assert (np.diff(line.y) <= 0).all()
        assert (np.diff(area.y) >= 0).all()
        ended = sorted(snapshot.history, key=lambda e: e.ended_event or 0)
        assert line.x[-1] == pytest.approx(sum((e.ended or 0) - (e.started or 0) for e in ended) / 60)


def test_scores_of_different_trainings_are_not_compared(tmp_path: Path) -> None:
    short, long = Search(tmp_path, "short"), Search(tmp_path, "long")
    for search in (short, long):
        search.go_on(3)
    long.submit(long.finished[0].genome, 1)
    long.end()
    courses = {name: search.snapshot().course for name, search in (("short", short), ("long", long))}
    figures = attainment({name: course for name, course in courses.items() if course}, {"short": 0, "long": 1})
    assert [len(figure.data) for figure in figures.values()] == [1, 1, 1, 1]
    nothing = short.snapshot()
    assert course_of(nothing.run, short.space, nothing.records[:0]) is None
