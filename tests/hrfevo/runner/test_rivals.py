"""Rivals of a confirmation: as free as the transformer, each tuned as long, kept, told and gone on with by name."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

import hrfevo
from hrfevo.results.confirmation.attempts import tuned_at
from hrfevo.results.confirmation.confirmed import latest
from hrfevo.runner.baseline import baseline_of
from hrfevo.space.genome import express, sample
from hrfevo.space.reading import load_space, parse_space
from hrfevo.space.search_space import SearchSpace
from hrfevo.space.sections import Confirm
from hrfevo.store.run_folder import RunFolder
from hrfevo.store.spending import spent
from signal_model.config import ModelConfig
from signal_model.support.errors import InputError
from signal_model.support.files import to_yaml
from tests.conftest import SPACES, TINY_SPACE, answer, command, only_run

RECIPE = """
model:
  context: 64
  width: 12
  embedding: {kind: basis, bases: 4}
  layers: [{mixer: {kind: harmonic, bases: 3}, feedforward: {kind: mlp, expansion: 1}}]
training: {steps: 7, learning_rate: 0.5}
"""


def models(space: SearchSpace) -> list[ModelConfig]:
    generator = np.random.default_rng(0)
    return [express(space, sample(space, generator), seed=0).model for _ in range(20)]


@pytest.mark.parametrize("kind", ["gated_linear", "gated_delta"])
@pytest.mark.parametrize("path", SPACES, ids=lambda path: path.stem)
def test_a_rival_is_as_free_as_the_transformer(path: Path, kind: str) -> None:
    space, _ = load_space(path)
    transformers, rivals = (
        parse_space(to_yaml(baseline_of(space, {"trainings": 2.5}, 1e6, rival)), rival)
        for rival in ("transformer", kind)
    )
    for name, gene in transformers.genes.items():
        if name not in ("layers", "causal"):
            assert rivals.genes[name] == gene
    assert "causal" not in rivals.genes  # neither kind has a two-sided form
    assert rivals.training == transformers.training
    assert rivals.constraints == transformers.constraints
    assert {layer.mixer.kind for model in models(rivals) for layer in model.layers} == {kind}
    ours, theirs = ({len(model.layers) for model in models(one)} for one in (rivals, transformers))
    assert ours == theirs
    layers = space.genes.get("layers")
    repeats = {name: gene for name, gene in getattr(layers, "genes", {}).items() if name in ("repeat", "share")}
    assert bool(repeats) == (path.stem == "hybrids")
    for one in (rivals, transformers) if repeats else ():
        assert repeats.items() <= one.genes["layers"].genes.items()  # type: ignore[union-attr]
    free = [one.genes["layers"].genes for one in (rivals, transformers) if "layers" in one.genes]  # type: ignore[union-attr]
    assert "mixer.heads" in free[0], "also where the space fixes those of its attention"
    if len(free) == 2:
        assert all(free[0][name] == gene for name, gene in free[1].items() if name.startswith("feedforward."))
        assert free[0]["mixer.heads"] == free[1]["mixer.heads"]


def test_a_rival_of_fixed_layers_that_are_repeated_is_as_deep() -> None:
    layers = "[{repeat: 3, share: true}, {mixer: {kind: harmonic}}]"
    genes = "{training.learning_rate: {type: float, low: 0.1, high: 1}}"
    text = f"{{name: a, model: {{layers: {layers}}}, genes: {genes}, rungs: [1], budget: {{minutes: 1}}}}"
    space = parse_space(text, "fixed")
    rivals = parse_space(to_yaml(baseline_of(space, {"evaluations": 3}, None)), "rivals")
    assert {model.depth for model in [*models(space), *models(rivals)]} == {4}


def test_a_recipe_keeps_its_model_and_is_tuned_as_the_space_trains(tiny_space: Path, tmp_path: Path) -> None:
    (recipe := tmp_path / "waves.yaml").write_text(RECIPE)
    space, _ = load_space(tiny_space)
    rivals = parse_space(to_yaml(baseline_of(space, {"evaluations": 3}, None, str(recipe))), "recipe")
    assert {*rivals.genes} == {"training.learning_rate"}
    assert rivals.genes["training.learning_rate"] == space.genes["training.learning_rate"]
    (model,) = {model.to_json() for model in models(rivals)}
    assert (json.loads(model)["context"], json.loads(model)["width"]) == (32, 12), "the context is that of the space"
    assert json.loads(model)["layers"][0]["mixer"]["bases"] == 3
    fixed, _ = load_space(tiny_space, ["genes={positions.kind: {type: choice, values: [none, signal]}}"])
    rivals = parse_space(to_yaml(baseline_of(fixed, {"evaluations": 3}, None, str(recipe))), "recipe")
    assert [*rivals.genes] == ["training.learning_rate"], "of one value: a space has genes"


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"rivals": ["gated_delt"]}, "'gated_delt' is no rival (did you mean 'gated_delta'?)"),
        ({"rivals": ["attention"]}, "accepted: transformer, "),
        ({"rivals": ["gated_delta", "transformer", "gated_delta"]}, "'gated_delta' is the name of two rivals"),
        ({"rivals": ["a/one.yaml", "b/one.json"]}, "'one' is the name of two rivals"),
        ({"rivals": ["a/transformer.yaml"]}, "would be called 'transformer', as another is"),
        ({"rivals": ["search.json"]}, "would be called 'search'"),
        ({"rivals": ["gated_delta"], "baseline": True}, "leave out baseline"),
        ({"baseline": "no"}, "baseline: true or false, got 'no'"),
    ],
)
def test_who_is_no_rival_is_refused(settings: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError, match=r"rivals|baseline") as caught:
        Confirm.model_validate(settings)
    assert says in str(caught.value)


def test_rivals_are_measured_by_the_same_probes_within_the_same_limits(tiny_space: Path) -> None:
    space, _ = load_space(tiny_space, ["probe_steps=7", "limits={minutes: 3, memory_gib: 4}"])
    for rival in ("transformer", "gated_delta"):
        tuned = parse_space(to_yaml(baseline_of(space, {"evaluations": 3}, None, rival)), rival)
        # What is said of neither is how the search goes, or what it begins with.
        own = {"name", "description", "model", "training", "genes", "constraints", "budget", "founders", "inherit"}
        assert tuned.model_dump(exclude=own) == space.model_dump(exclude=own)


def test_a_baseline_is_the_transformer_or_nobody() -> None:
    assert Confirm.model_validate({"baseline": True}) == Confirm() == Confirm(rivals=("transformer",))
    assert Confirm.model_validate({"baseline": False}).rivals == ()


def test_a_recipe_that_is_missing_is_said_before_anything_is_searched(tiny_space: Path, tmp_path: Path) -> None:
    rivals = "confirm={top: 1, rivals: [nowhere.yaml]}"
    with pytest.raises(InputError, match=r"nowhere\.yaml"):
        answer("run", tiny_space, "--out", tmp_path / "runs", "--backend", "inline", "--set", rivals)
    assert not (tmp_path / "runs").exists()


@pytest.fixture(scope="module")
def confirmed(tmp_path_factory: pytest.TempPathFactory, text_folder: Path) -> Path:
    """A run of two evaluations, confirmed beside three rivals."""
    place = tmp_path_factory.mktemp("rivals")
    (place / "waves.yaml").write_text(RECIPE)
    rivals = f"[gated_delta, transformer, {place / 'waves.yaml'}]"
    text = TINY_SPACE.replace("TEXT", str(text_folder)).replace("{evaluations: 10}", "{evaluations: 3}")
    confirm = f"confirm: {{top: 1, seeds: 2, equal: steps, rivals: {rivals}}}"
    (space := place / "tiny.yaml").write_text(text.replace("confirm: {top: 0}", confirm))
    answer("run", space, "--out", place / "runs", "--backend", "inline")
    return only_run(place / "runs")


def test_each_rival_is_tuned_as_long_and_trained_with_the_same_seeds(confirmed: Path) -> None:
    run = hrfevo.load(confirmed)
    found = run.confirmation
    assert [*found.rivals] == ["transformer", "gated_delta", "waves"]
    assert found.winner is not None
    assert {one.seeds for one in found.rows} == {found.winner.seeds}
    assert found.transformer == found.rivals["transformer"]
    assert {name: effort.steps for name, effort in found.tuned.items()} == dict.fromkeys(found.rivals, 9)
    assert {*found.as_searched} == {*found.fronts} == {*found.rivals}
    trained = {
        name: RunFolder.open(confirmed / "confirmation/1" / f"winners-{name}") for name in ("gated_delta", "waves")
    }
    for name, kind in (("gated_delta", "gated_delta"), ("waves", "harmonic")):
        folder = trained[name]
        assert f"kind: {kind}" in folder.space_text()
        assert {e.seed for e in folder.evaluations()} == {*found.winner.seeds}
    differences = run.differences
    assert [*differences["kind"]] == [name for name in found.rivals for _ in range(2)]
    expected = found.winner.less(found.rivals["waves"])
    assert expected is not None
    assert differences[differences["kind"] == "waves"]["mean"].iloc[0] == expected.mean
    assert [*run.confirmed["rival"].dropna().unique()] == [row.rival for row in found.rows if row.origin == "baseline"]


def test_each_rival_is_named_with_its_difference(confirmed: Path) -> None:
    found = hrfevo.load(confirmed).confirmation
    assert found.winner is not None
    page, card = (confirmed / "report.html").read_text(), answer("show", confirmed, found.winner.genome)
    card = " ".join(card.split())
    for name in ("a transformer", "gated_delta", "waves"):
        assert f"eside {name} tuned as long" in page
    for name in ("the transformer", "gated_delta", "waves"):
        assert f"difference to {name}" in page
        assert f"tuning of {name} took 3 evaluations" in page
        assert f"beside {name}" in card


def test_rivals_go_on_where_they_were_cut_off_and_are_not_tuned_again(
    confirmed: Path, tmp_path: Path, undrawn: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Path(shutil.copytree(confirmed, tmp_path / "copy"))
    folder, place = RunFolder.open(run), run / "confirmation" / "1"
    before = latest(folder)
    (place / "done").unlink()
    shutil.rmtree(place / "winners-gated_delta")
    shutil.rmtree(place / "winners-waves")
    shutil.rmtree(place / "tuning-waves")
    assert len(latest(folder)) == len(before) - 2
    answer("resume", run)
    assert latest(folder) == before
    assert not (run / "confirmation" / "2").exists()
    told = answer("confirm", run, "--seeds", 1, "--rival", "gated_delta", "--backend", "inline")
    assert "gated_delta: those that were tuned as long in" in " ".join(told.split())
    second = run / "confirmation" / "2"
    assert sorted(path.name for path in second.iterdir() if path.is_dir()) == ["winners", "winners-gated_delta"]
    assert tuned_at(second, "gated_delta") == place / "tuning-gated_delta"
    pooled = {one.rival: len(one.seeds) for one in latest(folder) if one.origin == "baseline"}
    assert pooled == {"transformer": 2, "gated_delta": 3, "waves": 2}
    plan = json.loads((second / "plan.json").read_text())
    with pytest.raises(InputError, match="--no-baseline: is for no rival at all"):
        answer("confirm", run, "--rival", "gated_delta", "--no-baseline")
    with pytest.raises(InputError, match="--equal steps: is what rivals are tuned for"):
        answer("confirm", run, "--equal", "steps", "--no-baseline")
    with pytest.raises(InputError, match="'lstm' is no rival"):
        answer("confirm", run, "--rival", "lstm")
    assert plan["options"]["rivals"] == ["gated_delta"]
    recipes = confirmed.parent.parent
    monkeypatch.chdir(recipes)
    told = answer("confirm", run, "--seeds", 1, "--rival", "waves.yaml", "--backend", "inline")
    assert "waves: those that were tuned as long in" in " ".join(told.split())
    plan = json.loads((run / "confirmation" / "3" / "plan.json").read_text())
    assert plan["options"]["rivals"] == [str(recipes / "waves.yaml")], "it goes on from any folder"


def test_a_rival_that_keeps_to_no_bound_leaves_the_others_to_be_compared(
    tiny_space: Path, tmp_path: Path, undrawn: None
) -> None:
    # What attention holds of a full context is more than any model may hold.
    terms = "{top: 1, seeds: 2, equal: steps, rivals: [transformer, gated_delta]}"
    bounds = ("--set", f"confirm={terms}", "--set", "constraints={state_size: {max: 1000}}")
    told = answer("run", tiny_space, "--out", tmp_path / "runs", "--backend", "inline", "--evaluations", 3, *bounds)
    assert "no tuning of the transformer has succeeded: the winners are confirmed without one" in told
    run = only_run(tmp_path / "runs")
    found = hrfevo.load(run).confirmation
    assert [*found.rivals] == ["gated_delta"]
    assert "Beside gated_delta tuned as long" in told
    assert [*found.as_searched] == ["gated_delta"], "of no models there is no front"
    assert "nothing of it is done again" in answer("resume", run)
    place = run / "confirmation" / "1"
    (place / "done").unlink()  # and as where the winner had diverged with every seed
    with closing(sqlite3.connect(place / "winners" / "results.db")) as database, database:
        database.execute("UPDATE evaluations SET status = 'failed', reason = 'diverged', metrics = '{}'")
    ended = command("hrfevo", "resume", run)
    assert (ended.returncode, "interrupted" in ended.stdout) == (1, False), ended.stderr
    told = "no winner could be trained again: all 2 evaluations failed, the last with: diverged"
    assert told in " ".join(ended.stdout.split())


def test_recipes_of_a_space_mean_the_same_from_any_folder(confirmed: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(confirmed, tmp_path / "copy"))
    settings = json.loads((run / "run.json").read_text())
    settings["set"] = ["confirm={rivals: [waves.yaml, transformer]}"]
    (run / "run.json").write_text(json.dumps(settings | {"directory": "/somewhere"}))
    assert RunFolder.open(run).space().confirm.rivals == ("/somewhere/waves.yaml", "transformer")


def test_confirmations_of_when_the_transformer_was_the_only_rival_are_read_and_gone_on_with(
    confirmed: Path, tmp_path: Path, undrawn: None
) -> None:
    run = Path(shutil.copytree(confirmed, tmp_path / "copy"))
    folder, place = RunFolder.open(run), run / "confirmation" / "1"
    for path in [*place.glob("tuning-*"), *place.glob("winners-*")]:
        shutil.rmtree(path)
    plan = json.loads((place / "plan.json").read_text())
    options = plan.pop("options")
    del options["rivals"], plan["recipes"], plan["tuned"]
    plan = options | plan | {"baseline": True}
    (place / "plan.json").write_text(json.dumps(plan))
    before = latest(folder)
    assert [*hrfevo.load(run).confirmation.rivals] == ["transformer"]
    (place / "done").unlink()
    shutil.rmtree(place / "baseline-winner")
    answer("resume", run)
    assert latest(folder) == before
    again = run / "confirmation" / "2"
    shutil.copytree(place, again)
    shutil.rmtree(again / "baseline")
    (again / "plan.json").write_text(json.dumps(plan | {"tuned": "1"}))
    assert tuned_at(again) == place / "baseline"
    assert spent([3], RunFolder.open(tuned_at(again)).evaluations()).steps == 9
