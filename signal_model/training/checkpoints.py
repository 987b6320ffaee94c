"""A trained model on disk, and a training that is not finished. Read with no code from the file."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load, save

from signal_model.config import Recipe
from signal_model.data.tokenizers import Vocabulary, tokenizer_from_json
from signal_model.model import SignalLLM, build_model
from signal_model.support.errors import InputError, one_line
from signal_model.support.files import read_text, write_atomically, write_json
from signal_model.training.trainer import CurvePoint, Trainer

WEIGHTS, RECIPE, TOKENIZER, FIGURES = "model.safetensors", "recipe.json", "tokenizer.json", "figures.json"
UNFINISHED = "training.safetensors"


def save_checkpoint(
    directory: Path, model: SignalLLM, recipe: Recipe, tokenizer: Vocabulary, figures: dict[str, Any]
) -> None:
    """Write a model, each file atomically and the weights last: a folder with weights is complete."""
    write_json(directory / RECIPE, recipe.to_dict())
    write_atomically(directory / TOKENIZER, tokenizer.to_json())
    write_json(directory / FIGURES, figures)
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    write_atomically(directory / WEIGHTS, save(weights))


def load_checkpoint(directory: Path, device: torch.device) -> tuple[SignalLLM, Recipe, Vocabulary]:
    """Read a model back. Raises InputError naming the file that is missing, damaged or does not fit."""
    if not (directory / WEIGHTS).is_file():
        raise InputError(f"{directory}: is no checkpoint (no {WEIGHTS} in it)")
    recipe = Recipe.from_yaml(directory / RECIPE)
    tokenizer = tokenizer_from_json(read_text(directory / TOKENIZER), str(directory / TOKENIZER))
    model = build_model(recipe.model, recipe.training.seed)
    path = directory / WEIGHTS
    try:
        model.load_state_dict(load(path.read_bytes()), strict=True)
    except SafetensorError as error:
        raise InputError(f"{path}: is not a safetensors file: {error}") from None
    except RuntimeError as error:
        raise InputError(f"{path}: does not fit {RECIPE}: {one_line(error)}") from None
    return model.to(device).eval(), recipe, tokenizer


def load_figures(directory: Path) -> dict[str, Any]:
    """What was measured when the checkpoint was written."""
    path = directory / FIGURES
    try:
        figures = json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise InputError(f"{path}:{error.lineno}: not valid JSON: {error.msg}") from None
    if not isinstance(figures, dict):
        raise InputError(f"{path}: expected a mapping of figures")
    return figures


def save_training(directory: Path, trainer: Trainer, recipe: Recipe, corpus_hash: str) -> None:
    """Write all that decides what comes next into one file, in one step: a kill leaves this or the one before."""
    state = trainer.state_dict()
    tensors = {f"model.{name}": tensor for name, tensor in state["model"].items()}
    for number, parameters in enumerate(state["optimizers"]):
        for index, values in parameters.items():
            tensors |= {f"optimizer.{number}.{index}.{key}": value for key, value in values.items()}
    plain = {key: state[key] for key in ("windows", "step", "seconds", "paces", "since_point")}
    plain |= {"curve": [asdict(point) for point in state["curve"]], "recipe": recipe.to_dict()}
    plain["corpus_hash"] = corpus_hash
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    told = json.dumps(plain)
    write_atomically(directory / UNFINISHED, save(contiguous, {"state": told, "digest": _digest(told, contiguous)}))


def load_training(directory: Path, trainer: Trainer, recipe: Recipe, corpus_hash: str) -> None:
    """Set `trainer` to where the unfinished training in `directory` was.

    Raises InputError if there is none, it is damaged, or it is one of another recipe or of other text.
    """
    path = directory / UNFINISHED
    plain, tensors = _read_training(directory, str(trainer.device))
    # Where the text lies does not matter, as long as it is the same.
    if different := _difference(plain["recipe"] | {"corpus": None}, recipe.to_dict() | {"corpus": None}, ""):
        raise InputError(f"{path}: is a training of another recipe ({different}); resume with the recipe it began with")
    if plain["corpus_hash"] != corpus_hash:
        raise InputError(f"{path}: is a training on other text; the corpus has changed since it began")
    optimizers: list[dict[int, dict[str, torch.Tensor]]] = [{} for _ in trainer.optimizers]
    for name, tensor in tensors.items():
        if name.startswith("optimizer."):
            _, number, index, key = name.split(".")
            optimizers[int(number)].setdefault(int(index), {})[key] = tensor
    weights = _weights(tensors)
    if weights.keys() != trainer.model.state_dict().keys():
        # What optimisers keep has only numbers for names, which would belong to other parameters.
        raise InputError(f"{path}: is a training by another version of signal_model, whose models have other parts")
    curve = [CurvePoint(**point) for point in plain["curve"]]
    trainer.load_state_dict(plain | {"model": weights, "optimizers": optimizers, "curve": curve})


def trained_model(directory: Path, recipe: Recipe) -> tuple[SignalLLM, int]:
    """The model of an unfinished training of a recipe, on the CPU, and after how many steps it is.

    Raises InputError if there is none, it is damaged, or of another recipe.
    """
    plain, tensors = _read_training(directory, "cpu")
    if different := _difference(plain["recipe"] | {"corpus": None}, recipe.to_dict() | {"corpus": None}, ""):
        raise InputError(f"{directory / UNFINISHED}: is a training of another recipe ({different})")
    model, weights = build_model(recipe.model, recipe.training.seed), _weights(tensors)
    if weights.keys() != model.state_dict().keys():
        raise InputError(f"{directory / UNFINISHED}: is of another version of signal_model, whose models differ")
    model.load_state_dict(weights)
    return model, int(plain["step"])


def load_weights(directory: Path) -> dict[str, torch.Tensor]:
    """The model's tensors in an unfinished training, on the CPU. Raises InputError if it is missing or damaged."""
    return _weights(_read_training(directory, "cpu")[1])


def _read_training(directory: Path, device: str) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    path = directory / UNFINISHED
    if not path.is_file():
        raise InputError(f"{directory}: holds no unfinished training (no {UNFINISHED} in it)")
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            told, digest = (file.metadata()[key] for key in ("state", "digest"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: is not an unfinished training: {one_line(error)}") from None
    if _digest(told, tensors) != digest:
        raise InputError(f"{path}: is damaged: it holds other numbers than were written")
    return json.loads(told), {name: tensor.to(device) for name, tensor in tensors.items()}


def _digest(told: str, tensors: dict[str, torch.Tensor]) -> str:
    """SHA-256 of all that is kept: a number changed by a failing disk would change the result in silence."""
    found = hashlib.sha256(told.encode())
    for name, tensor in sorted(tensors.items()):
        found.update(f"{name} {tensor.dtype} {[*tensor.shape]}".encode())
        found.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()


def _weights(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name.removeprefix("model."): value for name, value in tensors.items() if name.startswith("model.")}


def _difference(kept: Any, given: Any, place: str) -> str:
    """The first setting in which two recipes differ, as text; empty if there is none."""
    if isinstance(kept, dict) and isinstance(given, dict):
        differences = (_difference(kept.get(key), given.get(key), f"{place}.{key}") for key in kept | given)
        return next(filter(None, differences), "")
    return "" if kept == given else f"{place.lstrip('.')} was {kept!r} and is {given!r}"
