"""signal-model evaluate | coherence: scores of models, and of texts."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import typer

from signal_model.commands.options import CorpusOption, DeviceOption, ThreadsOption
from signal_model.support.console import PluginOption
from signal_model.support.errors import InputError

app = typer.Typer()


@app.command()
def evaluate(
    directories: Annotated[
        list[Path],
        typer.Argument(help="Folders that `train` wrote; of several also how the others differ from the first"),
    ],
    corpus: CorpusOption = None,
    split: Annotated[
        Literal["validation", "test"] | None,
        typer.Option(help="Of the corpus; validation unless given, but all of the files that --corpus names"),
    ] = None,
    tokens: Annotated[
        int | None, typer.Option(min=1, help="Tokens to score on; those of training unless given")
    ] = None,
    length: Annotated[
        int | None, typer.Option(min=2, help="Tokens of a window; those of training unless given")
    ] = None,
    stride: Annotated[
        int | None,
        typer.Option(min=1, help="Tokens that a window predicts, its last; the shortest window's unless given"),
    ] = None,
    by_position: Annotated[
        bool, typer.Option("--by-position", help="Also the loss at each distance from the start")
    ] = False,
    device: DeviceOption = "auto",
    threads: ThreadsOption = None,
    plugin: PluginOption = None,
) -> None:
    """Score trained models, in bits per byte or sample or by errors, on one part of a split, or on files as a whole."""
    from signal_model.support.devices import prepare
    from signal_model.training.evaluating import Question, answers, opened

    chosen = prepare(device, threads)
    subjects = [opened(directory, chosen) for directory in directories]
    subjects = [replace(one, recipe=one.recipe.with_options(corpus)) for one in subjects]
    if corpus is not None:
        subjects = [replace(one, corpus_hash=None) for one in subjects]
    files = corpus if split is None and tokens is None else None
    for line in answers(subjects, Question(split, files, tokens, length, stride, by_position)):
        print(line)


@app.command("coherence")
def coherence_of_texts(
    files: Annotated[list[str], typer.Argument(help="Texts in English; - is standard input")],
) -> None:
    """Score how far the order of a text's sentences hangs together; about 0.5 is that of a random order."""
    from signal_model.evaluation.coherence.entities import coherence
    from signal_model.support.files import read_text

    names = ("combined", "entity", "lexical", "semantic", "discourse", "repetition", "function_words")
    lines = []
    for file in files:
        try:
            scores = coherence(sys.stdin.read() if file == "-" else read_text(file))
        except ValueError as error:
            raise InputError(str(error) if isinstance(error, InputError) else f"{file}: {error}") from None
        lines.append(
            "  ".join(f"{getattr(scores, name):>{len(name)}.3f}" for name in names) + f"  {scores.sentences:>9}  {file}"
        )
    print("  ".join((*names, "sentences", "text")))
    print("\n".join(lines))
