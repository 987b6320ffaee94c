"""hrfevo export | report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hrfevo.commands.options import RunArgument, StoreOption, read_run
from signal_model.errors import InputError

app = typer.Typer()


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
    space, record, evaluations = read_run(RunFolder.open(folder), store)
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
