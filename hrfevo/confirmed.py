"""What confirmation found, read from a run folder: winners and baseline, each trained several times from scratch."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from hrfevo.run_folder import RUN_FILE, RunFolder

FOLDER, WINNERS, BASELINE, BASELINE_WINNER = "confirmation", "winners", "baseline", "baseline-winner"
Origin = Literal["search", "baseline"]


@dataclass(frozen=True)
class Confirmed:
    """One genome, trained from scratch at the same length with several fresh seeds, in bits per byte."""

    genome: str
    origin: Origin
    values: dict[str, Any]
    parameters: int
    steps: int
    validation: tuple[float, ...]
    test: tuple[float, ...]

    @property
    def mean(self) -> float:
        """On validation: what genomes are ranked by."""
        return statistics.fmean(self.validation)

    @property
    def spread(self) -> float:
        """Standard deviation over seeds on validation; 0 for one."""
        return statistics.stdev(self.validation) if len(self.validation) > 1 else 0.0

    @property
    def test_mean(self) -> float:
        """On the test split, which nothing was chosen by."""
        return statistics.fmean(self.test)


def attempts(folder: RunFolder) -> list[Path]:
    """Folders of confirmations, the first first."""
    found = [path for path in (folder.path / FOLDER).glob("*") if path.name.isdigit()]
    return sorted(found, key=lambda path: int(path.name))


def stages(folder: RunFolder) -> list[RunFolder]:
    """All that confirmations of a run have trained, each a run of its own."""
    return [RunFolder.open(run.parent) for place in attempts(folder) for run in sorted(place.glob(f"*/{RUN_FILE}"))]


def latest(folder: RunFolder) -> list[Confirmed]:
    """The last confirmation of a run, best mean first, as far as it has come; none if there is none."""
    places = attempts(folder)
    if not places:
        return []
    told: dict[str, Origin] = {WINNERS: "search", BASELINE_WINNER: "baseline"}
    found = [c for name, origin in told.items() for c in _stage(places[-1] / name, origin)]
    return sorted(found, key=lambda confirmed: (confirmed.mean, confirmed.genome))


def _stage(path: Path, origin: Origin) -> list[Confirmed]:
    if not (path / RUN_FILE).is_file():
        return []
    folder = RunFolder.open(path)
    space, store = folder.space(), folder.open_store()
    finished = [e for e in store.evaluations(folder.id) if e.status == "finished"]
    store.close()
    result = []
    for genome in dict.fromkeys(e.genome for e in finished):
        same = [e for e in finished if e.genome == genome]
        result.append(
            Confirmed(
                genome,
                origin,
                same[0].values,
                int(same[0].metrics["parameters"]),
                space.rungs[-1],
                tuple(e.metrics["bits_per_byte"] for e in same),
                tuple(e.metrics["test_bits_per_byte"] for e in same),
            )
        )
    return result
