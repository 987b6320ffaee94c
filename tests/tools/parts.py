"""Which parts the library itself has."""

from __future__ import annotations

from signal_model.support.settings import Part


def built_in(part: type[Part]) -> dict[str, type[Part]]:
    """The kinds of a part, by name, without those of plugins and of tests."""
    return {name: kind for name, kind in part.kinds().items() if kind.__module__.startswith("signal_model.")}
