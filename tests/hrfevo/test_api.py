"""What `import hrfevo` offers: a search in one call, the run that it returns, and the notebook that shows both."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import hrfevo
import signal_model
from hrfevo.results.frames import evaluation_frame
from hrfevo.runner.loop import Search
from hrfevo.runner.searching import _overriding
from hrfevo.store.run_folder import RunFolder
from hrfevo.workers.base import Job, Outcome
from signal_model.support.errors import InputError
from signal_model.support.files import parse_value
from tests.conftest import ROOT, TINY_SPACE, command, only_run
from tests.tools.synthetic import HOSTILE, write_run

TEXTS = st.text(st.characters(categories=["L", "N", "P", "S"]), max_size=5)


class Heard:
    """An observer that counts."""

    def __init__(self) -> None:
        self.submitted_, self.ended_ = 0, 0

    def submitted(self, job: Job) -> None:
        self.submitted_ += 1

    def ended(self, outcome: Outcome, search: Search) -> None:
        self.ended_ += 1


def test_a_search_in_one_call_is_that_of_the_command(tmp_path: Path, text_folder: Path) -> None:
    """The same evaluations, in a folder that the commands read."""
    file = tmp_path / "tiny.yaml"
    file.write_text(TINY_SPACE.replace("TEXT", str(text_folder)))
    heard = Heard()
    run = hrfevo.search(
        yaml.safe_load(file.read_text()), out=tmp_path / "one", name="mine", seed=2, evaluations=6,
        synchronous=True, backend="inline", confirm=False, observers=[heard],
    )  # fmt: skip
    assert (run.folder.path, run.record.state) == (tmp_path / "one" / "mine", "finished")
    assert heard.submitted_ == heard.ended_ == len(run.history)
    assert (run.folder.path / "report.html").is_file()
    asked = ("--seed", 2, "--evaluations", 6, "--synchronous", "--backend", "inline", "--no-confirm")
    assert command("hrfevo", "run", file, "--out", tmp_path / "two", *asked).returncode == 0
    other = hrfevo.load(only_run(tmp_path / "two"))

    def story(one: hrfevo.Run) -> list[tuple[Any, ...]]:
        return [
            (e.genome, e.rung, e.seed, e.status, e.operator, e.parents, e.metrics.get("bits_per_byte"))
            for e in one.history
        ]

    assert story(run) == story(other)
    assert run.settings.overrides == other.settings.overrides == ("budget.evaluations=6",)
    assert run.best is not None
    assert run.best == run.find() == run.winners[0]
    assert run.front["genome"].tolist() == [winner.genome for winner in run.winners]


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"backend": "dask"}, "search: backend: 'dask' is not accepted; accepted: ray, inline"),
        ({"name": "../elsewhere"}, "name '../elsewhere'; accepted"),
        ({"algorithm": "evolutoin"}, "did you mean 'evolution'"),
        ({"evaluations": 0}, "budget.evaluations=0"),
        ({"training_minutes": -1}, "budget.training_minutes=-1"),
        ({"plugins": "nowhere_at_all"}, "plugins: nowhere_at_all: ModuleNotFoundError"),
        ({"overrides": ["model.width"]}, "expected key=value"),
        ({"overrides": "model.width"}, "--set model.width: expected key=value"),
        ({"overrides": {"model.widht": 8}}, "did you mean 'width'"),
        ({"overrides": {"model.width": {8}}}, "overrides: .*set.*; accepted: text, numbers"),
    ],
)
def test_mistakes_are_named_before_anything_is_made(asked: dict[str, Any], says: str, tmp_path: Path) -> None:
    space = ROOT / "search_spaces" / "quick.yaml"
    with pytest.raises(InputError, match=says):
        hrfevo.search(space, out=tmp_path / "runs", **({"backend": "inline"} | asked))
    assert not (tmp_path / "runs").exists()


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
)


@given(VALUES)
def test_an_override_by_value_is_that_value(value: Any) -> None:
    (told,) = _overriding({"model.width": value})
    key, _, text = told.partition("=")
    assert key == "model.width"
    assert repr(parse_value(text)) == repr(value), "of the same type, too"


def test_overrides_are_one_or_several_or_values_by_key() -> None:
    one, several = "model.width=8", ["model.width=8", "training.optimizer=muon"]
    assert _overriding(one) == [one]
    assert _overriding(several) == several
    assert _overriding({"model.width": 8, "corpus.path": Path("a/b")}) == [one, 'corpus.path="a/b"']


@pytest.mark.parametrize("package", [hrfevo, signal_model])
def test_what_a_user_can_mend_is_caught_by_the_name_that_the_package_gives(package: Any) -> None:
    with pytest.raises(package.InputError, match="nowhere: no such run folder"):
        hrfevo.load("nowhere")


@pytest.mark.usefixtures("undrawn")
def test_a_run_is_confirmed_in_one_call(tmp_path: Path, text_folder: Path) -> None:
    space = yaml.safe_load(TINY_SPACE.replace("TEXT", str(text_folder)))
    run = hrfevo.search(space, out=tmp_path, name="mine", evaluations=4, backend="inline", confirm=False)
    assert run.best is not None
    with pytest.raises(InputError, match=r"confirm\.top of its space is 0"):
        hrfevo.confirm(run)
    with pytest.raises(InputError, match=r"confirm: rivals: .*'nobody' is no rival"):
        hrfevo.confirm(run, top=1, rivals=["nobody"])
    found = hrfevo.confirm(run.folder.path, top=1, seeds=2, steps=2, rivals=[])
    assert found.confirmed["genome"].tolist() == [run.best.genome] * 2
    assert found.verdicts[0].startswith(f"The search's first choice, {run.best.genome}: ")


def test_what_a_notebook_shows_of_a_run_is_short_and_escaped(tmp_path: Path) -> None:
    path = write_run(tmp_path, "one", 120)
    run = hrfevo.load(path)
    shown = run._repr_html_()
    assert len(shown) < 5000
    assert run.best is not None
    assert run.best.genome in shown
    assert {"front", "progress", "importance"} <= run.figures.keys()
    first = f"import hrfevo; print(hrfevo.load({str(path)!r})._repr_html_(), end='')"  # as a notebook begins
    assert subprocess.run([sys.executable, "-c", first], capture_output=True, text=True, check=True).stdout == shown
    shares = run.importance()
    assert shares["gene"].is_unique
    assert shares["share"].sum() == pytest.approx(1)
    assert run.differences.empty  # not confirmed
    with pytest.raises(InputError, match="nothing"):
        run.importance("nothing")
    with RunFolder.open(path).locked():
        store = run.folder.open_store()
        store.set_state(run.folder.id, "stopped", HOSTILE[0])
        store.close()
    shown = hrfevo.load(path)._repr_html_()
    assert HOSTILE[0] not in shown
    assert "&lt;script&gt;" in shown


def test_a_run_is_read_once_and_stays(tmp_path: Path) -> None:
    run = hrfevo.load(write_run(tmp_path, "one", 40))
    assert run.evaluations is run.evaluations
    assert run.evaluations.equals(evaluation_frame(run.history))
    with pytest.raises(AttributeError):
        run.history = ()  # type: ignore[misc]


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
def test_the_notebook_answers_its_questions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its cells, one after the other, as a kernel runs them."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    notebook = json.loads((ROOT / "examples" / "is_it_better.ipynb").read_text())
    assert (notebook["nbformat"], {cell["cell_type"] for cell in notebook["cells"]}) == (4, {"code", "markdown"})
    assert not any(cell.get("outputs") for cell in notebook["cells"])
    names: dict[str, Any] = {}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), names)
    run = names["run"]
    assert run.record.state == "finished"
    assert {"search", "baseline"} <= set(run.confirmed["origin"])
    assert any("transformer" in verdict for verdict in run.verdicts)
    confirmed = run.confirmed.set_index(["genome", "seed"])
    for row in run.differences.itertuples():
        paired = (confirmed.loc[row.genome, row.split] - confirmed.loc[row.rival, row.split]).dropna()
        assert (row.mean, row.seeds) == (pytest.approx(paired.mean()), len(paired))
        assert row.low <= row.mean <= row.high
    assert {*run.differences["split"]} == {"validation", "test"}
    assert set(run.importance()["gene"])
    best = sum(parameter.numel() for parameter in run.model().parameters())
    assert sum(parameter.numel() for parameter in names["loaded"].parameters()) == best
    with pytest.raises(InputError, match=r"hub: exists; name another folder"):
        run.to_transformers(names["hub"])
