"""How a recipe grows: the same design at another number of parameters, with steps and rates carried over by a rule.

- Width and depth grow by the same factor, as far as whole numbers let them: what a shape costs is flat around that
  (Kaplan et al. 2020, arXiv 2001.08361, figure 5). Depth grows by whole repetitions of the pattern of the layers, so
  that kinds of mixer keep their shares and their order.
- Heads keep their size: there are more of them. What an embedding counts across the channels grows with these:
  its functions, and the highest of its frequencies.
- The last per cents are met by the expansion of the feed-forward layers, so that sides differ by no parameters.
- AdamW's learning rate is inverse to the width, as muP has it for matrices (Yang et al. 2022, arXiv 2203.03466; here
  initial weights are inverse to the root of the fan-in, and the head is tied). Muon's own rate stays: its steps have
  the same spectral norm at any width.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from pydantic import ValidationError

from hrfevo.results.scaling.plan import POWERS, Rates, Tokens
from signal_model.config import LayerConfig, ModelConfig, TrainingConfig
from signal_model.config.feedforward import WIDEST_EXPANSION
from signal_model.config.model import DEEPEST, WIDEST
from signal_model.support.errors import InputError
from signal_model.support.settings import Misfit, ModelSize

# About so many widths are looked at between two that keep the size of heads exactly.
CANDIDATES = 8
# By which factor they may be missed where heads or expansion would have to change by so many times as much.
PARAMETERS_WEIGH = 8
# By which factor the expansion of feed-forward layers may change.
MOST_EXPANSION = 1.6
# The largest logarithm of the factor by which parameters may be missed: that of a tenth.
FARTHEST = 0.1


def parameters_of(model: ModelConfig) -> int:
    """Trained parameters, counted without memory for them; layers that are alike are built once."""
    first, *others = dict.fromkeys(model.layers)
    alone = {layer: _built(model.model_copy(update={"layers": (layer,)})) for layer in (first, *others)}
    outside = 2 * alone[first] - _built(model.model_copy(update={"layers": (first, first)}))
    return outside + sum(alone[layer] - outside for layer in model.layers)


@lru_cache(maxsize=1000)
def _built(model: ModelConfig) -> int:
    import torch

    from signal_model.model import build_model, count_parameters

    with torch.device("meta"):
        count: int = count_parameters(build_model(model, 0))
    return count


def resized(model: ModelConfig, parameters: int) -> ModelConfig:
    """The same design with so many `parameters`, or as near to that as it comes.

    Raises InputError where no width of the design has about as many.
    """
    own = parameters_of(model)
    if parameters == own:
        return model
    if parameters < 1:
        raise InputError(f"--sizes: of {own:,} parameters that leaves none")
    model = _written_out(model)
    pattern = _pattern(model.layers)
    whole = len(model.layers) * (parameters / own) ** (1 / 3) / len(pattern)
    depths = [max(1, int(whole)) * len(pattern), (int(whole) + 1) * len(pattern)]
    repeated = (pattern * (depth // len(pattern)) for depth in depths if depth <= DEEPEST)
    grown = [one for layers in repeated if (one := _of_depth(model, layers, parameters))]
    met = [one for one in grown if _apart(parameters_of(one), parameters) <= FARTHEST]
    if not met:
        raise InputError(f"--sizes: this design has no width at which it has about {parameters:,} parameters")
    return min(met, key=lambda one: _apart(len(one.layers) / one.width, len(model.layers) / model.width))


def steps_at(steps: int, factor: float, tokens: Tokens) -> int:
    """Training steps of a size, batches alike, where size 1 has `steps`."""
    return max(1, round(steps * math.pow(factor, POWERS[tokens])))


def carried(training: TrainingConfig, before: ModelConfig, after: ModelConfig, rates: Rates) -> TrainingConfig:
    """The training of a model that was resized."""
    rate = training.learning_rate * (before.width / after.width) ** POWERS[rates]
    return training.model_copy(update={"learning_rate": float(f"{rate:.6g}")})


def _written_out(model: ModelConfig) -> ModelConfig:
    """The same with an entry for every layer, so that depth grows by single ones; those that share weights stay one."""
    layers = (layer if layer.share else layer.model_copy(update={"repeat": 1}) for layer, _ in model.blocks)
    return model.model_copy(update={"layers": tuple(layers)})


def _pattern(layers: tuple[LayerConfig, ...]) -> tuple[LayerConfig, ...]:
    """The shortest beginning of which they are repetitions."""
    lengths = (n for n in range(1, len(layers) + 1) if len(layers) % n == 0)
    return next(layers[:n] for n in lengths if layers[:n] * (len(layers) // n) == layers)


def _of_depth(model: ModelConfig, layers: tuple[LayerConfig, ...], parameters: int) -> ModelConfig | None:
    """The best fit of these layers: a width that heads divide well, and the expansion that it needs."""
    deep = model.model_copy(update={"layers": layers})
    whole = [one for width in _widths(deep, parameters) if (one := _of_width(deep, width)) is not None]
    return min(
        (_filled(one, parameters) for one in whole), key=lambda one: _misfit(deep, one, parameters), default=None
    )


def _misfit(before: ModelConfig, after: ModelConfig, parameters: int) -> tuple[float, int]:
    """How far a model is from these parameters, which weigh most, from the expansion and from the heads of another."""
    expansions = (model.layers[0].feedforward.expansion for model in (before, after))
    changed = _apart(*expansions) + _misshapen(before, after)
    return PARAMETERS_WEIGH * _apart(parameters_of(after), parameters) + changed, after.width


def _widths(model: ModelConfig, parameters: int) -> Iterator[int]:
    """Even ones around that at which the model has so many parameters."""
    unit = _unit(model)

    def is_less(count: int) -> bool:
        tried = _of_width(model, count * unit)
        return tried is None or parameters_of(tried) < parameters

    low, high = 0, max(1, model.width // unit)
    while is_less(high) and high * unit < WIDEST:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if is_less(middle) else (low, middle)
    step = max(2, unit // CANDIDATES // 2 * 2)
    yield from range(max(2, (high - 1) * unit), min(high * unit, WIDEST) + 1, step)


def _unit(model: ModelConfig) -> int:
    """What all heads of the model divide, where layers have several: its multiples keep the size of each."""
    heads = [getattr(layer.mixer, "heads", 1) for layer in model.layers]
    return math.lcm(2, *(model.width // count for count in heads if count > 1))


def _of_width(model: ModelConfig, width: int) -> ModelConfig | None:
    """The model at another width; None where its parts do not fit that."""
    settings = model.to_dict()
    ratio, size = width / model.width, ModelSize(width, model.context)
    settings["width"] = width
    embedding = settings["embedding"]
    if "bases" in embedding:
        embedding["bases"] = max(1, round(embedding["bases"] * ratio))
    if "frequencies" in embedding:
        lowest, highest = embedding["frequencies"]
        embedding["frequencies"] = [lowest, highest * ratio]
    for layer, config in zip(settings["layers"], model.layers, strict=True):
        if "heads" in layer["mixer"]:
            layer["mixer"]["heads"] = _heads(config, model.width, size)
    try:
        return ModelConfig.model_validate(settings)
    except ValidationError:
        return None


def _heads(layer: LayerConfig, width: int, size: ModelSize) -> int:
    """How many heads have sizes nearest to those at another width; as many as there where none fit."""
    mixer: Any = layer.mixer
    divisors = (count for count in range(1, size.width + 1) if size.width % count == 0)
    for heads in sorted(divisors, key=lambda count: _apart(size.width / count, width / mixer.heads)):
        try:
            mixer.model_copy(update={"heads": heads}).check(size)
        except Misfit:
            continue
        return heads
    return int(mixer.heads)


def _misshapen(before: ModelConfig, after: ModelConfig) -> float:
    """By how much the size of a head has changed, at most; heads that have all channels are as large as they are."""
    changes = [0.0]
    for one, other in zip(before.layers, after.layers, strict=True):
        heads = getattr(one.mixer, "heads", 1), getattr(other.mixer, "heads", 1)
        if heads[0] > 1:
            changes.append(_apart(before.width / heads[0], after.width / heads[1]))
    return max(changes)


def _filled(model: ModelConfig, parameters: int) -> ModelConfig:
    """The model with its feed-forward layers widened or narrowed alike, as far as they may be, to these parameters."""
    own = parameters_of(model)
    most = min(MOST_EXPANSION, *(WIDEST_EXPANSION / layer.feedforward.expansion for layer in model.layers))
    gained = parameters_of(_expanded(model, most)) - own
    if not gained:
        return model
    # Parameters are a straight line over the expansion, but for whole channels.
    factor = 1 + (most - 1) * (parameters - own) / gained
    filled = _expanded(model, min(max(factor, 1 / MOST_EXPANSION), most))
    return min(model, filled, key=lambda one: _apart(parameters_of(one), parameters))


def _expanded(model: ModelConfig, factor: float) -> ModelConfig:
    settings = model.to_dict()
    for layer in settings["layers"]:
        layer["feedforward"]["expansion"] = float(f"{layer['feedforward']['expansion'] * factor:.4g}")
    return ModelConfig.model_validate(settings)


def _apart(one: float, other: float) -> float:
    """By which factor two numbers differ, as the logarithm of it."""
    return abs(math.log(one / other))
