"""Shells complete the runs and genomes that commands are asked for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.tools.synthetic import read


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both commands as an installation makes them, and the scripts that they give bash."""
    folder = tmp_path_factory.mktemp("bin")
    for name, module in (("hrfevo", "hrfevo.cli"), ("signal-model", "signal_model.cli")):
        (folder / name).write_text(f"#!{sys.executable}\nfrom {module} import main\nmain()\n")
        (folder / name).chmod(0o755)
        asked = {f"_{name.replace('-', '_').upper()}_COMPLETE": "source_bash", "PYTHONPATH": str(ROOT)}
        script = subprocess.run([folder / name], env=os.environ | asked, capture_output=True, text=True, check=True)
        (folder / f"{name}.bash").write_text(script.stdout)
    return folder


def completions(commands: Path, line: str, folder: Path) -> list[str]:
    """What bash offers at the end of a line, by the script that the command gives it."""
    program, *words = line.split(" ")
    environment = os.environ | {"PATH": f"{commands}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    function = f"_{program.replace('-', '_')}_completion"
    script = (
        f'. {commands}/{program}.bash\nCOMP_WORDS=({program} {" ".join(words)} "$@")\n'
        f"COMP_CWORD={len(words)}\n{function} {program}\nprintf '%s\\n' \"${{COMPREPLY[@]}}\"\n"
    )
    last_is_empty = [""] if not words[-1] else []
    result = subprocess.run(
        ["bash", "-c", script, "bash", *last_is_empty], env=environment, cwd=folder, capture_output=True, text=True
    )
    assert result.returncode == 0
    assert not result.stderr
    return result.stdout.split()


def test_bash_completes_runs_genomes_and_options(run: Path, commands: Path) -> None:
    _, evaluations = read(run)
    genomes = {e.genome for e in evaluations}
    some = evaluations[0].genome
    out, home = run.parent, run.parent.parent
    assert completions(commands, f"hrfevo best {out.name}/", home) == [f"{out.name}/{run.name}"]
    assert completions(commands, "hrfevo resume t", out) == [run.name]
    assert completions(commands, f"hrfevo show {run.name} {some[:3]}", out) == sorted(
        genome for genome in genomes if genome.startswith(some[:3])
    )
    assert {*completions(commands, f"hrfevo export {run} ", out)} == genomes
    assert "huggingface" in completions(commands, f"hrfevo export {run} --format ", out)
    for line in ("hrfevo show nowhere ", f"hrfevo show {home} 0", "hrfevo best nowhere/", "hrfevo best /nowhere/x/../"):
        assert completions(commands, line, out) == []
    assert completions(commands, "signal-model ev", out) == ["evaluate"]
    assert "--tensorboard" in completions(commands, "signal-model train --t", out)
