"""What a run has cost: processors, GPUs, tokens, its confirmation included."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Self

from hrfevo.results.history import History
from signal_model.support.errors import counted


@dataclass(frozen=True)
class Cost:
    """What evaluations have taken that have ended, one that no longer counts for anything too."""

    evaluations: int = 0
    """Finished, failed or infeasible."""
    steps: int = 0
    """Of training."""
    tokens: int = 0
    """Trained on; 0 of runs that did not note them."""
    worker_seconds: float = 0.0
    cpu_seconds: float = 0.0
    """Processors that an evaluation occupied (`resources.cpus`), for as long as it did."""
    gpu_worker_seconds: float = 0.0
    """Of workers that computed on a GPU, or on a share of one."""

    @classmethod
    def of(cls, histories: Iterable[History]) -> Self:
        """That of several histories together, such as those of the stages of a confirmation."""
        every = [_of(history) for history in histories]
        return cls(**{one.name: sum(getattr(cost, one.name) for cost in every) for one in fields(cls)})

    def __add__(self, other: Cost) -> Cost:
        return Cost(**{one.name: getattr(self, one.name) + getattr(other, one.name) for one in fields(Cost)})

    @property
    def words(self) -> str:
        """`72 evaluations, 3,200 steps on 4,096,000 tokens, 1,204 CPU seconds`."""
        trained = counted(self.steps, "step") + (f" on {counted(self.tokens, 'token')}" if self.tokens else "")
        told = [counted(self.evaluations, "evaluation"), trained, counted(round(self.cpu_seconds), "CPU second")]
        told += [f"{counted(round(self.gpu_worker_seconds), 'second')} on GPUs"] if self.gpu_worker_seconds else []
        return ", ".join(told)


def cost_in_words(search: Cost, confirmation: Cost) -> str:
    """That of a run, and with its confirmation, where it has one."""
    if not confirmation.evaluations:
        return search.words
    return f"{search.words}; with its confirmation {(search + confirmation).words}"


def _of(history: History) -> Cost:
    ended = [one for one in history if one.ended_event is not None]
    used, cpus = history.spent, history.space.resources.cpus
    return Cost(
        len(ended),
        used.steps,
        round(used.tokens),
        used.seconds,
        cpus * used.seconds,
        sum(one.seconds for one in ended if one.device.startswith("cuda")),
    )
