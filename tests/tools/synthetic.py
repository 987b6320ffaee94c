"""Searches that never were: random genomes, scores and failures, in memory or in a run folder."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from hrfevo.algorithms.base import Proposal
from hrfevo.space.genome import Genome, sample
from hrfevo.space.reading import parse_space
from hrfevo.space.search_space import SearchSpace
from hrfevo.store.records import Evaluation, RunRecord
from hrfevo.store.run_folder import RunFolder
from hrfevo.store.settings import RunSettings
from hrfevo.workers.base import Job, Outcome, Point, Status

# For pages and figures, and for questions.
LAYERS = """
name: layers
model: {context: 64, width: 32}
genes:
  training.learning_rate: {type: float, low: 1e-3, high: 2e-2, log: true}
  layers:
    type: layers
    min: 1
    max: 3
    fixed: {feedforward: {kind: mlp}}
    genes:
      mixer.kind: {type: choice, values: [attention, harmonic, wavelet]}
      mixer.bases: {type: int, low: 2, high: 32, log: true, when: {mixer.kind: harmonic}}
      mixer.families: {type: choice, values: [[haar], [haar, db4]], when: {mixer.kind: wavelet}}
      feedforward.expansion: {type: ordered, values: [1.0, 2.0, 4.0]}
objectives: {bits_per_byte: minimize, step_time: minimize, parameters: maximize}
rungs: [20, 60]
population: 8
budget: {evaluations: 64}
"""
SPACE = """
name: questions
corpus: python
model: {context: 64, width: 64}
genes:
  training.learning_rate: {type: float, low: 1e-3, high: 2e-2, log: true}
  embedding.kind: {type: choice, values: [standard, spectral]}
  embedding.bases: {type: int, low: 2, high: 8, when: {embedding.kind: spectral}}
  embedding.frequencies: {type: interval, low: 0.5, high: 8, log: true, when: {embedding.kind: spectral}}
  embedding.learnable_frequencies: {type: choice, values: [true, false], when: {embedding.kind: spectral}}
  layers:
    type: layers
    min: 1
    max: 3
    fixed: {feedforward: {kind: mlp}}
    genes:
      mixer.kind: {type: choice, values: [attention, harmonic, wavelet]}
      mixer.families: {type: choice, values: [[haar], [haar, db4]], when: {mixer.kind: wavelet}}
      feedforward.expansion: {type: ordered, values: [1.0, 2.0, 4.0]}
objectives: {bits_per_byte: minimize, step_time: minimize, parameters: maximize}
rungs: [20, 60]
population: 8
budget: {evaluations: 64, minutes: 90}
"""

# What a careless page would run, follow or set in bold.
HOSTILE = ["<script>alert(1)</script>", "<b>x</b>", '<a href="http://x.example">y</a>', "</script>&lt;%{x}"]

Searched = tuple[RunRecord, SearchSpace, list[Evaluation], dict[int, list[Point]]]


def search(space: SearchSpace, count: int, points: int = 5) -> Searched:
    """A search that never was: random genomes, random scores, some failures, a third promoted at random."""
    generator = np.random.default_rng(7)
    evaluations: list[Evaluation] = []
    curves = {}
    for number in range(count):
        genome, birth, rung = sample(space, generator), len({e.genome for e in evaluations}), 0
        values = dict(genome.values)
        identity = genome.id
        born = list(dict.fromkeys(e.genome for e in evaluations))
        bred = number > 20 and generator.random() < 0.7
        parents = tuple(map(str, generator.choice(born, 2, replace=False))) if bred else ()
        if len(space.rungs) > 1 and number % 4 == 3:
            earlier = evaluations[number - 2]
            identity, values, birth, rung = earlier.genome, earlier.values, earlier.birth, 1
            parents = earlier.parents
        status: Status = "finished" if generator.random() > 0.1 else "failed"
        reason = "diverged: loss is nan" if status == "failed" else ""
        metrics = {"parameters": float(generator.integers(50_000, 90_000)), "flops_per_token": 1e5, "state_size": 64.0}
        if status == "finished":
            score = float(2.5 - 0.3 * rung - 0.3 * birth / count + generator.exponential(0.2))
            metrics |= {"bits_per_byte": score, "step_time": float(generator.uniform(5, 9)), "train_seconds": 3.0}
            steps = np.linspace(1, space.rungs[rung], points).astype(int)
            curves[number] = [Point(int(step), 0.1 * step, score + 5 / step) for step in steps]
        start = 1.7e9 + 60 * number
        evaluations.append(
            Evaluation(
                number=number,
                genome=identity,
                values=values,
                birth=birth,
                operator="crossover" if parents else "random",
                parents=parents,
                rung=rung,
                seed=7,
                status=status,
                reason=reason,
                detail="",
                metrics=metrics,
                worker=f"host:{number % 2}",
                device="cpu",
                submitted=start,
                started=start,
                ended=start + 30,
                submitted_event=2 * number,
                ended_event=2 * number + 1,
            )
        )
    settings = {"seed": 3, "algorithm": "evolution", "corpus": {"name": "python"}, "versions": {"torch": "2.13"}}
    run = RunRecord("1f", space.name, "finished", "budget spent", 1.7e9, 60.0 * count, settings)
    return run, space, evaluations, curves


def running(searched: Searched, finished: int) -> Searched:
    """The same search, cut off after so many evaluations with one more in flight."""
    run, space, evaluations, curves = searched
    done = [e for e in evaluations if e.status == "finished"][:finished]
    rest = evaluations[finished] if not done else next(e for e in evaluations if e.number > done[-1].number)
    going = replace(rest, status="running", reason="", metrics={}, started=None, ended=None, ended_event=None)
    kept = {e.number: curves[e.number] for e in done}
    return replace(run, state="running", reason=""), space, [*done, going], kept


def hostile(texts: Sequence[str] = HOSTILE) -> Searched:
    """A run whose every text is an attack; a space that validation would refuse, since reports must not rely on it."""
    space = SearchSpace.model_validate(
        {
            "name": "hostile",
            "description": " ".join(texts),
            "genes": {"embedding.kind": {"type": "choice", "values": [*texts]}},
            "rungs": [10],
            "population": 4,
            "budget": {"evaluations": 10},
        }
    )
    run, _, evaluations, curves = search(space, 60)
    settings = {key: texts[index] for index, key in enumerate(("seed", "algorithm", "corpus", "versions"))}
    evaluations = [replace(e, device=texts[1], reason=e.reason and texts[e.number % len(texts)]) for e in evaluations]
    return replace(run, name=texts[0], reason=texts[1], settings=settings), space, evaluations, curves


def write_run(
    parent: Path, name: str, count: int, seed: int = 0, text: str = SPACE, store: str | None = None, **settings: Any
) -> Path:
    """A run that never trained: random genomes with parents, random scores, some failed, some promoted, one going."""
    space = parse_space(text, "space.yaml")
    random = np.random.default_rng(seed)
    told = {"algorithm": "evolution", "corpus": {"name": "python", "hash": "1f"}} | settings
    folder = RunFolder.create(parent, space, text, RunSettings.new(text, seed=seed, **told), store, name)
    opened = folder.open_store(store, create=True)
    folder.begin(opened)
    genomes: list[Genome] = []
    waiting: list[Genome] = []
    with opened.writing():  # as searches do; else each evaluation would wait for the disk
        for number in range(count):
            if waiting and number % 4 == 3:
                proposal = Proposal(waiting.pop(0), "promotion", (), len(space.rungs) - 1)
            else:
                some = [genomes[int(i)].id for i in random.integers(0, len(genomes), 2)] if len(genomes) > 7 else []
                how = ("random", "mutation", "crossover")[len(set(some))]
                proposal = Proposal(sample(space, random), how, tuple(dict.fromkeys(some)))
                genomes.append(proposal.genome)
            job = Job(number, proposal.genome, proposal.rung, 7)
            opened.submitted(folder.id, job, proposal)
            if number == count - 1:
                continue
            began = 1.7e9 + 10 * number
            metrics = {"parameters": float(random.integers(50_000, 90_000)), "state_size": 64.0}
            times = {"started": began, "ended": began + float(random.uniform(1, 5)), "worker": "w:1", "device": "cpu"}
            if random.random() < 0.1:
                outcome = Outcome(job, "failed", metrics, "diverged: loss is nan", **times)
            else:
                score = round(float(2.5 - 0.3 * proposal.rung + random.exponential(0.2)), 2)  # rounded: ties happen
                metrics |= {
                    "bits_per_byte": score,
                    "step_time": round(float(random.uniform(5, 9)), 1),
                    "train_seconds": 1.0,
                }
                outcome = Outcome(job, "finished", metrics, curve=(Point(5, 0.1, 3.0), Point(20, 0.4, 2.5)), **times)
                if not proposal.rung:
                    waiting.append(proposal.genome)
            opened.record(folder.id, outcome, 5.0 * number)
    opened.set_state(folder.id, "finished", "budget spent")
    opened.close()
    return folder.path


def read(path: Path) -> tuple[SearchSpace, list[Evaluation]]:
    folder = RunFolder.open(path)
    store = folder.open_store()
    evaluations = store.evaluations(folder.id)
    store.close()
    return folder.space(), evaluations


def dominating(space: SearchSpace, evaluations: Sequence[Evaluation]) -> set[str]:
    """The front by its definition."""
    points = {e.genome: [w * e.metrics[m] for w, m in zip(space.weights, space.objectives, strict=True)]
              for e in evaluations}  # fmt: skip
    return {
        genome
        for genome, own in points.items()
        if not any(p != own and all(map(operator.ge, p, own)) for p in points.values())
    }
