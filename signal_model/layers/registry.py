"""Which module builds which part: one table from config class to module class."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from torch import nn

from signal_model.config import ModelConfig
from signal_model.support.settings import Part

_M = TypeVar("_M", bound=type[nn.Module])
_MODULES: dict[type[Part], Callable[[Part, ModelConfig], nn.Module]] = {}


def implements(config: type[Part]) -> Callable[[_M], _M]:
    """Class decorator: the module is what `config` describes, constructed as `Module(config, model)`.

    Raises ValueError if the config already has a module: two for one kind would shadow each other.
    """

    def register(module: _M) -> _M:
        if config in _MODULES:
            raise ValueError(f"{config.__name__} already has a module, {_MODULES[config]!r}")
        _MODULES[config] = module
        return module

    return register


def build(config: Part, model: ModelConfig) -> nn.Module:
    """The module for one part of a model. Raises ImportError for a config whose module nobody has imported."""
    if type(config) not in _MODULES:
        raise ImportError(f"no module implements {type(config).__name__}; the file that has it must be imported")
    return _MODULES[type(config)](config, model)
