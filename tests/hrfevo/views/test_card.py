"""Cards of genomes: facts against the store, small pictures, portraits of the model, the page, the command."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pywt
from hypothesis import given, settings
from hypothesis import strategies as st
from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting

from hrfevo.algorithms.base import Proposal
from hrfevo.results.confirmation.confirmed import Confirmed
from hrfevo.results.genome.card import Card, card_of
from hrfevo.results.genome.costs import costs_by_part, layers_in_words
from hrfevo.results.history import History
from hrfevo.space.genome import Genome, express, sample
from hrfevo.space.reading import load_space
from hrfevo.space.search_space import SearchSpace
from hrfevo.store.records import Evaluation
from hrfevo.store.run_folder import RunFolder
from hrfevo.store.settings import RunSettings
from hrfevo.views.figures.model.portrait import portraits
from hrfevo.views.figures.model.wavelets import gains
from hrfevo.views.figures.style import caption_of
from hrfevo.views.report.card_page import card_page
from hrfevo.views.terminal.sparkline import BLOCKS, place_bar, sparkline
from hrfevo.workers.base import Job, Outcome, Point
from signal_model.analysis.counting import flops_per_token
from signal_model.analysis.filters import wavelet_responses
from signal_model.config import ModelConfig
from signal_model.model import build_model, count_parameters
from signal_model.support.errors import InputError
from signal_model.transforms.atrous import lowpass
from tests.conftest import SPACES, command
from tests.signal_model.evaluation.test_causality import (
    EMBEDDINGS,
    FEEDFORWARDS,
    FILTER_BANKS,
    MIXERS,
    POSITIONS,
    model_config,
)
from tests.tools.pages import Page

# What a careless page or terminal would run, follow or set in bold.
HOSTILE = "<script>alert(1)</script>&lt;[bold]%{x}"

WAVELETS = ["haar", "db2", "db7", "sym4", "coif1", "bior2.2", "rbio3.1", "dmey"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A search that never was, in a real store: random scores and parents, two rungs, some failures."""
    text = """
name: cards
model: {context: 32, width: 16}
genes:
  training.learning_rate: {type: float, low: 1e-3, high: 2e-2, log: true}
  embedding.kind: {type: choice, values: [standard, spectral]}
  embedding.bases: {type: int, low: 2, high: 8, when: {embedding.kind: spectral}}
  embedding.frequencies: {type: interval, low: 0.5, high: 8, log: true, when: {embedding.kind: spectral}}
  layers:
    type: layers
    min: 1
    max: 2
    genes:
      mixer.kind: {type: choice, values: [attention, harmonic, wavelet]}
      mixer.levels: {type: int, low: 1, high: 5, when: {mixer.kind: wavelet}}
objectives: {bits_per_byte: minimize, step_time: minimize, parameters: maximize}
rungs: [20, 60]
population: 8
budget: {evaluations: 90}
"""
    (path := tmp_path_factory.mktemp("cards") / "space.yaml").write_text(text)
    space, text = load_space(path)
    started = RunSettings.new(text, seed=3, algorithm="evolution", corpus={})
    folder = RunFolder.create(path.parent, space, text, started, None)
    store = folder.open_store(create=True)
    folder.begin(store)
    generator = np.random.default_rng(7)
    genomes = [sample(space, generator) for _ in range(60)]
    jobs = [(genome, 0, 5) for genome in genomes] + [(genome, 1, 5) for genome in genomes[::3]]
    for number, (genome, rung, seed) in enumerate(jobs):
        parents = tuple(genomes[int(place)].id for place in generator.integers(0, number, 2)) if 3 < number < 60 else ()
        job = Job(number, genome, rung, seed)
        store.submitted(folder.id, job, Proposal(genome, "crossover" if parents else "random", parents, rung))
        score, failed = float(generator.integers(20, 40)) / 10 - rung, generator.random() < 0.15
        metrics = {"parameters": float(generator.integers(5, 9)), "flops_per_token": 1e5, "state_size": 64.0}
        metrics |= {} if failed else {"bits_per_byte": score, "step_time": float(generator.integers(5, 9))}
        metrics |= {} if failed else {"train_seconds": 3.0 + rung}
        # Every other training of the higher rung could not continue the lower one, and began again.
        first = 5 if rung == 0 or number % 2 else 25
        curve = tuple(Point(step, 0.1 * step, score + 5 / step) for step in range(first, (20, 60)[rung] + 1, 5))
        status = "failed" if failed else "finished"
        outcome = Outcome(job, status, metrics, "diverged" if failed else "", "", curve, 1.0, 2.0, "host:1", "cpu")
        store.record(folder.id, outcome, 60.0)
    # Settings that a stricter version would not admit any more.
    misfit = Genome(dict(genomes[0].values) | {"layers": [{"mixer.kind": "wavelet", "mixer.levels": 6}]})
    store.submitted(folder.id, job := Job(len(jobs), misfit, 0, 5), Proposal(misfit, "random"))
    store.record(folder.id, Outcome(job, "infeasible", {}, "settings that do not fit together"), 60.0)
    store.close()
    return folder.path


Read = tuple[SearchSpace, list[Evaluation], dict[int, list[Point]]]


@pytest.fixture(scope="module")
def read(run: Path) -> Read:
    folder = RunFolder.open(run)
    store = folder.open_store()
    return folder.space(), store.evaluations(folder.id), store.curves(folder.id)


def all_cards(read: Read) -> list[Card]:
    space, evaluations, curves = read
    return [
        card_of(History(space, tuple(evaluations)), curves, genome)
        for genome in sorted({e.genome for e in evaluations})
    ]


# --- facts ---------------------------------------------------------------------------------------


def test_standing_agrees_with_pymoo_and_with_counting(read: Read) -> None:
    space, evaluations, _ = read
    signs = {"minimize": 1.0, "maximize": -1.0}
    seen = {0: 0, 1: 0}
    for card in all_cards(read):
        own = [e for e in evaluations if e.genome == card.genome and e.status == "finished"]
        assert (card.standing is not None) == bool(own) == bool(card.fitness)
        if card.standing is None:
            continue
        top = max(own, key=lambda e: e.rung)
        peers = [e for e in evaluations if e.status == "finished" and e.rung == top.rung]
        losses = np.array([[signs[way] * e.metrics[name] for name, way in space.objectives.items()] for e in peers])
        fronts = NonDominatedSorting().do(losses)
        (rank,) = [index for index, front in enumerate(fronts, start=1) if peers.index(top) in front]
        better = sum(e.metrics["bits_per_byte"] < top.metrics["bits_per_byte"] for e in peers)
        assert (card.standing.rank, card.standing.place, card.standing.peers) == (rank, better + 1, len(peers))
        assert card.standing.front == (top.rung == 1 and rank == 1)
        assert card.fitness == {name: top.metrics[name] for name in space.objectives}
        assert card.cost.train_seconds == 3.0 + top.rung
        seen[top.rung] += 1
    assert min(seen.values()) > 5


def test_relatives_agree_with_a_scan_both_ways(read: Read) -> None:
    space, evaluations, _ = read
    cards = {card.genome: card for card in all_cards(read)}
    links = {(parent, e.genome) for e in evaluations for parent in e.parents}
    assert links == {(parent.genome, card.genome) for card in cards.values() for parent in card.parents}
    assert links == {(card.genome, child.genome) for card in cards.values() for child in card.children}
    for card in cards.values():
        for relative in (*card.parents, *card.children):
            other = cards[relative.genome]
            assert relative.operator == other.operator
            assert relative.generation == other.birth // space.population == other.generation
            assert relative.score == other.fitness.get("bits_per_byte")
            assert relative.steps == other.steps


def test_a_curve_runs_over_all_rungs_each_step_once(read: Read) -> None:
    _, evaluations, curves = read
    began_again = 0
    for card in all_cards(read):
        own = sorted((e for e in evaluations if e.genome == card.genome), key=lambda e: e.rung)
        assert [training.number for training in card.trainings] == [e.number for e in own]
        assert [training.metrics for training in card.trainings] == [e.metrics for e in own]
        if own[-1].status == "infeasible":
            assert card.curve == ()
            continue
        steps = [point.step for point in card.curve]
        assert steps == list(range(5, (20, 60)[own[-1].rung] + 1, 5))
        assert list(card.curve[-len(curves[own[-1].number]) :]) == curves[own[-1].number]
        began_again += len(own) == 2 and len(curves[own[-1].number]) == len(card.curve)
    assert began_again > 3


def test_confirmation_is_that_of_the_genome_and_the_transformer_beside_it(read: Read) -> None:
    space, evaluations, curves = read
    genome = evaluations[0].genome
    winner = Confirmed(genome, "search", {}, 10, 60, (1, 2), (2.0, 2.2), (2.4, 2.6))
    # The same id may win the tuning of the transformer.
    rival = Confirmed(genome, "baseline", {}, 10, 60, (1, 2), (2.5, 2.5), (2.7, 2.7))
    card = card_of(History(space, tuple(evaluations)), curves, genome[:6], [rival, winner])
    assert (card.confirmed, card.rivals) == (winner, {"transformer": rival})
    other = card_of(History(space, tuple(evaluations)), curves, evaluations[1].genome, [winner])
    assert (other.confirmed, other.rivals) == (None, {})
    with pytest.raises(InputError, match="no genome of this run"):
        card_of(History(space, tuple(evaluations)), curves, "zzz")


# --- small pictures ------------------------------------------------------------------------------


@given(st.lists(st.integers(-(10**6), 10**6), max_size=200), st.integers(1, 60), st.integers(1, 9))
def test_sparklines_keep_order_and_ends_whatever_the_unit(values: list[int], width: int, unit: int) -> None:
    drawn = sparkline(values, width)
    assert len(drawn) == min(width, len(values))
    assert drawn == sparkline([unit * value + 7 for value in values], width)
    if len(values) <= width and len(set(values)) > 1:
        order = sorted(range(len(values)), key=lambda place: values[place])
        heights = [BLOCKS.index(drawn[place]) for place in order]
        assert heights == sorted(heights)
        assert (heights[0], heights[-1]) == (0, len(BLOCKS) - 1)
    falling = sparkline(sorted(values, reverse=True), width)
    assert list(falling) == sorted(falling, reverse=True)


def test_sparklines_of_nothing_constants_and_gaps() -> None:
    assert sparkline([]) == ""
    assert sparkline([3.0] * 100, 5) == BLOCKS[0] * 5
    assert sparkline([1.0, math.nan, 2.0]) == f"{BLOCKS[0]} {BLOCKS[-1]}"


@given(st.integers(1, 500), st.data(), st.integers(2, 60))
def test_place_bars_go_from_end_to_end(of: int, data: st.DataObject, width: int) -> None:
    place = data.draw(st.integers(1, of))
    dots = [place_bar(p, of, width).index("●") for p in (1, place, of)]
    assert dots == sorted(dots)
    assert dots[0] == 0
    assert dots[-1] == (width - 1 if of > 1 else 0)
    assert len(place_bar(place, of, width)) == width


# --- portraits -----------------------------------------------------------------------------------


def expected_names(config: ModelConfig) -> list[str]:
    """Which pictures a model has, by rules of their own."""
    names = [] if config.embedding.kind == "standard" else ["embedding functions", "embedding coverage"]
    names += ["positions"] if config.positions.kind == "signal" else []
    layers = [layer for layer in config.layers for _ in range(1 if layer.share else layer.repeat)]
    for part in ("filter_bank", "mixer", "feedforward"):
        settings_of = [getattr(layer, part).to_json() for layer in layers]
        for first in sorted({settings_of.index(one) for one in settings_of}):
            part_settings = getattr(layers[first], part)
            same = [number for number, one in enumerate(settings_of, start=1) if one == settings_of[first]]
            taps = getattr(part_settings, "short_convolution", 1)
            pictures = {
                "harmonic": ["harmonics", "kernels"],
                "wavelet": ["wavelets", *(["band filters"] if getattr(part_settings, "taps", 1) > 1 else [])],
                "fourier_attention": ["decays"],
                "learned": ["filter bank"],
                "spectral": ["spectral feed-forward"],
            }.get(part_settings.kind, [])
            pictures += ["short convolution"] if taps > 1 else []
            names += [f"{name}, {layers_in_words(same)}" for name in pictures]
    return [*names, "costs"]


def assert_sound(figures: dict[str, Any]) -> None:
    """Numbers are finite, axes say what they show, captions are one sentence, colours no accident of Plotly's."""
    for name, figure in figures.items():
        caption = caption_of(figure)
        assert figure.layout.title.text
        assert caption.endswith(".")
        assert caption.count(". ") == 0, caption
        for axis in [*figure.select_xaxes(), *figure.select_yaxes()]:
            assert axis.title.text or axis.tickvals is not None or name == "costs", (name, axis)
        for trace in figure.data:
            for values in (trace.x, trace.y, getattr(trace, "z", None)):
                if values is not None and np.asarray(values).dtype.kind == "f":
                    assert np.isfinite(np.asarray(values)).all(), (name, trace.name)
        figure.to_json()


def drawn(config: ModelConfig) -> dict[str, Any]:
    figures = portraits(build_model(config, 0))
    assert list(figures) == expected_names(config)
    assert_sound(figures)
    return figures


@pytest.mark.parametrize(
    "changes",
    [
        *({"embedding": embedding} for embedding in EMBEDDINGS),
        *({"positions": positions} for positions in POSITIONS),
        *({"layers": [{"mixer": mixer}] * 2} for mixer in MIXERS),
        *({"layers": [{"filter_bank": bank}]} for bank in FILTER_BANKS),
        *({"layers": [{"feedforward": feedforward}]} for feedforward in FEEDFORWARDS[::3]),
    ],
    ids=str,
)
def test_every_kind_has_its_pictures(changes: dict[str, Any]) -> None:
    config = model_config(**changes)
    figures = drawn(config)
    if (waves := figures.get("embedding functions")) is not None:
        bases = config.embedding.bases  # type: ignore[attr-defined]
        assert len(waves.data) == min(8, bases)
        power = np.asarray(figures["embedding coverage"].data[0].y)
        assert power.sum() == pytest.approx(100)
    for name, figure in figures.items():
        if name.startswith("wavelets"):
            mixer: Any = config.layers[0].mixer
            assert len(figure.data) == len(mixer.families) * (2 + mixer.levels + 1)
        if name.startswith("decays"):
            assert len(figure.data) == config.layers[0].mixer.heads  # type: ignore[attr-defined]
            assert all(trace.y[0] == 1 for trace in figure.data)


@pytest.mark.parametrize("path", SPACES, ids=lambda path: path.stem)
def test_genomes_of_the_shipped_spaces_have_portraits(path: Path) -> None:
    space = load_space(path)[0]

    @settings(max_examples=3)
    @given(st.integers(0, 2**20))
    def check(seed: int) -> None:
        drawn(express(space, sample(space, np.random.default_rng(seed)), seed=seed).model)

    check()


def test_drawn_kernels_are_those_of_the_model_a_seed_gives() -> None:
    config = model_config(layers=[{"mixer": {"kind": "harmonic", "bases": 4}}])
    figure = portraits(build_model(config, 3))["kernels, layer 1"]
    kernel = build_model(config, 3).blocks[0].mixer.kernel(config.context)  # type: ignore[union-attr, operator]
    np.testing.assert_allclose(figure.data[0].y, kernel[0].detach(), rtol=1e-6)
    points = portraits(build_model(config, 3))["harmonics, layer 1"].data[0]
    np.testing.assert_allclose(np.sort(points.x)[[0, -1]], (0.001, 0.5), rtol=1e-5)
    np.testing.assert_allclose(np.sort(points.y)[[0, -1]], (1, 128), rtol=1e-5)


@pytest.mark.parametrize("wavelet", ["haar", "db2", "db7", "sym4", "coif1", "bior2.2", "bior6.8"])
def test_drawn_wavelets_solve_the_two_scale_relations_of_the_mixers_taps(wavelet: str) -> None:
    """φ(x) = √2 Σ h_k φ(2x - k) and ψ(x) = ± √2 Σ g_k φ(2x - k), near enough for a function known at some points."""
    config = model_config(layers=[{"mixer": {"kind": "wavelet", "families": [wavelet], "levels": 2}}])
    psi, phi, *_ = portraits(build_model(config, 0))["wavelets, layer 1"].data
    time, scaling, detail = (np.asarray(values) for values in (phi.x, phi.y, psi.y))
    for taps, drawn in ((pywt.Wavelet(wavelet).rec_lo, scaling), (pywt.Wavelet(wavelet).rec_hi, detail)):
        finer = [np.interp(2 * time - k, time, scaling, left=0, right=0) for k in range(len(taps))]
        refined = math.sqrt(2) * np.asarray(taps) @ finer
        assert min(np.abs(refined - drawn).mean(), np.abs(refined + drawn).mean()) < 0.07 * np.abs(drawn).mean()
    np.testing.assert_allclose(np.trim_zeros(pywt.Wavelet(wavelet).rec_lo) / np.sqrt(2), lowpass(wavelet), atol=1e-9)
    *_, exact_scaling, exact_detail, grid = pywt.Wavelet(wavelet).wavefun(level=8)
    for mine, exact in ((time, grid), (scaling, exact_scaling), (detail, exact_detail)):
        np.testing.assert_array_equal(mine, exact)


@settings(max_examples=30)
@given(st.sampled_from(WAVELETS), st.integers(1, 6))
def test_gains_are_those_of_the_impulse_responses(wavelet: str, levels: int) -> None:
    frequency, gain = gains(wavelet, levels, points=40)
    for response, band in zip(wavelet_responses(wavelet, levels), gain, strict=True):
        taps = response[0].numpy()
        direct = np.exp(-2j * np.pi * frequency[:, None] * np.arange(len(taps))) @ taps
        np.testing.assert_allclose(band, np.abs(direct), atol=1e-9)


def test_costs_of_the_parts_sum_to_the_model() -> None:
    layers = [{"mixer": MIXERS[6], "filter_bank": FILTER_BANKS[0]}, {"mixer": MIXERS[0]}, {"mixer": MIXERS[6]}]
    model = build_model(model_config(layers=layers, embedding=EMBEDDINGS[3], positions=POSITIONS[1]), 0)
    parts = costs_by_part(model)
    assert sum(part.parameters for part in parts) == count_parameters(model)
    assert sum(part.flops_per_token for part in parts) == pytest.approx(flops_per_token(model))
    found = {part.name: part.parameters for part in parts}
    assert found["mixer (harmonic), layers 1, 3"] == 2 * count_parameters(model.blocks[0].get_submodule("mixer"))
    assert found["mixer (attention), layer 2"] == count_parameters(model.blocks[1].get_submodule("mixer"))
    assert layers_in_words([1, 2, 3, 5]) == "layers 1–3, 5"


# --- the page ------------------------------------------------------------------------------------


class Reader(Page):
    """A card's page, which loads nothing and runs nothing of what it says."""

    VOID = ("meta",)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        assert not {"src", "href", "onerror"} & {name for name, _ in attributes}
        super().handle_starttag(tag, attributes)


def test_whatever_a_card_says_is_text_on_its_page(read: Read) -> None:
    space, evaluations, curves = read
    card = card_of(History(space, tuple(evaluations)), curves, None)
    hostile = replace(
        card,
        genes={HOSTILE: HOSTILE, "layers": [{"mixer.kind": HOSTILE}]},
        reason=HOSTILE,
        operator=HOSTILE,
        trainings=tuple(replace(training, reason=HOSTILE, device=HOSTILE) for training in card.trainings),
        children=tuple(replace(child, operator=HOSTILE) for child in card.children),
    )
    pictures = {HOSTILE: portraits(build_model(model_config(layers=[{"mixer": MIXERS[8]}]), 0))["wavelets, layer 1"]}
    page = card_page(History(space, tuple(evaluations)), hostile, HOSTILE, pictures)
    reader = Reader(page)
    assert reader.tags.count("script") == 3
    assert "b" not in reader.tags
    assert reader.text.count(HOSTILE) >= 7 + len(card.trainings) * 2 + len(card.children)
    plain = Reader(
        card_page(History(space, tuple(evaluations)), card, "run", portraits(build_model(model_config(), 0)))
    )
    for genome in [card.genome, *(relative.genome for relative in (*card.parents, *card.children))]:
        assert genome in plain.text


# --- the command ---------------------------------------------------------------------------------


def test_show_says_it_in_every_form(run: Path, read: Read, tmp_path: Path) -> None:
    space, evaluations, _ = read
    card = max(all_cards(read), key=lambda one: (len(one.trainings), len(one.children), one.standing is not None))
    shown = command("hrfevo", "show", run, card.genome, "--model").stdout
    assert {child.genome for child in card.children} <= set(shown.split())
    assert sparkline([point.bits_per_byte for point in card.curve]) in shown
    assert "residual stream" in shown
    (record,) = json.loads(command("hrfevo", "show", run, card.genome[:8], "--format", "json").stdout)
    assert record["genome"] == card.genome
    assert [child["genome"] for child in record["relatives"]["children"]] == [c.genome for c in card.children]
    assert record["standing"]["peers"] == card.standing.peers if card.standing else record["standing"] is None
    assert [point["step"] for point in record["curve"]] == [point.step for point in card.curve]
    assert "parts" not in record
    (costly,) = json.loads(command("hrfevo", "show", run, card.genome, "--model", "--format", "json").stdout)
    found = next(e for e in evaluations if e.number == card.number)
    model = build_model(express(space, Genome(found.values), seed=found.seed).model, found.seed)
    assert sum(part["parameters"] for part in costly["parts"]) == count_parameters(model)

    page = tmp_path / "card.html"
    result = command("hrfevo", "show", run, card.genome, "--html", page)
    assert result.stdout.strip() == str(page), result.stderr
    assert "Parameters and operations by part" in Reader(page.read_text("utf-8")).text
    refused = command("hrfevo", "show", run, card.genome, "--html", page)
    assert refused.returncode == 2
    assert "exists; name another file or add --overwrite" in refused.stderr
    for options, says in (
        (("--html", tmp_path / "other.html", "--format", "json"), "--format json: --html"),
        (("--model", "--format", "csv"), "--model: has no place in a row"),
    ):
        assert says in command("hrfevo", "show", run, card.genome, *options).stderr
    assert not (tmp_path / "other.html").exists()


def test_a_genome_without_a_model_is_one_line_and_leaves_no_page(run: Path, read: Read, tmp_path: Path) -> None:
    _, evaluations, _ = read
    misfit = evaluations[-1].genome
    page = tmp_path / "card.html"
    for options in (["--model"], ["--html", page]):
        result = command("hrfevo", "show", run, misfit, *options)
        assert result.returncode == 2
        assert "6 needs a context of at least 64, got 32" in result.stderr
        assert len(result.stderr.strip().splitlines()) == 1
    assert not page.exists()
    assert command("hrfevo", "show", run, misfit).returncode == 0


def test_show_answers_at_once_without_torch_or_ray(run: Path, read: Read) -> None:
    arguments = ["hrfevo", "show", str(run), read[1][0].genome]
    code = (
        "import sys, time\nfrom hrfevo.cli import main\n"
        f"sys.argv = {arguments!r}\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'ray', 'optuna', 'pandas', 'plotly'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "assert time.process_time() < 1.5, time.process_time()\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "learning curve" in result.stdout
