"""What a search that goes on is: its history told to a new algorithm, and nothing computed again."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from hrfevo.algorithms.base import PROMOTION, Algorithm, Proposal, Result
from hrfevo.algorithms.evolution import feasibility, surrogate
from hrfevo.algorithms.evolution.gaussian_process import fit
from hrfevo.algorithms.registry import ALGORITHMS, SURVEY, make_algorithm
from hrfevo.cli import app
from hrfevo.results.confirmation.confirmed import latest
from hrfevo.runner import confirmation, machinery, products
from hrfevo.runner.loop import Search
from hrfevo.space.genome import Genome
from hrfevo.space.reading import parse_space
from hrfevo.space.search_space import SearchSpace
from hrfevo.store.run_folder import BEGAN_FILE, DATABASE, RUN_FILE, RunFolder
from hrfevo.store.spending import spent
from hrfevo.store.started import Started
from hrfevo.workers.base import Evaluator, Job, Outcome
from hrfevo.workers.inline import InlineWorkers
from signal_model.support.errors import InputError
from tests.conftest import command, only_run
from tests.hrfevo.commands.test_formats import old_run
from tests.tools.evaluators import Scripted
from tests.tools.searches import QUIET

# A continuum and a finite space that is searched through, so that generations end before they are full.
MIXED = """
name: mixed
model: {context: 64, width: 64}
rungs: [1, 2, 4]
population: 6
replicates: REPLICATES
budget: {evaluations: 100}
objectives: {bits_per_byte: minimize, parameters: minimize}
constraints: {parameters: {max: 90}}
genes:
  training.learning_rate: {type: float, low: 1e-3, high: 1e-1, log: true}
  embedding.kind: {type: choice, values: [standard, spectral]}
  embedding.bases: {type: int, low: 2, high: 9, when: {embedding.kind: spectral}}
  layers:
    type: layers
    min: 1
    max: 3
    fixed: {feedforward: {kind: mlp}}
    genes:
      mixer.kind: {type: choice, values: [attention, harmonic, wavelet]}
      feedforward.expansion: {type: ordered, values: [1.0, 2.0, 4.0]}
"""
SMALL = """
name: small
rungs: [1, 2, 3]
population: 6
promote: 0.5
replicates: REPLICATES
budget: {evaluations: 100}
genes:
  embedding.kind: {type: choice, values: [standard, spectral]}
  embedding.bases: {type: int, low: 2, high: 14, when: {embedding.kind: spectral}}
"""
Event = Proposal | Result


def space_of(text: str, name: str, replicates: float) -> SearchSpace:
    space = parse_space(text.replace("REPLICATES", str(replicates)), "space")
    return space.model_copy(update={"objectives": {"bits_per_byte": "minimize"}}) if name == "cmaes" else space


def result(space: SearchSpace, proposal: Proposal) -> Result:
    """What becomes of a proposal: a smooth function of the genome with noise of its own, or a failure."""
    values, own = proposal.genome.values, int(proposal.genome.id, 16)
    if own % 11 == 0:
        return Result(proposal, None, (), "diverged")
    size = float(values.get("embedding.bases", 5)) + 10 * len(values.get("layers", []))
    loss = abs(np.log(values.get("training.learning_rate", 0.01) / 0.01)) + 1 / size
    noise = np.random.default_rng([own, proposal.rung, proposal.seed or 0]).normal() / 20
    margins = space.margins({"parameters": size})
    objectives = (float(loss - 0.1 * proposal.rung + noise), size)[: len(space.objectives)]
    return Result(proposal, objectives if all(margin <= 0 for margin in margins) else None, margins)


def events(algorithm: Algorithm, space: SearchSpace, workers: int, flying: list[Proposal]) -> Iterator[Event]:
    """Proposals and results as they come, the oldest or the latest of those in flight ending first."""
    while True:
        while len(flying) < workers and (proposal := algorithm.ask()):
            flying.append(proposal)
            yield proposal
        if not flying:
            return
        ended = result(space, flying.pop(-1 if int(flying[-1].genome.id, 16) % 2 else 0))
        algorithm.tell([ended])
        yield ended


def retold(algorithm: Algorithm, history: list[Event]) -> list[Proposal]:
    """Tell an algorithm what a store keeps; returns what was in flight."""
    flying: dict[tuple[Genome, int, int | None], Proposal] = {}
    known: set[Genome] = set()
    for event in history:
        if isinstance(event, Proposal):
            again = event.genome in known
            stored = Proposal(
                Genome(json.loads(json.dumps(event.genome.values))),
                PROMOTION if again else event.operator,
                () if again else event.parents,
                event.rung,
                event.seed,
                opens=event.opens,
            )
            known.add(event.genome)
            adopted = algorithm.adopt(stored)
            assert (adopted.genome, adopted.fresh) == (event.genome, event.fresh)
            flying[event.genome, event.rung, event.seed] = adopted
        else:
            own = event.proposal
            algorithm.tell([replace(event, proposal=flying.pop((own.genome, own.rung, own.seed)))])
    return list(flying.values())


@pytest.mark.parametrize("name", [*ALGORITHMS, SURVEY])
@pytest.mark.parametrize("synchronous", [False, True])
@pytest.mark.parametrize("text", [MIXED, SMALL], ids=["mixed", "small"])
def test_who_is_told_its_history_goes_on_as_who_has_made_it(name: str, synchronous: bool, text: str) -> None:
    """Wherever it is cut, with several in flight: the same proposals follow, to the last."""
    length, cuts, tail = {"gp": (36, 2, 6)}.get(name, (110, 4, 15))
    space = space_of(text, name, 0.0 if name == SURVEY else 0.15)
    founders = [Proposal(Genome({"embedding.kind": "standard"}), "founder")] if text == SMALL else []

    def new() -> Algorithm:
        return make_algorithm(name, space, np.random.SeedSequence(3), synchronous, founders)

    whole: list[Event] = []
    for event in events(new(), space, 3, []):
        whole.append(event)
        if len(whole) == length:
            break
    for cut in np.linspace(1, len(whole) - 1, cuts).astype(int):
        algorithm = new()
        flying = retold(algorithm, whole[:cut])
        following = events(algorithm, space, 3, flying)
        for expected in whole[cut : cut + tail]:
            found = next(following)
            assert type(found) is type(expected)
            if isinstance(expected, Proposal):
                assert found == expected, f"cut at {cut}"
    if text == SMALL and synchronous:
        assert name in ("gp", SURVEY) or any(isinstance(event, Proposal) and event.opens for event in whole)


# --- a run, stopped at every stage ---------------------------------------------------------------

# 8 trainings of the search, 2 of its winner; of transformers as many steps as of the search, and 2 of the best of them.
STAGES = [8, 2]


class Stopped(Exception):
    """As `kill -9` is: nobody handles it."""


class Mortal(InlineWorkers):
    """Workers whose search is stopped at some training, which is lost; all trainings are counted."""

    trained: list[Job]
    stop_at: int | None
    how: type[BaseException]

    def __init__(self, evaluator: Evaluator) -> None:
        super().__init__(evaluator)

    def next_outcome(self) -> Outcome:
        outcome = super().next_outcome()
        if outcome.status != "infeasible":
            Mortal.trained.append(outcome.job)
            if len(Mortal.trained) - 1 == Mortal.stop_at:
                raise Mortal.how
        return outcome


@pytest.fixture
def mortal(monkeypatch: pytest.MonkeyPatch) -> type[Mortal]:
    """Inline workers that can be stopped; reports are not drawn."""

    def leave_products(folder: RunFolder, *_: object) -> Path:
        (folder.path / "report.html").touch()
        return folder.path / "report.html"

    monkeypatch.setattr(machinery, "InlineWorkers", Mortal)
    monkeypatch.setattr(products, "leave_products", leave_products)
    monkeypatch.setattr(confirmation, "leave_products", leave_products)
    Mortal.trained, Mortal.stop_at, Mortal.how = [], None, Stopped
    return Mortal


def told(*arguments: object) -> tuple[BaseException | None, str]:
    """How a command ends, None if well, and what it says."""
    result = CliRunner().invoke(app, [*map(str, arguments)])
    return result.exception, result.output


def story(run: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Every evaluation of a run and of its confirmation."""
    found = {}
    for file in sorted(run.rglob(RUN_FILE)):
        folder = RunFolder.open(file.parent)
        with closing(folder.open_store()) as store:
            found[str(file.parent.relative_to(run))] = [
                (e.number, e.genome, e.operator, e.parents, e.rung, e.seed, e.metrics.get("bits_per_byte"), e.status)
                for e in store.evaluations(folder.id)
            ]
            assert store.run(folder.id).state == "finished"
    return found


@pytest.fixture
def confirmed_space(tiny_space: Path) -> Path:
    text = tiny_space.read_text().replace("rungs: [3]", "rungs: [3, 6]").replace("evaluations: 10", "evaluations: 8")
    tiny_space.write_text(text.replace("confirm: {top: 0}", "confirm: {top: 1, seeds: 2, equal: steps}"))
    return tiny_space


def test_a_run_stopped_at_every_stage_is_the_run_it_would_have_been(
    confirmed_space: Path, tmp_path: Path, mortal: type[Mortal]
) -> None:
    """Killed and interrupted in the search, between it and the confirmation, in each stage of that, and after the end;
    then resumed by its folder alone. Trained twice is what was in flight, and nothing else."""
    begin = ("run", confirmed_space, "--backend", "inline", "--seed", 3, "--log", "tensorboard", "--out")
    assert told(*begin, tmp_path / "whole")[0] is None
    whole = story(only_run(tmp_path / "whole"))
    every = len(mortal.trained)
    assert [len(whole[name]) for name in (".", "confirmation/1/winners")] == STAGES
    for stop in (0, 7, 8, 14, every - 1):
        out = tmp_path / str(stop)
        mortal.trained, mortal.stop_at, mortal.how = [], stop, KeyboardInterrupt if stop % 2 else Stopped
        ended, said = told(*begin, out)
        assert ended is not None
        run = only_run(out)
        mortal.stop_at = stop + 2  # and once more
        ended, again = told("resume", run)
        assert (ended is None) == (stop + 2 > every)
        if stop % 2:
            assert f"o on with: hrfevo resume {run}" in said
            assert "resume " + str(run / "confirmation") not in said
        mortal.stop_at = None
        ended, again = told("resume", run)
        assert ended is None, again
        assert story(run) == whole
        assert len(mortal.trained) <= every + 2
        trained = len(mortal.trained)
        ended, again = told("resume", run)
        assert (ended, len(mortal.trained)) == (None, trained)
        assert "the search has finished (budget spent: 8 evaluations); nothing of it is done again" in again
        assert "its winners are confirmed; nothing of it is done again" in again
        assert len([*(run / "tensorboard").glob("0*")]) == STAGES[0]


def test_what_was_asked_for_at_the_start_holds_until_something_else_is_asked_for(
    confirmed_space: Path, tmp_path: Path, mortal: type[Mortal]
) -> None:
    assert told("run", confirmed_space, "--backend", "inline", "--no-confirm", "--out", tmp_path / "out")[0] is None
    run = only_run(tmp_path / "out")
    assert told("resume", run, "--evaluations", 10)[0] is None
    assert (len(mortal.trained), (run / "confirmation").exists()) == (10, False)
    mortal.stop_at = 11
    assert told("confirm", run, "--seeds", 3, "--no-baseline")[0] is not None
    assert len(mortal.trained) == 12
    mortal.stop_at = None
    assert told("resume", run)[0] is None  # as it was asked for: three seeds
    assert len(mortal.trained) == 12 + 2
    assert told("resume", run, "--evaluations", 12)[0] is None
    assert len(mortal.trained) == 16
    ended, said = told("resume", run, "--confirm")
    assert ended is None, said
    assert [path.name for path in sorted((run / "confirmation").iterdir())] == ["1", "2"]


def test_every_limit_of_a_budget_can_be_raised_and_machinery_is_tried_once(
    confirmed_space: Path, tmp_path: Path, mortal: type[Mortal], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Trainings so long that most of the time counts.
    text = confirmed_space.read_text().replace("rungs: [3, 6]", "rungs: [30, 60]")
    confirmed_space.write_text(text.replace("budget: {evaluations: 8}", "budget: {training_minutes: 0.01}"))
    ended, said = told("run", confirmed_space, "--backend", "inline", "--no-confirm", "--out", tmp_path / "out")
    assert ended is None
    assert "finished: budget spent: 0.01 minutes of training" in said
    run, before = only_run(tmp_path / "out"), len(mortal.trained)

    tried: list[bool] = []
    monkeypatch.setattr(machinery.Machinery, "check", lambda *_, **options: tried.append(True))
    for short, says in (
        (("--evaluations", 100), "has spent its budget of 0.01 minutes of training, too; give a larger --training-m"),
        (("--training-minutes", 0.01), "name as many or more"),
    ):
        ended, said = told("resume", run, *short)
        assert says in str(ended) + said
        assert len(mortal.trained) == before
    tried.clear()
    assert told("resume", run, "--training-minutes", 0.05)[0] is None
    assert (len(mortal.trained) > before, tried) == (True, [True])
    folder = RunFolder.open(run)
    assert folder.space().budget.limits == {"training_minutes": 0.05}
    before = len(mortal.trained)
    ended, said = told("resume", run, "--training-minutes", 60, "--minutes", 0.5, "--evaluations", before + 2)
    assert ended is None
    assert len(mortal.trained) == before + 2
    assert f"finished: budget spent: {before + 2} evaluations" in said


def test_a_confirmation_whose_results_are_gone_says_how_to_go_on(
    confirmed_space: Path, tmp_path: Path, mortal: type[Mortal]
) -> None:
    assert told("run", confirmed_space, "--backend", "inline", "--out", tmp_path / "out")[0] is None
    run = only_run(tmp_path / "out")
    place, whole = run / "confirmation" / "1", story(run)
    for stage in ("winners", "baseline", "baseline-winner"):
        (place / "done").unlink()
        (place / stage / DATABASE).unlink()
        ended, _ = told("resume", run)
        assert isinstance(ended, InputError)
        gone = (
            f"{place / stage}: its results are gone (no results.db in it); put the file back, or move the folder away"
        )
        assert str(ended).startswith(gone)
        (place / stage).rename(tmp_path / stage)
        assert told("resume", run)[0] is None
        assert story(run) == whole, "trained again, with the same seeds"
    (run / DATABASE).unlink()
    ended, _ = told("resume", run)
    assert "put the file back, or begin another run" in str(ended)


def test_a_run_that_was_killed_before_it_began_a_stage_goes_on(
    confirmed_space: Path, tmp_path: Path, mortal: type[Mortal]
) -> None:
    assert told("run", confirmed_space, "--backend", "inline", "--out", tmp_path / "out")[0] is None
    run = only_run(tmp_path / "out")
    place, whole = run / "confirmation" / "1", story(run)
    (place / "done").unlink()
    (place / "winners" / DATABASE).unlink()
    (place / "winners" / BEGAN_FILE).unlink()
    assert latest(RunFolder.open(run)) != []
    assert told("resume", run)[0] is None
    assert story(run) == whole


def test_a_start_is_changed_by_what_is_given_alone() -> None:
    cluster = Started(address="head:6379", workers=8, device="cuda", logs=("tensorboard",), confirm=False)
    assert cluster.changed() == cluster
    assert cluster.changed(backend="ray", workers=4) == cluster.model_copy(update={"workers": 4})
    inline = cluster.changed(backend="inline")
    assert (inline.backend, inline.address, inline.workers, inline.device) == ("inline", None, None, "cuda")
    here = cluster.changed(address="local", confirm=True)
    assert (here.backend, here.address, here.workers, here.confirm) == ("ray", None, None, True)
    assert inline.changed(address="auto").backend == "ray"
    assert (cluster.words, here.words) == ("the Ray cluster at head:6379, 8 workers", "Ray on this machine")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"backend": "dask"}, "run.json: started.backend: "),
        ({"workers": 0}, "run.json: started.workers: "),
        ({"nodes": 2}, "run.json: started.nodes: unknown setting"),
    ],
)
def test_a_start_that_none_wrote_is_refused(written_run: Path, tmp_path: Path, wrong: Any, message: str) -> None:
    settings = json.loads((written_run / RUN_FILE).read_text()) | {"started": wrong}
    for file in ("space.yaml", "results.db"):
        (tmp_path / file).write_bytes((written_run / file).read_bytes())
    (tmp_path / RUN_FILE).write_text(json.dumps(settings))
    ended, said = told("resume", tmp_path)
    assert message in str(ended) + said


@pytest.mark.parametrize("name", ["first", "second"])
def test_a_run_of_an_earlier_version_goes_on(name: str, tmp_path: Path) -> None:
    """What it was before is kept and told; what is new is new."""
    path = old_run(name, tmp_path)
    assert told("migrate", path)[0] is None
    folder = RunFolder.open(path)
    assert folder.started == Started()
    with closing(folder.open_store()) as store:
        before = store.evaluations(folder.id)
        space = folder.space()
        more = space.budget.model_copy(update={"evaluations": spent(space.rungs, before).evaluations + 3})
        space = space.model_copy(update={"budget": more})
        settings = folder.settings
        sequence, training = np.random.SeedSequence(settings.seed).spawn(2)
        algorithm = make_algorithm(settings.algorithm, space, sequence, settings.synchronous)
        workers = InlineWorkers(Scripted())
        search = Search(folder.id, space, algorithm, workers, store, int(training.generate_state(1)[0]))
        search.replay(before, 0.0)
        search.run(QUIET)
        after = store.evaluations(folder.id)
    assert after[: len(before)] == before
    assert spent(space.rungs, after).evaluations == spent(space.rungs, before).evaluations + 3
    assert len({(e.genome, e.rung) for e in after}) == len(after)


def test_who_is_told_a_long_history_fits_nothing_until_it_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """And encodes few: so thousands of evaluations are told in a moment."""
    space = space_of(MIXED, "evolution", 0.0)
    history = list(
        itertools.islice(events(make_algorithm("random", space, np.random.SeedSequence(3)), space, 3, []), 900)
    )
    algorithm = make_algorithm("evolution", space, np.random.SeedSequence(3))
    fits: list[int] = []

    def counted(points: np.ndarray, *rest: Any, **options: Any) -> Any:
        fits.append(len(points))
        return fit(points, *rest, **options)

    monkeypatch.setattr(surrogate, "fit", counted)
    monkeypatch.setattr(feasibility, "fit", counted)
    retold(algorithm, history)
    assert not fits
    assert algorithm.ask() is not None
    assert 0 < len(fits) < 12
    assert max(fits) <= 1.2 * surrogate.MAX_TO_FIT


@pytest.mark.usefixtures("undrawn")
def test_a_refused_resumption_changes_nothing_of_a_run(tmp_path: Path, tiny_space: Path) -> None:
    inline = ("--backend", "inline", "--no-confirm")
    assert command("hrfevo", "run", tiny_space, "--out", tmp_path, "--evaluations", 2, *inline).returncode == 0
    (run,) = (path for path in tmp_path.iterdir() if (path / "run.json").is_file())
    before = (run / "run.json").read_text()
    for options in (
        ("--evaluations", 9, "--trainings", 1),
        ("--evaluations", 9, "--device", "cuda:9"),
        ("--device", "cuda:9"),
        ("--confirm",),
    ):
        result = command("hrfevo", "resume", run, *options)
        assert result.returncode == 2, result.stdout
        assert (run / "run.json").read_text() == before, options
    assert "finished" in command("hrfevo", "status", run).stdout
    assert command("hrfevo", "resume", run).returncode == 0
