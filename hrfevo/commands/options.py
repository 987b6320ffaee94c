"""Arguments and options that several commands have, and what they do with them."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hrfevo.algorithms.registry import ALGORITHMS
from hrfevo.commands.completion import complete_genome, complete_run, complete_space
from signal_model.support.console import new_console, print_table

if TYPE_CHECKING:
    from hrfevo.results.history import History
    from hrfevo.runner.machinery import Machinery
    from hrfevo.store.records import RunRecord
    from hrfevo.store.run_folder import RunFolder
    from hrfevo.store.started import Started


class Backend(StrEnum):
    """Where evaluations run."""

    ray = "ray"
    inline = "inline"


class Format(StrEnum):
    """How results are printed."""

    table = "table"
    json = "json"
    csv = "csv"


SpaceArgument = Annotated[
    Path,
    typer.Argument(
        metavar="SPACE", help="A search space file, or a name of `hrfevo spaces`", autocompletion=complete_space
    ),
]
RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder", autocompletion=complete_run)]
GenomeArgument = Annotated[
    str | None, typer.Argument(help="A genome's id; the best unless given", autocompletion=complete_genome)
]
StoreOption = Annotated[
    str | None,
    typer.Option(help="Database of results, such as postgresql+psycopg://…; the run folder's own unless given"),
]
StorageOption = Annotated[
    str | None,
    typer.Option(help="Where trainings wait between rungs: a path or fsspec URL that all nodes reach; the run folder"),
]
TrainingsOption = Annotated[
    float | None,
    typer.Option(min=0.01, help="Budget in full trainings: steps by those of one genome to the last rung"),
]
MinutesOption = Annotated[float | None, typer.Option(min=0.01, help="Budget in minutes of wall-clock time")]
TrainingMinutesOption = Annotated[
    float | None, typer.Option(min=0.01, help="Budget in minutes of training alone, undisturbed, summed over workers")
]
WorkersOption = Annotated[int | None, typer.Option(min=1, help="Evaluations at once; as many as fit unless given")]
BackendOption = Annotated[
    Backend | None, typer.Option(help="ray (the usual), or inline: one after another in this process")
]
AddressOption = Annotated[
    str | None, typer.Option(help="Ray cluster to join: auto, HOST:PORT or ray://HOST:PORT; local is none")
]
ALGORITHM_HELP = f"{', '.join(ALGORITHMS)}, or that of a plugin"
CorpusOption = Annotated[
    str | None, typer.Option(help="Where the run's text is now: a path or YAML mapping; it must be the same text")
]
ConfirmOption = Annotated[
    bool | None,
    typer.Option("--confirm/--no-confirm", help="Whether to train the winners again; `hrfevo confirm` can, later"),
]
DeviceOption = Annotated[str, typer.Option(help="auto, cuda, mps or cpu")]
# Of a run, which remembers it.
RunDeviceOption = Annotated[str | None, typer.Option(help="auto (the usual), cuda, mps or cpu")]
LogOption = Annotated[
    list[str] | None,
    typer.Option(
        "--log",
        metavar="NAME[=WHERE]",
        help="Log to tensorboard (=FOLDER), mlflow (=URI) or wandb (=PROJECT) too; repeatable; none",
    ),
]
FormatOption = Annotated[Format, typer.Option("--format", help="table, json or csv")]


def read_run(folder: RunFolder, store: str | None) -> tuple[RunRecord, History]:
    """Record and history of a run."""
    from hrfevo.results.history import History

    opened = folder.open_store(store)
    return folder.record(opened), History.read(folder, opened)


def print_rows(
    rows: Sequence[Mapping[str, Any]],
    columns: Sequence[str],
    format_: Format,
    *,
    empty: str = "",
    forms: Mapping[str, str] | None = None,
) -> None:
    """Print rows of these columns. In a table, numbers are in `forms` or five digits; without rows there is `empty`."""
    rows = [{column: row[column] for column in columns} for row in rows]
    if format_ is Format.json:
        print(json.dumps(rows, indent=2))
    elif format_ is Format.csv:
        import csv

        writer = csv.DictWriter(sys.stdout, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    elif not rows:
        print(empty)
    else:
        from rich.table import Table

        table = Table(box=None, header_style="bold", pad_edge=False)
        for column in columns:
            numeric = all(isinstance(row[column], int | float | None) for row in rows)
            prose = any(" " in str(row[column]) for row in rows)
            table.add_column(column, justify="right" if numeric else "left", overflow="fold" if prose else "ellipsis")
        for row in rows:
            table.add_row(*(_cell(row[column], (forms or {}).get(column, ".5g")) for column in columns))
        print_table(new_console(), table)


def _cell(value: Any, form: str) -> str:
    from rich.markup import escape

    return "–" if value is None else format(value, form) if isinstance(value, float) else escape(str(value))


def place_given(
    backend: Backend | None, workers: int | None, address: str | None, device: str | None, log: list[str] | None
) -> dict[str, Any]:
    """What was given of how a run is started, as `Started.changed` takes it."""
    logs = None if log is None else tuple(log)
    place = {"backend": backend and backend.value, "workers": workers, "address": address}
    return {**place, "device": device, "logs": logs}


def machinery_of(started: Started, store: str | None, storage: str | None, corpus: str | None = None) -> Machinery:
    from hrfevo.runner.machinery import Machinery
    from hrfevo.runner.observers.targets import parse_targets
    from hrfevo.workers.trainings import storage_place
    from signal_model.config.corpus import corpus_option

    kept = storage_place(storage) if storage is not None else None
    text = corpus_option(corpus) if corpus is not None else None
    place = (started.backend, started.workers, started.address, started.device)
    return Machinery(*place, store, kept, parse_targets(started.logs), text)
