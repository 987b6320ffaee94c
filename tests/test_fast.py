"""Every function in two forms: the fast one is the plain one, also differentiated, stacked and compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from signal_model.layers import convolution
from signal_model.layers.convolution import _Depthwise, _GatedDepthwise
from signal_model.transforms import fourier
from signal_model.transforms.fast import Fast
from signal_model.transforms.fourier import _CausalConvolution, _TripleConvolution
from signal_model.transforms.wavelets import _Decomposition, lowpass

Shape = tuple[int, ...]
CASES: list[tuple[type[Fast], list[Shape], tuple[Any, ...]]] = [
    *((_Depthwise, [(2, 13, 6), (4, 6)], (dilation,)) for dilation in (1, 3, 30)),
    (_Depthwise, [(2, 1, 6), (4, 6)], (1,)),
    (_GatedDepthwise, [(2, 13, 6), (4, 6)], ()),
    (_CausalConvolution, [(2, 13, 6), (6, 9)], ()),
    (_TripleConvolution, [(2, 13, 6)] * 3, ()),
    (_Decomposition, [(2, 13, 3)], (lowpass("db2"), 3)),
    (_Decomposition, [(1, 2, 3)], (lowpass("sym4"), 2)),
]
NAMES = [f"{kernel.__name__}-{index}" for index, (kernel, _, _) in enumerate(CASES)]
every_case = pytest.mark.parametrize(("kernel", "shapes", "constants"), CASES, ids=NAMES)


def drawn(shapes: list[Shape], *before: int, dtype: torch.dtype = torch.float64) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [
        torch.randn(*before, *shape, generator=generator, dtype=dtype, requires_grad=not before) for shape in shapes
    ]


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


@every_case
def test_fast_is_plain(cut: None, kernel: type[Fast], shapes: list[Shape], constants: tuple[Any, ...]) -> None:
    """Values, first derivatives and, by finite differences, second ones; a tensor that is fixed stays so."""
    tensors = drawn(shapes)
    fast, plain = (weighed(function, constants) for function in (kernel.run, kernel.plain))
    for ours, expected in zip(kernel.run(*tensors, *constants), kernel.plain(*tensors, *constants), strict=True):
        torch.testing.assert_close(ours, expected)
    torch.testing.assert_close(
        torch.autograd.grad(fast(*tensors), tensors), torch.autograd.grad(plain(*tensors), tensors)
    )
    assert torch.autograd.gradgradcheck(lambda *given: kernel.run(*given, *constants), tensors, fast_mode=True)
    fixed = [tensors[0], *(tensor.detach() for tensor in tensors[1:])]
    torch.testing.assert_close(
        torch.autograd.grad(fast(*fixed), fixed[0]), torch.autograd.grad(plain(*fixed), fixed[0])
    )


@every_case
def test_stacked_and_transformed(kernel: type[Fast], shapes: list[Shape], constants: tuple[Any, ...]) -> None:
    """What `torch.func` makes of it for a stack of inputs is what each alone gives."""
    stacked = drawn(shapes, 3)
    together = torch.vmap(torch.func.grad(weighed(kernel.run, constants)))(*stacked)
    outputs = torch.vmap(lambda *given: kernel.run(*given, *constants))(*stacked)
    for index in range(3):
        alone = [tensor[index].requires_grad_() for tensor in (t.clone() for t in stacked)]
        (expected,) = torch.autograd.grad(weighed(kernel.plain, constants)(*alone), alone[:1])
        torch.testing.assert_close(together[index], expected)
        for ours, theirs in zip(outputs, kernel.plain(*alone, *constants), strict=True):
            torch.testing.assert_close(ours[index], theirs)


@every_case
def test_traced_whole(kernel: type[Fast], shapes: list[Shape], constants: tuple[Any, ...]) -> None:
    """In one graph, with the same gradients; `aot_eager` traces as `inductor` does and needs no C compiler."""
    tensors = drawn(shapes)
    total = weighed(kernel.run, constants)
    torch._dynamo.reset()
    compiled = torch.compile(total, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(
        torch.autograd.grad(compiled(*tensors), tensors), torch.autograd.grad(total(*tensors), tensors)
    )
