"""hrfevo list | best | show | importance."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

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
    genome: Annotated[str, typer.Argument(help="A genome's id, or its first digits")],
    model: Annotated[
        bool, typer.Option("--model", help="Build the model, too: parameters and operations by part")
    ] = False,
    html: Annotated[Path | None, typer.Option(help="HTML file to write, with pictures of the model's parts")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that is there")] = False,
    format_: FormatOption = Format.table,
    store: StoreOption = None,
) -> None:
    """All that is known about one genome: its card."""
    from hrfevo import tables
    from hrfevo.card import card_of
    from hrfevo.confirmed import latest
    from hrfevo.ranking import find_genome
    from hrfevo.run_folder import RunFolder

    if html is not None and html.exists() and not overwrite:
        raise InputError(f"{html}: exists; name another file or add --overwrite")
    run = RunFolder.open(folder)
    space, opened = run.space(), run.open_store(store)
    evaluations = opened.evaluations(run.id)
    found = find_genome(space, evaluations, genome)
    curves = opened.curves(run.id, [e.number for e in evaluations if e.genome == found.genome])
    card = card_of(space, evaluations, curves, found.genome, latest(run))
    if html is not None:
        from hrfevo.anatomy import buildable
        from hrfevo.report.card_page import card_page
        from hrfevo.report.portrait import portraits
        from signal_model.files import write_atomically

        recipe = buildable(space, found)
        pictures = portraits(recipe.model, recipe.training.seed)
        page = card_page(space, evaluations, card, run.path.name, pictures)
        try:
            write_atomically(html, page)
        except OSError as error:
            raise InputError(f"{html}: cannot be written: {error.strerror}") from None
        print(html)
        return
    parts = None
    if model:
        from hrfevo.anatomy import buildable, costs_by_part
        from signal_model.model import build_model

        recipe = buildable(space, found)
        parts = costs_by_part(build_model(recipe.model, recipe.training.seed))
    if format_ is Format.json:
        from hrfevo.card_text import card_data

        print(json.dumps([tables.record(space, found) | card_data(card, parts)], indent=2))
    elif format_ is Format.csv:
        print(tables.as_csv(space, [found]), end="")
    else:
        from hrfevo.card_text import print_card

        print_card(new_console(), card, parts)


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
