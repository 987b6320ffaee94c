"""The end of a search: confirmation beside a baseline, what winners take, and what a confirmed run is good for."""

from __future__ import annotations

import html
import io
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

import hrfevo
from hrfevo.commands.ending import exit_code
from hrfevo.results.confirmation.attempts import attempts, stages
from hrfevo.results.confirmation.confirmed import Confirmation, latest
from hrfevo.results.footprints import FILE, factor
from hrfevo.results.history import History
from hrfevo.runner import confirmation
from hrfevo.runner.confirmation import confirm
from hrfevo.runner.footprints import PASSES, measure_footprints
from hrfevo.runner.machinery import Machinery
from hrfevo.space.genome import Genome, express
from hrfevo.space.search_space import SearchSpace
from hrfevo.space.sections import Confirm
from hrfevo.store.records import Evaluation
from hrfevo.store.run_folder import RunFolder
from hrfevo.store.spending import spent
from hrfevo.views.footprints import footprint_figures, footprints_in_words
from hrfevo.views.verdicts import verdicts
from signal_model.config import ModelConfig
from tests.conftest import answer, command, only_run

# One that no search would choose.
FOUNDERS = """
founders:
  slow:
    training.learning_rate: 0.001
    embedding.kind: standard
    layers: [{mixer.kind: harmonic, feedforward.expansion: 1.0}]
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, text_folder: Path) -> Path:
    """A run with its confirmation, by the command."""
    from tests.conftest import TINY_SPACE

    folder = tmp_path_factory.mktemp("confirmed")
    space = folder / "tiny.yaml"
    space.write_text(
        TINY_SPACE.replace("TEXT", str(text_folder)).replace(
            "confirm: {top: 0}", "confirm: {top: 2, seeds: 2, equal: steps}"
        )
        + FOUNDERS
    )
    result = command("hrfevo", "run", space, "--out", folder / "runs", "--backend", "inline", timeout=600)
    assert result.returncode == 0, result.stderr
    assert "transformer" in result.stdout
    (run,) = (folder / "runs").iterdir()
    return run


def test_cost_is_of_every_evaluation_confirmation_included(finished: Path) -> None:
    run = RunFolder.open(finished)
    told = json.loads(answer("status", finished, "--format", "json"))
    for name, places in (("cost", [run]), ("confirmation_cost", stages(run))):
        every = [e for place in places for e in place.evaluations()]
        config = [express(place.space(), Genome(e.values), seed=0) for place in places for e in place.evaluations()]
        assert told[name]["evaluations"] == len(every) > 0
        assert told[name]["steps"] == sum(int(e.metrics["train_steps"]) for e in every)
        assert told[name]["tokens"] == sum(
            int(e.metrics["train_steps"]) * recipe.training.batch_size * recipe.model.context
            for e, recipe in zip(every, config, strict=True)
        )
        seconds = sum(e.seconds for e in every)
        assert told[name]["cpu_seconds"] == pytest.approx(run.space().resources.cpus * seconds)
    both = told["cost"]["tokens"] + told["confirmation_cost"]["tokens"]
    assert f"with its confirmation {len(every) + told['cost']['evaluations']} evaluations, " in answer(
        "status", finished
    )
    assert f" on {both:,} tokens, " in (finished / "report.html").read_text()
    assert re.fullmatch(r"files \w{12}: [\d,]+ training, [\d,]+ validation and [\d,]+ test tokens", told["corpus"])


def test_winners_are_trained_again_with_fresh_seeds_beside_a_transformer(finished: Path) -> None:
    run = RunFolder.open(finished)
    searched = run.open_store().evaluations(run.id)
    confirmed = latest(run)
    assert sorted(c.origin for c in confirmed) == ["baseline", "baseline", "founder", "search", "search"]
    assert all(row.is_transformer for row in confirmed if row.origin == "baseline")
    assert not any(row.is_transformer for row in confirmed if row.origin == "founder")
    assert len({row.seeds for row in confirmed}) == 1, "the same seeds for all, so that differences are paired"
    assert confirmed == sorted(confirmed, key=lambda c: (c.mean, c.genome))
    for row in confirmed:
        assert len(row.validation) == len(row.test) == 2
        assert row.validation[0] != row.validation[1]
        assert row.validation != row.test
    winners = RunFolder.open(finished / "confirmation" / "1" / "winners")
    again = winners.open_store().evaluations(winners.id)
    assert {e.seed for e in again}.isdisjoint({e.seed for e in searched})
    assert {e.genome for e in again} <= {e.genome for e in searched}
    assert not any("test_bits_per_byte" in e.metrics for e in searched)
    baseline = RunFolder.open(finished / "confirmation" / "1" / "baseline")
    tuned = baseline.open_store().evaluations(baseline.id)
    assert spent([3], tuned).steps == spent([3], searched).steps == 30
    assert all(layer.mixer.kind == "attention" for e in tuned for layer in _model(baseline.space(), e).layers)
    won = {row.genome for row in confirmed if row.origin == "search"}
    largest = max(e.metrics["parameters"] for e in again if e.genome in won)
    assert (baseline.space().constraints["parameters"].max or 0) >= 1.1 * largest, "sizes come in steps"


def _model(space: SearchSpace, evaluation: Evaluation) -> ModelConfig:
    return express(space, Genome(evaluation.values), seed=0).model


def test_confirmation_can_be_made_again_and_goes_on_where_it_was_cut_off(finished: Path) -> None:
    command_line = ("hrfevo", "confirm", finished, "--top", 1, "--seeds", 3, "--steps", 5, "--no-baseline")
    result = command(*command_line, "--backend", "inline")
    assert result.returncode == 0, result.stderr
    row, founder = sorted(latest(RunFolder.open(finished)), key=lambda one: one.place)
    assert (row.steps, len(row.validation)) == (5, 3)
    assert (founder.origin, founder.is_founder) == ("founder", True)
    second = finished / "confirmation" / "2"
    (second / "done").unlink()
    before = latest(RunFolder.open(finished))
    assert command(*command_line, "--backend", "inline").returncode == 0
    assert latest(RunFolder.open(finished)) == before
    (second / "done").unlink()
    shutil.rmtree(second / "winners")  # and as where it was killed just after it had made the folder
    (second / "winners").mkdir()
    (second / "winners" / "space.yaml").touch()
    assert command(*command_line, "--backend", "inline").returncode == 0
    assert latest(RunFolder.open(finished)) == before
    assert not (finished / "confirmation" / "3").exists()
    (second / "done").unlink()
    other = command(*command_line[:4], 3, *command_line[5:], "--backend", "inline")
    assert (other.returncode, "of other options or winners; beginning anew" in other.stdout) == (0, True), other.stderr
    pooled = {one.genome: one for one in latest(RunFolder.open(finished))}
    assert sorted(len(one.validation) for one in pooled.values()) == [3, 3, 6, 6], "of both, where both trained it"
    for one in before:
        assert pooled[one.genome].seeds[:3] == one.seeds
        assert pooled[one.genome].validation[:3] == one.validation
        assert len({*pooled[one.genome].seeds}) == 6
        assert pooled[one.genome].seen == (3,), "of which three were seen before three were added"
    best = History.read(RunFolder.open(finished)).find().genome
    assert (
        f"# Confirmed by 6 trainings from scratch with fresh seeds, of 5 steps: {pooled[best].mean:.6f} ±"
        in (finished / "best.yaml").read_text()
    )
    told = command("hrfevo", "migrate", finished).stdout
    for database in finished.rglob("results.db"):
        assert f"{database}: schema revision" in told


def test_the_report_ranks_by_confirmed_mean(finished: Path) -> None:
    page = (finished / "report.html").read_text()
    assert "Confirmed" in page
    for row in latest(RunFolder.open(finished)):
        assert f"{row.mean:.4f}" in page


def test_what_first_choices_take_is_measured_kept_and_told(finished: Path, tmp_path: Path) -> None:
    found = hrfevo.load(finished).confirmation
    measured = found.footprints
    assert measured is not None
    assert found.winner is not None
    sides = {"search": found.winner, **found.rivals}
    if found.founder and found.founder.genome != found.winner.genome:
        sides["founder"] = found.founder
    assert [(row.side, row.genome, row.parameters) for row in measured.rows] == [
        (side, one.genome, one.parameters) for side, one in sides.items()
    ]
    raw = {one.genome: one.metrics for one in hrfevo.load(finished).history.finished}
    assert measured.rows[0].state_size == raw[found.winner.genome]["state_size"]
    assert {len(times) for row in measured.rows for times in (row.step_times, row.generation_times)} == {PASSES}
    assert hrfevo.load(finished).footprints["step_time"].tolist() == [row.step_time for row in measured.rows]
    page = (finished / "report.html").read_text()
    for line in footprints_in_words(measured):
        assert line in [*verdicts(found)]
        assert line in html.unescape(page)
    for row in measured.rows:
        assert all(f">{figure}</td>" in page for figure in footprint_figures(row))
    # What is there is not measured again; nothing to be found here is said, and stops nobody.
    run, said = RunFolder.open(finished), list[str]()
    place = attempts(run)[-1]
    before = (place / FILE).read_bytes()
    measure_footprints(run, found, place, "cpu", said.append)
    assert (said, (place / FILE).read_bytes()) == ([], before)
    measure_footprints(run, found, tmp_path, "cuda:99", said.append)
    assert "not measured here" in said[0]
    assert not (tmp_path / FILE).exists()


def test_factors_of_times_do_not_hold_what_held_up_a_pass() -> None:
    held_up = np.array([1.0, 1.4, 3.0, 1.1, 1.0])
    sure = factor(0.5 * held_up * [1.0, 1.001, 0.999, 1.0, 1.0], held_up)
    assert np.allclose([sure.mean, sure.low, sure.high], 0.5, atol=1e-3)
    less = factor(0.5 * held_up, held_up[::-1])
    assert less.low < less.mean < less.high
    assert less.mean == pytest.approx(0.5)
    assert (factor([2.0], [1.0]).low, factor([2.0], [1.0]).high) == (0, np.inf)


def test_confirmations_of_a_search_that_has_gone_on_are_not_mixed(
    tiny_space: Path, tmp_path: Path, undrawn: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    confirm_two = "confirm={top: 1, seeds: 2, equal: steps}"
    told = ("--backend", "inline", "--evaluations", 3, "--set", confirm_two)
    answer("run", tiny_space, "--out", tmp_path / "runs", *told)
    run = only_run(tmp_path / "runs")
    answer("resume", run, "--evaluations", 6, "--no-confirm")
    before = hrfevo.load(run)
    assert any("gone on since, from 3 evaluations to 6" in line for line in before.verdicts)
    (run / "confirmation" / "2").mkdir()  # as a process that was killed then leaves it
    assert hrfevo.load(run).verdicts == before.verdicts
    drawn: list[Confirmation] = []
    monkeypatch.setattr("hrfevo.runner.products.render", lambda *told: drawn.append(told[3]) or "")
    answer("confirm", run, "--backend", "inline")
    after = hrfevo.load(run)
    assert not any("gone on since" in line for line in after.verdicts)
    # What the report is made of is known before the confirmation counts as done.
    for found in (drawn[-1], after.confirmation):
        assert found.tuned["transformer"].evaluations == found.searched.evaluations == 6
        assert found.tuned_in == {"transformer": "confirmation/2/baseline"}
    # One that has just begun, of yet another moment, has nothing of the others.
    answer("resume", run, "--evaluations", 7, "--no-confirm")
    third = run / "confirmation" / "3"
    third.mkdir()
    plan = json.loads((run / "confirmation" / "2" / "plan.json").read_text())
    (third / "plan.json").write_text(json.dumps(plan | {"evaluations": 7}))
    shutil.copytree(run / "confirmation" / "2" / "winners", third / "winners")
    found = hrfevo.load(run).confirmation
    assert (found.winner is not None, found.rivals, found.tuned, found.footprints) == (True, {}, {}, None)


def test_a_run_that_is_being_searched_is_not_confirmed(finished: Path) -> None:
    with RunFolder.open(finished).locked():
        result = command("hrfevo", "confirm", finished, "--backend", "inline")
    assert result.returncode == 2
    assert "is being searched" in result.stderr


def test_a_confirmation_that_is_interrupted_as_its_report_is_written_trains_nothing_again(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = RunFolder.open(Path(shutil.copytree(finished, tmp_path / "copy")))
    console = Console(file=io.StringIO(), width=200)

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    def confirmed() -> int:
        options = Confirm(top=1, seeds=2, steps=2, baseline=False, equal="steps")
        return exit_code(confirm(run, options, Machinery("inline"), console))

    with monkeypatch.context() as patched:
        patched.setattr(confirmation, "leave_products", interrupted)
        assert confirmed() == 130
    before = latest(run)
    assert confirmed() == 0
    assert latest(run) == before
    told = console.file.getvalue()
    assert f"go on with: hrfevo resume {run.path}" in told.replace("\n", "")


@pytest.mark.usefixtures("undrawn")
def test_a_space_that_confirms_none_is_asked_for_a_number(tiny_space: Path, tmp_path: Path) -> None:
    command("hrfevo", "run", tiny_space, "--out", tmp_path / "runs", "--backend", "inline", "--evaluations", 2)
    (run,) = (tmp_path / "runs").iterdir()
    result = command("hrfevo", "confirm", run, "--backend", "inline")
    assert (result.returncode, "name a number of winners with --top" in result.stderr) == (2, True), result.stderr


@pytest.mark.usefixtures("undrawn")
def test_a_run_without_results_cannot_be_confirmed_nor_questioned(tiny_space: Path, tmp_path: Path) -> None:
    out = tmp_path / "runs"
    command("hrfevo", "run", tiny_space, "--out", out, "--backend", "inline", "--evaluations", 2)
    (run,) = out.iterdir()
    result = command("hrfevo", "importance", run)
    assert result.returncode == 2
    assert "2 finished evaluations say nothing of genes; 10 are needed" in result.stderr
    assert "accepted: bits_per_byte, parameters" in command("hrfevo", "importance", run, "--objective", "speed").stderr


# --- what a confirmed run is good for -------------------------------------------------------------


@pytest.mark.usefixtures("undrawn")
def test_a_run_begins_with_the_front_of_another_and_with_named_genomes(finished: Path, tmp_path: Path) -> None:
    space = (finished / "space.yaml").read_text()
    named = tmp_path / "named.yaml"
    layer = "{mixer.kind: attention, feedforward.expansion: 1.0}"
    named.write_text(
        space + "  plain: {training.learning_rate: 0.01, embedding.kind: standard, layers: [" + layer + "]}\n"
    )
    result = command(
        "hrfevo", "run", named, "--out", tmp_path / "runs", "--backend", "inline", "--from", finished, "--no-confirm",
        "--evaluations", 6,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    (path,) = (tmp_path / "runs").iterdir()
    run, earlier = RunFolder.open(path), RunFolder.open(finished)
    evaluations = run.open_store().evaluations(run.id)
    assert [e.values["training.learning_rate"] for e in evaluations[:2]] == [0.001, 0.01]
    founders = [e.genome for e in evaluations if e.operator == "founder"]
    winners = History.read(earlier).front
    assert set(founders[2:]) <= {w.genome for w in winners}
    assert len(founders) == min(6, 2 + len(winners))
    (source,) = run.settings.earlier
    assert (source.run, source.id, source.founders) == (str(finished), earlier.id, len(winners))
    assert f"from {finished.name}" in answer("lineage", path, founders[-1])


def test_the_importance_command_says_method_rung_count_and_certainty(finished: Path) -> None:
    for method, other in (("fanova", "ped-anova"), ("ped-anova", "fanova")):
        told = command("hrfevo", "importance", finished, "--method", method).stdout
        assert re.search(rf"{method}, from \d+ genomes after \d+ steps: how much", told.replace("\n", " "))
        assert f"--method {other} asks another question" in told.replace("\n", " ")


def test_the_importance_command(finished: Path) -> None:
    result = command("hrfevo", "importance", finished, "--format", "json")
    assert result.returncode == 0, result.stderr
    rows = json.loads(result.stdout)
    assert sum(row["parameters"] for row in rows) == pytest.approx(1)
    assert {row["gene"] for row in rows} <= {
        "training.learning_rate", "embedding.kind", "embedding.bases", "embedding.frequencies", "layers",
        "layers.mixer.kind", "layers.mixer.levels", "layers.feedforward.expansion",
    }  # fmt: skip
