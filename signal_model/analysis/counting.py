"""What a model costs: operations per token, numbers kept while generating."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from signal_model.analysis.operations import Kind, Work, first_tensor, name_of, work_of
from signal_model.model import SignalClassifier, SignalLLM
from signal_model.support.devices import wait_for
from signal_model.support.modes import in_evaluation

# Arithmetic that these modules' functions dispatch is filtering by wavelets, whatever operators it uses.
WAVELETS = ("signal_model.transforms.atrous", "signal_model.transforms.dwt.dwt")


def flops_per_token(model: SignalLLM | SignalClassifier) -> float:
    """Floating-point operations of one forward pass over a full context, per token; of a classifier, per sample.

    Counted by operator, as torch dispatches them, by the conventions of `signal_model.analysis.operations`.
    """
    window = whole_window(model)
    # In evaluation constants are computed once, and those of before are forgotten.
    with in_evaluation(model), torch.no_grad(), OperationCounter() as counter:
        model(window)
    return float(counter.total) / model.config.context


def whole_window(model: SignalLLM | SignalClassifier) -> Tensor:
    """One window of the full context, (1, T), on the model's device."""
    return model.example(1, model.config.context, torch.Generator().manual_seed(0))


def recurrent_state_size(model: SignalLLM) -> int:
    """Numbers held to generate the token after a full context.

    Read off the states themselves after one step and after two: what grows (attention's cache)
    grows by the same amount with each token. Raises InputError for a model that does not generate.
    """
    model.model_config.require_language_model("generate, and has no state")
    device = next(model.parameters()).device
    token = torch.zeros(1, dtype=torch.long, device=device)
    sizes = []
    states = model.start(1)
    with torch.no_grad():
        for _ in range(2):
            _, states = model.step(token, states)
            sizes.append(sum(tensor.numel() for state in states for tensor in state))
    return sizes[0] + (model.config.context - 1) * (sizes[1] - sizes[0])


class Row(NamedTuple):
    """What counts are kept by."""

    place: Hashable
    """What was in `OperationCounter.place`; in a backward pass, where the forward operation was."""
    backward: bool
    kind: Kind
    operator: str


@dataclass
class Sum:
    """What all calls of one row come to."""

    calls: int = 0
    flops: int = 0
    seconds: float = 0.0


@dataclass
class Counts:
    """What an `OperationCounter` saw."""

    rows: dict[Row, Sum] = field(default_factory=dict)
    uncounted: Counter[str] = field(default_factory=Counter)
    """Operators that may be arithmetic and have no rule, with the elements of their results."""
    uses: dict[str, Counter[Kind]] = field(default_factory=dict)
    """Forward operations that read each watched tensor, by kind."""


class OperationCounter(TorchDispatchMode):
    """Adds up the floating-point operations of everything torch dispatches inside the context.

    Whoever runs the model may set `place` to say which part is running. `watched` tensors are known
    by their storage, views of them too. Operators are timed, each until it has ended, if the device
    that they run on is given.
    """

    def __init__(self, watched: Mapping[str, Tensor] | None = None, timed: torch.device | None = None) -> None:
        super().__init__()
        self.place: Hashable = None
        self.counts = Counts()
        self._timed = timed
        self._names = {tensor.untyped_storage().data_ptr(): name for name, tensor in (watched or {}).items()}
        # Which forward operation made each node of the autograd graph: its place, and whether a wavelet's.
        self._origins: dict[int, tuple[Hashable, bool]] = {}
        self._origin: tuple[Hashable, bool] = (None, False)

    @property
    def total(self) -> int:
        """Operations counted so far."""
        return sum(row.flops for row in self.counts.rows.values())

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        backward = torch._C._current_graph_task_id() != -1
        place, wavelet = self._origin_in_graph() if backward else self._origin_in_code()
        started = self._now()
        result = func(*args, **kwargs)
        seconds = self._now() - started
        work = work_of(func, args, kwargs, result)
        if work is None:
            seen = first_tensor(result)
            self.counts.uncounted[name_of(func)] += seen.numel() if seen is not None else 0
            work = Work("data movement", 0)
        kind: Kind = "wavelet filter" if wavelet and work.flops else work.kind
        row = self.counts.rows.setdefault(Row(place, backward, kind, name_of(func)), Sum())
        row.calls += 1
        row.flops += work.flops
        row.seconds += seconds
        if self._names and work.flops and not backward:
            self._note_use(args, kind, work.flops)
        return result

    def _origin_in_code(self) -> tuple[Hashable, bool]:
        frame, wavelet = sys._getframe(2), False
        while frame.f_back is not None and not wavelet:
            wavelet = frame.f_globals.get("__name__") in WAVELETS
            frame = frame.f_back
        # Autograd has numbered this operation's node, the latest one, before it dispatches the operation.
        if torch.is_grad_enabled() or self._origins:
            self._origins[torch._C._autograd._get_sequence_nr() - 1] = (self.place, wavelet)
        return self.place, wavelet

    def _origin_in_graph(self) -> tuple[Hashable, bool]:
        # No node is current while the engine sums gradients: they count to the node that gave the last one.
        node = torch._C._current_autograd_node()
        if node is not None:
            self._origin = self._origins.get(node._sequence_nr(), self._origin)
        return self._origin

    def _note_use(self, args: Any, kind: Kind, flops: int) -> None:
        for argument in args:
            if isinstance(argument, Tensor):
                name = self._names.get(argument.untyped_storage().data_ptr())
                if name is not None:
                    self.counts.uses.setdefault(name, Counter())[kind] += flops

    def _now(self) -> float:
        if self._timed is None:
            return 0.0
        wait_for(self._timed)
        return time.perf_counter()
