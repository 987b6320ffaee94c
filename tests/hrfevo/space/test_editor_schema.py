"""The schema by which editors mark what is wrong, against an independent validator."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from hrfevo.space.editor_schema import json_schema
from hrfevo.space.reading import load_space, parse_space
from hrfevo.space.search_space import SearchSpace
from signal_model.config import ModelConfig, TrainingConfig
from signal_model.support.errors import InputError
from signal_model.support.files import parse_document
from signal_model.support.settings import words
from tests.conftest import ROOT, SPACES, command
from tests.tools.spaces import MINIMAL


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
