"""The first words of a report: what won by how much, and what was searched, on what, for how long."""

from __future__ import annotations

from types import MappingProxyType

from hrfevo.results.confirmation.confirmed import Confirmation
from hrfevo.results.history import History
from hrfevo.space.genes import LayersGene
from hrfevo.space.search_space import SearchSpace
from hrfevo.store.records import RunRecord
from hrfevo.views.figures.style import measured, measurement_in_words
from hrfevo.views.terminal.tables import duration, short_names
from hrfevo.views.verdicts import first_choice, headline, rivals
from signal_model.evaluation.yardsticks import Yardsticks, judged
from signal_model.support.errors import counted, listed

# So many genes are named.
MOST_NAMED = 6


def lead(found: Confirmation, history: History) -> str:
    """What won, with its spread, in one sentence: as confirmed, else as the search measured it; empty before that."""
    best, metric = history.best, history.space.first_objective[0]
    if found.winner or best is None:
        return headline(found)
    score = measured(metric, best.metrics[metric])
    told = measurement_in_words(metric, score, history.space.measure)
    if doubt := best.doubts.get(metric) if best.seeds > 1 else None:
        told = measurement_in_words(metric, f"{score} ± {measured(metric, doubt)}", history.space.measure)
        return f"{best.genome} is the best: {told} (standard error of {best.seeds} seeds), not confirmed."
    return f"{best.genome} is the best: {told}, of one training, so its spread is not known."


def searched(run: RunRecord, history: History) -> str:
    """`Searched 7 genes (embedding, bases, …) with 61 genomes on the corpus python for 12 min 3 s on cpu, …`"""
    space = history.space
    genes = [name for name in space.genes if name != "layers"]
    if isinstance(layers := space.genes.get("layers"), LayersGene):
        genes += ["layers", *layers.genes]
    names = list(short_names(genes).values())
    told = listed(names) if len(names) <= MOST_NAMED else f"{', '.join(names[:MOST_NAMED])}, …"
    tried = len({evaluation.genome for evaluation in history})
    devices = listed(sorted({evaluation.device for evaluation in history if evaluation.device}))
    where = f" on {devices}" if devices else ""
    lengths = listed([f"{steps:,}" for steps in space.rungs])
    noun = "step" if lengths == "1" else "steps"
    return (
        f"Searched {counted(len(genes), 'gene')} ({told}) with {counted(tried, 'genome')} on the corpus "
        f"{corpus_name(run, space)} for {duration(run.seconds)}{where}, in trainings of {lengths} {noun}."
    )


def corpus_name(run: RunRecord, space: SearchSpace) -> str:
    """The corpus as the run recorded it, or as the space says."""
    recorded = run.settings.get("corpus")
    if isinstance(recorded, dict):
        recorded = recorded.get("name", recorded)
    return str(recorded) if recorded is not None else ", ".join(map(str, space.corpus.to_dict().values()))


def won(found: Confirmation, scores: Yardsticks = MappingProxyType({})) -> str:
    """What was chosen and trained again, how it compares with the transformer and the best founder, with intervals, and
    what that is worth beside `scores` that need no model; empty if nothing was."""
    if found.winner is None:
        return ""
    value = judged(found.winner.mean, scores)
    return " ".join([first_choice(found.winner), *([f"That is {value}."] if value else []), *rivals(found)])
