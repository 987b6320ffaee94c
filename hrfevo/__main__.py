"""`python -m hrfevo` is `hrfevo`."""

from hrfevo.cli import main

main()
