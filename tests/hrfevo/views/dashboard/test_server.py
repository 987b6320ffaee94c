"""The server answers many at once, names what is damaged, and gives away nothing but the runs."""

import json
import re
import shutil
import socket
import sqlite3
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.conftest import command
from tests.tools.dashboards import Search, dashboard


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
