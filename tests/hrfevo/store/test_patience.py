"""Databases that go away, lose answers or have no room, while a search writes to them."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from hrfevo.algorithms.registry import make_algorithm
from hrfevo.results.status import status_of
from hrfevo.runner.loop import Search
from hrfevo.space.reading import load_space
from hrfevo.space.search_space import SearchSpace
from hrfevo.store import database, schema
from hrfevo.store import retrying as patience
from hrfevo.store.database import sqlite_url
from hrfevo.store.retrying import PatientStore
from hrfevo.store.run_folder import RunFolder
from hrfevo.store.store import Store, Unreachable
from hrfevo.workers.base import Job, Outcome
from hrfevo.workers.inline import InlineWorkers
from tests.conftest import Scene, command
from tests.tools.services import Wire
from tests.tools.synthetic import write_run

EVALUATIONS = 24


def quick(job: Job) -> Outcome:
    metrics = {"bits_per_byte": int(job.genome.id, 16) / 16**12, "parameters": float(job.number)}
    return Outcome(job, "finished", metrics, detail="A long story. " * 500, started=time.time(), ended=time.time())


@pytest.fixture
def space(tiny_space: Path) -> SearchSpace:
    return load_space(tiny_space, [f"budget.evaluations={EVALUATIONS}", "rungs=[3, 6]"])[0]


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "FIRST_PAUSE", 0.05)


@pytest.fixture
def wire(postgresql: str) -> Iterator[Wire]:
    laid = Wire(sa.make_url(postgresql).port or 5432)
    yield laid
    laid.close()


def searched(space: SearchSpace, store: Store, acts: dict[int, Callable[[], object]]) -> tuple[str, str]:
    """A search over `store`; returns what it said and the run's id."""
    said: list[str] = []
    run = f"{time.time_ns():x}"
    store.create_run(run, run, {})
    algorithm = make_algorithm("evolution", space, np.random.SeedSequence(0))
    reasons: list[str] = []
    patient = PatientStore(store, said.append, reasons.append)
    Search(run, space, algorithm, InlineWorkers(quick), patient, training_seed=5).run(Scene(acts))
    patient.set_state(run, "finished", "budget spent")
    # Each pause is told of as it begins, and as it ends.
    assert [bool(reason) for reason in reasons] == [True, False] * ("\n".join(said).count("going on"))
    return "\n".join(said), run


def undisturbed(space: SearchSpace, folder: Path) -> list[tuple[object, ...]]:
    store = Store(sqlite_url(folder / "undisturbed.db"))
    return what_happened(store, searched(space, store, {})[1])


def what_happened(store: Store, run: str) -> list[tuple[object, ...]]:
    assert store.run(run).state == "finished"
    return [(e.number, e.genome, e.birth, e.rung, e.status, e.metrics) for e in store.evaluations(run)]


def test_a_line_that_is_cut_pauses_the_search(space: SearchSpace, postgresql: str, wire: Wire, tmp_path: Path) -> None:
    store = Store(sa.make_url(postgresql).set(port=wire.port).render_as_string(hide_password=False))

    def cut_for_a_while() -> None:
        wire.cut()
        threading.Timer(1.0, wire.mend).start()

    said, run = searched(space, store, {5: cut_for_a_while, 11: cut_for_a_while})
    assert said.count("paused, results cannot be kept") == said.count("going on") == 2
    assert what_happened(store, run) == undisturbed(space, tmp_path)


def test_a_database_that_restarts_pauses_the_search(space: SearchSpace, postgresql: str, tmp_path: Path) -> None:
    store, other = Store(postgresql), sa.create_engine(postgresql)

    def restart() -> None:
        with other.connect() as connection:
            connection.execute(
                sa.text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
            )

    said, run = searched(space, store, {3: restart, 9: restart})
    assert "going on" in said
    assert what_happened(store, run) == undisturbed(space, tmp_path)


def test_a_database_that_may_only_be_read_pauses_the_search(
    space: SearchSpace, postgresql: str, tmp_path: Path
) -> None:
    engine = sa.create_engine(postgresql, isolation_level="AUTOCOMMIT")

    def read_only(is_so: str) -> None:
        with engine.connect() as connection:
            connection.exec_driver_sql(f"ALTER SYSTEM SET default_transaction_read_only = {is_so}")
            connection.exec_driver_sql("SELECT pg_reload_conf()")

    def forbid() -> None:
        read_only("on")
        time.sleep(0.5)  # until its sessions have heard of it
        threading.Timer(1.0, read_only, ["off"]).start()

    store = Store(postgresql)
    said, run = searched(space, store, {4: forbid})
    engine.dispose()
    assert "in a read-only transaction" in said
    assert said.count("going on") == 1
    assert what_happened(store, run) == undisturbed(space, tmp_path)


@pytest.mark.usefixtures("undrawn")
def test_who_interrupts_does_not_wait_for_the_database(
    tiny_space: Path, postgresql: str, wire: Wire, tmp_path: Path
) -> None:
    store = sa.make_url(postgresql).set(port=wire.port).render_as_string(hide_password=False)
    options = ["--store", store, "--backend", "inline", "--evaluations", 10_000, "--out", tmp_path]
    command_line = [sys.executable, "-m", "hrfevo.cli", "run", tiny_space, *options]
    with subprocess.Popen([*map(str, command_line)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        lines = iter(process.stdout)
        assert next(line for line in lines if line.startswith("[3/"))
        wire.cut()
        assert next(line for line in lines if "paused, results cannot be kept" in line)
        (waiting,) = (path.parent for path in tmp_path.glob("*/run.json"))
        asked = command("hrfevo", "status", waiting)
        assert asked.returncode == 2
        assert "is running and paused: results cannot be kept" in asked.stderr
        process.send_signal(signal.SIGINT)
        rest = "".join(lines)
    assert process.returncode == 130, rest
    assert "Go on with: hrfevo resume" in rest
    assert "counts as crashed until it goes on" in rest
    wire.mend()
    (run,) = (path.parent for path in tmp_path.glob("*/run.json"))
    assert command("hrfevo", "status", run).stdout.count("crashed") == 1
    assert command("hrfevo", "resume", run, "--backend", "inline", "--evaluations", 12).returncode == 0


def test_a_transaction_that_a_dead_process_left_open_is_waited_for(
    space: SearchSpace, postgresql: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "IDLE_TRANSACTION", 1.0)
    store, left = Store(postgresql), Store(postgresql)._engine.connect()

    def leave() -> None:
        # What a search holds between its write and its commit; nobody ever commits this.
        left.execute(sa.update(schema.runs).values(reason="dead"))

    said, run = searched(space, store, {3: leave})
    assert said == ""
    assert what_happened(store, run) == undisturbed(space, tmp_path)


def test_a_disk_that_is_full_pauses_the_search(space: SearchSpace, tmp_path: Path) -> None:
    store = Store(sqlite_url(tmp_path / "results.db"))

    def pages(most: int) -> None:
        with store._engine.connect() as connection:
            connection.exec_driver_sql(f"PRAGMA max_page_count = {most}")

    def fill() -> None:
        pages(1)  # SQLite takes the pages that are used for the least
        threading.Timer(1.0, pages, [1_000_000]).start()

    said, run = searched(space, store, {4: fill})
    assert "database or disk is full" in said
    assert said.count("going on") == 1
    assert what_happened(store, run) == undisturbed(space, tmp_path)


def test_a_file_that_is_moved_away_pauses_the_search(space: SearchSpace, tmp_path: Path) -> None:
    path, away = tmp_path / "results.db", tmp_path / "elsewhere.db"
    store = Store(sqlite_url(path))

    def move() -> None:
        path.rename(away)
        threading.Timer(1.0, away.rename, [path]).start()

    said, run = searched(space, store, {4: move})
    assert "results.db has been moved or removed" in said
    assert said.count("going on") == 1
    assert what_happened(store, run) == undisturbed(space, tmp_path)


def test_status_says_that_a_search_waits_and_why(tmp_path: Path) -> None:
    folder = RunFolder.open(write_run(tmp_path, "one", 8))
    store = folder.open_store()
    store.set_state(folder.id, "running")
    for reason in ("results cannot be kept: database or disk is full", "the cluster has no worker left"):
        with folder.locked():
            folder.pause(reason)
            assert status_of(folder, store).paused == reason
            assert f"paused: {reason}" in " ".join(command("hrfevo", "status", folder.path).stdout.split())
            folder.pause("")
            assert status_of(folder, store).paused == ""
            folder.pause(reason)
    # One that was killed as it waited has crashed.
    found = status_of(folder, store)
    assert (found.state, found.paused) == ("crashed", "")


@pytest.mark.parametrize("name", ["submitted", "record"])
def test_a_write_whose_answer_is_lost_is_not_kept_twice(
    name: str, space: SearchSpace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, count = Store(sqlite_url(tmp_path / "results.db")), 0
    write = getattr(store, name)

    def write_and_lose_the_answer(*arguments: object) -> object:
        nonlocal count
        count += 1
        written = write(*arguments)
        if count % 5 == 0:
            raise Unreachable("store: the line was cut")
        return written

    monkeypatch.setattr(store, name, write_and_lose_the_answer)
    said, run = searched(space, store, {})
    assert said.count("going on") >= EVALUATIONS // 5
    assert what_happened(store, run) == undisturbed(space, tmp_path)
