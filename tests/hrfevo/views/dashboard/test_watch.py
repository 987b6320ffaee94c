"""What the dashboard reads bit by bit is what the store holds."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal, assert_series_equal

from hrfevo.results.frames import evaluation_frame
from hrfevo.results.gene_frames import all_genes
from hrfevo.results.history import History
from hrfevo.space.genome import Genome
from hrfevo.views.dashboard.attained import Course
from hrfevo.views.dashboard.watch import Runs
from tests.tools.dashboards import Search

ACTIONS: dict[str, Callable[[Search], None]] = {
    "submit": Search.submit,
    "finish": lambda search: search.end() if search.running else None,
    "fail": lambda search: search.end("failed", "diverged: loss is nan") if search.running else None,
    "promote": lambda search: search.submit(search.finished[-1].genome, 1) if search.finished else None,
    "again": lambda search: search.submit(search.finished[0].genome) if search.finished else None,
    "time": lambda search: search.time() if search.finished else None,
    "stop": lambda search: search.store.set_state(search.folder.id, "stopped", "interrupted"),
}


@settings(max_examples=30)
@given(st.lists(st.sampled_from([*ACTIONS, "look"]), min_size=5, max_size=40), st.integers(0, 99))
def test_what_is_read_bit_by_bit_is_what_is_there(actions: list[str], seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        search = Search(Path(folder), seed=seed)
        search.go_on(2)
        runs = Runs(Path(folder))
        for action in [*actions, "look"]:
            if action != "look":
                ACTIONS[action](search)
                continue
            found, whole = runs.snapshot("tiny"), search.snapshot()
            assert found.version == whole.version
            assert found.run == whole.run
            history = History.read(search.folder, search.store)
            assert [*found.history] == [*history]
            expected = evaluation_frame(history.with_means)
            assert_frame_equal(found.with_genes, expected, check_exact=True)
            assert_frame_equal(found.frame, expected[found.frame.columns], check_exact=True)
            for name in (*expected.columns, *all_genes(search.space)):
                column = found.column(name)
                assert column is not None
                if name not in expected:  # a gene that nobody has yet
                    assert column.isna().all()
                    continue
                assert_series_equal(column, expected[name])
            assert sorted(found.losses) == sorted(e.metrics["bits_per_byte"] for e in history.at_rung(None))
            assert_same_course(found.course, history)
            assert runs.snapshot("tiny") is found


def assert_same_course(course: Course | None, history: History) -> None:
    """One by one, from the evaluations."""
    ended = sorted((e for e in history if e.ended_event is not None), key=lambda e: e.ended_event or 0)
    if not history.top:
        assert course is None
        return
    assert course is not None
    places = [place for place, e in enumerate(ended) if e in history.top]
    objectives = history.space.objectives
    assert course.scores.tolist() == [[ended[place].metrics[name] for name in objectives] for place in places]
    spent = [sum(e.seconds / 60 for e in ended[: place + 1]) for place in [*places, len(ended) - 1]]
    assert [*course.spent, course.lasted] == pytest.approx(spent)


def test_frames_in_pieces_keep_their_columns_in_order(tmp_path: Path) -> None:
    """A gene that the first evaluations did not have comes where it would have been."""
    search = Search(tmp_path)
    standard = {"training.learning_rate": 0.01, "embedding.kind": "standard", "layers": [{"mixer.kind": "attention"}]}
    spectral = standard | {"embedding.kind": "spectral", "embedding.bases": 3, "embedding.frequencies": [1.0, 2.0]}
    runs = Runs(tmp_path)
    for values in (standard, spectral):
        search.submit(Genome(values))
        search.end()
        found = runs.snapshot("tiny").with_genes
    expected = evaluation_frame(runs.snapshot("tiny").history)
    assert list(found.columns) == list(expected.columns)
    assert pd.isna(found.loc[0, "gene:embedding.bases"])
    assert found.loc[1, "gene:embedding.frequencies"] == (1.0, 2.0)


def test_a_folder_may_come_later(tmp_path: Path) -> None:
    runs = Runs(tmp_path / "later")
    assert runs.listed() == []
    Search(tmp_path / "later").go_on(1)
    assert [listed.name for listed in runs.listed()] == ["tiny"]
