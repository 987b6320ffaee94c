"""Folders of `signal-model train` to folders of `transformers` and back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor
from transformers import GenerationConfig

from signal_model.config import Recipe
from signal_model.data.tokenizers import (
    END_OF_TEXT,
    BPETokenizer,
    ByteTokenizer,
    byte_of_character,
    of_text,
    tokenizer_from_json,
)
from signal_model.interchange.config import AUTO_MAP, IMPORT, MODULE, SignalLLMConfig
from signal_model.model import build_model
from signal_model.support.errors import InputError, one_line
from signal_model.support.files import explain, make_folder, read_text, write_atomically, write_json
from signal_model.training.checkpoints import load_checkpoint, load_figures, save_checkpoint

CONFIG, WEIGHTS, INDEX = "config.json", "model.safetensors", "model.safetensors.index.json"
TOKENIZER, TOKENIZER_CONFIG = "tokenizer.json", "tokenizer_config.json"
GENERATION = "generation_config.json"
FILES = (CONFIG, GENERATION, TOKENIZER, TOKENIZER_CONFIG, WEIGHTS, MODULE)
PREFIX = "model."
# What bytes outside of an alphabet are to become. There is no such token, so `tokenizers` raises an error that names
# it; were none asked for, they would be left out in silence.
NO_TOKEN = "no token for a byte of the text"
EXACT = (torch.float32, torch.bfloat16, torch.float16)  # what float32, in which checkpoints are read, holds exactly


def to_transformers(checkpoint: Path, output: Path, code: bool = True) -> None:
    """Write the model in `checkpoint`, a folder of `signal-model train`, as a folder for `transformers`.

    With `code` there is a module of one line in it, by which stock programs load it with `trust_remote_code`.

    The recipe goes into config.json, its corpus with the paths it names; the figures go into the weights
    file, whose next writer drops them: they are of these weights. Both tokenizers become fast ones that give
    the same tokens, up to 65,536 characters of text at once: signal_model cuts longer texts there.

    Raises InputError naming the file that is missing or damaged, or the folder that cannot be written; and for a model
    that is not a causal language model.
    """
    model, recipe, read = load_checkpoint(checkpoint, torch.device("cpu"))
    tokenizer = of_text(read, str(checkpoint))
    figures = load_figures(checkpoint)
    end = tokenizer.end_of_text
    special = {"bos_token_id": end, "eos_token_id": end, "pad_token_id": end}
    names = {"architectures": ["SignalLLMForCausalLM"], "dtype": "float32"}
    config = SignalLLMConfig(recipe=recipe.to_dict(), **special, **names)
    _make_folder(output, checkpoint)
    if code:
        config.auto_map = AUTO_MAP
        write_atomically(output / MODULE, IMPORT)
    write_atomically(output / CONFIG, config.to_json_string())
    write_atomically(output / GENERATION, GenerationConfig(**special).to_json_string())
    fast = _byte_level_json(tokenizer) if isinstance(tokenizer, ByteTokenizer) else tokenizer.to_json()
    write_atomically(output / TOKENIZER, fast)
    # Text that spells the separator is text; generation continues the end of a row, so padding stands before it.
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": END_OF_TEXT,
        "pad_token": END_OF_TEXT,
        "model_max_length": recipe.model.context,
        "model_input_names": ["input_ids", "attention_mask"],
        "split_special_tokens": True,
        "padding_side": "left",
        "clean_up_tokenization_spaces": False,
    }
    write_json(output / TOKENIZER_CONFIG, settings)
    weights = {PREFIX + name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    write_atomically(output / WEIGHTS, save(weights, {"format": "pt", "figures": json.dumps(figures)}))


def from_transformers(folder: Path, output: Path) -> None:
    """Write the SignalLLM in `folder`, as `save_pretrained` or `to_transformers` left it, as a checkpoint.

    Figures are those of `to_transformers`, or none where the weights were written since. Raises
    InputError naming the file that is missing, damaged or not of a SignalLLM.
    """
    config = _read_json(folder / CONFIG)
    kind, accepted = config.get("model_type"), SignalLLMConfig.model_type
    if kind != accepted:
        raise InputError(f"{folder / CONFIG}: is not of a SignalLLM: model_type {kind!r}; accepted: {accepted!r}")
    try:
        recipe = Recipe.model_validate(config.get("recipe"))
    except ValidationError as error:
        raise explain(error, f"{folder / CONFIG}: recipe") from None
    tokenizer = _read_tokenizer(folder / TOKENIZER)
    weights, figures = _read_weights(folder)
    model = build_model(recipe.model, recipe.training.seed)
    try:
        model.load_state_dict({name.removeprefix(PREFIX): tensor for name, tensor in weights.items()}, strict=True)
    except RuntimeError as error:
        raise InputError(f"{folder}: weights do not fit {CONFIG}: {one_line(error)}") from None
    _make_folder(output, folder)
    save_checkpoint(output, model, recipe, tokenizer, figures)


def _make_folder(output: Path, source: Path) -> None:
    make_folder(output, str(output))
    if output.samefile(source):
        raise InputError(f"{output}: holds what is read; name another folder to write to")


def _byte_level_json(ours: ByteTokenizer) -> str:
    """A `ByteTokenizer` as one of `tokenizers`: byte-level BPE that merges nothing. It refuses what ours does."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

    character = {byte: written for written, byte in byte_of_character().items()}
    number = {character[byte]: token for token, byte in enumerate(ours.alphabet, start=1)}
    tokenizer = Tokenizer(models.BPE({END_OF_TEXT: ours.end_of_text, **number}, merges=[], unk_token=NO_TOKEN))
    tokenizer.normalizer = normalizers.Replace("\0", "\ufffd")
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([END_OF_TEXT])
    return str(tokenizer.to_str())


def _read_json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise InputError(f"{path}:{error.lineno}: not valid JSON: {error.msg}") from None
    except RecursionError:
        raise InputError(f"{path}: nested too deep") from None
    if not isinstance(data, dict):
        raise InputError(f"{path}: expected a mapping, got {type(data).__name__}")
    return data


def _read_tokenizer(path: Path) -> ByteTokenizer | BPETokenizer:
    # transformers keeps there how its last call padded and cut texts, and a step that adds no tokens.
    data = _read_json(path) | {"padding": None, "truncation": None}
    last = data.get("post_processor")
    if isinstance(last, dict) and last.get("special_tokens") == {}:
        data["post_processor"] = None
    if (ours := _bytes_of(data)) is not None:
        data["model"]["unk_token"] = data["model"].get("unk_token") or NO_TOKEN  # exports once had none
        if data == json.loads(_byte_level_json(ours)):
            return ours
    return of_text(tokenizer_from_json(json.dumps(data), str(path)), str(path))


def _bytes_of(data: dict[str, Any]) -> ByteTokenizer | None:
    """The bytes that a vocabulary has tokens for, if it has for nothing else."""
    try:
        byte, vocabulary = byte_of_character(), data["model"]["vocab"]
        return ByteTokenizer(bytes(byte[word] for word in sorted(vocabulary, key=vocabulary.get)[1:]))
    except (KeyError, TypeError, ValueError):
        return None


def _read_weights(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Weights by name, and the figures kept beside them. `save_pretrained` may have cut them into several files."""
    files = [WEIGHTS]
    if not (folder / WEIGHTS).is_file() and (folder / INDEX).is_file():
        parts = _read_json(folder / INDEX).get("weight_map")
        if not isinstance(parts, dict):
            raise InputError(f"{folder / INDEX}: has no weight_map, which names the files of weights")
        files = sorted({str(part) for part in parts.values()})
    weights: dict[str, Tensor] = {}
    figures: dict[str, Any] = {}
    for name in files:
        path = folder / name
        try:
            with safe_open(path, framework="pt") as file:
                weights |= {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 — not a mapping
                kept = json.loads((file.metadata() or {}).get("figures", "{}"))
        except FileNotFoundError:
            raise InputError(f"{path}: no such file") from None
        except (SafetensorError, json.JSONDecodeError) as error:
            raise InputError(f"{path}: is not a safetensors file: {error}") from None
        if not isinstance(kept, dict):
            raise InputError(f"{path}: its figures are no mapping")
        figures |= kept
        for key, tensor in weights.items():
            if tensor.dtype not in EXACT:
                raise InputError(f"{path}: {key}: {tensor.dtype} does not fit into float32; save it in float32")
    return weights, figures
