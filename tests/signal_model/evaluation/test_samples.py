"""What models are asked is the same for all of them, each token once, and errors are those of other documents."""

import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from typer.testing import CliRunner

from signal_model.cli import app
from signal_model.config import ModelConfig
from signal_model.evaluation.samples import ClusteredScore, Sample, paired_difference, sample_of, score_sample
from signal_model.evaluation.scores import fixed_windows, score_text
from signal_model.model import build_model
from signal_model.support.errors import InputError

CPU = torch.device("cpu")
END = 0


def text_of(sizes: list[int], seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return np.concatenate([np.r_[generator.integers(1, 9, size), END] for size in sizes]).astype(np.uint8)


def asked_of(sample: Sample, tokens: np.ndarray) -> dict[int, tuple[int, int]]:
    """Position → how many tokens come before it in its window, and its cluster; that windows hold the text's own."""
    found: dict[int, tuple[int, int]] = {}
    by_length = {}
    for span, length in zip(sample.spans, sample.spans[:, 1] - sample.spans[:, 0] + 1, strict=True):
        by_length.setdefault(int(length), []).append(span)
    for windows in sample.windows:
        size, asked = windows.tokens.shape[1], windows.clusters.shape[1]
        for row, clusters in zip(windows.tokens, windows.clusters, strict=True):
            (end,) = [
                last
                for first, last in sample.spans.tolist()
                if last - first + 1 == asked
                and last >= size - 1
                and np.array_equal(row, tokens[last - size + 1 : last + 1])
                and last - asked + 1 not in found
            ][:1]
            for offset, cluster in enumerate(clusters):
                found[end - asked + 1 + offset] = (size - asked + offset, int(cluster))
    return found


@given(
    st.lists(st.integers(5, 60), min_size=1, max_size=6),
    st.integers(2, 20),
    st.integers(1, 20),
    st.none() | st.integers(1, 200),
)
def test_each_token_is_asked_once_from_as_long_a_past_as_there_is(
    sizes: list[int], context: int, stride: int, limit: int | None
) -> None:
    stride = min(stride, context)
    tokens = text_of(sizes)
    if limit is not None and len(tokens) <= stride:
        with pytest.raises(InputError, match="shorter than one window"):
            sample_of(tokens, context, stride, limit, END)
        return
    sample = sample_of(tokens, context, stride, limit, END)
    found = asked_of(sample, tokens)
    expected = {p for first, last in sample.spans.tolist() for p in range(first, last + 1)}
    assert set(found) == expected
    if limit is None:
        assert expected == set(range(1, len(tokens)))
    else:
        assert len(expected) <= max(limit, stride)
    starts = {int(first) for first, _ in sample.spans}
    for position, (past, _) in found.items():
        first = max(start for start in starts if start <= position)
        assert past == min(context - stride, first - 1) + position - first + 1
        assert past <= context
    assert np.array_equal(sample.spans, sample_of(tokens, context + 7, stride, limit, END).spans)
    documents = np.cumsum(np.r_[0, tokens[:-1] == END])
    if sample.clustered_by == "document":
        assert all(cluster == documents[position] for position, (_, cluster) in found.items())


def test_a_stride_as_long_as_the_context_is_what_training_scores() -> None:
    tokens = text_of([90, 200, 31, 400], 1)
    model = build_model(ModelConfig.from_yaml("{vocab_size: 9, width: 8, context: 16, layers: [{}]}"), seed=0)
    lengths = np.r_[0, np.ones(8, int)]
    expected = score_text(model, fixed_windows(tokens, 16, 300), lengths, CPU)
    found = score_sample(model, sample_of(tokens, 16, 16, 300, END), lengths, CPU)
    assert found.total.bits_per_byte == expected.bits_per_byte
    assert found.nats.sum() == pytest.approx(expected.nats, rel=1e-6)
    assert (found.total.bytes, found.total.tokens, found.total.correct) == (
        expected.bytes,
        expected.tokens,
        expected.correct,
    )


def test_a_stride_gives_each_token_its_full_past() -> None:
    """Against a loop over tokens, each with a window of its own."""
    tokens = text_of([40, 25], 2)
    model = build_model(ModelConfig.from_yaml("{vocab_size: 9, width: 8, context: 12, layers: [{}]}"), seed=0)
    found = score_sample(model, sample_of(tokens, 12, 1, None, END), np.ones(9, int), CPU)
    nats = [0.0, 0.0]
    with torch.no_grad():
        for position in range(1, len(tokens)):
            past = torch.from_numpy(tokens[max(0, position - 12) : position].astype(np.int64))
            logits = model(past[None])[0, -1].log_softmax(-1)
            nats[int(position > 40)] -= float(logits[int(tokens[position])])
    np.testing.assert_allclose(found.nats, nats, rtol=1e-5)
    assert found.tokens.tolist() == [40, 26]


def score_of(nats: np.ndarray, sizes: np.ndarray) -> ClusteredScore:
    return ClusteredScore(np.arange(len(sizes)), nats, sizes, sizes, np.zeros(len(sizes)), float(nats.sum()))


def test_errors_are_those_of_other_documents() -> None:
    """Against scipy's bootstrap over documents; what makes a document hard for both models cancels."""
    generator = np.random.default_rng(3)
    sizes = generator.integers(100, 3000, 80).astype(float)
    hard = generator.normal(1.5, 0.3, 80)
    one = score_of(sizes * (hard + generator.normal(0, 0.02, 80)), sizes)
    other = score_of(sizes * (hard + 0.01 + generator.normal(0, 0.02, 80)), sizes)

    def ratio(nats: np.ndarray, sizes: np.ndarray, axis: int = -1) -> np.ndarray:
        return nats.sum(axis) / math.log(2) / sizes.sum(axis)

    for nats, error in [
        (one.nats, one.standard_error),
        (one.nats - other.nats, paired_difference(one, other).standard_error),
    ]:
        expected = stats.bootstrap(
            (nats, sizes), ratio, paired=True, n_resamples=4000, method="basic", rng=np.random.default_rng(0)
        ).standard_error
        assert error == pytest.approx(expected, rel=0.08)
    found = paired_difference(one, other)
    assert found.standard_error < one.standard_error / 5
    assert found.interval[0] < found.difference < found.interval[1] < 0
    assert (found.clusters, found.difference) == (
        80,
        pytest.approx(one.total.bits_per_byte - other.total.bits_per_byte),
    )


def test_one_document_is_clustered_by_window_and_one_window_has_no_error() -> None:
    tokens = text_of([400])
    assert sample_of(tokens, 20, 10, None, END).clustered_by == "window"
    assert math.isnan(score_of(np.array([3.0]), np.array([2.0])).standard_error)
    with pytest.raises(ValueError, match="different text"):
        paired_difference(score_of(np.ones(2), np.array([1.0, 2])), score_of(np.ones(2), np.array([2.0, 1])))
    with pytest.raises(InputError, match=r"^stride: a window of 20 tokens predicts 1 to 20 of them, got 21$"):
        sample_of(tokens, 20, 21, None, END)


def test_models_are_compared_on_the_same_tokens(tmp_path: Path, text_folder: Path) -> None:
    """Of other contexts, and of other tokenizers on files as a whole; what does not compare is refused by name."""

    def run(*arguments: object) -> str:
        result = CliRunner().invoke(app, [*map(str, arguments), "--device", "cpu"])
        return str(result.exception) if result.exception else str(result.stdout)

    models = {"short": (16, 256, "bytes"), "long": (32, 256, "bytes"), "bpe": (32, 300, "{kind: bpe, size: 300}")}
    for name, (context, size, tokenizer) in models.items():
        text = f"{{width: 16, context: {context}, vocab_size: {size}, layers: [{{mixer: {{kind: harmonic}}}}]}}"
        (tmp_path / f"{name}.yaml").write_text(text)
        run("train", tmp_path / f"{name}.yaml", "--corpus", text_folder, "--tokenizer", tokenizer, "--steps", 2,
            "--output", tmp_path / name)  # fmt: skip
    short, long, bpe = (tmp_path / name for name in models)
    one, other, difference = run("evaluate", short, long).splitlines()
    scores = [float(re.search(r": ([\d.]+) bits", line)[1]) for line in (one, other)]  # type: ignore[index]
    assert one.rsplit("over ")[1] == other.rsplit("over ")[1]
    assert all(re.search(r"\d (documents|windows)\), ", line) for line in (one, other))
    told = re.fullmatch(rf"{long} − {short}: (.*) bits per byte \(95 % interval (.*) to (.*), paired .*", difference)
    assert told
    assert float(told[1]) == pytest.approx(scores[1] - scores[0], abs=1e-4)
    assert float(told[2]) < float(told[1]) < float(told[3])
    single = run("evaluate", short, long, "--tokens", 16).splitlines()[-1]
    assert re.search(r": [+-][\d.]+ bits per byte \(of one window, which says nothing of others\)$", single)
    assert "models of different tokenizers are asked the same only of files" in run("evaluate", short, bpe)
    for number in range(3):
        (tmp_path / "held").mkdir(exist_ok=True)
        (tmp_path / "held" / f"{number}.txt").write_text(f"Text {number} that none has read. " * (9 + number))
    whole = run("evaluate", short, bpe, "--corpus", tmp_path / "held").splitlines()
    assert "paired over 3 documents)" in whole[-1]
    alone = run("evaluate", short, bpe, "--corpus", tmp_path / "held" / "0.txt")
    assert "one document is paired by windows, and these tokenizers cut it differently" in alone
    assert "stride: a window of 16 tokens predicts 1 to 16" in run("evaluate", short, "--stride", 17)
    (tmp_path / "rows.jsonl").write_text("".join(f'{{"text": "{chr(97 + one)}"}}\n' for one in range(26)))
    ended = run("evaluate", short, "--corpus", tmp_path / "rows.jsonl", "--stride", 1, "--tokens", 1)
    assert "tokens: the 1 asked for end texts and stand for none; ask for more" in ended
