"""Sharing GPUs: how much of one an evaluation gets, and how a worker's process keeps to it."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping

from hrfevo.space.sections import Resources
from hrfevo.workers.base import Unfit

GIB = 2**30
# Small models leave a GPU idle between kernels, so `auto` lets so many share one where the CPUs can feed them …
MOST_PER_GPU = 4
# … and each of them has so much of its memory, GiB.
LEAST_GIB = 4.0
# What CUDA itself holds for a process besides tensors, GiB: 0.3 to 0.5 as measured by others (pytorch#107667).
CONTEXT_GIB = 0.5
# Ray counts shares of a GPU in ten-thousandths.
GRAIN = 10_000


def shared(resources: Resources, total: Mapping[str, float], count: int | None, gib: float = math.inf) -> Resources:
    """The same with `gpus: auto` as a number, for `total` CPUs and GPUs, each of `gib`.

    0 where there is no GPU, else the share with which `count` workers fit, or those that there are CPUs for; of these
    at most MOST_PER_GPU share one, and each has LEAST_GIB.
    """
    if resources.gpus != "auto":
        return resources
    gpus = int(total.get("GPU", 0))
    if not gpus:
        return resources.model_copy(update={"gpus": 0.0})
    each = math.ceil((count or max(1, total.get("CPU", 0) // resources.cpus)) / gpus)
    if not count:
        each = max(1, min(each, MOST_PER_GPU, int(gib / LEAST_GIB) if gib < math.inf else MOST_PER_GPU))
    return resources.model_copy(update={"gpus": math.floor(GRAIN / each) / GRAIN})


def gpus_here() -> tuple[int, float]:
    """CUDA GPUs of this machine, and the memory of the smallest, GiB."""
    import torch

    count = torch.cuda.device_count()
    sizes = [torch.cuda.get_device_properties(number).total_memory / GIB for number in range(count)]
    return count, min(sizes, default=0.0)


def settle(gpus: float) -> None:
    """Make this process see the GPUs that Ray gave it: none where it was given none.

    Ray sets CUDA_VISIBLE_DEVICES where it gives GPUs. Where it gives none, it hid all before ray#62492 and hides none
    since. Raises Unfit where it was given one and there is none, `auto` being the CPU then, or one that is broken.
    """
    if not gpus:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
        return
    import torch

    from signal_model.support.devices import computes

    seen = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    if not torch.cuda.is_available():
        raise Unfit(f"resources.gpus is {gpus:g} and Ray gave GPU {seen}, but torch finds no CUDA device")
    if not computes(torch.device("cuda", 0)):  # else every genome that comes here would fail of it
        raise Unfit(f"Ray gave GPU {seen}, which computes nothing")


def keep_to(gpus: float) -> None:
    """Let this process run out of memory, instead of its neighbours, where it would hold more than its share of a GPU.

    `gpus` is up to 1, which is no bound. CUDA's own memory counts as part of the share. Raises Unfit where nothing of
    the share is left beside that.
    """
    import torch

    fraction = 1.0
    if gpus < 1:
        total = torch.cuda.get_device_properties(0).total_memory / GIB
        fraction = gpus - CONTEXT_GIB / total
        if fraction <= 0:
            raise Unfit(
                f"resources.gpus: {gpus:g} of a GPU of {total:.1f} GiB leaves nothing beside CUDA's own "
                f"{CONTEXT_GIB:g} GiB"
            )
    torch.cuda.set_per_process_memory_fraction(float(fraction), 0)
