"""What is expected of every part of a model: a check for parts of your own, as a command and in tests.

from signal_model.evaluation.conformance import conformance

def test_my_mixer_is_a_mixer() -> None:
    assert conformance(MovingAverageConfig(decay=0.5)) == {}
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor
from torch.nn import functional as F

from signal_model.config import (
    EmbeddingConfig,
    FeedForwardConfig,
    FilterBankConfig,
    FramesConfig,
    LayerConfig,
    MixerConfig,
    ModelConfig,
    PositionsConfig,
)
from signal_model.evaluation.causality import (
    causality_tolerance,
    causality_violation,
    disagreement_of_forms,
    forms_tolerance,
)
from signal_model.model import SignalClassifier, SignalLLM, build_model
from signal_model.support.devices import compute_in
from signal_model.support.errors import one_line
from signal_model.support.files import explain
from signal_model.support.plugins import homes_of, within
from signal_model.support.settings import Part

# Positions of the context are tokens or, for a front end, frames.
WIDTH, CONTEXT, VOCABULARY, CLASSES, BATCH = 64, 48, 17, 3, 3
# Steps of Adam in which a model has to lower its loss on one batch, and the rate.
STEPS, RATE = 30, 1e-2
CPU = torch.device("cpu")


class NotKept(Exception):
    """An expectation that a part does not keep, in words."""


def model_with(part: Part, **others: object) -> ModelConfig:
    """A small model of two layers with this part in its place, a classifier for a front end; `others` are settings of
    the model. Raises NotKept where the part does not fit one."""
    layers = {MixerConfig: "mixer", FeedForwardConfig: "feedforward", FilterBankConfig: "filter_bank"}
    whole = {EmbeddingConfig: "embedding", PositionsConfig: "positions", FramesConfig: "front_end"}
    settings: dict[str, object] = {"width": WIDTH, "context": CONTEXT, "vocab_size": VOCABULARY}
    settings |= {name: part for kind, name in whole.items() if isinstance(part, kind)}
    settings["layers"] = [LayerConfig(**{name: part for kind, name in layers.items() if isinstance(part, kind)})] * 2
    if isinstance(part, FramesConfig):
        settings |= {"classes": CLASSES, "context": CONTEXT * part.stride}
    try:
        return ModelConfig.model_validate(settings | others)
    except ValidationError as error:
        raise NotKept(one_line(explain(error, f"does not fit a model of width {WIDTH}"))) from None


def conformance(part: Part) -> dict[str, str]:
    """Expectations that a part does not keep, by name, and what is wrong. Empty for one that keeps all."""
    found = {}
    for name, check in CHECKS.items():
        try:
            check(part)
        except NotKept as error:
            found[name] = str(error)
        except Exception as error:  # whatever the code of somebody does
            found[name] = f"{type(error).__name__}: {one_line(error)}"
    return found


def parts_in(module: ModuleType) -> list[type[Part]]:
    """The kinds of parts that a module, or a package that it is the door of, defines; else those that it brings."""
    kinds = [kind for kind in Part.descendants() if isinstance(kind.model_fields["kind"].default, str)]
    own = [kind for kind in kinds if within(kind.__module__, module.__name__)]
    return own or [kind for kind in kinds if any(within(kind.__module__, home) for home in homes_of(module))]


def _built(part: Part, **others: object) -> SignalLLM | Any:
    return build_model(model_with(part, **others), 0)


def _given(model: SignalLLM | SignalClassifier, positions: int) -> Tensor:
    """Tokens, or the samples of so many frames."""
    return model.example(BATCH, positions * model.config.stride, torch.Generator().manual_seed(0))


def _loss(model: SignalLLM | SignalClassifier, given: Tensor) -> Tensor:
    if isinstance(model, SignalClassifier):
        return F.cross_entropy(model(given), torch.arange(BATCH) % CLASSES)
    return F.cross_entropy(model(given[:, :-1]).flatten(0, 1), given[:, 1:].flatten())


def _settings(part: Part) -> None:
    model = model_with(part)
    read = ModelConfig.from_yaml(model.to_yaml())
    if read != model:
        raise NotKept("written as YAML and read again, the settings differ")


def _weights_from_the_seed(part: Part) -> None:
    first, second = _built(part).state_dict(), _built(part).state_dict()
    for name, weights in first.items():
        if not torch.equal(weights, second[name]):
            raise NotKept(f"{name} differs between two models of one seed: draw from torch's generator alone")


def _any_length(part: Part) -> None:
    model = _built(part)
    size = WIDTH if isinstance(model, SignalClassifier) else VOCABULARY
    for length in (1, 2, 7, CONTEXT):
        shape = tuple(model.by_position(_given(model, length)).shape)
        if shape != (BATCH, length, size):
            raise NotKept(f"{length} positions give outputs of {shape}, expected {(BATCH, length, size)}")


def _causal(part: Part) -> None:
    model = _built(part)
    for length in (5, CONTEXT):
        found = causality_violation(model, length * model.config.stride)
        if not found <= causality_tolerance(CPU):
            raise NotKept(f"logits change by {found:.2g} of the largest when later tokens change")


def _both_sides(part: Part) -> None:
    """Asked of parts that say that they can."""
    if getattr(part, "two_sided", False):
        found = causality_violation(_built(part, causal=False), CONTEXT)
        if not found > causality_tolerance(CPU):
            raise NotKept("is two_sided, and in a model that is not causal no logit changes when later tokens do")


def _padding(part: Part) -> None:
    """Of a classifier with a front end that hears no neighbours, unless the part is one itself."""
    others: dict[str, object] = {"causal": not getattr(part, "two_sided", False)}
    if not isinstance(part, FramesConfig):
        others |= {"classes": CLASSES, "front_end": {"kind": "strided", "stride": 1, "taps": 1}}
        others |= {"embedding": {"kind": "standard"}}
    model = _built(part, **others).double().eval()
    given, length = _given(model, CONTEXT), CONTEXT * model.config.stride // 2
    alone = model(given[:1, :length])
    beside = model(given, torch.tensor([length, *[given.shape[1]] * (BATCH - 1)]))[:1]
    change = float((beside - alone).abs().max().detach())
    if not change <= 1e-9:
        raise NotKept(f"logits of a recording change by {change:.2g} with what stands behind its end")


def _two_forms(part: Part) -> None:
    if isinstance(part, FramesConfig):  # nothing is generated with one
        return
    found = disagreement_of_forms(_built(part), CONTEXT)
    if not found <= forms_tolerance(CPU):
        raise NotKept(f"step() and forward() disagree by {found:.2g} of the largest logit")


def _rows_alone(part: Part) -> None:
    model = _built(part).double().eval()
    given = _given(model, CONTEXT)
    change = float((model.by_position(given)[1:2] - model.by_position(given[1:2])).abs().max().detach())
    if not change <= 1e-9:
        raise NotKept(f"logits of a sequence change by {change:.2g} with the others in its batch")


def _states_of_a_batch(part: Part) -> None:
    if isinstance(part, FramesConfig):
        return
    model = _built(part).eval()
    states, tokens = model.start(BATCH), _given(model, 3)
    for position in range(3):
        sizes = {tensor.shape[:1] for state in states for tensor in state}
        if sizes - {torch.Size([BATCH])}:
            raise NotKept(f"tensors of a state begin with {sorted(map(tuple, sizes))}, expected ({BATCH},)")
        _, states = model.step(tokens[:, position], states)


def _gradients(part: Part) -> None:
    model = _built(part)
    _loss(model, _given(model, CONTEXT)).backward()
    for name, parameter in model.named_parameters():
        if parameter.requires_grad and (parameter.grad is None or not parameter.grad.isfinite().all()):
            raise NotKept(f"{name} gets {'no gradient' if parameter.grad is None else 'gradients that are no numbers'}")


def _learns(part: Part) -> None:
    model = _built(part)
    given = _given(model, CONTEXT)
    optimizer, losses = torch.optim.Adam(model.parameters(), RATE), []
    for _ in range(STEPS):
        loss = _loss(model, given)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    if not losses[-1] < losses[0]:
        raise NotKept(f"the loss on one batch goes from {losses[0]:.3f} to {losses[-1]:.3f} in {STEPS} steps")


def _half_precision(part: Part) -> None:
    model = _built(part)
    with compute_in(CPU, "bfloat16"):
        if not model.by_position(_given(model, CONTEXT)).isfinite().all():
            raise NotKept("logits in bfloat16 are not numbers")


CHECKS: dict[str, Callable[[Part], None]] = {
    "settings": _settings,
    "weights from the seed": _weights_from_the_seed,
    "any length": _any_length,
    "causal": _causal,
    "both sides": _both_sides,
    "padding": _padding,
    "two forms": _two_forms,
    "rows alone": _rows_alone,
    "states of a batch": _states_of_a_batch,
    "gradients": _gradients,
    "learns": _learns,
    "half precision": _half_precision,
}
