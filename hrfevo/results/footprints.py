"""What confirmed models take of whoever uses them: parameters, state, and time by the clock of one machine."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hrfevo.results.comparison.paired import difference
from signal_model.support.errors import InputError
from signal_model.support.files import read_text
from signal_model.support.settings import Config

FILE = "footprints.json"


class Footprint(Config):
    """Of one genome. Times are milliseconds, one for each pass over all that are compared."""

    side: str
    """`search`, `founder`, or the name of a rival."""
    genome: str
    parameters: int
    state_size: int | None = None
    """Numbers held after a full context; None of a classifier, which generates nothing."""
    step_times: tuple[float, ...]
    """Of a training step."""
    generation_times: tuple[float, ...] = ()
    """Of a generated token at the end of a full context."""

    @property
    def step_time(self) -> float:
        """The median."""
        return statistics.median(self.step_times)

    @property
    def generation_time(self) -> float | None:
        """The median; None of a classifier."""
        return statistics.median(self.generation_times) if self.generation_times else None


class Footprints(Config):
    """Of the first choices of a confirmation, the search's first, timed in turns on one machine."""

    context: int
    device: str
    rows: tuple[Footprint, ...]

    @property
    def generate(self) -> bool:
        """Whether they are models that generate."""
        return all(row.state_size is not None for row in self.rows)

    @property
    def others(self) -> tuple[Footprint, ...]:
        """All but the search's."""
        return tuple(row for row in self.rows if row.side != "search")

    @property
    def winner(self) -> Footprint | None:
        """The search's first choice, unless it could not be measured."""
        return next((row for row in self.rows if row.side == "search"), None)


@dataclass(frozen=True)
class Factor:
    """How many times as much one takes as another: the geometric mean over passes, with its 95 % interval.

    `low` and `high` are 0 and ∞ where nothing is known of its doubt, as for one pass.
    """

    mean: float
    low: float
    high: float


def factor(times: Sequence[float], of: Sequence[float]) -> Factor:
    """Of times paired by pass: what held up a pass held up both, and is no part of it."""
    first, second = ({at: math.log(time) for at, time in enumerate(side)} for side in (times, of))
    found = difference(first, second)
    assert found is not None
    return Factor(math.exp(found.mean), math.exp(found.low), math.exp(found.high))


def footprints_at(place: Path) -> Footprints | None:
    """Those that a confirmation has measured; None if it has not, or they cannot be read."""
    try:
        return Footprints.model_validate(json.loads(read_text(place / FILE)))
    except (InputError, ValueError):
        return None
