"""hrfevo scale."""

from __future__ import annotations

import json
import re
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import ValidationError

from hrfevo.commands.completion import complete_genome
from hrfevo.commands.ending import exit_code
from hrfevo.commands.options import (
    AddressOption,
    BackendOption,
    CorpusOption,
    Format,
    FormatOption,
    LogOption,
    RunArgument,
    RunDeviceOption,
    StoreOption,
    WorkersOption,
    machinery_of,
    place_given,
    print_rows,
)
from signal_model.support.console import PluginOption, new_console, print_table
from signal_model.support.errors import InputError
from signal_model.support.files import explain

if TYPE_CHECKING:
    from rich.console import Console

    from hrfevo.results.scaling.plan import Terms
    from hrfevo.results.scaling.scaling import Scaling

app = typer.Typer()

_AT = re.compile(r"(\d+(?:\.\d+)?(?:e\d+)?)([kMGx]?)")
# No model will have so many parameters, or be so many times as large.
FARTHEST = 1e30
_UNITS = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9}


class TokensOption(StrEnum):
    """What training tokens are proportional to."""

    parameters = "parameters"
    root = "root"
    same = "same"


class RatesOption(StrEnum):
    """What AdamW's learning rate is inverse to."""

    width = "width"
    root = "root"
    same = "same"


@app.command()
def scale(
    folder: RunArgument,
    genomes: Annotated[
        list[str] | None,
        typer.Argument(metavar="GENOME", help="Ids; the best unless given", autocompletion=complete_genome),
    ] = None,
    sizes: Annotated[
        str | None, typer.Option(metavar="FACTORS", help="Of the first genome's parameters, ascending; 1,4,16")
    ] = None,
    seeds: Annotated[int | None, typer.Option(min=1, max=1000, help="Trainings of each at each size; 3")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Training steps at size 1; those of the last rung")] = None,
    tokens: Annotated[
        TokensOption | None, typer.Option(help="Training tokens grow as parameters (the usual), their root, or not")
    ] = None,
    rates: Annotated[
        RatesOption | None, typer.Option(help="AdamW's rate is inverse to the width (the usual), its root, or the same")
    ] = None,
    at: Annotated[
        str | None, typer.Option(metavar="SIZES", help="Sizes to predict: parameters (50M) or factors (64x), by commas")
    ] = None,
    no_transformer: Annotated[
        bool, typer.Option("--no-transformer", help="Without the transformer that a confirmation tuned")
    ] = False,
    format_: FormatOption = Format.table,
    workers: WorkersOption = None,
    backend: BackendOption = None,
    address: AddressOption = None,
    device: RunDeviceOption = None,
    store: StoreOption = None,
    corpus: CorpusOption = None,
    log: LogOption = None,
    plugin: PluginOption = None,
) -> None:
    """Train the best at several sizes beside the tuned transformer, and fit scaling laws: does the advantage last?

    Width and depth grow together, tokens with parameters, rates are carried over. Laws say where the two cross, and
    what to expect at a size of --at.

    An interrupted ladder goes on with `hrfevo scale RUN`, which else says the last one again.

    For example: hrfevo scale runs/quick-20261126-101500 --sizes 1,2,4 --seeds 2 --at 64x
    """
    from hrfevo.runner.scaling import Asked
    from hrfevo.runner.scaling import scale as scale_run
    from hrfevo.store.run_folder import RunFolder

    given = {"sizes": sizes, "seeds": seeds, "steps": steps, "tokens": tokens, "rates": rates}
    terms = _terms({name: value for name, value in given.items() if value is not None})
    wanted = _parsed_at(at) if at else []
    run = RunFolder.open(folder)
    started = run.started.changed(**place_given(backend, workers, address, device, log))
    console = new_console()
    console.stderr = format_ is not Format.table  # what programs read stands alone on standard output
    asked = Asked(tuple(dict.fromkeys(genomes or ())), terms, not no_transformer)
    ending, found = scale_run(run, asked, machinery_of(started, store, None, corpus), console)
    if found is not None:
        print_scaling(found, console, format_, wanted)
    elif ending.finished:
        typer.echo("no training of the ladder has finished; `hrfevo status` of its folders says why", err=True)
    raise typer.Exit(exit_code(ending))


def print_scaling(
    found: Scaling, console: Console, format_: Format = Format.table, at: list[tuple[float, bool]] | None = None
) -> None:
    """What a ladder has measured, and what its laws say; `at` as `_parsed_at` has it."""
    from hrfevo.views.laws import laws_in_words
    from hrfevo.views.terminal.scaling import scaling_rows, scaling_table

    parameters = [size * found.plan.parameters if is_factor else size for size, is_factor in at or ()]
    words = list(laws_in_words(found, parameters))
    rows = scaling_rows(found)
    if format_ is Format.json:
        print(json.dumps({"rows": rows, "laws": words}, indent=2))
        return
    if format_ is Format.csv:
        print_rows(rows, list(rows[0]), format_)
    else:
        print_table(console, scaling_table(found))
    for line in words:
        typer.echo(line, err=format_ is Format.csv)


def _terms(given: dict[str, Any]) -> Terms | None:
    """What of a ladder was given; None where nothing was. Raises InputError for what is none."""
    from hrfevo.results.scaling.plan import Terms, parse_sizes

    if not given:
        return None
    if "sizes" in given:
        given["sizes"] = parse_sizes(given["sizes"], "--sizes")
    try:
        return Terms.model_validate(given)
    except ValidationError as error:
        raise explain(error, "scale") from None


def _parsed_at(told: str) -> list[tuple[float, bool]]:
    """Sizes, and whether each is a factor of the winner's parameters. Raises InputError for what is none."""
    found = []
    for one in told.split(","):
        read = _AT.fullmatch(one.strip())
        if read is None or not 0 < float(read[1]) < FARTHEST:
            raise InputError(f"--at {one}: accepted: parameters, such as 50M or 2e6, or factors, such as 64x")
        found.append((float(read[1]) * _UNITS.get(read[2], 1.0), read[2] == "x"))
    return found
