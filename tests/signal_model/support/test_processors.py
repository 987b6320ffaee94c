"""How many processors may be used, on machines that are shared."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from hrfevo.space.sections import Resources
from hrfevo.workers.cluster import local_room
from signal_model.support import processors
from signal_model.support.processors import Processors, permitted_processors


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Of 96 processors, all permitted, without control groups."""
    monkeypatch.setattr(os, "cpu_count", lambda: 96)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(96)), raising=False)
    monkeypatch.setattr(processors, "CGROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(processors, "OWN_CGROUPS", tmp_path / "own")
    monkeypatch.delenv(processors.SLURM, raising=False)


def write(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name.replace("_", ".", 1)).write_text(text + "\n")


def test_all_of_a_machine_that_is_not_shared() -> None:
    assert permitted_processors() == Processors(96, 96)
    assert permitted_processors().words == "96 processors"


@pytest.mark.skipif(sys.platform != "linux", reason="control groups are Linux's")
@pytest.mark.parametrize(("own", "where"), [("0::/user/job", "user/job"), ("0::/elsewhere", "."), ("0::/", ".")])
@pytest.mark.parametrize(("quota", "count"), [("400000 100000", 4), ("150000 100000", 1), ("50000 100000", 1)])
def test_quotas_of_control_groups(own: str, where: str, quota: str, count: int, tmp_path: Path) -> None:
    (tmp_path / "own").write_text(own + "\n")
    write(tmp_path / "cgroup" / where, cpu_max=quota)
    if where == "user/job":
        (tmp_path / "cgroup" / "user" / "cpu.max").write_text("max 100000\n")
    assert permitted_processors() == Processors(count, 96, "quota of its control group")


@pytest.mark.parametrize("controller", ["cpu", "cpu,cpuacct"])
def test_quotas_of_the_first_control_groups(controller: str, tmp_path: Path) -> None:
    (tmp_path / "own").write_text(f"5:memory:/docker/1f\n4:{controller}:/docker/1f\n")
    write(tmp_path / "cgroup" / controller / "docker" / "1f", cpu_cfs_quota_us="-1", cpu_cfs_period_us="100000")
    assert permitted_processors().count == 96
    (tmp_path / "cgroup" / controller / "docker" / "1f" / "cpu.cfs_quota_us").write_text("250000\n")
    assert permitted_processors().count == 2


def test_the_least_bound_counts_and_workers_keep_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5, 7, 11, 13, 17}, raising=False)
    assert permitted_processors().words == "6 of 96 processors (affinity of this process)"
    monkeypatch.setenv(processors.SLURM, "4")
    assert permitted_processors().words == "4 of 96 processors (SLURM_CPUS_ON_NODE)"
    assert local_room(Resources(cpus=1, gpus=0), None) == 4
    assert local_room(Resources(cpus=3, gpus=0), None) == 1
    assert local_room(Resources(cpus=1, gpus=0), 7) == 7  # what is asked for is done
    monkeypatch.setenv(processors.SLURM, "4(x2)")
    assert permitted_processors().count == 6
