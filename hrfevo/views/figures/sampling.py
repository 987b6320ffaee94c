"""Which evaluations a page draws one by one, where there are too many for all; all are counted."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from hrfevo.store.records import Evaluation

MOST_DRAWN = 3000


def drawn(frame: pd.DataFrame, most: int = MOST_DRAWN) -> pd.Series:
    """Which rows of `evaluation_frame` are drawn, those of a genome together; all, or about `most`."""
    if len(frame) <= most:
        return pd.Series(True, index=frame.index)
    genomes, rungs, parents = (frame[name].tolist() for name in ("genome", "rung", "parents"))
    kept = _genomes(genomes, rungs, parents, frame.loc[frame["front"], "genome"], most)
    chosen: pd.Series = frame["genome"].isin([*kept])
    return chosen


def drawn_numbers(
    evaluations: Sequence[Evaluation], front: Sequence[Evaluation], most: int = MOST_DRAWN
) -> list[int] | None:
    """The numbers of those; None for all."""
    if len(evaluations) <= most:
        return None
    genomes, rungs, parents = ([getattr(e, name) for e in evaluations] for name in ("genome", "rung", "parents"))
    winners = [e.genome for e in sorted(front, key=lambda e: e.number)]
    kept = _genomes(genomes, rungs, parents, winners, most)
    return [e.number for e in evaluations if e.genome in kept]


def _genomes(
    genomes: Sequence[str], rungs: Sequence[int], parents: Sequence[Sequence[str]], front: Iterable[str], most: int
) -> dict[str, None]:
    """Of evaluations: the front and its nearest ancestors; then, evenly over the run, those trained furthest and the
    others."""
    reached = pd.Series(np.asarray(rungs)).groupby(np.asarray(genomes, object), sort=False).max()
    of = dict(zip(genomes, parents, strict=True))
    room = int(most * len(reached) / len(genomes))
    kept = dict.fromkeys(front)
    waiting = deque(kept)
    while waiting and len(kept) < room // 2:
        for parent in of[waiting.popleft()]:
            if parent in of and parent not in kept:
                kept[parent] = None
                waiting.append(parent)
    others = reached[~reached.index.isin([*kept])]
    highest = sorted(reached.unique(), reverse=True)
    for place, rung in enumerate(highest):
        names = others.index[others == rung]
        count = min(len(names), max(0, room - len(kept)) // (len(highest) - place))
        kept |= dict.fromkeys(names[np.arange(count) * len(names) // max(1, count)])
    return kept
