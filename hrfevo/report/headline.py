"""The first words of a report: what was searched, on what, for how long, and what won by how much."""

from __future__ import annotations

import math
from collections.abc import Sequence
from types import MappingProxyType

from hrfevo.confirmed import Confirmed
from hrfevo.genes import LayersGene
from hrfevo.report.words import listed, plural
from hrfevo.space import SearchSpace
from hrfevo.store import Evaluation, Run
from hrfevo.tables import duration, short_names
from signal_model.yardsticks import Yardsticks, judged

# So many genes are named.
MOST_NAMED = 6


def searched(run: Run, space: SearchSpace, evaluations: Sequence[Evaluation]) -> str:
    """`Searched 7 genes (embedding, bases, …) with 61 genomes on the corpus python for 12 min 3 s on cpu, …`"""
    genes = [name for name in space.genes if name != "layers"]
    if isinstance(layers := space.genes.get("layers"), LayersGene):
        genes += ["layers", *layers.genes]
    names = list(short_names(genes).values())
    told = listed(names) if len(names) <= MOST_NAMED else f"{', '.join(names[:MOST_NAMED])}, …"
    tried = len({evaluation.genome for evaluation in evaluations})
    devices = listed(sorted({evaluation.device for evaluation in evaluations if evaluation.device}))
    where = f" on {devices}" if devices else ""
    lengths = listed([f"{steps:,}" for steps in space.rungs])
    return (
        f"Searched {plural(len(genes), 'gene')} ({told}) with {plural(tried, 'genome')} on the corpus "
        f"{corpus_name(run, space)} for {duration(run.seconds)}{where}, in trainings of {lengths} steps."
    )


def corpus_name(run: Run, space: SearchSpace) -> str:
    """The corpus as the run recorded it, or as the space says."""
    recorded = run.settings.get("corpus")
    if isinstance(recorded, dict):
        recorded = recorded.get("name", recorded)
    return str(recorded) if recorded is not None else ", ".join(map(str, space.corpus.to_dict().values()))


def won(confirmed: Sequence[Confirmed], scores: Yardsticks = MappingProxyType({})) -> str:
    """What won when trained again, by how much over the baseline, and what that is worth beside `scores` that need no
    model; empty if nothing was."""
    winner = next((one for one in confirmed if one.origin == "search"), None)
    if winner is None:
        return ""
    seeds = plural(len(winner.validation), "fresh seed")
    said = f"Genome {winner.genome} won: {_score(winner)} bits per byte on validation, "
    said += f"trained again from scratch for {winner.steps:,} steps with {seeds}"
    if value := judged(winner.mean, scores):
        said += f". That is {value}"
    baseline = next((one for one in confirmed if one.origin == "baseline"), None)
    if baseline is None:
        return f"{said}. No transformer was trained to compare it with."
    gain = baseline.mean - winner.mean
    doubt = math.hypot(winner.spread, baseline.spread)
    close = ", less than seeds differ by" if len(winner.validation) > 1 and abs(gain) <= doubt else ""
    return (
        f"{said}. It is {_difference(gain, baseline.mean)} than a transformer tuned with as many evaluations "
        f"({_score(baseline)}){close}; on the test split, which chose nothing, it is "
        f"{_difference(baseline.test_mean - winner.test_mean, baseline.test_mean)} ({winner.test_mean:.4f} against "
        f"{baseline.test_mean:.4f})."
    )


def _score(one: Confirmed) -> str:
    return f"{one.mean:.4f} ± {one.spread:.4f}" if len(one.validation) > 1 else f"{one.mean:.4f}"


def _difference(gain: float, reference: float) -> str:
    return f"{abs(gain):.4f} ({abs(gain / reference):.1%}) {'better' if gain >= 0 else 'worse'}"
