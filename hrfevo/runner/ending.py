"""How a search ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

INTERRUPTED = "interrupted"


@dataclass(frozen=True)
class Ending:
    """The state that a run was left in, and why.

    It is `finished`, `stopped` before that by whoever interrupted it or for want of workers, `failed` where nothing
    succeeds, or `crashed` where its store could not be told.
    """

    state: Literal["finished", "stopped", "failed", "crashed"]
    reason: str

    @property
    def finished(self) -> bool:
        """Whether there is nothing to go on with."""
        return self.state == "finished"

    @property
    def nothing_left(self) -> bool:
        """Whether there is nothing left to train: all has finished, or nothing succeeds."""
        return self.state in ("finished", "failed")

    @property
    def interrupted(self) -> bool:
        """Whether somebody asked for it."""
        return self.reason == INTERRUPTED


# What somebody ended who may go on with it.
STRUCK = Ending("stopped", INTERRUPTED)
