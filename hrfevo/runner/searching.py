"""A search and a confirmation from Python: what `hrfevo run` and `hrfevo confirm` do, each in one call."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from hrfevo.runner.loop import Observer
from hrfevo.runner.machinery import Machinery
from hrfevo.runner.products import present_search
from hrfevo.runner.start import Asked, start
from hrfevo.space.budget import overriding
from hrfevo.space.reading import load_space, parse_space
from hrfevo.space.search_space import NAME, NAME_IN_WORDS, SearchSpace
from hrfevo.store.run_folder import RunFolder
from hrfevo.store.started import Backend, Started
from hrfevo.views.notebook import Run
from signal_model.support.console import library_console
from signal_model.support.errors import InputError
from signal_model.support.files import explain, to_yaml
from signal_model.support.plugins import Names, use
from signal_model.support.settings import updated


def search(
    space: str | os.PathLike[str] | Mapping[str, Any],
    *,
    out: str | os.PathLike[str] = "runs",
    name: str | None = None,
    seed: int = 0,
    evaluations: int | None = None,
    trainings: float | None = None,
    minutes: float | None = None,
    training_minutes: float | None = None,
    overrides: str | Sequence[str] | Mapping[str, Any] = (),
    algorithm: str = "evolution",
    synchronous: bool = False,
    workers: int | None = None,
    backend: Backend = "ray",
    address: str | None = None,
    device: str = "auto",
    confirm: bool = True,
    observers: Sequence[Observer] = (),
    plugins: Names = (),
) -> Run:
    """Search a space, then train its winners again from scratch beside their rivals; returns the run.

    `space` is a file, a name of `hrfevo spaces`, or what a file would say. `evaluations`, `trainings`, in full
    trainings, `minutes` and `training_minutes` are its budget in place of the file's;
    `overrides` are `key=value`, one or several, or values by key. The run folder lies in `out`, called
    `name`, or after the space and the time; it is that of `hrfevo run`, so that every command takes it. `workers` at
    once train with the `backend` ray, of this machine or the cluster at `address`; `inline` trains one after another in
    this process. `observers` are told of every evaluation. `plugins` are modules, or files that end in `.py`, or one,
    with parts, objectives or algorithms of one's own; they stay in use in this process.

    How it ended is the run's `record.state` and `record.reason`. Raises InputError for what cannot be searched, and
    KeyboardInterrupt where it is interrupted: what had finished is kept, and `hrfevo resume` goes on.
    """
    if name is not None and not re.fullmatch(NAME, name):
        raise InputError(f"search: name {name!r}; accepted: {NAME_IN_WORDS}")
    use(plugins, "search: plugins")
    budget = {
        "evaluations": evaluations,
        "trainings": trainings,
        "minutes": minutes,
        "training_minutes": training_minutes,
    }
    told = [*_overriding(overrides), *overriding(budget)]
    read, text = _read(space, told)
    place = {"backend": backend, "workers": workers, "address": address, "device": device}
    machinery = _machinery("search", place)
    asked = Asked(read, text, tuple(told), seed, algorithm, synchronous, confirm=confirm, name=name)
    console = library_console()
    ending, folder = start(asked, Path(out), machinery, console, observers)
    if ending.interrupted:
        raise KeyboardInterrupt
    present_search(ending, folder, machinery.store, console)
    if ending.finished and confirm:
        from hrfevo.runner.confirmation import confirm_what_is_left

        if confirm_what_is_left(folder, True, machinery, console).interrupted:
            raise KeyboardInterrupt
    return Run.read(folder.path)


def confirm(
    run: Run | str | os.PathLike[str],
    *,
    top: int | None = None,
    seeds: int | None = None,
    steps: int | None = None,
    rivals: Sequence[str] | None = None,
    equal: Literal["seconds", "steps"] | None = None,
    workers: int | None = None,
    backend: Backend | None = None,
    address: str | None = None,
    device: str | None = None,
    plugins: Names = (),
) -> Run:
    """Train a run's winners again from scratch beside rivals, as `hrfevo confirm` does; returns the run as it is then.

    `run` is a run or its folder. What is not given is as in its space file and as the run was started. Seeds are added
    to those that are there. Raises InputError for a run that has nothing to confirm or is in hand, and
    KeyboardInterrupt where it is interrupted: what had finished is kept, and `hrfevo resume` goes on.
    """
    use(plugins, "confirm: plugins")
    folder = RunFolder.open(run.folder.path if isinstance(run, Run) else Path(run))
    given = {"top": top, "seeds": seeds, "steps": steps, "rivals": rivals, "equal": equal}
    changes = {name: value for name, value in given.items() if value is not None}
    options = updated(folder.space().confirm, changes, "confirm")
    started = folder.started.changed(backend=backend, workers=workers, address=address, device=device)
    machinery = _machinery("confirm", started.model_dump(include={"backend", "workers", "address", "device"}))

    from hrfevo.runner.confirmation import confirm as confirm_run

    if confirm_run(folder, options, machinery, library_console()).interrupted:
        raise KeyboardInterrupt
    return Run.read(folder.path)


def _overriding(told: str | Sequence[str] | Mapping[str, Any]) -> list[str]:
    """As `key=value`, values as YAML. Raises InputError for what cannot be written as that."""
    if not isinstance(told, Mapping):
        return [told] if isinstance(told, str) else [*told]
    try:
        return [f"{key}={json.dumps(value, ensure_ascii=False, default=os.fspath)}" for key, value in told.items()]
    except TypeError as error:
        raise InputError(f"search: overrides: {error}; accepted: text, numbers, lists and mappings of these") from None


def _read(space: str | os.PathLike[str] | Mapping[str, Any], overrides: Sequence[str]) -> tuple[SearchSpace, str]:
    if not isinstance(space, Mapping):
        return load_space(Path(space), overrides)
    text = to_yaml(dict(space))
    return parse_space(text, "space", overrides), text


def _machinery(whose: str, place: Mapping[str, Any]) -> Machinery:
    """Raises InputError, naming the function, for a place that is none."""
    try:
        told = Started.model_validate(place)
    except ValidationError as error:
        raise explain(error, whose) from None
    return Machinery(told.backend, told.workers, told.address, told.device)
