"""A Ray cluster of machines that share no network but a bridge, on one machine; root and `ip` (iproute2) are needed.

    python -m tests.tools.nodes

Three nodes, each in a network namespace with an address and a host name of its own, run a search with two rungs. In
the middle the line of one is cut and a fourth joins. The search must spend its whole budget, each evaluation counted
once, and use the node that joined.
"""

from __future__ import annotations

import collections
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from hrfevo.store.run_folder import RunFolder
from hrfevo.store.store import Store
from signal_model.support.errors import InputError
from tests.tools.chaos import space_text

BRIDGE, NETWORK, PORT = "hrfevo0", "10.213.7", 6379
EVALUATIONS, CUT_AFTER, JOIN_AFTER = 60, 12, 16
PATIENCE = 900


def ip(*words: object) -> None:
    subprocess.run(["ip", *map(str, words)], check=True)


class Node:
    """A network namespace with a Ray node in it."""

    def __init__(self, number: int) -> None:
        self.number, self.name = number, f"hrfevo-n{number}"
        self.address = f"{NETWORK}.{number}"
        self.ray: subprocess.Popen[bytes] | None = None
        outside, inside = f"hrfevo{number}o", f"hrfevo{number}i"
        self._outside = outside
        ip("netns", "add", self.name)
        ip("link", "add", outside, "type", "veth", "peer", "name", inside)
        ip("link", "set", inside, "netns", self.name)
        ip("link", "set", outside, "master", BRIDGE, "up")
        ip("-n", self.name, "addr", "add", f"{self.address}/24", "dev", inside)
        for link in (inside, "lo"):
            ip("-n", self.name, "link", "set", link, "up")

    def inside(self, *command: object) -> list[str]:
        """A command that runs on this node, under its host name."""
        named = f'hostname {self.name} && exec "$@"'
        return ["ip", "netns", "exec", self.name, "unshare", "--uts", "sh", "-c", named, "sh", *map(str, command)]

    def start(self, head: Node) -> None:
        """Start Ray here, and join the head unless this is it."""
        joins = [f"--address={head.address}:{PORT}"]
        where = ["--head", f"--port={PORT}", "--include-dashboard=false"] if head is self else joins
        options = [f"--node-ip-address={self.address}", "--num-cpus=1", "--object-store-memory=100000000", "--block"]
        ray = Path(sys.executable).parent / "ray"
        self.ray = subprocess.Popen(
            self.inside(ray, "start", *where, *options), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip

    def cut(self) -> None:
        """Take its line away; what runs there goes on and hears nothing."""
        ip("link", "set", self._outside, "down")

    def remove(self) -> None:
        """End all that runs here, and the namespace."""
        if self.ray is not None:
            found = subprocess.run(["ip", "netns", "pids", self.name], check=True, capture_output=True, text=True)
            for process in map(int, found.stdout.split()):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            self.ray.wait()
        ip("link", "del", self._outside)
        ip("netns", "del", self.name)


@contextlib.contextmanager
def network() -> Iterator[list[Node]]:
    """A bridge; the nodes that are added to the list are removed at the end."""
    nodes: list[Node] = []
    ip("link", "add", BRIDGE, "type", "bridge")
    try:
        ip("link", "set", BRIDGE, "up")
        yield nodes
    finally:
        for node in nodes:
            node.remove()
        ip("link", "del", BRIDGE)


def finished(folder: Path) -> int:
    """How many evaluations there are by now."""
    with contextlib.suppress(InputError, StopIteration), contextlib.closing(opened(folder)[1]) as store:
        run = opened(folder)[0]
        return store.tally(run.id)["finished"]
    return 0


def opened(folder: Path) -> tuple[RunFolder, Store]:
    run = RunFolder.open(next(folder.glob("*/run.json")).parent)
    return run, run.open_store()


def waited(folder: Path, count: int, driver: subprocess.Popen[bytes]) -> None:
    """Return when so many have finished."""
    until = time.monotonic() + PATIENCE
    while finished(folder) < count:
        if driver.poll() is not None or time.monotonic() > until:
            raise SystemExit(f"the search ended (exit code {driver.poll()}) or hung before {count} evaluations")
        time.sleep(0.5)


def main() -> int:
    os.environ["RAY_AUTH_MODE"] = "disabled"  # these networks end at the bridge
    with tempfile.TemporaryDirectory(prefix="hrfevo-nodes-") as temporary, network() as nodes:
        root = Path(temporary)
        (root / "space.yaml").write_text(space_text(root))
        nodes += [Node(number) for number in (1, 2, 3)]
        head, _, lost = nodes
        for node in nodes:
            node.start(head)
            time.sleep(8 if node is head else 1)
        options = ("--out", root / "runs", "--seed", 1, "--no-confirm", "--evaluations", EVALUATIONS)
        command = (sys.executable, "-m", "hrfevo.cli", "run", root / "space.yaml", *options)
        with (root / "log").open("w") as log:
            driver = subprocess.Popen(
                head.inside(*command, "--address", f"{head.address}:{PORT}"), stdout=log, stderr=subprocess.STDOUT
            )
        try:
            waited(root / "runs", CUT_AFTER, driver)
            lost.cut()
            print(f"{lost.name}: cut off after {finished(root / 'runs')} evaluations", flush=True)
            waited(root / "runs", JOIN_AFTER, driver)
            nodes.append(Node(4))
            nodes[-1].start(head)
            print(f"{nodes[-1].name}: joins after {finished(root / 'runs')}", flush=True)
            code = driver.wait(PATIENCE)
        finally:
            driver.kill()
            print((root / "log").read_text()[-2000:])
        run, store = opened(root / "runs")
        evaluations = store.evaluations(run.id)
        store.close()
        ended = [e for e in evaluations if e.status == "finished"]
        hosts = collections.Counter(e.worker.partition(":")[0] for e in ended)
        print(f"{len(ended)} evaluations: {', '.join(f'{count} on {host}' for host, count in sorted(hosts.items()))}")
        twice = len(ended) - len({(e.genome, e.rung, e.seed) for e in ended})
        wrong = [
            *([f"exit code {code}"] if code else []),
            *([f"{len(ended)} of {EVALUATIONS} evaluations"] if len(ended) != EVALUATIONS else []),
            *([f"{twice} counted twice"] if twice else []),
            *(f"nothing ran on {node.name}" for node in nodes if node.name not in hosts),
        ]
        print("; ".join(wrong) or "nothing lost, nothing counted twice")
        return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
