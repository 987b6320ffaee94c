"""What is measured of a genome: one table of words, units, formats, and of what each depends on; plugins add to it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import AfterValidator, Field

from signal_model.config.task import TaskName
from signal_model.support.errors import closest
from signal_model.support.plugins import REMEDY, note_definition, plugins

Direction = Literal["minimize", "maximize"]

Measures = Callable[[str], "Measure"]
"""What is known of a metric, by name: `measure`, or that of a space, which knows the unit of its corpus."""

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
    """Whether it is measured only where it is asked for, before training, once for a genome."""
    clock: bool = False
    """Whether it differs from run to run, as what a clock says does."""
    better: Direction | None = None
    """Which way is better, where nobody would want the other."""
    task: TaskName | None = None
    """The task whose models have it; None where all have."""

    def __post_init__(self) -> None:
        if self.better not in (None, *get_args(Direction)):
            raise ValueError(f"Measure: better: accepted: {', '.join(get_args(Direction))}, got {self.better!r}")
        try:
            format(0.5, self.format)
        except (ValueError, TypeError):
            raise ValueError(
                f"Measure: format: accepted: how Python writes numbers, such as .4f, got {self.format!r}"
            ) from None

    @property
    def heading(self) -> str:
        """With its unit: `validation loss, bits per byte`."""
        return f"{self.words}, {self.unit}" if self.unit else self.words

    @property
    def counted(self) -> bool:
        """Whether it is a whole number, mostly a large one."""
        return self.format == _COUNT


# What language models lower, told per byte of text or per sample of sound.
LOSS_OF_TOKENS = "bits_per_byte"
# What objectives and constraints may name, in the order in which tables show it.
METRICS: dict[str, Measure] = {
    LOSS_OF_TOKENS: Measure(
        "validation loss", "bits per byte", trained=True, better="minimize", task="language_modelling"
    ),
    "error_rate": Measure("error rate", "share wrong", trained=True, better="minimize", task="classification"),
    "bits_per_label": Measure(
        "validation loss", "bits per label", trained=True, better="minimize", task="classification"
    ),
    "parameters": Measure("trained parameters", format=_COUNT),
    "flops_per_token": Measure("forward operations per token", format=_COUNT),
    "step_time": Measure("training step when undisturbed", "ms", _TIME, trained=True, clock=True),
    "state_size": Measure("numbers held while generating", format=_COUNT, task="language_modelling"),
    "generation_time": Measure(
        "generated token when undisturbed", "ms", _TIME, probed=True, clock=True, task="language_modelling"
    ),
    **{
        name: Measure(words, "share right", probed=True, better="maximize", task="language_modelling")
        for name, words in (
            ("in_context_recall", "in-context recall"),
            ("selective_copying", "selective copying"),
            ("compression", "compression"),
            ("memorization", "memorisation"),
        )
    },
}
# What is kept beside them.
RECORDED: Mapping[str, Measure] = {
    "train_seconds": Measure("training time", "s", _TIME, clock=True),
    "train_tokens": Measure("tokens trained on", format=_COUNT),
    "inherited": Measure("inherited from the parent", "share of parameters"),
}
# What tables have in columns beside all these: no objective may be called alike.
COLUMNS = frozenset(
    (
        *("number", "genome", "status", "reason", "detail", "rung", "steps", "seed", "seeds", "timings", "metrics"),
        *("birth", "generation", "operator", "parents", "genes", "front", "place", "began", "minutes", "spent"),
        *("worker", "device", "submitted", "started", "ended", "submitted_event", "ended_event", "run", "id"),
    )
)

# What a clock says is said again, alone, of whoever leads by it; see `hrfevo.results.timings`.
TIMED = ("step_time", "generation_time")
PROBED = tuple(name for name, measure in METRICS.items() if measure.probed)

# How objectives of plugins are measured: functions of a `hrfevo.workers.added.Candidate`, by name.
ADDED: dict[str, Callable[[Any], float]] = {}
_F = TypeVar("_F", bound=Callable[[Any], float])
_NAME = re.compile("[a-z][a-z0-9_]{0,62}")


def objective(name: str, measure: Measure) -> Callable[[_F], _F]:
    """Decorator of a function that measures a `Candidate`: objectives and constraints may then name it.

    It is called where a space asks for it, after training if the measure is of what is `trained`, else before.
    Raises ValueError for a name that is none, that another function has or that tables use for something else; one
    that is defined again, as in a notebook, takes the place of the former.
    """

    def register(function: _F) -> _F:
        if not _NAME.fullmatch(name):
            raise ValueError(f"objective {name!r}: expected small letters, digits and _, a letter first")
        there = ADDED.get(name)
        is_again = there is not None and _home(there) == _home(function)
        if (name in METRICS or name in RECORDED) and not is_again:
            raise ValueError(f"objective {name!r} is there already; give it another name")
        if name in COLUMNS:
            raise ValueError(f"objective {name!r}: tables of results have another column of this name; give it another")
        METRICS[name], ADDED[name] = measure, function
        note_definition(function.__module__)
        return function

    return register


def _home(function: Callable[..., Any]) -> tuple[str, str]:
    return function.__module__, function.__qualname__


def known_metrics() -> tuple[str, ...]:
    """Names that objectives and constraints may have, those of plugins among them."""
    plugins()
    return tuple(METRICS)


def measure(name: str, unit: str = "byte") -> Measure:
    """What is known of a metric, its loss told per `unit` of the corpus; of one that is unknown, its name."""
    found = METRICS.get(name) or RECORDED.get(name) or Measure(name)
    return replace(found, unit=f"bits per {unit}") if name == LOSS_OF_TOKENS else found


def _known(name: str) -> str:
    if name not in (known := known_metrics()):
        raise ValueError(f"{name!r} is no metric{closest(name, known)}; accepted: {', '.join(known)}{REMEDY}")
    return name


def _list_metrics(schema: dict[str, Any]) -> None:
    schema["enum"] = [*known_metrics()]


Metric = Annotated[str, Field(json_schema_extra=_list_metrics), AfterValidator(_known)]
"""The name of what is measured."""
