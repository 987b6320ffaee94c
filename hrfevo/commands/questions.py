"""hrfevo list | status | best | compare | lineage | show | importance."""

from __future__ import annotations

import json
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hrfevo.commands.options import Format, FormatOption, GenomeArgument, RunArgument, StoreOption, print_rows, read_run
from signal_model.support.console import PluginOption, new_console, print_table, say
from signal_model.support.errors import InputError, counted

if TYPE_CHECKING:
    from hrfevo.results.overview import Overview

app = typer.Typer()

SORT_HELP = "created, run, state, evaluations, failed, best, seconds, corpus, seed or algorithm"
LIST_TABLE = ("run", "state", "best", "finished", "failed", "budget", "minutes", "corpus", "seed", "algorithm")
LIST_COLUMNS = (
    *("run", "state", "finished", "failed", "infeasible", "budget", "budget_trainings", "budget_minutes"),
    *("budget_training_minutes", "objective", "best", "genome"),
    *("seconds", "created", "corpus", "corpus_hash", "seed", "algorithm"),
)


class FactsFormat(StrEnum):
    """How facts about one thing are printed, of which there is no list."""

    table = "table"
    json = "json"


WhereOption = Annotated[
    list[str] | None,
    typer.Option(metavar="CONDITION", help="Such as 'parameters<500000' or embedding.kind=spectral; may be repeated"),
]


@app.command("list")
def list_command(
    folder: Annotated[Path, typer.Argument(metavar="[RUNS_DIR]", help="A folder of run folders")] = Path("runs"),
    sort: Annotated[str, typer.Option(help=SORT_HELP)] = "created",
    format_: FormatOption = Format.table,
    plugin: PluginOption = None,
) -> None:
    """List the runs in a folder, newest first."""
    from hrfevo.results.overview import overviews

    found, unreadable = overviews(folder, sort)
    for name, error in unreadable.items():
        typer.echo(f"{name} cannot be read: {error}", err=True)
    rows = [_overview_row(one, whole=format_ is not Format.table) for one in found]
    columns = LIST_TABLE if format_ is Format.table else LIST_COLUMNS
    empty = f"no run in {folder} that can be read" if unreadable else f"no runs in {folder}"
    print_rows(rows, columns, format_, empty=empty, forms={"minutes": ".1f"})
    if unreadable and not found:
        raise typer.Exit(1)


def _overview_row(one: Overview, whole: bool) -> dict[str, Any]:
    if whole:
        limits = {f"budget_{name}": getattr(one.budget, name) for name in ("trainings", "minutes", "training_minutes")}
        return vars(one) | {"budget": one.budget.evaluations} | limits
    return vars(one) | {"budget": one.budget.brief, "minutes": one.seconds / 60}


@app.command()
def status(
    folder: RunArgument,
    format_: Annotated[FactsFormat, typer.Option("--format", help="table or json")] = FactsFormat.table,
    store: StoreOption = None,
    plugin: PluginOption = None,
) -> None:
    """Whether a run is running, stopped, crashed, failed or finished, how far it is, and what is in flight."""
    from contextlib import closing

    from hrfevo.results.status import status_of
    from hrfevo.store.run_folder import RunFolder
    from hrfevo.views.terminal.tables import status_table

    run = RunFolder.open(folder)
    try:
        with closing(run.open_store(store)) as opened:
            found = status_of(run, opened)
    except InputError as error:
        if why := run.paused:
            raise InputError(f"{folder}: is running and paused: {why}; its store cannot be read: {error}") from None
        raise
    if format_ is FactsFormat.json:
        print(json.dumps(asdict(found), indent=2))
    else:
        print_table(new_console(), status_table(found))


@app.command()
def best(
    folder: RunArgument,
    top: Annotated[int | None, typer.Option(min=1, help="How many; 10 unless given, of the front all")] = None,
    objective: Annotated[str | None, typer.Option(metavar="NAME", help="Rank by this metric alone")] = None,
    front: Annotated[bool, typer.Option("--front", help="Only the front")] = False,
    where: WhereOption = None,
    rung: Annotated[int | None, typer.Option(min=0, help="Another rung than the highest reached, from 0")] = None,
    format_: FormatOption = Format.table,
    store: StoreOption = None,
    plugin: PluginOption = None,
) -> None:
    """The best genomes of a run: its front (marked *), then the runners-up.

    Conditions choose first: the front is then of those that meet them all.
    """
    from hrfevo.results.where import parse_condition
    from hrfevo.store.run_folder import RunFolder
    from hrfevo.views.terminal import tables

    run = RunFolder.open(folder)
    _, history = read_run(run, store)
    conditions = [parse_condition(text, history) for text in where or []]
    peers = history.at_rung(rung)
    met = peers.among(evaluation for evaluation in peers if all(condition(evaluation) for condition in conditions))
    winners = met.front
    candidates = met.among(winners) if front else met
    count = top or (len(winners) if front else 10)
    if objective:
        peers.check_metric(objective)
        chosen = met.among(candidates.by_metric(objective)[:count])
    else:
        chosen = met.among(candidates.ranked(count))
    also = [objective] if objective else []
    if format_ is Format.json:
        print(tables.as_json(chosen, also))
    elif format_ is Format.csv:
        print(tables.as_csv(chosen, also), end="")
    elif not chosen:
        print("no evaluation meets the conditions" if peers else "no finished evaluation yet")
    else:
        from hrfevo.results.worth import worth

        console = new_console()
        print_table(console, tables.as_table(chosen, winners, also))
        if said := worth(run.settings.corpus.yardsticks, met):
            say(console, said)
    rungs = history.space.rungs
    if conditions and rung is None and len(rungs) > 1:
        steps = rungs[peers[0].rung] if peers else rungs[0]
        told = f"of {counted(len(peers), 'genome')} at the highest rung that was reached, {counted(steps, 'step')}"
        typer.echo(f"--where: {len(met)} {told}; --rung looks at another", err=format_ is not Format.table)


@app.command()
def show(
    folder: RunArgument,
    genome: GenomeArgument = None,
    model: Annotated[
        bool, typer.Option("--model", help="Build the model, too: parameters and operations by part")
    ] = False,
    html: Annotated[Path | None, typer.Option(help="HTML file to write, with pictures of the model's parts")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that is there")] = False,
    format_: FormatOption = Format.table,
    store: StoreOption = None,
    plugin: PluginOption = None,
) -> None:
    """All that is known about one genome, the best unless given: its card."""
    from hrfevo.results.confirmation.confirmed import latest
    from hrfevo.results.earlier import read_earlier
    from hrfevo.results.genome.card import card_of
    from hrfevo.results.history import History
    from hrfevo.store.run_folder import RunFolder
    from hrfevo.views.terminal import tables

    if html is not None and format_ is not Format.table:
        raise InputError(f"--format {format_.value}: --html {html} is a page; leave one of the two out")
    if model and format_ is Format.csv:
        raise InputError("--model: has no place in a row of --format csv; accepted with it: table, json")
    if html is not None and html.exists() and not overwrite:
        raise InputError(f"{html}: exists; name another file or add --overwrite")
    run = RunFolder.open(folder)
    space, earlier, opened = run.space(), read_earlier(run), run.open_store(store)
    history = History(space, tuple(earlier.named(opened.evaluations(run.id))))
    found = history.find(genome)
    curves = opened.curves(run.id, [e.number for e in history if e.genome == found.genome])
    card = card_of(history, curves, found.genome, latest(run), earlier.others(history))
    if html is not None:
        from hrfevo.results.genome.costs import buildable, weighed
        from hrfevo.views.figures.model.portrait import portraits
        from hrfevo.views.report.card_page import card_page
        from signal_model.support.files import write_atomically

        pictures = portraits(*weighed(run, buildable(space, found), found.genome))
        page = card_page(history, card, run.path.name, pictures)
        try:
            write_atomically(html, page)
        except OSError as error:
            raise InputError(f"{html}: cannot be written: {error.strerror}") from None
        print(html)
        return
    parts = None
    if model:
        from hrfevo.results.genome.costs import buildable, costs_by_part
        from signal_model.model import build_model

        recipe = buildable(space, found)
        parts = costs_by_part(build_model(recipe.model, recipe.training.seed))
    if format_ is Format.json:
        from hrfevo.views.terminal.card import card_data

        print(json.dumps([tables.record(space, found) | card_data(card, parts)], indent=2))
    elif format_ is Format.csv:
        print(tables.as_csv(history.among([found])), end="")
    else:
        from hrfevo.views.terminal.card import print_card

        print_card(new_console(), card, parts)


@app.command()
def importance(
    folder: RunArgument,
    objective: Annotated[str | None, typer.Option(help="One of the run's objectives; all unless given")] = None,
    method: Annotated[str, typer.Option(help="fanova or ped-anova")] = "fanova",
    format_: FormatOption = Format.table,
    store: StoreOption = None,
    plugin: PluginOption = None,
) -> None:
    """Which genes matter: shares of each objective's variance that they explain."""
    from hrfevo.results.importance import importances_of, ranges_of, said_of
    from hrfevo.store.run_folder import RunFolder

    _, history = read_run(RunFolder.open(folder), store)
    names = [objective] if objective else list(history.space.objectives)
    found = importances_of(history, names, method)  # type: ignore[arg-type]
    ranges = ranges_of(history, found, method)  # type: ignore[arg-type]
    genes = list(dict.fromkeys(gene for shares in found.values() for gene in shares))
    rows: list[dict[str, Any]] = [{"gene": gene} for gene in genes]
    columns = ["gene"]
    for name, shares in found.items():
        lowest, highest = (f"{name} {end}" for end in ("lowest", "highest"))
        columns += [name, lowest, highest] if ranges else [name]
        for row in rows:
            row[name] = shares.get(row["gene"], 0.0)
            if ranges:
                row[lowest], row[highest] = ranges[name].get(row["gene"], (0.0, 0.0))
    forms = dict.fromkeys(columns[1:], ".1%")
    heads = {column: column.rpartition(" ")[2] for column in columns}
    if format_ is Format.table and len(names) == 1:
        rows = [{heads[column]: value for column, value in row.items()} for row in rows]
        columns, forms = list(heads.values()), dict.fromkeys(heads.values(), ".1%")
    print_rows(rows, columns, format_, forms=forms)
    typer.echo(said_of(history, method, bool(ranges)), err=format_ is not Format.table)  # type: ignore[arg-type]


@app.command()
def lineage(
    folder: RunArgument,
    genome: GenomeArgument = None,
    format_: FormatOption = Format.table,
    store: StoreOption = None,
    plugin: PluginOption = None,
) -> None:
    """The ancestors of a genome: how each came about, which genes changed, what that gained at the same rung."""
    from hrfevo.results.earlier import read_earlier
    from hrfevo.results.genome.lineage import as_rows
    from hrfevo.results.genome.lineage import lineage as lineage_of
    from hrfevo.store.run_folder import RunFolder
    from hrfevo.views.terminal.lineage import as_tree

    run = RunFolder.open(folder)
    (_, history), earlier = read_run(run, store), read_earlier(run)
    known = history.among([*earlier.named(history), *earlier.others(history)])
    space, ancestors = history.space, lineage_of(known, history.find(genome).genome)
    if format_ is Format.table:
        new_console().print(as_tree(space, ancestors))
        return
    rows = as_rows(space, ancestors)
    if format_ is Format.csv:
        rows = [row | {"changes": json.dumps(row["changes"])} for row in rows]
    print_rows(rows, list(rows[0]), format_)
