"""A search space to edit: a shipped one with a comment for every key, and the keys that it leaves out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from textwrap import wrap
from typing import Any, get_args

import yaml
from pydantic import BaseModel

from hrfevo.space.editor_schema import ELSEWHERE
from hrfevo.space.genes import ChoiceGene, FloatGene, IntervalGene, IntGene, LayersGene, OrderedGene
from hrfevo.space.metrics import METRICS
from hrfevo.space.search_space import SearchSpace
from signal_model.config import (
    CorpusConfig,
    LayerConfig,
    ModelConfig,
    TokenizerConfig,
    TrainingConfig,
)
from signal_model.support.plugins import command
from signal_model.support.settings import Part

WIDTH = 110
_KEY = re.compile(r"^([a-z_]+):", re.M)
# A key right below another, or below what is indented.
_CROWDED = re.compile(r"(?<=[^\n])(?<!\A)\n(?=[a-z_]+:)")
_EDITOR_LINE = re.compile(r"^# yaml-language-server:.*\n")


def commented(text: str, file: str) -> str:
    """The text of a space, to be written to `file`, with what each key means above it, and at the end those it lacks.

    A line `#key: value` is one of these with its default: without its `#` it says the same.
    """
    there = set(_KEY.findall(text))
    text = _KEY.sub(lambda key: f"{_comments(key[1])}{key[0]}", _CROWDED.sub("\n\n", _EDITOR_LINE.sub("", text)))
    left = [(key, field) for key, field in SearchSpace.model_fields.items() if key not in there]
    others = "".join(
        f"\n{_comments(key)}#{key}: {_default(field.get_default(call_default_factory=True))}\n" for key, field in left
    )
    return (
        f"# Try it: {command('hrfevo', 'validate', file)}. Search it: {command('hrfevo', 'run', file)}\n"
        "# Editors complete and check it: run `hrfevo schema --output schema.json`, and add as first line\n"
        "# `yaml-language-server: $schema=schema.json`, behind a # like this.\n\n"
        f"{text}\n# Keys that it leaves out, as they are then; take away the first # of a line to change one.\n{others}"
    )


def _comments(key: str) -> str:
    field = SearchSpace.model_fields[key]
    lines = [field.description or "", *(f"  {line}" for line in _details(key, field.annotation))]
    folded = (wrap(line, WIDTH, subsequent_indent="      ", break_on_hyphens=False) for line in lines)
    return "".join(f"# {line}\n" for several in folded for line in several)


def _details(key: str, kind: Any) -> Iterator[str]:
    """What may stand below a key, a line each."""
    if key == "genes":
        yield "Any settings of model, and behind `training.` of training, as dotted paths, each with a type:"
        for gene in (FloatGene, IntGene, IntervalGene, ChoiceGene, OrderedGene, LayersGene):
            yield f"{_keys(gene)}: {_first_line(gene)}"
    elif key == "corpus":
        for corpus in CorpusConfig.descendants():
            name = corpus.keys[0] if corpus.built_in else f"{{{', '.join(f'{key}: …' for key in corpus.keys)}}}"
            yield f"{name}: {_first_line(corpus)}"
            yield from (f"  {line}" for line in _settings(corpus) if ": " in line)
    elif key == "objectives":
        yield from (f"{name}: {measure.heading}" for name, measure in METRICS.items())
    else:
        settings = {"model": ModelConfig, "training": TrainingConfig, "tokenizer": TokenizerConfig}.get(key, kind)
        if isinstance(settings, type) and issubclass(settings, BaseModel):
            yield from _settings(settings)


def _settings(config: type[BaseModel]) -> Iterator[str]:
    for name, field in config.model_fields.items():
        kind = field.annotation
        if config is ModelConfig and name == "layers":
            yield "layers: a list; each has"
            yield from (f"  {line}" for line in _settings(LayerConfig))
        elif name in ELSEWHERE.get(config, ()):
            continue
        elif isinstance(kind, type) and issubclass(kind, Part):
            yield f"{name}: {_first_line(kind)} {{kind: {' | '.join(kind.kinds())}, …}}"
        else:
            shown = "" if field.is_required() else f" ({_default(field.get_default(call_default_factory=True))})"
            yield f"{name}{shown}{': ' if field.description else ''}{field.description or ''}"


def _keys(gene: type[BaseModel]) -> str:
    """`{type: float, low, high}, log, …`: what a gene needs, then what it may have."""
    required = [name for name, field in gene.model_fields.items() if field.is_required() and name != "type"]
    others = [name for name in gene.model_fields if name not in (*required, "type")]
    (word,) = get_args(gene.model_fields["type"].annotation)
    return f"{{type: {word}, {', '.join(required)}}}, {', '.join(others)}"


def _first_line(kind: type) -> str:
    return (kind.__doc__ or "").partition("\n")[0]


def _default(value: Any) -> str:
    plain = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
    return yaml.safe_dump(plain, default_flow_style=True, width=1000, sort_keys=False).removesuffix("...\n").strip()
