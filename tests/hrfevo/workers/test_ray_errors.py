"""Every error that Ray has, raised one by one by a stand-in: it becomes a genome's result, or a pause with words.

The stand-in runs the real actor in this process, one call when its result is asked for.
"""

from __future__ import annotations

import gc
import inspect
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import ray.exceptions
from ray.exceptions import RayError, RayTaskError

from hrfevo.algorithms.base import Proposal
from hrfevo.algorithms.registry import make_algorithm
from hrfevo.runner.loop import Search
from hrfevo.space.budget import Budget
from hrfevo.space.reading import parse_space
from hrfevo.space.search_space import SearchSpace
from hrfevo.space.sections import Limits, Resources
from hrfevo.workers import cluster, ray_workers
from hrfevo.workers.base import OUT_OF_MEMORY, Job, Outcome, Unfit, WorkersLost
from hrfevo.workers.ray_workers import ATTEMPTS, RayWorkers
from tests.conftest import TINY_SPACE, Scene

BUDGET, WORKERS = 7, 3


@dataclass(eq=False)
class Call:
    """A call of an actor's method, made when its result is asked for."""

    made: Callable[[], Any]
    what: str
    job: Job | None = None
    alone: bool = False


class StandIn:
    """What the search uses of Ray. `fails(what, job, times)` gives the error of a call, if it is to fail.

    `what` is the name of an actor's method or of a function of Ray; `times` counts from 1, for each job apart.
    """

    exceptions = ray.exceptions

    def __init__(self, fails: Callable[[str, Job | None, int], Exception | None]) -> None:
        self._fails, self._times = fails, Counter[tuple[str, int | None]]()
        self.open: list[Call] = []
        self.killed = self.started = 0
        self.company: list[tuple[bool, int]] = []
        """Of each evaluation, whether it was to be alone, and how many others ran as it began."""
        self.init = self.shutdown = lambda **_: None
        self.util = SimpleNamespace(client=SimpleNamespace(ray=SimpleNamespace(is_connected=lambda: False)))
        node = SimpleNamespace(state=1, ALIVE=1, resources_total={"CPU": float(WORKERS)})
        head = SimpleNamespace(get_all_node_info=lambda timeout: {b"node": node})
        self._private = SimpleNamespace(worker=SimpleNamespace(global_worker=SimpleNamespace(gcs_client=head)))

    def get_runtime_context(self) -> Any:
        return SimpleNamespace(get_node_id=b"node".hex, get_accelerator_ids=lambda: {"GPU": []})

    def put(self, value: Any) -> Any:
        self._raise_if("put")
        return value

    def remote(self, **_: Any) -> Callable[[type], Any]:
        def made(kind: type) -> Any:
            def start(*arguments: Any) -> Any:
                self.started += 1
                self._raise_if("remote")
                actor = kind(*arguments)
                ready = lambda: self._call(Call(actor.ready, "ready"))  # noqa: E731
                return SimpleNamespace(
                    ready=SimpleNamespace(remote=ready), evaluate=SimpleNamespace(remote=partial_of(actor))
                )

            return SimpleNamespace(remote=start)

        def partial_of(actor: Any) -> Callable[..., Call]:
            def evaluate(job: Job, alone: bool) -> Call:
                self._raise_if("evaluate.remote")
                self.company.append((alone, sum(call.what == "evaluate" for call in self.open)))
                return self._call(Call(lambda: actor.evaluate(job, alone), "evaluate", job, alone))

            return evaluate

        return made

    def wait(self, pending: list[Call], **_: Any) -> tuple[list[Call], list[Call]]:
        self._raise_if("wait")
        return pending[:1], pending[1:]

    def get(self, call: Call) -> Any:
        self.open.remove(call)
        self._raise_if(call.what, call.job)
        return call.made()

    def kill(self, actor: Any) -> None:
        self.killed += 1
        self._raise_if("kill")

    def _call(self, call: Call) -> Call:
        self.open.append(call)
        return call

    def _raise_if(self, what: str, job: Job | None = None) -> None:
        self._times[key := (what, job.number if job else None)] += 1
        if (error := self._fails(what, job, self._times[key])) is not None:
            raise error


@dataclass
class Fake:
    """An evaluator: every job finishes, but for those that it is told of."""

    outcomes: dict[int, Callable[[Job], Outcome]] = field(default_factory=dict)

    def __call__(self, job: Job) -> Outcome:
        if make := self.outcomes.get(job.number):
            return make(job)
        return Outcome(job, "finished", {"bits_per_byte": 1.0 + job.number, "parameters": 1.0, "train_seconds": 0.1})


class Play:
    """A search on the stand-in, and what it came to. It is its own journal."""

    def __init__(self, space: SearchSpace, monkeypatch: pytest.MonkeyPatch) -> None:
        self._space, self._monkeypatch = space, monkeypatch
        self.said: list[str] = []
        self.pauses: list[str] = []

    def run(
        self,
        fails: Callable[[str, Job | None, int], Exception | None],
        evaluator: Fake | None = None,
        limits: Limits | None = None,
    ) -> StandIn:
        fake = StandIn(fails)
        self._monkeypatch.setitem(sys.modules, "ray", fake)
        self.outcomes: dict[int, Outcome] = {}
        workers = RayWorkers(evaluator or Fake(), Resources(gpus=0), WORKERS, None, limits, self.said.append)
        workers.pausing = self.pauses.append
        algorithm = make_algorithm("random", self._space, np.random.SeedSequence(0))
        try:
            Search("run", self._space, algorithm, workers, self, training_seed=5).run(Scene({}))
        finally:
            workers.close()
        return fake

    def submitted(self, run_id: str, job: Job, proposal: Proposal) -> None:
        """Nothing."""

    def record(self, run_id: str, outcome: Outcome, seconds: float) -> bool:
        assert outcome.job.number not in self.outcomes
        self.outcomes[outcome.job.number] = outcome
        return True

    @property
    def endings(self) -> dict[int, tuple[str, str]]:
        """Status and reason of those that did not finish."""
        assert sorted(self.outcomes) == list(range(BUDGET))
        return {number: (o.status, o.reason) for number, o in self.outcomes.items() if o.status != "finished"}


@pytest.fixture(scope="module")
def space(text_folder: Path) -> SearchSpace:
    space = parse_space(TINY_SPACE.replace("TEXT", str(text_folder)), "tiny")
    return space.model_copy(update={"budget": Budget(evaluations=BUDGET)})


@pytest.fixture
def play(space: SearchSpace, monkeypatch: pytest.MonkeyPatch) -> Iterator[Play]:
    monkeypatch.setattr(cluster, "LOOK", 0.002)
    monkeypatch.setattr(ray_workers, "LOOK", 0.002)
    for name in ("CUDA_VISIBLE_DEVICES", "RAY_AUTH_TOKEN"):
        monkeypatch.setenv(name, "")
    yield Play(space, monkeypatch)
    gc.unfreeze()


def instance(kind: type[RayError]) -> RayError:
    """An error of this kind, whatever its arguments are."""
    if kind is ray.exceptions.CrossLanguageError:
        return kind(SimpleNamespace(language=0, formatted_exception_string="text"))
    for arguments in ((), ("it is so",), ("it is so", None), ("it is so", None, "")):
        try:
            return kind(*arguments)
        except TypeError:
            continue
    raise AssertionError(f"no way to make {kind.__name__}")


ALL = [kind for _, kind in inspect.getmembers(ray.exceptions, inspect.isclass) if issubclass(kind, RayError)]
# Raised by what the actor runs, or made of one that was.
OF_WORKERS = [kind for kind in ALL if not issubclass(kind, RayTaskError)]
each = pytest.mark.parametrize("kind", OF_WORKERS, ids=lambda kind: kind.__name__)


def test_rays_errors_are_all_there() -> None:
    assert len(OF_WORKERS) > 30
    assert {"OutOfMemoryError", "NodeDiedError", "WorkerCrashedError", "ObjectLostError", "TaskCancelledError"} <= {
        kind.__name__ for kind in OF_WORKERS
    }


@each
def test_an_error_that_comes_once_costs_a_worker_and_no_result(kind: type[RayError], play: Play) -> None:
    fake = play.run(
        lambda what, job, times: (
            instance(kind) if what == "evaluate" and job and job.number in (2, 5) and times == 1 else None
        )
    )
    assert play.endings == {}
    # What may still live is ended, or it would hold its room; and the last ones at the end.
    assert (fake.started, fake.killed) == (WORKERS + 2, WORKERS + 2)
    is_memory = kind is ray.exceptions.OutOfMemoryError
    assert [others for alone, others in fake.company if alone] == ([0, 0] if is_memory else [])


@each
def test_an_error_that_comes_again_is_the_result_of_that_genome(kind: type[RayError], play: Play) -> None:
    fake = play.run(lambda what, job, times: instance(kind) if what == "evaluate" and job and job.number == 2 else None)
    (status, reason), others = play.endings[2], len(play.endings) - 1
    assert (status, others) == ("failed", 0)
    if kind is ray.exceptions.OutOfMemoryError:
        assert reason == OUT_OF_MEMORY
        assert fake.started == WORKERS + 2, "once beside others and once alone"
    else:
        died = f"worker died {ATTEMPTS} times"
        assert reason == died or reason.startswith(f"lost {ATTEMPTS} times: {kind.__name__}")
        assert fake.started == WORKERS + ATTEMPTS


@each
def test_workers_that_do_not_start_are_started_again_or_told_of(kind: type[RayError], play: Play) -> None:
    play.run(lambda what, _, times: instance(kind) if what == "ready" and times <= 4 else None)
    assert play.endings == {}
    with pytest.raises(WorkersLost, match="no worker will start"):
        play.run(lambda what, _, __: instance(kind) if what == "ready" else None)


@each
def test_a_search_whose_workers_do_not_start_again_pauses_with_words(kind: type[RayError], play: Play) -> None:
    # All workers die at once, and their successors do not come up for a while.
    play.run(
        lambda what, job, times: (
            ray.exceptions.ActorDiedError()
            if what == "evaluate" and job and job.number < WORKERS and times == 1
            else instance(kind)
            if what == "ready" and WORKERS < times < WORKERS + 20
            else None
        )
    )
    assert play.endings == {}
    assert len(play.said) == 2
    assert play.said[0].startswith(f"paused, no worker will start ({kind.__name__}")
    assert play.said[0].endswith("): trying again")
    assert play.said[1].endswith("again: going on")
    assert play.pauses[0].startswith(f"no worker will start ({kind.__name__}")
    assert play.pauses[1] == ""


@pytest.mark.parametrize(
    "kind", [ray.exceptions.RaySystemError, ray.exceptions.ObjectStoreFullError, ray.exceptions.AuthenticationError]
)
@pytest.mark.parametrize("what", ["put", "remote", "evaluate.remote", "wait"])
def test_a_ray_that_does_nothing_any_more_stops_the_search_with_words(
    what: str, kind: type[RayError], play: Play
) -> None:
    late = 1 if what == "put" else WORKERS + 1 if what == "remote" else 5
    kill = ray.exceptions.ActorDiedError()
    with pytest.raises(WorkersLost, match=f"the Ray cluster does not do what it is asked: {kind.__name__}"):
        play.run(
            lambda asked, job, times: (
                instance(kind)
                if asked == what and times >= late
                else kill
                if asked == "evaluate" and what == "remote"
                else instance(kind)
                if asked == "kill"
                else None
            )
        )


@pytest.mark.parametrize("what", ["evaluate", "ready", "wait"])
def test_a_lost_line_to_a_cluster_stops_the_search_with_words(what: str, play: Play) -> None:
    """As Ray's client raises it."""
    with pytest.raises(
        WorkersLost, match=r"the Ray cluster (is out of reach|does not do what it is asked): .*by a wire"
    ):
        play.run(lambda asked, _, times: ConnectionError("cut off by a wire") if asked == what else None)


def test_what_an_evaluator_raises_is_the_result_of_that_genome_and_the_worker_lives(play: Play) -> None:
    cause = TypeError("cannot pickle\n'module' object")
    told = RayTaskError("evaluate", "Traceback: of the worker", cause).as_instanceof_cause()
    fake = play.run(lambda what, job, _: told if what == "evaluate" and job and job.number == 3 else None)
    assert play.endings == {3: ("failed", "error: TypeError: cannot pickle 'module' object")}
    assert fake.started == WORKERS


def test_an_unfit_worker_is_told_of(play: Play) -> None:
    told = RayTaskError("evaluate", "Traceback: of the worker", Unfit("worker w: no torch")).as_instanceof_cause()
    with pytest.raises(Unfit, match=r"^worker w: no torch$"):
        play.run(lambda what, job, _: told if what == "evaluate" else None)


def failing(reason: str, device: str, **more: Any) -> Callable[[Job], Outcome]:
    return lambda job: Outcome(job, "failed", {}, reason, device=device, **more)


def test_a_job_without_memory_has_the_machine_to_itself_once(play: Play) -> None:
    tries: Counter[int] = Counter()

    def short(job: Job) -> Outcome:
        tries[job.number] += 1
        if job.number == 4 and tries[4] == 2:
            return Fake()(job)
        return failing(OUT_OF_MEMORY, "cpu")(job)

    fake = play.run(lambda *_: None, Fake({1: short, 4: short}))
    assert play.endings == {1: ("failed", OUT_OF_MEMORY)}
    assert tries == {1: 2, 4: 2}
    assert [others for alone, others in fake.company if alone] == [0, 0]
    assert max(others for _, others in fake.company) == WORKERS - 1
    assert fake.started == WORKERS, "the workers are well"


def test_a_worker_whose_device_is_broken_ends_and_others_do_its_job(play: Play) -> None:
    tries: Counter[int] = Counter()
    asserted = failing("error: AcceleratorError: CUDA error: device-side assert triggered", "cuda", ends_worker=True)

    def unlucky(job: Job) -> Outcome:
        tries[job.number] += 1
        return asserted(job) if tries[job.number] == 1 else Fake()(job)

    fake = play.run(lambda *_: None, Fake({1: unlucky, 4: asserted}))
    assert list(play.endings) == [4]
    assert play.endings[4][1].endswith("device-side assert triggered")
    assert fake.started == WORKERS + 1 + ATTEMPTS


def test_a_worker_that_hangs_is_ended_while_others_answer(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is busy always has an answer to take: it looks at who has none all the same."""

    def wait(self: StandIn, pending: list[Call], **_: Any) -> tuple[list[Call], list[Call]]:
        ready = [call for call in pending if not (call.job and call.job.number == 0)]
        return ready[:1], [call for call in pending if call not in ready[:1]]

    monkeypatch.setattr(StandIn, "wait", wait)
    monkeypatch.setattr(ray_workers, "GRACE", -1.0)
    fake = play.run(lambda *_: None, limits=Limits(minutes=0.01))
    assert play.endings == {0: ("failed", "hung: no answer -1 s after the limit of 0.01 minutes")}
    assert list(play.outcomes)[-1] != 0
    assert fake.killed == fake.started
