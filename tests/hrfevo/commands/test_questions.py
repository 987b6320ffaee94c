"""Questions about runs: conditions, the best, listings, a loaded run. All runs here are synthetic."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hrfevo
import signal_model
from hrfevo.results.frames import evaluation_frame
from hrfevo.results.history import History
from hrfevo.results.overview import overviews
from hrfevo.results.status import status_of
from hrfevo.results.where import OPERATORS, parse_condition
from hrfevo.space.genome import Genome
from hrfevo.space.reading import parse_space
from hrfevo.space.search_space import SearchSpace
from hrfevo.store.records import Evaluation
from hrfevo.store.run_folder import RunFolder
from hrfevo.store.store import Store
from hrfevo.views.terminal.tables import status_table
from signal_model.model import SignalLLM
from signal_model.support.errors import InputError
from tests.conftest import ROOT, answer, command
from tests.tools.synthetic import SPACE, dominating, read, write_run

HEAVY = {"torch", "ray", "optuna", "pandas", "plotly", "datasets", "scipy", "sklearn"}


@pytest.fixture(scope="module")
def space() -> SearchSpace:
    return parse_space(SPACE, "questions.yaml")


@pytest.fixture(scope="module")
def evaluations(written_run: Path) -> list[Evaluation]:
    return read(written_run)[1]


# --- conditions ----------------------------------------------------------------------------------


def compared(sign: str, a: Any, b: Any) -> bool:
    """By other means than the filter's table of operators."""
    match sign:
        case "=":
            return bool(a == b)
        case "!=":
            return bool(a != b)
        case "<" | "<=":
            return bool(a < b) or (sign == "<=" and bool(a == b))
        case _:
            return bool(b < a) or (sign == ">=" and bool(a == b))


def cells(frame: pd.DataFrame, column: str) -> list[Any]:
    """None where a row has nothing; numbers are Python's own."""
    return [
        None if not isinstance(v, tuple) and pd.isna(v) else getattr(v, "item", lambda v=v: v)() for v in frame[column]
    ]


def written(draw: Callable[..., Any], names: Mapping[str, Sequence[Sequence[Any]]]) -> tuple[str, list[bool]]:
    """A condition as text, and which evaluations meet it: `names` has rows of values, several for layers."""
    name = draw(st.sampled_from(sorted(names)))
    rows = names[name]
    known = [value for row in rows for value in row]
    value = draw(st.sampled_from(known))
    number = isinstance(value, int | float) and not isinstance(value, bool)
    sign = draw(st.sampled_from(list(OPERATORS) if number else ["=", "!="]))
    if number and not name.endswith("expansion"):
        value = draw(st.sampled_from([value, value + draw(st.floats(-2, 2).map(lambda x: round(x, 3)))]))
    text = json.dumps(list(value)) if isinstance(value, tuple) else json.dumps(value)
    blank = draw(st.sampled_from(["", " "]))
    met = []
    for row in rows:
        if sign == "!=":
            met.append(bool(row) and not any(compared("=", v, value) for v in row))
        else:
            met.append(any(compared(sign, v, value) for v in row))
    return f"{name}{blank}{sign}{blank}{text}", met


def quantities(space: SearchSpace, evaluations: Sequence[Evaluation]) -> dict[str, list[list[Any]]]:
    """Every name with the values of each evaluation, from the report's frame."""
    frame = evaluation_frame(History(space, tuple(evaluations)))
    columns = {str(name): cells(frame, name) for name in frame}
    names = {"bits_per_byte": columns["bits_per_byte"], "step_time": columns["step_time"], "birth": columns["birth"]}
    names |= {"parameters": columns["parameters"], "generation": columns["generation"]}
    names |= {n: v for n, v in columns.items() if n.startswith("gene:") and n != "gene:embedding.frequencies"}
    ends = columns["gene:embedding.frequencies"]
    names |= {f"embedding.frequencies.{end}": [v and v[i] for v in ends] for i, end in enumerate(("low", "high"))}
    found = {name: [[] if v is None else [v] for v in values] for name, values in names.items()}
    for inner in ("mixer.kind", "mixer.families", "feedforward.expansion"):
        parts = [found[f"gene:layers[{i}].{inner}"] for i in range(3)]
        found[f"layers.{inner}"] = [sum(row, []) for row in zip(*parts, strict=True)]  # noqa: RUF017
    return found


@pytest.fixture(scope="module")
def known(space: SearchSpace, evaluations: list[Evaluation]) -> dict[str, list[list[Any]]]:
    return quantities(space, evaluations)


@given(data=st.data())
@settings(max_examples=200)
def test_conditions_choose_what_the_frame_says(
    data: st.DataObject, space: SearchSpace, evaluations: list[Evaluation], known: dict[str, list[list[Any]]]
) -> None:
    text, expected = written(data.draw, known)
    condition = parse_condition(text, History(space, tuple(evaluations)))
    assert [condition(evaluation) for evaluation in evaluations] == expected


@given(text=st.one_of(st.text(max_size=30), st.from_regex(r"[a-z.\[\]0]{1,12}[<>=!]{1,3}.{0,8}", fullmatch=True)))
def test_any_text_is_a_condition_or_refused(text: str, space: SearchSpace, evaluations: list[Evaluation]) -> None:
    with suppress(InputError):
        condition = parse_condition(text, History(space, tuple(evaluations)))
        assert {condition(evaluation) for evaluation in evaluations} <= {True, False}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("paramters<3", "did you mean 'parameters'?"),
        ("embeding.kind=spectral", "did you mean 'embedding.kind'?"),
        ("mixer.kind=wavelet", "did you mean 'layers.mixer.kind'?"),
        ("parameters==3", "'==' is no operator (did you mean '='?); accepted: < <= > >= = !="),
        ("parameters=>3", "'=>' is no operator"),
        ("parameters", "expected NAME OPERATOR VALUE"),
        ("parameters<", "expected NAME OPERATOR VALUE"),
        ("<3", "expected NAME OPERATOR VALUE"),
        ("parameters<many", "expected a number, got 'many'"),
        ("parameters<500,000", "expected a number, got '500,000'"),
        ("embedding.kind=spectrl", "did you mean 'spectral'?"),
        ("embedding.kind<spectral", "have no order; accepted: = !="),
        ("embedding.learnable_frequencies=1", "never has the value 1"),
        ("embedding.bases=true", "expected a number, got True"),
        ("embedding.kind=[", "is not a YAML value"),
    ],
)
def test_a_wrong_condition_says_what_is_accepted(
    text: str, says: str, space: SearchSpace, evaluations: list[Evaluation]
) -> None:
    with pytest.raises(InputError) as error:
        parse_condition(text, History(space, tuple(evaluations)))
    assert says in str(error.value)
    assert str(error.value).startswith(f"--where {text}: ")


# --- best ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("rung", [0, 1])
@pytest.mark.parametrize("where", [[], ["parameters<70000"], ["layers.mixer.kind=wavelet", "gene:layers>1"]])
def test_best_of_a_rung_under_conditions(written_run: Path, rung: int, where: list[str]) -> None:
    space, evaluations = read(written_run)
    options = [part for text in where for part in ("--where", text)]
    tests: dict[str, Callable[[Evaluation], bool]] = {
        "parameters<70000": lambda e: e.metrics["parameters"] < 70000,
        "layers.mixer.kind=wavelet": lambda e: "wavelet" in [layer["mixer.kind"] for layer in e.values["layers"]],
        "gene:layers>1": lambda e: len(e.values["layers"]) > 1,
    }
    met = [e for e in evaluations if e.status == "finished" and e.rung == rung and all(tests[t](e) for t in where)]
    asked = ["best", written_run, "--rung", rung, *options, "--format", "json"]
    winners = json.loads(answer(*asked, "--front"))
    assert {one["genome"] for one in winners} == dominating(space, met)
    assert {one["steps"] for one in winners} == {space.rungs[rung]}
    listed = json.loads(answer(*asked, "--top", 1000))
    assert {one["genome"] for one in listed} == {e.genome for e in met}
    assert listed[: len(winners)] == winners
    by_size = json.loads(answer(*asked, "--top", 5, "--objective", "parameters"))
    largest = sorted((e.metrics["parameters"] for e in met), reverse=True)[:5]
    assert [one["metrics"]["parameters"] for one in by_size] == largest  # this space maximizes them
    by_time = json.loads(answer(*asked, "--top", 5, "--objective", "train_seconds"))
    assert all(one["metrics"]["train_seconds"] == 1.0 for one in by_time)


def test_conditions_say_which_rung_they_choose_from(written_run: Path) -> None:
    history = History.read(RunFolder.open(written_run))
    steps, count = history.space.rungs[-1], len(history.at_rung(None))
    told = answer("best", written_run, "--where", "parameters<0")
    assert f"--where: 0 of {count} genomes at the highest rung that was reached, {steps} steps; --rung looks" in told
    for silent in ([], ["--rung", 0, "--where", "parameters<0"]):
        assert "--rung looks at another" not in answer("best", written_run, *silent)
    assert json.loads(answer("best", written_run, "--where", "parameters<0", "--format", "json")) == []


def test_what_is_judged_is_the_lowest_loss_of_those_that_are_shown(tmp_path: Path) -> None:
    corpus = {"name": "python", "hash": "1f", "yardsticks": {"unigram": 9.0}}
    run = write_run(tmp_path, "judged", 80, corpus=corpus)
    history = History.read(RunFolder.open(run))
    for rung, where in ((1, []), (0, []), (1, ["--where", "parameters<60000"])):
        shown = [one for one in history.at_rung(rung) if not where or one.metrics["parameters"] < 60000]
        lowest = min(one.metrics["bits_per_byte"] for one in shown)
        assert f"The lowest loss, {lowest:.4f} bits per byte, is" in answer("best", run, "--rung", rung, *where)


def test_best_refuses_what_a_run_has_not(written_run: Path) -> None:
    with pytest.raises(InputError, match=r"rung 2: no such rung in this run; accepted: 0 \(20 steps\), 1 \(60 steps\)"):
        answer("best", written_run, "--rung", 2)
    with pytest.raises(InputError, match=r"metric 'bits_per_bite': was not measured \(did you mean 'bits_per_byte'"):
        answer("best", written_run, "--objective", "bits_per_bite")
    nothing, looked = answer("best", written_run, "--where", "parameters<0").splitlines()
    assert nothing == "no evaluation meets the conditions"
    assert re.fullmatch(r"--where: 0 of \d+ genomes at the highest rung .*, 60 steps; --rung looks at another", looked)
    assert answer("best", written_run, "--where", "parameters<0", "--rung", 1).count("\n") == 1
    assert json.loads(answer("best", written_run, "--where", "parameters<0", "--format", "json")) == []


def test_metrics_that_are_no_objective_have_a_direction(written_run: Path) -> None:
    space, evaluations = read(written_run)
    for metric, sign in (("state_size", 1), ("in_context_recall", -1)):
        made = [replace(e, metrics={metric: float(e.number)}) for e in evaluations[:5]]
        assert [e.number for e in History(space, tuple(made)).by_metric(metric)] == sorted(
            range(5), key=lambda n: sign * n
        )


# --- list ----------------------------------------------------------------------------------------


def test_list_says_what_reading_everything_would_say(
    tmp_path: Path, written_runs: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = {path.name: read(path) for path in written_runs}
    monkeypatch.setattr(Store, "evaluations", None)  # the database is to do it
    found, unreadable = overviews(written_runs[0].parent)
    assert unreadable == {}
    assert [one.run for one in found] == [path.name for path in reversed(written_runs)]  # newest first
    for one in found:
        space, evaluations = expected[one.run]
        best = History(space, tuple(evaluations)).front[0]
        assert one.best == best.metrics["bits_per_byte"]
        by_status = {s: sum(e.status == s for e in evaluations) for s in ("finished", "failed", "infeasible")}
        assert {s: getattr(one, s) for s in by_status} == by_status
        tied = {e.genome for e in evaluations if e.status == "finished" and e.rung == best.rung
                and e.metrics["bits_per_byte"] == one.best}  # fmt: skip
        assert one.genome in tied
    rows = json.loads(answer("list", written_runs[0].parent, "--sort", "best", "--format", "json"))
    assert [row["best"] for row in rows] == sorted(row["best"] for row in rows)
    assert (rows[0]["budget"], rows[0]["budget_minutes"]) == (64, 90)
    assert "64, 90 min" in answer("list", written_runs[0].parent, "--sort", "seconds")
    with pytest.raises(InputError, match=r"--sort bset: unknown \(did you mean 'best'\?\)"):
        answer("list", written_runs[0].parent, "--sort", "bset")


def test_nothing_that_can_be_read_is_no_success(tmp_path: Path) -> None:
    assert answer("list", tmp_path) == f"no runs in {tmp_path}\n"
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "run.json").write_text("{")
    result = command("hrfevo", "list", tmp_path)
    assert (result.returncode, result.stdout) == (1, f"no run in {tmp_path} that can be read\n")
    assert result.stderr.startswith("broken cannot be read: ")


def test_status_tells_every_reason_of_failures(written_run: Path) -> None:
    folder = RunFolder.open(written_run)
    with closing(folder.open_store()) as store:
        status = replace(status_of(folder, store), failures={"one": 2, "two": 2, "three": 1, "four": 1})
    names, facts = (column._cells for column in status_table(status).columns)
    told = [(name, fact) for name, fact in zip(names, facts, strict=True) if str(name).startswith("failed")]
    assert told == [
        ("failed 2 times", "one"), ("failed 2 times", "two"), ("failed once", "three"), ("failed once", "four")
    ]  # fmt: skip


def test_damaged_runs_do_not_hide_the_others(tmp_path: Path) -> None:
    whole = write_run(tmp_path, "whole", 40)

    def damaged(name: str, statement: str = "", value: object = None) -> Path:
        path = Path(shutil.copytree(whole, tmp_path / name))
        if statement:
            with sqlite3.connect(path / "results.db") as database:
                database.execute(statement, () if value is None else (value,))
            database.close()
        return path

    (damaged("lost") / "results.db").unlink()
    (damaged("garbage") / "results.db").write_bytes(b"no database" * 500)
    (damaged("settings") / "run.json").write_text("{")
    (damaged("changed") / "space.yaml").write_text(SPACE.replace("width: 64", "width: 128"))
    damaged("metrics", "UPDATE evaluations SET metrics = ? WHERE status = 'finished'", "{")
    damaged("scores", "UPDATE evaluations SET metrics = ? WHERE status = 'finished' AND rung = 1", "{}")
    damaged("status", "UPDATE evaluations SET status = ? WHERE number = 2", "foo")
    damaged("row", "UPDATE runs SET settings = ?", "{")
    damaged("version", "UPDATE alembic_version SET version_num = 99")
    damaged("gone", "DROP TABLE evaluations")
    found, unreadable = overviews(tmp_path)
    assert [one.run for one in found] == ["whole"]
    assert set(unreadable) == {path.name for path in tmp_path.iterdir()} - {"whole"}
    result = command("hrfevo", "list", tmp_path)
    assert result.returncode == 0
    assert "Traceback" not in result.stderr
    assert len(result.stderr.splitlines()) == len(unreadable)
    assert "whole" in result.stdout


def test_runs_without_a_result_are_listed(tmp_path: Path) -> None:
    write_run(tmp_path, "new", 1)
    (row,) = json.loads(answer("list", tmp_path, "--sort", "best", "--format", "json"))
    assert (row["finished"], row["best"], row["genome"]) == (0, None, None)
    assert "–" in answer("list", tmp_path)


def test_list_of_runs_in_one_postgresql(tmp_path: Path, postgresql: str) -> None:
    for seed in range(3):
        write_run(tmp_path / "shared", f"run-{seed}", 60, seed, store=postgresql)
        write_run(tmp_path / "own", f"run-{seed}", 60, seed)
    shared, own = (overviews(tmp_path / name)[0] for name in ("shared", "own"))
    assert len(own) == 3
    assert [replace(one, created=0) for one in shared] == [replace(one, created=0) for one in own]


# --- speed ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("large"), "large", 5000)


@pytest.mark.parametrize("verb", ["list", "best", "show", "lineage"])
def test_questions_about_five_thousand_evaluations_need_little(verb: str, large: Path) -> None:
    """Seconds of the processor, which a busy machine does not stretch as it does the clock's."""
    genome = json.loads(answer("list", large.parent, "--format", "json"))[0]["genome"]
    arguments = {
        "list": [large.parent],
        "best": [large, "--where", "parameters<80000"],
        "show": [large, genome],
        "lineage": [large, genome],
    }
    code = (
        "import sys, time\nfrom hrfevo.cli import main\n"
        f"sys.argv = {['hrfevo', verb, *map(str, arguments[verb])]!r}\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
        f"heavy = {HEAVY!r} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "assert time.process_time() < 5, time.process_time()\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


# --- from Python ---------------------------------------------------------------------------------


def test_a_loaded_run_is_what_its_store_holds(written_run: Path) -> None:
    space, evaluations = read(written_run)
    loaded = hrfevo.load(written_run)
    assert loaded.space == space
    pd.testing.assert_frame_equal(loaded.evaluations, evaluation_frame(History(space, tuple(evaluations))))
    assert list(loaded.front["genome"]) == [e.genome for e in History(space, tuple(evaluations)).front]
    assert len(loaded.curves) == 2 * sum(e.status == "finished" for e in evaluations)
    assert list(loaded.confirmed) == [
        "genome", "origin", "rival", "place", "parameters", "steps", "seed", "validation", "test",
    ]  # fmt: skip
    assert loaded.confirmed.empty
    best = History(space, tuple(evaluations)).front[0]
    assert loaded.genome() == loaded.genome(best.genome[:9]) == Genome(best.values)
    recipe = loaded.recipe(best.genome)
    model = loaded.model(best.genome)
    assert isinstance(model, SignalLLM)
    assert model.config == recipe.model
    assert recipe.training.seed == best.seed
    assert repr(loaded) == "<run one: finished, 300 evaluations>"
    with pytest.raises(InputError, match="is not a run folder"):
        hrfevo.load(written_run.parent)
    with pytest.raises(InputError, match="no genome of this run"):
        loaded.model("zzz")


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = f"import sys, hrfevo, signal_model\nassert not {HEAVY!r} & set(sys.modules), sys.modules\n"
    subprocess.run([sys.executable, "-c", code], check=True)
    for package in (hrfevo, signal_model):
        for name in package.__all__:
            assert name in dir(package)
            assert getattr(package, name).__name__ == name
        with pytest.raises(AttributeError, match="no attribute 'nothing'"):
            package.nothing  # noqa: B018


@pytest.mark.parametrize("given_a_run", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_the_example_runs(given_a_run: bool, tmp_path: Path) -> None:
    arguments = [str(write_run(tmp_path, "run", 60))] if given_a_run else []
    result = subprocess.run(
        [sys.executable, ROOT / "examples" / "explore_a_run.py", *arguments],
        capture_output=True, text=True, timeout=300, env=os.environ | {"TMPDIR": str(tmp_path)},
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    (page,) = tmp_path.rglob("fitness.html")
    assert "plotly" in page.read_text()
    assert "as its training began" in result.stdout
