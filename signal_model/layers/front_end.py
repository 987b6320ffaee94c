"""Samples of sound to frames: three front ends, all linear filters, a rectifier and a sum.

(B, T) samples become (B, ⌈T / stride⌉, D) frames. In a causal model a frame ends with its own last sample; else its own
`stride` samples are in the middle of the `taps` that it is made of.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from signal_model.config import (
    FramesConfig,
    FrontEndConfig,
    ModelConfig,
    SampleFilterBankConfig,
    SampleWaveletConfig,
    StridedConfig,
)
from signal_model.layers.registry import build, implements
from signal_model.transforms.atrous import decomposition, lowpass, zero_phase
from signal_model.transforms.harmonics import spaced

# Energies and magnitudes are compressed to log(1 + gain · value), each with a gain that is learned. At the start one
# counts from here on: a ten-thousandth of the energy of full scale, a hundredth of its magnitude; or, where they are
# relative to their mean, a thirtieth and a fifth of that.
ENERGY_GAIN, MAGNITUDE_GAIN = 1e4, 1e2
RELATIVE_ENERGY_GAIN, RELATIVE_MAGNITUDE_GAIN = 30.0, 5.0
# Means of less are silence, which is not made louder: 60 dB below full scale.
LEAST_ENERGY, LEAST_MAGNITUDE = 1e-6, 1e-3
# Of the vector that a frame without sound has, beside those of sounds, which are about one.
SILENCE = 0.1


class FrontEnd(nn.Module):
    """Base of front ends of samples."""

    def __init__(self, config: FramesConfig, model: ModelConfig) -> None:
        super().__init__()
        self.stride = config.stride
        self.causal, self.relative = model.causal, config.relative
        around = config.taps - config.stride
        self.margins = (around, 0) if model.causal else (around - around // 2, around // 2)
        # What normalisation leaves of how loud a frame is, it leaves beside this.
        self.silence = nn.Parameter(torch.randn(model.width) * SILENCE)

    def forward(self, samples: Tensor, present: Tensor | None = None) -> Tensor:
        """(B, T) → frames (B, ⌈T / stride⌉, D).

        `present` (B, T, 1), if given, is 1 where there are samples, and 0 behind the end, where they are 0.
        """
        raise NotImplementedError

    @property
    def ahead(self) -> int:
        """Samples of a frame that come after its own."""
        return self.margins[1]

    def framed(self, x: Tensor, filters: Tensor) -> Tensor:
        """A sum of filtered channels each `stride` samples: (B, C, T), (M, C, taps) → (B, M, ⌈T / stride⌉)."""
        before, after = self.margins
        return F.conv1d(F.pad(x, (before, after + -x.shape[2] % self.stride)), filters, stride=self.stride)

    def levelled(self, values: Tensor, least: float, present: Tensor | None) -> Tensor:
        """What is never negative over its mean in each channel, if that is asked for: (B, C, N) → (B, C, N).

        The mean is over the recording, of which `present` (B, N, 1) tells; in a causal model over what is heard so far.
        So a voice or a microphone that has more of a band does not sound like another word (Wang et al. 2017, arXiv
        1607.05666, whose mean fades and whose power of it is learned).
        """
        if not self.relative:
            return values
        if self.causal:
            mean = values.cumsum(2) / torch.arange(1, values.shape[2] + 1, device=values.device)
        elif present is None:
            mean = values.mean(2, keepdim=True)
        else:
            mean = (values @ present) / present.sum(1, keepdim=True)
        return values / (mean + least)

    def _of_frames(self, present: Tensor | None) -> Tensor | None:
        """The same of frames: (B, T, 1) → (B, ⌈T / stride⌉, 1)."""
        return None if present is None else present[:, :: self.stride]


@implements(StridedConfig)
class Strided(FrontEnd):
    """y(i) = W max(0, f * x)(i · stride) + b: learned filters f, drawn evenly, as torch's own convolutions are."""

    def __init__(self, config: StridedConfig, model: ModelConfig) -> None:
        super().__init__(config, model)
        bound = 1 / math.sqrt(config.taps)
        self.filters = nn.Parameter(torch.empty(config.filters, 1, config.taps).uniform_(-bound, bound))
        self.project = nn.Linear(config.filters, model.width, bias=False)

    def responses(self) -> Tensor:
        """Impulse responses of the filters, (M, taps), counted from the last sample of a frame's own."""
        return self.filters[:, 0].flip(-1)

    def forward(self, samples: Tensor, present: Tensor | None = None) -> Tensor:
        rectified = F.relu(self.framed(samples[:, None], self.filters))
        frames: Tensor = self.project(self.levelled(rectified, LEAST_MAGNITUDE, self._of_frames(present)).mT)
        return frames + self.silence


@implements(SampleFilterBankConfig)
class SampleFilterBank(FrontEnd):
    """y(i) = W log(1 + g ⊙ ((f * x)² + (f' * x)²)(i · stride)) + b: energies of pairs of learned filters.

    A pair begins as a cosine and a sine in a Hann window, at frequencies of the given spacing: with `mel` what is
    customary for speech, learned as Zeghidour et al. (2018) do. The gains g are learned as well.
    """

    def __init__(self, config: SampleFilterBankConfig, model: ModelConfig) -> None:
        super().__init__(config, model)
        frequency = 2 * math.pi * spaced(config.frequencies, config.filters, config.spacing)
        angle = frequency[:, None] * torch.arange(config.taps)
        window = torch.hann_window(config.taps + 2)[1:-1]
        pairs = torch.cat([angle.cos(), angle.sin()]) * window / window.norm()
        self.filters = nn.Parameter(pairs[:, None])  # (2M, 1, taps)
        gain = RELATIVE_ENERGY_GAIN if config.relative else ENERGY_GAIN
        self.log_gain = nn.Parameter(torch.full((config.filters, 1), math.log(gain)))
        self.project = nn.Linear(config.filters, model.width, bias=False)

    def responses(self) -> Tensor:
        """Impulse responses of the filters, (2M, taps), counted from the last sample of a frame's own."""
        return self.filters[:, 0].flip(-1)

    def forward(self, samples: Tensor, present: Tensor | None = None) -> Tensor:
        cosine, sine = self.framed(samples[:, None], self.filters).chunk(2, 1)
        energy = self.levelled(cosine.square() + sine.square(), LEAST_ENERGY, self._of_frames(present))
        frames: Tensor = self.project(torch.log1p(self.log_gain.exp() * energy).mT)
        return frames + self.silence


@implements(SampleWaveletConfig)
class SampleWavelet(FrontEnd):
    """y(i) = Σ_j (f_j * log(1 + g_j |d_j|))(i · stride) + b over the bands d_1 … d_J, a_J of the samples.

    Magnitudes of wavelet bands, averaged, are what the scattering transform begins with (Mallat 2012); here filters f_j
    and gains g_j are learned.
    """

    def __init__(self, config: SampleWaveletConfig, model: ModelConfig) -> None:
        super().__init__(config, model)
        self.levels, taps = config.levels, lowpass(config.wavelet)
        self.lowpass = taps if model.causal else zero_phase(taps)
        bands = config.levels + 1
        bound = 1 / math.sqrt(bands * config.taps)
        self.filters = nn.Parameter(torch.empty(model.width, bands, config.taps).uniform_(-bound, bound))
        gain = RELATIVE_MAGNITUDE_GAIN if config.relative else MAGNITUDE_GAIN
        self.log_gain = nn.Parameter(torch.full((bands, 1), math.log(gain)))

    def forward(self, samples: Tensor, present: Tensor | None = None) -> Tensor:
        bands = torch.cat(decomposition(samples[..., None], self.lowpass, self.levels, self.causal, present), -1)
        magnitude = self.levelled(bands.mT.abs(), LEAST_MAGNITUDE, present)
        compressed = torch.log1p(self.log_gain.exp() * magnitude)
        return self.framed(compressed, self.filters).mT + self.silence


def build_front_end(config: FrontEndConfig, model: ModelConfig) -> FrontEnd:
    """The front end of samples that `config` describes."""
    module = build(config, model)
    assert isinstance(module, FrontEnd)
    return module
