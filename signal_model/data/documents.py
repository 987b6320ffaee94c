"""The documents in a file: one text, or the rows of a table, compressed or not."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from signal_model.support.errors import InputError, closest, one_line

# Suffixes, whatever their case, and what Arrow calls each codec.
COMPRESSED = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd"}
LINES, PARQUET = (".jsonl", ".ndjson"), ".parquet"
# JSON may spell one without the other that it takes.
_SURROGATE = re.compile("[\ud800-\udfff]")


def has_columns(file: Path) -> bool:
    """Whether a file is a table by its name, compressed or not."""
    return _kind(file) in (*LINES, PARQUET)


def read_documents(file: Path, column: str = "text") -> Iterator[str]:
    """The texts of a file. Rows of `.jsonl` and `.parquet` hold theirs in `column`; those that hold null are left out.

    Raises InputError for what is no text, no table or has no such column, OSError for what cannot be read.
    """
    kind = _kind(file)
    if kind == PARQUET:
        yield from _rows_of_parquet(file, column)
        return
    try:
        text = _bytes(file).decode()
    except UnicodeDecodeError as error:
        raise InputError(
            f"path: {file}: is not UTF-8 text ({error.reason} at byte {error.start}); "
            "to pick some files of a folder, give a glob such as folder/**/*.txt"
        ) from None
    if kind in LINES:
        # In JSON such a mark is no content (RFC 8259, section 8.1); of plain text it is a character like others.
        yield from _rows_of_lines(file, text.removeprefix("\ufeff"), column)
    else:
        yield text


def _kind(file: Path) -> str:
    return (Path(file.stem).suffix if _codec(file) else file.suffix).lower()


def _codec(file: Path) -> str | None:
    return COMPRESSED.get(file.suffix.lower())


def _bytes(file: Path) -> bytes:
    codec = _codec(file)
    if codec is None:
        return file.read_bytes()
    import pyarrow

    try:
        with pyarrow.input_stream(str(file), compression=codec) as stream:
            return bytes(stream.read())
    except (OSError, EOFError, pyarrow.ArrowException) as error:
        if getattr(error, "errno", None):
            raise
        raise InputError(f"path: {file}: cannot be decompressed: {one_line(error)}") from None


def _rows_of_lines(file: Path, text: str, column: str) -> Iterator[str]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(f"path: {file}:{number}: not valid JSON: {one_line(error)}") from None
        if not isinstance(row, dict):
            raise InputError(f"path: {file}:{number}: expected a mapping with {column!r}, got {type(row).__name__}")
        if column not in row:
            raise _without(f"path: {file}:{number}", column, row)
        yield from _text(f"path: {file}:{number}", column, row[column])


def _rows_of_parquet(file: Path, column: str) -> Iterator[str]:
    import pyarrow
    from pyarrow import parquet

    try:
        table = parquet.ParquetFile(pyarrow.BufferReader(_bytes(file)) if _codec(file) else file)
        if column not in table.schema_arrow.names:
            raise _without(f"path: {file}", column, table.schema_arrow.names)
        for batch in table.iter_batches(columns=[column]):
            for value in batch.column(0).to_pylist():
                yield from _text(f"path: {file}", column, value)
    except pyarrow.ArrowException as error:
        raise InputError(f"path: {file}: is no Parquet file: {one_line(error)}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"path: {file}: column {column!r} holds what is not UTF-8 text ({error.reason})") from None


def _text(place: str, column: str, value: Any) -> Iterator[str]:
    if value is not None:
        if not isinstance(value, str):
            raise InputError(f"{place}: column {column!r} holds {type(value).__name__}, not text")
        if half := _SURROGATE.search(value):
            raise InputError(f"{place}: column {column!r} holds {half[0]!r}, half a character, which is no text")
        yield value


def _without(place: str, column: str, columns: Any) -> InputError:
    hint = closest(column, columns)
    return InputError(f"{place}: there is no column {column!r}{hint}; `text: NAME` names one of {', '.join(columns)}")
