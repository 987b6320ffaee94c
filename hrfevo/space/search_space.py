"""What a search space file says: typed, conditional genes, objectives, constraints, budget."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import (
    BeforeValidator,
    Field,
    SerializeAsAny,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from hrfevo.space.budget import Budget
from hrfevo.space.conditions import in_order
from hrfevo.space.fixed import nested, refuse_searched
from hrfevo.space.genes import BaseGene, Gene, LayersGene
from hrfevo.space.metrics import ADDED, METRICS, PROBED, TIMED, Direction, Measure, Metric, measure
from hrfevo.space.sections import Bounds, Confirm, Limits, Resources
from signal_model.config import (
    CorpusConfig,
    LayerConfig,
    ModelConfig,
    PythonCorpusConfig,
    TokenizerConfig,
    TrainingConfig,
)
from signal_model.config.task import TASK_NAMES, TASK_WORDS, TaskName
from signal_model.config.training import MOST_STEPS
from signal_model.support.settings import Config, homes, words

# What a space may be called; the name of a run's folder has a date besides.
NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$"
NAME_IN_WORDS = "up to 100 letters, digits, - and _, a letter or digit first"

# Settings of model and training that are decided elsewhere, and where.
SETTLED_BY = {"model.vocab_size": "the tokenizer", "training.steps": "rungs", "training.seed": "--seed"}
# What mappings of a space look like, for who has written something else.
_EXAMPLES = {
    "genes": "{embedding.bases: {type: int, low: 2, high: 64}}",
    "objectives": "{bits_per_byte: minimize}",
    "constraints": "{parameters: {max: 100000}}",
    "founders": "{mine: {embedding.bases: 8}}",
}
# What the names of genes are paths into, by what stands before such a name.
_Sections = Mapping[str, type[Config]]
_SEARCHED: _Sections = {"genes": ModelConfig, "genes.training": TrainingConfig, "genes.layers.genes": LayerConfig}
_FIXED: _Sections = {"model": ModelConfig, "training": TrainingConfig, "genes.layers.fixed": LayerConfig}


class SearchSpace(Config):
    """A search space file.

    A gene is named by the setting it decides, as a dotted path into the model config
    (`embedding.bases`), or into the training config behind `training.`.
    """

    name: str = Field(description="Names the run folder", json_schema_extra={"pattern": NAME})
    description: str = Field("", description="What it is for, in a line; `hrfevo spaces` shows it")
    task: TaskName = Field(
        "language_modelling",
        description="language_modelling: the next token; classification: of which class a recording is",
    )
    corpus: Annotated[SerializeAsAny[CorpusConfig], BeforeValidator(CorpusConfig.parse)] = Field(
        PythonCorpusConfig(), description="python, chirps, {path: …}, {audio: …, rate: …} or {dataset: …, config: …}"
    )
    tokenizer: TokenizerConfig = Field(
        TokenizerConfig(), description="bytes, {kind: bytes, size: …} of those that occur, or {kind: bpe, size: …}"
    )
    model: dict[str, Any] = Field(default_factory=dict, description="Fixed settings of the model config")
    training: dict[str, Any] = Field(default_factory=dict, description="Fixed settings of the training config")
    genes: dict[str, Gene] = Field(min_length=1, description="What may vary, by the setting that it decides")
    founders: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="Genomes to begin with, by name: a value for every active gene"
    )
    objectives: dict[Metric, Direction] = Field(
        {"bits_per_byte": "minimize"},
        min_length=1,
        description="What is better: minimize or maximize, by metric; of classifiers error_rate unless given",
    )
    constraints: dict[Metric, Bounds] = Field(
        default_factory=dict, description="What is accepted: min, max or both, by metric"
    )
    inherit: bool = Field(
        False, description="Offspring begin with the weights of their first parent, where names and shapes agree"
    )
    rungs: list[Annotated[int, Field(ge=1, le=MOST_STEPS)]] = Field(
        min_length=1, description="Training steps; the best of each rung go on to the next"
    )
    promote: float = Field(
        1 / 3, gt=0, lt=1, description="Share of a rung that goes on to the next; with evolution, the least"
    )
    replicates: float = Field(
        0.0, ge=0, le=0.5, description="Share of the training steps that may go to leaders again, with fresh seeds"
    )
    timings: int = Field(
        3, ge=0, le=100, description="Passes over the front, at the end, that time steps alone where their time counts"
    )
    population: int = Field(16, ge=4, description="Genomes that a generation has")
    probe_steps: int = Field(200, ge=1, le=MOST_STEPS, description="Training steps of each synthetic probe asked for")
    budget: Budget = Field(description="When the search ends: at the first of these limits that it comes to")
    resources: Resources = Field(Resources(), description="What one evaluation occupies")
    limits: Limits = Field(Limits(), description="What one evaluation may take at most; one that takes more has failed")
    confirm: Confirm = Field(Confirm(), description="What is trained again at the end, from scratch, with fresh seeds")

    @field_validator("name")
    @classmethod
    def _names_a_folder(cls, name: str) -> str:
        if not re.fullmatch(NAME, name):
            told = repr(name) if len(name) <= 40 else f"one of {len(name)} characters"
            raise ValueError(f"accepted: {NAME_IN_WORDS}; got {told}")
        return name

    @model_validator(mode="before")
    @classmethod
    def _by_its_score_unless_told(cls, data: Any) -> Any:
        if isinstance(data, dict) and "objectives" not in data and (task := data.get("task")) in TASK_NAMES:
            return data | {"objectives": {TASK_WORDS[task].score: "minimize"}}
        return data

    @field_validator(*_EXAMPLES, mode="before")
    @classmethod
    def _is_a_mapping(cls, told: Any, about: ValidationInfo) -> Any:
        if not isinstance(told, dict):
            raise ValueError(f"expected a mapping such as {_EXAMPLES[str(about.field_name)]}, got {told!r}")
        return told

    @field_validator("objectives")
    @classmethod
    def _better_is_better(cls, objectives: dict[Metric, Direction]) -> dict[Metric, Direction]:
        for name, direction in objectives.items():
            if direction != (better := METRICS[name].better or direction):
                message = f"{METRICS[name].heading}: the worst would win; accepted: {better}"
                raise PydanticCustomError("misfit", "{message}", {"place": (name,), "message": message})
        return objectives

    @field_validator("rungs")
    @classmethod
    def _growing(cls, rungs: list[int]) -> list[int]:
        if sorted(set(rungs)) != rungs:
            raise ValueError(f"rungs are training steps that grow, got {rungs}")
        return rungs

    _nested = field_validator("model", "training")(lambda settings: nested(settings))

    @field_validator("training")
    @classmethod
    def _steps_and_seed_come_from_elsewhere(cls, training: dict[str, Any]) -> dict[str, Any]:
        _refuse_decided_elsewhere("training", training)
        return training

    @field_validator("model")
    @classmethod
    def _vocabulary_comes_from_the_tokenizer(cls, model: dict[str, Any]) -> dict[str, Any]:
        _refuse_decided_elsewhere("model", model)
        return model

    @field_validator("genes")
    @classmethod
    def _conditions_decided_first(cls, genes: dict[str, Gene]) -> dict[str, Gene]:
        for name, gene in genes.items():
            _refuse_what_is_not_searched(name, gene)
            if re.match(r"layers[.\[]", name):
                message = "genes of layers stand below the genes of one that is named layers, of type layers"
                raise PydanticCustomError("misfit", "{message}", {"place": (name,), "message": message})
            if isinstance(gene, LayersGene) and name != "layers":
                message = "a gene of type layers must be named layers"
                raise PydanticCustomError("misfit", "{message}", {"place": (name,), "message": message})
        return in_order(genes, lambda: words(ModelConfig) | words(TrainingConfig, "training."))

    @model_validator(mode="after")
    def _fresh_seeds_begin_at_nothing(self) -> Self:
        if self.inherit and self.replicates:
            message = "a fresh seed begins without inherited weights, so its score compares with none; accepted: 0"
            raise PydanticCustomError("misfit", "{message}", {"place": ("replicates",), "message": message})
        return self

    @model_validator(mode="after")
    def _metrics_are_of_the_task(self) -> Self:
        for section, metrics in (("objectives", self.objectives), ("constraints", self.constraints)):
            for name in metrics:
                if METRICS[name].task not in (None, self.task):
                    known = [other for other, one in METRICS.items() if one.task in (None, self.task)]
                    message = f"is not measured in {self.task}; accepted: {', '.join(known)}"
                    raise PydanticCustomError("misfit", "{message}", {"place": (section, name), "message": message})
        return self

    @model_validator(mode="after")
    def _nothing_fixed_and_searched(self) -> Self:
        for name, gene in self.genes.items():
            section = "training" if name.startswith("training.") else "model"
            path = name.removeprefix("training.").split(".")
            refuse_searched(getattr(self, section), (section,), path, name)
            if isinstance(gene, LayersGene):
                for inner in gene.genes:
                    refuse_searched(gene.fixed, ("genes", name, "fixed"), inner.split("."), f"{name}.genes.{inner}")
        return self

    @classmethod
    def homes(cls, key: str, searched: bool = False) -> list[str]:
        """Where in a search space file a key may stand, as dotted paths; a key that is to be `searched`, among genes.

        Examples:
            >>> SearchSpace.homes("learning_rate"), SearchSpace.homes("batch_size", searched=True)
            (['training.learning_rate', 'training.optimizer.learning_rate'], ['genes.training.batch_size'])
        """
        sections: _Sections = {"": cls, **(_SEARCHED if searched else _FIXED)}
        found = [path for path in homes(key, sections, whole=not searched) if not (searched and "[…]" in path)]
        return sorted((_settled(path) for path in found), key=lambda path: path.count("."))

    def margins(self, metrics: Mapping[str, float]) -> tuple[float, ...]:
        """By which share of a bound each metric is beyond it, at most 0 where it keeps to it, NaN where unknown."""
        found = []
        for name, bounds in self.constraints.items():
            value = metrics.get(name, math.nan)
            for bound, sign in ((bounds.max, 1), (bounds.min, -1)):
                if bound is not None:
                    found.append(sign * (value - bound) / (abs(bound) or 1.0))
        return tuple(found)

    def violation(self, metrics: Mapping[str, float]) -> str:
        """The first bound that a known metric breaks, in words; empty if there is none."""
        for name, bounds in self.constraints.items():
            value = metrics.get(name)
            if value is not None and bounds.max is not None and value > bounds.max:
                return f"{name} {value:,.6g} above {bounds.max:,.6g}"
            if value is not None and bounds.min is not None and value < bounds.min:
                return f"{name} {value:,.6g} below {bounds.min:,.6g}"
        return ""

    @property
    def probes(self) -> list[Metric]:
        """What is measured only where an objective or a constraint asks for it, and does."""
        return [name for name in PROBED if name in self.objectives or name in self.constraints]

    @property
    def added(self) -> list[Metric]:
        """What functions of plugins measure, that an objective or a constraint asks for."""
        return [name for name in ADDED if name in self.objectives or name in self.constraints]

    @property
    def timed(self) -> list[Metric]:
        """What a clock says that an objective or a constraint asks for."""
        return [name for name in TIMED if name in self.objectives or name in self.constraints]

    @property
    def loss(self) -> Metric:
        """What training lowers: the metric of learning curves."""
        return TASK_WORDS[self.task].loss

    @property
    def score(self) -> Metric:
        """What models are confirmed by, on validation and on test."""
        return TASK_WORDS[self.task].score

    def measure(self, metric: str) -> Measure:
        """What is known of a metric, in the unit of the corpus."""
        return measure(metric, self.corpus.unit)

    @property
    def first_objective(self) -> tuple[Metric, Direction]:
        """The one that decides who is best where one genome is meant, and its direction."""
        return next(iter(self.objectives.items()))

    def generation_of(self, birth: int) -> int:
        """Of the genome that was born as number `birth`, from 0: births are counted in populations."""
        return birth // self.population

    @property
    def weights(self) -> tuple[float, ...]:
        """-1 for an objective to minimise, 1 for one to maximise, in order."""
        return tuple(1.0 if direction == "maximize" else -1.0 for direction in self.objectives.values())


def _settled(path: str) -> str:
    """What decides the setting at a path of a file, where that is something else."""
    setting = path.removeprefix("genes.")
    named = setting if setting.startswith("training.") or setting == path else f"model.{setting}"
    return SETTLED_BY.get(named, path)


def _refuse_what_is_not_searched(name: str, gene: BaseGene) -> None:
    """Raise PydanticCustomError for a gene of what is settled elsewhere, or is of the file and not of models."""
    source = SETTLED_BY.get(name if name.startswith("training.") else f"model.{name}")
    one = "VALUE" if isinstance(gene, LayersGene) else gene.extremes()[0]
    if source:
        size = f"; run one search for each size: --set tokenizer.size={one}" if name == "vocab_size" else ""
        message = f"is set by {source}, not searched{size}"
    elif (top := name.partition(".")[0]) in SearchSpace.model_fields and top not in ("model", *_FIXED):
        message = (
            f"{top} is not searched: genes are of models and training; run one search for each: --set {name}={one}"
        )
    else:
        return
    raise PydanticCustomError("misfit", "{message}", {"place": (name,), "message": message})


def _refuse_decided_elsewhere(section: str, settings: Mapping[str, Any]) -> None:
    for name in settings:
        if source := SETTLED_BY.get(f"{section}.{name}"):
            raise PydanticCustomError("misfit", "is set by {source}, not here", {"place": (name,), "source": source})
