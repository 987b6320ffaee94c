"""Documents and their splits: the running Python, files, or a Hugging Face data set.

Text is never normalised: what the bytes of a file say is what a model reads. A *document* is a file, or
a row of a data set. Equal documents count once, and none is in two splits. Where the source has no
splits of its own, documents are dealt out in the order of their SHA-256, so that a split depends on what
they say and not on their names, their order or the machine; near-duplicates stay together.
"""

from __future__ import annotations

import hashlib
import sysconfig
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from signal_model.config import DatasetCorpusConfig, FilesCorpusConfig
from signal_model.config.corpus import SPLITS
from signal_model.data.documents import COMPRESSED, LINES, PARQUET, has_columns, read_documents
from signal_model.data.near_duplicates import families
from signal_model.data.sources import (
    files_at,
    files_under,
    in_a_tuple,
    loaded_rows,
    read_files,
    require_all_splits,
)
from signal_model.data.splits import carve
from signal_model.support.errors import InputError

Documents = dict[bytes, str]  # SHA-256 of a text -> the text, in the order of the digests


def _documents(texts: Iterable[str]) -> Documents:
    """Distinct texts by digest; texts of nothing but white space are left out."""
    found = {hashlib.sha256(text.encode()).digest(): text for text in texts if text and not text.isspace()}
    return dict(sorted(found.items()))


def _carve(documents: Documents, names: Sequence[str], what: str, remedy: str) -> dict[str, Documents]:
    """5 % of the bytes, in whole families of near-duplicates, for each of `names`, in the order of their first digests;
    see `carve`."""
    encoded = [text.encode() for text in documents.values()]
    kin: dict[int, list[bytes]] = {}
    sizes: dict[int, int] = {}
    for digest, text, family in zip(documents, encoded, families(encoded).tolist(), strict=True):
        kin.setdefault(family, []).append(digest)
        sizes[family] = sizes.get(family, 0) + len(text)
    if len(kin) <= len(names) < len(documents):
        raise InputError(
            f"{what}: too few distinct documents to split by document ({len(documents)}, of which near-duplicates "
            f"count as one); {remedy}"
        )
    parts = carve(sizes, names, what, remedy)
    return {
        name: {digest: documents[digest] for digest in sorted(digest for family in part for digest in kin[family])}
        for name, part in parts.items()
    }


def python_splits() -> dict[str, Documents]:
    """The .py, .txt and .rst files of the standard library: its source, and the documentation in pydoc_data.

    Tests and installed packages are left out; so is what the build of this Python generated, which would
    make one version's text differ from machine to machine, and files that are not UTF-8.
    """
    root = Path(sysconfig.get_path("stdlib"))
    others = {"site-packages", "dist-packages", "__pycache__", "test", "tests", "idle_test", "_bundled"}
    texts = []
    for file in files_under(root, lambda n: n in others or n.startswith(("config-", "_sysconfigdata"))):
        if file.suffix in (".py", ".txt", ".rst") and file.is_file():
            try:
                texts.append(file.read_bytes().decode())
            except UnicodeDecodeError:
                continue
    remedy = "this Python comes without its library's source; use `path` or `dataset`"
    return _carve(_documents(texts), ("validation", "test"), f"python: {root}", remedy)


def files_splits(corpus: FilesCorpusConfig) -> dict[str, Documents]:
    """Files as documents, split as `corpus` says. Raises InputError, naming what cannot be used."""
    _refuse_column_of_none(corpus)
    if isinstance(corpus.path, dict):
        return _given_splits(corpus.path, corpus.split, corpus.text)
    paths = in_a_tuple(corpus.path)
    what = f"path: {', '.join(paths)}"
    documents = _documents(text for _, text in _read_files(paths, corpus.text))
    if not documents:
        raise InputError(f"{what}: there is no text, only emptiness")
    if corpus.split == "file":
        one = paths[0] if len(documents) == len(paths) == 1 else "FILE"
        remedy = (
            f"it takes 3: give train, validation and test, or cut one by position: {{path: {one}, split: position}}"
        )
        return _carve(documents, ("validation", "test"), what, remedy)
    if len(documents) > 1:
        raise InputError(
            f"{what}: `split: position` cuts one document, and here are {len(documents):,} (a file is one, and so is "
            "each row of a table); use `split: file`, which deals out documents"
        )
    (text,) = documents.values()
    if len(text) < 20:
        raise InputError(f"{what}: {len(text)} characters are too few to split by position; it takes 20")
    start, end = len(text) * 90 // 100, len(text) * 95 // 100
    parts = zip(SPLITS, (text[:start], text[start:end], text[end:]), strict=True)
    return _without_empty({name: _documents([part]) for name, part in parts}, what)


def whole_text(corpus: FilesCorpusConfig) -> Documents:
    """Every document of files, whatever split it would be in. Raises InputError where there is none."""
    _refuse_column_of_none(corpus)
    paths = corpus.path.values() if isinstance(corpus.path, dict) else [corpus.path]
    documents = _documents(text for given in paths for _, text in _read_files(in_a_tuple(given), corpus.text))
    if not documents:
        raise InputError("path: there is no text, only emptiness")
    return documents


def _refuse_column_of_none(corpus: FilesCorpusConfig) -> None:
    """Raise InputError where a column is named and no file has any: all would be read whole, as something else."""
    if corpus.text == FilesCorpusConfig.model_fields["text"].default:
        return
    given = next((path for path in corpus.paths if any(map(has_columns, files_at(path, "path")))), None)
    if given is None:
        tables = ", ".join((*LINES, PARQUET))
        raise InputError(
            f"path: {', '.join(corpus.paths)}: `text: {corpus.text}` names a column, and no file has any; accepted: "
            f"{tables}, also compressed ({', '.join(COMPRESSED)}); any other file is plain text as a whole"
        )


def _given_splits(paths: dict[Any, str | tuple[str, ...]], split: str, column: str) -> dict[str, Documents]:
    if split == "position":
        raise InputError("path: `split: position` is for one file, not for train, validation and test")
    require_all_splits(paths, "path")
    parts: dict[str, Documents] = {}
    for name in SPLITS:
        texts = _read_files(in_a_tuple(paths[name]), column)
        parts[name] = _documents(text for _, text in texts)
        for other in parts.keys() - {name}:
            for shared in parts[name].keys() & parts[other].keys():
                file = next(file for file, text in texts if text == parts[name][shared])
                raise InputError(f"path: {file}: the same text is in {other} and in {name}")
    return _without_empty(parts, "path")


def _read_files(paths: tuple[str, ...], column: str) -> list[tuple[Path, str]]:
    """Documents of files, of all files of folders that are not hidden, and of what globs match, each with its file.

    Folders are read to any depth; links to folders are not followed. A table (`.jsonl`, `.parquet`) holds a document in
    each row, in `column`; any other file is one, in UTF-8. Compressed ones (`.gz`, `.bz2`, `.zst`) are read too.
    Raises InputError naming the path that is missing, without files, unreadable or not text.
    """
    return read_files(paths, "path", lambda file: read_documents(file, column))


def dataset_splits(corpus: DatasetCorpusConfig) -> dict[str, Documents]:
    """The data set's own splits; validation and test are carved out of train where it has none.

    A row is a document. Two exceptions keep running text together: text files are whole documents, not
    rows of one line; and where every row is one line that kept its newline (wikitext), the rows of a
    split, in their order, are one document. A row that a data set has in several of its splits stays in
    test, or else in validation. Raises InputError when the data set, configuration or column is not there.
    """
    what = f"dataset: {corpus.name}"
    rows = _read_dataset(corpus, what)
    remedy = "save it as text files and use `path`"
    if all(row.find("\n") == len(row) - 1 for texts in rows.values() for row in texts):
        remedy = f"its rows are lines of one text: {remedy}"
        rows = {name: ["".join(texts)] for name, texts in rows.items()}
    parts = {name: _documents(rows[name]) for name in SPLITS if name in rows}
    for name, others in (("train", ("validation", "test")), ("validation", ("test",))):
        for digest in [digest for other in others for digest in parts.get(other, ())]:
            parts.get(name, {}).pop(digest, None)
    parts = _without_empty(parts, what)
    if missing := [name for name in SPLITS if name not in parts]:
        parts |= _carve(parts["train"], missing, f"{what}: no {' and '.join(missing)} split", remedy)
    return parts


def _read_dataset(corpus: DatasetCorpusConfig, what: str) -> dict[str, list[str]]:
    """The rows of each split that are not empty."""
    rows: dict[str, list[str]] = {}
    for name, part in loaded_rows(corpus, what).items():
        columns = part.features
        if corpus.text not in columns:
            raise InputError(f"{what}: there is no column {corpus.text!r}; there is {', '.join(columns)}")
        if (kind := getattr(columns[corpus.text], "dtype", "lists")) not in ("string", "large_string"):
            raise InputError(f"{what}: column {corpus.text!r} holds {kind}, not text")
        batches = part.select_columns([corpus.text]).with_format("arrow").iter(10_000)
        try:
            rows[name] = [row for batch in batches for row in batch.column(0).to_pylist() if row]
        except UnicodeDecodeError as error:
            raise InputError(f"{what}: column {corpus.text!r} holds what is not UTF-8 text ({error.reason})") from None
    return rows


def _without_empty(parts: dict[str, Documents], what: str) -> dict[str, Documents]:
    for name, documents in parts.items():
        if not documents:
            raise InputError(f"{what}: the {name} split holds no text of its own")
    return parts
