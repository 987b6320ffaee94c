"""Evolutionary architecture search for causal spectral language models.

    run = hrfevo.search("quick")
    run = hrfevo.load("runs/quick-20261123-110916")

`objective` and `algorithm` are decorators for plugins: see docs/plugins.md.

What stands here is imported when it is first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hrfevo.algorithms.registry import algorithm
    from hrfevo.runner.searching import search
    from hrfevo.space.metrics import Measure, objective
    from hrfevo.views.notebook import Run, load

_PLACES = {
    "Measure": "space.metrics",
    "Run": "views.notebook",
    "algorithm": "algorithms.registry",
    "load": "views.notebook",
    "objective": "space.metrics",
    "search": "runner.searching",
}

__all__ = ["Measure", "Run", "algorithm", "load", "objective", "search"]


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
