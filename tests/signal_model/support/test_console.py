"""How commands begin, print and end, wherever they are started."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from signal_model.support.console import library_console, print_table, say
from tests.conftest import answer, command, only_run
from tests.tools.forks import Forked

# --- tables ---------------------------------------------------------------------------------------


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> int:
    """Commands print to a screen of so many columns."""
    monkeypatch.setattr("signal_model.support.console.is_watched", lambda: True)
    for name, value in (("FORCE_COLOR", "1"), ("NO_COLOR", "1"), ("TERM", "xterm"), ("COLUMNS", str(request.param))):
        monkeypatch.setenv(name, value)
    return int(request.param)


@pytest.mark.parametrize("screen", [30, 60, 200], indirect=True)
def test_no_name_and_no_number_is_cut_on_any_screen(screen: int, written_runs: list[Path]) -> None:
    runs, one = written_runs[0].parent, written_runs[0]
    rows = json.loads(answer("list", runs, "--format", "json"))
    best = json.loads(answer("best", one, "--format", "json"))
    genome = best[0]["genome"]
    asked = {
        ("list", runs): [row["run"] for row in rows],
        ("best", one): [row["genome"] for row in best],
        ("show", one, genome): [genome],
        ("compare", *written_runs[:2]): [path.name for path in written_runs[:2]],
    }
    for words, names in asked.items():
        said = printed(*words)
        assert "…" not in said.replace("25% … 100%", "")
        assert all(name in said for name in names), said
    heads = ["run", "state", "best", "finished", "failed", "budget", "minutes", "corpus", "seed", "algorithm"]
    said = printed("list", runs)
    told = said.partition("not shown for want of width: ")[2]
    assert [*said.split("\n")[0].split(), *told.rstrip().split(", ")] == heads + ([] if told else [""])
    assert bool(told) == (screen < 100)


def printed(*words: object) -> str:
    """What a command prints, without bold face."""
    return re.sub("\x1b\\[[0-9]*m", "", answer(*words))


def test_where_nobody_looks_a_table_is_as_wide_as_it_needs_to_be() -> None:
    table = Table(box=None, pad_edge=False)
    table.add_column("name")
    table.add_column("words", overflow="fold")
    table.add_column("number", justify="right")
    table.add_row("n" * 90, "some words " * 9, "1" * 30)
    out = io.StringIO()
    print_table(Console(file=out, width=113), table)
    assert "n" * 90 in out.getvalue()
    assert "1" * 30 in out.getvalue()
    assert "not shown" not in out.getvalue()
    narrow = io.StringIO()
    print_table(Console(file=narrow, width=40, force_terminal=True, no_color=True), table)
    assert "n" * 90 in narrow.getvalue()
    assert narrow.getvalue().endswith("not shown for want of width: words, number\n")


# --- streams --------------------------------------------------------------------------------------


@pytest.mark.parametrize("closed", [">&-", "<&- 2>&-"])
def test_streams_may_be_closed(closed: str, written_run: Path) -> None:
    asked = f"{sys.executable} -m hrfevo.cli best {written_run} {closed}"
    result = subprocess.run(asked, shell=True, capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")
    assert bool(result.stdout) == (">&-" not in closed.replace("2>&-", ""))


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_what_comes_in_and_is_no_text_is_refused(locale: str) -> None:
    asked = [sys.executable, "-m", "signal_model.cli", "coherence", "-"]
    text = "Das Café ist offen. Das Café ist schön. Das Café war zu. Der Mann ging fort."
    environment = {**os.environ, "LC_ALL": locale}
    told = [
        subprocess.run(asked, input=text.encode(code), capture_output=True, env=environment)
        for code in ("utf-8", "latin-1")
    ]
    assert [one.returncode for one in told] == [0, 2]
    assert told[1].stderr.startswith(b"error: -: 'utf-8' codec can't decode byte 0xe9 in position 7")


def test_names_that_are_no_text_are_refused_before_anything_is_made(
    tiny_space: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder of another system's encoding: neither `run.json` nor a database could hold its name."""
    other = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    other.mkdir()
    asked = ("run", tiny_space, "--backend", "inline", "--evaluations", 4)
    given = command("hrfevo", *asked, "--out", other)
    monkeypatch.chdir(other)
    for result in (given, command("hrfevo", *asked)):
        says = "is not in the encoding of names here; give it another name"
        assert (result.returncode, result.stderr) == (2, f"error: {tmp_path}/caf\\xe9: {says}\n")
    assert not [*other.iterdir()]


def test_what_a_terminal_would_obey_is_shown() -> None:
    result = command("hrfevo", "status", "a\n\x1b[31mb ü")
    assert (result.returncode, result.stderr) == (2, "error: a\\n\\x1b[31mb ü: no such run folder\n")
    console, table = library_console(), Table("class", box=None)
    table.add_row("a\x1b[31mred\x1b]0;title\x07 ü\xa0")
    with console.capture() as captured:
        print_table(console, table)
        say(console, "x\x1b[2Jy\tz")
        console.print(Tree(Text("\x9bleaf")))
    assert "a\\x1b[31mred\\x1b]0;title\\x07 ü\xa0 \nx\\x1b[2Jy" in captured.get()
    assert captured.get().endswith("\\x9bleaf\n")


def test_a_folder_that_is_gone_is_said(tiny_space: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    asked = [sys.executable, "-m", "hrfevo.cli", "run", str(tiny_space), "--backend", "inline"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    result = subprocess.run([*asked, "--out", tmp_path / "out"], capture_output=True, text=True, env=environment)
    says = "the folder that this was called in is gone; change to one that is there"
    assert (result.returncode, result.stderr) == (2, f"error: {says}\n")
    assert not (tmp_path / "out").exists()


def test_a_search_whose_output_is_closed_ends_as_others_do(tiny_space: Path, tmp_path: Path) -> None:
    asked = (
        f"{sys.executable} -m hrfevo.cli run {tiny_space} --backend inline --evaluations 4 --out {tmp_path / 'runs'}"
    )
    result = subprocess.run(f"{asked} >&-", shell=True, capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")
    assert (only_run(tmp_path / "runs") / "best.yaml").exists()


@pytest.mark.usefixtures("undrawn")
def test_a_file_is_no_screen_whatever_the_environment_says(
    tiny_space: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    options = ["--backend", "inline", "--evaluations", 4, "--out", tmp_path / "runs"]
    result = command("hrfevo", "run", tiny_space, *options)
    assert "[4/4]" in result.stdout  # a line for each, not a display that is drawn again and again
    assert "\x1b[?25l" not in result.stdout
    assert "\x1b[1A" not in result.stdout


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("notebook", [False, True])
def test_a_notebook_only_looks_like_a_screen(
    notebook: bool, tiny_space: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    if notebook:
        monkeypatch.setenv("JPY_PARENT_PID", "1")
    arguments = ["run", tiny_space, "--backend", "inline", "--evaluations", 4, "--out", tmp_path / "runs"]
    process, screen, said = on_screen(arguments, tmp_path)
    said += read_all(screen)
    assert process.wait() == 0
    assert ("\x1b[?25l" in said) == (not notebook)


def on_screen(arguments: Sequence[object], folder: Path) -> tuple[Forked, int, str]:
    """A command in a terminal of its own, the other end of that, and what it has said by now, which is something."""
    ours, theirs = pty.openpty()
    process = Forked("hrfevo.cli", arguments, Path(os.ttyname(theirs)), folder / "stderr")
    while not select.select([ours], [], [], 1)[0]:
        assert process.poll() is None, (folder / "stderr").read_text()
    said = os.read(ours, 65536).decode()
    os.close(theirs)  # it has its own
    return process, ours, said


def read_all(descriptor: int) -> str:
    """What a terminal shows until its last writer has gone."""
    said = b""
    try:
        while part := os.read(descriptor, 65536):
            said += part
    except OSError:
        pass
    os.close(descriptor)
    return said.decode()


# --- requests to end ------------------------------------------------------------------------------


def test_a_terminal_that_is_closed_ends_a_search_as_ctrl_c_does(tiny_space: Path, tmp_path: Path) -> None:
    arguments = ["run", tiny_space, "--backend", "inline", "--evaluations", 5000, "--out", tmp_path / "runs"]
    process, screen, said = on_screen(arguments, tmp_path)
    while "best" not in said:
        said += os.read(screen, 65536).decode(errors="ignore")
    time.sleep(0.5)
    os.close(screen)  # the terminal is gone, and the kernel says so
    assert process.wait(240) == 130
    run = only_run(tmp_path / "runs")
    assert json.loads(answer("status", run, "--format", "json"))["state"] == "stopped"
    assert {"report.html", "best.yaml"} <= {path.name for path in run.iterdir()}


def test_a_search_that_is_to_survive_its_terminal_does(tiny_space: Path, tmp_path: Path) -> None:
    arguments = ["run", str(tiny_space), "--backend", "inline", "--evaluations", "8", "--out", str(tmp_path / "runs")]
    process = subprocess.Popen(
        ["nohup", sys.executable, "-u", "-m", "hrfevo.cli", *arguments], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    while not process.stdout.readline().startswith("[1/"):
        pass
    process.send_signal(signal.SIGHUP)
    assert "finished: budget spent" in process.stdout.read()
    assert process.wait() == 0
