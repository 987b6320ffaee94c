"""An Optuna study holds the run, and leaves the studies beside it alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import optuna_dashboard
import pytest
from optuna.trial import TrialState

from hrfevo.results.history import History
from hrfevo.store.run_folder import RunFolder
from hrfevo.views.export.studies import write_study
from signal_model.support.errors import InputError
from tests.conftest import assert_one_clear_line, command
from tests.tools.exports import exported
from tests.tools.services import get
from tests.tools.synthetic import read

optuna.logging.set_verbosity(optuna.logging.WARNING)


def test_a_study_holds_the_run_and_the_dashboard_serves_it(run: Path, tmp_path: Path) -> None:
    space, evaluations = read(run)
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
    space, evaluations = read(run)
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
    space, evaluations = read(run)
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
