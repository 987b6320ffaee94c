"""Splits share nothing and depend on content alone; what cannot be split says why."""

import shutil
import sysconfig
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signal_model.config import PythonCorpusConfig
from signal_model.data import corpus as module
from signal_model.data import text as text_module
from signal_model.data.corpus import load_corpus
from signal_model.support.errors import InputError
from tests.tools.corpora import BYTES, documents, files, split_documents, together, write


@given(st.lists(st.text(min_size=1, max_size=50), min_size=3, max_size=60))
def test_carving_gives_every_document_one_home(contents: list[str]) -> None:
    found = text_module._documents(contents)
    for names in (("validation", "test"), ("test",)):
        if len(found) <= len(names):
            continue
        parts = text_module._carve(found, names, "x", "y")
        assert set(parts) == {"train", *names}
        assert all(parts.values())
        assert sorted(digest for part in parts.values() for digest in part) == list(found)
        again = text_module._carve(text_module._documents(reversed(contents * 2)), names, "x", "y")
        assert [list(part) for part in again.values()] == [list(part) for part in parts.values()]


def test_one_huge_document_among_tiny_ones_is_for_training() -> None:
    parts = text_module._carve(text_module._documents(["x" * 1000, "a", "b"]), ("validation", "test"), "x", "y")
    assert [len("".join(parts[name].values())) for name in module.SPLITS] == [1000, 1, 1]


def test_a_split_depends_on_content_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    contents = [f"document {n}: " + " ".join(str(n * k * 7919) for k in range(n % 37)) for n in range(400)]
    write(tmp_path / "one", contents)
    write(tmp_path / "two" / "deep" / "er", contents[::-1] + contents[:50], "other{}.md")
    write(tmp_path / "two" / ".hidden", ["not this"])
    write(tmp_path / "two", ["nor this"], ".{}.txt")
    write(tmp_path / "two", ["", " \n"], "empty{}.txt")
    one = load_corpus(files(str(tmp_path / "one")), BYTES, tmp_path / "cache")
    monkeypatch.chdir(tmp_path)
    two = load_corpus(files(["two/**/*.md", "two/deep/er/other0.md", "two"]), BYTES, tmp_path / "cache2")
    assert (one.name, one.content_hash) == (two.name, two.content_hash)
    assert one.name.startswith("files ")
    parts = split_documents(one)
    assert parts == split_documents(two)
    assert sorted(together(one)) == sorted(contents)
    for name in ("validation", "test"):
        assert 0.045 < len(getattr(one, name)) / len("\0".join(contents)) < 0.055
    for name in module.SPLITS:
        assert isinstance(getattr(one, name), np.memmap)
        assert not getattr(one, name).flags.writeable


def test_given_splits_are_kept_and_text_is_not_normalised(tmp_path: Path) -> None:
    write(tmp_path, ["\ufeffa\r\nb\r", "c  \n", "d\0", "d2"])
    paths = {"train": f"{tmp_path}/0.txt", "validation": f"{tmp_path}/1.txt", "test": f"{tmp_path}/[23].txt"}
    corpus = load_corpus(files(paths), BYTES, tmp_path / "cache")
    parts = split_documents(corpus)
    assert parts["train"] == ["\ufeffa\r\nb\r"]
    assert parts["validation"] == ["c  \n"]
    assert sorted(parts["test"]) == ["d2", "d\ufffd"]


def test_split_by_position_cuts_one_file(tmp_path: Path) -> None:
    text = "".join(chr(0x3042 + n % 80) for n in range(1000))
    write(tmp_path, [text])
    corpus = load_corpus(files(f"{tmp_path}/0.txt", "position"), BYTES, tmp_path / "cache")
    parts = together(corpus)
    assert [len(part) for part in parts] == [900, 50, 50]
    assert "".join(parts) == text


def test_python_corpus_is_source_and_documentation(tmp_path: Path) -> None:
    corpus = load_corpus(PythonCorpusConfig(), BYTES, tmp_path)
    text = "".join(documents(corpus.train))
    assert corpus.name.startswith("python 3.")
    assert len(text) > 5_000_000
    assert len(split_documents(corpus)["test"]) > 5


def test_python_corpus_leaves_out_tests_packages_and_the_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lib = write(tmp_path / "lib", ["import os", "import re"], "m{}.py")
    write(lib / "pydoc_data", ["topics"], "topics{}.py")
    write(lib / "idlelib", ["help"], "{}.txt")
    for folder in (
        "site-packages/x",
        "dist-packages",
        "test",
        "json/tests",
        "config-3.11-x86_64",
        "__pycache__",
    ):
        write(lib / folder, [folder], "{}.py")
    write(lib, ["build"], "_sysconfigdata_{}.py")
    write(lib, ["binary"], "{}.so")
    (lib / "latin.py").write_bytes(b"# caf\xe9")
    (lib / "sitecustomize.py").symlink_to("/nowhere")
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(lib))
    corpus = load_corpus(PythonCorpusConfig(), BYTES, tmp_path / "cache")
    assert sorted(together(corpus)) == ["help", "import os", "import re", "topics"]
    shutil.rmtree(lib)
    lib.mkdir()
    with pytest.raises(InputError, match=r"^python: .*without its library's source"):
        load_corpus(PythonCorpusConfig(), BYTES, tmp_path / "cache")


NOTHING = "no such file, and as a glob it matches none"


@pytest.mark.parametrize(
    ("path", "split", "message"),
    [
        ("nowhere.txt", "file", f"path: nowhere.txt: {NOTHING}"),
        ("few/*.md", "file", rf"path: few/\*.md: {NOTHING}"),
        (["few", "nowhere"], "file", f"path: nowhere: {NOTHING}"),
        ("hollow", "file", "path: hollow: holds no file"),
        ("empty", "file", "path: empty: there is no text"),
        ("few", "file", r"path: few: too few .* \(2\); .*train, validation and test.*split: position"),
        ("linked", "file", "path: linked/1.txt: is a link to /nowhere, which is not there"),
        ("linked/*.txt", "file", "path: linked/1.txt: is a link to /nowhere, which is not there"),
        ("few", "position", "path: few: `split: position` cuts one document, and here are 2 .*; use `split: file`"),
        (
            "rows.jsonl",
            "position",
            r"path: rows.jsonl: `split: position` cuts one document, and here are 3 \(.* row of a",
        ),
        ("few/0.txt", "position", "path: few/0.txt: 3 characters are too few .* it takes 20"),
        ("blank.txt", "position", "path: blank.txt: the validation split holds no text"),
        ("binary", "file", r"path: binary/x.png: is not UTF-8 text \(.* at byte 0\); .*glob"),
        ({"train": "few", "test": "few"}, "file", "path: .* all needed, validation missing"),
        (
            {"train": "few", "validation": "blank.txt", "test": "few/1.txt"},
            "file",
            "path: few/1.txt: .* in train and in test",
        ),
        (
            {"train": "few", "validation": "empty", "test": "blank.txt"},
            "file",
            "path: the validation split holds no text",
        ),
        (
            {"train": "few", "validation": "few", "test": "few"},
            "position",
            "path: `split: position` is for one file",
        ),
    ],
)
def test_files_that_cannot_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: Any, split: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "few", ["one", "two", "two"])
    write(tmp_path / "empty", ["", "\n"])
    write(tmp_path / "linked", ["one"])
    (tmp_path / "linked" / "1.txt").symlink_to("/nowhere")
    (tmp_path / "rows.jsonl").write_text("".join(f'{{"text": "row {row}"}}\n' for row in range(3)))
    write(tmp_path / "hollow" / ".git", ["x"])
    write(tmp_path, ["x" * 50 + " " * 50], "blank.txt")
    (tmp_path / "binary").mkdir()
    (tmp_path / "binary" / "x.png").write_bytes(b"\x89PNG")
    with pytest.raises(InputError, match=f"^{message}") as raised:
        load_corpus(files(path, split), BYTES, tmp_path / "cache")
    assert "\n" not in str(raised.value)
