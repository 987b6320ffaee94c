"""Runs that are part of something larger, such as a confirmation: begun in its folder, and gone on with there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from hrfevo.runner.ending import Ending
from hrfevo.runner.machinery import Machinery
from hrfevo.runner.products import present_search
from hrfevo.runner.start import go_on
from hrfevo.space.search_space import SearchSpace
from hrfevo.store.run_folder import RunFolder
from hrfevo.store.settings import RunSettings


def new_stage(
    parent: Path, name: str, space: SearchSpace, text: str, settings: Mapping[str, Any], machinery: Machinery
) -> RunFolder:
    """A stage in `parent/name`, which `run_stage` begins; none of its own confirms it. `settings` are the rest of
    `RunSettings.new`.
    """
    told = RunSettings.new(text, stage=name, started=machinery.started(confirm=False), **settings)
    return RunFolder.create(parent, space, text, told, name=name)


def run_stage(folder: RunFolder, machinery: Machinery, console: Console) -> Ending:
    """Search, or go on, in the folder of a stage; one that is a search leaves its products."""
    ending = go_on(folder, machinery, console)
    present_search(ending, folder, machinery.store, console)
    return ending
