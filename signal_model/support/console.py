"""How both command lines start and how they report what the user can mend."""

from __future__ import annotations

import errno
import io
import os
import re
import signal
import sys
import threading
from collections.abc import Iterable
from importlib.metadata import version
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import typer

from signal_model.support.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.segment import Segment
    from rich.table import Table
    from rich.text import Text


# A disk that is full or closed to us is no defect of the program.
_OF_THE_MACHINE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO}
# By these a process is asked to end: Ctrl-C, `kill`, a terminal that was closed.
_REQUESTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Characters that move a terminal's cursor, colour it or ring its bell, but for line breaks and tabs.
_OBEYED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
# Output for nobody's screen, and the least width of text that is folded on one, columns.
_PAGE_WIDTH, _LEAST_TEXT = 113, 16


def new_app(name: str, help_text: str) -> typer.Typer:
    """A typer app with plain tracebacks and no command of its own."""
    return typer.Typer(
        name=name, help=help_text, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None
    )


def _print_version(context: typer.Context, asked: bool) -> None:
    if asked:
        print(f"{context.command.name} {version('hrfevo')}")  # both programs are of one distribution
        raise typer.Exit


def _options(
    _: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version")
    ] = False,
) -> None:
    pass


def _use_plugins(names: list[str] | None) -> list[str] | None:
    from signal_model.support.plugins import use

    use(names or [])
    return names


# Of commands that read parts of models: known before anything is read.
PluginOption = Annotated[
    list[str] | None,
    typer.Option(
        "--plugin",
        metavar="MODULE",
        callback=_use_plugins,
        is_eager=True,
        help="A module, or a file that ends in .py, with parts, objectives or algorithms of yours; repeatable",
    ),
]


def run(app: typer.Typer) -> None:
    """Run a command line. An InputError is one line on standard error and exit code 2."""
    _prepare_streams()
    app.callback()(_options)
    try:
        _refuse_unusable_names()
        app()
    except InputError as error:
        # What was given may hold line breaks, or what a terminal would obey.
        shown = "".join(one if one.isprintable() else ascii(one)[1:-1] for one in str(error))
        print(f"error: {shown}", file=sys.stderr)
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
        _heed(signal.SIG_DFL)


def _refuse_unusable_names() -> None:
    """Raise InputError where the folder to work in has been removed, which torch would end by; and where its name or a
    word of the command line is no text, as that of a file in another encoding: nothing that keeps names could hold it.
    """
    try:
        here = os.getcwd()
    except FileNotFoundError:
        raise InputError("the folder that this was called in is gone; change to one that is there") from None
    for name in (*sys.argv[1:], here):
        try:
            name.encode()
        except UnicodeEncodeError:
            shown = name.encode(errors="surrogateescape").decode(errors="backslashreplace")
            raise InputError(f"{shown}: is not in the encoding of names here; give it another name") from None


class _Screen(io.FileIO):
    """A terminal. What is written to one that has gone is lost; that it has gone a signal says (SIGHUP)."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            return memoryview(data).nbytes


def _prepare_streams() -> None:
    """What was closed by who started us (`>&-`) leads nowhere; a terminal without Unicode shows question marks. What
    comes in is UTF-8, as in files, or an error."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:  # so that no other file gets its number, too
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115
        elif mode == "w" and stream.isatty():
            binary = io.BufferedWriter(_Screen(stream.fileno(), mode, closefd=False))
            setattr(sys, name, io.TextIOWrapper(binary, stream.encoding, "replace", line_buffering=True))
        elif isinstance(stream, io.TextIOWrapper) and mode == "w":
            stream.reconfigure(errors="replace")
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="strict")


def is_watched() -> bool:
    """Whether standard output is a screen on which lines can be drawn again; that of a notebook only looks like one."""
    return sys.stdout.isatty() and "JPY_PARENT_PID" not in os.environ


def is_notebook() -> bool:
    """Whether this process is the kernel of a notebook, which draws what IPython displays."""
    ipython = sys.modules.get("IPython")  # who has not imported it is in no notebook
    shell = ipython.get_ipython() if ipython else None
    return getattr(shell, "kernel", None) is not None


def new_console() -> Console:
    """A console for a command that lasts: by whichever of `_REQUESTS` it is asked to end, it ends alike and cleanly."""
    _heed(signal.default_int_handler)
    return library_console()


def library_console() -> Console:
    """A console for who calls from Python, whose signals are not ours: drawn in a terminal, lines elsewhere."""
    from rich.console import Console

    class Told(Console):
        # Names of classes, runs and files may hold what a terminal would obey: it is shown. Of cells before they are
        # measured, so that none is cut.
        def render_str(self, text: str, **options: Any) -> Text:
            return super().render_str(_shown(text), **options)

        def render(self, renderable: Any, options: Any = None) -> Iterable[Segment]:
            for segment in super().render(renderable, options):
                yield segment if segment.control else segment._replace(text=_shown(segment.text))

        def on_broken_pipe(self) -> None:
            # The reader of our output has gone: an error like others, which a search can end with.
            raise BrokenPipeError

    if is_watched():
        return Told()
    # Where nobody looks, as in a log file, nothing is drawn again, though $FORCE_COLOR may ask for colours.
    colours: Literal["standard"] | None = "standard" if os.environ.get("FORCE_COLOR") else None
    # In a notebook, too, a line is text: as HTML, which Rich makes of it there, each would be an output of its own.
    return Told(width=_PAGE_WIDTH, force_terminal=False, force_jupyter=False, color_system=colours)


def _shown(text: str) -> str:
    """Text with what a terminal would obey written out, such as `\\x1b`."""
    return _OBEYED.sub(lambda found: ascii(found[0])[1:-1], text)


def print_table(console: Console, table: Table) -> None:
    """Print a table of which no name and no number is cut.

    Columns that fold share the width that the others leave. Where that is too little, the last columns go that have
    heads, and a line says which; where nobody looks the table is as wide as it needs to be.
    """
    from rich.measure import Measurement
    from rich.segment import Segments

    for column in table.columns:
        column.no_wrap = column.overflow != "fold"

    def needed() -> int:
        for column in table.columns:
            column.max_width = None if column.no_wrap else _LEAST_TEXT
        least = Measurement.get(console, console.options.update(max_width=100_000), table).maximum
        for column in table.columns:
            column.max_width = None
        return least

    gone: list[str] = []
    while console.is_terminal and table.show_header and len(table.columns) > 1 and needed() > console.width:
        gone.insert(0, str(table.columns.pop().header))
    wide = console.options.update_width(max(console.width, needed()))
    console.print(Segments(console.render(table, wide)), soft_wrap=True, end="")
    if gone:
        say(console, f"not shown for want of width: {', '.join(gone)}")


def say(console: Console, text: str) -> None:
    """Print a line as it is: what stands in it is no markup, and it is not cut to the screen's width."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


class Interruption:
    """A request to end while this is entered: KeyboardInterrupt, at once and again at the next `check`.

    An exception that strikes inside a callback of a library is lost; the request to end is not.
    """

    def __init__(self) -> None:
        self.requested = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = _heed(self._strike)
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


def _heed(handler: Any) -> dict[signal.Signals, Any]:
    """Give the requests to end to a handler; who had them before. A hang-up that is ignored (nohup) stays so."""
    ours = [n for n in _REQUESTS if n != signal.SIGHUP or signal.getsignal(n) is not signal.SIG_IGN]
    return {number: signal.signal(number, handler) for number in ours}
