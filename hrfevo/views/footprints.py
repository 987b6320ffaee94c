"""What confirmed models take, in figures and in sentences: the same in a terminal and on a report."""

from __future__ import annotations

from collections.abc import Iterator

from hrfevo.results.footprints import Factor, Footprint, Footprints, factor
from hrfevo.space.rivals import TRANSFORMER
from signal_model.support.errors import listed


def footprint_heads(found: Footprints) -> tuple[str, ...]:
    """Of the columns of `footprint_figures`."""
    generated = (f"state after {found.context:,} tokens", "ms per generated token") if found.generate else ()
    return ("parameters", "ms per training step", *generated)


def footprint_figures(row: Footprint) -> tuple[str, ...]:
    """Counts whole, times to four digits."""
    generated = () if row.state_size is None else (f"{row.state_size:,}", f"{row.generation_time:,.4g}")
    return (f"{row.parameters:,}", f"{row.step_time:,.4g}", *generated)


def footprints_in_words(found: Footprints | None) -> Iterator[str]:
    """A sentence for each that the winner is compared with, then how that was measured; none where it was not."""
    if found is None or (winner := found.winner) is None or not found.others:
        return
    for other in found.others:
        yield f"Beside {_the(other.side)} {winner.genome} takes {listed([*_shares(winner, other)])}."
    passes = len(winner.step_times)
    yield (
        f"Measured where it was confirmed ({found.device}), all in {passes} turns: steps of training"
        f"{', and tokens at the end of a full context, one at a time' if found.generate else ''}. "
        "Factors are paired by turn, with their 95 % interval."
    )


def _shares(winner: Footprint, other: Footprint) -> Iterator[str]:
    times = format(winner.parameters / other.parameters, ".3g")
    yield "as many parameters" if times == "1" else f"{times} times the parameters"
    if winner.state_size is not None and other.state_size:
        times = format(winner.state_size / other.state_size, ".2g")
        yield "as much state" if times == "1" else f"{times} times the state"
    yield f"{_factor(factor(winner.step_times, other.step_times))} times as long for a training step"
    if winner.generation_times:
        yield f"{_factor(factor(winner.generation_times, other.generation_times))} times as long for a generated token"


def _factor(found: Factor) -> str:
    """`0.75 (0.74 to 0.77)`."""
    return f"{found.mean:.2f} ({found.low:.2f} to {found.high:.2f})" if found.low else f"{found.mean:.2f}"


def _the(side: str) -> str:
    return f"the {side}" if side in (TRANSFORMER, "founder") else side
