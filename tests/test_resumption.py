"""What a search that goes on is: its history told to a new algorithm, and nothing computed again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from hrfevo.algorithms import ALGORITHMS, SURVEY, Algorithm, make_algorithm
from hrfevo.genome import Genome
from hrfevo.records import PROMOTION, Proposal, Result
from hrfevo.space import SearchSpace
from hrfevo.validation import parse_space

# A continuum and a finite space that is searched through, so that generations end before they are full.
MIXED = """
name: mixed
model: {context: 64, width: 64}
rungs: [1, 2, 4]
population: 6
replicates: REPLICATES
budget: {evaluations: 100}
objectives: {bits_per_byte: minimize, parameters: minimize}
constraints: {parameters: {max: 90}}
genes:
  training.learning_rate: {type: float, low: 1e-3, high: 1e-1, log: true}
  embedding.kind: {type: choice, values: [standard, spectral]}
  embedding.bases: {type: int, low: 2, high: 9, when: {embedding.kind: spectral}}
  layers:
    type: layers
    min: 1
    max: 3
    fixed: {feedforward: {kind: mlp}}
    genes:
      mixer.kind: {type: choice, values: [attention, harmonic, wavelet]}
      feedforward.expansion: {type: ordered, values: [1.0, 2.0, 4.0]}
"""
SMALL = """
name: small
rungs: [1, 2, 3]
population: 6
promote: 0.5
replicates: REPLICATES
budget: {evaluations: 100}
genes:
  embedding.kind: {type: choice, values: [standard, spectral]}
  embedding.bases: {type: int, low: 2, high: 14, when: {embedding.kind: spectral}}
"""
Event = Proposal | Result


def space_of(text: str, name: str, replicates: float) -> SearchSpace:
    space = parse_space(text.replace("REPLICATES", str(replicates)), "space")
    return space.model_copy(update={"objectives": {"bits_per_byte": "minimize"}}) if name == "cmaes" else space


def result(space: SearchSpace, proposal: Proposal) -> Result:
    """What becomes of a proposal: a smooth function of the genome with noise of its own, or a failure."""
    values, own = proposal.genome.values, int(proposal.genome.id, 16)
    if own % 11 == 0:
        return Result(proposal, None, (), "diverged")
    size = float(values.get("embedding.bases", 5)) + 10 * len(values.get("layers", []))
    loss = abs(np.log(values.get("training.learning_rate", 0.01) / 0.01)) + 1 / size
    noise = np.random.default_rng([own, proposal.rung, proposal.seed or 0]).normal() / 20
    margins = space.margins({"parameters": size})
    objectives = (float(loss - 0.1 * proposal.rung + noise), size)[: len(space.objectives)]
    return Result(proposal, objectives if all(margin <= 0 for margin in margins) else None, margins)


def events(algorithm: Algorithm, space: SearchSpace, workers: int, flying: list[Proposal]) -> Iterator[Event]:
    """Proposals and results as they come, the oldest or the latest of those in flight ending first."""
    while True:
        while len(flying) < workers and (proposal := algorithm.ask()):
            flying.append(proposal)
            yield proposal
        if not flying:
            return
        ended = result(space, flying.pop(-1 if int(flying[-1].genome.id, 16) % 2 else 0))
        algorithm.tell([ended])
        yield ended


def retold(algorithm: Algorithm, history: list[Event]) -> list[Proposal]:
    """Tell an algorithm what a store keeps; returns what was in flight."""
    flying: dict[tuple[Genome, int, int | None], Proposal] = {}
    known: set[Genome] = set()
    for event in history:
        if isinstance(event, Proposal):
            again = event.genome in known
            stored = Proposal(
                Genome(json.loads(json.dumps(event.genome.values))),
                PROMOTION if again else event.operator,
                () if again else event.parents,
                event.rung,
                event.seed,
                opens=event.opens,
            )
            known.add(event.genome)
            adopted = algorithm.adopt(stored)
            assert (adopted.genome, adopted.fresh) == (event.genome, event.fresh)
            flying[event.genome, event.rung, event.seed] = adopted
        else:
            own = event.proposal
            algorithm.tell([replace(event, proposal=flying.pop((own.genome, own.rung, own.seed)))])
    return list(flying.values())


@pytest.mark.parametrize("name", [*ALGORITHMS, SURVEY])
@pytest.mark.parametrize("synchronous", [False, True])
@pytest.mark.parametrize("text", [MIXED, SMALL], ids=["mixed", "small"])
def test_who_is_told_its_history_goes_on_as_who_has_made_it(name: str, synchronous: bool, text: str) -> None:
    """Wherever it is cut, with several in flight: the same proposals follow, to the last."""
    length, cuts, tail = {"gp": (36, 2, 6)}.get(name, (110, 6, 15))
    space = space_of(text, name, 0.0 if name == SURVEY else 0.15)
    founders = [Proposal(Genome({"embedding.kind": "standard"}), "founder")] if text == SMALL else []

    def new() -> Algorithm:
        return make_algorithm(name, space, np.random.SeedSequence(3), synchronous, founders)

    whole: list[Event] = []
    for event in events(new(), space, 3, []):
        whole.append(event)
        if len(whole) == length:
            break
    for cut in np.linspace(1, len(whole) - 1, cuts).astype(int):
        algorithm = new()
        flying = retold(algorithm, whole[:cut])
        following = events(algorithm, space, 3, flying)
        for expected in whole[cut : cut + tail]:
            found = next(following)
            assert type(found) is type(expected)
            if isinstance(expected, Proposal):
                assert found == expected, f"cut at {cut}"
    if text == SMALL and synchronous:
        assert name in ("gp", SURVEY) or any(isinstance(event, Proposal) and event.opens for event in whole)
