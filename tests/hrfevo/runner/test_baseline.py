"""The baseline: transformers that are as free as the space, and no larger."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from hrfevo.runner.baseline import baseline_of, founded, smallest_of
from hrfevo.space.genome import canonical, express, sample
from hrfevo.space.reading import load_space, parse_space
from hrfevo.space.search_space import SearchSpace
from signal_model.config import ModelConfig
from signal_model.model import build_model, count_parameters
from signal_model.support.files import to_yaml
from tests.conftest import ROOT, SPACES, command


def models(space: SearchSpace) -> list[ModelConfig]:
    generator = np.random.default_rng(0)
    return [express(space, sample(space, generator), seed=0).model for _ in range(60)]


@pytest.mark.parametrize("path", SPACES, ids=lambda path: path.stem)
def test_the_baseline_is_a_valid_space_of_transformers(path: Path) -> None:
    space, _ = load_space(path)
    baseline = parse_space(to_yaml(baseline_of(space, {"evaluations": 20}, 1e6)), "baseline")
    assert baseline.rungs == space.rungs
    assert "parameters" in baseline.constraints
    for seed in range(20):
        recipe = express(baseline, sample(baseline, np.random.default_rng(seed)), seed=0)
        assert {layer.mixer.kind for layer in recipe.model.layers} == {"attention"}
        assert recipe.model.embedding.kind == "standard"
        assert recipe.model.context == express(space, sample(space, np.random.default_rng(seed)), seed=0).model.context


@pytest.mark.parametrize("path", SPACES, ids=lambda path: path.stem)
def test_the_baseline_is_as_free_as_the_space(path: Path) -> None:
    space, _ = load_space(path)
    content = baseline_of(space, {"trainings": 2.5}, None)
    baseline = parse_space(to_yaml(content), "baseline")
    own, other = (
        {name: gene.to_dict() | {"when": gene.conditions} for name, gene in s.genes.items() if "training." in name}
        for s in (space, baseline)
    )
    assert own == other, "rates and optimiser in the same ranges; what is fixed is fixed"
    assert baseline.training == space.training
    assert (baseline.budget.trainings, baseline.budget.evaluations) == (2.5, None)
    seen = [[len(m.layers) for m in models(s)] for s in (space, baseline)]
    assert {*seen[0]} == {*seen[1]}, "as many layers"
    sizes = [{layer.feedforward.expansion for m in models(s) for layer in m.layers} for s in (space, baseline)]
    assert sizes[0] == sizes[1]


@pytest.mark.parametrize(
    ("rival", "fits"), [("transformer", ["transformer"]), ("harmonic", ["harmonic"]), ("wavelet", [])]
)
def test_rivals_begin_with_the_founders_that_are_models_of_theirs(rival: str, fits: list[str]) -> None:
    space, _ = load_space(ROOT / "search_spaces" / "hybrids.yaml")
    content = founded(baseline_of(space, {"trainings": 2.5}, None, rival), space)
    rivals = parse_space(to_yaml(content), "rival")
    assert [*rivals.founders] == fits
    for name in fits:
        of_both = [
            express(one, canonical(one, one.founders[name]), seed=0).to_dict() | {"corpus": None, "tokenizer": None}
            for one in (space, rivals)
        ]
        assert of_both[0] == of_both[1]


def test_settings_in_which_fixed_layers_differ_are_searched_among_their_values(tiny_space: Path) -> None:
    layers = (
        "[{mixer: {kind: attention, heads: 2, window: 8}, feedforward: {kind: mlp, expansion: 1}},"
        " {mixer: {kind: harmonic}, feedforward: {kind: spectral, expansion: 3, activation: gelu}}]"
    )
    text = tiny_space.read_text()
    text = text[: text.index("  layers:")] + text[text.index("objectives:") :]
    space = parse_space(text.replace("width: 16", f"width: 16, layers: {layers}"), "fixed")
    found = models(parse_space(to_yaml(baseline_of(space, {"evaluations": 2}, None)), "baseline"))
    assert {len(model.layers) for model in found} == {2}
    mixers = {(layer.mixer.heads, layer.mixer.window) for model in found for layer in model.layers}  # type: ignore[attr-defined]
    assert mixers == {(2, 8)}, "as the attention there is"
    free = {(layer.feedforward.expansion, layer.feedforward.activation) for model in found for layer in model.layers}
    assert free == {(1.0, "relu2"), (1.0, "gelu"), (3.0, "relu2"), (3.0, "gelu")}
    assert {layer.feedforward.kind for model in found for layer in model.layers} == {"mlp"}


@pytest.mark.parametrize(
    ("bounds", "largest", "bound"),
    [
        ({"max": 50_000}, 20_008, 20_008),
        ({"max": 50_000, "min": 900}, 20_008, 20_008),
        ({"min": 900}, 20_008, 20_008),
        ({"max": 50_000}, 60_000, 50_000),
        ({"max": 50_000}, None, 50_000),
    ],
)
def test_the_tighter_of_both_bounds_holds_for_the_baseline(
    tiny_space: Path, bounds: dict[str, int], largest: float | None, bound: float
) -> None:
    space, _ = load_space(tiny_space, [f"constraints={json.dumps({'parameters': bounds})}"])
    baseline = parse_space(to_yaml(baseline_of(space, {"evaluations": 20}, largest)), "baseline")
    assert baseline.constraints["parameters"].max == bound
    assert baseline.constraints["parameters"].min == bounds.get("min")


@pytest.mark.parametrize("path", SPACES, ids=lambda path: path.stem)
def test_no_transformer_of_the_baseline_is_smaller_than_the_smallest(path: Path) -> None:
    space = parse_space(to_yaml(baseline_of(load_space(path)[0], {"evaluations": 5}, None)), "baseline")
    generator = np.random.default_rng(0)
    sizes = []
    for _ in range(12):
        recipe = express(space, sample(space, generator), seed=0)
        sizes.append(count_parameters(build_model(recipe.model, seed=0)))
    assert smallest_of(space) <= min(sizes)


@pytest.mark.usefixtures("undrawn")
def test_winners_that_no_transformer_is_as_small_as_are_confirmed_without_one(tiny_space: Path, tmp_path: Path) -> None:
    options = ["--set", "constraints={parameters: {max: 5670}}", "--set", "confirm={top: 1, seeds: 1}"]
    result = command(
        "hrfevo", "run", tiny_space, "--out", tmp_path, "--backend", "inline", "--evaluations", 2, *options
    )
    assert result.returncode == 0, result.stderr
    assert "no transformer of this width has at most 5,670 parameters (the smallest 5,681)" in result.stdout
