"""Fixtures shared by all tests: a cache of tokens, a small text, a small search space."""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from hypothesis import settings
from typer import Typer, testing
from typer.main import get_command

from hrfevo.cli import app
from hrfevo.runner.loop import Search
from hrfevo.space.reading import load_space, parse_space
from hrfevo.space.search_space import SearchSpace
from hrfevo.store.database import sqlite_url
from hrfevo.store.store import Store
from hrfevo.workers.base import Job, Outcome
from hrfevo.workers.inline import InlineWorkers
from tests.tools import forks
from tests.tools.services import postgresql_binaries, postgresql_server
from tests.tools.synthetic import LAYERS, write_run

# How long an example takes says how busy the machine is.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

# A runner makes all commands anew for each that it runs, which takes longer than many of them do.
testing._get_command = cache(get_command)

ROOT = Path(__file__).parent.parent
SPACES = sorted((ROOT / "search_spaces").glob("*.yaml"))

TINY_SPACE = """
name: tiny
corpus: {path: TEXT}
model: {context: 32, width: 16}
training: {batch_size: 4, validation_tokens: 1024}
genes:
  training.learning_rate: {type: float, low: 1e-3, high: 3e-2, log: true}
  embedding.kind: {type: choice, values: [standard, spectral]}
  embedding.bases: {type: int, low: 2, high: 8, when: {embedding.kind: spectral}}
  embedding.frequencies: {type: interval, low: 0.5, high: 8, log: true, when: {embedding.kind: spectral}}
  layers:
    type: layers
    min: 1
    max: 2
    fixed: {feedforward: {kind: mlp}}
    genes:
      mixer.kind: {type: choice, values: [attention, harmonic, wavelet]}
      mixer.levels: {type: int, low: 1, high: 4, when: {mixer.kind: wavelet}}
      feedforward.expansion: {type: ordered, values: [1.0, 2.0]}
objectives: {bits_per_byte: minimize, parameters: minimize}
rungs: [3]
population: 4
budget: {evaluations: 10}
confirm: {top: 0}
"""


def pytest_collection_finish() -> None:
    """What was imported to collect the tests is no garbage: none of the collections to come need look through it."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def token_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tokens made by tests stay out of the user's cache, and are made once for all processes that share the tests."""
    before, own = os.environ.get("SIGNAL_MODEL_CACHE"), tmp_path_factory.getbasetemp()
    place = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "tokens"
    place.mkdir(exist_ok=True)
    os.environ["SIGNAL_MODEL_CACHE"] = str(place)
    yield
    if before is None:
        del os.environ["SIGNAL_MODEL_CACHE"]
    else:
        os.environ["SIGNAL_MODEL_CACHE"] = before


@pytest.fixture(scope="session")
def text_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Real text, small: some modules of the running Python."""
    folder = tmp_path_factory.mktemp("text")
    library = Path(os.__file__).parent
    for name in ("ast", "bisect", "calendar", "cmd", "csv", "fnmatch", "gzip", "heapq", "json/decoder", "textwrap"):
        source = library / f"{name}.py"
        shutil.copy(source, folder / f"{source.stem}.txt")
    return folder


@pytest.fixture
def tiny_space(tmp_path: Path, text_folder: Path) -> Path:
    """A search space file whose evaluations take a tenth of a second."""
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY_SPACE.replace("TEXT", str(text_folder)))
    return path


@pytest.fixture
def space(tiny_space: Path) -> SearchSpace:
    """What that file says."""
    return load_space(tiny_space)[0]


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands in this process and in forked ones leave empty reports: to draw one takes longer than a small search."""
    monkeypatch.setenv(forks.UNDRAWN, "1")
    monkeypatch.setattr("hrfevo.runner.products.PICTURED", 0)
    monkeypatch.setattr("hrfevo.runner.products.render", lambda *_: "")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """One that knows of a run called `run`."""
    opened = Store(sqlite_url(tmp_path / "results.db"))
    opened.create_run("run", "run", {})
    return opened


@pytest.fixture(scope="session")
def embeddings() -> SearchSpace:
    """The search space of the main job."""
    return load_space(ROOT / "search_spaces" / "embeddings.yaml")[0]


@pytest.fixture(scope="session")
def layers() -> SearchSpace:
    """A space of models of several layers."""
    return parse_space(LAYERS, "layers.yaml")


@pytest.fixture(scope="session")
def written_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a search that never was. Tests read it only."""
    return write_run(tmp_path_factory.mktemp("written"), "one", 300)


@pytest.fixture(scope="session")
def written_runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three searches by each of two algorithms, that never were either. Tests read them only."""
    sizes, algorithms = [120, 90, 100, 150, 110, 95], ["evolution", "random"] * 3
    folder = tmp_path_factory.mktemp("several")
    return [
        write_run(folder, f"{algorithm}-{seed}", count, seed, algorithm=algorithm)
        for seed, (count, algorithm) in enumerate(zip(sizes, algorithms, strict=True))
    ]


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """A server of our own on loopback, without a password, gone after the tests."""
    if postgresql_binaries() is None:
        if os.environ.get("CI"):
            pytest.fail("CI must install PostgreSQL (Debian's package postgresql)")
        pytest.skip("PostgreSQL is not installed (Debian's package postgresql)")
    with postgresql_server() as server:
        yield server.url


class PowerCut(InlineWorkers):
    """Workers that are gone after so many evaluations, with the next in flight."""

    def __init__(self, evaluator: Callable[[Job], Outcome], after: int) -> None:
        super().__init__(evaluator)
        self._left = after

    def next_outcome(self) -> Outcome:
        if not self._left:
            raise SystemExit("power cut")
        self._left -= 1
        return super().next_outcome()


def command(
    name: str,
    *arguments: object,
    timeout: float = 300,
    environment: Mapping[str, str | None] = forks.UNCHANGED,
    new: bool = False,
) -> subprocess.CompletedProcess[str]:
    """Run `hrfevo` or `signal-model` as a user would, in a process of its own. None in `environment` is none at all.

    It is forked, see `forks`, which takes a tenth of the time of a `new` Python. That is for what Python or Ray read as
    they start.
    """
    module = {"hrfevo": "hrfevo.cli", "signal-model": "signal_model.cli"}[name]
    if sys.platform == "linux" and not new:
        return forks.run(module, arguments, timeout, environment)
    return subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=timeout,
        env=forks.changed(os.environ, environment),
    )


def answer(*arguments: object, of: Typer = app) -> str:
    """What a command prints; its InputError is raised."""
    result = testing.CliRunner().invoke(of, [*map(str, arguments)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def assert_one_clear_line(result: subprocess.CompletedProcess[str], says: str) -> None:
    """Of a command that was asked for what cannot be."""
    assert result.returncode == 2, (result.returncode, result.stdout, result.stderr)
    assert "Traceback" not in result.stdout + result.stderr
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("error: ")
    assert says in lines[0], lines[0]


def only_run(folder: Path) -> Path:
    """The one run folder in a folder."""
    (run,) = folder.iterdir()
    return run


@dataclass
class Scene:
    """An observer that makes things happen after so many evaluations."""

    acts: dict[int, Callable[[], object]]
    most_at_once: int = 0

    def submitted(self, job: Job) -> None:
        """Nothing."""

    def ended(self, outcome: Outcome, search: Search) -> None:
        self.most_at_once = max(self.most_at_once, search.workers.capacity)
        if act := self.acts.pop(search.tally.finished, None):
            act()
