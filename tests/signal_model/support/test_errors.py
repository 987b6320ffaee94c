"""Words that errors and tables share."""

from __future__ import annotations

import ast
import itertools
import re

import numpy as np
import pytest

from signal_model.support.errors import counted
from tests.conftest import ROOT


@pytest.mark.parametrize(
    ("count", "noun", "says"),
    [
        (1, "worker", "1 worker"),
        (0, "worker", "0 workers"),
        (1200, "training step", "1,200 training steps"),
        (1.0, "minute", "1 minute"),
        (0.5, "minute", "0.5 minutes"),
        (np.int64(1_234_567), "step", "1,234,567 steps"),
        (2, "study", "2 studies"),
        (2, "day", "2 days"),
    ],
)
def test_a_count_and_its_noun_agree(count: float, noun: str, says: str) -> None:
    assert counted(count, noun) == says


def test_no_amount_is_counted_by_hand() -> None:
    """A number that is written straight before one of these nouns says `1 evaluations` some day."""
    nouns = r" (?:training )?(?:evaluations|seeds|workers|genomes|trainings|steps|runs|genes|points|rungs)\b"
    by_hand = []
    for file in sorted(path for package in ("hrfevo", "signal_model") for path in (ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            for value, after in itertools.pairwise(node.values if isinstance(node, ast.JoinedStr) else ()):
                is_amount = isinstance(value, ast.FormattedValue) and value.format_spec is not None
                if is_amount and isinstance(after, ast.Constant) and re.match(nouns, str(after.value)):
                    by_hand.append(f"{file.relative_to(ROOT)}:{node.lineno}: {after.value}")
    assert by_hand == []
