"""Evaluations as a terminal table, JSON or CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.markup import escape
from rich.table import Table

from hrfevo.results.agreement import in_lines
from hrfevo.results.comparison.paired import Difference
from hrfevo.results.confirmation.confirmed import Confirmation, Confirmed
from hrfevo.results.confusion import Confusion
from hrfevo.results.cost import cost_in_words
from hrfevo.results.footprints import Footprints
from hrfevo.results.history import History
from hrfevo.results.status import Status, times
from hrfevo.space.metrics import measure
from hrfevo.space.search_space import SearchSpace
from hrfevo.store.records import Evaluation
from hrfevo.views.footprints import footprint_figures, footprint_heads
from hrfevo.workers.base import INHERITED
from signal_model.support.errors import counted

# Before and after those of the differences to rivals.
CONFUSION_TITLE = "What it takes for what on test, by row what it is, by column what it was taken for"
CONFIRMED_COLUMNS = (
    ("genome", "from", "validation", "± seeds"),
    ("test", "parameters", "seeds × steps"),
)


def record(space: SearchSpace, evaluation: Evaluation, also: Sequence[str] = ()) -> dict[str, Any]:
    """What there is to say about one evaluation, free of clocks and machines but for what `also` names."""
    # What differs from run to run is not in listings that are compared, unless it is asked for.
    shown = {*space.objectives, *also}
    metrics = {name: value for name, value in evaluation.metrics.items() if name in shown or not measure(name).clock}
    return {
        "genome": evaluation.genome,
        "status": evaluation.status,
        **({"reason": evaluation.reason} if evaluation.reason else {}),
        "steps": space.rungs[evaluation.rung],
        "seed": evaluation.seed,
        **({"seeds": evaluation.seeds} if evaluation.seeds > 1 else {}),
        **({"timings": len(evaluation.timings)} if evaluation.timings else {}),
        "metrics": metrics,
        "birth": evaluation.birth,
        "generation": space.generation_of(evaluation.birth),
        "operator": evaluation.operator,
        "parents": list(evaluation.parents),
        "genes": evaluation.values,
    }


def as_json(listed: History, also: Sequence[str] = ()) -> str:
    """A JSON list of records."""
    return json.dumps([record(listed.space, evaluation, also) for evaluation in listed], indent=2)


def as_csv(listed: History, also: Sequence[str] = ()) -> str:
    """One row per evaluation, one column per metric and gene; lists as JSON."""
    rows = []
    for evaluation in listed:
        row = record(listed.space, evaluation, also)
        metrics, genes = row.pop("metrics"), row.pop("genes")
        flat = row | metrics | {f"gene:{name}": value for name, value in genes.items()}
        rows.append({key: json.dumps(v) if isinstance(v, list | dict) else v for key, v in flat.items()})
    columns = list(dict.fromkeys(key for row in rows for key in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def as_table(listed: History, front: Sequence[Evaluation], also: Sequence[str] = ()) -> Table:
    """The best first; a star marks the front. Where weights are inherited, the share of them is shown, where scores are
    means, of how many seeds, where they are of a lower rung than the last, of which, and whose steps were timed again.

    `also` are metrics to show besides the objectives.
    """
    space = listed.space
    metrics = list(dict.fromkeys([*space.objectives, *([INHERITED] if space.inherit else []), *also]))
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("")
    table.add_column("genome")
    for name in metrics:
        table.add_column(name, justify="right")
    several = any(evaluation.seeds > 1 for evaluation in listed)
    if several:
        table.add_column("seeds", justify="right")
    table.add_column("gen", justify="right")
    table.add_column("genes", overflow="fold")
    for evaluation in listed:
        table.add_row(
            "*" if evaluation in front else "",
            evaluation.genome,
            *(number(evaluation.metrics[name]) for name in metrics),
            *([str(evaluation.seeds)] if several else []),
            str(space.generation_of(evaluation.birth)),
            escape(genes_in_words(evaluation.values)),
        )
    captions = []
    if below := {space.rungs[one.rung] for one in listed} - {space.rungs[-1]}:
        steps = " and ".join(counted(number, "step") for number in sorted(below))
        captions.append(f"scores are after {steps}, not after the {space.rungs[-1]:,} of the last rung")
    if told := timed_in_words(listed, metrics):
        captions.append(told)
    if captions:
        table.caption = "\n".join(captions)
        table.caption_justify, table.caption_style = "left", ""
    return table


def timed_in_words(evaluations: Sequence[Evaluation], metrics: Iterable[str]) -> str:
    """Whose steps are timed again, and how often; empty where nobody's are, or where no metric is what they took."""
    alone = [evaluation.timings for evaluation in evaluations if evaluation.timings]
    timed = [name for name in metrics if any(name in timing for timings in alone for timing in timings)]
    if not timed:
        return ""
    whose = "all" if len(alone) == len(evaluations) else f"{len(alone)} of {len(evaluations)}"
    names = " and ".join(timed)
    return f"{names} of {whose} is that of steps timed again, alone: the least of {max(map(len, alone))}"


def confirmed_table(found: Confirmation) -> Table:
    """Best mean first, by the score of the task; differences are to each tuned rival, paired by seed."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    before, after = CONFIRMED_COLUMNS
    for column in (*before, *(f"− {name} ± 95 %" for name in found.rivals), *after):
        table.add_column(column, justify="left" if column in ("genome", "from") else "right")
    for row in found.rows:
        table.add_row(
            row.genome,
            origin_in_words(row),
            f"{row.mean:.4f}",
            f"{row.spread:.4f}" if len(row.validation) > 1 else "–",
            *(with_reach(None if rival is row else row.less(rival)) for rival in found.rivals.values()),
            f"{row.test_mean:.4f}",
            number(row.parameters),
            f"{len(row.validation)} × {row.steps:,}",
        )
    return table


def confusion_table(found: Confusion) -> Table:
    """A row for each class, of what it is; a column for each, of what it was taken for."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("", *found.classes):
        table.add_column(escape(column), justify="right")
    for name, row in zip(found.classes, found.counts, strict=True):
        table.add_row(escape(name), *(f"{count:,}" if count else "·" for count in row))
    return table


def footprint_table(found: Footprints) -> Table:
    """What the first choices take, the search's first."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("genome", "from", *footprint_heads(found)):
        table.add_column(column, justify="left" if column in ("genome", "from") else "right")
    for row in found.rows:
        table.add_row(row.genome, row.side, *footprint_figures(row))
    return table


def origin_in_words(one: Confirmed) -> str:
    """Where it comes from, with the place that its own search gave it: `search 1`, `transformer 2`, `founder`."""
    if one.origin == "founder":
        return "founder"
    return f"{'search' if one.origin == 'search' else one.rival} {one.place + 1}"


def with_reach(found: Difference | None) -> str:
    """`+0.0668 ± 0.0123`, half of the interval's width; without it where that is not known, empty for none.

    Over fewer seeds than the means beside it are of, it says of how many: `+0.0668 ± 0.0123 (2 seeds)`.
    """
    if found is None:
        return ""
    fewer = f" ({counted(found.pairs, 'seed')})" if found.unpaired else ""
    return f"{found.mean:+.4f}" + (f" ± {found.high - found.mean:.4f}" if found.is_known else "") + fewer


def duration(seconds: float) -> str:
    """A length of time in its two largest units."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    units = [(days, "d"), (hours, "h"), (minutes, "min"), (rest, "s")]
    first = next((place for place, (count, _) in enumerate(units) if count), 3)
    return " ".join(f"{count} {unit}" for count, unit in units[first : first + 2] if count or first == 3)


def trained_in_words(steps: int, trainings: float, seconds: float) -> str:
    """`12,960 steps (72 full trainings), 12 min 4 s undisturbed`."""
    return f"{counted(steps, 'step')} ({counted(trainings, 'full training', ',.4g')}), {duration(seconds)} undisturbed"


def status_table(status: Status) -> Table:
    """How a run is doing, a fact to a line."""
    table = Table(box=None, show_header=False, pad_edge=False)
    after = "" if status.best_steps in (None, status.last_steps) else f" after {counted(status.best_steps, 'step')}"
    after += f", the mean of {status.best_seeds} seeds" if (status.best_seeds or 1) > 1 else ""
    counts = {"finished": status.finished, "failed": status.failed, "infeasible": status.infeasible}
    facts = [
        ("run", status.run),
        (
            "state",
            f"paused: {status.paused}" if status.paused else ": ".join(filter(None, [status.state, status.reason])),
        ),
        ("evaluations", ", ".join(f"{count:,} {name}" for name, count in counts.items())),
        ("training", trained_in_words(status.steps, status.trainings, status.training_seconds)),
        ("cost", cost_in_words(status.cost, status.confirmation_cost)),
        ("corpus", status.corpus),
        ("budget", status.budget),
        ("searched for", duration(status.seconds)),
        ("last result", "none yet" if status.silent is None else f"{duration(status.silent)} ago"),
        (
            "best",
            "none yet" if status.best is None else f"{status.genome}, {status.objective} {number(status.best)}{after}",
        ),
        *((f"failed {times(count)}", reason) for reason, count in status.failures.items()),
        *in_lines(status.agreements),
        *(("beware", end.words) for end in status.range_ends),
    ]
    flying = "in flight" if status.state == "running" else "was in flight"
    facts += (
        (f"{flying} #{one.number}", f"{one.genome} to {counted(one.steps, 'step')}, since {duration(one.seconds)}")
        for one in status.in_flight
    )
    if status.forecast:
        facts.append(("more budget", status.forecast.words))
    if status.worth:
        facts.append(("worth", status.worth))
    if status.advice:
        facts.append(("go on with", status.advice))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, fact in facts:
        table.add_row(name, escape(fact))
    return table


def number(value: float) -> str:
    """Whole and large numbers with separators, others to five digits."""
    # From where five digits round to six.
    return f"{value:,.0f}" if float(value).is_integer() or 99_999.5 <= abs(value) < 1e15 else f"{value:.5g}"


def genes_in_words(values: Mapping[str, Any]) -> str:
    """`name value` of every gene, layers in brackets."""
    inner = {name for layer in values.get("layers", ()) for name in layer}
    names = short_names([*values, *sorted(inner)])
    words = []
    for name, value in values.items():
        if name == "layers":
            words += [f"[{genes_in_words(layer)}]" for layer in value]
        else:
            words.append(f"{names[name]} {_shown(value)}")
    return ", ".join(words)


def _shown(value: Any) -> str:
    if not isinstance(value, list):
        return str(value)
    return ("+" if any(isinstance(item, str) for item in value) else "–").join(map(str, value))


def short_names(names: Iterable[str]) -> dict[str, str]:
    """Each dotted name cut to the shortest end that no other has; `mixer.kind` is just `mixer`."""
    whole = {name: name.removesuffix(".kind") for name in names}
    short = {}
    for name, plain in whole.items():
        parts = plain.split(".")
        ends = [".".join(parts[-length:]) for length in range(1, len(parts) + 1)]
        short[name] = next(
            (end for end in ends if sum(f".{other}".endswith(f".{end}") for other in whole.values()) == 1), plain
        )
    return short
