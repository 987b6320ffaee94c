"""Apple silicon without one: what models do on a pretended device `mps`, against torch's own table of kernels.

Tensors on the pretended device have a shape, a dtype and a place, and no values. Code that asks for their
device is told `mps`, so that it takes the branches it takes on a Mac. Every operator that then arrives there is
looked up in `native_functions.yaml`, which torch ships and builds its dispatch tables from.
`docs/apple-silicon.md` says what this shows and what it does not.
`python -m tests.signal_model.test_mps` prints the operators.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from itertools import cycle, product
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
import torchgen
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torchgen.gen import parse_native_yaml
from torchgen.model import DispatchKey

from signal_model.config import ModelConfig, TrainingConfig
from signal_model.data.corpus import Corpus
from signal_model.data.tokenizers import ByteTokenizer
from signal_model.evaluation.causality import causality_violation
from signal_model.evaluation.generation import generate
from signal_model.evaluation.scores import loss_by_position, score_text
from signal_model.model import build_model
from signal_model.training.trainer import Trainer
from signal_model.transforms.atrous import causal_decomposition
from signal_model.transforms.dwt.dwt import wavedec, waverec
from signal_model.transforms.dwt.extension import MODES
from tests.signal_model.evaluation.test_causality import EMBEDDINGS, FEEDFORWARDS, FILTER_BANKS, MIXERS, POSITIONS

Settings = dict[str, Any]

aten = torch.ops.aten
META = torch.device("meta")
# A number that no Mac has: what is cached for this device never meets a real tensor.
MPS = torch.device("mps", 1)
ABSENT = (torch.float64, torch.complex128)  # Metal has no double precision
# Long enough for harmonics to be convolved in chunks; and for all else to be cut, where each chunk is traced again.
CONTEXT, SHORTER = 600, 200

# Composite kernels call other operators where no dispatcher mode sees it. What they call on MPS, from
# aten/src/ATen/native; a `_foreach_` operator, not listed, calls the plain one for each tensor.
PARTS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("empty_like", "new_empty", "new_empty_strided"), ("empty.memory_format", "empty_strided")),
    **dict.fromkeys(("zeros", "zeros_like", "new_zeros"), ("empty.memory_format", "zero_")),
    **dict.fromkeys(("ones", "ones_like", "new_ones", "full", "full_like"), ("empty.memory_format", "fill_.Scalar")),
    **dict.fromkeys(("new_full", "scalar_tensor"), ("empty.memory_format", "fill_.Scalar")),
    **dict.fromkeys(("_to_copy", "clone", "copy_"), ("empty_strided", "_copy_from")),
    **dict.fromkeys(("slice_backward", "select_backward"), ("zero_", "as_strided", "_copy_from")),
    "_unsafe_view": ("view",),
    "convolution": ("_mps_convolution",),
    "convolution_backward": ("mps_convolution_backward",),
    "embedding": ("index_select",),
    "index_put_": ("_index_put_impl_",),
    "stack": ("cat",),
    "_safe_softmax": ("_softmax", "eq.Scalar", "all.dim", "where.self"),
}
# On MPS these have ignored, in silence, that a complex tensor is a conjugated view (PyTorch issues 148156, 177474).
PRODUCTS = {"addmm", "addmv", "baddbmm", "bmm", "dot", "mm", "mv", "vdot"}
# On a Mac torch takes these for attention and norms where no gradient is wanted, by an `if` that other builds leave
# out. With gradients it composes both of the operators that are seen here.
UNSEEN = ("_scaled_dot_product_attention_math_for_mps", "_fused_rms_norm")


# --- the table ------------------------------------------------------------------------------------


@cache
def kernels() -> dict[str, Literal["kernel", "composite"]]:
    """How each operator of torch runs on MPS: by a kernel of its own or composed of others. The rest is left out."""
    folder = Path(torchgen.__file__).parent / "packaged" / "ATen" / "native"
    table = parse_native_yaml(str(folder / "native_functions.yaml"), str(folder / "tags.yaml"))
    own = table.backend_indices[DispatchKey.MPS].index.keys()
    found: dict[str, Literal["kernel", "composite"]] = {}
    for function in table.native_functions:
        # A functional or in-place form with a structured delegate is generated from that one's kernels.
        if function.func.name in own or function.structured_delegate in own:
            found[str(function.func.name)] = "kernel"
        elif function.has_composite_kernel:
            found[str(function.func.name)] = "composite"
    return found


@cache
def with_kernels() -> frozenset[str]:
    """Names, without overload and underscores, that have a kernel in one of their forms."""
    return frozenset(_plain(name) for name, how in kernels().items() if how == "kernel")


def _plain(name: str) -> str:
    return name.split(".")[0].removeprefix("_foreach_").strip("_")


def what_lacks(operator: Any) -> str | None:
    """Why an operator cannot run on MPS, None where it can."""
    if operator.namespace != "aten":
        return "is none of torch's own"
    name = operator.name().removeprefix("aten::")
    how = kernels().get(name)
    if how is None:
        return "has no kernel on MPS"
    if how == "kernel" or operator.is_view or name in PARTS or _plain(name) in with_kernels():
        return None
    return "is composed of operators that PARTS does not name"


# --- the device -----------------------------------------------------------------------------------


class Shapes(FakeTensorMode):
    """torch's computation of shapes and dtypes alone.

    torch's C++ code must not ask a CPU build for its MPS devices. It is told that tensors are on `meta`, and what it
    makes there is on `mps`.
    """

    def __init__(self) -> None:
        super().__init__(allow_non_fake_inputs=True)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.prim.device.default:
            return META
        return super().__torch_dispatch__(func, types, args, _on_mps(kwargs))


def _on_mps(kwargs: Settings | None) -> Settings:
    device = (kwargs or {}).get("device")
    return {**(kwargs or {}), **({"device": MPS} if device is not None and device.type in ("meta", "mps") else {})}


class NotOnMPS(RuntimeError):
    """What a Mac could not do."""


class PretendedMPS(TorchDispatchMode):
    """While active, operators on `mps` are looked up, noted, and computed in shape and dtype.

    Raises NotOnMPS, at the line that calls it, for an operator without a kernel and for a dtype that Metal lacks.
    Tensors on the CPU are as ever; what is copied there from the device is full of ones.
    """

    def __init__(self) -> None:
        super().__init__()
        self.operators: defaultdict[str, set[torch.dtype]] = defaultdict(set)
        self.on_cpu: set[torch.dtype] = set()
        self._shapes = Shapes()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.prim.device.default:
            return META
        kwargs = _on_mps(kwargs)
        inputs = _tensors((args, kwargs))
        if func.namespace == "profiler" or not (kwargs.get("device") == MPS or any(map(_is_there, inputs))):
            result = func(*args, **kwargs)
            self.on_cpu |= {tensor.dtype for tensor in _tensors(result)}
            return result
        result = self._compute(func, args, kwargs)
        dtypes = {tensor.dtype for tensor in (*inputs, *_tensors(result)) if _is_there(tensor)}
        faults = [what_lacks(func), *(f"has {dtype}" for dtype in ABSENT if dtype in dtypes)]
        if torch.complex64 in dtypes and _plain(func.name().removeprefix("aten::")) in PRODUCTS:
            faults.append("multiplies complex matrices")
        for fault in filter(None, faults):
            raise NotOnMPS(f"{func.name()} {fault}")
        self.operators[func.name()] |= dtypes
        return result

    def _compute(self, func: Any, args: Any, kwargs: Settings) -> Any:
        to_cpu = func is aten._to_copy.default and kwargs.get("device") == torch.device("cpu")
        if to_cpu or func is aten._local_scalar_dense.default:
            ones = torch.ones(args[0].shape, dtype=kwargs.get("dtype") or args[0].dtype)
            return ones if to_cpu else ones.item()
        with self._shapes:
            return func(*args, **kwargs)


def _tensors(values: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(values) if isinstance(leaf, Tensor)]


def _is_there(tensor: Tensor) -> bool:
    return isinstance(tensor, FakeTensor) and tensor.device == MPS


@contextmanager
def pretended() -> Iterator[PretendedMPS]:
    """The device, and what torch needs to be told to work with it."""
    move, lifted = nn.Module.to, torch._C._only_lift_cpu_tensors()

    def to(module: nn.Module, *args: Any, **kwargs: Any) -> nn.Module:
        """torch cannot put back parameters without values, and need not where they are as they should be."""
        device, dtype, *_ = torch._C._nn._parse_to(*args, **kwargs)
        there = [(p.device, p.dtype) for p in module.parameters()]
        wanted = [(device or of, dtype or kind) for of, kind in there]
        return module if wanted == there else move(module, *args, **kwargs)

    library = torch.library.Library("aten", "IMPL", "MPS")
    with pytest.MonkeyPatch.context() as patch, PretendedMPS() as device:
        patch.setattr(nn.Module, "to", to)
        patch.setattr(torch.mps, "synchronize", lambda: None)
        # `torch.tensor(…, device=…)` makes a tensor on the CPU and moves it, as an operator that is seen.
        torch._C._set_only_lift_cpu_tensors(True)
        if not torch.backends.mps.is_built():
            # Composed elsewhere, `linear` is one operator with a gradient of its own where MPS has a kernel for it.
            library.impl("linear", _never)
        try:
            yield device
        finally:
            torch._C._set_only_lift_cpu_tensors(lifted)
            library._destroy()


def _never(*_: Any) -> Tensor:
    raise AssertionError("a kernel of a device that is not there")


# --- what is traced -------------------------------------------------------------------------------


def trace(settings: Settings) -> PretendedMPS:
    """Train with both optimisers, evaluate, generate; then score in bfloat16."""
    context = CONTEXT if any(layer["mixer"]["kind"] == "harmonic" for layer in settings["layers"]) else SHORTER
    config = ModelConfig.model_validate({"width": 8, "context": context, "vocab_size": 256} | settings)
    tokens = np.random.default_rng(0).integers(0, 256, 4 * context).astype(np.uint8)
    corpus = Corpus("noise", "", ByteTokenizer(), tokens, tokens, tokens)
    windows = tokens[: context + 1].astype(np.int64)[None]
    with pretended() as device:
        for kind, parts in (("adamw", 2), ("muon", 1)):
            model = build_model(config, 0)
            training = {"steps": 1, "batch_size": 2, "accumulation": parts, "spectral_loss_weight": 0.1}
            Trainer(model, corpus, TrainingConfig.model_validate(training | {"optimizer": {"kind": kind}}), MPS).run()
        score_text(model, windows, corpus.tokenizer.byte_lengths, MPS)
        loss_by_position(model, windows[:, :20], corpus.tokenizer.vocab_size, MPS)
        causality_violation(model, 40)
        device.on_cpu.clear()
        list(generate(model, [1, 2], 2, top_k=5, top_p=0.5))
        list(generate(model, [1], 1, temperature=0))
        # Sampling computes in double on purpose, after the logits have left the device.
        assert torch.float64 in device.on_cpu
        half = build_model(config, 0).to(MPS, torch.bfloat16)
        score_text(half, windows, corpus.tokenizer.byte_lengths, MPS)
    return device


# Every part is in a model, and two mixers: an operator that has no kernel is named whoever calls it.
NONE: Settings = {"kind": "none"}
LAYERS: list[Settings] = [
    {"mixer": mixer, "feedforward": feedforward, "filter_bank": bank}
    for mixer, feedforward, bank in zip(MIXERS, cycle(FEEDFORWARDS), cycle([*FILTER_BANKS, NONE]))
]
MODELS: list[Settings] = [
    {"embedding": embedding, "positions": positions, "layers": LAYERS[number :: len(EMBEDDINGS)]}
    for number, (embedding, positions) in enumerate(zip(EMBEDDINGS, cycle([*POSITIONS, NONE])))
]


def trace_transforms() -> PretendedMPS:
    with pretended() as device:
        for wavelet, mode, length in product(("haar", "bior2.2"), MODES, (15, 200)):
            signal = torch.randn(2, length).to(MPS).requires_grad_()
            waverec(wavedec(signal, wavelet, mode, level=2), wavelet, mode).sum().backward()
        signal = torch.randn(2, CONTEXT, 4).to(MPS).requires_grad_()
        torch.stack(causal_decomposition(signal, "bior2.2", 3)).square().sum().backward()
    return device


def test_every_part_is_in_a_model() -> None:
    parts = [*MIXERS, *FEEDFORWARDS, *FILTER_BANKS, *EMBEDDINGS, *POSITIONS]
    assert [part for part in parts if str(part) not in str(MODELS)] == []


@pytest.mark.parametrize("settings", MODELS, ids=lambda model: str(model["embedding"]))
def test_models(settings: Settings) -> None:
    device = trace(settings)
    assert {"aten::linear", "aten::linear_backward", "aten::_fused_adamw_"} <= device.operators.keys()


def test_wavelet_transforms() -> None:
    assert "aten::mm" in trace_transforms().operators


def test_operators_that_are_not_seen() -> None:
    """Whatever torch calls where no dispatcher mode sees it has a kernel too."""
    called = {*UNSEEN, *(part for parts in PARTS.values() for part in parts)}
    assert {name for name in called if kernels().get(name) != "kernel"} == set()


# --- what is not on MPS is named ------------------------------------------------------------------


def eigenvalues(x: Tensor) -> Tensor:
    return torch.linalg.eigvalsh(x)


def in_double(x: Tensor) -> Tensor:
    return x.double().float()


def complex_double(x: Tensor) -> Tensor:
    return torch.fft.ifft(x.to(torch.complex128)).abs().float()


def moved_in_double(x: Tensor) -> Tensor:
    return x * torch.tensor([0.5], dtype=torch.float64).to(x.device)


def complex_product(x: Tensor) -> Tensor:
    spectrum = torch.fft.fft(x)
    return (spectrum @ spectrum.mH).abs()


def nested(x: Tensor) -> Tensor:
    return torch.linalg.pinv(x)


@pytest.mark.parametrize(
    ("faulty", "fault"),
    [
        (eigenvalues, "aten::_linalg_eigh has no kernel on MPS"),
        (in_double, "aten::_to_copy has torch.float64"),
        (complex_double, "aten::_to_copy has torch.complex128"),
        (moved_in_double, "aten::_to_copy has torch.float64"),
        (complex_product, "aten::mm multiplies complex matrices"),
        (nested, "aten::linalg_pinv.atol_rtol_tensor is composed of operators that PARTS does not name"),
    ],
)
def test_what_is_not_there_is_named(faulty: Callable[[Tensor], Tensor], fault: str) -> None:
    class Faulty(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.eye(3))

        def forward(self) -> Tensor:
            return faulty(self.weight)

    with pretended(), pytest.raises(NotOnMPS, match=f"^{fault}$"):
        Faulty().to(MPS)()


def test_tensors_of_two_devices_do_not_mix() -> None:
    with pretended(), pytest.raises(RuntimeError, match=r"mps.*cpu"):
        torch.ones(3, device=MPS) + torch.ones(3)


if __name__ == "__main__":
    seen: defaultdict[str, set[torch.dtype]] = defaultdict(set)
    for traced in [*map(trace, MODELS), trace_transforms()]:
        for name, dtypes in traced.operators.items():
            seen[name] |= dtypes
    print(f"{'operator':44}{'on MPS':12}dtypes")
    for name in sorted(seen):
        listed = ", ".join(sorted(str(dtype).removeprefix("torch.") for dtype in seen[name]))
        print(f"{name:44}{kernels()[name.removeprefix('aten::')]:12}{listed}")
