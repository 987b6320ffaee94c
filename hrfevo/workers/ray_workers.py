"""Evaluations in long-lived Ray actors, on this machine or on a cluster."""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hrfevo.evaluation import Evaluator
from hrfevo.records import Job, Outcome, Unfit
from hrfevo.space import Limits, Resources
from hrfevo.workers.base import WorkersLost, unheard
from hrfevo.workers.cluster import LOOK, View, Watch, fitting, join, local_room, refuse_without_room, start_local
from signal_model.errors import counted, one_line

# A job that has killed this many workers is the cause, not the victim.
ATTEMPTS = 3
# An evaluation that does not end by itself so long after its limit has a worker that hangs, seconds.
GRACE = 30.0
# So long all workers are waited for at the start, seconds; after that those that are up begin.
START = 30.0


class _Actor:
    """One worker process. The evaluator, tokens included, comes from the node's object store."""

    def __init__(self, evaluator: Evaluator) -> None:
        self._evaluator = evaluator
        # What is loaded by now stays: collections after each evaluation need not look through it again.
        gc.freeze()

    def ready(self) -> str:
        """The node it runs on, once the process has started."""
        import ray

        return str(ray.get_runtime_context().get_node_id())

    def evaluate(self, job: Job) -> Outcome:
        return self._evaluator(job)


@dataclass(frozen=True)
class _Place:
    """A worker that has started, and when we heard of it."""

    actor: Any
    node: str
    since: float

    def is_lost(self, seen: View) -> bool:
        """Whether its node is gone. What was seen before it started says nothing about it."""
        return self.node not in seen.nodes and self.since < seen.at


@dataclass(frozen=True)
class _Task:
    """A job at a place; `attempt` counts the workers that it may have killed, this one included.

    It `began` by the calendar, which may jump; an answer is due by `deadline` of the monotonic clock.
    """

    job: Job
    place: _Place
    attempt: int
    began: float
    deadline: float


class RayWorkers:
    """`count` actors of the given resources; as many as fit if `count` is None, also when nodes come or go.

    Starts a Ray of its own, and stops it on `close`, unless `address` names a cluster to join. A job whose worker
    or node is lost runs again elsewhere; one that outlasts `limits` without an answer is ended with its worker.
    What the user should know of the cluster it will `say`. Raises InputError if there is no cluster there or it has
    no room, WorkersLost if no worker will start; `next_outcome` raises WorkersLost when the whole cluster is gone.
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
        self._resources, self._count = resources, count
        self._minutes = limits.minutes if limits and limits.minutes else math.inf
        self._waiting: list[tuple[Job, int]] = []
        self._starting: dict[Any, Any] = {}
        self._idle: list[_Place] = []
        self._running: dict[Any, _Task] = {}
        self._has_grown = self._is_deserted = False
        self._say = say
        self.pausing: Callable[[str], None] = unheard
        if address is None:
            self._count = local_room(resources, count)
            start_local(ray, self._count, resources)
        else:
            join(ray, address)
        self._watch = Watch(ray)
        self._seen = self._watch.last
        try:
            if address is not None:
                refuse_without_room(self._seen.resources, resources, count, address)
            self._evaluator = ray.put(evaluator)
            self._actor_class = ray.remote(num_cpus=resources.cpus, num_gpus=resources.gpus, max_restarts=0)(_Actor)
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
        self._start(job, attempt=1)

    def next_outcome(self) -> Outcome | None:
        while True:
            while self._waiting and self._idle:
                self._start(*self._waiting.pop(0))
            if (seen := self._watch.last) is not self._seen:
                self._tell_of_lost_nodes(seen)
                self._seen = seen
                self._idle = [place for place in self._idle if not place.is_lost(seen)]
                self._grow()
                self._tell_whether_deserted()
            if self.running < self.capacity and self._has_grown:
                self._has_grown = False
                return None
            done = self._wait()
            if done is None:
                if (late := self._overdue()) is not None:
                    return late
            elif done in self._starting:
                self._welcome(done)
            elif (outcome := self._collect(done)) is not None:
                return outcome

    def close(self) -> None:
        """Stop the actors, and Ray itself if it was started here."""
        self._watch.close()
        places = [*self._idle, *(task.place for task in self._running.values())]
        for actor in [*self._starting.values(), *(place.actor for place in places)]:
            self._ray.kill(actor)
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
        done, _ = self._ray.wait(pending, num_returns=1, timeout=LOOK)
        return done[0] if done else None

    def _welcome(self, started: Any) -> str:
        """Take in a worker that is up. What it died of, if it did instead: `_grow` makes another."""
        actor = self._starting.pop(started)
        try:
            self._idle.append(_Place(actor, self._ray.get(started), time.monotonic()))
        except self._ray.exceptions.RayActorError as error:
            return one_line(error)
        self._has_grown = True
        return ""

    def _collect(self, done: Any) -> Outcome | None:
        task = self._running.pop(done)
        try:
            outcome: Outcome = self._ray.get(done)
        except self._ray.exceptions.RayActorError as error:
            self._grow()
            # Where the node is gone too, the job is the victim.
            attempt = task.attempt + (task.place.node in self._watch.next().nodes)
            if attempt <= ATTEMPTS:
                self._waiting.insert(0, (task.job, attempt))
                return None
            return _lost(task, f"worker died {ATTEMPTS} times", str(error))
        except self._ray.exceptions.RayTaskError as error:
            raise (error.cause if isinstance(error.cause, Unfit) else error) from None
        self._idle.append(task.place)
        return outcome

    def _overdue(self) -> Outcome | None:
        now = time.monotonic()
        for reference, task in self._running.items():
            if now > task.deadline:
                del self._running[reference]
                self._ray.kill(task.place.actor)
                self._grow()
                return _lost(task, f"hung: no answer {GRACE:g} s after the limit of {self._minutes:g} minutes")
        return None

    def _grow(self) -> None:
        """Start as many actors as are missing."""
        wanted = self._count or fitting(self._seen.resources, self._resources)
        for _ in range(wanted - self.capacity - len(self._starting)):
            actor = self._actor_class.remote(self._evaluator)
            self._starting[actor.ready.remote()] = actor

    def _tell_of_lost_nodes(self, seen: View) -> None:
        if gone := self._seen.nodes - seen.nodes:
            left = counted(len(seen.nodes), "node")
            self._say(f"{counted(len(gone), 'node')} of the cluster lost, {left} left: what ran there runs again")

    def _tell_whether_deserted(self) -> None:
        if self._is_deserted != (not self.capacity):
            self._is_deserted = not self.capacity
            if self._is_deserted:
                self._say("paused, the cluster has no worker left: waiting for a node to come")
                self.pausing("the cluster has no worker left")
            else:
                self._say(f"the cluster has {counted(self.capacity, 'worker')} again: going on")
                self.pausing("")

    def _start(self, job: Job, attempt: int) -> None:
        place = self._idle.pop()
        deadline = time.monotonic() + 60 * self._minutes + GRACE
        self._running[place.actor.evaluate.remote(job)] = _Task(job, place, attempt, time.time(), deadline)


def _lost(task: _Task, reason: str, detail: str = "") -> Outcome:
    return Outcome(task.job, "failed", {}, reason, detail, started=task.began, ended=time.time())
