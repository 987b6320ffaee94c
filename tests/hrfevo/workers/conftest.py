"""Workers of these tests may start slowly, and leave no Ray to the next."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from hrfevo.workers import ray_workers


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    # Tests count workers. Where others use the machine the last may take longer to start than a search would wait.
    monkeypatch.setattr(ray_workers, "START", 300.0)
    yield
    if "ray" in sys.modules:  # of a test that failed before it closed its workers
        sys.modules["ray"].shutdown()
