"""Scores of simulated searches in a file, a line each: what was simulated once is not simulated again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import variants

import hrfevo
from hrfevo.benchmark.attainment import Attained
from hrfevo.benchmark.comparison import FULL, Case, Score


class Kept:
    """Scores of a benchmark under overrides, also after a kill.

    Nothing is used of another benchmark, or of an algorithm whose code has changed since. That of the default one is
    in a folder of its own: its peers need not run again when it changes. `code` are files of peers that are not in
    hrfevo.
    """

    def __init__(
        self, path: Path | None, benchmark: Path, overrides: Sequence[str], trainings: float, code: Sequence[Path] = ()
    ) -> None:
        self._path, self._known = path, dict[Case, Score]()
        shared = [
            json.dumps([*overrides, trainings]).encode(),
            benchmark.read_bytes(),
            _code("benchmark", "algorithms", "algorithms/breeding"),
            *(file.read_bytes() for file in code),
        ]
        self._of_peers = hashlib.sha256(b"".join(shared)).hexdigest()
        of_default = hashlib.sha256(b"".join([*shared, _code("algorithms/evolution")]))
        self._of_default = of_default.hexdigest()
        of_default.update(Path(variants.__file__).read_bytes())
        self._of_variants = of_default.hexdigest()
        if path is None or not path.exists():
            return
        for line in path.read_text().splitlines():
            kept = json.loads(line)
            score = kept["score"] | {"case": Case(**kept["score"]["case"])}
            if kept["of"] == self._of(score["case"]):
                for name in ("hypervolume", "regret"):
                    score[name] = Attained(**{key: np.array(steps) for key, steps in score[name].items()})
                self._known[score["case"]] = Score(**score)

    def missing(self, cases: Sequence[Case]) -> list[Case]:
        """Those of the cases that are not known."""
        return [case for case in cases if case not in self._known]

    def add(self, score: Score) -> None:
        """Keep one more."""
        self._known[score.case] = score
        if self._path is not None:
            line = {"of": self._of(score.case), "score": asdict(score)}
            with self._path.open("a") as file:
                file.write(json.dumps(line, default=np.ndarray.tolist) + "\n")

    def of(self, cases: Sequence[Case]) -> list[Score]:
        """The scores of cases that are known."""
        return [self._known[case] for case in cases]

    def _of(self, case: Case) -> str:
        if case.algorithm in variants.VARIANTS:
            return self._of_variants
        return self._of_default if case.algorithm.removesuffix(FULL) == "evolution" else self._of_peers


def _code(*folders: str) -> bytes:
    package = Path(hrfevo.__file__).parent
    return b"".join(file.read_bytes() for folder in folders for file in sorted((package / folder).glob("*.py")))
