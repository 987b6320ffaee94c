"""Searches by workers of Ray: the same as inline, whatever dies."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hrfevo.space.search_space import SearchSpace
from hrfevo.space.sections import Resources
from hrfevo.store.store import Store
from hrfevo.workers.base import Unfit
from hrfevo.workers.inline import InlineWorkers
from tests.conftest import answer, command, only_run
from tests.tools.evaluators import Scripted
from tests.tools.searches import QUIET, search, statuses


def test_a_worker_that_dies_is_replaced_and_its_job_retried(space: SearchSpace, store: Store, tmp_path: Path) -> None:
    """A job that killed its worker once finishes; one that does it again and again has failed."""
    from hrfevo.workers.ray_workers import RayWorkers

    workers = RayWorkers(Scripted("kill", str(tmp_path)), Resources(), 2)
    try:
        search(space, workers, store, "run").run(QUIET)
    finally:
        workers.close()
    assert len(statuses(store)) == 10
    assert statuses(store).count("failed") == 1
    assert (tmp_path / "killed by 2").exists()
    assert store.evaluations("run")[2].status == "finished"
    assert store.evaluations("run")[5].reason == "worker died 3 times"


def test_what_a_ray_worker_lacks_stops_the_search_and_waits_for_its_return(space: SearchSpace, store: Store) -> None:
    from hrfevo.workers.ray_workers import RayWorkers

    workers = RayWorkers(Scripted("unfit"), Resources(), 1)
    try:
        with pytest.raises(Unfit, match=r"^worker here:1: No module named 'pywt'$"):
            search(space, workers, store, "run").run(QUIET)
    finally:
        workers.close()
    resumed = search(space, InlineWorkers(Scripted()), store, "run")
    resumed.replay(store.evaluations("run"), 0.0)
    resumed.run(QUIET)
    assert statuses(store) == ["finished"] * 10


@pytest.mark.usefixtures("undrawn")
def test_the_same_seed_gives_the_same_search_inline_and_with_any_number_of_ray_workers(
    tiny_space: Path, tmp_path: Path
) -> None:
    """`best --format json` is the same text, twice inline and with one and two Ray workers.

    Once in a new Python, whose hashes have a seed of their own.
    """
    outputs = []
    for index, options in enumerate((["--backend", "inline"],) * 2 + (["--workers", 1], ["--workers", 2])):
        out = tmp_path / str(index)
        asked = ("run", tiny_space, "--out", out, "--seed", 4, "--synchronous", *options)
        result = command("hrfevo", *asked, new=index == 1)
        assert result.returncode == 0, result.stderr + result.stdout
        outputs.append(answer("best", only_run(out), "--format", "json"))
    assert len(json.loads(outputs[0])) >= 4
    assert outputs[0] == outputs[1] == outputs[2] == outputs[3]
    other = tmp_path / "other"
    command("hrfevo", "run", tiny_space, "--out", other, "--seed", 5, "--synchronous", "--backend", "inline")
    assert answer("best", only_run(other), "--format", "json") != outputs[0]
