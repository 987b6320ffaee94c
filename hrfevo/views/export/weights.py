"""A genome with its weights: those that the search kept, or trained again."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from hrfevo.results.genome.recipe import recipe_of
from hrfevo.results.history import History
from hrfevo.space.metrics import measure
from hrfevo.space.search_space import SearchSpace
from hrfevo.store.records import Evaluation
from hrfevo.store.run_folder import RunFolder
from hrfevo.store.versions import changes
from hrfevo.workers.base import INHERITED
from hrfevo.workers.trainings import fetched
from signal_model.config import Recipe
from signal_model.config.task import TASK_WORDS
from signal_model.data.corpus import Corpus
from signal_model.model import build_model
from signal_model.support.errors import InputError
from signal_model.training.checkpoints import FIGURES, RECIPE, TOKENIZER, WEIGHTS, load_training, save_checkpoint
from signal_model.training.folder import figures_of
from signal_model.training.logs import Log
from signal_model.training.trainer import Diverged, Trainer, validate

FILES = (RECIPE, TOKENIZER, FIGURES, WEIGHTS)


@dataclass(frozen=True)
class Trained:
    """A genome's model at a rung. `began` is the step from which it was trained now; `steps` if it was kept there."""

    model: Any
    recipe: Recipe
    corpus: Corpus
    figures: dict[str, Any]
    began: int
    steps: int
    measured: Evaluation | None
    changed: tuple[str, ...] = ()
    """What is another since the search, in words: with that a score may be another, too."""

    @property
    def score(self) -> float:
        """On validation, measured now, by the score of its task."""
        return float(self.figures["validation"][self._scored])

    def in_words(self) -> str:
        """Where the weights come from, and whether their score is the one that the search measured."""
        if self.began == self.steps:
            origin = f"weights that the search kept at step {self.steps:,}"
        elif self.began:
            origin = f"kept by the search at step {self.began:,}, trained on to {self.steps:,}"
        else:
            origin = f"trained again from scratch to step {self.steps:,}"
        assert self.recipe.corpus is not None
        unit = measure(self._scored, self.recipe.corpus.unit).unit
        return f"{origin}; {self.score:.6f} {unit} on validation, {self._compared()}"

    @property
    def _scored(self) -> str:
        return TASK_WORDS[self.recipe.task].score

    def _compared(self) -> str:
        if self.measured is None:
            return "which the search did not measure"
        before = self.measured.metrics[self._scored]
        if self.score == before:
            return "the same as in the search"
        if not self.began and self.measured.metrics.get(INHERITED):
            return f"in the search {before:.6f}, where it began with its parent's weights"
        where = f"on {self.measured.device} of {self.measured.worker.partition(':')[0]}"
        return f"in the search {before:.6f} ({'; '.join([where, *self.changed])})"

    def save(self, folder: Path) -> None:
        """Write a checkpoint that `signal-model evaluate` reads."""
        save_checkpoint(folder, self.model, self.recipe, self.corpus.tokenizer, self.figures)

    def save_for_transformers(self, folder: Path) -> None:
        """Write what `AutoModelForCausalLM` and `AutoTokenizer` read. Raises InputError without `transformers`."""
        from signal_model.interchange import folders

        with tempfile.TemporaryDirectory() as checkpoint:
            self.save(Path(checkpoint))
            folders.to_transformers(Path(checkpoint), folder)


def measured_at(history: History, found: Evaluation, steps: int | None) -> tuple[int, Evaluation | None]:
    """The rung of `steps`, by default that of `found`, and the evaluation of its genome and seed that finished there.

    The latter is None if there is none.

    Raises InputError if the genome never finished or no rung is of so many steps.
    """
    space = history.space
    if found.status != "finished":
        reason = f" ({found.reason})" if found.reason else ""
        raise InputError(f"genome {found.genome}: is {found.status}{reason}; weights are of those that finished")
    if steps is not None and steps not in space.rungs:
        raise InputError(f"--steps {steps}: is no rung of this run; accepted: {', '.join(map(str, space.rungs))}")
    rung = found.rung if steps is None else space.rungs.index(steps)
    same = (e for e in history.finished if (e.genome, e.seed, e.rung) == (found.genome, found.seed, rung))
    return rung, next(same, None)


def trained(
    folder: RunFolder,
    space: SearchSpace,
    found: Evaluation,
    rung: int,
    measured: Evaluation | None,
    corpus: Corpus,
    device: torch.device,
    log: Log,
) -> Trained:
    """The model of `found` at a rung: as far as the search kept its training, from there on trained now.

    On a CPU, with the seed and the threads of the search, that is the model it measured. Raises InputError where
    training diverges.
    """
    torch.set_num_threads(space.resources.cpus)
    recipe, steps = recipe_of(space, found), space.rungs[rung]
    trainer = _kept(folder, found, recipe, corpus, device)
    if trainer is None or trainer.step > steps:
        trainer = _fresh(recipe, corpus, device)
    began = trainer.step
    try:
        training = trainer.run(log.point, until=steps, on_step=log.step)
        score = validate(trainer.model, corpus, recipe.training, device)
    except Diverged as error:
        raise InputError(f"genome {found.genome}: training diverged: {error}") from None
    finally:
        log.close()
    origin = {"run": folder.path.name, "genome": found.genome, "steps": steps}
    figures = figures_of(trainer.model, corpus, recipe.training, training, score) | origin
    since = tuple(changes(folder.settings.versions))
    return Trained(trainer.model.eval(), recipe, corpus, figures, began, steps, measured, since)


def _fresh(recipe: Recipe, corpus: Corpus, device: torch.device) -> Trainer:
    return Trainer(build_model(recipe.model, recipe.training.seed), corpus, recipe.training, device)


def _kept(folder: RunFolder, found: Evaluation, recipe: Recipe, corpus: Corpus, device: torch.device) -> Trainer | None:
    trainer = _fresh(recipe, corpus, device)
    try:
        with fetched(f"{folder.checkpoints()}/{found.genome}") as kept:
            load_training(kept, trainer, recipe, corpus.content_hash)
    except (InputError, OSError):  # not kept, out of reach or damaged: it costs time only
        return None
    return trainer
