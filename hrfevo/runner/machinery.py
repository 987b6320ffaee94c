"""Where evaluations run: in this process, in a Ray of our own, or on a cluster."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from rich.console import Console

from hrfevo.runner.homes import refuse_unshared
from hrfevo.runner.observers.targets import Target
from hrfevo.space.search_space import SearchSpace
from hrfevo.space.sections import Resources
from hrfevo.store.database import without_password
from hrfevo.store.started import Backend, Started
from hrfevo.store.store import Store
from hrfevo.workers.base import Evaluator, Workers, WorkersLost
from hrfevo.workers.cluster import local_room
from hrfevo.workers.inline import InlineWorkers
from hrfevo.workers.trainings import Checkpoints
from signal_model.config import CorpusConfig
from signal_model.support.console import say
from signal_model.support.devices import choose_device
from signal_model.support.errors import InputError
from signal_model.support.plugins import named

# Devices that are no share of a GPU that Ray counts.
NO_GPUS = ("cpu", "mps")


@dataclass(frozen=True)
class Machinery:
    """Where evaluations run; may differ between a run and its resumption."""

    backend: Backend = "ray"
    workers: int | None = None
    address: str | None = None
    device: str = "auto"
    store: str | None = None
    storage: str | None = None
    logs: tuple[Target, ...] = ()
    corpus: CorpusConfig | None = None
    """Where the text of a run is now, if it was moved."""

    def check(self, space: SearchSpace, new: bool = True) -> None:
        """Raises InputError for options that contradict one another or the space; a `new` run may make its store."""
        if self.backend == "inline" and (self.address or (self.workers or 1) > 1):
            raise InputError("--backend inline: runs one evaluation at a time here; leave out --address and --workers")
        if self.store is not None:
            without_password(self.store)
            Store(self.store, create=new).close()  # one that cannot be opened is said before anything is made
        if self.storage is not None:
            Checkpoints(self.storage)
        if self.backend == "ray":
            refuse_unshared(space)
        if self.address is None:
            choose_device(self.device)
        gpus = space.resources.gpus
        if self.backend == "ray" and self.device.startswith("cuda") and not gpus:
            raise InputError(
                f"--device {self.device}: resources.gpus is 0, so workers get no GPU; "
                "leave it out, or add --set resources.gpus=1 (or a fraction, to share one)"
            )
        if self.backend == "ray" and self.device in NO_GPUS and gpus not in (0, "auto"):
            raise InputError(
                f"--device {self.device}: resources.gpus is {gpus:g}, which no worker would use; "
                "add --set resources.gpus=0"
            )
        if self.is_local_ray:
            local_room(self.resources(space), self.workers)
        for target in self.logs:
            target.check()

    def started(self, confirm: bool) -> Started:
        """What a run remembers of it; `confirm` says whether its winners are trained again."""
        return Started(
            backend=self.backend,
            workers=self.workers,
            address=self.address,
            device=self.device,
            logs=tuple(target.text for target in self.logs),
            confirm=confirm,
            plugins=named(),
        )

    def resources(self, space: SearchSpace) -> Resources:
        """What one evaluation occupies: of GPUs none, where `auto` is for a run on another device."""
        if self.device in NO_GPUS and space.resources.gpus == "auto":
            return space.resources.model_copy(update={"gpus": 0.0})
        return space.resources

    @property
    def is_local_ray(self) -> bool:
        """Whether workers are processes of this machine."""
        return self.backend == "ray" and self.address is None

    def machine(self, space: SearchSpace) -> str | None:
        """Host and kind of device that evaluations run on; None where a cluster has them."""
        if self.address is not None:
            return None
        kind = choose_device(self.device).type
        hidden = kind == "cuda" and self.is_local_ray and not space.resources.gpus
        return f"{socket.gethostname()} {'cpu' if hidden else kind}"

    def leaves_gpu_idle(self, space: SearchSpace) -> bool:
        """Whether Ray will hide a GPU of this machine from workers that did not ask for one."""
        import torch

        return self.is_local_ray and not space.resources.gpus and torch.cuda.is_available()


@contextmanager
def open_workers(evaluator: Evaluator, space: SearchSpace, machinery: Machinery, console: Console) -> Iterator[Workers]:
    """Workers for as long as the block lasts. Raises InputError for a Ray that cannot be joined or started."""
    workers: Workers
    if machinery.backend == "inline":
        workers = InlineWorkers(evaluator)
    else:
        from hrfevo.workers.ray_workers import RayWorkers

        room = (machinery.resources(space), machinery.workers, machinery.address, space.limits)
        try:
            with console.status("Starting Ray workers …"):
                workers = RayWorkers(evaluator, *room, partial(say, console))
        except WorkersLost as error:
            raise InputError(f"Ray: {error}") from None
    try:
        yield workers
    finally:
        workers.close()
