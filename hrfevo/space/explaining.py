"""What does not fit in a space: said of the gene or the fixed setting that it comes from, with what can be done."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic_core import ErrorDetails

from hrfevo.space.genes import LayersGene
from hrfevo.space.genome import Genome
from hrfevo.space.search_space import SETTLED_BY, SearchSpace
from hrfevo.space.trials import forced, misfit
from signal_model.support.files import Document, Place, error_message, error_place, to_yaml
from signal_model.support.settings import MISSING, ModelSize, misplaced

FIXED = ("genes", "layers", "fixed")


def explained(
    space: SearchSpace, document: Document, genome: Genome, section: str, detail: ErrorDetails
) -> tuple[Place, str]:
    """Where the file says what pydantic found wrong in a `section` of a genome's recipe, and what there is to say."""
    place = _in_space(space, genome, section, error_place(detail))
    if detail["type"] == "unknown_key" and len(error_place(detail)) == 1:
        detail = _without_what_is_settled(section, detail)
    message = error_message(detail)
    if detail["type"] == "unknown_kind" and detail["ctx"]["value"] == MISSING:
        return _at_who_needs_it(space, document, place, message)
    if detail["type"] == "unknown_key":
        advice = _where_it_is_one if is_searched(place) else _searched_instead
        message = (misplaced(detail, place, _homes(space, place, detail)) or message) + advice(space, place, detail)
    if detail["type"] == "misfit" and not is_searched(place) and not _stands(document.data, place):
        return _at_what_it_has_to_fit(space, document, place, message)
    return place, message


def is_searched(place: Place) -> bool:
    """Whether a place of a space file is one of its genes."""
    return place[:1] == ("genes",) and place[:3] != FIXED


def _in_space(space: SearchSpace, genome: Genome, section: str, place: Place) -> Place:
    """Where the file says what stands at `place` of a model or training: a gene, or a fixed setting."""
    words = [str(part) for part in place]
    layers = space.genes.get("layers")
    if section == "model" and words[:1] == ["layers"] and isinstance(layers, LayersGene):
        found = _matching(layers.genes, ".".join(words[2:]))
        return ("genes", "layers", "genes", found) if found else ("genes", "layers", "fixed", *words[2:])
    found = _matching(genome.values, ".".join(["training", *words] if section == "training" else words))
    return ("genes", found) if found else (section, *place)


def _matching(names: Mapping[str, Any], path: str) -> str | None:
    """The gene that decides `path`, or one inside it, or one it lies inside."""
    return next(
        (n for n in names if n == path or path.startswith(f"{n}.") or (path and n.startswith(f"{path}."))), None
    )


def _homes(space: SearchSpace, place: Place, detail: ErrorDetails) -> list[str]:
    """Where what stands at a place belongs: a gene among genes, a layer's setting where this space has its layers."""
    searched, name = is_searched(place), str(place[-1])
    found = space.homes(name, searched)
    if not found and not detail["ctx"]["hint"]:  # a gene in the wrong part or section, not one that is misspelt
        found = space.homes(name.rpartition(".")[2], searched)
    other = "model.layers[" if "layers" in space.genes else "genes.layers."
    return [home for home in found if not home.startswith(other)] or found


def _scope(space: SearchSpace, place: Place) -> tuple[Mapping[str, Any], Place, str]:
    """The genes beside a setting or a gene at a place, where those stand, and the name that a gene of it has."""
    layers = space.genes.get("layers")
    if isinstance(layers, LayersGene) and place[:2] == FIXED[:2]:
        return layers.genes, ("genes", "layers", "genes"), ".".join(map(str, place[3:]))
    words = place[1:] if place[0] in ("genes", "model") else place
    return space.genes, ("genes",), ".".join(map(str, words))


def _at_who_needs_it(space: SearchSpace, document: Document, place: Place, message: str) -> tuple[Place, str]:
    """A `kind` that is missing is said of the part; where no part is fixed, of the gene that is of one."""
    genes, where, name = _scope(space, place)
    part = name.removesuffix("kind")
    gene = next((gene for gene in genes if gene.startswith(part)), None)
    if gene is None or _stands(document.data, place[:-1]):
        return place, message
    return (*where, gene), f"{name} {message}; fix it, or search it too"


def _without_what_is_settled(section: str, detail: ErrorDetails) -> ErrorDetails:
    """The same error without the settings, among those that are accepted, that something else than the space sets."""
    every = detail["ctx"]["accepted"]
    accepted = ", ".join(name for name in every.split(", ") if f"{section}.{name}" not in SETTLED_BY)
    return {**detail, "ctx": detail["ctx"] | {"accepted": accepted}, "msg": detail["msg"].replace(every, accepted)}


def _at_what_it_has_to_fit(space: SearchSpace, document: Document, place: Place, message: str) -> tuple[Place, str]:
    """A default does not fit: said of the size of the model, where the file has it; the setting stands nowhere."""
    name = _scope(space, place)[2]
    size = next((word for word in ModelSize._fields if f"{word} of" in message), "size")
    places: list[Place] = [("genes", size), ("model", size), place[:1]]
    there = next((one for one in places if _stands(document.data, one)), ())
    return there, f"{name}: {message}; set {name}, or another {size}"


def _stands(data: Any, place: Place) -> bool:
    for key in place:
        has = key in data if isinstance(data, dict) else isinstance(data, list) and key in range(len(data))
        if not has:
            return False
        data = data[key]
    return True


def _where_it_is_one(space: SearchSpace, place: Place, detail: ErrorDetails) -> str:
    """For a gene that some alternatives of a part do not have: the condition under which it may be searched."""
    genes, _, name = _scope(space, place)
    kind = f"{name.rpartition('.')[0]}.kind"
    if kind not in genes or kind == name:
        return ""
    fitting = []
    for value in genes[kind].extremes():
        values = forced(genes, {name: genes[name].extremes()[0], kind: value})
        whole = forced(space.genes, {"layers": [values]}) if genes is not space.genes else values
        found = misfit(space, Genome(whole)) if name in values else (name, detail)
        if found is None or found[1]["type"] != detail["type"]:  # what else is wrong is said once this is mended
            fitting.append(str(value))
    return f"; searched only where it is one: when: {{{kind}: [{', '.join(fitting)}]}}" if fitting else ""


def _searched_instead(space: SearchSpace, place: Place, detail: ErrorDetails) -> str:
    """For a fixed setting that some of the kinds that are searched do not have: the gene with one value it can be."""
    genes, _, name = _scope(space, place)
    kind = f"{name.rpartition('.')[0]}.kind"
    fitting = [value for value in detail["ctx"]["kinds"] if kind in genes and genes[kind].admits(value)]
    if not fitting:
        return ""
    values, kinds = to_yaml([detail["input"][place[-1]]]).strip(), ", ".join(fitting)
    gene = f"{{type: choice, values: {values}, when: {{{kind}: [{kinds}]}}}}"
    return f"; for those it is a gene with one value, {name}: {gene}"
