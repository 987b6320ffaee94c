"""hrfevo validate | schema."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from signal_model.support.errors import InputError, counted

app = typer.Typer()


@app.command()
def validate(
    space: Annotated[Path, typer.Argument(metavar="SPACE", help="A search space file")],
    set_: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override the file")] = None,
) -> None:
    """Say how large a search space is, or what is wrong with it and where."""
    from hrfevo.space.reading import gene_count, load_space, space_size
    from signal_model.data.text import refuse_missing

    loaded, _ = load_space(space, list(set_ or []))
    try:
        refuse_missing(loaded.corpus)
    except InputError as error:
        raise InputError(f"{space}: corpus: {error}") from None
    genes = counted(gene_count(loaded), "gene")
    objectives = ", ".join(f"{direction} {name}" for name, direction in loaded.objectives.items())
    print(f"{space}: valid; {genes}, {space_size(loaded)}; {objectives}; {loaded.budget.words}")


@app.command()
def schema(
    output: Annotated[Path | None, typer.Option(help="File to write; standard output unless given")] = None,
) -> None:
    """Print the JSON Schema of search space files, for editors."""
    import json

    from hrfevo.space.editor_schema import json_schema
    from signal_model.support.files import write_json

    if output is None:
        print(json.dumps(json_schema(), indent=2, ensure_ascii=False))
    else:
        write_json(output, json_schema())
