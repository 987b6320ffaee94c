"""The dashboard: it shows what the store holds, follows a search that goes on, and gives away nothing else."""

import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal, assert_series_equal
from pymoo.indicators.hv import HV

from hrfevo.algorithms.base import Proposal
from hrfevo.results.frames import evaluation_frame
from hrfevo.results.gene_frames import all_genes
from hrfevo.results.history import History
from hrfevo.space.genome import Genome, sample
from hrfevo.space.reading import parse_space
from hrfevo.store.run_folder import RunFolder
from hrfevo.store.settings import RunSettings
from hrfevo.views.dashboard import drawing
from hrfevo.views.dashboard.attained import Course, attainment, course_of
from hrfevo.views.dashboard.table import columns_of, rows_of
from hrfevo.views.dashboard.watch import Runs, Snapshot
from hrfevo.workers.base import Job, Outcome, Point
from signal_model.config import Recipe
from signal_model.support.errors import InputError
from tests.conftest import command
from tests.tools.forks import Forked
from tests.tools.seen import serious

SPACE = """
name: tiny
corpus: python
model: {context: 32, width: 16}
genes:
  training.learning_rate: {type: float, low: 1e-3, high: 3e-2, log: true}
  embedding.kind: {type: choice, values: [standard, spectral]}
  embedding.bases: {type: int, low: 2, high: 8, when: {embedding.kind: spectral}}
  embedding.frequencies: {type: interval, low: 0.5, high: 8, log: true, when: {embedding.kind: spectral}}
  layers:
    type: layers
    min: 1
    max: 2
    fixed: {feedforward: {kind: mlp}}
    genes:
      mixer.kind: {type: choice, values: [attention, harmonic, wavelet]}
      mixer.levels: {type: int, low: 1, high: 4, when: {mixer.kind: wavelet}}
objectives: {bits_per_byte: minimize, parameters: minimize}
rungs: [4, 12]
population: 4
budget: {evaluations: 500}
"""
ATTACK = "<script>alert(1)</script>"


class Search:
    """A search that never was, written into a real store: random genomes, random scores."""

    def __init__(self, parent: Path, name: str = "tiny", seed: int = 0) -> None:
        self.space = parse_space(SPACE, "tiny.yaml")
        start = RunSettings.new(SPACE, seed=0, algorithm="random", corpus={"name": "python"})
        self.folder = RunFolder.create(parent, self.space, SPACE, start, None, name)
        self.store = self.folder.open_store(create=True)
        self.folder.begin(self.store)
        self.running: list[Job] = []
        self.finished: list[Job] = []
        self._random, self._number = np.random.default_rng(seed), 0

    def submit(self, genome: Genome | None = None, rung: int = 0, seed: int | None = None) -> None:
        job = Job(
            self._number, genome or sample(self.space, self._random), rung, self._number if seed is None else seed
        )
        self.store.submitted(self.folder.id, job, Proposal(job.genome, "random"))
        self.running.append(job)
        self._number += 1

    def end(self, status: Any = "finished", reason: str = "", score: float | None = None) -> None:
        job = self.running.pop(0)
        random = self._random
        metrics = {"parameters": float(random.integers(5, 90) * 1000), "train_seconds": 3.0}
        curve: tuple[Point, ...] = ()
        if status == "finished":
            metrics["bits_per_byte"] = score or float(2.5 - 0.3 * job.rung + random.exponential(0.3))
            curve = tuple(Point(step, 0.1 * step, 3 + 5 / step) for step in (1, 2, 4))
            self.finished.append(job)
        times = {"started": 1.7e9 + 7 * job.number, "ended": 1.7e9 + 7 * job.number + 5 + random.random()}
        outcome = Outcome(job, status, metrics, reason, curve=curve, worker="host:1", device="cpu", **times)
        self.store.record(self.folder.id, outcome, 2.0 * (job.number + 1))

    def time(self) -> None:
        """A step of whoever finished last, again and alone."""
        job = replace(self.finished[-1], timing=0)
        names = ("step_time", "generation_time")[: int(self._random.integers(1, 3))]
        metrics = {name: float(self._random.uniform(1, 5)) for name in names}
        self.store.timed(self.folder.id, Outcome(job, "finished", metrics, worker="host:1", device="cpu"))

    def go_on(self, count: int) -> None:
        for _ in range(count):
            self.submit()
            self.end()

    def snapshot(self) -> Snapshot:
        return Runs(self.folder.path.parent).snapshot(self.folder.path.name)


# --- what changed is all that is read ------------------------------------------------------------

ACTIONS: dict[str, Callable[[Search], None]] = {
    "submit": Search.submit,
    "finish": lambda search: search.end() if search.running else None,
    "fail": lambda search: search.end("failed", "diverged: loss is nan") if search.running else None,
    "promote": lambda search: search.submit(search.finished[-1].genome, 1) if search.finished else None,
    "again": lambda search: search.submit(search.finished[0].genome) if search.finished else None,
    "time": lambda search: search.time() if search.finished else None,
    "stop": lambda search: search.store.set_state(search.folder.id, "stopped", "interrupted"),
}


def test_figures_that_are_behind_say_by_how_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "gallery", lambda *_: {"front": go.Figure()})
    monkeypatch.setattr(drawing, "REST", 1e6)
    one, album = Search(tmp_path), drawing.Album()
    one.go_on(5)
    assert album.of(one.snapshot()).said == "Drawing …"
    while not album.of(one.snapshot()).figures:
        time.sleep(0.01)
    assert album.of(one.snapshot()).said == ""
    one.submit()
    assert album.of(one.snapshot()).said == ""
    one.end()
    one.go_on(20)
    assert album.of(one.snapshot()).said.startswith("These figures are 21 evaluations behind")


@settings(max_examples=30)
@given(st.lists(st.sampled_from([*ACTIONS, "look"]), min_size=5, max_size=40), st.integers(0, 99))
def test_what_is_read_bit_by_bit_is_what_is_there(actions: list[str], seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        search = Search(Path(folder), seed=seed)
        search.go_on(2)
        runs = Runs(Path(folder))
        for action in [*actions, "look"]:
            if action != "look":
                ACTIONS[action](search)
                continue
            found, whole = runs.snapshot("tiny"), search.snapshot()
            assert found.version == whole.version
            assert found.run == whole.run
            history = History.read(search.folder, search.store)
            assert [*found.history] == [*history]
            expected = evaluation_frame(history.with_means)
            assert_frame_equal(found.with_genes, expected, check_exact=True)
            assert_frame_equal(found.frame, expected[found.frame.columns], check_exact=True)
            for name in (*expected.columns, *all_genes(search.space)):
                column = found.column(name)
                assert column is not None
                if name not in expected:  # a gene that nobody has yet
                    assert column.isna().all()
                    continue
                assert_series_equal(column, expected[name])
            assert sorted(found.losses) == sorted(e.metrics["bits_per_byte"] for e in history.top)
            assert_same_course(found.course, history)
            assert runs.snapshot("tiny") is found


def assert_same_course(course: Course | None, history: History) -> None:
    """One by one, from the evaluations."""
    ended = sorted((e for e in history if e.ended_event is not None), key=lambda e: e.ended_event or 0)
    if not history.top:
        assert course is None
        return
    assert course is not None
    places = [place for place, e in enumerate(ended) if e in history.top]
    objectives = history.space.objectives
    assert course.scores.tolist() == [[ended[place].metrics[name] for name in objectives] for place in places]
    spent = [sum(e.seconds / 60 for e in ended[: place + 1]) for place in [*places, len(ended) - 1]]
    assert [*course.spent, course.lasted] == pytest.approx(spent)


def test_frames_in_pieces_keep_their_columns_in_order(tmp_path: Path) -> None:
    """A gene that the first evaluations did not have comes where it would have been."""
    search = Search(tmp_path)
    standard = {"training.learning_rate": 0.01, "embedding.kind": "standard", "layers": [{"mixer.kind": "attention"}]}
    spectral = standard | {"embedding.kind": "spectral", "embedding.bases": 3, "embedding.frequencies": [1.0, 2.0]}
    runs = Runs(tmp_path)
    for values in (standard, spectral):
        search.submit(Genome(values))
        search.end()
        found = runs.snapshot("tiny").with_genes
    expected = evaluation_frame(runs.snapshot("tiny").history)
    assert list(found.columns) == list(expected.columns)
    assert pd.isna(found.loc[0, "gene:embedding.bases"])
    assert found.loc[1, "gene:embedding.frequencies"] == (1.0, 2.0)


# --- figures and table ---------------------------------------------------------------------------


def test_runs_are_compared_on_common_axes(tmp_path: Path) -> None:
    """Against pymoo's hypervolume and a plain loop."""
    found = {}
    for seed, name in enumerate(("a", "b")):
        search = Search(tmp_path, name, seed)
        search.go_on(60)
        search.submit()
        search.end("failed", "diverged")
        found[name] = search.snapshot()
    courses = {name: snapshot.course for name, snapshot in found.items() if snapshot.course}
    figures = attainment(courses, {"a": 0, "b": 1})
    best, volume = figures["best 1"], figures["hypervolume 1"]
    assert best.layout.yaxis.title.text == "validation loss, bits per byte"
    heard = attainment({name: replace(course, unit="sample") for name, course in courses.items()}, {"a": 0, "b": 1})
    assert heard["best 1"].layout.yaxis.title.text == "validation loss, bits per sample"
    points = {name: np.array([[e.metrics["bits_per_byte"], e.metrics["parameters"]] for e in snapshot.history
                              if e.status == "finished"]) for name, snapshot in found.items()}  # fmt: skip
    every = np.vstack(list(points.values()))
    low, high = every.min(axis=0), every.max(axis=0)
    for name, snapshot in found.items():
        line, area = (next(t for t in figure.data if t.name == name) for figure in (best, volume))
        assert line.y[-1] == points[name][:, 0].min()
        assert area.y[-1] == pytest.approx(HV(ref_point=np.ones(2))((points[name] - low) / (high - low)))
        assert (np.diff(line.y) <= 0).all()
        assert (np.diff(area.y) >= 0).all()
        ended = sorted(snapshot.history, key=lambda e: e.ended_event or 0)
        assert line.x[-1] == pytest.approx(sum((e.ended or 0) - (e.started or 0) for e in ended) / 60)


def test_scores_of_different_trainings_are_not_compared(tmp_path: Path) -> None:
    short, long = Search(tmp_path, "short"), Search(tmp_path, "long")
    for search in (short, long):
        search.go_on(3)
    long.submit(long.finished[0].genome, 1)
    long.end()
    courses = {name: search.snapshot().course for name, search in (("short", short), ("long", long))}
    figures = attainment({name: course for name, course in courses.items() if course}, {"short": 0, "long": 1})
    assert [len(figure.data) for figure in figures.values()] == [1, 1, 1, 1]
    nothing = short.snapshot()
    assert course_of(nothing.run, short.space, nothing.records[:0]) is None


@pytest.mark.parametrize(
    ("column", "wanted", "keeps"),
    [
        ("bits_per_byte", {"type": "lessThan", "filter": 2.4}, lambda row: row.get("bits_per_byte", 9) < 2.4),
        ("bits_per_byte", {"type": "blank"}, lambda row: "bits_per_byte" not in row),
        ("steps", {"type": "equals", "filter": 12}, lambda row: row["steps"] == 12),
        ("gene:embedding.bases", {"type": "inRange", "filter": 3, "filterTo": 5},
         lambda row: 3 <= row.get("gene:embedding.bases", 0) <= 5),
        ("gene:layers[0].mixer.kind", {"type": "contains", "filter": "Wave"},
         lambda row: "wave" in row["gene:layers[0].mixer.kind"]),
        ("reason", {"type": "contains", "filter": "("}, lambda row: "(" in row["reason"]),
        ("front", {"type": "equals", "filter": "front"}, lambda row: row["front"] == "front"),
        ("gene:embedding.frequencies", {"type": "notBlank"}, lambda row: "gene:embedding.frequencies" in row),
        ("no such column", {"type": "contains", "filter": "x"}, lambda row: True),
        ("steps", {"type": "no such filter", "filter": "x"}, lambda row: True),
    ],
    ids=lambda value: "" if callable(value) else str(value),
)  # fmt: skip
def test_table_filters_and_sorts(
    column: str, wanted: dict[str, Any], keeps: Callable[[dict[str, Any]], bool], tmp_path: Path
) -> None:
    search = Search(tmp_path)
    search.go_on(60)
    for genome in [job.genome for job in search.finished[:5]]:
        search.submit(genome, 1)
        search.end()
    search.submit()
    search.end("failed", "error: ValueError(x)")
    shown = {"tiny": search.snapshot()}
    every = rows_of(shown, {"endRow": 1000})["rowData"]
    assert [row["number"] for row in every] == list(range(65, -1, -1))
    expected = [row for row in every if keeps(row)]
    assert len(expected) > 0
    filtered = rows_of(shown, {"filterModel": {column: wanted}, "startRow": 1, "endRow": 4})
    assert filtered["rowCount"] == len(expected)
    assert filtered["rowData"] == expected[1:4]
    ordered = rows_of(shown, {"sortModel": [{"colId": "bits_per_byte", "sort": "asc"}], "endRow": 60})["rowData"]
    scores = [row["bits_per_byte"] for row in ordered]
    assert scores == sorted(scores)
    json.dumps(every)
    hidden = {"id", "parents", "rung", "number", "train_seconds", "seeds"}  # all have one seed
    assert {name for row in every for name in row} - hidden <= {found["field"] for found in columns_of(shown)}


def test_rows_of_several_runs_are_in_one_order(tmp_path: Path) -> None:
    searches = {name: Search(tmp_path, name, seed) for seed, name in enumerate(("a", "b"))}
    for search in searches.values():
        search.go_on(9)
    both = {name: search.snapshot() for name, search in searches.items()}
    alone = {name: rows_of({name: snapshot}, {"endRow": 9})["rowData"] for name, snapshot in both.items()}
    assert rows_of(both, {"endRow": 18}) == {"rowData": [*alone["a"], *alone["b"]], "rowCount": 18}
    order = {"sortModel": [{"colId": "gene:training.learning_rate", "sort": "desc"}], "startRow": 2, "endRow": 11}
    expected = sorted([*alone["a"], *alone["b"]], key=lambda row: -row["gene:training.learning_rate"])
    assert rows_of(both, order)["rowData"] == expected[2:11]
    only = {"filterModel": {"run": {"type": "equals", "filter": "b"}}, "endRow": 18}
    assert rows_of(both, only)["rowData"] == alone["b"]


def test_genes_that_cannot_be_read_are_told_of(tmp_path: Path) -> None:
    """The page shows what does not need them, until a part of it does."""
    search = Search(tmp_path)
    search.go_on(3)
    with sqlite3.connect(search.folder.path / "results.db") as database:
        database.execute("""UPDATE genomes SET "values" = '{"embedding.kind": "other"}' WHERE birth = 1""")
    database.close()
    runs = Runs(tmp_path)
    assert len(runs.snapshot("tiny").frame) == 3
    with pytest.raises(InputError, match="is damaged"):
        rows_of({"tiny": runs.snapshot("tiny")}, {"endRow": 3})
    with pytest.raises(InputError, match="is damaged"):
        runs.snapshot("tiny")


# --- the server ----------------------------------------------------------------------------------


@contextmanager
def dashboard(folder: Path, *options: str) -> Iterator[str]:
    """A server in a process of its own, at its address; it must end quietly."""
    arguments = ("dashboard", folder, "--port", 0, "--refresh", 0.3, *options)
    with tempfile.TemporaryDirectory() as place:
        said, complaints = Path(place) / "said", Path(place) / "complaints"
        server = Forked("hrfevo.cli", arguments, said, complaints)
        try:
            found = None
            while not found and server.poll() is None:
                time.sleep(0.02)
                found = said.exists() and re.search(r"(http://\S+).*\n", said.read_text())
            assert found, complaints.read_text()
            yield found[1]
        finally:
            with suppress(ProcessLookupError):
                os.kill(server.pid, signal.SIGINT)
            code = server.wait(30)
        assert (code, complaints.read_text()) == (0, "")


def fetch(url: str, data: object = None, **headers: str) -> tuple[int, str]:
    body = None if data is None else json.dumps(data).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json", **headers})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def ask(address: str, trigger: str, **values: object) -> tuple[int, str]:
    """One callback, as the page calls it."""
    callbacks = json.loads(fetch(f"{address}_dash-dependencies")[1])
    wanted = next(c for c in callbacks if c["inputs"] and c["inputs"][0]["id"] == trigger)
    outputs = [{"id": name, "property": part} for name, part in re.findall(r"([\w-]+)\.(\w+)", wanted["output"])]
    known = {"tab": "progress", "screen": {"dark": False, "touch": False}} | values
    data = {
        "output": wanted["output"],
        "outputs": outputs if len(outputs) > 1 else outputs[0],
        "inputs": [part | {"value": known.get(part["id"])} for part in wanted["inputs"]],
        # None of the figures has been zoomed into: the last is a pattern that matches nothing.
        "state": [[] if "{" in part["id"] else part | {"value": known.get(part["id"])} for part in wanted["state"]],
        "changedPropIds": [f"{trigger}.{wanted['inputs'][0]['property']}"],
    }
    return fetch(f"{address}_dash-update-component", data)


def test_server_gives_away_nothing_but_the_runs(tmp_path: Path) -> None:
    search = Search(tmp_path / "runs")
    search.go_on(3)
    Search(tmp_path / "elsewhere", "secret").go_on(3)
    (tmp_path / "runs" / "note.txt").write_text("a secret")
    with dashboard(tmp_path / "runs") as address:
        port = int(address.rstrip("/").rpartition(":")[2])
        listening = [
            line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines() if f":{port:04X} " in line
        ]
        assert "0100007F" in {place.partition(":")[0] for place in listening}
        assert "00000000" not in {place.partition(":")[0] for place in listening}
        for name in (
            "../elsewhere/secret",
            str(tmp_path / "elsewhere" / "secret"),
            "..",
            "",
            "note.txt",
            "tiny/../tiny",
        ):
            status, told = ask(address, "tick", runs=[name])
            assert status == 200
            assert "Best genome" not in told
            assert ask(address, "opened", opened={"run": name, "genome": ""})[0] == 204
            assert ask(address, "table", table={"startRow": 0, "endRow": 9}, runs=[name])[1].count('"id"') == 0
        suites = "_dash-component-suites"
        paths = ["note.txt", "tiny/results.db", "assets/note.txt", "assets/../note.txt", "%2e%2e/note.txt"]
        paths += [f"{suites}/hrfevo/../pyproject.toml", f"{suites}/dash/../../note.txt"]
        for path in paths:
            assert "secret" not in (told := fetch(address + path)[1])
            assert "SQLite format" not in told
        assert fetch(address, Host="evil.example")[0] == 400
        assert ask(address, "tick", runs=["tiny"])[1].count("Best genome") == 1


def test_server_answers_many_at_once(tmp_path: Path) -> None:
    search = Search(tmp_path)
    search.go_on(200)
    with dashboard(tmp_path) as address, ThreadPoolExecutor(8) as pool:
        tabs = ["progress", "figures", "table"] * 8
        answers = [pool.submit(ask, address, "tick", runs=["tiny"], tab=tab) for tab in tabs]
        search.go_on(20)
        assert {answer.result()[0] for answer in answers} == {200}
        told = ask(address, "tick", runs=["tiny"])[1]
        assert "220 finished" in told
        stamp = json.loads(told)["response"]["stamp"]["data"]
        began = time.perf_counter()
        assert ask(address, "tick", runs=["tiny"], stamp=stamp) == (204, "")
        assert time.perf_counter() - began < 5


def test_damaged_runs_are_named_and_missing_ones_waited_for(tmp_path: Path) -> None:
    with dashboard(tmp_path) as address:
        assert "No runs in" in ask(address, "tick")[1]
        for name in ("sound", "torn"):
            Search(tmp_path, name).go_on(3)
        with sqlite3.connect(tmp_path / "torn" / "results.db") as database:
            database.execute("UPDATE evaluations SET metrics = '{' WHERE number = 1")
        database.close()
        for name, text in (("broken", "{"), ("empty", (tmp_path / "sound" / "run.json").read_text())):
            (tmp_path / name).mkdir()
            (tmp_path / name / "run.json").write_text(text)
        status, told = ask(address, "tick", runs=["sound", "torn"])
        assert status == 200
        assert "run.json:1: not valid JSON" in told
        assert "torn cannot be read: store: the results" in told
        assert told.count("Best genome") == 1
        shutil.rmtree(tmp_path / "sound")
        assert "Best genome" not in ask(address, "tick", runs=["sound"])[1]


def test_a_folder_may_come_later(tmp_path: Path) -> None:
    runs = Runs(tmp_path / "later")
    assert runs.listed() == []
    Search(tmp_path / "later").go_on(1)
    assert [listed.name for listed in runs.listed()] == ["tiny"]


def test_mistakes_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for arguments, said in (
            ([tmp_path, "--port", port], f"--port {port}: cannot be bound: Address already in use"),
            ([tmp_path, "--host", "no.such.host.invalid"], "--host no.such.host.invalid: is no address here"),
            ([tmp_path, "--host", "192.0.2.1"], "--host 192.0.2.1 --port 8050: cannot be bound"),
            ([tmp_path / "file"], "no such folder"),
        ):
            result = command("hrfevo", "dashboard", *arguments)
            assert result.returncode == 2
            assert result.stderr.count("\n") == 1
            assert said in result.stderr
            assert not result.stdout


# --- in a browser --------------------------------------------------------------------------------


def of_the_page(message: Any) -> bool:
    """A complaint about the page; drivers without a graphics card complain of how slow they are themselves."""
    return message.type in ("error", "warning") and "GL Driver Message" not in message.text


@contextmanager
def page(browser: Any, address: str, **options: Any) -> Iterator[Any]:
    """A page that must not complain, nor ask anybody but its server."""
    context = browser.new_context(**options)
    shown, troubles = context.new_page(), []
    shown.on("console", lambda message: of_the_page(message) and troubles.append(message.text))
    shown.on("pageerror", lambda error: troubles.append(str(error)))
    shown.on("dialog", lambda dialog: (troubles.append(f"dialog {dialog.message}"), dialog.dismiss()))
    shown.on("request", lambda r: r.url.startswith((address, "data:", "blob:")) or troubles.append(r.url))
    shown.on("response", lambda answer: answer.status >= 400 and troubles.append(f"{answer.status} {answer.url}"))
    shown.set_default_timeout(60_000)
    shown.goto(address)
    yield shown
    assert troubles == []
    context.close()


def test_page_follows_a_search(browser: Any, tmp_path: Path) -> None:
    search = Search(tmp_path)
    search.go_on(10)
    with search.folder.locked(), dashboard(tmp_path) as address, page(browser, address) as shown:
        shown.get_by_text("10 finished").wait_for()
        shown.locator(".run .main-svg").first.wait_for()
        dots = shown.locator(".run figure path.point")
        before = dots.count()
        assert before == 10
        # The reader's zoom stays while the numbers move.
        zoomed = "document.querySelector('.run .js-plotly-plot')"
        area = shown.locator(".run .nsewdrag")
        area.scroll_into_view_if_needed()
        box = area.bounding_box()
        shown.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + 0.2 * box["height"])
        shown.mouse.down()
        shown.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 0.7 * box["height"], steps=5)
        shown.mouse.up()
        shown.wait_for_function(f"{zoomed}._fullLayout.xaxis.range[0] > 10000")
        extent = shown.evaluate(f"{zoomed}._fullLayout.xaxis.range")
        search.submit()
        shown.get_by_text("10 finished, 1 running").wait_for()
        search.end(score=0.1234)
        shown.get_by_text("11 finished").wait_for()
        shown.get_by_text("validation loss 0.1234 bits per byte").wait_for()
        shown.wait_for_function(f"{zoomed}.calcdata.some(trace => trace.some(point => point.y === 0.1234))")
        assert shown.evaluate(f"{zoomed}._fullLayout.xaxis.range") == extent
        search.store.set_state(search.folder.id, "stopped", "interrupted")
        shown.locator(".run .state.stopped").wait_for()
        shown.locator(".runs label", has_text="tiny (stopped").wait_for()
        other = Search(tmp_path, "zweite", seed=1)
        other.go_on(3)
        shown.locator(".runs label", has_text="zweite (crashed").locator("input").check()
        shown.locator(".run", has_text="zweite").get_by_text("3 finished").wait_for()
        shutil.rmtree(other.folder.path)
        shown.locator(".runs label", has_text="zweite").wait_for(state="detached")


def test_all_figures_and_the_table_are_drawn_on_every_screen(browser: Any, tmp_path: Path) -> None:
    for seed, name in enumerate(("a", "b")):
        Search(tmp_path, name, seed).go_on(40)
    phone = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
    with dashboard(tmp_path) as address:
        for options in ({}, phone, {"color_scheme": "dark"}):
            with page(browser, address, **options) as shown:
                shown.locator(".run").wait_for()
                for box in shown.locator(".runs input").all():
                    box.set_checked(True)
                shown.locator(".run").nth(1).wait_for()
                shown.locator("figure:has-text('Hypervolume') .scatterlayer .trace").nth(1).wait_for()
                ground = shown.evaluate("getComputedStyle(document.body).backgroundColor")
                assert (ground == "rgb(255, 255, 255)") == (options.get("color_scheme") != "dark")
                shown.get_by_text("All figures").click()
                shown.get_by_text("Values of the genes").nth(1).wait_for()
                plots = shown.locator(".js-plotly-plot")
                shown.wait_for_function(
                    "[...document.querySelectorAll('.plot')].every(p => p.querySelector('.main-svg'))"
                )
                assert plots.count() >= 10
                assert shown.evaluate("[...document.querySelectorAll('.js-plotly-plot')].every(p => p.data.length)")
                shown.get_by_text("Table", exact=True).click()
                shown.locator(".ag-center-cols-container .ag-row").nth(9).wait_for()
                assert shown.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_click_shows_the_genome_and_its_recipe_can_be_had(browser: Any, tmp_path: Path) -> None:
    search = Search(tmp_path)
    search.go_on(12)
    parent = search.finished[0].genome
    child = sample(search.space, np.random.default_rng(5))
    search.store.submitted(search.folder.id, Job(12, child, 0, 12), Proposal(child, "crossover", (parent.id,)))
    with dashboard(tmp_path) as address, page(browser, address) as shown:
        graph = shown.locator(".run .js-plotly-plot")
        graph.locator(".main-svg").first.wait_for()
        drawn = graph.evaluate("p => { const f = p.data.find(t => t.name === 'front'); return f.customdata[0][0] }")
        for _ in range(2):  # and again, once it has been closed
            point = graph.locator("path.point").last
            point.scroll_into_view_if_needed()
            names = graph.evaluate("p => p.data.find(t => t.name === 'front').customdata.map(c => c[0])")
            box = point.bounding_box()
            shown.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
            card = shown.locator("aside")
            card.get_by_text("Measurements").wait_for()
            assert drawn in names
            genome = card.locator("h2 code").inner_text()
            assert genome == names[-1]
            found = next(e for e in search.snapshot().history if e.genome == genome)
            assert f"{found.metrics['bits_per_byte']:.4f}" in card.inner_text()
            assert "on the front" in card.inner_text()
            card.locator(".js-line").first.wait_for()
            with shown.expect_download() as download:
                card.get_by_text("Download recipe").click()
            assert download.value.suggested_filename == f"{genome}.yaml"
            exported = tmp_path / "exported.yaml"
            assert command("hrfevo", "export", search.folder.path, genome, "--output", exported,
                           "--overwrite").returncode == 0  # fmt: skip
            assert Path(download.value.path()).read_text() == exported.read_text()
            Recipe.load(exported)
            assert card.locator(".picture").count() == 0
            card.get_by_text("Draw what it is").click()
            card.get_by_text("What it is").wait_for()
            card.locator(".picture .bars path, .picture .js-line").first.wait_for()
            card.get_by_text("Close").click()
            card.wait_for(state="hidden")
        shown.get_by_text("Table", exact=True).click()
        shown.locator(f".ag-cell:has-text('{parent.id}')").first.click()
        shown.locator("aside h3:has-text('Children')").wait_for()
        shown.locator("aside .genome", has_text=child.id).click()
        shown.locator("aside h2", has_text=child.id).wait_for()
        assert "crossover" in shown.locator("aside").inner_text()


def test_what_data_says_is_shown_and_never_run(browser: Any, tmp_path: Path) -> None:
    name = "<script>alert(2)<b>%{x}"
    search = Search(tmp_path, name)
    search.go_on(6)
    hostile = Genome(dict(search.finished[0].genome.values) | {"embedding.kind": ATTACK})
    search.submit(hostile)
    search.end(score=0.5)
    search.submit()
    search.end("failed", ATTACK)
    search.store.set_state(search.folder.id, "failed", ATTACK)
    with dashboard(tmp_path) as address, page(browser, address) as shown:
        shown.locator(".run h2", has_text=name).wait_for()
        assert shown.locator(".run").inner_text().count(ATTACK) == 1
        shown.locator("figure:has-text('Best over') .legendtext", has_text="<script>").wait_for()
        shown.locator(".run .genome").first.click()
        shown.locator("aside .genes", has_text=ATTACK).wait_for()
        shown.get_by_text("Close").click()
        shown.get_by_text("Table", exact=True).click()
        shown.locator(".ag-center-cols-container .ag-row").nth(5).wait_for()
        for column in ("reason", "gene:embedding.kind"):
            shown.evaluate("name => dash_ag_grid.getApi('table').ensureColumnVisible(name)", column)
            shown.locator(f".ag-cell[col-id='{column}']", has_text=ATTACK).wait_for()
        assert shown.locator("body script:has-text('alert(')").count() == 0


# --- keyboards and screen readers ----------------------------------------------------------------


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a dashboard of one search that goes on and does nothing."""
    search = Search(folder := tmp_path_factory.mktemp("served"))
    search.go_on(20)
    search.submit()
    search.end("failed", "diverged: loss is nan")
    with search.folder.locked(), dashboard(folder) as address:
        yield address


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_serious_stands_in_the_way_of_keyboards_and_screen_readers(
    browser: Any, served: str, scheme: str
) -> None:
    with page(browser, served, color_scheme=scheme) as shown:
        shown.locator(".run .main-svg").first.wait_for()
        assert serious(shown) == []
        shown.locator(".run .genome").first.click()
        shown.get_by_text("Measurements").wait_for()
        assert serious(shown) == []
        shown.keyboard.press("Escape")
        shown.locator("aside").wait_for(state="hidden")
        for tab, drawn in (("All figures", ".plot .main-svg"), ("Table", ".ag-center-cols-container .ag-row")):
            shown.get_by_text(tab, exact=True).click()
            shown.locator(drawn).first.wait_for()
            assert serious(shown) == []


def test_the_focus_stays_through_news_and_the_card_is_a_dialog(browser: Any, tmp_path: Path) -> None:
    search = Search(tmp_path)
    search.go_on(12)
    active = "document.activeElement.id"
    with search.folder.locked(), dashboard(tmp_path) as address, page(browser, address) as shown:
        button = shown.locator(".run .genome").first
        button.focus()
        name = shown.evaluate(active)
        for score in (9.1, 9.2, 9.3):
            search.submit()
            search.end(score=score)
            shown.get_by_text(f"{len(search.finished)} finished").wait_for()
            assert shown.evaluate(active) == name
        shown.keyboard.press("Enter")
        shown.get_by_role("dialog").get_by_text("Measurements").wait_for()
        assert shown.evaluate(active) == "close"
        shown.keyboard.press("Escape")
        shown.locator("aside").wait_for(state="hidden")
        assert shown.evaluate(active) == name
