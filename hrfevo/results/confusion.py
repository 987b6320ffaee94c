"""What classifiers take for what: recordings of each class, and what each was taken for."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hrfevo.workers.base import TEST
from signal_model.config.task import CONFUSED


@dataclass(frozen=True)
class Confusion:
    """`counts` has a row for each class, of what it is, and a column for each, of what it was taken for."""

    classes: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]

    @property
    def error_rate(self) -> float:
        """Share of all that was taken for something else."""
        return 1 - sum(row[place] for place, row in enumerate(self.counts)) / sum(map(sum, self.counts))

    @classmethod
    def of(cls, counts: Mapping[tuple[str, str], int]) -> Confusion | None:
        """From how often one class was taken for another; None where nothing was. Classes are in order, numbers by
        size."""
        names = {name for pair in counts for name in pair}
        numeric = all(name.isdecimal() for name in names)
        classes = tuple(sorted(names, key=lambda name: (int(name) if numeric else 0, name)))
        rows = tuple(tuple(counts.get((one, other), 0) for other in classes) for one in classes)
        return cls(classes, rows) if classes else None


def confusion_on_test(metrics: Mapping[str, float]) -> Confusion | None:
    """That of one training, from what it measured; None where it is no classifier's."""
    start = f"{TEST}{CONFUSED}"
    told = {name.removeprefix(start): int(count) for name, count in metrics.items() if name.startswith(start)}
    return Confusion.of({(one, other): count for (one, other), count in ((json.loads(n), c) for n, c in told.items())})


def summed(found: Iterable[Confusion | None]) -> Confusion | None:
    """That of several trainings together."""
    counts = Counter[tuple[str, str]]()
    for one in filter(None, found):
        for name, row in zip(one.classes, one.counts, strict=True):
            counts.update({(name, other): count for other, count in zip(one.classes, row, strict=True)})
    return Confusion.of(counts)
