"""A ladder of sizes: models that grow by the rule, trained through the workers, gone on with, and told."""

from __future__ import annotations

import csv
import io
import json
import math
import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import hrfevo
from hrfevo.results.scaling.plan import Plan, ladders
from hrfevo.results.scaling.scaling import scaling_of
from hrfevo.runner.growth import carried, parameters_of, resized, steps_at
from hrfevo.store.run_folder import RunFolder
from hrfevo.views.figures import scaling as loss_over_size
from hrfevo.views.laws import laws_in_words
from hrfevo.views.terminal.scaling import scaling_rows, scaling_table
from signal_model.config import ModelConfig, TrainingConfig
from signal_model.model import build_model, count_parameters
from signal_model.support.errors import InputError
from tests.conftest import TINY_SPACE, answer, only_run

DESIGNS = {
    "transformer": "{width: 128, layers: [{}, {}]}",
    "hybrid": "{width: 64, context: 64, layers: [{mixer: {kind: harmonic}}, {mixer: {kind: harmonic}},"
    " {mixer: {kind: attention, heads: 4, window: 16}}]}",
    "spectral": "{width: 64, context: 64, embedding: {kind: spectral, bases: 16, frequencies: [0.5, 16]},"
    " layers: [{mixer: {kind: selective, heads: 4}}, {mixer: {kind: wavelet, levels: 3, heads: 2},"
    " feedforward: {kind: spectral, expansion: 2}}]}",
}


@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("factor", [0.5, 8])
def test_a_design_grows_to_the_parameters_and_stays_itself(design: str, factor: float) -> None:
    small = ModelConfig.from_yaml(DESIGNS[design])
    own = parameters_of(small)
    assert own == count_parameters(build_model(small, 0))
    grown = resized(small, round(own * factor))
    with torch.device("meta"):
        assert count_parameters(build_model(grown, 0)) == parameters_of(grown) == pytest.approx(own * factor, rel=0.02)
    kinds = [layer.mixer.kind for layer in grown.layers]
    pattern = ["attention"] if design == "transformer" else [layer.mixer.kind for layer in small.layers]
    assert kinds == pattern * (len(kinds) // len(pattern)), "kinds keep their shares and their order"
    stretch = (grown.width / len(kinds)) / (small.width / len(small.layers))
    assert 0.5 < stretch < 2, "width and depth grow together"
    for before, after in zip(small.layers, grown.layers, strict=False):
        if before.mixer.heads > 1:  # type: ignore[attr-defined]
            sizes = small.width / before.mixer.heads, grown.width / after.mixer.heads  # type: ignore[attr-defined]
            assert 0.7 < sizes[1] / sizes[0] < 1.4, "heads keep their size"
        assert 0.6 < after.feedforward.expansion / before.feedforward.expansion < 1.61
    if design == "spectral":
        ratio = grown.width / small.width
        assert grown.embedding.bases == pytest.approx(16 * ratio, abs=0.5)  # type: ignore[attr-defined]
        assert grown.embedding.frequencies == pytest.approx((0.5, 16 * ratio))  # type: ignore[attr-defined]


def test_layers_that_are_repeated_grow_like_those_that_are_written_out() -> None:
    repeated, written = (
        ModelConfig.from_yaml(f"{{width: 32, layers: {layers}}}") for layers in ("[{repeat: 4}]", "[{}, {}, {}, {}]")
    )
    own = parameters_of(repeated)
    assert own == parameters_of(written) == count_parameters(build_model(repeated, 0))
    assert resized(repeated, 5 * own) == resized(written, 5 * own)
    shared = repeated.model_copy(update={"layers": (repeated.layers[0].model_copy(update={"share": True}),)})
    assert {(layer.repeat, layer.share) for layer in resized(shared, 20 * own).layers} == {(4, True)}


def test_steps_and_rates_are_carried_over() -> None:
    assert [steps_at(100, 16, tokens) for tokens in ("parameters", "root", "same")] == [1600, 400, 100]
    small, wide = ModelConfig(width=32), ModelConfig(width=128)
    training = TrainingConfig.from_yaml("{learning_rate: 0.01, optimizer: {kind: muon, learning_rate: 0.03}}")
    for rates, expected in (("width", 0.0025), ("root", 0.005), ("same", 0.01)):
        after = carried(training, small, wide, rates)  # type: ignore[arg-type]
        assert after.learning_rate == pytest.approx(expected)
        assert after.optimizer == training.optimizer, "Muon's own rate stays"


@pytest.fixture(scope="module")
def scaled(tmp_path_factory: pytest.TempPathFactory, text_folder: Path) -> Iterator[Path]:
    """A run that was confirmed and scaled, by the commands."""
    folder = tmp_path_factory.mktemp("scaled")
    space = folder / "tiny.yaml"
    confirmed = "confirm: {top: 1, seeds: 1, equal: steps}"
    space.write_text(TINY_SPACE.replace("TEXT", str(text_folder)).replace("confirm: {top: 0}", confirmed))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hrfevo.runner.products.PICTURED", 0)
        with patch.context() as undrawn:
            undrawn.setattr("hrfevo.runner.products.render", lambda *_: "")
            answer("run", space, "--out", folder / "runs", "--backend", "inline", "--evaluations", 4)
        run = only_run(folder / "runs")
        answer("scale", run, "--sizes", "0.5,1,2", "--seeds", 2, "--tokens", "root")
        yield run


def losses(run: Path) -> list[tuple[str, float, tuple[float, ...]]]:
    found = scaling_of(RunFolder.open(run))
    assert found is not None
    return [(row.side, row.size, row.trained.validation) for row in found.rows]


def test_both_sides_are_trained_at_each_size_and_alike(scaled: Path) -> None:
    run = hrfevo.load(scaled)
    found = run.scaling
    assert found is not None
    assert run.best is not None
    assert found.sides == (run.best.genome, "transformer")
    assert [row.size for row in found.rows] == [0.5, 0.5, 1, 1, 2, 2]
    for size in found.whole:
        first, last = (next(row for row in found.of(side) if row.size == size) for side in found.sides)
        assert first.parameters == pytest.approx(last.parameters, rel=0.05)
        assert first.parameters == pytest.approx(size * run.best.metrics["parameters"], rel=0.1)
        assert (first.tokens, first.trained.seeds) == (last.tokens, last.trained.seeds)
        assert first.trained.steps == max(1, round(3 * size**0.5))
    assert found.of(run.best.genome)[1].parameters == run.best.metrics["parameters"], "size 1 is the winner itself"
    assert {seed for row in found.rows for seed in row.trained.seeds}.isdisjoint(e.seed for e in run.history)
    assert len(found.frame) == 12


def test_its_laws_are_told_in_python_in_the_terminal_and_in_the_report(scaled: Path) -> None:
    run = hrfevo.load(scaled)
    found = run.scaling
    assert found is not None
    far = found.predict(100 * found.rows[-1].parameters)
    assert far.beyond == pytest.approx(100 * found.rows[-1].parameters / max(r.parameters for r in found.rows))
    assert far.advantage is not None
    assert far.advantage.value == pytest.approx(far.losses[found.sides[0]].value - far.losses["transformer"].value)
    assert far.losses["transformer"].value == pytest.approx(
        float(found.laws["transformer"].at(np.array([far.parameters]))[0])
    )
    told = found.foretold
    assert told is not None
    assert told.size == 2
    assert told.measured["transformer"] == pytest.approx(found.rows[-1].trained.mean, rel=1e-3)
    assert found.whole == (0.5, 1, 2)
    figure = loss_over_size(found)
    assert figure is not None
    diamonds = [loss for trace in figure.data if trace.marker.symbol == "diamond" for loss in trace.y]
    in_table = [row.trained.mean for side in found.sides for row in found.of(side)]
    assert diamonds == pytest.approx(in_table, rel=1e-12), "means are those of the table"
    assert loss_over_size(replace(found, rows=())) is None
    printed = answer("scale", scaled, "--at", "1M,64x")
    words = list(laws_in_words(found, [1e6, 64 * found.plan.parameters]))
    assert all(line in printed for line in words)
    assert sum("times beyond the largest size" in line for line in words) == 2
    assert "Loss over size" in (scaled / "report.html").read_text()
    assert json.loads(answer("scale", scaled, "--at", "1M,64x", "--format", "json"))["laws"] == words
    heads, *rows = csv.reader(io.StringIO(answer("scale", scaled, "--format", "csv")))
    assert [len(row) for row in rows] == [len(heads)] * 6
    on_test = found.on("test")
    assert on_test.foretold is not None
    assert on_test.foretold.measured != told.measured


def test_a_ladder_goes_on_where_it_was_cut_off_and_another_takes_what_it_trained(scaled: Path, undrawn: None) -> None:
    before = losses(scaled)
    (place,) = ladders(RunFolder.open(scaled))
    (place / "done").unlink()
    shutil.rmtree(place / "transformer-2")  # as where it was killed just after it had made the folder
    (place / "transformer-2").mkdir()
    (place / "transformer-2" / "space.yaml").touch()
    assert "transformer at size 1: is trained" in answer("resume", scaled)
    assert losses(scaled) == before
    assert "is trained" not in answer("scale", scaled), "it is over, and said again"
    assert "size 3: " in answer("scale", scaled, "--sizes", "1,2,3", "--seeds", 2, "--tokens", "root")
    _, second = ladders(RunFolder.open(scaled))
    assert sorted(path.name for path in second.iterdir() if path.is_dir()) == sorted(
        f"{side}-3" for side in Plan.read(second).sides
    )
    assert losses(scaled)[:4] == before[2:]
    shutil.rmtree(second)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--sizes", "4,1"], "4,1; accepted: two or more factors that ascend"),
        (["--sizes", "1"], "accepted: two or more factors that ascend"),
        (["--sizes", "0,1"], "sizes"),
        (["--sizes", "one"], "--sizes one: accepted: factors"),
        (["--sizes", "1,1e9"], "parameters take .* GiB to train"),
        (["--sizes", "0.01,1"], "this design has no width at which it has about 69 parameters"),
        (["--sizes", "1e-300,1"], "of .* parameters that leaves none"),
        (["--sizes", "1,1.0001"], "has .* parameters at the one and .* accepted: sizes that are further apart"),
        (["--sizes", "1,2", "--steps", str(2**40)], "takes 2.19902e.12 training steps"),
        (["--sizes", ",".join(map(str, range(1, 102)))], "at most 100"),
        (["--at", "big"], "--at big: accepted: parameters"),
        (["--at", "1e999x"], "--at 1e999x: accepted: parameters"),
        (["ffff"], "genome 'ffff': no genome of this run"),
    ],
)
def test_what_cannot_be_scaled_is_refused_in_words(scaled: Path, arguments: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        answer("scale", scaled, *arguments)
    assert len(ladders(RunFolder.open(scaled))) == 1


def test_what_is_no_size_is_not_predicted(scaled: Path) -> None:
    found = hrfevo.load(scaled).scaling
    assert found is not None
    for size in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(InputError, match="are no size"):
            found.predict(size)


def test_expansions_stay_within_what_a_layer_may_have() -> None:
    wide = "{width: 16, context: 64, layers: [{mixer: {kind: harmonic}, feedforward: {kind: mlp, expansion: 50}}]}"
    small = ModelConfig.from_yaml(wide)
    for factor in (0.2, 4):
        wanted = round(parameters_of(small) * factor)
        assert parameters_of(resized(small, wanted)) == pytest.approx(wanted, rel=0.1)


def test_a_transformer_that_was_not_tuned_as_long_is_refused(scaled: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(scaled, tmp_path / "run"))
    plan = run / "confirmation" / "1" / "plan.json"
    told = json.loads(plan.read_text())
    plan.write_text(json.dumps(told | {"evaluations": told["evaluations"] - 1}))
    with pytest.raises(InputError, match="tuned for as long as 3 evaluations of the search took, which has 4 now"):
        answer("scale", run, "--sizes", "1,2")
    plan.write_text(json.dumps(told))
    tuning = RunFolder.open(plan.parent / "baseline")
    with closing(tuning.open_store()) as store:
        store.set_state(tuning.id, "stopped", "interrupted")
    with pytest.raises(InputError, match=r"the tuning of its transformer was interrupted .* `hrfevo confirm "):
        answer("scale", run, "--sizes", "1,2")


def test_one_ladder_at_a_time_and_a_plan_says_nothing_of_where_the_text_lies(scaled: Path) -> None:
    run = RunFolder.open(scaled)
    with run.locked("scaled"):
        with pytest.raises(InputError, match="is being scaled; wait until that has ended"):
            answer("scale", scaled, "--sizes", "1,2")
        assert "The laws" in answer("scale", scaled), "what is over is said again"
    with run.locked("confirmed"), pytest.raises(InputError, match="is being confirmed; wait until that has ended"):
        answer("confirm", scaled, "--no-baseline")
    (place,) = ladders(run)
    assert {model.recipe.corpus for model in Plan.read(place).models} == {None}


def test_of_one_seed_no_scatter_is_told(scaled: Path) -> None:
    found = hrfevo.load(scaled).scaling
    assert found is not None
    rows = []
    for row in found.rows:
        first = {name: getattr(row.trained, name)[:1] for name in ("seeds", "validation", "test")}
        rows.append(replace(row, trained=replace(row.trained, **first)))
    single = replace(found, rows=tuple(rows))
    assert {row["± seeds"] for row in scaling_rows(single)} == {None}
    assert scaling_table(single).row_count == 6
    assert "within their intervals" not in " ".join(laws_in_words(single)), "whatever was planned"


def test_a_run_without_a_transformer_says_what_to_do(scaled: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(scaled, tmp_path / "run", ignore=shutil.ignore_patterns("confirmation", "scaling")))
    with pytest.raises(InputError, match=r"no tuned transformer .* `hrfevo confirm .* --no-transformer"):
        answer("scale", run)
