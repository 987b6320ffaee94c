"""Which evaluations a page draws one by one, where there are too many for all; all are counted."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from hrfevo.store.store import Evaluation

MOST_DRAWN = 3000


def drawn(frame: pd.DataFrame, most: int = MOST_DRAWN) -> pd.Series:
    """Which rows of `evaluation_frame` are drawn, those of a genome together; all, or about `most`."""
    if len(frame) <= most:
        return pd.Series(True, index=frame.index)
    chosen: pd.Series = frame["genome"].isin(
        _genomes(
            list(zip(frame["genome"], frame["rung"], strict=True)),
            dict(zip(frame["genome"], frame["parents"], strict=True)),
            frame.loc[frame["front"], "genome"],
            most,
        )
    )
    return chosen


def drawn_numbers(
    evaluations: Sequence[Evaluation], front: Sequence[Evaluation], most: int = MOST_DRAWN
) -> list[int] | None:
    """The numbers of those; None for all."""
    if len(evaluations) <= most:
        return None
    places = [(e.genome, e.rung) for e in evaluations]
    winners = [e.genome for e in sorted(front, key=lambda e: e.number)]
    kept = _genomes(places, {e.genome: e.parents for e in evaluations}, winners, most)
    return [e.number for e in evaluations if e.genome in kept]


def _genomes(
    places: Sequence[tuple[str, int]], parents: Mapping[str, Sequence[str]], front: Iterable[str], most: int
) -> dict[str, None]:
    """The front and its nearest ancestors; then, evenly over the run, those trained furthest and the others."""
    reached: dict[str, int] = {}
    for genome, rung in places:
        reached[genome] = max(rung, reached.get(genome, 0))
    room = int(most * len(reached) / len(places))
    kept = dict.fromkeys(front)
    waiting = deque(kept)
    while waiting and len(kept) < room // 2:
        for parent in parents[waiting.popleft()]:
            if parent in reached and parent not in kept:
                kept[parent] = None
                waiting.append(parent)
    rungs = sorted(Counter(reached.values()), reverse=True)
    for place, rung in enumerate(rungs):
        others = [genome for genome, highest in reached.items() if highest == rung and genome not in kept]
        count = min(len(others), max(0, room - len(kept)) // (len(rungs) - place))
        kept |= dict.fromkeys(others[number * len(others) // count] for number in range(count))
    return kept
