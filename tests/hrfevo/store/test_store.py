"""The results store on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import alembic.command
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from hrfevo.algorithms.base import Proposal
from hrfevo.space.genome import Genome
from hrfevo.store import schema
from hrfevo.store.database import MIGRATIONS, migrate, sqlite_url, without_password
from hrfevo.store.store import Store
from hrfevo.workers.base import Job, Outcome, Point
from signal_model.support.errors import InputError
from tests.conftest import command
from tests.tools import forks


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    url = sqlite_url(tmp_path / "results.db") if request.param == "sqlite" else request.getfixturevalue("postgresql")
    opened = Store(url)
    yield opened
    opened.close()


@pytest.fixture
def run_id(store: Store, request: pytest.FixtureRequest) -> str:
    name = f"{time.time_ns():x}"
    store.create_run(name, request.node.name[:50], {"seed": 3})
    return name


def job(number: int, rung: int = 0, genome: int | None = None) -> Job:
    return Job(number, Genome({"i": number if genome is None else genome, "text": "<é🦊>"}), rung, 2**40)


def submit(store: Store, run: str, one: Job) -> None:
    store.submitted(run, one, Proposal(one.genome, "mutation", ("abc", "def"), one.rung))


def finished(one: Job, score: float = 1.5) -> Outcome:
    points = tuple(Point(step, step / 10, 5.0 / step) for step in (1, 2, 3))
    return Outcome(
        one, "finished", {"bits_per_byte": score}, curve=points, started=1.0, ended=2.5, worker="w:1", device="cpu"
    )


def test_what_was_recorded_is_read_back(store: Store, run_id: str) -> None:
    one, other, promoted = job(0), job(1), job(2, rung=1, genome=0)
    submit(store, run_id, one)
    submit(store, run_id, other)
    assert store.record(run_id, finished(one), seconds=4.0)
    submit(store, run_id, promoted)
    assert store.record(run_id, Outcome(other, "failed", {}, "diverged", "trace"), seconds=5.0)
    first, second, third = store.evaluations(run_id)
    assert (first.status, first.metrics, first.values, first.seed) == (
        "finished",
        {"bits_per_byte": 1.5},
        {"i": 0, "text": "<é🦊>"},
        2**40,
    )
    assert (second.status, second.reason, second.detail) == ("failed", "diverged", "trace")
    assert (third.status, third.rung, third.genome, third.ended) == ("running", 1, first.genome, None)
    assert [e.birth for e in (first, second, third)] == [0, 1, 0]  # a promotion is no birth
    assert first.parents == ("abc", "def")
    assert [e.submitted_event for e in (first, second, third)] == [0, 1, 3]
    assert [first.ended_event, second.ended_event] == [2, 4]
    assert store.curves(run_id) == {0: list(finished(one).curve)}
    run = store.run(run_id)
    assert (run.state, run.seconds, run.settings) == ("running", 5.0, {"seed": 3})
    store.set_state(run_id, "finished", "budget spent")
    assert store.run(run_id).state == "finished"


def test_a_version_tells_of_every_change_and_news_are_what_came_after_it(store: Store, run_id: str) -> None:
    versions = [store.version(run_id)]
    assert versions[0].event == -1

    def changed() -> int:
        versions.append(store.version(run_id))
        assert versions[-1] not in versions[:-1]
        return versions[-2].event

    first, second, third = (job(number) for number in range(3))
    for one in (first, second):
        submit(store, run_id, one)
        since = changed()
    assert [e.number for e in store.evaluations(run_id, since)] == [1]
    store.record(run_id, finished(first), seconds=1.0)
    since = changed()
    assert [(e.number, e.status) for e in store.evaluations(run_id, since)] == [(0, "finished")]
    assert store.curves(run_id, after=since) == store.curves(run_id)
    submit(store, run_id, third)
    since = changed()
    assert [e.number for e in store.evaluations(run_id, since)] == [2]
    assert store.curves(run_id, after=since) == {}
    store.set_state(run_id, "stopped", "interrupted")
    since = changed()
    assert store.evaluations(run_id, since) == []
    assert store.version(run_id) == versions[-1]
    with pytest.raises(InputError, match="has no run"):
        store.version("none")


def test_a_late_or_repeated_result_changes_nothing(store: Store, run_id: str) -> None:
    submit(store, run_id, job(0))
    assert store.record(run_id, finished(job(0), 1.0), seconds=1.0)
    assert not store.record(run_id, finished(job(0), 9.0), seconds=2.0)
    assert not store.record(run_id, finished(job(7), 9.0), seconds=2.0)
    (only,) = store.evaluations(run_id)
    assert only.metrics == {"bits_per_byte": 1.0}
    assert store.run(run_id).seconds == 1.0
    assert len(store.curves(run_id)[0]) == 3


def test_the_same_evaluation_cannot_be_submitted_twice(store: Store, run_id: str) -> None:
    submit(store, run_id, job(0))
    with pytest.raises(InputError, match="another search writes to the same run, as from a copy of its folder"):
        submit(store, run_id, job(1, genome=0))
    assert len(store.evaluations(run_id)) == 1


def test_runs_do_not_mix_and_a_reopened_store_counts_on(store: Store, run_id: str) -> None:
    submit(store, run_id, job(0))
    store.record(run_id, finished(job(0)), seconds=1.0)
    other = f"{run_id}b"
    store.create_run(other, "other", {})
    submit(store, other, job(0))
    again = Store(store._engine.url.render_as_string(hide_password=False), create=False)
    submit(again, run_id, job(1))
    last = again.evaluations(run_id)[-1]
    assert (last.birth, last.submitted_event) == (1, 2)
    assert len(again.evaluations(other)) == 1
    again.close()


def test_unknown_run_and_other_schema_are_refused(store: Store, run_id: str) -> None:
    with pytest.raises(InputError, match="has no run nothing"):
        store.run("nothing")
    url = store._engine.url.render_as_string(hide_password=False)
    try:
        with store._engine.begin() as connection:
            connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
        with pytest.raises(InputError, match=f"has schema revision '9999', this hrfevo reads '{schema.REVISION}'"):
            Store(url)
        with pytest.raises(InputError, match="made by another hrfevo"):
            migrate(url)
    finally:
        with store._engine.begin() as connection:
            connection.execute(sa.text(f"UPDATE alembic_version SET version_num = '{schema.REVISION}'"))


@pytest.fixture(params=["sqlite", "postgresql"])
def fresh(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a database with nothing in it."""
    if request.param == "sqlite":
        yield sqlite_url(tmp_path / "fresh.db")
        return
    server = sa.create_engine(request.getfixturevalue("postgresql"), isolation_level="AUTOCOMMIT")
    name = f"fresh_{time.time_ns():x}"
    with server.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    yield server.url.set(database=name).render_as_string(hide_password=False)
    with server.connect() as connection:
        connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))


def test_migrations_lead_from_the_first_schema_to_the_one_that_is_made_today(fresh: str) -> None:
    """What the first version wrote is read, and no column, index or key is left to chance."""
    engine = sa.create_engine(fresh)
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        alembic.command.upgrade(config, "0001")
        connection.execute(sa.text("DROP TABLE alembic_version"))  # which the first version did not have
        connection.execute(sa.text("INSERT INTO schema_version VALUES (1)"))
        one = job(0)
        connection.execute(
            schema.runs.insert().values(
                id="old", name="old", state="finished", reason="", created=1.0, seconds=2.0, settings={"seed": 3}
            )
        )
        genome = {"id": one.genome.id, "birth": 0, "operator": "random", "parents": [], "values": one.genome.values}
        connection.execute(schema.genomes.insert().values(run_id="old", **genome))
        connection.execute(
            schema.evaluations.insert().values(
                run_id="old", number=0, genome_id=one.genome.id, rung=0, seed=7, status="finished",
                metrics={"bits_per_byte": 1.5}, submitted=1.0, started=1.0, ended=2.0, submitted_event=0, ended_event=1,
            )
        )  # fmt: skip
    for create in (True, False):
        with pytest.raises(InputError, match="has schema revision '0001'"):
            Store(fresh, create)
    assert migrate(fresh) == ("0001", schema.REVISION)
    assert migrate(fresh) == (schema.REVISION, schema.REVISION)
    store = Store(fresh, create=False)
    assert store.run("old").settings == {"seed": 3}
    assert [e.metrics for e in store.evaluations("old")] == [{"bits_per_byte": 1.5}]
    store.close()
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), schema.metadata) == []
    assert ScriptDirectory(str(MIGRATIONS)).get_current_head() == schema.REVISION
    engine.dispose()


def test_processes_that_make_one_store_at_once_all_get_it(fresh: str) -> None:
    with forks.context().Pool(4) as pool:
        assert pool.map(run_made_in, [fresh] * 8) == [True] * 8


def run_made_in(url: str) -> bool:
    store = Store(url)
    name = f"{os.getpid()}-{time.time_ns()}"
    store.create_run(name, name, {})
    return store.run(name).name == name


def test_timings_are_kept_once_and_read_with_every_evaluation_of_their_genome(store: Store, run_id: str) -> None:
    for number, rung in ((0, 0), (1, 1)):
        submit(store, run_id, one := job(number, rung, genome=0))
        store.record(run_id, finished(one), seconds=1.0)
    before = store.version(run_id)
    assert not store.repeated(run_id)
    told = ({"step_time": 3.5}, {"step_time": 2.5, "generation_time": 0.5})
    for timing, times in ((0, told[0]), (1, told[1]), (0, {"step_time": 9.0})):
        timed = replace(job(5, 1, genome=0), timing=timing)
        store.timed(run_id, Outcome(timed, "finished", times, worker="w:1", device="cpu"))
    assert [e.timings for e in store.evaluations(run_id)] == [told] * 2
    assert [e.metrics for e in store.evaluations(run_id)] == [{"bits_per_byte": 1.5}] * 2
    assert store.version(run_id) == replace(before, timings=2), "they are no events"
    assert store.repeated(run_id)
    with pytest.raises(InputError):
        store.timed(run_id, Outcome(replace(job(8), timing=0), "finished", {"step_time": 1.0}))


def test_columns_and_single_genes_are_those_of_the_evaluations(store: Store, run_id: str) -> None:
    layers = [{"mixer.kind": "wavelet", "mixer.levels": 3}, {"mixer.kind": "attention"}]
    genomes = [
        Genome({"rate": 0.5, "band": [1.0, 2.0], "layers": layers}),
        Genome({"rate": 0.25, "layers": layers[1:]}),
    ]
    jobs = [replace(job(number), genome=genomes[number % 2], seed=number) for number in range(3)]
    for one in jobs:
        submit(store, run_id, one)
    store.record(run_id, finished(jobs[0]), seconds=1.0)
    for after in (-1, 2):
        found, rows = store.columns(run_id, after), store.evaluations(run_id, after)
        assert {name: [getattr(one, name) for one in rows] for name in found} == found
    ids = [one.id for one in genomes]
    for path, expected in (
        (("rate",), [0.5, 0.25]),
        (("band",), [[1.0, 2.0], None]),
        (("layers",), [2, 1]),
        (("layers", 0, "mixer.kind"), ["wavelet", "attention"]),
        (("layers", 0, "mixer.levels"), [3, None]),
        (("layers", 1, "mixer.kind"), ["attention", None]),
    ):
        assert store.gene(run_id, path, 0, 1) == dict(zip(ids, expected, strict=True))
    assert store.gene(run_id, ("rate",), 1, 1) == {ids[1]: 0.25}
    assert store.values(run_id, ids[:1]) == {ids[0]: genomes[0].values}


def test_a_database_of_another_program_is_left_as_it_is(fresh: str) -> None:
    engine = sa.create_engine(fresh)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE runs (distance REAL)")
    with pytest.raises(InputError, match="belongs to another program, which has a table 'runs' too"):
        Store(fresh)
    assert sa.inspect(engine).get_table_names() == ["runs"]
    engine.dispose()


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        "mysql://x/y",
        "sqlite:////no/such/folder/x.db",
        "sqlite:///x.db?timeout=abc",
        "postgresql+psycopg://u:secret@127.0.0.1:1/x",
        "postgresql+psycopg://u@127.0.0.1:1/x?password=secret",
        "postgresql+psycopg://u@127.0.0.1:five/x",
        "postgresql+psycopg_async://u@127.0.0.1:1/x",
    ],
)
def test_a_database_that_cannot_be_opened_is_one_line_without_its_password(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as error:
        Store(url)
    assert "\n" not in str(error.value)
    assert "secret" not in str(error.value)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "results.db").write_text("not a database, but long enough to be looked at " * 30)
    with pytest.raises(InputError, match="file is not a database"):
        Store(sqlite_url(tmp_path / "results.db"), create=False)
    empty = tmp_path / "empty.db"
    empty.touch()
    missing = tmp_path / "missing.db"
    for path, words in ((empty, "has no results in it"), (missing, "no such file")):
        with pytest.raises(InputError, match=words):
            Store(sqlite_url(path), create=False)
        done = command("hrfevo", "migrate", sqlite_url(path))
        assert done.returncode == 2
        assert words in done.stderr
    assert not missing.exists()


def test_damaged_results_are_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "results.db"
    store = Store(sqlite_url(path), create=True)
    store.create_run("run", "run", {})
    job = Job(0, Genome({"training.learning_rate": 0.01}), 0, 7)
    store.submitted("run", job, Proposal(job.genome, "random"))
    store.record("run", Outcome(job, "finished", {"bits_per_byte": 2.0}, started=1.0, ended=2.0), 1.0)
    assert len(store.evaluations("run")) == 1
    store.close()
    with sqlite3.connect(path) as database:
        database.execute("UPDATE evaluations SET metrics = '{}'")
    database.close()
    store = Store(sqlite_url(path), create=False)
    with pytest.raises(InputError, match="evaluation 0 is damaged"):
        store.evaluations("run")
    store.close()


def test_passwords_are_not_written_down() -> None:
    assert without_password("postgresql+psycopg://me:secret@host/db") == "postgresql+psycopg://me@host/db"
    url = "postgresql+psycopg://me@host/db?sslmode=require&password=secret&sslpassword=secret"
    assert without_password(url) == "postgresql+psycopg://me@host/db?sslmode=require"


def test_addresses_of_files_are_written_down_whole() -> None:
    assert without_password("sqlite:///results.db") == f"sqlite:///{Path.cwd() / 'results.db'}"
    with pytest.raises(InputError, match="forgets everything"):
        without_password("sqlite://")


def test_a_search_leaves_one_file_and_its_readers_do_not_stand_in_its_way(tmp_path: Path) -> None:
    store = Store(sqlite_url(tmp_path / "results.db"))
    store.create_run("run", "run", {})
    with store.writing():
        with sqlite3.connect(tmp_path / "results.db") as reader:
            assert reader.execute("BEGIN").execute("SELECT count(*) FROM runs").fetchone() == (1,)
            began = time.monotonic()
            store.set_state("run", "stopped")
            assert time.monotonic() - began < 5
        reader.close()
        assert (tmp_path / "results.db-wal").exists()
    store.close()
    assert [path.name for path in tmp_path.iterdir()] == ["results.db"]
    with store.writing():  # whoever looks on as it ends keeps the log
        other = Store(sqlite_url(tmp_path / "results.db"), create=False)
        assert other.run("run").state == "stopped"
    assert other.run("run").state == "stopped"
    other.close()
