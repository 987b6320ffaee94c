"""A run that is stopped at every stage and resumed by its folder alone, in real processes.

    python -m tests.tools.stages --backends inline,ray,cluster --stops 2

Each run is a small search in whole generations with a confirmation. It is stopped where so many evaluations of search
and confirmation together have ended, by `kill -9` and by Ctrl-C in turn, and resumed with `hrfevo resume RUN`; the
cluster has two nodes of one processor each. At the end every evaluation must be that of an undisturbed run, and none
that was announced may be announced again: what is trained twice was in flight.

Ends with exit code 1 if any was not.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import numpy as np

from hrfevo.store.run_folder import RUN_FILE, RunFolder
from signal_model.support.errors import InputError
from tests.tools.chaos import space_text

EVALUATIONS, PATIENCE = 8, 600.0
Story = dict[str, list[tuple[Any, ...]]]


def stages(run: Path) -> Iterator[tuple[str, RunFolder]]:
    """The search and the stages of its confirmation, by name."""
    for file in sorted(run.rglob(RUN_FILE)):
        yield str(file.parent.relative_to(run)), RunFolder.open(file.parent)


def story(run: Path) -> Story:
    """Every evaluation, whenever it ended."""
    found = {}
    for name, folder in stages(run):
        with closing(folder.open_store()) as store:
            rows = store.evaluations(folder.id)
        found[name] = sorted((e.genome, e.rung, e.seed, e.status, e.metrics.get("bits_per_byte", 0.0)) for e in rows)
    return found


def ended(out: Path) -> int:
    """Trainings that have ended by now."""
    count = 0
    with suppress(InputError, StopIteration, OSError):
        for _, folder in stages(next(out.glob(f"*/{RUN_FILE}")).parent):
            with closing(folder.open_store()) as store:
                tally = store.tally(folder.id)
            count += tally["finished"] + tally["failed"]
    return count


def announced(log: Path) -> list[str]:
    """Genome, steps and what was measured, of all that a run said has ended."""
    return re.findall(r"^\[\d+/\d+\] (\w+ \(\d+ steps\) bits_per_byte [\d.]+)", log.read_text(), re.MULTILINE)


@contextmanager
def cluster() -> Iterator[str]:
    """The address of two nodes of one processor each."""
    from ray.cluster_utils import Cluster

    started = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    started.add_node(num_cpus=1)
    started.wait_for_nodes()
    try:
        yield started.address
    finally:
        started.shutdown()


def go(command: list[str], log: Path, out: Path, stop_at: int | None, number: signal.Signals) -> int:
    """Run a command, and stop it where so many trainings have ended; its exit code."""
    with log.open("a") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, start_new_session=True)
    until = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < until:
        if stop_at is not None and ended(out) >= stop_at:
            os.kill(process.pid, number)
            stop_at = None
        time.sleep(0.05)
    if process.poll() is None:
        process.kill()
        raise SystemExit(f"{' '.join(command)}: has not ended in {PATIENCE:g} s")
    return process.wait()


def main() -> int:
    parser = argparse.ArgumentParser(description="A run that is stopped at every stage.")
    parser.add_argument("--backends", default="inline,ray,cluster")
    parser.add_argument("--stops", type=int, default=6)
    options = parser.parse_args()
    os.environ["RAY_AUTH_MODE"] = "disabled"
    wrong: list[str] = []
    python = [sys.executable, "-m", "hrfevo.cli"]
    backends = options.backends.split(",")
    joined = cluster() if "cluster" in backends else nullcontext("")
    with tempfile.TemporaryDirectory(prefix="hrfevo-stages-") as temporary, joined as address:
        root = Path(temporary)
        os.environ["SIGNAL_MODEL_CACHE"] = str(root / "tokens")
        text = space_text(root).replace("confirm: {top: 0}", "confirm: {top: 1, seeds: 2, equal: steps}")
        (root / "space.yaml").write_text(text)
        places = {"inline": ["--backend", "inline"], "ray": ["--workers", "2"], "cluster": ["--address", address]}
        begin = [*python, "run", str(root / "space.yaml"), "--seed", "7", "--synchronous"]
        begin += ["--evaluations", str(EVALUATIONS)]
        out = root / "whole"
        if go([*begin, "--out", str(out), *places["inline"]], root / "log", out, None, signal.SIGKILL):
            raise SystemExit((root / "log").read_text())
        whole, total = story(next(out.iterdir())), ended(out)
        for name in backends:
            for place, stop in enumerate(np.linspace(1, total - 1, options.stops).astype(int).tolist()):
                number = (signal.SIGKILL, signal.SIGINT)[place % 2]
                out, log = root / f"{name}-{stop}", root / f"{name}-{stop}.log"
                codes = [go([*begin, "--out", str(out), *places[name]], log, out, stop, number)]
                run = next(out.iterdir())
                codes += [go([*python, "resume", str(run)], log, out, None, number) for _ in range(2)]
                told = announced(log)
                faults = [
                    *([] if codes[0] and not any(codes[1:]) else [f"exit codes {codes}"]),
                    *([] if story(run) == whole else ["another run than the undisturbed one"]),
                    *([f"{one} again" for one in set(told) if told.count(one) > 1]),
                    *(["a traceback"] if "Traceback" in log.read_text() else []),
                ]
                print(
                    f"{name}, {number.name} after {stop} of {total}: {'; '.join(faults) or 'as it would have been'}",
                    flush=True,
                )
                if faults:
                    print(log.read_text())
                    wrong += faults
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
