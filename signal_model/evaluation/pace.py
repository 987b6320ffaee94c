"""What a generated token takes, by a clock."""

from __future__ import annotations

import time

import torch

from signal_model.model import SignalLLM
from signal_model.support.devices import clock_of, undisturbed, wait_for
from signal_model.support.modes import in_evaluation

# So many tokens at most, so few at least, and no more once so many seconds are over.
MOST_TOKENS, FEWEST_TOKENS, SECONDS = 64, 8, 0.15


@torch.no_grad()
def token_seconds(model: SignalLLM, context: int | None = None) -> float:
    """Seconds of a step of the recurrent form at the end of a full context, batch size 1, undisturbed.

    All but the last token of the context (that of the model unless one is given) are read at once, by the parallel
    form; then the last is given again and again to the state that they leave, so that a cache is as long each time. A
    step gives the logits; whoever draws a token from them is not timed. The first few steps, of which some warm up,
    leave no mark on a low quantile. Where one thread computes, its own clock counts, which stands while others have its
    processor. The weights do not matter, and are not changed.

    Examples:
        >>> from signal_model import ModelConfig, build_model
        >>> 0 < token_seconds(build_model(ModelConfig(width=16, context=32), seed=0)) < 1
        True
    """
    length, device = context or model.config.context, next(model.parameters()).device
    # Tokens that differ: a state that decays towards 0 would be computed with denormal numbers.
    tokens = torch.arange(length, device=device)[None] % model.config.vocab_size
    clock = clock_of(device)
    with in_evaluation(model):
        _, states = model.prefill(tokens[:, :-1])
        wait_for(device)
        begun, taken = time.perf_counter(), list[float]()
        while len(taken) < FEWEST_TOKENS or (len(taken) < MOST_TOKENS and time.perf_counter() < begun + SECONDS):
            started = clock()
            model.step(tokens[:, -1], states)
            wait_for(device)
            taken.append(clock() - started)
    return undisturbed(taken)
