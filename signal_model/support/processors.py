"""How many processors this process may use: often fewer than the machine has."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from signal_model.support.errors import counted

CGROUPS, OWN_CGROUPS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
SLURM = "SLURM_CPUS_ON_NODE"


@dataclass(frozen=True)
class Processors:
    """`count` of the machine's `total`, and what bounds them; nothing where all may be used."""

    count: int
    total: int
    bound: str = ""

    @property
    def words(self) -> str:
        """Such as `4 of 96 processors (SLURM_CPUS_ON_NODE)`."""
        return (
            f"{self.count} of {self.total} processors ({self.bound})"
            if self.bound
            else counted(self.total, "processor")
        )


def permitted_processors() -> Processors:
    """The least that affinity, control groups and Slurm leave to this process, at least one."""
    total = os.cpu_count() or 1
    bounds: dict[str, float] = {}
    if hasattr(os, "sched_getaffinity"):  # not on macOS, which has no affinity
        bounds["affinity of this process"] = len(os.sched_getaffinity(0))
    if quotas := list(_quotas()):
        bounds["quota of its control group"] = min(quotas)
    if (allotted := os.environ.get(SLURM, "")).isdecimal():
        bounds[SLURM] = int(allotted)
    bound = min(bounds, key=bounds.__getitem__, default="")
    if not bound or bounds[bound] >= total:
        return Processors(total, total)
    return Processors(max(1, int(bounds[bound])), total, bound)


def _quotas() -> Iterator[float]:
    """Processors' worth of time, by each control group (of version 1 or 2) from this process's own to the root."""
    try:
        lines = OWN_CGROUPS.read_text().splitlines()
    except OSError:  # not on Linux
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        root = CGROUPS / controllers if controllers else CGROUPS
        # In a container the path may be one of the host, of which only the root is seen here.
        for folder in (root / path.strip("/"), *(root / path.strip("/")).parents):
            if not folder.is_relative_to(root):
                break
            yield from _quota(folder)


def _quota(folder: Path) -> Iterator[float]:
    try:
        if (file := folder / "cpu.max").exists():
            quota, period = file.read_text().split()
        else:
            quota, period = ((folder / f"cpu.cfs_{name}_us").read_text().strip() for name in ("quota", "period"))
    except OSError:
        return
    if quota not in ("max", "-1"):
        yield int(quota) / int(period)
