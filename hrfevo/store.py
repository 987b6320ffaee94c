"""The results store: every run, genome, evaluation and learning curve, in any SQL database.

One transaction per event, so that what a worker finished is kept before anybody hears of it. Each
event has a number within its run; playing the events in that order again rebuilds the search.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy import event as sa_event

from hrfevo.genome import Genome
from hrfevo.records import Job, Outcome, Point, Proposal, Status
from signal_model.errors import InputError, one_line

SCHEMA_VERSION = 1

State = Literal["running", "stopped", "finished", "failed"]

_metadata = sa.MetaData()

_schema = sa.Table("schema_version", _metadata, sa.Column("version", sa.Integer, nullable=False))

_runs = sa.Table(
    "runs",
    _metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("reason", sa.Text, nullable=False, default=""),
    sa.Column("created", sa.Float, nullable=False),
    sa.Column("seconds", sa.Float, nullable=False, default=0.0),
    sa.Column("settings", sa.JSON, nullable=False),
)

_genomes = sa.Table(
    "genomes",
    _metadata,
    sa.Column("run_id", sa.ForeignKey("runs.id"), primary_key=True),
    sa.Column("id", sa.String(12), primary_key=True),
    sa.Column("birth", sa.Integer, nullable=False),
    sa.Column("operator", sa.String(32), nullable=False),
    sa.Column("parents", sa.JSON, nullable=False),
    sa.Column("values", sa.JSON, nullable=False),
)

_evaluations = sa.Table(
    "evaluations",
    _metadata,
    sa.Column("run_id", sa.ForeignKey("runs.id"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("genome_id", sa.String(12), nullable=False),
    sa.Column("rung", sa.Integer, nullable=False),
    sa.Column("seed", sa.BigInteger, nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("reason", sa.Text, nullable=False, default=""),
    sa.Column("detail", sa.Text, nullable=False, default=""),
    sa.Column("metrics", sa.JSON, nullable=False, default={}),
    sa.Column("worker", sa.String(200), nullable=False, default=""),
    sa.Column("device", sa.String(64), nullable=False, default=""),
    sa.Column("submitted", sa.Float, nullable=False),
    sa.Column("started", sa.Float),
    sa.Column("ended", sa.Float),
    sa.Column("submitted_event", sa.Integer, nullable=False),
    sa.Column("ended_event", sa.Integer),
    sa.ForeignKeyConstraint(["run_id", "genome_id"], ["genomes.run_id", "genomes.id"]),
    sa.UniqueConstraint("run_id", "genome_id", "rung", "seed"),
)

_curves = sa.Table(
    "curves",
    _metadata,
    sa.Column("run_id", sa.String(32), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("step", sa.Integer, primary_key=True),
    sa.Column("seconds", sa.Float, nullable=False),
    sa.Column("bits_per_byte", sa.Float, nullable=False),
    sa.ForeignKeyConstraint(["run_id", "number"], ["evaluations.run_id", "evaluations.number"]),
)


# Built once: putting a statement together costs several times what the database needs to run it.
_NEW_GENOME, _NEW_EVALUATION = _genomes.insert(), _evaluations.insert()
_ENDED_COLUMNS = ("status", "reason", "detail", "metrics", "worker", "device", "started", "ended", "ended_event")
_EVALUATION_ENDED = (
    _evaluations.update()
    .where(
        _evaluations.c.run_id == sa.bindparam("of_run"),
        _evaluations.c.number == sa.bindparam("of_number"),
        _evaluations.c.status == "running",
    )
    .values({name: sa.bindparam(name) for name in _ENDED_COLUMNS})
)
_RUN_LASTED = _runs.update().where(_runs.c.id == sa.bindparam("of_run")).values(seconds=sa.bindparam("seconds"))


@dataclass(frozen=True)
class Run:
    """One search. `settings` is everything it was started with, as JSON."""

    id: str
    name: str
    state: State
    reason: str
    created: float
    seconds: float
    settings: dict[str, Any]


@dataclass(frozen=True)
class Version:
    """How far a run is: `event` is the last, -1 before the first."""

    state: State
    reason: str
    seconds: float
    event: int


@dataclass(frozen=True)
class Evaluation:
    """One evaluation with its genome. Times are seconds since the epoch; `status` is running until it ended."""

    number: int
    genome: str
    values: dict[str, Any]
    birth: int
    operator: str
    parents: tuple[str, ...]
    rung: int
    seed: int
    status: Status | Literal["running"]
    reason: str
    detail: str
    metrics: dict[str, float]
    worker: str
    device: str
    submitted: float
    started: float | None
    ended: float | None
    submitted_event: int
    ended_event: int | None


class Store:
    """Results of runs. Raises InputError if the database cannot be opened or has another schema."""

    def __init__(self, url: str, create: bool = True) -> None:
        try:
            self._engine = sa.create_engine(url)
        except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError, ModuleNotFoundError) as error:
            raise InputError(
                f"store {_shown(url)}: {one_line(error)}; accepted: sqlite:///PATH or postgresql+psycopg://…"
            ) from None
        if self._engine.dialect.name == "sqlite":
            sa_event.listen(self._engine, "connect", _prepare_sqlite)
            if create:
                sa_event.listen(self._engine, "connect", _write_ahead)
        try:
            if create:
                _metadata.create_all(self._engine)
            with self._engine.begin() as connection:
                version = connection.scalar(sa.select(_schema.c.version))
                if version is None and create:
                    connection.execute(_schema.insert().values(version=SCHEMA_VERSION))
                    version = SCHEMA_VERSION
        except sa.exc.SQLAlchemyError as error:
            raise InputError(f"store {_shown(url)}: {one_line(getattr(error, 'orig', None) or error)}") from None
        if version != SCHEMA_VERSION:
            raise InputError(
                f"store {_shown(url)}: has schema version {version}, this hrfevo reads version {SCHEMA_VERSION}"
            )
        self._events: dict[str, int] = {}
        self._genomes: dict[str, set[str]] = {}

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    # --- writing ---------------------------------------------------------------------------------

    def create_run(self, run_id: str, name: str, settings: dict[str, Any]) -> None:
        """Begin a run; one that has begun is left as it is."""
        with self._engine.begin() as connection:
            if connection.scalar(sa.select(_runs.c.id).where(_runs.c.id == run_id)) is not None:
                return
            connection.execute(
                _runs.insert().values(
                    id=run_id,
                    name=name,
                    state="running",
                    created=time.time(),
                    settings=settings,
                    seconds=0.0,
                    reason="",
                )
            )

    def set_state(self, run_id: str, state: State, reason: str = "") -> None:
        """Note that a run is running, stopped, finished or failed, and why."""
        with self._engine.begin() as connection:
            connection.execute(_runs.update().where(_runs.c.id == run_id).values(state=state, reason=reason))

    def submitted(self, run_id: str, job: Job, proposal: Proposal) -> None:
        """Keep a job before a worker gets it, and its genome if it is new."""
        with self._engine.begin() as connection:
            known = self._known_genomes(connection, run_id)
            if job.genome.id not in known:
                genome = {
                    "run_id": run_id,
                    "id": job.genome.id,
                    "birth": len(known),
                    "operator": proposal.operator,
                    "parents": list(proposal.parents),
                    "values": dict(job.genome.values),
                }
                connection.execute(_NEW_GENOME, genome)
            evaluation = {
                "run_id": run_id,
                "number": job.number,
                "genome_id": job.genome.id,
                "rung": job.rung,
                "seed": job.seed,
                "status": "running",
                "submitted": time.time(),
                "submitted_event": self._next_event(connection, run_id),
            }
            connection.execute(_NEW_EVALUATION, evaluation)
        known.add(job.genome.id)

    def record(self, run_id: str, outcome: Outcome, seconds: float) -> bool:
        """Keep what became of a job, in one transaction; `seconds` is how long the run has lasted.

        Returns False, and changes nothing, if the job has ended already: a late or repeated result
        never overwrites the first.
        """
        with self._engine.begin() as connection:
            ended = {
                "of_run": run_id,
                "of_number": outcome.job.number,
                "status": outcome.status,
                "reason": outcome.reason,
                "detail": outcome.detail,
                "metrics": outcome.metrics,
                "worker": outcome.worker,
                "device": outcome.device,
                "started": outcome.started,
                "ended": outcome.ended,
                "ended_event": self._next_event(connection, run_id),
            }
            if connection.execute(_EVALUATION_ENDED, ended).rowcount != 1:
                return False
            if outcome.curve:
                key = {"run_id": run_id, "number": outcome.job.number}
                connection.execute(_curves.insert(), [key | vars(point) for point in outcome.curve])
            connection.execute(_RUN_LASTED, {"of_run": run_id, "seconds": seconds})
        return True

    def _next_event(self, connection: sa.Connection, run_id: str) -> int:
        if run_id not in self._events:
            columns = _evaluations.c.submitted_event, _evaluations.c.ended_event
            query = sa.select(*(sa.func.max(column) for column in columns)).where(_evaluations.c.run_id == run_id)
            self._events[run_id] = max((n for n in connection.execute(query).one() if n is not None), default=-1)
        self._events[run_id] += 1
        return self._events[run_id]

    def _known_genomes(self, connection: sa.Connection, run_id: str) -> set[str]:
        if run_id not in self._genomes:
            query = sa.select(_genomes.c.id).where(_genomes.c.run_id == run_id)
            self._genomes[run_id] = set(connection.scalars(query))
        return self._genomes[run_id]

    # --- reading ---------------------------------------------------------------------------------

    def run(self, run_id: str) -> Run:
        """One run. Raises InputError if the store has no such run."""
        with self._engine.connect() as connection:
            row = connection.execute(sa.select(_runs).where(_runs.c.id == run_id)).mappings().one_or_none()
        if row is None:
            raise InputError(f"store: has no run {run_id}")
        return Run(**row)

    def version(self, run_id: str) -> Version:
        """What differs as soon as anything has changed that the store knows of a run; cheap to ask for.

        Raises InputError if the store has no such run.
        """
        columns = (_evaluations.c.submitted_event, _evaluations.c.ended_event)
        events = sa.select(*(sa.func.max(column) for column in columns)).where(_evaluations.c.run_id == run_id)
        told = sa.select(_runs.c.state, _runs.c.reason, _runs.c.seconds).where(_runs.c.id == run_id)
        try:
            with self._engine.connect() as connection:
                row = connection.execute(told).one_or_none()
                known = [number for number in connection.execute(events).one() if number is not None]
        except sa.exc.DatabaseError as error:
            raise InputError(f"store: run {run_id} cannot be read: {one_line(error.orig or error)}") from None
        if row is None:
            raise InputError(f"store: has no run {run_id}")
        return Version(row.state, row.reason, row.seconds, max(known, default=-1))

    def evaluations(self, run_id: str, after: int = -1) -> list[Evaluation]:
        """Evaluations of a run in the order of submission: all, or those with something new after an event."""
        genome_columns = [_genomes.c[name] for name in ("values", "birth", "operator", "parents")]
        columns = [column for column in _evaluations.c if column.name not in ("run_id", "genome_id")]
        query = (
            sa.select(_evaluations.c.genome_id.label("genome"), *columns, *genome_columns)
            .join_from(_evaluations, _genomes)
            .where(_evaluations.c.run_id == run_id)
            .order_by(_evaluations.c.number)
        )
        if after >= 0:
            query = query.where((_evaluations.c.submitted_event > after) | (_evaluations.c.ended_event > after))
        try:
            with self._engine.connect() as connection:
                rows = connection.execute(query).mappings().all()
        except (ValueError, sa.exc.DatabaseError) as error:
            raise InputError(f"store: the results of run {run_id} are damaged: {one_line(error)}") from None
        return [_evaluation(dict(row)) for row in rows]

    def curves(self, run_id: str, after: int = -1) -> dict[int, list[Point]]:
        """Learning curves by evaluation number: all, or of evaluations that ended after an event."""
        query = sa.select(_curves).where(_curves.c.run_id == run_id).order_by(_curves.c.number, _curves.c.step)
        if after >= 0:
            own = (_evaluations.c.run_id == run_id) & (_evaluations.c.ended_event > after)
            query = query.where(_curves.c.number.in_(sa.select(_evaluations.c.number).where(own)))
        curves: dict[int, list[Point]] = {}
        with self._engine.connect() as connection:
            for row in connection.execute(query):
                curves.setdefault(row.number, []).append(Point(row.step, row.seconds, row.bits_per_byte))
        return curves


def _evaluation(row: dict[str, Any]) -> Evaluation:
    """A row as a record. Raises InputError if it is none that this store wrote."""
    values, metrics, parents = row["values"], row["metrics"], row["parents"]
    sound = (
        isinstance(values, dict)
        and Genome(values).id == row["genome"]
        and isinstance(metrics, dict)
        and all(isinstance(value, int | float) for value in metrics.values())
        and isinstance(parents, list)
        and row["status"] in ("running", "finished", "failed", "infeasible")
        and (row["status"] == "running") == (row["ended_event"] is None)
    )
    if not sound:
        raise InputError(f"store: evaluation {row['number']} is damaged")
    return Evaluation(**(row | {"parents": tuple(parents)}))


def sqlite_url(path: Path) -> str:
    """The store's address of a SQLite file."""
    return str(sa.URL.create("sqlite", database=str(path)))


def without_password(url: str) -> str:
    """A store's address as it may be written down: no password, no relative path.

    Raises InputError if it is none, or of a database in memory.
    """
    try:
        full = sa.make_url(url)
    except sa.exc.ArgumentError:
        raise InputError(
            f"store {url!r}: is no database address; accepted: sqlite:///PATH or postgresql+psycopg://…"
        ) from None
    database = full.database
    if full.get_backend_name() == "sqlite":
        if not database or database == ":memory:":
            raise InputError(f"store {url}: forgets everything at the end; accepted: sqlite:///PATH")
        database = str(Path(database).absolute())  # means the same from any folder
    bare = sa.URL.create(full.drivername, full.username, None, full.host, full.port, database, full.query)
    return bare.render_as_string(hide_password=False)


def _prepare_sqlite(connection: Any, _: Any) -> None:
    # A killed process loses nothing, a power cut at most the last commits. The time to wait for others comes
    # first: another process may be recovering the log of a killed one right now.
    cursor = connection.cursor()
    for pragma in ("busy_timeout=30000", "synchronous=NORMAL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _write_ahead(connection: Any, _: Any) -> None:
    # Readers then do not block the writer. The file remembers it; a reader need not, and must not, ask again.
    connection.execute("PRAGMA journal_mode=WAL")


def _shown(url: str) -> str:
    try:
        return sa.make_url(url).render_as_string(hide_password=True)
    except sa.exc.ArgumentError:
        return repr(url)
