"""The whole loop with real workers and a real store: repeatable, resumable, never stopped by a genome."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from hrfevo.algorithms.registry import make_algorithm
from hrfevo.results.status import failures_in_words, status_of
from hrfevo.runner.loop import FAR_TO_STOP, NothingSucceeds, Search
from hrfevo.runner.nearest import Nearest
from hrfevo.runner.observers.display import PlainDisplay, _left, make_display
from hrfevo.space.genome import sample
from hrfevo.space.reading import load_space
from hrfevo.space.search_space import SearchSpace
from hrfevo.space.sections import Bounds, Resources
from hrfevo.store.database import sqlite_url
from hrfevo.store.run_folder import RunFolder
from hrfevo.store.store import Store
from hrfevo.workers.base import Job, Outcome, Unfit, Workers
from hrfevo.workers.evaluation import TrainingEvaluator
from hrfevo.workers.inline import InlineWorkers
from signal_model.data.corpus import load_corpus
from signal_model.support.console import Interruption, library_console
from signal_model.support.errors import InputError
from signal_model.training.trainer import Trainer
from tests.conftest import PowerCut, command, only_run
from tests.tools.evaluators import Scripted
from tests.tools.forks import Forked

QUIET = type("Quiet", (), {"submitted": lambda *_: None, "ended": lambda *_: None})()


def search(space: SearchSpace, workers: Workers, store: Store, run: str, **options: Any) -> Search:
    name, synchronous = options.pop("algorithm", "evolution"), options.pop("synchronous", False)
    algorithm = make_algorithm(name, space, np.random.SeedSequence(0), synchronous)
    return Search(run, space, algorithm, workers, store, training_seed=5, **options)


@pytest.fixture
def space(tiny_space: Path) -> SearchSpace:
    return load_space(tiny_space)[0]


def statuses(store: Store) -> list[str]:
    return [evaluation.status for evaluation in store.evaluations("run")]


def test_failures_count_and_do_not_stop_the_search(space: SearchSpace, store: Store) -> None:
    one = search(space, InlineWorkers(Scripted("some fail")), store, "run")
    assert one.run(QUIET) == "budget spent: 10 evaluations"
    assert statuses(store).count("failed") == 4
    assert len(statuses(store)) == 10
    assert one.spent.evaluations == 10


def test_terminal_and_report_count_the_same_generations(space: SearchSpace, store: Store) -> None:
    longer = {"rungs": [1, 2], "budget": space.budget.model_copy(update={"evaluations": 30})}
    space = space.model_copy(update=longer)
    one = search(space, InlineWorkers(Scripted("some fail")), store, "run", algorithm="random")
    one.run(QUIET)
    births = {evaluation.birth for evaluation in store.evaluations("run")}
    assert len(births) < len(store.evaluations("run")), "some were promoted"
    whole = len(births) // space.population
    assert one.standings.logbook.select("generation") == [*range(whole)]


def test_a_short_search_in_which_all_failed_is_no_success(space: SearchSpace, store: Store) -> None:
    budget = space.budget.model_copy(update={"evaluations": 3})
    few = space.model_copy(update={"budget": budget})
    with pytest.raises(NothingSucceeds, match="all 3 evaluations failed"):
        search(few, InlineWorkers(Scripted("all fail")), store, "run").run(QUIET)


def test_a_search_that_had_failed_fails_again_with_the_same_reason(space: SearchSpace, store: Store) -> None:
    few = space.model_copy(update={"budget": space.budget.model_copy(update={"evaluations": 3})})
    said = []
    for _ in range(2):
        one = search(few, InlineWorkers(Scripted("all fail")), store, "run")
        one.replay(store.evaluations("run"), 0.0)
        with pytest.raises(NothingSucceeds) as error:
            one.run(QUIET)
        said.append(str(error.value))
    assert said[0] == said[1]
    assert said[0].endswith("diverged: the loss is nan")


def test_a_search_of_which_nothing_keeps_a_measured_bound_is_no_success(tiny_space: Path, tmp_path: Path) -> None:
    bound = ("--set", "constraints={bits_per_byte: {max: 0.1}}", "--evaluations", 4, "--backend", "inline")
    result = command("hrfevo", "run", tiny_space, "--out", tmp_path, *bound)
    assert result.returncode == 1
    assert "none of the first 4 genomes keeps to bits_per_byte at most 0.1; the nearest had " in result.stdout
    assert "Traceback" not in result.stderr


@pytest.mark.usefixtures("undrawn")
def test_a_budget_below_what_is_done_is_refused(tiny_space: Path, tmp_path: Path) -> None:
    assert command("hrfevo", "run", tiny_space, "--out", tmp_path / "out", "--backend", "inline").returncode == 0
    run = only_run(tmp_path / "out")
    before = (run / "run.json").read_text()
    result = command("hrfevo", "resume", run, "--evaluations", 4, "--backend", "inline")
    assert result.returncode == 2
    assert "has 10 already; name as many or more" in result.stderr
    assert (run / "run.json").read_text() == before


def test_a_search_whose_reader_has_gone_is_stopped(tiny_space: Path, tmp_path: Path) -> None:
    arguments = ["run", tiny_space, "--out", tmp_path / "out", "--backend", "inline", "--evaluations", 40]
    process = subprocess.Popen([sys.executable, "-m", "hrfevo.cli", *map(str, arguments)], stdout=subprocess.PIPE)
    assert process.stdout
    assert next(line for line in process.stdout if line.startswith(b"run "))
    process.stdout.close()
    assert process.wait(240) == 141
    told = command("hrfevo", "status", only_run(tmp_path / "out")).stdout
    assert "stopped" in told
    assert "the reader of its output has gone" in told


def test_infeasible_genomes_do_not_count_against_the_budget(space: SearchSpace, store: Store) -> None:
    search(space, InlineWorkers(Scripted("infeasible")), store, "run").run(QUIET)
    assert statuses(store).count("finished") == 10
    assert statuses(store).count("infeasible") >= 9


def test_a_search_that_finds_one_feasible_genome_in_thousands_ends_and_says_why(
    space: SearchSpace, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hrfevo.runner.loop.INFEASIBLE_TO_STOP", 50)
    one = search(space, InlineWorkers(Scripted("one")), store, "run")
    assert one.run(QUIET) == "the last 50 genomes were infeasible, the last with: parameters 9 above 3"
    assert (one.tally.finished, one.tally.infeasible) == (1, 53)
    again = search(space, InlineWorkers(Scripted("one")), store, "run")
    again.replay(store.evaluations("run"), 0.0)
    assert again.run(QUIET).startswith("the last 50 genomes were infeasible")
    assert failures_in_words(store.evaluations("run")) == ["infeasible 53 times: parameters above 3"]


def test_a_search_that_comes_no_nearer_to_a_bound_ends_and_says_how_near(
    space: SearchSpace, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seven genomes come nearer, then none does; resumed it tries no other, and half of it resumed ends alike."""
    monkeypatch.setattr("hrfevo.runner.loop.FAR_TO_STOP", 20)
    bound = {"parameters": Bounds(max=10)}
    tight = space.model_copy(update={"constraints": bound})
    says = "none of the first 28 genomes keeps to parameters at most 10; the nearest had 6,696"
    with pytest.raises(SystemExit):
        search(tight, PowerCut(Scripted("too large"), 15), store, "run").run(QUIET)
    for _ in range(2):
        again = search(tight, InlineWorkers(Scripted("too large")), store, "run")
        again.replay(store.evaluations("run"), 0.0)
        with pytest.raises(NothingSucceeds, match=says):
            again.run(QUIET)
        assert statuses(store) == ["infeasible"] * 28


@pytest.mark.parametrize("power", [1, 2, 5, 20])
def test_bounds_that_chance_may_keep_are_not_taken_for_out_of_reach(power: int, space: SearchSpace) -> None:
    """One genome in 400 keeps to them, distances of the others are the power's; then all are further away by a half."""
    bounded = space.model_copy(update={"constraints": {"parameters": Bounds(max=1)}})
    job = Job(0, sample(space, np.random.default_rng(0)), 0, 0)

    def given_up(beyond: float, seed: int) -> bool:
        """Whether draws before the first feasible one make the bound be taken for out of reach."""
        draws = np.random.default_rng(seed).random(2000) ** (1 / power) - (1 / 400) ** (1 / power) + beyond
        nearest = Nearest(bounded)
        for distance in itertools.takewhile(lambda d: d > 0, draws):
            nearest.add(Outcome(job, "infeasible", {"parameters": 1 + distance}))
            if nearest.since >= FAR_TO_STOP and nearest.out_of_reach:
                return True
        return False

    assert sum(given_up(0.0, seed) for seed in range(40)) <= (4 if power == 20 else 1)
    assert sum(given_up(0.5, seed) for seed in range(10)) == 10


def test_a_search_that_has_a_feasible_genome_is_not_ended_for_being_far(
    space: SearchSpace, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hrfevo.runner.loop.FAR_TO_STOP", 4)
    assert search(space, InlineWorkers(Scripted("infeasible")), store, "run").run(QUIET).startswith("budget spent")


def test_a_search_in_which_nothing_succeeds_says_so(space: SearchSpace, store: Store) -> None:
    with pytest.raises(NothingSucceeds, match="all of the first 8 evaluations failed, the last with: diverged"):
        search(space, InlineWorkers(Scripted("all fail")), store, "run").run(QUIET)


def test_a_budget_in_minutes_ends_the_search(space: SearchSpace, store: Store) -> None:
    space = space.model_copy(update={"budget": space.budget.model_copy(update={"evaluations": None, "minutes": 1.0})})
    ticks = iter(range(0, 10_000, 7))
    one = search(space, InlineWorkers(Scripted()), store, "run", clock=lambda: float(next(ticks)))
    assert one.run(QUIET) == "budget spent: 1 minute"
    assert 2 <= len(statuses(store)) <= 6


@pytest.mark.parametrize("synchronous", [False, True])
@pytest.mark.parametrize("stop_after", [1, 4, 7])
def test_a_resumed_search_is_the_search_it_would_have_been(
    space: SearchSpace, tmp_path: Path, stop_after: int, synchronous: bool
) -> None:
    """Stopped dead after some evaluations, one in flight; the proposals that follow are the same."""
    whole = Store(sqlite_url(tmp_path / "whole.db"))
    whole.create_run("run", "run", {})
    search(space, InlineWorkers(Scripted("some fail")), whole, "run", synchronous=synchronous).run(QUIET)

    cut = Store(sqlite_url(tmp_path / "cut.db"))
    cut.create_run("run", "run", {})
    with pytest.raises(SystemExit):
        search(space, PowerCut(Scripted("some fail"), stop_after), cut, "run", synchronous=synchronous).run(QUIET)
    assert statuses(cut).count("running") == 1
    resumed = search(space, InlineWorkers(Scripted("some fail")), cut, "run", synchronous=synchronous)
    resumed.replay(cut.evaluations("run"), seconds=100.0)
    assert resumed.seconds >= 100
    resumed.run(QUIET)

    def story(store: Store) -> list[tuple[Any, ...]]:
        return [
            (e.number, e.genome, e.operator, e.parents, e.rung, e.status, e.metrics) for e in store.evaluations("run")
        ]

    assert story(cut) == story(whole)


# --- Ray -----------------------------------------------------------------------------------------


def test_a_worker_that_dies_is_replaced_and_its_job_retried(space: SearchSpace, store: Store, tmp_path: Path) -> None:
    """A job that killed its worker once finishes; one that does it again and again has failed."""
    from hrfevo.workers.ray_workers import RayWorkers

    workers = RayWorkers(Scripted("kill", str(tmp_path)), Resources(), 2)
    try:
        search(space, workers, store, "run").run(QUIET)
    finally:
        workers.close()
    assert len(statuses(store)) == 10
    assert statuses(store).count("failed") == 1
    assert (tmp_path / "killed by 2").exists()
    assert store.evaluations("run")[2].status == "finished"
    assert store.evaluations("run")[5].reason == "worker died 3 times"


def test_what_a_ray_worker_lacks_stops_the_search_and_waits_for_its_return(space: SearchSpace, store: Store) -> None:
    from hrfevo.workers.ray_workers import RayWorkers

    workers = RayWorkers(Scripted("unfit"), Resources(), 1)
    try:
        with pytest.raises(Unfit, match=r"^worker here:1: No module named 'pywt'$"):
            search(space, workers, store, "run").run(QUIET)
    finally:
        workers.close()
    resumed = search(space, InlineWorkers(Scripted()), store, "run")
    resumed.replay(store.evaluations("run"), 0.0)
    resumed.run(QUIET)
    assert statuses(store) == ["finished"] * 10


def best(run: Path) -> str:
    result = command("hrfevo", "best", run, "--format", "json")
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.usefixtures("undrawn")
def test_the_same_seed_gives_the_same_search_inline_and_with_any_number_of_ray_workers(
    tiny_space: Path, tmp_path: Path
) -> None:
    """`best --format json` is the same text, twice inline and with one and two Ray workers.

    Once in a new Python, whose hashes have a seed of their own.
    """
    outputs = []
    for index, options in enumerate((["--backend", "inline"],) * 2 + (["--workers", 1], ["--workers", 2])):
        out = tmp_path / str(index)
        asked = ("run", tiny_space, "--out", out, "--seed", 4, "--synchronous", *options)
        result = command("hrfevo", *asked, new=index == 1)
        assert result.returncode == 0, result.stderr + result.stdout
        outputs.append(best(only_run(out)))
    assert len(json.loads(outputs[0])) >= 4
    assert outputs[0] == outputs[1] == outputs[2] == outputs[3]
    other = tmp_path / "other"
    command("hrfevo", "run", tiny_space, "--out", other, "--seed", 5, "--synchronous", "--backend", "inline")
    assert best(only_run(other)) != outputs[0]


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("backend", ["inline", "ray"])
def test_kill_minus_nine_at_a_random_moment_loses_and_repeats_nothing(
    tiny_space: Path, tmp_path: Path, backend: str
) -> None:
    """Killed several times at random; each finished evaluation stays as it was and the budget is met."""
    out = tmp_path / "out"
    arguments = ["run", tiny_space, "--out", out, "--backend", backend, "--evaluations", 24]
    run: Path | None = None
    finished: dict[int, dict[str, float]] = {}
    generator = random.Random(backend)
    for _ in range(2):
        log = tmp_path / "log"
        process = Forked("hrfevo.cli", arguments, Path(os.devnull), log)
        wait_for_progress(out, len(finished) + generator.randint(1, 4), process, log)
        time.sleep(generator.random() * 0.2)
        run = only_run(out)
        assert state(run)[0] == "running"
        process.kill()
        process.wait()
        told, advice, flying = state(run)
        assert (told, advice) == ("crashed", f"hrfevo resume {run}")
        evaluations = read(run)
        assert flying == {n for n, e in evaluations.items() if e.status == "running"}
        for number, metrics in finished.items():
            assert evaluations[number].metrics == metrics, "a finished evaluation was repeated or lost"
        finished = {n: e.metrics for n, e in evaluations.items() if e.status == "finished"}
        arguments = ["resume", run, "--backend", backend]
    result = command("hrfevo", *arguments)
    assert result.returncode == 0, result.stderr
    assert run is not None
    evaluations = read(run)
    assert {n: evaluations[n].metrics for n in finished} == finished
    assert sum(e.status in ("finished", "failed") for e in evaluations.values()) == 24
    assert not any(e.status == "running" for e in evaluations.values())
    assert len({(e.genome, e.rung) for e in evaluations.values()}) == len(evaluations)
    assert (run / "report.html").is_file()
    assert state(run) == ("finished", "", set())
    again = command("hrfevo", "resume", run, "--backend", backend)
    assert again.returncode == 0
    assert len(read(run)) == len(evaluations)


def state(run: Path) -> tuple[str, str, set[int]]:
    folder = RunFolder.open(run)
    with closing(folder.open_store()) as store:
        found = status_of(folder, store)
    return found.state, found.advice, {one.number for one in found.in_flight}


def read(run: Path) -> dict[int, Any]:
    folder = RunFolder.open(run)
    store = folder.open_store()
    try:
        return {evaluation.number: evaluation for evaluation in store.evaluations(folder.id)}
    finally:
        store.close()


def wait_for_progress(out: Path, count: int, process: Forked, log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        runs = list(out.glob("*/results.db"))
        try:
            if runs and sum(e.status == "finished" for e in read(runs[0].parent).values()) >= count:
                return
        except InputError:
            pass  # the run is just being made
        time.sleep(0.05)
    assert process.poll() is None, f"the search ended before it could be killed: {log.read_text()}"


def test_control_c_ends_cleanly_and_says_how_to_resume(tiny_space: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = ["run", tiny_space, "--out", out, "--evaluations", 500, "--workers", 1]
    process = Forked("hrfevo.cli", arguments, tmp_path / "stdout", tmp_path / "stderr")
    wait_for_progress(out, 3, process, tmp_path / "stderr")
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the whole group
    assert process.wait(240) == 130
    output, errors = ((tmp_path / name).read_text() for name in ("stdout", "stderr"))
    assert f"Go on with: hrfevo resume {only_run(out)}" in output
    assert "Traceback" not in errors + output
    assert (only_run(out) / "report.html").is_file()
    assert (only_run(out) / "best.yaml").is_file()
    listed = command("hrfevo", "list", out, "--format", "json")
    assert json.loads(listed.stdout)[0]["state"] == "stopped"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_request_to_end_that_a_library_loses_is_not_lost(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with Interruption() as interruption:
        interruption.check()
        with contextlib.suppress(KeyboardInterrupt):  # as in a callback of a library
            os.kill(os.getpid(), number)
            time.sleep(1)
        with pytest.raises(KeyboardInterrupt):
            interruption.check()
    assert signal.getsignal(number) == before


@pytest.mark.usefixtures("undrawn")
def test_two_searches_cannot_write_to_one_run(tiny_space: Path, tmp_path: Path) -> None:
    command("hrfevo", "run", tiny_space, "--out", tmp_path / "out", "--backend", "inline", "--evaluations", 4)
    folder = RunFolder.open(only_run(tmp_path / "out"))
    with folder.locked():
        result = command("hrfevo", "resume", folder.path, "--backend", "inline", "--evaluations", 6)
    assert result.returncode == 2
    assert "another hrfevo is running this search" in result.stderr


# --- evaluation ----------------------------------------------------------------------------------


def test_an_evaluation_measures_what_it_says(space: SearchSpace) -> None:
    from hrfevo.space.genome import Genome, express
    from signal_model.model import build_model, count_parameters

    layer = {"mixer.kind": "harmonic", "feedforward.expansion": 1.0}
    genome = Genome({"training.learning_rate": 0.01, "embedding.kind": "standard", "layers": [layer]})
    evaluator = TrainingEvaluator(space, load_corpus(space.corpus, space.tokenizer), "cpu")
    outcome = evaluator(Job(0, genome, 0, 7))
    assert outcome.status == "finished"
    recipe = express(space, genome, seed=7)
    assert outcome.metrics["parameters"] == count_parameters(build_model(recipe.model, 7))
    assert outcome.metrics["train_tokens"] == 3 * 4 * 32
    assert [point.step for point in outcome.curve] == [1, 2, 3]
    assert evaluator(Job(1, genome, 0, 7)).metrics["bits_per_byte"] == outcome.metrics["bits_per_byte"]
    assert evaluator(Job(2, genome, 0, 8)).metrics["bits_per_byte"] != outcome.metrics["bits_per_byte"]


def test_a_promoted_genome_goes_on_from_its_checkpoint_to_the_same_score(space: SearchSpace, tmp_path: Path) -> None:
    from hrfevo.space.genome import Genome

    layer = {"mixer.kind": "harmonic", "feedforward.expansion": 1.0}
    genome = Genome({"training.learning_rate": 0.01, "embedding.kind": "standard", "layers": [layer]})
    long = space.model_copy(update={"rungs": [7, 50]})
    evaluator = TrainingEvaluator(long, load_corpus(space.corpus, space.tokenizer), "cpu")
    kept = tmp_path / "checkpoints" / "one"
    first = evaluator(Job(0, genome, 0, 7, str(kept)))
    assert [path.name for path in kept.iterdir()] == ["training.safetensors"]
    steps = []
    step = Trainer._take_step

    def counted(trainer: Trainer) -> None:
        steps.append(trainer.step)
        step(trainer)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "_take_step", counted)
        going_on = evaluator(Job(1, genome, 1, 7, str(kept)))
    assert steps == [*range(7, 50)]
    whole = evaluator(Job(2, genome, 1, 7))
    assert going_on.metrics["bits_per_byte"] == whole.metrics["bits_per_byte"] != first.metrics["bits_per_byte"]
    assert [p.bits_per_byte for p in first.curve + going_on.curve] == [p.bits_per_byte for p in whole.curve]
    (kept / "training.safetensors").write_bytes(b"cut off")
    assert evaluator(Job(3, genome, 1, 7, str(kept))).metrics["bits_per_byte"] == whole.metrics["bits_per_byte"]


def test_offspring_begin_with_the_weights_that_fit(space: SearchSpace, tmp_path: Path) -> None:
    from hrfevo.space.genome import Genome

    def genome(rate: float, expansion: float) -> Genome:
        layer = {"mixer.kind": "harmonic", "feedforward.expansion": expansion}
        return Genome({"training.learning_rate": rate, "embedding.kind": "standard", "layers": [layer]})

    heirs = space.model_copy(update={"inherit": True, "rungs": [40]})
    evaluator = TrainingEvaluator(heirs, load_corpus(space.corpus, space.tokenizer), "cpu")
    parent, same, other = (str(tmp_path / name) for name in ("parent", "same", "other"))
    first = evaluator(Job(0, genome(0.01, 1.0), 0, 7, parent))
    child = evaluator(Job(1, genome(0.009, 1.0), 0, 7, same, parent))
    wider = evaluator(Job(2, genome(0.009, 2.0), 0, 7, other, parent))
    orphan = evaluator(Job(3, genome(0.009, 1.0), 0, 7, None, str(tmp_path / "gone")))
    assert first.metrics["inherited"] == orphan.metrics["inherited"] == 0
    assert child.metrics["inherited"] == 1
    assert 0 < wider.metrics["inherited"] < 1
    assert child.metrics["bits_per_byte"] < orphan.metrics["bits_per_byte"] - 0.1
    plain = TrainingEvaluator(heirs.model_copy(update={"inherit": False}), evaluator.corpus, "cpu")
    assert plain(Job(4, genome(0.009, 1.0), 0, 7)).metrics["bits_per_byte"] == orphan.metrics["bits_per_byte"]


def test_a_search_with_inheritance_marks_every_result_and_its_confirmation_has_none(
    tiny_space: Path, tmp_path: Path
) -> None:
    options = ["--backend", "inline", "--set", "inherit=true", "--set", "confirm={top: 1, seeds: 2, baseline: false}"]
    result = command("hrfevo", "run", tiny_space, "--out", tmp_path / "out", "--evaluations", 24, *options)
    assert result.returncode == 0, result.stderr
    folder = RunFolder.open(only_run(tmp_path / "out"))
    with closing(folder.open_store()) as store:
        evaluations = store.evaluations(folder.id)
    finished = [e for e in evaluations if e.status == "finished"]
    assert all((e.metrics["inherited"] > 0) <= bool(e.parents) for e in finished)
    assert any(e.metrics["inherited"] > 0 for e in finished)
    assert "lineage" in (folder.path / "report.html").read_text()
    winners = RunFolder.open(folder.path / "confirmation" / "1" / "winners")
    with closing(winners.open_store()) as store:
        assert not any("inherited" in e.metrics for e in store.evaluations(winners.id))


def test_constraints_stop_a_genome_before_it_is_trained(space: SearchSpace) -> None:
    from hrfevo.space.genome import Genome

    layer = {"mixer.kind": "harmonic", "feedforward.expansion": 1.0}
    genome = Genome({"training.learning_rate": 0.01, "embedding.kind": "standard", "layers": [layer]})
    corpus = load_corpus(space.corpus, space.tokenizer)
    bounded = space.model_copy(update={"constraints": {"parameters": Bounds(max=100)}})
    outcome = TrainingEvaluator(bounded, corpus, "cpu")(Job(0, genome, 0, 7))
    assert outcome.status == "infeasible"
    assert "parameters" in outcome.reason
    assert "above 100" in outcome.reason
    assert not outcome.curve


def test_divergence_and_defects_are_outcomes_with_a_reason(space: SearchSpace, monkeypatch: pytest.MonkeyPatch) -> None:
    import hrfevo.workers.evaluation as evaluation
    from hrfevo.space.genome import Genome

    layer = {"mixer.kind": "attention", "feedforward.expansion": 1.0}
    genome = Genome({"training.learning_rate": 0.01, "embedding.kind": "standard", "layers": [layer]})
    corpus = load_corpus(space.corpus, space.tokenizer)
    wild = space.model_copy(update={"training": dict(space.training) | {"weight_decay": 1e30}})
    assert TrainingEvaluator(wild, corpus, "cpu")(Job(0, genome, 0, 7)).reason.startswith("diverged: the loss is")

    def broken(*_: Any) -> None:
        raise RuntimeError("a defect\nin two lines")

    monkeypatch.setattr(evaluation, "Trainer", broken)
    outcome = TrainingEvaluator(space, corpus, "cpu")(Job(0, genome, 0, 7))
    assert (outcome.status, outcome.reason) == ("failed", "error: RuntimeError: a defect in two lines")
    assert "Traceback" in outcome.detail


def test_lines_say_after_how_many_steps_and_what_failed(space: SearchSpace, store: Store) -> None:
    budget = space.budget.model_copy(update={"evaluations": 40})
    long = space.model_copy(update={"rungs": [3, 9], "promote": 0.5, "budget": budget})
    out = io.StringIO()
    one = search(long, InlineWorkers(Scripted("some fail")), store, "run")
    display = PlainDisplay(Console(file=out, width=113), long)
    assert "left" not in _left(one), "nothing has been spent that would tell"
    one.run(display)
    lines = out.getvalue().splitlines()
    ended = [e for e in store.evaluations("run") if e.status != "running"]
    assert {e.rung for e in ended} == {0, 1}
    told = [line for line in lines if line.startswith("[")]
    for line, evaluation in zip(told, sorted(ended, key=lambda e: e.ended_event or 0), strict=True):
        assert f"] {evaluation.genome} ({long.rungs[evaluation.rung]} steps) " in line
    assert all(line.endswith(" left") for line in told)
    scores = [e.metrics["bits_per_byte"] for e in ended if e.rung == 1 and e.status == "finished"]
    assert f"best {min(scores):.6g} (9 steps)" in [line for line in told if "best" in line][-1]
    failed = [e for e in ended if e.status == "failed"]
    (words,) = failures_in_words(ended)
    assert words.startswith(f"failed {len(failed)} times: {failed[0].reason} ({failed[0].genome}, ")


def test_in_a_notebook_one_output_is_drawn_again_and_elsewhere_nothing_moves_the_cursor(
    space: SearchSpace, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a stand-in for IPython that keeps what is displayed; without a kernel there are plain lines."""
    drawn: list[tuple[str, str]] = []

    class Handle:
        def display(self, output: dict[str, str], raw: bool) -> None:
            drawn.append(("display", output["text/plain"]))

        def update(self, output: dict[str, str], raw: bool) -> None:
            drawn.append(("update", output["text/plain"]))

    ipython, display = ModuleType("IPython"), ModuleType("IPython.display")
    display.DisplayHandle = Handle  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr("hrfevo.runner.observers.display.REFRESHES", 1e9)
    for kernel in (None, object()):
        ipython.get_ipython = lambda kernel=kernel: SimpleNamespace(kernel=kernel)  # type: ignore[attr-defined]
        out, run = io.StringIO(), f"run{kernel is None}"
        store.create_run(run, run, {})
        one = search(space, InlineWorkers(Scripted()), store, run)
        with contextlib.redirect_stdout(out), make_display(library_console(), space, one) as shown:
            one.run(shown)
        assert isinstance(shown, PlainDisplay) == (kernel is None)
        assert len(out.getvalue().splitlines()) == (0 if kernel else one.tally.finished + len(one.standings.logbook))
        assert "\x1b[" not in out.getvalue().replace("\x1b[0m", "")
    assert [how for how, _ in drawn] == ["display"] + ["update"] * (2 * one.tally.finished + 1)
    assert f"{one.tally.finished} finished" in drawn[-1][1]
    assert not any("\x1b" in text for _, text in drawn)


# --- workers that lack what no genome can bring along ---------------------------------------------


def unfit_of(evaluator: Any, space: SearchSpace) -> str:
    genome = make_algorithm("random", space, np.random.SeedSequence(0)).ask().genome  # type: ignore[union-attr]
    with pytest.raises(Unfit) as error:
        evaluator(Job(0, genome, 0, 0))
    return str(error.value)


def test_what_a_worker_lacks_is_nobodys_failure(
    space: SearchSpace, monkeypatch: pytest.MonkeyPatch, store: Store
) -> None:
    """A missing package, part, module of a part, or device: no genome fails or is infeasible of it."""
    from hrfevo.workers import evaluation
    from signal_model.config import EmbeddingConfig
    from signal_model.layers import registry

    evaluator = TrainingEvaluator(space, load_corpus(space.corpus, space.tokenizer), "cpu")
    assert "device: cuda:99 is not available" in unfit_of(replace(evaluator, device="cuda:99"), space)

    elsewhere = space.model_copy(update={"model": space.model | {"positions": {"kind": "fancy"}}})
    assert "'fancy' is no kind" in unfit_of(replace(evaluator, space=elsewhere), elsewhere)

    def without(*_: object) -> None:
        raise ModuleNotFoundError("No module named 'pywt'")

    with monkeypatch.context() as patched:
        patched.setattr(evaluation, "build_model", without)
        assert unfit_of(evaluator, space).endswith("No module named 'pywt'")
        with pytest.raises(Unfit):
            search(space, InlineWorkers(evaluator), store, "run").run(QUIET)
    assert statuses(store) == ["running"]

    class Orphan(EmbeddingConfig):  # no kind of its own: files cannot name it
        pass

    with pytest.raises(ImportError, match="no module implements Orphan"):
        registry.build(Orphan(kind="orphan"), None)  # type: ignore[arg-type]
