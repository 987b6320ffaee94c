"""What `run.json` says, typed: what was written is read, by this version and of earlier ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hrfevo.store.settings import EarlierRun, RunSettings
from hrfevo.store.started import Started
from signal_model.support.errors import InputError
from tests.conftest import ROOT

FILE = Path("run.json")


def told(**others: Any) -> RunSettings:
    return RunSettings.new("text", seed=3, algorithm="evolution", corpus={"name": "python", "hash": "1f"}, **others)


@pytest.mark.parametrize(
    "settings",
    [
        told(),
        told(overrides=["rungs=[3]"], synchronous=True, started=Started(backend="inline"), storage="s3://x"),
        told(earlier=(EarlierRun(run="runs/one", id="1f", results=3, founders=2),), earlier_hash="2e"),
        told(stage="winners", genomes=[{"width": 3}], seeds=[1, 2], winners=1, founder="abc", directory="/else"),
    ],
)
def test_what_is_written_is_read(settings: RunSettings) -> None:
    written = json.loads(json.dumps(settings.to_dict()))
    assert RunSettings.read(written, FILE) == settings
    assert {"set", "id", "corpus"} <= written.keys()
    assert not {"overrides", "earlier"} & written.keys(), "names of the file are as they were"
    changed = settings.changed(store="postgresql://somewhere")
    assert RunSettings.read(changed.to_dict(), FILE) == changed


@pytest.mark.parametrize("name", ["first", "second"])
def test_earlier_versions_are_read_and_written_as_they_were(name: str) -> None:
    written = json.loads((ROOT / "tests/old_runs" / name / "run.json").read_text())
    settings = RunSettings.read(written, FILE)
    assert settings.to_dict() == written
    assert (settings.started, settings.corpus.yardsticks) == (Started(), {})
    assert (settings.space_hash is None) == (name == "first")


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"seed": -1}, "run.json: seed: .* got -1"),
        ({"set": ["a=b", 3]}, r"run.json: set\[1\]: .* got 3"),
        ({"from": 3}, "run.json: from: "),
        ({"corpus": {"hsh": "1f"}}, "run.json: corpus.hsh: unknown setting .did you mean 'hash'"),
        ({"stagee": "x"}, "run.json: stagee: unknown setting .did you mean 'stage'"),
    ],
)
def test_what_none_wrote_is_named(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        RunSettings.read(told().to_dict() | wrong, FILE)
