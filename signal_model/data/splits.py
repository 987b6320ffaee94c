"""Splits where a source has none of its own: dealt out by what is in it, never through the middle of anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from signal_model.support.errors import InputError

# Of all that there is, for each split that is carved out.
SHARE = 1 / 20
_Key = TypeVar("_Key")


def carve(
    sizes: Mapping[_Key, int], names: Sequence[str], what: str, remedy: str, noun: str = "document"
) -> dict[str, list[_Key]]:
    """Take 5 % of the whole for each of `names`; the rest is for training. Keys by split, in the order given.

    A key goes to the split that has most room left, if that brings it closer to its 5 %, or else to training. A split
    that is empty then gets the key whose size is nearest to its 5 %. Raises InputError for too few keys, naming
    `what`, the `noun` and the `remedy`.
    """
    if len(sizes) <= len(names):
        raise InputError(f"{what}: too few distinct {noun}s to split by {noun} ({len(sizes)}); {remedy}")
    if not names:
        return {"train": [*sizes]}
    share = sum(sizes.values()) * SHARE
    room = dict.fromkeys(names, share)
    parts: dict[str, list[_Key]] = {"train": [], **{name: [] for name in names}}
    for key, size in sizes.items():
        emptiest = max(names, key=room.__getitem__)
        if size < 2 * room[emptiest]:
            room[emptiest] -= size
            parts[emptiest].append(key)
        else:
            parts["train"].append(key)
    for name in names:
        if not parts[name]:
            nearest = min(parts["train"], key=lambda key: abs(sizes[key] - share))
            parts["train"].remove(nearest)
            parts[name].append(nearest)
    return parts
