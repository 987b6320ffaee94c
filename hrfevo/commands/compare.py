"""hrfevo compare: searches by what they have left, models by training them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hrfevo.commands.ending import exit_code
from hrfevo.commands.options import (
    AddressOption,
    BackendOption,
    Format,
    FormatOption,
    RunDeviceOption,
    StoreOption,
    WorkersOption,
    print_rows,
)
from signal_model.support.console import PluginOption, new_console
from signal_model.support.errors import InputError

if TYPE_CHECKING:
    from hrfevo.results.comparison.compare import Comparison
    from hrfevo.runner.match import Match
    from hrfevo.runner.terms import Terms

app = typer.Typer()


class Equal(StrEnum):
    """What both sides are given as much of."""

    seconds = "seconds"
    steps = "steps"
    evaluations = "evaluations"
    parameters = "parameters"


SIDES = "Run folders; or two models, which are trained: a recipe or model config, RUN:GENOME, a run for its best"
EQUAL = (
    "Of searches: what their shares are of, seconds (the default), steps or evaluations. Of models: steps (the "
    "default), seconds, parameters (the larger is narrowed), or evaluations that tune the rates of each"
)


@app.command()
def compare(
    sides: Annotated[list[str], typer.Argument(metavar="RUN RUN…|MODEL MODEL", help=SIDES)],
    equal: Annotated[Equal | None, typer.Option(help=EQUAL)] = None,
    group: Annotated[bool, typer.Option("--group", help="Together: runs of one space name and one algorithm")] = False,
    steps: Annotated[int | None, typer.Option(min=1, help="Models: of the first; its recipe's unless given")] = None,
    seeds: Annotated[int | None, typer.Option(min=2, max=1000, help="Models: trainings of each; else 5")] = None,
    evaluations: Annotated[
        int | None, typer.Option(min=1, help="Models, --equal evaluations: that tune each; 8 unless given")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Models: folder for the trainings; one that is there goes on")
    ] = None,
    workers: WorkersOption = None,
    backend: BackendOption = None,
    address: AddressOption = None,
    device: RunDeviceOption = None,
    format_: FormatOption = Format.table,
    store: StoreOption = None,
    plugin: PluginOption = None,
) -> None:
    """Searches side by side, or whether one of two models is better, with an interval.

    Searches: fronts, hypervolumes after equal training, and what their differences say. Hypervolumes are shares of that
    of the front of all runs together.

    Models: both are trained with the same seeds, and their losses paired by seed.
    """
    given = {
        **{"--steps": steps, "--seeds": seeds, "--evaluations": evaluations, "--output": output},
        **{"--workers": workers, "--backend": backend, "--address": address, "--device": device},
    }
    if not all(map(_is_run, sides)):
        from hrfevo.runner.machinery import Machinery
        from hrfevo.runner.terms import Terms

        if group or store:
            raise InputError(f"compare: {'--group' if group else '--store'} is for runs, and one of {sides} is no run")
        if evaluations is not None and equal is not Equal.evaluations:
            raise InputError(f"--evaluations {evaluations}: goes with --equal evaluations")
        terms = Terms(equal.value if equal else "steps", steps, seeds or 5, evaluations or 8)
        _models(
            sides,
            terms,
            output,
            Machinery("ray" if backend is None else backend.value, workers, address, device or "auto"),
            format_,
        )
        return
    if equal is Equal.parameters:
        raise InputError("--equal parameters: is for models; of searches accepted: seconds, steps, evaluations")
    for option, value in given.items():
        if value is not None:
            raise InputError(f"{option} {value}: is for models; {sides[0]} is a run; its best genome is {sides[0]}:")
    _searches(list(map(Path, sides)), equal.value if equal else "seconds", group, format_, store)


def _is_run(told: str) -> bool:
    return Path(told).is_dir()


def _models(sides: list[str], terms: Terms, output: Path | None, machinery: Any, format_: Format) -> None:
    from hrfevo.runner.ending import Ending
    from hrfevo.runner.match import Side, play

    if len(sides) != 2:
        raise InputError(f"compare: takes two models, got {len(sides)}")
    console = new_console()
    console.stderr = format_ is not Format.table  # what programs read stands alone on standard output
    found = play((Side.read(sides[0]), Side.read(sides[1])), terms, output, machinery, console)
    if isinstance(found, Ending):
        raise typer.Exit(exit_code(found))
    _print_match(found, format_)


def _print_match(found: Match, format_: Format) -> None:
    rows = [
        {
            "model": name,
            "validation": side.mean,
            "± seeds": side.spread,
            "test": side.test_mean,
            "parameters": side.parameters,
            "seeds": len(side.seeds),
            "steps": side.steps,
            "tokens": tokens,
            "seconds": side.steps * pace,
        }
        for name, side, pace, tokens in zip(found.names, found.sides, found.step_seconds, found.tokens, strict=True)
    ]
    splits = {"validation": found.difference("validation"), "test": found.difference("test")}
    if format_ is Format.json:
        differences = {split: _in_json(vars(one)) | {"seen": one.seen} for split, one in splits.items()}
        told = {"verdict": found.verdict, "differences": differences, "rows": rows, "notes": found.notes}
        print(json.dumps(told, indent=2))
        return
    forms = dict.fromkeys(("validation", "± seeds", "test"), ".4f") | {"seconds": ",.1f"}
    print_rows(rows, list(rows[0]), format_, forms=forms)
    for split, one in splits.items():
        typer.echo(f"{found.names[0]} on {split}: {one.words()}", err=format_ is Format.csv)
    for note in found.notes:
        typer.echo(note, err=format_ is Format.csv)
    typer.echo(found.verdict, err=format_ is Format.csv)


def _in_json(numbers: Mapping[str, float]) -> dict[str, float | None]:
    """Without those that are infinite, as the ends of an interval that nobody knows: JSON has none."""
    return {name: value if math.isfinite(value) else None for name, value in numbers.items()}


def _searches(folders: list[Path], unit: str, group: bool, format_: Format, store: str | None) -> None:
    from hrfevo.results.comparison.compare import compare as compare_searches
    from hrfevo.results.comparison.compare import read_searches
    from hrfevo.results.comparison.significance import between_groups, between_winners, grouped

    comparison = compare_searches(read_searches(folders, store), unit)  # type: ignore[arg-type]
    if group:
        groups = grouped(comparison)
        rows = [one.row for one in groups]
        tests, notes = between_groups(comparison, groups)
    else:
        rows = [row.columns for row in comparison.rows]
        tests, notes = between_winners(comparison)
    notes = comparison.notes + notes
    if format_ is Format.json:
        about = {"objectives": comparison.objectives, "reference": comparison.reference}
        tested = [vars(test) for test in tests]
        print(json.dumps(about | {"rows": rows, "tests": tested, "notes": notes}, indent=2))
        return
    if format_ is Format.csv:
        print_rows(rows, list(rows[0]), format_)
    else:
        _print_comparison(comparison, rows)
    for line in [*(test.words for test in tests), *notes]:
        typer.echo(line, err=format_ is Format.csv)


def _print_comparison(comparison: Comparison, rows: list[dict[str, Any]]) -> None:
    # Short heads, so that a terminal has room for all columns.
    heads = {name: name.replace("hypervolume_", "at ") for name in rows[0] if name != "state"} | {
        "hypervolume": "at end"
    }
    shares = {head for name, head in heads.items() if "hypervolume" in name} | {"lowest", "highest"}
    table = [{head: row[name] for name, head in heads.items()} for row in rows]
    print_rows(table, list(heads.values()), Format.table, forms=dict.fromkeys(shares, ".1%") | {"seconds": ",.0f"})
    if comparison.reference:
        from hrfevo.results.comparison.compare import amount_in_words

        point = ", ".join(f"{name} {value:,.5g}" for name, value in comparison.reference.items())
        print(
            f"best: {next(iter(comparison.objectives))}. at 25% … 100%: hypervolume after these shares of "
            f"{amount_in_words(comparison.unit, comparison.shortest)} of training,\n"
            f"as a share of that of all fronts together; reference point {point}."
        )
