"""Damaged files, many of them: each is refused in one line or read, and nothing else happens.

    python -m tests.tools.fuzz --yaml 100000 --folders 10000

Files that hrfevo reads - search spaces and recipes as YAML; checkpoints, unfinished trainings and run folders - are
changed at random by Hypothesis: bytes and lines are cut, repeated, moved and overwritten, numbers replaced by extreme
ones, words by others of the same files. Reading may succeed or raise InputError. Anything else counts: another
exception, more than some seconds, a file opened for writing outside the folder, a program started, a connection made.

Prints how many were tried, read and refused. The first that counts ends the script with its smallest form, exit code 1.
"""

from __future__ import annotations

import argparse
import collections
import os
import re
import resource
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as with_seed
from hypothesis import strategies as st

from hrfevo.results.confirmation.confirmed import latest
from hrfevo.results.earlier import read_earlier
from hrfevo.results.genome.card import card_of
from hrfevo.results.history import History
from hrfevo.results.status import status_of
from hrfevo.space.genome import express, sample
from hrfevo.space.reading import parse_space
from hrfevo.store.run_folder import RunFolder
from signal_model.cli import app as library
from signal_model.config import Recipe
from signal_model.data.corpus import load_corpus
from signal_model.model import build_model
from signal_model.support.errors import InputError
from signal_model.support.files import to_yaml
from signal_model.training.checkpoints import load_checkpoint, load_training, save_training
from signal_model.training.trainer import Trainer
from tests.conftest import ROOT, answer
from tests.tools.chaos import space_text

SECONDS, MEMORY = 20, 12 * 2**30
WORDS = (
    *("0", "-1", "1e400", ".nan", ".inf", "9" * 30, "true", "null", "''", "[]", "{}", "- ", ": ", "#", "\t", "---\n"),
    *("&a ", "*a", "<<: ", "!!python/name:os.system", "../../x", "/etc/passwd", "\x00", "é", "\ud800"),
)

Mutation = tuple[str, float, float, bytes]
Counts = collections.Counter[tuple[str, str]]


def mutations(words: tuple[bytes, ...]) -> st.SearchStrategy[list[Mutation]]:
    """Up to a few changes: what, where, how much (shares of the file), and with which bytes."""
    share = st.floats(0, 1, exclude_max=True)
    put = st.one_of(st.sampled_from(words), st.binary(min_size=1, max_size=4))
    kinds = st.sampled_from(["overwrite", "insert", "cut", "repeat", "number", "word", "truncate"])
    return st.lists(st.tuples(kinds, share, share, put), min_size=1, max_size=4)


def mutated(data: bytes, changes: list[Mutation]) -> bytes:
    """The data with the changes made, one after another."""
    for kind, where, much, put in changes:
        at = int(where * len(data))
        length = 1 + int(much**3 * min(len(data), 400))
        if kind == "overwrite":
            data = data[:at] + put + data[at + len(put) :]
        elif kind == "insert":
            data = data[:at] + put + data[at:]
        elif kind == "cut":
            data = data[:at] + data[at + length :]
        elif kind == "repeat":
            data = data[:at] + data[at : at + length] * (1 + int(much * 3)) + data[at:]
        elif kind == "truncate":
            data = data[:at]
        else:
            pattern = rb"-?\d+(\.\d+)?" if kind == "number" else rb"[A-Za-z_]{2,}"
            found = next(re.finditer(pattern, data[at:]), None)
            if found:
                data = data[: at + found.start()] + put + data[at + found.end() :]
    return data


class Guard:
    """Watches what this process does while a file is read."""

    def __init__(self, allowed: Path) -> None:
        self._allowed, self.strange = str(allowed.resolve()), list[str]()
        self._watching = False
        sys.addaudithook(self._hear)

    @contextmanager
    def watching(self) -> Iterator[None]:
        def too_long(*_: object) -> None:
            raise TimeoutError(f"took more than {SECONDS} s")

        before = signal.signal(signal.SIGALRM, too_long)
        signal.alarm(SECONDS)
        self.strange, self._watching = [], True
        try:
            yield
        finally:
            self._watching = False
            signal.alarm(0)
            signal.signal(signal.SIGALRM, before)
        assert not self.strange, self.strange

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._watching:
            return
        writes = event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")
        if writes or event in ("os.remove", "os.rename", "os.mkdir", "os.rmdir", "shutil.rmtree"):
            path = os.path.realpath(os.fsdecode(arguments[0])) if isinstance(arguments[0], str | bytes) else ""
            if path and not path.startswith(self._allowed):
                self.strange.append(f"{event} {path}")
        elif event in ("subprocess.Popen", "os.system", "os.exec", "os.fork", "os.posix_spawn", "socket.connect"):
            self.strange.append(f"{event} {arguments!r}")


def tried(guard: Guard, counts: Counts, kind: str, read: Callable[[], object]) -> None:
    """Read something; count how that ended."""
    try:
        with guard.watching():
            read()
        end = "read"
    except InputError as error:
        end = "refused in words" if "\n" not in str(error) else "more than a line"
    assert end != "more than a line"
    counts[kind, end] += 1


def words_of(*files: bytes) -> tuple[bytes, ...]:
    """The words of some files, and some that are seldom meant well."""
    found = {word for data in files for word in re.findall(rb"[A-Za-z_.]{3,20}", data)}
    return (*(word.encode("utf-8", "surrogatepass") for word in WORDS), *sorted(found)[:400])


def fuzzed(examples: int) -> settings:
    """Hypothesis' settings for so many examples."""
    return settings(
        max_examples=examples, database=None, deadline=None, print_blob=False, suppress_health_check=[*HealthCheck],
        phases=[Phase.generate, Phase.shrink],
    )  # fmt: skip


def fuzz_yaml(guard: Guard, counts: Counts, folder: Path, examples: int, seed: int) -> None:
    """Search spaces, and recipes of their genomes."""
    texts = [(path.name, path.read_text()) for path in sorted((ROOT / "search_spaces").glob("*.yaml"))]
    spaces, path = [text.encode() for _, text in texts], folder / "file.yaml"
    generator = np.random.default_rng(seed)
    parsed = [parse_space(text, name) for name, text in texts]
    recipes = [
        to_yaml(express(one, sample(one, generator), seed=0).to_dict()).encode() for one in parsed for _ in range(3)
    ]

    def space(data: bytes) -> None:
        tried(guard, counts, "search space", lambda: parse_space(data.decode("utf-8", "replace"), "space.yaml"))

    def recipe(data: bytes) -> None:
        path.write_bytes(data)
        tried(guard, counts, "recipe", lambda: Recipe.load(path))

    for files, read in ((spaces, space), (recipes, recipe)):
        fuzz(files, read, examples // 2, seed)


def fuzz(files: list[bytes], read: Callable[[bytes], None], examples: int, seed: int) -> None:
    """Read so many damaged copies of the files."""

    @with_seed(seed)
    @fuzzed(examples)
    @given(st.sampled_from(files), mutations(words_of(*files)))
    def one(data: bytes, changes: list[Mutation]) -> None:
        read(mutated(data, changes))

    one()


def fuzz_folder(
    guard: Guard, counts: Counts, kind: str, whole: Path, place: Path, read: Callable[[Path], object], examples: int,
    seed: int,
) -> None:  # fmt: skip
    """A folder in which one file is damaged."""
    names = sorted(path.name for path in whole.iterdir() if path.suffix in (".json", ".yaml", ".db", ".safetensors"))
    files = {name: (whole / name).read_bytes() for name in names}

    @with_seed(seed)
    @fuzzed(examples)
    @given(st.sampled_from(names), mutations(words_of(*(data[:20_000] for data in files.values()))))
    def one(name: str, changes: list[Mutation]) -> None:
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(whole, place)
        (place / name).write_bytes(mutated(files[name], changes))
        tried(guard, counts, f"{kind}: {name}", lambda: read(place))

    one()


def read_run(path: Path) -> None:
    """What `hrfevo best`, `show`, `status` and `report` read of a run."""
    run = RunFolder.open(path)
    space, store = run.space(), run.open_store()
    try:
        evaluations = store.evaluations(run.id)
        status_of(run, store)
        evaluations = read_earlier(run).named(evaluations)
        if (history := History(space, tuple(evaluations))).ranked(3):
            card_of(history, store.curves(run.id), None, latest(run))
    finally:
        store.close()


class Unfinished:
    """A training that was interrupted, and what goes on with it, as `signal-model train --resume` does."""

    def __init__(self, recipe: Recipe, folder: Path) -> None:
        self._recipe, self._corpus = recipe, load_corpus(recipe.corpus, recipe.tokenizer)
        trainer = self._trainer()
        trainer.run(until=1)
        folder.mkdir()
        save_training(folder, trainer, recipe, self._corpus.content_hash)

    def __call__(self, path: Path) -> None:
        load_training(path, self._trainer(), self._recipe, self._corpus.content_hash)

    def _trainer(self) -> Trainer:
        recipe = self._recipe
        return Trainer(build_model(recipe.model, 0), self._corpus, recipe.training, torch.device("cpu"))


def main() -> int:
    parser = argparse.ArgumentParser(description="Damaged files are refused in one line or read.")
    parser.add_argument("--yaml", type=int, default=100_000)
    parser.add_argument("--folders", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    torch.set_num_threads(1)
    counts: Counts = collections.Counter()
    with tempfile.TemporaryDirectory(prefix="hrfevo-fuzz-") as temporary:
        root = Path(temporary)
        os.environ["SIGNAL_MODEL_CACHE"] = str(root / "tokens")
        guard = Guard(root)
        print(f"seed {options.seed}", flush=True)
        fuzz_yaml(guard, counts, root, options.yaml, options.seed)
        (root / "space.yaml").write_text(space_text(root))
        answer("run", root / "space.yaml", "--out", root / "runs", "--backend", "inline", "--no-confirm")
        (run,) = (root / "runs").iterdir()
        answer("train", run / "best.yaml", "--output", root / "trained", of=library)
        unfinished = Unfinished(Recipe.load(run / "best.yaml"), root / "unfinished")
        reading: dict[str, tuple[Path, Callable[[Path], object]]] = {
            "run": (run, read_run),
            "trained": (root / "trained", lambda path: load_checkpoint(path, torch.device("cpu"))),
            "unfinished": (root / "unfinished", unfinished),
        }
        for kind, (whole, read) in reading.items():
            fuzz_folder(
                guard, counts, kind, whole, root / "damaged", read, options.folders // len(reading), options.seed
            )
    for (kind, end), count in sorted(counts.items()):
        print(f"{count:7,} {kind}: {end}")
    print(f"{sum(counts.values()):7,} damaged files, 0 tracebacks")
    return 0


if __name__ == "__main__":
    sys.exit(main())
