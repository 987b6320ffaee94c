"""signal-model analyze | check: what a model is made of, and whether a part of one's own keeps the rules."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from signal_model.commands.options import DeviceOption, ThreadsOption, make_folder_of
from signal_model.support.console import PluginOption
from signal_model.support.errors import InputError

app = typer.Typer()


@app.command()
def analyze(
    model: Annotated[str, typer.Argument(help="A folder that `train` wrote, a model config, a recipe or a preset")],
    output: Annotated[Path | None, typer.Option(help="Folder for a page of figures and CSV tables")] = None,
    text: Annotated[Path | None, typer.Option(help="A text file: at which time scales do activations vary?")] = None,
    backward: Annotated[bool, typer.Option("--backward", help="Count the backward pass too")] = False,
    device: DeviceOption = "auto",
    threads: ThreadsOption = None,
    plugin: PluginOption = None,
) -> None:
    """Show where a model's parameters, operations and time go, and the spectra of its parts."""
    from signal_model.analysis.activations import text_windows
    from signal_model.analysis.report import analyze as analysis_of
    from signal_model.analysis.report import as_text, component_table, headline, kind_table, write
    from signal_model.config import Recipe, TokenizerConfig
    from signal_model.config.presets import PRESETS
    from signal_model.config.sound import SoundConfig
    from signal_model.data.tokenizers import ByteTokenizer, Vocabulary, of_text
    from signal_model.model import build_model, count_parameters
    from signal_model.support.devices import prepare
    from signal_model.support.files import read_text
    from signal_model.training.checkpoints import WEIGHTS, load_checkpoint

    chosen = prepare(device, threads)
    tokenizer: Vocabulary | None
    if Path(model).is_dir() and (model not in PRESETS or (Path(model) / WEIGHTS).exists()):
        examined, recipe, tokenizer = load_checkpoint(Path(model), chosen)
        about = "trained"
    else:
        recipe = Recipe.named(model)
        examined = build_model(recipe.model, recipe.training.seed).to(chosen)
        tokenizer = ByteTokenizer() if recipe.tokenizer == TokenizerConfig() else None
        about = f"untrained, seed {recipe.training.seed}"
    windows = None
    if text is not None:
        if recipe.model.classes is not None or isinstance(recipe.corpus, SoundConfig):
            raise InputError(f"--text: {model} is a model of sound, not of text")
        if tokenizer is None or tokenizer.vocab_size > recipe.model.vocab_size:
            raise InputError(f"--text: {model} has no tokenizer that fits it; give a folder that `train` wrote")
        windows = text_windows(read_text(text), of_text(tokenizer, model), recipe.model.context, str(text))
    if output is not None:
        make_folder_of(output)

    analysis = analysis_of(examined, windows, backward)
    subtitle = f"{about}; {count_parameters(examined):,} parameters; context {recipe.model.context}; device {chosen}"
    tables = component_table(analysis, by_block=False), kind_table(analysis)
    print(f"{model}: {subtitle}", *map(as_text, tables), f"{headline(analysis)}.", sep="\n\n")
    if output is None:
        print("Add --output FOLDER for figures and tables.")
    else:
        page, *files = write(analysis, output, f"Analysis of {Path(model).name or model}", subtitle)
        print(f"{page}, and {len(files)} CSV files beside it")


@app.command()
def check(
    parts: Annotated[str, typer.Argument(metavar="PARTS", help="A Python file, or a module, with parts of your own")],
) -> None:
    """Check parts of your own: causal, two forms that agree, any length, gradients, and what else is expected."""
    from pydantic import ValidationError

    from signal_model.evaluation.conformance import CHECKS, conformance, parts_in
    from signal_model.support.files import explain
    from signal_model.support.plugins import imported, plugins

    plugins()  # what is wrong with another, or with its name, is not said against these parts
    kinds = parts_in(imported(parts, "PARTS"))
    if not kinds:
        raise InputError(f"{parts}: defines no part: a subclass of MixerConfig or its like with a `kind` of its own")
    wrong = 0
    for kind in kinds:
        try:
            found = conformance(kind())  # type: ignore[call-arg]
        except ValidationError as error:
            raise explain(error, f"{parts}: {kind.__name__}: every setting needs a default to be checked at") from None
        wrong += bool(found)
        print(f"{kind.model_fields['kind'].default}: keeps {len(CHECKS) - len(found)} of {len(CHECKS)}")
        for name in CHECKS:
            print(f"  {'NO ' if name in found else 'yes'}  {name}{': ' if name in found else ''}{found.get(name, '')}")
    raise typer.Exit(int(bool(wrong)))
