"""New genomes that may be trained next."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from hrfevo.algorithms.base import Proposal
from hrfevo.algorithms.evolution.archive import Archive
from hrfevo.space.genome import Genome


class Candidates:
    """Proposals of genomes that an archive does not know, each genome once, with their vectors, as they are judged."""

    def __init__(self, archive: Archive, judge: Callable[[np.ndarray], np.ndarray]) -> None:
        """`judge` says of vectors (N, columns) what there is to say of each, (N, …)."""
        self._archive, self._judge = archive, judge
        self._genomes = set[Genome]()
        self._proposals: list[Proposal] = []
        self.vectors = archive.encode([])
        """Encodings, (candidates, columns)."""
        self.judged = judge(self.vectors)
        """What was said of each, (candidates, …)."""

    def __len__(self) -> int:
        return len(self._proposals)

    def __getitem__(self, number: int) -> Proposal:
        return self._proposals[number]

    def add(self, proposals: Iterable[Proposal]) -> int:
        """How many of them are new here."""
        new = {one.genome: one for one in proposals if one.genome not in self._archive}
        for known in self._genomes & new.keys():
            del new[known]
        if new:
            self._genomes.update(new)
            self._proposals += new.values()
            vectors = self._archive.encode([*new])
            self.vectors = np.concatenate([self.vectors, vectors])
            self.judged = np.concatenate([self.judged, self._judge(vectors)])
        return len(new)
