"""JSON Schema of search space files, for editors: every path that a gene may decide, and its values there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from pydantic.json_schema import models_json_schema

from hrfevo.space.rivals import RECIPES, kinds
from hrfevo.space.search_space import SearchSpace
from signal_model.config import CorpusConfig, LayerConfig, ModelConfig, TrainingConfig
from signal_model.support.settings import Config, Part

Schema = dict[str, Any]
# What other keys of a space decide.
ELSEWHERE = {ModelConfig: ("vocab_size", "layers"), TrainingConfig: ("steps", "seed")}
LAYERS = "layers"


def json_schema() -> Schema:
    """JSON Schema of a search space file; parts of one's own are known where they are to `Part.kinds`."""
    schema = SearchSpace.model_json_schema()
    settings, defined = schema["properties"], schema["$defs"]
    model, training, layer = (dict(_paths(config, defined)) for config in (ModelConfig, TrainingConfig, LayerConfig))
    searched = model | {f"training.{path}": values for path, values in training.items()}
    settings["tokenizer"] = {"anyOf": [{"const": "bytes"}, settings["tokenizer"]]}
    corpora = [
        {"const": kind.keys[0]} if kind.built_in else kind.model_json_schema() for kind in CorpusConfig.descendants()
    ]
    settings["corpus"] = {"description": settings["corpus"]["description"], "anyOf": corpora}
    inner = defined["LayersGene"]["properties"]
    defined["LayerCondition"], defined["Condition"] = _conditions(layer), _conditions(searched)
    inner["genes"] = _genes(inner["genes"], layer, "LayerCondition")
    inner["fixed"] |= _nested(layer)
    genes = _genes(settings["genes"], searched, "Condition")
    genes["properties"][LAYERS] = {"$ref": "#/$defs/LayersGene"}
    settings["genes"] = genes
    every_layer = {"type": "array", "items": _nested(layer)}
    settings["model"] |= _nested(model)
    settings["model"]["properties"][LAYERS] = every_layer
    settings["training"] |= _nested(training)
    one_layer = {"type": "object", "properties": layer, "additionalProperties": False}
    values = searched | {LAYERS: {"type": "array", "items": one_layer}}
    settings["founders"]["additionalProperties"] = {
        "type": "object",
        "properties": values,
        "additionalProperties": False,
    }
    recipe = {"type": "string", "pattern": f"({'|'.join(map(re.escape, RECIPES))})$"}
    defined["Confirm"]["properties"]["rivals"]["items"] = {"anyOf": [{"enum": kinds()}, recipe]}
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    return schema


def _paths(config: type[Config], defined: Schema, within: str = "") -> Iterator[tuple[str, Schema]]:
    """Each setting that can be decided, as a dotted path, with the schema of its values; part settings of all kinds."""
    for name, field in config.model_fields.items():
        if name in ELSEWHERE.get(config, ()):
            continue
        path, kind = f"{within}{name}", field.annotation
        if isinstance(kind, type) and issubclass(kind, Part):
            yield from _part_paths(kind, defined, f"{path}.")
        else:
            yield path, _field(config, name, defined)


def _part_paths(part: type[Part], defined: Schema, within: str) -> Iterator[tuple[str, Schema]]:
    kinds = part.kinds()
    yield f"{within}kind", {"enum": [*kinds]}
    found: dict[str, list[Schema]] = {}
    for kind in kinds.values():
        for name in kind.model_fields:
            if name != "kind":
                values, others = _field(kind, name, defined), found.setdefault(name, [])
                if _bare(values) not in map(_bare, others):
                    others.append(values)
    for name, several in found.items():
        yield f"{within}{name}", several[0] if len(several) == 1 else {"anyOf": several}


def _bare(values: Schema) -> Schema:
    return {key: value for key, value in values.items() if key != "description"}


def _field(config: type[Config], name: str, defined: Schema) -> Schema:
    _, whole = models_json_schema([(config, "validation")], ref_template="#/$defs/{model}")
    own = whole["$defs"].pop(config.__name__)
    defined.update({key: value for key, value in whole["$defs"].items() if key not in defined})
    values: Schema = {key: value for key, value in own["properties"][name].items() if key != "default"}
    return values


def _conditions(paths: dict[str, Schema]) -> Schema:
    """What `when` may say: a value of a setting, or a list of them."""
    several = {path: {"anyOf": [values, {"type": "array", "items": values}]} for path, values in paths.items()}
    return {"type": "object", "properties": several, "additionalProperties": False}


def _genes(about: Schema, paths: dict[str, Schema], condition: str) -> Schema:
    """A mapping of genes by path, of any: whatever the kind of gene, its values and ends are those of the setting."""
    when = {"when": {"$ref": f"#/$defs/{condition}"}}
    genes = {
        path: {
            "allOf": [about["additionalProperties"]],
            "description": values.get("description", path),
            "properties": {"values": {"items": values}, **_ends(values), **when},
        }
        for path, values in paths.items()
    }
    return {key: value for key, value in about.items() if key != "additionalProperties"} | {
        "properties": genes,
        "additionalProperties": False,
    }


def _ends(values: Schema) -> Schema:
    """`low` and `high` of a setting that is a number are values of it, those of an interval its ends."""
    if "prefixItems" in values:
        return dict(zip(("low", "high"), values["prefixItems"], strict=True))
    numeric = all(one.get("type") in ("number", "integer") for one in values.get("anyOf", [values]))
    return {"low": values, "high": values} if numeric else {}


def _nested(paths: dict[str, Schema]) -> Schema:
    """Settings as a file has them, `{embedding: {kind: …}}`, from those by path."""
    properties: Schema = {}
    for path, values in paths.items():
        outer, _, name = path.rpartition(".")
        if not outer:
            properties[name] = values
            continue
        part = properties.setdefault(outer, {"type": "object", "properties": {}, "additionalProperties": False})
        part["properties"][name] = values
    return {"type": "object", "properties": properties, "additionalProperties": False}
