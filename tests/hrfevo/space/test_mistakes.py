"""What is said about a space file that is not valid: where, what, and what is accepted."""

from __future__ import annotations

import copy
import re
from pathlib import Path

import pytest

from hrfevo.space.reading import parse_space
from hrfevo.space.search_space import SearchSpace
from signal_model.support.errors import InputError
from signal_model.support.files import Document, parse_document
from signal_model.support.settings import paths
from tests.conftest import ROOT, command
from tests.tools.spaces import KINDS, RATE, SMALL

BASE = (ROOT / "search_spaces" / "embeddings.yaml").read_text()


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("embedding.bases:", "embedding.base:", "embedding.base", "did you mean 'bases'?); accepted: kind, bases"),
        (
            "\n  embedding.kind:",
            "\n  embeding.kind:",
            "  embeding.kind:",
            "genes.embeding.kind: unknown setting (did you mean 'embedding.kind'?)",
        ),
        (
            "embedding.kind:",
            "embeding.kind:",
            "  embeding.kind:",
            "unknown setting (did you mean 'embedding'?); accepted",
        ),
        ("low: 4, high: 96", "low: 96, high: 4", "{type: int", "low must be below high, got low 96 and high 4"),
        ("low: 0.25,", "low: -1,", "low: -1", "a logarithmic range starts above 0, got low -1"),
        (
            "[dct, fourier, learned]",
            "[dct, furier]",
            "furier",
            "'furier' is not accepted (did you mean 'fourier'?); accepted: dct, fourier, wavelet, learned",
        ),
        ("kind: harmonic", "kind: harmonc", "kind: harmonc", "'harmonc' is no kind (did you mean 'harmonic'?)"),
        ("kind: basis}", "kind: bassis}", "bassis", "embedding.kind never has the value 'bassis'; accepted: standard"),
        ("type: float", "type: flaot", "flaot", "'flaot'"),
        ("heads: 4", "heads: 5", "heads: 5", "must divide the width of 96 into even sizes, got 5"),
        (
            "budget: {evaluations: 72}",
            "budget: {}",
            "budget",
            "give evaluations, trainings, minutes",
        ),
        ("{evaluations: 72}", "{minutes: true}", "budget", "budget.minutes: expected a number, got true"),
        ("{evaluations: 72}", "5", "budget", "mapping of settings, got 5; accepted: evaluations, trainings, minutes,"),
        ("{evaluations: 72}", "", "budget", "mapping of settings, got None; accepted: evaluations, trainings,"),
        ("rungs: [180]", "rungs: [true]", "rungs", "rungs: expected a number, got true"),
        ("heads: 4", "heads: true", "heads", "expected a number, got true"),
        ("rungs: [180]", "rungs: [180, 80]", "rungs", "rungs are training steps that grow, got [180, 80]"),
        ("bits_per_byte: minimize", "perplexity: minimize", "perplexity", "accepted: bits_per_byte, error_rate,"),
        ("corpus: python", "corpus: pyton", "corpus", "'pyton' is no corpus"),
        ("population: 16", "population: sixteen", "population", "got 'sixteen'"),
        ("population: 16", "populaton: 16", "populaton", "did you mean 'population'?"),
        ("low: 0.25, high: 48", "low: 0.25, high: 480", "low: 0.25", "480 cycles need a width of at least 960, got 96"),
        ("training:", "training:\n  steps: 3", "  steps: 3", "is set by rungs, not here"),
        ("rungs: [180]", "rungs: [180", "population", "not valid YAML"),
        ("rungs: [180]", "rungs: [180]\nrungs: [80]", "rungs: [80]", "rungs stands twice"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(old: str, new: str, line: str, says: str) -> None:
    assert old in BASE
    text = BASE.replace(old, new)
    with pytest.raises(InputError) as error:
        parse_space(text, "space.yaml")
    message = str(error.value)
    assert says in message
    assert "\n" not in message
    file, number, _ = message.split(":", 2)
    assert file == "space.yaml"
    lines = text.splitlines()
    around = lines[int(number) - 1 : int(number) + 1]
    assert any(line in candidate for candidate in around), (message, around)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (RATE, "{low: 1e-3}", "4: genes.training.learning_rate.type: is missing; accepted: float, int, interval,"),
        (RATE, "3e-2", "4: genes.training.learning_rate: expected a mapping such as {type: float, low: 0, high: 1}"),
        (RATE, "{type: float, low: 1e-3, high: .inf}", "learning_rate.high: expected a finite number, got inf"),
        ("type: choice, values: [attention", "values: [attention", "13: genes.layers.genes.mixer.kind.type: is miss"),
        ("    max: 2\n", "", "8: genes.layers.max: is missing"),
        ("{type: int, low: 2, high: 8, when: {embedding.kind: spectral}}",
         "{type: int, low: 2, high: 8, when: {embedding.bases: 3}}", "'embedding.bases' is the gene itself; accepted"),
        (KINDS, "mixer.kind: {type: choice, values: [wavelet], when: {mixer.knid: wavelet}}",
         "'mixer.knid' is no gene here; there is no other gene"),
        ("high: 8, when: {embedding.kind: spectral}}\n  l", "high: 8}\n  l",
         "7: genes.embedding.frequencies: unknown setting (only kinds spectral and hybrid have it); accepted: kind; "
         "searched only where it is one: when: {embedding.kind: [spectral]}"),
        (KINDS, f"{KINDS}\n      mixer.levels: {{type: int, low: 1, high: 3}}",
         "14: genes.layers.genes.mixer.levels: unknown setting (only kind wavelet has it); accepted: kind, heads, "
         "rotary, window, short_convolution; searched only where it is one: when: {mixer.kind: [wavelet]}"),
        ("    max: 2\n", "    max: 2\n    fixed: {mixer.window: 16}\n",
         "12: genes.layers.fixed.mixer.window: fixed settings are nested; write mixer: {window: 16}"),
        ("width: 16}", "width: 16, embedding: {a.b.c: 1}}", "2: model.embedding.a.b.c: fixed settings are nested; "
         "write a: {b: {c: 1}}"),
        ("genes:\n  t", "training: {optimizer.kind: muon}\ngenes:\n  t", "write optimizer: {kind: muon}"),
        ("training.learning_rate", "training.dropout", "training.dropout: unknown setting; accepted: batch_size,"),
        ("  embedding.frequencies: {type: interval, low: 0.5, high: 8, when: {embedding.kind: spectral}}\n", "",
         "5: genes.embedding.kind: with 'spectral', model.width: embedding.frequencies: the default of spectral does "
         "not fit: 32 cycles need a width of at least 64, got 16; set embedding.frequencies, or another width"),
        ("rungs:", "constraints: {params: {max: 3}}\nrungs:", "constraints.params: 'params' is no metric (did you"),
        ("rungs:", "objectives: {bits_per_byte: maximize}\nrungs:", "bits_per_byte: validation loss, bits per"),
        ("rungs:", "objectives: {compression: minimize}\nrungs:", "the worst would win; accepted: maximize"),
        ("name: small", f"name: {'a' * 300}", "up to 100 letters, digits, - and _, a letter or digit first; got one"),
        (RATE, "&rate {type: float, low: 1e-3, high: 3e-2}\n  training.weight_decay: *rate", "aliases (*name)"),
        (RATE, "{type: float, low: 1, high: 2, step: 1e-9}", "takes it through more than 1,000 values"),
        (RATE, "{type: float, low: 1, high: 2, step: -1}", "takes it through 0 values; accepted: a step of"),
        (RATE, "{type: float, low: 0, high: 1.7e308, step: 1e-9}", "takes it through more than 1,000 values"),
        (RATE, "{type: float, low: -1.7e308, high: 1.7e308}", "are too far apart for floating-point numbers"),
        (RATE, "{type: float, low: 1e-300, high: 1e300, log: true}", "are too far apart for floating-point numbers"),
        (RATE, "{type: float, low: 1, high: 2, step: 0.5, log: true}", "learning_rate.step: goes with log: false"),
        # A part is of no kind: the gene is at fault that is of the part, not the first line.
        (RATE, f"{RATE}\n  training.optimizer.momentum: {{type: float, low: 0.1, high: 0.2}}",
         "5: genes.training.optimizer.momentum: training.optimizer.kind is missing; accepted: adamw, muon"),
        (KINDS, "mixer.levels: {type: int, low: 1, high: 3}", "13: genes.layers.genes.mixer.levels: mixer.kind is "
         "missing; accepted: attention,"),
        # Whatever else is wrong with the model: frequencies up to 32 do not fit its width.
        ("8, when: {embedding.kind: spectral}}\n  embedding.frequencies: {type: interval, low: 0.5, high: 8, when",
         "8}\n  embedding.spacing: {type: choice, values: [log], when",
         "accepted: kind; searched only where it is one: when: {embedding.kind: [spectral]}"),
        # What is settled elsewhere, or is of no model, is no gene, nor said to be one.
        ("training.learning_rate", "vocab_size", "4: genes.vocab_size: is set by the tokenizer, not searched; run one "
         "search for each size: --set tokenizer.size=0.001"),
        ("training.learning_rate", "training.steps", "4: genes.training.steps: is set by rungs, not searched"),
        ("training.learning_rate", "tokenizer.size", "4: genes.tokenizer.size: tokenizer is not searched: genes are "
         "of models and training; run one search for each: --set tokenizer.size=0.001"),
        ("training.learning_rate", "learning", "4: genes.learning: unknown setting; accepted: context, width,"),
        # What the file does not say does not fit what it does.
        ("width: 16}", "width: 33}", "2: model.width: mixer.heads: the default of attention does not fit: must "
         "divide the width of 33 into even sizes, got 4; set mixer.heads, or another width"),
        ("context: 32, ", "context: 8, ", "13: genes.layers.genes.mixer.kind: with 'wavelet', model.context: "
         "mixer.levels: the default of wavelet does not fit: 5 needs a context of at least 32, got 8; set mixer.lev"),
        ("  layers:\n", "  layers.0.mixer.heads: {type: int, low: 1, high: 2}\n  layers:\n",
         "8: genes.layers.0.mixer.heads: genes of layers stand below the genes of one that is named layers"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_gene_is_said_in_our_words_and_of_the_gene(old: str, new: str, says: str) -> None:
    assert SMALL.count(old) == 1
    parse_space(SMALL, "small.yaml")
    with pytest.raises(InputError) as error:
        parse_space(SMALL.replace(old, new).lstrip("\n"), "small.yaml")
    assert says in str(error.value)
    assert ".[key]" not in str(error.value)
    assert "Unable to extract" not in str(error.value)


@pytest.mark.parametrize("odd", [None, True, 0, -1.5, "x", [], [3], {}, {"a": 3}], ids=repr)
def test_no_setting_is_refused_in_the_words_of_pydantic(odd: object) -> None:
    said, small = set(), parse_document(SMALL, "small.yaml").data
    for key in {key for key, _ in paths(SearchSpace)}:
        place = data = copy.deepcopy(small)
        *sections, name = key.split(".")
        for section in sections:
            place = place.setdefault(section, {})
        place[name] = odd
        try:
            SearchSpace.from_document(Document("small.yaml", data, {}))
        except InputError as error:
            said.add(str(error))
    assert len(said) > 15
    assert not [one for one in said if re.search("Input should|after validation|Field required", one)]


MISPLACED = "unknown setting here, its place is"
FIXED = "    max: 2\n    fixed: "


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        # A right condition, and the gene that it means with the wrong value: at that value.
        ("[standard, spectral]", "[standard, spectrl]", "5: genes.embedding.kind.values[1]: 'spectrl' is no value of "
         "embedding.kind (did you mean 'spectral'?); accepted: "),
        (KINDS, "mixer.kind: {type: choice, values: [attention, wavlet]}\n      mixer.levels: "
         "{type: int, low: 1, high: 3, when: {mixer.kind: wavelet}}", "13: genes.layers.genes.mixer.kind.values[1]: "
         "'wav"),
        (KINDS, "feedforward.activation: {type: choice, values: [gelu, relu]}\n      feedforward.expansion: "
         "{type: int, low: 1, high: 3, when: {feedforward.activation: relu2}}", "13: "
         "genes.layers.genes.feedforward.act"),
        # A part without its kind.
        ("width: 16}", "width: 16, positions: {bases: 8}}",
         "2: model.positions.kind: is missing; accepted: none, signal; "
         "of these signal has bases"),
        (RATE, f"{RATE}\n  positions.bases: {{type: int, low: 2, high: 4}}",
         "5: genes.positions.bases: positions.kind is "
         "missing; accepted: none, signal; of these signal has bases; fix it, or search it too"),
        (KINDS, "mixer.heads: {type: choice, values: [2, 4]}",
         "13: genes.layers.genes.mixer.heads: mixer.kind is missing"),
        (RATE, f"{RATE}\n  training.schedule.decay: {{type: float, low: 0.1, high: 0.3}}",
         "training.schedule.kind is miss"),
        # What some of the kinds that are searched do not have.
        ("    max: 2\n", FIXED + "{mixer: {window: 16}}\n",
         "12: genes.layers.fixed.mixer.window: unknown setting (only "
         "kind attention has it); accepted: kind, families, levels, heads, taps; for those it is a gene with one "
         "value, "
         "mixer.window: {type: choice, values: [16], when: {mixer.kind: [attention]}}"),
        # What belongs to another section.
        ("width: 16}", "width: 16, mixer: {heads: 2}}",
         f"2: model.mixer: {MISPLACED} genes.layers.fixed.mixer; accepted"),
        ("width: 16}", "width: 16, batch_size: 2}",
         f"2: model.batch_size: {MISPLACED} training.batch_size; accepted here"),
        ("genes:\n  t", "training: {context: 64}\ngenes:\n  t",
         f"3: training.context: {MISPLACED} model.context; accepted"),
        ("genes:\n  t", "training: {population: 9}\ngenes:\n  t", f"training.population: {MISPLACED} the top level of"),
        ("genes:\n  t", "evaluations: 9\ngenes:\n  t",
         f"3: evaluations: {MISPLACED} budget.evaluations; accepted here"),
        ("genes:\n  t", "steps: 9\ngenes:\n  t", f"3: steps: {MISPLACED} rungs or confirm.steps; accepted here: name"),
        ("training.learning_rate", "batch_size",
         f"4: genes.batch_size: {MISPLACED} genes.training.batch_size; accepted"),
        ("training.learning_rate", "mixer.taps",
         f"4: genes.mixer.taps: {MISPLACED} genes.layers.genes.mixer.taps; acc"),
        (KINDS, "width: {type: int, low: 8, high: 16}",
         f"13: genes.layers.genes.width: {MISPLACED} genes.width; accepted"),
        # Text.
        ("genes:\n  t", "corpus: {path: {valid: a}}\ngenes:\n  t", "3: corpus.path.valid: is no split (did you mean "
         "'validation'?); accepted: train, validation, test"),
        ("genes:\n  t", "corpus: {path: 3}\ngenes:\n  t",
         "3: corpus.path: expected a path or a list of paths, or one for "
         "each of train, validation and test, got 3"),
        ("genes:\n  t", "corpus: {path: {test: [1]}}\ngenes:\n  t",
         "3: corpus.path.test: expected a path or a list of pa"),
        ("genes:\n  t", "corpus: {paths: a}\ngenes:\n  t",
         "{'paths': 'a'} is no corpus (did you mean 'path'?); accepted:"),
    ],
)  # fmt: skip
def test_what_is_told_to_a_newcomer_is_where_it_went_wrong_and_what_is_right(old: str, new: str, says: str) -> None:
    assert SMALL.count(old) == 1
    with pytest.raises(InputError) as error:
        parse_space(SMALL.replace(old, new).lstrip("\n"), "small.yaml")
    assert f"small.yaml:{says}" in str(error.value) if says[0].isdigit() else says in str(error.value)


def test_unknown_wavelet_names_the_gene_and_what_is_accepted() -> None:
    text = (ROOT / "search_spaces" / "wavelets.yaml").read_text().replace("[coif1]", "[coiff1]")
    with pytest.raises(
        InputError, match=r"layers.*mixer\.families.*'coiff1' is not a discrete wavelet.*did you mean 'coif1"
    ):
        parse_space(text, "wavelets.yaml")


@pytest.mark.parametrize(
    ("addition", "message"),
    [
        ("founders:\n  odd: {embedding.kind: standard}\n", "founders.odd"),
        ("confirm: {tops: 3}\n", "did you mean 'top'"),
        ("confirm: {seeds: 0}\n", "confirm.seeds"),
    ],
)
def test_mistakes_in_a_space_name_their_line(tiny_space: Path, addition: str, message: str) -> None:
    text = tiny_space.read_text().replace("confirm: {top: 0}\n", "")
    tiny_space.write_text(text + addition)
    result = command("hrfevo", "validate", tiny_space)
    assert result.returncode == 2
    assert message in result.stderr
    assert f"{tiny_space}:" in result.stderr
