"""What runs in the process of a Ray worker."""

from __future__ import annotations

import gc

from hrfevo.workers.base import Evaluator, Job, Outcome
from hrfevo.workers.gpus import keep_to, settle


class Actor:
    """One worker process with its share of `gpus`. The evaluator, tokens included, comes from the node's object store.

    Raises Unfit where it has no GPU that computes though Ray gave it one.
    """

    def __init__(self, evaluator: Evaluator, gpus: float) -> None:
        settle(gpus)
        self._evaluator, self._gpus = evaluator, gpus
        # What is loaded by now stays: collections after each evaluation need not look through it again.
        gc.freeze()

    def ready(self) -> tuple[str, ...]:
        """Where it runs, once the process has started: its node, then its GPUs."""
        import ray

        context = ray.get_runtime_context()
        return (str(context.get_node_id()), *map(str, context.get_accelerator_ids().get("GPU", ())))

    def evaluate(self, job: Job, alone: bool = False) -> Outcome:
        """Evaluate a job; `alone`, it may use all memory of the GPU that it otherwise shares."""
        if 0 < self._gpus < 1:
            keep_to(1.0 if alone else self._gpus)
        return self._evaluator(job)
