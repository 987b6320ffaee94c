"""The results store: every run, genome, evaluation and learning curve, in any SQL database.

One transaction per event, so that what a worker finished is kept before anybody hears of it. Each
event has a number within its run; telling the events in that order rebuilds the search. A number that no evaluation has
is the end of a generation that could not be filled.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import sqlalchemy as sa

from hrfevo.algorithms.base import Proposal
from hrfevo.space.genome import Genome
from hrfevo.store import columns, schema, timings
from hrfevo.store.database import identity, open_database, reason, writing_ahead
from hrfevo.store.records import Evaluation, Leader, RunRecord, State, Version
from hrfevo.workers.base import Job, Outcome, Point
from signal_model.support.errors import InputError, one_line


class Unreachable(InputError):
    """A database that does not answer, or has no room, now."""


class Store:
    """Results of runs. Raises InputError if the database cannot be opened or has another schema."""

    def __init__(self, url: str, create: bool = True) -> None:
        self._engine = open_database(url, create)
        self._file = identity(self._engine)
        self._events: dict[str, int] = {}
        self._genomes: dict[str, set[str]] = {}

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    # --- writing ---------------------------------------------------------------------------------

    def writing(self) -> AbstractContextManager[None]:
        """While this is entered, a search writes and others read at the same time."""
        return writing_ahead(self._engine)

    def create_run(self, run_id: str, name: str, settings: dict[str, Any]) -> None:
        """Begin a run; one that has begun is left as it is."""
        with self._writing() as connection:
            if connection.scalar(sa.select(schema.runs.c.id).where(schema.runs.c.id == run_id)) is not None:
                return
            connection.execute(
                schema.runs.insert().values(
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
        with self._writing() as connection:
            connection.execute(
                schema.runs.update().where(schema.runs.c.id == run_id).values(state=state, reason=reason)
            )

    def submitted(self, run_id: str, job: Job, proposal: Proposal) -> None:
        """Keep a job before a worker gets it, and its genome if it is new."""
        with self._writing() as connection:
            known = self._known_genomes(connection, run_id)
            event = self._next_event(connection, run_id) + proposal.opens
            if job.genome.id not in known:
                genome = {
                    "run_id": run_id,
                    "id": job.genome.id,
                    "birth": len(known),
                    "operator": proposal.operator,
                    "parents": list(proposal.parents),
                    "values": dict(job.genome.values),
                }
                connection.execute(schema.NEW_GENOME, genome)
            evaluation = {
                "run_id": run_id,
                "number": job.number,
                "genome_id": job.genome.id,
                "rung": job.rung,
                "seed": job.seed,
                "status": "running",
                "submitted": time.time(),
                "submitted_event": event,
            }
            connection.execute(schema.NEW_EVALUATION, evaluation)
        known.add(job.genome.id)
        self._events[run_id] = event

    def recall(self, run_id: str, number: int) -> bool:
        """Whether a job is kept. What was remembered of the run is read again: a write's answer may have been lost."""
        self._events.pop(run_id, None)
        self._genomes.pop(run_id, None)
        key = (schema.evaluations.c.run_id == run_id, schema.evaluations.c.number == number)
        with self._writing() as connection:
            return connection.scalar(sa.select(schema.evaluations.c.number).where(*key)) is not None

    def record(self, run_id: str, outcome: Outcome, seconds: float) -> bool:
        """Keep what became of a job, in one transaction; `seconds` is how long the run has lasted.

        Returns False, and changes nothing, if the job has ended already: a late or repeated result
        never overwrites the first.
        """
        with self._writing() as connection:
            event = self._next_event(connection, run_id)
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
                "ended_event": event,
            }
            if connection.execute(schema.EVALUATION_ENDED, ended).rowcount != 1:
                return False
            if outcome.curve:
                key = {"run_id": run_id, "number": outcome.job.number}
                connection.execute(schema.curves.insert(), [key | vars(point) for point in outcome.curve])
            connection.execute(schema.RUN_LASTED, {"of_run": run_id, "seconds": seconds})
        self._events[run_id] = event
        return True

    def timed(self, run_id: str, outcome: Outcome) -> None:
        """Keep what a step of a genome took, alone; one that is kept already is left as it is."""
        with self._writing() as connection:
            timings.keep(connection, run_id, outcome)

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        if identity(self._engine) != self._file:
            # SQLite would write on into a file that nobody finds.
            raise Unreachable(f"store: {self._engine.url.database} has been moved or removed")
        try:
            with self._engine.begin() as connection:
                yield connection
        except sa.exc.IntegrityError as error:
            told = "another search writes to the same run, as from a copy of its folder"
            raise InputError(f"store: {told}: {reason(error)}") from None
        except sa.exc.DataError as error:
            raise InputError(f"store: {reason(error)}") from None
        except sa.exc.DBAPIError as error:
            self._events.clear()  # a write whose answer was lost may have been kept
            raise Unreachable(f"store: {reason(error)}") from None

    def _next_event(self, connection: sa.Connection, run_id: str) -> int:
        if run_id not in self._events:
            self._events[run_id] = _last_event(connection, run_id)
        return self._events[run_id] + 1

    def _known_genomes(self, connection: sa.Connection, run_id: str) -> set[str]:
        if run_id not in self._genomes:
            query = sa.select(schema.genomes.c.id).where(schema.genomes.c.run_id == run_id)
            self._genomes[run_id] = set(connection.scalars(query))
        return self._genomes[run_id]

    # --- reading ---------------------------------------------------------------------------------

    def run(self, run_id: str) -> RunRecord:
        """One run. Raises InputError if the store has no such run."""
        with self._reading(run_id) as connection:
            row = connection.execute(schema.RUN, {"of_run": run_id}).mappings().one_or_none()
        if row is None:
            raise InputError(f"store: has no run {run_id}")
        return RunRecord(**row)

    def version(self, run_id: str) -> Version:
        """What differs as soon as anything has changed that the store knows of a run; cheap to ask for.

        Raises InputError if the store has no such run.
        """
        told = sa.select(schema.runs.c.state, schema.runs.c.reason, schema.runs.c.seconds).where(
            schema.runs.c.id == run_id
        )
        try:
            with self._engine.connect() as connection:
                row = connection.execute(told).one_or_none()
                event = _last_event(connection, run_id)
                timed = timings.counted(connection, run_id)
        except sa.exc.DatabaseError as error:
            raise InputError(f"store: run {run_id} cannot be read: {reason(error)}") from None
        if row is None:
            raise InputError(f"store: has no run {run_id}")
        return Version(row.state, row.reason, row.seconds, event, timed)

    def evaluations(self, run_id: str, after: int = -1) -> list[Evaluation]:
        """Evaluations of a run in the order of submission: all, or those with something new after an event."""
        table = schema.evaluations
        columns = [column for column in table.c if column.name not in ("run_id", "genome_id")]
        wanted = table.c.run_id == run_id
        genomes = sa.select(*(schema.genomes.c[name] for name in ("id", "values", "birth", "operator", "parents")))
        genomes = genomes.where(schema.genomes.c.run_id == run_id)
        if after >= 0:
            wanted &= (table.c.submitted_event > after) | (table.c.ended_event > after)
            genomes = genomes.where(schema.genomes.c.id.in_(sa.select(table.c.genome_id).where(wanted)))
        query = sa.select(table.c.genome_id.label("genome"), *columns).where(wanted).order_by(table.c.number)
        with self._reading(run_id) as connection:
            rows = connection.execute(query).mappings().all()
            # Read after them, so that none is missing; each once, however often it was trained.
            born = {row["id"]: _birth(dict(row)) for row in connection.execute(genomes).mappings()}
            alone = timings.known(connection, run_id)
        return [_evaluation(dict(row) | {"timings": alone.get(row["genome"], ())}, born) for row in rows]

    def columns(self, run_id: str, after: int = -1) -> dict[str, list[Any]]:
        """The same as columns, several times as fast: fields of `Evaluation` by name, without what is asked of one at a
        time only, its genes first of all.
        """
        with self._reading(run_id) as connection:
            return columns.read(connection, run_id, after)

    def gene(self, run_id: str, path: Sequence[str | int], low: int, high: int) -> dict[str, Any]:
        """The value of one gene, as `columns.gene` has it, of genomes born as number `low` to `high`."""
        with self._reading(run_id) as connection:
            return columns.gene(connection, run_id, path, low, high)

    def values(self, run_id: str, genomes: Collection[str]) -> dict[str, dict[str, Any]]:
        """All genes of these genomes, by id."""
        with self._reading(run_id) as connection:
            found = columns.values(connection, run_id, genomes)
        for genome, values in found.items():
            if not (isinstance(values, dict) and Genome(values).id == genome):
                raise InputError(f"store: genome {genome} is damaged")
        return found

    def tally(self, run_id: str) -> dict[str, int]:
        """Evaluations by status, counted by the database."""
        with self._reading(run_id) as connection:
            found = {str(name): int(count) for name, count in connection.execute(schema.TALLY, {"of_run": run_id})}
        if unknown := set(found) - set(columns.STATUSES):
            raise InputError(f"store: the results of run {run_id} are damaged: no status {min(unknown)!r}")
        return dict.fromkeys(columns.STATUSES, 0) | found

    def repeated(self, run_id: str) -> bool:
        """Whether any genome was trained to a rung with several seeds, or timed again: no one training of it is its
        score then."""
        with self._reading(run_id) as connection:
            again = connection.execute(schema.REPEATED, {"of_run": run_id}).one_or_none() is not None
            return again or timings.counted(connection, run_id) > 0

    def leader(self, run_id: str, objectives: Mapping[Any, str]) -> Leader | None:
        """The best finished evaluation of the highest rung by the first objective, then by the next, found by the
        database; None where nothing has finished. Directions are `minimize` or `maximize`.
        """
        with self._reading(run_id) as connection:
            row = connection.execute(schema.leading(tuple(objectives.items())), {"of_run": run_id}).one_or_none()
        if row is None:
            return None
        genome, rung, value = row
        if value is None:
            raise InputError(f"store: the results of run {run_id} are damaged: genome {genome} has no score")
        return Leader(genome, rung, float(value))

    def curves(self, run_id: str, numbers: Sequence[int] | None = None, after: int = -1) -> dict[int, list[Point]]:
        """Learning curves by evaluation number: all, of these, or of evaluations that ended after an event."""
        query = (
            sa.select(schema.curves)
            .where(schema.curves.c.run_id == run_id)
            .order_by(schema.curves.c.number, schema.curves.c.step)
        )
        if numbers is not None:
            query = query.where(schema.curves.c.number.in_(numbers))
        if after >= 0:
            own = (schema.evaluations.c.run_id == run_id) & (schema.evaluations.c.ended_event > after)
            query = query.where(schema.curves.c.number.in_(sa.select(schema.evaluations.c.number).where(own)))
        curves: dict[int, list[Point]] = {}
        with self._reading(run_id) as connection:
            for row in connection.execute(query):
                curves.setdefault(row.number, []).append(Point(row.step, row.seconds, row.bits_per_byte))
        return curves

    @contextmanager
    def _reading(self, run_id: str) -> Iterator[sa.Connection]:
        try:
            with self._engine.connect() as connection:
                yield connection
        except sa.exc.OperationalError as error:
            raise Unreachable(f"store: run {run_id} cannot be read: {reason(error)}") from None
        except (ValueError, sa.exc.DatabaseError) as error:
            raise InputError(f"store: the results of run {run_id} are damaged: {one_line(error)}") from None


def _birth(row: dict[str, Any]) -> dict[str, Any] | None:
    """What a row says of a genome; None if that is nothing that this store wrote."""
    identity, values, parents = row.pop("id"), row["values"], row["parents"]
    sound = isinstance(values, dict) and isinstance(parents, list) and Genome(values).id == identity
    return row | {"parents": tuple(parents)} if sound else None


def _evaluation(row: dict[str, Any], born: Mapping[str, dict[str, Any] | None]) -> Evaluation:
    """A row as a record. Raises InputError if it, or its genome, is none that this store wrote."""
    genome = born.get(row["genome"])
    if genome is None or not columns.is_sound(row["status"], row["metrics"], row["ended_event"]):
        raise InputError(f"store: evaluation {row['number']} is damaged")
    return Evaluation(**row, **genome)


def _last_event(connection: sa.Connection, run_id: str) -> int:
    """The number of a run's last event, -1 before the first. Each column by itself has an index that knows."""
    own = schema.evaluations.c
    last = (sa.select(sa.func.max(one)).where(own.run_id == run_id) for one in (own.submitted_event, own.ended_event))
    known = connection.execute(sa.select(*(one.scalar_subquery() for one in last))).one()
    return max((number for number in known if number is not None), default=-1)
