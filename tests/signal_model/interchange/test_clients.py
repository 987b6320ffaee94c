"""What other programs do with an export: trainers, adapters, scores."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import AutoModel, AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer
from transformers.utils.generic import find_labels

from signal_model.evaluation.samples import sample_of, score_sample
from signal_model.interchange import SignalLLMConfig, SignalLLMForCausalLM, SignalLLMModel
from signal_model.model import SignalLLM
from signal_model.support.errors import InputError
from signal_model.training.checkpoints import load_checkpoint
from tests.signal_model.evaluation.test_causality import EMBEDDINGS
from tests.signal_model.interchange.test_interchange import ALL_MIXERS, exported, tokens

HYBRID = {"kind": "hybrid", "bases": 3, "frequencies": [0.5, 4]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export with every kind of mixer in one model."""
    torch.manual_seed(2)
    path = tmp_path_factory.mktemp("clients")
    exported(path, {"embedding": HYBRID, "layers": ALL_MIXERS})
    return path / "hub"


@pytest.fixture
def model(folder: Path) -> SignalLLMForCausalLM:
    return AutoModelForCausalLM.from_pretrained(folder)


# --- the model's parts ----------------------------------------------------------------------------


@pytest.mark.parametrize("embedding", EMBEDDINGS, ids=str)
def test_backbone_and_head_are_found_and_make_up_the_model(embedding: dict[str, Any], tmp_path: Path) -> None:
    built, loaded = exported(tmp_path, {"embedding": embedding})
    inputs = tokens(2, 9)
    backbone = AutoModel.from_pretrained(tmp_path / "hub")
    assert type(backbone) is type(loaded.base_model) is SignalLLMModel
    hidden, head = backbone(inputs).last_hidden_state, loaded.get_output_embeddings()
    assert torch.equal(hidden, built.hidden(inputs))
    assert torch.equal(head(hidden), built(inputs))
    torch.testing.assert_close(F.linear(hidden, head.weight, head.bias), built(inputs))
    assert [name for name, part in loaded.named_modules() if part is head] == ["lm_head"]
    assert loaded.state_dict().keys() == {f"model.{name}" for name in built.state_dict()}
    backbone.save_pretrained(tmp_path / "backbone")
    again, told = SignalLLMForCausalLM.from_pretrained(tmp_path / "backbone", output_loading_info=True)
    assert not told["missing_keys"]
    assert torch.equal(again(inputs).logits, built(inputs))


def test_hidden_states_are_what_enters_each_block_and_the_head(model: SignalLLMForCausalLM) -> None:
    inputs, entered = tokens(2, 9), []
    for block in model.model.blocks:
        block.register_forward_pre_hook(lambda _, given: entered.append(given[0]))
    with torch.no_grad():
        whole = model(inputs, output_hidden_states=True)
        assert all(map(torch.equal, whole.hidden_states, entered))
        assert torch.equal(model.lm_head(whole.hidden_states[-1]), whole.logits)
        assert len(whole.hidden_states) == model.config.num_hidden_layers + 1
        begun = model(inputs[:, :5], use_cache=True, output_hidden_states=True)
        ended = model(inputs[:, 5:], past_key_values=begun.past_key_values, output_hidden_states=True)
        for all_of_it, first, second in zip(whole.hidden_states, begun.hidden_states, ended.hidden_states, strict=True):
            torch.testing.assert_close(torch.cat([first, second], 1), all_of_it, rtol=1e-3, atol=1e-3)
        padded = model(
            F.pad(inputs, (3, 0)), attention_mask=F.pad(torch.ones_like(inputs), (3, 0)), output_hidden_states=True
        )
        for all_of_it, shifted in zip(whole.hidden_states, padded.hidden_states, strict=True):
            torch.testing.assert_close(shifted[:, 3:], all_of_it, rtol=1e-3, atol=1e-3)


def test_vectors_take_the_place_of_tokens(model: SignalLLMForCausalLM) -> None:
    inputs = tokens(2, 9)
    vectors = model.get_input_embeddings()(inputs)
    assert torch.equal(model(inputs_embeds=vectors).logits, model(inputs).logits)
    mask = torch.ones_like(inputs)
    options: dict[str, Any] = {"max_new_tokens": 5, "min_new_tokens": 5, "do_sample": False}
    for padding in (0, 3):  # with a cache, and without one
        mask[0, :padding] = 0
        expected = model.generate(inputs, attention_mask=mask, **options)[:, 9:]
        assert torch.equal(model.generate(inputs_embeds=vectors, attention_mask=mask, **options), expected)
    for given in ({}, {"input_ids": inputs, "inputs_embeds": vectors}):
        with pytest.raises(InputError, match=r"^input_ids: either they or inputs_embeds must be given"):
            model(**given)


@pytest.mark.parametrize("reentrant", [False, True])
def test_blocks_are_computed_again_for_the_same_gradients(model: SignalLLMForCausalLM, reentrant: bool) -> None:
    inputs = tokens(2, 9)
    model.train()
    model(inputs, labels=inputs).loss.backward()
    gradients = [weight.grad for weight in model.parameters()]
    model.zero_grad()
    model.activation_checkpointing_enable({"use_reentrant": reentrant})
    model.enable_input_require_grads()
    calls: list[int] = []
    for index, block in enumerate(model.model.blocks):
        block.mixer.register_forward_hook(lambda *_, index=index: calls.append(index))
    model(inputs, labels=inputs).loss.backward()
    assert calls == [*range(len(ALL_MIXERS)), *reversed(range(len(ALL_MIXERS)))]
    for before, weight in zip(gradients, model.parameters(), strict=True):
        assert (before is None) == (weight.grad is None)
        if before is not None:
            torch.testing.assert_close(weight.grad, before)


def test_a_size_of_the_vocabulary_may_be_set() -> None:
    config = SignalLLMConfig(vocab_size=99)
    config.vocab_size += 1
    assert config.model_config().vocab_size == config.vocab_size == 100
    assert SignalLLMModel(config).embedding.weight.shape[0] == 100
    with pytest.raises(InputError, match=r"^recipe: model\.vocab_size: .* got -1"):
        config.vocab_size = -1


def test_weights_of_something_else_change_nothing(folder: Path) -> None:
    """As an adapter's do, which are loaded into the model that they adapt."""
    model, _, _ = load_checkpoint(folder.parent / "checkpoint", torch.device("cpu"))
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    model.load_state_dict({}, strict=False)
    assert all(torch.equal(before[name], weight) for name, weight in model.state_dict().items())


# --- graphs of torch ------------------------------------------------------------------------------


def padded(batch: int, length: int) -> dict[str, Tensor]:
    """Rows padded before, after and not at all, as a tokenizer and `Trainer` give them."""
    mask = torch.ones(batch, length, dtype=torch.long)
    mask[0, : length // 2] = 0
    mask[-1, length - length // 3 :] = 0
    inputs = tokens(batch, length)
    places = (mask.cumsum(1) - 1).clamp(min=0)
    return {"input_ids": inputs, "attention_mask": mask, "labels": inputs.masked_fill(mask == 0, -100)} | {
        "position_ids": places
    }


@pytest.mark.parametrize("way", ["export", "strict export", "compile"])
def test_one_graph_for_every_batch_length_and_padding(way: str, tmp_path: Path) -> None:
    # The strict way asks of every mixer what the others would: to trace its Python, with symbols for batch and length.
    # The others are asked of what stands around mixers; of each mixer alone they are in `test_compatibility.py`.
    torch.manual_seed(2)
    _, model = exported(tmp_path, {"embedding": HYBRID, "layers": ALL_MIXERS if way == "strict export" else [{}]})
    inputs = padded(3, 21)
    if way == "compile":
        torch._dynamo.reset()
        graph = torch.compile(model, fullgraph=True, dynamic=True, backend="eager")
    else:
        batch, length = torch.export.Dim("batch", min=2), torch.export.Dim("length", min=4, max=64)
        shapes = {name: {0: batch, 1: length} for name in inputs}
        graph = torch.export.export(model, (), inputs, dynamic_shapes=shapes, strict=way == "strict export").module()
    with torch._dynamo.config.patch(error_on_recompile=True):
        for given in (inputs, padded(2, 30), padded(5, 4)):
            expected, found = model(**given), graph(**given)
            counts = given["attention_mask"].bool()
            torch.testing.assert_close(found.logits[counts], expected.logits[counts], rtol=1e-3, atol=2e-4)
            torch.testing.assert_close(found.loss, expected.loss, rtol=1e-4, atol=1e-5)
    whole = {"input_ids": inputs["input_ids"], "attention_mask": torch.ones(3, 21, dtype=torch.long)}
    rest = {"labels": whole["input_ids"], "position_ids": torch.arange(21).expand(3, 21)}
    torch.testing.assert_close(graph(**whole, **rest).logits, model(**whole).logits, rtol=1e-3, atol=2e-4)
    whole["attention_mask"][1, 3] = 0
    with pytest.raises(RuntimeError, match=r"(attention_mask|position_ids): .* (together|stand)"):
        graph(**whole, **rest)


# --- Trainer --------------------------------------------------------------------------------------


@torch.no_grad()
def true_loss(model: SignalLLM | SignalLLMForCausalLM, rows: list[Tensor]) -> float:
    """Mean nats of the tokens of rows (T,) but the first, each row computed by itself."""
    nats = [
        F.cross_entropy(model(input_ids=row[None]).logits[0, :-1], row[1:], reduction="none")
        for row in rows
        if len(row) > 1
    ]
    return float(torch.cat(nats).mean())


@pytest.mark.parametrize("side", ["left", "right"])
def test_trainer_s_mean_is_of_the_tokens_that_something_predicts(model: SignalLLMForCausalLM, side: str) -> None:
    assert find_labels(SignalLLMForCausalLM) == ["labels"]  # one more, and Trainer evaluates without a loss
    rows = [tokens(9)[:length] for length in (3, 9, 1)]
    place = {"left": lambda row: (9 - len(row), 0), "right": lambda row: (0, 9 - len(row))}[side]
    inputs = torch.stack([F.pad(row, place(row)) for row in rows])
    mask = torch.stack([F.pad(torch.ones_like(row), place(row)) for row in rows])
    labels = inputs.masked_fill(mask == 0, -100)
    counted = labels[:, 1:].ne(-100).sum()  # as Trainer counts
    with torch.no_grad():
        loss = model(inputs, attention_mask=mask, labels=labels, num_items_in_batch=counted).loss
        assert loss.item() == pytest.approx(true_loss(model, rows), rel=1e-4)
        if side == "left":  # the batch is one of two, and how many are padded in the other is not known
            with pytest.raises(InputError, match=r"^labels: rows are padded before .*padding_side = 'right'$"):
                model(inputs, attention_mask=mask, labels=labels, num_items_in_batch=2 * counted)
        else:
            half = model(inputs, attention_mask=mask, labels=labels, num_items_in_batch=2 * counted).loss
            torch.testing.assert_close(half, loss / 2)


# --- scores of the language model evaluation harness ------------------------------------------------


def test_a_client_s_windows_give_the_bits_of_evaluate(folder: Path) -> None:
    """lm_eval's: as many tokens as the export names, read from the end of a text on, each predicted once."""
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    length = model.config.max_position_embeddings
    assert length == tokenizer.model_max_length == 64
    text = "".join(chr(97 + value) for value in np.random.default_rng(0).integers(0, 26, 20 * length))
    answers = torch.tensor(tokenizer(text).input_ids).view(20, length)
    read = torch.tensor([tokenizer.eos_token_id, *tokenizer(text).input_ids[:-1]]).view(20, length)
    with torch.no_grad():
        scores = model(read).logits.log_softmax(-1).gather(2, answers[..., None])
    built, _, ours = load_checkpoint(folder.parent / "checkpoint", torch.device("cpu"))
    given = np.array([ours.end_of_text, *ours.encode(text)])
    sample = sample_of(given, length, length, None, ours.end_of_text)
    expected = score_sample(built, sample, ours.byte_lengths, torch.device("cpu")).total.bits_per_byte
    assert -scores.sum().item() / math.log(2) / len(text) == pytest.approx(expected, rel=1e-5)


# --- programs that may be installed -----------------------------------------------------------------


def test_several_devices_are_refused_by_name(folder: Path, tmp_path: Path) -> None:
    inputs = tokens(2, 9)
    expected = AutoModelForCausalLM.from_pretrained(folder)(inputs).logits
    for whole in ("cpu", "auto", {"": "cpu"}):
        assert torch.equal(AutoModelForCausalLM.from_pretrained(folder, device_map=whole)(inputs).logits, expected)
    parts = {"model.embedding": "cpu", "model.norm": "cpu", "model.blocks": "disk"}
    with pytest.raises(InputError, match=r"^device_map: a SignalLLM stands on one device, got cpu, disk"):
        AutoModelForCausalLM.from_pretrained(folder, device_map=parts, offload_folder=tmp_path)


def test_low_rank_adapters_by_peft(folder: Path, tmp_path: Path) -> None:
    import peft

    inputs = tokens(2, 9)
    settings = peft.LoraConfig(task_type="CAUSAL_LM", target_modules="all-linear", r=2)
    adapted = peft.get_peft_model(AutoModelForCausalLM.from_pretrained(folder), settings)
    assert not [name for name in adapted.targeted_module_names if "lm_head" in name]
    optimizer = torch.optim.AdamW([weight for weight in adapted.parameters() if weight.requires_grad], lr=1e-2)
    plain = adapted(inputs).logits
    for _ in range(2):
        adapted(input_ids=inputs, labels=inputs).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    with torch.no_grad():
        trained = adapted.eval()(inputs).logits
        assert not torch.allclose(trained, plain, atol=1e-2)
        adapted.save_pretrained(tmp_path)
        back = peft.PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(folder), tmp_path)
        torch.testing.assert_close(back(inputs).logits, trained, rtol=1e-4, atol=1e-4)
        merged = back.merge_and_unload()
        torch.testing.assert_close(merged(inputs).logits, trained, rtol=1e-4, atol=1e-4)
        options: dict[str, Any] = {"max_new_tokens": 5, "do_sample": False}
        assert torch.equal(adapted.generate(inputs, **options), merged.generate(inputs, **options))


def test_a_text_s_score_is_read_at_its_last_token(folder: Path, tmp_path: Path) -> None:
    torch.manual_seed(4)
    model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=3)
    backbone, rows = AutoModel.from_pretrained(folder), [tokens(9)[:length] for length in (3, 9, 1)]
    with torch.no_grad():
        expected = torch.cat([model.score(backbone(row[None]).last_hidden_state[:, -1]) for row in rows])
        for before in (True, False):
            padding = [9 - len(row) for row in rows]
            places = [(count, 0) if before else (0, count) for count in padding]
            inputs = torch.stack([F.pad(row, place) for row, place in zip(rows, places, strict=True)])
            found = model(inputs, attention_mask=(inputs != 0).long()).logits
            torch.testing.assert_close(found, expected, rtol=1e-3, atol=2e-4)
        model.save_pretrained(tmp_path)
        again = AutoModelForSequenceClassification.from_pretrained(tmp_path)
        assert torch.equal(again(inputs).logits, model(inputs).logits)
    torch.manual_seed(4)  # the head is drawn from the global generator, and nothing else is
    assert torch.equal(
        AutoModelForSequenceClassification.from_pretrained(folder, num_labels=3).score.weight, again.score.weight
    )


def test_a_reward_model_by_trl(folder: Path, tmp_path: Path) -> None:
    import trl
    from datasets import Dataset

    model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=1)
    tokenizer = AutoTokenizer.from_pretrained(folder, split_special_tokens=False)
    data = {"chosen": ["is it? yes", "what? a word"], "rejected": ["is it? no", "what? nothing"]}
    with torch.no_grad():
        rewards = {
            name: torch.cat([model(torch.tensor([[*text.encode()]])).logits for text in texts])
            for name, texts in data.items()
        }
    expected = -F.logsigmoid(rewards["chosen"] - rewards["rejected"]).mean()
    settings = trl.RewardConfig(
        str(tmp_path), max_length=32, per_device_train_batch_size=2, max_steps=1, learning_rate=1e-3, use_cpu=True,
        bf16=False, save_strategy="no", report_to=[], disable_tqdm=True, logging_strategy="no",
    )  # fmt: skip
    trainer = trl.RewardTrainer(model, args=settings, train_dataset=Dataset.from_dict(data), processing_class=tokenizer)
    head = model.score.weight.detach().clone()
    assert trainer.train().training_loss == pytest.approx(expected.item(), rel=1e-4)
    assert not torch.equal(trainer.model.score.weight, head)


@pytest.mark.parametrize("kind", ["SFT", "DPO"])
def test_a_step_of_trl(folder: Path, tmp_path: Path, kind: str) -> None:
    import trl
    from datasets import Dataset

    model = AutoModelForCausalLM.from_pretrained(folder)
    # TRL writes the end of a text as text, which the tokenizer does not read as the end unless told to.
    tokenizer = AutoTokenizer.from_pretrained(folder, split_special_tokens=False)
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    rows = [list(b"some text\0"), list(b"no\0")]
    expected = true_loss(model, [torch.tensor(row) for row in rows]) if kind == "SFT" else math.log(2)
    data: dict[str, list[str]] = {"text": ["some text", "no"]}
    if kind == "DPO":
        data = {"prompt": ["is it? ", "what? "], "chosen": ["yes", "a word"], "rejected": ["no", "nothing"]}
    settings = getattr(trl, f"{kind}Config")(
        str(tmp_path), max_length=32, per_device_train_batch_size=2, max_steps=1, learning_rate=1e-3, use_cpu=True,
        bf16=False, save_strategy="no", report_to=[], disable_tqdm=True, logging_strategy="no",
    )  # fmt: skip
    trainer = getattr(trl, f"{kind}Trainer")(
        model, args=settings, train_dataset=Dataset.from_dict(data), processing_class=tokenizer
    )
    assert trainer.train().training_loss == pytest.approx(expected, rel=1e-4)
    assert trainer.model.is_activation_checkpointing
    after = dict(trainer.model.named_parameters())
    same = {name for name, weight in before.items() if torch.equal(weight, after[name])}
    fixed = {name for name, weight in after.items() if not weight.requires_grad}
    assert fixed <= same
    assert len(same) < len(fixed) + 5  # texts are too short for some filters
