"""What a model scores that looks at future tokens, and what the probe says of it.

Earlier spectral language models transformed along the whole sequence and reported perplexities near 1. Here the same
small model is trained on the same text with causal mixers, and with one of them replaced by a learned filter that
multiplies the Fourier transform over all positions: a circular convolution (the global filter of Rao et al. 2021, who
use it for pictures, where that is right). Beside the loss stands the largest change of any logit when only later
tokens change (`causality_violation` of `signal_model.evaluation.causality`), which every evaluation of a search checks
before its score counts.

Ends with exit code 1 if the probe misses the leak or accuses the causal model (unless `--no-check`).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Literal

import torch
from common import end, machine, print_table
from torch import Tensor, nn

from signal_model.config import FilesCorpusConfig, MixerConfig, ModelConfig, TokenizerConfig, TrainingConfig
from signal_model.data.corpus import load_corpus
from signal_model.evaluation.causality import causality_tolerance, causality_violation
from signal_model.layers.mixers import Mixer
from signal_model.layers.registry import implements
from signal_model.model import build_model
from signal_model.training.trainer import train, validate

CPU = torch.device("cpu")


class CircularConfig(MixerConfig):
    """A learned filter over all positions."""

    kind: Literal["circular"] = "circular"


@implements(CircularConfig)
class CircularMixer(Mixer):
    """y = W_o irfft(H ⊙ rfft(W x)) over positions, without padding: each output depends on every input."""

    def __init__(self, config: CircularConfig, model: ModelConfig) -> None:
        super().__init__()
        self.project = nn.Linear(model.width, model.width, bias=False)
        self.filter = nn.Parameter(torch.randn(model.context // 2 + 1, model.width, 2) * 0.5)
        self.output = nn.Linear(model.width, model.width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        spectrum = torch.fft.rfft(self.project(x), dim=1, norm="ortho") * torch.view_as_complex(self.filter)
        mixed: Tensor = self.output(torch.fft.irfft(spectrum, n=x.shape[1], dim=1, norm="ortho"))
        return mixed


def main() -> int:
    parser = argparse.ArgumentParser(description="What a leak is worth.")
    parser.add_argument("corpus", type=Path, help="a text file")
    parser.add_argument("--steps", type=int, default=600, help="(%(default)s)")
    parser.add_argument("--no-check", action="store_true", help="exit with 0 whatever the figures are")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(machine("torch") + f"; {options.steps} steps\n", flush=True)
    corpus = load_corpus(FilesCorpusConfig(path=str(options.corpus), split="position"), TokenizerConfig())
    training = TrainingConfig(steps=options.steps, batch_size=16, learning_rate=4e-3, validation_tokens=32768)
    rows, missed = [], []
    for name, mixers in {"causal": ["harmonic", "harmonic"], "looks ahead": ["harmonic", "circular"]}.items():
        layers = [{"mixer": {"kind": kind}} for kind in mixers]
        config = ModelConfig.model_validate({"context": 32, "width": 96, "layers": layers})
        model = build_model(config, 0)
        train(model, corpus, training, CPU)
        score = validate(model, corpus, training, CPU)
        violation = causality_violation(model, config.context)
        verdict = "refused" if violation > causality_tolerance(CPU) else "passes"
        rows.append([name, f"{score.perplexity:.2f}", f"{score.accuracy:.1%}", f"{violation:.1e}", verdict])
        if (verdict == "refused") != (name == "looks ahead"):
            missed.append(f"{name}: the probe says {verdict}")
    print_table(["model", "perplexity per byte", "accuracy", "largest change of a logit", "the probe"], rows)
    return end(missed, not options.no_check)


if __name__ == "__main__":
    sys.exit(main())
