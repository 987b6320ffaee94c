"""Starting and resuming a run: puts corpus, workers, algorithm and store together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from rich.console import Console

from hrfevo.algorithms.base import Algorithm
from hrfevo.algorithms.registry import ALGORITHMS, begins_at_any_rung, check_algorithm, make_algorithm
from hrfevo.results.earlier import read_earlier
from hrfevo.results.worth import measured_on
from hrfevo.runner.baseline import recipes_of
from hrfevo.runner.earlier.gathering import Here, gather
from hrfevo.runner.ending import STRUCK, Ending
from hrfevo.runner.loop import NothingSucceeds, Observer, Search
from hrfevo.runner.machinery import Machinery, open_workers
from hrfevo.runner.observers.base import Observers
from hrfevo.runner.observers.display import make_display
from hrfevo.runner.observers.targets import open_logs
from hrfevo.runner.timing import time_leaders
from hrfevo.space.budget import amounts, limit_in_words, option
from hrfevo.space.distributions import adapted_by_cmaes
from hrfevo.space.genome import canonical
from hrfevo.space.search_space import SearchSpace
from hrfevo.space.text import read_corpus
from hrfevo.store.database import sqlite_file
from hrfevo.store.file_systems import caution
from hrfevo.store.retrying import PatientStore
from hrfevo.store.run_corpus import corpus_of, with_text_at
from hrfevo.store.run_folder import RunFolder
from hrfevo.store.settings import CorpusRecord, RunSettings
from hrfevo.store.spending import spent
from hrfevo.store.store import Store, Unreachable
from hrfevo.store.versions import changes
from hrfevo.workers.base import Unfit, Workers, WorkersLost
from hrfevo.workers.evaluation import TrainingEvaluator
from hrfevo.workers.trainings import Checkpoints
from signal_model.data.corpus import Corpus, load_corpus
from signal_model.evaluation.yardsticks import listed
from signal_model.support.console import Interruption, say
from signal_model.support.errors import InputError, counted
from signal_model.support.plugins import command
from signal_model.support.processors import permitted_processors


@dataclass(frozen=True)
class Asked:
    """A search that is to begin: a space with the `text` of its file and `key=value` overrides of it.

    With `earlier` it knows their results. To `confirm` it comes later; the run remembers that it is wanted.
    """

    space: SearchSpace
    text: str
    overrides: tuple[str, ...] = ()
    seed: int = 0
    algorithm: str = "evolution"
    synchronous: bool = False
    earlier: tuple[RunFolder, ...] = ()
    confirm: bool = True
    name: str | None = None
    """Of its folder; after the space and the time unless given."""


def start(
    asked: Asked, parent: Path, machinery: Machinery, console: Console, observers: Sequence[Observer] = ()
) -> tuple[Ending, RunFolder]:
    """Run a search in a new folder under `parent`; `observers` hear of it beside the display.

    Raises InputError, before anything is made, for what cannot be.
    """
    space = asked.space
    check_algorithm("--algorithm", asked.algorithm, space)
    machinery.check(space)
    if asked.confirm and space.confirm.top:
        recipes_of(space.confirm.rivals)  # a file that is missing is said before the search, not after it
    RunFolder.refuse_unwritable(parent)
    if asked.algorithm == "cmaes":
        adapted = adapted_by_cmaes(space)
        say(console, f"note: cmaes adapts {', '.join(adapted) or 'no gene'}; it draws the other genes at random")
    if machinery.leaves_gpu_idle(space):
        say(console, "note: a GPU is here, but resources.gpus is 0: workers use the CPU (--set resources.gpus=auto)")
    read = partial(load_corpus, space.corpus, space.tokenizer, say=partial(say, console))
    evaluator = _evaluator(space, read, machinery, console)
    if spare := evaluator.corpus.spare:
        say(console, f"note: {spare}")
    here = Here(evaluator.corpus.name, evaluator.corpus.content_hash, machinery.machine(space))
    known = gather(asked.earlier, space, here, partial(say, console))
    with open_workers(evaluator, space, machinery, console) as workers:
        corpus = evaluator.corpus
        scores = measured_on(space, corpus)
        unit = space.measure(space.score).unit
        say(console, f"without a model, {unit} on its validation split: {listed(scores)}")
        settings = RunSettings.new(
            asked.text,
            seed=asked.seed,
            algorithm=asked.algorithm,
            synchronous=asked.synchronous,
            overrides=asked.overrides,
            corpus=CorpusRecord(name=corpus.name, hash=corpus.content_hash, tokens=corpus.sizes, yardsticks=scores),
            storage=machinery.storage,
            started=machinery.started(asked.confirm),
            earlier=known.record,
        )
        told = known.to_json() if asked.earlier else None
        folder = RunFolder.create(parent, space, asked.text, settings, machinery.store, asked.name, told)
        with folder.locked():
            store = folder.open_store(machinery.store, create=True)
            folder.begin(store)
            with store.writing():
                return _execute(folder, space, store, workers, machinery, console, observers), folder


def resume(
    path: Path, budget: Mapping[str, float], machinery: Machinery, console: Console, confirm: bool = True
) -> tuple[Ending, RunFolder]:
    """Continue a run where its store says it was, with limits of a larger `budget`, if any.

    One that has finished has ended as it did. The run remembers the machinery, and whether it is to `confirm`.
    """
    folder = RunFolder.open(path)
    with folder.locked():
        changes = bool(budget) or machinery.started(confirm) != folder.started
        if changes:  # what cannot be is refused before anything of the run is changed
            machinery.check(folder.space(), new=not folder.began)
        if folder.began:
            _extend(folder, budget, machinery)
        for name, limit in budget.items():
            folder = folder.overridden(f"budget.{name}={limit}")
        folder = folder.going_on(machinery.started(confirm), machinery.storage)
        if folder.began:
            with closing(folder.open_store(machinery.store)) as store:
                if (run := store.run(folder.id)).state == "finished":
                    say(console, f"run {path}: the search has finished ({run.reason}); nothing of it is done again")
                    return Ending("finished", run.reason), with_text_at(folder, machinery.corpus)
        if not changes:
            machinery.check(folder.space(), new=not folder.began)
        return _go_on(folder, machinery, console), folder


def _extend(folder: RunFolder, budget: Mapping[str, float], machinery: Machinery) -> None:
    """Have a run that has finished go on. Raises InputError for a budget below what is done, and where another limit
    of the run is spent as well."""
    if not budget:
        return
    space = folder.space()
    with closing(folder.open_store(machinery.store)) as store:
        run = store.run(folder.id)
        used = amounts(spent(space.rungs, store.evaluations(folder.id)), run.seconds, space.rungs[-1])
        for name, limit in budget.items():
            if limit < used[name]:
                raise InputError(
                    f"{option(name)} {limit:g}: {folder.path} has {used[name]:g} already; name as many or more"
                )
        if run.state != "finished" or all(limit <= used[name] for name, limit in budget.items()):
            return
        for name, limit in (space.budget.limits | dict(budget)).items():
            if limit <= used[name]:
                given = " and ".join(map(option, budget))
                told = f"{given}: {folder.path} has spent its budget of {limit_in_words(name, limit)}, too"
                raise InputError(f"{told}; give a larger {option(name)} as well")
        store.set_state(folder.id, "stopped", "its budget has grown")


def go_on(folder: RunFolder, machinery: Machinery, console: Console) -> Ending:
    """Search on in a folder, from where its store says it was."""
    with folder.locked():
        machinery.check(folder.space(), new=not folder.began)
        return _go_on(folder, machinery, console)


def _go_on(folder: RunFolder, machinery: Machinery, console: Console) -> Ending:
    """`go_on` in a folder that is locked, on machinery that was checked."""
    folder = with_text_at(folder, machinery.corpus)
    space = folder.space()
    # A run that was killed before it began begins now; one that began must still have its results.
    store = folder.open_store(machinery.store, create=not folder.began)
    if not folder.began:
        folder = folder.kept_in(machinery.store) if machinery.store is not None else folder
        folder.begin(store)
    folder.record(store)
    _say_where(folder, store, machinery, console)
    is_confirmation = folder.settings.is_confirmation
    read = partial(corpus_of, folder, space, partial(say, console))
    evaluator = _evaluator(space, read, machinery, console, test=is_confirmation)
    with open_workers(evaluator, space, machinery, console) as workers, store.writing():
        return _execute(folder, space, store, workers, machinery, console)


def _say_where(folder: RunFolder, store: Store, machinery: Machinery, console: Console) -> None:
    """Say where a run goes on, and what has changed since it began."""
    tally = store.tally(folder.id)
    if not (begun := sum(tally.values())):
        return
    done, flying = begun - tally["running"], tally["running"]
    again = f", {flying:,} {'was in flight and begins' if flying == 1 else 'were in flight and begin'} again"
    told = f"{counted(done, 'evaluation')} {'is' if done == 1 else 'are'} done{again if flying else ''}"
    say(console, f"run {folder.path}: {told}")
    say(console, f"goes on: {machinery.started(True).words}")
    for change in changes(folder.settings.versions):
        say(console, f"note: {change}")


def _evaluator(
    space: SearchSpace, read: Callable[[], Corpus], machinery: Machinery, console: Console, test: bool = False
) -> TrainingEvaluator:
    if machinery.is_local_ray and (processors := permitted_processors()).bound:
        say(console, f"{processors.words}; --workers asks for another number")
    with console.status("Reading the corpus …"):
        corpus = read_corpus(space, read, test)
    say(console, f"corpus {corpus.words}")
    return TrainingEvaluator(space, corpus, machinery.device, test).in_memory()


def _algorithm(folder: RunFolder, space: SearchSpace, seed: np.random.SeedSequence) -> Algorithm:
    settings = folder.settings
    if settings.is_confirmation:
        from hrfevo.algorithms.given import FixedList

        return FixedList([canonical(space, values) for values in settings.genomes or ()], settings.seeds)
    earlier = read_earlier(folder)
    founders = earlier.proposals(space, in_full=begins_at_any_rung(settings.algorithm))
    known = earlier.told(space)
    return make_algorithm(settings.algorithm, space, seed, settings.synchronous, founders, known)


def _execute(
    folder: RunFolder,
    space: SearchSpace,
    store: Store,
    workers: Workers,
    machinery: Machinery,
    console: Console,
    observers: Sequence[Observer] = (),
) -> Ending:
    """Search, and tell the store and the console how that ended."""
    patient = PatientStore(store, partial(say, console), folder.pause)
    search = _replayed(folder, space, store, patient, workers, machinery)
    store.set_state(folder.id, "running")
    file = sqlite_file(machinery.store or folder.store_url())
    if file and folder.settings.stage is None and (told := caution(file)):
        say(console, f"note: {told}")
    try:
        say(console, f"run {folder.path}: {counted(workers.capacity, 'worker')}")
        ending = _searched(search, folder, store, patient, machinery, console, observers)
        patient.set_state(folder.id, ending.state, ending.reason)
        _say_ending(ending, folder, console)
    except KeyboardInterrupt:
        say(console, f"interrupted; what had finished is kept.{_advice(folder)}")
        try:
            store.set_state(folder.id, STRUCK.state, STRUCK.reason)
        except Unreachable as error:  # who interrupts does not wait for it to come back
            say(console, f"{error}; so the run counts as crashed until it goes on")
            return replace(STRUCK, state="crashed")
        return STRUCK
    except BrokenPipeError:
        store.set_state(folder.id, "stopped", "the reader of its output has gone")
        raise
    return ending


def _replayed(
    folder: RunFolder, space: SearchSpace, store: Store, journal: PatientStore, workers: Workers, machinery: Machinery
) -> Search:
    """The search of a run, brought to where its store says it was."""
    algorithm_seed, training_seed = np.random.SeedSequence(folder.settings.seed).spawn(2)
    kept = None if folder.settings.is_confirmation else Checkpoints(folder.checkpoints(machinery.storage))
    search = Search(
        folder.id,
        space,
        _algorithm(folder, space, algorithm_seed),
        workers,
        journal,
        training_seed=int(training_seed.generate_state(1)[0]),
        checkpoints=kept,
    )
    folder.pause("")  # one that was killed as it waited left a note
    workers.pausing = folder.pause
    search.replay(store.evaluations(folder.id), store.run(folder.id).seconds)
    return search


def _searched(
    search: Search,
    folder: RunFolder,
    store: Store,
    journal: PatientStore,
    machinery: Machinery,
    console: Console,
    observers: Sequence[Observer],
) -> Ending:
    """Let it run, watched, and time who leads. Raises KeyboardInterrupt where that is asked for."""
    try:
        with Interruption() as interruption:
            with (
                open_logs(machinery.logs, folder, search.space, store, console) as loggers,
                make_display(console, search.space, search) as display,
            ):
                reason = search.run(Observers([display, *loggers, *observers]), interruption.check)
            if folder.settings.algorithm in ALGORITHMS:
                told = partial(say, console)
                time_leaders(folder.id, search.space, store, journal, search.workers, told, interruption.check)
            return Ending("finished", reason)
    except (WorkersLost, Unfit) as error:
        return Ending("stopped", str(error))
    except NothingSucceeds as error:
        return Ending("failed", str(error))


def _say_ending(ending: Ending, folder: RunFolder, console: Console) -> None:
    if ending.state == "failed":
        console.print(f"stopped: {ending.reason}", style="red", markup=False, highlight=False, soft_wrap=True)
    elif ending.finished:
        say(console, f"finished: {ending.reason}")
    else:
        say(console, f"stopped: {ending.reason}; what had finished is kept.{_advice(folder)}")


def _advice(folder: RunFolder) -> str:
    """How to go on; empty for a stage of a confirmation, which says it itself."""
    return "" if folder.settings.stage is not None else f" Go on with: {command('hrfevo', 'resume', folder.path)}"
