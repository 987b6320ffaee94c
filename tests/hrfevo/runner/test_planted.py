"""Structure planted in text is found by a search and told by its pictures: a period, and copies from a distance."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from hrfevo.views.figures.model.portrait import portraits
from signal_model.analysis.filters import Filters, peaks
from signal_model.config import FilesCorpusConfig, ModelConfig, Recipe, TokenizerConfig, TrainingConfig
from signal_model.data.corpus import Corpus, load_corpus
from signal_model.evaluation.yardsticks import yardsticks
from signal_model.training.trainer import run_recipe
from tests.conftest import answer, command, only_run

PERIOD, DISTANCE = 7, 12


def periodic(generator: np.random.Generator) -> np.ndarray:
    """A motif again and again, from any of its places, three letters in ten replaced by others."""
    motif = np.array([0, 1, 1, 3, 2, 0, 2])
    letters = motif[(np.arange(2000) + generator.integers(PERIOD)) % PERIOD]
    return np.where(generator.random(2000) < 0.3, generator.integers(0, 4, 2000), letters)


def copying(generator: np.random.Generator) -> np.ndarray:
    """Each letter is the one `DISTANCE` before it, but for one in twenty."""
    letters = generator.integers(0, 4, 2000)
    for place in range(DISTANCE, 2000):
        if generator.random() < 0.95:
            letters[place] = letters[place - DISTANCE]
    return letters


def planted(folder: Path, kind: str) -> Path:
    folder.mkdir(exist_ok=True)
    for seed in range(40):
        letters = {"period": periodic, "copy": copying}[kind](np.random.default_rng(seed))
        (folder / f"{seed}.txt").write_text("".join("acgt"[letter] for letter in letters))
    return folder


def captions(figures: dict[str, object]) -> str:
    return " ".join(figure.layout.title.subtitle.text.replace("<br>", " ") for figure in figures.values())  # type: ignore[attr-defined]


def test_peaks_of_known_filters_are_named() -> None:
    lags = torch.arange(96, dtype=torch.float64)
    turning = torch.exp(-lags / 60) * torch.cos(2 * torch.pi * lags / PERIOD)
    echo = torch.full((96,), 1e-3, dtype=torch.float64)
    echo[[0, DISTANCE - 1]] = torch.tensor([1.0, 0.5], dtype=torch.float64)
    filters = [Filters("m", name, 0, "learned", taps[None]) for name, taps in (("turning", turning), ("echo", echo))]
    assert peaks(filters[:1])[1][0] == pytest.approx(PERIOD, rel=0.01)
    assert peaks(filters[1:])[0] == [DISTANCE - 1]
    assert peaks([Filters("m", "flat", 0, "learned", torch.eye(1, 8, dtype=torch.float64))]) == ([], [])


def test_a_search_finds_a_period_and_its_report_and_card_say_which(tmp_path: Path) -> None:
    text = planted(tmp_path / "text", "period")
    space = tmp_path / "space.yaml"
    space.write_text(f"""
name: planted
corpus: {{path: {text}}}
model: {{context: 96, width: 32, layers: [{{mixer: {{kind: harmonic, bases: 16, short_convolution: 1}}}}]}}
training: {{batch_size: 8, validation_tokens: 4096}}
genes:
  training.learning_rate: {{type: ordered, values: [1e-5, 1e-2]}}
rungs: [300]
population: 4
budget: {{evaluations: 2}}
confirm: {{top: 0}}
""")
    result = command("hrfevo", "run", space, "--out", tmp_path / "out", "--backend", "inline")
    assert result.returncode == 0, result.stderr
    run = only_run(tmp_path / "out")
    # Only the rate that learns beats the unigram.
    assert "learning_rate 0.01" in result.stdout.partition("genes")[2].splitlines()[1]
    assert "nothing was learned" not in result.stdout
    answer("show", run, "--html", tmp_path / "card.html")
    for page in (run / "report.html", tmp_path / "card.html"):
        found = re.findall(
            r"gain stands out at periods? ([\d.]+)", re.sub(r"<br>|\\u003cbr\\u003e", " ", page.read_text())
        )
        assert [float(period) for period in found] == [pytest.approx(PERIOD, rel=0.05)], page
    assert "after 300 steps" in (tmp_path / "card.html").read_text()


def trained(corpus: Corpus, steps: int) -> dict[str, object]:
    mixer = {"kind": "harmonic", "bases": 64, "short_convolution": 1}
    model = ModelConfig.model_validate({"width": 32, "context": 48, "layers": [{"mixer": mixer}]})
    training = TrainingConfig(steps=steps, batch_size=8, learning_rate=5e-3, validation_tokens=4096)
    found, _, score = run_recipe(Recipe(model=model, training=training, corpus=None), corpus, torch.device("cpu"))
    scores = yardsticks(corpus, 48, 4096)
    # No n-gram reaches as far, so all of them guess.
    assert score.bits_per_byte < 0.98 * scores["unigram"] < scores["6-gram"]
    return portraits(found, steps)  # type: ignore[return-value]


def test_pictures_of_a_trained_model_name_the_distance_of_copies(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    corpus = load_corpus(FilesCorpusConfig(path=str(planted(tmp_path / "text", "copy"))), TokenizerConfig())
    told = captions(trained(corpus, 900))
    assert f"lag {DISTANCE - 1}, {DISTANCE} tokens before the one that is predicted" in told
