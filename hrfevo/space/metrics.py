"""What is measured of a genome: one table of words, units, formats, and of what each depends on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

Direction = Literal["minimize", "maximize"]
Metric = Literal[
    "bits_per_byte",
    "parameters",
    "flops_per_token",
    "step_time",
    "state_size",
    "in_context_recall",
    "selective_copying",
    "compression",
    "memorization",
]

# How numbers are written; Python and Plotly read this alike.
_SCORE, _COUNT, _TIME = ".4f", ",.0f", ",.4g"


@dataclass(frozen=True)
class Measure:
    """What a metric is, in the words of reports and messages, and how its numbers are written."""

    words: str
    unit: str = ""
    format: str = _SCORE
    trained: bool = False
    """Whether training changes it; others are known from the first rung."""
    probed: bool = False
    """Whether it is measured only where it is asked for; see `signal_model.training.probes`."""
    clock: bool = False
    """Whether it differs from run to run, as what a clock says does."""
    better: Direction | None = None
    """Which way is better, where nobody would want the other."""

    @property
    def heading(self) -> str:
        """With its unit: `validation loss, bits per byte`."""
        return f"{self.words}, {self.unit}" if self.unit else self.words

    @property
    def counted(self) -> bool:
        """Whether it is a whole number, mostly a large one."""
        return self.format == _COUNT


# What objectives and constraints may name, in the order in which tables show it.
METRICS: Mapping[str, Measure] = {
    "bits_per_byte": Measure("validation loss", "bits per byte", trained=True, better="minimize"),
    "parameters": Measure("trained parameters", format=_COUNT),
    "flops_per_token": Measure("forward operations per token", format=_COUNT),
    "step_time": Measure("training step when undisturbed", "ms", _TIME, trained=True, clock=True),
    "state_size": Measure("numbers held while generating", format=_COUNT),
    "in_context_recall": Measure("in-context recall", "share right", probed=True, better="maximize"),
    "selective_copying": Measure("selective copying", "share right", probed=True, better="maximize"),
    "compression": Measure("compression", "share right", probed=True, better="maximize"),
    "memorization": Measure("memorisation", "share right", probed=True, better="maximize"),
}
# What is kept beside them.
RECORDED: Mapping[str, Measure] = {
    "train_seconds": Measure("training time", "s", _TIME, clock=True),
    "train_tokens": Measure("tokens trained on", format=_COUNT),
    "inherited": Measure("inherited from the parent", "share of parameters"),
}

TRAINED = tuple(name for name in get_args(Metric) if METRICS[name].trained)
PROBED: tuple[Metric, ...] = tuple(name for name in get_args(Metric) if METRICS[name].probed)
CLOCKS = tuple(name for name, measure in {**METRICS, **RECORDED}.items() if measure.clock)


def measure(name: str) -> Measure:
    """What is known of a metric; of one that is unknown, its name."""
    return METRICS.get(name) or RECORDED.get(name) or Measure(name)
