"""TensorBoard and MLflow are told what the store holds; a logger that fails or hangs costs the search nothing."""

from __future__ import annotations

import io
import os
import re
import shutil
import socket
import struct
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow import MlflowClient
from pymoo.indicators.hv import HV
from rich.console import Console

from hrfevo.runner.loop import Search
from hrfevo.runner.observers import mlflow_log as mlflow_logger
from hrfevo.runner.observers.base import LogObserver, Observers, ended_before
from hrfevo.runner.observers.course import Course
from hrfevo.runner.observers.targets import Target, parse_targets
from hrfevo.space.genome import Genome, flat
from hrfevo.space.reading import load_space
from hrfevo.space.search_space import SearchSpace
from hrfevo.store.database import sqlite_url
from hrfevo.store.records import Evaluation
from hrfevo.store.run_folder import RunFolder
from hrfevo.store.store import Store
from hrfevo.workers.base import Job, Outcome
from hrfevo.workers.inline import InlineWorkers
from signal_model.evaluation.scores import LabelScore
from signal_model.support.errors import InputError
from tests.conftest import TINY_SPACE, assert_one_clear_line, command
from tests.tools.evaluators import Scripted
from tests.tools.forks import UNDRAWN
from tests.tools.searches import QUIET, search
from tests.tools.services import free_port

# --- a run that is stopped and goes on, logged to both ---------------------------------------------------


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory, text_folder: Path) -> tuple[Path, str]:
    """A run of two rungs and the address that MLflow tracked it at, in three parts: the first without any log, the
    second as if killed before its last evaluation was logged."""
    folder = tmp_path_factory.mktemp("logged")
    space = folder / "tiny.yaml"
    space.write_text(TINY_SPACE.replace("TEXT", str(text_folder)).replace("rungs: [3]", "rungs: [3, 6]"))
    address = f"sqlite:///{folder / 'mlflow.db'}"
    logs = ["--log", "tensorboard", "--log", f"mlflow={address}"]
    inline, quietly = ["--backend", "inline"], {UNDRAWN: "1"}
    first = command("hrfevo", "run", space, "--out", folder / "out", *inline, "--evaluations", 5, environment=quietly)
    assert first.returncode == 0, first.stderr
    (run,) = (folder / "out").iterdir()
    second = command("hrfevo", "resume", run, *inline, *logs, "--evaluations", 10, environment=quietly)
    assert second.returncode == 0, second.stderr
    shutil.rmtree(max((run / "tensorboard").glob("0*")))
    client = MlflowClient(tracking_uri=address)
    experiment = client.get_experiment_by_name("tiny")
    assert experiment is not None
    (last,) = client.search_runs([experiment.experiment_id], "tags.`hrfevo.number` = '9'")
    client.update_run(last.info.run_id, status="RUNNING")
    third = command("hrfevo", "resume", run, *inline, *logs, "--evaluations", 14, environment=quietly)
    assert third.returncode == 0, third.stderr
    return run, address


def stored(run: Path) -> tuple[SearchSpace, list[Evaluation], dict[int, list[Any]]]:
    folder = RunFolder.open(run)
    store = folder.open_store()
    return folder.space(), store.evaluations(folder.id), store.curves(folder.id)


def series_of(run: Path) -> dict[str, dict[int, float]]:
    """The course of the search, computed anew from the store."""
    folder = RunFolder.open(run)
    course, series = Course(folder.space()), dict[str, dict[int, float]]()
    for count, outcome in enumerate(ended_before(folder.open_store(), folder.id), 1):
        for name, value in course.after(outcome).items():
            series.setdefault(name, {})[count] = value
    return series


def events(folder: Path) -> Iterator[Any]:
    """Events of all files: records of an 8-byte length, 4 bytes of checksum, an Event, 4 more of checksum."""
    from tensorboardX.proto.event_pb2 import Event

    for path in sorted(folder.glob("events*")):
        data = path.read_bytes()
        while data:
            (length,) = struct.unpack("<Q", data[:8])
            yield Event.FromString(data[12 : 12 + length])
            data = data[length + 16 :]


def scalars(folder: Path) -> dict[str, dict[int, float]]:
    found: dict[str, dict[int, float]] = {}
    for event in events(folder):
        for value in event.summary.value:
            if not value.metadata.plugin_data.plugin_name:
                found.setdefault(value.tag, {})[event.step] = value.simple_value
    return found


def test_tensorboard_holds_every_evaluation_and_the_course(logged: tuple[Path, str]) -> None:
    from tensorboardX.proto.plugin_hparams_pb2 import HParamsPluginData

    run = logged[0]
    space, evaluations, curves = stored(run)
    folders = {int(path.name.partition("-")[0]): path for path in (run / "tensorboard").glob("0*")}
    assert folders.keys() == {e.number for e in evaluations}
    for evaluation in evaluations:
        steps = space.rungs[evaluation.rung]
        folder = folders[evaluation.number]
        assert folder.name == f"{evaluation.number:05d}-{evaluation.genome}-{steps}"
        found = scalars(folder)
        curve = {point.step: point.bits_per_byte for point in curves[evaluation.number]}
        assert found.pop("train/bits_per_byte") == pytest.approx(curve)
        assert found == {f"metrics/{name}": {steps: pytest.approx(value)} for name, value in evaluation.metrics.items()}
        sessions = [
            HParamsPluginData.FromString(value.metadata.plugin_data.content).session_start_info.hparams
            for event in events(folder)
            for value in event.summary.value
            if value.tag == "_hparams_/session_start_info"
        ]
        assert {*flat(evaluation.values)} < {*sessions[0]}
        # One that names the genes of one genome would hide the others from the table of all.
        assert not any(value.tag == "_hparams_/experiment" for event in events(folder) for value in event.summary.value)
        assert sessions[0]["training.learning_rate"].number_value == evaluation.values["training.learning_rate"]
        assert sessions[0]["embedding.kind"].string_value == evaluation.values["embedding.kind"]
    expected = {name: pytest.approx(values) for name, values in series_of(run).items()}
    assert scalars(run / "tensorboard" / "search") == expected
    assert {"3_steps/hypervolume", "3_steps/best_bits_per_byte", "6_steps/best_parameters"} <= expected.keys()


def test_mlflow_holds_every_evaluation_once_and_the_course(logged: tuple[Path, str]) -> None:
    run, address = logged
    _, evaluations, curves = stored(run)
    client = MlflowClient(tracking_uri=address)
    experiment = client.get_experiment_by_name("tiny")
    assert experiment is not None
    runs = list(client.search_runs([experiment.experiment_id]))
    (whole,) = [one for one in runs if "mlflow.parentRunId" not in one.data.tags]
    assert (whole.info.run_name, whole.info.status) == (run.name, "FINISHED")
    nested = {int(one.data.tags["hrfevo.number"]): one for one in runs if one is not whole}
    assert len(nested) == len(runs) - 1
    assert nested.keys() == {e.number for e in evaluations}
    for evaluation in evaluations:
        one = nested[evaluation.number]
        assert one.data.tags["mlflow.parentRunId"] == whole.info.run_id
        assert one.info.status == "FINISHED"
        history = client.get_metric_history(one.info.run_id, "train/bits_per_byte")
        assert {m.step: m.value for m in history} == {p.step: p.bits_per_byte for p in curves[evaluation.number]}
        measured = {name: value for name, value in one.data.metrics.items() if name != "train/bits_per_byte"}
        assert measured == evaluation.metrics
        genes = {re.sub(r"\[(\d)\]", r".\1", name) for name in flat(evaluation.values)}
        assert one.data.params.keys() == genes | {"rung", "steps", "seed"}
        assert float(one.data.params["training.learning_rate"]) == evaluation.values["training.learning_rate"]
    for name, values in series_of(run).items():
        assert {m.step: m.value for m in client.get_metric_history(whole.info.run_id, name)} == values


# --- the course -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory, text_folder: Path) -> SearchSpace:
    path = tmp_path_factory.mktemp("space") / "tiny.yaml"
    path.write_text(TINY_SPACE.replace("TEXT", str(text_folder)).replace("rungs: [3]", "rungs: [3, 6]"))
    return load_space(path)[0]


POINTS = st.tuples(st.integers(0, 1), st.floats(0, 10), st.floats(0, 1e6), st.booleans())


@given(points=st.lists(POINTS, min_size=1, max_size=20))
def test_the_course_is_the_best_and_the_hypervolume_of_all_so_far(
    points: Sequence[tuple[int, float, float, bool]], space: SearchSpace
) -> None:
    """Beside pymoo's hypervolume of every result so far, at each rung by itself."""
    course = Course(space)
    seen: dict[int, list[tuple[float, float]]] = {0: [], 1: []}
    for number, (rung, bits, size, finished) in enumerate(points):
        metrics = {"bits_per_byte": bits, "parameters": size}
        job = Job(number, Genome({"a": number}), rung, 0)
        series = course.after(Outcome(job, "finished" if finished else "failed", metrics))
        if not finished:
            assert series == {}
            continue
        seen[rung].append((bits, size))
        so_far, place = np.array(seen[rung]), f"{space.rungs[rung]}_steps"
        assert series.pop(f"{place}/best_bits_per_byte") == so_far[:, 0].min()
        assert series.pop(f"{place}/best_parameters") == so_far[:, 1].min()
        if len(so_far) >= 4:
            worst, ideal = so_far[:4].max(axis=0), so_far[:4].min(axis=0)
            # One that is the same in the first four is attained by whoever is as good.
            worst = np.where(worst > ideal, worst, ideal + np.where(ideal > 0, ideal, 1.0))
            expected = HV(ref_point=worst / (worst - ideal))(so_far / (worst - ideal))
            assert series.pop(f"{place}/hypervolume") == pytest.approx(expected, rel=1e-6, abs=1e-6)
        assert not series


# --- loggers that are missing, fail or hang ------------------------------------------------------------


class Scribe:
    """A logger that remembers, and fails or hangs at the evaluation with this number."""

    def __init__(self, fails: int = -1, hangs: int = -1, known: Sequence[int] = ()) -> None:
        self.numbers: list[int] = []
        self.counts: list[int] = []
        self.closed: bool | None = None
        self._fails, self._hangs, self._known = fails, hangs, {*known}

    def known(self) -> set[int]:
        return self._known

    def evaluation(self, outcome: Outcome) -> None:
        if outcome.job.number == self._fails:
            raise OSError(28, "No space left on device")
        if outcome.job.number == self._hangs:
            time.sleep(30)
        self.numbers.append(outcome.job.number)

    def course(self, count: int, series: Any, seconds: float) -> None:
        self.counts.append(count)

    def close(self, interrupted: bool) -> None:
        self.closed = interrupted


def searched(space: SearchSpace, path: Path, observers: Sequence[Any]) -> list[tuple[str, int, str]]:
    """A search that trains nothing, watched; what its store says at the end."""
    with closing(Store(sqlite_url(path))) as store:
        store.create_run("run", "run", {})
        one: Search = search(space, InlineWorkers(Scripted("some fail")), store, "run")
        assert one.run(Observers([QUIET, *observers])) == "budget spent: 10 evaluations"
        return [(e.genome, e.rung, e.status) for e in store.evaluations("run")]


def test_a_logger_that_fails_is_given_up_once_and_the_search_is_the_same(space: SearchSpace, tmp_path: Path) -> None:
    plain = searched(space, tmp_path / "plain.db", [])
    said = io.StringIO()
    broken, sound = Scribe(fails=3), Scribe(known=[1])
    console = Console(file=said, width=200)
    with (
        LogObserver("broken", broken, space, [], console) as one,
        LogObserver("sound", sound, space, [], console) as other,
    ):
        assert searched(space, tmp_path / "logged.db", [one, other]) == plain
    assert broken.numbers == [0, 1, 2]
    assert broken.closed is None
    assert sound.numbers == [number for number in range(len(plain)) if number != 1]
    assert sound.counts == [number + 1 for number in sound.numbers]
    assert sound.closed is False
    text = " ".join(said.getvalue().split())
    assert text.count("the search goes on without it") == 1
    assert "--log broken failed: OSError: [Errno 28] No space left on device" in text


def test_a_search_waits_for_no_logger(space: SearchSpace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hrfevo.runner.observers.base.PATIENCE", 0.1)
    said = io.StringIO()
    slow = Scribe(hangs=0)
    started = time.perf_counter()
    with LogObserver("slow", slow, space, [], Console(file=said, width=200)) as observer:
        searched(space, tmp_path / "results.db", [observer])
    assert time.perf_counter() - started < 20
    assert "is given up; what is missing there is in the store" in " ".join(said.getvalue().split())
    assert slow.numbers == []


def test_an_interrupted_search_closes_its_loggers_as_such(space: SearchSpace) -> None:
    scribe = Scribe()
    with pytest.raises(KeyboardInterrupt), LogObserver("scribe", scribe, space, [], Console(file=io.StringIO())):
        raise KeyboardInterrupt
    assert scribe.closed is True


@pytest.mark.parametrize(
    ("name", "package"), [("tensorboard", "tensorboardX"), ("mlflow", "mlflow"), ("wandb", "wandb")]
)
def test_a_missing_package_is_said_with_its_extra(name: Any, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match=rf"package {package}\S* is missing; pip install 'hrfevo\[{name}\]'"):
        Target(name).check()


@pytest.mark.parametrize(
    ("log", "says"),
    [
        ("tensorbord", "no such logger (did you mean 'tensorboard'?); accepted: tensorboard, mlflow, wandb, none"),
        ("mlflow=nonsense://x", "--log mlflow=nonsense://x: cannot be used"),
        ("tensorboard=FILE", "is no folder"),
        ("mlflow=", "says no place"),
        ("wandb=a/b/c", "is no project; accepted: PROJECT, ENTITY/PROJECT"),
    ],
)
def test_a_wrong_log_is_one_line_before_the_search_begins(
    log: str, says: str, tiny_space: Path, tmp_path: Path
) -> None:
    given_log = log.replace("FILE", str(tiny_space))
    options = ["--backend", "inline", "--out", tmp_path / "out", "--log", given_log]
    assert_one_clear_line(command("hrfevo", "run", tiny_space, *options), says)
    assert not (tmp_path / "out").exists()


def test_targets_are_names_with_or_without_a_place() -> None:
    assert parse_targets(["mlflow=sqlite:///a=b.db", "tensorboard"]) == (
        Target("mlflow", "sqlite:///a=b.db"),
        Target("tensorboard"),
    )
    with pytest.raises(InputError, match="mlflow is given twice"):
        parse_targets(["mlflow", "mlflow=sqlite:///x.db"])


@pytest.mark.parametrize("answers", ["nobody", "a server that is silent"])
def test_a_server_that_is_away_is_not_waited_for_long(answers: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(mlflow_logger.AT_THE_START, "MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1] if answers != "nobody" else free_port()
        began = time.monotonic()
        with pytest.raises(InputError, match=f"--log mlflow=http://127.0.0.1:{port}: cannot be used"):
            mlflow_logger.check(f"http://127.0.0.1:{port}")
    assert time.monotonic() - began < 20
    assert "MLFLOW_HTTP_REQUEST_MAX_RETRIES" not in os.environ


def test_what_is_logged_of_a_classifier_has_names_that_every_logger_takes(space: SearchSpace) -> None:
    from mlflow.utils.validation import _validate_metric_name

    class Strict(Scribe):
        def evaluation(self, outcome: Outcome) -> None:
            for name in outcome.metrics:
                _validate_metric_name(name)
            super().evaluation(outcome)

    score = LabelScore(3.0, np.array([[2, 1], [0, 3]]))
    metrics = score.metrics | {f"test_{name}": v for name, v in score.details(["high", "low"]).items()}
    scribe, said = Strict(), io.StringIO()
    done = Outcome(Job(0, Genome({}), 0, 1), "failed", metrics)
    with LogObserver("strict", scribe, space, [done], Console(file=said)):
        pass
    assert (scribe.numbers, said.getvalue()) == ([0], "")
