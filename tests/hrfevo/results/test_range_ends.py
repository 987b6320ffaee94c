"""Genes whose range ends where the best are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from hrfevo.results.history import History
from hrfevo.results.range_ends import range_ends
from hrfevo.space.genome import Genome
from hrfevo.space.reading import parse_space
from hrfevo.space.search_space import SearchSpace
from tests.tools.synthetic import search

SPACE = """
name: ends
model: {context: 64, width: 64}
genes:
  training.learning_rate: {type: float, low: 1e-3, high: 2e-2, log: true}
  training.weight_decay: {type: float, low: 0, high: 0.5}
  embedding.kind: {type: choice, values: [standard, spectral]}
  embedding.bases: {type: int, low: 2, high: 30, when: {embedding.kind: spectral}}
  layers:
    type: layers
    min: 2
    max: 2
    fixed: {feedforward: {kind: mlp}}
    genes:
      mixer.kind: {type: choice, values: [harmonic]}
      mixer.bases: {type: int, low: 2, high: 5}
      feedforward.expansion: {type: float, low: 1, high: 4}
rungs: [20]
population: 8
budget: {evaluations: 64}
"""


@pytest.fixture(scope="module")
def space() -> SearchSpace:
    return parse_space(SPACE, "ends.yaml")


def searched(space: SearchSpace, *best: Callable[[dict[str, Any]], None]) -> History:
    """A search with values drawn well inside all ranges, but for what is changed of its best."""
    history = History(space, tuple(search(space, 40)[2]))
    order = {one.number: place for place, one in enumerate(history.ranked(len(history)))}
    changed, generator = [], np.random.default_rng(0)
    for one in history:
        values = {
            "training.learning_rate": float(10 ** generator.uniform(-2.9, -1.8)),
            "training.weight_decay": float(generator.uniform(0.01, 0.49)),
            "embedding.kind": "spectral",
            "embedding.bases": int(generator.integers(3, 30)),
            "layers": [
                {
                    "mixer.kind": "harmonic",
                    "mixer.bases": 5,  # at its end, of few values
                    "feedforward.expansion": float(generator.uniform(1.1, 3.9)),
                }
                for _ in range(2)
            ],
        }
        place = order.get(one.number, len(best))
        if place < len(best):
            best[place](values)
        changed.append(replace(one, genome=Genome(values).id, values=values))
    return history.among(changed)


def setting(**genes: Any) -> Callable[[dict[str, Any]], None]:
    return lambda values: values.update({name.replace("__", "."): value for name, value in genes.items()})


def ends(space: SearchSpace, *best: Callable[[dict[str, Any]], None]) -> list[tuple[str, str, float, int, int]]:
    return [(e.gene, e.end, e.limit, e.count, e.of) for e in range_ends(searched(space, *best))]


def test_the_best_few_at_an_end_are_told_and_others_are_not(space: SearchSpace) -> None:
    assert ends(space) == [], "no best one is near an end, and a whole number of four values is not asked"
    near = [0.02, 0.0198, 0.0196, 0.01945, 0.02]  # within 1 % by ratio: above 0.02 * 20 ** -0.01 = 0.01941
    rates = [setting(training__learning_rate=rate) for rate in near]
    assert ends(space, *rates) == [("training.learning_rate", "upper", 0.02, 5, 5)]
    assert ends(space, *rates[:3], setting(training__learning_rate=0.0193), rates[4])[0][3:] == (4, 5)
    assert ends(space, *rates[:3]) == [], "three of the best five"
    assert ends(space, *[setting()] * 5, *rates) == [], "others than the best few"
    low = setting(training__learning_rate=0.001, embedding__bases=2)
    assert ends(space, *[low] * 5) == [
        ("training.learning_rate", "lower", 0.001, 5, 5),
        ("embedding.bases", "lower", 2, 5, 5),
    ]
    said = range_ends(searched(space, *rates))[0].words
    assert said.startswith("training.learning_rate is at its upper end (0.02) in 5 of the best 5: ")


def test_what_cannot_be_widened_is_no_end(space: SearchSpace) -> None:
    assert ends(space, *[setting(training__weight_decay=0.0)] * 5) == [], "a weight decay below 0 is none"
    assert [e[:2] for e in ends(space, *[setting(training__weight_decay=0.5)] * 5)] == [
        ("training.weight_decay", "upper")
    ]


def test_a_gene_of_layers_is_at_an_end_where_all_its_layers_are(space: SearchSpace) -> None:
    def all_layers(values: dict[str, Any]) -> None:
        values["layers"] = [layer | {"feedforward.expansion": 3.99} for layer in values["layers"]]

    def one_layer(values: dict[str, Any]) -> None:
        values["layers"][0]["feedforward.expansion"] = 4.0

    assert [e[:3] for e in ends(space, *[all_layers] * 5)] == [("layers.feedforward.expansion", "upper", 4.0)]
    assert ends(space, *[one_layer] * 5) == []


def test_of_too_few_nothing_is_said(space: SearchSpace) -> None:
    history = searched(space, *[setting(training__learning_rate=0.02)] * 5)
    best = history.ranked(5)
    assert range_ends(history.among(best[:2])) == []
    assert len(range_ends(history.among(best[:3]))) == 1
