"""Sampling text, one token at a time, from the recurrent form of a model."""

from __future__ import annotations

import codecs
import math
from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor

from signal_model.errors import InputError
from signal_model.model import SignalLLM
from signal_model.tokenizers import Tokenizer


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
) -> Iterator[int]:
    """Yield `count` tokens that follow `prompt`. A temperature of 0 takes the likeliest each time.

    Every token costs one step of the recurrent form: the state of harmonic and wavelet mixers does
    not grow with length; attention keeps all keys and values. Raises InputError for an empty prompt
    or settings out of range.
    """
    if not len(prompt):
        raise InputError("prompt: must hold at least one token")
    if not 0 <= temperature < math.inf:
        raise InputError(f"temperature: a number of at least 0, got {temperature}")
    if top_k is not None and top_k < 1:
        raise InputError(f"top_k: at least 1, got {top_k}")
    if top_p is not None and not 0 < top_p <= 1:
        raise InputError(f"top_p: above 0 and at most 1, got {top_p}")
    return _sample(model, prompt, count, temperature, top_k, top_p, seed)


@torch.no_grad()
def _sample(
    model: SignalLLM,
    prompt: Sequence[int],
    count: int,
    temperature: float,
    top_k: int | None,
    top_p: float | None,
    seed: int,
) -> Iterator[int]:
    device = next(model.parameters()).device
    generator = torch.Generator().manual_seed(seed)
    states = model.start(1)
    logits = torch.empty(0)
    for token in prompt:
        logits, states = model.step(torch.tensor([int(token)], device=device), states)
    for index in range(count):
        if not logits.isfinite().all():
            raise InputError("model: its logits are not finite numbers")
        if temperature == 0:
            token = int(logits[0].argmax())
        else:
            # In double precision, which not every device has, and relative to the largest: no temperature overflows.
            last = logits[0].cpu().double()
            filtered = filter_logits((last - last.max()) / temperature, top_k, top_p)
            token = int(torch.multinomial(filtered.softmax(-1), 1, generator=generator))
        yield token
        if index + 1 < count:
            logits, states = model.step(torch.tensor([token], device=device), states)


def stream_text(tokenizer: Tokenizer, tokens: Iterable[int]) -> Iterator[str]:
    """The text of tokens as it comes, a character when its last byte is there; joined, what `decode` gives for all."""
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    for token in tokens:
        if text := decoder.decode(tokenizer.to_bytes([token])):
            yield text
    if text := decoder.decode(b"", final=True):
        yield text
