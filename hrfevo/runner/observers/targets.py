"""`--log NAME` and `--log NAME=WHERE`: which loggers a search has, and where they write."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args
from urllib.parse import urlsplit, urlunsplit

from rich.console import Console

from hrfevo.runner.loop import Observer
from hrfevo.space.search_space import SearchSpace
from hrfevo.store.database import without_password
from hrfevo.store.run_folder import RunFolder
from hrfevo.store.store import Store
from signal_model.support.errors import InputError, closest

Name = Literal["tensorboard", "mlflow", "wandb"]
NAMES: tuple[Name, ...] = get_args(Name)
NONE = "none"  # of them
EVENTS = "tensorboard"  # in the run folder, unless told otherwise


@dataclass(frozen=True)
class Target:
    """A logger that was asked for; `where` is a folder of TensorBoard's, an address of MLflow's, a project of W&B's."""

    name: Name
    where: str | None = None

    @property
    def text(self) -> str:
        """As `--log` takes it, so that it means the same from any folder; without a password."""
        return self.name if self.where is None else f"{self.name}={self._absolute(self.where)}"

    def _absolute(self, where: str) -> str:
        if self.name == "wandb":
            return where
        if where.startswith("sqlite:"):
            return without_password(where)
        if "://" not in where:
            return str(Path(where).absolute()) if self.name == "tensorboard" or os.sep in where else where
        parts = urlsplit(where)
        return urlunsplit(
            parts._replace(netloc=f"{parts.username or ''}@{parts.netloc.rpartition('@')[2]}".lstrip("@"))
        )

    def check(self) -> None:
        """Raises InputError if its package is missing or it cannot write there."""
        from hrfevo.runner.observers import mlflow_log, tensorboard_log, wandb_log

        if self.name == "mlflow":
            mlflow_log.check(self.where)
        elif self.name == "wandb":
            wandb_log.check(self.where)
        else:
            tensorboard_log.check(Path(self.where) if self.where else None)


def parse_targets(texts: Sequence[str]) -> tuple[Target, ...]:
    """What `--log` was given. Raises InputError for a name that is none, or is given twice."""
    targets: dict[str, Target] = {}
    if [*texts] == [NONE]:
        return ()
    for text in texts:
        name, given, where = text.partition("=")
        if name not in NAMES:
            raise InputError(
                f"--log {text}: no such logger{closest(name, NAMES)}; accepted: {', '.join((*NAMES, NONE))}"
            )
        if name in targets:
            raise InputError(f"--log {text}: {name} is given twice")
        if given and not where:
            raise InputError(f"--log {text}: says no place; leave out the = for the usual one")
        targets[name] = Target(name, where or None)
    return tuple(targets.values())


@contextmanager
def open_logs(
    targets: Sequence[Target], folder: RunFolder, space: SearchSpace, store: Store, console: Console
) -> Iterator[list[Observer]]:
    """An observer for each target that can be opened; of one that cannot, this is said and the search goes on."""
    from hrfevo.runner.observers.base import Logger, LogObserver, ended_before, failure, go_without
    from hrfevo.runner.observers.mlflow_log import MLflow
    from hrfevo.runner.observers.tensorboard_log import TensorBoard
    from hrfevo.runner.observers.wandb_log import WandB

    with ExitStack() as stack:
        observers: list[Observer] = []
        for target in targets:
            logger: Logger
            try:
                if target.name == "mlflow":
                    logger = MLflow(target.where, folder, space)
                elif target.name == "wandb":
                    logger = WandB(target.where, folder, space)
                else:
                    logger = TensorBoard(Path(target.where or folder.path / EVENTS), space)
            except Exception as error:
                go_without(target.name, failure(error), console)
                continue
            before = ended_before(store, folder.id)
            observers.append(stack.enter_context(LogObserver(target.name, logger, space, before, console)))
        yield observers
