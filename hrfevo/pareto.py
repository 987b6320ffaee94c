"""Fronts that grow point by point, and the hypervolume that they dominate. Smaller values are better."""

from __future__ import annotations

import numpy as np


def joined(front: np.ndarray, point: np.ndarray) -> np.ndarray:
    """A front (n, objectives) with one point more; the same array where something on it is as good.

    Examples:
        >>> front = joined(np.array([[1.0, 5.0], [4.0, 2.0]]), np.array([2.0, 3.0]))
        >>> front.tolist()
        [[1.0, 5.0], [4.0, 2.0], [2.0, 3.0]]
        >>> joined(front, np.array([2.0, 4.0])) is front  # (2, 3) is better
        True
    """
    if (front <= point).all(axis=1).any():
        return front
    return np.vstack([front[~(point <= front).all(axis=1)], point])


def volume(points: np.ndarray, ideal: np.ndarray, worst: np.ndarray) -> float:
    """What points (N, objectives) dominate of the box from `ideal` to `worst`, which is 1.

    An objective that is the same in both counts as attained.

    Examples:
        >>> volume(np.array([[0.0, 0.5], [0.5, 0.0]]), ideal=np.zeros(2), worst=np.ones(2))
        0.75
    """
    import moocore

    scaled = (points - ideal) / np.where(worst > ideal, worst - ideal, 1.0)
    return float(moocore.hypervolume(scaled, ref=np.ones(scaled.shape[1])))


def growth(points: np.ndarray, ideal: np.ndarray, worst: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where in a sequence of points (N, objectives) their front grows, and its `volume` from there on.

    Examples:
        >>> places, volumes = growth(np.array([[0.5, 0.5], [0.6, 0.6], [0.0, 0.5]]), np.zeros(2), np.ones(2))
        >>> places.tolist(), volumes.tolist()
        ([0, 2], [0.25, 0.5])
    """
    places, volumes, front = [], [], np.empty((0, points.shape[1]))
    for place, point in enumerate(points):
        grown = joined(front, point)
        if grown is not front:
            front = grown
            places.append(place)
            volumes.append(volume(front, ideal, worst))
    return np.array(places, int), np.array(volumes)
