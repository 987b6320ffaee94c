"""Data sets keep their splits or get some; what is wrong with one is said."""

import json
from pathlib import Path
from typing import Any

import pytest

from signal_model.config import CorpusConfig
from signal_model.data import corpus as module
from signal_model.data.corpus import Corpus, load_corpus
from signal_model.support.errors import InputError
from tests.tools.corpora import BROKEN, BYTES, split_documents, together, write


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, where `datasets` asks no network and keeps its own cache."""
    import datasets
    import huggingface_hub.constants

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "hf"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def load_dataset(**settings: str) -> Corpus:
    return load_corpus(CorpusConfig.parse(settings), BYTES, Path("cache"))


def write_rows(file: Path, rows: list[Any], column: str = "text") -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps({column: row, "n": 1}) + "\n" for row in rows))


def test_missing_splits_are_carved_from_train(here: Path) -> None:
    rows = [f"story {n}\nand its end" for n in range(100)]
    write_rows(here / "data" / "train.jsonl", [*rows, "", None, *rows[:9]], "story")
    corpus = load_dataset(dataset="data", text="story")
    assert corpus.name == "data"
    assert sorted(together(corpus)) == sorted(rows)
    assert [len(part) for part in split_documents(corpus).values()] == [90, 5, 5]


@pytest.mark.parametrize("form", ["parquet", "save_to_disk", "save_to_disk as dev"])
def test_splits_of_a_data_set_are_kept_but_for_rows_in_two(here: Path, form: str) -> None:
    import datasets

    rows = {"train": ["a", "b", "c", "v", "t"], "validation": ["v", "v2", "u"], "test": ["t", "t", "u"]}
    parts = datasets.DatasetDict({name: datasets.Dataset.from_dict({"text": part}) for name, part in rows.items()})
    if form == "parquet":
        (here / "data").mkdir()
        for name, part in parts.items():
            part.to_parquet(here / "data" / f"{name}.parquet")
    else:
        if form.endswith("dev"):
            parts["dev"] = parts.pop("validation")
        parts.save_to_disk(here / "data")
    found = split_documents(load_dataset(dataset="./data"))
    assert {name: sorted(part) for name, part in found.items()} == {
        "train": ["a", "b", "c"],
        "validation": ["v", "v2"],
        "test": ["t", "u"],
    }


def test_running_text_stays_together(here: Path) -> None:
    lines = [" = Wave = \n", "", " It rolls . \n", " It rolls . \n"]
    for name in module.SPLITS:
        write_rows(here / "lines" / f"{name}.jsonl", [f" = {name} = \n", *lines])
    found = split_documents(load_dataset(dataset="lines"))
    assert found["test"] == [" = test = \n" + "".join(lines)]
    write(here / "plain", ["one\ntwo\n\nthree\n", "four\n", "five\n"])
    assert sorted(together(load_dataset(dataset="plain"))) == ["five\n", "four\n", "one\ntwo\n\nthree\n"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dataset": "./nowhere"}, "dataset: ./nowhere: there is no such folder"),
        (
            {"dataset": "no-body/no-thing"},
            "dataset: no-body/no-thing: cannot be loaded: Couldn't (reach|find) ",
        ),
        ({"dataset": "hollow"}, "dataset: hollow: cannot be loaded: .*doesn't contain any data files"),
        (
            {"dataset": "good", "config": "fine"},
            "dataset: good/fine: cannot be loaded: .*'fine' not found. Avail",
        ),
        ({"dataset": "good", "text": "story"}, "dataset: good: there is no column 'story'; there is text, n"),
        ({"dataset": "good", "text": "n"}, "dataset: good: column 'n' holds int64, not text"),
        (
            {"dataset": "good"},
            r"dataset: good: no validation and test split: too few .* \(2\); save it as text",
        ),
        (
            {"dataset": "lines"},
            "dataset: lines: no validation and test split: .*its rows are lines of one text: ",
        ),
        ({"dataset": "testing"}, "dataset: testing: there is no train split; there is test"),
        ({"dataset": "same"}, "dataset: same: the train split holds no text of its own"),
        ({"dataset": "broken"}, "dataset: broken: cannot be loaded: "),
        ({"dataset": "latin"}, r"dataset: latin: column 'text' holds what is not UTF-8 text \(invalid start byte\)"),
    ],
)
def test_data_sets_that_cannot_be_used(here: Path, settings: dict[str, str], message: str) -> None:
    (here / "hollow").mkdir()
    write_rows(here / "good" / "train.jsonl", ["a", "b", "b"])
    write_rows(here / "lines" / "train.jsonl", ["a\n", "b\n", "c\n", "d\n"])
    write_rows(here / "testing" / "test.jsonl", ["a"])
    write_rows(here / "same" / "train.jsonl", ["a"])
    write_rows(here / "same" / "validation.jsonl", ["a", "b"])
    (here / "broken").mkdir()
    (here / "broken" / "train.parquet").write_text("not this")
    (here / "latin").mkdir()
    (here / "latin" / "train.parquet").write_bytes(BROKEN)
    with pytest.raises(InputError, match=f"^{message}") as raised:
        load_dataset(**settings)
    assert "\n" not in str(raised.value)
