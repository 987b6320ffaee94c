"""Searches that a dashboard watches, and dashboards that watch them."""

import os
import re
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from hrfevo.algorithms.base import Proposal
from hrfevo.space.genome import Genome, sample
from hrfevo.space.reading import parse_space
from hrfevo.store.run_folder import RunFolder
from hrfevo.store.settings import RunSettings
from hrfevo.views.dashboard.watch import Runs, Snapshot
from hrfevo.workers.base import Job, Outcome, Point
from tests.tools.forks import Forked

SPACE = """
name: tiny
corpus: python
model: {context: 32, width: 16}
genes:
  training.learning_rate: {type: float, low: 1e-3, high: 3e-2, log: true}
  embedding.kind: {type: choice, values: [standard, spectral]}
  embedding.bases: {type: int, low: 2, high: 8, when: {embedding.kind: spectral}}
  embedding.frequencies: {type: interval, low: 0.5, high: 8, log: true, when: {embedding.kind: spectral}}
  layers:
    type: layers
    min: 1
    max: 2
    fixed: {feedforward: {kind: mlp}}
    genes:
      mixer.kind: {type: choice, values: [attention, harmonic, wavelet]}
      mixer.levels: {type: int, low: 1, high: 4, when: {mixer.kind: wavelet}}
objectives: {bits_per_byte: minimize, parameters: minimize}
rungs: [4, 12]
population: 4
budget: {evaluations: 500}
"""


class Search:
    """A search that never was, written into a real store: random genomes, random scores."""

    def __init__(self, parent: Path, name: str = "tiny", seed: int = 0, space: str = SPACE) -> None:
        self.space = parse_space(space, "tiny.yaml")
        start = RunSettings.new(space, seed=0, algorithm="random", corpus={"name": "python"})
        self.folder = RunFolder.create(parent, self.space, space, start, None, name)
        self.store = self.folder.open_store(create=True)
        self.folder.begin(self.store)
        self.running: list[Job] = []
        self.finished: list[Job] = []
        self._random, self._number = np.random.default_rng(seed), 0

    def submit(self, genome: Genome | None = None, rung: int = 0, seed: int | None = None) -> None:
        job = Job(
            self._number, genome or sample(self.space, self._random), rung, self._number if seed is None else seed
        )
        self.store.submitted(self.folder.id, job, Proposal(job.genome, "random"))
        self.running.append(job)
        self._number += 1

    def end(self, status: Any = "finished", reason: str = "", score: float | None = None) -> None:
        job = self.running.pop(0)
        random = self._random
        metrics = {"parameters": float(random.integers(5, 90) * 1000), "train_seconds": 3.0}
        curve: tuple[Point, ...] = ()
        if status == "finished":
            metrics["bits_per_byte"] = score or float(2.5 - 0.3 * job.rung + random.exponential(0.3))
            curve = tuple(Point(step, 0.1 * step, 3 + 5 / step) for step in (1, 2, 4))
            self.finished.append(job)
        times = {"started": 1.7e9 + 7 * job.number, "ended": 1.7e9 + 7 * job.number + 5 + random.random()}
        outcome = Outcome(job, status, metrics, reason, curve=curve, worker="host:1", device="cpu", **times)
        self.store.record(self.folder.id, outcome, 2.0 * (job.number + 1))

    def time(self) -> None:
        """A step of whoever finished last, again and alone."""
        job = replace(self.finished[-1], timing=0)
        names = ("step_time", "generation_time")[: int(self._random.integers(1, 3))]
        metrics = {name: float(self._random.uniform(1, 5)) for name in names}
        self.store.timed(self.folder.id, Outcome(job, "finished", metrics, worker="host:1", device="cpu"))

    def go_on(self, count: int) -> None:
        for _ in range(count):
            self.submit()
            self.end()

    def snapshot(self) -> Snapshot:
        return Runs(self.folder.path.parent).snapshot(self.folder.path.name)


@contextmanager
def dashboard(folder: Path, *options: str) -> Iterator[str]:
    """A server in a process of its own, at its address; it must end quietly."""
    arguments = ("dashboard", folder, "--port", 0, "--refresh", 0.3, *options)
    with tempfile.TemporaryDirectory() as place:
        said, complaints = Path(place) / "said", Path(place) / "complaints"
        server = Forked("hrfevo.cli", arguments, said, complaints)
        try:
            found = None
            while not found and server.poll() is None:
                time.sleep(0.02)
                found = said.exists() and re.search(r"(http://\S+).*\n", said.read_text())
            assert found, complaints.read_text()
            yield found[1]
        finally:
            with suppress(ProcessLookupError):
                os.kill(server.pid, signal.SIGINT)
            code = server.wait(30)
        told = complaints.read_text()
        assert (code, told) == (0, ""), (code, told)
