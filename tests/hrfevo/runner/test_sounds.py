"""A search for models of sound is a search: causal ones by bits per sample, classifiers by their errors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

import hrfevo
from hrfevo.results.confusion import Confusion, summed
from hrfevo.results.frames import curve_frame, evaluation_frame
from hrfevo.runner.baseline import baseline_of
from hrfevo.space.genome import express
from hrfevo.space.reading import parse_space
from hrfevo.space.search_space import SearchSpace
from hrfevo.space.trials import simplest
from hrfevo.views.figures.gallery import gallery
from signal_model.support.errors import InputError
from tests.conftest import ROOT, command, only_run
from tests.tools.sounds import RATE, WORDS, write_words

WIDTH = {"width": {"type": "ordered", "values": [8, 16]}}
SPACE: dict[str, Any] = {
    "name": "words",
    "task": "classification",
    "model": {"classes": 3, "context": 900, "front_end": {"kind": "strided", "stride": 20, "taps": 40}},
    "training": {"batch_size": 8, "learning_rate": 0.01},
    "genes": {
        "causal": {"type": "choice", "values": [True, False]},
        **WIDTH,
        "front_end.filters": {"type": "int", "low": 4, "high": 16},
        "layers": {
            "type": "layers",
            "min": 1,
            "max": 1,
            "fixed": {"feedforward": {"kind": "mlp", "expansion": 1}},
            "genes": {
                "mixer.kind": {"type": "choice", "values": ["harmonic", "convolution"]},
                "mixer.taps": {"type": "ordered", "values": [3, 5], "when": {"mixer.kind": "convolution"}},
            },
        },
    },
    "rungs": [4, 12],
    "population": 4,
    "budget": {"evaluations": 6},
    "confirm": {"top": 1, "seeds": 2, "rivals": ["transformer", "convolution"]},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_words(tmp_path_factory.mktemp("words") / "words")


def space_of(changes: dict[str, Any]) -> SearchSpace:
    return parse_space(yaml.safe_dump(SPACE | changes, sort_keys=False), "words.yaml")


def run(space: dict[str, Any], place: Path) -> tuple[str, Path]:
    """What the command says of a search, and its folder."""
    (place / "space.yaml").write_text(yaml.safe_dump(space, sort_keys=False))
    told = command("hrfevo", "run", place / "space.yaml", "--out", place / "runs", "--backend", "inline")
    assert told.returncode == 0, told.stderr + told.stdout
    return told.stdout, only_run(place / "runs")


def test_a_search_for_classifiers_ends_with_what_they_take_for_what(folder: Path, tmp_path: Path) -> None:
    corpus = {
        "audio": f"{folder}/*.wav",
        "rate": RATE,
        "names": "{label}_{group}_*",
        "held_out": {"validation": ["s1"], "test": ["s4", "s6"]},
    }
    told, place = run(SPACE | {"corpus": corpus}, tmp_path)
    assert "without a model, share wrong on its validation split: most frequent label 0.6667" in told
    assert "bits per byte" not in told

    found = hrfevo.load(place)
    assert {name for e in found.history.finished for name in ("error_rate", "bits_per_label")} <= {*found.scores}
    assert not {"bits_per_byte", "state_size", "in_context_recall"} & {*found.scores}
    assert found.footprints["generation_time"].isna().all()
    rows = found.confirmation.rows
    assert {one.rival for one in rows if one.origin == "baseline"} == {"transformer", "convolution"}
    for one in rows:
        confusion = one.confusion
        assert confusion is not None
        assert {*confusion.classes} == {*WORDS}
        assert sum(map(sum, confusion.counts)) == 2 * 12  # two seeds, three words by two speakers, twice
        assert confusion.error_rate == pytest.approx(one.test_mean)

    page = (place / "report.html").read_text()
    assert "What it takes for what" in page
    assert "training loss, bits per label" in page
    assert "bits per byte" not in page.partition("<script")[0]
    winner = found.confirmation.winner
    assert winner is not None
    card = command("hrfevo", "show", place, winner.genome)
    assert "by row what it is, by column what it was taken for" in card.stdout
    (data,) = json.loads(command("hrfevo", "show", place, winner.genome, "--format", "json").stdout)
    assert data["confirmed"]["unit"] == "share wrong"

    best = yaml.safe_load((place / "best.yaml").read_text())
    assert (best["task"], best["model"]["classes"]) == ("classification", 3)
    assert "share wrong on validation" in (place / "best.yaml").read_text()
    trained = command("signal-model", "train", place / "best.yaml", "--output", tmp_path / "m", "--threads", 1)
    assert trained.returncode == 0, trained.stderr
    exported = command("hrfevo", "export", place, "--weights", "--output", tmp_path / "w")
    assert exported.returncode == 0, exported.stderr
    assert "share wrong on validation, the same as in the search" in exported.stdout


def test_a_search_for_causal_models_of_sound_is_told_per_sample(folder: Path, tmp_path: Path) -> None:
    space = SPACE | {
        "task": "language_modelling",
        "corpus": {"audio": f"{folder}/*.wav", "rate": RATE},
        "model": {"context": 64},
        "genes": {name: gene for name, gene in SPACE["genes"].items() if name in ("width", "layers")},
        "budget": {"evaluations": 4},
        "confirm": {"top": 1, "seeds": 1, "rivals": []},
    }
    told, place = run(space, tmp_path)
    assert "without a model, bits per sample on its validation split: unigram" in told
    assert "bits per sample" in told.partition("The search's first choice")[2]
    assert "bits per byte" not in told
    assert "bits per sample on validation" in (place / "best.yaml").read_text()
    history = hrfevo.load(place).history
    drawn = gallery(evaluation_frame(history), curve_frame({}), history)
    assert "bits per sample" in drawn["front"].to_json()
    said = (
        "".join(figure.to_json() for figure in drawn.values())
        + (place / "report.html").read_text().partition("<script")[0]
    )
    assert "bits per byte" not in said


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"objectives": {"bits_per_byte": "minimize"}}, "objectives.bits_per_byte: is not measured in classification"),
        ({"constraints": {"state_size": {"max": 9}}}, "constraints.state_size: is not measured in classification"),
        ({"task": "language_modelling"}, "model.classes: task: classification is for models that have classes"),
        ({"task": "clasification"}, "'clasification' is not accepted"),
        ({"model": {"context": 900}, "genes": WIDTH}, "model.classes: task: classification needs their number"),
    ],
)
def test_what_a_task_has_not_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=f"words.yaml.*{message}"):
        space_of(changes)


def test_unless_told_models_are_ranked_by_the_score_of_their_task() -> None:
    assert space_of({}).objectives == {"error_rate": "minimize"}
    text = yaml.safe_dump({key: SPACE[key] for key in ("name", "rungs", "budget")} | {"genes": WIDTH})
    assert parse_space(text, "x").objectives == {"bits_per_byte": "minimize"}


def test_a_bad_corpus_is_said_before_anything_is_trained(folder: Path, tmp_path: Path) -> None:
    for corpus, message in (
        ({"audio": f"{folder}/*.wav", "rate": RATE}, "has no labels to learn"),
        ({"audio": f"{folder}/low*.wav", "rate": RATE, "names": "{label}_*"}, "are of one class, 'low'"),
        ("python", "has no labels to learn"),
        ("chirps", "model.classes: 3 are not the 8 of corpus chirps"),
    ):
        (tmp_path / "space.yaml").write_text(yaml.safe_dump(SPACE | {"corpus": corpus}, sort_keys=False))
        for order in (("validate",), ("run", "--out", tmp_path / "runs")):
            told = command("hrfevo", order[0], tmp_path / "space.yaml", *order[1:])
            assert (told.returncode, told.stderr.count("\n")) == (2, 1), told.stderr
            assert message in told.stderr
    assert not (tmp_path / "runs").exists()


def test_rivals_of_classifiers_hear_by_the_same_front_ends() -> None:
    space = space_of({})
    for rival, mixer in (("transformer", "attention"), ("convolution", "convolution")):
        content = baseline_of(space, {"evaluations": 4}, None, rival)
        assert {"causal", "width", "front_end.filters"} <= content["genes"].keys()
        theirs = parse_space(yaml.safe_dump(content, sort_keys=False), rival)
        assert (theirs.task, theirs.objectives) == ("classification", {"error_rate": "minimize"})
        model = express(theirs, simplest(theirs), seed=0).model
        assert (model.classes, model.front_end.kind, model.context) == (3, "strided", 900)
        assert {layer.mixer.kind for layer in model.layers} == {mixer}
    recurrent = baseline_of(space, {"evaluations": 4}, None, "gated_linear")
    assert "causal" not in {**recurrent["genes"], **recurrent["model"]}  # it has no two-sided form


def test_confusions_add_up_by_name() -> None:
    first = Confusion.of({("10", "10"): 3, ("9", "10"): 1})
    second = Confusion.of({("9", "9"): 2, ("9", "11"): 4})
    together = summed([first, None, second])
    assert together == Confusion(("9", "10", "11"), ((2, 1, 4), (0, 3, 0), (0, 0, 0)))
    assert together.error_rate == pytest.approx(0.5)
    assert summed([None]) is None


def test_the_shipped_space_needs_nothing_but_itself() -> None:
    space = parse_space((ROOT / "search_spaces" / "sounds.yaml").read_text(), "sounds.yaml")
    assert space.corpus.built_in
    assert {"causal", "front_end.kind", "front_end.wavelet", "front_end.filters"} <= space.genes.keys()
    assert space.confirm.rivals == ("transformer", "convolution")
