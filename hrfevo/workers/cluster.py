"""A Ray cluster: started here or joined, how much room it has, and whether it is still there."""

from __future__ import annotations

import logging
import os
import secrets
import signal
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hrfevo.space.sections import Resources
from hrfevo.workers.base import WorkersLost
from hrfevo.workers.gpus import gpus_here, shared
from signal_model.support.errors import InputError, counted, one_line
from signal_model.support.plugins import VARIABLE, plugins
from signal_model.support.processors import permitted_processors

# How often the cluster is asked whether nodes have come or gone, seconds.
LOOK = 2.0
# So long one answer is waited for, and so long the cluster may owe any, seconds. Ray ends this process after sixty.
ANSWER, ABSENCE = 5.0, 20.0
# A head that is busy gives a client up that its own process, begun for it, is too slow for: then it is asked again.
SLOW_HEAD, JOIN_ATTEMPTS = "Starting Ray client server failed", 3
# Ray gives itself half a minute to start, which a machine that is busy may not have for it: then it is asked again.
SLOW_START, START_ATTEMPTS = "timed out during startup", 2


@dataclass(frozen=True)
class View:
    """What a cluster was at a moment: the nodes that live, and the resources of all."""

    nodes: frozenset[str]
    resources: Mapping[str, float]
    at: float


class Watch:
    """Looks at the cluster again and again, in a thread: whoever asks what it saw last need not wait for an answer."""

    def __init__(self, ray: Any) -> None:
        self._ray = ray
        self._changed, self._ends = threading.Condition(), threading.Event()
        self._last = self._look(ABSENCE)
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    @property
    def last(self) -> View:
        """What was seen last. Raises WorkersLost if that is too long ago."""
        if time.monotonic() - self._last.at > ABSENCE:
            raise WorkersLost(f"the Ray cluster has not answered for {ABSENCE:g} seconds")
        return self._last

    def next(self) -> View:
        """What is seen from now on. Raises WorkersLost if that takes too long."""
        began = time.monotonic()
        with self._changed:
            self._changed.wait_for(lambda: self._last.at > began, ABSENCE)
        return self.last

    def close(self) -> bool:
        """Look no more; whether the cluster still answers."""
        self._ends.set()
        self._thread.join(2 * ANSWER)
        if self._thread.is_alive():
            return False
        try:
            self._look()
        except Exception:
            return False
        return True

    def _watch(self) -> None:
        while not self._ends.wait(LOOK):
            try:
                seen = self._look()
            except Exception:
                continue  # whoever asks for the last view hears of it in time
            with self._changed:
                self._last = seen
                self._changed.notify_all()

    def _look(self, patience: float = ANSWER) -> View:
        began = time.monotonic()
        nodes = living_nodes(self._ray, patience)
        names = {name for resources in nodes.values() for name in resources}
        total = {name: sum(resources.get(name, 0.0) for resources in nodes.values()) for name in names}
        return View(frozenset(nodes), total, began)


def living_nodes(ray: Any, patience: float) -> dict[str, Mapping[str, float]]:
    """The nodes that live, and the resources of each. Raises an error of Ray's without an answer in `patience` seconds.

    Ray's client waits as long as it has a line.
    """
    if ray.util.client.ray.is_connected():
        return {node["NodeID"]: node["Resources"] for node in ray.nodes() if node["Alive"]}
    # On a node `ray.nodes()` has no deadline: asked of a head that is gone, it waits on in threads of Ray's that
    # `ray.shutdown()` leaves alive. They run while Python takes itself down, and end a process that lasts a minute.
    head = ray._private.worker.global_worker.gcs_client
    return {
        identity.hex(): dict(node.resources_total)
        for identity, node in head.get_all_node_info(timeout=patience).items()
        if node.state == node.ALIVE
    }


def local_room(resources: Resources, count: int | None) -> int:
    """Workers for a Ray of our own: CPUs may be shared by more workers than there are, GPUs may not."""
    by_cpu = max(1, permitted_processors().count // resources.cpus)
    each = shared_here(resources, count).gpus_each
    if not each:
        return count or by_cpu
    gpus, _ = gpus_here()
    by_gpu = _times(gpus, each)
    if (count or 1) > by_gpu:
        raise InputError(
            f"resources.gpus: {each:g} for each of {counted(count or 1, 'worker')}, "
            f"but this machine has {counted(gpus, 'CUDA GPU')}"
        )
    return count or min(by_cpu, by_gpu)


def shared_here(resources: Resources, count: int | None) -> Resources:
    """The same with `gpus: auto` as the share of this machine's GPUs that each of `count` workers gets."""
    if resources.gpus != "auto":
        return resources
    gpus, gib = gpus_here()
    return shared(resources, {"CPU": permitted_processors().count, "GPU": gpus}, count, gib)


def _times(total: float, each: float) -> int:
    """How often `each` goes into `total`, fractions such as 0.1 included."""
    return int(total / each + 1e-9)


def start_local(ray: Any, workers: int, resources: Resources) -> None:
    """A Ray of our own. Raises WorkersLost if it does not start."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing leaves this machine
    # Nobody else is let in. Ray itself would keep the token at home, where not every process may write.
    if not any(name in os.environ for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")):
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
    for attempt in range(1, START_ATTEMPTS + 1):
        try:
            with _sigterm_ours():
                ray.init(
                    address="local",
                    num_cpus=workers * resources.cpus,
                    include_dashboard=False,
                    logging_level=logging.ERROR,
                    log_to_driver=False,
                )
            return
        except Exception as error:  # Ray tells of processes that died or do not answer by no class of its own
            if SLOW_START in str(error) and attempt < START_ATTEMPTS:
                ray.shutdown()  # what has begun of it ends with this process
                continue
            raise _unstarted(error) from error


def _unstarted(error: Exception) -> WorkersLost:
    hint = ""
    if isinstance(error, PermissionError) or "AF_UNIX" in str(error):
        hint = "; RAY_TMPDIR names another folder for its files and sockets: one of yours, with a short path"
    return WorkersLost(f"it does not start on this machine: {one_line(error)}{hint}")


@contextmanager
def _sigterm_ours() -> Iterator[None]:
    """Ray takes the signal as it starts, and would end the process with a stack of its own; afterwards it is ours."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if before is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


def join(ray: Any, address: str) -> None:
    """Join a cluster, which gets this code and plugins from here: its nodes need what these depend on, not them."""
    import hrfevo
    import signal_model

    try:
        # Ray itself retries for minutes before it says that nobody is there, as where a cluster left its address.
        host, _, port = _resolved(address).removeprefix("ray://").partition(":")
        with socket.create_connection((host, int(port)), timeout=5):
            pass
    except ValueError:
        raise InputError(f"--address {address}: expected auto, HOST:PORT or ray://HOST:PORT") from None
    except (ConnectionError, OSError) as error:
        raise InputError(f"--address {address}: no Ray cluster answers there ({one_line(error)})") from None
    if address.startswith("ray://") and find_spec("grpc") is None:
        raise InputError(
            f"--address {address}: the package grpcio is missing; pip install 'hrfevo[client]', or join from a node"
        )
    # By their folders: Ray's client cannot take the modules themselves.
    folders = [Path(package.__path__[0]) for package in (hrfevo, signal_model)]
    places = dict.fromkeys((*folders, *(one.place for one in plugins())))
    code: dict[str, Any] = {"py_modules": [*map(str, places)]}
    code["env_vars"] = {VARIABLE: os.pathsep.join(one.name_elsewhere for one in plugins())}
    for attempt in range(1, JOIN_ATTEMPTS + 1):
        try:
            with _sigterm_ours():
                ray.init(address=address, runtime_env=code, logging_level=logging.ERROR, log_to_driver=False)
            return
        except ConnectionError as error:
            if SLOW_HEAD in str(error) and attempt < JOIN_ATTEMPTS:
                continue
            # `ray start` asks for a token where one lies; Ray shows its own to a cluster with an address only if told.
            hint = "" if "RAY_AUTH_MODE" in os.environ else "; if it asks for Ray's token, set RAY_AUTH_MODE=token"
            raise InputError(f"--address {address}: the cluster does not let us in ({one_line(error)}){hint}") from None


def _resolved(address: str) -> str:
    """Where `auto` is, by Ray's own rules. Raises ConnectionError if nowhere."""
    if address != "auto":
        return address
    from ray._private.services import get_ray_address_from_environment

    return str(get_ray_address_from_environment(address, None))


def refuse_without_room(total: Mapping[str, float], resources: Resources, count: int | None, address: str) -> None:
    """Raises InputError if a cluster of so much has no room for `count` workers, or for one."""
    room = fitting(total, resources)
    if room >= (count or 1):
        return
    asked = f"--workers {count}" if count else f"resources: {resources.words} for each worker"
    has = f"{counted(total.get('CPU', 0), 'CPU')} and {counted(total.get('GPU', 0), 'GPU')}"
    raise InputError(
        f"{asked}: the cluster at {address} has {has}, room for {counted(room, 'worker')} of {resources.words}"
    )


def fitting(total: Mapping[str, float], resources: Resources) -> int:
    """Workers for which a cluster of so much has room."""
    room = _times(total.get("CPU", 0), resources.cpus)
    gpus = resources.gpus_each
    return min(room, _times(total.get("GPU", 0), gpus)) if gpus else room
