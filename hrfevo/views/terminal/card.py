"""A genome's card for a terminal, and as plain data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from hrfevo.results.confirmation.confirmed import Confirmed
from hrfevo.results.genome.card import Card, Relative, Training
from hrfevo.results.genome.costs import PartCost
from hrfevo.space.rivals import the
from hrfevo.views.terminal.sparkline import place_bar, sparkline
from hrfevo.views.terminal.tables import CONFUSION_TITLE, confusion_table, genes_in_words, number
from signal_model.support.console import print_table
from signal_model.support.errors import counted

# More children than these are counted, not listed.
MOST_CHILDREN = 12


def print_card(console: Console, card: Card, parts: Sequence[PartCost] | None = None) -> None:
    """Facts, genes, trainings, relatives and, where they were measured, the costs of the model's parts."""
    drawn = _pictures(card)
    facts = _table([], *((name, drawn.get(name, "") + escape(value)) for name, value in facts_of(card)))
    facts.columns[0].style = "bold"
    print_table(console, facts)
    _section(console, "genes", _table([], *((escape(name), escape(value)) for name, value in gene_rows(card.genes))))
    metrics = list(dict.fromkeys(name for training in card.trainings for name in training.metrics))
    columns = ["steps", "seed", "status", "learning curve"]
    trainings = _table(columns, *map(_training, card.trainings), right=(0, 1))
    _section(console, "trainings", trainings)
    values = [[name, *(_value(t.metrics.get(name)) for t in card.trainings)] for name in metrics]
    if values:
        heads = ["metric", *(counted(t.steps, "step") for t in card.trainings)]
        _section(console, "metrics", _table(heads, *values, right=range(1, len(heads))))
    for title, relatives in (("parents", card.parents), ("children", card.children[:MOST_CHILDREN])):
        if relatives:
            heads = ["genome", "operator", "gen", "steps", card.objectives[0]]
            more = len(card.children) - MOST_CHILDREN
            title += f" (the first {MOST_CHILDREN} of {len(card.children)})" if title == "children" and more > 0 else ""
            _section(console, title, _table(heads, *map(_relative, relatives), right=(2, 3, 4)))
    if card.confirmed and (confusion := card.confirmed.confusion):
        _section(console, CONFUSION_TITLE, confusion_table(confusion))
    if parts is not None:
        _section(console, "parts of the model", _parts(parts))
    if card.detail:
        console.print(f"\n{card.detail}", markup=False, highlight=False)


def facts_of(card: Card) -> Iterator[tuple[str, str]]:
    """Names and what there is to say, as plain text."""
    yield "genome", card.genome
    yield "status", f"{card.status}{': ' if card.reason else ''}{card.reason}"
    parents = ", ".join(parent.genome for parent in card.parents)
    yield (
        "origin",
        f"{card.operator}{f' of {parents}' if parents else ''}, generation {card.generation}, birth {card.birth}",
    )
    if card.fitness:
        yield "fitness", ", ".join(f"{name} {number(value)}" for name, value in card.fitness.items())
    if standing := card.standing:
        yield (
            "standing",
            f"place {standing.place} of {standing.peers} by {card.objectives[0]} after {counted(card.steps, 'step')}; "
            f"non-dominated rank {standing.rank}, {'on' if standing.front else 'not on'} the front",
        )
    if card.curve:
        first, last = card.curve[0], card.curve[-1]
        yield (
            "learning curve",
            f"{first.bits_per_byte:.4g} → {last.bits_per_byte:.4g} {card.unit}, steps {first.step:,} to {last.step:,}",
        )
    cost = {
        "s of training": card.cost.train_seconds,
        "parameters": card.cost.parameters,
        "operations per token": card.cost.flops_per_token,
        "numbers of state": card.cost.state_size,
    }
    if known := [f"{number(value)} {name}" for name, value in cost.items() if value is not None]:
        yield "cost", ", ".join(known)
    if card.confirmed:
        yield "confirmed", _confirmed(card.confirmed, card.rivals)


def gene_rows(genes: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Each gene and its value; a row for each layer."""
    for name, value in genes.items():
        if name == "layers":
            yield from ((f"layer {place}", genes_in_words(layer)) for place, layer in enumerate(value, start=1))
        else:
            yield name, str(value)


def card_data(card: Card, parts: Sequence[PartCost] | None = None) -> dict[str, Any]:
    """The facts that a card adds to the record of an evaluation, as JSON holds them."""
    data = asdict(card)
    return {
        "detail": card.detail,
        "fitness": data["fitness"],
        "standing": data["standing"],
        "cost": data["cost"],
        "parents": [parent.genome for parent in card.parents],
        "relatives": {"parents": data["parents"], "children": data["children"]},
        "trainings": data["trainings"],
        "curve": data["curve"],
        "confirmed": data["confirmed"],
        "rivals": data["rivals"] if card.confirmed else {},
        **({} if parts is None else {"parts": [asdict(part) for part in parts]}),
    }


def _pictures(card: Card) -> dict[str, str]:
    """What stands before some of the facts."""
    drawn = {"learning curve": f"{sparkline([point.bits_per_byte for point in card.curve])} "}
    return drawn | ({"standing": f"{place_bar(card.standing.place, card.standing.peers)} "} if card.standing else {})


def _confirmed(found: Confirmed, rivals: Mapping[str, Confirmed]) -> str:
    spread = f" ± {found.spread:.4f}" if len(found.validation) > 1 else ""
    said = (
        f"validation {found.mean:.4f}{spread}, test {found.test_mean:.4f} {found.unit}, "
        f"{len(found.validation)} × {counted(found.steps, 'step')}"
    )
    compared = {name: found.less(rival) for name, rival in rivals.items()}
    beside = [f"; beside {the(name)} {less.words()}" for name, less in compared.items() if less]
    return f"{said}{''.join(beside)}"


def _training(training: Training) -> list[str]:
    status = f"{training.status}{': ' if training.reason else ''}{training.reason}"
    values = [point.bits_per_byte for point in training.curve]
    curve = f"{sparkline(values, 24)} {values[0]:.4g} → {values[-1]:.4g}" if values else ""
    return [f"{training.steps:,}", str(training.seed), escape(status), curve]


def _relative(relative: Relative) -> list[str]:
    found = (relative.generation, relative.steps, relative.score)
    return [relative.genome, escape(relative.operator), *map(_value, found)]


def _parts(parts: Sequence[PartCost]) -> Table:
    rows = [(part.name, part.parameters, part.flops_per_token) for part in parts]
    parameters, flops = sum(part.parameters for part in parts), sum(part.flops_per_token for part in parts)
    return _table(
        ["part", "parameters", "of all", "operations per token", "of all"],
        *(
            [name, f"{p:,}", f"{p / parameters:.1%}", f"{f:,.0f}", f"{f / flops:.1%}"]
            for name, p, f in [*rows, ("all", parameters, flops)]
        ),
        right=range(1, 5),
    )


def _value(value: float | None) -> str:
    return "–" if value is None else number(value)


def _table(heads: Sequence[str], *rows: Sequence[str], right: Sequence[int] = ()) -> Table:
    table = Table(box=None, show_header=bool(heads), header_style="bold", pad_edge=False)
    for place in range(len(rows[0]) if rows else len(heads)):
        head = heads[place] if heads else ""
        folds = place > 0 and place not in right
        table.add_column(head, justify="right" if place in right else "left", overflow="fold" if folds else "ellipsis")
    for row in rows:
        table.add_row(*row)
    return table


def _section(console: Console, title: str, table: Table) -> None:
    console.print(f"\n[bold]{title}[/bold]")
    print_table(console, table)
