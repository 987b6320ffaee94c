"""Documents of tables and compressed files are those of plain ones; what is wrong in a file is said."""

import bz2
import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow
import pytest

from signal_model.config import DatasetCorpusConfig, FilesCorpusConfig
from signal_model.data import text as text_module
from signal_model.support.errors import InputError
from tests.tools.corpora import BROKEN, parquet_of

TEXTS = [f"Document {number}, with a second line\nand ü.\n" for number in range(40)]


def lines_of(texts: list[str], column: str = "text") -> bytes:
    return "\n\n".join(json.dumps({"id": 3, column: text}) for text in [*texts]).encode()


FILES: dict[str, Callable[[list[str]], bytes]] = {
    "rows.jsonl": lines_of,
    "rows.ndjson": lines_of,
    "ROWS.JSONL.GZ": lambda texts: gzip.compress(lines_of(texts)),
    "rows.jsonl.bz2": lambda texts: bz2.compress(lines_of(texts)),
    "rows.parquet": parquet_of,
    "rows.parquet.gz": lambda texts: gzip.compress(parquet_of(texts)),
}


@pytest.mark.parametrize("name", FILES)
def test_rows_of_a_table_are_documents_as_files_are(name: str, tmp_path: Path) -> None:
    plain, table = tmp_path / "plain", tmp_path / name
    plain.mkdir()
    for number, text in enumerate(TEXTS):
        (plain / f"{number}.txt").write_text(text)
    table.write_bytes(FILES[name](TEXTS))
    expected, found = (text_module.files_splits(FilesCorpusConfig(path=str(path))) for path in (plain, table))
    assert found == expected


def test_compressed_texts_are_texts(tmp_path: Path) -> None:
    (tmp_path / "0.txt.gz").write_bytes(gzip.compress(TEXTS[0].encode()))
    (tmp_path / "1.txt.bz2").write_bytes(bz2.compress(TEXTS[1].encode()))
    with pyarrow.output_stream(str(tmp_path / "2.txt.zst"), compression="zstd") as stream:
        stream.write(TEXTS[2].encode())
    (tmp_path / "3.json").write_text(TEXTS[3])  # any other text is a text, whatever it means
    splits = text_module.files_splits(FilesCorpusConfig(path=str(tmp_path)))
    assert {text for documents in splits.values() for text in documents.values()} == set(TEXTS[:4])


def test_the_mark_that_some_editors_begin_a_file_with_is_no_json(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + lines_of(TEXTS).replace(b"\n", b"\r\n"))
    splits = text_module.files_splits(FilesCorpusConfig(path=str(path)))
    assert {text for documents in splits.values() for text in documents.values()} == {*TEXTS}


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.jsonl", b'{"text": "one"}\n{"text": ', "a.jsonl:2: not valid JSON"),
        ("a.jsonl", b'{"text": "one"}\n["two"]', "a.jsonl:2: expected a mapping with 'text', got list"),
        ("a.jsonl", b'{"body": "one", "id": 3}', "a.jsonl:1: there is no column 'text'; `text: NAME` names one"),
        ("a.jsonl", b'{"text": 3}', "a.jsonl:1: column 'text' holds int, not text"),
        ("a.jsonl", b'{"text": "\\ud83c\\udf0a"}\n{"text": "\\ud83c"}', "a.jsonl:2: column 'text' holds '\\ud83c'"),
        ("a.parquet", BROKEN, "a.parquet: column 'text' holds what is not UTF-8 text (invalid start byte)"),
        ("a.parquet", parquet_of(TEXTS, "texts"), "there is no column 'text' (did you mean 'texts'?); `text"),
        ("a.parquet", b"no parquet", "a.parquet: is no Parquet file"),
        ("a.parquet.gz", gzip.compress(b"no parquet", mtime=0), "a.parquet.gz: is no Parquet file"),
        ("a.parquet.gz", b"no archive", "a.parquet.gz: cannot be decompressed"),
        ("a.txt.gz", b"no archive", "a.txt.gz: cannot be decompressed"),
        ("a.txt.zst", b"no archive", "a.txt.zst: cannot be decompressed"),
        ("a.txt.gz", gzip.compress(b"\xff\xfe", mtime=0), "a.txt.gz: is not UTF-8 text"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_file_is_said(name: str, content: bytes, says: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError) as error:
        text_module.files_splits(FilesCorpusConfig(path=str(tmp_path / name)))
    assert says in str(error.value)


def test_another_column_and_a_file_that_is_no_data_set(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_bytes(lines_of(TEXTS, "body"))
    path = str(tmp_path / "rows.jsonl")
    splits = text_module.files_splits(FilesCorpusConfig(path=path, text="body"))
    assert sum(map(len, splits.values())) == len(TEXTS)
    with pytest.raises(InputError, match=f"is a file, not a data set; as a file it is read by `path: {path}`"):
        text_module.dataset_splits(DatasetCorpusConfig(dataset=path))
    # A column of no file would be silently unheeded; beside a table, other files are texts.
    (tmp_path / "dna.csv").write_text("name,sequence\n" + "one,ACGT\n" * 40)
    for split in "file", "position":
        alone = FilesCorpusConfig(path=str(tmp_path / "dna.csv"), text="sequence", split=split)
        with pytest.raises(
            InputError, match=r"dna\.csv: `text: sequence` names a column, and no file has any; accepted"
        ):
            text_module.files_splits(alone)
        with pytest.raises(InputError, match="`text: sequence` names a column"):
            text_module.whole_text(alone)
    both = text_module.files_splits(FilesCorpusConfig(path=str(tmp_path), text="body"))
    assert sum(map(len, both.values())) == len(TEXTS) + 1
