"""Where a genome comes from: changes from parent to child, back to the first generation."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from hrfevo.results.genome.lineage import Change, changes, lineage
from hrfevo.results.history import History
from hrfevo.space.genome import Genome, sample
from hrfevo.space.reading import parse_space
from hrfevo.views.figures.winners.tree import tree
from hrfevo.views.terminal.lineage import as_tree
from signal_model.support.errors import InputError
from tests.conftest import answer
from tests.tools.synthetic import SPACE, read


def applied(values: Mapping[str, Any], found: Sequence[Change]) -> dict[str, Any]:
    """`values` with the changes made."""
    result = json.loads(json.dumps(values))
    layers = result["layers"]
    whole = [c for c in found if c.gene.startswith("layers[") and c.gene.endswith("]")]
    place = {c.gene: int(c.gene[7:-1]) for c in whole}
    for change in sorted((c for c in whole if c.after is None), key=lambda c: -place[c.gene]):
        assert layers.pop(place[change.gene]) == change.before
    for change in sorted((c for c in whole if c.before is None), key=lambda c: place[c.gene]):
        layers.insert(place[change.gene], change.after)
    for change in found:
        if change not in whole:
            head, _, gene = change.gene.partition("].")
            target, name = (layers[int(head[7:])], gene) if gene else (result, change.gene)
            assert target.get(name) == change.before
            target.pop(name, None)
            if change.after is not None:
                target[name] = change.after
    return dict(result)


@given(seeds=st.tuples(st.integers(0, 2**32), st.integers(0, 2**32)), order=st.randoms(use_true_random=False))
def test_changes_lead_from_parent_to_child(seeds: tuple[int, int], order: random.Random) -> None:
    space = parse_space(SPACE, "questions.yaml")
    parent, other = (sample(space, np.random.default_rng(seed)).values for seed in seeds)
    layers = order.sample(pool := [*parent["layers"], *other["layers"]], order.randint(1, min(3, len(pool))))
    for child in (other, parent, {**parent, "layers": layers}):
        found = list(changes(parent, child))
        assert applied(parent, found) == child
        assert (found == []) == (Genome(parent) == Genome(child))


def test_a_layer_put_in_is_one_change() -> None:
    first, second, new = ({"mixer.kind": kind} for kind in ("attention", "harmonic", "wavelet"))
    assert list(changes({"layers": [first, second]}, {"layers": [new, first, second]})) == [
        Change("layers[0]", None, new)
    ]
    assert list(changes({"layers": [first, second]}, {"layers": [second]})) == [Change("layers[0]", first, None)]


def test_lineage_goes_back_to_the_first_generation(written_run: Path) -> None:
    space, evaluations = read(written_run)
    parents = {e.genome: e.parents for e in evaluations}
    youngest = max(evaluations, key=lambda e: e.birth).genome
    found = lineage(History(space, tuple(evaluations)), youngest)

    def closure(genome: str) -> set[str]:
        return {genome}.union(*map(closure, parents[genome]))

    assert {ancestor.genome for ancestor in found} == closure(youngest)
    assert len(found) > 20
    assert found[0].genome == youngest
    score = {(e.genome, e.rung): e.metrics["bits_per_byte"] for e in evaluations if e.status == "finished"}
    gains = 0
    for ancestor in found:
        assert ancestor.parents or ancestor.operator == "random"
        for descent in ancestor.parents:
            both = [r for r in (0, 1) if (ancestor.genome, r) in score and (descent.parent, r) in score]
            assert descent.rung == max(both, default=None)
            if both:
                gains += 1
                assert descent.gain == score[descent.parent, max(both)] - score[ancestor.genome, max(both)]
    assert gains > 10
    console = Console(width=100_000, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(as_tree(space, found))
    lines = console.export_text().splitlines()
    told = [line for line in lines if "generation" in line and "told in its own place" not in line]
    assert len(told) == len(found)  # each once
    assert {word for line in told for word in line.split() if word in parents} == closure(youngest)
    edges = sum(len(ancestor.parents) for ancestor in found)
    assert sum("→ " in line and (" steps; " in line or "same rung; " in line) for line in lines) == edges


def test_the_terminal_and_the_figure_draw_one_ancestry(written_run: Path) -> None:
    """Both go back by the better parent, and say the same gains of the same edges."""
    space, evaluations = read(written_run)
    for youngest in {e.genome for e in evaluations[-30:]}:
        found = lineage(History(space, tuple(evaluations)), youngest)
        straight = [place for place in tree(found) if place.row == 0]
        branch = as_tree(space, found)
        labels = [str(child.label) for child in branch.children if not str(child.label).startswith("× ")]
        assert [label.split()[0] for label in labels] == [place.ancestor.genome for place in straight[1:]]
        for label, place in zip(labels, straight[1:], strict=True):
            assert place.descent is not None
            gain = place.descent.gain
            assert ("not measured at the same rung" if gain is None else f"{gain:+.4g} after") in label
            assert not any(
                other.gain is not None and (gain is None or other.gain < gain)
                for one in found
                for other in one.parents
                if place.descent in one.parents
            )


def test_lineage_of_strange_stores(written_run: Path) -> None:
    """A parent that is not there, as of weights brought from elsewhere, and parents in a circle end it."""
    space, evaluations = read(written_run)
    one, other = evaluations[0], evaluations[1]
    (alone,) = lineage(History(space, (replace(one, parents=("nowhere",)),)), one.genome)
    assert [(d.parent, d.known, d.gain) for d in alone.parents] == [("nowhere", False, None)]
    circle = [replace(one, parents=(other.genome,)), replace(other, parents=(one.genome,))]
    assert len(lineage(History(space, tuple(circle)), one.genome)) == 2
    for some in ([replace(one, parents=("nowhere",))], circle):
        found = lineage(History(space, tuple(some)), one.genome)
        Console(file=open("/dev/null", "w")).print(as_tree(space, found))  # noqa: SIM115
        assert len({place.ancestor.genome for place in tree(found)}) == len(found)


def test_lineage_prints_a_tree_json_and_csv(written_run: Path) -> None:
    youngest = max(read(written_run)[1], key=lambda e: e.birth).genome
    rows = json.loads(answer("lineage", written_run, youngest[:9], "--format", "json"))
    assert rows[0]["genome"] == youngest
    assert {"operator", "parent", "gain", "gain_steps", "changes"} <= rows[0].keys()
    assert answer("lineage", written_run, youngest, "--format", "csv").count("\n") == len(rows) + 1
    assert answer("lineage", written_run, youngest).startswith(youngest)
    with pytest.raises(InputError, match="no genome of this run"):
        answer("lineage", written_run, "zzz")
