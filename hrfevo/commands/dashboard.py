"""hrfevo dashboard."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hrfevo.commands.options import StoreOption
from signal_model.support.console import PluginOption

app = typer.Typer()


@app.command()
def dashboard(
    folder: Annotated[Path, typer.Argument(metavar="[RUNS_DIR]", help="A folder of run folders")] = Path("runs"),
    host: Annotated[str, typer.Option(help="Address to listen on; others can read the runs unless it is loopback")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 for any that is free")] = 8050,
    refresh: Annotated[float, typer.Option(min=0.2, max=3600, help="Seconds between looks at the store")] = 2.0,
    store: StoreOption = None,
    plugin: PluginOption = None,
) -> None:
    """Serve figures and tables of runs, which follow a search while it goes on, to a browser."""
    from hrfevo.views.dashboard.server import serve

    serve(folder, store, host, port, refresh)
