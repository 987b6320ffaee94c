"""A little of what `tests.tools.fuzz` does at length."""

from __future__ import annotations

import subprocess
import sys

from tests.conftest import ROOT


def test_damaged_files_are_refused_in_words_or_read() -> None:
    fuzz = [sys.executable, "-m", "tests.tools.fuzz", "--yaml", "120", "--folders", "240", "--seed", "3"]
    done = subprocess.run(fuzz, capture_output=True, text=True, timeout=600, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "360 damaged files, 0 tracebacks" in done.stdout
    for kind in ("search space: refused", "recipe: refused", "results.db: refused", "model.safetensors: refused"):
        assert kind in done.stdout
