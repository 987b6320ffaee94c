"""The search spaces that come with the package: found by name, from any folder."""

from __future__ import annotations

from pathlib import Path

from signal_model.support.errors import InputError, closest

_PACKAGE = Path(__file__).parents[1]
# Installed, they lie in the package; in a clone, beside it.
_FOLDERS = (_PACKAGE / "search_spaces", _PACKAGE.parent / "search_spaces")


def shipped_spaces() -> dict[str, Path]:
    """Files of the search spaces that come with the package, by name, in alphabetical order."""
    folder = next(folder for folder in _FOLDERS if folder.is_dir())
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def find_space(name: Path | str) -> Path:
    """The file of a space: `name` itself if there is such a path, else the shipped space of that name.

    Raises InputError naming those that there are.
    """
    path = Path(name)
    return path if path.exists() else shipped_space(str(name), "file or search space")


def shipped_space(name: str, kind: str = "search space") -> Path:
    """The file of the shipped space of that name; a `kind` is what else the name might have been.

    Raises InputError naming those that there are.
    """
    shipped = shipped_spaces()
    if name not in shipped:
        raise InputError(f"{name}: no such {kind}{closest(name, shipped)}; accepted: {', '.join(shipped)}")
    return shipped[name]
