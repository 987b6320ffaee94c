"""Evaluations in long-lived Ray actors, on this machine or on a cluster."""

from __future__ import annotations

import logging
import os
import socket
import time
from typing import Any

from hrfevo.evaluation import Evaluator
from hrfevo.records import Job, Outcome
from hrfevo.space import Resources
from signal_model.errors import InputError

# A job that has killed this many workers is the cause, not the victim.
ATTEMPTS = 3


class _Actor:
    """One worker process. The evaluator, tokens included, comes from the node's object store."""

    def __init__(self, evaluator: Evaluator) -> None:
        self._evaluator = evaluator

    def evaluate(self, job: Job) -> Outcome:
        return self._evaluator(job)


class RayWorkers:
    """`count` actors of the given resources; as many as fit if `count` is None.

    Starts a Ray of its own, and stops it on `close`, unless `address` names a cluster to join.
    Raises InputError if there is no cluster there or it has no room.
    """

    def __init__(
        self, evaluator: Evaluator, resources: Resources, count: int | None = None, address: str | None = None
    ) -> None:
        import ray

        self._ray = ray
        self._owns_ray = address is None
        if address is None:
            self.capacity = count or _fitting(os.cpu_count() or 1, resources)
            _start_local(ray, self.capacity, resources)
        else:
            _join(ray, address)
            try:
                self.capacity = _room(ray, resources, count, address)
            except InputError:
                ray.shutdown()
                raise
        self._evaluator = ray.put(evaluator)
        # The driver may sit on the same machine: actors wait for results of torch, not of each other.
        self._actor_class = ray.remote(num_cpus=resources.cpus, num_gpus=resources.gpus, max_restarts=0)(_Actor)
        self._idle = [self._new_actor() for _ in range(self.capacity)]
        self._running: dict[Any, tuple[Job, Any, int]] = {}

    @property
    def running(self) -> int:
        return len(self._running)

    def submit(self, job: Job) -> None:
        self._start(job, self._idle.pop(), attempt=1)

    def next_outcome(self) -> Outcome:
        while True:
            (done, *_), _ = self._ray.wait(list(self._running), num_returns=1)
            job, actor, attempt = self._running.pop(done)
            try:
                outcome: Outcome = self._ray.get(done)
            except self._ray.exceptions.RayActorError as error:
                replacement = self._new_actor()
                if attempt < ATTEMPTS:
                    self._start(job, replacement, attempt + 1)
                    continue
                self._idle.append(replacement)
                now = time.time()
                reason = f"worker died {ATTEMPTS} times"
                return Outcome(job, "failed", {}, reason, str(error), started=now, ended=now)
            self._idle.append(actor)
            return outcome

    def close(self) -> None:
        """Stop the actors, and Ray itself if it was started here."""
        for actor in [*self._idle, *(actor for _, actor, _ in self._running.values())]:
            self._ray.kill(actor)
        self._idle, self._running = [], {}
        self._ray.shutdown()

    def _new_actor(self) -> Any:
        return self._actor_class.remote(self._evaluator)

    def _start(self, job: Job, actor: Any, attempt: int) -> None:
        self._running[actor.evaluate.remote(job)] = (job, actor, attempt)


def _fitting(cpus: float, resources: Resources, gpus: float | None = None) -> int:
    by_cpu = int(cpus // resources.cpus)
    by_gpu = int(gpus / resources.gpus + 1e-9) if gpus is not None and resources.gpus else by_cpu
    return max(1, min(by_cpu, by_gpu))


def _start_local(ray: Any, workers: int, resources: Resources) -> None:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing leaves this machine
    ray.init(
        address="local",
        num_cpus=workers * resources.cpus,
        include_dashboard=False,
        logging_level=logging.ERROR,
        log_to_driver=False,
    )


def _join(ray: Any, address: str) -> None:
    host, _, port = address.removeprefix("ray://").partition(":")
    try:
        if address != "auto":
            # Ray itself retries for minutes before it says that nobody is there.
            with socket.create_connection((host, int(port)), timeout=5):
                pass
        ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False)
    except ValueError:
        raise InputError(f"--address {address}: expected auto, HOST:PORT or ray://HOST:PORT") from None
    except (ConnectionError, OSError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"--address {address}: no Ray cluster answers there ({reason})") from None


def _room(ray: Any, resources: Resources, count: int | None, address: str) -> int:
    total = ray.cluster_resources()
    cpus, gpus = total.get("CPU", 0), total.get("GPU", 0)
    room = _fitting(cpus, resources, gpus) if cpus >= resources.cpus and gpus >= min(resources.gpus, 1e-9) else 0
    wanted = count or room
    if not 0 < wanted <= room:
        raise InputError(
            f"--workers {wanted}: the cluster at {address} has {cpus:g} CPUs and {gpus:g} GPUs, room for {room} "
            f"workers of {resources.cpus} CPUs and {resources.gpus:g} GPUs"
        )
    return wanted
