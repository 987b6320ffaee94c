"""What the page carries as data is what was measured: figures, cards, and what is said of all."""

import base64
import json
from typing import Any

import numpy as np
import pytest

from hrfevo.results.frames import evaluation_frame
from hrfevo.results.history import History
from hrfevo.space.search_space import SearchSpace
from hrfevo.views.figures import gene_values
from hrfevo.views.figures.sampling import drawn, drawn_numbers
from hrfevo.views.report.card_data import card_data
from hrfevo.views.report.compact import apart, drawing, packed
from hrfevo.views.terminal.tables import short_names
from tests.tools.synthetic import search


def unpacked(value: Any) -> Any:
    """What plotly.js makes of typed arrays."""
    if isinstance(value, dict) and set(value) == {"dtype", "bdata"}:
        return np.frombuffer(base64.b64decode(value["bdata"]), value["dtype"]).tolist()
    if isinstance(value, dict):
        return {key: unpacked(item) for key, item in value.items()}
    return [unpacked(item) for item in value] if isinstance(value, list) else value


def test_packed_figures_say_the_same(layers: SearchSpace) -> None:
    _, _, evaluations, _ = search(layers, 60)
    frame = evaluation_frame(History(layers, tuple(evaluations)))
    whole = drawing(gene_values(frame, layers))
    parts = apart(whole)
    assert sum(len(part["data"]) for part in parts.values()) == len(whole["data"])
    for name, part in parts.items():
        alone = gene_values(frame, layers, [name], columns=1)
        found = unpacked(packed(part))
        assert found["layout"]["yaxis"]["range"] == pytest.approx(list(alone.layout.yaxis.range))
        for one, other in zip(found["data"], alone.data, strict=True):
            assert list(one["x"]) == list(other.x)
            assert one["y"] == pytest.approx(list(other.y), rel=1e-6, nan_ok=True)


def test_card_data_holds_every_gene_and_measurement(layers: SearchSpace) -> None:
    _, space, evaluations, curves = search(layers, 80)
    data = json.loads(json.dumps(card_data(History(space, tuple(evaluations)), curves)))
    names = short_names([*space.genes, *space.genes["layers"].genes])  # type: ignore[union-attr]

    def read(packed: list[Any]) -> dict[str, Any]:
        return dict(zip(data["shapes"][packed[0]], packed[1:], strict=True))

    def told(values: dict[str, Any]) -> dict[str, Any]:
        return {names[k]: float(f"{v:.4g}") if isinstance(v, float) else v for k, v in values.items() if k != "layers"}

    table = data["evaluations"]
    front_numbers = {e.number for e in History(space, tuple(evaluations)).front}
    assert {table["number"][index] for index in table["front"]} == front_numbers
    for index, evaluation in enumerate(evaluations):
        genome = table["genome"][index]
        assert data["genomes"]["id"][genome] == evaluation.genome
        assert read(data["genomes"]["genes"][genome]) == told(evaluation.values)
        found = [read(data["layers"][layer]) for layer in data["genomes"]["layers"][genome]]
        assert found == [told(layer) for layer in evaluation.values["layers"]]
        assert [data["genomes"]["id"][p] for p in data["genomes"]["parents"][genome]] == list(evaluation.parents)
        assert data["statuses"][table["status"][index]] == evaluation.status
        assert data["reasons"][table["reason"][index]] == evaluation.reason
        for name in data["metrics"]:
            value = evaluation.metrics.get(name)
            assert table["values"][name][index] == (None if value is None else pytest.approx(value, rel=1e-5))
        if evaluation.number in curves:
            grid, *losses = table["curves"][index]
            assert data["grids"][grid] == [point.step for point in curves[evaluation.number]]
            assert losses == pytest.approx([p.bits_per_byte for p in curves[evaluation.number]], rel=1e-3)


def test_what_is_said_of_all_stays_true_where_some_are_drawn(layers: SearchSpace) -> None:
    _, space, evaluations, curves = search(layers, 400)
    frame = evaluation_frame(History(space, tuple(evaluations)))
    chosen = drawn(frame, 90)
    kept = frame[chosen]
    assert 60 <= len(kept) <= 120
    assert chosen[frame["front"]].all()
    assert not frame.loc[~chosen, "genome"].isin(kept["genome"]).any(), "evaluations of a genome stay together"
    assert np.diff(kept["number"]).max() < 40, "spread over the run"
    assert drawn(frame, 400).all()
    assert drawn_numbers(evaluations, History(space, tuple(evaluations)).front, 90) == kept["number"].tolist()

    history = History(space, tuple(evaluations))
    whole, part = card_data(history, curves), card_data(history, curves, {*kept["number"]})
    assert part["evaluations"]["number"] == kept["number"].tolist()
    finished = [sum(e.status == "finished" and e.rung == rung for e in evaluations) for rung in (0, 1)]
    assert part["peers"] == whole["peers"] == finished
    place = dict(zip(whole["evaluations"]["number"], whole["evaluations"]["place"], strict=True))
    for number, found in zip(part["evaluations"]["number"], part["evaluations"]["place"], strict=True):
        one = next(e for e in evaluations if e.number == number)
        assert found == place[number]
        if one.status == "finished":
            peers = [e for e in evaluations if e.status == "finished" and e.rung == one.rung]
            assert found == 1 + sum(e.metrics["bits_per_byte"] < one.metrics["bits_per_byte"] for e in peers)
    for genome, children in zip(part["genomes"]["id"], part["genomes"]["children"], strict=True):
        assert children == len({e.genome for e in evaluations if genome in e.parents})


def test_counts_are_packed_to_the_last_digit() -> None:
    counts = np.array([123_456_789.0, np.nan, 7.0])
    assert unpacked(packed(counts)) == pytest.approx(counts, rel=0, nan_ok=True)
    assert packed(np.array([2.123456789, 16_777_216.0]))["dtype"] == "f4"
