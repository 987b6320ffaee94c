"""Where the parts and objectives that a space asks for are defined: in what worker processes import, or not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hrfevo.space.metrics import ADDED
from hrfevo.space.search_space import SearchSpace
from signal_model.config import EmbeddingConfig, FeedForwardConfig, FilterBankConfig, MixerConfig, PositionsConfig
from signal_model.support.errors import InputError
from signal_model.support.plugins import plugins

_PARTS = (EmbeddingConfig, PositionsConfig, FilterBankConfig, MixerConfig, FeedForwardConfig)
_OWN = ("signal_model", "hrfevo")


def refuse_unshared(space: SearchSpace) -> None:
    """Raise InputError for a part or an objective of a script or a notebook: workers import plugins alone.

    A module that is no plugin may still be imported by one, so it is refused only where there is none.
    """
    known = plugins()
    for what, name, module in _asked(space):
        if module == "__main__" or (not known and module.partition(".")[0] not in _OWN):
            where = "this script or notebook" if module == "__main__" else f"the module {module}"
            raise InputError(
                f"--backend ray: {what} {name!r} is defined in {where}, which workers do not import; put it into a "
                "file and name that with --plugin FILE.py (in Python plugins=['FILE.py']), or take --backend inline"
            )


def _asked(space: SearchSpace) -> Iterator[tuple[str, str, str]]:
    """What a space asks for by name: what it is, its name, the module that defines it."""
    words = set(_words(space.to_dict()))
    for part in _PARTS:
        for kind, config in part.kinds().items():
            if kind in words:
                yield "kind", kind, config.__module__
    for name in (*space.objectives, *space.constraints):
        if name in ADDED:
            yield "objective", name, ADDED[name].__module__


def _words(data: Any) -> Iterator[str]:
    """Every text in plain data."""
    if isinstance(data, str):
        yield data
    for one in data.values() if isinstance(data, dict) else data if isinstance(data, list) else ():
        yield from _words(one)
