"""Text to tokens and back: bytes, or byte-pair encoding."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from signal_model.data.mulaw import MuLaw
from signal_model.support.errors import InputError, counted

if TYPE_CHECKING:
    import tokenizers

END_OF_TEXT = "<|endoftext|>"
ALL_BYTES = bytes(range(1, 256))
PIECE = 2**16  # characters; longer texts are encoded in pieces, to bound memory
# So many characters of one kind (letters, digits, white space, others) in a row are learned from as one word. In text
# without spaces, as Thai or proteins, a word would be a whole piece, and learning from it take a hundred times as long.
LONGEST_RUN = 256
_KINDS = (r"[^\W\d_]", r"\d", r"\s", r"(?:[^\w\s]|_)")
_LONG_RUN = re.compile("|".join(f"{kind}{{{LONGEST_RUN}}}" for kind in _KINDS))


class Vocabulary(Protocol):
    """What tokens stand for, of text or of sound."""

    vocab_size: int
    byte_lengths: np.ndarray
    """(vocab_size,) int64: bytes of text, or samples, that each token stands for; 0 for end-of-text."""
    end_of_text: int
    """The separator that follows every document."""
    unit: str
    """What losses are told per: byte, or sample."""

    def to_bytes(self, tokens: Sequence[int]) -> bytes:
        """What tokens stand for; end-of-text for nothing."""

    def to_json(self) -> str:
        """JSON that `tokenizer_from_json` reads."""


class Tokenizer(Vocabulary, Protocol):
    """Text to tokens and back, without loss."""

    def encode(self, text: str) -> np.ndarray:
        """Tokens, (n,) of `token_dtype(vocab_size)`, without an end-of-text."""

    def decode(self, tokens: Sequence[int]) -> str:
        """Text; end-of-text is dropped, bytes that are no UTF-8 become U+FFFD."""


def token_dtype(vocab_size: int) -> np.dtype[Any]:
    """The smallest unsigned little-endian integer that holds every token."""
    return np.dtype("<u1" if vocab_size <= 2**8 else "<u2" if vocab_size <= 2**16 else "<u4")


class ByteTokenizer:
    """A token is a byte of UTF-8; 0 is end-of-text. With an `alphabet` there are tokens for these bytes alone, from 1
    in their order: of all 255 a token is the byte itself.

    Examples:
        >>> ByteTokenizer().encode("é!").tolist()
        [195, 169, 33]
        >>> ByteTokenizer(b"ACGT").encode("GAT").tolist()
        [3, 1, 4]
    """

    end_of_text = 0
    unit = "byte"

    def __init__(self, alphabet: bytes = ALL_BYTES) -> None:
        """Raises ValueError unless the bytes rise from 1 on."""
        if not alphabet or alphabet[0] == 0 or bytes(sorted(set(alphabet))) != alphabet:
            raise ValueError("its bytes do not rise from 1 on")
        self.alphabet = alphabet
        self.vocab_size = 1 + len(alphabet)
        self.byte_lengths = np.ones(self.vocab_size, np.int64)
        self.byte_lengths[self.end_of_text] = 0
        self._bytes = np.frombuffer(b"\0" + alphabet, np.uint8)
        self._tokens = np.zeros(256, np.uint8)  # 0 where there is none
        self._tokens[self._bytes] = np.arange(self.vocab_size)

    @classmethod
    def of(cls, texts: Iterable[str], size: int) -> ByteTokenizer:
        """That of `size` tokens, end-of-text among them, for the bytes that occur in texts.

        Raises InputError where not as many occur.
        """
        found = set[int]()
        for piece, _ in pieces(texts):
            found.update(_utf8(piece))
        alphabet = bytes(sorted(found))
        if (reached := 1 + len(alphabet)) != size:
            raise InputError(
                f"tokenizer.size: {counted(len(alphabet), 'byte')} of 255 occur in the text, so with the end of text "
                f"the size is {reached}, not {size}; 256 has them all"
            )
        return cls(alphabet)

    def encode(self, text: str) -> np.ndarray:
        """Tokens, (n,) uint8. Raises InputError for text with bytes that are not of the alphabet."""
        there = np.frombuffer(_utf8(text), np.uint8)
        if self.alphabet == ALL_BYTES:
            return there
        tokens: np.ndarray = self._tokens[there]
        if not tokens.all():
            strange = next(character for character in text if not set(_utf8(character)) <= set(self.alphabet))
            raise InputError(f"text: {strange!r} is not of the {self.vocab_size - 1} bytes that the tokenizer knows")
        return tokens

    def encode_batch(self, texts: Sequence[str]) -> list[np.ndarray]:
        return [self.encode(text) for text in texts]

    def decode(self, tokens: Sequence[int]) -> str:
        return self.to_bytes(tokens).decode(errors="replace")

    def to_bytes(self, tokens: Sequence[int]) -> bytes:
        return bytes(int(self._bytes[token]) for token in tokens if token != self.end_of_text)

    def to_json(self) -> str:
        own = {} if self.alphabet == ALL_BYTES else {"alphabet": list(self.alphabet)}
        return json.dumps({"kind": "bytes"} | own)


def _utf8(text: str) -> bytes:
    # A NUL character would read as end-of-text. It becomes U+FFFD: the one change ever made to text.
    return text.replace("\0", "\ufffd").encode()


class BPETokenizer:
    """Byte-level byte-pair encoding; token 0 is end-of-text, which no text encodes to.

    Texts of more than `PIECE` characters are encoded in pieces of that length, which may cut a word.
    """

    end_of_text = 0
    unit = "byte"

    def __init__(self, tokenizer: tokenizers.Tokenizer) -> None:
        """Raises ValueError unless `tokenizer` is of the kind that `train` makes."""
        if _settings(tokenizer) != _settings(_untrained()):
            raise ValueError("not byte-level BPE with end-of-text as its only special token")
        byte, tokens = byte_of_character(), tokenizer.get_vocab()
        first, *words = sorted(tokens, key=tokens.__getitem__)
        numbered = first == END_OF_TEXT and sorted(tokens.values()) == list(range(len(tokens)))
        if not (numbered and byte.keys() <= tokens.keys() and byte.keys() >= set("".join(words))):
            raise ValueError("its vocabulary is not end-of-text, 256 bytes and pairs, numbered from 0")
        self._bytes = [b"", *(bytes(byte[character] for character in word) for word in words)]
        self._tokenizer = tokenizer
        # Text that spells the separator is text. The flag is not part of the JSON.
        tokenizer.encode_special_tokens = True
        self.vocab_size = len(self._bytes)
        self.byte_lengths = np.array([len(piece) for piece in self._bytes], np.int64)

    @classmethod
    def train(cls, texts: Iterable[str], size: int) -> BPETokenizer:
        """Learn a vocabulary of exactly `size`; the same texts give the same one.

        Raises InputError when the texts are too small for it.
        """
        from tokenizers.pre_tokenizers import ByteLevel
        from tokenizers.trainers import BpeTrainer

        trainer = BpeTrainer(
            vocab_size=size,
            special_tokens=[END_OF_TEXT],
            initial_alphabet=sorted(ByteLevel.alphabet()),
            show_progress=False,
        )
        tokenizer = _untrained()
        tokenizer.train_from_iterator(without_long_runs(piece for piece, _ in pieces(texts)), trainer)
        if (reached := tokenizer.get_vocab_size()) != size:
            raise InputError(
                f"tokenizer.size: the training text repeats enough for {reached} tokens, not for {size}; "
                "give more text or a smaller size"
            )
        return cls(tokenizer)

    def encode(self, text: str) -> np.ndarray:
        tokens = self.encode_batch([piece for piece, _ in pieces([text])])
        return np.concatenate([np.empty(0, token_dtype(self.vocab_size)), *tokens])

    def encode_batch(self, texts: Sequence[str]) -> list[np.ndarray]:
        dtype = token_dtype(self.vocab_size)
        encoded = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        return [np.array(one.ids, dtype) for one in encoded]

    def decode(self, tokens: Sequence[int]) -> str:
        return self.to_bytes(tokens).decode(errors="replace")

    def to_bytes(self, tokens: Sequence[int]) -> bytes:
        return b"".join(self._bytes[int(token)] for token in tokens)

    def to_json(self) -> str:
        return str(self._tokenizer.to_str())


def tokenizer_from_json(text: str, name: str) -> ByteTokenizer | BPETokenizer | MuLaw:
    """The tokenizer that `to_json` wrote. Raises InputError, naming `name`, when it is not one."""
    try:
        data = json.loads(text)
        if isinstance(data, dict) and data.get("kind") == "bytes" and data.keys() <= {"kind", "alphabet"}:
            return ByteTokenizer(bytes(list(data.get("alphabet", ALL_BYTES))))
        if isinstance(data, dict) and data.keys() == {"kind", "rate"} and data["kind"] == "mulaw":
            return MuLaw(data["rate"])
        from tokenizers import Tokenizer as AnyTokenizer

        try:
            parsed = AnyTokenizer.from_str(text)
        except Exception as error:  # tokenizers raises nothing more specific
            raise ValueError(str(error)) from error
        return BPETokenizer(parsed)
    except (ValueError, TypeError, RecursionError) as error:
        raise InputError(f"{name}: is not a tokenizer of signal_model: {error}") from error


def of_text(tokenizer: Vocabulary, what: str) -> ByteTokenizer | BPETokenizer:
    """A tokenizer that reads text. Raises InputError, naming what it is of, where it is one of sound."""
    if isinstance(tokenizer, MuLaw):
        raise InputError(f"{what}: is a model of sound, not of text")
    assert isinstance(tokenizer, ByteTokenizer | BPETokenizer)
    return tokenizer


def _untrained() -> tokenizers.Tokenizer:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([END_OF_TEXT])
    return tokenizer


def _settings(tokenizer: tokenizers.Tokenizer) -> dict[str, Any]:
    """All that a tokenizer is, but for what it learned."""
    data: dict[str, Any] = json.loads(tokenizer.to_str())
    data["model"] |= {"vocab": None, "merges": None}
    return data


def byte_of_character() -> dict[str, int]:
    """How byte-level BPE writes bytes: printable ones as themselves, the others from U+0100 on."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + n): byte for n, byte in enumerate(others)}


def has_long_runs(texts: Iterable[str]) -> bool:
    """Whether byte-pair encoding would learn from these texts otherwise than from whole words."""
    return any(_LONG_RUN.search(text) for text in texts)


def without_long_runs(texts: Iterable[str]) -> Iterator[str]:
    """Texts, cut where more than `LONGEST_RUN` characters of one kind follow one another."""
    for text in texts:
        start = 0
        for run in _LONG_RUN.finditer(text):
            yield text[start : run.end()]
            start = run.end()
        yield text[start:]


def pieces(texts: Iterable[str]) -> Iterator[tuple[str, bool]]:
    """Texts in pieces of at most `PIECE` characters, and whether a piece is the last of its text."""
    for text in texts:
        for start in range(0, len(text), PIECE):
            yield text[start : start + PIECE], start + PIECE >= len(text)
