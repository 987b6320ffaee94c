"""signal-model generate."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from signal_model.commands.options import DeviceOption, ThreadsOption
from signal_model.support.console import PluginOption
from signal_model.support.errors import InputError

if TYPE_CHECKING:
    from signal_model.data.mulaw import MuLaw

app = typer.Typer()


@app.command()
def generate(
    directory: Annotated[Path, typer.Argument(help="A folder that `train` wrote")],
    prompt: Annotated[
        str | None, typer.Option(help="Text, or a file of sound; a line break, or a new recording, unless given")
    ] = None,
    tokens: Annotated[
        int | None,
        typer.Option(min=1, help="How many to generate at most, 256 or a second unless given; the end of a text stops"),
    ] = None,
    output: Annotated[Path | None, typer.Option(help="The wav file that a model of sound writes")] = None,
    temperature: Annotated[float, typer.Option(min=0.0, help="0 takes the likeliest token each time")] = 0.8,
    top_k: Annotated[int | None, typer.Option(min=1)] = None,
    top_p: Annotated[float | None, typer.Option(min=0.0, max=1.0)] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1)] = 0,
    device: DeviceOption = "cpu",
    threads: ThreadsOption = 1,
    plugin: PluginOption = None,
) -> None:
    """Continue a prompt, one token at a time."""
    from signal_model.data.mulaw import MuLaw
    from signal_model.data.tokenizers import of_text
    from signal_model.evaluation.generation import generate as sample
    from signal_model.evaluation.generation import sound_prompt, stream_text
    from signal_model.support.devices import prepare
    from signal_model.training.checkpoints import load_checkpoint

    chosen = prepare(device, threads)
    trained, _, read = load_checkpoint(directory, chosen)
    settings: dict[str, Any] = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "seed": seed}
    settings["stop"] = read.end_of_text
    if isinstance(read, MuLaw):
        if output is None:
            raise InputError(f"{directory}: is a model of sound; say where to write with --output FILE.wav")
        heard = sound_prompt(prompt, read)
        produced = sample(trained, heard, tokens or read.rate, **settings)
        _write_sound([*heard, *produced], read, output)
        return
    if output is not None:
        raise InputError(f"--output {output}: is for models of sound; text is printed")
    tokenizer, prompt = of_text(read, str(directory)), "\n" if prompt is None else prompt
    try:
        ids = tokenizer.encode(prompt).tolist()
    except (UnicodeEncodeError, TypeError):
        raise InputError("--prompt: is not text in UTF-8") from None
    except InputError as error:
        raise InputError(f"--prompt: {error}") from None
    produced = sample(trained, ids, tokens or 256, **settings)
    print(prompt, end="", flush=True)
    first = list(islice(produced, 1))  # the prompt has been read by then
    started, count = time.perf_counter(), 0

    def counted() -> Iterator[int]:
        nonlocal count
        for token in produced:
            count += 1
            yield token

    for piece in stream_text(tokenizer, chain(first, counted())):
        print(piece, end="", flush=True)
    print()
    if count:
        typer.echo(f"{count / (time.perf_counter() - started):.0f} tokens per second", err=True)


def _write_sound(tokens: list[int], tokenizer: MuLaw, output: Path) -> None:
    from signal_model.data.mulaw import write_wav

    samples = tokenizer.decode(tokens)
    try:
        write_wav(output, samples, tokenizer.rate)
    except OSError as error:
        raise InputError(f"--output {output}: cannot be written: {error.strerror or error}") from None
    print(f"{output}: {len(samples) / tokenizer.rate:.2f} s, {len(samples):,} samples at {tokenizer.rate:,} per second")
