"""Trainings that wait for promotion, kept between rungs where every worker finds them.

A place is a path, or a URL of one of fsspec's file systems (`s3://bucket/hrfevo`, `gs://…`, `sftp://…`), which every
node reaches with credentials of its own.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Set
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import fsspec
from fsspec.implementations.local import LocalFileSystem

from signal_model.support.errors import InputError, one_line

_GENOME = re.compile("[0-9a-f]{12}")


class Trainings(Protocol):
    """Where trainings wait for promotion: in files, or only said to, in a simulation."""

    def of(self, genome: str) -> str:
        """Where the training of the genome with this id is kept."""

    def keep_only(self, genomes: Set[str]) -> None:
        """Remove the trainings of all others. One that is wanted again later begins at its first step."""


class Checkpoints:
    """One folder per genome below the place `where`, which the evaluations of the genome share.

    Raises InputError if that place cannot be had.
    """

    def __init__(self, where: str) -> None:
        self._where = where
        try:
            self._files, self._root = _opened(where)
            with _as_os_error(where):
                self._files.makedirs(self._root, exist_ok=True)
                # Only what bears a genome's id is ours to remove, whoever made this folder.
                self._kept = {name for name in _names(self._files, self._root) if _GENOME.fullmatch(name)}
        except OSError as error:
            raise InputError(f"--storage {error}") from None

    def of(self, genome: str) -> str:
        """Where the training of the genome with this id is kept."""
        self._kept.add(genome)
        return f"{self._where}/{genome}"

    def keep_only(self, genomes: Set[str]) -> None:
        """Remove the trainings of all others. One that is wanted again later begins at its first step."""
        for genome in self._kept - genomes:
            # What cannot be removed now is tried again the next time.
            with suppress(Exception):
                with suppress(FileNotFoundError):
                    self._files.rm(f"{self._root}/{genome}", recursive=True)
                self._kept.remove(genome)


def storage_place(storage: str) -> str:
    """A place as it may be written down, relative paths made absolute.

    Raises InputError for an unknown kind of URL, and for one with a password in it.
    """
    if not storage:
        raise InputError("--storage: is empty; accepted: a path or a URL that fsspec opens")
    if "://" not in storage and "::" not in storage:
        return str(Path(storage).absolute())
    if urlsplit(storage).password:
        raise InputError("--storage: is written down, so no passwords: give it by fsspec's configuration files")
    try:
        fsspec.core.url_to_fs(storage)
    except Exception as error:
        raise InputError(
            f"--storage {storage}: {one_line(error)}; accepted: a path or a URL that fsspec opens"
        ) from None
    return storage.rstrip("/")


@contextmanager
def fetched(place: str) -> Iterator[Path]:
    """The folder at a place: itself if it is on this machine, else a copy. Empty where there is none.

    Raises OSError if it cannot be copied.
    """
    files, path = _opened(place)
    if isinstance(files, LocalFileSystem):
        yield Path(path)
        return
    with tempfile.TemporaryDirectory() as copy:
        with _as_os_error(place):
            for name in _names(files, path):
                files.get_file(f"{path}/{name}", f"{copy}/{name}")
        yield Path(copy)


@contextmanager
def kept_at(place: str) -> Iterator[Path]:
    """A folder whose files are at that place when the context ends. Raises OSError if they cannot be put there.

    A file that is cut off on its way is seen to be damaged when it is read.
    """
    files, path = _opened(place)
    if isinstance(files, LocalFileSystem):
        Path(path).mkdir(parents=True, exist_ok=True)
        yield Path(path)
        return
    with tempfile.TemporaryDirectory() as copy:
        yield Path(copy)
        with _as_os_error(place):
            files.makedirs(path, exist_ok=True)
            for file in Path(copy).iterdir():
                files.put_file(str(file), f"{path}/{file.name}")


def _opened(place: str) -> tuple[Any, str]:
    with _as_os_error(place):
        files, path = fsspec.core.url_to_fs(place)
        files.invalidate_cache()  # another worker may have written there since
        return files, path


def _names(files: Any, path: str) -> set[str]:
    """What is in a folder. Some file systems list whole paths, some names, and object stores such as S3 know of no
    folder before something is in it."""
    try:
        return {entry.rstrip("/").rpartition("/")[2] for entry in files.ls(path, detail=False)}
    except FileNotFoundError:
        return set()


@contextmanager
def _as_os_error(place: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        # File systems raise errors of many packages.
        raise OSError(f"{place}: {type(error).__name__}: {one_line(error)}") from error
