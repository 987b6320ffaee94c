"""Ray clusters whose nodes come and go, and evaluations that take more than they may."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import ray
from ray.cluster_utils import Cluster

from hrfevo.algorithms.registry import make_algorithm
from hrfevo.runner.loop import Search
from hrfevo.space.budget import Budget
from hrfevo.space.reading import load_space
from hrfevo.space.search_space import SearchSpace
from hrfevo.space.sections import Limits, Resources
from hrfevo.store.run_folder import RunFolder
from hrfevo.store.store import Store
from hrfevo.workers import limits, ray_workers
from hrfevo.workers.base import WorkersLost
from hrfevo.workers.cluster import JOIN_ATTEMPTS, SLOW_HEAD, join, refuse_without_room, start_local
from hrfevo.workers.limits import OverLimit, enforced
from hrfevo.workers.ray_workers import RayWorkers
from signal_model.support.errors import InputError
from tests.conftest import Scene, command, only_run
from tests.tools.evaluators import Fragile, Slow, Stuck
from tests.tools.forks import UNDRAWN
from tests.tools.services import free_port


@pytest.fixture
def space(tiny_space: Path) -> SearchSpace:
    return load_space(tiny_space)[0].model_copy(update={"budget": Budget(evaluations=40)})


@contextmanager
def started() -> Iterator[Cluster]:
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    yield made
    made.shutdown()


@pytest.fixture(scope="module")
def head() -> Iterator[Cluster]:
    with started() as made:
        yield made


@pytest.fixture
def cluster(head: Cluster) -> Iterator[Cluster]:
    """One node of one CPU, and whatever a test adds to it."""
    yield head
    for node in head.list_all_nodes():
        if node is not head.head_node:
            head.remove_node(node)
    head.wait_for_nodes()


@pytest.fixture
def doomed_cluster() -> Iterator[Cluster]:
    with started() as made:
        yield made


def searched(space: SearchSpace, workers: RayWorkers, store: Store, scene: Scene) -> None:
    algorithm = make_algorithm("random", space, np.random.SeedSequence(0))
    try:
        Search("run", space, algorithm, workers, store, training_seed=5).run(scene)
    finally:
        workers.close()


def test_nodes_that_come_are_used_and_those_that_go_take_nothing_with_them(
    space: SearchSpace, store: Store, cluster: Cluster
) -> None:
    space = space.model_copy(update={"budget": Budget(evaluations=80)})
    node = cluster.add_node(num_cpus=2)
    cluster.wait_for_nodes()
    workers = RayWorkers(Slow(0.7), Resources(), address=cluster.address)
    assert workers.capacity == 3
    acts = {6: lambda: cluster.remove_node(node), 14: lambda: cluster.add_node(num_cpus=3)}
    scene = Scene(dict(acts))
    searched(space, workers, store, scene)
    evaluations = store.evaluations("run")
    assert [e.status for e in evaluations] == ["finished"] * 80
    assert len({(e.genome, e.rung) for e in evaluations}) == 80
    assert not scene.acts
    assert scene.most_at_once == 4
    assert len({e.worker for e in evaluations[-8:]}) >= 3
    assert all(e.detail.count("gcs://") == 2 for e in evaluations), "both packages come from the driver"


def test_a_cluster_that_has_lost_all_its_workers_is_waited_for(
    space: SearchSpace, store: Store, cluster: Cluster
) -> None:
    # The head alone, with one CPU, has no room for workers of two.
    node = cluster.add_node(num_cpus=2)
    cluster.wait_for_nodes()
    said: list[str] = []
    workers = RayWorkers(Slow(0.2), Resources(cpus=2), address=cluster.address, say=said.append)

    is_to_go = threading.Event()
    scene = Scene({3: is_to_go.set})
    searching = threading.Thread(target=searched, args=(space, workers, store, scene))
    searching.start()
    assert is_to_go.wait(60)
    cluster.remove_node(node)
    time.sleep(3)
    cluster.add_node(num_cpus=4)
    searching.join(120)
    assert not searching.is_alive()
    assert [e.status for e in store.evaluations("run")] == ["finished"] * 40
    assert scene.most_at_once == 2
    lost, paused, again = said
    assert lost == "1 node of the cluster lost, 1 node left: what ran there runs again"
    assert paused == "paused, the cluster has no worker left: waiting for a node to come"
    assert re.fullmatch("the cluster has (1 worker|2 workers) again: going on", again)


def test_a_cluster_that_others_occupy_is_waited_for(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_workers, "START", 1.0)
    other = f"""
import ray
ray.init({cluster.address!r}, log_to_driver=False)

@ray.remote(num_cpus=1)
class Occupant:
    def ready(self):
        return "ready"

occupant = Occupant.remote()
print(ray.get(occupant.ready.remote()), flush=True)
input()
"""
    said: list[str] = []
    before = signal.getsignal(signal.SIGTERM)
    with subprocess.Popen(
        [sys.executable, "-c", other], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as occupant:
        assert occupant.stdout
        assert occupant.stdin
        assert occupant.stdout.readline() == "ready\n"

        def say(text: str) -> None:
            said.append(text)
            occupant.communicate("\n")

        workers = RayWorkers(Slow(0.1), Resources(), address=cluster.address, say=say)
    assert workers.capacity == 1
    assert signal.getsignal(signal.SIGTERM) == before, "who waits can still be asked to end"
    assert said == ["no worker has started yet: others may occupy the cluster; waiting for room"]
    workers.close()


def test_a_worker_that_hangs_is_replaced(space: SearchSpace, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_workers, "GRACE", 1.0)
    few = space.model_copy(update={"budget": Budget(evaluations=6)})
    workers = RayWorkers(Stuck(), Resources(), 2, limits=Limits(minutes=0.02))
    searched(few, workers, store, Scene({}))
    found = {e.number: (e.status, e.reason) for e in store.evaluations("run")}
    assert found.pop(2) == ("failed", "hung: no answer 1 s after the limit of 0.02 minutes")
    assert {status for status, _ in found.values()} == {"finished"}


def test_a_worker_that_dies_as_it_starts_is_replaced(space: SearchSpace, store: Store, tmp_path: Path) -> None:
    workers = RayWorkers(Fragile(tmp_path, deaths=3), Resources(), 2)
    assert workers.capacity == 2
    searched(space, workers, store, Scene({}))
    assert [e.status for e in store.evaluations("run")] == ["finished"] * 40


def test_workers_that_never_start_are_told_of(tmp_path: Path) -> None:
    with pytest.raises(WorkersLost, match=r"no worker will start: .*libcuda is not here"):
        RayWorkers(Fragile(tmp_path, missing="libcuda is not here"), Resources(), 1)
    assert not ray.is_initialized()


def test_time_and_memory_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "AGAIN", 0.5)
    before = signal.getsignal(signal.SIGUSR1)
    with pytest.raises(OverLimit, match=r"over the limit of 0\.005 minutes"), enforced(Limits(minutes=0.005)):
        time.sleep(5)
    held = []
    with pytest.raises(OverLimit, match="GiB of memory"), enforced(Limits(memory_gib=1e-3)):  # noqa: PT012
        while True:
            held.append(bytearray(2**20))
    with pytest.raises(OverLimit), enforced(Limits(minutes=0.005)), suppress(Exception):
        time.sleep(5)  # whoever expects errors of a file system does not take it for one
    with pytest.raises(OverLimit), enforced(Limits(minutes=0.005)):  # noqa: PT012
        with suppress(OverLimit):
            time.sleep(5)  # as in a callback of a library, where it is lost
        time.sleep(10)
    with enforced(Limits(minutes=1, memory_gib=1000)):
        time.sleep(0.3)
    assert signal.getsignal(signal.SIGUSR1) == before


def test_an_address_that_a_cluster_left_behind_is_said_at_once(tiny_space: Path, tmp_path: Path) -> None:
    began = time.monotonic()
    result = command(
        "hrfevo",
        "run",
        tiny_space,
        "--out",
        tmp_path / "out",
        "--address",
        "auto",
        environment={"RAY_ADDRESS": "127.0.0.1:9"},
        new=True,
    )
    assert result.returncode == 2
    assert "--address auto: no Ray cluster answers there" in result.stderr
    assert time.monotonic() - began < 60


@pytest.mark.slow
def test_a_ray_that_does_not_start_is_told_of(tiny_space: Path, tmp_path: Path) -> None:
    arguments = ["hrfevo", "run", *map(str, [tiny_space, "--out", tmp_path / "out"])]
    once = f"import sys\nfrom hrfevo.workers import cluster\ncluster.START_ATTEMPTS = 1\nsys.argv = {arguments!r}\n"
    command_line = [sys.executable, "-c", once + "from hrfevo.cli import main\nmain()"]
    with subprocess.Popen(command_line, stderr=subprocess.PIPE, text=True) as process:
        nodes: list[psutil.Process] = []
        while not nodes and process.poll() is None:
            family = psutil.Process(process.pid).children(recursive=True)
            nodes = [child for child in family if child.name() == "raylet"]
        nodes[0].kill()
        assert process.stderr
        said = process.stderr.read()
    assert process.returncode == 2
    assert said.startswith("error: Ray: it does not start on this machine:")
    assert not (tmp_path / "out").exists(), "nothing has begun"


def test_a_ray_that_a_busy_machine_has_no_time_for_is_asked_again() -> None:
    class Slow:
        asked = shut = 0

        def init(self, **options: object) -> None:
            self.asked += 1
            if self.asked < answers:
                raise RuntimeError("The current node timed out during startup. This could happen because …")

        def shutdown(self) -> None:
            self.shut += 1

    for answers in (1, 2):
        slow = Slow()
        start_local(slow, 1, Resources(cpus=1, gpus=0))
        assert (slow.asked, slow.shut) == (answers, answers - 1)
    answers = 9
    with pytest.raises(WorkersLost, match="it does not start on this machine: The current node timed out"):
        start_local(Slow(), 1, Resources(cpus=1, gpus=0))


@pytest.mark.slow
def test_a_search_whose_cluster_vanishes_stops_and_goes_on_elsewhere(
    tiny_space: Path, tmp_path: Path, doomed_cluster: Cluster
) -> None:
    options = ["--algorithm", "random", "--address", doomed_cluster.address, "--evaluations", 1000]
    arguments = ["hrfevo", "run", *map(str, [tiny_space, "--out", tmp_path / "out", *options])]
    # Until it is given up, its worker works on. Nobody reads the report.
    sooner = "from hrfevo.runner import products\nfrom hrfevo.workers import cluster\ncluster.ABSENCE = 8.0\n"
    undrawn = "products.PICTURED, products.render = 0, lambda *_: ''\n"
    asked = f"import sys\nfrom hrfevo.cli import main\nsys.argv = {arguments!r}\nmain()"
    command_line = [sys.executable, "-c", sooner + undrawn + asked]
    with subprocess.Popen(command_line, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        for line in process.stdout:
            if line.startswith("[5/1000]"):
                break
        doomed_cluster.head_node.kill_gcs_server()
        said = process.stdout.read()
    assert process.returncode == 1
    assert "has not answered for 8 seconds" in said
    run = RunFolder.open(only_run(tmp_path / "out"))
    store = run.open_store()
    assert store.run(run.id).state == "stopped"
    before = [e for e in store.evaluations(run.id) if e.status == "finished"]
    store.close()
    count = len(before) + 3
    onward = ("resume", run.path, "--backend", "inline", "--evaluations", count)
    result = command("hrfevo", *onward, environment={UNDRAWN: "1"})
    assert result.returncode == 0, result.stderr
    evaluations = run.open_store().evaluations(run.id)
    assert [e.status for e in evaluations].count("finished") == count
    assert [e for e in evaluations if e.number in {b.number for b in before}] == before


@pytest.mark.slow
def test_who_searched_on_a_cluster_that_vanished_lives_on(doomed_cluster: Cluster) -> None:
    """Also where a worker was being started, and past the time after which Ray ends a process that asks the head."""
    searching = f"""
import time
from hrfevo.space.genome import Genome
from hrfevo.space.search_space import Resources
from hrfevo.workers import cluster
from hrfevo.workers.base import Job, WorkersLost
from hrfevo.workers.ray_workers import RayWorkers
from tests.tools.evaluators import Slow

cluster.ABSENCE = 4.0
workers = RayWorkers(Slow(0.1), Resources(), 1, address={doomed_cluster.address!r})
job = Job(0, Genome({{}}), 1, 0)
workers.submit(job)
print(workers.next_outcome().worker, flush=True)
input()
began = time.monotonic()
workers.submit(job)
try:
    workers.next_outcome()
except WorkersLost as error:
    print(error)
workers.close()
time.sleep(max(0, began + 40 - time.monotonic()))
print("alive")
"""
    sooner = {**os.environ, "RAY_gcs_rpc_server_reconnect_timeout_s": "30"}
    with subprocess.Popen(
        [sys.executable, "-c", searching], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=sooner
    ) as process:
        assert process.stdout
        worker = int(process.stdout.readline())
        doomed_cluster.head_node.kill_gcs_server()
        os.kill(worker, signal.SIGKILL)
        said, _ = process.communicate("\n")
    assert process.returncode == 0
    assert said == "the Ray cluster has not answered for 4 seconds\nalive\n"


def test_a_ray_of_our_own_needs_no_home_and_says_what_stands_in_its_way(tiny_space: Path, tmp_path: Path) -> None:
    options = ["--evaluations", 2, "--workers", 1, "--out", tmp_path / "runs"]
    clean = {"HOME": "/dev/null", "RAY_AUTH_MODE": None, "RAY_AUTH_TOKEN": None}
    confirmed = ["--set", "confirm={top: 1, seeds: 1, baseline: false}"]  # a second Ray in the same process
    result = command("hrfevo", "run", tiny_space, *options, *confirmed, environment=clean, new=True)
    assert result.returncode == 0, result.stderr
    assert not any("auth_token" in str(path) for path in tmp_path.rglob("*"))
    deep = tmp_path / ("a" * 90)
    deep.mkdir()
    refused = command("hrfevo", "run", tiny_space, *options, environment={"TMPDIR": str(deep)}, new=True)
    assert refused.returncode == 2
    assert "AF_UNIX path length cannot exceed" in refused.stderr
    assert "RAY_TMPDIR names another folder for its files and sockets" in refused.stderr


def test_room_is_refused_in_words_of_what_was_asked() -> None:
    total = {"CPU": 4.0}
    with pytest.raises(InputError, match=r"^resources: 8 CPUs and 0 GPUs for each worker: the cluster at auto"):
        refuse_without_room(total, Resources(cpus=8, gpus=0), None, "auto")
    with pytest.raises(InputError, match=r"^--workers 3: .*room for 2 workers of 2 CPUs and 0 GPUs"):
        refuse_without_room(total, Resources(cpus=2, gpus=0), 3, "auto")
    refuse_without_room(total, Resources(cpus=2, gpus=0), None, "auto")


def test_a_search_from_outside_the_cluster(tiny_space: Path, tmp_path: Path) -> None:
    """By Ray's client, as `--address ray://HEAD:10001` is documented."""
    if find_spec("grpc") is None:
        if os.environ.get("CI"):
            pytest.fail("CI must install the extra `client`")
        pytest.skip("grpcio is not installed (extra `client`)")
    port, door = free_port(), free_port()
    ports = ["--port", port, "--ray-client-server-port", door, "--include-dashboard", "false"]
    # A folder of its own: sockets need a short path.
    with tempfile.TemporaryDirectory(prefix="ray-") as folder:
        start = [
            Path(sys.executable).parent / "ray",
            "start",
            "--head",
            "--block",
            "--num-cpus",
            1,
            *ports,
            "--temp-dir",
            folder,
        ]
        free = {**os.environ, "RAY_AUTH_MODE": "disabled"}
        head = subprocess.Popen([*map(str, start)], env=free, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            for _ in range(120):
                with suppress(OSError), socket.create_connection(("127.0.0.1", door), timeout=1):
                    break
                time.sleep(0.5)
            options = ["--evaluations", 3, "--out", tmp_path / "runs", "--address", f"ray://127.0.0.1:{door}"]
            result = command("hrfevo", "run", tiny_space, *options, environment={"RAY_AUTH_MODE": "disabled"}, new=True)
            assert result.returncode == 0, result.stderr
            assert "[3/3]" in result.stdout
        finally:
            head.terminate()
            head.wait(60)


@pytest.mark.parametrize("failures", [JOIN_ATTEMPTS - 1, JOIN_ATTEMPTS])
def test_a_busy_head_is_asked_again(failures: int) -> None:
    """What Ray's proxier says where a client's own process is not there within its time; any other refusal is final."""
    asked: list[str] = []

    class Stand:
        def init(self, address: str, **_: Any) -> None:
            asked.append(address)
            if len(asked) <= failures:
                raise ConnectionError(f"Initialization failure from server: RuntimeError: {SLOW_HEAD}. See a log.")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = f"127.0.0.1:{listening.getsockname()[1]}"
        if failures < JOIN_ATTEMPTS:
            join(Stand(), address)
        else:
            with pytest.raises(InputError, match=f"does not let us in .*{SLOW_HEAD}"):
                join(Stand(), address)
    assert len(asked) == JOIN_ATTEMPTS


def test_a_limit_that_strikes_as_an_evaluation_ends_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    before, watching = signal.getsignal(signal.SIGUSR1), threading.active_count()
    end = threading.Event.set

    def struck(event: threading.Event) -> None:
        signal.raise_signal(signal.SIGUSR1)
        end(event)

    with enforced(Limits(minutes=1)):
        monkeypatch.setattr(threading.Event, "set", struck)
    monkeypatch.undo()
    assert signal.getsignal(signal.SIGUSR1) == before
    assert threading.active_count() == watching
