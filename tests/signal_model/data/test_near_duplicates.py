"""What shares much of its text stays in one split; what does not is left alone."""

from collections.abc import Sequence
from difflib import SequenceMatcher
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signal_model.config import FilesCorpusConfig
from signal_model.data import near_duplicates
from signal_model.data.near_duplicates import WINDOW, families
from signal_model.data.text import files_splits, python_splits
from signal_model.support.errors import InputError


def random_text(generator: np.random.Generator, size: int) -> bytes:
    return bytes(generator.integers(97, 123, size, dtype=np.uint8))


def partition(numbers: Sequence[int]) -> set[frozenset[int]]:
    return {frozenset(i for i, n in enumerate(numbers) if n == number) for number in numbers}


@settings(max_examples=40)
@given(st.integers(0, 2**32), st.integers(600, 4000), st.floats(0.4, 1.0), st.integers(0, 300))
def test_copies_are_found_wherever_they_stand(seed: int, size: int, share: float, shift: int) -> None:
    """Families are those that the construction says; order changes nothing."""
    generator = np.random.default_rng(seed)
    originals = [random_text(generator, size) for _ in range(4)]
    copies = [
        random_text(generator, shift) + original[: int(share * size)] + random_text(generator, size - int(share * size))
        for original in originals[:3]
    ]
    documents = [*originals, *copies, b"", b"short"]
    expected = {frozenset({i, i + 4}) for i in range(3)} | {frozenset({i}) for i in (3, 7, 8)}
    assert partition(families(documents).tolist()) == expected
    order = generator.permutation(len(documents))
    shuffled = partition(families([documents[i] for i in order]).tolist())
    assert {frozenset(int(order[i]) for i in family) for family in shuffled} == expected


def test_a_form_that_nearly_all_have_ties_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(0)
    licence = random_text(generator, 500)
    documents = [licence + random_text(generator, 500) for _ in range(40)]
    assert len(set(families(documents).tolist())) == 40
    monkeypatch.setattr(near_duplicates, "COMMON", 1.0)
    assert len(set(families(documents).tolist())) == 1


def test_a_long_text_is_read_block_by_block(monkeypatch: pytest.MonkeyPatch) -> None:
    documents = [random_text(np.random.default_rng(n), 3000) for n in range(3)]
    expected = near_duplicates._fingerprints(documents)
    monkeypatch.setattr(near_duplicates, "_BLOCK", 100)
    for found, wanted in zip(near_duplicates._fingerprints(documents), expected, strict=True):
        np.testing.assert_array_equal(found, wanted)
    prints, owners = expected
    # Of each document its own windows, and none that lies across two.
    assert np.bincount(owners).tolist() == [len(document) - WINDOW + 1 for document in documents]
    windows = [np.frombuffer(document[i : i + WINDOW], np.uint8) for document in documents for i in (0, 7, 2968)]
    assert {int(near_duplicates._hashes(window)[0]) for window in windows} <= set(prints.tolist())
    monkeypatch.setattr(near_duplicates, "LEAST_SAMPLED", 2**9)
    sampled, owners = near_duplicates._fingerprints(documents)
    assert set(sampled.tolist()) <= set(prints.tolist())
    assert all(0.7 < 16 * count / len(documents[0]) < 1.3 for count in np.bincount(owners))


def test_few_lines_of_validation_and_test_stand_in_train() -> None:
    """Tables of character sets had up to 99.6 % of their lines there: 10 % of validation and 22 % of test in all."""
    parts = python_splits()

    def lines(name: str) -> list[str]:
        return [line for text in parts[name].values() for raw in text.split("\n") if len(line := raw.strip()) >= 30]

    trained = set(lines("train"))
    for name in ("validation", "test"):
        asked = lines(name)
        assert sum(line in trained for line in asked) / len(asked) < 0.06, name
    total = sum(len(text) for part in parts.values() for text in part.values())
    assert 0.04 < sum(map(len, parts["test"].values())) / total < 0.06


def test_what_is_alike_by_difflib_is_in_one_split() -> None:
    """An independent measure, of the documents that are held out and those that resemble them most in length."""
    parts = python_splits()
    held = [*parts["validation"].values()][:12]
    trained = sorted(parts["train"].values(), key=len)
    for document in held:
        near = sorted(trained, key=lambda other: abs(len(other) - len(document)))[:8]
        for other in near:
            match = SequenceMatcher(None, document.split("\n"), other.split("\n"), autojunk=False)
            assert match.ratio() < 0.6


def test_near_duplicates_are_not_enough_to_split(tmp_path: Path) -> None:
    body = "\n".join(f"line {n} says {n * n} and so it goes" for n in range(200))
    for n in range(4):
        (tmp_path / f"{n}.txt").write_text(f"version {n}\n{body}")
    with pytest.raises(InputError, match=r"\(4, of which near-duplicates count as one\); .* give train, validation"):
        files_splits(FilesCorpusConfig(path=str(tmp_path)))
