"""Questions about runs: conditions, comparisons, lineages, listings, a loaded run. All runs here are synthetic."""

from __future__ import annotations

import itertools
import json
import math
import operator
import os
import random
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymoo.indicators.hv import Hypervolume
from rich.console import Console
from scipy import stats
from typer.testing import CliRunner

import hrfevo
from hrfevo.cli import app
from hrfevo.compare import SHARES, compare, read_searches
from hrfevo.confirmed import Confirmed
from hrfevo.filters import OPERATORS, parse_condition
from hrfevo.genome import Genome, sample
from hrfevo.lineage import Change, as_tree, changes, lineage
from hrfevo.overview import overviews
from hrfevo.ranking import by_metric, front
from hrfevo.records import Job, Outcome, Point, Proposal
from hrfevo.report.frames import evaluation_frame
from hrfevo.run_folder import RunFolder
from hrfevo.significance import between_groups, between_winners, grouped
from hrfevo.space import SearchSpace
from hrfevo.store import Evaluation, Store
from hrfevo.validation import parse_space
from signal_model.errors import InputError
from signal_model.model import SignalLLM
from tests.conftest import ROOT, command

SPACE = """
name: questions
corpus: python
model: {context: 64, width: 64}
genes:
  training.learning_rate: {type: float, low: 1e-3, high: 2e-2, log: true}
  embedding.kind: {type: choice, values: [standard, spectral]}
  embedding.bases: {type: int, low: 2, high: 8, when: {embedding.kind: spectral}}
  embedding.frequencies: {type: interval, low: 0.5, high: 8, log: true, when: {embedding.kind: spectral}}
  embedding.learnable_frequencies: {type: choice, values: [true, false], when: {embedding.kind: spectral}}
  layers:
    type: layers
    min: 1
    max: 3
    fixed: {feedforward: {kind: mlp}}
    genes:
      mixer.kind: {type: choice, values: [attention, harmonic, wavelet]}
      mixer.families: {type: choice, values: [[haar], [haar, db4]], when: {mixer.kind: wavelet}}
      feedforward.expansion: {type: ordered, values: [1.0, 2.0, 4.0]}
objectives: {bits_per_byte: minimize, step_time: minimize, parameters: maximize}
rungs: [20, 60]
population: 8
budget: {evaluations: 64, minutes: 90}
"""
HEAVY = {"torch", "ray", "optuna", "pandas", "plotly", "datasets", "scipy", "sklearn"}


@pytest.fixture(scope="module")
def space() -> SearchSpace:
    return parse_space(SPACE, "questions.yaml")


def write_run(
    parent: Path, name: str, count: int, seed: int = 0, text: str = SPACE, store: str | None = None, **settings: Any
) -> Path:
    """A run that never trained: random genomes with parents, random scores, some failed, some promoted, one going."""
    space = parse_space(text, "space.yaml")
    random = np.random.default_rng(seed)
    told = {"seed": seed, "algorithm": "evolution", "synchronous": False, "set": [], "founders": []}
    told |= {"corpus": {"name": "python", "hash": "1f"}} | settings
    folder = RunFolder.create(parent, space, text, told, store, name)
    opened = folder.open_store(store, create=True)
    folder.begin(opened)
    genomes: list[Genome] = []
    waiting: list[Genome] = []
    for number in range(count):
        if waiting and number % 4 == 3:
            proposal = Proposal(waiting.pop(0), "promotion", (), len(space.rungs) - 1)
        else:
            some = [genomes[int(i)].id for i in random.integers(0, len(genomes), 2)] if len(genomes) > 7 else []
            how = ("random", "mutation", "crossover")[len(set(some))]
            proposal = Proposal(sample(space, random), how, tuple(dict.fromkeys(some)))
            genomes.append(proposal.genome)
        job = Job(number, proposal.genome, proposal.rung, 7)
        opened.submitted(folder.id, job, proposal)
        if number == count - 1:
            continue
        began = 1.7e9 + 10 * number
        metrics = {"parameters": float(random.integers(50_000, 90_000)), "state_size": 64.0}
        times = {"started": began, "ended": began + float(random.uniform(1, 5)), "worker": "w:1", "device": "cpu"}
        if random.random() < 0.1:
            outcome = Outcome(job, "failed", metrics, "diverged: loss is nan", **times)
        else:
            score = round(float(2.5 - 0.3 * proposal.rung + random.exponential(0.2)), 2)  # rounded: ties happen
            metrics |= {
                "bits_per_byte": score,
                "step_time": round(float(random.uniform(5, 9)), 1),
                "train_seconds": 1.0,
            }
            outcome = Outcome(job, "finished", metrics, curve=(Point(5, 0.1, 3.0), Point(20, 0.4, 2.5)), **times)
            if not proposal.rung:
                waiting.append(proposal.genome)
        opened.record(folder.id, outcome, 5.0 * number)
    opened.set_state(folder.id, "finished", "budget spent")
    opened.close()
    return folder.path


def read(path: Path) -> tuple[SearchSpace, list[Evaluation]]:
    folder = RunFolder.open(path)
    store = folder.open_store()
    evaluations = store.evaluations(folder.id)
    store.close()
    return folder.space(), evaluations


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("runs"), "one", 300)


@pytest.fixture(scope="module")
def evaluations(run: Path) -> list[Evaluation]:
    return read(run)[1]


def answer(*arguments: object) -> str:
    """What a command prints; its InputError is raised."""
    result = CliRunner().invoke(app, [*map(str, arguments)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


# --- conditions ----------------------------------------------------------------------------------


def compared(sign: str, a: Any, b: Any) -> bool:
    """By other means than the filter's table of operators."""
    match sign:
        case "=":
            return bool(a == b)
        case "!=":
            return bool(a != b)
        case "<" | "<=":
            return bool(a < b) or (sign == "<=" and bool(a == b))
        case _:
            return bool(b < a) or (sign == ">=" and bool(a == b))


def cells(frame: pd.DataFrame, column: str) -> list[Any]:
    """None where a row has nothing; numbers are Python's own."""
    return [
        None if not isinstance(v, tuple) and pd.isna(v) else getattr(v, "item", lambda v=v: v)() for v in frame[column]
    ]


def written(draw: Callable[..., Any], names: Mapping[str, Sequence[Sequence[Any]]]) -> tuple[str, list[bool]]:
    """A condition as text, and which evaluations meet it: `names` has rows of values, several for layers."""
    name = draw(st.sampled_from(sorted(names)))
    rows = names[name]
    known = [value for row in rows for value in row]
    value = draw(st.sampled_from(known))
    number = isinstance(value, int | float) and not isinstance(value, bool)
    sign = draw(st.sampled_from(list(OPERATORS) if number else ["=", "!="]))
    if number and not name.endswith("expansion"):
        value = draw(st.sampled_from([value, value + draw(st.floats(-2, 2).map(lambda x: round(x, 3)))]))
    text = json.dumps(list(value)) if isinstance(value, tuple) else json.dumps(value)
    blank = draw(st.sampled_from(["", " "]))
    met = []
    for row in rows:
        if sign == "!=":
            met.append(bool(row) and not any(compared("=", v, value) for v in row))
        else:
            met.append(any(compared(sign, v, value) for v in row))
    return f"{name}{blank}{sign}{blank}{text}", met


def quantities(space: SearchSpace, evaluations: Sequence[Evaluation]) -> dict[str, list[list[Any]]]:
    """Every name with the values of each evaluation, from the report's frame."""
    frame = evaluation_frame(evaluations, space)
    columns = {str(name): cells(frame, name) for name in frame}
    names = {"bits_per_byte": columns["bits_per_byte"], "step_time": columns["step_time"], "birth": columns["birth"]}
    names |= {"parameters": columns["parameters"], "generation": columns["generation"]}
    names |= {n: v for n, v in columns.items() if n.startswith("gene:") and n != "gene:embedding.frequencies"}
    ends = columns["gene:embedding.frequencies"]
    names |= {f"embedding.frequencies.{end}": [v and v[i] for v in ends] for i, end in enumerate(("low", "high"))}
    found = {name: [[] if v is None else [v] for v in values] for name, values in names.items()}
    for inner in ("mixer.kind", "mixer.families", "feedforward.expansion"):
        parts = [found[f"gene:layers[{i}].{inner}"] for i in range(3)]
        found[f"layers.{inner}"] = [sum(row, []) for row in zip(*parts, strict=True)]  # noqa: RUF017
    return found


@pytest.fixture(scope="module")
def known(space: SearchSpace, evaluations: list[Evaluation]) -> dict[str, list[list[Any]]]:
    return quantities(space, evaluations)


@given(data=st.data())
@settings(max_examples=200, deadline=None)
def test_conditions_choose_what_the_frame_says(
    data: st.DataObject, space: SearchSpace, evaluations: list[Evaluation], known: dict[str, list[list[Any]]]
) -> None:
    text, expected = written(data.draw, known)
    condition = parse_condition(text, space, evaluations)
    assert [condition(evaluation) for evaluation in evaluations] == expected


@given(text=st.one_of(st.text(max_size=30), st.from_regex(r"[a-z.\[\]0]{1,12}[<>=!]{1,3}.{0,8}", fullmatch=True)))
@settings(deadline=None)
def test_any_text_is_a_condition_or_refused(text: str, space: SearchSpace, evaluations: list[Evaluation]) -> None:
    with suppress(InputError):
        condition = parse_condition(text, space, evaluations)
        assert {condition(evaluation) for evaluation in evaluations} <= {True, False}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("paramters<3", "did you mean 'parameters'?"),
        ("embeding.kind=spectral", "did you mean 'embedding.kind'?"),
        ("mixer.kind=wavelet", "did you mean 'layers.mixer.kind'?"),
        ("parameters==3", "'==' is no operator (did you mean '='?); accepted: < <= > >= = !="),
        ("parameters=>3", "'=>' is no operator"),
        ("parameters", "expected NAME OPERATOR VALUE"),
        ("parameters<", "expected NAME OPERATOR VALUE"),
        ("<3", "expected NAME OPERATOR VALUE"),
        ("parameters<many", "expected a number, got 'many'"),
        ("parameters<500,000", "expected a number, got '500,000'"),
        ("embedding.kind=spectrl", "did you mean 'spectral'?"),
        ("embedding.kind<spectral", "have no order; accepted: = !="),
        ("embedding.learnable_frequencies=1", "never has the value 1"),
        ("embedding.bases=true", "expected a number, got True"),
        ("embedding.kind=[", "is not a YAML value"),
    ],
)
def test_a_wrong_condition_says_what_is_accepted(
    text: str, says: str, space: SearchSpace, evaluations: list[Evaluation]
) -> None:
    with pytest.raises(InputError) as error:
        parse_condition(text, space, evaluations)
    assert says in str(error.value)
    assert str(error.value).startswith(f"--where {text}: ")


# --- best ----------------------------------------------------------------------------------------


def dominating(space: SearchSpace, evaluations: Sequence[Evaluation]) -> set[str]:
    """The front by its definition."""
    points = {e.genome: [w * e.metrics[m] for w, m in zip(space.weights, space.objectives, strict=True)]
              for e in evaluations}  # fmt: skip
    return {
        genome
        for genome, own in points.items()
        if not any(p != own and all(map(operator.ge, p, own)) for p in points.values())
    }


@pytest.mark.parametrize("rung", [0, 1])
@pytest.mark.parametrize("where", [[], ["parameters<70000"], ["layers.mixer.kind=wavelet", "gene:layers>1"]])
def test_best_of_a_rung_under_conditions(run: Path, rung: int, where: list[str]) -> None:
    space, evaluations = read(run)
    options = [part for text in where for part in ("--where", text)]
    tests: dict[str, Callable[[Evaluation], bool]] = {
        "parameters<70000": lambda e: e.metrics["parameters"] < 70000,
        "layers.mixer.kind=wavelet": lambda e: "wavelet" in [layer["mixer.kind"] for layer in e.values["layers"]],
        "gene:layers>1": lambda e: len(e.values["layers"]) > 1,
    }
    met = [e for e in evaluations if e.status == "finished" and e.rung == rung and all(tests[t](e) for t in where)]
    asked = ["best", run, "--rung", rung, *options, "--format", "json"]
    winners = json.loads(answer(*asked, "--front"))
    assert {one["genome"] for one in winners} == dominating(space, met)
    assert {one["steps"] for one in winners} == {space.rungs[rung]}
    listed = json.loads(answer(*asked, "--top", 1000))
    assert {one["genome"] for one in listed} == {e.genome for e in met}
    assert listed[: len(winners)] == winners
    by_size = json.loads(answer(*asked, "--top", 5, "--objective", "parameters"))
    largest = sorted((e.metrics["parameters"] for e in met), reverse=True)[:5]
    assert [one["metrics"]["parameters"] for one in by_size] == largest  # this space maximizes them
    by_time = json.loads(answer(*asked, "--top", 5, "--objective", "train_seconds"))
    assert all(one["metrics"]["train_seconds"] == 1.0 for one in by_time)


def test_best_refuses_what_a_run_has_not(run: Path) -> None:
    with pytest.raises(InputError, match=r"rung 2: is none of this run; accepted: 0 \(20 steps\), 1 \(60 steps\)"):
        answer("best", run, "--rung", 2)
    with pytest.raises(InputError, match=r"metric 'bits_per_bite': was not measured \(did you mean 'bits_per_byte'"):
        answer("best", run, "--objective", "bits_per_bite")
    assert answer("best", run, "--where", "parameters<0") == "no evaluation meets the conditions\n"
    assert answer("best", run, "--where", "parameters<0", "--format", "json") == "[]\n"


def test_metrics_that_are_no_objective_have_a_direction(run: Path) -> None:
    space, evaluations = read(run)
    for metric, sign in (("state_size", 1), ("in_context_recall", -1)):
        made = [replace(e, metrics={metric: float(e.number)}) for e in evaluations[:5]]
        assert [e.number for e in by_metric(space, made, metric)] == sorted(range(5), key=lambda n: sign * n)


# --- compare -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("compared")
    sizes = [120, 90, 100, 150, 110, 95]
    algorithms = ["evolution", "random"] * 3
    return [
        write_run(folder, f"{algorithm}-{seed}", count, seed, algorithm=algorithm)
        for seed, (count, algorithm) in enumerate(zip(sizes, algorithms, strict=True))
    ]


def fronts_at(path: Path, seconds: float) -> np.ndarray:
    """Objectives to minimize of all that the top rung had finished by then."""
    space, evaluations = read(path)
    spent, points = 0.0, []
    for e in sorted((e for e in evaluations if e.ended_event is not None), key=lambda e: e.ended_event or 0):
        spent += (e.ended or 0) - (e.started or 0)
        if e.status == "finished" and e.rung == 1 and spent <= seconds + 1e-6:
            points.append([-w * e.metrics[m] for w, m in zip(space.weights, space.objectives, strict=True)])
    return np.array(points).reshape(-1, 3)


def test_hypervolumes_are_those_of_pymoo(runs: list[Path]) -> None:
    comparison = compare(read_searches(runs))
    assert comparison.reference is not None
    assert comparison.objectives == {"bits_per_byte": "minimize", "step_time": "minimize", "parameters": "maximize"}
    reference = np.array([*comparison.reference.values()]) * [1, 1, -1]
    volume = Hypervolume(ref_point=reference, normalize=False)
    whole = volume(np.concatenate([fronts_at(path, math.inf) for path in runs]))
    spent = [sum((e.ended or 0) - (e.started or 0) for e in read(path)[1] if e.ended) for path in runs]
    assert comparison.shortest == pytest.approx(min(spent))
    for path, row, seconds in zip(runs, comparison.rows, spent, strict=True):
        space, evaluations = read(path)
        top = [e for e in evaluations if e.status == "finished" and e.rung == 1]
        assert row.seconds == pytest.approx(seconds)
        assert row.best == min(e.metrics["bits_per_byte"] for e in top)
        assert row.front == len(dominating(space, top))
        assert row.hypervolume == pytest.approx(volume(fronts_at(path, math.inf)) / whole)
        for share, found in zip(SHARES, row.at_shares, strict=True):
            points = fronts_at(path, share * min(spent))
            assert found == pytest.approx(volume(points) / whole if len(points) else 0.0)
            found_front = points[[not any((q <= p).all() and (q < p).any() for q in points) for p in points]]
            assert (found_front <= reference).all()  # what a front holds counts, its ends too
    assert any("only the columns of shares compare equal training" in note for note in comparison.notes)


def test_groups_are_tested_by_ranks(runs: list[Path]) -> None:
    comparison = compare(read_searches(runs))
    groups = grouped(comparison)
    assert [group.name for group in groups] == ["questions evolution", "questions random"]
    (test,), notes = between_groups(comparison, groups)
    own, other = (group.hypervolumes for group in groups)
    assert test.difference == pytest.approx(np.median(own) - np.median(other))

    def u(chosen: Sequence[float], rest: Sequence[float]) -> float:
        return sum((a > b) + 0.5 * (a == b) for a in chosen for b in rest)

    # Every way in which the six could have been dealt to two groups of three.
    every = own + other
    dealt = [u([every[i] for i in c], [every[i] for i in range(6) if i not in c])
             for c in itertools.combinations(range(6), 3)]  # fmt: skip
    at_least = sum(abs(value - 4.5) >= abs(u(own, other) - 4.5) for value in dealt) / len(dealt)
    assert test.p == pytest.approx(at_least)
    assert any("with 3 and 3 searches p cannot be below 0.1" in note for note in notes)


def test_groups_without_repetitions_are_not_tested(runs: list[Path]) -> None:
    searches = read_searches(runs)
    comparison = compare(searches[:3])
    tests, notes = between_groups(comparison, grouped(comparison))
    assert tests == []
    assert any("Not tested: questions random" in note for note in notes)
    same = replace(searches[2], settings=searches[2].settings | {"seed": 0, "set": ["population=9"]})
    comparison = compare([searches[0], same, searches[1], searches[3]])
    tests, notes = between_groups(comparison, grouped(comparison))
    assert tests == []
    assert any("seed 0 stands more than once" in note for note in notes)
    assert any("differ in more than the seed" in note for note in notes)


def confirmed(test: tuple[float, ...], mean: float = 2.0) -> Confirmed:
    return Confirmed("abc", "search", {}, 1000, 60, (mean,) * len(test), test)


def test_winners_are_tested_as_welch_did(runs: list[Path]) -> None:
    one, other = read_searches(runs[:2])
    a, b = (2.31, 2.35, 2.30, 2.33), (2.40, 2.52, 2.43)
    worse = confirmed((9.0, 9.5), mean=3.0)  # not the best on validation, so not compared
    sides = [replace(one, confirmed=[worse, confirmed(a)]), replace(other, confirmed=[confirmed(b)])]
    (test,), notes = between_winners(compare(sides))
    parts = [np.var(side, ddof=1) / len(side) for side in (a, b)]
    degrees = sum(parts) ** 2 / sum(p**2 / (len(side) - 1) for p, side in zip(parts, (a, b), strict=True))
    error = math.sqrt(sum(parts))
    difference = np.mean(a) - np.mean(b)
    assert test.difference == pytest.approx(difference)
    assert test.p == pytest.approx(2 * stats.t.sf(abs(difference) / error, degrees))
    assert (test.low, test.high) == pytest.approx(stats.t.interval(0.95, degrees, difference, error))
    assert any("not about the searches" in note for note in notes)
    # One seed, other text or no spread at all: nothing is claimed.
    for changed in (
        replace(sides[1], confirmed=[confirmed((2.4,))]),
        replace(sides[1], settings=other.settings | {"corpus": {"name": "other", "hash": "2e"}}),
        replace(sides[1], confirmed=[]),
    ):
        tests, notes = between_winners(compare([sides[0], changed]))
        assert tests == []
        assert notes[0].startswith("One search each says nothing about significance")
    flat = [replace(side, confirmed=[confirmed((2.0, 2.0))]) for side in sides]
    assert between_winners(compare(flat))[0] == []


def test_what_cannot_be_compared_is_refused_or_said(runs: list[Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="takes at least two runs, got 1"):
        answer("compare", runs[0])
    with pytest.raises(InputError, match="is named twice"):
        answer("compare", runs[0], runs[0].parent / "." / runs[0].name)
    fewer = SPACE.replace(", parameters: maximize", "")
    other = write_run(tmp_path, "two", 40, text=fewer)
    with pytest.raises(
        InputError, match=r"have different objectives: minimize bits_per_byte, .*; minimize bits_per_byte"
    ):
        answer("compare", runs[0], other)
    shorter = write_run(tmp_path, "shorter", 60, text=SPACE.replace("rungs: [20, 60]", "rungs: [20, 40]"))
    elsewhere = write_run(tmp_path, "elsewhere", 60, corpus={"name": "books", "hash": "2e"})
    result = json.loads(answer("compare", runs[0], shorter, elsewhere, "--format", "json", "--group"))
    said = " ".join(result["notes"])
    assert "The corpora differ" in said
    assert "The highest rungs reached differ (steps: evolution-0: 60, shorter: 40, elsewhere: 60)" in said
    assert result["tests"] == []
    nothing = [write_run(tmp_path, name, 1) for name in ("empty", "void")]
    result = json.loads(answer("compare", *nothing, "--format", "json"))
    assert [row["hypervolume"] for row in result["rows"]] == [None, None]
    assert "–" in answer("compare", *nothing)


def test_compare_prints_tables_json_and_csv(runs: list[Path]) -> None:
    result = json.loads(answer("compare", *runs, "--format", "json"))
    assert [row["run"] for row in result["rows"]] == [path.name for path in runs]
    frame = pd.read_csv(pd.io.common.StringIO(answer("compare", *runs, "--format", "csv").split("The longest")[0]))
    assert list(frame["hypervolume"]) == [row["hypervolume"] for row in result["rows"]]
    table = answer("compare", *runs, "--group")
    assert "questions evolution" in table
    assert "Mann-Whitney U, p = " in table


# --- lineage -------------------------------------------------------------------------------------


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
@settings(deadline=None)
def test_changes_lead_from_parent_to_child(space: SearchSpace, seeds: tuple[int, int], order: random.Random) -> None:
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


def test_lineage_goes_back_to_the_first_generation(run: Path) -> None:
    space, evaluations = read(run)
    parents = {e.genome: e.parents for e in evaluations}
    youngest = max(evaluations, key=lambda e: e.birth).genome
    found = lineage(space, evaluations, youngest)

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
    told = [line for line in lines if "generation" in line and "told already" not in line]
    assert len(told) == len(found)  # each once
    assert {word for line in told for word in line.split() if word in parents} == closure(youngest)
    edges = sum(len(ancestor.parents) for ancestor in found)
    assert sum("→ " in line and (" steps; " in line or "same rung; " in line) for line in lines) == edges


def test_lineage_of_strange_stores(run: Path) -> None:
    """A parent that is not there, as of weights brought from elsewhere, and parents in a circle end it."""
    space, evaluations = read(run)
    one, other = evaluations[0], evaluations[1]
    (alone,) = lineage(space, [replace(one, parents=("nowhere",))], one.genome)
    assert [(d.parent, d.known, d.gain) for d in alone.parents] == [("nowhere", False, None)]
    circle = [replace(one, parents=(other.genome,)), replace(other, parents=(one.genome,))]
    assert len(lineage(space, circle, one.genome)) == 2
    for some in ([replace(one, parents=("nowhere",))], circle):
        Console(file=open("/dev/null", "w")).print(as_tree(space, lineage(space, some, one.genome)))  # noqa: SIM115


def test_lineage_prints_a_tree_json_and_csv(run: Path) -> None:
    youngest = max(read(run)[1], key=lambda e: e.birth).genome
    rows = json.loads(answer("lineage", run, youngest[:9], "--format", "json"))
    assert rows[0]["genome"] == youngest
    assert {"operator", "parent", "gain", "gain_steps", "changes"} <= rows[0].keys()
    assert answer("lineage", run, youngest, "--format", "csv").count("\n") == len(rows) + 1
    assert answer("lineage", run, youngest).startswith(youngest)
    with pytest.raises(InputError, match="no genome of this run"):
        answer("lineage", run, "zzz")


# --- list ----------------------------------------------------------------------------------------


def test_list_says_what_reading_everything_would_say(
    tmp_path: Path, runs: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = {path.name: read(path) for path in runs}
    monkeypatch.setattr(Store, "evaluations", None)  # the database is to do it
    found, unreadable = overviews(runs[0].parent)
    assert unreadable == {}
    assert [one.run for one in found] == [path.name for path in reversed(runs)]  # newest first
    for one in found:
        space, evaluations = expected[one.run]
        best = front(space, evaluations)[0]
        assert one.best == best.metrics["bits_per_byte"]
        by_status = {s: sum(e.status == s for e in evaluations) for s in ("finished", "failed", "infeasible")}
        assert {s: getattr(one, s) for s in by_status} == by_status
        tied = {e.genome for e in evaluations if e.status == "finished" and e.rung == best.rung
                and e.metrics["bits_per_byte"] == one.best}  # fmt: skip
        assert one.genome in tied
    rows = json.loads(answer("list", runs[0].parent, "--sort", "best", "--format", "json"))
    assert [row["best"] for row in rows] == sorted(row["best"] for row in rows)
    assert (rows[0]["budget"], rows[0]["budget_minutes"]) == (64, 90)
    assert "64, 90 min" in answer("list", runs[0].parent, "--sort", "seconds")
    with pytest.raises(InputError, match=r"--sort bset: unknown \(did you mean 'best'\?\)"):
        answer("list", runs[0].parent, "--sort", "bset")


def test_damaged_runs_do_not_hide_the_others(tmp_path: Path) -> None:
    whole = write_run(tmp_path, "whole", 40)

    def damaged(name: str, statement: str = "", value: object = None) -> Path:
        path = Path(shutil.copytree(whole, tmp_path / name))
        if statement:
            with sqlite3.connect(path / "results.db") as database:
                database.execute(statement, () if value is None else (value,))
            database.close()
        return path

    (damaged("lost") / "results.db").unlink()
    (damaged("garbage") / "results.db").write_bytes(b"no database" * 500)
    (damaged("settings") / "run.json").write_text("{")
    (damaged("changed") / "space.yaml").write_text(SPACE.replace("width: 64", "width: 128"))
    damaged("metrics", "UPDATE evaluations SET metrics = ? WHERE status = 'finished'", "{")
    damaged("scores", "UPDATE evaluations SET metrics = ? WHERE status = 'finished' AND rung = 1", "{}")
    damaged("status", "UPDATE evaluations SET status = ? WHERE number = 2", "foo")
    damaged("row", "UPDATE runs SET settings = ?", "{")
    damaged("version", "UPDATE alembic_version SET version_num = 99")
    damaged("gone", "DROP TABLE evaluations")
    found, unreadable = overviews(tmp_path)
    assert [one.run for one in found] == ["whole"]
    assert set(unreadable) == {path.name for path in tmp_path.iterdir()} - {"whole"}
    result = command("hrfevo", "list", tmp_path)
    assert result.returncode == 0
    assert "Traceback" not in result.stderr
    assert len(result.stderr.splitlines()) == len(unreadable)
    assert "whole" in result.stdout


def test_runs_without_a_result_are_listed(tmp_path: Path) -> None:
    write_run(tmp_path, "new", 1)
    (row,) = json.loads(answer("list", tmp_path, "--sort", "best", "--format", "json"))
    assert (row["finished"], row["best"], row["genome"]) == (0, None, None)
    assert "–" in answer("list", tmp_path)


def test_list_of_runs_in_one_postgresql(tmp_path: Path, postgresql: str) -> None:
    for seed in range(3):
        write_run(tmp_path / "shared", f"run-{seed}", 60, seed, store=postgresql)
        write_run(tmp_path / "own", f"run-{seed}", 60, seed)
    shared, own = (overviews(tmp_path / name)[0] for name in ("shared", "own"))
    assert len(own) == 3
    assert [replace(one, created=0) for one in shared] == [replace(one, created=0) for one in own]


# --- speed ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("large"), "large", 5000)


@pytest.mark.parametrize("verb", ["list", "best", "show", "lineage"])
def test_questions_about_five_thousand_evaluations_need_little(verb: str, large: Path) -> None:
    """Seconds of the processor, which a busy machine does not stretch as it does the clock's."""
    genome = json.loads(answer("list", large.parent, "--format", "json"))[0]["genome"]
    arguments = {
        "list": [large.parent],
        "best": [large, "--where", "parameters<80000"],
        "show": [large, genome],
        "lineage": [large, genome],
    }
    code = (
        "import sys, time\nfrom hrfevo.cli import main\n"
        f"sys.argv = {['hrfevo', verb, *map(str, arguments[verb])]!r}\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
        f"heavy = {HEAVY!r} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "assert time.process_time() < 5, time.process_time()\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


# --- from Python ---------------------------------------------------------------------------------


def test_a_loaded_run_is_what_its_store_holds(run: Path) -> None:
    space, evaluations = read(run)
    loaded = hrfevo.load(run)
    assert loaded.space == space
    pd.testing.assert_frame_equal(loaded.evaluations, evaluation_frame(evaluations, space))
    assert list(loaded.front["genome"]) == [e.genome for e in front(space, evaluations)]
    assert len(loaded.curves) == 2 * sum(e.status == "finished" for e in evaluations)
    assert list(loaded.confirmed) == ["genome", "origin", "parameters", "steps", "validation", "test"]
    assert loaded.confirmed.empty
    best = front(space, evaluations)[0]
    assert loaded.genome() == loaded.genome(best.genome[:9]) == Genome(best.values)
    recipe = loaded.recipe(best.genome)
    model = loaded.model(best.genome)
    assert isinstance(model, SignalLLM)
    assert model.config == recipe.model
    assert recipe.training.seed == best.seed
    assert repr(loaded) == "<run one: finished, 300 evaluations>"
    with pytest.raises(InputError, match="is not a run folder"):
        hrfevo.load(run.parent)
    with pytest.raises(InputError, match="no genome of this run"):
        loaded.model("zzz")


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = f"import sys, hrfevo\nfrom hrfevo import load\nassert not {HEAVY!r} & set(sys.modules), sys.modules\n"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("given_a_run", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_the_example_runs(given_a_run: bool, tmp_path: Path) -> None:
    arguments = [str(write_run(tmp_path, "run", 60))] if given_a_run else []
    result = subprocess.run(
        [sys.executable, ROOT / "examples" / "explore_a_run.py", *arguments],
        capture_output=True, text=True, timeout=300, env=os.environ | {"TMPDIR": str(tmp_path)},
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    (page,) = tmp_path.rglob("fitness.html")
    assert "plotly" in page.read_text()
    assert "as its training began" in result.stdout
