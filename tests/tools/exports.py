"""What `hrfevo export` says."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import command


def exported(run: Path, *arguments: object) -> str:
    """What it prints; it must succeed."""
    result = command("hrfevo", "export", run, *arguments)
    assert result.returncode == 0, result.stderr
    return result.stdout
