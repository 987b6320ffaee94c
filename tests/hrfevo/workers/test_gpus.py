"""Sharing GPUs: what a worker sees and holds of one, where memory ran out, and devices that broke.

Without a GPU, torch's functions for it are replaced; the tests marked `gpu` use one.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from ray.cluster_utils import Cluster

from hrfevo.algorithms.registry import make_algorithm
from hrfevo.runner.machinery import Machinery
from hrfevo.space.genome import Genome
from hrfevo.space.reading import parse_space
from hrfevo.space.search_space import SearchSpace
from hrfevo.space.sections import Resources
from hrfevo.workers import evaluation
from hrfevo.workers.base import OUT_OF_MEMORY, Job, Outcome, Unfit, Workers, WorkersLost
from hrfevo.workers.cluster import fitting
from hrfevo.workers.evaluation import TrainingEvaluator, _Known
from hrfevo.workers.gpus import CONTEXT_GIB, GIB, keep_to, settle, shared
from hrfevo.workers.inline import InlineWorkers
from hrfevo.workers.places import Place, Task, Waiting, next_start
from hrfevo.workers.ray_workers import RayWorkers
from signal_model.data.corpus import load_corpus
from signal_model.support import devices
from signal_model.support.devices import computes, give_back, ran_out_of_memory
from signal_model.support.errors import InputError
from tests.conftest import TINY_SPACE

CUDA = torch.device("cuda", 0)


def jobs_of(space: SearchSpace, count: int) -> list[Job]:
    algorithm = make_algorithm("random", space, np.random.SeedSequence(0))
    return [Job(number, algorithm.ask().genome, 0, 7) for number in range(count)]  # type: ignore[union-attr]


def outcomes(workers: Workers, jobs: Sequence[Job]) -> dict[int, Outcome]:
    """What becomes of jobs, by their numbers."""
    left, ended = list(jobs), dict[int, Outcome]()
    try:
        while left or workers.running:
            while left and workers.running < workers.capacity:
                workers.submit(left.pop(0))
            if outcome := workers.next_outcome():
                assert outcome.job.number not in ended
                ended[outcome.job.number] = outcome
    finally:
        workers.close()
    return ended


# --- how much of a GPU an evaluation gets ---------------------------------------------------------


@pytest.mark.parametrize(
    ("cpus", "gpus", "gib", "count", "share"),
    [
        (8, 0, 0.0, None, 0.0),
        (2, 1, 80.0, None, 0.5),  # two CPUs feed two evaluations
        (16, 1, 80.0, None, 0.25),
        (16, 1, 12.0, None, 0.3333),  # each has 4 GiB
        (16, 1, 3.0, None, 1.0),
        (4, 8, 80.0, None, 1.0),
        (16, 1, 12.0, 8, 0.125),  # what is asked for is done
        (16, 4, 80.0, 6, 0.5),
    ],
)
def test_auto_lets_as_many_share_a_gpu_as_use_it(
    cpus: int, gpus: int, gib: float, count: int | None, share: float
) -> None:
    assert shared(Resources(), {"CPU": cpus, "GPU": gpus}, count, gib).gpus == share


@given(st.integers(1, 200), st.integers(1, 64), st.integers(0, 16), st.none() | st.integers(1, 300))
def test_a_share_has_room_for_whom_it_was_made_for(cpus: int, each: int, gpus: int, count: int | None) -> None:
    total = {"CPU": float(cpus), "GPU": float(gpus)}
    found = shared(Resources(cpus=each), total, count, 80.0)
    plenty = {"CPU": 1e9, "GPU": float(gpus)}
    if gpus:
        assert fitting(plenty, found) >= (count or 1)
        assert count or found.gpus_each >= 0.25
    asked = Resources(cpus=each, gpus=0.2)
    assert shared(asked, total, count) == asked


def test_shares_that_are_none_are_refused(tiny_space: Path) -> None:
    text = tiny_space.read_text()
    for value in ("-1", "1.5", "many", "true", ".nan", "null", "2000"):
        with pytest.raises(InputError, match=r"resources\.gpus: auto, a fraction up to 1 or a whole number up to 1024"):
            parse_space(f"{text}\nresources: {{gpus: {value}}}", "space.yaml")
    for good in ("auto", 0, 0.3, 1, 2):
        assert parse_space(f"{text}\nresources: {{gpus: {good}}}", "space.yaml").resources.gpus == good


def test_devices_and_shares_that_contradict_each_other_are_refused(
    space: SearchSpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def with_gpus(gpus: Any) -> SearchSpace:
        return space.model_copy(update={"resources": Resources(gpus=gpus)})

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: SimpleNamespace(total_memory=80 * GIB))
    with pytest.raises(InputError, match=r"^--device cpu: resources.gpus is 0.5, which no worker would use; add --set"):
        Machinery(device="cpu").check(with_gpus(0.5))
    with pytest.raises(InputError, match=r"^--device cuda: resources.gpus is 0, so workers get no GPU"):
        Machinery(device="cuda").check(with_gpus(0))
    for device, gpus in (("cpu", "auto"), ("cpu", 0), ("cuda", "auto"), ("cuda", 0.5), ("auto", 0), ("auto", "auto")):
        Machinery(device=device).check(with_gpus(gpus))
    assert Machinery(device="cpu").resources(space).gpus == 0
    assert Machinery(device="auto").resources(space).gpus == "auto"
    assert not Machinery().leaves_gpu_idle(space)
    assert Machinery().leaves_gpu_idle(with_gpus(0))


# --- what a worker's process does to its GPU ------------------------------------------------------


def test_a_worker_sees_the_gpus_that_it_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    settle(0)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == ""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(Unfit, match="Ray gave GPU 1, but torch finds no CUDA device"):
        settle(0.5)  # not: `auto` is the CPU then
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(devices, "computes", lambda _: False)
    with pytest.raises(Unfit, match="Ray gave GPU 1, which computes nothing"):
        settle(0.5)
    monkeypatch.setattr(devices, "computes", lambda _: True)
    settle(0.5)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "1"


def test_a_worker_keeps_to_its_share_with_what_cuda_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[float, int]] = []
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: SimpleNamespace(total_memory=8 * GIB))
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", lambda *settings: told.append(settings))
    keep_to(0.5)
    keep_to(1)
    assert told == [(0.5 - CONTEXT_GIB / 8, 0), (1.0, 0)]
    assert isinstance(told[1][0], float), "torch takes nothing else"
    with pytest.raises(Unfit, match=r"^resources\.gpus: 0\.05 of a GPU of 8\.0 GiB leaves nothing beside CUDA's own"):
        keep_to(0.05)


@pytest.mark.parametrize(
    ("error", "is_memory"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), True),
        (torch.AcceleratorError("CUDA error: out of memory"), True),
        (RuntimeError("MPS backend out of memory (MPS allocated: 8.00 GB)"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (RuntimeError("cuFFT error: CUFFT_ALLOC_FAILED"), True),
        (MemoryError(), True),
        (torch.AcceleratorError("CUDA error: device-side assert triggered"), False),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (OSError("out of memory"), False),
    ],
)
def test_lack_of_memory_is_known_by_its_words(error: Exception, is_memory: bool) -> None:
    assert ran_out_of_memory(error) is is_memory


def test_lack_of_memory_is_known_by_the_cpus_own_words() -> None:
    with pytest.raises(RuntimeError) as error:
        torch.empty(2**60, dtype=torch.uint8)
    assert ran_out_of_memory(error.value)


def test_a_device_computes_until_an_error_that_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    assert computes(torch.device("cpu"))
    for error, is_well in (
        (None, True),
        (torch.OutOfMemoryError("neighbours have it all"), True),
        (torch.AcceleratorError("CUDA error: an illegal memory access was encountered"), False),
    ):

        def little(device: torch.device, error: Exception | None = error) -> None:
            if error:
                raise error

        monkeypatch.setattr(devices, "_compute_a_little", little)
        assert computes(CUDA) is is_well
    emptied: list[str] = []
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: emptied.append("cuda"))
    monkeypatch.setattr(torch.mps, "empty_cache", lambda: emptied.append("mps"))
    for name in ("cpu", "cuda", "mps"):
        give_back(torch.device(name))
    assert emptied == ["cuda", "mps"]


def test_an_evaluation_gives_memory_back_unless_the_device_is_broken(
    space: SearchSpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluator = TrainingEvaluator(space, load_corpus(space.corpus, space.tokenizer), "cpu")
    given: list[str] = []
    monkeypatch.setattr(evaluation, "give_back", lambda device: given.append(str(device)))
    job, after = jobs_of(space, 2)
    assert evaluator(job).status == "finished"
    assert given == ["cpu"]

    def short(*_: object) -> None:
        raise RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`")

    monkeypatch.setattr(evaluation, "Trainer", short)
    outcome = evaluator(job)
    assert (outcome.status, outcome.reason, outcome.ends_worker) == ("failed", OUT_OF_MEMORY, False)
    assert given == ["cpu", "cpu"]

    def asserts(*_: object) -> None:
        raise torch.AcceleratorError("CUDA error: device-side assert triggered")

    monkeypatch.setattr(evaluation, "Trainer", asserts)
    monkeypatch.setattr(evaluation, "computes", lambda _: False)
    workers = InlineWorkers(evaluator)
    workers.submit(job)
    outcome = workers.next_outcome()
    assert (outcome.status, outcome.ends_worker) == ("failed", True)
    assert given == ["cpu", "cpu"], "it would only raise the error again"
    # In a process of one's own no other can take over: the next job is not done, and blames nobody.
    workers.submit(after)
    with pytest.raises(WorkersLost, match=rf"{job.genome.id} ended with: error: AcceleratorError: CUDA error"):
        workers.next_outcome()
    workers.close()


# --- jobs that need a part of the cluster to themselves -------------------------------------------

GENOME = Genome({})


@given(st.integers(0, 2**32 - 1))
def test_who_is_alone_has_no_company_and_nobody_waits_for_ever(seed: int) -> None:
    chance = random.Random(seed)
    layout = [(f"n{node}", f"g{gpu}") for node in range(chance.randint(1, 3)) for gpu in range(chance.randint(1, 3))]
    idle = [Place(number, where, 0.0) for number, where in enumerate(chance.choices(layout, k=chance.randint(1, 9)))]
    waiting = [
        Waiting(Job(number, GENOME, 0, 0), 1, chance.choice([(), (), chance.choice(layout), chance.choice(layout)[:1]]))
        for number in range(12)
    ]
    running: list[Task] = []
    ended = 0
    while waiting or running:
        while found := next_start(waiting, idle, running):
            index, part, place = found
            idle.remove(place)
            running.append(Task(replace(waiting.pop(index), alone_in=part), place, 0.0, 0.0))
        assert running, "somebody can always start"
        for task in running:
            others = [other for other in running if other is not task]
            if part := task.what.alone_in:
                assert task.place.is_in(part)
                assert not any(other.place.is_in(part) for other in others)
        task = running.pop(chance.randrange(len(running)))
        ended += 1
        if chance.random() < 0.8 or not (idle or running):
            idle.append(task.place)
        else:  # the worker died, another came elsewhere
            idle.append(replace(task.place, where=chance.choice(layout)))
    assert ended == 12


# --- in Ray's processes ---------------------------------------------------------------------------


@dataclass
class Shown:
    """An evaluator that says what its process sees. CUDA is a stand-in in that process if it is to have some."""

    gib: float = 0.0

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        if self.gib:
            told: list[float] = []
            torch.cuda.is_available = lambda: True
            devices._compute_a_little = lambda _: None
            torch.cuda.get_device_properties = lambda _: SimpleNamespace(total_memory=self.gib * GIB)  # type: ignore
            torch.cuda.set_per_process_memory_fraction = lambda fraction, _: told.append(fraction)  # type: ignore
            torch.cuda.told = told  # type: ignore[attr-defined]

    def __call__(self, job: Job) -> Outcome:
        began = time.time()
        time.sleep(0.3)
        share = torch.cuda.told[-1] if self.gib else 1.0  # type: ignore[attr-defined]
        if job.number == 1:  # needs three quarters of the GPU
            status, reason = ("finished", "") if share > 0.75 else ("failed", OUT_OF_MEMORY)
        else:
            status, reason = "finished", ""
        detail: Any = f"{os.environ.get('CUDA_VISIBLE_DEVICES')} {share:.2f}"
        if job.number == 2 and not self.gib:
            detail = (line for line in "what cannot be sent")
        device = "cuda" if self.gib else "cpu"
        return Outcome(job, status, {}, reason, detail, (), began, time.time(), str(os.getpid()), device)  # type: ignore


def test_workers_without_gpus_see_none_and_what_they_cannot_send_has_failed(
    space: SearchSpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    ended = outcomes(RayWorkers(Shown(), Resources(gpus=0), 1), jobs_of(space, 4))
    lost = ended.pop(2)
    assert lost.status == "failed"
    assert lost.reason.startswith("error: TypeError: cannot pickle 'generator' object")
    assert {(outcome.status, outcome.detail) for outcome in ended.values()} == {("finished", " 1.00")}
    assert len({outcome.worker for outcome in ended.values()}) == 1, "the worker lives"
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "0,1"


@pytest.fixture
def gpu_cluster() -> Iterator[Cluster]:
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "num_gpus": 1, "include_dashboard": False})
    yield made
    made.shutdown()


def test_workers_share_a_gpu_and_one_has_it_alone_where_it_must(space: SearchSpace, gpu_cluster: Cluster) -> None:
    """Ray gives shares of a GPU that is not there; CUDA is a stand-in in the workers."""
    said: list[str] = []
    workers = RayWorkers(Shown(gib=8.0), Resources(), address=gpu_cluster.address, say=said.append)
    assert workers.capacity == 2
    ended = outcomes(workers, jobs_of(space, 6))
    assert said == ["0.5 of a GPU for each evaluation (resources.gpus: auto)"]
    assert {outcome.status for outcome in ended.values()} == {"finished"}
    within = 0.5 - CONTEXT_GIB / 8
    assert ended.pop(1).detail == "0 1.00"
    assert {outcome.detail for outcome in ended.values()} == {f"0 {within:.2f}"}


# --- on a GPU -------------------------------------------------------------------------------------


class Hungry(TrainingEvaluator):
    """Holds memory while it trains, 0.3 of the GPU or, at its third job, 0.7, and notes what the process held."""

    def _measure(self, job: Job, device: torch.device, known: _Known) -> None:
        total = torch.cuda.get_device_properties(device).total_memory
        before = torch.cuda.memory_reserved(device) / total
        torch.cuda.reset_peak_memory_stats(device)
        held = torch.empty(int(total * (0.7 if job.number == 2 else 0.3)), dtype=torch.uint8, device=device)
        super()._measure(job, device, known)
        del held
        known.note = f"{before:.4f} {torch.cuda.max_memory_reserved(device) / total:.4f}"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_two_workers_on_half_a_gpu_each_keep_within_their_halves(text_folder: Path) -> None:
    space = parse_space(TINY_SPACE.replace("TEXT", str(text_folder)) + "resources: {gpus: 0.5}", "tiny")
    evaluator = Hungry(space, load_corpus(space.corpus, space.tokenizer), "cuda").in_memory()
    ended = outcomes(RayWorkers(evaluator, space.resources, 2), jobs_of(space, 6))
    assert {number: outcome.status for number, outcome in ended.items()} == dict.fromkeys(range(6), "finished")
    assert len({outcome.worker for outcome in ended.values()}) == 2
    for number, outcome in ended.items():
        before, most = map(float, outcome.detail.split())
        assert before < 0.01, "what the evaluation before held was given back"
        assert 0.3 <= most <= 0.5 or (number == 2 and most >= 0.7)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_an_assertion_in_a_kernel_ends_its_worker_alone(text_folder: Path) -> None:
    space = parse_space(TINY_SPACE.replace("TEXT", str(text_folder)) + "resources: {gpus: 0.5}", "tiny")
    evaluator = Asserting(space, load_corpus(space.corpus, space.tokenizer), "cuda").in_memory()
    ended = outcomes(RayWorkers(evaluator, space.resources, 2), jobs_of(space, 6))
    failed = {number: outcome.reason for number, outcome in ended.items() if outcome.status != "finished"}
    assert list(failed) == [2]
    assert "CUDA error" in failed[2]
    assert ended[2].ends_worker


class Asserting(TrainingEvaluator):
    """Asks at its third job for a row that is not there."""

    def _measure(self, job: Job, device: torch.device, known: _Known) -> None:
        if job.number == 2:
            torch.zeros(4, device=device)[torch.tensor([9], device=device)].sum().item()
        super()._measure(job, device, known)
