"""Search spaces: read with options that reach into genes, and counted."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from hrfevo.space.genes import OrderedGene
from hrfevo.space.genome import sample
from hrfevo.space.reading import load_space, parse_space, space_size
from hrfevo.space.search_space import SearchSpace
from signal_model.support.errors import InputError
from tests.conftest import ROOT
from tests.tools.spaces import MINIMAL, RATE, SMALL


def space_of(genes: dict[str, Any], **others: Any) -> SearchSpace:
    return parse_space(yaml.safe_dump(copy.deepcopy(MINIMAL) | {"genes": genes} | others), "space.yaml")


def test_a_gene_with_dots_is_added_by_an_option() -> None:
    space = parse_space(SMALL, "small.yaml", ["genes.training.weight_decay={type: float, low: 0, high: 1}"])
    assert "training.weight_decay" in space.genes


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
