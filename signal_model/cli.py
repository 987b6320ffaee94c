"""signal-model train | evaluate | generate."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from signal_model.console import new_app, run
from signal_model.errors import InputError

if TYPE_CHECKING:
    from signal_model.config import Recipe
    from signal_model.training import CurvePoint

app = new_app("Train, evaluate and sample causal spectral language models.")

CorpusOption = Annotated[
    str | None,
    typer.Option(help="python, a file, folder or glob, or a YAML mapping such as '{dataset: wikitext, config: …}'"),
]
DeviceOption = Annotated[str, typer.Option(help="auto, cuda, cuda:N, mps or cpu")]
ThreadsOption = Annotated[int | None, typer.Option(min=1, max=1024, help="CPU threads; all cores unless given")]


@app.command()
def train(
    model: Annotated[Path, typer.Argument(help="A model config, or a recipe that a search exported")],
    output: Annotated[Path, typer.Option(help="Folder for the trained model")],
    corpus: CorpusOption = None,
    tokenizer: Annotated[str | None, typer.Option(help="bytes, or '{kind: bpe, size: 1024}'")] = None,
    steps: Annotated[int | None, typer.Option(min=1)] = None,
    seed: Annotated[int | None, typer.Option(min=0, max=2**63 - 1)] = None,
    device: DeviceOption = "auto",
    threads: ThreadsOption = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a model that is there")] = False,
) -> None:
    """Train a model; what the file does not say has the defaults of the library."""
    from signal_model.config import Recipe

    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--output {output}: cannot be made a folder: {error.strerror}") from None
    if not os.access(output, os.W_OK):
        raise InputError(f"--output {output}: cannot be written to")
    if (output / "model.safetensors").exists() and not overwrite:
        raise InputError(f"{output}: holds a trained model; name another folder or add --overwrite")
    recipe = _changed(Recipe.load(model), corpus, tokenizer, {"steps": steps, "seed": seed})
    if recipe.corpus is None:
        raise InputError(f"{model}: names no corpus; add --corpus python, a path, or a mapping")

    from signal_model.checkpoints import save_checkpoint
    from signal_model.corpus import load_corpus
    from signal_model.model import count_parameters
    from signal_model.training import Diverged, check_vocabulary, run_recipe

    chosen = _prepare(device, threads)
    text = load_corpus(recipe.corpus, recipe.tokenizer)
    check_vocabulary(recipe.model, text)
    print(f"corpus {text.name}: {len(text.train):,} training tokens; device {chosen}", flush=True)
    try:
        trained, training, score = run_recipe(recipe, text, chosen, _print_point)
    except Diverged as error:
        raise InputError(f"{model}: training diverged: {error}; try a lower training.learning_rate") from None
    figures = {
        "validation": {"bits_per_byte": score.bits_per_byte, "nats_per_token": score.nats_per_token},
        "parameters": count_parameters(trained),
        "seconds": training.seconds,
        "step_seconds": training.step_seconds,
        "tokens": training.tokens,
        "corpus": text.name,
        "corpus_hash": text.content_hash,
    }
    save_checkpoint(output, trained, recipe, text.tokenizer, figures)
    print(
        f"validation {score.bits_per_byte:.6f} bits per byte, {score.nats_per_token:.4f} nats per token; "
        f"{count_parameters(trained):,} parameters; {training.seconds:.1f} s; saved in {output}"
    )


@app.command()
def evaluate(
    directory: Annotated[Path, typer.Argument(help="A folder that `train` wrote")],
    corpus: CorpusOption = None,
    split: Annotated[Literal["validation", "test"], typer.Option()] = "validation",
    tokens: Annotated[
        int | None, typer.Option(min=1, help="Tokens to score on; those of training unless given")
    ] = None,
    device: DeviceOption = "auto",
    threads: ThreadsOption = None,
) -> None:
    """Score a trained model in bits per byte on fixed windows of text it was not trained on."""
    from signal_model.checkpoints import load_checkpoint
    from signal_model.corpus import load_corpus
    from signal_model.devices import compute_in
    from signal_model.evaluation import causality_tolerance, causality_violation, fixed_windows, score_text
    from signal_model.training import check_vocabulary

    chosen = _prepare(device, threads)
    trained, recipe, tokenizer = load_checkpoint(directory, chosen)
    recipe = _changed(recipe, corpus, None, {"validation_tokens": tokens})
    if recipe.corpus is None:
        raise InputError(f"{directory}: names no corpus; add --corpus")
    text = load_corpus(recipe.corpus, recipe.tokenizer)
    check_vocabulary(recipe.model, text)
    if text.tokenizer.to_json() != tokenizer.to_json():
        raise InputError(
            f"{directory}: was trained with another tokenizer than this corpus gives; "
            "evaluate a bpe model on the corpus it was trained on"
        )
    violation = causality_violation(trained, recipe.model.vocab_size, recipe.model.context)
    if not violation <= causality_tolerance(chosen):  # nor is a model that gives no numbers
        raise InputError(
            f"{directory}: looks at future tokens or gives no numbers (violation {violation:.2g}); "
            "its loss means nothing"
        )
    tokens_of_split = text.validation if split == "validation" else text.test
    windows = fixed_windows(tokens_of_split, recipe.model.context, recipe.training.validation_tokens)
    with compute_in(chosen, recipe.training.precision):
        score = score_text(trained, windows, tokenizer.byte_lengths, chosen)
    print(
        f"{split} of {text.name}: {score.bits_per_byte:.6f} bits per byte, "
        f"{score.nats_per_token:.4f} nats per token over {score.tokens:,} tokens"
    )


@app.command()
def generate(
    directory: Annotated[Path, typer.Argument(help="A folder that `train` wrote")],
    prompt: Annotated[str, typer.Option()] = "\n",
    tokens: Annotated[int, typer.Option(min=1, help="How many to generate")] = 256,
    temperature: Annotated[float, typer.Option(min=0.0, help="0 takes the likeliest token each time")] = 0.8,
    top_k: Annotated[int | None, typer.Option(min=1)] = None,
    top_p: Annotated[float | None, typer.Option(min=0.0, max=1.0)] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1)] = 0,
    device: DeviceOption = "cpu",
    threads: ThreadsOption = 1,
) -> None:
    """Continue a prompt, one token at a time."""
    from signal_model.checkpoints import load_checkpoint
    from signal_model.generation import generate as sample

    chosen = _prepare(device, threads)
    trained, _, tokenizer = load_checkpoint(directory, chosen)
    try:
        ids = tokenizer.encode(prompt).tolist()
    except (UnicodeEncodeError, TypeError):
        raise InputError("--prompt: is not text in UTF-8") from None
    started = time.perf_counter()
    produced = list(sample(trained, ids, tokens, temperature=temperature, top_k=top_k, top_p=top_p, seed=seed))
    print(prompt + tokenizer.decode(produced))
    typer.echo(f"{tokens / (time.perf_counter() - started):.0f} tokens per second", err=True)


def _changed(recipe: Recipe, corpus: str | None, tokenizer: str | None, training: dict[str, Any]) -> Recipe:
    """The recipe with what the command line gave in place of what the file says."""
    from signal_model.files import parse_value
    from signal_model.settings import updated

    changes: dict[str, Any] = {}
    if corpus is not None:
        looks_like_mapping = corpus.lstrip().startswith("{")
        changes["corpus"] = (
            parse_value(corpus) if looks_like_mapping else corpus if corpus == "python" else {"path": corpus}
        )
    if tokenizer is not None:
        changes["tokenizer"] = parse_value(tokenizer)
    given = {key: value for key, value in training.items() if value is not None}
    if given:
        changes["training"] = recipe.training.to_dict() | given
    return updated(recipe, changes, "command line") if changes else recipe


def _prepare(device: str, threads: int | None) -> Any:
    import torch

    from signal_model.devices import choose_device

    if threads:
        torch.set_num_threads(threads)
    return choose_device(device)


def _print_point(point: CurvePoint) -> None:
    print(f"step {point.step:>7}  {point.bits_per_byte:8.4f} bits per byte  {point.seconds:8.1f} s", flush=True)


def main() -> None:
    """Entry point of `signal-model`."""
    run(app)


if __name__ == "__main__":
    main()
