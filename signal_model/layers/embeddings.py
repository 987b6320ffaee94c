"""Tokens to vectors and back: four embeddings, each with a tied output head.

All look up a row of coefficients and multiply by a small basis, (B, T) → (B, T, D), and score a
hidden state (B, T, D) → (B, T, V) by the same two factors in reverse, at O(V·K + K·D) for K
coefficients per token instead of O(V·D).
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from signal_model.config import (
    BasisEmbeddingConfig,
    EmbeddingConfig,
    HybridEmbeddingConfig,
    ModelConfig,
    SpectralEmbeddingConfig,
    SpectralSettings,
    StandardEmbeddingConfig,
)
from signal_model.layers.constants import WithConstants
from signal_model.layers.frequencies import WithFrequencies
from signal_model.layers.registry import build, implements
from signal_model.transforms.harmonics import channel_basis, spaced

# Logits of a normalised hidden state then start at a deviation of INITIAL_SCALE · sqrt(D), well below one.
INITIAL_SCALE = 0.02


class Embedding(WithConstants):
    """What every embedding offers."""

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, T) of token numbers → (B, T, D)."""
        raise NotImplementedError

    def factors(self, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """(…, D) → features (…, K) and a weight (V, K), whose inner products are the logits."""
        raise NotImplementedError

    def logits(self, hidden: Tensor) -> Tensor:
        """(…, D) → (…, V): the inner product of each hidden state with each token's vector."""
        return F.linear(*self.factors(hidden))


@implements(StandardEmbeddingConfig)
class StandardEmbedding(Embedding):
    """E(v) is a free vector: V·D parameters."""

    def __init__(self, config: StandardEmbeddingConfig, model: ModelConfig) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(model.vocab_size, model.width) * INITIAL_SCALE)

    def forward(self, tokens: Tensor) -> Tensor:
        return F.embedding(tokens, self.weight)

    def factors(self, hidden: Tensor) -> tuple[Tensor, Tensor]:
        return hidden, self.weight


class FactoredEmbedding(Embedding):
    """E = C Φ: coefficients C (V, K) per token, a basis Φ (K, D) shared by all tokens."""

    def __init__(self, vocab_size: int, coefficients: int, width: int) -> None:
        super().__init__()
        # Rows of Φ are near unit length, so E has the deviation INITIAL_SCALE in each channel.
        scale = INITIAL_SCALE * math.sqrt(width / coefficients)
        self.coefficients = nn.Parameter(torch.randn(vocab_size, coefficients) * scale)

    def basis(self) -> Tensor:
        """Φ, (K, D)."""
        raise NotImplementedError

    def constants(self) -> tuple[Tensor, ...]:
        return (self.basis(),)

    def forward(self, tokens: Tensor) -> Tensor:
        return F.embedding(tokens, self.coefficients) @ self.current_constants()[0]

    def factors(self, hidden: Tensor) -> tuple[Tensor, Tensor]:
        return F.linear(hidden, self.current_constants()[0]), self.coefficients


@implements(SpectralEmbeddingConfig)
class SpectralEmbedding(WithFrequencies, FactoredEmbedding):
    """E(v)_d = Σ_i a_i(v) sin(2π f_i τ_d + φ_i(v)), τ a grid over the D channels.

    Kept as coefficients of sine (a cos φ) and cosine (a sin φ): 2·B per token.
    """

    def __init__(self, config: SpectralSettings, model: ModelConfig) -> None:
        super().__init__(model.vocab_size, 2 * config.bases, model.width)
        frequencies = spaced(config.frequencies, config.bases, config.spacing)
        self.width = model.width
        self.frequencies = nn.Parameter(frequencies, requires_grad=config.learnable_frequencies)
        fixed = None if config.learnable_frequencies else channel_basis(frequencies, model.width)
        self.register_buffer("fixed_basis", fixed, persistent=False)

    def basis(self) -> Tensor:
        # Learnable frequencies may be frozen; those of a fixed basis never move.
        fixed = self.fixed_basis
        if isinstance(fixed, Tensor):
            return fixed
        return channel_basis(self.frequencies, self.width).to(self.coefficients.dtype)

    @property
    def amplitudes(self) -> Tensor:
        """a_i(v), (V, B)."""
        sine, cosine = self.coefficients.chunk(2, dim=1)
        return torch.hypot(sine, cosine)

    @property
    def phases(self) -> Tensor:
        """φ_i(v) in radians, (V, B)."""
        sine, cosine = self.coefficients.chunk(2, dim=1)
        return torch.atan2(cosine, sine)


@implements(BasisEmbeddingConfig)
class BasisEmbedding(FactoredEmbedding):
    """E = α Φ with Φ the first B functions of a fixed set over the channels, or learned."""

    def __init__(self, config: BasisEmbeddingConfig, model: ModelConfig) -> None:
        super().__init__(model.vocab_size, config.bases, model.width)
        functions = {
            "dct": lambda: dct_basis(config.bases, model.width),
            "fourier": lambda: fourier_basis(config.bases, model.width),
            "wavelet": lambda: wavelet_packet_basis(config.wavelet or "", config.bases, model.width),
            "learned": lambda: torch.randn(config.bases, model.width) / math.sqrt(model.width),
        }[config.functions]()
        self.functions = nn.Parameter(functions, requires_grad=config.functions == "learned")

    def basis(self) -> Tensor:
        return self.functions


@implements(HybridEmbeddingConfig)
class HybridEmbedding(Embedding):
    """E = (1 - m) · standard + m · spectral; m is learned and readable as `mixing`."""

    def __init__(self, config: HybridEmbeddingConfig, model: ModelConfig) -> None:
        super().__init__()
        self.standard = StandardEmbedding(StandardEmbeddingConfig(), model)
        self.spectral = SpectralEmbedding(config, model)
        self.mixing_logit = nn.Parameter(torch.tensor(math.log(config.mixing / (1 - config.mixing))))

    @property
    def mixing(self) -> Tensor:
        """Share m of the spectral part, between 0 and 1."""
        return torch.sigmoid(self.mixing_logit)

    def forward(self, tokens: Tensor) -> Tensor:
        return self._mixed(self.standard(tokens), self.spectral(tokens))

    def factors(self, hidden: Tensor) -> tuple[Tensor, Tensor]:
        return hidden, self.current_constants()[0]

    def constants(self) -> tuple[Tensor, ...]:
        """All vectors, (V, D): V·2B·D is less work than a second score for each position and token."""
        return (self._mixed(self.standard.weight, self.spectral.coefficients @ self.spectral.basis()),)

    def sources(self) -> Iterable[Tensor | None]:
        return self.parameters()

    def _mixed(self, standard: Tensor, spectral: Tensor) -> Tensor:
        # Under autocast a lookup stays in float32 and a product does not.
        return torch.lerp(standard, spectral.to(standard.dtype), self.mixing.to(standard.dtype))


def dct_basis(count: int, width: int) -> Tensor:
    """The first `count` rows of the orthonormal DCT-II (Ahmed, Natarajan & Rao 1974), (count, width)."""
    order = torch.arange(count, dtype=torch.float64)[:, None]
    grid = (torch.arange(width, dtype=torch.float64) + 0.5) / width
    rows = torch.cos(math.pi * order * grid) * math.sqrt(2 / width)
    rows[0] /= math.sqrt(2)
    return rows.float()


def fourier_basis(count: int, width: int) -> Tensor:
    """Constant, then cosine and sine of 1, 2, … cycles: orthonormal, (count, width)."""
    order = torch.arange(count)
    cycles = ((order + 1) // 2).double()[:, None]
    grid = torch.arange(width, dtype=torch.float64) / width
    angle = 2 * math.pi * cycles * grid
    rows = torch.where((order % 2 == 1)[:, None], angle.cos(), angle.sin()) * math.sqrt(2 / width)
    constant_or_nyquist = (order == 0) | ((order % 2 == 1) & (2 * cycles[:, 0] == width))
    rows[0] = math.sqrt(2 / width)
    rows[constant_or_nyquist] /= math.sqrt(2)
    return rows.float()


def wavelet_packet_basis(wavelet: str, count: int, width: int) -> Tensor:
    """The first `count` synthesis functions of a wavelet packet, lowest frequency first, (count, width).

    Periodised PyWavelets packets of up to five levels (as many as halve `width` evenly); for
    biorthogonal wavelets the functions are the dual ones, scaled to unit length.
    """
    import numpy as np
    import pywt

    levels = min(5, (width & -width).bit_length() - 1)
    packet = pywt.WaveletPacket(np.eye(width), wavelet, mode="periodization", maxlevel=levels, axis=0)
    analysis = np.concatenate([node.data for node in packet.get_level(levels, order="freq")])
    functions = np.linalg.inv(analysis).T
    functions /= np.linalg.norm(functions, axis=1, keepdims=True)
    return torch.from_numpy(functions[:count]).float().contiguous()


def build_embedding(config: EmbeddingConfig, model: ModelConfig) -> Embedding:
    """The embedding that `config` describes."""
    module = build(config, model)
    assert isinstance(module, Embedding)
    return module
