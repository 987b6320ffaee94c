"""Search space files: what is valid, what is said about what is not, and that every gene matters."""

from __future__ import annotations

import copy
import itertools
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from hrfevo.space.editor_schema import json_schema
from hrfevo.space.genes import BaseGene, ChoiceGene, FloatGene, IntervalGene, IntGene, LayersGene, OrderedGene, UnitGene
from hrfevo.space.genome import Genome, canonical, express, resolve, sample
from hrfevo.space.reading import load_space, parse_space, space_size
from hrfevo.space.search_space import SearchSpace
from hrfevo.space.trials import trials
from signal_model.config import ModelConfig, Recipe, TrainingConfig
from signal_model.model import build_model
from signal_model.support.errors import InputError
from signal_model.support.files import Document, parse_document
from signal_model.support.settings import paths, words
from signal_model.training.optimizers import build_optimizers, learning_rate_factor
from tests.conftest import ROOT, SPACES, command

MINIMAL: dict[str, Any] = {
    "name": "minimal",
    "genes": {"embedding.kind": {"type": "choice", "values": ["standard", "spectral"]}},
    "rungs": [1],
    "budget": {"evaluations": 1},
}


def space_of(genes: dict[str, Any], **others: Any) -> SearchSpace:
    return parse_space(yaml.safe_dump(copy.deepcopy(MINIMAL) | {"genes": genes} | others), "space.yaml")


@cache
def shipped(path: Path) -> SearchSpace:
    return load_space(path)[0]


# --- files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", SPACES, ids=lambda path: path.stem)
def test_shipped_spaces_are_valid_and_name_their_schema(path: Path) -> None:
    space, text = load_space(path)
    assert space.name == path.stem
    assert text.startswith("# yaml-language-server: $schema=schema.json\n")
    jsonschema.validate(parse_document(text, path.name).data, json_schema())


SPACE_OF_ALL = (ROOT / "search_spaces" / "mixers.yaml").read_text()


@pytest.mark.parametrize(
    ("written", "instead", "place"),
    [
        ("embedding.kind: {", "embeding.kind: {", "genes"),
        ("[standard, spectral, basis, hybrid]}", "[standard, spektral]}", "genes/embedding.kind/values/1"),
        ("[linear, log, mel]", "[linear, logarithmic]", "genes/embedding.spacing/values/1"),
        ("[haar, db2, sym4]", "[haar, db99]", "genes/embedding.wavelet/values/1"),
        ("embedding.bases: {type: int, low: 8", "embedding.bases: {type: int, low: 0", "genes/embedding.bases/low"),
        ("{positions.kind: signal}", "{position.kind: signal}", "genes/positions.bases/when"),
        ("filter_bank.taps: {", "filter_bank.tap: {", "genes/layers/genes"),
        ("filter_bank.kind: {type: choice, values: [none, learned]}",
         "filter_bank.kind: {type: choice, values: [none, lerned]}", "genes/layers/genes/filter_bank.kind/values/1"),
        ("  width: 96", "  widht: 96", "model"),
        ("batch_size: 12", "batchsize: 12", "training"),
        ("training.optimizer.kind: {", "training.optimiser.kind: {", "genes"),
        ("constraints: {parameters:", "constraints: {parameter:", "constraints"),
        ("frequencies: {type: interval, low: 0.25", "frequencies: {type: interval, low: 0",
         "genes/embedding.frequencies/low"),
        ("rungs: [", "rungs: [0, ", "rungs/0"),
    ],
)  # fmt: skip
def test_an_editor_marks_a_wrong_gene_or_value_where_it_stands(written: str, instead: str, place: str) -> None:
    """By an independent validator of the schema; what validation refuses, and not a letter more."""
    assert SPACE_OF_ALL.count(written) >= 1
    broken = SPACE_OF_ALL.replace(written, instead, 1)
    with pytest.raises(InputError):
        parse_space(broken, "space.yaml")
    errors = jsonschema.Draft202012Validator(json_schema()).iter_errors(parse_document(broken, "space.yaml").data)
    assert place in {"/".join(map(str, error.path)) for error in errors}


def misspelt(told: Any) -> Iterator[Any]:
    """Data of a file with one letter too many: in each of its keys, and in each of its words."""
    if isinstance(told, str):
        yield f"{told}x"
    for key, value in told.items() if isinstance(told, dict) else enumerate(told) if isinstance(told, list) else ():
        if isinstance(told, dict):
            yield {f"{name}x" if name == key else name: one for name, one in told.items()}
        for instead in misspelt(value):
            broken = copy.copy(told)
            broken[key] = instead
            yield broken


@pytest.mark.parametrize("path", SPACES, ids=lambda path: path.stem)
def test_an_editor_marks_whatever_is_misspelt(path: Path) -> None:
    """But for names, which are free: of the space, of its founders."""
    space = parse_document(path.read_text(), path.name).data
    known = jsonschema.Draft202012Validator(json_schema())
    unmarked = [broken for broken in misspelt(space) if known.is_valid(broken)]
    free = {"name", "description", "founders"}
    assert len(unmarked) == 2 + len(space.get("founders", ()))
    assert all({key for key, value in broken.items() if value != space[key]} <= free for broken in unmarked)


@pytest.mark.parametrize("path", [*SPACES, ROOT / "README.md"], ids=lambda path: path.stem)
def test_numbers_are_numbers_to_editors_too(path: Path) -> None:
    """YAML 1.2 reads 60_000 as text, so editors mark it; what is shipped and taught is plain."""
    assert not re.search(r"(?<![\w.-])\d+_\d", path.read_text())


def test_schema_on_disk_is_current() -> None:
    """Written by `hrfevo schema --output search_spaces/schema.json`."""
    # In a process of its own: other tests have parts of their own.
    current = json.loads(command("hrfevo", "schema").stdout)
    assert json.loads((ROOT / "search_spaces" / "schema.json").read_text()) == current


BASE = (ROOT / "search_spaces" / "embeddings.yaml").read_text()


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("embedding.bases:", "embedding.base:", "embedding.base", "did you mean 'bases'?); accepted: kind, bases"),
        (
            "\n  embedding.kind:",
            "\n  embeding.kind:",
            "  embeding.kind:",
            "genes.embeding.kind: unknown setting (did you mean 'embedding.kind'?)",
        ),
        (
            "embedding.kind:",
            "embeding.kind:",
            "  embeding.kind:",
            "unknown setting (did you mean 'embedding'?); accepted",
        ),
        ("low: 4, high: 48", "low: 48, high: 4", "{type: int", "low must be below high, got low 48 and high 4"),
        ("low: 0.25,", "low: -1,", "low: -1", "a logarithmic range starts above 0, got low -1"),
        (
            "[dct, fourier, learned]",
            "[dct, furier]",
            "furier",
            "'furier' is not accepted (did you mean 'fourier'?); accepted: dct, fourier, wavelet, learned",
        ),
        ("kind: harmonic", "kind: harmonc", "kind: harmonc", "'harmonc' is no kind (did you mean 'harmonic'?)"),
        ("kind: basis}", "kind: bassis}", "bassis", "embedding.kind never has the value 'bassis'; accepted: standard"),
        ("type: float", "type: flaot", "flaot", "'flaot'"),
        ("heads: 4", "heads: 5", "heads: 5", "must divide the width of 96 into even sizes, got 5"),
        (
            "budget: {evaluations: 72}",
            "budget: {}",
            "budget",
            "give evaluations, trainings, minutes",
        ),
        ("{evaluations: 72}", "{minutes: true}", "budget", "budget.minutes: expected a number, got true"),
        ("{evaluations: 72}", "5", "budget", "mapping of settings, got 5; accepted: evaluations, trainings, minutes,"),
        ("{evaluations: 72}", "", "budget", "mapping of settings, got None; accepted: evaluations, trainings,"),
        ("rungs: [180]", "rungs: [true]", "rungs", "rungs: expected a number, got true"),
        ("heads: 4", "heads: true", "heads", "expected a number, got true"),
        ("rungs: [180]", "rungs: [180, 80]", "rungs", "rungs are training steps that grow, got [180, 80]"),
        ("bits_per_byte: minimize", "perplexity: minimize", "perplexity", "accepted: bits_per_byte, error_rate,"),
        ("corpus: python", "corpus: pyton", "corpus", "'pyton' is no corpus"),
        ("population: 16", "population: sixteen", "population", "got 'sixteen'"),
        ("population: 16", "populaton: 16", "populaton", "did you mean 'population'?"),
        ("low: 0.25, high: 48", "low: 0.25, high: 480", "low: 0.25", "480 cycles need a width of at least 960, got 96"),
        ("training:", "training:\n  steps: 3", "  steps: 3", "is set by rungs, not here"),
        ("rungs: [180]", "rungs: [180", "population", "not valid YAML"),
        ("rungs: [180]", "rungs: [180]\nrungs: [80]", "rungs: [80]", "rungs stands twice"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(old: str, new: str, line: str, says: str) -> None:
    assert old in BASE
    text = BASE.replace(old, new)
    with pytest.raises(InputError) as error:
        parse_space(text, "space.yaml")
    message = str(error.value)
    assert says in message
    assert "\n" not in message
    file, number, _ = message.split(":", 2)
    assert file == "space.yaml"
    lines = text.splitlines()
    around = lines[int(number) - 1 : int(number) + 1]
    assert any(line in candidate for candidate in around), (message, around)


SMALL = """
name: small
model: {context: 32, width: 16}
genes:
  training.learning_rate: {type: float, low: 1e-3, high: 3e-2}
  embedding.kind: {type: choice, values: [standard, spectral]}
  embedding.bases: {type: int, low: 2, high: 8, when: {embedding.kind: spectral}}
  embedding.frequencies: {type: interval, low: 0.5, high: 8, when: {embedding.kind: spectral}}
  layers:
    type: layers
    min: 1
    max: 2
    genes:
      mixer.kind: {type: choice, values: [attention, wavelet]}
rungs: [3]
budget: {evaluations: 5}
"""
RATE, KINDS = "{type: float, low: 1e-3, high: 3e-2}", "mixer.kind: {type: choice, values: [attention, wavelet]}"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (RATE, "{low: 1e-3}", "4: genes.training.learning_rate.type: is missing; accepted: float, int, interval,"),
        (RATE, "3e-2", "4: genes.training.learning_rate: expected a mapping such as {type: float, low: 0, high: 1}"),
        (RATE, "{type: float, low: 1e-3, high: .inf}", "learning_rate.high: expected a finite number, got inf"),
        ("type: choice, values: [attention", "values: [attention", "13: genes.layers.genes.mixer.kind.type: is miss"),
        ("    max: 2\n", "", "8: genes.layers.max: is missing"),
        ("{type: int, low: 2, high: 8, when: {embedding.kind: spectral}}",
         "{type: int, low: 2, high: 8, when: {embedding.bases: 3}}", "'embedding.bases' is the gene itself; accepted"),
        (KINDS, "mixer.kind: {type: choice, values: [wavelet], when: {mixer.knid: wavelet}}",
         "'mixer.knid' is no gene here; there is no other gene"),
        ("high: 8, when: {embedding.kind: spectral}}\n  l", "high: 8}\n  l",
         "7: genes.embedding.frequencies: unknown setting (only kinds spectral and hybrid have it); accepted: kind; "
         "searched only where it is one: when: {embedding.kind: [spectral]}"),
        (KINDS, f"{KINDS}\n      mixer.levels: {{type: int, low: 1, high: 3}}",
         "14: genes.layers.genes.mixer.levels: unknown setting (only kind wavelet has it); accepted: kind, heads, "
         "rotary, window, short_convolution; searched only where it is one: when: {mixer.kind: [wavelet]}"),
        ("    max: 2\n", "    max: 2\n    fixed: {mixer.window: 16}\n",
         "12: genes.layers.fixed.mixer.window: fixed settings are nested; write mixer: {window: 16}"),
        ("width: 16}", "width: 16, embedding: {a.b.c: 1}}", "2: model.embedding.a.b.c: fixed settings are nested; "
         "write a: {b: {c: 1}}"),
        ("genes:\n  t", "training: {optimizer.kind: muon}\ngenes:\n  t", "write optimizer: {kind: muon}"),
        ("training.learning_rate", "training.dropout", "training.dropout: unknown setting; accepted: batch_size,"),
        ("  embedding.frequencies: {type: interval, low: 0.5, high: 8, when: {embedding.kind: spectral}}\n", "",
         "5: genes.embedding.kind: with 'spectral', model.width: embedding.frequencies: the default of spectral does "
         "not fit: 32 cycles need a width of at least 64, got 16; set embedding.frequencies, or another width"),
        ("rungs:", "constraints: {params: {max: 3}}\nrungs:", "constraints.params: 'params' is no metric (did you"),
        ("rungs:", "objectives: {bits_per_byte: maximize}\nrungs:", "bits_per_byte: validation loss, bits per"),
        ("rungs:", "objectives: {compression: minimize}\nrungs:", "the worst would win; accepted: maximize"),
        ("name: small", f"name: {'a' * 300}", "up to 100 letters, digits, - and _, a letter or digit first; got one"),
        (RATE, "&rate {type: float, low: 1e-3, high: 3e-2}\n  training.weight_decay: *rate", "aliases (*name)"),
        (RATE, "{type: float, low: 1, high: 2, step: 1e-9}", "takes it through 1,000,000,002 values"),
        (RATE, "{type: float, low: 1, high: 2, step: -1}", "takes it through 0 values; accepted: a step of"),
        (RATE, "{type: float, low: 1, high: 2, step: 0.5, log: true}", "learning_rate.step: goes with log: false"),
        # A part is of no kind: the gene is at fault that is of the part, not the first line.
        (RATE, f"{RATE}\n  training.optimizer.momentum: {{type: float, low: 0.1, high: 0.2}}",
         "5: genes.training.optimizer.momentum: training.optimizer.kind is missing; accepted: adamw, muon"),
        (KINDS, "mixer.levels: {type: int, low: 1, high: 3}", "13: genes.layers.genes.mixer.levels: mixer.kind is "
         "missing; accepted: attention,"),
        # Whatever else is wrong with the model: frequencies up to 32 do not fit its width.
        ("8, when: {embedding.kind: spectral}}\n  embedding.frequencies: {type: interval, low: 0.5, high: 8, when",
         "8}\n  embedding.spacing: {type: choice, values: [log], when",
         "accepted: kind; searched only where it is one: when: {embedding.kind: [spectral]}"),
        # What is settled elsewhere, or is of no model, is no gene, nor said to be one.
        ("training.learning_rate", "vocab_size", "4: genes.vocab_size: is set by the tokenizer, not searched; run one "
         "search for each size: --set tokenizer.size=0.001"),
        ("training.learning_rate", "training.steps", "4: genes.training.steps: is set by rungs, not searched"),
        ("training.learning_rate", "tokenizer.size", "4: genes.tokenizer.size: tokenizer is not searched: genes are "
         "of models and training; run one search for each: --set tokenizer.size=0.001"),
        ("training.learning_rate", "learning", "4: genes.learning: unknown setting; accepted: context, width,"),
        # What the file does not say does not fit what it does.
        ("width: 16}", "width: 33}", "2: model.width: mixer.heads: the default of attention does not fit: must "
         "divide the width of 33 into even sizes, got 4; set mixer.heads, or another width"),
        ("context: 32, ", "context: 8, ", "13: genes.layers.genes.mixer.kind: with 'wavelet', model.context: "
         "mixer.levels: the default of wavelet does not fit: 5 needs a context of at least 32, got 8; set mixer.lev"),
        ("  layers:\n", "  layers.0.mixer.heads: {type: int, low: 1, high: 2}\n  layers:\n",
         "8: genes.layers.0.mixer.heads: genes of layers stand below the genes of one that is named layers"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_gene_is_said_in_our_words_and_of_the_gene(old: str, new: str, says: str) -> None:
    assert SMALL.count(old) == 1
    parse_space(SMALL, "small.yaml")
    with pytest.raises(InputError) as error:
        parse_space(SMALL.replace(old, new).lstrip("\n"), "small.yaml")
    assert says in str(error.value)
    assert ".[key]" not in str(error.value)
    assert "Unable to extract" not in str(error.value)


@pytest.mark.parametrize("odd", [None, True, 0, -1.5, "x", [], [3], {}, {"a": 3}], ids=repr)
def test_no_setting_is_refused_in_the_words_of_pydantic(odd: object) -> None:
    said, small = set(), parse_document(SMALL, "small.yaml").data
    for key in {key for key, _ in paths(SearchSpace)}:
        place = data = copy.deepcopy(small)
        *sections, name = key.split(".")
        for section in sections:
            place = place.setdefault(section, {})
        place[name] = odd
        try:
            SearchSpace.from_document(Document("small.yaml", data, {}))
        except InputError as error:
            said.add(str(error))
    assert len(said) > 15
    assert not [one for one in said if re.search("Input should|after validation|Field required", one)]


def test_a_gene_with_dots_is_added_by_an_option() -> None:
    space = parse_space(SMALL, "small.yaml", ["genes.training.weight_decay={type: float, low: 0, high: 1}"])
    assert "training.weight_decay" in space.genes


MISPLACED = "unknown setting here, its place is"
FIXED = "    max: 2\n    fixed: "


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        # A right condition, and the gene that it means with the wrong value: at that value.
        ("[standard, spectral]", "[standard, spectrl]", "5: genes.embedding.kind.values[1]: 'spectrl' is no value of "
         "embedding.kind (did you mean 'spectral'?); accepted: "),
        (KINDS, "mixer.kind: {type: choice, values: [attention, wavlet]}\n      mixer.levels: "
         "{type: int, low: 1, high: 3, when: {mixer.kind: wavelet}}", "13: genes.layers.genes.mixer.kind.values[1]: "
         "'wav"),
        (KINDS, "feedforward.activation: {type: choice, values: [gelu, relu]}\n      feedforward.expansion: "
         "{type: int, low: 1, high: 3, when: {feedforward.activation: relu2}}", "13: "
         "genes.layers.genes.feedforward.act"),
        # A part without its kind.
        ("width: 16}", "width: 16, positions: {bases: 8}}",
         "2: model.positions.kind: is missing; accepted: none, signal; "
         "of these signal has bases"),
        (RATE, f"{RATE}\n  positions.bases: {{type: int, low: 2, high: 4}}",
         "5: genes.positions.bases: positions.kind is "
         "missing; accepted: none, signal; of these signal has bases; fix it, or search it too"),
        (KINDS, "mixer.heads: {type: choice, values: [2, 4]}",
         "13: genes.layers.genes.mixer.heads: mixer.kind is missing"),
        (RATE, f"{RATE}\n  training.schedule.decay: {{type: float, low: 0.1, high: 0.3}}",
         "training.schedule.kind is miss"),
        # What some of the kinds that are searched do not have.
        ("    max: 2\n", FIXED + "{mixer: {window: 16}}\n",
         "12: genes.layers.fixed.mixer.window: unknown setting (only "
         "kind attention has it); accepted: kind, families, levels, heads, taps; for those it is a gene with one "
         "value, "
         "mixer.window: {type: choice, values: [16], when: {mixer.kind: [attention]}}"),
        # What belongs to another section.
        ("width: 16}", "width: 16, mixer: {heads: 2}}",
         f"2: model.mixer: {MISPLACED} genes.layers.fixed.mixer; accepted"),
        ("width: 16}", "width: 16, batch_size: 2}",
         f"2: model.batch_size: {MISPLACED} training.batch_size; accepted here"),
        ("genes:\n  t", "training: {context: 64}\ngenes:\n  t",
         f"3: training.context: {MISPLACED} model.context; accepted"),
        ("genes:\n  t", "training: {population: 9}\ngenes:\n  t", f"training.population: {MISPLACED} the top level of"),
        ("genes:\n  t", "evaluations: 9\ngenes:\n  t",
         f"3: evaluations: {MISPLACED} budget.evaluations; accepted here"),
        ("genes:\n  t", "steps: 9\ngenes:\n  t", f"3: steps: {MISPLACED} rungs or confirm.steps; accepted here: name"),
        ("training.learning_rate", "batch_size",
         f"4: genes.batch_size: {MISPLACED} genes.training.batch_size; accepted"),
        ("training.learning_rate", "mixer.taps",
         f"4: genes.mixer.taps: {MISPLACED} genes.layers.genes.mixer.taps; acc"),
        (KINDS, "width: {type: int, low: 8, high: 16}",
         f"13: genes.layers.genes.width: {MISPLACED} genes.width; accepted"),
        # Text.
        ("genes:\n  t", "corpus: {path: {valid: a}}\ngenes:\n  t", "3: corpus.path.valid: is no split (did you mean "
         "'validation'?); accepted: train, validation, test"),
        ("genes:\n  t", "corpus: {path: 3}\ngenes:\n  t",
         "3: corpus.path: expected a path or a list of paths, or one for "
         "each of train, validation and test, got 3"),
        ("genes:\n  t", "corpus: {path: {test: [1]}}\ngenes:\n  t",
         "3: corpus.path.test: expected a path or a list of pa"),
        ("genes:\n  t", "corpus: {paths: a}\ngenes:\n  t",
         "{'paths': 'a'} is no corpus (did you mean 'path'?); accepted:"),
    ],
)  # fmt: skip
def test_what_is_told_to_a_newcomer_is_where_it_went_wrong_and_what_is_right(old: str, new: str, says: str) -> None:
    assert SMALL.count(old) == 1
    with pytest.raises(InputError) as error:
        parse_space(SMALL.replace(old, new).lstrip("\n"), "small.yaml")
    assert f"small.yaml:{says}" in str(error.value) if says[0].isdigit() else says in str(error.value)


def test_every_home_that_is_named_for_a_key_takes_it() -> None:
    """Of every setting of models and training: by an independent validator of the schema a gene may be there."""
    keys = {path.rpartition(".")[2] for config in (ModelConfig, TrainingConfig) for path in words(config)}
    every = {home for key in keys for home in SearchSpace.homes(key, searched=True)}
    homes = {home for home in every if home.startswith("genes.")} - {"genes.layers"}
    known = jsonschema.Draft202012Validator(json_schema())
    assert len(homes) > 40
    for home in homes:
        inside = home.removeprefix("genes.").removeprefix("layers.genes.")
        genes: dict[str, Any] = {inside: {"type": "choice", "values": []}}
        if home.startswith("genes.layers.genes."):
            genes = {"layers": {"type": "layers", "min": 1, "max": 2, "genes": genes}}
        messages = [error.message for error in known.iter_errors(MINIMAL | {"genes": genes})]
        assert not any("Additional properties" in message for message in messages), (home, messages)


def test_text_beside_the_space_file_is_not_read_but_pointed_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "spaces").mkdir()
    file = tmp_path / "spaces" / "small.yaml"
    file.write_text(SMALL.replace("genes:\n  t", "corpus: {path: [text.txt]}\ngenes:\n  t"))
    monkeypatch.chdir(tmp_path)
    load_space(file)  # nowhere: whoever reads the text says so
    (tmp_path / "spaces" / "text.txt").write_text("text")
    with pytest.raises(InputError, match=r"there is one at spaces/text\.txt, beside small\.yaml: write that"):
        load_space("spaces/small.yaml")
    (tmp_path / "text.txt").write_text("text")
    load_space("spaces/small.yaml")


def test_a_number_with_a_step_is_a_list_whose_neighbours_are_alike() -> None:
    batches = "training.batch_size: {type: int, low: 8, high: 31, step: 8, when: {embedding.kind: spectral}}"
    space = parse_space(SMALL.replace(RATE, f"{{type: float, low: 0.1, high: 0.4, step: 0.1}}\n  {batches}"), "s.yaml")
    rate, size = space.genes["training.learning_rate"], space.genes["training.batch_size"]
    assert isinstance(rate, OrderedGene)
    assert isinstance(size, OrderedGene)
    assert rate.values == [0.1, 0.2, 0.3, 0.4]
    assert size.values == [8, 16, 24]
    assert size.conditions == {"embedding.kind": ["spectral"]}


def test_unknown_wavelet_names_the_gene_and_what_is_accepted() -> None:
    text = (ROOT / "search_spaces" / "wavelets.yaml").read_text().replace("[coif1]", "[coiff1]")
    with pytest.raises(
        InputError, match=r"layers.*mixer\.families.*'coiff1' is not a discrete wavelet.*did you mean 'coif1"
    ):
        parse_space(text, "wavelets.yaml")


def test_what_an_option_says_is_not_blamed_on_the_file() -> None:
    for option, says in (
        ("model.widht=3", "--set model.widht=3: model.widht: unknown setting"),
        (
            "genes.embedding.bases.high=1",
            "small.yaml:6 with --set genes.embedding.bases.high=1: genes.embedding.bases: lo",
        ),
        (
            "genes.embedding.bases={type: int}",
            "--set genes.embedding.bases={type: int}: genes.embedding.bases.low: is missing",
        ),
        ("population=3", "--set population=3: population: "),
        ("constraints.params.max=3", "--set constraints.params.max=3: constraints.params: 'params' is no"),
    ):
        with pytest.raises(InputError) as error:
            parse_space(SMALL.lstrip(), "small.yaml", [option])
        assert str(error.value).startswith(says)
    # Several settings do not fit together, of which the file's own fit.
    with pytest.raises(InputError, match=r"got 8; without --set population=8 --set model.width=8 it is valid$"):
        parse_space(SMALL.lstrip(), "small.yaml", ["population=8", "model.width=8"])
    with pytest.raises(InputError, match=r"small\.yaml:4: genes\.training\.dropout.* windows, .* validation_tokens$"):
        parse_space(SMALL.lstrip().replace("learning_rate", "dropout"), "small.yaml", ["population=8"])


def test_overrides_reach_into_genes_and_are_validated() -> None:
    path = ROOT / "search_spaces" / "embeddings.yaml"
    space, _ = load_space(path, ["population=8", "genes.embedding.bases.high=16", "training.weight_decay=0.2"])
    assert space.population == 8
    assert space.genes["embedding.bases"].domain == "whole numbers 4 to 16"
    assert space.training["weight_decay"] == 0.2
    for override, says in (
        ("populaton=8", "did you mean"),
        ("population", "expected key=value"),
        ("name.x=1", "which has no"),
    ):
        with pytest.raises(InputError, match=says):
            load_space(path, [override])


def test_conditions_in_a_circle_and_on_a_continuum_are_refused() -> None:
    with pytest.raises(InputError, match="in a circle"):
        space_of(
            {
                "embedding.kind": {"type": "choice", "values": ["basis"], "when": {"embedding.functions": "dct"}},
                "embedding.functions": {"type": "choice", "values": ["dct"], "when": {"embedding.kind": "basis"}},
            }
        )


# --- size ----------------------------------------------------------------------------------------


def test_size_counts_what_can_be_enumerated() -> None:
    """By brute force over a space with conditions on conditions and layers."""
    space = space_of(
        {
            "embedding.kind": {"type": "choice", "values": ["standard", "basis", "spectral"]},
            "embedding.functions": {
                "type": "choice",
                "values": ["dct", "wavelet"],
                "when": {"embedding.kind": "basis"},
            },
            "embedding.wavelet": {
                "type": "choice",
                "values": ["haar", "db2"],
                "when": {"embedding.functions": "wavelet"},
            },
            "embedding.bases": {"type": "int", "low": 2, "high": 3, "when": {"embedding.kind": ["basis", "spectral"]}},
            "layers": {
                "type": "layers",
                "min": 1,
                "max": 2,
                "genes": {
                    "mixer.kind": {"type": "choice", "values": ["attention", "wavelet"]},
                    "mixer.levels": {"type": "int", "low": 1, "high": 2, "when": {"mixer.kind": "wavelet"}},
                },
            },
        }
    )
    generator = np.random.default_rng(0)
    seen = {sample(space, generator).id for _ in range(6000)}
    embeddings, layer = 1 + (1 + 2) * 2 + 2, 1 + 2
    assert space_size(space).discrete == embeddings * (layer + layer**2) == len(seen)
    assert space_size(space).continuous == 0


# --- genes ---------------------------------------------------------------------------------------

finite = st.floats(1e-4, 1e4)


@st.composite
def genes(draw: st.DrawFn) -> BaseGene:
    kind = draw(st.sampled_from(["float", "int", "interval", "ordered", "choice"]))
    log = draw(st.booleans())
    if kind == "int":
        low = draw(st.integers(1, 50))
        return IntGene(type="int", low=low, high=low + draw(st.integers(1, 10**6)), log=log)
    if kind in ("ordered", "choice"):
        values = draw(st.lists(st.integers() | st.text() | st.booleans(), min_size=1, max_size=6, unique_by=repr))
        return (
            OrderedGene(type="ordered", values=values)
            if kind == "ordered"
            else ChoiceGene(type="choice", values=values)
        )
    low = draw(finite)
    high = low * (1 + draw(st.floats(0.1, 1e4)))
    return (
        FloatGene(type="float", low=low, high=high, log=log)
        if kind == "float"
        else IntervalGene(type="interval", low=low, high=high, log=log)
    )


@given(gene=genes(), seed=st.integers(0, 2**20), unit=st.lists(st.floats(-0.5, 1.5), min_size=2, max_size=2))
@settings(max_examples=300)
def test_genes_admit_what_they_make_and_know_the_way_back(gene: BaseGene, seed: int, unit: list[float]) -> None:
    value = gene.sample(np.random.default_rng(seed))
    assert gene.admits(value)
    assert gene.admits(json.loads(json.dumps(value)))
    assert all(gene.admits(extreme) for extreme in gene.extremes())
    if isinstance(gene, UnitGene):
        decoded = gene.from_unit(unit[: gene.dimensions])
        assert gene.admits(decoded)
        again = gene.from_unit(gene.to_unit(decoded))
        assert gene.admits(again)
        if isinstance(decoded, float | list):
            np.testing.assert_allclose(again, decoded, rtol=1e-4)
        else:
            assert again == decoded


@given(seed=st.integers(0, 2**20), path=st.sampled_from(SPACES))
@settings(max_examples=100)
def test_genomes_have_one_canonical_form(seed: int, path: Path) -> None:
    space = shipped(path)
    genome = sample(space, np.random.default_rng(seed))
    shuffled = dict(reversed(list(json.loads(genome.text).items())))
    again = canonical(space, shuffled)
    assert again == genome
    assert again.id == genome.id
    recipe = express(space, genome, seed=0)
    assert Recipe.from_yaml(recipe.to_yaml()) == recipe


def test_canonical_refuses_what_is_missing_idle_or_out_of_range() -> None:
    space, _ = load_space(ROOT / "search_spaces" / "embeddings.yaml")
    rates = {"training.learning_rate": 0.006, "training.optimizer.kind": "adamw"}
    with pytest.raises(
        ValueError, match=r"embedding\.bases is active and has no value; accepted: whole numbers 4 to 48"
    ):
        canonical(space, rates | {"embedding.kind": "basis", "embedding.functions": "dct"})
    with pytest.raises(ValueError, match=r"embedding\.bases has a value and is not active"):
        canonical(space, rates | {"embedding.kind": "standard", "embedding.bases": 8})
    with pytest.raises(ValueError, match=r"embedding\.kind cannot be 'spectrum'; accepted: standard, spectral"):
        canonical(space, rates | {"embedding.kind": "spectrum"})


# --- no dead genes -------------------------------------------------------------------------------


def fingerprint(space: SearchSpace, genome: Genome) -> tuple[Any, ...]:
    """What a genome makes: the shapes and values of the model's weights and output, and its training."""
    recipe = express(space, genome, seed=0)
    model = build_model(recipe.model, 0)
    tokens = torch.arange(64)[None] % recipe.model.vocab_size
    with torch.no_grad():
        # An input of every frequency and scale, so that each setting of a mixer shows.
        output = model(tokens)
    trained = tuple(name for name, parameter in model.named_parameters() if parameter.requires_grad)
    optimizers = [
        (type(one), repr({name: value for name, value in group.items() if name != "params"}))
        for one in build_optimizers(model, recipe.training)
        for group in one.param_groups
    ]
    schedule = tuple(recipe.training.learning_rate * learning_rate_factor(s, recipe.training) for s in range(3))
    shapes = tuple((name, tuple(value.shape)) for name, value in model.state_dict().items())
    drawn = recipe.training.batch_size, recipe.training.speed_change, recipe.training.noise
    return shapes, output.numpy().tobytes(), trained, schedule, tuple(optimizers), drawn


@pytest.mark.parametrize("path", SPACES, ids=lambda path: path.stem)
def test_no_gene_is_dead(path: Path) -> None:
    """Change one gene of a genome in which it is active: what is built or how it is trained must change."""
    space, _ = load_space(path)
    tried = set()
    for genome, _ in trials(space):
        for name, gene in active_genes(space, genome):
            if name in tried:
                continue
            for value in gene.extremes():
                other = with_value(space, genome, name, value)
                if other is None or other == genome:
                    continue
                tried.add(name)
                assert fingerprint(space, genome) != fingerprint(space, other), f"{name} = {value} changes nothing"
    expected = {
        f"{name}/{inner}" if inner else name
        for name, gene in space.genes.items()
        for inner in (gene.genes if isinstance(gene, LayersGene) else [""])
    }
    assert tried == expected


def active_genes(space: SearchSpace, genome: Genome) -> list[tuple[str, BaseGene]]:
    found: list[tuple[str, BaseGene]] = []
    for name, value in genome.values.items():
        gene = space.genes[name]
        if isinstance(gene, LayersGene):
            found += [(f"{name}/{inner}", gene.genes[inner]) for inner in value[0]]
        else:
            found.append((name, gene))
    return found


def with_value(space: SearchSpace, genome: Genome, name: str, value: Any) -> Genome | None:
    """The genome with one gene changed and genes that this makes active at their first value."""

    def complete(genes_: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
        return resolve(
            genes_, lambda n, gene: known.get(n, None if isinstance(gene, LayersGene) else gene.extremes()[0])
        )

    outer, _, inner = name.partition("/")
    values = copy.deepcopy(dict(genome.values))
    if inner:
        gene = space.genes[outer]
        assert isinstance(gene, LayersGene)
        values[outer][0] = complete(dict(gene.genes), values[outer][0] | {inner: value})
    else:
        values[name] = value
    return Genome(complete(dict(space.genes), values))


SCALARS = st.sampled_from([0, 1, 0.0, 1.0, True, False, "1", "", None])


@given(values=st.lists(SCALARS | st.lists(SCALARS, max_size=2), min_size=1, max_size=6))
def test_a_value_is_named_twice_where_two_are_equal_and_of_one_type(values: list[Any]) -> None:
    pairs = itertools.combinations(values, 2)
    if any(type(one) is type(other) and one == other for one, other in pairs):
        with pytest.raises(ValueError, match="names a value twice"):
            ChoiceGene(type="choice", values=values)
    else:
        assert ChoiceGene(type="choice", values=values).values == values


def test_depth_is_not_dead() -> None:
    space, _ = load_space(ROOT / "search_spaces" / "mixers.yaml")
    layer = {"filter_bank.kind": "none", "mixer.kind": "attention", "mixer.heads": 4, "feedforward.kind": "mlp"}
    layer |= {"mixer.window": 64, "mixer.short_convolution": 1}
    layer |= {"feedforward.expansion": 2.0, "feedforward.activation": "gelu"}
    rest = {"training.learning_rate": 0.01, "training.weight_decay": 0.1, "training.optimizer.kind": "adamw"}
    rest |= {"positions.kind": "none", "embedding.kind": "standard"}
    depths = [express(space, canonical(space, rest | {"layers": [layer] * n}), seed=0).model for n in (2, 3)]
    assert [len(model.layers) for model in depths] == [2, 3]
    assert isinstance(depths[0], ModelConfig)
