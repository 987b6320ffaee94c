"""What a confirmation says, in sentences: the same in a terminal, on a report and in a card."""

from __future__ import annotations

import math
from collections.abc import Iterator

from hrfevo.results.comparison.paired import MOST_SEEDS, Difference
from hrfevo.results.confirmation.confirmed import Confirmation, Confirmed
from hrfevo.space.rivals import TRANSFORMER, the
from hrfevo.views.footprints import footprints_in_words
from hrfevo.views.terminal.tables import duration
from signal_model.support.errors import counted, listed
from signal_model.support.plugins import command

# So many standard errors of the paired difference are asked of a winner that is to beat the best founder.
ERRORS_OVER_FOUNDER = 3.0
# Sizes that differ by no more than this share are alike.
ALIKE = 0.1


def verdicts(found: Confirmation) -> Iterator[str]:
    """A sentence for each comparison; none where nothing of the search was trained again."""
    if found.winner is None:
        return
    yield from (first_choice(found.winner), *rivals(found), *footprints_in_words(found.footprints), *in_general(found))


def headline(found: Confirmation) -> str:
    """Who won, how sure that is and by how much, in one sentence; empty where nothing of the search was trained
    again."""
    if found.winner is None:
        return ""
    winner = found.winner
    who = f"{winner.genome}, itself a transformer, won" if winner.is_transformer else f"{winner.genome} won"
    said = f"{who}: {score(winner)} {winner.unit} on validation with {counted(len(winner.seeds), 'fresh seed')}"
    for name, other in found.rivals.items():
        if less := winner.less(other):
            added = f", some added after a look at {counts}" if (counts := _looks(winner, other)) else ""
            size = f", with {words}" if (words := size_beside(winner, other)) else ""
            said += f"; beside {one_of(name)} tuned as long {less.words()}{added}{size}"
    return f"{said}{'; the search has gone on since' if found.is_outdated else ''}."


def since_then(found: Confirmation) -> str:
    """How far the search had come when its winners were chosen, where it has gone on; empty where it has not."""
    if not found.is_outdated or found.evaluations is None:
        return ""
    return (
        f"The search has gone on since, from {counted(found.evaluations, 'evaluation')} to "
        f"{found.searched.evaluations:,}: this is its first choice of then, and rivals were tuned as long as it had "
        "lasted then. `hrfevo confirm` trains that of now."
    )


def first_choice(winner: Confirmed) -> str:
    """How the winner scored."""
    return (
        f"The search's first choice, {winner.genome}: {score(winner)} {winner.unit} on validation, "
        f"{winner.test_mean:.4f} on test, trained again from scratch for {counted(winner.steps, 'step')} with "
        f"{counted(len(winner.seeds), 'fresh seed')}."
    )


def rivals(found: Confirmation) -> Iterator[str]:
    """Of when the winner is, and what, where that is a transformer; it beside each rival tuned as long, and beside the
    best founder. After each what its difference does not say by itself."""
    if found.winner is None:
        return
    if told := since_then(found):
        yield told
    if found.winner.is_transformer:
        yield "It is itself a transformer: the search has found nothing that it ranks before one."
    for name, other in found.rivals.items():
        yield f"Beside {one_of(name)} tuned as long ({_scores(other)}): {beside(found.winner, other)}."
        notes = (_size(found, name, other), *_doubts(found.winner, other), _at_a_limit(found, name))
        yield from filter(None, notes)
    if not found.rivals:
        yield "No transformer was trained to compare it with."
    if found.founder:
        yield over_founder(found.winner, found.founder)
        if found.founder.genome != found.winner.genome:
            yield from filter(None, _doubts(found.winner, found.founder))


def in_general(found: Confirmation) -> Iterator[str]:
    """Whose trainings failed, front beside front, what was spent on either side, and which score is flattered."""
    yield from _failures(found)
    for pair in found.fronts.values():
        yield f"Trained again, {pair.words}."
    for name, pair in found.as_searched.items():
        trust = " Believe what was trained again: these scores chose the fronts, so they flatter."
        yield f"As searched, with one seed, {pair.words}.{trust if name in found.fronts else ''}"
    if effort := efforts(found):
        yield effort
    best = next(one for one in found.rows if one.origin != "baseline")
    if found.winner and best.genome != found.winner.genome:
        yield (
            f"{best.genome} has the lowest mean of the search's; it was chosen by these very scores, so they flatter "
            "it: more seeds (`hrfevo confirm`) are added to these."
        )


def score(one: Confirmed) -> str:
    """`2.3901 ± 0.0068`, the standard deviation over seeds, if there are several."""
    return f"{one.mean:.4f} ± {one.spread:.4f}" if len(one.validation) > 1 else f"{one.mean:.4f}"


def beside(one: Confirmed, other: Confirmed) -> str:
    """How one compares with another on validation and on test, paired by seed, with intervals."""
    validation, test = one.less(other), one.less(other, "test")
    if validation is None or test is None:
        return "trained with other seeds, so nothing is said of the two"
    return f"on validation {validation.words()}; on the test split, which chose nothing, {test.words()}"


def size_beside(one: Confirmed, other: Confirmed) -> str:
    """`49 % more parameters`; empty where both are about as large."""
    ratio = one.parameters / other.parameters
    if 1 / (1 + ALIKE) <= ratio <= 1 + ALIKE:
        return ""
    share, which = (ratio - 1, "more") if ratio > 1 else (1 - ratio, "fewer")
    return f"{100 * share:.0f} % {which} parameters"


def after_a_look(one: Confirmed, other: Confirmed) -> str:
    """What seeds that were added say, and what the interval over all is worth; empty where none were added.

    Who adds seeds until something shows calls equals different in more than 5 of 100 confirmations. What was added last
    knows nothing of the looks before.
    """
    counts = _looks(one, other)
    if not counts:
        return ""
    told = f"Seeds were added after a look at {counts} of these: if what was seen is why, the intervals are too sure."
    validation, test = one.less_unseen(other), one.less_unseen(other, "test")
    if validation is None or test is None:
        return told
    return f"{told} Those that were added last say alone: on validation {validation.words()}; on test {test.words()}."


def how_to_decide(less: Difference | None) -> str:
    """What would show a difference on validation that was not seen; empty where one was."""
    if less is None or less.seen:
        return ""
    if less.pairs < 2:
        return "One seed decides nothing: `hrfevo confirm RUN --seeds 5` adds five."
    if not less.is_known:
        return "Equal differences do not say how much seeds scatter: `hrfevo confirm RUN --seeds 5` adds five."
    count = less.seeds_to_see()
    if count is None:
        apart = max(abs(less.low), abs(less.high))
        return (
            f"To decide it would take more than {MOST_SEEDS} seeds, were the difference as measured: on validation the "
            f"two are alike to within {apart:.4f}."
        )
    return (
        f"To decide it: about {counted(count, 'new seed')}, read alone, would show such a difference on validation in "
        f"four of five confirmations (`hrfevo confirm RUN --seeds {count}`)."
    )


def over_founder(winner: Confirmed, founder: Confirmed) -> str:
    """Whether the winner beats the best of the genomes that its search began with, and by how many standard errors."""
    if winner.genome == founder.genome:
        return "It is the best of the genomes that the search began with: nothing that was found is chosen before it."
    told = f"Beside the best founder, {founder.genome} ({_scores(founder)}): {beside(winner, founder)}"
    found = winner.less(founder)
    if found is None or not found.is_known or not found.error:
        return f"{told}."
    errors = -found.mean / found.error
    says = "at least" if errors >= ERRORS_OVER_FOUNDER else "less than"
    # Cut, not rounded: 2.96 is less than 3.
    size, which = math.floor(10 * abs(errors)) / 10, "better" if errors > 0 else "worse"
    return (
        f"{told}. It is {size:.1f} standard errors of the paired difference {which} on validation, {says} the "
        f"{ERRORS_OVER_FOUNDER:g}{'' if errors > 0 else ' better'} that are asked of a search."
    )


def efforts(found: Confirmation) -> str:
    """What was spent on either side; empty where there is one side alone."""
    if not found.tuned:
        return ""
    tuned = {f"tuning of {the(name)}": spent for name, spent in found.tuned.items()}
    sides = {"The search": found.searched, **tuned}
    told = [
        f"{name} took {counted(side.evaluations, 'evaluation')}, {counted(side.steps, 'training step')}, "
        f"{duration(side.training_seconds)} of undisturbed training, {duration(side.seconds)} of workers"
        for name, side in sides.items()
    ]
    return f"{'; '.join(told)}."


def one_of(rival: str) -> str:
    """`a transformer`, `gated_delta`."""
    return f"a {rival}" if rival == TRANSFORMER else rival


def _failures(found: Confirmation) -> Iterator[str]:
    """Of each that is compared: means are of the seeds that went well, and first choices of those that have any."""
    compared = filter(None, (found.winner, *found.rivals.values(), found.founder))
    for one in {(one.origin, one.genome): one for one in compared}.values():
        if one.place and one.origin != "founder":
            better = "the one choice" if one.place == 1 else f"the {one.place} choices"
            yield f"No fresh training of {better} before {one.genome} has finished, so that it stands for the first."
        if one.failed:
            tried = counted(one.failed + len(one.seeds), "fresh training")
            yield f"Of {tried} of {one.genome} {one.failed} failed: what is said of it is of the others alone."


def _doubts(one: Confirmed, other: Confirmed) -> tuple[str, str]:
    return after_a_look(one, other), how_to_decide(one.less(other))


def _looks(one: Confirmed, other: Confirmed) -> str:
    return listed([str(count) for count in one.looks(other)])


def _size(found: Confirmation, name: str, other: Confirmed) -> str:
    """How much larger or smaller the winner is, and how they compare at one size where the larger is better."""
    winner = found.winner
    if winner is None or not (words := size_beside(winner, other)):
        return ""
    told = f"It has {words}"
    less = winner.less(other)
    if less is None or not less.seen or (less.mean < 0) != (winner.parameters > other.parameters):
        return f"{told}."
    if name not in found.tuned_in:
        return f"{told}, which alone may be why."
    sides = (f"RUN:{winner.genome}", f"RUN/{found.tuned_in[name]}:{other.genome}")
    at_one_size = command("hrfevo", "compare", *sides, "--equal", "parameters")
    return f"{told}, which alone may be why: `{at_one_size}` trains both at one size."


def _at_a_limit(found: Confirmation, name: str) -> str:
    ends = found.range_ends.get(name, ())
    if not ends:
        return ""
    return (
        f"Tuning {the(name)} ended at a limit: {listed([one.fact for one in ends])}. It may do better beyond, so "
        "this may be unfair to it: widen the range for both."
    )


def _scores(one: Confirmed) -> str:
    return f"{score(one)} on validation, {one.test_mean:.4f} on test"
