"""How both command lines start and how they report what the user can mend."""

from __future__ import annotations

import errno
import io
import signal
import sys
import threading
from importlib.metadata import version
from typing import TYPE_CHECKING, Annotated, Any, Self

import typer

from signal_model.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console


# A disk that is full or closed to us is no defect of the program.
_OF_THE_MACHINE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO}


def new_app(help_text: str) -> typer.Typer:
    """A typer app with plain tracebacks and no command of its own."""
    return typer.Typer(help=help_text, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None)


def _print_version(asked: bool) -> None:
    if asked:
        print(f"hrfevo {version('hrfevo')}")
        raise typer.Exit


def _options(
    _: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version")
    ] = False,
) -> None:
    pass


def run(app: typer.Typer) -> None:
    """Run a command line. An InputError is one line on standard error and exit code 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without Unicode shows question marks
    app.callback()(_options)
    try:
        app()
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:  # the reader of our output has gone, as `head` does
        sys.stderr.close()
        sys.exit(141)
    except OSError as error:
        if error.errno not in _OF_THE_MACHINE:
            raise
        where = f"{error.filename}: " if error.filename else ""
        print(f"error: {where}{error.strerror}", file=sys.stderr)
        sys.exit(2)
    finally:
        # All is done and kept. A Ctrl-C that comes as Python takes itself down ends it there, without a traceback.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)


def new_console() -> Console:
    """A console for a command that lasts: whoever asks it to end, by Ctrl-C or by SIGTERM, gets the same clean end."""
    from rich.console import Console

    class Told(Console):
        def on_broken_pipe(self) -> None:
            # The reader of our output has gone: an error like others, which a search can end with.
            raise BrokenPipeError

    signal.signal(signal.SIGTERM, signal.default_int_handler)

    # Where nobody looks, as in a log file, columns need not be cut to fit a screen.
    return Told() if sys.stdout.isatty() else Told(width=113)


def say(console: Console, text: str) -> None:
    """Print a line as it is: what stands in it is no markup, and it is not cut to the screen's width."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


class Interruption:
    """Ctrl-C or SIGTERM while this is entered: KeyboardInterrupt, at once and again at the next `check`.

    An exception that strikes inside a callback of a library is lost; the request to end is not.
    """

    def __init__(self) -> None:
        self.requested = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._strike)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def check(self) -> None:
        """Raise KeyboardInterrupt if one was asked for."""
        if self.requested:
            raise KeyboardInterrupt

    def _strike(self, *_: object) -> None:
        self.requested = True
        raise KeyboardInterrupt
