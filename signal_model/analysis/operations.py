"""How many floating-point operations each operator of torch does, and of which kind.

Conventions, the same for every device and dtype:

- A real addition, subtraction, multiplication, division, comparison, and one value of an elementary
  function (exp, log, sin, cos, erf, tanh, sqrt, a power) are one operation each. Functions made of
  several count their elementary steps: a sigmoid is 4, a softmax 5 per element.
- A complex addition is 2, a product of complex numbers 6, a complex times a real number 2.
- A matrix product (m × k)(k × n) is 2 m n k, with or without a bias; solving a triangular system of m equations for n
  right-hand sides is m (m - 1) n, its products alone. Fused attention is its two matrix
  products over all pairs of positions, masked or not; the softmax inside it is not visible. Both are
  what `torch.utils.flop_counter` counts.
- A Fourier transform of n points is 5 n log2 n, of n real ones 2.5 n log2 n (Cooley & Tukey 1965).
- Operations on integers and truth values, views, copies, indexing and random numbers are none.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Literal, NamedTuple

from torch import Tensor
from torch.utils.flop_counter import sdpa_backward_flop_count, sdpa_flop_count

Kind = Literal[
    "Fourier transform",
    "complex product",
    "wavelet filter",
    "matrix product",
    "attention",
    "convolution",
    "elementwise",
    "function",
    "reduction",
    "data movement",
]


class Work(NamedTuple):
    """What one call of an operator did."""

    kind: Kind
    flops: int


Rule = Callable[[Sequence[Any], dict[str, Any], Tensor], int]


def _each(names: str, count: int) -> dict[str, int]:
    return dict.fromkeys(names.split(), count)


# Operations per element of the result; complex elements count twice unless a rule below says otherwise.
ELEMENTWISE = {
    **_each("add sub rsub mul div neg abs sign square relu threshold_backward maximum minimum clamp_min clamp_max", 1),
    **_each("floor ceil round frac trunc fmod remainder eq ne lt le gt ge isnan isinf", 1),
    **_each("clamp addcmul addcdiv hardtanh leaky_relu xlogy", 2),
    **_each("lerp", 3),
}
FUNCTIONS = {
    **_each("exp exp2 expm1 log log2 log10 log1p sqrt rsqrt reciprocal pow erf erfc erfinv sinc logaddexp", 1),
    **_each("sin cos tan asin acos atan atan2 sinh cosh tanh angle", 1),
    **_each("softplus log_sigmoid_forward sigmoid_backward tanh_backward", 3),
    **_each("sigmoid hypot polar softplus_backward _softmax_backward_data _log_softmax_backward_data", 4),
    **_each("silu elu gelu _softmax _log_softmax", 5),
    **_each("silu_backward", 9),
    **_each("gelu_backward", 11),
}
# Operations per element of the result, where at least two of the arguments are complex.
COMPLEX = {"mul": 6, "addcmul": 8, "div": 11}
# Operations per element of the first argument.
REDUCTIONS = {
    **_each("sum nansum mean prod amax amin max min argmax argmin cumsum cumprod cummax cummin", 1),
    **_each("norm linalg_vector_norm", 2),
    **_each("var std var_mean std_mean logsumexp logcumsumexp", 3),
    **_each("_fused_rms_norm", 4),
    **_each("native_layer_norm", 8),
    **_each("_fused_rms_norm_backward", 9),
    **_each("native_layer_norm_backward", 14),
}
NOT_ARITHMETIC = {
    **_each("copy _to_copy clone cat stack constant_pad_nd reflection_pad1d replication_pad1d repeat roll flip", 0),
    **_each("repeat_interleave _unsafe_view _reshape_alias contiguous resize set lift_fresh lift_fresh_copy", 0),
    **_each("empty empty_like empty_strided new_empty new_empty_strided zeros zeros_like new_zeros ones", 0),
    **_each("ones_like new_ones full full_like new_full fill zero arange linspace logspace eye scalar_tensor", 0),
    **_each("complex tril triu diag_embed index index_select gather scatter masked_fill masked_select where", 0),
    **_each("embedding nonzero take one_hot im2col slice_backward select_backward diagonal_backward", 0),
    **_each("slice_scatter select_scatter as_strided_scatter pin_memory detach _local_scalar_dense equal", 0),
    **_each("rand rand_like randn randn_like randint randperm normal uniform bernoulli random exponential", 0),
    **_each("multinomial native_dropout dropout is_same_size", 0),
}


def work_of(operator: Any, args: Sequence[Any], kwargs: dict[str, Any], result: Any) -> Work | None:
    """What a call did; None for an operator that nothing here knows, which may be arithmetic.

    `operator` is the `OpOverload` that torch dispatched with these arguments. In-place and `out=`
    forms count as the plain one.
    """
    namespace, _, name = name_of(operator).partition("::")
    if namespace == "prim" or operator.is_view or name in NOT_ARITHMETIC:
        return Work("data movement", 0)
    first = first_tensor(result)
    if not any(map(_has_fractions, (first, *args))):
        return Work("data movement", 0)
    if namespace != "aten" or first is None:
        return None
    if name in COMPLEX and first.is_complex() and _complex_factors(args) >= 2:
        return Work("complex product", COMPLEX[name] * first.numel())
    for kind, rules in _RULES.items():
        if name in rules:
            return Work(kind, rules[name](args, kwargs, first))
    if name in ELEMENTWISE:
        return Work("elementwise", ELEMENTWISE[name] * _parts(first))
    if name in FUNCTIONS:
        return Work("function", FUNCTIONS[name] * _parts(first))
    if name in REDUCTIONS:
        return Work("reduction", REDUCTIONS[name] * _parts(args[0]))
    return None


@cache
def name_of(operator: Any) -> str:
    """The operator as torch names it, without its overload, its in-place form as the plain one: `aten::add`."""
    return str(operator.name()).split(".")[0].rstrip("_")


def first_tensor(result: Any) -> Tensor | None:
    """The result itself, or the first tensor of several."""
    if isinstance(result, list | tuple):
        return next((item for item in result if isinstance(item, Tensor)), None)
    return result if isinstance(result, Tensor) else None


def _has_fractions(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return any(map(_has_fractions, value))
    return isinstance(value, Tensor) and (value.is_floating_point() or value.is_complex())


def _complex_factors(args: Sequence[Any]) -> int:
    return sum(isinstance(value, Tensor) and value.is_complex() for value in args)


def _parts(tensor: Tensor) -> int:
    """Real numbers in a tensor: a complex element has two."""
    return tensor.numel() * (2 if tensor.is_complex() else 1)


# --- operators whose count depends on more than the number of elements -----------------------------


def _product(args: Sequence[Any], kwargs: dict[str, Any], result: Tensor) -> int:
    return _fused(result) * int(args[0].shape[-1])


def _added_product(args: Sequence[Any], kwargs: dict[str, Any], result: Tensor) -> int:
    return _fused(result) * int(args[1].shape[-1])


def _triangular(args: Sequence[Any], kwargs: dict[str, Any], result: Tensor) -> int:
    """Each row of the solution meets those before it."""
    return _fused(result) * (int(args[0].shape[-1]) - 1) // 2


def _summed_product(args: Sequence[Any], kwargs: dict[str, Any], result: Tensor) -> int:
    return _fused(result) * int(args[1].shape[0] * args[1].shape[-1])


def _fused(result: Tensor) -> int:
    """One multiplication with addition for every element: 2 operations, 8 for complex elements."""
    return result.numel() * (8 if result.is_complex() else 2)


def _attention(args: Sequence[Any], kwargs: dict[str, Any], result: Tensor) -> int:
    return int(sdpa_flop_count(args[0].shape, args[1].shape, args[2].shape))


def _attention_backward(args: Sequence[Any], kwargs: dict[str, Any], result: Tensor) -> int:
    return int(sdpa_backward_flop_count(*(tensor.shape for tensor in args[:4])))


def _convolution(args: Sequence[Any], kwargs: dict[str, Any], result: Tensor) -> int:
    weight, transposed = args[1], bool(args[6]) if len(args) > 6 else False
    # Every element of the result (of the input, where transposed) meets every weight of one output channel.
    met: Tensor = args[0] if transposed else result
    return 2 * met.numel() * int(math.prod(weight.shape[1:]))


def _convolution_backward(args: Sequence[Any], kwargs: dict[str, Any], result: Tensor) -> int:
    gradient, signal, weight, transposed, wanted = args[0], args[1], args[2], bool(args[7]), args[10]
    one = 2 * (signal if transposed else gradient).numel() * math.prod(weight.shape[1:])
    return int(one * sum(wanted[:2]) + (gradient.numel() if wanted[2] else 0))


def _real_transform(args: Sequence[Any], kwargs: dict[str, Any], result: Tensor) -> int:
    real = result if args[0].is_complex() else args[0]
    return round(2.5 * real.numel() * math.log2(math.prod(real.shape[axis] for axis in args[1])))


def _complex_transform(args: Sequence[Any], kwargs: dict[str, Any], result: Tensor) -> int:
    return round(5 * result.numel() * math.log2(math.prod(result.shape[axis] for axis in args[1])))


def _sum(args: Sequence[Any], kwargs: dict[str, Any], result: Tensor) -> int:
    scale = kwargs.get("alpha", args[2] if len(args) > 2 else 1)
    return (1 if scale == 1 else 2) * _parts(result)


def _per_result(args: Sequence[Any], kwargs: dict[str, Any], result: Tensor) -> int:
    return result.numel()


def _per_gradient(args: Sequence[Any], kwargs: dict[str, Any], result: Tensor) -> int:
    return int(args[0].numel())


def _per_source(args: Sequence[Any], kwargs: dict[str, Any], result: Tensor) -> int:
    return int(args[3].numel())


def _accumulated(args: Sequence[Any], kwargs: dict[str, Any], result: Tensor) -> int:
    accumulate = kwargs.get("accumulate", args[3] if len(args) > 3 else False)
    return int(args[2].numel()) if accumulate else 0


_RULES: dict[Kind, dict[str, Rule]] = {
    "Fourier transform": {"_fft_r2c": _real_transform, "_fft_c2r": _real_transform, "_fft_c2c": _complex_transform},
    "matrix product": {
        **dict.fromkeys(("mm", "bmm", "mv", "dot", "vdot"), _product),
        **dict.fromkeys(("addmm", "baddbmm", "addmv"), _added_product),
        "addbmm": _summed_product,
        "linalg_solve_triangular": _triangular,
    },
    "attention": {
        **dict.fromkeys(
            (f"_scaled_dot_product_{form}_attention" for form in ("flash", "efficient", "cudnn", "fused_overrideable")),
            _attention,
        ),
        **dict.fromkeys(
            (f"_scaled_dot_product_{form}_attention_backward" for form in ("flash", "efficient", "cudnn")),
            _attention_backward,
        ),
        "_scaled_dot_product_flash_attention_for_cpu": _attention,
        "_scaled_dot_product_attention_math_for_mps": _attention,
        "_scaled_dot_product_flash_attention_for_cpu_backward": _attention_backward,
    },
    "convolution": {
        **dict.fromkeys(("convolution", "_convolution"), _convolution),
        "convolution_backward": _convolution_backward,
    },
    "elementwise": {"add": _sum, "sub": _sum, "conj_physical": _per_result, "_conj_physical": _per_result},
    "reduction": {
        **dict.fromkeys(("embedding_dense_backward", "unfold_backward", "col2im"), _per_gradient),
        **dict.fromkeys(("index_add", "scatter_add"), _per_source),
        **dict.fromkeys(("index_put", "_unsafe_index_put", "_index_put_impl"), _accumulated),
    },
}
