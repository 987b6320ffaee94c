"""signal-model train | evaluate | generate | analyze."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from signal_model.support.console import PluginOption, new_app, run
from signal_model.support.errors import InputError

if TYPE_CHECKING:
    from signal_model.data.mulaw import MuLaw

app = new_app("signal-model", "Train, evaluate and sample causal spectral language models.")

CorpusOption = Annotated[
    str | None,
    typer.Option(help="python, a file, folder or glob, or a YAML mapping such as '{dataset: wikitext, config: …}'"),
]
DeviceOption = Annotated[str, typer.Option(help="auto, cuda, cuda:N, mps or cpu")]
ThreadsOption = Annotated[int | None, typer.Option(min=1, max=1024, help="CPU threads; as permitted unless given")]


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
    _make_folder(output)

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
        _make_folder(output)

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


def _write_sound(tokens: list[int], tokenizer: MuLaw, output: Path) -> None:
    from signal_model.data.mulaw import write_wav

    samples = tokenizer.decode(tokens)
    try:
        write_wav(output, samples, tokenizer.rate)
    except OSError as error:
        raise InputError(f"--output {output}: cannot be written: {error.strerror or error}") from None
    print(f"{output}: {len(samples) / tokenizer.rate:.2f} s, {len(samples):,} samples at {tokenizer.rate:,} per second")


def _make_folder(output: Path) -> None:
    from signal_model.support.files import make_folder

    make_folder(output, f"--output {output}")
    if not os.access(output, os.W_OK):
        raise InputError(f"--output {output}: cannot be written to")


def _refuse_model_in(output: Path, overwrite: bool) -> None:
    # Also one in several files, one whose training is unfinished, and one in files of other libraries.
    there = next((file.name for kind in ("*.safetensors*", "config.json") for file in output.glob(kind)), None)
    if there is not None and not overwrite:
        raise InputError(f"{output}: holds a model ({there}); name another folder or add --overwrite")


def main() -> None:
    """Entry point of `signal-model`."""
    run(app)


if __name__ == "__main__":
    main()
