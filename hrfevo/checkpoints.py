"""Trainings that wait for promotion, kept in a folder between rungs."""

from __future__ import annotations

import shutil
from collections.abc import Set
from pathlib import Path

FOLDER = "checkpoints"


class Checkpoints:
    """One folder per genome below `folder`, which the evaluations of the genome share."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._kept = {path.name for path in folder.glob("*")}

    def of(self, genome: str) -> Path:
        """Where the training of the genome with this id is kept."""
        self._kept.add(genome)
        return self._folder / genome

    def keep_only(self, genomes: Set[str]) -> None:
        """Remove the trainings of all others. One that is wanted again later begins at its first step."""
        for genome in self._kept - genomes:
            shutil.rmtree(self._folder / genome, ignore_errors=True)
        self._kept &= genomes
