"""Options that several commands have, and what they ask of a folder to write to."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from signal_model.support.errors import InputError

CorpusOption = Annotated[
    str | None,
    typer.Option(help="python, a file, folder or glob, or a YAML mapping such as '{dataset: wikitext, config: …}'"),
]
DeviceOption = Annotated[str, typer.Option(help="auto, cuda, cuda:N, mps or cpu")]
ThreadsOption = Annotated[int | None, typer.Option(min=1, max=1024, help="CPU threads; as permitted unless given")]


def make_folder_of(output: Path) -> None:
    """Make the folder that `--output` names. Raises InputError where it cannot be made or written to."""
    from signal_model.support.files import make_folder

    make_folder(output, f"--output {output}")
    if not os.access(output, os.W_OK):
        raise InputError(f"--output {output}: cannot be written to")
