"""A search as MLflow tracks it; needs the package mlflow-skinny (extra `mlflow`)."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from hrfevo.space.genome import flat
from hrfevo.space.search_space import SearchSpace
from hrfevo.store.run_folder import RunFolder
from hrfevo.workers.base import Outcome
from signal_model.support.errors import InputError, counted, one_line

if TYPE_CHECKING:
    import mlflow

RUN, NUMBER, PARENT, NAME = "hrfevo.run", "hrfevo.number", "mlflow.parentRunId", "mlflow.runName"

# What one call takes, by MLflow's REST interface.
MOST_METRICS, MOST_PARAMETERS = 1000, 100

_STATES = {"finished": "FINISHED", "failed": "FAILED", "infeasible": "KILLED"}


# A server that is away at the start is found out with these settings of MLflow; its own, seven retries of two minutes,
# stand in a search that goes on, which does not wait for its loggers.
AT_THE_START = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}


def check(uri: str | None) -> None:
    """Raise InputError if the package is missing or nothing can be tracked at `uri`."""
    try:
        from mlflow import MlflowClient
    except ImportError:
        raise InputError("--log mlflow: the package mlflow-skinny is missing; pip install 'hrfevo[mlflow]'") from None
    try:
        with _patience(AT_THE_START):
            MlflowClient(tracking_uri=uri).search_experiments(max_results=1)
    except Exception as error:  # each kind of store raises its own
        place = f"--log mlflow={uri}" if uri else "--log mlflow"
        raise InputError(f"{place}: cannot be used: {one_line(error)}") from None


class MLflow:
    """A run of MLflow for the search, in an experiment named after the space, and a nested one for each evaluation.

    A search that is resumed goes on in the run it began.
    """

    def __init__(self, uri: str | None, folder: RunFolder, space: SearchSpace) -> None:
        from mlflow import MlflowClient

        self._client = MlflowClient(tracking_uri=uri)
        self._space = space
        experiment = self._client.get_experiment_by_name(space.name)
        self._experiment = experiment.experiment_id if experiment else self._client.create_experiment(space.name)
        found = next(self._runs(RUN, folder.id), None)
        if found is None:
            tags = {RUN: folder.id, NAME: folder.path.name}
            found = self._client.create_run(self._experiment, tags=tags)
            settings = folder.settings.model_dump(include={"algorithm", "seed", "synchronous"})
            about = settings | {"rungs": space.rungs, "objectives": dict(space.objectives)}
            self._write(found.info.run_id, [], about)
        else:
            self._client.update_run(found.info.run_id, status="RUNNING")
        self._search: str = found.info.run_id

    def known(self) -> Set[int]:
        """Those that have a run which ended. One that a kill left half written is removed."""
        numbers = set()
        for run in self._runs(PARENT, self._search):
            if run.info.status == "RUNNING":
                self._client.delete_run(run.info.run_id)
            else:
                numbers.add(int(run.data.tags[NUMBER]))
        return numbers

    def evaluation(self, outcome: Outcome) -> None:
        """Learning curve, metrics at their rung, genes as parameters."""
        job, steps = outcome.job, self._space.rungs[outcome.job.rung]
        tags = {
            PARENT: self._search,
            NUMBER: str(job.number),
            NAME: f"{job.genome.id} {counted(steps, 'step')}",
            "hrfevo.genome": job.genome.id,
            "hrfevo.status": outcome.status,
            "hrfevo.reason": outcome.reason,
            "hrfevo.device": outcome.device,
        }
        run = self._client.create_run(self._experiment, start_time=_milliseconds(outcome.started), tags=tags)
        measured = [(name, value, outcome.ended, steps) for name, value in outcome.metrics.items()]
        curve = [("train/bits_per_byte", p.bits_per_byte, outcome.started + p.seconds, p.step) for p in outcome.curve]
        about = {"rung": job.rung, "steps": steps, "seed": job.seed}
        self._write(run.info.run_id, [*curve, *measured], about | flat(job.genome.values))
        self._client.set_terminated(run.info.run_id, _STATES[outcome.status], _milliseconds(outcome.ended))

    def course(self, count: int, series: Mapping[str, float], seconds: float) -> None:
        """Series over the number of evaluations, in the search's own run."""
        self._write(self._search, [(name, value, seconds, count) for name, value in series.items()], {})

    def close(self, interrupted: bool) -> None:
        """The search's own run ends, until it is resumed."""
        self._client.set_terminated(self._search, "KILLED" if interrupted else "FINISHED")

    def _runs(self, tag: str, value: str) -> Iterator[mlflow.entities.Run]:
        token = None
        while True:
            page = self._client.search_runs([self._experiment], f"tags.`{tag}` = '{value}'", page_token=token)
            yield from page
            if not (token := page.token):
                return

    def _write(self, run: str, metrics: Sequence[tuple[str, float, float, int]], parameters: Mapping[str, Any]) -> None:
        """Metrics are name, value, seconds since the epoch, step."""
        from mlflow.entities import Metric, Param

        points = [Metric(name, value, _milliseconds(seconds), step) for name, value, seconds, step in metrics]
        for start in range(0, len(points), MOST_METRICS):
            self._client.log_batch(run, metrics=points[start : start + MOST_METRICS])
        pairs = [Param(_accepted(name), _text(value)) for name, value in parameters.items()]
        for start in range(0, len(pairs), MOST_PARAMETERS):
            self._client.log_batch(run, params=pairs[start : start + MOST_PARAMETERS])


@contextmanager
def _patience(settings: Mapping[str, str]) -> Iterator[None]:
    """Meanwhile these are set, but for those that the user has set."""
    ours = {name: value for name, value in settings.items() if name not in os.environ}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name in ours:
            del os.environ[name]


def _accepted(name: str) -> str:
    """MLflow's names have no brackets: `layers[0].mixer.kind` is `layers.0.mixer.kind`."""
    return re.sub(r"\[(\d+)\]", r".\1", name)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _milliseconds(seconds: float) -> int:
    return int(seconds * 1000)
