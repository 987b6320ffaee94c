"""hrfevo run | resume | confirm."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hrfevo.commands.options import (
    ALGORITHM_HELP,
    AddressOption,
    Backend,
    BackendOption,
    CorpusOption,
    DeviceOption,
    LogOption,
    NoConfirmOption,
    RunArgument,
    StorageOption,
    StoreOption,
    TrainingsOption,
    WorkersOption,
)
from signal_model.console import new_console

if TYPE_CHECKING:
    from hrfevo.driver import Machinery

app = typer.Typer()


class ConfirmEqual(StrEnum):
    """What a transformer gets as much of as the search had."""

    seconds = "seconds"
    steps = "steps"


@app.command("run")
def run_command(
    space: Annotated[Path, typer.Argument(metavar="SPACE", help="A search space file")],
    out: Annotated[Path, typer.Option(help="Folder for run folders")] = Path("runs"),
    seed: Annotated[int, typer.Option(min=0, help="Everything random comes from it")] = 0,
    evaluations: Annotated[int | None, typer.Option(min=1, help="Budget, in place of the file's")] = None,
    trainings: TrainingsOption = None,
    workers: WorkersOption = None,
    backend: BackendOption = Backend.ray,
    address: AddressOption = None,
    device: DeviceOption = "auto",
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
    no_confirm: NoConfirmOption = False,
    log: LogOption = None,
) -> None:
    """Search a space, then train its winners again from scratch beside a transformer."""
    from hrfevo.validation import load_space

    overrides = [*(set_ or []), *_limits(evaluations, trainings)]
    loaded, text = load_space(space, overrides)

    from hrfevo.driver import start
    from hrfevo.run_folder import RunFolder

    machinery = _machinery(backend, workers, address, device, store, storage, log)
    console = new_console()
    earlier = [RunFolder.open(run) for run in from_ or []]
    code, folder = start(
        loaded,
        text,
        parent=out,
        seed=seed,
        algorithm=algorithm,
        synchronous=synchronous,
        overrides=overrides,
        machinery=machinery,
        console=console,
        earlier=earlier,
    )
    if not code and not no_confirm and loaded.confirm.top:
        from hrfevo.confirmation import confirm

        code = confirm(folder, loaded.confirm, machinery, console)
    raise typer.Exit(code)


@app.command()
def resume(
    folder: RunArgument,
    evaluations: Annotated[int | None, typer.Option(min=1, help="A new budget")] = None,
    trainings: TrainingsOption = None,
    workers: WorkersOption = None,
    backend: BackendOption = Backend.ray,
    address: AddressOption = None,
    device: DeviceOption = "auto",
    store: StoreOption = None,
    storage: StorageOption = None,
    corpus: CorpusOption = None,
    no_confirm: NoConfirmOption = False,
    log: LogOption = None,
) -> None:
    """Continue a run that was stopped or killed; what had finished is not repeated."""
    from hrfevo.run_folder import RunFolder

    RunFolder.open(folder)

    from hrfevo.algorithms import ALGORITHMS
    from hrfevo.driver import resume as continue_run

    machinery = _machinery(backend, workers, address, device, store, storage, log, corpus)
    console = new_console()
    code = continue_run(folder, evaluations, machinery, console, trainings)
    run = RunFolder.open(folder)
    a_search = run.settings["algorithm"] in ALGORITHMS and "stage" not in run.settings
    if not code and a_search and not no_confirm and (options := run.space().confirm).top:
        from hrfevo.confirmation import confirm

        code = confirm(run, options, machinery, console)
    raise typer.Exit(code)


@app.command("confirm")
def confirm_command(
    folder: RunArgument,
    top: Annotated[int | None, typer.Option(min=1, help="Winners; as in the space file unless given")] = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="Trainings of each")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Training steps")] = None,
    no_baseline: Annotated[bool, typer.Option("--no-baseline", help="Without a transformer beside them")] = False,
    equal: Annotated[
        ConfirmEqual | None, typer.Option(help="Of training, as many of which the transformer is tuned for")
    ] = None,
    workers: WorkersOption = None,
    backend: BackendOption = Backend.ray,
    address: AddressOption = None,
    device: DeviceOption = "auto",
    store: StoreOption = None,
    storage: StorageOption = None,
    corpus: CorpusOption = None,
    log: LogOption = None,
) -> None:
    """Train a run's winners again from scratch with fresh seeds, beside a transformer tuned as long."""
    from hrfevo.run_folder import RunFolder

    run = RunFolder.open(folder)
    given: dict[str, Any] = {"top": top, "seeds": seeds, "steps": steps, "baseline": False if no_baseline else None}
    given["equal"] = equal.value if equal else None
    options = run.space().confirm.model_copy(update={k: v for k, v in given.items() if v is not None})

    from hrfevo.confirmation import confirm

    machinery = _machinery(backend, workers, address, device, store, storage, log, corpus)
    raise typer.Exit(confirm(run, options, machinery, new_console()))


def _limits(evaluations: int | None, trainings: float | None) -> list[str]:
    """Overrides of the limits of a budget that are given."""
    given = {"evaluations": evaluations, "trainings": trainings}
    return [f"budget.{name}={limit}" for name, limit in given.items() if limit is not None]


def _machinery(
    backend: Backend,
    workers: int | None,
    address: str | None,
    device: str,
    store: str | None,
    storage: str | None,
    log: list[str] | None,
    corpus: str | None = None,
) -> Machinery:
    from hrfevo.checkpoints import storage_place
    from hrfevo.driver import Machinery
    from hrfevo.logs import parse_targets
    from signal_model.config.text import corpus_option

    kept = storage_place(storage) if storage is not None else None
    text = corpus_option(corpus) if corpus is not None else None
    return Machinery(backend.value, workers, address, device, store, kept, parse_targets(log or []), text)
