"""Checkpoints on a path, in fsspec's memory and on an FTP server."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from hrfevo.space.genome import Genome
from hrfevo.space.reading import load_space
from hrfevo.store.run_folder import RunFolder
from hrfevo.workers.base import Job
from hrfevo.workers.evaluation import TrainingEvaluator
from hrfevo.workers.trainings import Checkpoints, fetched, kept_at, storage_place
from signal_model.data.corpus import load_corpus
from signal_model.support.errors import InputError
from tests.conftest import command, only_run
from tests.tools.services import free_port

GENOME = Genome(
    {
        "training.learning_rate": 0.01,
        "embedding.kind": "standard",
        "layers": [{"mixer.kind": "harmonic", "feedforward.expansion": 1.0}],
    }
)


@pytest.fixture
def evaluator(tiny_space: Path) -> TrainingEvaluator:
    """Trains to two rungs."""
    space = load_space(tiny_space)[0].model_copy(update={"rungs": [2, 5]})
    return TrainingEvaluator(space, load_corpus(space.corpus, space.tokenizer), "cpu")


@pytest.fixture(scope="module")
def ftp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A server on loopback that anybody may write to: its URL, and the folder it serves."""
    folder, port = tmp_path_factory.mktemp("served"), free_port()
    asked = ["--interface", "127.0.0.1", "--port", str(port), "--write", "--directory", str(folder)]
    with subprocess.Popen([sys.executable, "-m", "pyftpdlib", *asked], stderr=subprocess.DEVNULL) as server:
        while server.poll() is None:
            with suppress(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port)).close()
                break
            time.sleep(0.05)
        yield f"ftp://127.0.0.1:{port}", folder
        server.kill()


class Objects(MemoryFileSystem):  # type: ignore[misc]
    """As S3: what is not an object is not there, whoever made a folder for it."""

    protocol = "objects"
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        """Makes a bucket at most."""

    mkdir = makedirs


fsspec.register_implementation("objects", Objects)


@pytest.fixture(params=["path", "memory", "objects", "ftp"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "path":
        return str(tmp_path / "kept")
    if request.param in ("memory", "objects"):
        return f"{request.param}://{tmp_path.name}"
    return f"{request.getfixturevalue('ftp')[0]}/{tmp_path.name}"


def test_what_is_kept_is_fetched_and_the_hopeless_go(place: str) -> None:
    checkpoints = Checkpoints(place)
    a, b, c = (letter * 12 for letter in "abc")
    for name in (a, b, c, "thesis"):
        for text in ("first", f"last of {name}"):
            with kept_at(checkpoints.of(name)) as folder:
                (folder / "file").write_text(text)
    with fetched(checkpoints.of(b)) as folder:
        assert (folder / "file").read_text() == f"last of {b}"
    Checkpoints(place).keep_only({b})  # what is no genome is not ours to remove
    for name, there in ((a, False), (b, True), (c, False), ("thesis", True), ("never", False)):
        with fetched(checkpoints.of(name)) as folder:
            assert (folder / "file").exists() == there


def test_a_genome_goes_on_from_any_storage_and_begins_again_without(evaluator: TrainingEvaluator, place: str) -> None:
    kept = Checkpoints(place).of("one")
    assert evaluator(Job(0, GENOME, 0, 7, kept)).detail == ""
    on, whole = evaluator(Job(1, GENOME, 1, 7, kept)), evaluator(Job(2, GENOME, 1, 7))
    assert on.metrics["bits_per_byte"] == whole.metrics["bits_per_byte"]
    assert [point.step for point in on.curve] == [3, 4, 5], "the first steps were not repeated"
    files, path = fsspec.core.url_to_fs(kept)
    files.pipe_file(f"{path}/training.safetensors", files.cat_file(f"{path}/training.safetensors")[:-9])
    again = evaluator(Job(3, GENOME, 1, 7, kept))
    assert again.metrics["bits_per_byte"] == whole.metrics["bits_per_byte"]
    assert len(again.curve) == 5


def test_what_cannot_be_kept_costs_no_result(evaluator: TrainingEvaluator, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    for place in (f"{tmp_path}/file/one", "ftp://127.0.0.1:9/one"):
        outcome = evaluator(Job(0, GENOME, 0, 7, place))
        assert outcome.status == "finished"
        assert "the training was not kept" in outcome.detail


@pytest.mark.usefixtures("undrawn")
def test_a_search_keeps_its_trainings_on_a_server(tiny_space: Path, tmp_path: Path, ftp: tuple[str, Path]) -> None:
    url, served = ftp
    options = ["--out", tmp_path / "out", "--workers", 2, "--set", "rungs=[3, 6]", "--evaluations", 16]
    result = command("hrfevo", "run", tiny_space, *options, "--storage", f"{url}/searches")
    assert result.returncode == 0, result.stderr
    run = RunFolder.open(only_run(tmp_path / "out"))
    assert not (run.path / "checkpoints").exists()
    evaluations = run.open_store().evaluations(run.id)
    promoted = {e.genome for e in evaluations if e.rung == 1}
    assert promoted
    assert all("not kept" not in e.detail for e in evaluations)
    (own,) = (served / "searches").iterdir()
    waiting = [path.name for path in own.iterdir() if path.name not in promoted]
    said = command("hrfevo", "export", run.path, waiting[0], "--weights", "--output", tmp_path / "model")
    assert "weights that the search kept at step 3" in said.stdout + said.stderr
    again = command("hrfevo", "resume", run.path, "--evaluations", 20, "--backend", "inline")
    assert again.returncode == 0, again.stderr
    assert [*(served / "searches").iterdir()] == [own], "a resumed run keeps its trainings where it did before"


@pytest.mark.parametrize(
    ("storage", "words"),
    [
        ("nonsense://there", "nonsense"),
        ("ftp://me:secret@127.0.0.1/x", "no passwords"),
        ("ftp://127.0.0.1:9/x", "refused"),
        ("FILE/kept", "NotADirectoryError"),
    ],
)
def test_storage_that_cannot_be_had_is_said_at_once(storage: str, words: str, tiny_space: Path, tmp_path: Path) -> None:
    (tmp_path / "FILE").write_text("")
    options = ["--out", tmp_path / "out", "--backend", "inline", "--set", "rungs=[3, 6]"]
    storage = storage.replace("FILE", str(tmp_path / "FILE"))
    result = command("hrfevo", "run", tiny_space, *options, "--storage", storage)
    assert result.returncode == 2, result.stderr
    assert "--storage" in result.stderr
    assert words in result.stderr
    assert "secret" not in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists(), "a run that cannot begin leaves no folder"


def test_a_relative_path_is_meant_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert storage_place("kept") == os.path.join(os.getcwd(), "kept")
    assert storage_place("memory://kept/") == "memory://kept"
    with pytest.raises(InputError, match="nothing"):
        storage_place("nothing://x")
