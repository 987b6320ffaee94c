"""Which documents share much of their text, so that no split holds what a model has read in another.

Copies under other names, versions and tables that a program wrote are common in collections of text, and a model that
has been trained on one knows the other (Lee et al. 2022, arXiv 2107.06499).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

# Bytes that are compared at once: about a line of code, longer than words and names.
WINDOW = 32
# Documents are near-duplicates where this share of the smaller one stands in the other.
SHARED = 0.2
# What more documents have, and more than this share of them, is a form to write in, as a licence: it ties nobody.
FEW, COMMON = 8, 1 / 8
# Of more than 2^20 windows one in so many is compared, at most 16, and of more than 2^27 so few that they are 2^23.
LEAST_SAMPLED, MOST_SAMPLED, SAMPLED = 2**20, 2**23, 16
_BLOCK = 2**20
_ODD = 0x9E3779B97F4A7C15  # 2^64 divided by the golden ratio


def families(documents: Sequence[bytes]) -> np.ndarray:
    """The number of the family of each document, (N,): the same for near-duplicates, and for who is tied by others.

    Compared are fingerprints of substrings of `WINDOW` bytes, chosen by their own value: equal text has the same ones
    wherever it stands (Broder 1997). Time and memory grow in proportion to the text.

    Examples:
        >>> table = b"".join(b"entry %d stands for letter %d; " % (n, n * n) for n in range(99))
        >>> families([table, b"All that is in another file, in its own words.", table[:900] + b"; the end"]).tolist()
        [0, 1, 0]
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    count = len(documents)
    prints, owners = _fingerprints(documents)
    starts = np.flatnonzero(np.diff(prints, prepend=~prints[:1]))
    copies = np.diff(starts, append=len(prints))
    tells = np.repeat(copies <= max(FEW, COMMON * count), copies)
    prints, owners, first = prints[tells], owners[tells], np.repeat(owners[starts], copies)[tells]
    # Each owner beside the first and the one before it: as many pairs as owners, where all would be their square.
    (later,) = np.nonzero(prints[1:] == prints[:-1])
    own, before, first = owners[later + 1], owners[later], first[later + 1]
    apart = before != first
    pairs = np.concatenate([first * count + own, (before * count + own)[apart]])
    ties, shared = np.unique(pairs, return_counts=True)
    one, other = np.divmod(ties, count)
    sizes = np.bincount(owners, minlength=count)
    alike = shared >= SHARED * np.minimum(sizes[one], sizes[other])
    graph = coo_array((np.ones(alike.sum(), bool), (one[alike], other[alike])), shape=(count, count))
    return np.asarray(connected_components(graph, directed=False)[1])


def _fingerprints(documents: Sequence[bytes]) -> tuple[np.ndarray, np.ndarray]:
    """Sampled fingerprints, (M,), in order, and the numbers of the documents that have them, (M,); each pair once."""
    text = np.frombuffer(b"".join(documents), np.uint8)
    ends = np.cumsum([len(document) for document in documents])
    one_in = max(1, min(SAMPLED, len(text) // LEAST_SAMPLED), len(text) // MOST_SAMPLED)
    below = np.uint64(2**64 // one_in - 1)
    prints, owners = [np.empty(0, np.uint64)], [np.empty(0, np.int64)]
    for start in range(0, len(text) - WINDOW + 1, _BLOCK):
        hashes = _hashes(text[start : start + _BLOCK + WINDOW - 1])
        (places,) = np.nonzero(hashes <= below)
        found = np.searchsorted(ends, start + places, side="right")
        within = start + places + WINDOW <= ends[found]
        prints.append(hashes[places[within]])
        owners.append(found[within])
    every, whose = np.concatenate(prints), np.concatenate(owners)
    order = np.lexsort((whose, every))
    every, whose = every[order], whose[order]
    new = np.ones(len(every), bool)
    new[1:] = (every[1:] != every[:-1]) | (whose[1:] != whose[:-1])
    return every[new], whose[new]


def _hashes(text: np.ndarray) -> np.ndarray:
    """Of each window of a text (n,), (n - WINDOW + 1,): a polynomial of its bytes modulo 2^64, its bits mixed."""
    hashes = text.astype(np.uint64)
    step = 1
    while step < WINDOW:
        hashes = hashes[:-step] * np.uint64(pow(_ODD, step, 2**64)) + hashes[step:]
        step *= 2
    hashes ^= hashes >> np.uint64(32)
    hashes *= np.uint64(_ODD)
    return hashes ^ (hashes >> np.uint64(29))
