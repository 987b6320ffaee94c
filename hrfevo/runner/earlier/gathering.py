"""What an earlier run can tell a new one: which of its results compare, and who of its front begins."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field

from hrfevo.results.earlier import Earlier, EarlierFounder, EarlierResult, Source, read_earlier
from hrfevo.results.history import History
from hrfevo.runner.earlier.transfer import Transfer, transferred
from hrfevo.space.genome import Genome
from hrfevo.space.metrics import PROBED, TIMED
from hrfevo.space.search_space import SearchSpace
from hrfevo.store.records import Evaluation
from hrfevo.store.run_folder import EARLIER_FILE, RunFolder
from hrfevo.store.versions import changes
from signal_model.support.errors import InputError, counted, one_line

# Failures of the genome itself; others, such as too little memory, are of the machine and of limits too.
OWN_FAILURES = ("diverged", "leak")
# Genomes that do not fit are named up to so many.
NAMED = 8


@dataclass(frozen=True)
class Here:
    """What results of the new run depend on besides its space."""

    corpus: str
    """The text's name."""
    corpus_hash: str
    machine: str | None
    """Host and kind of device, such as `node1 cpu`; None for those of a cluster."""


def gather(runs: Sequence[RunFolder], space: SearchSpace, here: Here, say: Callable[[str], None]) -> Earlier:
    """All that `runs` know and a search of `space` can use, said in lines.

    Raises InputError for a run of which no result compares and no genome of the front fits.
    """
    found = _Found()
    for run in runs:
        _Gatherer(run, space, here, say).gather(found)
    return Earlier(
        sources=tuple(found.sources),
        results=tuple(found.results.values()),
        founders=tuple(found.founders.values()),
        left_out=found.left_out,
    )


@dataclass
class _Found:
    sources: list[Source] = field(default_factory=list)
    results: dict[tuple[str, int, int], EarlierResult] = field(default_factory=dict)
    founders: dict[str, EarlierFounder] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)

    def place(self, source: Source) -> int:
        """Of a source in the list, which it is put into unless it is there."""
        if source not in self.sources:
            self.sources.append(source)
        return self.sources.index(source)


class _Gatherer:
    """One earlier run beside the space of the new one."""

    def __init__(self, run: RunFolder, space: SearchSpace, here: Here, say: Callable[[str], None]) -> None:
        self._run, self._space, self._here, self._say = run, space, here, say
        self._source = Source(run=str(run.path), id=run.id)
        with closing(run.open_store()) as store:
            self._own = History.read(run, store)
        self._theirs = self._own.space
        self._before = read_earlier(run)
        self._moved: dict[str, Transfer] = {}
        self._misfits: dict[str, str] = {}

    def gather(self, found: _Found) -> None:
        for evaluation in (*self._own, *self._before.others([])):
            self._move(evaluation)
        reasons = list(self._reasons())
        known = 0 if reasons else self._tell(found)
        winners = (self._own if reasons else self._within_bounds()).front
        fitting = [winner for winner in winners if winner.genome in self._moved]
        # Those of the front are named first.
        unfit = {e.genome: self._misfits[e.genome] for e in winners if e.genome in self._misfits} | self._misfits
        if not known and not fitting:
            why = next(iter(unfit.values()), "its front is empty")
            raise InputError(f"--from {self._run.path}: no genome of its front is one of this space: {why}")
        for winner in fitting:
            self._begin_with(found, winner, again=not reasons)
        self._report(reasons, known, f"{len(fitting)} of the {len(winners)}", unfit)
        found.left_out |= unfit

    def _move(self, evaluation: Evaluation) -> None:
        if evaluation.genome in self._moved or evaluation.genome in self._misfits:
            return
        try:
            self._moved[evaluation.genome] = transferred(self._theirs, Genome(evaluation.values), self._space)
        except (ValueError, TypeError, AttributeError) as error:
            self._misfits[evaluation.genome] = one_line(error).removeprefix("genome: ")

    def _reasons(self) -> Iterator[str]:
        """Why no result of the run compares with those of the new one."""
        theirs, ours, corpus = self._theirs, self._space, self._run.settings.corpus
        if corpus.hash != self._here.corpus_hash:
            yield f"corpus: another text or tokenizer ({corpus.name or '?'}, here {self._here.corpus})"
        if theirs.rungs[-1] != ours.rungs[-1]:
            yield (
                f"rungs: trainings end after {counted(theirs.rungs[-1], 'step')} there, after {ours.rungs[-1]:,} here, "
                "and the learning rate falls until then"
            )
        if theirs.inherit or ours.inherit:
            yield "inherit: scores are of lineages, whose weights do not come along"
        needed = list(dict.fromkeys([*ours.objectives, *ours.constraints]))
        finished = [e for e in (*self._own, *self._before.others([])) if e.status == "finished"]
        for name in needed:
            if any(name not in evaluation.metrics for evaluation in finished):
                yield f"{name}: was not measured there"
            elif name in PROBED and name not in TIMED and theirs.probe_steps != ours.probe_steps:
                yield f"{name}: was measured after {theirs.probe_steps:,} probe_steps, here after {ours.probe_steps:,}"
        machines = sorted(set(map(_machine, finished)))
        if ours.timed and (machines != [self._here.machine] or theirs.resources != ours.resources):
            where = f"{', '.join(machines) or 'no machine'}, here of {self._here.machine or 'a cluster'}"
            yield f"{' and '.join(ours.timed)}: is of {where}"
        differences = {one.difference for one in self._moved.values()}
        if self._moved and "" not in differences:
            yield min(differences)

    def _tell(self, found: _Found) -> int:
        """Add results that compare, and say which do not; returns how many there are."""
        left: dict[str, list[str]] = {}
        before = len(found.results)
        # What the run was told comes first: what it measured itself counts more.
        told = zip(self._before.results, self._before.others([]), strict=True)
        sources = [(self._before.sources[one.source], evaluation) for one, evaluation in told]
        for source, evaluation in [*sources, *((self._source, evaluation) for evaluation in self._own)]:
            if evaluation.status == "running" or evaluation.genome not in self._moved:
                continue
            if why := self._unlike(evaluation):
                left.setdefault(why, []).append(evaluation.genome)
                continue
            moved = self._moved[evaluation.genome].genome
            rung = self._space.rungs.index(self._theirs.rungs[evaluation.rung])
            found.results.pop(key := (moved.id, rung, evaluation.seed), None)
            found.results[key] = EarlierResult(
                source=found.place(source),
                values=dict(moved.values),
                rung=rung,
                seed=evaluation.seed,
                status=evaluation.status,
                reason=evaluation.reason,
                metrics=evaluation.metrics,
                worker=evaluation.worker,
                device=evaluation.device,
            )
        for why, genomes in left.items():
            self._say(f"left out {counted(len(genomes), 'result')} of {self._run.path}: {why}")
        return len(found.results) - before

    def _unlike(self, evaluation: Evaluation) -> str:
        """Why one result does not compare; empty if it does."""
        steps, kind = self._theirs.rungs[evaluation.rung], evaluation.reason.partition(":")[0]
        if steps not in self._space.rungs:
            return f"after {counted(steps, 'step')} there is no rung here"
        if difference := self._moved[evaluation.genome].difference:
            return difference
        if evaluation.status == "infeasible" and not self._space.violation(evaluation.metrics):
            return "refused by a bound there, within the bounds here"
        if evaluation.status == "failed" and kind not in OWN_FAILURES and not self._like_here(evaluation):
            return f"{kind}, on another machine or under other limits"
        return ""

    def _like_here(self, evaluation: Evaluation) -> bool:
        alike = all(getattr(self._theirs, name) == getattr(self._space, name) for name in ("limits", "resources"))
        return alike and _machine(evaluation) == self._here.machine

    def _within_bounds(self) -> History:
        """By the new run's space. Where results compare, all its objectives and bounds were measured."""
        return History(self._space, tuple(one for one in self._own if not self._space.violation(one.metrics)))

    def _begin_with(self, found: _Found, winner: Evaluation, again: bool) -> None:
        """Add one of the front as a founder: `again` to the rung where it was measured, else to the first."""
        moved, steps = self._moved[winner.genome], self._theirs.rungs[winner.rung]
        measured = again and not moved.difference and steps in self._space.rungs
        found.founders[moved.genome.id] = EarlierFounder(
            source=found.place(self._source),
            values=dict(moved.genome.values),
            rung=self._space.rungs.index(steps) if measured else 0,
        )

    def _report(self, reasons: Sequence[str], known: int, founders: str, unfit: Mapping[str, str]) -> None:
        path = self._run.path
        if reasons:
            self._say(f"no result of {path} compares with those of this run: {'; '.join(reasons)}")
        else:
            self._say(f"knows {counted(known, 'result')} of {path}, beside its own budget, front and report")
        self._say(f"begins with {founders} on its front, trained again here")
        for change in changes(self._run.settings.versions):
            self._say(f"note: of {path}: {change}")
        for genome, why in list(unfit.items())[:NAMED]:
            self._say(f"left out {genome}: {why}")
        if (more := len(unfit) - NAMED) > 0:
            self._say(f"left out {more:,} more; {EARLIER_FILE} of the new run says which and why")


def _machine(evaluation: Evaluation) -> str:
    """Host and kind of device."""
    return f"{evaluation.worker.rpartition(':')[0]} {evaluation.device.partition(':')[0]}"
