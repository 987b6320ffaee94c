"""The command line `hrfevo`; its commands are in `hrfevo.commands`."""

from __future__ import annotations

from hrfevo.commands import benchmark, compare, dashboard, export, plugins, questions, scaling, search, spaces, stores
from signal_model.support.console import new_app, run

app = new_app("hrfevo", "Evolutionary architecture search for causal spectral language models.")
for part in (search, scaling, questions, compare, export, spaces, plugins, dashboard, stores):
    app.add_typer(part.app)
app.add_typer(benchmark.app)


def main() -> None:
    """Entry point of `hrfevo`."""
    run(app)


if __name__ == "__main__":
    main()
