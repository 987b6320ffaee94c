"""What earlier runs let a new one know: genomes of other spaces, results that compare, searches that know them."""

import re
import shutil
import socket
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hrfevo.algorithms.base import Proposal, Result
from hrfevo.algorithms.evolution import Evolution
from hrfevo.algorithms.registry import ALGORITHMS, algorithms, begins_at_any_rung, make_algorithm
from hrfevo.results.earlier import Earlier, EarlierFounder, Source, read_earlier
from hrfevo.results.genome.card import card_of
from hrfevo.results.genome.lineage import lineage
from hrfevo.results.history import History
from hrfevo.runner.earlier.gathering import Here, gather
from hrfevo.runner.earlier.transfer import transferred
from hrfevo.space.genome import canonical, express, sample
from hrfevo.space.reading import parse_space, read_space
from hrfevo.space.search_space import SearchSpace
from hrfevo.store.records import Evaluation
from hrfevo.store.run_folder import RunFolder
from hrfevo.store.settings import RunSettings
from signal_model.config import TrainingConfig
from signal_model.support.errors import InputError
from tests.conftest import answer, only_run
from tests.tools.synthetic import SPACE, write_run

SMALL = """
name: small
model: {context: 64, width: 64}
training: {weight_decay: 0.2}
genes:
  training.learning_rate: {type: float, low: 1e-3, high: 2e-2, log: true}
  embedding.kind: {type: choice, values: [standard, spectral]}
  embedding.bases: {type: int, low: 2, high: 16, log: true, when: {embedding.kind: spectral}}
  layers:
    type: layers
    min: 1
    max: 3
    fixed: {feedforward: {kind: mlp}}
    genes:
      mixer.kind: {type: choice, values: [attention, harmonic, wavelet]}
rungs: [20, 60]
population: 4
budget: {evaluations: 10}
"""
KINDS = "mixer.kind: {type: choice, values: [attention, harmonic, wavelet]}"
RATE = "training.learning_rate: {type: float, low: 1e-3, high: 2e-2, log: true}"
HERE = Here("python", "1f", f"{socket.gethostname()} cpu")


# --- genomes of one space in another -------------------------------------------------------------


# The small space with more genes, inside layers and outside.
WIDER = read_space(
    SMALL.replace(KINDS, f"{KINDS}\n      feedforward.kind: {{type: choice, values: [mlp, spectral]}}")
    .replace("fixed: {feedforward: {kind: mlp}}", "fixed: {feedforward: {expansion: 4.0}}")
    .replace("training: {weight_decay: 0.2}", "training: {}")
    .replace(RATE, f"{RATE}\n  training.weight_decay: {{type: float, low: 0.0, high: 0.3}}")
    .replace(RATE, f"{RATE}\n  training.final_learning_rate: {{type: ordered, values: [0, 0.1, 1]}}"),
    "wider.yaml",
)


@settings(max_examples=25)
@given(st.integers(0, 10**6))
def test_a_genome_of_a_narrower_space_is_the_same_model_and_training_and_comes_back(seed: int) -> None:
    narrow, wide = read_space(SMALL, "small.yaml"), WIDER
    genome = sample(narrow, np.random.default_rng(seed))
    found = transferred(narrow, genome, wide)
    assert found.difference == ""
    assert found.genome.values["training.weight_decay"] == 0.2, "fixed there"
    assert found.genome.values["training.final_learning_rate"] == TrainingConfig().final_learning_rate, (
        "the recipe's own"
    )
    assert all(layer["feedforward.kind"] == "mlp" for layer in found.genome.values["layers"])
    assert express(wide, found.genome, seed=0).to_dict() == express(narrow, genome, seed=0).to_dict()
    assert transferred(wide, found.genome, narrow).genome == genome, (
        "genes that are fixed here to the same are left out"
    )


def test_founders_that_a_space_names_are_trained_to_the_end() -> None:
    genes = "training.learning_rate: 0.01, embedding.kind: standard, layers: [{mixer.kind: %s}]"
    founders = ", ".join(f"{kind}: {{{genes % kind}}}" for kind in ("attention", "harmonic"))
    space = read_space(f"{SMALL}founders: {{{founders}}}", "small.yaml")
    found = [(one.genome.values["layers"][0]["mixer.kind"], one.rung) for one in Earlier().proposals(space, True)]
    assert found == [("attention", 1), ("harmonic", 1)]
    assert [one.rung for one in Earlier().proposals(space)] == [0, 0]
    (attention, *_) = space.founders.values()
    source = Source(run="runs/a", id="a")
    known = Earlier(sources=(source,), founders=(EarlierFounder(source=0, values=attention),))
    assert [one.rung for one in known.proposals(space, in_full=True)] == [1, 1], "whoever names it too"
    assert [name for name in algorithms() if begins_at_any_rung(name)] == ["evolution"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "values: [standard, spectral]",
            "values: [spectral]",
            r"embedding\.kind cannot be 'standard'; accepted: spectral",
        ),
        ("low: 1e-3", "low: 1.5e-2", r"training\.learning_rate cannot be 0\.\d+; accepted: 0\.015 to 0\.02"),
        ("max: 3", "max: 1", r"layers cannot be \d layers; accepted: 1 to 1 layer"),
        (
            RATE,
            "training.gradient_clip: {type: float, low: 0.5, high: 2.0}",
            r"learning_rate was 0\.\d+, here it is 0\.003",
        ),
    ],
)
def test_who_does_not_fit_is_told_by_its_gene(old: str, new: str, message: str) -> None:
    narrow = parse_space(SMALL.replace(old, new), "narrow.yaml")
    space, random = read_space(SMALL, "small.yaml"), np.random.default_rng(0)
    genomes = [sample(space, random) for _ in range(20)]
    plain = next(g for g in genomes if g.values["embedding.kind"] == "standard" and len(g.values["layers"]) > 1)
    values = {**plain.values, "training.learning_rate": 0.0021}
    with pytest.raises(ValueError, match=message):
        transferred(space, type(plain)(values), narrow)


def test_what_both_fix_otherwise_is_a_difference_and_no_misfit() -> None:
    space, larger = read_space(SMALL, "small.yaml"), read_space(SMALL.replace("width: 64", "width: 128"), "larger.yaml")
    genome = sample(space, np.random.default_rng(0))
    found = transferred(space, genome, larger)
    assert found.genome == genome
    assert found.difference == "model.width was 64, here it is 128"


# --- which results compare -----------------------------------------------------------------------


def told(run: Path, text: str = SPACE, here: Here = HERE, overrides: tuple[str, ...] = ()) -> tuple[Earlier, str]:
    """What a search of a space is told by a run, and what is said of it."""
    lines: list[str] = []
    space = read_space(text, "space.yaml", overrides)
    return gather([RunFolder.open(run)], space, here, lines.append), "\n".join(lines)


def evaluations_of(run: Path) -> list[Evaluation]:
    folder = RunFolder.open(run)
    with closing(folder.open_store()) as store:
        return store.evaluations(folder.id)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a space whose objectives are of no machine."""
    return write_run(tmp_path_factory.mktemp("earlier"), "one", 80, text=TEXT)


TEXT = SPACE.replace("step_time: minimize, ", "")


def test_every_result_is_told_as_the_store_has_it(run: Path) -> None:
    earlier, said = told(run, TEXT)
    space, ended = read_space(TEXT, "space.yaml"), [e for e in evaluations_of(run) if e.status != "running"]
    results = earlier.told(space)
    assert len(results) == len(ended) == 79
    by_key = {(r.proposal.genome.id, r.proposal.rung): r for r in results}
    for evaluation in ended:
        result = by_key[evaluation.genome, evaluation.rung]
        finished = evaluation.status == "finished"
        assert result.objectives == (tuple(evaluation.metrics[name] for name in space.objectives) if finished else None)
        assert result.failure == ("" if finished else "diverged")
        assert result.earlier
    winners = History(space, tuple(ended)).front
    assert [(p.genome.id, p.rung) for p in earlier.proposals(space)] == [(w.genome, 1) for w in winners]
    assert "knows 79 results" in said
    assert f"begins with {len(winners)} of the {len(winners)} on its front" in said


@pytest.mark.parametrize(
    ("overrides", "here", "why"),
    [
        ((), replace(HERE, corpus_hash="other", corpus="tales"), r"corpus: another text or tokenizer \(py"),
        (("rungs=[20, 90]",), HERE, "trainings end after 60 steps there, after 90 here"),
        (("inherit=true",), HERE, "inherit: scores are of lineages"),
        (("objectives={bits_per_byte: minimize, compression: maximize}",), HERE, "compression: was not measured there"),
        (("constraints={in_context_recall: {min: 0.5}}",), HERE, "in_context_recall: was not measured there"),
        (("model.width=32",), HERE, "model.width was 64, here it is 32"),
        (("training={batch_size: 4}",), HERE, "training.batch_size was 16, here it is 4"),
        (("objectives={bits_per_byte: minimize, step_time: minimize}",), HERE, "step_time: is of w cpu, here of"),
    ],
)  # fmt: skip
def test_what_does_not_compare_is_said_and_only_the_front_comes(
    run: Path, overrides: tuple[str, ...], here: Here, why: str
) -> None:
    earlier, said = told(run, TEXT, here, overrides)
    assert earlier.results == ()
    assert {one.rung for one in earlier.founders} == {0}
    assert re.search(f"no result of .* compares with those of this run: .*{why}", said)


def test_times_compare_on_the_machine_that_took_them(run: Path) -> None:
    objectives = ("objectives={bits_per_byte: minimize, step_time: minimize}",)
    assert len(told(run, TEXT, replace(HERE, machine="w cpu"), objectives)[0].results) == 79
    assert told(run, TEXT, replace(HERE, machine="w cuda"), objectives)[0].results == ()
    assert told(run, TEXT, replace(HERE, machine=None), objectives)[0].results == ()


def test_what_comes_along_is_of_the_machine_that_it_was_measured_on(run: Path, tmp_path: Path) -> None:
    earlier, _ = told(run, TEXT)
    text = {"name": "python", "hash": "1f"}
    settings_ = RunSettings.new(TEXT, seed=0, algorithm="evolution", corpus=text, earlier=earlier.record)
    folder = RunFolder.create(
        tmp_path, read_space(TEXT, "space"), TEXT, settings_, None, "second", earlier=earlier.to_json()
    )
    with closing(folder.open_store(create=True)) as store:
        folder.begin(store)
    again, said = told(folder.path, TEXT)
    assert [one.model_copy(update={"source": 0}) for one in again.results] == list(earlier.results)
    assert again.sources[0].id == RunFolder.open(run).id
    assert "begins with 0 of the 0 on its front" in said
    objectives = ("objectives={bits_per_byte: minimize, step_time: minimize}",)
    with pytest.raises(InputError, match="its front is empty"):
        told(folder.path, TEXT, HERE, objectives)
    assert told(folder.path, TEXT, replace(HERE, machine="w cpu"), objectives)[0].results


def test_a_longer_first_rung_leaves_the_results_of_the_last(run: Path) -> None:
    earlier, said = told(run, TEXT, overrides=("rungs=[40, 60]",))
    last = [e for e in evaluations_of(run) if e.rung == 1 and e.status != "running"]
    assert len(earlier.results) == len(last)
    assert {one.rung for one in earlier.results} == {1}
    assert "after 20 steps there is no rung here" in said


def test_bounds_are_those_of_the_new_run(run: Path) -> None:
    space = read_space(TEXT, "space.yaml", bounds := ("constraints={parameters: {max: 70000}}",))
    results = told(run, TEXT, overrides=bounds)[0].told(space)
    for result in results:
        (margin,) = result.margins
        assert result.objectives is None or margin <= 0
    assert any(r.margins[0] > 0 and not r.failure for r in results)


def test_a_narrower_space_says_who_does_not_fit_and_why(run: Path) -> None:
    narrow = TEXT.replace("values: [standard, spectral]", "values: [spectral]")
    earlier, said = told(run, narrow)
    plain = {e.genome for e in evaluations_of(run) if e.values["embedding.kind"] == "standard"}
    assert {*earlier.left_out} == plain
    assert set(earlier.left_out.values()) == {"embedding.kind cannot be 'standard'; accepted: spectral"}
    winners = [
        e.genome for e in History(read_space(TEXT, "space"), tuple(evaluations_of(run))).front if e.genome in plain
    ]
    assert all(f"left out {genome}: embedding.kind cannot be" in said for genome in winners)
    assert "earlier.json of the new run says which and why" in said
    assert not plain & {*earlier.origins}
    nothing = TEXT.replace("low: 1e-3, high: 2e-2", "low: 3e-2, high: 4e-2")
    with pytest.raises(InputError, match=r"no genome of its front is one of this space: training\.learning_rate"):
        told(run, nothing)


# --- algorithms that know something --------------------------------------------------------------


def scored(space: SearchSpace, proposal: Proposal, earlier: bool = False) -> Result:
    quality = int(proposal.genome.id, 16) / 16**12 - 0.1 * proposal.rung
    objectives = (quality, float(len(proposal.genome.text)))[: len(space.objectives)]
    return Result(proposal, objectives, earlier=earlier)


@pytest.mark.parametrize("name", ALGORITHMS)
@pytest.mark.parametrize("synchronous", [False, True])
def test_algorithms_that_know_do_not_ask_for_it_again(name: str, synchronous: bool) -> None:
    space = read_space(SMALL, "small.yaml")
    random = np.random.default_rng(3)
    known = [scored(space, Proposal(sample(space, random), "random"), True) for _ in range(24)]
    known += [scored(space, replace(one.proposal, rung=1), True) for one in known[:6]]
    begin = [Proposal(known[0].proposal.genome, "founder", rung=1)]

    def proposals() -> list[Proposal]:
        algorithm = make_algorithm(name, space, np.random.SeedSequence(1), synchronous, begin, known)
        asked: list[Proposal] = []
        for _ in range(14):
            proposal = algorithm.ask()
            assert proposal is not None
            asked.append(proposal)
            algorithm.tell([scored(space, proposal)])
        return asked

    first = proposals()
    assert first == proposals()
    assert first[0] == begin[0]
    before = {(one.proposal.genome, one.proposal.rung) for one in known}
    assert not before & {(p.genome, p.rung) for p in first[1:]}
    assert len({(p.genome, p.rung) for p in first}) == len(first)
    if name == "genetic":
        assert next(p for p in first[1:] if not p.rung).parents, "parents are known: nobody begins at random"


def test_a_training_that_is_not_kept_costs_all_its_steps() -> None:
    space = read_space(SMALL, "small.yaml")
    genome = sample(space, np.random.default_rng(0))
    for earlier, kept in ((True, -1), (False, 0)):
        algorithm = Evolution(space, np.random.default_rng(0))
        algorithm.adopt(Proposal(genome, "founder"))
        algorithm.tell([scored(space, Proposal(genome, "founder"), earlier)])
        assert algorithm._archive.kept.tolist() == [kept]
        assert algorithm._archive.rungs.tolist() == [0]


# --- whole searches ------------------------------------------------------------------------------


def searched(space: Path, out: Path, count: int, *options: object) -> Path:
    rungs = ("--set", "rungs=[2, 4]")
    answer("run", space, "--out", out, "--backend", "inline", "--evaluations", count, *rungs, *options)
    return only_run(out)


def results(run: Path) -> list[Any]:
    return [(e.genome, e.rung, e.operator, e.metrics.get("bits_per_byte")) for e in evaluations_of(run)]


def test_a_search_that_was_told_goes_on_without_the_run_that_told_it(
    tiny_space: Path, tmp_path: Path, undrawn: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = searched(tiny_space, tmp_path / "first", 12)
    known, name = evaluations_of(first), first.name
    whole = searched(tiny_space, tmp_path / "whole", 14, "--from", first, "--seed", 1)
    part = searched(tiny_space, tmp_path / "part", 9, "--from", first, "--seed", 1)
    winners = History(RunFolder.open(first).space(), tuple(known)).front
    shutil.rmtree(first)
    answer("resume", part, "--backend", "inline", "--evaluations", 14)
    assert results(part) == results(whole)
    found = evaluations_of(whole)
    assert len(found) == 14, "what was told counts for no budget"
    assert [(e.genome, e.rung) for e in found[: len(winners)]] == [(w.genome, 1) for w in winners]
    begun = {(e.genome, e.rung) for e in known}
    assert not begun & {(e.genome, e.rung) for e in found[len(winners) :]}
    (source,) = RunFolder.open(whole).settings.earlier
    assert (Path(source.run).name, source.results, source.founders) == (name, len(known), len(winners))

    assert f"from {name}" in answer("lineage", whole, winners[0].genome)
    assert f"from {name}" in answer("show", whole, winners[0].genome)
    # A third search hears of the first by the second, though the first is gone.
    third = searched(tiny_space, tmp_path / "third", 8, "--from", whole, "--seed", 2)
    sources = RunFolder.open(third).settings.earlier
    assert {Path(one.run).name for one in sources} == {name, whole.name}
    assert sum(one.results or 0 for one in sources) == len(known) + len(found)

    monkeypatch.undo()
    answer("report", whole)
    assert f"{len(known)} results and" in (whole / "report.html").read_text()


def test_a_parent_that_only_an_earlier_run_evaluated_is_from_there(run: Path) -> None:
    earlier, _ = told(run, TEXT)
    space, (own, *rest) = read_space(TEXT, "space.yaml"), evaluations_of(run)[:-1]
    parent = next(e for e in rest if e.status == "finished" and e.genome != own.genome)
    child = replace(own, operator="mutation", parents=(parent.genome,))
    others = earlier.others([child])
    assert {e.genome for e in others} == {e.genome for e in rest} - {child.genome}
    itself, ancestor = lineage(History(space, (child, *others)), child.genome)
    assert itself.parents[0].known
    assert (ancestor.genome, ancestor.generation, ancestor.operator) == (parent.genome, None, "from one")
    (relative,) = card_of(History(space, (child,)), {}, child.genome, (), others).parents
    assert (relative.operator, relative.generation, relative.status) == ("from one", None, "finished")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda file: file.unlink(), r"earlier\.json: no such file"),
        (lambda file: file.write_text(file.read_text().replace("0.0", "0.1")), r"earlier\.json: has changed since"),
    ],
)
def test_what_was_told_is_not_lost_in_silence(
    damage: Callable[[Path], object], message: str, run: Path, tmp_path: Path
) -> None:
    earlier, _ = told(run, TEXT)
    settings_ = RunSettings.new(TEXT, seed=0, algorithm="evolution", corpus={})
    space = read_space(TEXT, "space.yaml")
    folder = RunFolder.create(tmp_path, space, TEXT, settings_, None, "new", earlier=earlier.to_json())
    assert read_earlier(RunFolder.open(folder.path)) == earlier
    damage(folder.path / "earlier.json")
    with pytest.raises(InputError, match=message):
        read_earlier(RunFolder.open(folder.path))


def test_runs_of_before_are_read(run: Path) -> None:
    folder, values = RunFolder.open(run), evaluations_of(run)[0].values
    told = folder.settings.to_dict() | {"founders": [values], "from": {"run": "runs/old", "id": "1f"}}
    old = replace(folder, settings=RunSettings.read(told, folder.path / "run.json"))
    (founder,) = read_earlier(old).proposals(folder.space())
    assert (founder.genome.values, founder.rung, founder.operator) == (values, 0, "founder")
    assert read_earlier(old).origins == {founder.genome.id: "from old"}
    assert read_earlier(folder) == Earlier()


def test_a_whole_number_of_one_run_is_the_number_of_another() -> None:
    text = "{name: n, model: {width: 32}, rungs: [5], budget: {minutes: 1}, genes: {training.weight_decay: GENE}}"
    whole = read_space(text.replace("GENE", "{type: ordered, values: [0, 1]}"), "whole.yaml")
    real = read_space(text.replace("GENE", "{type: float, low: 0, high: 2}"), "real.yaml")
    for earlier, value, later, told in ((whole, 1, real, "1.0"), (real, 1.0, whole, "1")):
        found = transferred(earlier, canonical(earlier, {"training.weight_decay": value}), later)
        assert found.genome.text == f'{{"training.weight_decay":{told}}}'
        assert found.difference == ""
