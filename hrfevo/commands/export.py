"""hrfevo export | report."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hrfevo.commands.options import CorpusOption, DeviceOption, GenomeArgument, RunArgument, StoreOption, read_run
from signal_model.support.console import PluginOption
from signal_model.support.errors import InputError
from signal_model.support.plugins import command

if TYPE_CHECKING:
    from hrfevo.results.history import History
    from hrfevo.store.records import Evaluation, RunRecord
    from hrfevo.store.run_folder import RunFolder

app = typer.Typer()


class ExportFormat(StrEnum):
    """What is written: of one genome, or (csv, parquet, optuna) of the whole run."""

    recipe = "recipe"
    model = "model"
    huggingface = "huggingface"
    csv = "csv"
    parquet = "parquet"
    optuna = "optuna"


TABLES = (ExportFormat.csv, ExportFormat.parquet)
OF_THE_RUN = (*TABLES, ExportFormat.optuna)


@app.command()
def export(
    folder: RunArgument,
    output: Annotated[str, typer.Option(help="File or folder to write; for optuna a database, sqlite:///PATH")],
    genome: GenomeArgument = None,
    format_: Annotated[
        ExportFormat,
        typer.Option("--format", help="A genome as recipe, model or huggingface; the run as csv, parquet or optuna"),
    ] = ExportFormat.recipe,
    weights: Annotated[
        bool, typer.Option("--weights", help="The recipe with its weights: a folder that `signal-model evaluate` reads")
    ] = False,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Weights at this rung's steps; at the highest measured unless given")
    ] = None,
    curves: Annotated[bool, typer.Option("--curves", help="Learning curves instead: csv, parquet")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is there")] = False,
    device: DeviceOption = "auto",
    corpus: CorpusOption = None,
    store: StoreOption = None,
    plugin: PluginOption = None,
) -> None:
    """Take results away: a genome as a recipe, config or trained model; a run as a table or an Optuna study."""
    trains = weights or format_ is ExportFormat.huggingface
    if weights and format_ not in (ExportFormat.recipe, ExportFormat.huggingface):
        raise InputError(f"--weights: goes with --format recipe or huggingface, got {format_}")
    for option, value in (("--steps", steps), ("--corpus", corpus)):
        if value is not None and not trains:
            raise InputError(f"{option} {value}: goes with --weights or --format huggingface")
    if curves and format_ not in TABLES:
        raise InputError(f"--curves: goes with --format csv or parquet, got {format_}")
    if genome is not None and format_ in OF_THE_RUN:
        raise InputError(f"--format {format_}: is of the whole run; leave out the genome {genome}")
    if "://" in output and format_ is not ExportFormat.optuna:
        raise InputError(f"--output {output}: is a database, which goes with --format optuna; expected a path")

    from hrfevo.store.run_folder import RunFolder

    opened = RunFolder.open(folder)
    if format_ in OF_THE_RUN:
        _export_run(opened, store, output, format_, curves, overwrite)
    elif trains:
        _export_weights(opened, store, genome, Path(output), format_, steps, device, corpus, overwrite)
    else:
        _export_settings(opened, store, genome, Path(output), format_, overwrite)


def _export_run(
    folder: RunFolder, store: str | None, output: str, format_: ExportFormat, curves: bool, overwrite: bool
) -> None:
    from hrfevo.results.history import History

    results = folder.open_store(store)
    history, record = History.read(folder, results), folder.record(results)
    if format_ is ExportFormat.optuna:
        from hrfevo.views.export.studies import write_study

        where = write_study(output, record, history, results.curves(folder.id), overwrite)
        print(f"{where}: study {record.name} of {len(history)} trials; look at it with: optuna-dashboard {where}")
        return

    from hrfevo.views.export.destination import refuse_occupied, say_beside, write_file
    from hrfevo.views.export.tables import as_bytes, curves_table, evaluations_table

    refuse_occupied(Path(output), overwrite)
    table = curves_table(results.curves(folder.id)) if curves else evaluations_table(history)
    write_file(Path(output), as_bytes(table, format_.value))  # type: ignore[arg-type]
    rows = "points of learning curves" if curves else "evaluations"
    say_beside(Path(output), f"{output}: {len(table)} {rows} of run {record.name}")


def _export_settings(
    folder: RunFolder, store: str | None, genome: str | None, output: Path, format_: ExportFormat, overwrite: bool
) -> None:
    from hrfevo.results.confirmation.confirmed import latest
    from hrfevo.results.genome.recipe import as_json, model_yaml, plugins_of, recipe_of, recipe_yaml
    from hrfevo.views.export.destination import refuse_occupied, say_beside, write_file

    refuse_occupied(output, overwrite)
    record, history, found = _feasible(folder, store, genome)
    space = history.space
    whole = format_ is ExportFormat.recipe
    if output.suffix.lower() == ".json":
        recipe = recipe_of(space, found)
        write_file(output, as_json((recipe if whole else recipe.model).to_dict()))
    else:
        write_file(output, (recipe_yaml if whole else model_yaml)(space, found, record.name, latest(folder)))
    corpus = () if whole else ("--corpus", "python")
    needed = plugins_of(recipe_of(space, found).model)
    training = command("signal-model", "train", output, *corpus, "--output", "DIR", plugins=needed)
    say_beside(output, f"{output}: genome {found.genome}; train it with: {training}")


def _export_weights(
    folder: RunFolder,
    store: str | None,
    genome: str | None,
    output: Path,
    format_: ExportFormat,
    steps: int | None,
    device: str,
    corpus: str | None,
    overwrite: bool,
) -> None:
    _, history, found = _feasible(folder, store, genome)
    space = history.space
    if format_ is ExportFormat.huggingface:
        from signal_model.interchange import folders

    from hrfevo.store.run_corpus import corpus_of
    from hrfevo.views.export.destination import new_folder, refuse_occupied
    from hrfevo.views.export.weights import FILES, measured_at, trained
    from signal_model.config.corpus import corpus_option
    from signal_model.support.devices import choose_device
    from signal_model.training.logs import Bar, Lines

    if corpus is not None:
        space = space.model_copy(update={"corpus": corpus_option(corpus)})
    to_huggingface = format_ is ExportFormat.huggingface
    refuse_occupied(output, overwrite, folders.FILES if to_huggingface else FILES)
    rung, measured = measured_at(history, found, steps)
    text, chosen = corpus_of(folder, space), choose_device(device)
    with new_folder(output) as new:
        unit = text.tokenizer.unit
        log = Bar(space.rungs[rung], unit) if sys.stdout.isatty() else Lines(unit)
        model = trained(folder, space, found, rung, measured, text, chosen, log)
        (model.save_for_transformers if to_huggingface else model.save)(new)
    if to_huggingface:
        from hrfevo.results.genome.recipe import plugins_of, recipe_of

        needed = "".join(f" and the plugin {name}" for name in plugins_of(recipe_of(space, found).model))
        print(f"import signal_model.interchange{needed}, then AutoModelForCausalLM.from_pretrained loads it")
    print(f"{output}: genome {found.genome}, {model.in_words()}")


def _feasible(folder: RunFolder, store: str | None, genome: str | None) -> tuple[RunRecord, History, Evaluation]:
    """Record and history of a run, and the evaluation asked for."""
    record, history = read_run(folder, store)
    found = history.find(genome)
    if found.status == "infeasible":
        raise InputError(f"genome {found.genome}: is infeasible ({found.reason})")
    return record, history, found


@app.command()
def report(
    folder: RunArgument,
    output: Annotated[
        Path | None, typer.Option(help="Folder to write to, the run's own unless given; with --figure, a file")
    ] = None,
    figure: Annotated[
        str | None, typer.Option(metavar="NAME", help="One figure as a picture: front, fitness, importance, …")
    ] = None,
    width: Annotated[int | None, typer.Option(min=100, max=10_000, help="Of a picture, points")] = None,
    height: Annotated[int | None, typer.Option(min=100, max=10_000, help="Of a picture, points")] = None,
    bare: Annotated[bool, typer.Option("--bare", help="A picture without title and caption, for a paper")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a picture that is there")] = False,
    store: StoreOption = None,
    plugin: PluginOption = None,
) -> None:
    """Write report.html and best.yaml into the run folder, as they stand now; or one figure as SVG or PNG."""
    if figure is not None:
        _picture(folder, store, figure, output, (width, height), bare, overwrite)
        return
    if width or height or bare or overwrite:
        raise InputError("--width, --height, --bare, --overwrite: go with --figure")

    from hrfevo.runner.products import leave_products
    from hrfevo.store.run_folder import RunFolder

    opened = RunFolder.open(folder)
    try:
        print(leave_products(opened, opened.space(), opened.open_store(store), output))
    except OSError as error:
        remedy = "" if output else "; name another folder with --output"
        raise InputError(f"{output or folder}: the report cannot be written there: {error.strerror}{remedy}") from None


def _picture(
    folder: Path,
    store: str | None,
    name: str,
    output: Path | None,
    size: tuple[int | None, int | None],
    bare: bool,
    overwrite: bool,
) -> None:
    from hrfevo.views.export.destination import refuse_occupied, write_file
    from hrfevo.views.export.pictures import KINDS, draw, find_chromium
    from hrfevo.views.notebook import load

    if output is None or output.suffix.lower() not in KINDS:
        got = "none" if output is None else str(output)
        raise InputError(f"--figure {name}: --output: expected a file that ends in {' or '.join(KINDS)}, got {got}")
    refuse_occupied(output, overwrite)
    find_chromium()  # before the figures are made, which takes longer
    figures = load(folder, store).figures
    if name not in figures:
        raise InputError(f"--{figures.absence(name)}")
    write_file(output, draw(figures[name], output.suffix.lower(), *size, bare=bare))
    print(f"{output}: figure {name} of run {folder.name}")
