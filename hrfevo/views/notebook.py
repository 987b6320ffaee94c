"""A run in Python: its results with figures, and a few lines where a notebook shows it."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from hrfevo.results import run as results
from signal_model.support.errors import InputError
from signal_model.support.plugins import Names, use

if TYPE_CHECKING:
    from hrfevo.views.figures.gallery import Figures

# Of a front, so many rows are shown.
SHOWN = 5


class Run(results.Run):
    """A run, read once: `space`, frames, figures, recipes and models. `hrfevo.search` and `hrfevo.load` return it."""

    @cached_property
    def figures(self) -> Figures:
        """Those of its report, by name, in the order in which they are read; those without data are left out.

        A name that none has raises NoSuchFigure, a KeyError that names those there are.
        """
        from hrfevo.views.figures.gallery import gallery

        return gallery(self.scores, self.curves, self.history.with_means, self.settings.corpus.yardsticks, self.scaling)

    @property
    def verdicts(self) -> list[str]:
        """What its confirmation says of the winner beside a transformer, a sentence each; none before that."""
        from hrfevo.views.verdicts import verdicts

        return list(verdicts(self.confirmation))

    def expectations(self, *parameters: float) -> list[str]:
        """What its last ladder of sizes says, a sentence each, with what to expect at these numbers of parameters; none
        without one."""
        from hrfevo.views.laws import laws_in_words

        return list(laws_in_words(self.scaling, parameters)) if self.scaling else []

    def to_transformers(self, folder: str | os.PathLike[str], genome: str | None = None) -> Path:
        """Write a genome with its weights to a new folder, for `AutoModelForCausalLM` and `AutoTokenizer`; returns it.

        Weights that the search has not kept are trained again. Raises InputError if no genome or several match, it
        never finished, the run's text has changed, the folder exists, or `transformers` is not
        installed.
        """
        from hrfevo.store.run_corpus import corpus_of
        from hrfevo.views.export.destination import new_folder
        from hrfevo.views.export.weights import measured_at, trained
        from signal_model.interchange import folders  # noqa: F401, says what is missing before anything is trained
        from signal_model.support.devices import choose_device
        from signal_model.training.logs import Lines

        path, found = Path(folder), self.find(genome)
        if path.exists():
            raise InputError(f"{path}: exists; name another folder")
        rung, measured = measured_at(self.history, found, None)
        text = corpus_of(self.folder, self.space)
        with new_folder(path) as new:
            log = Lines(text.tokenizer.unit)
            model = trained(self.folder, self.space, found, rung, measured, text, choose_device("auto"), log)
            model.save_for_transformers(new)
        return path

    def _repr_html_(self) -> str:
        """What it is, how it stands, what is best."""
        from markupsafe import Markup

        from hrfevo.views.words import summary, tally
        from signal_model.support.pages import page

        record = self.record
        reason = f" ({record.reason})" if record.reason else ""
        counts = tally((evaluation.status for evaluation in self.history), record.state)
        shown = self.front[["genome", *self.space.objectives, "seeds", "generation", "operator"]].head(SHOWN)
        return page(
            "hrfevo.views",
            "run.html",
            name=record.name,
            state=record.state + reason,
            lines=[counts, summary(self.scores, self.space), *self.verdicts],
            table=Markup(shown.to_html(index=False, border=0)) if len(shown) else "",  # pandas escapes
        )


def load(
    path: str | os.PathLike[str],
    store: str | None = None,
    *,
    plugins: Names = (),
) -> Run:
    """The run in a folder, as it stands now; `store` is its database where that needs a password.

    `plugins` are files or modules, or one, that it was started with and that are not installed.
    Raises InputError if there is no run, it is damaged, or a plugin is missing.
    """
    use(plugins, "load: plugins")
    return Run.read(path, store)
