"""Evaluations in long-lived Ray actors, on this machine or on a cluster."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

from hrfevo.space.sections import Limits, Resources
from hrfevo.workers.actor import Actor
from hrfevo.workers.base import OUT_OF_MEMORY, Evaluator, Job, Outcome, Unfit, WorkersLost, unheard
from hrfevo.workers.cluster import (
    LOOK,
    View,
    Watch,
    fitting,
    join,
    local_room,
    refuse_without_room,
    shared_here,
    start_local,
)
from hrfevo.workers.gpus import shared
from hrfevo.workers.places import Part, Place, Task, Waiting, next_start
from signal_model.support.errors import counted, one_line

# A job that has killed this many workers is the cause, not the victim.
ATTEMPTS = 3
# An evaluation that does not end by itself so long after its limit has a worker that hangs, seconds.
GRACE = 30.0
# So long all workers are waited for at the start, seconds; after that those that are up begin.
START = 30.0


class RayWorkers:
    """`count` actors of the given resources; as many as fit if `count` is None, also when nodes come or go.

    Starts a Ray of its own, and stops it on `close`, unless `address` names a cluster to join. A job whose worker
    or node is lost runs again elsewhere; one that outlasts `limits` without an answer is ended with its worker; one
    that ran out of memory beside others runs once more alone. What the user should know of the cluster it will `say`.
    Raises InputError if there is no cluster there or it has no room, WorkersLost if no worker will start;
    `next_outcome` raises WorkersLost when the whole cluster is gone or does nothing.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        resources: Resources,
        count: int | None = None,
        address: str | None = None,
        limits: Limits | None = None,
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        import ray

        self._ray = ray
        self._count = count
        self._minutes = limits.minutes if limits and limits.minutes else math.inf
        self._waiting: list[Waiting] = []
        self._starting: dict[Any, Any] = {}
        self._idle: list[Place] = []
        self._running: dict[Any, Task] = {}
        self._has_grown = False
        self._trouble = self._until = ""
        self._served = time.monotonic()
        self._say = say
        self.pausing: Callable[[str], None] = unheard
        if address is None:
            self._resources = shared_here(resources, count)
            self._count = local_room(self._resources, count)
            start_local(ray, self._count, self._resources)
        else:
            join(ray, address)
        try:
            with self._asking():
                self._watch = Watch(ray)
        except BaseException:
            ray.shutdown()
            raise
        self._seen = self._watch.last
        try:
            if address is not None:
                self._resources = shared(resources, self._seen.resources, count)
                refuse_without_room(self._seen.resources, self._resources, count, address)
            cpus, gpus = self._resources.cpus, self._resources.gpus_each
            if resources.gpus == "auto" and gpus:
                say(f"{'a GPU' if gpus == 1 else f'{gpus:g} of a GPU'} for each evaluation (resources.gpus: auto)")
            with self._asking():
                self._evaluator = ray.put(evaluator)
            self._actor_class = ray.remote(num_cpus=cpus, num_gpus=gpus, max_restarts=0)(Actor)
            self._start_all()
        except BaseException:
            self.close()
            raise

    @property
    def capacity(self) -> int:
        return len(self._idle) + len(self._running)

    @property
    def running(self) -> int:
        return len(self._running) + len(self._waiting)

    def submit(self, job: Job) -> None:
        self._waiting.append(Waiting(job))
        self._start_waiting()

    def next_outcome(self) -> Outcome | None:
        while True:
            self._start_waiting()
            if (seen := self._watch.last) is not self._seen:
                self._tell_of_lost_nodes(seen)
                self._seen = seen
                self._idle = [place for place in self._idle if not place.is_lost(seen)]
                self._grow()
                self._tell_whether_paused()
            if self.running < self.capacity and self._has_grown:
                self._has_grown = False
                return None
            if (late := self._overdue()) is not None:
                return late
            done = self._wait()
            if done in self._starting:
                if not self._welcome(done):
                    self._tell_whether_paused()
            elif done is not None and (outcome := self._collect(done)) is not None:
                return outcome

    def close(self) -> None:
        """Stop the actors, and Ray itself if it was started here."""
        # Without a head nothing is asked: to end a worker that still starts would wait for it until Ray ends us.
        if self._watch.close():
            places = [*self._idle, *(task.place for task in self._running.values())]
            for actor in [*self._starting.values(), *(place.actor for place in places)]:
                self._end(actor)
        self._idle, self._running, self._starting, self._waiting = [], {}, {}, []
        self._ray.shutdown()

    def _start_all(self) -> None:
        """Return when the workers are up, without those that died of it again and again or that have no room yet."""
        died, told, late = "", False, time.monotonic() + START
        for _ in range(ATTEMPTS):
            self._grow()
            while self._starting and not (self._idle and time.monotonic() > late):
                done = self._wait()
                self._seen = self._watch.last
                if not self._seen.nodes:
                    raise WorkersLost("its node died as the workers started")
                if done is not None:
                    died = self._welcome(done) or died
                if not (self._idle or told) and time.monotonic() > late:
                    self._say("no worker has started yet: others may occupy the cluster; waiting for room")
                    told = True
        self._has_grown = False
        if not self._idle:
            raise WorkersLost(f"no worker will start: {died}")

    def _wait(self) -> Any | None:
        """The next actor that is ready or task that has ended; None if that takes too long to go on waiting."""
        pending = [*self._running, *self._starting]
        if not pending:
            time.sleep(LOOK)
            return None
        return self._first_of(pending, LOOK)

    def _first_of(self, pending: Sequence[Any], patience: float) -> Any | None:
        """One that is ready, within so many seconds."""
        with self._asking():
            done, _ = self._ray.wait(pending, num_returns=1, timeout=patience)
        return done[0] if done else None

    def _welcome(self, started: Any) -> str:
        """Take in a worker that is up. What it died of, if it did instead: `_grow` makes another."""
        actor = self._starting.pop(started)
        try:
            self._idle.append(Place(actor, self._answer(started), time.monotonic()))
        except self._ray.exceptions.RayError as error:
            self._end(actor)
            self._trouble = _gist(error)
            return one_line(error)
        self._has_grown, self._trouble = True, ""
        return ""

    def _collect(self, done: Any) -> Outcome | None:
        """What became of a task; None if it is to run again."""
        task, errors = self._running.pop(done), self._ray.exceptions
        try:
            outcome: Outcome = self._answer(done)
        except errors.RayTaskError as error:
            # The evaluator raised it, or its outcome cannot be sent: the worker is well.
            self._idle.append(task.place)
            if isinstance(error.cause, Unfit):
                raise error.cause from None
            return _lost(task, f"error: {type(error.cause).__name__}: {one_line(error.cause)}", str(error))
        except errors.OutOfMemoryError as error:  # by Ray's memory monitor, which need not have met the one to blame
            self._retire(task.place)
            return self._again_alone(task, (task.place.node,), _lost(task, OUT_OF_MEMORY, str(error)))
        except errors.RayError as error:
            self._retire(task.place)
            died = isinstance(error, errors.RayActorError | errors.WorkerCrashedError | errors.NodeDiedError)
            reason = f"worker died {ATTEMPTS} times" if died else f"lost {ATTEMPTS} times: {_gist(error)}"
            return self._again(task, _lost(task, reason, str(error)))
        if outcome.ends_worker:
            self._retire(task.place)
            return self._again(task, outcome) if outcome.status == "failed" else outcome
        self._idle.append(task.place)
        if outcome.reason == OUT_OF_MEMORY:
            is_of_gpu = outcome.device.startswith("cuda")
            if not (is_of_gpu and self._resources.gpus_each >= 1):  # else it had all there is
                return self._again_alone(task, task.place.where if is_of_gpu else (task.place.node,), outcome)
        return outcome

    def _again(self, task: Task, otherwise: Outcome) -> Outcome | None:
        """Let a job run on another worker, unless it has killed too many: then it becomes what it is `otherwise`."""
        # Where the node is gone too, the job is the victim.
        attempt = task.what.attempt + (task.place.node in self._watch.next().nodes)
        if attempt > ATTEMPTS:
            return otherwise
        self._waiting.insert(0, Waiting(task.what.job, attempt, task.what.alone_in))
        return None

    def _again_alone(self, task: Task, part: Part, otherwise: Outcome) -> Outcome | None:
        """Let a job have a part of the cluster to itself, unless it had: then it becomes what it is `otherwise`."""
        if task.what.alone_in:
            return otherwise
        self._waiting.insert(0, Waiting(task.what.job, task.what.attempt, part))
        return None

    def _overdue(self) -> Outcome | None:
        """One whose time is over and that has not answered, however many others do meanwhile; it ends."""
        now = time.monotonic()
        for reference, task in self._running.items():
            if now > task.deadline and self._first_of([reference], LOOK) is None:
                del self._running[reference]
                self._retire(task.place)
                return _lost(task, f"hung: no answer {GRACE:g} s after the limit of {counted(self._minutes, 'minute')}")
        return None

    def _retire(self, place: Place) -> None:
        """End a worker that cannot be relied on, if it has not ended, and start another."""
        self._end(place.actor)
        self._grow()

    def _end(self, actor: Any) -> None:
        with suppress(self._ray.exceptions.RayError, ConnectionError):  # it is gone, or Ray is
            self._ray.kill(actor)

    def _grow(self) -> None:
        """Start as many actors as are missing."""
        wanted = self._count or fitting(self._seen.resources, self._resources)
        for _ in range(wanted - self.capacity - len(self._starting)):
            with self._asking():
                actor = self._actor_class.remote(self._evaluator, self._resources.gpus_each)
                self._starting[actor.ready.remote()] = actor

    def _start_waiting(self) -> None:
        """Start whatever may start."""
        while found := next_start(self._waiting, self._idle, self._running.values()):
            index, part, place = found
            what = replace(self._waiting.pop(index), alone_in=part)
            self._idle.remove(place)
            deadline = time.monotonic() + 60 * self._minutes + GRACE
            with self._asking():
                reference = place.actor.evaluate.remote(what.job, bool(part))
            self._running[reference] = Task(what, place, time.time(), deadline)

    def _tell_of_lost_nodes(self, seen: View) -> None:
        if gone := self._seen.nodes - seen.nodes:
            left = counted(len(seen.nodes), "node")
            self._say(f"{counted(len(gone), 'node')} of the cluster lost, {left} left: what ran there runs again")

    def _tell_whether_paused(self) -> None:
        pause, until, now = "", "", time.monotonic()
        if self.capacity:
            self._served = now
        elif self._trouble:
            pause, until = f"no worker will start ({self._trouble})", "trying again"
        elif self._until or not fitting(self._seen.resources, self._resources) or now - self._served > START:
            # Before that, successors of workers that died are on their way.
            pause, until = "the cluster has no worker left", "waiting for a node to come"
        if until != self._until:
            told = f"the cluster has {counted(self.capacity, 'worker')} again: going on"
            self._say(f"paused, {pause}: {until}" if pause else told)
            self.pausing(pause)
            self._until = until

    def _answer(self, reference: Any) -> Any:
        """What a worker answered. Raises Ray's error for what became of it, WorkersLost where nobody can be asked."""
        try:
            return self._ray.get(reference)
        except self._ray.exceptions.RayError:
            raise
        except ConnectionError as error:  # by Ray's client
            raise WorkersLost(f"the Ray cluster is out of reach: {one_line(error)}") from error

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """Turn an error of Ray that is of no task and no actor into WorkersLost."""
        try:
            yield
        except (self._ray.exceptions.RayError, ConnectionError) as error:
            raise WorkersLost(f"the Ray cluster does not do what it is asked: {_gist(error)}") from error


def _lost(task: Task, reason: str, detail: str = "") -> Outcome:
    return Outcome(task.what.job, "failed", {}, reason, detail, started=task.began, ended=time.time())


def _gist(error: Exception) -> str:
    """The line of one of Ray's long errors that says what happened: the last, where it quotes a traceback."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [""]
    line = lines[-1 if getattr(error, "actor_init_failed", False) else 0]
    return f"{type(error).__name__}: {line}" if line else type(error).__name__
