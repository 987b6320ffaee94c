"""Every `--format` of every command, on every kind of run: one list."""

from __future__ import annotations

import csv
import io
import json
import pickle
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import get_type_hints

import numpy as np
import pytest
import typer

import hrfevo
from hrfevo.cli import app
from hrfevo.results import fanova, importance
from hrfevo.store.run_folder import RunFolder
from signal_model.support.errors import InputError
from tests.conftest import ROOT, TINY_SPACE, answer, command, only_run
from tests.tools.forks import UNDRAWN
from tests.tools.privileges import read_only
from tests.tools.synthetic import write_run

OLD_RUNS = ROOT / "tests/old_runs"


@dataclass(frozen=True)
class Kind:
    """One kind of run: how it comes about in a folder, whether that is closed then, and whether it has scores."""

    make: Callable[[Path, pytest.FixtureRequest], Path]
    read_only: bool = False
    has_scores: bool = True


def searched(backend: str) -> Callable[[Path, pytest.FixtureRequest], Path]:
    def make(parent: Path, request: pytest.FixtureRequest) -> Path:
        space = parent / "tiny.yaml"
        space.write_text(TINY_SPACE.replace("TEXT", str(request.getfixturevalue("text_folder"))))
        runs = parent / "runs"
        # In a process of its own: a Ray that a test starts would be everybody's.
        asked = ("run", space, "--out", runs, "--backend", backend)
        assert command("hrfevo", *asked, environment={UNDRAWN: "1"}).returncode == 0
        return only_run(runs)

    return make


def in_postgresql(parent: Path, request: pytest.FixtureRequest) -> Path:
    return write_run(parent / "runs", "shared", 40, store=request.getfixturevalue("postgresql"))


def with_its_log(parent: Path, request: pytest.FixtureRequest) -> Path:
    """As a search that was killed leaves it: with a write-ahead log beside the database."""
    run = write_run(parent / "away", "killed", 40)
    with closing(RunFolder.open(run).open_store()) as store, store.writing():
        store.set_state(RunFolder.open(run).id, "running")
        return Path(shutil.copytree(run, parent / "runs" / "killed"))


def without_its_log(parent: Path, request: pytest.FixtureRequest) -> Path:
    """As earlier versions left it: expecting a log that is not there."""
    run = write_run(parent / "runs", "logless", 40)
    with closing(sqlite3.connect(run / "results.db")) as database:
        database.execute("PRAGMA journal_mode=WAL")
    return run


def begun(parent: Path, request: pytest.FixtureRequest) -> Path:
    return write_run(parent / "runs", "begun", 1)


def old(name: str) -> Callable[[Path, pytest.FixtureRequest], Path]:
    def make(parent: Path, request: pytest.FixtureRequest) -> Path:
        run = old_run(name, parent / "runs")
        answer("migrate", run)
        return run

    return make


def old_run(name: str, parent: Path) -> Path:
    """A run as an earlier version wrote it."""
    run = Path(shutil.copytree(OLD_RUNS / name, parent / name))
    statements = run / "results.sql"
    with closing(sqlite3.connect(run / "results.db")) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.executescript(statements.read_text())
    statements.unlink()
    return run


KINDS = {
    "inline": Kind(searched("inline")),
    "ray": Kind(searched("ray")),
    "postgresql": Kind(in_postgresql),
    "read-only": Kind(lambda parent, _: write_run(parent / "runs", "closed", 40), read_only=True),
    "read-only with a log": Kind(with_its_log, read_only=True),
    "read-only without its log": Kind(without_its_log, read_only=True),
    "unfinished": Kind(with_its_log),
    "begun": Kind(begun, has_scores=False),
    "first version": Kind(old("first")),
    "second version": Kind(old("second")),
    "third version": Kind(old("third")),
    "fourth version": Kind(old("fourth")),
}
# What is asked of a run; RUN, RUNS, GENOME and OUT are filled in.
QUESTIONS = {
    "list": ("list", "RUNS"),
    "status": ("status", "RUN"),
    "best": ("best", "RUN"),
    "show": ("show", "RUN", "GENOME"),
    "importance": ("importance", "RUN"),
    "lineage": ("lineage", "RUN", "GENOME"),
    "compare": ("compare", "RUN", "OTHER"),
    "export": ("export", "RUN", "--output", "OUT"),
}
PRINTED = ("table", "json", "csv")
FORMATS = dict.fromkeys(QUESTIONS, PRINTED) | {
    "status": ("table", "json"),
    "export": ("recipe", "model", "csv", "parquet", "optuna"),
}
CASES = [(question, format_) for question in QUESTIONS for format_ in FORMATS[question]]
# What a run without scores says, by question or format.
NEED_SCORES = {
    "importance": "say nothing of genes",
    "recipe": "has no finished evaluation yet",
    "model": "has no finished evaluation yet",
}


def test_the_list_has_every_format_of_every_command() -> None:
    offered = {}
    for asked in commands_of(app):
        if (choices := get_type_hints(asked).get("format_")) is not None:
            offered[asked.__name__.removesuffix("_command")] = set(choices)
    listed = {name: set(formats) for name, formats in FORMATS.items()}
    listed["export"] |= {"huggingface"}  # trains; see views/export/test_weights.py
    listed["scale"] = set(PRINTED)  # trains; see test_scaling
    listed["spaces"] = set(PRINTED)  # asks nothing of a run; see test_init
    listed["plugins"] = set(PRINTED)  # nor does it; see test_plugins
    assert offered == listed


def commands_of(group: typer.Typer) -> list[Callable[..., object]]:
    own = [command.callback for command in group.registered_commands if command.callback is not None]
    return own + [
        one for part in group.registered_groups if part.typer_instance for one in commands_of(part.typer_instance)
    ]


@pytest.fixture(scope="module", autouse=True)
def forests_grow_once() -> Iterator[None]:
    """All formats print the same shares of the same evaluations, and those of most kinds are the same."""
    shares: dict[bytes, np.ndarray] = {}

    def explained(*asked: object) -> np.ndarray:
        if (key := pickle.dumps(asked)) not in shares:
            shares[key] = fanova.explained(*asked)  # type: ignore[arg-type]
        return shares[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(importance, "explained", explained)
        yield


@pytest.fixture(scope="module", params=KINDS)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Kind, Path]]:
    kind, folder = KINDS[request.param], tmp_path_factory.mktemp(request.param.replace(" ", "-"))
    run = kind.make(folder, request)
    with ExitStack() as stack:
        if kind.read_only:
            stack.enter_context(read_only(run))
        yield kind, run


@pytest.mark.parametrize(("question", "format_"), CASES, ids=map("-".join, CASES))
def test_every_format_of_every_command_on_every_kind_of_run(
    question: str, format_: str, case: tuple[Kind, Path], tmp_path: Path
) -> None:
    kind, run = case
    names = {"RUN": run, "RUNS": run.parent, "GENOME": hrfevo.load(run).evaluations["genome"][0]}
    names["OUT"] = f"sqlite:///{tmp_path}/out" if format_ == "optuna" else tmp_path / "out"
    names |= {"OTHER": twin(run, tmp_path)} if question == "compare" else {}
    asked = [*(names.get(word, word) for word in QUESTIONS[question]), "--format", format_]
    if not kind.has_scores and (words := NEED_SCORES.get(question) or NEED_SCORES.get(format_)):
        with pytest.raises(InputError, match=words):
            answer(*asked)
        return
    said = answer(*asked)
    if question == "export":
        assert (tmp_path / "out").stat().st_size
    elif format_ == "json":
        assert json.loads(said) or not kind.has_scores
    elif format_ == "csv":
        heads, *rows = csv.reader(io.StringIO(said))
        assert all(len(row) == len(heads) for row in rows)
        assert rows or not kind.has_scores
    else:
        assert said.strip()


def twin(run: Path, folder: Path) -> Path:
    """The same search under another name, to compare with."""
    copy = folder / "twin"
    copy.mkdir()
    for file in run.iterdir():
        if file.is_file():
            shutil.copyfile(file, copy / file.name)
    return copy


def test_every_kind_of_run_is_read_from_python_and_reported(
    case: tuple[Kind, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, run = case
    monkeypatch.setattr("hrfevo.runner.products.PICTURED", 0)  # pictures take long
    loaded = hrfevo.load(run)
    assert len(loaded.evaluations)
    assert bool(len(loaded.front)) == kind.has_scores
    if kind.read_only:
        with pytest.raises(InputError, match=r"the report cannot be written there: .*--output"):
            answer("report", run)
    assert answer("report", run, "--output", tmp_path).strip() == str(tmp_path / "report.html")
    assert (tmp_path / "report.html").stat().st_size
    assert (tmp_path / "best.yaml").exists() == kind.has_scores
