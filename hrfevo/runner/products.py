"""What a run leaves in its folder: the report and the best model's recipe."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import plotly.graph_objects as go
from rich.console import Console

from hrfevo.results.agreement import agreements, in_lines
from hrfevo.results.confirmation.confirmed import confirmation_of
from hrfevo.results.earlier import read_earlier
from hrfevo.results.forecast import forecast
from hrfevo.results.genome.costs import weighed
from hrfevo.results.genome.recipe import recipe_of, recipe_yaml
from hrfevo.results.history import History
from hrfevo.results.range_ends import range_ends
from hrfevo.results.scaling.scaling import scaling_of
from hrfevo.results.status import failures_in_words
from hrfevo.results.timings import timings_of
from hrfevo.results.worth import worth
from hrfevo.runner.ending import Ending
from hrfevo.space.search_space import SearchSpace
from hrfevo.store.records import Evaluation
from hrfevo.store.run_folder import RunFolder
from hrfevo.store.store import Store
from hrfevo.views.figures.model.portrait import portraits
from hrfevo.views.figures.sampling import drawn_numbers
from hrfevo.views.report.page import render
from hrfevo.views.terminal.tables import as_table
from signal_model.support.console import print_table, say
from signal_model.support.errors import InputError
from signal_model.support.files import write_atomically
from signal_model.support.plugins import command

# So many of the front have pictures on their cards in the report: each takes up to a tenth of a megabyte and two
# seconds. Models of more parameters take long to build; `hrfevo show --html` draws any.
PICTURED, LARGEST = 3, 20_000_000


def leave_products(folder: RunFolder, space: SearchSpace, store: Store, place: Path | None = None) -> Path:
    """Write `report.html`, and `best.yaml` if anything has finished, into the run folder or another `place`.

    Returns the report's path.
    """
    place = place or folder.path
    history = History(space, tuple(read_earlier(folder).named(store.evaluations(folder.id))))
    winners, found = history.front, confirmation_of(folder, history)
    if winners:
        write_atomically(place / "best.yaml", recipe_yaml(space, winners[0], folder.path.name, found.rows))
    report = place / "report.html"
    numbers = drawn_numbers(history, winners)
    small = [winner for winner in winners if winner.metrics["parameters"] <= LARGEST]
    # The page of a long search takes long to make without them.
    pictured = small[:PICTURED] if numbers is None else []
    pictures = {winner.genome: _pictures(folder, space, winner) for winner in pictured}
    curves = store.curves(folder.id, numbers)
    page = render(folder.record(store), history, curves, found, pictures, scaling_of(folder))
    write_atomically(report, page)
    return report


def present(folder: RunFolder, store: Store, console: Console) -> None:
    """Write the products into the run folder, and say what was found.

    Raises InputError where they cannot be written.
    """
    space = folder.space()
    try:
        report = leave_products(folder, space, store)
    except OSError as error:
        kept = f"what was found is kept; later: {command('hrfevo', 'report', folder.path)}"
        raise InputError(f"{folder.path}: the report cannot be written: {error.strerror or error}; {kept}") from None
    history = History.stored(space, store, folder.id)
    for line in failures_in_words(history):
        say(console, line)
    if best := history.ranked(5):
        print_table(console, as_table(history.among(best), history.front))
        if said := worth(folder.settings.corpus.yardsticks, history):
            say(console, said)
        say(console, f"best model  {folder.path / 'best.yaml'}")
    for end in range_ends(history):
        say(console, f"{'beware':<12}{end.words}")
    if more := forecast(history):
        say(console, f"more budget {more.words}")
    for name, fact in in_lines(agreements(history)):
        say(console, f"{name:<12}{fact}")
    for timed in timings_of(history):
        say(console, f"timings     {timed.words}")
    say(console, f"report      {report}")


def present_search(ending: Ending, folder: RunFolder, url: str | None, console: Console) -> None:
    """`present` of a search that has ended, from the store at `url`.

    Winners that are trained again leave nothing, nor does a run whose store is away.
    """
    if ending.state != "crashed" and not folder.settings.is_confirmation:
        with closing(folder.open_store(url)) as store:
            present(folder, store, console)


def _pictures(folder: RunFolder, space: SearchSpace, winner: Evaluation) -> Mapping[str, go.Figure]:
    return portraits(*weighed(folder, recipe_of(space, winner), winner.genome))
