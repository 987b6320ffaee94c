"""What paths, and the names of data sets, stand for."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from signal_model.config.corpus import SPLITS, LoadedConfig
from signal_model.support.errors import InputError
from signal_model.support.files import expanded

_Read = TypeVar("_Read")


def in_a_tuple(paths: str | tuple[str, ...]) -> tuple[str, ...]:
    """One path, or several, as several."""
    return (paths,) if isinstance(paths, str) else paths


def files_at(given: str, key: str) -> list[Path]:
    """The files that a path or glob stands for, in order; of a folder those at any depth that are not hidden.

    Links to folders are not followed. Raises InputError, naming the `key` of the path, if there is none, and for a link
    whose file is not there, as of data that has been listed and not yet fetched.
    """
    path = expanded(given)
    if path.is_dir():
        matches = files_under(path, lambda name: name.startswith("."))
    else:
        matches = iter([path]) if path.exists() else map(Path, glob.iglob(str(path), recursive=True))
    found = []
    for match in matches:
        if match.is_file():
            found.append(match)
        elif match.is_symlink() and not match.exists():
            raise InputError(f"{key}: {match}: is a link to {os.readlink(match)}, which is not there")
    if not found:
        where = "" if path.is_absolute() else f" (looked in {Path.cwd()})"
        problem = "holds no file" if path.is_dir() else f"no such file, and as a glob it matches none{where}"
        raise InputError(f"{key}: {given}: {problem}")
    return sorted(found)


def read_files(paths: Sequence[str], key: str, read: Callable[[Path], Iterable[_Read]]) -> list[tuple[Path, _Read]]:
    """What is read of all files of paths, each with its file. Raises InputError for what there is not, or cannot be."""
    found: list[tuple[Path, _Read]] = []
    for given in paths:
        try:
            for file in files_at(given, key):
                found += ((file, one) for one in read(file))
        except OSError as error:
            raise InputError(f"{key}: {error.filename or given}: cannot be read: {error.strerror or error}") from None
    return found


def require_all_splits(paths: Mapping[Any, Any], key: str) -> None:
    """Raise InputError for paths by split that leave one out."""
    if missing := [name for name in SPLITS if name not in paths]:
        raise InputError(f"{key}: train, validation and test are all needed, {' and '.join(missing)} missing")


def files_under(root: Path, is_left_out: Callable[[str], bool]) -> Iterator[Path]:
    """Whatever is no folder, at any depth, except where its name or that of a folder on the way is left out."""

    def fail(error: OSError) -> None:
        raise error

    for folder, folders, names in os.walk(root, onerror=fail):
        folders[:] = [name for name in folders if not is_left_out(name)]
        yield from (Path(folder) / name for name in names if not is_left_out(name))


def loaded_rows(corpus: LoadedConfig, what: str) -> dict[str, Any]:
    """The rows of each split of a data set, as `datasets` has them. Raises InputError with what `datasets` says.

    A split may be called whatever `datasets` takes for it in the names of files, such as `dev` for validation.
    """
    import datasets
    from datasets.data_files import SPLIT_KEYWORDS

    folder = expanded(corpus.dataset)
    place = str(folder) if folder.exists() else corpus.dataset
    if folder.is_file():
        key = corpus.keys[-1] if corpus.keys[-1] != "dataset" else "path"
        raise InputError(f"{what}: is a file, not a data set; as a file it is read by `{key}: {corpus.dataset}`")
    if corpus.is_local and not folder.exists():
        raise InputError(f"{what}: there is no such folder")
    try:
        if (folder / "dataset_dict.json").exists() or (folder / "state.json").exists():
            loaded = datasets.load_from_disk(place)
        else:
            is_text = datasets.load_dataset_builder(place, corpus.config).name == "text"
            options = {"sample_by": "document"} if is_text else {}
            loaded = datasets.load_dataset(place, corpus.config, **options)
    except Exception as error:  # of any of a dozen libraries, and always about this data set
        because = f": {error.__cause__}" if error.__cause__ else ""
        problem = " ".join(f"{error}{because}".split())
        raise InputError(f"{what}: cannot be loaded: {problem[:300]}") from error
    parts = loaded if isinstance(loaded, dict) else {"train": loaded}
    called = {name: next((word for word in SPLIT_KEYWORDS[name] if word in parts), None) for name in SPLITS}
    if called["train"] is None:
        raise InputError(f"{what}: there is no train split; there is {', '.join(map(str, parts))}")
    return {name: parts[own] for name, own in called.items() if own is not None}
