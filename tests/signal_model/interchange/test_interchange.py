"""To transformers and back: bits, loss, gradients, generation, padding, tokenizers, and what is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save
from torch.nn import functional as F
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, DynamicCache

from signal_model.config import FilesCorpusConfig, ModelConfig, Recipe, TrainingConfig
from signal_model.data.tokenizers import END_OF_TEXT, BPETokenizer, ByteTokenizer
from signal_model.evaluation.generation import generate
from signal_model.interchange import SignalLLMConfig, SignalLLMForCausalLM, from_transformers, to_transformers
from signal_model.model import SignalLLM, build_model
from signal_model.support.errors import InputError
from signal_model.training.checkpoints import load_checkpoint, load_figures, save_checkpoint
from tests.conftest import assert_one_clear_line, command
from tests.signal_model.evaluation.test_causality import EMBEDDINGS, MIXERS

CPU = torch.device("cpu")
FIGURES = {"validation": {"bits_per_byte": 1.25}, "corpus": "some text"}
FILES = {
    "config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json",
    "modeling_signal_llm.py",
}  # fmt: skip
ALL_MIXERS = [{"mixer": mixer} for mixer in MIXERS]


@pytest.fixture(scope="module")
def tokenizer(text_folder: Path) -> BPETokenizer:
    return BPETokenizer.train([path.read_text() for path in sorted(text_folder.iterdir())], 300)


def checkpoint(folder: Path, model: dict[str, Any], tokenizer: ByteTokenizer | BPETokenizer) -> SignalLLM:
    """A checkpoint of a model with random weights, large enough for logits to differ."""
    config = ModelConfig.model_validate({"vocab_size": tokenizer.vocab_size, "width": 8, "context": 64} | model)
    built = build_model(config, 3).eval()
    for parameter in built.parameters():
        if parameter.requires_grad:
            parameter.data += torch.randn_like(parameter) * 0.3
    training = TrainingConfig(steps=7, learning_rate=0.02)
    recipe = Recipe(model=config, training=training, corpus=FilesCorpusConfig(path="/some/téxt 😀"))
    save_checkpoint(folder, built, recipe, tokenizer, FIGURES)
    return built


def exported(folder: Path, model: dict[str, Any], tokenizer: Any = None) -> tuple[SignalLLM, SignalLLMForCausalLM]:
    built = checkpoint(folder / "checkpoint", model, tokenizer or ByteTokenizer())
    to_transformers(folder / "checkpoint", folder / "hub")
    return built, AutoModelForCausalLM.from_pretrained(folder / "hub")


def same_weights(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    first, second = dict(one.named_parameters()), dict(other.named_parameters())
    buffers, others = dict(one.named_buffers()), dict(other.named_buffers())
    return (
        first.keys() == second.keys()
        and buffers.keys() == others.keys()
        and all(torch.equal(tensor, second[name]) for name, tensor in first.items())
        and all(torch.equal(tensor, others[name]) for name, tensor in buffers.items())
    )


def tokens(*shape: int) -> torch.Tensor:
    return torch.randint(1, 256, shape, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> tuple[SignalLLM, SignalLLMForCausalLM]:
    """Every kind of mixer in one model."""
    embedding = {"kind": "hybrid", "bases": 3, "frequencies": [0.5, 4]}
    return exported(tmp_path_factory.mktemp("mixed"), {"embedding": embedding, "layers": ALL_MIXERS})


@pytest.mark.parametrize(
    "model",
    [
        *({"embedding": embedding, "layers": [{}]} for embedding in EMBEDDINGS),
        *({"layers": [layer, {"feedforward": {"kind": "spectral"}}]} for layer in ALL_MIXERS),
    ],
    ids=str,
)
def test_both_ways_to_the_bit(model: dict[str, Any], tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    built, loaded = exported(tmp_path, model)
    assert {path.name for path in (tmp_path / "hub").iterdir()} == FILES
    assert same_weights(built, loaded.model)
    assert [p.requires_grad for p in built.parameters()] == [p.requires_grad for p in loaded.model.parameters()]
    inputs = tokens(2, 19)
    ours, theirs = built(inputs), loaded(input_ids=inputs, labels=inputs)
    assert torch.equal(ours, theirs.logits)
    following = F.pad(inputs[:, 1:], (0, 1), value=-100)
    loss = F.cross_entropy(ours.flatten(0, 1), following.flatten())
    assert torch.equal(loss, theirs.loss)
    loss.backward()
    theirs.loss.backward()
    gradients = dict(loaded.model.named_parameters())
    for name, parameter in built.named_parameters():
        other = gradients[name].grad
        assert (parameter.grad is None and other is None) or torch.equal(parameter.grad, other)

    from_transformers(tmp_path / "hub", tmp_path / "back")
    for file in (tmp_path / "checkpoint").iterdir():
        assert (tmp_path / "back" / file.name).read_bytes() == file.read_bytes()
    # As transformers writes it, in several files, and so with no figures.
    loaded.save_pretrained(tmp_path / "saved", max_shard_size="2KB")
    (tmp_path / "saved" / "tokenizer.json").write_bytes((tmp_path / "hub" / "tokenizer.json").read_bytes())
    assert len(list((tmp_path / "saved").glob("model-*.safetensors"))) > 1
    from_transformers(tmp_path / "saved", tmp_path / "again")
    again, recipe, _ = load_checkpoint(tmp_path / "again", CPU)
    assert same_weights(built, again)
    assert recipe == load_checkpoint(tmp_path / "checkpoint", CPU)[1]
    assert load_figures(tmp_path / "again") == {}
    assert "warning" not in capfd.readouterr().err.lower()


@pytest.mark.parametrize("mixer", MIXERS, ids=str)
def test_greedy_generation_is_ours_token_for_token(mixer: dict[str, Any], tmp_path: Path) -> None:
    built, loaded = exported(tmp_path, {"layers": [{"mixer": mixer}, {}]})
    for prompt in ([65], tokens(1, 9)[0].tolist()):
        ours = list(generate(built, prompt, 30, temperature=0))
        ours = ours[: ours.index(0) + 1] if 0 in ours else ours
        theirs = loaded.generate(torch.tensor([prompt]), max_new_tokens=30, do_sample=False)
        assert theirs[0].tolist() == [*prompt, *ours]


def test_a_cache_gives_the_logits_of_the_whole(mixed: tuple[SignalLLM, SignalLLMForCausalLM]) -> None:
    built, loaded = mixed
    inputs = tokens(3, 12)
    with torch.no_grad():
        whole = built(inputs)
        first = loaded(inputs[:, :5], use_cache=True)
        second = loaded(
            inputs[:, 5:], past_key_values=first.past_key_values, attention_mask=torch.ones(3, 12), logits_to_keep=2
        )
        past = loaded(inputs[:, :5], use_cache=True).past_key_values
        told = {"past_key_values": past, "attention_mask": torch.ones(3, 12), "labels": inputs[:, 5:]}
        loss = loaded(inputs[:, 5:], **told).loss
    expected = F.cross_entropy(whole[:, 5:-1].flatten(0, 1), inputs[:, 6:].flatten())
    torch.testing.assert_close(loss, expected, rtol=1e-3, atol=3e-4)
    # A beginning alone is transformed by itself, and so are the states it leaves; products of spectra round relative to
    # the largest of all positions.
    torch.testing.assert_close(first.logits, whole[:, :5], rtol=1e-3, atol=3e-4)
    torch.testing.assert_close(second.logits, whole[:, -2:], rtol=1e-3, atol=3e-4)
    assert second.past_key_values.get_seq_length() == 12


def test_beams_and_samples(mixed: tuple[SignalLLM, SignalLLMForCausalLM]) -> None:
    _, loaded = mixed
    settings_ = {"max_new_tokens": 8, "do_sample": False, "num_beams": 4, "num_return_sequences": 2}
    cached = loaded.generate(tokens(2, 6), **settings_)
    assert torch.equal(cached, loaded.generate(tokens(2, 6), use_cache=False, **settings_))
    torch.manual_seed(0)
    sampled = loaded.generate(tokens(1, 6), max_new_tokens=8, do_sample=True, num_return_sequences=20)
    assert len({tuple(row) for row in sampled.tolist()}) > 10


@given(lengths=st.lists(st.integers(1, 12), min_size=1, max_size=4), left=st.booleans(), padding=st.integers(0, 255))
@settings(max_examples=25)
def test_padding_changes_nothing(
    mixed: tuple[SignalLLM, SignalLLMForCausalLM], lengths: list[int], left: bool, padding: int
) -> None:
    built, loaded = mixed
    rows = [tokens(length) for length in lengths]
    longest = max(lengths)
    inputs = torch.full((len(rows), longest), padding)
    mask, labels = torch.zeros_like(inputs), torch.full_like(inputs, -100)
    for index, row in enumerate(rows):
        place = slice(longest - len(row), None) if left else slice(len(row))
        inputs[index, place], labels[index, place], mask[index, place] = row, row, 1
    with torch.no_grad():
        output = loaded(inputs, attention_mask=mask, labels=labels if longest > 1 else None)
        alone = [built(row[None])[0] for row in rows]
    for index, expected in enumerate(alone):
        # Sharp attention in six layers makes more of how sums were rounded.
        torch.testing.assert_close(output.logits[index][mask[index].bool()], expected, rtol=1e-3, atol=2e-4)
    if longest > 1:
        losses = [
            F.cross_entropy(scores[:-1], row[1:], reduction="sum") for scores, row in zip(alone, rows, strict=True)
        ]
        torch.testing.assert_close(output.loss, sum(losses) / sum(length - 1 for length in lengths))


def test_rows_of_different_lengths_generate_as_if_alone(mixed: tuple[SignalLLM, SignalLLMForCausalLM]) -> None:
    _, loaded = mixed
    rows = [tokens(9)[:length] for length in (3, 9, 5)]
    inputs = torch.stack([F.pad(row, (9 - len(row), 0)) for row in rows])
    mask = torch.stack([F.pad(torch.ones_like(row), (9 - len(row), 0)) for row in rows])
    together = loaded.generate(inputs, attention_mask=mask, max_new_tokens=6, do_sample=False, min_new_tokens=6)
    for index, row in enumerate(rows):
        alone = loaded.generate(row[None], max_new_tokens=6, do_sample=False, min_new_tokens=6)
        assert together[index, 9:].tolist() == alone[0, len(row) :].tolist()
    with pytest.raises(InputError, match="pad on the left"):
        loaded.generate(inputs.flip(1), attention_mask=mask.flip(1), max_new_tokens=2)


def test_bfloat16_is_kept(tmp_path: Path) -> None:
    """Tables that are computed, not stored, take the dtype of the weights."""
    built, _ = exported(tmp_path, {"embedding": EMBEDDINGS[1], "layers": ALL_MIXERS})
    half = AutoModelForCausalLM.from_pretrained(tmp_path / "hub", dtype=torch.bfloat16)
    assert same_weights(half.model, built.to(torch.bfloat16))
    assert torch.equal(half(tokens(2, 7)).logits, built(tokens(2, 7)))
    half.save_pretrained(tmp_path / "half")
    (tmp_path / "half" / "tokenizer.json").write_text((tmp_path / "hub" / "tokenizer.json").read_text())
    before = torch.get_rng_state()
    from_transformers(tmp_path / "half", tmp_path / "back")
    assert torch.equal(torch.get_rng_state(), before)
    back = load_checkpoint(tmp_path / "back", CPU)[0].state_dict()
    assert all(torch.equal(back[name], weight.float()) for name, weight in built.state_dict().items())


texts = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from([END_OF_TEXT, "a\0b", f"x {END_OF_TEXT}y"])


@pytest.mark.parametrize("kind", ["bytes", "letters", "bpe"])
def test_tokenizers_are_the_same(kind: str, tokenizer: BPETokenizer, tmp_path: Path) -> None:
    letters = ByteTokenizer(b"abcz\xa9\xc3")
    ours = {"bytes": ByteTokenizer(), "letters": letters, "bpe": tokenizer}[kind]
    written = st.text("abczé") if kind == "letters" else texts
    checkpoint(tmp_path / "checkpoint", {"layers": [{}]}, ours)
    to_transformers(tmp_path / "checkpoint", tmp_path / "hub")
    fast = AutoTokenizer.from_pretrained(tmp_path / "hub")
    assert (len(fast), fast.eos_token, fast.eos_token_id) == (ours.vocab_size, END_OF_TEXT, ours.end_of_text)

    @given(text=written, some=st.lists(st.integers(1, ours.vocab_size - 1)))
    @settings(max_examples=150)
    def check(text: str, some: list[int]) -> None:
        ids = ours.encode(text).tolist()
        assert fast(text)["input_ids"] == ids
        assert fast.decode([0, *ids, 0], skip_special_tokens=True) == ours.decode(ids)
        assert fast.decode(some) == ours.decode(some)

    check()
    if kind == "letters":
        with pytest.raises(Exception, match="no token for a byte of the text"):
            fast("abcd")
    fast.pad_token = fast.eos_token
    assert fast(["abc", "a"], padding=True)["attention_mask"][1][0] == 0  # on the left
    fast.save_pretrained(tmp_path / "hub")  # with the padding of the last call in it
    from_transformers(tmp_path / "hub", tmp_path / "back")
    assert (tmp_path / "back" / "tokenizer.json").read_text() == ours.to_json()


def test_what_a_signalllm_cannot_do_is_refused(mixed: tuple[SignalLLM, SignalLLMForCausalLM]) -> None:
    _, loaded = mixed
    inputs = tokens(2, 4)
    holes = torch.tensor([[1, 0, 1, 1], [1, 1, 1, 1]])
    refused = [
        (lambda: loaded(inputs, attention_mask=holes), "must stand together"),
        (lambda: loaded(inputs, attention_mask=holes, use_cache=True), "takes no padding"),
        (lambda: loaded(inputs, attention_mask=holes[:, 1:]), r"shape \(2, 4\), got \(2, 3\)"),
        (lambda: loaded(inputs, past_key_values=DynamicCache()), "SignalLLMCache, got a DynamicCache"),
        (lambda: loaded(inputs[:, :0]), "at least one token"),
        (lambda: loaded(inputs, output_attentions=True), "output_attentions: is not supported"),
        (lambda: loaded.resize_token_embeddings(300), "keeps the 256 tokens"),
        (lambda: loaded.set_input_embeddings(torch.nn.Embedding(256, 8)), "one part"),
        (lambda: loaded.set_output_embeddings(torch.nn.Linear(8, 256)), "one part"),
        (lambda: loaded.generate(inputs, assistant_model=loaded), "assisted generation is not supported"),
        (lambda: SignalLLMConfig(recipe={"model": {"width": 1}}), r"recipe: model\.width: .* got 1"),
    ]
    for action, message in refused:
        with pytest.raises(ValueError, match=message):
            action()
    assert loaded.resize_token_embeddings(256) is loaded.get_input_embeddings()


def test_folders_that_cannot_be_read_are_refused_in_one_line(tmp_path: Path) -> None:
    exported(tmp_path, {"layers": [{}]})
    hub, out = tmp_path / "hub", tmp_path / "out"
    good = {file.name: file.read_bytes() for file in hub.iterdir()}
    config = json.loads(good["config.json"])
    wider = config | {"recipe": config["recipe"] | {"model": config["recipe"]["model"] | {"width": 16}}}
    wrong = config | {"recipe": config["recipe"] | {"model": {"width": "x"}}}
    doubles = save({"model.embedding.weight": torch.zeros(2, dtype=torch.float64)})
    refused: list[tuple[str, str | bytes | None, str]] = [
        ("config.json", None, r"hub/config\.json: no such file"),
        ("config.json", json.dumps({"model_type": "gpt2"}), "'gpt2'; accepted: 'signal_llm'"),
        ("config.json", json.dumps({"model_type": "signal_llm"}), r"hub/config\.json: recipe: .* got None"),
        ("config.json", json.dumps(wrong), r"hub/config\.json: recipe: model\.width: .* got 'x'"),
        ("config.json", json.dumps(wider), r"hub: weights do not fit config\.json: .* size mismatch"),
        ("tokenizer.json", None, r"hub/tokenizer\.json: no such file"),
        ("tokenizer.json", "{", r"hub/tokenizer\.json:1: not valid JSON"),
        ("tokenizer.json", "{}", r"hub/tokenizer\.json: is not a tokenizer of signal_model"),
        ("model.safetensors", None, r"hub/model\.safetensors: no such file"),
        ("model.safetensors", doubles, r"model\.embedding\.weight: torch\.float64 does not fit into float32"),
        ("model.safetensors", b"x", r"hub/model\.safetensors: is not a safetensors file"),
    ]
    (hub / "model.safetensors").rename(tmp_path / "aside")
    (hub / "model.safetensors.index.json").write_text("{}")
    with pytest.raises(InputError, match="has no weight_map"):
        from_transformers(hub, out)
    (hub / "model.safetensors.index.json").unlink()
    (tmp_path / "aside").rename(hub / "model.safetensors")
    for name, content, message in refused:
        (hub / name).unlink()
        if content is not None:
            (hub / name).write_bytes(content.encode() if isinstance(content, str) else content)
        with pytest.raises(InputError, match=message) as error:
            from_transformers(hub, out)
        assert "\n" not in str(error.value)
        assert not out.exists()
        (hub / name).write_bytes(good[name])
    for read, write in ((to_transformers, tmp_path / "checkpoint"), (from_transformers, hub)):
        with pytest.raises(InputError, match="holds what is read"):
            read(write, write)
        (tmp_path / "file").touch()
        with pytest.raises(InputError, match="cannot be made a folder"):
            read(write, tmp_path / "file")
    with pytest.raises(InputError, match="is no checkpoint"):
        to_transformers(tmp_path, out)


@pytest.mark.parametrize("there", ["model-00001-of-00002.safetensors", "training.safetensors", "config.json"])
def test_a_model_that_is_there_is_replaced_by_request_alone(there: str, tmp_path: Path) -> None:
    exported(tmp_path, {"layers": [{}]})
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / there).write_text("of another model")
    for asked in (("export", tmp_path / "checkpoint"), ("import", tmp_path / "hub")):
        refused = command("signal-model", *asked, "--output", tmp_path / "out")
        assert_one_clear_line(refused, f"out: holds a model ({there}); name another folder or add --overwrite")
        assert [file.name for file in (tmp_path / "out").iterdir()] == [there]
    assert command("signal-model", *asked, "--output", tmp_path / "out", "--overwrite").returncode == 0


def test_a_fresh_model_is_drawn_as_ours_is() -> None:
    config = SignalLLMConfig(recipe={"model": {"width": 8, "layers": ALL_MIXERS, "context": 64}})
    torch.manual_seed(5)
    fresh = AutoModelForCausalLM.from_config(config)
    assert same_weights(fresh.model, build_model(config.model_config(), 5))
    assert (config.vocab_size, config.hidden_size, config.num_hidden_layers) == (256, 8, len(MIXERS))


def test_registered_by_import_and_only_then(tmp_path: Path) -> None:
    exported(tmp_path, {"layers": [{}]})
    assert type(AutoConfig.from_pretrained(tmp_path / "hub")) is SignalLLMConfig
    script = """
import sys
import signal_model, signal_model.cli, signal_model.training.checkpoints
assert "transformers" not in sys.modules
sys.modules["transformers"] = None  # as if it were not installed
try:
    import signal_model.interchange
except signal_model.support.errors.InputError as error:
    print(error)
"""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "transformers: is not installed; add it with pip install 'hrfevo[transformers]'\n"


# --- stock programs -------------------------------------------------------------------------------

STOCK = """
import os, sys
import transformers.modeling_utils  # what both would import
from transformers import AutoModelForCausalLM, AutoTokenizer

def use(folder, saved):
    assert "signal_model" not in sys.modules
    try:
        AutoModelForCausalLM.from_pretrained(folder, trust_remote_code=False)
        raise AssertionError
    except ValueError:
        pass  # no code is run that nobody asked for
    model = AutoModelForCausalLM.from_pretrained(folder, trust_remote_code=True)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokens = tokenizer(["one", "and two"], return_tensors="pt", padding=True)
    print(model(**tokens).logits[1].double().sum().item(), model.config.max_position_embeddings, flush=True)
    model.save_pretrained(saved)
    tokenizer.save_pretrained(saved)

places = sys.argv[1:]
for folder, saved in zip(places, places[1:]):
    child = os.fork()  # two programs, of which neither has loaded what the other did
    if not child:
        use(folder, saved)
        break
    if os.waitpid(child, 0)[1]:
        sys.exit(1)
"""


def test_a_program_that_knows_of_no_signal_model_loads_an_export_and_what_it_saved(tmp_path: Path) -> None:
    built, _ = exported(tmp_path, {"layers": ALL_MIXERS})
    environment = {**os.environ, "HF_MODULES_CACHE": str(tmp_path / "modules"), "HF_HUB_OFFLINE": "1"}
    expected = built(torch.tensor([list(b"and two")]))[0].double().sum().item()
    places = [tmp_path / name for name in ("hub", "saved", "again")]
    result = subprocess.run([sys.executable, "-c", STOCK, *places], capture_output=True, text=True, env=environment)
    assert result.returncode == 0, result.stderr
    for said, saved in zip(result.stdout.splitlines(), places[1:], strict=True):
        score, context = said.split()
        assert float(score) == pytest.approx(expected, abs=1e-3)
        assert int(context) == 64
        assert {path.name for path in saved.iterdir()} == FILES
    to_transformers(tmp_path / "checkpoint", tmp_path / "plain", code=False)
    assert "auto_map" not in json.loads((tmp_path / "plain" / "config.json").read_text())
    assert {path.name for path in (tmp_path / "plain").iterdir()} == FILES - {"modeling_signal_llm.py"}


def test_the_tokenizer_says_how_long_texts_may_be_and_how_to_pad_them(tmp_path: Path) -> None:
    exported(tmp_path, {})
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "hub")
    assert (tokenizer.model_max_length, tokenizer.pad_token, tokenizer.padding_side) == (64, END_OF_TEXT, "left")
    batch = tokenizer(["a", "a longer text " * 9], padding=True, truncation=True, return_tensors="pt")
    assert {name: tuple(values.shape) for name, values in batch.items()} == {
        "input_ids": (2, 64),
        "attention_mask": (2, 64),
    }


def test_what_callers_pass_besides_is_taken_or_refused_by_name(tmp_path: Path) -> None:
    torch.manual_seed(0)
    _, model = exported(tmp_path, {"layers": ALL_MIXERS})
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "hub")
    tokens = tokenizer(["some text"], return_tensors="pt").input_ids
    plain, places = model(tokens).logits, torch.arange(tokens.shape[1])
    for name, value in (
        ("position_ids", places[None]), ("cache_position", places), ("token_type_ids", torch.zeros_like(tokens))
    ):  # fmt: skip
        assert torch.equal(model(tokens, **{name: value}).logits, plain)
        with pytest.raises(InputError, match=f"^{name}: a SignalLLM takes tokens as they stand"):
            model(tokens, **{name: value + 1})
    padded = tokenizer(["some text", "no"], return_tensors="pt", padding=True)
    position_ids = (padded.attention_mask.cumsum(1) - 1).clamp(min=0)
    assert torch.isfinite(model(**padded, position_ids=position_ids).logits).all()
    with pytest.raises(InputError, match=r"^head_mask: is not supported by SignalLLM"):
        model(tokens, head_mask=torch.ones(1))
    assert torch.equal(model(tokens, something=None).logits, plain)
    shifted = F.pad(tokens, (0, 1), value=-100)[:, 1:]
    assert torch.equal(model(tokens, shift_labels=shifted).loss, model(tokens, labels=tokens).loss)
    first = model.generate(tokens, max_new_tokens=40, do_sample=False)
    spoken = tokenizer.decode(first[0, tokens.shape[1] :])
    stop = next(character for character in spoken if character.isascii())
    options = {"max_new_tokens": 40, "do_sample": False, "stop_strings": [stop], "tokenizer": tokenizer}
    stopped = model.generate(tokens, **options)
    assert tokenizer.decode(stopped[0, tokens.shape[1] :]) == spoken[: spoken.index(stop) + 1]
