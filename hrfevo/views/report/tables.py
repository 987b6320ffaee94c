"""The tables of a report: the front, and what was confirmed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from hrfevo.results.confirmation.confirmed import Confirmation, Confirmed
from hrfevo.space.rivals import the
from hrfevo.space.search_space import SearchSpace
from hrfevo.store.records import Evaluation
from hrfevo.views.figures.style import measured
from hrfevo.views.footprints import footprint_figures, footprint_heads, footprints_in_words
from hrfevo.views.terminal.tables import genes_in_words, origin_in_words, timed_in_words, with_reach
from hrfevo.views.verdicts import in_general
from hrfevo.views.words import gene_lines
from signal_model.support.errors import counted

# More rows of the front than these are folded away.
ROWS = 8


@dataclass(frozen=True)
class Winner:
    """A row of the front: a figure under each head, and the genes as lines of names and values, each with its label."""

    genome: str
    figures: tuple[str, ...]
    genes: Sequence[tuple[str, Sequence[tuple[str, str]]]]


@dataclass(frozen=True)
class FrontTable:
    """The front, best first; so many rows are `unfolded`."""

    title: str
    said: str
    heads: tuple[str, ...]
    rows: tuple[Winner, ...]
    unfolded: int = ROWS


@dataclass(frozen=True)
class Rival:
    """A row of what was confirmed: a figure under each head, where the genome comes from, its genes in words."""

    genome: str
    figures: tuple[str, ...]
    origin: str
    genes: str


@dataclass(frozen=True)
class ConfusionTable:
    """What the winner takes for what, below a line that says of what."""

    said: str
    classes: tuple[str, ...]
    rows: tuple[tuple[str, tuple[int, ...]], ...]


@dataclass(frozen=True)
class ConfirmedTable:
    """What was trained again, below lines that say how to read it."""

    lines: tuple[str, ...]
    heads: tuple[str, ...]
    rows: tuple[Rival, ...]


@dataclass(frozen=True)
class FootprintTable:
    """What first choices take, below lines that compare them: genome, side and a figure under each head."""

    lines: tuple[str, ...]
    heads: tuple[str, ...]
    rows: tuple[tuple[str, str, tuple[str, ...]], ...]


def front_table(space: SearchSpace, winners: Sequence[Evaluation]) -> FrontTable:
    """Of at least one winner."""
    if len(winners) == 1:
        said = "One genome, which no other beats in any objective."
    else:
        said = f"{len(winners)} genomes, best first: whatever beats one of them in one objective is worse in another."
    if timed := timed_in_words(winners, space.objectives):
        said += f" The {timed}."
    seeds = any(winner.seeds > 1 for winner in winners)
    heads = [*(space.measure(name).heading for name in space.objectives), *(["seeds"] if seeds else []), "generation"]
    rows = [
        Winner(
            winner.genome,
            (
                *(measured(name, winner.metrics[name]) for name in space.objectives),
                *([str(winner.seeds)] if seeds else []),
                str(space.generation_of(winner.birth)),
            ),
            [*gene_lines(winner.values, space)],
        )
        for winner in winners
    ]
    return FrontTable("The front" if len(space.objectives) > 1 else "The winner", said, tuple(heads), tuple(rows))


def confirmed_table(found: Confirmation) -> ConfirmedTable:
    """Of a confirmation that has trained something again."""
    lines = [
        f"Trained again from scratch with fresh seeds, the same for all; {found.unit}. Differences are paired by seed, "
        "with the 95 % interval of Student's t. The number of each is the place that its own search gave it; who is "
        "first was decided before.",
        *(in_general(found) if found.winner else ()),
    ]
    names = [the(name) for name in found.rivals]
    on_test = [f"on test to {name}" if len(names) > 1 else "on test" for name in names]
    heads = ["validation, mean", "standard deviation", *(f"difference to {name}" for name in names), "test, mean"]
    heads += [*(f"difference {said}" for said in on_test), "parameters", "seeds × steps"]
    rivals = tuple(found.rivals.values())
    return ConfirmedTable(tuple(lines), tuple(heads), tuple(_rival(row, rivals) for row in found.rows))


def confusion_table(one: Confirmed | None) -> ConfusionTable | None:
    """None of what is no classifier."""
    if one is None or (found := one.confusion) is None:
        return None
    said = (
        f"Recordings of the test split, {counted(len(one.seeds), 'training')} of {one.genome} together: a row for what "
        "each is, a column for what it was taken for."
    )
    return ConfusionTable(said, found.classes, tuple(zip(found.classes, found.counts, strict=True)))


def footprints(found: Confirmation) -> FootprintTable | None:
    """None where they were not measured."""
    measured = found.footprints
    if measured is None:
        return None
    rows = tuple((row.genome, row.side, footprint_figures(row)) for row in measured.rows)
    return FootprintTable(tuple(footprints_in_words(measured)), tuple(footprint_heads(measured)), rows)


def _rival(row: Confirmed, rivals: Sequence[Confirmed]) -> Rival:
    def less(split: Literal["validation", "test"]) -> list[str]:
        return [(with_reach(row.less(rival, split)) if rival is not row else "") or "–" for rival in rivals]

    spread = f"{row.spread:.4f}" if len(row.validation) > 1 else "–"
    figures = [f"{row.mean:.4f}", spread, *less("validation"), f"{row.test_mean:.4f}", *less("test")]
    figures += [f"{row.parameters:,}", f"{len(row.seeds)} × {row.steps:,}"]
    return Rival(row.genome, tuple(figures), origin_in_words(row), genes_in_words(row.values))
