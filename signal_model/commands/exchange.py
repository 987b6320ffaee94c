"""signal-model export | import: models as `transformers` has them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from signal_model.support.console import PluginOption
from signal_model.support.errors import InputError

app = typer.Typer()


@app.command("export")
def export_model(
    directory: Annotated[Path, typer.Argument(help="A folder that `train` wrote")],
    output: Annotated[Path, typer.Option(help="Folder for the model as `transformers` has it")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a model that is there")] = False,
    plugin: PluginOption = None,
) -> None:
    """Write a trained model as a folder that `transformers` loads (after `import signal_model.interchange`)."""
    from signal_model.interchange import to_transformers

    _refuse_model_in(output, overwrite)
    to_transformers(directory, output)
    print(f"{output}: written; import signal_model.interchange, then AutoModelForCausalLM.from_pretrained loads it")


@app.command("import")
def import_model(
    folder: Annotated[Path, typer.Argument(help="A folder that `export` or `save_pretrained` wrote")],
    output: Annotated[Path, typer.Option(help="Folder for the trained model as `train` writes it")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a model that is there")] = False,
    plugin: PluginOption = None,
) -> None:
    """Take a SignalLLM back from `transformers`."""
    from signal_model.interchange import from_transformers

    _refuse_model_in(output, overwrite)
    from_transformers(folder, output)
    print(f"{output}: written")


def _refuse_model_in(output: Path, overwrite: bool) -> None:
    # Also one in several files, one whose training is unfinished, and one in files of other libraries.
    there = next((file.name for kind in ("*.safetensors*", "config.json") for file in output.glob(kind)), None)
    if there is not None and not overwrite:
        raise InputError(f"{output}: holds a model ({there}); name another folder or add --overwrite")
