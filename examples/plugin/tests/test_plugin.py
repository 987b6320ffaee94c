"""What a plugin of one's own can expect: searched, probed, resumed and exported, without a line changed in hrfevo."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from averages import MovingAverageConfig

from hrfevo.store.run_folder import RunFolder
from signal_model.evaluation.conformance import conformance

HERE = Path(__file__).parent
SPACE = HERE.parent / "averages.yaml"
# Installed, it is found by its entry point; else it is named.
INSTALLED = any(entry.module == "averages" for entry in entry_points(group="signal_model.plugins"))
NAMED = () if INSTALLED else ("--plugin", "averages")


def run(module: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """`hrfevo` or `signal_model`, in a process that finds what this one finds."""
    path = os.pathsep.join(filter(None, sys.path))
    return subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments)],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": path},
    )


def said(module: str, *arguments: object) -> str:
    """What a command that ends well says."""
    result = run(module, *arguments)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.parametrize("settings", [{}, {"heads": 1, "longest": 3.0}])
def test_the_mixer_keeps_what_is_expected_of_mixers(settings: dict[str, float]) -> None:
    assert conformance(MovingAverageConfig(**settings)) == {}


def test_its_settings_are_checked_as_all_are(tmp_path: Path) -> None:
    assert "5 genes" in said("hrfevo", "validate", SPACE, *NAMED)
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(SPACE.read_text().replace("mixer.longest", "mixer.longst"))
    refused = run("hrfevo", "validate", wrong, *NAMED)
    assert refused.returncode == 2
    assert "unknown setting (did you mean 'longest'?); accepted: kind, heads, longest" in refused.stderr
    schema = json.loads(said("hrfevo", "schema", *NAMED))
    assert "embedding_rank" in schema["properties"]["objectives"]["propertyNames"]["enum"]
    assert "moving_average" in json.dumps(schema)


def test_it_is_searched_on_two_workers_resumed_and_exported(tmp_path: Path) -> None:
    begun = ("run", SPACE, "--algorithm", "hill_climbing", "--workers", 2, "--out", tmp_path / "runs", *NAMED)
    assert "2 workers" in said("hrfevo", *begun, "--evaluations", 6, "--no-confirm", "--seed", 1)
    (folder,) = (tmp_path / "runs").iterdir()
    # From here on nothing is said of the plugin.
    assert "finished" in said("hrfevo", "resume", folder, "--evaluations", 9)
    opened = RunFolder.open(folder)
    evaluations = opened.open_store().evaluations(opened.id)
    finished = [one for one in evaluations if one.status == "finished"]
    assert len(finished) == len(evaluations) == 9
    assert {one.operator for one in evaluations} == {"random", "mutation"}
    ours = [one for one in finished if "moving_average" in str(one.values)]
    assert ours
    assert all(1 < one.metrics["embedding_rank"] <= 32 and one.metrics["flops_per_token"] > 0 for one in ours)
    genome = ours[0].genome
    parts = said("hrfevo", "show", folder, genome, "--model")
    assert "mixer (moving_average)" in parts

    assert genome in said("hrfevo", "export", folder, genome, "--output", tmp_path / "mine.yaml")
    needed = ("plugin averages", "kind: moving_average")
    assert all(words in (tmp_path / "mine.yaml").read_text() for words in needed)
    said("signal_model", "train", tmp_path / "mine.yaml", "--steps", 5, "--output", tmp_path / "mine", *NAMED)
    said("signal_model", "generate", tmp_path / "mine", "--tokens", 3, *NAMED)


def test_a_leaking_variant_is_refused(tmp_path: Path) -> None:
    """Every evaluation is probed before it is trained: none has a score."""
    space, parts = tmp_path / "leaky.yaml", HERE / "leaky.py"
    space.write_text(SPACE.read_text().replace("[attention, moving_average]", "[leaky_average]")
                     .replace("{mixer.kind: moving_average}", "{mixer.kind: leaky_average}"))  # fmt: skip
    ended = run("hrfevo", "run", space, "--backend", "inline", "--evaluations", 4, "--out", tmp_path, "--no-confirm",
                *NAMED, "--plugin", parts)  # fmt: skip
    assert ended.stdout.count("leak: looks at future tokens") >= 1, ended.stderr
    checked = run("signal_model", "check", parts)
    assert checked.returncode == 1
    assert "NO   causal: logits change by" in checked.stdout
