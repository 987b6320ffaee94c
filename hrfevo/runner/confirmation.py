"""The end of a search: winners trained again from scratch with fresh seeds, beside rivals tuned as long."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from hrfevo.algorithms.base import FOUNDER
from hrfevo.results.confirmation.attempts import (
    DONE,
    FOLDER,
    WINNERS,
    attempts,
    stages,
    trained_name,
    tuning_name,
)
from hrfevo.results.confirmation.confirmed import confirmation_of
from hrfevo.results.confirmation.plan import Plan
from hrfevo.results.cost import Cost, cost_in_words
from hrfevo.results.history import History
from hrfevo.runner.baseline import baseline_of, founded, recipes_of, smallest_of
from hrfevo.runner.ending import STRUCK, Ending
from hrfevo.runner.footprints import measure_footprints
from hrfevo.runner.machinery import Machinery
from hrfevo.runner.products import leave_products
from hrfevo.runner.stages import new_stage, run_stage
from hrfevo.runner.unconfirmed import left_to_confirm
from hrfevo.space.budget import Spent
from hrfevo.space.reading import parse_space, read_space
from hrfevo.space.rivals import is_recipe, name_of, the
from hrfevo.space.search_space import SearchSpace
from hrfevo.space.sections import Confirm
from hrfevo.store.records import Evaluation
from hrfevo.store.run_corpus import with_text_at
from hrfevo.store.run_folder import RUN_FILE, RunFolder
from hrfevo.store.settings import CONFIRMATION
from hrfevo.store.versions import changes
from hrfevo.views.terminal.tables import CONFUSION_TITLE, confirmed_table, confusion_table, footprint_table
from hrfevo.views.verdicts import verdicts
from signal_model.evaluation.yardsticks import judged
from signal_model.support.console import print_table, say
from signal_model.support.errors import InputError
from signal_model.support.files import to_yaml
from signal_model.support.plugins import command

# How much larger than the largest winner a rival may be, since sizes come in steps and doubt is the rival's, and than
# its own smallest model, where the winners are smaller than that.
SLACK = 1.1
# Of a stage that there is nothing to do for.
NOTHING_LEFT = Ending("finished", "nothing to train")


@dataclass(frozen=True)
class _Place:
    """One confirmation of a run: a folder with a run folder for each stage."""

    path: Path
    run: RunFolder
    options: Confirm
    machinery: Machinery
    console: Console

    def stage(self, name: str, space: SearchSpace, text: str, settings: Mapping[str, Any]) -> tuple[Ending, RunFolder]:
        """Run a stage, or go on with it; returns how it ended and its folder."""
        path = self.path / name
        if (path / RUN_FILE).is_file():
            folder = RunFolder.open(path)
        else:
            own = {"corpus": self.run.settings.corpus, "synchronous": self.run.settings.synchronous}
            folder = new_stage(self.path, name, space, text, {**own, **settings}, self.machinery)
        return run_stage(folder, self.machinery, self.console), folder

    def train_again(
        self,
        name: str,
        source: RunFolder,
        space: SearchSpace,
        winners: Sequence[Evaluation],
        seed: int,
        founder: Evaluation | None = None,
    ) -> Ending:
        """Train genomes of another run from scratch, each with all seeds, and its best founder if there is one."""
        if not winners:
            return NOTHING_LEFT
        genomes = {one.genome: one.values for one in [*winners, *([founder] if founder else [])]}
        steps, seeds = self.options.steps or space.rungs[-1], self.options.seeds
        text = source.space_text()
        overrides = [
            *source.settings.overrides,
            f"rungs=[{steps}]",
            f"budget={{evaluations: {len(genomes) * seeds}}}",
            "constraints={}",
            "inherit=false",
        ]
        fresh = np.random.SeedSequence([seed, int(self.path.name)]).generate_state(seeds)
        settings = {
            "algorithm": CONFIRMATION,
            "overrides": overrides,
            "seed": seed,
            "genomes": [*genomes.values()],
            "winners": len(winners),
            "founder": founder.genome if founder else None,
            "seeds": [int(number) for number in fresh],
            "directory": source.settings.directory,
        }
        # Its genes were tried when the search of them began.
        return self.stage(name, read_space(text, "space", overrides), text, settings)[0]


def confirm_what_is_left(run: RunFolder, wanted: bool, machinery: Machinery, console: Console) -> Ending:
    """Confirm a search that has ended, as far as that is left to do; see `left_to_confirm`."""
    with closing(run.open_store(machinery.store)) as store:
        options = left_to_confirm(run, History.read(run, store), wanted, partial(say, console))
    return NOTHING_LEFT if options is None else confirm(run, options, machinery, console)


def confirm(run: RunFolder, options: Confirm, machinery: Machinery, console: Console) -> Ending:
    """Confirm a run in a new folder `RUN/confirmation/N`, or go on with one that was interrupted.

    Raises InputError for a run without a finished evaluation, and where nothing is to be
    confirmed.
    """
    if not options.top:
        raise InputError(f"{run.path}: confirm.top of its space is 0; name a number of winners with --top")
    if run.in_hand:
        raise InputError(f"{run.path}: is being searched; wait until it has ended, or stop it")
    recipes = recipes_of(options.rivals)
    if any(stage.in_hand for stage in stages(run)):
        raise InputError(f"{run.path}: is being confirmed; wait until that has ended, or stop it")
    machinery.check(run.space(), new=False)
    with run.locked("confirmed"):
        for change in changes(run.settings.versions):
            say(console, f"note: of {run.path}: {change}")
        run = with_text_at(run, machinery.corpus).going_on(machinery.started(run.started.confirm), machinery.storage)
        return _confirm(run, options, recipes, machinery, console)


def _confirm(
    run: RunFolder, options: Confirm, recipes: Mapping[str, Any], machinery: Machinery, console: Console
) -> Ending:
    """`confirm` of a run that nobody else confirms."""
    store = run.open_store(machinery.store)
    history = History.read(run, store)
    winners = history.ranked(options.top)
    if not winners:
        raise InputError(f"{run.path}: has no finished evaluation to confirm")
    space, founder = history.space, best_founder(history)
    plan = Plan(
        options=options,
        winners=tuple(winner.genome for winner in winners),
        founder=founder.genome if founder else None,
        evaluations=history.spent.evaluations,
        recipes=recipes,
    )
    place = _Place(_open(run, plan, console), run, options, dataclasses.replace(machinery, store=None), console)
    try:
        ending = place.train_again(WINNERS, run, space, winners, run.settings.seed, founder)
        for rival in options.rivals:
            if ending.finished:
                ending = _train_rival(place, rival, history, winners)
        if ending.finished:
            tell = partial(say, console)
            measure_footprints(run, confirmation_of(run, history), place.path, machinery.device, tell)
            leave_products(run, space, store)
    except KeyboardInterrupt:  # between two stages, or while the report is written
        ending = STRUCK
    if ending.state == "failed":
        say(console, f"confirmation ended: no winner could be trained again: {ending.reason}")
        return ending
    if not ending.finished:
        say(console, f"confirmation interrupted; go on with: {command('hrfevo', 'resume', run.path)}")
        return ending
    (place.path / DONE).touch()
    found = confirmation_of(run, history)
    if not found.rows:
        say(console, "no training of the confirmation has finished; `hrfevo status` of its folders says why")
        return ending
    print_table(console, confirmed_table(found))
    if found.footprints is not None:
        print_table(console, footprint_table(found.footprints))
    if found.winner is not None and (confusion := found.winner.confusion):
        say(console, f"{CONFUSION_TITLE}:")
        print_table(console, confusion_table(confusion))
    for line in verdicts(found):
        say(console, line)
    if said := judged(found.rows[0].mean, run.settings.corpus.yardsticks):
        say(console, f"The lowest mean on validation, {found.rows[0].mean:.4f} {found.unit}, is {said}.")
    say(console, f"Cost: {cost_in_words(Cost.of([history]), found.cost)}.")
    return ending


def best_founder(history: History) -> Evaluation | None:
    """The best by the first objective of the genomes that a search began with, of those that came furthest."""
    named = {e.genome for e in history if e.operator == FOUNDER}
    return history.among(e for e in history if e.genome in named).best


def _open(run: RunFolder, plan: Plan, console: Console) -> Path:
    """The folder of the last confirmation if it was interrupted and had this plan, else of a new one.

    Trainings of another plan, as of a run that has gone on since, could not stand beside these.
    """
    before = attempts(run)
    if before and not (before[-1] / DONE).exists():
        last = Plan.read(before[-1])
        if last is not None and last.is_as(plan):
            return before[-1]
        say(console, f"{before[-1]}: was interrupted, and was of other options or winners; beginning anew")
    path = run.path / FOLDER / str(int(before[-1].name) + 1 if before else 1)
    path.mkdir(parents=True, exist_ok=True)  # as one that was killed before its plan was written left it
    plan.write(path)
    return path


def _train_rival(place: _Place, told: str, history: History, winners: Sequence[Evaluation]) -> Ending:
    """Tune a rival as long as was searched, and train as many of its best again as of the winners.

    One of which nothing can be trained ends nothing: winners and other rivals are what they are without it.
    """
    space, seed = history.space, place.run.settings.seed
    budget, rival = _as_much(space, history.spent, place.options), name_of(told)
    stage = tuning_name(rival)
    largest = max(winner.metrics["parameters"] for winner in winners)
    smallest = smallest_of(parse_space(to_yaml(baseline_of(space, budget, None, told)), stage))
    bound = space.constraints.get("parameters")
    if bound is not None and bound.max is not None and smallest > bound.max:
        size = "size" if is_recipe(told) else "width"
        none = f"no {rival} of this {size} has at most {bound.max:,.0f} parameters (the smallest {smallest:,})"
        say(place.console, f"{none}: the winners are confirmed without one")
        return NOTHING_LEFT
    text = to_yaml(founded(baseline_of(space, budget, SLACK * max(largest, smallest), told), space))
    settings = {"algorithm": place.run.settings.algorithm, "seed": seed}
    folder = _tuned_before(place, rival, text)
    if folder is None:
        ending, folder = place.stage(stage, parse_space(text, stage), text, settings)
        if not ending.nothing_left:
            return ending
    tuned = History.read(folder)
    best = tuned.ranked(len(winners))
    ending = place.train_again(trained_name(rival), folder, tuned.space, best, seed)
    if best and ending.state != "failed":
        return ending
    which = "fresh training" if best else "tuning"
    say(place.console, f"no {which} of {the(rival)} has succeeded: the winners are confirmed without one")
    return NOTHING_LEFT


def _as_much(space: SearchSpace, used: Spent, options: Confirm) -> dict[str, float]:
    """The budget that is as much training as a search has had, to six digits."""
    amounts = {
        "seconds": ("training_minutes", used.training_seconds / 60),
        "steps": ("trainings", used.steps / space.rungs[-1]),
    }
    name, amount = amounts[options.equal]
    return {name: float(f"{amount:.6g}")}


def _tuned_before(place: _Place, rival: str, text: str) -> RunFolder | None:
    """A rival that an earlier confirmation has searched on the same terms: more seeds do not need another."""
    for earlier in reversed(attempts(place.run)):
        path = earlier / tuning_name(rival)
        if earlier == place.path or not (path / RUN_FILE).is_file():
            continue
        folder = RunFolder.open(path)
        if folder.space_text() == text and (earlier / DONE).exists():
            if plan := Plan.read(place.path):
                plan.model_copy(update={"tuned": plan.tuned | {rival: earlier.name}}).write(place.path)
            say(place.console, f"{rival}: those that were tuned as long in {earlier}")
            return folder
    return None
