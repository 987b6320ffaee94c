"""What a ladder of sizes says, in sentences: the same in a terminal and in Python."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hrfevo.results.scaling.law import HIGHEST, LOWEST, SIZES_OF_A_FLOOR
from hrfevo.results.scaling.scaling import AGAINST, Prediction, Scaling
from hrfevo.space.rivals import TRANSFORMER
from signal_model.support.errors import counted, listed

# Beyond so many readings of a text, reading it again is worth clearly less (Muennighoff et al. 2023, arXiv 2305.16264).
FEW_PASSES = 4


def laws_in_words(found: Scaling, at: Sequence[float] = ()) -> Iterator[str]:
    """Laws, whether the smaller sizes told the largest, the crossing, predictions at numbers of parameters, notes."""
    if len(found.whole) < 2:
        yield "Fewer than two sizes have a loss of every side, so there is no law."
    else:
        yield from _laws(found)
        if told := foretold_in_words(found):
            yield told
        if told := crossing_in_words(found):
            yield told
        for parameters in at:
            yield prediction_in_words(found, found.predict(parameters))
    yield from notes(found)


def _laws(found: Scaling) -> Iterator[str]:
    if len(found.whole) < SIZES_OF_A_FLOOR:
        yield "Two sizes say nothing of the loss that is left at any size: these are power laws, which fall for ever."
    elif len(found.whole) == SIZES_OF_A_FLOOR:
        yield "Three sizes fit nearly any law of three numbers: nothing but a fourth checks its form."
    at_an_end = False
    for against in AGAINST:
        if not found.varies(against):
            continue
        for side in found.sides:
            law, exponent = found.law(side, against), found.exponent(side, against)
            at_an_end |= exponent.reaches(LOWEST, HIGHEST)
            yield f"{side} against {against} x: {law.words}; exponent {exponent.words('.3f')}."
    if at_an_end:
        yield f"Exponents are looked for from {LOWEST:g} to {HIGHEST:g}: what is at an end may lie beyond it."


def foretold_in_words(found: Scaling, brief: bool = False) -> str:
    """The largest size as the smaller ones predict it, beside what was measured; empty where there is none.

    `brief` leaves out the judgement.
    """
    told = found.foretold
    if told is None:
        return ""
    if told.advantage is not None:
        first, last = found.sides[0], found.sides[-1]
        expected, measured = told.advantage
        said = f"{first} less {last} {expected.words('+.4f')}, measured {measured:+.4f}"
    else:
        (side,) = found.sides
        said = f"{told.predicted[side].words()}, measured {told.measured[side]:.4f}"
    judged = ""
    if all(interval.is_known for interval in told.predicted.values()) and not brief:
        judged = "; all losses are within their intervals"
        if not told.held:
            judged = "; not all losses are within their intervals, so trust the laws less"
    return f"Size {told.size:g} as the smaller sizes predict it: {said}{judged}."


def crossing_in_words(found: Scaling, brief: bool = False) -> str:
    """Where the first side's law crosses the last's; empty for one side.

    `brief` leaves out how many of the laws of other seeds do.
    """
    crossing = found.crossing
    if crossing is None:
        return ""
    ends = f"{crossing.low:,.0f} and {crossing.high:,.0f} parameters"
    above = found.predict(crossing.high).advantage
    ahead = found.sides[0] if above is not None and above.value < 0 else found.sides[-1]
    share = None if crossing.share is None or brief else f"{100 * crossing.share:.0f} %"
    if crossing.at is None:
        doubt = f"; with other seeds {share} of them would" if share else ""
        return f"The laws do not cross between {ends}, {ahead} stays ahead{doubt}."
    doubt = f"; with other seeds {share} of them cross between {ends}" if share else ""
    told = found.predict(crossing.at.value)
    far = f", {told.beyond:,.3g} times beyond the largest size" if told.beyond > 1 else ""
    if told.beyond > span(found):
        far += " and so little more than a guess"
    return f"The laws cross at {crossing.at.words(',.0f', 'parameters')}{far}; {ahead} is ahead above that{doubt}."


def prediction_in_words(found: Scaling, told: Prediction) -> str:
    """What is expected at a size, and how little that may be trusted."""
    first, last = found.sides[0], found.sides[-1]
    losses = listed([f"{side} {interval.words()}" for side, interval in told.losses.items()])
    said = f"At {told.parameters:,.0f} parameters: {losses}"
    if told.advantage is not None:
        said += f"; {first} less {last} {told.advantage.words('+.4f')}"
    return f"{said}. {trust(found, told)}"


def trust(found: Scaling, told: Prediction) -> str:
    """How far a prediction reaches beyond what was trained, and what its interval leaves out."""
    if told.beyond == 1:
        return "That lies between the sizes that were trained."
    is_larger = told.parameters > found.rows[0].parameters
    where = "beyond the largest size" if is_larger else "below the smallest size"
    reach = f"That is {told.beyond:,.3g} times {where}, where sizes span a factor of {span(found):,.3g}"
    far = ", so it is little more than a guess" if told.beyond > span(found) else ""
    return f"{reach}{far}; the interval knows of seeds alone, not of whether law, steps and rates still hold there."


def span(found: Scaling) -> float:
    """By which factor the largest size that laws are fitted to is larger than the smallest."""
    sizes = [row.parameters for row in found.rows if row.size in found.whole]
    return max(sizes) / min(sizes)


def notes(found: Scaling) -> Iterator[str]:
    """What must be known to read the ladder."""
    if TRANSFORMER in found.sides:
        yield f"The transformer is {found.plan.transformer} of the search that tuned it for the confirmation."
        first = found.of(found.sides[0])
        if first and first[0].trained.is_transformer:
            yield f"{found.sides[0]} is itself a transformer."
    if found.plan.terms.seeds == 1:
        yield "One seed says nothing of doubt: there are no intervals."
    if found.missing:
        yield f"Nothing has finished of {listed(list(found.missing))}; `hrfevo status` of its folder says why."
    if unmet := [size for size in found.plan.terms.sizes if size not in found.whole and found.whole]:
        yield f"Laws leave out {listed([f'size {size:g}' for size in unmet])}: not every side has a loss there."
    if tired := {size: passes for size, passes in found.plan.passes.items() if passes > FEW_PASSES}:
        told = listed([f"size {size:g} {passes:,.3g} times" for size, passes in tired.items()])
        yield (
            f"The training text of {counted(found.plan.text_tokens, 'token')} is read more than {FEW_PASSES} times: "
            f"{told}. Repeated text is worth less, so laws bend there."
        )
