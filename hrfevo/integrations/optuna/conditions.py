"""When a parameter is asked for: conditions on others, inferred from the trials that had it and from those without it.

A study of Optuna's does not say on what it depends whether a parameter is asked for. A condition that is inferred from
few trials may be wrong. Then a later trial asks for what it does not foresee, or not for what it does, and all are
inferred anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hrfevo.space.conditions import active
from hrfevo.space.genes import BaseGene, FloatGene, Value

# A parameter of more values than these tells any two trials apart, so it explains nothing.
MAX_VALUES = 32


@dataclass(frozen=True)
class Asked:
    """What a trial has asked for: values by name. One that is `complete` does without the others."""

    values: Mapping[str, Value]
    complete: bool


@dataclass(frozen=True)
class Conditions:
    """`genes`, each after those that its condition names; of the `erratic` nothing tells when they are asked for."""

    genes: Mapping[str, BaseGene]
    erratic: frozenset[str]

    @classmethod
    def inferred(cls, genes: Mapping[str, BaseGene], trials: Sequence[Asked]) -> Conditions:
        """From genes without conditions, in the order they were first asked for, of which one may only depend on those
        before it."""
        found: dict[str, BaseGene] = {}
        earlier: dict[str, Sequence[Value]] = {}
        erratic = set()
        for name, gene in genes.items():
            when = _when(name, trials, earlier)
            if when is None:
                erratic.add(name)
            found[name] = gene.model_copy(update={"when": when or {}})
            if not isinstance(gene, FloatGene) and gene.size is not None and gene.size <= MAX_VALUES:
                earlier[name] = gene.all_values()
        return cls(found, frozenset(erratic))

    def foresee(self, trial: Asked) -> bool:
        """Whether a trial asked for what they say."""
        for name, gene in self.genes.items():
            there = name in trial.values
            if name not in self.erratic and (there or trial.complete) and there != active(gene, trial.values):
                return False
        return True


def _when(name: str, trials: Sequence[Asked], earlier: Mapping[str, Sequence[Value]]) -> dict[str, list[Value]] | None:
    """Values of earlier parameters with which one is asked for; all of them have to hold. None if nothing tells.

    One after the other is taken that explains most of the trials that do without it, of equals the one with the fewest
    values. A value that was never seen in such a trial is accepted: what is proposed and not asked for does no harm.
    """
    having = [trial.values for trial in trials if name in trial.values]
    lacking = [trial.values for trial in trials if trial.complete and name not in trial.values]
    when: dict[str, list[Value]] = {}
    unexplained = lacking
    while unexplained:
        left = dict[str, list[Mapping[str, Value]]]()
        for other in earlier:
            if other not in when and all(other in values for values in having):
                accepted = {values[other] for values in having}
                left[other] = [values for values in unexplained if values.get(other) in accepted]
        best = min(left, key=lambda other: (len(left[other]), len(earlier[other])), default=None)
        if best is None or len(left[best]) == len(unexplained):
            return None
        refused = {values[best] for values in lacking if best in values} - {values[best] for values in having}
        when[best] = [value for value in earlier[best] if value not in refused]
        unexplained = left[best]
    return when
