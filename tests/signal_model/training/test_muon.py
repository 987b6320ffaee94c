"""Muon against PyTorch's, in both precisions, and the iteration against the singular values it is to give."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from signal_model.support import devices
from signal_model.training import muon
from signal_model.training.muon import Muon, orthogonalized

SHAPES = [(6, 6), (6, 24), (24, 6), (5, 8), (24, 6), (1, 7)]


def one_by_one(matrix: Tensor) -> Tensor:
    """The plain iteration of Jordan et al., in double precision."""
    x = matrix.double() / matrix.double().norm()
    for _ in range(5):
        gram = x @ x.T
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return x


@pytest.mark.parametrize("shape", [(3, 8, 8), (3, 8, 12), (3, 8, 64), (1, 1, 9)])
def test_a_batch_is_the_plain_iteration_of_each(shape: tuple[int, int, int]) -> None:
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    expected = torch.stack([one_by_one(matrix) for matrix in matrices])
    for dtype, tolerance in ((torch.float32, 2e-4), (torch.bfloat16, 0.1)):
        result = orthogonalized(matrices, dtype)
        assert result.dtype == dtype
        torch.testing.assert_close(result.double(), expected, atol=tolerance, rtol=0)
    values = torch.linalg.svdvals(orthogonalized(matrices, torch.float32))
    assert float(values.max()) < 1.25  # and not below 0.6 where the matrix itself is not almost singular
    assert shape[2] < 2 * shape[1] or float(values.min()) > 0.6
    assert orthogonalized(torch.zeros(shape), torch.float32).count_nonzero() == 0


@pytest.mark.parametrize("fast", [False, True])
def test_steps_are_those_of_pytorch(fast: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """In float32 to the rounding of PyTorch's bfloat16; one parameter never has a gradient."""
    monkeypatch.setattr(muon, "fast_bfloat16", lambda _: fast)
    generator = torch.Generator().manual_seed(0)
    start = [torch.randn(shape, generator=generator) for shape in (*SHAPES, (4, 4))]
    ours, theirs = ([nn.Parameter(value.clone()) for value in start] for _ in range(2))
    optimizers = (
        Muon(ours, lr=0.02, momentum=0.9, weight_decay=0.1),
        torch.optim.Muon(theirs, lr=0.02, momentum=0.9, weight_decay=0.1),
    )
    for _ in range(5):
        for parameters in zip(ours[:-1], theirs[:-1], strict=True):
            gradient = torch.randn(parameters[0].shape, generator=generator)
            for parameter in parameters:
                parameter.grad = gradient.clone()
        for optimizer in optimizers:
            optimizer.step()
    for mine, other, before in zip(ours, theirs, start, strict=True):
        assert float((mine - other).detach().norm()) <= 0.03 * float((other - before).detach().norm())
    kept = [optimizer.state_dict()["state"] for optimizer in optimizers]
    assert kept[0].keys() == kept[1].keys()
    for index, state in kept[0].items():
        torch.testing.assert_close(state["momentum_buffer"], kept[1][index]["momentum_buffer"])


def test_only_matrices() -> None:
    with pytest.raises(ValueError, match=r"shape \(3,\)"):
        Muon([nn.Parameter(torch.ones(3))], lr=0.1, momentum=0.9, weight_decay=0)


def test_bfloat16_is_fast_where_there_are_units(monkeypatch: pytest.MonkeyPatch) -> None:
    """On CPUs the measurement decides; emulation on a GPU does not count, nor does it for `precision: auto`."""
    assert not devices.fast_bfloat16(torch.device("mps"))
    for fast in (False, True):
        monkeypatch.setattr(devices, "_fast_bfloat16_on_cpu", lambda fast=fast: fast)
        assert devices.fast_bfloat16(torch.device("cpu")) == fast
        with devices.compute_in(torch.device("cpu"), "auto"):
            assert not torch.is_autocast_enabled("cpu")
    asked = {}
    monkeypatch.setattr(torch.cuda, "device", lambda _: torch.no_grad())
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **settings: asked.update(settings) or False)
    assert not devices.fast_bfloat16(torch.device("cuda", 0))
    assert asked == {"including_emulation": False}
    assert devices.compute_in(torch.device("cuda"), "auto").__class__.__name__ == "nullcontext"
