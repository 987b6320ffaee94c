"""Functions in two forms: a fast one with a gradient of its own, and the plain one that it stands for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

Tensors = tuple[Tensor, ...]
Kept = tuple[Tensor | None, ...]
Dims = tuple[int | None, ...]


class Fast(Function):
    """Base of functions with a fast form, `fast` and `gradient`, beside a plain one that computes the same.

    `run(*inputs)` takes the fast form where values and first derivatives are wanted. All else goes by the plain one,
    which is made of ordinary operations: second derivatives, `vmap` and `grad` of `torch.func`, `torch.compile`, which
    finds a fast form of its own, and `torch.export`. Forward-mode derivatives are refused by torch. Inputs are tensors,
    or None, and then constants.
    """

    @staticmethod
    def plain(*inputs: Any) -> Tensors:
        """Inputs to outputs."""
        raise NotImplementedError

    @staticmethod
    def fast(*inputs: Any) -> tuple[Tensors, Kept]:
        """The same outputs, and tensors that `gradient` is spared to compute again."""
        raise NotImplementedError

    @staticmethod
    def gradient(inputs: tuple[Any, ...], kept: Kept, gradients: Tensors) -> Kept:
        """Gradients with respect to the outputs → with respect to the tensors among the inputs."""
        raise NotImplementedError

    @classmethod
    def run(cls, *inputs: Any) -> Tensors:
        """The outputs, by the form that fits."""
        if torch.compiler.is_compiling():
            return cls.plain(*inputs)
        outputs: Tensors = cls.apply(*inputs)
        return outputs[: outputs[-1]]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """What `torch.autograd.Function` asks for, from the forms of the subclass."""
        super().__init_subclass__(**kwargs)
        for made in (_forward, _backward, _vmap):
            setattr(cls, made.__name__[1:], staticmethod(made(cls)))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Any, ...]) -> None:
        kept = output[output[-1] : -1]
        ctx.mark_non_differentiable(*(tensor for tensor in kept if isinstance(tensor, Tensor)))
        tensors = [value for value in inputs if value is None or isinstance(value, Tensor)]
        ctx.count, ctx.constants = len(tensors), inputs[len(tensors) :]
        ctx.save_for_backward(*tensors, *kept)
        ctx.set_materialize_grads(True)


def _forward(cls: type[Fast]) -> Callable[..., tuple[Any, ...]]:
    def forward(*inputs: Any) -> tuple[Any, ...]:
        outputs, kept = cls.fast(*inputs)
        return *outputs, *kept, len(outputs)

    return forward


def _backward(cls: type[Fast]) -> Callable[..., Kept]:
    def backward(ctx: Any, *gradients: Any) -> Kept:
        saved = ctx.saved_tensors
        tensors, kept = saved[: ctx.count], saved[ctx.count :]
        outputs = gradients[: len(gradients) - len(kept) - 1]
        if torch.is_grad_enabled():  # someone differentiates the gradient, or may
            return *_plain_gradient(cls, tensors, ctx.constants, outputs), *(None for _ in ctx.constants)
        return *cls.gradient((*tensors, *ctx.constants), kept, outputs), *(None for _ in ctx.constants)

    return backward


def _plain_gradient(cls: type[Fast], tensors: Kept, constants: tuple[Any, ...], gradients: Tensors) -> Kept:
    given = [index for index, tensor in enumerate(tensors) if tensor is not None and tensor.is_floating_point()]

    def outputs(*values: Tensor) -> Tensors:
        filled = [*tensors]
        for index, value in zip(given, values, strict=True):
            filled[index] = value
        return cls.plain(*filled, *constants)

    backward: Callable[[Tensors], Tensors] = torch.func.vjp(outputs, *(tensors[index] for index in given))[1]
    found = dict(zip(given, backward(gradients), strict=True))
    return tuple(found.get(index) for index in range(len(tensors)))


def _vmap(cls: type[Fast]) -> Callable[..., tuple[tuple[Any, ...], tuple[int | None, ...]]]:
    def vmap(
        info: Any, in_dims: tuple[int | None, ...], *inputs: Any
    ) -> tuple[tuple[Any, ...], tuple[int | None, ...]]:
        outputs = torch.vmap(cls.plain, in_dims)(*inputs)
        return (*outputs, len(outputs)), (*(0 for _ in outputs), None)

    return vmap
