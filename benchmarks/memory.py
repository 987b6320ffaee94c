"""Whether a search that lasts holds more and more memory.

    python benchmarks/memory.py -- hrfevo run search_spaces/mixers.yaml --set budget='{minutes: 30}' --no-confirm

Runs the command and measures its process and its Ray workers every half minute: the anonymous memory that they hold,
which Linux alone tells. (Unique set size would not do: pages of libraries count in it or not as other programs come
and go that have them too.) After each one's first minutes, in which models of every kind are built for the first
time, the median of the last quarter may be 5 % above that of the first quarter.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

import psutil
from common import end, machine, print_table

MOST_GROWTH = 0.05


def anonymous(process: psutil.Process) -> float:
    """Megabytes of memory that no file stands behind. Raises psutil.NoSuchProcess."""
    try:
        status = Path(f"/proc/{process.pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        raise psutil.NoSuchProcess(process.pid) from None
    found = [line.split()[1] for line in status.splitlines() if line.startswith("RssAnon:")]
    return 1024 * int(found[0]) / 1e6 if found else 0.0  # a process that has ended holds nothing


def held(driver: psutil.Process) -> dict[str, float]:
    """Megabytes of the driver and of each of its workers, by name."""
    found = {}
    for process in (driver, *driver.children(recursive=True)):
        try:
            command = process.cmdline()
            if process == driver or (command and command[0].startswith("ray::_Actor")):
                name = "driver" if process == driver else f"worker {process.pid}"
                found[name] = anonymous(process)
        except psutil.NoSuchProcess:
            continue
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description="Whether a search holds more and more memory.")
    parser.add_argument("--every", type=float, default=30, help="seconds (%(default)s)")
    parser.add_argument(
        "--after", type=float, default=5, help="minutes of each process that do not count (%(default)s)"
    )
    parser.add_argument("--no-check", action="store_true")
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    print(f"{machine('torch', 'ray')}\n", flush=True)
    course: dict[str, list[tuple[float, float]]] = defaultdict(list)
    began = time.monotonic()
    with subprocess.Popen(options.command) as running:
        driver = psutil.Process(running.pid)
        while running.poll() is None:
            minutes = (time.monotonic() - began) / 60
            for name, megabytes in held(driver).items():
                course[name].append((minutes, megabytes))
            time.sleep(options.every)
    rows, missed = [], []
    for name, points in course.items():
        counted = [megabytes for minutes, megabytes in points if minutes - points[0][0] >= options.after]
        if len(counted) < 8:
            continue  # a worker that was replaced, or the search was short
        quarter = len(counted) // 4
        first, last = statistics.median(counted[:quarter]), statistics.median(counted[-quarter:])
        growth = last / first - 1
        rows.append(
            [
                name,
                f"{points[0][0]:.0f}–{points[-1][0]:.0f}",
                *(f"{v:.0f}" for v in (first, last, max(counted))),
                f"{growth:+.1%}",
            ]
        )
        if growth > MOST_GROWTH:
            missed.append(f"{name}: grew by {growth:.1%}; the bar is {MOST_GROWTH:.0%}")
    print()
    print_table(["process", "minutes", "first quarter, MB", "last quarter, MB", "most, MB", "growth"], rows)
    return end(missed, not options.no_check) or running.returncode or (not rows)


if __name__ == "__main__":
    sys.exit(main())
