"""Both commands as a newcomer uses them, mistakes included."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import chdir
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from hrfevo.algorithms.registry import make_algorithm
from hrfevo.space.reading import load_space
from signal_model.cli import app as signal_model
from signal_model.config import Recipe
from signal_model.data.corpus import load_corpus
from signal_model.support.errors import InputError
from tests.conftest import ROOT, TINY_SPACE, answer, command, only_run
from tests.tools.privileges import read_only


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


def assert_one_clear_line(result: subprocess.CompletedProcess[str], says: str) -> None:
    assert result.returncode == 2, (result.returncode, result.stdout, result.stderr)
    assert "Traceback" not in result.stdout + result.stderr
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("error: ")
    assert says in lines[0], lines[0]


# --- mistakes ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("embedding.bases:", "embedding.basis:"), "embedding.basis: unknown setting"),
        (("low: 2, high: 8,", "low: 8, high: 2,"), "low must be below high, got low 8 and high 2"),
        (
            (
                "mixer.levels: {",
                "mixer.families: {type: choice, values: [[db99]], when: {mixer.kind: wavelet}}\n      mixer.levels: {",
            ),
            "'db99' is not a discrete wavelet",
        ),
        (("{path: TEXT}", "{path: /nowhere/*.txt}"), "/nowhere/*.txt"),
        (("{path: TEXT}", "{path: EMPTY}"), "empty"),
        (("{path: TEXT}", "{dataset: /nowhere/data}"), "/nowhere/data"),
        (("{path: TEXT}", "{path: ONE}"), "too few distinct documents to split by document (1); it takes 3"),
        (("context: 32", "context: 100000"), "is shorter than one window of model.context + 1"),
    ],
)
def test_a_bad_space_is_one_line_of_run_and_of_validate(
    change: tuple[str, str], says: str, tmp_path: Path, text_folder: Path
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "empty.txt").touch()
    (empty / "one.txt").write_text("a document")
    path = tmp_path / "space.yaml"
    assert change[0] in TINY_SPACE
    path.write_text(
        TINY_SPACE.replace(*change)
        .replace("TEXT", str(text_folder))
        .replace("EMPTY", str(empty / "empty.txt"))
        .replace("ONE", str(empty / "one.txt"))
    )
    result = command("hrfevo", "run", path, "--backend", "inline", "--out", tmp_path / "out")
    assert_one_clear_line(result, says)
    assert not (tmp_path / "out").exists()  # nothing is left behind by a run that never began
    with pytest.raises(InputError, match=re.escape(says)):
        answer("validate", path)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run", "missing.yaml"], "missing.yaml: no such file"),
        (["validate", "missing.yaml"], "missing.yaml: no such file"),
        (["validate", "SPACE", "--set", "corpus={path: nowhere/*.txt}"], "corpus: path: nowhere/*.txt: no such file"),
        (["validate", "."], "is a folder, not a file"),
        (["best", "."], "is not a run folder (no run.json in it)"),
        (["resume", "nowhere"], "nowhere: no such run folder"),
        (["report", "nowhere"], "nowhere: no such run folder"),
        (["list", "nowhere"], "nowhere: no such folder"),
        (["run", "SPACE", "--address", "127.0.0.1:1"], "--address 127.0.0.1:1: no Ray cluster answers there"),
        (["run", "SPACE", "--address", "ray://127.0.0.1:1"], "no Ray cluster answers there"),
        (["run", "SPACE", "--address", "nonsense"], "expected auto, HOST:PORT or ray://HOST:PORT"),
        (["run", "SPACE", "--algorithm", "evolutoin"], "did you mean 'evolution'?"),
        (["run", "SPACE", "--device", "cpu:9"], "cpu:9 is not available on this machine"),
        (["run", "SPACE", "--storage", ""], "--storage: is empty; accepted: a path or a URL"),
        (["run", "SPACE", "--backend", "inline", "--workers", 3], "--backend inline: runs one evaluation at a time"),
        (["run", "SPACE", "--device", "gpu"], "'gpu' is no device; accepted: auto, cuda, cuda:N, mps, cpu"),
        (["run", "SPACE", "--backend", "inline", "--store", "nonsense"], "accepted: sqlite:///PATH or postgresql"),
        (["run", "SPACE", "--backend", "inline", "--store", "sqlite:///:memory:"], "forgets everything at the end"),
        (["run", "SPACE", "--set", "model.embedding.kind=hybrid"], "is fixed here and searched as gene embedding.kind"),
        (["run", "SPACE", "--set", "model.context=100000"], "is shorter than one window of model.context + 1"),
        (["run", "SPACE", "--set", "genes.embedding.kind.type=chioce"], "chioce"),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, list) else "",
)
def test_a_mistake_is_one_line(arguments: list[object], says: str, tmp_path: Path, tiny_space: Path) -> None:
    given = [tiny_space if argument == "SPACE" else argument for argument in arguments]
    if arguments[0] == "run":
        given += ["--out", tmp_path / "out"]
    result = command("hrfevo", *given)
    assert_one_clear_line(result, says)
    assert not list((tmp_path / "out").glob("*"))


def test_a_space_is_read_from_a_pipe_and_one_that_nobody_writes_to_is_refused(
    tmp_path: Path, tiny_space: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = [sys.executable, "-m", "hrfevo.cli", "validate", "/dev/stdin"]
    piped = subprocess.run(asked, input=tiny_space.read_text(), capture_output=True, text=True, check=False)
    assert piped.returncode == 0, piped.stderr
    assert piped.stdout.startswith("/dev/stdin: valid; 8 genes")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    threading.Timer(0.3, pipe.write_bytes, [tiny_space.read_bytes()]).start()
    assert answer("validate", pipe).startswith(f"{pipe}: valid; 8 genes")
    monkeypatch.setattr("signal_model.support.files.PIPE_PATIENCE", 0.2)
    with pytest.raises(InputError, match=r"pipe: is a pipe, and nobody has written to it for 0.2 seconds"):
        answer("validate", pipe)


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


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["train", "missing.yaml", "--output", "OUT"], "missing.yaml: no such file"),
        (["train", "MODEL", "--output", "OUT"], "names no corpus"),
        (["train", "MODEL", "--output", "OUT", "--corpus", "/nowhere"], "/nowhere"),
        (["train", "MODEL", "--output", "OUT", "--corpus", ""], "--corpus: path: names no file, got ''"),
        (
            ["train", "MODEL", "--output", "OUT", "--corpus", "python", "--tokenizer", "{kind: bpe, size: 300}"],
            "does not match the tokenizer's 300",
        ),
        (
            ["train", "BAD", "--output", "OUT", "--corpus", "python"],
            "layers[0].mixer.levels: 9 needs a context of at least 512",
        ),
        (["train", "MODEL", "--output", "MODEL", "--corpus", "python"], "cannot be made a folder"),
        (["train", "WILD", "--output", "OUT", "--corpus", "python", "--steps", "3"], "training diverged: the loss is"),
        (["evaluate", "."], "is no checkpoint (no model.safetensors in it)"),
        (["generate", ".", "--prompt", "x"], "is no checkpoint"),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, list) else "",
)
def test_signal_models_mistakes_are_one_line(arguments: list[str], says: str, tmp_path: Path) -> None:
    (tmp_path / "model.yaml").write_text("width: 16\nlayers:\n- mixer: {kind: harmonic}\n")
    (tmp_path / "bad.yaml").write_text("layers:\n- mixer: {kind: wavelet, levels: 9}\n")
    (tmp_path / "wild.yaml").write_text("model: {width: 16}\ntraining: {weight_decay: 1e30}\n")
    names = {
        "WILD": tmp_path / "wild.yaml",
        "MODEL": tmp_path / "model.yaml",
        "BAD": tmp_path / "bad.yaml",
        "OUT": tmp_path / "out",
    }
    assert_one_clear_line(command("signal-model", *[names.get(a, a) for a in arguments]), says)


def test_a_disk_without_room_is_named(tiny_space: Path, tmp_path: Path) -> None:
    def leave(room: int) -> None:
        # Or what is imported is left cut off for everybody.
        sys.dont_write_bytecode = True
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))

    space, _ = load_space(tiny_space)
    load_corpus(space.corpus, space.tokenizer)  # there is room for its tokens
    model = tmp_path / "model.yaml"
    model.write_text("width: 16\nlayers:\n- mixer: {kind: harmonic}\n")
    text = tmp_path / "plain.txt"
    text.write_text("".join(f"{number} lines of text\n" for number in range(2000)))
    train = ["train", model, "--steps", 3, "--output", tmp_path / "model"]
    refused = command("signal-model", *train, "--corpus", text)
    assert_one_clear_line(refused, f"cut one by position: {{path: {text}, split: position}}")
    search = ["hrfevo", "run", tiny_space, "--backend", "inline", "--out", tmp_path / "runs"]
    corpus = f"{{path: {text}, split: position}}"
    for room, arguments, place in (
        (50_000, ["signal_model", *train, "--corpus", corpus], tmp_path / "model" / "training.safetensors"),
        (200, search, f"--out {tmp_path / 'runs'}: "),
    ):
        result = subprocess.run(
            [sys.executable, "-m", *map(str, arguments)],
            capture_output=True,
            text=True,
            preexec_fn=partial(leave, room),
        )
        assert_one_clear_line(result, str(place))
    assert not [*(tmp_path / "runs").iterdir()]


# --- results -------------------------------------------------------------------------------------


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


def test_what_is_cheap_to_check_is_checked_before_text_is_read(
    tiny_space: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hrfevo.runner.start.load_corpus", None)
    monkeypatch.setattr("signal_model.data.corpus.load_corpus", None)
    closed, file, model = tmp_path / "closed", tmp_path / "file", tmp_path / "model.yaml"
    closed.mkdir()
    file.touch()
    model.write_text("width: 16\nvocab_size: 300\nlayers:\n- mixer: {kind: harmonic}\n")
    gpus = torch.cuda.device_count() + 1
    for arguments, says in (
        (("--set", f"resources.gpus={gpus}", "--out", tmp_path), f"resources.gpus: {gpus} for each of 1 worker\\b"),
        (("--out", closed / "runs"), f"--out {closed / 'runs'}: {closed} may not be written to"),
        (("--out", file / "runs"), f"--out {file / 'runs'}: {file} is not a folder"),
    ):
        with read_only(closed), pytest.raises(InputError, match=f"^{says}"):
            answer("run", tiny_space, *arguments)
    train = CliRunner().invoke(signal_model, ["train", str(model), "--corpus", "python", "--output", str(tmp_path)])
    assert str(train.exception).startswith(f"{model}: vocab_size: 300 does not match the tokenizer's 256; give")


@pytest.mark.usefixtures("undrawn")
def test_optunas_samplers_say_what_they_do_once(tiny_space: Path, tmp_path: Path) -> None:
    options = ["--backend", "inline", "--algorithm", "cmaes", "--set", "objectives={bits_per_byte: minimize}"]
    decay = "genes:\n  training.weight_decay: {type: float, low: 0.0, high: 0.1}"
    for genes, adapted in (("genes:", "no gene"), (decay, "training.weight_decay, training.learning_rate")):
        tiny_space.write_text(tiny_space.read_text().replace("\ngenes:", f"\n{genes}", 1))
        result = command("hrfevo", "run", tiny_space, *options, "--out", tmp_path / "runs")
        assert (result.returncode, result.stderr) == (0, "")
        assert result.stdout.startswith(f"note: cmaes adapts {adapted}; it draws the other genes at random\n")


def test_validate_says_how_large_the_space_is() -> None:
    result = command("hrfevo", "validate", ROOT / "search_spaces" / "embeddings.yaml")
    assert result.returncode == 0
    assert "valid; 10 genes, 1,352 discrete combinations, up to 5 continuous dimensions" in result.stdout


@pytest.mark.parametrize(
    ("changed", "least"),
    [
        ("budget={evaluations: 4}", "5 evaluations"),
        ("budget={evaluations: 5}", ""),
        ("budget={trainings: 1.9}", "2 full trainings"),
        ("budget={trainings: 2}", ""),
        ("budget={minutes: 1}", ""),
    ],
)
def test_validate_says_where_the_budget_ends_before_the_last_rung(changed: str, least: str, tiny_space: Path) -> None:
    """Four genomes at 3 steps come first, as the algorithm proposes them, then one that goes on to 9."""
    asked = ["--set", "rungs=[3, 9]", "--set", changed]
    told = answer("validate", tiny_space, *asked)
    ends = f"a search begins with 4 genomes at 3 steps, so {least} are the least that can\n"
    assert told.endswith(ends) if least else "note:" not in told
    assert "note:" not in answer("validate", tiny_space, "--set", "rungs=[9]", "--set", changed)
    space, _ = load_space(tiny_space, [asked[1], changed])
    algorithm = make_algorithm("evolution", space, np.random.SeedSequence(0), False)
    proposals = [algorithm.ask() for _ in range(4)]
    assert [one.rung for one in proposals if one] == [0] * 4


@pytest.mark.usefixtures("undrawn")
def test_a_run_in_postgresql(tiny_space: Path, tmp_path: Path, postgresql: str) -> None:
    options = ["--backend", "inline", "--evaluations", 5, "--out", tmp_path, "--store", postgresql]
    assert command("hrfevo", "run", tiny_space, *options).returncode == 0
    (run,) = [path for path in tmp_path.iterdir() if path.is_dir()]
    assert not (run / "results.db").exists()
    assert len(json.loads(command("hrfevo", "best", run, "--format", "json").stdout)) == 5


@pytest.mark.parametrize("program", ["hrfevo", "signal-model"])
def test_version(program: str) -> None:
    result = command(program, "--version")
    assert (result.returncode, result.stdout) == (0, f"{program} {version('hrfevo')}\n")


@pytest.mark.parametrize(("package", "program"), [("hrfevo", "hrfevo"), ("signal_model", "signal-model")])
def test_packages_are_run_as_their_commands_are(package: str, program: str) -> None:
    result = subprocess.run([sys.executable, "-m", package, "--help"], capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == command(program, "--help").stdout.replace(f"{package}.cli", package)


def test_ctrl_c_as_python_ends_shows_no_traceback() -> None:
    code = (
        "import atexit, os, signal, sys\nfrom hrfevo.cli import main\n"
        "atexit.register(lambda: os.kill(os.getpid(), signal.SIGINT))\n"
        "sys.argv = ['hrfevo', '--help']\nmain()\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (-signal.SIGINT, "")


# --- speed and independence ----------------------------------------------------------------------


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


def test_inline_runs_do_not_import_ray(tiny_space: Path, tmp_path: Path) -> None:
    arguments = ["hrfevo", "run", str(tiny_space), "--backend", "inline", "--evaluations", "4", "--out", str(tmp_path)]
    code = (
        f"import sys\nfrom hrfevo.cli import main\nsys.argv = {arguments!r}\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
        "assert 'ray' not in sys.modules\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
