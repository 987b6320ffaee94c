"""A run to export."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import TINY_SPACE, command
from tests.tools.forks import UNDRAWN


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory, text_folder: Path) -> Path:
    """A finished run of two rungs, with genomes that wait at the first."""
    folder = tmp_path_factory.mktemp("runs")
    space = folder / "tiny.yaml"
    space.write_text(TINY_SPACE.replace("TEXT", str(text_folder)).replace("rungs: [3]", "rungs: [3, 6]"))
    options = ["--out", folder / "out", "--backend", "inline", "--evaluations", 14]
    result = command("hrfevo", "run", space, *options, environment={UNDRAWN: "1"})
    assert result.returncode == 0, result.stderr
    (path,) = (folder / "out").iterdir()
    return path
