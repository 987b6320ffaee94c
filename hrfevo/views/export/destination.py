"""Where an export goes: never over something unasked, and there as a whole or not at all."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from signal_model.support.errors import InputError
from signal_model.support.files import is_stream, write_atomically


def refuse_occupied(path: Path, overwrite: bool, files: Collection[str] = ()) -> None:
    """Raise InputError where writing a file, or a folder of these `files`, would lose something.

    A folder is replaced only if it holds nothing but such files: a wrong path must not empty a home.
    """
    if not path.exists() or (not files and is_stream(path)):
        return
    if not overwrite:
        raise InputError(f"{path}: exists; name another {'folder' if files else 'file'} or add --overwrite")
    if path.is_dir() != bool(files):
        raise InputError(f"{path}: is a {'folder' if path.is_dir() else 'file'}; name another path")
    foreign = sorted({entry.name for entry in path.iterdir()} - {*files}) if files else []
    if foreign:
        raise InputError(f"{path}: holds {foreign[0]}, which this export does not write; name another folder")


def say_beside(path: Path, text: str) -> None:
    """Print a line, but not into what was written to `path`, should that be standard output."""
    print(text, file=sys.stderr if is_stream(path) else sys.stdout)


def write_file(path: Path, content: str | bytes) -> None:
    """Write a file atomically. Raises InputError where that cannot be."""
    try:
        write_atomically(path, content)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from None


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A folder to write into, which takes the place of `path` when all is written, and else is removed.

    Raises InputError where it cannot be made.
    """
    path = path.resolve()
    with _beside(path) as stage:
        whole = stage / "new"
        whole.mkdir()
        yield whole
        if path.exists():
            path.replace(stage / "old")
        whole.replace(path)


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """As `new_folder`, a path to write a file to."""
    path = path.resolve()
    with _beside(path) as stage:
        yield stage / path.name
        (stage / path.name).replace(path)


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """A folder for parts, on the same disk as `path`, so that a move is one step."""
    stage = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        stage = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
        yield stage
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror or error}") from None
    finally:
        if stage is not None:
            shutil.rmtree(stage, ignore_errors=True)
