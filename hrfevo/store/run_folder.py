"""The folder of a run: what it was started with, its store, its report, its best model."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hrfevo.space.reading import parse_space, read_space
from hrfevo.space.rivals import resolved
from hrfevo.space.search_space import SearchSpace
from hrfevo.store.database import sqlite_url, without_password
from hrfevo.store.records import Evaluation, RunRecord, State
from hrfevo.store.settings import RunSettings, hash_of
from hrfevo.store.started import Started
from hrfevo.store.store import Store
from hrfevo.store.versions import absent_plugins
from signal_model.support.errors import InputError, listed
from signal_model.support.files import read_text, write_atomically, write_json
from signal_model.support.plugins import command, use_again

RUN_FILE, SPACE_FILE, DATABASE, BEGAN_FILE = "run.json", "space.yaml", "results.db", ".began"
PAUSED_FILE = ".paused"
CHECKPOINTS = "checkpoints"
LOCK_FILE, LOCK_ATTEMPTS = ".lock", 5
# Of file systems that lock no files, such as Lustre without its mount option `flock`.
NO_LOCKS = (errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK)
# What the run was told of earlier ones, where it was.
EARLIER_FILE = "earlier.json"
SPACE_HASH = "space_hash"


@dataclass(frozen=True)
class RunFolder:
    """A run on disk. `settings` is what `run.json` says."""

    path: Path
    settings: RunSettings

    @classmethod
    def create(
        cls,
        parent: Path,
        space: SearchSpace,
        text: str,
        settings: RunSettings,
        store: str | None = None,
        name: str | None = None,
        earlier: str | None = None,
    ) -> RunFolder:
        """A new folder with the space as it was written, and `run.json`; NAME-TIMESTAMP unless it has a name.

        One with a name may have been begun by a process that was killed before it was a run.

        `earlier` is what it is told of earlier runs, as JSON.
        """
        settings = settings.changed(store=_written(store))
        if earlier is not None:
            settings = settings.changed(earlier_hash=hash_of(earlier))
        path = _new_folder(parent, name) if name else stamped_folder(parent, space.name)
        if path is None:
            path = parent / str(name)
            if not _is_unfinished(path):
                raise InputError(f"{path}: is there, and is no run; move it away to have one made anew")
        try:
            write_atomically(path / SPACE_FILE, text)
            if earlier is not None:
                write_atomically(path / EARLIER_FILE, earlier)
            write_json(path / RUN_FILE, settings.to_dict())
        except OSError as error:
            shutil.rmtree(path, ignore_errors=True)  # it is no run yet
            raise InputError(f"--out {parent}: {error.filename or path}: {error.strerror}") from None
        return cls(path, settings)

    @staticmethod
    def refuse_unwritable(parent: Path, option: str = "--out") -> None:
        """Raise InputError if no run folder can be made in `parent`, before much is done that would be in vain."""
        there = next(place for place in (parent.absolute(), *parent.absolute().parents) if place.exists())
        if not there.is_dir():
            raise InputError(f"{option} {parent}: {there} is not a folder")
        if not os.access(there, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
            raise InputError(f"{option} {parent}: {there} may not be written to")

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """Raises InputError if `path` is no run folder."""
        for file in (path / SPACE_FILE, path / DATABASE, path / LOCK_FILE, path / EARLIER_FILE):
            # A pipe would be waited for without end; a lock that lies elsewhere is another's.
            if (file.exists() and not file.is_file()) or (file.name == LOCK_FILE and file.is_symlink()):
                raise InputError(f"{file}: is no regular file")
        settings = RunSettings.read(_read_settings(path), path / RUN_FILE)
        if settings.space_hash is None:
            raise InputError(f"{path}: was written by an earlier hrfevo; first: {command('hrfevo', 'migrate', path)}")
        use_again(settings.started.plugins, path)
        return cls(path, settings)

    @property
    def id(self) -> str:
        """The run's key in its store."""
        return self.settings.id

    @property
    def started(self) -> Started:
        """How it was started, or went on last; the usual for a run of before this was kept."""
        return self.settings.started

    def space_text(self) -> str:
        """The search space file as it was when the run began. Raises InputError if it has changed."""
        return self._text(SPACE_FILE, self.settings.space_hash)

    def earlier_text(self) -> str | None:
        """What the run was told of earlier ones, None if nothing. Raises InputError if that has changed."""
        told = self.settings.earlier_hash
        return self._text(EARLIER_FILE, told) if told else None

    def _text(self, file: str, expected: str | None) -> str:
        path = self.path / file
        text = read_text(path)
        if hash_of(text) != expected:
            raise InputError(f"{path}: has changed since the run began; its results are about what it said then")
        return text

    def space(self) -> SearchSpace:
        """The space it searches, overrides applied, paths as they were meant where it was started."""
        # Its genes were tried when it began. Without a plugin that was there then, who knows what they name?
        absent = absent_plugins(self.settings.versions)
        try:
            read = parse_space if absent else read_space
            space = read(self.space_text(), str(self.path / SPACE_FILE), self.settings.overrides)
        except InputError as error:
            if not absent:
                raise
            told = f"was made with plugin {listed(absent)}, which is not installed here"
            raise InputError(f"{self.path}: {told}: {error}") from None
        base = Path(self.settings.directory)
        confirm = space.confirm.model_copy(update={"rivals": resolved(space.confirm.rivals, base)})
        return space.model_copy(update={"confirm": confirm, "corpus": space.corpus.resolved(base)})

    def overridden(self, override: str) -> RunFolder:
        """The same run with one more `key=value`, in place of an earlier one of that key, from now on."""
        key, _, _ = override.partition("=")
        others = [earlier for earlier in self.settings.overrides if not earlier.startswith(f"{key}=")]
        return self._changed(overrides=(*others, override))

    def kept_in(self, store: str) -> RunFolder:
        """The same run with its results in another store, from now on: one that has not begun."""
        return self._changed(store=_written(store))

    def going_on(self, started: Started, storage: str | None) -> RunFolder:
        """The same run in another place or with other company, from now on; trainings in another storage if given."""
        return self._changed(started=started, storage=self.settings.storage if storage is None else storage)

    def _changed(self, **settings: Any) -> RunFolder:
        changed = RunFolder(self.path, self.settings.changed(**settings))
        if changed.settings == self.settings:
            return self
        write_json(self.path / RUN_FILE, changed.settings.to_dict())
        return changed

    def locked(self, what: str = "") -> AbstractContextManager[None]:
        """Only one search at a time writes to a run, and `what` is made of it once at a time: `scaled`, `confirmed`.

        Raises InputError if another process does.
        """
        return locked(self.path, what)

    @property
    def in_hand(self) -> bool:
        """Whether a process is searching here now, on this machine or on one that shares the folder."""
        try:
            with open(self.path / LOCK_FILE) as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
        return False

    def pause(self, reason: str) -> None:
        """Note beside the store, which may be what is away, why a search waits; an empty reason ends the pause."""
        with suppress(OSError):  # a disk that is full is told of by the search alone
            if reason:
                (self.path / PAUSED_FILE).write_text(reason, encoding="utf-8")
            else:
                (self.path / PAUSED_FILE).unlink(missing_ok=True)

    @property
    def paused(self) -> str:
        """Why the search that is running here waits; empty if it does not."""
        try:
            return (self.path / PAUSED_FILE).read_text(encoding="utf-8", errors="replace") if self.in_hand else ""
        except OSError:
            return ""

    def state(self, told: State) -> State:
        """What the run is, given what its store was told last: one that runs in nobody's hand has crashed."""
        return "crashed" if told == "running" and not self.in_hand else told

    def open_store(self, url: str | None = None, create: bool = False) -> Store:
        """Its store: `url` if given (needed again where it holds a password), else the one of `run.json`."""
        if url is None and not create and not self.settings.store and not (self.path / DATABASE).is_file():
            if not self.began:
                raise InputError(f"{self.path}: has no results yet (no {DATABASE} in it)")
            otherwise = "move the folder away, and it is trained again" if self.settings.stage else "begin another run"
            raise InputError(
                f"{self.path}: its results are gone (no {DATABASE} in it); put the file back, or {otherwise}"
            )
        return Store(url or self.store_url(), create)

    def evaluations(self) -> list[Evaluation]:
        """What its own store has now; nothing before it has begun."""
        if not self.began:
            return []
        with closing(self.open_store()) as store:
            return store.evaluations(self.id)

    def store_url(self) -> str:
        """Where `run.json` says that its results are, without the password if there is one."""
        return self.settings.store or sqlite_url(self.path / DATABASE)

    def checkpoints(self, storage: str | None = None) -> str:
        """Where its trainings are kept between rungs: below `storage` if given, else where `run.json` says."""
        where = storage or self.settings.storage
        return f"{where}/{self.id}" if where else str(self.path.absolute() / CHECKPOINTS)

    @property
    def began(self) -> bool:
        """Whether the run has been entered into its store."""
        return (self.path / BEGAN_FILE).exists()

    def begin(self, store: Store) -> None:
        """Enter the run into its store, and note that it is there."""
        store.create_run(self.id, self.path.name, self.settings.to_dict())
        (self.path / BEGAN_FILE).touch()

    def record(self, store: Store) -> RunRecord:
        """The run as its store knows it, or as crashed."""
        run = store.run(self.id)
        return replace(run, state=self.state(run.state))


@contextmanager
def locked(path: Path, what: str = "") -> Iterator[None]:
    """Only one process at a time makes `what` of a folder, else a search. Raises InputError if another does."""
    with open(path / f"{LOCK_FILE}{what and '-'}{what}", "a") as file:
        # Whoever only asks whether it is locked holds it for a moment, too.
        for patience in range(LOCK_ATTEMPTS, -1, -1):
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not patience:
                    held = "another hrfevo is running this search"
                    being = f"is being {what}; wait until that has ended, or stop it"
                    raise InputError(f"{path}: {being if what else held}") from None
                time.sleep(0.1)
            except OSError as error:
                if error.errno not in NO_LOCKS:
                    raise
                # Without locks two searches might write to one run.
                problem = f"its file system locks no files ({error.strerror})"
                raise InputError(f"{path}: {problem}; choose a folder on another one") from None
        yield


def stamped_folder(parent: Path, name: str, option: str = "--out") -> Path:
    """A new folder NAME-TIMESTAMP, with a number where that is taken.

    Raises InputError, naming the option that says where, if none can be made.
    """
    stamped = f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"
    names = (stamped, *(f"{stamped}-{attempt}" for attempt in range(2, 101)))
    tried = (_new_folder(parent, one, option) for one in names)
    path = next(filter(None, tried), None)
    if path is None:
        raise InputError(f"{option} {parent}: cannot make a new folder there")
    return path


def _new_folder(parent: Path, name: str, option: str = "--out") -> Path | None:
    """None where there is one of this name. Raises InputError where none can be made."""
    path = parent / name
    try:
        path.mkdir(parents=True)
    except FileExistsError:
        if not parent.is_dir():
            raise InputError(f"{option} {parent}: is not a folder") from None
        return None
    except OSError as error:
        raise InputError(f"{option} {parent}: cannot make a folder there: {error.strerror}") from None
    return path


def _is_unfinished(path: Path) -> bool:
    """Whether a folder holds nothing but what is written before it is a run."""
    own = (SPACE_FILE, EARLIER_FILE)
    begun = tuple(f".{name}." for name in (*own, RUN_FILE))  # of `write_atomically`
    return path.is_dir() and all(one.name in own or one.name.startswith(begun) for one in path.iterdir())


def bring_up_to_date(path: Path) -> None:
    """Add to `run.json` what the first hrfevo did not write: which space it was begun with, and that it has begun.

    Raises InputError for what is no run folder.
    """
    settings = _read_settings(path)
    if SPACE_HASH not in settings:
        write_json(path / RUN_FILE, settings | {SPACE_HASH: hash_of(read_text(path / SPACE_FILE))})
        (path / BEGAN_FILE).touch()


def _read_settings(path: Path) -> dict[str, Any]:
    """What a run's `run.json` says. Raises InputError where there is none, or no JSON of a mapping in it."""
    file = path / RUN_FILE
    if not path.is_dir():
        raise InputError(f"{path}: no such run folder")
    if not file.is_file():
        raise InputError(f"{path}: is not a run folder (no {RUN_FILE} in it)")
    try:
        settings = json.loads(read_text(file))
    except json.JSONDecodeError as error:
        raise InputError(f"{file}:{error.lineno}: not valid JSON: {error.msg}") from None
    except RecursionError:
        raise InputError(f"{file}: not valid JSON: nested too deep") from None
    if not isinstance(settings, dict):
        raise InputError(f"{file}: expected a mapping of settings, got {type(settings).__name__}")
    return settings


def _written(store: str | None) -> str | None:
    return without_password(store) if store is not None else None


def find_runs(parent: Path) -> list[Path]:
    """Run folders directly inside `parent`, newest first."""
    if not parent.is_dir():
        raise InputError(f"{parent}: no such folder")
    return sorted((path.parent for path in parent.glob(f"*/{RUN_FILE}")), key=lambda p: p.name, reverse=True)
