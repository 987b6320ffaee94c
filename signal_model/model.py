"""SignalLLM: embedding, blocks of mixer and feed-forward, tied head. SignalClassifier: the same blocks on sound."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from signal_model.config import LayerConfig, ModelConfig
from signal_model.layers.cross_entropy import linear_cross_entropy
from signal_model.layers.embeddings import build_embedding
from signal_model.layers.feedforward import build_feedforward
from signal_model.layers.filter_bank import build_filter_bank
from signal_model.layers.front_end import build_front_end
from signal_model.layers.mixers import Mixer, State, build_mixer
from signal_model.layers.positions import build_positions
from signal_model.support.errors import InputError


class Block(nn.Module):
    """x + mixer(norm(x)), then x + feedforward(norm(x)); before both, if asked for, x + bank(norm(x))."""

    def __init__(self, layer: LayerConfig, config: ModelConfig) -> None:
        super().__init__()
        self.filter_bank = build_filter_bank(layer.filter_bank, config)
        self.filter_bank_norm = None if self.filter_bank is None else nn.RMSNorm(config.width)
        # Tensors of its state, which stand last in that of the block.
        self._of_bank = 0 if self.filter_bank is None else len(self.filter_bank.start(0))
        self.mixer_norm = nn.RMSNorm(config.width)
        self.mixer = build_mixer(layer.mixer, config)
        self.feedforward_norm = nn.RMSNorm(config.width)
        self.feedforward = build_feedforward(layer.feedforward, config)

    def forward(self, x: Tensor, present: Tensor | None = None) -> Tensor:
        """(B, T, D) → (B, T, D). `present` (B, T, 1) is for mixers that hear from both sides: see `Mixer`."""
        if self.filter_bank is not None and self.filter_bank_norm is not None:
            x = x + _mixed(self.filter_bank, self.filter_bank_norm(x), present)
        x = x + _mixed(self.mixer, self.mixer_norm(x), present)
        result: Tensor = x + self.feedforward(self.feedforward_norm(x))
        return result

    def prefill(self, x: Tensor) -> tuple[Tensor, State]:
        """All positions of a beginning, (B, T, D) → (B, T, D) and the state after them."""
        bank: State = []
        if self.filter_bank is not None and self.filter_bank_norm is not None:
            filtered, bank = self.filter_bank.prefill(self.filter_bank_norm(x))
            x = x + filtered
        mixed, state = self.mixer.prefill(self.mixer_norm(x))
        x = x + mixed
        return x + self.feedforward(self.feedforward_norm(x)), [*state, *bank]

    def start(self, batch: int) -> State:
        """The state before the first position: the mixer's, then the filter bank's."""
        state = self.mixer.start(batch)
        return state if self.filter_bank is None else [*state, *self.filter_bank.start(batch)]

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """One position: (B, D) and the state → (B, D) and the next state."""
        bank: State = []
        if self.filter_bank is not None and self.filter_bank_norm is not None:
            of_mixer = len(state) - self._of_bank
            state, bank = state[:of_mixer], state[of_mixer:]
            filtered, bank = self.filter_bank.step(self.filter_bank_norm(x), bank)
            x = x + filtered
        mixed, state = self.mixer.step(self.mixer_norm(x), state)
        x = x + mixed
        return x + self.feedforward(self.feedforward_norm(x)), [*state, *bank]


class Backbone(nn.Module):
    """Positions, blocks and the last normalisation: what stands between the vectors that come in and a head.

    `blocks` are those with weights of their own; one that is shared is passed several times, with a state each time.
    A `trace` is given what enters each layer.
    """

    checkpointing = False
    block_class = Block

    def build(self, config: ModelConfig) -> None:
        """Add the parts, with fresh weights."""
        self.model_config, self.causal = config, config.causal
        self.positions = build_positions(config.positions, config)
        self.blocks = nn.ModuleList(self.block_class(layer, config) for layer, _ in config.blocks)
        self._order = [number for number, (_, passes) in enumerate(config.blocks) for _ in range(passes)]
        self.norm = nn.RMSNorm(config.width)
        self._initialise()

    def _through(self, vectors: Tensor, present: Tensor | None = None, trace: list[Tensor] | None = None) -> Tensor:
        """(B, T, D) → what a head reads, (B, T, D)."""
        x = self._entering(vectors)
        if self.positions is not None:
            x = x + self.positions(torch.arange(x.shape[1], device=x.device))
        again = self.checkpointing and torch.is_grad_enabled()
        for number in self._order:
            block = self.blocks[number]
            _note(x, trace)
            given = (x,) if present is None else (x, present)
            x = checkpoint(block, *given, use_reentrant=False) if again else block(*given)
        result: Tensor = self.norm(x)
        return result

    def _entering(self, vectors: Tensor) -> Tensor:
        # The residual stream keeps the precision of the weights, also where autocast multiplies in a lower one.
        return F.rms_norm(vectors.to(self.norm.weight.dtype), self.norm.normalized_shape)

    def _initialise(self) -> None:
        """Matrices keep the variance of their input; those that write into the residual stream are
        scaled down with depth (Radford et al. 2019), so that the sum over layers keeps it too."""
        for name, module in self.named_modules():
            if isinstance(module, nn.Linear):
                scale = 1 / math.sqrt(module.in_features)
                if name.endswith(".output"):
                    scale /= math.sqrt(2 * len(self._order))
                nn.init.normal_(module.weight, std=scale)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)


class TokenBackbone(Backbone):
    """A backbone behind an embedding: all of a language model but the head, which is the embedding again.

    Tokens are numbers, or the vectors that `embedding` has for them. `prefill`, `start` and `advance` are for causal
    models; of others they raise InputError.
    """

    def build(self, config: ModelConfig) -> None:
        self.embedding = build_embedding(config.embedding, config)
        super().build(config)

    def hidden(self, tokens: Tensor, trace: list[Tensor] | None = None) -> Tensor:
        """(B, T) of token numbers, or (B, T, D) → what the head reads, (B, T, D)."""
        return self._through(self._vectors(tokens), trace=trace)

    def prefill(self, tokens: Tensor, trace: list[Tensor] | None = None) -> tuple[Tensor, list[State]]:
        """A beginning (B, T) or (B, T, D) at once → what the head reads, (B, T, D), and the states after its end.

        `embedding.logits` of the last position says what comes next.
        """
        self._require_causal("generate")
        x = self._entering(self._vectors(tokens))
        batch, length = tokens.shape[:2]
        states: list[State] = [[]]
        if self.positions is not None:
            x = x + self.positions(torch.arange(length, device=tokens.device))
            states = [[torch.full((batch,), length, device=tokens.device)]]
        for block in self._blocks():
            _note(x, trace)
            x, state = block.prefill(x)
            states.append(state)
        return self.norm(x), states

    def start(self, batch: int) -> list[State]:
        """The state before the first token: the position where it is used, then one for each layer."""
        self._require_causal("generate")
        position = torch.zeros(batch, dtype=torch.long, device=self.norm.weight.device)
        return [[] if self.positions is None else [position], *(block.start(batch) for block in self._blocks())]

    def advance(
        self, tokens: Tensor, states: list[State], trace: list[Tensor] | None = None
    ) -> tuple[Tensor, list[State]]:
        """One position: tokens (B,) or (B, D) and the states → what the head reads, (B, D), and the next states."""
        self._require_causal("generate")
        x = self._entering(self._vectors(tokens))
        after: list[State] = [[]]
        if self.positions is not None:
            (position,) = states[0]
            x = x + self.positions(position)
            after = [[position + 1]]
        for block, state in zip(self._blocks(), states[1:], strict=True):
            _note(x, trace)
            x, state = block.step(x, state)
            after.append(state)
        return self.norm(x), after

    def _require_causal(self, what: str) -> None:
        if not self.causal:
            self.model_config.require_language_model(what)

    def _vectors(self, tokens: Tensor) -> Tensor:
        vectors: Tensor = tokens if tokens.is_floating_point() else self.embedding(tokens)
        return vectors

    def _blocks(self) -> list[Block]:
        """In the order in which a token passes them."""
        return [block for number in self._order if isinstance(block := self.blocks[number], Block)]


class SignalLLM(TokenBackbone):
    """A causal language model: logits at position t depend on tokens at positions ≤ t only.

    Root-mean-square normalisation (Zhang & Sennrich 2019) before every part, after the embedding
    and before the head; no biases in the residual stream. With `checkpointing` set, blocks are computed again
    for the gradient instead of kept (Chen et al. 2016).

    With `causal: false` in the config logits depend on all tokens. Such a model is neither trained as a language model
    nor does it generate: InputError says so.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        if config.classes is not None:
            raise InputError(f"classes: {config.classes}: is a SignalClassifier's, which `build_model` builds")
        self.config = config
        self.build(config)

    def forward(self, tokens: Tensor, targets: Tensor | None = None) -> Tensor:
        """(B, T) of token numbers → logits (B, T, V) or, with targets (B, T), their mean nats, a scalar.
        Targets of -100 do not count.

        The logits of a batch, far larger than all else where the vocabulary is large, are then never held at once.
        """
        if targets is not None:
            self._require_causal("be trained as a language model")
        hidden = self.hidden(tokens)
        if targets is None:
            return self.embedding.logits(hidden)
        features, weight = self.embedding.factors(hidden)
        return linear_cross_entropy(features.flatten(0, 1), weight, targets.flatten())

    def step(self, tokens: Tensor, states: list[State]) -> tuple[Tensor, list[State]]:
        """One position: tokens (B,) and the states → logits (B, V) and the next states."""
        hidden, states = self.advance(tokens, states)
        return self.embedding.logits(hidden), states

    def example(self, rows: int, length: int, generator: torch.Generator | None = None) -> Tensor:
        """Random input: tokens (rows, length)."""
        tokens = torch.randint(self.config.vocab_size, (rows, length), generator=generator)
        return tokens.to(self.norm.weight.device)

    def by_position(self, tokens: Tensor) -> Tensor:
        """What the model gives at each of its positions: logits, (B, T) → (B, T, V)."""
        return self.forward(tokens)


class SignalClassifier(Backbone):
    """Tells recordings apart: a front end, blocks, the mean over the frames of a recording, a linear head.

    Root-mean-square normalisation as in `SignalLLM`. Recordings of a batch may differ in length: logits are those of
    each recording alone.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        if config.classes is None:
            raise InputError("classes: a SignalClassifier needs them; without, `build_model` builds a SignalLLM")
        self.config = config
        self.front_end = build_front_end(config.front_end, config)
        self.head = nn.Linear(config.width, config.classes)
        self.build(config)

    def forward(self, samples: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Samples (B, T) between -1 and 1, the first `lengths` (B,) of each row, from 1 to T → logits (B, classes).

        What stands behind them is not heard; without `lengths` all are.
        """
        hidden = self.hidden(samples, lengths)
        if lengths is None:
            pooled = hidden.mean(1)
        else:
            present = self._present(lengths, hidden.shape[1], self.front_end.stride).to(hidden.dtype)
            pooled = (hidden * present).sum(1) / present.sum(1)
        logits: Tensor = self.head(pooled)
        return logits

    def hidden(self, samples: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Frames before the mean, (B, T) → (B, ⌈T / stride⌉, D); those behind a recording's end mean nothing."""
        samples = samples.to(self.norm.weight.dtype)
        if lengths is None:
            return self._through(self.front_end(samples))
        heard = self._present(lengths, samples.shape[1])
        frames = self.front_end(samples.where(heard[..., 0], 0), heard.to(samples.dtype))
        # In a causal model what comes behind the end does not matter before it.
        present = None if self.causal else self._present(lengths, frames.shape[1], self.front_end.stride)
        return self._through(frames, None if present is None else present.to(samples.dtype))

    def example(self, rows: int, length: int, generator: torch.Generator | None = None) -> Tensor:
        """Random input: samples (rows, length)."""
        weight = self.norm.weight
        return (2 * torch.rand(rows, length, generator=generator) - 1).to(weight.device, weight.dtype)

    def by_position(self, samples: Tensor) -> Tensor:
        """What the model gives at each of its positions: frames before the mean, (B, T) → (B, ⌈T / stride⌉, D)."""
        return self.hidden(samples)

    @staticmethod
    def _present(lengths: Tensor, count: int, stride: int = 1) -> Tensor:
        """Which of so many positions, `stride` samples apart, lie within recordings of such lengths: (B, count, 1)."""
        return torch.arange(count, device=lengths.device)[:, None] * stride < lengths[:, None, None]


def _mixed(mixer: Mixer, x: Tensor, present: Tensor | None) -> Tensor:
    mixed: Tensor = mixer(x) if present is None else mixer(x * present, present)
    return mixed


def _note(x: Tensor, trace: list[Tensor] | None) -> None:
    if trace is not None:
        trace.append(x)


def build_model(config: ModelConfig, seed: int) -> SignalLLM | Any:
    """A `SignalLLM` or, where the config has classes, a `SignalClassifier`.

    Its weights are drawn from `seed` alone, on the CPU; the global generator is left as it was.

    Examples:
        >>> config = ModelConfig.from_yaml("{width: 16, context: 32, layers: [{mixer: {kind: harmonic, bases: 4}}]}")
        >>> model = build_model(config, seed=0)
        >>> tokens = torch.tensor([[72, 105, 33]])
        >>> model(tokens).shape  # all positions at once
        torch.Size([1, 3, 256])
        >>> state = model.start(1)
        >>> for token in tokens.unbind(1):  # one after another
        ...     logits, state = model.step(token, state)
        >>> torch.allclose(logits, model(tokens)[:, -1], atol=1e-5)
        True
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # and not those of other devices
        return SignalLLM(config) if config.classes is None else SignalClassifier(config)


def count_parameters(model: nn.Module) -> int:
    """Numbers that training changes."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
