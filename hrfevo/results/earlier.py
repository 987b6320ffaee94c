"""What a run knew before it began: results and founders of earlier runs, kept in its own folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from pydantic import Field, ValidationError, model_validator

from hrfevo.algorithms.base import FOUNDER, PROMOTION, Proposal, Result
from hrfevo.space.genome import Genome, canonical
from hrfevo.space.search_space import SearchSpace
from hrfevo.store.records import Evaluation
from hrfevo.store.run_folder import EARLIER_FILE, RUN_FILE, RunFolder
from hrfevo.store.settings import EarlierRun, RunSettings
from hrfevo.workers.base import Status
from signal_model.support.errors import InputError, counted
from signal_model.support.files import explain
from signal_model.support.settings import Config


class Source(Config):
    """An earlier run: its folder as it was named, and its id."""

    run: str
    id: str

    @property
    def words(self) -> str:
        """`from quick-20261126-043144`."""
        return f"from {Path(self.run).name}"


class EarlierResult(Config):
    """What an earlier evaluation came to, of a genome of this space at a rung of it. `source` is a place in a list."""

    source: int
    values: dict[str, Any]
    rung: int
    seed: int
    status: Status
    reason: str = ""
    metrics: dict[str, float]
    worker: str = ""
    device: str = ""


class EarlierFounder(Config):
    """A genome of an earlier front, that is trained again to a rung before anything else."""

    source: int
    values: dict[str, Any]
    rung: int = 0


class Earlier(Config):
    """All that a run was told. `left_out` says of genomes why they are none of its space."""

    sources: tuple[Source, ...] = ()
    results: tuple[EarlierResult, ...] = ()
    founders: tuple[EarlierFounder, ...] = ()
    left_out: dict[str, str] = Field(default_factory=dict)

    def told(self, space: SearchSpace) -> list[Result]:
        """For an algorithm, lower rungs first."""
        return [_result(space, one) for one in sorted(self.results, key=lambda one: one.rung)]

    def proposals(self, space: SearchSpace, in_full: bool = False) -> list[Proposal]:
        """Founders that the space names, then those of earlier fronts.

        Those that the space names are trained to the last rung if `in_full`: all else is beside what people wrote by
        hand, and a first rung tells little of it. Otherwise who has been measured is trained to the same rung: what is
        known already tells nobody to go on from a lower one.
        """
        reached = {Genome(one.values): one.rung for one in sorted(self.results, key=lambda one: one.rung)}
        named = {canonical(space, values): None for values in space.founders.values()}
        last = len(space.rungs) - 1
        own = [Proposal(genome, FOUNDER, rung=last if in_full else reached.get(genome, 0)) for genome in named]
        others = (Proposal(canonical(space, one.values), FOUNDER, rung=one.rung) for one in self.founders)
        return own + [one for one in others if one.genome not in named]

    @property
    def record(self) -> tuple[EarlierRun, ...]:
        """For `run.json`: each source, and how much came from it."""
        return tuple(
            EarlierRun(
                run=source.run,
                id=source.id,
                results=sum(one.source == place for one in self.results),
                founders=sum(one.source == place for one in self.founders),
            )
            for place, source in enumerate(self.sources)
        )

    @cached_property
    def origins(self) -> dict[str, str]:
        """Where genomes come from, by id: `from` the run that measured them last."""
        return {Genome(one.values).id: self.sources[one.source].words for one in self._everyone}

    @model_validator(mode="after")
    def _sources_are_there(self) -> Self:
        for one in self._everyone:
            if not 0 <= one.source < len(self.sources):
                raise ValueError(f"source {one.source}: no such source; accepted: 0 to {len(self.sources) - 1}")
        return self

    @property
    def _everyone(self) -> list[EarlierResult | EarlierFounder]:
        return [*self.results, *self.founders]

    def named(self, evaluations: Sequence[Evaluation]) -> list[Evaluation]:
        """The evaluations of a run, with earlier runs as origin of what came from there."""
        origins = self.named_operators([e.genome for e in evaluations], [e.operator for e in evaluations])
        pairs = zip(evaluations, origins, strict=True)
        return [e if e.operator == origin else replace(e, operator=origin) for e, origin in pairs]

    def named_operators(self, genomes: Sequence[str], operators: Sequence[str]) -> list[str]:
        """What made each genome: an earlier run, if that is where it comes from."""
        known = self.origins
        pairs = zip(genomes, operators, strict=True)
        return [known.get(genome, one) if one in (FOUNDER, PROMOTION) else one for genome, one in pairs]

    def others(self, evaluations: Sequence[Evaluation]) -> list[Evaluation]:
        """Earlier results of genomes that a run has not evaluated itself, born before all of its own."""
        own = {evaluation.genome for evaluation in evaluations}
        found = ((Genome(one.values).id, one) for one in self.results)
        return [_before(self.sources[one.source], genome, one) for genome, one in found if genome not in own]


def read_earlier(folder: RunFolder) -> Earlier:
    """What a run was told. Raises InputError if that is damaged or gone."""
    text = folder.earlier_text()
    file = folder.path / (RUN_FILE if text is None else EARLIER_FILE)
    try:
        return Earlier.model_validate(_of_old(folder.settings) if text is None else json.loads(text))
    except ValidationError as error:
        raise explain(error, str(file)) from None
    except InputError as error:
        raise InputError(f"{file}: {error}") from None
    except (ValueError, RecursionError):
        raise InputError(f"{file}: not valid JSON") from None


def begun_with(earlier: Sequence[EarlierRun]) -> str:
    """What a run was told, in words; empty if nothing."""
    return ", ".join(
        f"the front of {Path(one.run).name}"
        if one.results is None or one.founders is None
        else f"{counted(one.results, 'result')} and {counted(one.founders, 'founder')} of {Path(one.run).name}"
        for one in earlier
    )


def _result(space: SearchSpace, one: EarlierResult) -> Result:
    within = one.status == "finished" and not space.violation(one.metrics)
    return Result(
        Proposal(canonical(space, one.values), FOUNDER, rung=one.rung),
        tuple(one.metrics[name] for name in space.objectives) if within else None,
        space.margins(one.metrics),
        one.reason.partition(":")[0] if one.status == "failed" else "",
        earlier=True,
    )


def _before(source: Source, genome: str, one: EarlierResult) -> Evaluation:
    return Evaluation(
        number=-1,
        genome=genome,
        values=one.values,
        birth=-1,
        operator=source.words,
        parents=(),
        rung=one.rung,
        seed=one.seed,
        status=one.status,
        reason=one.reason,
        detail="",
        metrics=one.metrics,
        worker=one.worker,
        device=one.device,
        submitted=0.0,
        started=None,
        ended=None,
        submitted_event=-1,
        ended_event=-1,
    )


def _of_old(settings: RunSettings) -> dict[str, Any]:
    """Of a run that has no file of its own: `run.json` then has all, which was a front at most."""
    if not settings.founders:
        return {}
    source = settings.earlier[0] if settings.earlier else EarlierRun(run="an earlier run")
    founders = [{"source": 0, "values": values} for values in settings.founders]
    return {"sources": [{"run": source.run, "id": source.id}], "founders": founders}
