"""Every function in two forms: the fast one is the plain one, also differentiated, stacked and compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from signal_model.layers import convolution, cross_entropy
from signal_model.layers.convolution import _Depthwise, _GatedDepthwise
from signal_model.layers.cross_entropy import _LinearCrossEntropy, linear_cross_entropy
from signal_model.transforms import fourier
from signal_model.transforms.atrous import _Decomposition, lowpass, zero_phase
from signal_model.transforms.fast import Fast
from signal_model.transforms.fourier import _Convolution, _TripleConvolution

ANSWERS = torch.tensor([0, 4, 2, 2, 1, 0, 3])
PRESENT = (torch.arange(13)[:, None] < torch.tensor([[[13]], [[8]]])).double()
Shape = tuple[int, ...] | Tensor | None
CASES: list[tuple[type[Fast], list[Shape], tuple[Any, ...]]] = [
    *((_Depthwise, [(2, 13, 6), (4, 6)], (dilation,)) for dilation in (1, 3, 30)),
    (_Depthwise, [(2, 1, 6), (4, 6)], (1,)),
    (_GatedDepthwise, [(2, 13, 6), (4, 6)], ()),
    *((_Convolution, [(2, 13, 6), (6, 9)], (ahead,)) for ahead in (0, 3, 8)),
    (_Convolution, [(2, 7, 6), (6, 13)], (6,)),
    (_TripleConvolution, [(2, 13, 6)] * 3, ()),
    (_Decomposition, [(2, 13, 3), None], (lowpass("db2"), 3, 0)),
    (_Decomposition, [(1, 2, 3), None], (lowpass("sym4"), 2, 0)),
    (_Decomposition, [(2, 13, 3), None], (zero_phase(lowpass("db2")), 2, 3)),
    (_Decomposition, [(2, 13, 3), PRESENT], (zero_phase(lowpass("haar")), 3, 1)),
    (_LinearCrossEntropy, [(7, 3), (5, 3), ANSWERS], (True,)),
    (_LinearCrossEntropy, [(7, 3), (5, 3), ANSWERS.where(ANSWERS != 2, -100)], (True,)),
]
NAMES = [f"{kernel.__name__}-{index}" for index, (kernel, _, _) in enumerate(CASES)]
every_case = pytest.mark.parametrize(("kernel", "shapes", "constants"), CASES, ids=NAMES)


def drawn(shapes: list[Shape], *before: int) -> list[Any]:
    """Random numbers of each shape, stacked if so wanted; tensors as they are, and what is left out."""
    generator = torch.Generator().manual_seed(1)

    def one(shape: Shape) -> Tensor | None:
        if shape is None or isinstance(shape, Tensor):
            return shape if shape is None else shape.expand(*before, *shape.shape)
        return torch.randn(*before, *shape, generator=generator, dtype=torch.float64, requires_grad=not before)

    return [one(shape) for shape in shapes]


def gradients(total: Callable[..., Tensor], tensors: list[Any]) -> tuple[Tensor, ...]:
    return torch.autograd.grad(total(*tensors), [one for one in tensors if one is not None and one.requires_grad])


def weighed(function: Callable[..., tuple[Tensor, ...]], constants: tuple[Any, ...]) -> Callable[..., Tensor]:
    """A scalar that every output changes."""

    def total(*tensors: Tensor) -> Tensor:
        outputs = function(*tensors, *constants)
        return torch.stack([(output * torch.sin(output + 1)).sum() for output in outputs]).sum()

    return total


@pytest.fixture(params=["as it is", "cut small"])
def cut(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "cut small":
        monkeypatch.setattr(fourier, "BLOCK", 100)
        monkeypatch.setattr(convolution, "SPAN", 60)
        monkeypatch.setattr(cross_entropy, "AT_ONCE", {"cpu": (10, 1)})


@every_case
def test_fast_is_plain(cut: None, kernel: type[Fast], shapes: list[Shape], constants: tuple[Any, ...]) -> None:
    """Values, first derivatives and, by finite differences, second ones; a tensor that is fixed stays so."""
    tensors = drawn(shapes)
    fast, plain = (weighed(function, constants) for function in (kernel.run, kernel.plain))
    for ours, expected in zip(kernel.run(*tensors, *constants), kernel.plain(*tensors, *constants), strict=True):
        torch.testing.assert_close(ours, expected)
    torch.testing.assert_close(gradients(fast, tensors), gradients(plain, tensors))
    assert torch.autograd.gradgradcheck(lambda *given: kernel.run(*given, *constants), tensors, fast_mode=True)
    fixed = [tensors[0], *(tensor if tensor is None else tensor.detach() for tensor in tensors[1:])]
    torch.testing.assert_close(gradients(fast, fixed), gradients(plain, fixed))


@every_case
def test_stacked_and_transformed(kernel: type[Fast], shapes: list[Shape], constants: tuple[Any, ...]) -> None:
    """What `torch.func` makes of it for a stack of inputs is what each alone gives."""
    stacked = drawn(shapes, 3)
    dims = tuple(None if tensor is None else 0 for tensor in stacked)
    together = torch.vmap(torch.func.grad(weighed(kernel.run, constants)), dims)(*stacked)
    outputs = torch.vmap(lambda *given: kernel.run(*given, *constants), dims)(*stacked)
    for index in range(3):
        alone = [None if one is None else one[index].clone() for one in stacked]
        alone[0].requires_grad_()
        torch.testing.assert_close(together[index], gradients(weighed(kernel.plain, constants), alone)[0])
        for ours, theirs in zip(outputs, kernel.plain(*alone, *constants), strict=True):
            torch.testing.assert_close(ours[index], theirs)


@every_case
def test_traced_whole(kernel: type[Fast], shapes: list[Shape], constants: tuple[Any, ...]) -> None:
    """In one graph, with the same gradients; `aot_eager` traces as `inductor` does and needs no C compiler."""
    tensors = drawn(shapes)
    total = weighed(kernel.run, constants)
    torch._dynamo.reset()
    compiled = torch.compile(total, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(gradients(compiled, tensors), gradients(total, tensors))


def test_loss_in_low_precision_is_that_of_its_logits(cut: None) -> None:
    """Under autocast: products in bfloat16, softmax in float32, gradients of the weights' own type."""
    features, weight = (tensor.requires_grad_() for tensor in (torch.randn(7, 3), torch.randn(5, 3)))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        ours = linear_cross_entropy(features, weight, ANSWERS)
        logits = torch.nn.functional.linear(features, weight)
    plain = torch.nn.functional.cross_entropy(logits.float(), ANSWERS)
    assert ours.dtype == torch.float32
    torch.testing.assert_close(ours, plain)
    for mine, theirs in zip(*(torch.autograd.grad(loss, (features, weight)) for loss in (ours, plain)), strict=True):
        assert mine.dtype == torch.float32
        torch.testing.assert_close(mine, theirs, atol=1e-2, rtol=2e-2)
    with torch.no_grad():
        torch.testing.assert_close(linear_cross_entropy(features, weight, ANSWERS), ours, atol=1e-2, rtol=1e-2)


def test_gradients_of_the_loss_in_bfloat16_are_not_scaled() -> None:
    """A mean over 7 divides by 7, which bfloat16 does not hold."""
    features, weight = (torch.randn(size, dtype=torch.bfloat16, requires_grad=True) for size in ((7, 512), (5, 512)))
    (ours,) = torch.autograd.grad(linear_cross_entropy(features / 32, weight, ANSWERS), features)
    logits = torch.nn.functional.linear((features / 32).double(), weight.double())
    (exact,) = torch.autograd.grad(torch.nn.functional.cross_entropy(logits, ANSWERS), features)
    assert float((ours.double() * exact).sum() / exact.double().square().sum()) == pytest.approx(1, abs=6e-4)
