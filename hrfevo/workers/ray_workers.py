"""Evaluations in long-lived Ray actors, on this machine or on a cluster."""

from __future__ import annotations

import gc
import logging
import os
import socket
import time
from typing import Any

from hrfevo.evaluation import Evaluator
from hrfevo.records import Job, Outcome
from hrfevo.space import Resources
from signal_model.errors import InputError, one_line

# A job that has killed this many workers is the cause, not the victim.
ATTEMPTS = 3


class _Actor:
    """One worker process. The evaluator, tokens included, comes from the node's object store."""

    def __init__(self, evaluator: Evaluator) -> None:
        self._evaluator = evaluator
        # What is loaded by now stays: collections after each evaluation need not look through it again.
        gc.freeze()

    def ready(self) -> None:
        """Returns once the process has started."""

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
        if address is None:
            self.capacity = _local_room(resources, count)
            _start_local(ray, self.capacity, resources)
        else:
            _join(ray, address)
            try:
                self.capacity = _room(ray, resources, count, address)
            except InputError:
                ray.shutdown()
                raise
        self._evaluator = ray.put(evaluator)
        self._actor_class = ray.remote(num_cpus=resources.cpus, num_gpus=resources.gpus, max_restarts=0)(_Actor)
        self._idle = [self._new_actor() for _ in range(self.capacity)]
        self._running: dict[Any, tuple[Job, Any, int]] = {}
        try:
            # A worker that cannot start at all is a defect of the installation, not of a genome.
            ray.get([actor.ready.remote() for actor in self._idle])
        except BaseException:
            self.close()
            raise

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


def _local_room(resources: Resources, count: int | None) -> int:
    """Workers for a Ray of our own: CPUs may be shared by more workers than there are, GPUs may not."""
    by_cpu = max(1, (os.cpu_count() or 1) // resources.cpus)
    if not resources.gpus:
        return count or by_cpu
    import torch

    gpus = torch.cuda.device_count()
    by_gpu = _times(gpus, resources.gpus)
    if (count or 1) > by_gpu:
        raise InputError(
            f"resources.gpus: {resources.gpus:g} for each of {count or 1} workers, "
            f"but this machine has {gpus} CUDA GPUs"
        )
    return count or min(by_cpu, by_gpu)


def _times(total: float, each: float) -> int:
    """How often `each` goes into `total`, fractions such as 0.1 included."""
    return int(total / each + 1e-9)


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
        raise InputError(f"--address {address}: no Ray cluster answers there ({one_line(error)})") from None


def _room(ray: Any, resources: Resources, count: int | None, address: str) -> int:
    total = ray.cluster_resources()
    cpus, gpus = total.get("CPU", 0), total.get("GPU", 0)
    room = _times(cpus, resources.cpus)
    if resources.gpus:
        room = min(room, _times(gpus, resources.gpus))
    wanted = count or room
    if not 0 < wanted <= room:
        raise InputError(
            f"--workers {wanted}: the cluster at {address} has {cpus:g} CPUs and {gpus:g} GPUs, room for {room} "
            f"workers of {resources.cpus} CPUs and {resources.gpus:g} GPUs"
        )
    return wanted
