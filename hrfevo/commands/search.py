"""hrfevo run | resume | confirm."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hrfevo.commands.ending import exit_code, leave
from hrfevo.commands.options import (
    ALGORITHM_HELP,
    AddressOption,
    BackendOption,
    ConfirmOption,
    CorpusOption,
    LogOption,
    MinutesOption,
    RunArgument,
    RunDeviceOption,
    SpaceArgument,
    StorageOption,
    StoreOption,
    TrainingMinutesOption,
    TrainingsOption,
    WorkersOption,
    machinery_of,
    place_given,
)
from signal_model.support.console import PluginOption, new_console

if TYPE_CHECKING:
    from hrfevo.runner.machinery import Machinery
    from hrfevo.space.search_space import SearchSpace
    from hrfevo.store.run_folder import RunFolder

app = typer.Typer()


class ConfirmEqual(StrEnum):
    """What a transformer gets as much of as the search had."""

    seconds = "seconds"
    steps = "steps"


@app.command("run")
def run_command(
    space: SpaceArgument,
    out: Annotated[Path, typer.Option(help="Folder for run folders")] = Path("runs"),
    seed: Annotated[int, typer.Option(min=0, help="Everything random comes from it")] = 0,
    evaluations: Annotated[int | None, typer.Option(min=1, help="Budget, in place of the file's")] = None,
    trainings: TrainingsOption = None,
    minutes: MinutesOption = None,
    training_minutes: TrainingMinutesOption = None,
    workers: WorkersOption = None,
    backend: BackendOption = None,
    address: AddressOption = None,
    device: RunDeviceOption = None,
    algorithm: Annotated[str, typer.Option(help=ALGORITHM_HELP)] = "evolution",
    synchronous: Annotated[
        bool, typer.Option("--synchronous", help="Whole generations: the same front for any number of workers")
    ] = False,
    store: StoreOption = None,
    storage: StorageOption = None,
    set_: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override the file")] = None,
    from_: Annotated[
        list[Path] | None,
        typer.Option("--from", metavar="RUN", help="Know an earlier run's results, begin with its front; repeatable"),
    ] = None,
    confirm: ConfirmOption = None,
    log: LogOption = None,
    plugin: PluginOption = None,
) -> None:
    """Search a space, then train its winners again from scratch beside a transformer."""
    from hrfevo.space.budget import overriding
    from hrfevo.space.reading import load_space

    budget = _budget(evaluations, trainings, minutes, training_minutes)
    overrides = [*(set_ or []), *overriding(budget)]
    loaded, text = load_space(space, overrides)
    _require_winners(loaded, confirm)

    from hrfevo.runner.start import Asked, start
    from hrfevo.store.run_folder import RunFolder
    from hrfevo.store.started import Started

    started = Started().changed(**place_given(backend, workers, address, device, log), confirm=confirm)
    machinery = machinery_of(started, store, storage)
    console, earlier = new_console(), tuple(RunFolder.open(run) for run in from_ or [])
    asked = Asked(loaded, text, tuple(overrides), seed, algorithm, synchronous, earlier, started.confirm)
    ending, folder = start(asked, out, machinery, console)
    code = leave(ending, folder, machinery.store, console)
    raise typer.Exit(code or _confirm(folder, machinery, started.confirm))


@app.command()
def resume(
    folder: RunArgument,
    evaluations: Annotated[int | None, typer.Option(min=1, help="A new budget")] = None,
    trainings: TrainingsOption = None,
    minutes: MinutesOption = None,
    training_minutes: TrainingMinutesOption = None,
    workers: WorkersOption = None,
    backend: BackendOption = None,
    address: AddressOption = None,
    device: RunDeviceOption = None,
    store: StoreOption = None,
    storage: StorageOption = None,
    corpus: CorpusOption = None,
    confirm: ConfirmOption = None,
    log: LogOption = None,
    plugin: PluginOption = None,
) -> None:
    """Continue a run that was stopped or killed, as it was started; what had finished is not repeated."""
    from hrfevo.runner.start import resume as continue_run
    from hrfevo.store.run_folder import RunFolder

    run = RunFolder.open(folder)

    started = run.started.changed(**place_given(backend, workers, address, device, log), confirm=confirm)
    machinery = machinery_of(started, store, storage, corpus)
    _require_winners(run.space(), confirm)
    budget, console = _budget(evaluations, trainings, minutes, training_minutes), new_console()
    ending, run = continue_run(folder, budget, machinery, console, started.confirm)
    code = leave(ending, run, machinery.store, console)
    if confirm is False:  # one that was interrupted waits too
        raise typer.Exit(code)
    code = code or _confirm(run, machinery, started.confirm)
    raise typer.Exit(code or _scale(run, machinery))


@app.command("confirm")
def confirm_command(
    folder: RunArgument,
    top: Annotated[int | None, typer.Option(min=1, help="Winners; as in the space file unless given")] = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="Trainings of each")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Training steps")] = None,
    rival: Annotated[
        list[str] | None,
        typer.Option(
            help="Beside them: transformer, a kind of mixer, or a recipe's file; repeatable", show_default=False
        ),
    ] = None,
    no_baseline: Annotated[bool, typer.Option("--no-baseline", help="Without any rival beside them")] = False,
    equal: Annotated[
        ConfirmEqual | None, typer.Option(help="Of training, as many of which each rival is tuned for")
    ] = None,
    workers: WorkersOption = None,
    backend: BackendOption = None,
    address: AddressOption = None,
    device: RunDeviceOption = None,
    store: StoreOption = None,
    storage: StorageOption = None,
    corpus: CorpusOption = None,
    log: LogOption = None,
    plugin: PluginOption = None,
) -> None:
    """Train a run's winners again from scratch with fresh seeds, beside a transformer or other rivals tuned as long."""
    from hrfevo.space.rivals import resolved
    from hrfevo.store.run_folder import RunFolder
    from signal_model.support.errors import InputError
    from signal_model.support.settings import updated

    run = RunFolder.open(folder)
    if rival and no_baseline:
        raise InputError("--no-baseline: is for no rival at all; leave out --rival, or it")
    if equal and no_baseline:
        raise InputError(f"--equal {equal.value}: is what rivals are tuned for, and --no-baseline leaves them out")
    given: dict[str, Any] = {"top": top, "seeds": seeds, "steps": steps, "rivals": [] if no_baseline else rival or None}
    given["equal"] = equal.value if equal else None
    chosen = {name: value for name, value in given.items() if value is not None}
    options = updated(run.space().confirm, chosen, "--rival")
    options = options.model_copy(update={"rivals": resolved(options.rivals, Path.cwd())})

    from hrfevo.runner.confirmation import confirm

    started = run.started.changed(**place_given(backend, workers, address, device, log))
    ending = confirm(run, options, machinery_of(started, store, storage, corpus), new_console())
    raise typer.Exit(exit_code(ending))


def _require_winners(space: SearchSpace, confirm: bool | None) -> None:
    """Raise InputError where a confirmation is asked for, and the space has none."""
    from signal_model.support.errors import InputError

    if confirm and not space.confirm.top:
        raise InputError("--confirm: confirm.top of the space is 0; `hrfevo confirm` takes a number of winners, --top")


def _budget(
    evaluations: int | None, trainings: float | None, minutes: float | None, training_minutes: float | None
) -> dict[str, float]:
    """The limits of a budget that are given, by name."""
    given = {
        "evaluations": evaluations,
        "trainings": trainings,
        "minutes": minutes,
        "training_minutes": training_minutes,
    }
    return {name: limit for name, limit in given.items() if limit is not None}


def _confirm(run: RunFolder, machinery: Machinery, wanted: bool) -> int:
    """Confirm a search that has ended, as far as that is left to do; returns the exit code."""
    from hrfevo.algorithms.registry import algorithms

    if run.settings.algorithm not in algorithms() or run.settings.stage is not None:
        return 0
    from hrfevo.runner.confirmation import confirm_what_is_left

    return exit_code(confirm_what_is_left(run, wanted, machinery, new_console()))


def _scale(run: RunFolder, machinery: Machinery) -> int:
    """Go on with a ladder of sizes that was interrupted, if there is one; returns the exit code."""
    from hrfevo.commands.scaling import print_scaling
    from hrfevo.runner.scaling import Asked, is_left, scale

    if not is_left(run):
        return 0
    console = new_console()
    ending, found = scale(run, Asked(), machinery, console)
    if found is not None:
        print_scaling(found, console)
    return exit_code(ending)
