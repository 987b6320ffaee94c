"""Random faults over many short searches; every one must end as if nothing had happened.

    python -m tests.tools.chaos --faults 200

Each run is a small search in synchronous mode with two rungs: in one process or in Ray workers, over SQLite or over
PostgreSQL behind a line that can be cut. Faults strike at random moments; a run that they ended is resumed, and it may
be struck again. At the end its evaluations must be those of an undisturbed run: the same genomes and rungs in the same
order, each exactly once, with the same scores to the last digit; and it must have said what happened in words.

Prints the faults that were tried by kind, and how many runs survived and were lost; ends with exit code 1 if any was.
A disk is filled where this user may mount one (root); the clock jumps for the driver alone.
"""

from __future__ import annotations

import argparse
import collections
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import sqlalchemy as sa

from hrfevo.store.run_folder import RunFolder
from hrfevo.store.store import Store
from signal_model.support.errors import InputError
from tests.conftest import TINY_SPACE
from tests.tools.services import PostgreSQL, Wire, postgresql_server

EVALUATIONS, MOST_FAULTS, MOST_RESUMPTIONS = 24, 6, 20
# A driver whose clock jumps back or forth by up to a day, at every hundredth look or so.
JUMPING = """
import random, sys, time
true, rest = time.time, [0.0]
def jumping():
    if random.random() < 0.01:
        rest[0] = random.uniform(-86400, 86400)
    return true() + rest[0]
time.time = jumping
from hrfevo.cli import main
main()
"""
Happened = list[tuple[object, ...]]


@dataclass
class Scene:
    """One run and what may be done to it."""

    folder: Path
    space: Path
    backend: str
    random: random.Random
    server: PostgreSQL | None = None
    wire: Wire | None = None
    disk: Path | None = None
    jumps: bool = False
    driver: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        """Begin the run, or go on with it."""
        runs = [path.parent for path in self.folder.glob("*/run.json")]
        python = [sys.executable, "-c", JUMPING] if self.jumps else [sys.executable, "-m", "hrfevo.cli"]
        if runs and RunFolder.open(runs[0]).began:
            return [*python, "resume", str(runs[0])]  # which remembers the rest
        options = ["--backend", self.backend, *(["--store", self.wired()] if self.server else [])]
        for run in runs:
            shutil.rmtree(run)  # killed before it began: nobody was told of it
        settings = ["--out", str(self.folder), "--seed", "7", "--synchronous", "--evaluations", str(EVALUATIONS)]
        return [*python, "run", str(self.space), *settings, *options]

    def wired(self) -> str:
        """The database's address by way of the line that can be cut."""
        assert self.server
        assert self.wire
        return sa.make_url(self.server.url).set(port=self.wire.port).render_as_string(hide_password=False)

    def is_over(self) -> bool:
        with suppress(InputError, FileNotFoundError), self._opened() as (run, store):
            return store.run(run.id).state == "finished"
        return False

    def happened(self) -> Happened:
        with self._opened() as (run, store):
            found = store.evaluations(run.id)
        return [(e.number, e.genome, e.rung, e.status, e.metrics["bits_per_byte"]) for e in found]

    @contextmanager
    def _opened(self) -> Iterator[tuple[RunFolder, Store]]:
        path = next(self.folder.glob("*/run.json"), None)
        if path is None:
            raise FileNotFoundError(f"{self.folder}: no run")
        run = RunFolder.open(path.parent)
        store = run.open_store(self.server.url if self.server else None)
        yield run, store
        store.close()


# --- faults --------------------------------------------------------------------------------------


def kill_driver(scene: Scene) -> None:
    assert scene.driver
    scene.driver.kill()


def interrupt_driver(scene: Scene) -> None:
    assert scene.driver
    scene.driver.send_signal(signal.SIGINT)


def kill_worker(scene: Scene) -> None:
    _kill_one(scene, "ray::")


def _kill_one(scene: Scene, name: str) -> None:
    assert scene.driver
    with suppress(psutil.NoSuchProcess):
        family = psutil.Process(scene.driver.pid).children(recursive=True)
        found = [process for process in family if name in " ".join(process.cmdline()[:1])]
        if found:
            scene.random.choice(found).kill()


def kill_node(scene: Scene) -> None:
    """The only node there is: with it the search ends, and is resumed in another Ray."""
    _kill_one(scene, "raylet/raylet")


def cut_line(scene: Scene) -> None:
    assert scene.wire
    scene.wire.cut()
    threading.Timer(scene.random.uniform(0.1, 2.0), scene.wire.mend).start()


def end_connections(scene: Scene) -> None:
    assert scene.server
    engine = sa.create_engine(scene.server.url)
    with engine.connect() as connection:
        query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        connection.execute(sa.text(query))
    engine.dispose()


def restart_database(scene: Scene) -> None:
    assert scene.server
    scene.server.stop()
    time.sleep(scene.random.uniform(0.1, 2.0))
    scene.server.start()


def fill_disk(scene: Scene) -> None:
    assert scene.disk
    ballast = scene.disk / f"ballast-{time.time_ns()}"
    with suppress(OSError), ballast.open("wb") as file:
        while True:
            file.write(bytes(2**16))
            file.flush()
    threading.Timer(scene.random.uniform(0.1, 2.0), lambda: ballast.unlink(missing_ok=True)).start()


def truncate_checkpoint(scene: Scene) -> None:
    files = [*scene.folder.glob("*/checkpoints/*/training.safetensors")]
    with suppress(OSError):
        if files:
            chosen = scene.random.choice(files)
            os.truncate(chosen, scene.random.randrange(chosen.stat().st_size))


def jump(scene: Scene) -> None:
    """The driver whose clock jumps begins with the next resumption."""
    scene.jumps = True
    kill_driver(scene)


def faults(scene: Scene) -> dict[str, Callable[[Scene], None]]:
    """What can be done to this run."""
    found = {
        "driver killed": kill_driver,
        "driver interrupted": interrupt_driver,
        "checkpoint truncated": truncate_checkpoint,
        "clock jumps": jump,
    }
    if scene.backend == "ray":
        found |= {"worker killed": kill_worker, "node killed": kill_node}
    if scene.wire:
        found |= {"line cut": cut_line, "database's connections ended": end_connections}
        found["database restarted"] = restart_database
    if scene.disk:
        found["disk full"] = fill_disk
    return found


# --- runs ----------------------------------------------------------------------------------------


def suffer(scene: Scene, lasting: float, tried: collections.Counter[str], most: int) -> None:
    """Run to the end, with faults at random moments of the `lasting` seconds that a run takes."""
    left = scene.random.randint(1, most)
    for _ in range(MOST_RESUMPTIONS):
        with (scene.folder.parent / "log").open("ab") as log:
            scene.driver = subprocess.Popen(scene.command(), stdout=log, stderr=log)
        while left and scene.driver.poll() is None:
            with suppress(subprocess.TimeoutExpired):
                scene.driver.wait(scene.random.uniform(0.2, lasting))
            if scene.driver.poll() is None:
                name, strike = scene.random.choice([*faults(scene).items()])
                strike(scene)
                tried[name] += 1
                left -= 1
        scene.driver.wait(300)
        if scene.is_over():
            return
    raise TimeoutError(f"not finished after {MOST_RESUMPTIONS} resumptions")


@contextmanager
def small_disk(folder: Path) -> Iterator[Path | None]:
    """A disk of 24 MB, where this user may have one."""
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)], capture_output=True)
    yield folder if mounted.returncode == 0 else None
    if mounted.returncode == 0:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def main() -> int:
    parser = argparse.ArgumentParser(description="Random faults over many short searches.")
    parser.add_argument("--faults", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--backends", default="inline,ray")
    options = parser.parse_args()
    generator = random.Random(options.seed)
    tried: collections.Counter[str] = collections.Counter()
    survived, lost = 0, []
    reference: Happened = []
    lasting: dict[str, float] = {}
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hrfevo-chaos-")))
        os.environ["SIGNAL_MODEL_CACHE"] = str(root / "tokens")
        server = stack.enter_context(postgresql_server())
        wire = Wire(sa.make_url(server.url).port or 5432)
        space = root / "space.yaml"
        space.write_text(space_text(root))
        number = 0
        while sum(tried.values()) < options.faults:
            undisturbed = next((b for b in options.backends.split(",") if b not in lasting), None)
            backend = undisturbed or generator.choice(options.backends.split(","))
            over_network = not undisturbed and generator.random() < 0.4
            with small_disk(root / f"{number}") as disk, ExitStack() as mending:
                mending.callback(wire.mend)
                scene = Scene(root / f"{number}" / "runs", space, backend, generator, disk=disk)
                if over_network:
                    scene.server, scene.wire = server, wire
                began = time.monotonic()
                if undisturbed:
                    subprocess.run(scene.command(), check=True, stdout=subprocess.DEVNULL)
                    lasting[backend] = time.monotonic() - began
                    reference = reference or scene.happened()
                    assert scene.happened() == reference
                    print(f"undisturbed, {backend}: {lasting[backend]:.0f} s", flush=True)
                else:
                    outcome = judged(scene, lasting[backend], tried, options.faults, reference)
                    survived += not outcome
                    print(f"run {number} ({backend}): {sum(tried.values())} faults so far", flush=True)
                    if outcome:
                        lost.append(f"run {number} ({backend}): {outcome}")
                        said = (root / str(number) / "log").read_text(errors="replace")
                        print(f"lost: {lost[-1]}\n{said}", flush=True)
            number += 1
    for name, count in sorted(tried.items()):
        print(f"{count:5} {name}")
    print(f"{sum(tried.values()):5} faults tried in {survived + len(lost)} runs: {survived} survived, {len(lost)} lost")
    return 1 if lost else 0


def judged(scene: Scene, lasting: float, tried: collections.Counter[str], most: int, reference: Happened) -> str:
    """What is wrong with a run that has suffered; empty if nothing is."""
    try:
        suffer(scene, lasting, tried, max(1, min(MOST_FAULTS, most - sum(tried.values()))))
        happened: Any = scene.happened()
    except (TimeoutError, subprocess.TimeoutExpired, InputError, ValueError) as error:
        return f"{type(error).__name__}: {error}"
    finally:
        if scene.driver:
            scene.driver.kill()
    if "Traceback" in (scene.folder.parent / "log").read_text(errors="replace"):
        return "it ended in a traceback"
    if happened == reference:
        return ""
    different = [pair for pair in zip(happened, reference, strict=False) if pair[0] != pair[1]]
    return f"{len(happened)} evaluations, not {len(reference)}; different: {different[:2]}"


def space_text(folder: Path) -> str:
    """The search space: rungs of 3 and 6 steps over modules of the running Python."""
    texts = folder / "texts"
    texts.mkdir()
    for name in ("ast", "calendar", "csv", "gzip", "heapq", "textwrap"):
        shutil.copy(Path(os.__file__).parent / f"{name}.py", texts / f"{name}.txt")
    return TINY_SPACE.replace("TEXT", str(texts)).replace("rungs: [3]", "rungs: [3, 6]")


if __name__ == "__main__":
    sys.exit(main())
