"""What the scripts share: the machine in words, a table, the end."""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path


def machine(*packages: str) -> str:
    """Processor, Python and the versions of packages, in one line."""
    info = Path("/proc/cpuinfo")
    names = re.findall(r"model name\s*: (.*)", info.read_text()) if info.exists() else []
    versions = ", ".join(f"{package} {metadata.version(package)}" for package in packages)
    processor = names[0] if names else platform.processor() or platform.machine()
    return f"{processor}, {os.cpu_count()} CPUs, Python {platform.python_version()}, {versions}"


def print_table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A Markdown table; all columns but the first are right-aligned."""
    print(f"| {' | '.join(head)} |\n|---|{'---:|' * (len(head) - 1)}")
    for row in rows:
        print(f"| {' | '.join(map(str, row))} |")


def end(missed: Sequence[str], check: bool = True) -> int:
    """Say which bars were missed; the exit code."""
    for sentence in missed:
        print(f"missed: {sentence}", file=sys.stderr)
    return 1 if missed and check else 0
