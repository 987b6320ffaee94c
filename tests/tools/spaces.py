"""Small search spaces, as text and as content."""

from __future__ import annotations

from typing import Any

MINIMAL: dict[str, Any] = {
    "name": "minimal",
    "genes": {"embedding.kind": {"type": "choice", "values": ["standard", "spectral"]}},
    "rungs": [1],
    "budget": {"evaluations": 1},
}
SMALL = """
name: small
model: {context: 32, width: 16}
genes:
  training.learning_rate: {type: float, low: 1e-3, high: 3e-2}
  embedding.kind: {type: choice, values: [standard, spectral]}
  embedding.bases: {type: int, low: 2, high: 8, when: {embedding.kind: spectral}}
  embedding.frequencies: {type: interval, low: 0.5, high: 8, when: {embedding.kind: spectral}}
  layers:
    type: layers
    min: 1
    max: 2
    genes:
      mixer.kind: {type: choice, values: [attention, wavelet]}
rungs: [3]
budget: {evaluations: 5}
"""
# Two of its genes, for tests that put others in their place.
RATE, KINDS = "{type: float, low: 1e-3, high: 3e-2}", "mixer.kind: {type: choice, values: [attention, wavelet]}"
