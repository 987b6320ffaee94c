"""A run as an Optuna study in a database, for `optuna-dashboard` and Optuna's own tools."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from hrfevo.results.history import History
from hrfevo.space.distributions import flat_parameters, in_own_scale
from hrfevo.space.search_space import SearchSpace
from hrfevo.store.database import reason
from hrfevo.store.records import Evaluation, RunRecord
from hrfevo.views.export.destination import new_file
from hrfevo.workers.base import Point
from signal_model.support.errors import InputError

if TYPE_CHECKING:
    import optuna

ACCEPTED = "sqlite:///PATH or postgresql+psycopg://…"
_UNFINISHED = " (being written)"


def write_study(
    address: str,
    run: RunRecord,
    history: History,
    curves: Mapping[int, Sequence[Point]],
    overwrite: bool = False,
) -> str:
    """Write a run as a study of its name into the database at `address`; returns the address without a password.

    Each evaluation is the trial of its number. Complete are the finished ones of the highest rung, so that Optuna's
    best trials are the run's front: of a genome that was measured with several seeds the first, with the mean. Those of
    lower rungs and of other seeds are pruned, the infeasible failed. Parameters are genes in
    their own scale, intermediate values the learning curve in bits per byte.

    Raises InputError for an address that cannot be used, or a study that is there and not to be overwritten.
    """
    url = _database(address)
    shown = url.render_as_string(hide_password=True)
    trials = _trials(history, curves)
    with ExitStack() as stack:
        file = Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None
        if file is not None and not file.exists():
            url = url.set(database=str(stack.enter_context(new_file(file))))
        try:
            _add(url, run, history.space, trials, overwrite, shown)
        except (sa.exc.SQLAlchemyError, ImportError, RuntimeError) as error:
            raise InputError(f"--output {shown}: {reason(error)}") from None
    return shown


def _add(
    url: sa.URL,
    run: RunRecord,
    space: SearchSpace,
    trials: Sequence[optuna.trial.FrozenTrial],
    overwrite: bool,
    shown: str,
) -> None:
    """Under another name first, so that a study of the right name is whole."""
    import optuna

    with _storage(url) as storage:
        names = set(optuna.get_all_study_names(storage))
        if run.name in names and not overwrite:
            raise InputError(f"--output {shown}: has a study {run.name!r}; name another database or add --overwrite")
        working = run.name + _UNFINISHED
        if working in names:
            optuna.delete_study(study_name=working, storage=storage)
        try:
            study = optuna.create_study(storage=storage, study_name=working, directions=[*space.objectives.values()])
            with warnings.catch_warnings():  # names are what a reader needs; Optuna calls them experimental
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                study.set_metric_names([*space.objectives])
            for name, value in _about(run, space).items():
                study.set_user_attr(name, value)
            study.add_trials(trials)
        except BaseException:
            with suppress(Exception):  # what went wrong is the first error, not that it cannot be cleared away
                optuna.delete_study(study_name=working, storage=storage)
            raise
        if run.name in names:
            optuna.delete_study(study_name=run.name, storage=storage)
    with _engine(url) as engine, engine.begin() as connection:  # Optuna has no call that renames a study
        rename = sa.text("UPDATE studies SET study_name = :name WHERE study_name = :working")
        connection.execute(rename, {"name": run.name, "working": working})


def _about(run: RunRecord, space: SearchSpace) -> dict[str, object]:
    settings = {key: run.settings.get(key) for key in ("algorithm", "seed")}
    return {
        "run": run.id,
        "space": space.name,
        "rungs": space.rungs,
        "corpus": run.settings["corpus"]["name"],
    } | settings


def _trials(history: History, curves: Mapping[int, Sequence[Point]]) -> list[optuna.trial.FrozenTrial]:
    from optuna.trial import TrialState, create_trial

    space, complete = history.space, {evaluation.number: evaluation for evaluation in history.at_rung(None)}
    states = {"running": TrialState.RUNNING, "finished": TrialState.PRUNED}
    trials = []
    whole: dict[tuple[str, int], dict[int, float]] = {}
    for evaluation in history:
        # A rung's curve begins where the one below ended.
        curve = whole.setdefault((evaluation.genome, evaluation.seed), {})
        curve |= {point.step: point.bits_per_byte for point in curves.get(evaluation.number, ())}
        parameters, distributions = flat_parameters(space, evaluation.values, in_own_scale)
        best = complete.get(evaluation.number)
        trial = create_trial(
            state=TrialState.COMPLETE if best else states.get(evaluation.status, TrialState.FAIL),
            values=[best.metrics[name] for name in space.objectives] if best else None,
            params=parameters,
            distributions=distributions,
            user_attrs=_attributes(space, evaluation),
            intermediate_values=dict(curve),
        )
        trial.datetime_start = datetime.fromtimestamp(evaluation.started or evaluation.submitted)
        if evaluation.ended is not None:
            trial.datetime_complete = datetime.fromtimestamp(evaluation.ended)
        trials.append(trial)
    return trials


def _attributes(space: SearchSpace, evaluation: Evaluation) -> dict[str, object]:
    return {
        "genome": evaluation.genome,
        "rung": evaluation.rung,
        "steps": space.rungs[evaluation.rung],
        "operator": evaluation.operator,
        "parents": list(evaluation.parents),
        "birth": evaluation.birth,
        "seed": evaluation.seed,
        "device": evaluation.device,
        "status": evaluation.status,
        "reason": evaluation.reason,
        **evaluation.metrics,
    }


def _database(address: str) -> sa.URL:
    try:
        url = sa.make_url(address)
    except sa.exc.ArgumentError:
        raise InputError(f"--output {address}: is no database; --format optuna accepts {ACCEPTED}") from None
    if url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:"):
        raise InputError(f"--output {address}: forgets everything at the end; accepted: sqlite:///PATH")
    return url


@contextmanager
def _engine(url: sa.URL) -> Iterator[sa.Engine]:
    """A connection to the database that is let go of at the end."""
    engine = sa.create_engine(url)
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def _storage(url: sa.URL) -> Iterator[optuna.storages.RDBStorage]:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = optuna.storages.RDBStorage(url.render_as_string(hide_password=False))
    try:
        yield storage
    finally:
        storage.remove_session()
        storage.engine.dispose()
