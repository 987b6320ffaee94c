"""Commands on a finished run: what it promises, how it goes on, and what is refused of one that was tampered with."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import chdir
from pathlib import Path

import pytest

from signal_model.config import Recipe
from signal_model.support.errors import InputError
from tests.conftest import ROOT, TINY_SPACE, answer, assert_one_clear_line, command, only_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, text_folder: Path) -> Path:
    """A small finished run."""
    folder = tmp_path_factory.mktemp("runs")
    space = folder / "tiny.yaml"
    space.write_text(TINY_SPACE.replace("TEXT", str(text_folder)))
    result = command("hrfevo", "run", space, "--out", folder / "out", "--backend", "inline", "--set", "population=6")
    assert result.returncode == 0, result.stderr
    (path,) = (folder / "out").iterdir()
    return path


def test_a_run_leaves_everything_it_promises(run: Path) -> None:
    assert {"space.yaml", "run.json", "results.db", "report.html", "best.yaml"} <= {p.name for p in run.iterdir()}
    settings = json.loads((run / "run.json").read_text())
    assert settings["seed"] == 0
    assert settings["set"] == ["population=6"]
    assert settings["versions"]["torch"]
    assert (run / "space.yaml").read_text().startswith("\nname: tiny")


def test_scores_of_a_lower_rung_than_the_last_are_named_as_such(
    tiny_space: Path, tmp_path: Path, undrawn: None
) -> None:
    short = ("--set", "rungs=[2, 4, 6]", "--evaluations", 2, "--backend", "inline", "--out", tmp_path / "runs")
    told = answer("run", tiny_space, *short)
    caption = "scores are after 2 steps, not after the 6 of the last rung"
    run = only_run(tmp_path / "runs")
    assert caption in told
    assert caption in answer("best", run)
    assert " after 2 steps" in next(line for line in answer("status", run).splitlines() if line.startswith("best"))
    whole = answer("run", tiny_space, "--evaluations", 1, "--backend", "inline", "--out", tmp_path / "whole")
    assert "scores are after" not in whole


def test_best_show_list_and_export_agree(run: Path, tmp_path: Path) -> None:
    best = json.loads(command("hrfevo", "best", run, "--top", 3, "--format", "json").stdout)
    assert 1 <= len(best) <= 3
    rows = list(csv.DictReader(io.StringIO(command("hrfevo", "best", run, "--top", 3, "--format", "csv").stdout)))
    assert [row["genome"] for row in rows] == [one["genome"] for one in best]
    assert float(rows[0]["bits_per_byte"]) == best[0]["metrics"]["bits_per_byte"]
    table = command("hrfevo", "best", run).stdout
    assert best[0]["genome"] in table
    shown = command("hrfevo", "show", run, best[0]["genome"][:8]).stdout
    assert "bits_per_byte" in shown
    listed = json.loads(command("hrfevo", "list", run.parent, "--format", "json").stdout)
    assert len(listed) == 1
    expected = {
        "run": run.name,
        "state": "finished",
        "finished": 10,
        "failed": 0,
        "best": best[0]["metrics"]["bits_per_byte"],
        "genome": best[0]["genome"],
    }
    assert {name: listed[0][name] for name in expected} == expected
    output = tmp_path / "model.yaml"
    assert command("hrfevo", "export", run, "--output", output).returncode == 0
    assert Recipe.load(output) == Recipe.load(run / "best.yaml")
    other = tmp_path / "other.yaml"
    assert command("hrfevo", "export", run, best[-1]["genome"], "--output", other).returncode == 0
    assert best[-1]["genome"] in other.read_text()


def test_the_exported_model_trains_to_the_same_score_evaluates_and_speaks(run: Path, tmp_path: Path) -> None:
    best = json.loads(command("hrfevo", "best", run, "--top", 1, "--format", "json").stdout)[0]
    trained = command("signal-model", "train", run / "best.yaml", "--output", tmp_path / "model", "--threads", 1)
    assert trained.returncode == 0, trained.stderr
    figures = json.loads((tmp_path / "model" / "figures.json").read_text())
    assert figures["validation"]["bits_per_byte"] == best["metrics"]["bits_per_byte"]
    assert figures["parameters"] == best["metrics"]["parameters"]
    score = f"{best['metrics']['bits_per_byte']:.6f} bits per byte"
    assert score in trained.stdout
    evaluated = command("signal-model", "evaluate", tmp_path / "model", "--threads", 1)
    assert score in evaluated.stdout, evaluated.stderr
    tested = command("signal-model", "evaluate", tmp_path / "model", "--split", "test", "--threads", 1)
    assert tested.stdout.startswith("test of")
    spoken = command("signal-model", "generate", tmp_path / "model", "--prompt", "def ", "--tokens", 20)
    assert spoken.stdout.startswith("def ")
    assert_one_clear_line(
        command("signal-model", "train", run / "best.yaml", "--output", tmp_path / "model"), "holds a trained model"
    )


def test_report_can_be_made_again(run: Path) -> None:
    before = (run / "report.html").stat().st_mtime_ns
    result = command("hrfevo", "report", run)
    assert result.stdout.strip() == str(run / "report.html")
    assert (run / "report.html").stat().st_mtime_ns > before


@pytest.mark.usefixtures("undrawn")
def test_a_run_in_postgresql(tiny_space: Path, tmp_path: Path, postgresql: str) -> None:
    options = ["--backend", "inline", "--evaluations", 5, "--out", tmp_path, "--store", postgresql]
    assert command("hrfevo", "run", tiny_space, *options).returncode == 0
    (run,) = [path for path in tmp_path.iterdir() if path.is_dir()]
    assert not (run / "results.db").exists()
    assert len(json.loads(command("hrfevo", "best", run, "--format", "json").stdout)) == 5


@pytest.mark.parametrize(
    "arguments", [["--help"], ["best", "RUN"], ["list", "RUNS"], ["validate", "SPACE"]], ids=" ".join
)
def test_commands_that_need_no_torch_or_ray_do_not_import_them(arguments: list[str], run: Path) -> None:
    names = {"RUN": run, "RUNS": run.parent, "SPACE": ROOT / "search_spaces" / "quick.yaml"}
    code = (
        "import sys, time\nfrom hrfevo.cli import main\n"
        f"sys.argv = {['hrfevo', *(str(names.get(a, a)) for a in arguments)]!r}\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'ray', 'optuna', 'pandas', 'plotly', 'datasets'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "assert time.process_time() < 5, time.process_time()\n"  # a busy machine does not stretch it
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


# --- going on -------------------------------------------------------------------------------------


def test_mistakes_in_a_run_folder_are_one_line(run: Path, tmp_path: Path) -> None:
    assert_one_clear_line(command("hrfevo", "show", run, "zzz"), "no genome of this run")
    assert_one_clear_line(command("hrfevo", "export", run, "--output", run / "best.yaml"), "exists")
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "run.json").write_text('{"id": 3')
    assert_one_clear_line(command("hrfevo", "best", broken), "run.json:1: not valid JSON")
    (broken / "run.json").write_text('{"id": 3}')
    assert_one_clear_line(command("hrfevo", "best", broken), "id: missing or not of type str")
    settings = json.loads((run / "run.json").read_text())
    for key, value, says in (
        ("id", "../elsewhere", "id: expected a hexadecimal number, got '../elsewhere'"),
        ("storage", 3, "storage: neither"),
    ):
        (broken / "run.json").write_text(json.dumps(settings | {key: value}))
        assert_one_clear_line(command("hrfevo", "best", broken), says)
    (broken / "run.json").write_bytes((run / "run.json").read_bytes())
    assert_one_clear_line(command("hrfevo", "best", broken), "has no results yet")
    os.mkfifo(broken / "space.yaml")
    assert_one_clear_line(command("hrfevo", "best", broken, timeout=60), "space.yaml: is no regular file")
    (broken / "space.yaml").unlink()
    (broken / ".lock").symlink_to(tmp_path / "elsewhere")
    assert_one_clear_line(command("hrfevo", "resume", broken), ".lock: is no regular file")
    assert not (tmp_path / "elsewhere").exists()


def test_a_tampered_run_is_refused_not_continued(run: Path, tmp_path: Path) -> None:
    """A changed space, lost results or a damaged row would mix what cannot be compared."""

    def copied(name: str) -> Path:
        return Path(shutil.copytree(run, tmp_path / name))

    changed = copied("changed")
    (changed / "space.yaml").write_text((run / "space.yaml").read_text().replace("width: 16", "width: 32"))
    for verb in ("resume", "best", "report"):
        assert_one_clear_line(command("hrfevo", verb, changed), "has changed since the run began")
    lost = copied("lost")
    (lost / "results.db").unlink()
    before = (lost / "best.yaml").read_bytes()
    assert_one_clear_line(
        command("hrfevo", "resume", lost, "--backend", "inline"), "its results are gone (no results.db in it)"
    )
    assert (lost / "best.yaml").read_bytes() == before
    misspelt = command("hrfevo", "resume", run, "--store", f"sqlite:///{tmp_path}/results.bd", "--backend", "inline")
    assert_one_clear_line(misspelt, "results.bd: no such file")
    assert not (tmp_path / "results.bd").exists()
    for column, value in (("metrics", "{"), ("metrics", "3"), ("status", "foo")):
        damaged = copied(f"damaged {column} {value}")
        with sqlite3.connect(damaged / "results.db") as database:
            database.execute(f"UPDATE evaluations SET {column} = ? WHERE number = 2", (value,))
        database.close()
        assert_one_clear_line(command("hrfevo", "best", damaged), "damaged")


@pytest.mark.usefixtures("undrawn")
def test_a_run_that_had_not_begun_begins_in_the_store_that_is_named_now(run: Path, tmp_path: Path) -> None:
    copy, store = Path(shutil.copytree(run, tmp_path / "copy")), f"sqlite:///{tmp_path}/other.db"
    for name in (".began", "results.db"):
        (copy / name).unlink()
    options = ["--backend", "inline", "--evaluations", 3]
    assert command("hrfevo", "resume", copy, "--store", store, *options).returncode == 0
    assert len(json.loads(command("hrfevo", "best", copy, "--format", "json").stdout)) == 3
    assert not (copy / "results.db").exists()


@pytest.mark.usefixtures("undrawn")
def test_a_larger_budget_is_remembered(run: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(run, tmp_path / "copy"))
    assert command("hrfevo", "resume", copy, "--backend", "inline", "--evaluations", 12).returncode == 0
    assert json.loads((copy / "run.json").read_text())["set"][-1] == "budget.evaluations=12"
    listed = json.loads(command("hrfevo", "list", tmp_path, "--format", "json").stdout)
    assert listed[0]["finished"] == 12


def test_a_text_may_be_moved_and_not_changed(
    tiny_space: Path, text_folder: Path, tmp_path: Path, undrawn: None
) -> None:
    here, there = Path(shutil.copytree(text_folder, tmp_path / "here")), tmp_path / "there"
    tiny_space.write_text(tiny_space.read_text().replace(str(text_folder), "here"))
    inline = ["--backend", "inline", "--no-confirm"]
    with chdir(tmp_path):
        answer("run", tiny_space, *inline, "--evaluations", 4, "--out", "runs")
    run = only_run(tmp_path / "runs")
    before = (run / "run.json").read_text()
    here.rename(there)
    onward = ["resume", run, *inline, "--evaluations"]
    with pytest.raises(InputError, match=f"{run}: path: {here}: no such file.*--corpus says where it is"):
        answer(*onward, 6)
    kept = (run / "run.json").read_text()
    with pytest.raises(InputError, match="the corpus has changed since the run began"):
        answer(*onward, 6, "--corpus", there / "[abc]*.txt")
    assert (run / "run.json").read_text() == kept
    with chdir(tmp_path):
        answer(*onward, 6, "--corpus", "there")
    answer(*onward, 8)  # it is remembered, and means the same from another folder
    assert len(json.loads(answer("best", run, "--format", "json"))) > 0
    assert json.loads(before)["corpus"] == json.loads((run / "run.json").read_text())["corpus"]
    assert Recipe.load(run / "best.yaml").to_dict()["corpus"]["path"] == str(there)
    moved = there.rename(tmp_path / "elsewhere")
    weights = ["export", run, "--weights", "--device", "cpu", "--output", tmp_path / "model"]
    with pytest.raises(InputError, match="--corpus says where it is"):
        answer(*weights)
    assert "the same as in the search" in answer(*weights, "--corpus", moved)
    assert "confirmation" not in {path.name for path in run.iterdir()}
    answer("confirm", run, "--backend", "inline", "--corpus", moved, "--top", 1, "--seeds", 1, "--no-baseline")
    assert (run / "confirmation" / "1" / "done").exists()
