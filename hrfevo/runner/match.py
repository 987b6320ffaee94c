"""Two models trained with the same seeds, and what their difference says: a recipe or genome against another.

Each side is a search space of its own recipe, so that its trainings are those of a run: kept as they end, on any
workers, and gone on with where they were cut off.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from rich.console import Console

from hrfevo.results.comparison.paired import Difference
from hrfevo.results.confirmation.confirmed import Confirmed, trained_in
from hrfevo.results.genome.recipe import recipe_of
from hrfevo.results.history import History
from hrfevo.runner.ending import Ending
from hrfevo.runner.growth import parameters_of
from hrfevo.runner.machinery import Machinery
from hrfevo.runner.pace import Pace, pace_of
from hrfevo.runner.recipe_space import of_one, space_of, without
from hrfevo.runner.stages import new_stage, run_stage
from hrfevo.runner.terms import Agreed, Terms
from hrfevo.space.reading import parse_space
from hrfevo.store.run_folder import RUN_FILE, RunFolder, locked, stamped_folder
from hrfevo.store.settings import CONFIRMATION, CorpusRecord
from signal_model.config import ModelConfig, PythonCorpusConfig, Recipe
from signal_model.config.training import MuonConfig
from signal_model.data.corpus import load_corpus
from signal_model.support.console import say
from signal_model.support.errors import InputError, counted
from signal_model.support.files import to_yaml
from signal_model.support.plugins import command

TUNING, TRAINING = "tuning", "training"
# How far rates are searched to either side of a recipe's own, and by how many genomes at once.
REACH, POPULATION = 4.0, 4


@dataclass(frozen=True)
class Side:
    """One of the two: its name in tables, and what it is trained by."""

    name: str
    recipe: Recipe

    @classmethod
    def read(cls, told: str) -> Side:
        """A recipe or model config file, a run folder, which stands for its best genome, or `RUN:GENOME`."""
        path, _, genome = told.rpartition(":") if not Path(told).exists() else (told, "", "")
        if not (Path(path) / RUN_FILE).is_file():
            return cls(told, Recipe.load(told))
        folder = RunFolder.open(Path(path))
        history = History.read(folder)
        found = history.find(genome or None)
        return cls(f"{folder.path.name}:{found.genome}", recipe_of(history.space, found))


@dataclass(frozen=True)
class Match:
    """Both sides trained, and the first's losses less the second's, paired by seed."""

    names: tuple[str, str]
    sides: tuple[Confirmed, Confirmed]
    step_seconds: tuple[float, float]
    """What a step takes undisturbed, the median over seeds."""
    tokens: tuple[int, int]
    """Read in a training."""
    terms: Terms
    pace: Pace | None = None
    """By which the second's steps were made equal in seconds."""
    slope: float = 0.0
    """By how much the second's loss falls as its steps grow e-fold."""
    alike: bool = False
    """Whether both are one recipe."""

    def difference(self, split: Literal["validation", "test"]) -> Difference:
        """Of the scores. At equal seconds its interval holds the doubt about the pace, too: what the
        second would have lost or gained with the fewest and the most steps that may be as long."""
        found = self.sides[0].less(self.sides[1], split)
        assert found is not None
        lost, gained = self._by_pace
        return replace(found, low=found.low - lost, high=found.high + gained)

    @property
    def _by_pace(self) -> tuple[float, float]:
        """What the second would have lost with the fewest steps that may be as long, and gained with the most."""
        if self.pace is None:
            return 0.0, 0.0
        # In e-folds of steps; without any there is no doubt, however steep the loss is.
        fewer, more = (abs(math.log(end / self.pace.ratio)) for end in (self.pace.low, self.pace.high))
        return self.slope * fewer if fewer else 0.0, self.slope * more if more else 0.0

    @property
    def notes(self) -> list[str]:
        """What must be known to read the difference."""
        notes = []
        if self.alike:
            notes.append("Both are the same recipe, so nothing but their names differs.")
        if self.pace is not None:
            notes.append(f"Equal seconds: {self.pace.words}. Intervals hold this doubt, too.")
        found, (lost, gained) = self.difference("validation"), self._by_pace
        # What the pace may be the reason of, no seeds show.
        left = abs(found.mean) - (lost if found.mean > 0 else gained)
        if found.seen or not found.mean:
            return notes
        if left <= 0:
            notes.append("The doubt about the pace is as large as the difference: more seeds do not decide it.")
        elif count := replace(found, mean=left).seeds_to_see():
            notes.append(
                f"To decide it: about {counted(count, 'seed')} would show such a difference on validation in four of "
                f"five comparisons (--seeds {count})."
            )
        return notes

    @property
    def verdict(self) -> str:
        """Which is better, on validation; or that no difference is seen."""
        found = self.difference("validation")
        if not found.seen:
            return f"no difference seen at equal {self.terms.equal}"
        return f"{self.names[found.mean > 0]} is better at equal {self.terms.equal}"


def play(
    sides: tuple[Side, Side], terms: Terms, place: Path | None, machinery: Machinery, console: Console
) -> Match | Ending:
    """Train both sides in the folder `place`, or go on where that was cut off; how it ended where it is again.

    Without a place it is a new folder in `runs`. Raises InputError for sides that cannot be compared, and where another
    process compares in that folder.
    """
    sides = on_one_text(sides)
    if terms.equal == "parameters":
        sides = of_one_size(sides)
    if place is None:
        place = stamped_folder(Path("runs"), "compare", "--output")
    else:
        RunFolder.refuse_unwritable(place, "--output")
        place.mkdir(parents=True, exist_ok=True)
    with locked(place, "compared"):
        return _played(sides, terms, place, machinery, console)


def _played(
    sides: tuple[Side, Side], terms: Terms, place: Path, machinery: Machinery, console: Console
) -> Match | Ending:
    """`play` in a folder that nobody else compares in, of sides that can be compared."""
    models = [_space_of(replace(side, name=""), 1) for side in sides]
    agreed = _agreed(sides, models, terms, place, machinery, console)
    trained, paces, tokens = [], [], []
    for number, (side, steps) in enumerate(zip(sides, agreed.steps, strict=True), start=1):
        ending, folder = _train(side, steps, terms, _Stages(place, number, machinery, console))
        if ending.state == "failed":
            say(console, f"{side.name} cannot be compared: none of its trainings succeeds")
            return ending
        if not ending.finished:
            say(console, f"the comparison goes on with the same command and --output {place}")
            return ending
        (found,) = trained_in(folder, is_baseline=False)
        metrics = [e.metrics for e in folder.evaluations() if e.status == "finished"]
        trained.append(replace(found, steps=steps))
        paces.append(float(np.median([one["step_time"] for one in metrics])) / 1000)
        tokens.append(int(metrics[0]["train_tokens"]))
    if trained[0].less(trained[1]) is None:
        raise InputError(f"--output {place}: no seed has finished on both sides; name another folder and more --seeds")
    slope = _slope(folder) if agreed.pace else 0.0
    return Match(
        distinct(sides[0].name, sides[1].name),
        (trained[0], trained[1]),
        (paces[0], paces[1]),
        (tokens[0], tokens[1]),
        terms,
        agreed.pace,
        slope,
        alike=models[0] == models[1],
    )


def distinct(first: str, second: str) -> tuple[str, str]:
    """Names that tell the sides apart, where both are called the same."""
    return (f"{first} (1)", f"{second} (2)") if first == second else (first, second)


def on_one_text(sides: tuple[Side, Side]) -> tuple[Side, Side]:
    """Both on the text that either names, scored on as much of it. Raises InputError where they name two, and for two
    tasks, whose scores are in different units."""
    tasks = [side.recipe.task for side in sides]
    if tasks[0] != tasks[1]:
        raise InputError(
            f"compare: the task of {sides[0].name} is {tasks[0]}, that of {sides[1].name} {tasks[1]}; their scores "
            "cannot be compared"
        )
    texts = [side.recipe.corpus for side in sides if side.recipe.corpus is not None]
    if len(texts) == 2 and texts[0] != texts[1]:
        raise InputError(
            f"compare: {sides[0].name} is about another text than {sides[1].name} ({texts[0].to_dict()}; "
            f"{texts[1].to_dict()}); losses on different text cannot be compared"
        )
    text = texts[0] if texts else PythonCorpusConfig()
    most = max(side.recipe.training.validation_tokens for side in sides)
    first, second = (
        replace(
            side,
            recipe=side.recipe.model_copy(
                update={
                    "corpus": text,
                    "training": side.recipe.training.model_copy(update={"validation_tokens": most}),
                }
            ),
        )
        for side in sides
    )
    return first, second


def of_one_size(sides: tuple[Side, Side]) -> tuple[Side, Side]:
    """The larger made as narrow as it must be to have no more parameters than the smaller.

    Raises InputError where no width does that.
    """
    sizes = [parameters_of(side.recipe.model) for side in sides]
    larger = int(sizes[1] > sizes[0])
    side, most = sides[larger], min(sizes)
    narrowed = _narrowed(side.recipe.model, most) if sizes[0] != sizes[1] else side.recipe.model
    if narrowed is None:
        raise InputError(f"compare: {side.name} has more than {most:,} parameters at any width that its parts divide")
    changed = replace(side, recipe=side.recipe.model_copy(update={"model": narrowed}))
    return (changed, sides[1]) if larger == 0 else (sides[0], changed)


def _narrowed(model: ModelConfig, most: int) -> ModelConfig | None:
    """The widest with at most so many parameters."""
    for width in range(model.width, 1, -1):
        try:
            narrower = ModelConfig.model_validate(model.to_dict() | {"width": width})
        except ValueError:  # heads that do not divide it
            continue
        if parameters_of(narrower) <= most:
            return narrower
    return None


def _agreed(
    sides: tuple[Side, Side],
    models: list[dict[str, Any]],
    terms: Terms,
    place: Path,
    machinery: Machinery,
    console: Console,
) -> Agreed:
    """Training steps of both, which are `models` without their names. Those of a match that goes on are what they were;
    one recipe takes as long as itself."""
    steps = terms.steps or sides[0].recipe.training.steps
    told = {
        "equal": terms.equal,
        "steps": steps,
        "seeds": terms.seeds,
        "evaluations": terms.evaluations if terms.equal == "evaluations" else None,
        "seed": terms.seed,
        "models": models,
    }
    if (agreed := Agreed.kept_in(place, told)) is not None:
        return agreed
    pace = None
    if terms.equal == "seconds" and models[0] != models[1]:
        with console.status("Timing both …"):
            pace = pace_of([side.recipe for side in sides], machinery.device)
        say(console, pace.words)
    agreed = Agreed((steps, steps if pace is None else max(1, round(steps * pace.ratio))), pace)
    agreed.keep_in(place, told)
    return agreed


def _slope(folder: RunFolder) -> float:
    """By how much the score of a run's trainings falls as steps grow e-fold, in their second half; infinite where they
    were too short to tell. Curves are of the loss: a score that is another, as an error rate, falls by the same share.
    """
    with closing(folder.open_store()) as store:
        history, curves = History.read(folder, store), store.curves(folder.id).values()
    names = (history.space.score, history.space.loss)
    score, loss = (sum(one.metrics[name] for one in history.finished) for name in names)
    halves = [[point for point in curve if 2 * point.step >= curve[-1].step] for curve in curves if curve]
    slopes = [
        -np.polyfit([math.log(point.step) for point in half], [point.bits_per_byte for point in half], 1)[0]
        for half in halves
        if len(half) > 1
    ]
    return max(0.0, float(np.mean(slopes))) * (score / loss if loss else 0.0) if slopes else math.inf


@dataclass(frozen=True)
class _Stages:
    """The runs of one side."""

    place: Path
    number: int
    machinery: Machinery
    console: Console

    def run(self, name: str, content: Mapping[str, Any], settings: Mapping[str, Any]) -> tuple[Ending, RunFolder]:
        """Run what a space file says, or go on with it; returns how it ended and the folder."""
        path = self.place / f"{name}-{self.number}"
        text = to_yaml(dict(content))
        space = parse_space(text, name)
        if (path / RUN_FILE).is_file():
            folder = RunFolder.open(path)
            if folder.space_text() != text:
                raise InputError(f"{path}: was trained on other terms; name another folder with --output")
        else:
            corpus = load_corpus(space.corpus, space.tokenizer, say=partial(say, self.console))
            own = {"corpus": CorpusRecord(name=corpus.name, hash=corpus.content_hash, tokens=corpus.sizes)}
            folder = new_stage(self.place, path.name, space, text, {**own, **settings}, self.machinery)
        return run_stage(folder, self.machinery, self.console), folder


def _train(side: Side, steps: int, terms: Terms, stages: _Stages) -> tuple[Ending, RunFolder]:
    """Tune a side's rates if that is asked for, and train it with all seeds."""
    content = _space_of(side, steps)
    if terms.equal == "evaluations":
        free = _rates(side.recipe)
        tuned = content | {"genes": free, "budget": {"evaluations": terms.evaluations}}
        tuned |= {"training": without(content["training"], [*free])}
        ending, folder = stages.run(TUNING, tuned, {"algorithm": "evolution", "seed": terms.seed})
        if not ending.finished:
            return ending, folder
        best = History.read(folder).best
        if best is None:
            why = command("hrfevo", "status", folder.path)
            raise InputError(f"compare: no training of {side.name} has finished; see: {why}")
        content, genome = tuned | {"budget": {"evaluations": terms.seeds}}, best.values
    else:
        content, genome = of_one(content, side.recipe, terms.seeds)
    seeds = [int(one) for one in np.random.SeedSequence([terms.seed, 1]).generate_state(terms.seeds)]
    settings = {"algorithm": CONFIRMATION, "seed": terms.seed, "genomes": [genome], "seeds": seeds}
    return stages.run(TRAINING, content, settings)


def _space_of(side: Side, steps: int) -> dict[str, Any]:
    return space_of(side.recipe, steps, side.name, POPULATION)


def _rates(recipe: Recipe) -> dict[str, Any]:
    """Genes of the learning rate, and of the matrices' own where these have one."""
    own = {"training.learning_rate": recipe.training.learning_rate}
    if isinstance(recipe.training.optimizer, MuonConfig):
        own["training.optimizer.learning_rate"] = recipe.training.optimizer.learning_rate
    return {
        name: {"type": "float", "low": rate / REACH, "high": rate * REACH, "log": True} for name, rate in own.items()
    }
