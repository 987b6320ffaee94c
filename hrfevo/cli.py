"""The command line `hrfevo`; its commands are in `hrfevo.commands`."""

from __future__ import annotations

from hrfevo.commands import compare, dashboard, questions, search, spaces, stores
from hrfevo.commands import export as products
from hrfevo.commands.benchmark import app as benchmark_app
from signal_model.support.console import new_app, run

app = new_app("Evolutionary architecture search for causal spectral language models.")
for part in (search, questions, compare, products, spaces, dashboard, stores):
    app.add_typer(part.app)
app.add_typer(benchmark_app, name="benchmark")


def main() -> None:
    """Entry point of `hrfevo`."""
    run(app)


if __name__ == "__main__":
    main()
