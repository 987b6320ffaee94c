"""Many fitted trees walked through at once: scikit-learn's own way takes a hundred times as long for one genome."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


class Trees:
    """Trees of a fitted ensemble of scikit-learn, in arrays; each says a row of values."""

    def __init__(self, estimators: Sequence[Any]) -> None:
        trees = [estimator.tree_ for estimator in estimators]
        self._roots = np.cumsum([0, *(tree.node_count for tree in trees[:-1])])
        shifts = np.repeat(self._roots, [tree.node_count for tree in trees])
        self._feature, self._threshold, left, right = (
            np.concatenate([getattr(tree, name) for tree in trees])
            for name in ("feature", "threshold", "children_left", "children_right")
        )
        # A leaf leads to itself.
        leaf, own = left < 0, np.arange(len(left))
        self._feature = np.where(leaf, 0, self._feature)
        self._left, self._right = np.where(leaf, own, left + shifts), np.where(leaf, own, right + shifts)
        self._depth = max(tree.max_depth for tree in trees)
        self._values = np.concatenate([tree.value[:, :, 0] for tree in trees])

    def sums(self, rows: np.ndarray) -> np.ndarray:
        """What all trees say of each row together, (rows, columns)."""
        rows = rows.astype(np.float32)  # as they were fitted
        node = np.tile(self._roots, (len(rows), 1))
        number = np.arange(len(rows))[:, None]
        for _ in range(self._depth):
            goes_left = rows[number, self._feature[node]] <= self._threshold[node]
            node = np.where(goes_left, self._left[node], self._right[node])
        total: np.ndarray = self._values[node].sum(axis=1)
        return total
