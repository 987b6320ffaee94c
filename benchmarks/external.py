"""Searches on tables that nobody in this project made, beside other packages' algorithms, at equal evaluations.

python -m benchmarks.external
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from benchmarks.external_peers import PEERS, Factory
from benchmarks.external_tables import Problem
from hrfevo.algorithms import make_algorithm
from hrfevo.records import Result


@dataclass(frozen=True)
class Searched:
    """What was still missing after each evaluation, (evaluations,), and what a proposal took, with its learning."""

    losses: np.ndarray
    seconds_per_proposal: float


def search(problem: Problem, algorithm: str | Factory, seed: int, evaluations: int = 200) -> Searched:
    """One search with one worker: an algorithm of hrfevo or a peer by name, or whatever makes one."""
    sequence = np.random.SeedSequence(seed)
    if isinstance(algorithm, str):
        asked = (
            PEERS[algorithm][0](problem.space, sequence)
            if algorithm in PEERS
            else make_algorithm(algorithm, problem.space, sequence)
        )
    else:
        asked = algorithm(problem.space, sequence)
    points, seconds = [], 0.0
    for _ in range(evaluations):
        began = time.perf_counter()
        proposal = asked.ask()
        seconds += time.perf_counter() - began
        if proposal is None:
            raise RuntimeError(f"{algorithm}: has nothing to propose after {len(points)} evaluations")
        point = problem.measure(proposal.genome.values)
        points.append(point)
        began = time.perf_counter()
        asked.tell([Result(proposal, tuple(point.tolist()))])
        seconds += time.perf_counter() - began
    return Searched(problem.losses(np.array(points)), seconds / evaluations)
