"""A training that was stopped or killed goes on as if it had not been, and a folder holds one."""

from __future__ import annotations

import json
import os
import struct
import time
from pathlib import Path

import pytest
import torch

from signal_model.config import ModelConfig, Recipe
from signal_model.data.corpus import Corpus
from signal_model.model import build_model
from signal_model.support.errors import InputError
from signal_model.training.checkpoints import load_training, save_training
from signal_model.training.logs import TensorBoard
from signal_model.training.trainer import CurvePoint, Trainer
from tests.conftest import command
from tests.tools.forks import Forked
from tests.tools.models import CPU, HYBRID


@pytest.mark.parametrize(("optimizer", "windows"), [("adamw", "random"), ("muon", "epochs")])
def test_a_resumed_training_is_the_training_it_would_have_been(
    optimizer: str, windows: str, corpus: Corpus, text_folder: Path, tmp_path: Path
) -> None:
    """To the bit: stop at a point, write, read into another trainer built anew, go on."""
    recipe = Recipe.model_validate(
        {
            "model": HYBRID,
            "training": {"steps": 40, "batch_size": 4, "optimizer": {"kind": optimizer}, "windows": windows, "seed": 3},
            "corpus": {"path": str(text_folder)},
        }
    )
    whole = Trainer(build_model(recipe.model, 3), corpus, recipe.training, CPU)
    whole.run()
    first = Trainer(build_model(recipe.model, 3), corpus, recipe.training, CPU)
    first.run(until=18)
    save_training(tmp_path, first, recipe, "abc")
    second = Trainer(build_model(recipe.model, 99), corpus, recipe.training, CPU)
    load_training(tmp_path, second, recipe, "abc")
    second.run()
    assert [point.nats_per_token for point in second.curve] == [point.nats_per_token for point in whole.curve]
    assert all(torch.equal(a, b) for a, b in zip(second.model.parameters(), whole.model.parameters(), strict=True))
    other = recipe.model_copy(update={"training": recipe.training.model_copy(update={"steps": 50})})
    with pytest.raises(InputError, match=r"training\.steps was 40 and is 50"):
        load_training(tmp_path, second, other, "abc")
    with pytest.raises(InputError, match="other text"):
        load_training(tmp_path, second, recipe, "abd")
    less = Trainer(build_model(recipe.model, 3), corpus, recipe.training, CPU)
    del less.model.blocks[-1]
    with pytest.raises(InputError, match="another version"):
        load_training(tmp_path, less, recipe, "abc")
    path = tmp_path / "training.safetensors"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match="not an unfinished training"):
        load_training(tmp_path, second, recipe, "abc")


def test_killed_in_a_folder_and_resumed_from_the_command_line(text_folder: Path, tmp_path: Path) -> None:
    """The same weights, the same log, nothing in it twice; and TensorBoard's events hold the curve."""
    recipe = {
        "model": {"context": 32, "width": 16, "layers": [{"mixer": {"kind": "harmonic"}}]},
        "training": {"steps": 400, "batch_size": 4, "validation_tokens": 512},
        "corpus": {"path": str(text_folder)},
    }
    (tmp_path / "recipe.yaml").write_text(json.dumps(recipe))
    train_command = ["train", tmp_path / "recipe.yaml", "--threads", 1]
    whole = command("signal-model", *train_command, "--output", tmp_path / "whole", "--tensorboard")
    assert whole.returncode == 0, whole.stderr
    killed = [*train_command, "--output", tmp_path / "killed"]
    process = Forked("signal_model.cli", killed, Path(os.devnull), tmp_path / "stderr")
    log = tmp_path / "killed" / "log.jsonl"
    while process.poll() is None and not (log.exists() and log.read_text().count("\n") >= 3):
        time.sleep(0.01)
    process.kill()
    process.wait()
    refused = command("signal-model", *killed)
    assert refused.returncode == 2
    assert "unfinished training; add --resume" in refused.stderr
    resumed = command("signal-model", *killed, "--resume")
    assert resumed.returncode == 0, resumed.stderr
    logs = [(tmp_path / name / "log.jsonl").read_text().splitlines() for name in ("whole", "killed")]
    curves = [[(json.loads(line)["step"], json.loads(line)["nats_per_token"]) for line in lines] for lines in logs]
    assert curves[0] == curves[1]
    assert len(curves[0]) == 20
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "killed")]
    assert weights[0] == weights[1]
    assert not (tmp_path / "killed" / "training.safetensors").exists()
    assert command("signal-model", *train_command, "--output", tmp_path / "whole", "--resume").returncode == 2
    shown = tensorboard_curve("train/nats_per_token", tmp_path / "whole" / "tensorboard")
    assert shown == pytest.approx(dict(curves[0]))


def test_tensorboard_shows_each_point_of_a_resumed_training_once(tmp_path: Path) -> None:
    """Those up to the step that it went on from stay, those after it are the new ones."""
    recipe = Recipe(model=ModelConfig())
    for name, begun_at, steps in (("killed", 0, (1, 2, 3)), ("resumed", 2, (3, 4))):
        log = TensorBoard(tmp_path / name, recipe, begun_at)
        for step in steps:
            log.point(CurvePoint(step, 0.0, 10.0 * begun_at + step, 0.0))
        log.close()
    shown = tensorboard_curve("train/nats_per_token", tmp_path / "killed", tmp_path / "resumed")
    assert shown == {1: 1.0, 2: 2.0, 3: 23.0, 4: 24.0}


def test_a_folder_holds_one_training(text_folder: Path, tmp_path: Path) -> None:
    """A new training leaves nothing of the old one, paths hold from anywhere, and what fails early makes no folder."""
    recipe = {
        "model": {"context": 32, "width": 16},
        "training": {"steps": 20, "batch_size": 2, "validation_tokens": 64},
    }
    (tmp_path / "recipe.yaml").write_text(json.dumps(recipe | {"corpus": {"path": os.path.relpath(text_folder)}}))
    folder = tmp_path / "model"
    train_command = ("signal-model", "train", tmp_path / "recipe.yaml", "--threads", 1, "--output", folder)
    assert command(*train_command, "--tensorboard").returncode == 0
    again = command(*train_command)
    assert (again.returncode, "holds a trained model" in again.stderr) == (2, True)
    assert command(*train_command, "--overwrite", "--steps", 10).returncode == 0
    assert not (folder / "tensorboard").exists()
    assert len((folder / "log.jsonl").read_text().splitlines()) == 10
    kept = Path(json.loads((folder / "recipe.json").read_text())["corpus"]["path"])
    assert kept.is_absolute()
    assert kept.samefile(text_folder)
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors").mkdir()
    blocked = command(*train_command)
    assert (blocked.returncode, "is a folder, where a file" in blocked.stderr) == (2, True)
    unknown = command("signal-model", "train", "signalllm-9m", "--output", tmp_path / "new", "--corpus", "python")
    assert (unknown.returncode, (tmp_path / "new").exists()) == (2, False)


def tensorboard_curve(tag: str, *folders: Path) -> dict[int, float]:
    """Read event files as TensorBoard does: records of an 8-byte length, 4 bytes of checksum, an Event, 4 more of
    checksum. One that says that writing began again at a step takes away what was written from there on."""
    from tensorboardX.proto.event_pb2 import Event, SessionLog

    found: dict[int, float] = {}
    for folder in folders:
        (path,) = folder.glob("events*")
        data = path.read_bytes()
        while data:
            (length,) = struct.unpack("<Q", data[:8])
            event = Event.FromString(data[12 : 12 + length])
            if event.session_log.status == SessionLog.START:
                found = {step: value for step, value in found.items() if step < event.step}
            found.update((event.step, value.simple_value) for value in event.summary.value if value.tag == tag)
            data = data[length + 16 :]
    return found
