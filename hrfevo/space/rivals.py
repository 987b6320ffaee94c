"""Whom winners are measured against: transformers, models of another mixer, or those of a recipe."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from signal_model.config import MixerConfig
from signal_model.support.errors import closest
from signal_model.support.files import expanded

TRANSFORMER = "transformer"
# What tables call the search's own.
OWN = ("search", "founder")
RECIPES = (".yaml", ".yml", ".json")


def is_recipe(told: str) -> bool:
    """Whether a rival is a recipe's file, rather than `transformer` or a kind of mixer."""
    return told.endswith(RECIPES)


def name_of(told: str) -> str:
    """What a rival is called in tables and folders: a recipe by its file's name."""
    return re.sub(r"[^\w.-]+", "-", Path(told).stem) if is_recipe(told) else told


def resolved(rivals: Sequence[str], base: Path) -> tuple[str, ...]:
    """The same with recipes' paths made absolute, so that they mean the same from any folder."""
    return tuple(str(base / expanded(told)) if is_recipe(told) else told for told in rivals)


def the(rival: str) -> str:
    """`the transformer`, `gated_delta`."""
    return f"the {rival}" if rival == TRANSFORMER else rival


def transformer_first(rival: str) -> tuple[bool, str]:
    """By what rivals are sorted: the transformer first, then by name."""
    return rival != TRANSFORMER, rival


def mixer_of(told: str) -> str:
    """The kind of mixer in all layers of a rival that is no recipe."""
    return "attention" if told == TRANSFORMER else told


def kinds() -> list[str]:
    """The rivals that are no recipes: transformers, and models of each other mixer."""
    return [TRANSFORMER, *(kind for kind in MixerConfig.kinds() if kind != mixer_of(TRANSFORMER))]


def acceptable(rivals: Sequence[str]) -> None:
    """Raises ValueError for a rival that is none, and for two of one name. Files are not read."""
    known = kinds()
    for told in rivals:
        if not is_recipe(told) and told not in known:
            accepted = f"{', '.join(known)}, or a recipe's file ({', '.join(RECIPES)})"
            raise ValueError(f"{told!r} is no rival{closest(told, known)}; accepted: {accepted}")
        if is_recipe(told) and name_of(told) in (taken := [*known, mixer_of(TRANSFORMER), *OWN]):
            raise ValueError(f"{told!r} would be called {name_of(told)!r}, as another is; accepted: names but {taken}")
    names = [name_of(told) for told in rivals]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ValueError(f"{twice!r} is the name of two rivals of {list(rivals)}; each needs its own")
