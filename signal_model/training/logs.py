"""What is shown and written while a model trains: lines or a bar, JSON lines, TensorBoard events."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Protocol

from signal_model.config import Recipe
from signal_model.support.errors import InputError
from signal_model.support.files import naming, write_atomically
from signal_model.training.optimizers import learning_rate_factor
from signal_model.training.trainer import CurvePoint


class Log(Protocol):
    """Hears of every step and of every point of the learning curve."""

    def step(self, step: int) -> None:
        """One more step was taken."""

    def point(self, point: CurvePoint) -> None:
        """One more point."""

    def close(self) -> None:
        """There will be no more."""


class Lines:
    """A printed line for each point."""

    def __init__(self, unit: str) -> None:
        """Losses are told in bits per `unit`."""
        self._unit = unit

    def step(self, step: int) -> None:
        """Not worth a line."""

    def point(self, point: CurvePoint) -> None:
        loss = f"{point.bits_per_byte:8.4f} bits per {self._unit}"
        print(f"step {point.step:>7}  {loss}  {point.seconds:8.1f} s", flush=True)

    def close(self) -> None:
        """Nothing is open."""


class Bar:
    """A progress bar on a terminal, with the last point's loss and the time that is left."""

    def __init__(self, steps: int, unit: str) -> None:
        """Losses are told in bits per `unit`."""
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        self._progress = Progress(*columns, TimeRemainingColumn())
        self._task = self._progress.add_task("", total=steps)
        self._unit = unit
        self._progress.start()

    def step(self, step: int) -> None:
        self._progress.update(self._task, completed=step)

    def point(self, point: CurvePoint) -> None:
        self._progress.update(self._task, description=f"{point.bits_per_byte:.4f} bits per {self._unit}")

    def close(self) -> None:
        self._progress.stop()


def _record(point: CurvePoint, recipe: Recipe) -> dict[str, float]:
    training = recipe.training
    tokens = point.step * training.batch_size * recipe.model.context
    rate = training.learning_rate * learning_rate_factor(point.step - 1, training)
    return asdict(point) | {"learning_rate": rate, "tokens": tokens}


def step_of(line: str) -> float:
    """The step of a line of the log; infinity for one that a kill has torn."""
    try:
        return float(json.loads(line)["step"])
    except (ValueError, TypeError, KeyError):
        return math.inf


class JsonLines:
    """A file with one JSON object for each point; what a resumed training repeats stands in it once."""

    def __init__(self, path: Path, recipe: Recipe, from_step: int) -> None:
        """Keep the points of an earlier part, up to `from_step`."""
        kept = []
        if from_step and path.exists():
            kept = [line for line in path.read_text().splitlines() if step_of(line) <= from_step]
        write_atomically(path, "".join(f"{line}\n" for line in kept))
        self._file = path.open("a", buffering=1)
        self._path, self._recipe = path, recipe

    def step(self, step: int) -> None:
        """Points are enough."""

    def point(self, point: CurvePoint) -> None:
        with naming(self._path):
            self._file.write(json.dumps(_record(point, self._recipe)) + "\n")

    def close(self) -> None:
        with naming(self._path):
            self._file.close()


class TensorBoard:
    """Events that TensorBoard shows; needs the package tensorboardX (extra `tensorboard`)."""

    def __init__(self, folder: Path, recipe: Recipe, from_step: int) -> None:
        try:
            from tensorboardX import SummaryWriter
        except ImportError:
            raise InputError(
                "--tensorboard: the package tensorboardX is missing; pip install 'hrfevo[tensorboard]'"
            ) from None
        self._writer = SummaryWriter(str(folder), purge_step=from_step + 1 if from_step else None)
        self._recipe = recipe

    def step(self, step: int) -> None:
        """Points are enough."""

    def point(self, point: CurvePoint) -> None:
        for name, value in _record(point, self._recipe).items():
            if name != "step":
                self._writer.add_scalar(f"train/{name}", value, point.step)
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()
