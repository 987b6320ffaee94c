"""Files are written where they are meant, for whom they are meant; names and numbers mean what they do elsewhere."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from signal_model.config import DatasetCorpusConfig, FilesCorpusConfig
from signal_model.config.corpus import corpus_option
from signal_model.data.text import dataset_splits, files_splits
from signal_model.support.errors import InputError
from signal_model.support.files import parse_document, parse_value, to_yaml, write_atomically

# --- writing --------------------------------------------------------------------------------------


@pytest.mark.parametrize("there", [True, False])
def test_a_link_stays_and_what_it_leads_to_is_written(there: bool, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    file, link = tmp_path / "elsewhere" / "file", tmp_path / "link"
    if there:
        file.write_text("old")
    link.symlink_to("elsewhere/file")
    write_atomically(link, "new")
    assert link.is_symlink()
    assert file.read_text() == "new"
    assert {*tmp_path.rglob("*")} == {link, file, file.parent}


@pytest.mark.parametrize(("mask", "mode"), [(0o077, 0o600), (0o002, 0o664), (0o022, 0o644)])
def test_the_umask_says_who_may_read_and_a_file_that_is_there_keeps_it(mask: int, mode: int, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.touch()
    kept.chmod(0o640)
    before = os.umask(mask)
    try:
        for path in (tmp_path / "new", kept):
            write_atomically(path, "text")
    finally:
        os.umask(before)
    assert [stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "new", kept)] == [mode, 0o640]


WRITE = "import sys, pathlib, signal_model.support.files as f; f.write_atomically(pathlib.Path(sys.argv[1]), 'text')"


def test_pipes_and_open_files_are_written_to_and_not_replaced(tmp_path: Path) -> None:
    """As root, a file would stand in the place of /dev/stdout from then on."""
    stand_in = tmp_path / "stdout"
    stand_in.symlink_to("/proc/self/fd/1")
    for name in (stand_in, "/proc/self/fd/1"):
        for standard in (subprocess.PIPE, (tmp_path / "file").open("w")):
            done = subprocess.run([sys.executable, "-c", WRITE, str(name)], stdout=standard, text=True, check=True)
            assert (done.stdout or (tmp_path / "file").read_text()) == "text"
    assert os.readlink(stand_in) == "/proc/self/fd/1"
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    write_atomically(tmp_path / "pipe", "text")
    assert (os.read(reader, 9), (tmp_path / "pipe").is_fifo()) == (b"text", True)
    os.close(reader)


# --- reading --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("010", 10), ("08", 8), ("-007", -7), ("0o10", 8), ("0x1F", 31), ("0b11", 3), ("60_000", 60_000), ("+5", 5),
        ("1:30", "1:30"), ("1:30.5", "1:30.5"), ("2024-01-01", "2024-01-01"), ("2024-01-01 10:00:00", None),
        ("1e3", 1000.0), ("-.inf", -float("inf")), (".INF", float("inf")), ("no", False), ("0", 0), ("0.10", 0.1),
    ],
)  # fmt: skip
def test_numbers_are_those_of_yaml_1_2_and_text_is_written_so_that_it_stays_text(text: str, value: Any) -> None:
    value = text if value is None else value
    for found in (parse_value(text), parse_document(f"key: {text}", "x").data["key"]):
        assert found == value
        assert type(found) is type(value)
    written = to_yaml({"key": text})
    assert parse_document(written, "x").data == yaml.safe_load(written) == {"key": text}


def test_a_home_that_is_not_known_is_named(tmp_path: Path) -> None:
    says = "^~nobody-of-that-name/x: it is not known where the home ~nobody-of-that-name is$"
    place = "~nobody-of-that-name/x"
    with pytest.raises(InputError, match=says):
        corpus_option(place)
    with pytest.raises(InputError, match=says):
        files_splits(FilesCorpusConfig(path=place))
    with pytest.raises(InputError, match=says):
        dataset_splits(DatasetCorpusConfig(dataset=place))
