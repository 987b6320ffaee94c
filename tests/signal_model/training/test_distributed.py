"""Several processes train the model that one would."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import ROOT, command
from tests.tools import forks


@pytest.fixture
def cluster_gone() -> Iterator[dict[str, str]]:
    """The environment of a machine on which a Ray cluster was killed and left its address behind."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # Ray's sockets need a short path
        (Path(folder) / "ray").mkdir()
        (Path(folder) / "ray" / "ray_current_cluster").write_text("127.0.0.1:9")
        yield {"RAY_TMPDIR": folder}


# A Ray takes longer to start than to train with: one process asks it for both trainings, the second as a user does.
TWICE = """
import sys
from signal_model.cli import app, main

first, folder, second, other = sys.argv[1:]
options = ["--workers", "2", "--threads", "1"]
app(["train", first, "--output", folder, *options], standalone_mode=False)
sys.argv[1:] = ["train", second, "--output", other, *options]
main()
"""


@pytest.mark.slow
def test_two_processes_train_the_model_of_one(text_folder: Path, tmp_path: Path, cluster_gone: dict[str, str]) -> None:
    """Ray Train over gloo: the same losses as a single process, but for rounding."""
    recipe = {
        "model": {"context": 32, "width": 16, "layers": [{"mixer": {"kind": "harmonic", "bases": 4}}, {}]},
        "training": {"steps": 40, "batch_size": 8, "accumulation": 2, "validation_tokens": 512},
        "corpus": {"path": str(text_folder)},
    }
    (tmp_path / "recipe.yaml").write_text(json.dumps(recipe))
    hopeless = recipe | {"training": recipe["training"] | {"learning_rate": 1e30, "steps": 4}}
    (tmp_path / "hopeless.yaml").write_text(json.dumps(hopeless))
    (tmp_path / "twice.py").write_text(TWICE)

    def by_itself(workers: int) -> subprocess.CompletedProcess[str]:
        """One process needs no Ray, and what three may not is said before there is any."""
        options = ("--output", tmp_path / str(workers), "--workers", workers, "--threads", 1)
        return command("signal-model", "train", tmp_path / "recipe.yaml", *options)

    alone = by_itself(1)
    assert alone.returncode == 0, alone.stderr
    given = [tmp_path / name for name in ("recipe.yaml", "2", "hopeless.yaml", "4")]
    both = forks.run("twice", given, 600, cluster_gone | {"PYTHONPATH": f"{ROOT}:{tmp_path}"})
    assert (both.returncode, both.stderr.count("\n")) == (2, 1), both.stderr
    assert "training diverged" in both.stderr
    curves = []
    for done, folder in ((alone, tmp_path / "1"), (both, tmp_path / "2")):
        assert done.stdout.partition("saved in")[0].count("bits per byte") == 21
        curves.append([json.loads(line)["nats_per_token"] for line in (folder / "log.jsonl").read_text().splitlines()])
    np.testing.assert_allclose(*curves, rtol=1e-4)
    assert sorted(p.name for p in (tmp_path / "1").iterdir()) == sorted(p.name for p in (tmp_path / "2").iterdir())
    odd = by_itself(3)
    assert odd.returncode == 2
    assert "must divide the batch_size of 8" in odd.stderr
