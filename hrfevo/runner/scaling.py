"""A ladder of sizes: genomes of a run and its tuned transformer, trained at several numbers of parameters."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from rich.console import Console

from hrfevo.results.confirmation.attempts import stages as confirmations
from hrfevo.results.confirmation.attempts import tunings_of
from hrfevo.results.confirmation.plan import Plan as Confirmation
from hrfevo.results.genome.recipe import recipe_of
from hrfevo.results.history import History
from hrfevo.results.scaling.plan import DONE, FOLDER, POWERS, Plan, Sized, Terms, ladders, stages
from hrfevo.results.scaling.scaling import Scaling, scaling_of
from hrfevo.runner.ending import STRUCK, Ending
from hrfevo.runner.growth import carried, parameters_of, resized, steps_at
from hrfevo.runner.machinery import Machinery
from hrfevo.runner.products import leave_products
from hrfevo.runner.recipe_space import of_one, space_of
from hrfevo.runner.stages import new_stage, run_stage
from hrfevo.space.reading import parse_space
from hrfevo.space.rivals import TRANSFORMER
from hrfevo.space.search_space import SearchSpace
from hrfevo.store.run_corpus import corpus_of, with_text_at
from hrfevo.store.run_folder import RUN_FILE, RunFolder
from hrfevo.store.settings import CONFIRMATION
from hrfevo.views.terminal.scaling import plan_table
from signal_model.config import Recipe
from signal_model.config.training import MOST_STEPS
from signal_model.support.console import print_table, say
from signal_model.support.devices import choose_device
from signal_model.support.errors import InputError, counted
from signal_model.support.files import to_yaml
from signal_model.support.plugins import command

# A weight, its gradient and two moments, in float32.
BYTES_PER_PARAMETER = 16
FINISHED = Ending("finished", "all sizes are trained")


@dataclass(frozen=True)
class Asked:
    """What a ladder is to be: of the run's best unless `genomes` are named. Without anything, the last one is meant."""

    genomes: tuple[str, ...] = ()
    terms: Terms | None = None
    transformer: bool = True

    @property
    def is_last(self) -> bool:
        """Whether nothing is said, so that the last ladder is meant, if there is one."""
        return not self.genomes and self.terms is None and self.transformer


def scale(run: RunFolder, asked: Asked, machinery: Machinery, console: Console) -> tuple[Ending, Scaling | None]:
    """Train a ladder in a new folder `RUN/scaling/N`, or go on with the last; how that ended, and what it found.

    Raises InputError for a run that has nothing to scale, and for what cannot be.
    """
    if asked.is_last and ladders(run) and not is_left(run):
        return FINISHED, scaling_of(run)  # it is said again, and nothing is written
    if run.in_hand:
        raise InputError(f"{run.path}: is being searched; wait until it has ended, or stop it")
    for part, word in (*((one, "confirmed") for one in confirmations(run)), *((one, "scaled") for one in stages(run))):
        if part.in_hand:
            raise InputError(f"{run.path}: is being {word}; wait until that has ended, or stop it")
    machinery.check(run.space(), new=False)
    if (task := run.space().task) != "language_modelling":
        raise InputError(f"{run.path}: laws of size are of language models, and its task is {task}")
    with run.locked("scaled"):
        run = with_text_at(run, machinery.corpus).going_on(machinery.started(run.started.confirm), machinery.storage)
        return _scale(run, asked, machinery, console)


def _scale(run: RunFolder, asked: Asked, machinery: Machinery, console: Console) -> tuple[Ending, Scaling | None]:
    """`scale` of a run that nobody else scales."""
    place, plan = _begun(run, asked, machinery, console)
    if not (place / DONE).exists():
        print_table(console, plan_table(plan))
        try:
            ending = _train_all(run, place, plan, dataclasses.replace(machinery, store=None), console)
            if ending.finished:
                with closing(run.open_store(machinery.store)) as store:
                    leave_products(run, run.space(), store)
                (place / DONE).touch()
        except KeyboardInterrupt:  # between two stages, or while the report is written
            ending = STRUCK
        if not ending.finished:
            say(console, f"the ladder was interrupted; go on with: {command('hrfevo', 'scale', run.path)}")
            return ending, None
    return FINISHED, scaling_of(run)


def is_left(run: RunFolder) -> bool:
    """Whether the last ladder of a run was interrupted."""
    places = ladders(run)
    return bool(places) and not (places[-1] / DONE).exists()


def _begun(run: RunFolder, asked: Asked, machinery: Machinery, console: Console) -> tuple[Path, Plan]:
    """The last ladder if it is the one that is asked for, else a new one."""
    before = ladders(run)
    last = Plan.read(before[-1]) if before else None
    if last is not None and asked.is_last:
        return before[-1], last
    plan = _planned(run, asked, machinery, console)
    if last is not None and last.is_as(plan):
        return before[-1], last
    if is_left(run):
        say(console, f"{before[-1]}: was interrupted, and was of other sizes or rules; beginning anew")
    plan = plan.model_copy(update={"trained": _trained_before(run, plan)})
    place = run.path / FOLDER / str(int(before[-1].name) + 1 if before else 1)
    plan.write(place)
    return place, plan


def _planned(run: RunFolder, asked: Asked, machinery: Machinery, console: Console) -> Plan:
    """Every model of a ladder. Raises InputError for what cannot be had."""
    terms = asked.terms or Terms()
    with closing(run.open_store(machinery.store)) as store:
        history = History.read(run, store)
    space = history.space
    if history.best is None:
        raise InputError(f"{run.path}: has no finished evaluation, so there is nothing to scale")
    chosen = [history.find(genome) for genome in asked.genomes] or [history.best]
    for one in chosen:
        if one.status != "finished":
            raise InputError(
                f"genome {one.genome}: {one.status}: {one.reason}; `hrfevo best` lists those that finished"
            )
    recipes = {one.genome: recipe_of(space, one) for one in chosen}
    transformer = None
    if asked.transformer:
        transformer, recipes[TRANSFORMER] = _transformer(run, history)
    own = parameters_of(next(iter(recipes.values())).model)
    _refuse_too_large(own, terms, machinery, space)
    steps = terms.steps or space.rungs[-1]
    _refuse_too_long(steps, terms)
    with console.status("Laying out the sizes …"):
        models = tuple(_sized(recipes, own, terms, steps))
        text = len(corpus_of(run, space).train)
    _refuse_alike(models)
    fresh = np.random.SeedSequence([run.settings.seed, 0]).generate_state(terms.seeds)
    return Plan(
        terms=terms,
        sides=tuple(recipes),
        transformer=transformer,
        parameters=own,
        text_tokens=text,
        seeds=tuple(int(seed) for seed in fresh),
        models=models,
    )


def _transformer(run: RunFolder, searched: History) -> tuple[str, Recipe]:
    """The first choice of the search that tuned transformers for a confirmation, for as long as was searched.

    Raises InputError where there is none, where that was interrupted, and where the search has gone on since.
    """
    tuning = tunings_of(run).get(TRANSFORMER)
    history = History.read(tuning) if tuning is not None else None
    best = history.best if history is not None else None
    wrong = ""
    if tuning is None or history is None or best is None:
        wrong = "has no tuned transformer to scale beside it"
    elif not _has_ended(tuning.path):
        wrong = f"the tuning of its transformer was interrupted ({tuning.path})"
    elif (then := _evaluations_of(tuning.path.parent)) not in (None, now := searched.spent.evaluations):
        wrong = f"its transformer was tuned for as long as {then} evaluations of the search took, which has {now} now"
    if wrong or history is None or best is None:
        raise InputError(
            f"{run.path}: {wrong}; tune one as long as was searched with "
            f"`{command('hrfevo', 'confirm', run.path)}`, or scale genomes alone with --no-transformer"
        )
    return best.genome, recipe_of(history.space, best)


def _evaluations_of(place: Path) -> int | None:
    """How many the search had when the confirmation in a folder began, if that is known."""
    plan = Confirmation.read(place)
    return plan.evaluations if plan else None


def _sized(recipes: dict[str, Recipe], own: int, terms: Terms, steps: int) -> Iterator[Sized]:
    """Every side at every size; the first decides how many parameters a size has."""
    for size in terms.sizes:
        wanted = round(own * size)
        for side, recipe in recipes.items():
            model = resized(recipe.model, wanted)
            wanted = parameters_of(model) if side == next(iter(recipes)) else wanted
            training = carried(recipe.training, recipe.model, model, terms.rates)
            training = training.model_copy(update={"steps": steps_at(steps, size, terms.tokens), "seed": 0})
            # Which text it is the run says, which may have been moved.
            grown = recipe.model_copy(update={"model": model, "training": training, "corpus": None})
            yield Sized(size=size, side=side, parameters=parameters_of(model), recipe=grown)


def _refuse_too_large(own: int, terms: Terms, machinery: Machinery, space: SearchSpace) -> None:
    """Raise InputError where not even weights, gradients and moments of the largest size fit into memory."""
    if machinery.address is not None:
        return  # nobody knows here what its nodes have
    room, where = _memory(machinery, space)
    needed = own * terms.sizes[-1] * BYTES_PER_PARAMETER
    if needed > room:
        raise InputError(
            f"--sizes {terms.sizes[-1]:g}: {own * terms.sizes[-1]:,.0f} parameters take {needed / 2**30:,.1f} GiB to "
            f"train, and {where} {room / 2**30:,.1f}; accepted: up to {room / BYTES_PER_PARAMETER / own:,.3g}"
        )


def _refuse_too_long(steps: int, terms: Terms) -> None:
    """Raise InputError where the largest size would be trained for more steps than a training may have."""
    most = steps * terms.sizes[-1] ** POWERS[terms.tokens]
    if most > MOST_STEPS:
        told = f"--sizes {terms.sizes[-1]:g}: takes {counted(most, 'training step', ',.6g')}, {steps:,} at size 1"
        raise InputError(f"{told}; accepted: up to {MOST_STEPS:,}")


def _refuse_alike(models: Sequence[Sized]) -> None:
    """Raise InputError for two sizes at which a side has as many parameters: no law could tell them apart."""
    for side in dict.fromkeys(model.side for model in models):
        for one, other in pairwise(model for model in models if model.side == side):
            if one.parameters >= other.parameters:
                raise InputError(
                    f"--sizes {one.size:g},{other.size:g}: {side} has {one.parameters:,} parameters at the one and "
                    f"{other.parameters:,} at the other; accepted: sizes that are further apart"
                )


def _memory(machinery: Machinery, space: SearchSpace) -> tuple[float, str]:
    """Bytes that one training may have, and who says so."""
    import psutil
    import torch

    if (limit := space.limits.memory_gib) is not None:
        return limit * 2**30, "limits.memory_gib of the space is"
    if choose_device(machinery.device).type == "cuda":
        return float(torch.cuda.get_device_properties(0).total_memory), "the GPU has"
    return float(psutil.virtual_memory().total), "this machine has"


def _trained_before(run: RunFolder, plan: Plan) -> dict[str, str]:
    """Models of a plan that an earlier ladder has trained with the same seeds: another size does not need them anew."""
    found = {}
    for place in ladders(run):
        earlier = Plan.read(place)
        for model in plan.models:
            path = earlier.place_of(model, place)
            if earlier.seeds == plan.seeds and model in earlier.models and _has_ended(path):
                found[model.name] = path.parent.name
    return found


def _has_ended(path: Path) -> bool:
    """Whether there is nothing left to train in the folder of a model."""
    if not (path / RUN_FILE).is_file():
        return False
    folder = RunFolder.open(path)
    if not folder.began:
        return False
    with closing(folder.open_store()) as store:
        return store.run(folder.id).state in ("finished", "failed")


def _train_all(run: RunFolder, place: Path, plan: Plan, machinery: Machinery, console: Console) -> Ending:
    """Train every model of a ladder that is not trained yet, the smallest first."""
    space = run.space()
    for number, model in enumerate(plan.models, start=1):
        path = plan.place_of(model, place)
        told = f"model {number} of {len(plan.models)}, {model.side} at size {model.size:g}"
        if _has_ended(path):
            say(console, f"{told}: is trained")
            continue
        say(console, f"{told}: {counted(model.parameters, 'parameter')}, {counted(len(plan.seeds), 'seed')}")
        folder = (
            RunFolder.open(path) if (path / RUN_FILE).is_file() else _stage(run, space, place, plan, model, machinery)
        )
        ending = run_stage(folder, machinery, console)
        # Of a model that always fails the others say all the same what they do.
        if not ending.nothing_left:
            return ending
    return FINISHED


def _stage(
    run: RunFolder, space: SearchSpace, place: Path, plan: Plan, model: Sized, machinery: Machinery
) -> RunFolder:
    """The run folder of one model, which nothing is trained in yet."""
    recipe = model.recipe.model_copy(update={"corpus": space.corpus})
    described = f"{model.side} at size {model.size:g}"
    # Larger models take longer than the search let its own.
    kept = {"resources": space.resources.to_dict(), "limits": {"memory_gib": space.limits.memory_gib}}
    content = space_of(recipe, recipe.training.steps, described) | kept
    content, genome = of_one(content, recipe, len(plan.seeds))
    text = to_yaml(content)
    settings = {
        "algorithm": CONFIRMATION,
        "seed": run.settings.seed,
        "corpus": run.settings.corpus,
        "genomes": [genome],
        "seeds": plan.seeds,
        "directory": run.settings.directory,
    }
    return new_stage(place, model.name, parse_space(text, model.name), text, settings, machinery)
