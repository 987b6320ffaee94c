"""hrfevo spaces | init | validate | schema."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hrfevo.commands.completion import complete_space
from hrfevo.commands.options import Format, FormatOption, SpaceArgument, print_rows
from signal_model.support.console import PluginOption
from signal_model.support.errors import InputError, counted
from signal_model.support.plugins import command

if TYPE_CHECKING:
    from hrfevo.space.search_space import SearchSpace

app = typer.Typer()


@app.command("spaces")
def spaces_command(format_: FormatOption = Format.table) -> None:
    """List the search spaces that come with hrfevo: `run` and `validate` take their names."""
    from hrfevo.space.reading import read_space
    from hrfevo.space.shipped import shipped_spaces
    from signal_model.support.files import read_text

    read = {name: read_space(read_text(path), str(path)) for name, path in shipped_spaces().items()}
    rows = [
        {"name": name, "budget": space.budget.words, "what may vary": space.description} for name, space in read.items()
    ]
    print_rows(rows, ("name", "budget", "what may vary"), format_)


@app.command("init")
def init_command(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="A space of `hrfevo spaces` to begin with", autocompletion=complete_space),
    ] = None,
    output: Annotated[Path | None, typer.Option(help="File to write; NAME.yaml here unless given")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is there")] = False,
    plugin: PluginOption = None,
) -> None:
    """Write a search space file to edit, with a comment for every key."""
    from hrfevo.space.shipped import shipped_space, shipped_spaces
    from hrfevo.space.template import commented
    from hrfevo.views.export.destination import refuse_occupied, write_file
    from signal_model.support.files import read_text

    if name is None:
        raise InputError(f"init: NAME is missing; accepted: {', '.join(shipped_spaces())}")
    shipped = shipped_space(name)
    file = output or Path(f"{name}.yaml")
    refuse_occupied(file, overwrite)
    write_file(file, commented(read_text(shipped), str(file)))
    trying, searching = (command("hrfevo", verb, file) for verb in ("validate", "run"))
    print(f"{file}: edit it, try it with: {trying}; search it with: {searching}")


@app.command()
def validate(
    space: SpaceArgument,
    set_: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override the file")] = None,
    plugin: PluginOption = None,
) -> None:
    """Say how large a search space is, or what is wrong with it and where."""
    from hrfevo.space.reading import gene_count, load_space, space_size
    from hrfevo.space.text import read_corpus
    from signal_model.config.corpus import LoadedConfig
    from signal_model.data.corpus import load_corpus

    loaded, _ = load_space(space, list(set_ or []))
    note = ""
    if isinstance(loaded.corpus, LoadedConfig) and not loaded.corpus.is_local:
        note = f"; the data set {loaded.corpus.dataset} is downloaded and read when it runs"
    else:
        try:
            note = f"; {read_corpus(loaded, lambda: load_corpus(loaded.corpus, loaded.tokenizer)).words}"
        except InputError as error:
            raise InputError(f"{space}: corpus: {error}") from None
    genes = counted(gene_count(loaded), "gene")
    objectives = ", ".join(f"{direction} {name}" for name, direction in loaded.objectives.items())
    print(f"{space}: valid; {genes}, {space_size(loaded)}; {objectives}; {loaded.budget.words}{note}")
    if said := _out_of_reach(loaded):
        print(f"{space}: note: {said}")


def _out_of_reach(space: SearchSpace) -> str:
    """Why the budget ends before `evolution` can come to the last rung; empty where it does not, and of one rung.

    It begins with random genomes at the first rung, all of which come before any promotion.
    """
    if len(space.rungs) == 1:
        return ""
    from hrfevo.algorithms.evolution.evolution import FOUNDERS

    first, last, begun = space.rungs[0], space.rungs[-1], min(FOUNDERS, space.population)
    evaluations, trainings, limits = begun + 1, ((begun - 1) * first + last) / last, space.budget
    if limits.evaluations is not None and limits.evaluations < evaluations:
        least = counted(evaluations, "evaluation")
    elif limits.trainings is not None and limits.trainings < trainings:
        least = f"{trainings:.3g} full trainings"
    else:
        return ""
    return (
        f"{limits.words} will hardly come to the last of the rungs, {counted(last, 'step')}: a search begins with "
        f"{counted(begun, 'genome')} at {counted(first, 'step')}, so {least} are the least that can"
    )


@app.command()
def schema(
    output: Annotated[Path | None, typer.Option(help="File to write; standard output unless given")] = None,
    plugin: PluginOption = None,
) -> None:
    """Print the JSON Schema of search space files, for editors."""
    import json

    from hrfevo.space.editor_schema import json_schema
    from signal_model.support.files import write_json

    if output is None:
        print(json.dumps(json_schema(), indent=2, ensure_ascii=False))
    else:
        write_json(output, json_schema())
