"""A search as TensorBoard shows it; needs the package tensorboardX (extra `tensorboard`)."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Set
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hrfevo.space.genome import flat
from hrfevo.space.search_space import SearchSpace
from hrfevo.workers.base import Outcome
from signal_model.support.errors import InputError

SEARCH = "search"


def check(folder: Path | None) -> None:
    """Raise InputError if the package is missing or the folder cannot be one."""
    try:
        import tensorboardX  # noqa: F401
    except ImportError:
        raise InputError(
            "--log tensorboard: the package tensorboardX is missing; pip install 'hrfevo[tensorboard]'"
        ) from None
    if folder is not None and folder.exists() and not folder.is_dir():
        raise InputError(f"--log tensorboard={folder}: is no folder")


class TensorBoard:
    """Event files below a folder: `search`, and one folder for each evaluation, which appears when it is whole.

    Events are written here and now, without the threads of `tensorboardX.SummaryWriter`, whose errors nobody hears.
    """

    def __init__(self, folder: Path, space: SearchSpace) -> None:
        self._folder, self._space = folder, space
        (folder / SEARCH).mkdir(parents=True, exist_ok=True)
        self._search = _Events(folder / SEARCH)

    def known(self) -> Set[int]:
        """Those that have a folder."""
        numbers = (path.name.partition("-")[0] for path in self._folder.iterdir())
        return {int(number) for number in numbers if number.isdecimal()}

    def evaluation(self, outcome: Outcome) -> None:
        """Learning curve, metrics, and genes as hyperparameters."""
        from tensorboardX.summary import hparams

        job, steps = outcome.job, self._space.rungs[outcome.job.rung]
        metrics = {f"metrics/{name}": float(value) for name, value in outcome.metrics.items()}
        genes = {name: _plain(value) for name, value in flat(job.genome.values).items()}
        about = {"steps": steps, "status": outcome.status, "seed": str(job.seed)}
        with self._new_folder(f"{job.number:05d}-{job.genome.id}-{steps}") as folder:
            events = _Events(folder)
            # Without the experiment, which would list these genes as all there are: TensorBoard shows those of the
            # first that it finds, and where there is none the genes of all sessions.
            _, started, ended = hparams(genes | about, metrics)
            for summary in (started, ended):
                events.add(summary, 0, outcome.ended)
            for point in outcome.curve:
                events.scalar("train/bits_per_byte", point.bits_per_byte, point.step, outcome.started + point.seconds)
            for name, value in metrics.items():
                events.scalar(name, value, steps, outcome.ended)
            events.close()

    def course(self, count: int, series: Mapping[str, float], seconds: float) -> None:
        """Series over the number of evaluations."""
        for name, value in series.items():
            self._search.scalar(name, value, count, seconds)
        self._search.flush()

    def close(self, interrupted: bool) -> None:
        """Close the file."""
        self._search.close()

    @contextmanager
    def _new_folder(self, name: str) -> Iterator[Path]:
        stage = Path(tempfile.mkdtemp(dir=self._folder.parent, prefix=f".{self._folder.name}."))
        try:
            whole = stage / name
            whole.mkdir()
            yield whole
            whole.rename(self._folder / name)
        finally:
            shutil.rmtree(stage, ignore_errors=True)


class _Events:
    """An event file."""

    def __init__(self, folder: Path) -> None:
        from tensorboardX.event_file_writer import EventsWriter

        self._writer = EventsWriter(str(folder / "events"), f".{os.getpid()}")
        self.flush, self.close = self._writer.flush, self._writer.close

    def scalar(self, name: str, value: float, step: int, seconds: float) -> None:
        from tensorboardX.summary import scalar

        self.add(scalar(name, value), step, seconds)

    def add(self, summary: Any, step: int, seconds: float) -> None:
        from tensorboardX.proto.event_pb2 import Event

        self._writer.write_event(Event(wall_time=seconds, step=step, summary=summary))


def _plain(value: Any) -> bool | int | float | str:
    return value if isinstance(value, bool | int | float | str) else json.dumps(value)
