"""Evolutionary architecture search for causal spectral language models.

    run = hrfevo.search("quick")
    run = hrfevo.load("runs/quick-20261123-110916")

`objective` and `algorithm` are decorators for plugins: see docs/plugins.md. What a user can mend is raised as
`InputError`, a ValueError.

What stands here is imported when it is first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hrfevo.algorithms.registry import algorithm
    from hrfevo.runner.searching import confirm, search
    from hrfevo.space.metrics import Measure, objective
    from hrfevo.views.notebook import Run, load
    from signal_model.support.errors import InputError

_PLACES = {
    "InputError": "signal_model.support.errors",
    "Measure": "hrfevo.space.metrics",
    "Run": "hrfevo.views.notebook",
    "algorithm": "hrfevo.algorithms.registry",
    "confirm": "hrfevo.runner.searching",
    "load": "hrfevo.views.notebook",
    "objective": "hrfevo.space.metrics",
    "search": "hrfevo.runner.searching",
}

__all__ = ["InputError", "Measure", "Run", "algorithm", "confirm", "load", "objective", "search"]


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        return getattr(import_module(_PLACES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
