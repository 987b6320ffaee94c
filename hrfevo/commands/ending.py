"""What a command leaves and exits with when a search has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from signal_model.support.console import say
from signal_model.support.plugins import command

if TYPE_CHECKING:
    from rich.console import Console

    from hrfevo.runner.ending import Ending
    from hrfevo.store.run_folder import RunFolder

INTERRUPTED = 130


def exit_code(ending: Ending) -> int:
    """0 for a search that has finished, 130 for one that was interrupted, else 1."""
    return 0 if ending.finished else INTERRUPTED if ending.interrupted else 1


def leave(ending: Ending, folder: RunFolder, store: str | None, console: Console) -> int:
    """Write the report of a search and say what was found; returns the exit code."""
    from hrfevo.runner.products import present_search
    from hrfevo.store.run_folder import RunFolder

    try:
        # Opened anew: what it remembers may have changed since.
        present_search(ending, RunFolder.open(folder.path), store, console)
    except KeyboardInterrupt:
        later = command("hrfevo", "report", folder.path)
        say(console, f"the report was interrupted, the results are kept; later: {later}")
        return INTERRUPTED
    return exit_code(ending)
