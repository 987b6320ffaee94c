"""`python -m signal_model` is `signal-model`."""

from signal_model.cli import main

main()
