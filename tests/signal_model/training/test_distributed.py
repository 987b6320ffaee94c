"""Several processes train the model that one would."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import command


@pytest.fixture
def cluster_gone() -> Iterator[dict[str, str]]:
    """The environment of a machine on which a Ray cluster was killed and left its address behind."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # Ray's sockets need a short path
        (Path(folder) / "ray").mkdir()
        (Path(folder) / "ray" / "ray_current_cluster").write_text("127.0.0.1:9")
        yield {"RAY_TMPDIR": folder}


@pytest.mark.slow
def test_two_processes_train_the_model_of_one(text_folder: Path, tmp_path: Path, cluster_gone: dict[str, str]) -> None:
    """Ray Train over gloo: the same losses as a single process, but for rounding."""
    recipe = {
        "model": {"context": 32, "width": 16, "layers": [{"mixer": {"kind": "harmonic", "bases": 4}}, {}]},
        "training": {"steps": 40, "batch_size": 8, "accumulation": 2, "validation_tokens": 512},
        "corpus": {"path": str(text_folder)},
    }
    (tmp_path / "recipe.yaml").write_text(json.dumps(recipe))

    def train_with(recipe_file: Path, folder: Path, workers: int) -> subprocess.CompletedProcess[str]:
        options = ("--output", folder, "--workers", workers, "--threads", 1)
        # One process needs no Ray, and what three may not is said before there is any.
        environment = cluster_gone if workers == 2 else {}
        return command("signal-model", "train", recipe_file, *options, environment=environment)

    curves = []
    for workers in (1, 2):
        folder = tmp_path / str(workers)
        done = train_with(tmp_path / "recipe.yaml", folder, workers)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("bits per byte") == 21
        curves.append([json.loads(line)["nats_per_token"] for line in (folder / "log.jsonl").read_text().splitlines()])
    np.testing.assert_allclose(*curves, rtol=1e-4)
    assert sorted(p.name for p in (tmp_path / "1").iterdir()) == sorted(p.name for p in (tmp_path / "2").iterdir())
    hopeless = recipe | {"training": recipe["training"] | {"learning_rate": 1e30, "steps": 4}}
    (tmp_path / "hopeless.yaml").write_text(json.dumps(hopeless))
    diverged = train_with(tmp_path / "hopeless.yaml", tmp_path / "4", 2)
    assert (diverged.returncode, diverged.stderr.count("\n")) == (2, 1), diverged.stderr
    assert "training diverged" in diverged.stderr
    odd = train_with(tmp_path / "recipe.yaml", tmp_path / "3", 3)
    assert odd.returncode == 2
    assert "must divide the batch_size of 8" in odd.stderr
