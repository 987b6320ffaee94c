"""Evolutionary architecture search for causal spectral language models.

    run = hrfevo.search("quick")
    run = hrfevo.load("runs/quick-20261123-110916")

What stands here is imported when it is first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hrfevo.runner.searching import search
    from hrfevo.views.notebook import Run, load

_PLACES = {"Run": "views.notebook", "load": "views.notebook", "search": "runner.searching"}

__all__ = ["Run", "load", "search"]


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
