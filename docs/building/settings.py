"""The page of every setting, made as the site is built from the classes that read them.

python docs/building/settings.py    # prints it in a checkout, where no site is
"""

from __future__ import annotations

import json
import math
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from hrfevo.space import budget, genes, search_space, sections
from hrfevo.space.metrics import Metric
from signal_model import config as parts
from signal_model.support.settings import Part

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

CHAPTERS: dict[str, list[type[BaseModel]]] = {
    "A model": [parts.ModelConfig, parts.LayerConfig],
    "Front ends": [*parts.FrontEndConfig.kinds().values()],
    "Embeddings": [*parts.EmbeddingConfig.kinds().values()],
    "Positions": [*parts.PositionsConfig.kinds().values()],
    "Filter banks": [*parts.FilterBankConfig.kinds().values()],
    "Mixers": [*parts.MixerConfig.kinds().values()],
    "Feed-forwards": [*parts.FeedForwardConfig.kinds().values()],
    "Training": [parts.TrainingConfig],
    "Optimizers": [*parts.OptimizerConfig.kinds().values()],
    "Schedules": [*parts.ScheduleConfig.kinds().values()],
    "Text and tokenizers": [parts.FilesCorpusConfig, parts.DatasetCorpusConfig, parts.TokenizerConfig],
    "Sound": [parts.RecordingsCorpusConfig, parts.RecordingsDatasetConfig],
    "A recipe": [parts.Recipe],
    "A search space": [
        search_space.SearchSpace,
        budget.Budget,
        sections.Bounds,
        sections.Resources,
        sections.Limits,
        sections.Confirm,
    ],
    "Genes": [
        genes.FloatGene,
        genes.IntGene,
        genes.IntervalGene,
        genes.OrderedGene,
        genes.ChoiceGene,
        genes.LayersGene,
    ],
}
NAMES: dict[Any, str] = {
    int: "whole number",
    float: "number",
    bool: "`true`, `false`",
    str: "text",
    Any: "any value",
    NoneType: "none",
    Metric: "a metric",
    parts.FrontEndConfig: "[a front end](#front-ends)",
    parts.EmbeddingConfig: "[an embedding](#embeddings)",
    parts.PositionsConfig: "[positions](#positions)",
    parts.FilterBankConfig: "[a filter bank](#filter-banks)",
    parts.MixerConfig: "[a mixer](#mixers)",
    parts.FeedForwardConfig: "[a feed-forward](#feed-forwards)",
    parts.OptimizerConfig: "[an optimizer](#optimizers)",
    parts.ScheduleConfig: "[a schedule](#schedules)",
    parts.CorpusConfig: "[a text](#text-and-tokenizers) or [sound](#sound)",
}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the page."""
    from mkdocs.structure.files import File

    files.append(File.generated(config, "reference/settings.md", content=page()))
    return files


def page() -> str:
    """Markdown: a chapter for each family, a section with a table for each class or kind."""
    text = ["# Settings", "A setting that is not here is refused, by name."]
    for chapter, models in CHAPTERS.items():
        text.append(f"## {chapter}")
        for model in models:
            text += [f"### `{_name(model)}`", (model.__doc__ or "").split("\n\n")[0]]
            rows = [
                f"| `{name}` | {_accepted(field)} | {_default(field)} | {_cell(field.description or '')} |"
                for name, field in model.model_fields.items()
                if not _names(field)
            ]
            if rows:
                text.append("\n".join(["| setting | accepts | unless given | meaning |", "|---|---|---|---|", *rows]))
    return "\n\n".join(text) + "\n"


def _name(model: type[BaseModel]) -> str:
    """What a file calls it: the kind of a part, the type of a gene, or the name of the class."""
    field = model.model_fields.get("kind") or model.model_fields.get("type")
    return str(get_args(field.annotation)[0]) if field and _names(field) else model.__name__


def _names(field: FieldInfo) -> bool:
    """Whether it has one value, that names the class: a `kind` that leaves a choice is a setting."""
    return get_origin(field.annotation) is Literal and len(get_args(field.annotation)) == 1


def _accepted(field: FieldInfo) -> str:
    """Type and bounds of a setting, as a reader says them."""
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    bounds = [
        f"{sign} {_number(value)}"
        for limit in field.metadata
        for name, sign in signs.items()
        if isinstance(value := getattr(limit, name, None), int | float)
    ]
    return _cell(", ".join([_words(field.annotation), *bounds]))


def _words(annotation: Any) -> str:
    """A type in words: `tuple[float, float]` is two numbers."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if annotation in NAMES:
        return NAMES[annotation]
    if origin is Literal:
        return ", ".join(f"`{_plain(value)}`" for value in inner)
    if origin is Annotated:
        return _words(inner[0])
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(_words(part) for part in inner))
    if annotation in CHAPTERS["Genes"]:
        return "[a gene](#genes)"
    if origin is tuple and Ellipsis not in inner:
        return f"{len(inner)} × {_words(inner[0])}"
    if origin in (list, tuple):
        return f"list of {_words(inner[0])}"
    if origin is dict:
        return f"mapping from {_words(inner[0])} to {_words(inner[1])}"
    return f"`{annotation.__name__}`"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**needed**"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, tuple) and any(isinstance(item, BaseModel) for item in value):
        return f"{len(value)} of them"
    if isinstance(value, BaseModel):
        return f"`{value.kind}`" if isinstance(value, Part) else "as below"
    return "–" if value in (None, "", {}) else _cell(f"`{_plain(value)}`")


def _plain(value: Any) -> str:
    """A value as YAML has it."""
    if isinstance(value, float):
        return f"{value:g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _number(value: float) -> str:
    power = math.log2(abs(value)) if abs(value) >= 2**16 else 0.5
    return f"{'−' if value < 0 else ''}2^{power:.0f}" if power == int(power) else f"{value:g}"


def _cell(text: str) -> str:
    """What fits into a cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    print(page(), end="")
