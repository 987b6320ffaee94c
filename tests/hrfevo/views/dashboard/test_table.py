"""The table of evaluations filters and sorts, of several runs too."""

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hrfevo.views.dashboard.table import columns_of, rows_of
from hrfevo.views.dashboard.watch import Runs
from signal_model.support.errors import InputError
from tests.tools.dashboards import SPACE, Search


@pytest.mark.parametrize(
    ("column", "wanted", "keeps"),
    [
        ("bits_per_byte", {"type": "lessThan", "filter": 2.4}, lambda row: row.get("bits_per_byte", 9) < 2.4),
        ("bits_per_byte", {"type": "blank"}, lambda row: "bits_per_byte" not in row),
        ("steps", {"type": "equals", "filter": 12}, lambda row: row["steps"] == 12),
        ("gene:embedding.bases", {"type": "inRange", "filter": 3, "filterTo": 5},
         lambda row: 3 <= row.get("gene:embedding.bases", 0) <= 5),
        ("gene:layers[0].mixer.kind", {"type": "contains", "filter": "Wave"},
         lambda row: "wave" in row["gene:layers[0].mixer.kind"]),
        ("reason", {"type": "contains", "filter": "("}, lambda row: "(" in row["reason"]),
        ("front", {"type": "equals", "filter": "front"}, lambda row: row["front"] == "front"),
        ("gene:embedding.frequencies", {"type": "notBlank"}, lambda row: "gene:embedding.frequencies" in row),
        ("no such column", {"type": "contains", "filter": "x"}, lambda row: True),
        ("steps", {"type": "no such filter", "filter": "x"}, lambda row: True),
    ],
    ids=lambda value: "" if callable(value) else str(value),
)  # fmt: skip
def test_table_filters_and_sorts(
    column: str, wanted: dict[str, Any], keeps: Callable[[dict[str, Any]], bool], tmp_path: Path
) -> None:
    search = Search(tmp_path)
    search.go_on(60)
    for genome in [job.genome for job in search.finished[:5]]:
        search.submit(genome, 1)
        search.end()
    search.submit()
    search.end("failed", "error: ValueError(x)")
    shown = {"tiny": search.snapshot()}
    every = rows_of(shown, {"endRow": 1000})["rowData"]
    assert [row["number"] for row in every] == list(range(65, -1, -1))
    expected = [row for row in every if keeps(row)]
    assert len(expected) > 0
    filtered = rows_of(shown, {"filterModel": {column: wanted}, "startRow": 1, "endRow": 4})
    assert filtered["rowCount"] == len(expected)
    assert filtered["rowData"] == expected[1:4]
    ordered = rows_of(shown, {"sortModel": [{"colId": "bits_per_byte", "sort": "asc"}], "endRow": 60})["rowData"]
    scores = [row["bits_per_byte"] for row in ordered]
    assert scores == sorted(scores)
    json.dumps(every)
    hidden = {"id", "parents", "rung", "number", "train_seconds", "seeds", "place"}  # all have one seed
    assert {name for row in every for name in row} - hidden <= {found["field"] for found in columns_of(shown)}


def test_rows_of_several_runs_are_in_one_order(tmp_path: Path) -> None:
    searches = {name: Search(tmp_path, name, seed) for seed, name in enumerate(("a", "b"))}
    for search in searches.values():
        search.go_on(9)
    both = {name: search.snapshot() for name, search in searches.items()}
    alone = {name: rows_of({name: snapshot}, {"endRow": 9})["rowData"] for name, snapshot in both.items()}
    assert rows_of(both, {"endRow": 18}) == {"rowData": [*alone["a"], *alone["b"]], "rowCount": 18}
    order = {"sortModel": [{"colId": "gene:training.learning_rate", "sort": "desc"}], "startRow": 2, "endRow": 11}
    expected = sorted([*alone["a"], *alone["b"]], key=lambda row: -row["gene:training.learning_rate"])
    assert rows_of(both, order)["rowData"] == expected[2:11]
    only = {"filterModel": {"run": {"type": "equals", "filter": "b"}}, "endRow": 18}
    assert rows_of(both, only)["rowData"] == alone["b"]


def test_genes_that_cannot_be_read_are_told_of(tmp_path: Path) -> None:
    """The page shows what does not need them, until a part of it does."""
    search = Search(tmp_path)
    search.go_on(3)
    with sqlite3.connect(search.folder.path / "results.db") as database:
        database.execute("""UPDATE genomes SET "values" = '{"embedding.kind": "other"}' WHERE birth = 1""")
    database.close()
    runs = Runs(tmp_path)
    assert len(runs.snapshot("tiny").frame) == 3
    with pytest.raises(InputError, match="is damaged"):
        rows_of({"tiny": runs.snapshot("tiny")}, {"endRow": 3})
    with pytest.raises(InputError, match="is damaged"):
        runs.snapshot("tiny")


def test_a_loss_is_headed_by_what_the_corpus_is_counted_in(tmp_path: Path) -> None:
    """Of sound it is bits per sample, and where runs of both are shown, both are said."""
    found = {}
    for name, corpus in (("text", "corpus: python"), ("sound", "corpus: chirps")):
        search = Search(tmp_path, name, space=SPACE.replace("corpus: python", corpus))
        search.go_on(2)
        found[name] = search.snapshot()
    for chosen, told in (
        (["text"], "validation loss, bits per byte"),
        (["sound"], "validation loss, bits per sample"),
        (["text", "sound"], "validation loss, bits per byte or validation loss, bits per sample"),
    ):
        columns = {column["field"]: column for column in columns_of({name: found[name] for name in chosen})}
        assert columns["bits_per_byte"]["headerTooltip"] == told
        assert columns["began"]["headerTooltip"] == "start, minutes since the search began"
