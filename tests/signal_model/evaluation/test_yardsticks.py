"""Scores of what needs no model: by another implementation, on sources whose entropy is known, and beside runs."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from signal_model.config import FilesCorpusConfig, TokenizerConfig
from signal_model.data.corpus import Corpus, load_corpus
from signal_model.evaluation.yardsticks import NGrams, judged, yardsticks
from tests.conftest import command, only_run


def witten_bell(tokens: list[int], history: list[int], token: int, vocab_size: int) -> float:
    """By the definition, from a list of all continuations of the history."""
    shorter = witten_bell(tokens, history[1:], token, vocab_size) if history else 1 / vocab_size
    n = len(history)
    after = [tokens[i + n] for i in range(len(tokens) - n) if tokens[i : i + n] == history]
    kinds = len(set(after))
    return (after.count(token) + kinds * shorter) / (len(after) + kinds) if after else shorter


def test_n_grams_are_those_of_the_definition() -> None:
    generator = np.random.default_rng(0)
    train = generator.choice(5, 300, p=[0.5, 0.2, 0.2, 0.1, 0.0])
    windows = generator.integers(0, 5, (4, 9))  # token 4 never came
    found = NGrams(train, 5, 4).probabilities(windows)
    for length, probabilities in enumerate(found, 1):
        for row, window in enumerate(windows.tolist()):
            for place in range(1, len(window)):
                history = window[max(0, place - length + 1) : place]
                expected = witten_bell(train.tolist(), history, window[place], 5)
                assert probabilities[row, place - 1] == pytest.approx(expected, rel=1e-12)


def test_probabilities_of_all_tokens_add_up_to_one() -> None:
    grams = NGrams(np.random.default_rng(1).integers(0, 6, 500), 7)
    windows = np.array([[1, 2, 3, 0, 5, x] for x in range(7)])
    for probabilities in grams.probabilities(windows):
        assert probabilities[:, -1].sum() == pytest.approx(1)


def chain(length: int, seed: int) -> str:
    """A Markov chain over a and b that stays where it is with a chance of nine tenths."""
    turns = np.random.default_rng(seed).random(length) < 0.1
    return "".join(np.where(np.cumsum(turns) % 2, "a", "b"))


@pytest.fixture(scope="module")
def markov(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("markov")
    for seed in range(40):
        (folder / f"{seed}.txt").write_text(chain(5000, seed))
    return folder


def loaded(folder: Path) -> Corpus:
    return load_corpus(FilesCorpusConfig(path=str(folder)), TokenizerConfig())


def test_counting_comes_to_the_entropy_of_a_known_source(markov: Path) -> None:
    scores = yardsticks(loaded(markov), 64, 8192)
    entropy = -0.1 * math.log2(0.1) - 0.9 * math.log2(0.9)
    assert scores["unigram"] == pytest.approx(1, rel=0.03)
    assert scores["bigram"] == pytest.approx(entropy, rel=0.05)
    assert scores["6-gram"] == pytest.approx(entropy, rel=0.05)
    # No program packs more tightly than the source is; lzma comes close.
    assert entropy < scores["lzma"] < scores["zlib"] < 1.2


def test_compression_of_text_that_was_seen_costs_next_to_nothing() -> None:
    """Both look back into training text."""
    from signal_model.evaluation import yardsticks as module

    text = bytes(np.random.default_rng(0).integers(0, 256, 20_000, np.uint8))
    assert module._by_zlib(text[-5000:], text) < 500
    assert module._by_lzma(text[-5000:], text) < 500


def test_what_a_loss_is_worth_is_said() -> None:
    scores = {"unigram": 1.91, "bigram": 1.5, "lzma": 1.4}
    assert judged(1.9, scores).endswith("nothing was learned")
    assert judged(1.45, scores) == "not as good as lzma 1.4000, which needs no model"
    assert judged(1.3, scores).startswith("better than what needs no model")
    assert judged(1.3, {}) == ""


def test_a_search_in_which_nothing_learned_says_so_wherever_it_tells(tiny_space: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = command("hrfevo", "run", tiny_space, "--out", out, "--backend", "inline", "--evaluations", 4)
    assert result.returncode == 0, result.stderr
    run = only_run(out)
    kept = json.loads((run / "run.json").read_text())["corpus"]["yardsticks"]
    assert [*kept] == ["unigram", "bigram", "6-gram", "zlib", "lzma"]
    for words in (result.stdout, command("hrfevo", "best", run).stdout, (run / "report.html").read_text()):
        assert "no better than knowing how frequent each token is" in words
        assert f"unigram {kept['unigram']:.4f}" in words
    assert f"bigram {kept['bigram']:.4f}" in result.stdout
    assert command("hrfevo", "status", run).stdout.count("nothing was learned") == 1


def test_training_says_what_its_score_is_worth(markov: Path, tmp_path: Path) -> None:
    text = f"{{path: {markov}}}"
    config = tmp_path / "model.yaml"
    config.write_text("{context: 32, width: 16, layers: [{mixer: {kind: harmonic}}]}")
    options = ("--corpus", text, "--output", tmp_path / "model", "--steps", 2)
    result = command("signal-model", "train", config, *options)
    assert result.returncode == 0, result.stderr
    assert "nothing was learned" in result.stdout
    figures = json.loads((tmp_path / "model" / "figures.json").read_text())
    assert Counter(figures["yardsticks"].keys()) == Counter(["unigram", "bigram", "6-gram", "zlib", "lzma"])
