"""What a comparison of two models was begun with: kept in its folder, which goes on with nothing else."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from hrfevo.runner.pace import Pace
from hrfevo.store.run_folder import RUN_FILE
from signal_model.support.errors import InputError
from signal_model.support.files import read_text, write_json

Equal = Literal["steps", "seconds", "parameters", "evaluations"]
TERMS_FILE = "terms.json"


@dataclass(frozen=True)
class Terms:
    """What is made equal, and how long is trained: `steps` of the first side, `seeds` of both.

    `evaluations` of each side tune its rates before, where these are made equal.
    """

    equal: Equal = "steps"
    steps: int | None = None
    seeds: int = 5
    evaluations: int = 8
    seed: int = 0


@dataclass(frozen=True)
class Agreed:
    """The training steps of both sides, and the pace that they come from, where one was measured."""

    steps: tuple[int, int]
    pace: Pace | None = None

    @classmethod
    def kept_in(cls, place: Path, told: dict[str, Any]) -> Agreed | None:
        """What a comparison was begun with that is told the same; None where none has begun.

        Raises InputError for one that was begun with something else: its trainings would stand for what they are not.
        """
        path = place / TERMS_FILE
        if not path.is_file():
            if (place / RUN_FILE).exists() or any(place.glob(f"*/{RUN_FILE}")):
                raise InputError(
                    f"--output {place}: has runs in it that are of no comparison (no {TERMS_FILE}); name another folder"
                )
            return None
        try:
            kept = json.loads(read_text(path))
            before = {name: kept[name] for name in told}
            pace = kept["pace"] and Pace(tuple(kept["pace"]["seconds"]), tuple(kept["pace"]["ratios"]))
            agreed = cls(tuple(kept["lengths"]), pace)
        except (KeyError, TypeError, ValueError):
            raise InputError(f"{path}: does not say what the comparison was begun with; name another folder") from None
        for name, value in told.items():
            if before[name] != value:
                other = "other models" if name == "models" else f"--{name} {before[name]}, not {value}"
                raise InputError(f"--output {place}: was begun with {other}; name another folder")
        return agreed

    def keep_in(self, place: Path, told: dict[str, Any]) -> None:
        """Note it beside what it is told of, before anything is trained."""
        pace = None if self.pace is None else vars(self.pace)
        write_json(place / TERMS_FILE, {**told, "lengths": self.steps, "pace": pace})
