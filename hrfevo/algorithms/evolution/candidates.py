"""New genomes that may be trained next."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from hrfevo.algorithms.base import Proposal
from hrfevo.algorithms.evolution.archive import Archive
from hrfevo.space.genome import Genome


class Candidates:
    """Proposals of genomes that an archive does not know, each genome once, with their vectors."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._genomes = set[Genome]()
        self._proposals: list[Proposal] = []
        self.vectors = archive.encode([])
        """Encodings, (candidates, columns)."""

    def __len__(self) -> int:
        return len(self._proposals)

    def __getitem__(self, number: int) -> Proposal:
        return self._proposals[number]

    def add(self, proposals: Iterable[Proposal]) -> np.ndarray:
        """Vectors of those that are new here, (new, columns)."""
        new = {one.genome: one for one in proposals if one.genome not in self._archive}
        for known in self._genomes & new.keys():
            del new[known]
        self._genomes.update(new)
        self._proposals += new.values()
        vectors = self._archive.encode([*new])
        self.vectors = np.concatenate([self.vectors, vectors])
        return vectors
