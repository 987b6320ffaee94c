"""Damaged files again, found by atheris: changes that reach new lines of the code that reads them are changed further.

    python -m tests.tools.fuzz_guided space --runs 50000       # or recipe, run, weights; needs: pip install atheris

The same files, guard and promise as `tests.tools.fuzz`: reading succeeds or raises InputError. The first input that
breaks it is printed with its traceback and kept below `--found`.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["hrfevo", "signal_model", "yaml", "safetensors"]):
    import numpy as np
    import torch

    from hrfevo.space.genome import express, sample
    from hrfevo.space.reading import parse_space
    from hrfevo.store.run_folder import RunFolder
    from signal_model.cli import app as library
    from signal_model.config import Recipe
    from signal_model.support.files import to_yaml
    from signal_model.training.checkpoints import load_checkpoint
    from tests.conftest import ROOT, answer
    from tests.tools.chaos import space_text
    from tests.tools.fuzz import MEMORY, Counts, Guard, tried, words_of

EVERY = 1000
Read = Callable[[bytes], object]


def of_space(_: Path) -> tuple[list[bytes], Read]:
    files = [path.read_bytes() for path in sorted((ROOT / "search_spaces").glob("*.yaml"))]
    return files, lambda data: parse_space(data.decode("utf-8", "replace"), "space.yaml")


def of_recipe(root: Path) -> tuple[list[bytes], Read]:
    path = root / "recipe.yaml"
    generator = np.random.default_rng(0)
    spaces = [parse_space(data.decode(), "space") for data in of_space(root)[0]]
    files = [to_yaml(express(one, sample(one, generator), seed=0).to_dict()).encode() for one in spaces]

    def read(data: bytes) -> None:
        path.write_bytes(data)
        Recipe.load(path)

    return files, read


def of_run(root: Path) -> tuple[list[bytes], Read]:
    (root / "space.yaml").write_text(space_text(root))
    answer("run", root / "space.yaml", "--out", root / "runs", "--backend", "inline", "--no-confirm")
    (run,) = (root / "runs").iterdir()
    settings = (run / "run.json").read_bytes()

    def read(data: bytes) -> None:
        (run / "run.json").write_bytes(data)
        RunFolder.open(run).space()

    return [settings, json.dumps(json.loads(settings)).encode()], read


def of_weights(root: Path) -> tuple[list[bytes], Read]:
    of_run(root)
    (run,) = (root / "runs").iterdir()
    model = root / "model"
    answer("train", run / "best.yaml", "--output", model, of=library)
    path = model / "model.safetensors"
    weights = path.read_bytes()

    def read(data: bytes) -> None:
        path.write_bytes(data)
        load_checkpoint(model, torch.device("cpu"))

    return [weights], read


TARGETS = {"space": of_space, "recipe": of_recipe, "run": of_run, "weights": of_weights}


def fuzz(root: Path, target: str, runs: int, seed: int, found: Path) -> None:
    """Never returns: libFuzzer ends the process."""
    files, read = TARGETS[target](root)
    corpus, words = root / "corpus", root / "words"
    corpus.mkdir()
    for number, data in enumerate(files):
        (corpus / str(number)).write_bytes(data)
    escaped = ("".join(f"\\x{byte:02x}" for byte in word) for word in words_of(*files) if word)
    words.write_text("".join(f'"{word}"\n' for word in escaped))
    guard, counts = Guard(root), Counts()

    def one(data: bytes) -> None:
        tried(guard, counts, target, lambda: read(data))
        if (so_far := sum(counts.values())) % EVERY == 0:
            print(f"{so_far:,} {target}:", *(f"{count:,} {end}" for (_, end), count in counts.items()), flush=True)

    flags = [f"-runs={runs}", f"-seed={seed}", f"-dict={words}", f"-artifact_prefix={found}/"]
    # The guard has a clock of its own; the limit of memory is libFuzzer's, which knows what atheris itself holds.
    limits = ["-handle_alrm=0", f"-rss_limit_mb={MEMORY >> 20}", f"-max_len={2 * max(map(len, files))}"]
    atheris.Setup([sys.argv[0], *flags, *limits, str(corpus)], one)
    atheris.Fuzz()


def main() -> int:
    parser = argparse.ArgumentParser(description="Damaged files, guided by the lines that they reach.")
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--runs", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--found", type=Path, default=Path(tempfile.gettempdir()))
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="hrfevo-fuzz-") as root:
        child = os.fork()
        if not child:
            fuzz(Path(root), options.target, options.runs, options.seed, options.found)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    sys.exit(main())
