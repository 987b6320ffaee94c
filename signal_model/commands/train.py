"""signal-model train."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from signal_model.commands.options import CorpusOption, DeviceOption, ThreadsOption, make_folder_of
from signal_model.support.console import PluginOption
from signal_model.support.errors import InputError

app = typer.Typer()


@app.command()
def train(
    model: Annotated[str, typer.Argument(help="A model config, a recipe that a search exported, or a preset's name")],
    output: Annotated[Path, typer.Option(help="Folder for the trained model")],
    corpus: CorpusOption = None,
    tokenizer: Annotated[
        str | None, typer.Option(help="bytes, {kind: bytes, size: 67} or {kind: bpe, size: 1024}")
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1)] = None,
    seed: Annotated[int | None, typer.Option(min=0, max=2**63 - 1)] = None,
    device: DeviceOption = "auto",
    threads: ThreadsOption = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes that share each batch, by Ray Train")] = 1,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the unfinished training in the folder")] = False,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Also write events for TensorBoard")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a model that is there")] = False,
    plugin: PluginOption = None,
) -> None:
    """Train a model; what the file does not say has the defaults of the library."""
    from signal_model.config import Recipe

    told = Recipe.named(model)
    if told.corpus is not None and corpus is None:
        told.corpus.refuse_beside(Path(model), f"{model}: corpus")
    recipe = told.with_options(corpus, tokenizer, steps=steps, seed=seed)
    if recipe.corpus is None:
        raise InputError(f"{model}: names no corpus; add --corpus python, a path, or a mapping")
    if recipe.model.vocab_size != recipe.tokenizer.size:
        raise InputError(
            f"{model}: vocab_size: {recipe.model.vocab_size} does not match the tokenizer's {recipe.tokenizer.size}; "
            f"give the model that size, or the tokenizer this one: --tokenizer '{{kind: bpe, size: …}}'"
        )
    make_folder_of(output)

    import torch

    from signal_model.data.corpus import load_corpus
    from signal_model.evaluation.yardsticks import judged
    from signal_model.support.devices import prepare
    from signal_model.training.folder import refuse_occupied, train_in_folder
    from signal_model.training.logs import Bar, Lines
    from signal_model.training.tasks import task_of
    from signal_model.training.trainer import Diverged

    refuse_occupied(output, resume, overwrite)
    chosen = prepare(device, threads)
    text = load_corpus(recipe.corpus, recipe.tokenizer, say=partial(print, flush=True))
    print(f"corpus {text.words}; device {chosen}", flush=True)
    task = task_of(recipe.model)
    unit = task.unit(text)
    shown = Bar(recipe.training.steps, unit) if sys.stdout.isatty() else Lines(unit)
    try:
        if workers > 1:
            from signal_model.training.distributed import train_with_ray

            figures = train_with_ray(
                recipe,
                output,
                workers=workers,
                gpus=chosen.type == "cuda",
                threads=threads or max(1, torch.get_num_threads() // workers),
                resume=resume,
                tensorboard=tensorboard,
                shown=shown,
            )
        else:
            figures = train_in_folder(
                recipe, text, chosen, output, resume=resume, tensorboard=tensorboard, logs=[shown]
            )
    except Diverged as error:
        raise InputError(f"{model}: training diverged: {error}; try a lower training.learning_rate") from None
    score = figures["validation"]
    print(
        f"validation {task.in_words(score, unit)}; "
        f"{figures['parameters']:,} parameters; {figures['seconds']:.1f} s; saved in {output}"
    )
    print(f"That is {judged(score[task.words.score], figures['yardsticks'])}.")
