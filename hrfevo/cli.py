"""hrfevo run | resume | list | best | show | export | report | validate | schema."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hrfevo.benchmark.cli import app as benchmark_app
from signal_model.console import new_app, new_console, run
from signal_model.errors import InputError

if TYPE_CHECKING:
    from hrfevo.run_folder import RunFolder
    from hrfevo.space import SearchSpace
    from hrfevo.store import Evaluation, Run

app = new_app("Evolutionary architecture search for causal spectral language models.")
app.add_typer(benchmark_app, name="benchmark")


class Backend(StrEnum):
    """Where evaluations run."""

    ray = "ray"
    inline = "inline"


class Format(StrEnum):
    """How results are printed."""

    table = "table"
    json = "json"
    csv = "csv"


RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder")]
StoreOption = Annotated[
    str | None,
    typer.Option(help="Database of results, such as postgresql+psycopg://…; the run folder's own unless given"),
]
WorkersOption = Annotated[int | None, typer.Option(min=1, help="Evaluations at once; as many as fit unless given")]
BackendOption = Annotated[Backend, typer.Option(help="ray, or inline: one after another in this process")]
AddressOption = Annotated[str | None, typer.Option(help="Ray cluster to join: auto, HOST:PORT or ray://HOST:PORT")]
ALGORITHM_HELP = "evolution, regularized, random, tpe, nsga2, gp or cmaes"
NoConfirmOption = Annotated[
    bool, typer.Option("--no-confirm", help="Do not train the winners again; `hrfevo confirm` can, later")
]
DeviceOption = Annotated[str, typer.Option(help="auto, cuda, mps or cpu")]
FormatOption = Annotated[Format, typer.Option("--format", help="table, json or csv")]


@app.command("run")
def run_command(
    space: Annotated[Path, typer.Argument(metavar="SPACE", help="A search space file")],
    out: Annotated[Path, typer.Option(help="Folder for run folders")] = Path("runs"),
    seed: Annotated[int, typer.Option(min=0, help="Everything random comes from it")] = 0,
    evaluations: Annotated[int | None, typer.Option(min=1, help="Budget, in place of the file's")] = None,
    workers: WorkersOption = None,
    backend: BackendOption = Backend.ray,
    address: AddressOption = None,
    device: DeviceOption = "auto",
    algorithm: Annotated[str, typer.Option(help=ALGORITHM_HELP)] = "evolution",
    synchronous: Annotated[
        bool, typer.Option("--synchronous", help="Whole generations: the same front for any number of workers")
    ] = False,
    store: StoreOption = None,
    set_: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override the file")] = None,
    from_: Annotated[
        Path | None, typer.Option("--from", metavar="RUN", help="Begin with the front of an earlier run")
    ] = None,
    no_confirm: NoConfirmOption = False,
) -> None:
    """Search a space, then train its winners again from scratch beside a transformer."""
    from hrfevo.validation import load_space

    overrides = list(set_ or [])
    if evaluations is not None:
        overrides.append(f"budget.evaluations={evaluations}")
    loaded, text = load_space(space, overrides)

    from hrfevo.driver import Machinery, start
    from hrfevo.run_folder import RunFolder

    machinery = Machinery(backend.value, workers, address, device, store)
    console = new_console()
    earlier = RunFolder.open(from_) if from_ else None
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
    workers: WorkersOption = None,
    backend: BackendOption = Backend.ray,
    address: AddressOption = None,
    device: DeviceOption = "auto",
    store: StoreOption = None,
    no_confirm: NoConfirmOption = False,
) -> None:
    """Continue a run that was stopped or killed; what had finished is not repeated."""
    from hrfevo.run_folder import RunFolder

    RunFolder.open(folder)

    from hrfevo.algorithms import ALGORITHMS
    from hrfevo.driver import Machinery
    from hrfevo.driver import resume as continue_run

    machinery = Machinery(backend.value, workers, address, device, store)
    console = new_console()
    code = continue_run(folder, evaluations, machinery, console)
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
    workers: WorkersOption = None,
    backend: BackendOption = Backend.ray,
    address: AddressOption = None,
    device: DeviceOption = "auto",
    store: StoreOption = None,
) -> None:
    """Train a run's winners again from scratch with fresh seeds, beside a transformer tuned as long."""
    from hrfevo.run_folder import RunFolder

    run = RunFolder.open(folder)
    given: dict[str, Any] = {"top": top, "seeds": seeds, "steps": steps, "baseline": False if no_baseline else None}
    options = run.space().confirm.model_copy(update={k: v for k, v in given.items() if v is not None})

    from hrfevo.confirmation import confirm
    from hrfevo.driver import Machinery

    machinery = Machinery(backend.value, workers, address, device, store)
    raise typer.Exit(confirm(run, options, machinery, new_console()))


@app.command("list")
def list_command(
    folder: Annotated[Path, typer.Argument(metavar="[RUNS_DIR]", help="A folder of run folders")] = Path("runs"),
    format_: FormatOption = Format.table,
) -> None:
    """List the runs in a folder, newest first."""
    import json

    from hrfevo.ranking import front
    from hrfevo.run_folder import RunFolder, find_runs

    rows: list[dict[str, Any]] = []
    for path in find_runs(folder):
        try:
            space, record, evaluations = _read(RunFolder.open(path), None)
        except InputError as error:
            typer.echo(f"{path.name} cannot be read: {error}", err=True)
            continue
        winners = front(space, evaluations)
        rows.append(
            {
                "run": path.name,
                "state": record.state,
                "finished": sum(e.status == "finished" for e in evaluations),
                "failed": sum(e.status == "failed" for e in evaluations),
                "best": winners[0].metrics[next(iter(space.objectives))] if winners else None,
                "genome": winners[0].genome if winners else None,
            }
        )
    if format_ is Format.json:
        print(json.dumps(rows, indent=2))
    elif format_ is Format.csv:
        _print_csv(rows, ["run", "state", "finished", "failed", "best", "genome"])
    elif not rows:
        print(f"no runs in {folder}")
    else:
        from rich.table import Table

        table = Table(box=None, header_style="bold", pad_edge=False)
        for column in rows[0]:
            table.add_column(column, no_wrap=True)
        for row in rows:
            table.add_row(
                *(
                    "–" if value is None else f"{value:.5g}" if isinstance(value, float) else str(value)
                    for value in row.values()
                )
            )
        new_console().print(table)


@app.command()
def best(
    folder: RunArgument,
    top: Annotated[int, typer.Option(min=1, help="How many")] = 10,
    format_: FormatOption = Format.table,
    store: StoreOption = None,
) -> None:
    """The best genomes of a run: its front (marked *), then the runners-up."""
    from hrfevo import tables
    from hrfevo.ranking import front, ranked
    from hrfevo.run_folder import RunFolder

    space, _, evaluations = _read(RunFolder.open(folder), store)
    chosen = ranked(space, evaluations, top)
    if format_ is Format.json:
        print(tables.as_json(space, chosen))
    elif format_ is Format.csv:
        print(tables.as_csv(space, chosen), end="")
    elif not chosen:
        print("no finished evaluation yet")
    else:
        new_console().print(tables.as_table(space, chosen, front(space, evaluations)))


@app.command()
def show(
    folder: RunArgument,
    genome: Annotated[str, typer.Argument(help="A genome's id, or its first digits")],
    format_: FormatOption = Format.table,
    store: StoreOption = None,
) -> None:
    """All that is known about one genome."""
    from hrfevo import tables
    from hrfevo.ranking import find_genome
    from hrfevo.run_folder import RunFolder

    space, _, evaluations = _read(RunFolder.open(folder), store)
    found = find_genome(space, evaluations, genome)
    if format_ is Format.json:
        print(tables.as_json(space, [found]))
    elif format_ is Format.csv:
        print(tables.as_csv(space, [found]), end="")
    else:
        tables.show(new_console(), space, found)


@app.command()
def importance(
    folder: RunArgument,
    objective: Annotated[str | None, typer.Option(help="One of the run's objectives; all unless given")] = None,
    method: Annotated[str, typer.Option(help="fanova or ped-anova")] = "fanova",
    format_: FormatOption = Format.table,
    store: StoreOption = None,
) -> None:
    """Which genes matter: shares of each objective's variance that they explain."""
    import json

    from hrfevo.importance import gene_importances
    from hrfevo.run_folder import RunFolder

    space, _, evaluations = _read(RunFolder.open(folder), store)
    names = [objective] if objective else list(space.objectives)
    found = {name: gene_importances(space, evaluations, name, method) for name in names}  # type: ignore[arg-type]
    genes = list(dict.fromkeys(gene for shares in found.values() for gene in shares))
    rows = [{"gene": gene, **{name: shares.get(gene, 0.0) for name, shares in found.items()}} for gene in genes]
    if format_ is Format.json:
        print(json.dumps(rows, indent=2))
    elif format_ is Format.csv:
        _print_csv(rows, ["gene", *names])
    else:
        from rich.table import Table

        table = Table(box=None, header_style="bold", pad_edge=False)
        table.add_column("gene", no_wrap=True)
        for name in names:
            table.add_column(name, justify="right")
        for row in rows:
            table.add_row(str(row["gene"]), *(f"{row[name]:.1%}" for name in names))
        new_console().print(table)


@app.command()
def export(
    folder: RunArgument,
    output: Annotated[Path, typer.Option(help="YAML file to write")],
    genome: Annotated[str | None, typer.Argument(help="A genome's id; the best unless given")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that is there")] = False,
    store: StoreOption = None,
) -> None:
    """Write a genome as a recipe that `signal-model train` reads."""
    from hrfevo.export import recipe_yaml
    from hrfevo.ranking import find_genome
    from hrfevo.run_folder import RunFolder
    from signal_model.files import write_atomically

    if output.exists() and not overwrite:
        raise InputError(f"{output}: exists; name another file or add --overwrite")
    space, record, evaluations = _read(RunFolder.open(folder), store)
    found = find_genome(space, evaluations, genome)
    if found.status == "infeasible":
        raise InputError(f"genome {found.genome}: is infeasible ({found.reason})")
    try:
        write_atomically(output, recipe_yaml(space, found, record.name))
    except OSError as error:
        raise InputError(f"{output}: cannot be written: {error.strerror}") from None
    print(f"{output}: genome {found.genome}; train it with: signal-model train {output} --output DIR")


@app.command()
def report(folder: RunArgument, store: StoreOption = None) -> None:
    """Write report.html and best.yaml into the run folder, as they stand now."""
    from hrfevo.products import leave_products
    from hrfevo.run_folder import RunFolder

    opened = RunFolder.open(folder)
    print(leave_products(opened, opened.space(), opened.open_store(store)))


@app.command()
def validate(
    space: Annotated[Path, typer.Argument(metavar="SPACE", help="A search space file")],
    set_: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override the file")] = None,
) -> None:
    """Say how large a search space is, or what is wrong with it and where."""
    from hrfevo.validation import gene_count, load_space, space_size

    loaded, _ = load_space(space, list(set_ or []))
    objectives = ", ".join(f"{direction} {name}" for name, direction in loaded.objectives.items())
    limits = [f"{loaded.budget.evaluations} evaluations"] if loaded.budget.evaluations else []
    limits += [f"{loaded.budget.minutes:g} minutes"] if loaded.budget.minutes else []
    print(f"{space}: valid; {gene_count(loaded)} genes, {space_size(loaded)}; {objectives}; {' or '.join(limits)}")


@app.command()
def schema(
    output: Annotated[Path | None, typer.Option(help="File to write; standard output unless given")] = None,
) -> None:
    """Print the JSON Schema of search space files, for editors."""
    import json

    from hrfevo.space import json_schema
    from signal_model.files import write_json

    if output is None:
        print(json.dumps(json_schema(), indent=2, ensure_ascii=False))
    else:
        write_json(output, json_schema())


def _print_csv(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    import csv

    writer = csv.DictWriter(sys.stdout, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def _read(folder: RunFolder, store: str | None) -> tuple[SearchSpace, Run, list[Evaluation]]:
    opened = folder.open_store(store)
    return folder.space(), folder.record(opened), opened.evaluations(folder.id)


def main() -> None:
    """Entry point of `hrfevo`."""
    run(app)


if __name__ == "__main__":
    main()
