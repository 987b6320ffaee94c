"""Databases of results: bringing them up to date."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hrfevo.commands.completion import complete_run
from signal_model.support.console import PluginOption
from signal_model.support.errors import InputError

app = typer.Typer()


@app.command()
def migrate(
    target: Annotated[
        str, typer.Argument(metavar="RUN|URL", help="A run folder or a database", autocompletion=complete_run)
    ],
    plugin: PluginOption = None,
) -> None:
    """Bring results of an earlier version to this version's database schema, confirmations and sizes of a run too."""
    from hrfevo.results.confirmation.attempts import stages
    from hrfevo.results.scaling.plan import stages as sizes
    from hrfevo.store.database import migrate as migrate_database
    from hrfevo.store.run_folder import RunFolder, bring_up_to_date

    urls = [target]
    if "://" not in target:
        bring_up_to_date(Path(target))
        folder = RunFolder.open(Path(target))
        parts = [folder, *stages(folder), *sizes(folder)]
        if any(part.in_hand for part in parts):
            raise InputError(f"{target}: a search is running there; stop it first")
        urls = [part.store_url() for part in parts]
    for url in urls:
        before, after = migrate_database(url)
        where = f"{url}: " if len(urls) > 1 else ""
        print(f"{where}schema revision {after}" + (" already" if before == after else f", was {before}"))
