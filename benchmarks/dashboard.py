"""How long the dashboard's server takes to answer a page that asks for news, on a store with many evaluations.

    python benchmarks/dashboard.py

A synthetic run of 5,000 evaluations with learning curves of 20 points is served by `hrfevo dashboard` in a process of
its own and asked over HTTP, as the page asks, for each tab: when nothing has changed, and after 10 more evaluations
have ended. Shown is the median (least–most) from the request to the last byte of the answer. The figures of `figures`
are drawn beside the requests, which show the latest there are: that takes seconds and is not in it, but slows them
down; `once drawn` is the answer that brings them. The table asks for its rows separately (`rows`: the first hundred,
sorted by a measurement, filtered by a gene). What a browser needs to draw is not measured.

Ends with exit code 1 if the first answer takes more than 2 s, or a median is above 500 ms (unless `--no-check`):
the bars for `--evaluations 50000` too.
"""

from __future__ import annotations

import argparse
import json
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa
from common import end, machine, print_table

from hrfevo.algorithms.base import Proposal
from hrfevo.space.genome import sample
from hrfevo.space.reading import load_space
from hrfevo.store import schema
from hrfevo.store.run_folder import RunFolder
from hrfevo.store.settings import RunSettings
from hrfevo.store.store import Store
from hrfevo.workers.base import Job, Outcome, Point

MOST_MS, FIRST_MS = 500.0, 2000.0
MORE = 10
POINTS = 20
LARGE = 50_000  # bytes of an answer that has figures in it
SPACE = Path(__file__).parent.parent / "search_spaces" / "mixers.yaml"
TABS = ("progress", "figures", "table")


class Search:
    """A search that never was: random genomes, random scores, a tenth of them failed."""

    def __init__(self, parent: Path) -> None:
        self._space, text = load_space(SPACE)
        settings = RunSettings.new(text, seed=0, algorithm="random", corpus={"name": "python"})
        self._folder = RunFolder.create(parent, self._space, text, settings, None)
        self._store: Store = self._folder.open_store(create=True)
        self._folder.begin(self._store)
        self._generator = np.random.default_rng(0)
        self._number, self._seen = 0, set[str]()
        self.name = self._folder.path.name

    def fill(self, count: int) -> None:
        """So many evaluations that have ended, all at once."""
        born, ended, points = [], [], []
        for job, outcome in self._next(count):
            key = {"run_id": self._folder.id, "number": job.number}
            of_genome = {"id": job.genome.id, "birth": job.number, "operator": "random", "parents": []}
            born.append({"run_id": self._folder.id, "values": dict(job.genome.values)} | of_genome)
            told = {name: getattr(outcome, name) for name in ("status", "reason", "metrics", "worker", "device")}
            when = {"submitted": outcome.started, "started": outcome.started, "ended": outcome.ended}
            events = {"submitted_event": 2 * job.number, "ended_event": 2 * job.number + 1}
            ended.append(key | {"genome_id": job.genome.id, "rung": 0, "seed": job.seed} | told | when | events)
            points += [key | vars(point) for point in outcome.curve]
        with sa.create_engine(self._folder.store_url()).begin() as connection:
            for table, rows in ((schema.genomes, born), (schema.evaluations, ended), (schema.curves, points)):
                connection.execute(table.insert(), rows)

    def go_on(self, count: int) -> None:
        """So many more evaluations, each in two transactions as in a real search."""
        for job, outcome in self._next(count):
            self._store.submitted(self._folder.id, job, Proposal(job.genome, "random"))
            self._store.record(self._folder.id, outcome, 3.0 * job.number)

    def _next(self, count: int) -> Iterator[tuple[Job, Outcome]]:
        for number in range(self._number, self._number + count):
            genome = sample(self._space, self._generator)
            while genome.id in self._seen:
                genome = sample(self._space, self._generator)
            self._seen.add(genome.id)
            job = Job(number, genome, 0, seed=number)
            yield job, self._outcome(job)
        self._number += count

    def _outcome(self, job: Job) -> Outcome:
        random = self._generator
        times = {"started": 1.7e9 + 3.0 * job.number, "ended": 1.7e9 + 3.0 * job.number + 3.0}
        metrics = {"parameters": float(random.integers(50_000, 90_000)), "flops_per_token": 1e5, "state_size": 64.0}
        if random.random() < 0.1:
            return Outcome(job, "failed", metrics, reason="diverged: loss is nan", worker="w", device="cpu", **times)
        score = float(2.0 + random.exponential(0.3))
        steps = np.linspace(1, self._space.rungs[0], POINTS).astype(int)
        curve = tuple(Point(int(step), 0.1 * step, score + 5.0 / step) for step in steps)
        metrics |= {"bits_per_byte": score, "step_time": float(random.uniform(5, 9)), "train_seconds": 3.0}
        return Outcome(job, "finished", metrics, curve=curve, worker="w", device="cpu", **times)


class Page:
    """What a browser does: the same callbacks with the same arguments, the last stamp included."""

    def __init__(self, address: str, run: str, tab: str) -> None:
        self._address = address
        with urllib.request.urlopen(f"{address}_dash-dependencies") as answer:
            self._callbacks = json.load(answer)
        self._values: dict[str, Any] = {
            "tick": 1,
            "runs": [run],
            "tab": tab,
            "screen": {"dark": False, "touch": False},
            "stamp": None,
            "table": {
                "startRow": 0,
                "endRow": 100,
                "sortModel": [{"colId": "bits_per_byte", "sort": "asc"}],
                "filterModel": {"gene:layers[0].mixer.kind": {"type": "contains", "filter": "wavelet"}},
            },
        }

    def news(self) -> tuple[float, int]:
        """Milliseconds that the answer took and its length; the length is 0 if there was no news."""
        took, told = self._ask("tick")
        if told:
            self._values["stamp"] = json.loads(told)["response"]["stamp"]["data"]
        return took, len(told)

    def drawn(self) -> tuple[float, int]:
        """The same for the first answer with the figures in it."""
        while (answer := self.news())[1] < LARGE:
            time.sleep(0.5)
        return answer

    def rows(self) -> tuple[float, int]:
        """The same for a part of the table."""
        took, told = self._ask("table")
        assert json.loads(told)["response"]["table"]["getRowsResponse"]["rowData"]
        return took, len(told)

    def _ask(self, trigger: str) -> tuple[float, bytes]:
        callback = next(c for c in self._callbacks if c["inputs"][0]["id"] == trigger)
        names = re.findall(r"([\w-]+)\.(\w+)", callback["output"])
        outputs = [{"id": name, "property": part} for name, part in names]
        body = {
            "output": callback["output"],
            "outputs": outputs if len(outputs) > 1 else outputs[0],
            "inputs": [part | {"value": self._values[part["id"]]} for part in callback["inputs"]],
            # None of the figures has been zoomed into: the last is a pattern that matches nothing.
            "state": [[] if "{" in p["id"] else p | {"value": self._values[p["id"]]} for p in callback["state"]],
            "changedPropIds": ["{id}.{property}".format(**callback["inputs"][0])],
        }
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self._address}_dash-update-component", json.dumps(body).encode(), headers)
        began = time.perf_counter()
        with urllib.request.urlopen(request) as answer:
            told: bytes = answer.read()
        return 1000 * (time.perf_counter() - began), told


@contextmanager
def dashboard(folder: Path) -> Iterator[str]:
    """A server over the runs in a folder, at its address."""
    command = [sys.executable, "-m", "hrfevo.cli", "dashboard", str(folder), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        found = re.search(r"http://\S+", server.stdout.readline())
        assert found is not None, "the server did not start"
        yield found[0]
        server.send_signal(signal.SIGINT)


def measure(evaluations: int, repeats: int) -> dict[str, list[tuple[float, int]]]:
    """Times and lengths of answers by what was asked."""
    found: dict[str, list[tuple[float, int]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        search = Search(Path(folder))
        search.fill(evaluations)
        with dashboard(Path(folder)) as address:
            for tab in TABS:
                page = Page(address, search.name, tab)
                found[f"{tab}, first"] = [page.news()]
                changed = found[f"{tab}, {MORE} more evaluations"] = []
                unchanged = found[f"{tab}, nothing new"] = []
                for _ in range(repeats):
                    search.go_on(MORE)
                    changed.append(page.news())
                    if tab == "table":
                        found.setdefault("table, rows", []).append(page.rows())
                    unchanged.append(page.news())
                if tab == "figures":
                    found["figures, once drawn"] = [page.drawn()]
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description="How long the dashboard's server takes.")
    parser.add_argument("--evaluations", type=int, default=5000, help="in the store (%(default)s)")
    parser.add_argument("--repeats", type=int, default=15, help="of each request (%(default)s)")
    parser.add_argument("--no-check", action="store_true", help="exit with 0 whatever the figures are")
    options = parser.parse_args()
    print(f"{machine('dash', 'plotly', 'pandas', 'SQLAlchemy')}; {options.evaluations:,} evaluations\n")
    found = measure(options.evaluations, options.repeats)
    rows, missed = [], []
    for asked, answers in found.items():
        times, lengths = zip(*answers, strict=True)
        median = statistics.median(times)
        rows.append((asked, f"{median:.0f} ({min(times):.0f}–{max(times):.0f})", f"{max(lengths) / 1000:,.0f}"))
        bar = FIRST_MS if asked.endswith("first") else MOST_MS
        if median > bar:
            missed.append(f"{asked}: {median:.0f} ms; the bar is {bar:g}")
    print_table(("asked for", "ms", "answer, kB"), rows)
    return end(missed, not options.no_check)


if __name__ == "__main__":
    sys.exit(main())
