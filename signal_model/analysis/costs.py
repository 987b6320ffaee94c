"""Where parameters, operations and time go: by part of the model, and by what is computed.

Parts are told apart by which submodule is running. What is computed is told apart by the operators
that torch dispatches, never by names of layers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import pandas as pd
import torch
from torch import Tensor, nn

from signal_model.analysis.counting import Counts, OperationCounter, Row, Sum, whole_window
from signal_model.analysis.operations import Kind
from signal_model.model import SignalClassifier, SignalLLM
from signal_model.support.modes import in_evaluation

SPECTRAL: tuple[Kind, ...] = ("Fourier transform", "complex product", "wavelet filter")
"""What counts as a spectral operation: transforms, products of spectra, filtering by wavelets. Not: matrix
products with a basis, learned filters in time, elementwise gates."""

_COMPONENTS = {
    "front_end": "front end",
    "filter_bank": "filter bank",
    "filter_bank_norm": "norms",
    "mixer": "mixer",
    "feedforward": "feed-forward",
    "mixer_norm": "norms",
    "feedforward_norm": "norms",
    "norm": "norms",
}


class Place(NamedTuple):
    """A part of the model, and its block if it is in one: embedding or front end, positions, filter bank, mixer,
    feed-forward, norms, residual stream, head.

    The residual stream is what blocks and model do themselves: additions, the normalisation of what enters the first
    block, the mean of a classifier. The head of a language model reuses the embedding's parameters. Operations of a
    shared block are of all its passes.
    """

    component: str
    layer: int | None = None


RESIDUAL, HEAD = Place("residual stream"), Place("head")


@dataclass(frozen=True)
class Operations:
    """All calls of one operator, in one direction, in one part of the model, for one window of the full context."""

    place: Place
    backward: bool
    kind: Kind
    operator: str
    calls: int
    flops: int
    seconds: float


@dataclass(frozen=True)
class Parameters:
    """One trained parameter: where it belongs and which kind of operation uses it most."""

    name: str
    place: Place
    use: Kind | None
    """None for a parameter that no operation of the forward pass reads."""
    count: int


@dataclass(frozen=True)
class ModelCost:
    """What one window of `tokens` tokens costs, batch size 1; of a classifier, of as many samples."""

    tokens: int
    operations: tuple[Operations, ...]
    parameters: tuple[Parameters, ...]
    uncounted: dict[str, int]
    """Operators without a rule that may be arithmetic, with their elements. Empty, or the totals are too low."""
    kinds: dict[Place, str]
    """`kind` of each part's config, such as `harmonic`."""

    def flops(self, *kinds: Kind, backward: bool = False) -> int:
        """Operations of these kinds, or of all, in one direction."""
        return sum(
            row.flops for row in self.operations if row.backward == backward and (not kinds or row.kind in kinds)
        )

    @property
    def spectral_share(self) -> float:
        """Share of the forward pass's operations that is `SPECTRAL`."""
        return self.flops(*SPECTRAL) / self.flops()


def measure_cost(model: SignalLLM | SignalClassifier, backward: bool = False, repeats: int = 5) -> ModelCost:
    """Run `model` on one window of its full context and count.

    With `backward`, gradients from the logits to all parameters too; a loss is no part of the model. Times
    are the least of `repeats` passes after one that warms up; 0 does not measure them. The model's
    gradients and mode are left as they were.
    """
    places = _places(model)
    trained = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    device = next(model.parameters()).device
    first = _pass(model, places, trained, backward, timed=None)
    timed = [_pass(model, places, {}, backward, timed=device) for _ in range(repeats)]
    operations = tuple(
        _operations(row, total, [again.rows[row] for again in timed]) for row, total in first.rows.items()
    )
    parameters = tuple(
        Parameters(name, _place_of(name, places), _main_use(first.uses.get(name)), parameter.numel())
        for name, parameter in trained.items()
    )
    return ModelCost(model.config.context, operations, parameters, dict(first.uncounted), _kinds(model))


def cost_frame(cost: ModelCost) -> pd.DataFrame:
    """One row per part, direction and operator.

    Columns: `component`; `layer`, from 0, missing where there is none; `part`, the kind of the part's
    config; `direction`, forward or backward; `kind` of operation; `spectral`, whether the kind is in
    `SPECTRAL`; `operator`, torch's name; `calls` per window; `flops` per token; `share` of the
    direction's operations; `microseconds` per token; `time_share` of the direction's time. Shares of a
    direction sum to one.
    """
    rows = [
        {
            **_columns(cost, row.place),
            "direction": "backward" if row.backward else "forward",
            "kind": row.kind,
            "spectral": row.kind in SPECTRAL,
            "operator": row.operator,
            "calls": row.calls,
            "flops": row.flops / cost.tokens,
            "microseconds": row.seconds / cost.tokens * 1e6,
        }
        for row in cost.operations
    ]
    frame = _with_layers(rows)
    for column, share in (("flops", "share"), ("microseconds", "time_share")):
        place = list(frame.columns).index(column) + 1
        frame.insert(place, share, _shares(frame[column], frame["direction"]))
    return frame


def parameter_frame(cost: ModelCost) -> pd.DataFrame:
    """One row per trained parameter.

    Columns: `component`, `layer`, `part` as in `cost_frame`; `parameter`, its name; `use`, the kind of
    operation that it takes part in most (`none` if in none); `count` of numbers; `share` of all.
    """
    total = sum(parameter.count for parameter in cost.parameters)
    rows = [
        {
            **_columns(cost, parameter.place),
            "parameter": parameter.name,
            "use": parameter.use or "none",
            "count": parameter.count,
            "share": parameter.count / total,
        }
        for parameter in cost.parameters
    ]
    return _with_layers(rows)


def component_frame(cost: ModelCost) -> pd.DataFrame:
    """One row per part of the model, in the order of the data: `component`, `layer`, `part`, `parameters`,
    `parameter_share`, `flops` per token, `share`, `microseconds` per token, `time_share`; forward only."""
    keys = ["component", "layer", "part"]
    costs = cost_frame(cost).query("direction == 'forward'")
    sums = costs.groupby(keys, dropna=False)[["flops", "share", "microseconds", "time_share"]].sum()
    counted = parameter_frame(cost).groupby(keys, dropna=False)[["count", "share"]].sum()
    counted.columns = pd.Index(["parameters", "parameter_share"])
    frame = counted.join(sums, how="outer").fillna(0).astype({"parameters": int}).reset_index()
    order = [
        "embedding",
        "front end",
        "positions",
        "filter bank",
        "norms",
        "mixer",
        "feed-forward",
        "residual stream",
        "head",
    ]
    rank = frame["component"].map(lambda name: order.index(name) if name in order else len(order))
    place = frame["layer"].astype("Float64").fillna(rank.map(lambda r: r - 1e9 if r < 3 else r + 1e9))
    return frame.assign(_place=place, _rank=rank).sort_values(["_place", "_rank"])[frame.columns].reset_index(drop=True)


def kind_frame(cost: ModelCost) -> pd.DataFrame:
    """One row per kind of operation, most operations first: `kind`, `spectral`, `flops` per token, `share`,
    `microseconds` per token, `time_share`; forward only."""
    costs = cost_frame(cost).query("direction == 'forward'")
    sums = costs.groupby(["kind", "spectral"])[["flops", "share", "microseconds", "time_share"]].sum().reset_index()
    return sums.sort_values(["flops", "microseconds"], ascending=False).reset_index(drop=True)


def place_name(component: str, layer: Any, part: str) -> str:
    """A part of the model in words: `block 2 mixer (harmonic)`."""
    return ("" if pd.isna(layer) else f"block {layer} ") + component + (f" ({part})" if part else "")


# --- running -----------------------------------------------------------------------------------------


def _pass(
    model: SignalLLM | SignalClassifier,
    places: dict[str, Place],
    watched: dict[str, nn.Parameter],
    backward: bool,
    timed: torch.device | None,
) -> Counts:
    window = whole_window(model)
    counter = OperationCounter(watched, timed)
    # In evaluation constants are computed once, and those of before are forgotten.
    with in_evaluation(model), torch.set_grad_enabled(backward), counter, _tracked(model, places, counter):
        logits = model(window)
        if backward:
            trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
            torch.autograd.grad(logits, trained, torch.ones_like(logits), allow_unused=True)
    return counter.counts


def _places(model: SignalLLM | SignalClassifier) -> dict[str, Place]:
    """Names of the submodules that are parts of their own."""
    places = {"": RESIDUAL}
    for name, child in model.named_children():
        if child is not model.blocks:
            places[name] = Place(_COMPONENTS.get(name, name))
    for index, block in enumerate(model.blocks):
        places[f"blocks.{index}"] = Place(RESIDUAL.component, index)
        for name, _ in block.named_children():
            places[f"blocks.{index}.{name}"] = Place(_COMPONENTS.get(name, name), index)
    return places


def _place_of(parameter: str, places: dict[str, Place]) -> Place:
    owners = [name for name in places if parameter.startswith(f"{name}.") or not name]
    return places[max(owners, key=len)]


@contextmanager
def _tracked(
    model: SignalLLM | SignalClassifier, places: dict[str, Place], counter: OperationCounter
) -> Iterator[None]:
    """Keep `counter.place` at the part of the model that is running."""
    running: list[Place] = []

    def enter(place: Place) -> None:
        running.append(place)
        counter.place = place

    def leave() -> None:
        running.pop()
        counter.place = running[-1] if running else None

    handles = []
    for name, place in places.items():
        module = model.get_submodule(name)
        handles.append(module.register_forward_pre_hook(lambda *_, place=place: enter(place)))
        handles.append(module.register_forward_hook(lambda *_: leave()))
    embedding = model.embedding if isinstance(model, SignalLLM) else None
    if embedding is not None:  # the head is a method of it, not a module with hooks
        plain = embedding.logits

        def logits(hidden: Tensor) -> Tensor:
            enter(HEAD)
            result = plain(hidden)
            leave()
            return result

        embedding.logits = logits  # type: ignore[method-assign]
    try:
        yield
    finally:
        if embedding is not None:
            del embedding.logits
        for handle in handles:
            handle.remove()


# --- putting together ---------------------------------------------------------------------------------


def _operations(row: Row, total: Sum, timed: list[Sum]) -> Operations:
    place = row.place if isinstance(row.place, Place) else RESIDUAL
    seconds = min((again.seconds for again in timed), default=0.0)
    return Operations(place, row.backward, row.kind, row.operator, total.calls, total.flops, seconds)


def _main_use(uses: Counter[Kind] | None) -> Kind | None:
    return uses.most_common(1)[0][0] if uses else None


def _kinds(model: SignalLLM | SignalClassifier) -> dict[Place, str]:
    config = model.config
    heard = ("embedding", config.embedding) if config.classes is None else ("front end", config.front_end)
    kinds = {Place(heard[0]): heard[1].kind, Place("positions"): config.positions.kind}
    for index, (layer, _) in enumerate(model.config.blocks):
        kinds[Place("filter bank", index)] = layer.filter_bank.kind
        kinds[Place("mixer", index)] = layer.mixer.kind
        kinds[Place("feed-forward", index)] = layer.feedforward.kind
    return kinds


def _columns(cost: ModelCost, place: Place) -> dict[str, Any]:
    return {"component": place.component, "layer": place.layer, "part": cost.kinds.get(place, "")}


def _with_layers(rows: list[dict[str, Any]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows)
    return frame.assign(layer=frame["layer"].astype("Int64"))


def _shares(values: pd.Series, groups: pd.Series) -> pd.Series:
    totals = values.groupby(groups).transform("sum")
    return (values / totals).where(totals > 0, 0.0)
