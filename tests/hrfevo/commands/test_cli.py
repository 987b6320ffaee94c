"""Both commands as programs: what they say of themselves, of a space and of an algorithm, and how they end."""

from __future__ import annotations

import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

from hrfevo.algorithms.registry import make_algorithm
from hrfevo.space.reading import load_space
from tests.conftest import ROOT, answer, command


@pytest.mark.usefixtures("undrawn")
def test_optunas_samplers_say_what_they_do_once(tiny_space: Path, tmp_path: Path) -> None:
    options = ["--backend", "inline", "--algorithm", "cmaes", "--set", "objectives={bits_per_byte: minimize}"]
    decay = "genes:\n  training.weight_decay: {type: float, low: 0.0, high: 0.1}"
    for genes, adapted in (("genes:", "no gene"), (decay, "training.weight_decay, training.learning_rate")):
        tiny_space.write_text(tiny_space.read_text().replace("\ngenes:", f"\n{genes}", 1))
        result = command("hrfevo", "run", tiny_space, *options, "--out", tmp_path / "runs")
        assert (result.returncode, result.stderr) == (0, "")
        assert result.stdout.startswith(f"note: cmaes adapts {adapted}; it draws the other genes at random\n")


def test_validate_says_how_large_the_space_is() -> None:
    result = command("hrfevo", "validate", ROOT / "search_spaces" / "embeddings.yaml")
    assert result.returncode == 0
    assert "valid; 10 genes, 2,792 discrete combinations, up to 5 continuous dimensions" in result.stdout


@pytest.mark.parametrize(
    ("changed", "least"),
    [
        ("budget={evaluations: 4}", "5 evaluations"),
        ("budget={evaluations: 5}", ""),
        ("budget={trainings: 1.9}", "2 full trainings"),
        ("budget={trainings: 2}", ""),
        ("budget={minutes: 1}", ""),
    ],
)
def test_validate_says_where_the_budget_ends_before_the_last_rung(changed: str, least: str, tiny_space: Path) -> None:
    """Four genomes at 3 steps come first, as the algorithm proposes them, then one that goes on to 9."""
    asked = ["--set", "rungs=[3, 9]", "--set", changed]
    told = answer("validate", tiny_space, *asked)
    ends = f"a search begins with 4 genomes at 3 steps, so {least} are the least that can\n"
    assert told.endswith(ends) if least else "note:" not in told
    assert "note:" not in answer("validate", tiny_space, "--set", "rungs=[9]", "--set", changed)
    space, _ = load_space(tiny_space, [asked[1], changed])
    algorithm = make_algorithm("evolution", space, np.random.SeedSequence(0), False)
    proposals = [algorithm.ask() for _ in range(4)]
    assert [one.rung for one in proposals if one] == [0] * 4


@pytest.mark.parametrize("program", ["hrfevo", "signal-model"])
def test_version(program: str) -> None:
    result = command(program, "--version")
    assert (result.returncode, result.stdout) == (0, f"{program} {version('hrfevo')}\n")


@pytest.mark.parametrize(("package", "program"), [("hrfevo", "hrfevo"), ("signal_model", "signal-model")])
def test_packages_are_run_as_their_commands_are(package: str, program: str) -> None:
    result = subprocess.run([sys.executable, "-m", package, "--help"], capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == command(program, "--help").stdout.replace(f"{package}.cli", package)


def test_ctrl_c_as_python_ends_shows_no_traceback() -> None:
    code = (
        "import atexit, os, signal, sys\nfrom hrfevo.cli import main\n"
        "atexit.register(lambda: os.kill(os.getpid(), signal.SIGINT))\n"
        "sys.argv = ['hrfevo', '--help']\nmain()\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (-signal.SIGINT, "")


def test_inline_runs_do_not_import_ray(tiny_space: Path, tmp_path: Path) -> None:
    arguments = ["hrfevo", "run", str(tiny_space), "--backend", "inline", "--evaluations", "4", "--out", str(tmp_path)]
    code = (
        f"import sys\nfrom hrfevo.cli import main\nsys.argv = {arguments!r}\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
        "assert 'ray' not in sys.modules\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
