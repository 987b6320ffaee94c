"""Evaluators that train nothing, in a module that imports little: each process of Ray that is sent one imports it."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hrfevo.workers.base import Job, Outcome, Unfit


@dataclass(frozen=True)
class Scripted:
    """An evaluator whose outcomes follow from the genome, except where `script` says otherwise."""

    script: str = ""
    folder: str = ""

    def __call__(self, job: Job) -> Outcome:
        now = time.time()
        if self.script == "kill" and job.number in (2, 5):
            marker = Path(self.folder) / f"killed by {job.number}"
            if job.number == 5 or not marker.exists():  # the one always, the other once
                marker.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        if self.script == "all fail" or (self.script == "some fail" and job.number % 3 == 0):
            return Outcome(job, "failed", {}, "diverged: the loss is nan", started=now, ended=now)
        if self.script == "unfit":
            raise Unfit("worker here:1: No module named 'pywt'")
        if self.script == "one" and job.number != 3:
            return Outcome(job, "infeasible", {"parameters": 9.0}, "parameters 9 above 3", started=now, ended=now)
        if self.script == "too large":
            size = 6696.0 + (job.number < 7) * (7 - job.number) * 100
            return Outcome(
                job, "infeasible", {"parameters": size}, f"parameters {size} above 10", started=now, ended=now
            )
        if self.script == "infeasible" and job.number % 2 == 0:
            return Outcome(job, "infeasible", {"parameters": 9.0}, "parameters above", started=now, ended=now)
        quality = int(job.genome.id, 16) / 16**12
        metrics = {"bits_per_byte": quality, "parameters": float(len(job.genome.text)), "train_seconds": 0.0}
        return Outcome(job, "finished", metrics, started=now, ended=now)


@dataclass(frozen=True)
class Slow:
    """An evaluator that takes a while, and says on which process and with which code."""

    seconds: float

    def __call__(self, job: Job) -> Outcome:
        import ray

        began = time.time()
        time.sleep(self.seconds)
        quality = int(job.genome.id, 16) / 16**12
        metrics = {"bits_per_byte": quality, "parameters": 1.0, "train_seconds": self.seconds}
        code = str(ray.get_runtime_context().runtime_env.get("py_modules", ""))
        return Outcome(job, "finished", metrics, "", code, (), began, time.time(), worker=str(os.getpid()))


@dataclass(frozen=True)
class Stuck:
    """An evaluator whose third job stops its process, as a defect of a driver might."""

    def __call__(self, job: Job) -> Outcome:
        if job.number == 2:
            os.kill(os.getpid(), signal.SIGSTOP)
        return Slow(0.0)(job)


@dataclass
class Fragile:
    """An evaluator that ends the first processes it comes to, or cannot come to any."""

    folder: Path
    deaths: int = 0
    missing: str = ""

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        if self.missing:
            raise ImportError(self.missing)
        for number in range(self.deaths):
            with suppress(FileExistsError):
                (self.folder / str(number)).touch(exist_ok=False)
                os.kill(os.getpid(), signal.SIGKILL)

    def __call__(self, job: Job) -> Outcome:
        return Slow(0.0)(job)
