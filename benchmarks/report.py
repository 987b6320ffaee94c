"""How fast the report of a large search is made and opened, and how large it is.

    python benchmarks/report.py

A search of 5,000 evaluations is made up in a temporary folder: a real store, real genomes of
`search_spaces/mixers.yaml` with three rungs, bred and promoted by the real loop; scores, times and failures are
functions of the genome, and no model is trained. Then `hrfevo report RUN` is timed as a user runs it, and Chromium
opens the page, each time in a new browser: first paint is what the browser itself reports. Needs the extra `test`
(Playwright) and a Chromium; CHROMIUM names one that is not on the PATH.

Ends with exit code 1 if a bar is missed (unless `--no-check`), 2 if there is no browser.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from os import environ
from pathlib import Path

import numpy as np
from common import end, machine, print_table

from hrfevo.algorithms.registry import make_algorithm
from hrfevo.runner.loop import Search
from hrfevo.space.reading import parse_space
from hrfevo.space.search_space import SearchSpace
from hrfevo.store.run_folder import RunFolder
from hrfevo.store.settings import RunSettings
from hrfevo.store.store import Store
from hrfevo.workers.base import Job, Outcome, Point, Status
from hrfevo.workers.inline import InlineWorkers

ROOT = Path(__file__).parent.parent
# The bars: seconds to make the page and to its first paint, megabytes.
MOST_SECONDS, MOST_PAINT, MOST_MB = 10.0, 3.0, 8.0
WORKERS, POINTS, RUNGS = 8, 20, [80, 240, 720]


class Pretended:
    """An evaluator whose measurements are functions of the genome, and whose clock is that of `WORKERS` workers."""

    def __init__(self, space: SearchSpace) -> None:
        self._space = space
        self._free = [time.time()] * WORKERS

    def __call__(self, job: Job) -> Outcome:
        generator = np.random.default_rng(int(job.genome.id, 16))
        layers = job.genome.values["layers"]
        parameters = float(60_000 * len(layers) + generator.integers(200_000))
        metrics = {
            "parameters": parameters,
            "flops_per_token": 2.1 * parameters,
            "state_size": float(generator.integers(64, 4096)),
        }
        worker = min(range(WORKERS), key=self._free.__getitem__)
        before = self._space.rungs[job.rung - 1] if job.rung else 0
        steps = self._space.rungs[job.rung] - before
        seconds = 0.02 * steps * (0.5 + parameters / 400_000) * generator.lognormal(0, 0.1)
        started = self._free[worker] + generator.exponential(0.2)
        ended = self._free[worker] = started + seconds
        curve: list[Point] = []
        status: Status = "finished"
        reason = ""
        if parameters > 480_000:
            status, reason, ended = "infeasible", f"parameters {parameters:,.6g} above 480,000", started + 0.05
            self._free[worker] = ended
        elif job.rung == 0 and generator.random() < 0.06:
            status, reason = "failed", ("diverged: loss is nan", "out of memory")[int(generator.integers(2))]
        else:
            floor = 2.4 - 0.05 * sum(layer["mixer.kind"] in ("harmonic", "attention") for layer in layers)
            floor += 0.1 * abs(np.log(job.genome.values["training.learning_rate"] / 6e-3)) + generator.normal(0, 0.02)
            curve = [
                Point(int(step), 0.02 * step, float(floor + 40 / (step + 10) + generator.normal(0, 0.02)))
                for step in np.linspace(before + 1, before + steps, POINTS).astype(int)
            ]
            metrics |= {
                "bits_per_byte": floor + 40 / (before + steps),
                "step_time": 1000 * seconds / steps,
                "train_seconds": 0.9 * seconds * (before + steps) / steps,
                "train_tokens": float(1536 * (before + steps)),
            }
        where = f"host:{4000 + worker}", "cpu"
        return Outcome(job, status, metrics, reason, "", tuple(curve), started, ended, *where)


class Silent:
    """Nobody is told of the search."""

    def submitted(self, job: Job) -> None:
        """Nothing."""

    def ended(self, outcome: Outcome, search: Search) -> None:
        """Nothing."""


def new_run(parent: Path, evaluations: int, algorithm: str) -> tuple[RunFolder, SearchSpace, Store]:
    """A run that has begun and in which nothing has happened."""
    text = (ROOT / "search_spaces" / "mixers.yaml").read_text()
    overrides = [f"rungs={RUNGS}", f"budget.evaluations={evaluations}", "population=50", "constraints={}"]
    space = parse_space(text, "mixers.yaml", overrides)
    corpus = {"name": "none", "hash": ""}
    settings = RunSettings.new(text, seed=1, algorithm=algorithm, overrides=overrides, corpus=corpus)
    folder = RunFolder.create(parent, space, text, settings, None)
    store = folder.open_store(create=True)
    folder.begin(store)
    return folder, space, store


def pretended_run(parent: Path, evaluations: int) -> Path:
    """A run folder with so many evaluations; no model was trained for it."""
    folder, space, store = new_run(parent, evaluations, "genetic")
    algorithm = make_algorithm("genetic", space, np.random.SeedSequence(1))
    search = Search(folder.id, space, algorithm, InlineWorkers(Pretended(space)), store, training_seed=1)
    store.set_state(folder.id, "finished", search.run(Silent()))
    store.close()
    return folder.path


def first_paint(page: Path, chromium: str, rounds: int) -> list[float]:
    """Seconds from navigation to the first paint that shows anything, each in a new browser."""
    from playwright.sync_api import sync_playwright

    seconds = []
    with sync_playwright() as playwright:
        for _ in range(rounds):
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            tab = browser.new_page(viewport={"width": 1160, "height": 900})
            tab.goto(page.as_uri())
            paint = "(performance.getEntriesByName('first-contentful-paint')[0] || {}).startTime"
            tab.wait_for_function(paint)
            seconds.append(tab.evaluate(paint) / 1000)
            browser.close()
    return seconds


def main() -> int:
    parser = argparse.ArgumentParser(description="How fast and how large the report is.")
    parser.add_argument("--evaluations", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--keep", type=Path, help="make the run in this folder, and leave it there")
    parser.add_argument("--no-check", action="store_true")
    options = parser.parse_args()
    chromium = environ.get("CHROMIUM") or next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
    if chromium is None:
        print("report.py: no Chromium on the PATH; install one or name it in CHROMIUM", file=sys.stderr)
        return 2
    print(f"{machine('plotly', 'pandas', 'playwright')}\n")
    with tempfile.TemporaryDirectory() as temporary:
        run = pretended_run(options.keep or Path(temporary), options.evaluations)
        seconds = []
        for _ in range(options.rounds):
            began = time.perf_counter()
            subprocess.run([sys.executable, "-m", "hrfevo.cli", "report", str(run)], check=True, stdout=subprocess.PIPE)
            seconds.append(time.perf_counter() - began)
        page = run / "report.html"
        megabytes = page.stat().st_size / 1e6
        paints = first_paint(page, chromium, options.rounds)
    made, paint = statistics.median(seconds), statistics.median(paints)
    bars = [
        ("making the page, s", made, MOST_SECONDS),
        ("first paint, s", paint, MOST_PAINT),
        ("size, MB", megabytes, MOST_MB),
    ]
    print_table(
        [f"{options.evaluations:,} evaluations, median of {options.rounds}", "measured", "bar"],
        [(name, f"{value:.2f}", f"{bar:g}") for name, value, bar in bars],
    )
    return end(
        [f"{name}: {value:.2f}; the bar is {bar:g}" for name, value, bar in bars if value > bar], not options.no_check
    )


if __name__ == "__main__":
    sys.exit(main())
