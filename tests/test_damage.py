"""A little of what `tests.tools.fuzz` does at length."""

from __future__ import annotations

from tests.tools import forks


def test_damaged_files_are_refused_in_words_or_read() -> None:
    asked = ["--yaml", 120, "--folders", 240, "--seed", 3]
    done = forks.run("tests.tools.fuzz", asked, 600, {forks.UNDRAWN: "1"})  # no report is damaged
    assert done.returncode == 0, done.stderr[-3000:]
    assert "360 damaged files, 0 tracebacks" in done.stdout
    for kind in ("search space: refused", "recipe: refused", "results.db: refused", "model.safetensors: refused"):
        assert kind in done.stdout
