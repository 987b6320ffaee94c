"""Command lines in processes that need no start-up: forked from one that has imported what they will.

Importing takes longer than most commands do. A `Forked` does what `python -m MODULE` does, in a process of its own all
the same: its state, its exit code, its signals and its files are nobody else's. But the seed of Python's hashes is that
of all its siblings, and what libraries read of the environment as they are imported was read before. Where the variable
`UNDRAWN` is set the reports of searches stay empty: to draw one takes longer than a small search.
"""

from __future__ import annotations

import atexit
import gc
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from multiprocessing.context import ForkServerContext
from pathlib import Path
from types import MappingProxyType

ROOT = Path(__file__).parents[2]
# What the packages import where they use it. One that is missing is imported, or missed, by who needs it.
LIBRARIES = (
    "alembic.command", "dash", "dash_ag_grid", "moocore", "optuna.importance", "pandas", "plotly.graph_objects",
    "pyarrow.parquet", "pywt", "ray", "rich.progress", "scipy.signal", "scipy.stats", "sklearn.ensemble",
    "tensorboardX", "tokenizers", "torch", "torch._dynamo",
)  # fmt: skip
# What of the packages is not: what runs as `__main__`, and what imports more than a command needs.
LEFT_OUT = {"__init__", "__main__", "cli", "interchange", "migrations"}
UNDRAWN = "HRFEVO_TESTS_UNDRAWN"
UNCHANGED: Mapping[str, str | None] = MappingProxyType({})


class Forked:
    """A command that runs: of `subprocess.Popen` what tests ask for, its output in files.

    It leads a session, and where one of the files is a terminal this is the session's. Its environment is that of this
    process with some `changes`, where None takes a variable away.
    """

    def __init__(
        self,
        module: str,
        arguments: Sequence[object],
        stdout: Path,
        stderr: Path,
        changes: Mapping[str, str | None] = UNCHANGED,
    ) -> None:
        # A Ray of this process leaves its token here; that one is over, and the command makes its own.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_AUTH_")}
        environment = changed(environment, changes)
        given = (module, [*map(str, arguments)], os.getcwd(), environment, str(stdout), str(stderr))
        self._process = context().Process(target=_main, args=given)
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    def poll(self) -> int | None:
        """The exit code; that of a signal is negative; None while it runs."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, once it has ended. Raises TimeoutExpired if it has not after so many seconds."""
        self._process.join(timeout)
        if (code := self._process.exitcode) is None:
            raise subprocess.TimeoutExpired(self._process.name, timeout or 0)
        return code

    def kill(self) -> None:
        """End it as `kill -9` does."""
        self._process.kill()


def run(
    module: str, arguments: Sequence[object], timeout: float, changes: Mapping[str, str | None] = UNCHANGED
) -> subprocess.CompletedProcess[str]:
    """As `subprocess.run` with captured output. Raises TimeoutExpired after so many seconds."""
    with tempfile.TemporaryDirectory(prefix="forked-") as folder:
        stdout, stderr = Path(folder) / "stdout", Path(folder) / "stderr"
        process = Forked(module, arguments, stdout, stderr, changes)
        try:
            code = process.wait(timeout)
        except BaseException:
            process.kill()
            process.wait()
            raise
        return subprocess.CompletedProcess([module, *arguments], code, stdout.read_text(), stderr.read_text())


def changed(environment: Mapping[str, str], changes: Mapping[str, str | None]) -> dict[str, str]:
    """An environment with other variables, and without those that are None."""
    return {name: value for name, value in {**environment, **changes}.items() if value is not None}


@cache
def context() -> ForkServerContext:
    """Processes that are forked from one that has imported all; it starts with the first of them."""
    made = multiprocessing.get_context("forkserver")
    files = [path.relative_to(ROOT) for name in ("hrfevo", "signal_model") for path in (ROOT / name).rglob("*.py")]
    modules = [file.with_suffix("").parts for file in sorted(files)]
    made.set_forkserver_preload([*LIBRARIES, *(".".join(names) for names in modules if not LEFT_OUT & {*names})])
    return made


def _main(
    module: str, arguments: Sequence[str], folder: str, environment: Mapping[str, str], stdout: str, stderr: str
) -> None:
    gc.freeze()  # what was imported is no garbage, as in a worker of Ray
    os.setsid()
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whoever runs the tests may have been told to survive
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:0] = filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))  # as Python does when it starts
    if UNDRAWN in environment:
        from hrfevo.runner import products

        products.PICTURED, products.render = 0, lambda *_: ""
    for stream, path in ((sys.stdout, stdout), (sys.stderr, stderr)):
        # A terminal that may only be written to does not become the session's.
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, stream.fileno())
        os.close(file)
    sys.argv[1:] = arguments
    sys.modules.pop(module, None)
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    finally:
        atexit._run_exitfuncs()  # multiprocessing ends without
