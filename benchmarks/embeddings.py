"""Spectral embeddings at the vocabulary of GPT-2: parameters, time, and what they cost or gain in loss.

Time: a lookup of 512 tokens and the tied head's logits for 512 hidden states, forward and backward, one core, in
turn.

Loss: the same two layers of harmonic mixers (width 512) with each embedding, trained on the text of the running
Python in byte-pair tokens (50,257 of them, trained on that text), the same steps, batches, seeds and the better of
two rates (on a seed of its own, for each). Two rows have equal parameters in all: a standard embedding so narrow,
with its layers, that it has the parameters of the spectral model; and a learned basis of as many coefficients (a
factorised embedding, Lan et al. 2020), which tells what of the result is due to harmonics and what to having fewer
coefficients. Short trainings of a large vocabulary: figures compare embeddings, they are no record.

Ends with exit code 1 if a bar is missed (unless `--no-check`).
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from typing import Any

import torch
from common import end, machine, print_table

from signal_model.config import ModelConfig, PythonCorpusConfig, TokenizerConfig, TrainingConfig
from signal_model.data.corpus import Corpus, load_corpus
from signal_model.layers.embeddings import Embedding, build_embedding
from signal_model.model import build_model, count_parameters
from signal_model.training.trainer import train, validate

VOCABULARY, WIDTH, TOKENS = 50257, 512, 512
FEWER, FASTER = 6.0, 2.0  # the bars
RATES, RATE_SEED, SEEDS = (2e-3, 6e-3), 100, (0, 1)
CPU = torch.device("cpu")

SPECTRAL = {"kind": "spectral", "bases": 32, "frequencies": [0.5, 128]}
EMBEDDINGS: dict[str, dict[str, Any]] = {
    "standard": {"kind": "standard"},
    "spectral, 32 harmonics": SPECTRAL,
    "spectral, 32 learned frequencies": SPECTRAL | {"learnable_frequencies": True},
    "basis: DCT, 64 functions": {"kind": "basis", "bases": 64},
    "basis: learned, 64 functions": {"kind": "basis", "functions": "learned", "bases": 64},
}
NARROW = "standard, equal parameters in all"


def model_config(embedding: dict[str, Any], width: int = WIDTH) -> ModelConfig:
    layer = {"mixer": {"kind": "harmonic", "bases": 16}, "feedforward": {"kind": "mlp", "expansion": 2}}
    return ModelConfig.model_validate(
        {"vocab_size": VOCABULARY, "context": 64, "width": width, "embedding": embedding, "layers": [layer] * 2}
    )


def size(config: ModelConfig) -> int:
    with torch.device("meta"):
        return count_parameters(build_model(config, 0))


def narrow_width() -> int:
    """The width at which a standard model has at most the parameters of the spectral one."""
    most = size(model_config(SPECTRAL))
    return max(width for width in range(8, WIDTH, 2) if size(model_config({"kind": "standard"}, width)) <= most)


def lookup_and_head(embedding: Embedding, generator: torch.Generator) -> float:
    """Milliseconds, forward and backward."""
    tokens = torch.randint(VOCABULARY, (1, TOKENS), generator=generator)
    hidden = torch.randn(1, TOKENS, WIDTH, generator=generator, requires_grad=True)
    down, down_logits = torch.randn(1, TOKENS, WIDTH), torch.full((1, TOKENS, VOCABULARY), 1e-3)
    embedding.zero_grad()
    started = time.perf_counter()
    torch.autograd.backward([embedding(tokens), embedding.logits(hidden)], [down, down_logits])
    return 1000 * (time.perf_counter() - started)


def times(rounds: int) -> dict[str, float]:
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    built = {n: build_embedding(model_config(e).embedding, model_config(e)) for n, e in EMBEDDINGS.items()}
    found: dict[str, list[float]] = {name: [] for name in built}
    for _ in range(rounds + 1):
        for name, embedding in built.items():
            found[name].append(lookup_and_head(embedding, generator))
    return {name: statistics.median(values[1:]) for name, values in found.items()}


def loss(config: ModelConfig, corpus: Corpus, steps: int, rate: float, seed: int) -> float:
    """Validation loss, nats per token."""
    training = TrainingConfig(steps=steps, batch_size=4, learning_rate=rate, seed=seed, validation_tokens=16384)
    model = build_model(config, seed)
    train(model, corpus, training, CPU)
    return validate(model, corpus, training, CPU).nats_per_token


def main() -> int:
    parser = argparse.ArgumentParser(description="Spectral embeddings at GPT-2's vocabulary.")
    parser.add_argument(
        "--steps", type=int, default=200, help="of each training; 0 leaves the losses out (%(default)s)"
    )
    parser.add_argument("--rounds", type=int, default=5, help="of timing (%(default)s)")
    parser.add_argument("--no-check", action="store_true", help="exit with 0 whatever the figures are")
    options = parser.parse_args()
    print(machine("torch", "tokenizers"), flush=True)
    pace = times(options.rounds)
    torch.set_num_threads(max(1, torch.get_num_threads()))
    configs = {name: model_config(embedding) for name, embedding in EMBEDDINGS.items()}
    configs[NARROW] = model_config({"kind": "standard"}, narrow_width())
    losses: dict[str, list[float]] = {}
    chosen: dict[str, float] = {}
    if options.steps:
        corpus = load_corpus(PythonCorpusConfig(), TokenizerConfig(kind="bpe", size=VOCABULARY))
        print(
            f"{corpus.name}, {len(corpus.train):,} training tokens; {options.steps} steps of 256 tokens\n", flush=True
        )
        for name, config in configs.items():
            chosen[name] = min((loss(config, corpus, options.steps, r, RATE_SEED), r) for r in RATES)[1]
            losses[name] = [loss(config, corpus, options.steps, chosen[name], seed) for seed in SEEDS]
            print(f"{name}: rate {chosen[name]:g}, {losses[name]}", file=sys.stderr)
    rows, missed = [], []
    for name, config in configs.items():
        embedding = build_embedding(config.embedding, config)
        own = count_parameters(embedding)
        fewer = VOCABULARY * WIDTH / own
        faster = pace["standard"] / pace[name] if name in pace else None
        mean = statistics.mean(losses[name]) if losses else None
        rows.append(
            [
                name,
                config.width,
                f"{own:,} ({fewer:.1f}× fewer)",
                f"{size(config):,}",
                "" if faster is None else f"{pace[name]:.0f} ({faster:.1f}×)",
                "" if mean is None else f"{mean:.3f} ({mean - statistics.mean(losses['standard']):+.3f})",
                f"{chosen[name]:g}" if chosen else "",
            ]
        )
        if name.startswith("spectral") and fewer < FEWER:
            missed.append(f"{name}: {fewer:.1f} times fewer parameters; the bar is {FEWER:g}")
        if name.startswith("spectral") and faster is not None and faster < FASTER:
            missed.append(f"{name}: {faster:.2f} times faster; the bar is {FASTER:g}")
    head = ["embedding", "width", "its parameters", "model's", "lookup and head, ms", "nats per token", "rate"]
    print_table(head, rows)
    return end(missed, not options.no_check)


if __name__ == "__main__":
    sys.exit(main())
