"""Databases of results: bringing them up to date."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hrfevo.commands.completion import complete_run
from signal_model.errors import InputError

app = typer.Typer()


@app.command()
def migrate(
    target: Annotated[
        str, typer.Argument(metavar="RUN|URL", help="A run folder or a database", autocompletion=complete_run)
    ],
) -> None:
    """Bring results that an earlier version wrote to this version's database schema."""
    from hrfevo.database import migrate as bring_up_to_date
    from hrfevo.run_folder import RunFolder

    url = target
    if "://" not in target:
        folder = RunFolder.open(Path(target))
        if folder.in_hand:
            raise InputError(f"{target}: a search is running there; stop it first")
        url = folder.store_url()
    before, after = bring_up_to_date(url)
    print(f"schema revision {after}" + (" already" if before == after else f", was {before}"))
