"""The main job itself, with shorter trainings: what `hrfevo run search_spaces/embeddings.yaml` promises."""

from __future__ import annotations

import json
import statistics
from pathlib import Path

import pytest

from hrfevo.store.run_folder import RunFolder
from tests.conftest import ROOT, command

# Shorter trainings of the shipped space; the genomes, the corpus and the loop are those of the main job.
SHORTER = ("--set", "rungs=[5]", "--set", "training.batch_size=4", "--set", "training.validation_tokens=4096")


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
def test_the_search_finds_better_embeddings_than_it_began_with(tmp_path: Path) -> None:
    space = ROOT / "search_spaces" / "embeddings.yaml"
    result = command("hrfevo", "run", space, "--out", tmp_path, "--synchronous", "--no-confirm", *SHORTER, timeout=900)
    assert result.returncode == 0, result.stderr + result.stdout
    (path,) = tmp_path.iterdir()
    folder = RunFolder.open(path)
    evaluations = [e for e in folder.open_store().evaluations(folder.id) if e.status == "finished"]
    assert len(evaluations) >= 64
    population = folder.space().population
    scores = {e.genome: e.metrics["bits_per_byte"] for e in evaluations}
    first = [scores[e.genome] for e in evaluations if e.birth < population]
    assert {e.operator for e in evaluations if e.birth < population} == {"founder", "random"}
    assert min(scores.values()) < min(first)
    assert min(scores.values()) < statistics.median(first)

    best = json.loads(command("hrfevo", "best", path, "--top", 1, "--format", "json").stdout)[0]
    assert best["metrics"]["bits_per_byte"] == min(scores.values())
    trained = command("signal-model", "train", path / "best.yaml", "--output", tmp_path / "model", "--threads", 1)
    assert trained.returncode == 0, trained.stderr
    figures = json.loads((tmp_path / "model" / "figures.json").read_text())
    assert figures["validation"]["bits_per_byte"] == best["metrics"]["bits_per_byte"]
