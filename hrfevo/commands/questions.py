"""hrfevo list | best | show | importance."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from hrfevo.commands.completion import complete_genome
from hrfevo.commands.options import Format, FormatOption, RunArgument, StoreOption, print_rows, read_run
from signal_model.console import new_console
from signal_model.errors import InputError

app = typer.Typer()


@app.command("list")
def list_command(
    folder: Annotated[Path, typer.Argument(metavar="[RUNS_DIR]", help="A folder of run folders")] = Path("runs"),
    format_: FormatOption = Format.table,
) -> None:
    """List the runs in a folder, newest first."""
    from hrfevo.ranking import front
    from hrfevo.run_folder import RunFolder, find_runs

    rows: list[dict[str, Any]] = []
    for path in find_runs(folder):
        try:
            space, record, evaluations = read_run(RunFolder.open(path), None)
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
    columns = ["run", "state", "finished", "failed", "best", "genome"]
    print_rows(rows, columns, format_, empty=f"no runs in {folder}")


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

    space, _, evaluations = read_run(RunFolder.open(folder), store)
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
    genome: Annotated[str, typer.Argument(help="A genome's id, or its first digits", autocompletion=complete_genome)],
    format_: FormatOption = Format.table,
    store: StoreOption = None,
) -> None:
    """All that is known about one genome."""
    from hrfevo import tables
    from hrfevo.ranking import find_genome
    from hrfevo.run_folder import RunFolder

    space, _, evaluations = read_run(RunFolder.open(folder), store)
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
    from hrfevo.importance import gene_importances
    from hrfevo.run_folder import RunFolder

    space, _, evaluations = read_run(RunFolder.open(folder), store)
    names = [objective] if objective else list(space.objectives)
    found = {name: gene_importances(space, evaluations, name, method) for name in names}  # type: ignore[arg-type]
    genes = list(dict.fromkeys(gene for shares in found.values() for gene in shares))
    rows = [{"gene": gene, **{name: shares.get(gene, 0.0) for name, shares in found.items()}} for gene in genes]
    print_rows(rows, ["gene", *names], format_, forms=dict.fromkeys(names, ".1%"))
