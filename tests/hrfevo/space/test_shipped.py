"""Search spaces that come with the package: found by name from any folder, and written to be edited."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hrfevo.space.reading import load_space, parse_space
from hrfevo.space.search_space import SearchSpace
from hrfevo.space.shipped import find_space, shipped_spaces
from hrfevo.space.template import commented
from signal_model.support.errors import InputError
from tests.conftest import ROOT, SPACES, answer


def test_a_name_is_a_shipped_space_unless_there_is_such_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert {**shipped_spaces()} == {path.stem: path for path in SPACES}
    assert load_space("quick")[0].name == "quick"
    assert answer("validate", "embeddings").startswith("embeddings: valid; 10 genes")
    Path("quick").write_text((ROOT / "search_spaces" / "wavelets.yaml").read_text())
    assert load_space("quick")[0].name == "wavelets"
    told = r"^quik: no such file or search space \(did you mean 'quick'\?\); accepted: emb"
    with pytest.raises(InputError, match=told):
        find_space("quik")
    with pytest.raises(InputError, match=r": embeddings, hybrids, mixers, quick, sounds, wavelets$"):
        find_space("search_spaces/quick.yaml")


def test_spaces_are_listed_with_what_they_are_for() -> None:
    printed = answer("spaces")
    for name, path in shipped_spaces().items():
        space = load_space(path)[0]
        assert space.description
        assert re.search(rf"^{name} +{space.budget.words} ", printed, re.M)


@pytest.mark.parametrize("path", SPACES, ids=lambda path: path.stem)
def test_a_space_to_edit_says_the_same_with_a_comment_for_every_key(path: Path) -> None:
    text = commented(path.read_text(), "mine.yaml")
    space = parse_space(path.read_text(), path.name)
    assert parse_space(text, "mine.yaml") == space
    whole = re.sub(r"^#(?=\w)", "", text, flags=re.M)  # every key that was left out, at its default
    assert parse_space(whole, "whole.yaml") == space
    lines = whole.splitlines()
    for key in SearchSpace.model_fields:
        (at,) = [number for number, line in enumerate(lines) if line.startswith(f"{key}:")]
        assert lines[at - 1].startswith("# "), key
    for setting in ("evaluations", "width", "batch_size", "memory_gib", "rivals", "steps", "filter_bank", "size"):
        assert re.search(rf"^# +{setting}\b", whole, re.M), setting
    assert max(map(len, text.splitlines())) <= 125


def test_init_writes_it_and_never_over_a_file_unasked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "hrfevo run wavelets.yaml" in answer("init", "wavelets")
    assert load_space("wavelets.yaml")[0] == load_space("wavelets")[0]
    Path("wavelets.yaml").write_text("mine")
    with pytest.raises(InputError, match=r"^wavelets.yaml: exists; name another file or add --overwrite"):
        answer("init", "wavelets")
    assert Path("wavelets.yaml").read_text() == "mine"
    answer("init", "wavelets", "--output", "sub/other.yaml")
    assert load_space("sub/other.yaml")[0].name == "wavelets"
    with pytest.raises(InputError, match=r"^wavelet: no such .*\(did you mean 'wavelets'\?\); accepted: emb"):
        answer("init", "wavelet")
    with pytest.raises(InputError, match=r"^init: NAME is missing; accepted: emb.*, wavelets"):
        answer("init")
