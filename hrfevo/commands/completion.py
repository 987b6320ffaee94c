"""What a shell offers behind the Tab key: run folders, the genomes of a run, names of spaces."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import typer

RUNS = "runs"  # where `run` puts folders unless told otherwise


def complete_run(incomplete: str) -> list[str]:
    """Run folders in the folder typed so far, or in `runs` below it. Without any, a shell offers files."""
    try:
        return sorted(found for found in _runs(os.path.dirname(incomplete)) if found.startswith(incomplete))
    except OSError:
        return []


def complete_genome(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Ids of genomes of the run before it on the line, with their scores.

    A run that cannot be read has none: a shell must not show a traceback while somebody types.
    """
    try:
        return list(_genomes(Path(context.params["folder"]), incomplete))
    except Exception:
        return []


def complete_space(incomplete: str) -> list[str]:
    """Search spaces that come with the package. Without any that begins so, a shell offers files."""
    from hrfevo.space.shipped import shipped_spaces

    return [name for name in shipped_spaces() if name.startswith(incomplete)]


def _runs(folder: str) -> Iterator[str]:
    from hrfevo.store.run_folder import RUN_FILE

    for parent in (folder, os.path.join(folder, RUNS)):
        for path in Path(parent or ".").glob(f"*/{RUN_FILE}"):
            yield os.path.join(parent, path.parent.name)


def _genomes(folder: Path, incomplete: str) -> Iterator[tuple[str, str]]:
    from hrfevo.store.run_folder import RunFolder

    opened = RunFolder.open(folder)
    reached = {e.genome: e for e in sorted(opened.open_store().evaluations(opened.id), key=lambda e: e.rung)}
    space = opened.space()
    scored, unit = space.score, space.measure(space.score).unit
    for genome, evaluation in reached.items():
        if genome.startswith(incomplete):
            score = evaluation.metrics.get(scored)
            yield genome, evaluation.status if score is None else f"{score:.4f} {unit}, rung {evaluation.rung}"
