"""Where an export may go: what cannot be written is one line, and leaves nothing."""

from __future__ import annotations

import io
import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from hrfevo.views.export.destination import new_file, new_folder
from signal_model.support.errors import InputError
from signal_model.support.files import parse_document
from tests.conftest import assert_one_clear_line, command


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ["--output", "X", "--format", "csv", "--weights"],
            "--weights: goes with --format recipe or hugging",
        ),
        (["--output", "X", "--steps", 3], "--steps 3: goes with --weights or --format huggingface"),
        (["--output", "X", "--curves"], "--curves: goes with --format csv or parquet, got recipe"),
        (["abc", "--output", "X", "--format", "csv"], "--format csv: is of the whole run; leave out the genome abc"),
        (["--output", "sqlite:///X"], "is a database, which goes with --format optuna"),
        (["--output", "X", "--format", "optuna"], "is no database; --format optuna accepts sqlite:///PATH"),
        (["--output", "sqlite://", "--format", "optuna"], "accepted: sqlite:///PATH"),
        (["--output", "sqlite:///RUN/run.json", "--format", "optuna"], "file is not a database"),
        (["--output", "X", "--weights", "--steps", 4], "--steps 4: is no rung of this run; accepted: 3, 6"),
        (["--output", "RUN/run.json", "--format", "parquet"], "exists; name another file or add --overwrite"),
        (["--output", "RUN", "--overwrite"], "is a folder; name another path"),
        (["--output", "RUN", "--weights"], "exists; name another folder or add --overwrite"),
        (["--output", "RUN", "--weights", "--overwrite"], "which this export does not write; name another folder"),
        (["--output", "RUN/run.json/X", "--weights"], "cannot be written"),
        (["--output", "RUN/run.json/X", "--format", "csv"], "cannot be written"),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, list) else "",
)
def test_a_wrong_export_is_one_line_and_leaves_nothing(
    arguments: list[Any], says: str, run: Path, tmp_path: Path
) -> None:
    def in_place(text: object) -> str:
        return str(text).replace("RUN", str(run)).replace("X", str(tmp_path / "X"))

    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    assert_one_clear_line(command("hrfevo", "export", run, *map(in_place, arguments)), says)
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before
    assert not [*tmp_path.iterdir()]


def test_standard_output_holds_the_export_and_nothing_beside_it(run: Path) -> None:
    for options in ([], ["--format", "model"], ["--format", "csv"]):
        asked = [sys.executable, "-m", "hrfevo.cli", "export", str(run), *options, "--output", "/proc/self/fd/1"]
        result = subprocess.run(asked, capture_output=True, text=True, check=True)
        assert result.stderr.startswith("/proc/self/fd/1: ")
        if options == ["--format", "csv"]:
            assert len(pd.read_csv(io.StringIO(result.stdout))) > 1
        else:
            assert "layers" in result.stdout
            parse_document(result.stdout, "export")


def test_an_output_is_replaced_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    folder, file = tmp_path / "folder", tmp_path / "file"
    for attempt in ("first", "second"):
        with new_folder(folder) as new:
            (new / attempt).touch()
        with new_file(file) as path:
            path.write_text(attempt)
        assert [entry.name for entry in folder.iterdir()] == [attempt]

    def fail(failure: BaseException, place: AbstractContextManager[Path]) -> None:
        with place as path:
            (path / "third" if path.is_dir() else path).write_text("third")
            raise failure

    for failure, seen in ((KeyboardInterrupt(), KeyboardInterrupt), (OSError(28, "No space left"), InputError)):
        for place in (new_folder(folder), new_file(file)):
            with pytest.raises(seen):
                fail(failure, place)
    assert sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*")) == ["file", "folder", "folder/second"]
    assert file.read_text() == "second"
