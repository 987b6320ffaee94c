"""Searches that are killed, interrupted or left by their reader lose and repeat nothing."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hrfevo.results.status import status_of
from hrfevo.store.run_folder import RunFolder
from signal_model.support.console import Interruption
from signal_model.support.errors import InputError
from tests.conftest import command, only_run
from tests.tools.forks import Forked


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("backend", ["inline", "ray"])
def test_kill_minus_nine_at_a_random_moment_loses_and_repeats_nothing(
    tiny_space: Path, tmp_path: Path, backend: str
) -> None:
    """Killed several times at random; each finished evaluation stays as it was and the budget is met."""
    out = tmp_path / "out"
    arguments = ["run", tiny_space, "--out", out, "--backend", backend, "--evaluations", 24]
    run: Path | None = None
    finished: dict[int, dict[str, float]] = {}
    generator = random.Random(backend)
    for _ in range(2):
        log = tmp_path / "log"
        process = Forked("hrfevo.cli", arguments, Path(os.devnull), log)
        wait_for_progress(out, len(finished) + generator.randint(1, 4), process, log)
        time.sleep(generator.random() * 0.2)
        run = only_run(out)
        assert state(run)[0] == "running"
        process.kill()
        process.wait()
        told, advice, flying = state(run)
        assert (told, advice) == ("crashed", f"hrfevo resume {run}")
        evaluations = read(run)
        assert flying == {n for n, e in evaluations.items() if e.status == "running"}
        for number, metrics in finished.items():
            assert evaluations[number].metrics == metrics, "a finished evaluation was repeated or lost"
        finished = {n: e.metrics for n, e in evaluations.items() if e.status == "finished"}
        arguments = ["resume", run, "--backend", backend]
    result = command("hrfevo", *arguments)
    assert result.returncode == 0, result.stderr
    assert run is not None
    evaluations = read(run)
    assert {n: evaluations[n].metrics for n in finished} == finished
    assert sum(e.status in ("finished", "failed") for e in evaluations.values()) == 24
    assert not any(e.status == "running" for e in evaluations.values())
    assert len({(e.genome, e.rung) for e in evaluations.values()}) == len(evaluations)
    assert (run / "report.html").is_file()
    assert state(run) == ("finished", "", set())
    again = command("hrfevo", "resume", run, "--backend", backend)
    assert again.returncode == 0
    assert len(read(run)) == len(evaluations)


def state(run: Path) -> tuple[str, str, set[int]]:
    folder = RunFolder.open(run)
    with closing(folder.open_store()) as store:
        found = status_of(folder, store)
    return found.state, found.advice, {one.number for one in found.in_flight}


def read(run: Path) -> dict[int, Any]:
    folder = RunFolder.open(run)
    store = folder.open_store()
    try:
        return {evaluation.number: evaluation for evaluation in store.evaluations(folder.id)}
    finally:
        store.close()


def wait_for_progress(out: Path, count: int, process: Forked, log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        runs = list(out.glob("*/results.db"))
        try:
            if runs and sum(e.status == "finished" for e in read(runs[0].parent).values()) >= count:
                return
        except InputError:
            pass  # the run is just being made
        time.sleep(0.05)
    assert process.poll() is None, f"the search ended before it could be killed: {log.read_text()}"


def test_control_c_ends_cleanly_and_says_how_to_resume(tiny_space: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = ["run", tiny_space, "--out", out, "--evaluations", 500, "--workers", 1]
    process = Forked("hrfevo.cli", arguments, tmp_path / "stdout", tmp_path / "stderr")
    wait_for_progress(out, 3, process, tmp_path / "stderr")
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the whole group
    assert process.wait(240) == 130
    output, errors = ((tmp_path / name).read_text() for name in ("stdout", "stderr"))
    assert f"Go on with: hrfevo resume {only_run(out)}" in output
    assert "Traceback" not in errors + output
    assert (only_run(out) / "report.html").is_file()
    assert (only_run(out) / "best.yaml").is_file()
    listed = command("hrfevo", "list", out, "--format", "json")
    assert json.loads(listed.stdout)[0]["state"] == "stopped"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_request_to_end_that_a_library_loses_is_not_lost(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with Interruption() as interruption:
        interruption.check()
        with contextlib.suppress(KeyboardInterrupt):  # as in a callback of a library
            os.kill(os.getpid(), number)
            time.sleep(1)
        with pytest.raises(KeyboardInterrupt):
            interruption.check()
    assert signal.getsignal(number) == before


def test_a_search_whose_reader_has_gone_is_stopped(tiny_space: Path, tmp_path: Path) -> None:
    arguments = ["run", tiny_space, "--out", tmp_path / "out", "--backend", "inline", "--evaluations", 40]
    process = subprocess.Popen([sys.executable, "-m", "hrfevo.cli", *map(str, arguments)], stdout=subprocess.PIPE)
    assert process.stdout
    assert next(line for line in process.stdout if line.startswith(b"run "))
    process.stdout.close()
    assert process.wait(240) == 141
    told = command("hrfevo", "status", only_run(tmp_path / "out")).stdout
    assert "stopped" in told
    assert "the reader of its output has gone" in told


@pytest.mark.usefixtures("undrawn")
def test_two_searches_cannot_write_to_one_run(tiny_space: Path, tmp_path: Path) -> None:
    command("hrfevo", "run", tiny_space, "--out", tmp_path / "out", "--backend", "inline", "--evaluations", 4)
    folder = RunFolder.open(only_run(tmp_path / "out"))
    with folder.locked():
        result = command("hrfevo", "resume", folder.path, "--backend", "inline", "--evaluations", 6)
    assert result.returncode == 2
    assert "another hrfevo is running this search" in result.stderr
