"""A mistake in what either command is asked is one line."""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from hrfevo.space.reading import load_space
from signal_model.cli import app as signal_model
from signal_model.data.corpus import load_corpus
from signal_model.support.errors import InputError
from tests.conftest import TINY_SPACE, answer, assert_one_clear_line, command
from tests.tools.privileges import read_only


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("embedding.bases:", "embedding.basis:"), "embedding.basis: unknown setting"),
        (("low: 2, high: 8,", "low: 8, high: 2,"), "low must be below high, got low 8 and high 2"),
        (
            (
                "mixer.levels: {",
                "mixer.families: {type: choice, values: [[db99]], when: {mixer.kind: wavelet}}\n      mixer.levels: {",
            ),
            "'db99' is not a discrete wavelet",
        ),
        (("{path: TEXT}", "{path: /nowhere/*.txt}"), "/nowhere/*.txt"),
        (("{path: TEXT}", "{path: EMPTY}"), "empty"),
        (("{path: TEXT}", "{dataset: /nowhere/data}"), "/nowhere/data"),
        (("{path: TEXT}", "{path: ONE}"), "too few distinct documents to split by document (1); it takes 3"),
        (("context: 32", "context: 100000"), "is shorter than one window of model.context + 1"),
    ],
)
def test_a_bad_space_is_one_line_of_run_and_of_validate(
    change: tuple[str, str], says: str, tmp_path: Path, text_folder: Path
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "empty.txt").touch()
    (empty / "one.txt").write_text("a document")
    path = tmp_path / "space.yaml"
    assert change[0] in TINY_SPACE
    path.write_text(
        TINY_SPACE.replace(*change)
        .replace("TEXT", str(text_folder))
        .replace("EMPTY", str(empty / "empty.txt"))
        .replace("ONE", str(empty / "one.txt"))
    )
    result = command("hrfevo", "run", path, "--backend", "inline", "--out", tmp_path / "out")
    assert_one_clear_line(result, says)
    assert not (tmp_path / "out").exists()  # nothing is left behind by a run that never began
    with pytest.raises(InputError, match=re.escape(says)):
        answer("validate", path)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run", "missing.yaml"], "missing.yaml: no such file"),
        (["validate", "missing.yaml"], "missing.yaml: no such file"),
        (["validate", "SPACE", "--set", "corpus={path: nowhere/*.txt}"], "corpus: path: nowhere/*.txt: no such file"),
        (["validate", "."], "is a folder, not a file"),
        (["best", "."], "is not a run folder (no run.json in it)"),
        (["resume", "nowhere"], "nowhere: no such run folder"),
        (["report", "nowhere"], "nowhere: no such run folder"),
        (["list", "nowhere"], "nowhere: no such folder"),
        (["run", "SPACE", "--address", "127.0.0.1:1"], "--address 127.0.0.1:1: no Ray cluster answers there"),
        (["run", "SPACE", "--address", "ray://127.0.0.1:1"], "no Ray cluster answers there"),
        (["run", "SPACE", "--address", "nonsense"], "expected auto, HOST:PORT or ray://HOST:PORT"),
        (["run", "SPACE", "--algorithm", "evolutoin"], "did you mean 'evolution'?"),
        (["run", "SPACE", "--device", "cpu:9"], "cpu:9 is not available on this machine"),
        (["run", "SPACE", "--confirm"], "--confirm: confirm.top of the space is 0; `hrfevo confirm` takes a number"),
        (["run", "SPACE", "--storage", ""], "--storage: is empty; accepted: a path or a URL"),
        (["run", "SPACE", "--backend", "inline", "--workers", 3], "--backend inline: runs one evaluation at a time"),
        (["run", "SPACE", "--device", "gpu"], "'gpu' is no device; accepted: auto, cuda, cuda:N, mps, cpu"),
        (["run", "SPACE", "--backend", "inline", "--store", "nonsense"], "accepted: sqlite:///PATH or postgresql"),
        (["run", "SPACE", "--backend", "inline", "--store", "sqlite:///:memory:"], "forgets everything at the end"),
        (["run", "SPACE", "--set", "model.embedding.kind=hybrid"], "is fixed here and searched as gene embedding.kind"),
        (["run", "SPACE", "--set", "model.context=100000"], "is shorter than one window of model.context + 1"),
        (["run", "SPACE", "--set", "genes.embedding.kind.type=chioce"], "chioce"),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, list) else "",
)
def test_a_mistake_is_one_line(arguments: list[object], says: str, tmp_path: Path, tiny_space: Path) -> None:
    given = [tiny_space if argument == "SPACE" else argument for argument in arguments]
    if arguments[0] == "run":
        given += ["--out", tmp_path / "out"]
    result = command("hrfevo", *given)
    assert_one_clear_line(result, says)
    assert not list((tmp_path / "out").glob("*"))


def test_a_space_is_read_from_a_pipe_and_one_that_nobody_writes_to_is_refused(
    tmp_path: Path, tiny_space: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = [sys.executable, "-m", "hrfevo.cli", "validate", "/dev/stdin"]
    piped = subprocess.run(asked, input=tiny_space.read_text(), capture_output=True, text=True, check=False)
    assert piped.returncode == 0, piped.stderr
    assert piped.stdout.startswith("/dev/stdin: valid; 8 genes")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    threading.Timer(0.3, pipe.write_bytes, [tiny_space.read_bytes()]).start()
    assert answer("validate", pipe).startswith(f"{pipe}: valid; 8 genes")
    monkeypatch.setattr("signal_model.support.files.PIPE_PATIENCE", 0.2)
    with pytest.raises(InputError, match=r"pipe: is a pipe, and nobody has written to it for 0.2 seconds"):
        answer("validate", pipe)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["train", "missing.yaml", "--output", "OUT"], "missing.yaml: no such file"),
        (["train", "MODEL", "--output", "OUT"], "names no corpus"),
        (["train", "MODEL", "--output", "OUT", "--corpus", "/nowhere"], "/nowhere"),
        (["train", "MODEL", "--output", "OUT", "--corpus", ""], "--corpus: path: names no file, got ''"),
        (
            ["train", "MODEL", "--output", "OUT", "--corpus", "python", "--tokenizer", "{kind: bpe, size: 300}"],
            "does not match the tokenizer's 300",
        ),
        (
            ["train", "BAD", "--output", "OUT", "--corpus", "python"],
            "layers[0].mixer.levels: 9 needs a context of at least 512",
        ),
        (["train", "MODEL", "--output", "MODEL", "--corpus", "python"], "cannot be made a folder"),
        (["train", "WILD", "--output", "OUT", "--corpus", "python", "--steps", "3"], "training diverged: the loss is"),
        (["evaluate", "."], "is no checkpoint (no model.safetensors in it)"),
        (["generate", ".", "--prompt", "x"], "is no checkpoint"),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, list) else "",
)
def test_signal_models_mistakes_are_one_line(arguments: list[str], says: str, tmp_path: Path) -> None:
    (tmp_path / "model.yaml").write_text("width: 16\nlayers:\n- mixer: {kind: harmonic}\n")
    (tmp_path / "bad.yaml").write_text("layers:\n- mixer: {kind: wavelet, levels: 9}\n")
    (tmp_path / "wild.yaml").write_text("model: {width: 16}\ntraining: {weight_decay: 1e30}\n")
    names = {
        "WILD": tmp_path / "wild.yaml",
        "MODEL": tmp_path / "model.yaml",
        "BAD": tmp_path / "bad.yaml",
        "OUT": tmp_path / "out",
    }
    assert_one_clear_line(command("signal-model", *[names.get(a, a) for a in arguments]), says)


def test_a_disk_without_room_is_named(tiny_space: Path, tmp_path: Path) -> None:
    def leave(room: int) -> None:
        # Or what is imported is left cut off for everybody.
        sys.dont_write_bytecode = True
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))

    space, _ = load_space(tiny_space)
    load_corpus(space.corpus, space.tokenizer)  # there is room for its tokens
    model = tmp_path / "model.yaml"
    model.write_text("width: 16\nlayers:\n- mixer: {kind: harmonic}\n")
    text = tmp_path / "plain.txt"
    text.write_text("".join(f"{number} lines of text\n" for number in range(2000)))
    train = ["train", model, "--steps", 3, "--output", tmp_path / "model"]
    refused = command("signal-model", *train, "--corpus", text)
    assert_one_clear_line(refused, f"cut one by position: {{path: {text}, split: position}}")
    search = ["hrfevo", "run", tiny_space, "--backend", "inline", "--out", tmp_path / "runs"]
    corpus = f"{{path: {text}, split: position}}"
    for room, arguments, place in (
        (50_000, ["signal_model", *train, "--corpus", corpus], tmp_path / "model" / "training.safetensors"),
        (200, search, f"--out {tmp_path / 'runs'}: "),
    ):
        result = subprocess.run(
            [sys.executable, "-m", *map(str, arguments)],
            capture_output=True,
            text=True,
            preexec_fn=partial(leave, room),
        )
        assert_one_clear_line(result, str(place))
    assert not [*(tmp_path / "runs").iterdir()]


def test_what_is_cheap_to_check_is_checked_before_text_is_read(
    tiny_space: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hrfevo.runner.start.load_corpus", None)
    monkeypatch.setattr("signal_model.data.corpus.load_corpus", None)
    closed, file, model = tmp_path / "closed", tmp_path / "file", tmp_path / "model.yaml"
    closed.mkdir()
    file.touch()
    model.write_text("width: 16\nvocab_size: 300\nlayers:\n- mixer: {kind: harmonic}\n")
    gpus = torch.cuda.device_count() + 1
    for arguments, says in (
        (("--set", f"resources.gpus={gpus}", "--out", tmp_path), f"resources.gpus: {gpus} for each of 1 worker\\b"),
        (("--out", closed / "runs"), f"--out {closed / 'runs'}: {closed} may not be written to"),
        (("--out", file / "runs"), f"--out {file / 'runs'}: {file} is not a folder"),
    ):
        with read_only(closed), pytest.raises(InputError, match=f"^{says}"):
            answer("run", tiny_space, *arguments)
    train = CliRunner().invoke(signal_model, ["train", str(model), "--corpus", "python", "--output", str(tmp_path)])
    assert str(train.exception).startswith(f"{model}: vocab_size: 300 does not match the tokenizer's 256; give")
