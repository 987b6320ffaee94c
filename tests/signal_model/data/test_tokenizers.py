"""Tokenizers lose nothing, reach their size, and are read back from what they write."""

import json
import time
from collections.abc import Callable
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from signal_model.config import FilesCorpusConfig, TokenizerConfig
from signal_model.data.corpus import load_corpus
from signal_model.data.tokenizers import (
    LONGEST_RUN,
    BPETokenizer,
    ByteTokenizer,
    tokenizer_from_json,
    without_long_runs,
)
from signal_model.support.errors import InputError
from tests.tools.corpora import BYTES, PROSE, files, write

texts = st.text() | st.lists(
    st.sampled_from(
        [
            "<|endoftext|>",
            "wave",
            " ",
            "\n",
            "\r\n",
            "\t",
            "  ",
            "é",
            "日本",
            "🌊",
            "👩‍🔬",
            "\ufeff",
            "1",
            "'s",
        ]
    )
).map("".join)


@pytest.fixture(scope="module")
def bpe() -> BPETokenizer:
    return BPETokenizer.train(PROSE, 300)


@given(texts)
@example("a\0b")
def test_bytes_lose_nothing(text: str) -> None:
    tokenizer = ByteTokenizer()
    tokens = tokenizer.encode(text)
    kept = text.replace("\0", "\ufffd")
    assert tokens.dtype == np.uint8
    assert tokenizer.end_of_text not in tokens
    assert tokenizer.decode(tokens) == kept
    assert tokenizer.byte_lengths[tokens].sum() == len(kept.encode())


@given(texts)
@example("a\0b")
@example("\n")
def test_an_alphabet_has_the_bytes_that_occur(text: str) -> None:
    whole = ByteTokenizer()
    occur = sorted({*whole.encode(text).tolist()})
    if not occur:
        return
    tokenizer = ByteTokenizer.of([text[:1], text[1:]], 1 + len(occur))
    tokens = tokenizer.encode(text)
    assert sorted({*tokens.tolist()}) == [*range(1, tokenizer.vocab_size)]
    assert tokenizer.decode(tokens) == whole.decode(whole.encode(text))
    assert tokenizer.byte_lengths[tokens].sum() == len(tokens)
    again = tokenizer_from_json(tokenizer.to_json(), "x")
    assert again.to_json() == tokenizer.to_json()
    assert (again.encode(text) == tokens).all()
    with pytest.raises(InputError, match=f"{len(occur)} bytes? of 255 occur .* size is {1 + len(occur)}, not"):
        ByteTokenizer.of([text], 2 + len(occur))


def test_all_bytes_are_an_alphabet_too_and_what_it_lacks_is_refused() -> None:
    assert (ByteTokenizer(bytes(range(1, 256))).encode("é") == ByteTokenizer().encode("é")).all()
    with pytest.raises(InputError, match="text: 'é' is not of the 4 bytes that the tokenizer knows"):
        ByteTokenizer(b"ACGT").encode("GATé")
    for wrong in ({"alphabet": [0, 1]}, {"alphabet": [2, 1]}, {"alphabet": 10**12}, {"alphabet": "ab"}, {"size": 3}):
        with pytest.raises(InputError, match=r"^here.json: is not a tokenizer"):
            tokenizer_from_json(json.dumps({"kind": "bytes"} | wrong), "here.json")


def test_a_text_of_four_letters_has_a_vocabulary_of_five(tmp_path: Path) -> None:
    write(tmp_path / "dna", ["ACGT" * n for n in range(1, 9)])
    config, cache = files(str(tmp_path / "dna")), tmp_path / "cache"
    whole = load_corpus(config, BYTES, cache)
    assert "4 bytes of 255 occur in the text; tokenizer: {kind: bytes, size: 5} leaves" in whole.spare
    small = load_corpus(config, TokenizerConfig(size=5), cache)
    assert (small.tokenizer.vocab_size, small.spare) == (5, "")
    assert small.content_hash != whole.content_hash
    assert small.train.max() <= 4
    assert small.tokenizer.decode(small.train) == whole.tokenizer.decode(whole.train)
    again = load_corpus(config, TokenizerConfig(size=5), cache)
    assert again.tokenizer.encode("TA").tolist() == [4, 1]
    with pytest.raises(InputError, match=r"tokenizer.size: 4 bytes .* the size is 5, not 9; 256 has them all"):
        load_corpus(config, TokenizerConfig(size=9), cache)


@given(texts)
@example("a\0b")
@example("ab é🌊 " * 30_000)  # several pieces
def test_bpe_loses_nothing(bpe: BPETokenizer, text: str) -> None:
    tokens = bpe.encode(text)
    assert tokens.dtype == np.uint16
    assert bpe.end_of_text not in tokens
    assert bpe.decode(tokens) == text
    assert bpe.byte_lengths[tokens].sum() == len(text.encode())
    assert (tokenizer_from_json(bpe.to_json(), "x").encode(text) == tokens).all()


def test_decode_drops_separators_and_replaces_broken_bytes(bpe: BPETokenizer) -> None:
    for tokenizer in (ByteTokenizer(), bpe):
        wave = tokenizer.encode("🌊").tolist()
        assert tokenizer.decode([0, *wave, 0, 0]) == "🌊"
        assert tokenizer.decode(tokenizer.encode("é").tolist()[:1]) in ("é", "\ufffd")
        assert len(tokenizer.byte_lengths) == tokenizer.vocab_size
        assert tokenizer.byte_lengths[tokenizer.end_of_text] == 0
    assert ByteTokenizer().decode([0x61, 0xC3]) == "a\ufffd"
    assert tokenizer_from_json(ByteTokenizer().to_json(), "x").vocab_size == 256


def test_bpe_training_repeats_and_reaches_its_size(bpe: BPETokenizer) -> None:
    assert bpe.vocab_size == 300
    assert BPETokenizer.train(iter(PROSE), 300).to_json() == bpe.to_json()
    with pytest.raises(InputError, match=r"tokenizer.size: .* for \d+ tokens, not for 5000"):
        BPETokenizer.train(PROSE, 5000)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: None,
        lambda data: {"kind": "words"},
        lambda data: data | {"normalizer": {"type": "Lowercase"}},
        lambda data: data | {"added_tokens": []},
        lambda data: data | {"model": {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"}},
        lambda data: data | {"model": data["model"] | {"vocab": {"<|endoftext|>": 0}, "merges": []}},
        lambda data: data | {"model": data["model"] | {"vocab": data["model"]["vocab"] | {"zzz": 999}}},
        lambda data: data | {"model": data["model"] | {"vocab": data["model"]["vocab"] | {"日": 300}}},
    ],
)
def test_what_is_no_tokenizer_is_refused(bpe: BPETokenizer, damage: Callable[[Any], Any]) -> None:
    with pytest.raises(InputError, match=r"^here.json: is not a tokenizer of signal_model: "):
        tokenizer_from_json(json.dumps(damage(json.loads(bpe.to_json()))), "here.json")
    with pytest.raises(InputError, match=r"^here.json: is not a tokenizer"):
        tokenizer_from_json(bpe.to_json()[:-20], "here.json")


# --- words without end ----------------------------------------------------------------------------


@given(st.lists(st.tuples(st.sampled_from("aก1 -_"), st.integers(1, 700)), max_size=6))
def test_words_are_cut_where_they_have_no_end(runs: list[tuple[str, int]]) -> None:
    text = "".join(character * count for character, count in runs)
    parts = [*without_long_runs([text])]
    assert "".join(parts) == text
    longest = max((sum(1 for _ in same) for part in parts for _, same in groupby(part)), default=0)
    assert longest < 2 * LONGEST_RUN  # a rest and what follows it are one word
    if max((count for _, count in runs), default=0) < LONGEST_RUN and not any(
        one[0] == other[0] or {one[0], other[0]} <= set("aก") or {one[0], other[0]} <= set("-_")
        for one, other in pairwise(runs)
    ):
        assert parts == [text]


def test_text_without_spaces_is_learned_from_as_fast_as_any(tmp_path: Path) -> None:
    letters = "".join(chr(0x0E01 + int(n)) for n in np.random.default_rng(0).integers(0, 46, 60_000))
    (tmp_path / "thai.txt").write_text(letters)
    config, said = FilesCorpusConfig(path=str(tmp_path / "thai.txt"), split="position"), list[str]()
    began = time.process_time()  # a busy machine does not stretch it
    corpus = load_corpus(config, TokenizerConfig(kind="bpe", size=1024), tmp_path / "cache", said.append)
    assert time.process_time() - began < 10  # it took half a minute
    assert said == ["tokenizer of 1,024 tokens: learning from 54,000 characters"]
    assert max(corpus.tokenizer.byte_lengths) < 3 * LONGEST_RUN
    assert corpus.tokenizer.decode(corpus.test.tolist()) == letters[57_000:]
    again = load_corpus(config, TokenizerConfig(kind="bpe", size=1024), tmp_path / "cache", said.append)
    assert (again.content_hash, len(said)) == (corpus.content_hash, 1)
