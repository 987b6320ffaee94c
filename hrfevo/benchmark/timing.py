"""Step times of a survey, measured again: what else a machine did while it trained is in those of its trainings."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch

from hrfevo.space.genome import Genome, express
from hrfevo.space.search_space import SearchSpace
from signal_model.data.corpus import Corpus
from signal_model.model import build_model
from signal_model.support.devices import choose_device, clock_of
from signal_model.training.trainer import Trainer

# In each pass the fastest counts of so many steps, after one that is not counted.
STEPS = 5


class StepTimes:
    """Milliseconds of the fastest step in each pass over the genomes, in a file, a line each: a pass may be cut off."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.known: dict[str, list[float]] = {}
        if path.exists():
            for line in path.read_text().splitlines():
                genome, milliseconds = json.loads(line)
                self.known.setdefault(genome, []).append(milliseconds)

    def measure(
        self, space: SearchSpace, genomes: Sequence[Genome], corpus: Corpus, device: str, passes: int
    ) -> Iterable[Genome]:
        """Measure each genome until it has been so often; those done, as they are done.

        Pass by pass, so that what disturbs for a while does not disturb a genome every time.
        """
        torch.set_num_threads(space.resources.cpus)
        for done in range(passes):
            missing = [genome for genome in genomes if len(self.known.get(genome.id, [])) <= done]
            for index in np.random.default_rng(done).permutation(len(missing)):
                genome = missing[int(index)]
                milliseconds = _fastest_step(space, genome, corpus, device)
                self.known.setdefault(genome.id, []).append(milliseconds)
                with self._path.open("a") as file:
                    file.write(json.dumps([genome.id, round(milliseconds, 3)]) + "\n")
                yield genome


def _fastest_step(space: SearchSpace, genome: Genome, corpus: Corpus, device: str) -> float:
    recipe = express(space, genome, seed=0)
    trainer = Trainer(build_model(recipe.model, 0), corpus, recipe.training, choose_device(device))
    clock = clock_of(trainer.device)
    moments: list[float] = []
    trainer.run(until=1 + STEPS, on_step=lambda _: moments.append(clock()))
    return 1000 * float(np.diff(moments).min())
