"""What a command leaves and exits with when a search has ended."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from signal_model.support.console import say

if TYPE_CHECKING:
    from rich.console import Console

    from hrfevo.runner.ending import Ending
    from hrfevo.store.run_folder import RunFolder

INTERRUPTED = 130


def exit_code(ending: Ending) -> int:
    """0 for a search that has finished, 130 for one that was interrupted, else 1."""
    return 0 if ending.finished else INTERRUPTED if ending.interrupted else 1


def leave(ending: Ending, folder: RunFolder, store: str | None, console: Console) -> int:
    """Write the report of a search and say what was found; returns the exit code.

    Winners that are trained again leave nothing, nor does a run whose store is away.
    """
    from hrfevo.runner.products import present
    from hrfevo.store.run_folder import RunFolder

    code = exit_code(ending)
    if ending.state == "crashed" or folder.settings.is_confirmation:
        return code
    folder = RunFolder.open(folder.path)  # what it remembers may have changed since
    try:
        with closing(folder.open_store(store)) as opened:
            present(folder, opened, console)
    except KeyboardInterrupt:
        say(console, f"the report was interrupted, the results are kept; later: hrfevo report {folder.path}")
        return INTERRUPTED
    return code
