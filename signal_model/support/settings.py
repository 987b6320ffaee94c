"""What all settings have in common: frozen, nothing unknown, YAML and JSON both ways, parts by kind."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from signal_model.support.errors import InputError, closest, listed
from signal_model.support.files import (
    Document,
    Place,
    dotted,
    error_message,
    error_place,
    explain,
    parse_document,
    read_document,
    to_yaml,
)
from signal_model.support.plugins import REMEDY, note_definition, plugins

# What is said of a part without a kind.
MISSING = "is missing"
# A key in the wrong section is told so many right ones; one that is at home in more, as `kind`, none.
MOST_HOMES = 5


class Config(BaseModel):
    """Base of all settings: frozen, and a key that nobody reads is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _only_what_is_accepted(cls, data: Any) -> Any:
        fields = {field.alias or name: field for name, field in cls.model_fields.items()}
        by_name = cls.model_fields if cls.model_config.get("populate_by_name") else {}
        if isinstance(data, bool | int | float | str | list | None):
            raise PydanticCustomError(
                "no_mapping",
                "expected a mapping of settings, got {value}; accepted: {accepted}",
                {"value": repr(data)[:80], "accepted": ", ".join(fields)},
            )
        for key, value in data.items() if isinstance(data, dict) else ():
            field = fields.get(key) or by_name.get(key)
            if field is None:
                raise PydanticCustomError(
                    "unknown_key",
                    "unknown setting{hint}; accepted: {accepted}",
                    {"place": (str(key),), "accepted": ", ".join(fields), **cls._about_unknown(str(key), fields)},
                )
            for one in value if isinstance(value, list) else [value]:
                if _is_taken_for_a_number(one, field.annotation):
                    raise PydanticCustomError(
                        "no_number", "expected a number, got {value}", {"place": (key,), "value": str(one).lower()}
                    )
        return data

    @classmethod
    def _about_unknown(cls, key: str, accepted: Iterable[str]) -> dict[str, Any]:
        """What is to be said of a key that nobody reads: a `hint`, and the `kinds` of this part that do read it."""
        return {"hint": closest(key, accepted), "kinds": ()}

    @classmethod
    def alternatives(cls) -> Iterable[type[Config]]:
        """The classes that settings of this class may turn out to be of."""
        return (cls, *cls.__subclasses__())

    @classmethod
    def homes(cls, key: str) -> list[str]:
        """Where in a file of these settings a key may stand, as dotted paths."""
        return homes(key, {"": cls})

    @classmethod
    def from_document(cls, document: Document) -> Self:
        """Validate a parsed file. Raises InputError naming file, line, value and what is accepted."""
        try:
            return cls.model_validate(document.data)
        except ValidationError as error:
            detail = error.errors(include_url=False)[0]
            place = error_place(detail)
            told = misplaced(detail, place, cls.homes(str(place[-1]))) if place else ""
            raise document.error(place, told or error_message(detail)) from None

    @classmethod
    def from_yaml(cls, source: Path | str) -> Self:
        """Read a YAML or JSON file (`Path`), or YAML or JSON text (`str`).

        Examples:
            >>> from signal_model.config import LayerConfig
            >>> LayerConfig.from_yaml("mixer: {kind: harmonic, bases: 4}").mixer.bases
            4
            >>> LayerConfig.from_yaml("mixer: {kind: harmonics}")
            Traceback (most recent call last):
                ...
            signal_model.support.errors.InputError: ...did you mean 'harmonic'?...
        """
        document = read_document(source) if isinstance(source, Path) else parse_document(source, cls.__name__)
        return cls.from_document(document)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as YAML and JSON hold it."""
        return self.model_dump(mode="json")

    def to_yaml(self) -> str:
        """YAML text that `from_yaml` reads back to an equal object."""
        return to_yaml(self.to_dict())

    def to_json(self) -> str:
        """JSON text that `from_yaml` reads back to an equal object."""
        return self.model_dump_json(indent=2)


def _is_taken_for_a_number(value: Any, annotation: Any) -> bool:
    """Whether a value is true or false where numbers alone are meant: pydantic reads them as 1 and 0.

    A setting that takes words as well, such as `auto`, says itself what it accepts.
    """
    if not isinstance(value, bool):
        return False
    kinds = list(_leaves(annotation))
    words = any(isinstance(kind, str) for kind in kinds)
    return (int in kinds or float in kinds) and not words and not any(kind in kinds for kind in (bool, value, Any))


def _leaves(annotation: Any) -> Iterator[Any]:
    """The kinds that an annotation is made of, and the values that it names."""
    inner = get_args(annotation)
    for one in inner:
        yield from _leaves(one)
    if not inner:
        yield annotation


def paths(config: type[Config], within: str = "") -> Iterator[tuple[str, type[Config]]]:
    """Every setting below a config as a dotted path, with each class that has it; of parts those of all kinds.

    What stands in each item of a list is behind `[…]`. Settings of mappings whose keys are free are left out.

    Examples:
        >>> from signal_model.config import ModelConfig
        >>> [f"{path} of {config.__name__}" for path, config in paths(ModelConfig) if path.endswith("window")]
        ['layers[…].mixer.window of AttentionConfig']
    """
    for name, field in config.model_fields.items():
        yield f"{within}{name}", config
        kind = get_origin(field.annotation)
        inner = () if kind is dict else _leaves(field.annotation)
        for below in inner:
            if isinstance(below, type) and issubclass(below, Config):
                for one in below.alternatives():
                    yield from paths(one, f"{within}{name}{'[…]' if kind in (tuple, list) else ''}.")


def words(config: type[Config], within: str = "") -> dict[str, Collection[str]]:
    """Every setting below a config as a dotted path, with the words that it takes: kinds, or those that its type names.

    Examples:
        >>> from signal_model.config import TrainingConfig
        >>> [*words(TrainingConfig)["schedule.kind"]]
        ['cosine', 'wsd']
    """
    found: dict[str, dict[str, None]] = {}
    for path, owner in paths(config, within):
        field = owner.model_fields[path.rpartition(".")[2]]
        told = found.setdefault(path, {})
        told |= dict.fromkeys(word for word in _leaves(field.annotation) if isinstance(word, str))
        if path.endswith(".kind") and isinstance(field.default, str):
            told[field.default] = None
    return {path: told.keys() for path, told in found.items()}


def homes(key: str, sections: Mapping[str, type[Config]], whole: bool = True) -> list[str]:
    """Where a key, which may be dotted itself, stands in sections that lie at these dotted paths; where a `whole` part
    stands too, unless only single settings are meant."""
    several = (paths(config, f"{section}." if section else "") for section, config in sections.items())
    every = dict.fromkeys(path for some in several for path, _ in some)
    parts = set() if whole else {path.rpartition(".")[0] for path in every}
    found = [path for path in every if (path == key or path.endswith(f".{key}")) and path not in parts]
    return sorted(found, key=lambda path: path.count("."))


def misplaced(detail: ErrorDetails, place: Place, there: list[str]) -> str:
    """What to say of a pydantic error, of a key at a place that belongs `there`; empty of any other error."""
    there = [path for path in there if path != dotted(place)]
    if detail["type"] != "unknown_key" or detail["ctx"]["kinds"] or not 0 < len(there) <= MOST_HOMES:
        return ""
    told = " or ".join("the top level of the file" if path == place[-1] else path for path in there)
    return f"unknown setting here, its place is {told}; accepted here: {detail['ctx']['accepted']}"


class Misfit(ValueError):
    """A setting is fine in itself but does not fit the rest of the model."""

    def __init__(self, setting: str, message: str) -> None:
        super().__init__(message)
        self.setting = setting


class ModelSize(NamedTuple):
    """What parts of a model have to fit: channels of the residual stream, positions seen at once, and whether these
    see their past alone."""

    width: int
    context: int
    causal: bool = True


class Part(Config):
    """Settings of one part of a model, told apart from its alternatives by `kind`.

    A new alternative is a subclass with a `kind` of its own, plus the module that
    `signal_model.layers.registry` ties to it.
    """

    kind: str

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        note_definition(cls.__module__)

    @classmethod
    def alternatives(cls) -> Iterable[type[Config]]:
        return cls.kinds().values()

    @classmethod
    def _about_unknown(cls, key: str, accepted: Iterable[str]) -> dict[str, Any]:
        part: type[Part] = cls.__mro__[cls.__mro__.index(Part) - 1]
        kinds = tuple(kind for kind, one in part.kinds().items() if key in one.model_fields)
        if not kinds:
            return super()._about_unknown(key, accepted)
        told = f"kinds {listed([*kinds])} have" if len(kinds) > 1 else f"kind {kinds[0]} has"
        return {"hint": f" (only {told} it)", "kinds": kinds}

    @classmethod
    def kinds(cls) -> dict[str, type[Self]]:
        """The alternatives of this part, by kind, those of plugins among them.

        A class that is defined again, as in a notebook, takes the place of the former. Raises InputError where two
        classes have one kind: in silence, one would be built where the other is meant.
        """
        plugins()
        found: dict[str, type[Self]] = {}
        for child in cls.descendants():
            kind = child.model_fields["kind"].default
            if not isinstance(kind, str):
                continue
            there = found.get(kind, child)
            if (there.__module__, there.__qualname__) != (child.__module__, child.__qualname__):
                names = " and ".join(f"{one.__module__}.{one.__qualname__}{_file_of(one)}" for one in (there, child))
                raise InputError(f"kind {kind!r}: is that of two parts, {names}; give one of them another")
            found[kind] = child
        return found

    @classmethod
    def descendants(cls) -> Iterator[type[Self]]:
        """Its subclasses, and theirs, in the order of definition."""
        for child in cls.__subclasses__():
            yield child
            yield from child.descendants()

    @classmethod
    def parse(cls, data: Any) -> Any:
        """The alternative that `data["kind"]` names, or `data` itself when it already is one."""
        if isinstance(data, str):
            message = f"expected a mapping such as {{kind: {data}}}, got {data!r}"
            raise PydanticCustomError("misfit", "{message}", {"place": (), "message": message})
        if not isinstance(data, dict):
            return data
        kinds = cls.kinds()
        kind = data.get("kind")
        if not isinstance(kind, str) or kind not in kinds:
            raise PydanticCustomError(
                "unknown_kind",
                "{value}{hint}; accepted: {accepted}{remedy}",
                {
                    "place": ("kind",),
                    "value": MISSING if kind is None else f"{kind!r} is no kind",
                    "hint": "" if kind is None else closest(kind, kinds),
                    "accepted": ", ".join(kinds),
                    "remedy": _kinds_with(data, kinds) if kind is None else REMEDY,
                },
            )
        return kinds[kind].model_validate(data)

    def check(self, size: ModelSize) -> None:
        """Raise Misfit for a setting that does not fit a model of this size."""


def _file_of(part: type[Part]) -> str:
    file = getattr(sys.modules.get(part.__module__), "__file__", None)
    return f" ({file})" if file else ""


def _kinds_with(data: Mapping[str, Any], kinds: Mapping[str, type[Part]]) -> str:
    """Which of the kinds have the settings that are given, where some have all of them and others not."""
    given = [str(key) for key in data if key != "kind"]
    fitting = [kind for kind, one in kinds.items() if all(key in one.model_fields for key in given)]
    if not given or not fitting:
        return ""
    return f"; of these {listed(fitting)} {'have' if len(fitting) > 1 else 'has'} {listed(given)}"


_C = TypeVar("_C", bound=Config)


def updated(config: _C, changes: dict[str, Any], what: str) -> _C:
    """`config` with some settings changed and validated again. Raises InputError naming `what`."""
    try:
        return type(config).model_validate(config.to_dict() | changes)
    except ValidationError as error:
        raise explain(error, what) from None
