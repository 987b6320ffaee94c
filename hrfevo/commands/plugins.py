"""hrfevo plugins."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer

from hrfevo.commands.options import Format, FormatOption, print_rows
from signal_model.support.console import PluginOption

if TYPE_CHECKING:
    from signal_model.support.plugins import Plugin

app = typer.Typer()


@app.command("plugins")
def plugins_command(format_: FormatOption = Format.table, plugin: PluginOption = None) -> None:
    """List the plugins that are known here, and what each adds."""
    from signal_model.support.plugins import plugins

    rows = [
        {"plugin": one.name, "version": one.version, "adds": ", ".join(_added_by(one)), "place": str(one.place)}
        for one in plugins()
    ]
    none = "no plugin is installed, nor named; see docs/plugins.md"
    print_rows(rows, ("plugin", "version", "adds", "place"), format_, empty=none)


def _added_by(plugin: Plugin) -> Iterator[str]:
    """`part moving_average`, `objective embedding_rank`: what is defined where the plugin is, or in what it names."""
    from hrfevo.algorithms.registry import algorithms
    from hrfevo.space.metrics import ADDED
    from signal_model.evaluation.conformance import parts_in
    from signal_model.support.plugins import homes_of, within

    homes = homes_of(plugin.module)
    for kind in parts_in(plugin.module):
        yield f"part {kind.model_fields['kind'].default}"
    for word, there in (("objective", ADDED), ("algorithm", algorithms())):
        for name, one in there.items():
            if any(within(one.__module__, home) for home in homes):
                yield f"{word} {name}"
