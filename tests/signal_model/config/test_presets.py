"""Presets have the size that their names tell."""

from __future__ import annotations

import pytest
import torch

from signal_model.config import ModelConfig
from signal_model.config.presets import PRESETS
from signal_model.model import SignalLLM, count_parameters
from signal_model.support.errors import InputError


@pytest.mark.parametrize("name", PRESETS)
def test_presets_have_the_size_of_their_name(name: str) -> None:
    config = ModelConfig.preset(name)
    with torch.device("meta"):
        size = count_parameters(SignalLLM(config))
    named = float(name.rsplit("-", 1)[1].removesuffix("m")) * 1e6
    assert abs(size / named - 1) < 0.05
    assert config.vocab_size == (256 if name.startswith("tinyshakespeare") else 50257)
    with pytest.raises(InputError, match="did you mean"):
        ModelConfig.preset(name[:-1])
