"""Tables of a run read back as the store has it."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hrfevo.results.history import History
from hrfevo.space.distributions import flat_parameters, in_own_scale
from hrfevo.space.genome import sample
from hrfevo.space.search_space import SearchSpace
from hrfevo.store.records import Evaluation
from hrfevo.store.run_folder import RunFolder
from hrfevo.views.export.tables import as_bytes, evaluations_table
from tests.tools.exports import exported
from tests.tools.synthetic import read

# A space that no model has: choices of every kind that YAML can write.
MIXED = SearchSpace.model_validate(
    {
        "name": "mixed",
        "genes": {
            "rate": {"type": "float", "low": 1e-7, "high": 3e-2, "log": True},
            "kind": {"type": "choice", "values": ["standard", "spectral"]},
            "bases": {"type": "int", "low": 2, "high": 8, "when": {"kind": "spectral"}},
            "range": {"type": "interval", "low": 0.5, "high": 8, "log": True, "when": {"kind": "spectral"}},
            "odd": {"type": "choice", "values": [None, True, 1, 1.5, "1.5", "NA", "a,b", "x\r\ny", [1, "é"]]},
            "layers": {
                "type": "layers",
                "min": 1,
                "max": 3,
                "genes": {
                    "mixer": {"type": "choice", "values": ["attention", "wavelet"]},
                    "families": {"type": "choice", "values": [["haar"], ["db4"]], "when": {"mixer": "wavelet"}},
                    "expansion": {"type": "ordered", "values": [1.0, 2.0]},
                },
            },
        },
        "objectives": {"bits_per_byte": "minimize", "parameters": "minimize"},
        "rungs": [3, 6],
        "population": 4,
        "budget": {"evaluations": 10},
    }
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
NUMBERS = st.floats(allow_nan=False)
METRICS = st.dictionaries(st.sampled_from(["bits_per_byte", "parameters", "step_time", "inherited"]), NUMBERS)


@st.composite
def evaluation_lists(draw: st.DrawFn) -> list[Evaluation]:
    """Evaluations with any text, any numbers, anything missing."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    evaluations: list[Evaluation] = []
    for number in range(draw(st.integers(1, 4))):
        genome = sample(MIXED, generator)
        ended = draw(st.booleans())
        evaluation = Evaluation(
            number=number,
            genome=genome.id,
            values=json.loads(genome.text),
            birth=number,
            operator=draw(TEXTS),
            parents=tuple(e.genome for e in evaluations[:2]),
            rung=draw(st.integers(0, 1)),
            seed=draw(st.integers(0, 2**63 - 1)),
            status="failed" if ended else "running",
            reason=draw(TEXTS),
            detail=draw(TEXTS),
            metrics=draw(METRICS) if ended else {},
            worker=draw(TEXTS),
            device=draw(TEXTS),
            submitted=draw(st.floats(0, 1e10)),
            started=draw(st.floats(0, 1e10)) if ended else None,
            ended=draw(st.floats(0, 1e10)) if ended else None,
            submitted_event=number,
            ended_event=number + 100 if ended else None,
        )
        evaluations.append(evaluation)
    return evaluations


@settings(max_examples=60)
@given(evaluation_lists())
def test_every_column_of_a_table_reads_back_as_the_store_has_it(evaluations: list[Evaluation]) -> None:
    table = evaluations_table(History(MIXED, tuple(evaluations)))
    text, columns = io.BytesIO(as_bytes(table, "csv")), io.BytesIO(as_bytes(table, "parquet"))
    assert_holds(pd.read_csv(text, keep_default_na=False, dtype="string"), evaluations)
    assert_holds(pd.read_parquet(columns), evaluations)


# Columns that are made from others.
DERIVED = {"began", "minutes", "spent", "front", "place", "generation", "seeds"}


def assert_holds(read: pd.DataFrame, evaluations: list[Evaluation]) -> None:
    expected = [stored(evaluation) for evaluation in evaluations]
    assert {*read.columns} - DERIVED >= {name for row in expected for name in row}
    for name in {*read.columns} - DERIVED:
        for cell, row in zip(read[name], expected, strict=True):
            found, value = "" if pd.isna(cell) else str(cell), row.get(name)
            if value is None or isinstance(value, str):
                assert found == (value or ""), name
            elif isinstance(value, float):
                assert float(found) == value, name
            else:
                assert json.loads(found) == value, name
                assert isinstance(json.loads(found), type(value)), name


def stored(evaluation: Evaluation) -> dict[str, Any]:
    """What each column must hold, from the record alone. A gene that is null and one that is absent are both empty."""
    record = {name: getattr(evaluation, name) for name in Evaluation.__dataclass_fields__}
    values, metrics = record.pop("values"), record.pop("metrics")
    assert (record.pop("seeds"), record.pop("doubts")) == (1, {})  # of several evaluations, which are rows of their own
    genes = {f"gene:{name}": value for name, value in values.items() if name != "layers"}
    genes["gene:layers"] = len(values["layers"])
    for index, layer in enumerate(values["layers"]):
        genes |= {f"gene:layers[{index}].{name}": value for name, value in layer.items()}
    return {
        **record,
        **metrics,
        **genes,
        "genes": json.dumps(values, sort_keys=True, separators=(",", ":")),
        "parents": list(evaluation.parents),
        "timings": list(evaluation.timings),
        "steps": MIXED.rungs[evaluation.rung],
    }


@pytest.mark.parametrize("format_", ["csv", "parquet"])
def test_a_run_and_its_curves_as_tables(format_: str, run: Path, tmp_path: Path) -> None:
    space, evaluations = read(run)
    folder = RunFolder.open(run)
    exported(run, "--format", format_, "--output", tmp_path / "run")
    exported(run, "--format", format_, "--curves", "--output", tmp_path / "curves")
    reader: Any = pd.read_csv if format_ == "csv" else pd.read_parquet
    table, curves = reader(tmp_path / "run"), reader(tmp_path / "curves")
    assert [*table["genome"]] == [e.genome for e in evaluations]
    assert [*table["bits_per_byte"]] == [e.metrics["bits_per_byte"] for e in evaluations]
    assert {*table["genome"][table["front"]]} == {e.genome for e in History(space, tuple(evaluations)).front}
    kept = folder.open_store().curves(folder.id)
    points = {(number, p.step, p.seconds, p.bits_per_byte) for number, curve in kept.items() for p in curve}
    assert {*curves.itertuples(index=False, name=None)} == points


def test_numbers_are_numbers_wherever_they_go(written_run: Path) -> None:
    """Of an ordered gene too, whose values have been written down."""
    space, evaluations = read(written_run)
    table = pd.read_parquet(io.BytesIO(as_bytes(evaluations_table(History(space, tuple(evaluations))), "parquet")))
    column = table["gene:layers[0].feedforward.expansion"]
    assert pd.api.types.is_numeric_dtype(column)
    assert [*column] == [e.values["layers"][0]["feedforward.expansion"] for e in evaluations]
    parameters, distributions = flat_parameters(space, evaluations[0].values, in_own_scale)
    name = "layers[0].feedforward.expansion"
    assert parameters[name] == evaluations[0].values["layers"][0]["feedforward.expansion"]
    assert distributions[name].choices == (1.0, 2.0, 4.0)
