"""Where evaluations run. One protocol: in this process, or in Ray actors."""

from hrfevo.workers.base import Workers, WorkersLost
from hrfevo.workers.inline import InlineWorkers

__all__ = ["InlineWorkers", "Workers", "WorkersLost"]
