"""Configs: both ways through YAML and JSON, frozen, and clear about what they refuse."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from signal_model.config import HarmonicConfig, ModelConfig, Recipe, TrainingConfig
from signal_model.support.errors import InputError
from signal_model.support.files import parse_document, to_yaml, write_atomically
from tests.signal_model.evaluation.test_causality import EMBEDDINGS, FEEDFORWARDS, MIXERS

# PyYAML folds unusual line separators in keys.
words = st.text(alphabet=st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1)
layers = st.fixed_dictionaries({"mixer": st.sampled_from(MIXERS), "feedforward": st.sampled_from(FEEDFORWARDS)})
models = st.fixed_dictionaries(
    {
        "width": st.sampled_from([8, 16, 64]),
        "context": st.integers(32, 4096),
        "vocab_size": st.integers(2, 70000),
        "embedding": st.sampled_from(EMBEDDINGS),
        "layers": st.lists(layers, min_size=1, max_size=4),
    }
)


@given(models)
@settings(max_examples=100)
def test_model_configs_go_through_yaml_and_json(settings_: dict[str, object]) -> None:
    config = ModelConfig.model_validate(settings_)
    assert ModelConfig.from_yaml(config.to_yaml()) == config
    assert ModelConfig.from_yaml(config.to_json()) == config
    assert ModelConfig.model_validate(config.to_dict()) == config
    with pytest.raises(ValidationError, match="frozen"):
        config.width = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("widht: 3", "1: widht: unknown setting (did you mean 'width'?); accepted: vocab_size, context, width"),
        ("\nwidth: -3", "2: width: expected at least 2, got -3"),
        ("embedding:\n  kind: spectrl", "2: embedding.kind: 'spectrl' is no kind (did you mean 'spectral'?)"),
        (
            "embedding:\n  bases: 3",
            "1: embedding.kind: is missing; accepted: spectral, hybrid, standard, basis; of these",
        ),
        ("embedding: standard", "1: embedding: expected a mapping such as {kind: standard}, got 'standard'"),
        ("embedding: {kind: standard, bases: 3}", "(only kinds spectral, hybrid and basis have it); accepted: kind"),
        (
            "embedding: {kind: standard, taps: 3}",
            "its place is front_end.taps or layers[…].filter_bank.taps or layers[…].mixer.taps",
        ),
        ("embedding: {kind: basis, wavelet: db2}", "`wavelet` must be given for `functions: wavelet` and only then"),
        (
            "layers:\n- mixer: {kind: wavelet, families: [db99]}",
            "layers[0].mixer.families[0]: 'db99' is not a discrete",
        ),
        (
            "layers:\n- {}\n- mixer:\n    kind: wavelet\n    levels: 9",
            "5: layers[1].mixer.levels: 9 needs a context of at least 512, got 128",
        ),
        ("layers: []", "layers: "),
        ("width: 3\nwidth: 4", "2: width stands twice"),
        ("width: [", "not valid YAML"),
        ("- 1", "expected a mapping of settings, got list"),
        ("", "expected a mapping of settings, got NoneType"),
        ("width: !!python/object/apply:os.system [ls]", "not valid YAML"),
        ("a: &a [1]\nb: [*a, *a]", "YAML aliases (*name) are not read"),
        ("? [1, 2]\n: 3", "a key must be a plain word"),
        ("[" * 100 + "]" * 100, "nested more than 50 deep"),
    ],
)
def test_what_is_wrong_is_one_line_with_place_value_and_remedy(text: str, says: str) -> None:
    with pytest.raises(InputError) as error:
        ModelConfig.from_yaml(text)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | words | st.floats(allow_nan=False),
        lambda inner: st.lists(inner) | st.dictionaries(words, inner),
        max_leaves=20,
    )
)
@example(["0E0", "1e5", "-.5", "1_0.0", ".inf", "1e-3", 1e-5, 1e300])
@settings(max_examples=200)
def test_yaml_is_read_as_it_was_written(data: object) -> None:
    assert parse_document(to_yaml({"data": data}), "x").data == {"data": data}


@given(st.text(alphabet=st.characters(codec="utf-8")))
@settings(max_examples=300)
def test_no_text_makes_a_config_raise_anything_but_an_input_error(text: str) -> None:
    with contextlib.suppress(InputError):
        ModelConfig.from_yaml(text)


def test_scientific_numbers_are_numbers() -> None:
    assert parse_document("a: 1e-3\nb: 2E+4\nc: 1_000\nd: -.5e1", "x").data == {
        "a": 1e-3,
        "b": 2e4,
        "c": 1000,
        "d": -5.0,
    }


def test_recipes_read_bare_model_configs(tmp_path: Path) -> None:
    (tmp_path / "model.yaml").write_text("width: 16\n")
    recipe = Recipe.load(tmp_path / "model.yaml")
    assert recipe == Recipe(model=ModelConfig(width=16))
    (tmp_path / "recipe.yaml").write_text(recipe.to_yaml())
    assert Recipe.load(tmp_path / "recipe.yaml") == recipe


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_atomically(path, "old")
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_configs_need_no_torch() -> None:
    code = "import sys, signal_model.config, hrfevo.space.reading; assert not {'torch', 'ray'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ({"mixer": {"kind": "attention", "window": 64}}, r"layers\[0\]\.mixer\.window: at most the context of 32"),
        (
            {"mixer": {"kind": "fourier_attention", "heads": 16}},
            r"mixer\.heads: .* of 16 into sizes of at least 2, got 16",
        ),
        ({"mixer": {"kind": "attention", "rotary": False, "heads": 16}}, r"mixer\.heads: .* sizes of at least 2"),
        (
            {"filter_bank": {"kind": "learned", "scales": 6}},
            r"filter_bank\.taps: the default of learned does not fit: 8 at 6 scales look 224 tokens back",
        ),
    ],
)
def test_parts_that_do_not_fit_the_model_say_so(layer: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ModelConfig.model_validate({"context": 32, "width": 16, "layers": [layer]})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"batch_size": 4, "accumulation": 3}, "accumulation: must divide the batch_size of 4, got 3"),
        ({"warmup": 0.9, "schedule": {"kind": "wsd"}}, "warmup: a warmup of 0.9 and a decay of 0.2 exceed 1 together"),
        ({"optimizer": {"kind": "adamw", "momentum": 0.9}}, "unknown setting"),
        ({"optimizer": {"kind": "muno"}}, "did you mean 'muon'"),
    ],
)
def test_training_settings_that_do_not_fit_each_other_say_so(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        TrainingConfig.model_validate(settings)


@pytest.mark.parametrize(
    ("frequencies", "message"),
    [
        ([0.2, 0.1], r"\[0\.2, 0\.1\] is not a range \[low, high\] with 0 < low < high"),
        ([0, 0.1], "with 0 < low < high"),
        ([1e-31, 0.1], "is not a range between 1e-30 and 1e30"),
        ([0.1, 0.6], "at most 0.5 cycles per token or sample, got 0.6"),
    ],
)
def test_ranges_that_are_refused_are_so_for_what_is_said(frequencies: list[float], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        HarmonicConfig.model_validate({"frequencies": frequencies})
