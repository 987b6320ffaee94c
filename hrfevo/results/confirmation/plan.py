"""What a confirmation is to do: kept in its folder, so that it goes on as it was begun."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Self

from pydantic import Field, model_validator

from hrfevo.results.history import History
from hrfevo.space.rivals import TRANSFORMER
from hrfevo.space.sections import Confirm
from signal_model.support.errors import InputError
from signal_model.support.files import read_text, write_json
from signal_model.support.settings import Config

PLAN = "plan.json"


class Plan(Config):
    """What is trained again, and beside whom; of genomes, their ids."""

    options: Confirm
    winners: tuple[str, ...] = ()
    founder: str | None = None
    evaluations: int | None = Field(None, description="How many the search had; None where that was not kept")
    recipes: dict[str, Any] = Field(default_factory=dict, description="Models of rivals that are recipes, by file")
    tuned: dict[str, str] = Field(
        default_factory=dict, description="Rivals that an earlier confirmation has searched, with its number"
    )

    @model_validator(mode="before")
    @classmethod
    def _of_before(cls, data: Any) -> Any:
        """Plans of when their options stood among the rest, and of when the transformer was the only rival."""
        if not isinstance(data, dict) or "top" not in data:
            return data
        rest = {name: value for name, value in data.items() if name in cls.model_fields}
        if isinstance(rest.get("tuned"), str):
            rest["tuned"] = {TRANSFORMER: rest["tuned"]}
        names = Confirm.model_fields if "rivals" in data else [*Confirm.model_fields, "baseline"]
        return rest | {"options": {name: value for name, value in data.items() if name in names}}

    @classmethod
    def read(cls, place: Path) -> Self | None:
        """That of the confirmation in a folder; None where it cannot be read, as where it was killed before it had
        begun."""
        try:
            return cls.model_validate(json.loads(read_text(place / PLAN)))
        except (InputError, ValueError):
            return None

    def write(self, place: Path) -> None:
        """Keep it in a folder, before anything is trained there."""
        write_json(place / PLAN, self.to_dict())

    def is_of(self, history: History) -> bool:
        """Whether a search is still as it was: as many evaluations, and the same winners."""
        winners = tuple(winner.genome for winner in history.ranked(self.options.top))
        return self.evaluations == history.spent.evaluations and self.winners == winners

    def is_as(self, other: Plan) -> bool:
        """Whether both train the same, wherever rivals may be tuned already."""
        return self.model_copy(update={"tuned": {}}) == other.model_copy(update={"tuned": {}})
