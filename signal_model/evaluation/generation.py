"""Sampling text or sound, one token at a time, from the recurrent form of a model."""

from __future__ import annotations

import codecs
import math
from collections.abc import Callable, Iterable, Iterator, Sequence

import torch
from torch import Tensor

from signal_model.data.mulaw import MuLaw
from signal_model.data.recordings import read_sound
from signal_model.data.tokenizers import Tokenizer
from signal_model.model import SignalLLM
from signal_model.support.errors import InputError


def filter_logits(logits: Tensor, top_k: int | None, top_p: float | None) -> Tensor:
    """Logits (..., V) with all but the k likeliest tokens, and all beyond the smallest set of total
    probability p (Holtzman et al. 2020), set to -inf."""
    if top_k is not None and top_k < logits.shape[-1]:
        likeliest = logits.topk(top_k).indices
        logits = logits.masked_fill(torch.ones_like(logits, dtype=torch.bool).scatter(-1, likeliest, False), -torch.inf)
    if top_p is not None and top_p < 1:
        ordered, order = logits.sort(descending=True)
        probability = ordered.softmax(-1)
        outside = probability.cumsum(-1) - probability >= top_p
        outside[..., 0] = False  # the likeliest token stays, however small p is
        logits = logits.masked_fill(outside.scatter(-1, order, outside), -torch.inf)
    return logits


def generate(
    model: SignalLLM,
    prompt: Sequence[int],
    count: int,
    *,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int = 0,
    stop: int | None = None,
) -> Iterator[int]:
    """Yield up to `count` tokens that follow `prompt`, fewer where the token `stop` comes, which is not yielded.

    The prompt is read at once, by the parallel form; then every token costs one step of the recurrent form: the state
    of harmonic and wavelet mixers does not grow with length; attention keeps all keys and values. A temperature of 0
    takes the likeliest token each time. Raises InputError for an empty prompt, tokens or settings out of
    range, or a model that is not causal.

    Examples:
        >>> from signal_model import ModelConfig, build_model
        >>> model = build_model(ModelConfig(width=16, context=32), seed=0)
        >>> first, again = (list(generate(model, b"def ", 5, seed=1)) for _ in range(2))
        >>> first == again, len(first)
        (True, 5)
    """
    model.model_config.require_language_model("generate")
    if not len(prompt):
        raise InputError("prompt: must hold at least one token")
    if strange := [token for token in prompt if not 0 <= token < model.config.vocab_size]:
        raise InputError(f"prompt: a token is a number from 0 to {model.config.vocab_size - 1}, got {strange[0]}")
    if not 0 <= temperature < math.inf:
        raise InputError(f"temperature: a number of at least 0, got {temperature}")
    if top_k is not None and top_k < 1:
        raise InputError(f"top_k: at least 1, got {top_k}")
    if top_p is not None and not 0 < top_p <= 1:
        raise InputError(f"top_p: above 0 and at most 1, got {top_p}")
    device = next(model.parameters()).device
    # Where there is double precision: on CUDA without the host, else on the host.
    place = device if device.type == "cuda" else torch.device("cpu")
    generator = torch.Generator(place).manual_seed(seed)

    def choose(logits: Tensor) -> Tensor:
        """(1, V) → the next token, (1,), and -1 for logits that are no numbers; nobody waits for the device."""
        logits = logits.to(place)
        sound = logits.isfinite().all()
        logits = torch.where(sound, logits, 0)
        if temperature == 0:
            token = logits.argmax(-1)
        else:
            exact = logits.double()  # and relative to the largest: no temperature overflows
            scaled = (exact - exact.amax(-1, keepdim=True)) / temperature
            probabilities = filter_logits(scaled, top_k, top_p).softmax(-1)
            token = torch.multinomial(probabilities, 1, generator=generator)[:, 0]
        return torch.where(sound, token, -1)

    return _sample(model, torch.tensor([[*map(int, prompt)]], device=device), count, choose, stop)


@torch.no_grad()
def _sample(
    model: SignalLLM, prompt: Tensor, count: int, choose: Callable[[Tensor], Tensor], stop: int | None
) -> Iterator[int]:
    hidden, states = model.prefill(prompt)
    logits = model.embedding.logits(hidden[:, -1])
    for index in range(count):
        token = choose(logits)
        if index + 1 < count and token.device.type != "cpu":  # the device goes on while the last token is read
            logits, states = model.step(token.clamp(min=0), states)
        number = int(token)
        if number < 0:
            raise InputError("model: its logits are not finite numbers")
        if number == stop:
            return
        yield number
        if index + 1 < count and token.device.type == "cpu":
            logits, states = model.step(token.to(prompt.device), states)


def sound_prompt(file: str | None, tokenizer: MuLaw) -> list[int]:
    """The tokens of a file of sound; without one the end of a recording, after which another begins.

    Raises InputError for a file that cannot be read.
    """
    if file is None:
        return [tokenizer.end_of_text]
    try:
        with open(file, "rb") as source:
            samples = read_sound(source, f"--prompt {file}", tokenizer.rate)
    except OSError as error:
        raise InputError(f"--prompt {file}: no file of sound can be read: {error.strerror or error}") from None
    return [int(token) for token in tokenizer.encode(samples)]


def stream_text(tokenizer: Tokenizer, tokens: Iterable[int]) -> Iterator[str]:
    """The text of tokens as it comes, a character when its last byte is there; joined, what `decode` gives for all."""
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    for token in tokens:
        if text := decoder.decode(tokenizer.to_bytes([token])):
            yield text
    if text := decoder.decode(b"", final=True):
        yield text
