"""A trained model on disk: weights, config, tokenizer, figures. Read with no code from the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError
from safetensors.torch import load, save

from signal_model.config import Recipe
from signal_model.errors import InputError, one_line
from signal_model.files import read_text, write_atomically, write_json
from signal_model.model import SignalLLM
from signal_model.tokenizers import Tokenizer, tokenizer_from_json

if TYPE_CHECKING:
    import torch

WEIGHTS, RECIPE, TOKENIZER, FIGURES = "model.safetensors", "recipe.json", "tokenizer.json", "figures.json"


def save_checkpoint(
    directory: Path, model: SignalLLM, recipe: Recipe, tokenizer: Tokenizer, figures: dict[str, Any]
) -> None:
    """Write a model, each file atomically and the weights last: a folder with weights is complete."""
    write_json(directory / RECIPE, recipe.to_dict())
    write_atomically(directory / TOKENIZER, tokenizer.to_json())
    write_json(directory / FIGURES, figures)
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    write_atomically(directory / WEIGHTS, save(weights))


def load_checkpoint(directory: Path, device: torch.device) -> tuple[SignalLLM, Recipe, Tokenizer]:
    """Read a model back. Raises InputError naming the file that is missing, damaged or does not fit."""
    if not (directory / WEIGHTS).is_file():
        raise InputError(f"{directory}: is no checkpoint (no {WEIGHTS} in it)")
    recipe = Recipe.from_yaml(directory / RECIPE)
    tokenizer = tokenizer_from_json(read_text(directory / TOKENIZER), str(directory / TOKENIZER))
    model = SignalLLM(recipe.model)
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
