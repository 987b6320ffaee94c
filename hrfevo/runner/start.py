"""Starting and resuming a run: puts corpus, workers, algorithm and store together, and leaves the products."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from hrfevo.algorithms.base import Algorithm
from hrfevo.algorithms.registry import ALGORITHMS, GRID, SURVEY, make_algorithm, unknown
from hrfevo.results.agreement import agreements, in_lines
from hrfevo.results.earlier import read_earlier
from hrfevo.results.ranking import front, ranked
from hrfevo.results.status import failures_in_words
from hrfevo.results.worth import measured_on, worth
from hrfevo.runner.earlier.gathering import Here, gather
from hrfevo.runner.loop import Hopeless, Search
from hrfevo.runner.machinery import Machinery, open_workers
from hrfevo.runner.observers.base import Observers
from hrfevo.runner.observers.display import make_display
from hrfevo.runner.observers.targets import open_logs
from hrfevo.space.budget import amounts, in_words, option
from hrfevo.space.distributions import adapted_by_cmaes
from hrfevo.space.genome import canonical
from hrfevo.space.search_space import SearchSpace
from hrfevo.store.retrying import PatientStore
from hrfevo.store.run_corpus import corpus_of, with_text_at
from hrfevo.store.run_folder import STARTED, RunFolder, versions
from hrfevo.store.spending import spent
from hrfevo.store.store import Store, Unreachable
from hrfevo.views.terminal.tables import as_table
from hrfevo.workers.base import Unfit, Workers, WorkersLost
from hrfevo.workers.evaluation import TrainingEvaluator
from hrfevo.workers.trainings import Checkpoints
from signal_model.config import ModelConfig
from signal_model.data.corpus import Corpus, load_corpus
from signal_model.evaluation.yardsticks import listed
from signal_model.support.console import Interruption, print_table, say
from signal_model.support.errors import InputError, counted
from signal_model.support.processors import permitted_processors

CONFIRMATION = "confirmation"


def start(
    space: SearchSpace,
    text: str,
    *,
    parent: Path,
    seed: int,
    algorithm: str,
    synchronous: bool,
    overrides: list[str],
    machinery: Machinery,
    console: Console,
    earlier: Sequence[RunFolder] = (),
    confirm: bool = True,
) -> tuple[int, RunFolder]:
    """Run a search in a new folder under `parent`, with what `earlier` runs know. To `confirm` it comes later; the run
    remembers that it is wanted.

    Returns the exit code and the folder.
    """
    if algorithm not in (*ALGORITHMS, GRID, SURVEY):
        raise unknown("--algorithm", algorithm)
    machinery.check(space)
    RunFolder.refuse_unwritable(parent)
    make_algorithm(algorithm, space, np.random.SeedSequence(seed), synchronous)  # what it cannot do is said now
    if algorithm == "cmaes":
        adapted = adapted_by_cmaes(space)
        say(console, f"note: cmaes adapts {', '.join(adapted) or 'no gene'}; it draws the other genes at random")
    if machinery.leaves_gpu_idle(space):
        say(console, "note: a GPU is here, but resources.gpus is 0: workers use the CPU (--set resources.gpus=auto)")
    read = partial(load_corpus, space.corpus, space.tokenizer, say=partial(say, console))
    evaluator = _evaluator(space, read, machinery, console)
    here = Here(evaluator.corpus.name, evaluator.corpus.content_hash, machinery.machine(space))
    known = gather(earlier, space, here, partial(say, console))
    with open_workers(evaluator, space, machinery, console) as workers:
        settings = {"seed": seed, "algorithm": algorithm, "synchronous": synchronous, "set": overrides}
        settings |= {"storage": machinery.storage, STARTED: machinery.started(confirm).to_dict()} | (
            {"from": known.record} if earlier else {}
        )
        corpus = evaluator.corpus
        scores = measured_on(space, corpus)
        say(console, f"without a model, bits per byte on its validation split: {listed(scores)}")
        settings["corpus"] = {"name": corpus.name, "hash": corpus.content_hash, "yardsticks": scores}
        told = known.to_json() if earlier else None
        folder = RunFolder.create(parent, space, text, settings, machinery.store, earlier=told)
        with folder.locked():
            store = folder.open_store(machinery.store, create=True)
            folder.begin(store)
            with store.writing():
                return _execute(folder, space, store, workers, machinery, console), folder


def resume(
    path: Path, budget: Mapping[str, float], machinery: Machinery, console: Console, confirm: bool = True
) -> tuple[int, RunFolder]:
    """Continue a run where its store says it was, with limits of a larger `budget`, if any.

    Of one that has finished, only the report is made again. The run remembers the machinery, and whether it is to
    `confirm`.

    Returns the exit code and the folder.
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
                    return _leave_products(
                        folder, with_text_at(folder, machinery.corpus).space(), store, console
                    ), folder
        if not changes:
            machinery.check(folder.space(), new=not folder.began)
        return _go_on(folder, machinery, console), folder


def new_stage(
    parent: Path, name: str, space: SearchSpace, text: str, settings: Mapping[str, Any], machinery: Machinery
) -> RunFolder:
    """A run that is part of something larger, in `parent/name`: `go_on` begins it, and none of its own confirms it."""
    own = {"stage": name, STARTED: machinery.started(confirm=False).to_dict()}
    return RunFolder.create(parent, space, text, {**own, **settings}, None, name)


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
                told = f"{given}: {folder.path} has spent its budget of {in_words(name, limit)}, too"
                raise InputError(f"{told}; give a larger {option(name)} as well")
        store.set_state(folder.id, "stopped", "its budget has grown")


def go_on(folder: RunFolder, machinery: Machinery, console: Console) -> int:
    """Search on in a folder, from where its store says it was; returns the exit code."""
    with folder.locked():
        machinery.check(folder.space(), new=not folder.began)
        return _go_on(folder, machinery, console)


def _go_on(folder: RunFolder, machinery: Machinery, console: Console) -> int:
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
    is_confirmation = folder.settings["algorithm"] == CONFIRMATION
    read = partial(corpus_of, folder, space, partial(say, console))
    evaluator = _evaluator(space, read, machinery, console, test=is_confirmation)
    with open_workers(evaluator, space, machinery, console) as workers, store.writing():
        return _execute(folder, space, store, workers, machinery, console)


def _say_where(folder: RunFolder, store: Store, machinery: Machinery, console: Console) -> None:
    """Say where a run goes on, and what has changed since it began."""
    tally = store.tally(folder.id)
    if not (begun := sum(tally.values())):
        return
    flying = f", {tally['running']:,} were in flight and begin again" if tally["running"] else ""
    say(console, f"run {folder.path}: {begun - tally['running']:,} evaluations are done{flying}")
    say(console, f"goes on: {machinery.started(True).words}")
    before, now = folder.settings.get("versions"), versions()
    for name in ("hrfevo", "torch", "platform"):
        if isinstance(before, dict) and before.get(name) != now[name]:
            say(console, f"note: begun with {name} {before.get(name)}, goes on with {now[name]}")


def _evaluator(
    space: SearchSpace, read: Callable[[], Corpus], machinery: Machinery, console: Console, test: bool = False
) -> TrainingEvaluator:
    if machinery.is_local_ray and (processors := permitted_processors()).bound:
        say(console, f"{processors.words}; --workers asks for another number")
    with console.status("Reading the corpus …"):
        corpus = read()
    context = space.model.get("context", ModelConfig.model_fields["context"].default)
    for split in ("train", "validation", *(["test"] if test else [])):
        if "context" not in space.genes and (tokens := len(getattr(corpus, split))) <= context:
            raise InputError(
                f"corpus {corpus.name}: its {split} split of {tokens} tokens is shorter than one window of "
                f"model.context + 1 = {context + 1}"
            )
    say(console, f"corpus {corpus.name}: {len(corpus.train):,} training tokens")
    return TrainingEvaluator(space, corpus, machinery.device, test).in_memory()


def _algorithm(folder: RunFolder, space: SearchSpace, seed: np.random.SeedSequence) -> Algorithm:
    settings = folder.settings
    if settings["algorithm"] == CONFIRMATION:
        from hrfevo.algorithms.given import FixedList

        return FixedList([canonical(space, values) for values in settings["genomes"]], settings["seeds"])
    earlier = read_earlier(folder)
    founders, known = earlier.proposals(space), earlier.told(space)
    return make_algorithm(settings["algorithm"], space, seed, settings["synchronous"], founders, known)


def _execute(
    folder: RunFolder,
    space: SearchSpace,
    store: Store,
    workers: Workers,
    machinery: Machinery,
    console: Console,
) -> int:
    run, patient = folder.record(store), PatientStore(store, partial(say, console), folder.pause)
    is_confirmation = folder.settings["algorithm"] == CONFIRMATION
    algorithm_seed, training_seed = np.random.SeedSequence(folder.settings["seed"]).spawn(2)
    search = Search(
        folder.id,
        space,
        _algorithm(folder, space, algorithm_seed),
        workers,
        patient,
        training_seed=int(training_seed.generate_state(1)[0]),
        checkpoints=None if is_confirmation else Checkpoints(folder.checkpoints(machinery.storage)),
    )
    folder.pause("")  # one that was killed as it waited left a note
    workers.pausing = folder.pause
    search.replay(store.evaluations(folder.id), run.seconds)
    store.set_state(folder.id, "running")
    code = 0
    try:
        say(console, f"run {folder.path}: {counted(workers.capacity, 'worker')}")
        with (
            Interruption() as interruption,
            open_logs(machinery.logs, folder, space, store, console) as loggers,
            make_display(console, space, search) as display,
        ):
            reason = search.run(Observers([display, *loggers]), interruption.check)
        patient.set_state(folder.id, "finished", reason)
        say(console, f"finished: {reason}")
    except KeyboardInterrupt:
        say(console, f"interrupted; what had finished is kept.{_advice(folder)}")
        code = 130
        try:
            store.set_state(folder.id, "stopped", "interrupted")
        except Unreachable as error:  # who interrupts does not wait for it to come back
            say(console, f"{error}; so the run counts as crashed until it goes on")
            return code
    except BrokenPipeError:
        store.set_state(folder.id, "stopped", "the reader of its output has gone")
        raise
    except (WorkersLost, Unfit) as error:
        patient.set_state(folder.id, "stopped", str(error))
        say(console, f"stopped: {error}; what had finished is kept.{_advice(folder)}")
        code = 1
    except Hopeless as error:
        patient.set_state(folder.id, "failed", str(error))
        console.print(f"stopped: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        code = 1
    return _leave_products(folder, space, store, console) or code


def _advice(folder: RunFolder) -> str:
    """How to go on; empty for a stage of a confirmation, which says it itself."""
    return "" if "stage" in folder.settings else f" Go on with: hrfevo resume {folder.path}"


def _leave_products(folder: RunFolder, space: SearchSpace, store: Store, console: Console) -> int:
    """Write the report and say what was found; returns the exit code. Winners that are trained again leave nothing."""
    if folder.settings["algorithm"] == CONFIRMATION:
        return 0
    try:
        _make_products(folder, space, store, console)
    except KeyboardInterrupt:
        say(console, f"the report was interrupted, the results are kept; later: hrfevo report {folder.path}")
        return 130
    except OSError as error:
        kept = f"what was found is kept; later: hrfevo report {folder.path}"
        raise InputError(f"{folder.path}: the report cannot be written: {error.strerror or error}; {kept}") from None
    return 0


def _make_products(folder: RunFolder, space: SearchSpace, store: Store, console: Console) -> None:
    from hrfevo.runner.products import leave_products  # plotly and pandas are needed only now

    report = leave_products(folder, space, store)
    evaluations = store.evaluations(folder.id)
    for line in failures_in_words(evaluations):
        say(console, line)
    if best := ranked(space, evaluations, 5):
        print_table(console, as_table(space, best, front(space, evaluations)))
        if said := worth(folder.settings, evaluations):
            say(console, said)
        say(console, f"best model  {folder.path / 'best.yaml'}")
    for name, fact in in_lines(agreements(space, evaluations)):
        say(console, f"{name:<12}{fact}")
    say(console, f"report      {report}")
