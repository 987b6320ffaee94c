"""Settings that a space fixes: nested as in a config, and none of them searched as well."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic_core import PydanticCustomError


def nested(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings themselves. Raises PydanticCustomError for a dotted name: those are of genes.

    Examples:
        >>> nested({"mixer.window": 16})
        Traceback (most recent call last):
            ...
        pydantic_core._pydantic_core.PydanticCustomError: fixed settings are nested; write mixer: {window: 16}
    """
    _refuse_dots(settings, ())
    return settings


def _refuse_dots(settings: Mapping[str, Any], place: tuple[str, ...]) -> None:
    for name, value in settings.items():
        if "." in str(name):
            outer, *inner = str(name).split(".")
            told = str(value)
            for part in reversed(inner):
                told = f"{{{part}: {told}}}"
            message = f"fixed settings are nested; write {outer}: {told}"
            raise PydanticCustomError("misfit", "{message}", {"place": (*place, name), "message": message})
        if isinstance(value, dict):
            _refuse_dots(value, (*place, str(name)))


def refuse_searched(settings: Any, place: tuple[str, ...], path: Sequence[str], gene: str) -> None:
    """Raise PydanticCustomError if the settings at `place` hold one at `path`, which `gene` decides."""
    for key in path:
        if not isinstance(settings, dict) or key not in settings:
            return
        settings = settings[key]
    message = f"is fixed here and searched as gene {gene}; remove one of the two"
    raise PydanticCustomError("misfit", "{message}", {"place": (*place, *path), "message": message})
