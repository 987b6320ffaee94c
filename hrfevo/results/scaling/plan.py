"""What a ladder of sizes trains: kept in its folder, so that it goes on as it was begun."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal, Self, get_args

from pydantic import Field, FiniteFloat, field_validator

from hrfevo.store.run_folder import RUN_FILE, RunFolder
from signal_model.config import Recipe
from signal_model.config.training import MOST_STEPS
from signal_model.support.errors import InputError
from signal_model.support.files import read_text, write_json
from signal_model.support.settings import Config

FOLDER, PLAN, DONE = "scaling", "plan.json", "done"
# How training tokens grow with parameters, and learning rates of AdamW with width.
Tokens = Literal["parameters", "root", "same"]
Rates = Literal["width", "root", "same"]
POWERS: dict[str, float] = {"parameters": 1.0, "width": 1.0, "root": 0.5, "same": 0.0}

Size = Annotated[FiniteFloat, Field(gt=0)]


class Terms(Config):
    """What a ladder is asked for: sizes as factors of the first genome's parameters, and the rules they grow by."""

    sizes: Annotated[tuple[Size, ...], Field(max_length=100)] = (1.0, 4.0, 16.0)
    seeds: int = Field(3, ge=1, le=1000, description="Trainings of each side at each size")
    steps: int | None = Field(None, ge=1, le=MOST_STEPS, description="At size 1; those of the last rung unless given")
    tokens: Tokens = Field("parameters", description="What training tokens are proportional to")
    rates: Rates = Field("width", description="What AdamW's learning rate is inverse to")

    @field_validator("sizes")
    @classmethod
    def _ascending(cls, sizes: tuple[float, ...]) -> tuple[float, ...]:
        if len(sizes) < 2 or any(one >= other for one, other in pairwise(sizes)):
            told = ",".join(f"{size:g}" for size in sizes)
            raise ValueError(f"{told}; accepted: two or more factors that ascend, such as 1,4,16")
        if len({f"{size:g}" for size in sizes}) < len(sizes):
            raise ValueError(f"{list(sizes)} are not told apart by six digits")
        return sizes


class Sized(Config):
    """One side at one size, and the recipe that it is trained by there, seed aside."""

    size: float
    side: str
    parameters: int
    recipe: Recipe

    @property
    def name(self) -> str:
        """That of its folder."""
        return f"{self.side}-{self.size:g}"


class Plan(Config):
    """A whole ladder: the smallest size first, and at each the first genome first."""

    terms: Terms
    sides: tuple[str, ...]
    """Ids of genomes; `transformer` last, if there is one."""
    transformer: str | None
    """The id of the transformer in the search that tuned it."""
    parameters: int
    """Of the first genome as it was searched, which sizes are factors of."""
    text_tokens: int
    """Of the training text."""
    seeds: tuple[int, ...]
    models: tuple[Sized, ...]
    trained: dict[str, str] = Field(default_factory=dict)
    """Names of models that an earlier ladder has trained, with the number of that ladder."""

    @classmethod
    def read(cls, place: Path) -> Self:
        """That of the ladder in a folder. Raises InputError where it cannot be read."""
        file = place / PLAN
        try:
            return cls.model_validate(json.loads(read_text(file)))
        except InputError:
            raise
        except ValueError:
            raise InputError(f"{file}: is no plan of a ladder of sizes; move {place} away") from None

    def write(self, place: Path) -> None:
        """Keep it in a folder, before anything is trained there."""
        write_json(place / PLAN, self.to_dict())

    def is_as(self, other: Plan) -> bool:
        """Whether both train the same, wherever it may be trained already."""
        return self.model_copy(update={"trained": {}}) == other.model_copy(update={"trained": {}})

    @property
    def passes(self) -> dict[float, float]:
        """How often each size reads the training text."""
        return {
            model.size: training.steps * training.batch_size * model.recipe.model.context / self.text_tokens
            for model in self.models
            if (training := model.recipe.training)
        }

    def place_of(self, model: Sized, place: Path) -> Path:
        """Where a model of the ladder in `place` is trained."""
        return place.parent / self.trained.get(model.name, place.name) / model.name


def ladders(run: RunFolder) -> list[Path]:
    """Folders of the ladders of a run that have a plan, the first first."""
    found = [path for path in (run.path / FOLDER).glob("*") if path.name.isdigit() and (path / PLAN).is_file()]
    return sorted(found, key=lambda path: int(path.name))


def stages(run: RunFolder) -> list[RunFolder]:
    """All that ladders of a run have trained, each a run of its own."""
    return [RunFolder.open(file.parent) for place in ladders(run) for file in sorted(place.glob(f"*/{RUN_FILE}"))]


def parse_sizes(told: str, option: str) -> tuple[float, ...]:
    """`1,4,16` as factors. Raises InputError naming the option."""
    try:
        return tuple(float(one) for one in told.split(","))
    except ValueError:
        raise InputError(f"{option} {told}: accepted: factors with commas between them, such as 1,4,16") from None


TOKENS, RATES = get_args(Tokens), get_args(Rates)
