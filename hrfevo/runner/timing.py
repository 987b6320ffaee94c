"""Steps of the leaders of a search that has ended, timed again while nothing else of it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from hrfevo.results.history import History
from hrfevo.results.timings import to_time
from hrfevo.space.genome import Genome
from hrfevo.space.search_space import SearchSpace
from hrfevo.store.records import Evaluation
from hrfevo.store.retrying import PatientStore
from hrfevo.store.store import Store
from hrfevo.workers.base import Job, Outcome, Workers
from signal_model.support.errors import counted

# So many genomes at most: each takes seconds, and all workers but one wait.
MOST = 64


def time_leaders(
    run_id: str,
    space: SearchSpace,
    store: Store,
    journal: PatientStore,
    workers: Workers,
    say: Callable[[str], None],
    check: Callable[[], None] = lambda: None,
) -> None:
    """Time those whose times decide who leads, on one worker, until all are timed that do.

    Each is kept as it is known, so that this goes on where it was cut off. `check` is called after each and may raise.
    It counts against no budget.
    """
    names = " and ".join(space.timed)
    told, tried, done = False, set[str](), set[str]()
    while found := to_time(History.stored(space, store, run_id), tried)[: MOST - len(done)]:
        if not told:
            counts = "counts" if len(space.timed) == 1 else "count"
            say(f"timing steps of {counted(len(found), 'genome')} again, alone, since {names} {counts}")
            told = True
        for job in _passes(space, found):
            if job.genome.id in tried:
                continue
            outcome = _outcome(workers, job)
            if outcome.status == "finished":
                journal.timed(run_id, outcome)
            else:
                tried.add(job.genome.id)
                say(f"{job.genome.id} could not be timed: {outcome.reason}; what its training said of {names} stands")
            check()
        done |= {one.genome for one in found}


def _passes(space: SearchSpace, found: Sequence[Evaluation]) -> Iterator[Job]:
    """All once, then all again: what disturbs for a while does not disturb one of them each time."""
    for number in range(space.timings):
        for one in found:
            if len(one.timings) <= number:
                yield Job(number, Genome(one.values), one.rung, one.seed, timing=number)


def _outcome(workers: Workers, job: Job) -> Outcome:
    while not workers.capacity:  # the last evaluation, or the last timing, may have ended its worker
        workers.next_outcome()
    workers.submit(job)
    while (outcome := workers.next_outcome()) is None:
        continue  # there is room for more jobs, of which there are none
    return outcome
