"""Objectives and algorithms of plugins: registered once, measured where they are asked for, never to others' harm."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hrfevo import Measure, algorithm, objective
from hrfevo.algorithms.base import Proposal, Result
from hrfevo.algorithms.random import RandomSearch
from hrfevo.algorithms.registry import _ADDED, ALGORITHMS, check_algorithm, make_algorithm
from hrfevo.algorithms.successive_halving import SuccessiveHalving
from hrfevo.results.history import History
from hrfevo.space.metrics import ADDED, COLUMNS, METRICS, RECORDED
from hrfevo.space.reading import parse_space
from hrfevo.space.search_space import SearchSpace
from hrfevo.views.export.studies import _attributes
from hrfevo.views.export.tables import evaluations_table
from hrfevo.views.terminal.tables import record
from hrfevo.workers.added import Candidate
from hrfevo.workers.base import Job, Outcome
from hrfevo.workers.evaluation import TrainingEvaluator
from signal_model.data.corpus import load_corpus
from signal_model.support.errors import InputError
from tests.conftest import TINY_SPACE
from tests.tools.synthetic import search


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """What a test registers is gone after it."""
    tables: list[dict[str, Any]] = [METRICS, ADDED, ALGORITHMS, _ADDED]
    before = [dict(table) for table in tables]
    yield
    for table, content in zip(tables, before, strict=True):
        table.clear()
        table.update(content)


@pytest.fixture
def evaluate(text_folder: Path) -> Callable[..., Outcome]:
    """Evaluates one genome in a space with other objectives or bounds."""

    def once(**asked: str) -> Outcome:
        overrides = [f"{key}={value}" for key, value in asked.items()]
        space = parse_space(TINY_SPACE.replace("TEXT", str(text_folder)), "space.yaml", overrides)
        corpus = load_corpus(space.corpus, space.tokenizer)
        first = make_algorithm("random", space, np.random.SeedSequence(3)).ask()
        assert first is not None
        return TrainingEvaluator(space, corpus, "cpu")(Job(0, first.genome, 0, 7))

    return once


def test_an_objective_is_measured_where_it_is_asked_for_and_changes_nothing_else(
    evaluate: Callable[..., Outcome],
) -> None:
    seen: list[Candidate] = []

    @objective("noise", Measure("some noise"))
    def noise(candidate: Candidate) -> float:
        seen.append(candidate)
        return float(torch.rand(()))

    @objective("weight", Measure("a weight", trained=True))
    def weight(candidate: Candidate) -> Any:
        assert candidate.model.config == candidate.recipe.model
        return candidate.model.embedding(torch.zeros(1, 1, dtype=torch.long)).sum().detach()

    both = "{bits_per_byte: minimize, noise: minimize, weight: maximize}"
    plain, first, again = (
        evaluate(objectives="{bits_per_byte: minimize}"),
        evaluate(objectives=both),
        evaluate(objectives=both),
    )
    assert "noise" not in plain.metrics
    for name in ("noise", "weight", "bits_per_byte"):
        assert first.metrics[name] == again.metrics[name]  # random numbers follow from the seed
    assert plain.metrics["bits_per_byte"] == first.metrics["bits_per_byte"]
    assert len(seen) == 2
    assert len(seen[0].corpus.validation)
    assert not len(seen[0].corpus.test)
    # Known before training, it can save it; one of training cannot.
    early = evaluate(objectives="{bits_per_byte: minimize}", constraints="{noise: {max: -1}}")
    assert (early.status, early.metrics["train_steps"]) == ("infeasible", 0)
    late = evaluate(objectives="{bits_per_byte: minimize}", constraints="{weight: {min: 1.0e+6}}")
    assert (late.status, late.metrics["train_steps"]) == ("infeasible", 3)


@pytest.mark.parametrize("answer", [math.nan, math.inf, None, "many", "0.5"])
def test_no_number_fails_the_genome_alone(answer: Any, evaluate: Callable[..., Outcome]) -> None:
    objective("odd", Measure("something odd"))(lambda candidate: answer)
    outcome = evaluate(objectives="{bits_per_byte: minimize, odd: minimize}")
    assert outcome.status == "failed"
    assert outcome.reason == f"error: ValueError: objective odd: expected a finite number, got {answer!r}"


def test_an_objective_that_meddles_fails_by_name_and_changes_no_other_genome(evaluate: Callable[..., Outcome]) -> None:
    def zeroes(candidate: Candidate) -> float:
        with torch.no_grad():
            next(candidate.model.parameters()).zero_()
        return 1.0

    def leaves(candidate: Candidate) -> float:
        raise SystemExit(3)

    def switches(candidate: Candidate) -> float:
        torch.set_default_dtype(torch.float64)
        torch.set_grad_enabled(False)
        return 1.0

    def stumbles(candidate: Candidate) -> float:
        return json.loads("{")  # type: ignore[no-any-return]

    for meddling in (zeroes, leaves, switches, stumbles):
        objective(meddling.__name__, Measure("something odd"))(meddling)
    plain, switched, *failed = (
        evaluate(objectives=f"{{bits_per_byte: minimize{more}}}")
        for more in ("", ", switches: minimize", ", zeroes: minimize", ", leaves: minimize", ", stumbles: minimize")
    )
    line = stumbles.__code__.co_firstlineno + 1
    assert [outcome.reason for outcome in failed] == [
        "error: ValueError: objective zeroes: has changed the weights of the model",
        "error: ValueError: objective leaves: called sys.exit(3)",
        "error: ValueError: objective stumbles: JSONDecodeError: Expecting property name enclosed in double quotes: "
        f"line 1 column 2 (char 1) (test_plugins.py:{line})",
    ]
    assert switched.metrics["bits_per_byte"] == plain.metrics["bits_per_byte"]
    assert torch.get_default_dtype() == torch.float32
    assert torch.is_grad_enabled()


def test_names_are_taken_once_and_taken_again_by_what_is_defined_again() -> None:
    def define(name: str, words: str) -> None:
        @objective(name, Measure(words))
        def mine(candidate: Candidate) -> float:
            return 1.0

    define("mine", "first")
    define("mine", "second")
    assert METRICS["mine"].words == "second"
    for name in ("bits_per_byte", "train_seconds"):
        with pytest.raises(ValueError, match=f"objective '{name}' is there already"):
            define(name, "theirs")
    for odd, said in (
        ({"better": "lower"}, "better: accepted: minimize, maximize, got 'lower'"),
        ({"format": "4q"}, "format: accepted: .*, got '4q'"),
    ):
        with pytest.raises(ValueError, match=f"Measure: {said}"):
            Measure("odd", **odd)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="expected small letters"):
        define("Mine!", "odd")
    with pytest.raises(ValueError, match="objective 'steps': tables of results have another column of this name"):
        define("steps", "odd")
    with pytest.raises(ValueError, match="objective 'mine' is there already"):
        objective("mine", Measure("another's"))(lambda candidate: 0.0)
    with pytest.raises(ValueError, match="algorithm 'tpe' is there already"):
        algorithm("tpe")(RandomSearch)


def test_an_algorithm_that_knows_no_rungs_gets_successive_halving() -> None:
    space = parse_space(TINY_SPACE.replace("{path: TEXT}", "python").replace("[3]", "[3, 9]"), "space.yaml")
    with pytest.raises(InputError, match=r"--algorithm mine: no such algorithm; accepted: evolution, .*, cmaes$"):
        check_algorithm("--algorithm", "mine", space)

    @algorithm("mine")
    class Mine(RandomSearch):
        """Random search by another name."""

    @algorithm("rungs")
    def rungs(space: Any, generator: np.random.Generator) -> SuccessiveHalving:
        return SuccessiveHalving(Mine(space, generator), space)

    def asked(name: str) -> list[Proposal]:
        made, found = make_algorithm(name, space, np.random.SeedSequence(5)), []
        for _ in range(12):
            proposal = made.ask()
            assert proposal is not None
            found.append(replace(proposal, seed=None))
            made.tell([Result(proposal, (len(found), 1.0))])
        return found

    check_algorithm("--algorithm", "mine", space)
    assert asked("mine") == asked("rungs") == asked("random")
    assert {proposal.rung for proposal in asked("mine")} == {0, 1}
    with pytest.raises(InputError, match=r"accepted: evolution, .*, cmaes, mine, rungs"):
        check_algorithm("--algorithm", "min", space)


def test_no_column_of_a_table_is_taken_for_an_objective(embeddings: SearchSpace) -> None:
    """Whatever tables have beside metrics and genes is in the list of names that are refused."""
    _, space, evaluations, _ = search(embeddings, 12)
    history = History(space, tuple(replace(one, seeds=2, timings=({"step_time": 1.0},)) for one in evaluations))
    metrics = {*METRICS, *RECORDED, *(name for one in history for name in one.metrics)}
    columns = {
        *evaluations_table(history),
        *(name for one in history for name in record(space, one)),
        *_attributes(space, history[0]),
    }
    assert {name for name in columns - metrics if not name.startswith("gene:")} <= COLUMNS
