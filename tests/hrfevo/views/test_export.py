"""Results taken away are the run's own: recipes, weights, tables, Optuna studies; and shells complete their names."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import optuna_dashboard
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.trial import TrialState
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from hrfevo.results.history import History
from hrfevo.space.distributions import flat_parameters, in_own_scale
from hrfevo.space.genome import sample
from hrfevo.space.search_space import SearchSpace
from hrfevo.store.run_folder import RunFolder
from hrfevo.store.store import Evaluation
from hrfevo.views.export.destination import new_file, new_folder
from hrfevo.views.export.studies import write_study
from hrfevo.views.export.tables import as_bytes, evaluations_table
from signal_model.config import ModelConfig, Recipe
from signal_model.data.corpus import load_corpus
from signal_model.interchange import SignalLLMForCausalLM
from signal_model.model import build_model
from signal_model.support.errors import InputError
from signal_model.support.files import parse_document
from signal_model.training.checkpoints import load_checkpoint, load_figures
from signal_model.training.trainer import Trainer, run_recipe
from tests.conftest import ROOT, TINY_SPACE, command
from tests.hrfevo.commands.test_cli import assert_one_clear_line
from tests.tools.forks import UNDRAWN
from tests.tools.services import get
from tests.tools.synthetic import read

CPU = torch.device("cpu")
optuna.logging.set_verbosity(optuna.logging.WARNING)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, text_folder: Path) -> Path:
    """A finished run of two rungs, with genomes that wait at the first."""
    folder = tmp_path_factory.mktemp("runs")
    space = folder / "tiny.yaml"
    space.write_text(TINY_SPACE.replace("TEXT", str(text_folder)).replace("rungs: [3]", "rungs: [3, 6]"))
    options = ["--out", folder / "out", "--backend", "inline", "--evaluations", 14]
    result = command("hrfevo", "run", space, *options, environment={UNDRAWN: "1"})
    assert result.returncode == 0, result.stderr
    (path,) = (folder / "out").iterdir()
    return path


def results(run: Path) -> tuple[SearchSpace, list[Evaluation]]:
    folder = RunFolder.open(run)
    return folder.space(), folder.open_store().evaluations(folder.id)


def exported(run: Path, *arguments: object) -> str:
    result = command("hrfevo", "export", run, *arguments)
    assert result.returncode == 0, result.stderr
    return result.stdout


# --- recipes and weights ---------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["yaml", "json"])
def test_a_recipe_and_a_model_are_the_genomes_in_either_format(suffix: str, run: Path, tmp_path: Path) -> None:
    exported(run, "--output", tmp_path / f"recipe.{suffix}")
    exported(run, "--format", "model", "--output", tmp_path / f"model.{suffix}")
    recipe = Recipe.load(tmp_path / f"recipe.{suffix}")
    assert recipe == Recipe.load(run / "best.yaml")
    assert ModelConfig.from_yaml(tmp_path / f"model.{suffix}") == recipe.model
    if suffix == "json":
        assert json.loads((tmp_path / "recipe.json").read_text()) == recipe.to_dict()


def test_weights_score_as_the_search_measured_and_load_in_transformers(run: Path, tmp_path: Path) -> None:
    """The winner's training was dropped when it ended; the same seed trains it again to the last digit."""
    space, evaluations = results(run)
    best = History(space, tuple(evaluations)).front[0]
    said = exported(run, "--weights", "--output", tmp_path / "model")
    score = f"{best.metrics['bits_per_byte']:.6f} bits per byte"
    assert said.splitlines()[-1].endswith(f"; {score} on validation, the same as in the search")
    figures = load_figures(tmp_path / "model")
    assert figures["validation"]["bits_per_byte"] == best.metrics["bits_per_byte"]
    assert (figures["genome"], figures["steps"], figures["run"]) == (best.genome, 6, run.name)
    assert score in command("signal-model", "evaluate", tmp_path / "model", "--threads", 1).stdout

    exported(run, best.genome, "--format", "huggingface", "--output", tmp_path / "hub")
    model = load_checkpoint(tmp_path / "model", CPU)[0]
    tokens = torch.randint(1, 256, (2, 20), generator=torch.Generator().manual_seed(0))
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path / "hub")
    assert isinstance(loaded, SignalLLMForCausalLM)
    assert torch.equal(loaded(tokens).logits, model(tokens))


def test_weights_that_the_search_kept_are_used_and_trained_on(run: Path, tmp_path: Path) -> None:
    """Kept, trained on from what was kept, and trained again: each to the same weights as one training from scratch."""
    space, evaluations = results(run)
    promoted = {e.genome for e in evaluations if e.rung == 1}
    waiting = next(e for e in evaluations if (run / "checkpoints" / e.genome).is_dir() and e.genome not in promoted)
    exported(run, waiting.genome, "--output", tmp_path / "recipe.yaml")
    recipe = Recipe.load(tmp_path / "recipe.yaml")
    corpus = load_corpus(space.corpus, space.tokenizer)
    torch.set_num_threads(1)
    early = Trainer(build_model(recipe.model, recipe.training.seed), corpus, recipe.training, CPU)
    early.run(until=3)
    late, _, score = run_recipe(recipe, corpus, CPU)

    said = exported(run, waiting.genome, "--weights", "--output", tmp_path / "kept")
    assert "weights that the search kept at step 3;" in said
    assert "the same as in the search" in said
    assert_weights(tmp_path / "kept", early.model.state_dict())
    said = exported(run, waiting.genome, "--weights", "--steps", 6, "--output", tmp_path / "on")
    assert f"kept by the search at step 3, trained on to 6; {score.bits_per_byte:.6f} bits" in said
    assert "which the search did not measure" in said
    assert_weights(tmp_path / "on", late.state_dict())

    copy = Path(shutil.copytree(run, tmp_path / "copy"))
    kept = copy / "checkpoints" / waiting.genome / "training.safetensors"
    kept.write_bytes(kept.read_bytes()[:-20])
    said = exported(copy, waiting.genome, "--weights", "--output", tmp_path / "again")
    assert "trained again from scratch to step 3;" in said
    assert_weights(tmp_path / "again", early.model.state_dict())


def assert_weights(folder: Path, expected: Mapping[str, torch.Tensor]) -> None:
    written = load_file(folder / "model.safetensors")
    assert written.keys() == expected.keys()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in written.items())


# --- tables ----------------------------------------------------------------------------------------

# A space that no model has: choices of every kind that YAML can write.
MIXED = SearchSpace.model_validate(
    {
        "name": "mixed",
        "genes": {
            "rate": {"type": "float", "low": 1e-7, "high": 3e-2, "log": True},
            "kind": {"type": "choice", "values": ["standard", "spectral"]},
            "bases": {"type": "int", "low": 2, "high": 8, "when": {"kind": "spectral"}},
            "range": {"type": "interval", "low": 0.5, "high": 8, "log": True, "when": {"kind": "spectral"}},
            "odd": {"type": "choice", "values": [None, True, 1, 1.5, "1.5", "NA", "a,b", "x\r\ny", [1, "é"]]},
            "layers": {
                "type": "layers",
                "min": 1,
                "max": 3,
                "genes": {
                    "mixer": {"type": "choice", "values": ["attention", "wavelet"]},
                    "families": {"type": "choice", "values": [["haar"], ["db4"]], "when": {"mixer": "wavelet"}},
                    "expansion": {"type": "ordered", "values": [1.0, 2.0]},
                },
            },
        },
        "objectives": {"bits_per_byte": "minimize", "parameters": "minimize"},
        "rungs": [3, 6],
        "population": 4,
        "budget": {"evaluations": 10},
    }
)

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
NUMBERS = st.floats(allow_nan=False)
METRICS = st.dictionaries(st.sampled_from(["bits_per_byte", "parameters", "step_time", "inherited"]), NUMBERS)


@st.composite
def evaluation_lists(draw: st.DrawFn) -> list[Evaluation]:
    """Evaluations with any text, any numbers, anything missing."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    evaluations: list[Evaluation] = []
    for number in range(draw(st.integers(1, 4))):
        genome = sample(MIXED, generator)
        ended = draw(st.booleans())
        evaluation = Evaluation(
            number=number,
            genome=genome.id,
            values=json.loads(genome.text),
            birth=number,
            operator=draw(TEXTS),
            parents=tuple(e.genome for e in evaluations[:2]),
            rung=draw(st.integers(0, 1)),
            seed=draw(st.integers(0, 2**63 - 1)),
            status="failed" if ended else "running",
            reason=draw(TEXTS),
            detail=draw(TEXTS),
            metrics=draw(METRICS) if ended else {},
            worker=draw(TEXTS),
            device=draw(TEXTS),
            submitted=draw(st.floats(0, 1e10)),
            started=draw(st.floats(0, 1e10)) if ended else None,
            ended=draw(st.floats(0, 1e10)) if ended else None,
            submitted_event=number,
            ended_event=number + 100 if ended else None,
        )
        evaluations.append(evaluation)
    return evaluations


@settings(max_examples=60)
@given(evaluation_lists())
def test_every_column_of_a_table_reads_back_as_the_store_has_it(evaluations: list[Evaluation]) -> None:
    table = evaluations_table(History(MIXED, tuple(evaluations)))
    text, columns = io.BytesIO(as_bytes(table, "csv")), io.BytesIO(as_bytes(table, "parquet"))
    assert_holds(pd.read_csv(text, keep_default_na=False, dtype="string"), evaluations)
    assert_holds(pd.read_parquet(columns), evaluations)


# Columns that are made from others.
DERIVED = {"began", "minutes", "spent", "front", "generation", "seeds"}


def assert_holds(read: pd.DataFrame, evaluations: list[Evaluation]) -> None:
    expected = [stored(evaluation) for evaluation in evaluations]
    assert {*read.columns} - DERIVED >= {name for row in expected for name in row}
    for name in {*read.columns} - DERIVED:
        for cell, row in zip(read[name], expected, strict=True):
            found, value = "" if pd.isna(cell) else str(cell), row.get(name)
            if value is None or isinstance(value, str):
                assert found == (value or ""), name
            elif isinstance(value, float):
                assert float(found) == value, name
            else:
                assert json.loads(found) == value, name
                assert isinstance(json.loads(found), type(value)), name


def stored(evaluation: Evaluation) -> dict[str, Any]:
    """What each column must hold, from the record alone. A gene that is null and one that is absent are both empty."""
    record = {name: getattr(evaluation, name) for name in Evaluation.__dataclass_fields__}
    values, metrics = record.pop("values"), record.pop("metrics")
    assert (record.pop("seeds"), record.pop("doubts")) == (1, {})  # of several evaluations, which are rows of their own
    genes = {f"gene:{name}": value for name, value in values.items() if name != "layers"}
    genes["gene:layers"] = len(values["layers"])
    for index, layer in enumerate(values["layers"]):
        genes |= {f"gene:layers[{index}].{name}": value for name, value in layer.items()}
    return {
        **record,
        **metrics,
        **genes,
        "genes": json.dumps(values, sort_keys=True, separators=(",", ":")),
        "parents": list(evaluation.parents),
        "timings": list(evaluation.timings),
        "steps": MIXED.rungs[evaluation.rung],
    }


@pytest.mark.parametrize("format_", ["csv", "parquet"])
def test_a_run_and_its_curves_as_tables(format_: str, run: Path, tmp_path: Path) -> None:
    space, evaluations = results(run)
    folder = RunFolder.open(run)
    exported(run, "--format", format_, "--output", tmp_path / "run")
    exported(run, "--format", format_, "--curves", "--output", tmp_path / "curves")
    read: Any = pd.read_csv if format_ == "csv" else pd.read_parquet
    table, curves = read(tmp_path / "run"), read(tmp_path / "curves")
    assert [*table["genome"]] == [e.genome for e in evaluations]
    assert [*table["bits_per_byte"]] == [e.metrics["bits_per_byte"] for e in evaluations]
    assert {*table["genome"][table["front"]]} == {e.genome for e in History(space, tuple(evaluations)).front}
    kept = folder.open_store().curves(folder.id)
    points = {(number, p.step, p.seconds, p.bits_per_byte) for number, curve in kept.items() for p in curve}
    assert {*curves.itertuples(index=False, name=None)} == points


# --- Optuna ----------------------------------------------------------------------------------------


def test_a_study_holds_the_run_and_the_dashboard_serves_it(run: Path, tmp_path: Path) -> None:
    space, evaluations = results(run)
    folder = RunFolder.open(run)
    url = f"sqlite:///{tmp_path / 'study.db'}"
    exported(run, "--format", "optuna", "--output", url)
    study = optuna.load_study(study_name=run.name, storage=url)
    assert study.metric_names == [*space.objectives]
    assert {(t.user_attrs["genome"], *t.values) for t in study.best_trials} == {
        (e.genome, *(e.metrics[name] for name in space.objectives)) for e in History(space, tuple(evaluations)).front
    }
    curves = folder.open_store().curves(folder.id)
    below = {e.genome: e.number for e in evaluations if e.rung == 0}
    for trial, evaluation in zip(study.trials, evaluations, strict=True):
        assert trial.number == evaluation.number
        assert trial.state == (TrialState.COMPLETE if evaluation.rung == 1 else TrialState.PRUNED)
        # Some begin at the last rung.
        points = [*curves.get(below.get(evaluation.genome, -1), ()), *curves.get(evaluation.number, ())]
        assert trial.intermediate_values == {point.step: point.bits_per_byte for point in points}
        assert max(trial.intermediate_values) == space.rungs[evaluation.rung]
        assert trial.params["training.learning_rate"] == evaluation.values["training.learning_rate"]
        assert trial.params["layers"] == len(evaluation.values["layers"])
        for index, layer in enumerate(evaluation.values["layers"]):
            assert trial.params[f"layers[{index}].mixer.kind"] == layer["mixer.kind"]
        if "embedding.frequencies" in evaluation.values:
            ends = [trial.params[f"embedding.frequencies.{end}"] for end in ("low", "high")]
            assert ends == evaluation.values["embedding.frequencies"]
        about = {"rung": evaluation.rung, "operator": evaluation.operator, "parents": [*evaluation.parents]}
        assert trial.user_attrs.items() >= {**about, **evaluation.metrics}.items()
        assert trial.datetime_complete is not None
        assert trial.datetime_complete.timestamp() == pytest.approx(evaluation.ended, abs=1e-3)

    app = optuna_dashboard.wsgi(url)
    (summary,) = get(app, "/api/studies")["study_summaries"]
    assert summary["study_name"] == run.name
    served = get(app, f"/api/studies/{summary['study_id']}")
    assert len(served["trials"]) == len(evaluations)
    for trial, evaluation in zip(served["trials"], evaluations, strict=True):
        expected = [evaluation.metrics[name] for name in space.objectives] if evaluation.rung == 1 else []
        assert [float(value) for value in trial.get("values", [])] == expected
        assert len(trial["intermediate_values"]) == len(study.trials[evaluation.number].intermediate_values)


def test_a_storage_keeps_its_other_studies_and_its_own_unless_told(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path / 'study.db'}"
    other = optuna.create_study(storage=url, study_name="other")
    other.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
    exported(run, "--format", "optuna", "--output", url)
    refused = command("hrfevo", "export", run, "--format", "optuna", "--output", url)
    assert_one_clear_line(refused, f"has a study '{run.name}'; name another database or add --overwrite")
    exported(run, "--format", "optuna", "--output", url, "--overwrite")
    assert {*optuna.get_all_study_names(url)} == {"other", run.name}
    assert len(optuna.load_study(study_name="other", storage=url).trials) == 2

    # What breaks in the middle leaves the study that was there, and no file where there was none.
    space, evaluations = results(run)
    folder = RunFolder.open(run)
    record = folder.record(folder.open_store())
    add = optuna.Study.add_trial

    def breaks(study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
        if len(study.trials) == 3:
            raise RuntimeError("no space left")
        add(study, trial)

    monkeypatch.setattr(optuna.Study, "add_trial", breaks)
    monkeypatch.setattr(optuna.Study, "add_trials", lambda study, trials: [study.add_trial(t) for t in trials])
    before = optuna.load_study(study_name=run.name, storage=url).trials
    for address in (url, f"sqlite:///{tmp_path / 'new' / 'study.db'}"):
        with pytest.raises(InputError, match="no space left"):
            write_study(address, record, History(space, tuple(evaluations)), {}, overwrite=True)
    assert {*optuna.get_all_study_names(url)} == {"other", run.name}
    assert optuna.load_study(study_name=run.name, storage=url).trials == before
    assert not [*(tmp_path / "new").iterdir()]


def test_failed_infeasible_and_running_evaluations_are_trials_too(run: Path, tmp_path: Path) -> None:
    space, evaluations = results(run)
    folder = RunFolder.open(run)
    record = folder.record(folder.open_store())
    ends: list[Any] = ["failed", "infeasible", "running"]
    changed = [replace(e, status=end, metrics={}, reason=end) for e, end in zip(evaluations, ends, strict=False)]
    changed[2] = replace(changed[2], started=None, ended=None, ended_event=None)
    url = f"sqlite:///{tmp_path / 'study.db'}"
    write_study(url, record, History(space, (*changed, *evaluations[3:])), {})
    trials = optuna.load_study(study_name=run.name, storage=url).trials[:3]
    assert [trial.state for trial in trials] == [TrialState.FAIL, TrialState.FAIL, TrialState.RUNNING]
    assert [trial.user_attrs["status"] for trial in trials] == ends


# --- what cannot be, and what is not written -----------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ["--output", "X", "--format", "csv", "--weights"],
            "--weights: goes with --format recipe or hugging",
        ),
        (["--output", "X", "--steps", 3], "--steps 3: goes with --weights or --format huggingface"),
        (["--output", "X", "--curves"], "--curves: goes with --format csv or parquet, got recipe"),
        (["abc", "--output", "X", "--format", "csv"], "--format csv: is of the whole run; leave out the genome abc"),
        (["--output", "sqlite:///X"], "is a database, which goes with --format optuna"),
        (["--output", "X", "--format", "optuna"], "is no database; --format optuna accepts sqlite:///PATH"),
        (["--output", "sqlite://", "--format", "optuna"], "accepted: sqlite:///PATH"),
        (["--output", "sqlite:///RUN/run.json", "--format", "optuna"], "file is not a database"),
        (["--output", "X", "--weights", "--steps", 4], "--steps 4: is no rung of this run; accepted: 3, 6"),
        (["--output", "RUN/run.json", "--format", "parquet"], "exists; name another file or add --overwrite"),
        (["--output", "RUN", "--overwrite"], "is a folder; name another path"),
        (["--output", "RUN", "--weights"], "exists; name another folder or add --overwrite"),
        (["--output", "RUN", "--weights", "--overwrite"], "which this export does not write; name another folder"),
        (["--output", "RUN/run.json/X", "--weights"], "cannot be written"),
        (["--output", "RUN/run.json/X", "--format", "csv"], "cannot be written"),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, list) else "",
)
def test_a_wrong_export_is_one_line_and_leaves_nothing(
    arguments: list[Any], says: str, run: Path, tmp_path: Path
) -> None:
    def in_place(text: object) -> str:
        return str(text).replace("RUN", str(run)).replace("X", str(tmp_path / "X"))

    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    assert_one_clear_line(command("hrfevo", "export", run, *map(in_place, arguments)), says)
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before
    assert not [*tmp_path.iterdir()]


def test_standard_output_holds_the_export_and_nothing_beside_it(run: Path) -> None:
    for options in ([], ["--format", "model"], ["--format", "csv"]):
        asked = [sys.executable, "-m", "hrfevo.cli", "export", str(run), *options, "--output", "/proc/self/fd/1"]
        result = subprocess.run(asked, capture_output=True, text=True, check=True)
        assert result.stderr.startswith("/proc/self/fd/1: ")
        if options == ["--format", "csv"]:
            assert len(pd.read_csv(io.StringIO(result.stdout))) > 1
        else:
            assert "layers" in result.stdout
            parse_document(result.stdout, "export")


def test_a_changed_corpus_is_refused(run: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(run, tmp_path / "copy"))
    recorded = json.loads((copy / "run.json").read_text())
    recorded["corpus"]["hash"] = "that of other text"
    (copy / "run.json").write_text(json.dumps(recorded))
    refused = command("hrfevo", "export", copy, "--weights", "--output", tmp_path / "model")
    assert_one_clear_line(refused, "the corpus has changed since the run began")
    assert not (tmp_path / "model").exists()


def test_an_output_is_replaced_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    folder, file = tmp_path / "folder", tmp_path / "file"
    for attempt in ("first", "second"):
        with new_folder(folder) as new:
            (new / attempt).touch()
        with new_file(file) as path:
            path.write_text(attempt)
        assert [entry.name for entry in folder.iterdir()] == [attempt]

    def fail(failure: BaseException, place: AbstractContextManager[Path]) -> None:
        with place as path:
            (path / "third" if path.is_dir() else path).write_text("third")
            raise failure

    for failure, seen in ((KeyboardInterrupt(), KeyboardInterrupt), (OSError(28, "No space left"), InputError)):
        for place in (new_folder(folder), new_file(file)):
            with pytest.raises(seen):
                fail(failure, place)
    assert sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*")) == ["file", "folder", "folder/second"]
    assert file.read_text() == "second"


# --- completion in a shell ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both commands as an installation makes them, and the scripts that they give bash."""
    folder = tmp_path_factory.mktemp("bin")
    for name, module in (("hrfevo", "hrfevo.cli"), ("signal-model", "signal_model.cli")):
        (folder / name).write_text(f"#!{sys.executable}\nfrom {module} import main\nmain()\n")
        (folder / name).chmod(0o755)
        asked = {f"_{name.replace('-', '_').upper()}_COMPLETE": "source_bash", "PYTHONPATH": str(ROOT)}
        script = subprocess.run([folder / name], env=os.environ | asked, capture_output=True, text=True, check=True)
        (folder / f"{name}.bash").write_text(script.stdout)
    return folder


def completions(commands: Path, line: str, folder: Path) -> list[str]:
    """What bash offers at the end of a line, by the script that the command gives it."""
    program, *words = line.split(" ")
    environment = os.environ | {"PATH": f"{commands}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    function = f"_{program.replace('-', '_')}_completion"
    script = (
        f'. {commands}/{program}.bash\nCOMP_WORDS=({program} {" ".join(words)} "$@")\n'
        f"COMP_CWORD={len(words)}\n{function} {program}\nprintf '%s\\n' \"${{COMPREPLY[@]}}\"\n"
    )
    last_is_empty = [""] if not words[-1] else []
    result = subprocess.run(
        ["bash", "-c", script, "bash", *last_is_empty], env=environment, cwd=folder, capture_output=True, text=True
    )
    assert result.returncode == 0
    assert not result.stderr
    return result.stdout.split()


def test_bash_completes_runs_genomes_and_options(run: Path, commands: Path) -> None:
    _, evaluations = results(run)
    genomes = {e.genome for e in evaluations}
    some = evaluations[0].genome
    out, home = run.parent, run.parent.parent
    assert completions(commands, f"hrfevo best {out.name}/", home) == [f"{out.name}/{run.name}"]
    assert completions(commands, "hrfevo resume t", out) == [run.name]
    assert completions(commands, f"hrfevo show {run.name} {some[:3]}", out) == sorted(
        genome for genome in genomes if genome.startswith(some[:3])
    )
    assert {*completions(commands, f"hrfevo export {run} ", out)} == genomes
    assert "huggingface" in completions(commands, f"hrfevo export {run} --format ", out)
    for line in ("hrfevo show nowhere ", f"hrfevo show {home} 0", "hrfevo best nowhere/", "hrfevo best /nowhere/x/../"):
        assert completions(commands, line, out) == []
    assert completions(commands, "signal-model ev", out) == ["evaluate"]
    assert "--tensorboard" in completions(commands, "signal-model train --t", out)


def test_numbers_are_numbers_wherever_they_go(written_run: Path) -> None:
    """Of an ordered gene too, whose values have been written down."""
    space, evaluations = read(written_run)
    table = pd.read_parquet(io.BytesIO(as_bytes(evaluations_table(History(space, tuple(evaluations))), "parquet")))
    column = table["gene:layers[0].feedforward.expansion"]
    assert pd.api.types.is_numeric_dtype(column)
    assert [*column] == [e.values["layers"][0]["feedforward.expansion"] for e in evaluations]
    parameters, distributions = flat_parameters(space, evaluations[0].values, in_own_scale)
    name = "layers[0].feedforward.expansion"
    assert parameters[name] == evaluations[0].values["layers"][0]["feedforward.expansion"]
    assert distributions[name].choices == (1.0, 2.0, 4.0)
