"""Weights & Biases is told what the store holds: read from what the real package writes offline."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from hrfevo.runner.observers.targets import Target, parse_targets
from hrfevo.space.genome import flat
from tests.conftest import TINY_SPACE, assert_one_clear_line, command
from tests.hrfevo.runner.test_logs import series_of, stored
from tests.tools.forks import UNDRAWN

OFFLINE = {"WANDB_MODE": "offline", UNDRAWN: "1"}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, text_folder: Path) -> Path:
    """A run of two rungs in two parts, the first as if killed before its last evaluation was noted as logged."""
    folder = tmp_path_factory.mktemp("wandb")
    space = folder / "tiny.yaml"
    space.write_text(TINY_SPACE.replace("TEXT", str(text_folder)).replace("rungs: [3]", "rungs: [3, 6]"))
    inline = ["--backend", "inline", "--no-confirm"]
    begun = ["run", space, "--out", folder / "out", *inline, "--evaluations", 6, "--log", "wandb=team/spectra"]
    first = command("hrfevo", *begun, environment=OFFLINE)
    assert first.returncode == 0, first.stderr
    (path,) = (folder / "out").iterdir()
    noted = path / "wandb" / "logged-team-spectra.txt"
    noted.write_text("".join(noted.read_text().splitlines(keepends=True)[:-1]))
    second = command("hrfevo", "resume", path, *inline, "--evaluations", 12, environment=OFFLINE)
    assert second.returncode == 0, second.stderr
    assert "wandb" not in first.stderr + second.stderr
    return path


@dataclass
class Logged:
    """What the pieces of one run of W&B say when they are synchronised one after the other."""

    about: Any = None
    configuration: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    exits: list[int] = field(default_factory=list)


def records(path: Path) -> Iterator[Any]:
    """Records of a log: blocks of 32 KiB, in them pieces of a 4-byte checksum, a 2-byte length, a kind and a body."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, at, whole = path.read_bytes(), 7, b""
    while at + 7 <= len(data):
        if (rest := 32768 - at % 32768) < 7:
            at += rest
            continue
        _, length, kind = struct.unpack("<IHB", data[at : at + 7])
        whole += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # a whole one, or the last piece of one
            yield Record.FromString(whole)
            whole = b""


def read(run: Path) -> dict[str, Logged]:
    """By the id of the run."""
    found: dict[str, Logged] = {}
    for path in sorted(run.glob("wandb/offline-run-*/run-*.wandb")):
        one = found.setdefault(path.stem.removeprefix("run-"), Logged())
        for record in records(path):
            if record.HasField("run"):
                one.about = record.run
                one.configuration |= {u.key: json.loads(u.value_json) for u in record.run.config.update}
            elif record.HasField("history"):
                row = {(*i.nested_key, i.key)[0]: json.loads(i.value_json) for i in record.history.item}
                one.history.append({name: value for name, value in row.items() if not name.startswith("_")})
            elif record.HasField("summary"):
                for update in record.summary.update:
                    if update.key:
                        one.summary[update.key] = json.loads(update.value_json)
            elif record.HasField("exit"):
                one.exits.append(record.exit.exit_code)
    return found


def test_every_genome_has_a_run_in_the_group_of_the_search(run: Path) -> None:
    space, evaluations, curves = stored(run)
    logged = read(run)
    (search,) = [one for one in logged.values() if one.about.job_type == "search"]
    identity = search.about.run_id
    assert logged.keys() == {identity, *(f"{identity}-{e.genome}" for e in evaluations)}
    assert {(one.about.entity, one.about.project, one.about.run_group) for one in logged.values()} == {
        ("team", "spectra", run.name)
    }
    for genome in {e.genome for e in evaluations}:
        one, own = logged[f"{identity}-{genome}"], [e for e in evaluations if e.genome == genome]
        assert (one.about.display_name, one.about.job_type) == (genome, "genome")
        assert one.configuration.items() >= flat(own[0].values).items()
        last = max(own, key=lambda e: e.rung)
        assert one.summary.items() >= {**last.metrics, "status": "finished", "rung": last.rung}.items()
        points = {row["step"]: row["train/bits_per_byte"] for row in one.history if "train/bits_per_byte" in row}
        assert points == {p.step: p.bits_per_byte for e in own for p in curves[e.number]}
        measured = {row["step"]: row for row in one.history if "bits_per_byte" in row}
        assert measured == {space.rungs[e.rung]: {"step": space.rungs[e.rung], **e.metrics} for e in own}
    assert any(sum(e.genome == genome for e in evaluations) == 2 for genome in {e.genome for e in evaluations})
    numbers = [e.number for e in evaluations]
    assert (run / "wandb" / "logged-team-spectra.txt").read_text().split() == [str(number) for number in numbers]


def test_the_course_goes_on_where_the_search_does(run: Path) -> None:
    (search,) = [one for one in read(run).values() if one.about.job_type == "search"]
    assert search.exits == [0, 0]
    for name, values in series_of(run).items():
        assert {row["evaluations"]: row[name] for row in search.history if name in row} == values


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({"WANDB_MODE": "disabled"}, "WANDB_MODE=disabled: nothing would be logged; accepted: online, offline"),
        ({}, "--log wandb: nobody is logged in; first: wandb login, or set WANDB_MODE=offline"),
        (
            {"WANDB_API_KEY": "a" * 40, "WANDB_BASE_URL": "http://127.0.0.1:9"},
            "--log wandb: cannot be used: Failed to authenticate with http://127.0.0.1:9",
        ),
    ],
)
def test_what_cannot_log_is_said_before_the_search_begins(
    environment: dict[str, str], says: str, tiny_space: Path, tmp_path: Path
) -> None:
    own = {"WANDB_MODE": None, "WANDB_API_KEY": None, "HOME": str(tmp_path), **environment}
    options = ["--backend", "inline", "--out", tmp_path / "out", "--log", "wandb"]
    assert_one_clear_line(command("hrfevo", "run", tiny_space, *options, environment=own), says)
    assert not (tmp_path / "out").exists()


def test_a_target_is_the_same_from_any_folder() -> None:
    assert [target.text for target in parse_targets(["wandb=team/spectra"])] == ["wandb=team/spectra"]
    assert Target("wandb").text == "wandb"
