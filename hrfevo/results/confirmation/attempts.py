"""Where the confirmations of a run lie: a folder for each, with what it is to do and a run folder for each stage."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from hrfevo.results.confirmation.plan import PLAN, Plan
from hrfevo.space.rivals import TRANSFORMER, transformer_first
from hrfevo.store.run_folder import RUN_FILE, RunFolder

FOLDER, WINNERS, DONE = "confirmation", "winners", "done"
# What the folders of rivals begin with: their search, and the winners of that, trained again.
TUNING, TRAINED = "tuning-", "winners-"
# Those of the transformer are called as when it was the only one, so that confirmations of then are read and gone on
# with.
BASELINE, BASELINE_WINNER = "baseline", "baseline-winner"


def attempts(folder: RunFolder) -> list[Path]:
    """Folders of confirmations, the first first; without one that was killed before it had a plan."""
    found = [path for path in (folder.path / FOLDER).glob("*") if path.name.isdigit() and _has_begun(path)]
    return sorted(found, key=lambda path: int(path.name))


def _has_begun(place: Path) -> bool:
    return (place / PLAN).is_file() or any(place.glob(f"*/{RUN_FILE}"))


def stages(folder: RunFolder) -> list[RunFolder]:
    """All that confirmations of a run have trained, each a run of its own."""
    return [RunFolder.open(run.parent) for place in attempts(folder) for run in sorted(place.glob(f"*/{RUN_FILE}"))]


def tunings_of(folder: RunFolder) -> dict[str, RunFolder]:
    """The search of each rival that the last confirmation with one took its own from, of those that have ended if any
    has."""
    return tunings_at(sorted(attempts(folder), key=lambda place: ((place / DONE).exists(), int(place.name)))[::-1])


def tunings_at(places: Iterable[Path]) -> dict[str, RunFolder]:
    """The search of each rival that the first of these confirmations with one took its own from."""
    found: dict[str, RunFolder] = {}
    for place in places:
        for rival in rivals_at(place):
            if rival not in found and (tuned_at(place, rival) / RUN_FILE).is_file():
                found[rival] = RunFolder.open(tuned_at(place, rival))
    return {name: found[name] for name in sorted(found, key=transformer_first)}


def tuned_at(place: Path, rival: str = TRANSFORMER) -> Path:
    """Where a rival of a confirmation was searched: there, or in an earlier one on the same terms."""
    told = tuned_before(place).get(rival, place.name)
    return place.parent / told / tuning_name(rival)


def tuned_before(place: Path) -> dict[str, str]:
    """The confirmation in which each rival was searched, of those that this one did not search itself."""
    plan = Plan.read(place)
    return plan.tuned if plan else {}


def rivals_at(place: Path) -> list[str]:
    """Rivals that a confirmation has tuned or trained again, by name."""
    named = [path.name.removeprefix(prefix) for prefix in (TUNING, TRAINED) for path in place.glob(f"{prefix}*")]
    transformer = (place / BASELINE).exists() or (place / BASELINE_WINNER).exists()
    return sorted({*named, *([TRANSFORMER] if transformer else [])}, key=transformer_first)


def tuning_name(rival: str) -> str:
    """The folder in which a rival is searched, within that of a confirmation."""
    return BASELINE if rival == TRANSFORMER else f"{TUNING}{rival}"


def trained_name(rival: str) -> str:
    """The folder in which the winners of that search are trained again."""
    return BASELINE_WINNER if rival == TRANSFORMER else f"{TRAINED}{rival}"
