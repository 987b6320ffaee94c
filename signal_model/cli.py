"""The command line `signal-model`; its commands are in `signal_model.commands`."""

from __future__ import annotations

from signal_model.commands import evaluate, examine, exchange, generate, train
from signal_model.support.console import new_app, run

app = new_app("signal-model", "Train, evaluate and sample causal spectral language models.")
for part in (train, evaluate, exchange, generate, examine):
    app.add_typer(part.app)


def main() -> None:
    """Entry point of `signal-model`."""
    run(app)


if __name__ == "__main__":
    main()
