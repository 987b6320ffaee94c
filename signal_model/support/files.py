"""Reading YAML and JSON with line numbers, explaining what is wrong in them, writing atomically."""

from __future__ import annotations

import json
import os
import re
import secrets
import select
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails
from yaml.composer import ComposerError

from signal_model.support.errors import InputError, closest, counted, one_line

Place = tuple[str | int, ...]
# So long the first words of a pipe are waited for, seconds.
PIPE_PATIENCE = 30.0
# What pydantic expects, by type of error, in the words of files rather than those of Python.
EXPECTED = {
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float", "int_parsing_size"), "a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), "a number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "true or false"),
    **dict.fromkeys(("list_type", "tuple_type"), "a list"),
    "finite_number": "a finite number",
    "string_type": "text",
    "dict_type": "a mapping",
    "greater_than_equal": "at least {ge}",
    "greater_than": "more than {gt}",
    "less_than_equal": "at most {le}",
    "less_than": "less than {lt}",
    "too_short": "at least {min_length}",
    "too_long": "at most {max_length}",
}


class _Loader(yaml.SafeLoader):
    """SafeLoader with the numbers of YAML 1.2, as editors have: `1e-3` is one, `010` is ten, `1:30` and dates are text.
    Without aliases: a short file of aliases to aliases would stand for more values than memory holds."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            problem = "YAML aliases (*name) are not read; write the values out"
            raise ComposerError(None, None, problem, self.peek_event().start_mark)
        return super().compose_node(parent, index)

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        text = str(self.construct_scalar(node)).replace("_", "")
        return int(text, 10 if text.lstrip("+-").isdecimal() else 0)


# What is read as a number though PyYAML does not; text that looks like one is written in quotes.
_FLOAT = re.compile(
    r"^[-+]?(?:(?:\d[\d_]*(?:\.[\d_]*)?|\.\d[\d_]*)[eE][-+]?\d+|\d[\d_]*\.[\d_]*|\.\d[\d_]*|\.(?:inf|Inf|INF))$"
    r"|^\.(?:nan|NaN|NAN)$"
)
_INT = re.compile(r"^[-+]?(?:0b[01_]+|0o[0-7_]+|0x[\da-fA-F_]+|\d[\d_]*)$")
# Of YAML 1.1: `010` is eight there and `1:30` ninety.
_OF_YAML_1 = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float", "tag:yaml.org,2002:timestamp")
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in _OF_YAML_1]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+0123456789."))
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", _INT, list("-+0123456789"))
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)


@dataclass(frozen=True)
class Document:
    """A parsed YAML or JSON file that remembers on which line each value stands, or what option put it there."""

    path: str
    data: Any
    lines: dict[Place, int]
    options: dict[Place, str] = field(default_factory=dict)

    def error(self, place: Place, message: str) -> InputError:
        """An `InputError` that names the file, the line of the nearest known place, and the place."""
        starts = [place[:n] for n in range(len(place), -1, -1)]
        option = next((self.options[start] for start in starts if start in self.options), None)
        line = next((self.lines[start] for start in starts if start in self.lines), None)
        where = option or (f"{self.path}:{line}" if line else self.path)
        if not option and place:  # a part of what is wrong may come from an option
            parts = [told for start, told in self.options.items() if start[: len(place)] == place]
            if parts:  # all of it, where the file itself has nothing there
                where = f"{where} with {parts[0]}" if place in self.lines else parts[0]
        name = dotted(place)
        return InputError(f"{where}: {name}: {message}" if name else f"{where}: {message}")

    def explain(self, error: ValidationError, prefix: Place = ()) -> InputError:
        """The first problem of a pydantic `ValidationError`, as one line about this file."""
        detail = error.errors(include_url=False)[0]
        return self.error(prefix + error_place(detail), error_message(detail))


def dotted(place: Sequence[str | int]) -> str:
    """`("layers", 2, "mixer")` as `layers[2].mixer`."""
    text = ""
    for part in place:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def error_place(detail: ErrorDetails) -> Place:
    """Where a pydantic error stands in the data, down to the setting that the error itself names."""
    place = tuple(part for part in detail["loc"] if part != "[key]" and not str(part).startswith("function-"))
    named: Place = detail.get("ctx", {}).get("place", ())
    return place + named


def error_message(detail: ErrorDetails) -> str:
    """What a pydantic error says, with the value that caused it."""
    message = detail["msg"].removeprefix("Value error, ")
    if detail["type"] == "misfit":  # says where by itself, for those who read pydantic's text
        return str(detail.get("ctx", {}).get("message", message))
    if detail["type"] in ("unknown_key", "unknown_kind", "no_mapping", "no_number", "value_error"):
        return message
    if detail["type"] == "missing":
        return "is missing"
    value = repr(detail["input"])
    if detail["type"] == "literal_error":
        accepted = re.findall("'([^']*)'", detail["ctx"]["expected"])
        return f"{value} is not accepted{closest(detail['input'], accepted)}; accepted: {', '.join(accepted)}"
    if detail["type"] in EXPECTED:
        message = f"expected {EXPECTED[detail['type']].format(**_plain(detail.get('ctx', {})))}"
    return f"{message}, got {value if len(value) <= 80 else value[:79] + '…'}"


def _plain(context: Mapping[str, Any]) -> dict[str, str]:
    """Bounds as people write them: 0, not 0.0; and of how many items they are, `1 item`."""
    bounds = {name: bound for name, bound in context.items() if isinstance(bound, int | float)}
    plain = {name: str(int(bound) if float(bound).is_integer() else bound) for name, bound in bounds.items()}
    return plain | {name: counted(bounds[name], "item") for name in bounds.keys() & {"min_length", "max_length"}}


def explain(error: ValidationError, what: str) -> InputError:
    """The first problem of a `ValidationError` about data that came from no file."""
    detail = error.errors(include_url=False)[0]
    place = dotted(error_place(detail))
    return InputError(f"{what}: {place}: {error_message(detail)}" if place else f"{what}: {error_message(detail)}")


def read_text(path: Path | str) -> str:
    """A text file in UTF-8. Raises InputError if there is none or it is something else."""
    try:
        if stat.S_ISFIFO(os.stat(path).st_mode):
            return _read_pipe(path)
        return Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise InputError(f"{path}: is a folder, not a file") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not UTF-8 text ({error.reason} at byte {error.start})") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None


def _read_pipe(path: Path | str) -> str:
    """What is written into a pipe, such as that behind `/dev/stdin`. Raises InputError where nothing comes for long."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # else to open one would wait for who writes
    with os.fdopen(handle, encoding="utf-8") as file:
        waiting = select.poll()
        waiting.register(handle, select.POLLIN)
        if not waiting.poll(1000 * PIPE_PATIENCE):
            raise InputError(f"{path}: is a pipe, and nobody has written to it for {PIPE_PATIENCE:g} seconds")
        os.set_blocking(handle, True)
        return file.read()


def read_document(path: Path | str) -> Document:
    """Parse a YAML (or JSON, its subset) file that holds a mapping.

    Raises InputError for a missing file, a syntax error, a repeated key or anything but a mapping.
    """
    return parse_document(read_text(path), str(path))


def parse_document(text: str, name: str) -> Document:
    """As `read_document`, from text; `name` stands for the file in messages."""
    lines: dict[Place, int] = {}
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is not None:
            _index(node, (), lines, name, depth=0)
        data = loader.construct_document(node) if node is not None else None
    except InputError:
        raise
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{name}:{mark.line + 1}" if mark else name
        raise InputError(f"{where}: not valid YAML: {one_line(error.problem or error.context)}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"{name}: not valid YAML: {one_line(error)}") from None
    if not isinstance(data, dict):
        raise InputError(f"{name}: expected a mapping of settings, got {type(data).__name__}")
    return Document(name, data, lines)


def _index(node: yaml.Node, place: Place, lines: dict[Place, int], name: str, depth: int) -> None:
    if depth > 50:
        raise InputError(f"{name}:{node.start_mark.line + 1}: nested more than 50 deep")
    lines.setdefault(place, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise InputError(f"{name}:{key.start_mark.line + 1}: a key must be a plain word")
            if key.value in seen:
                raise InputError(f"{name}:{key.start_mark.line + 1}: {dotted((*place, key.value))} stands twice")
            seen.add(key.value)
            lines[(*place, key.value)] = key.start_mark.line + 1
            _index(value, (*place, key.value), lines, name, depth + 1)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            _index(value, (*place, index), lines, name, depth + 1)


def parse_value(text: str) -> Any:
    """One YAML value from a command line, such as `8`, `1e-3`, `[db2, db4]`."""
    try:
        return _Loader(text).get_single_data()
    except (yaml.YAMLError, ValueError, RecursionError):
        raise InputError(f"{text!r} is not a YAML value") from None


def to_yaml(data: Any) -> str:
    """`data` as YAML: mappings in the order given, lists of plain values on one line."""
    return str(yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110))


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_sequence(self, tag: str, sequence: Any, flow_style: bool | None = None) -> yaml.SequenceNode:
        plain = all(isinstance(item, str | int | float | bool | type(None)) for item in sequence)
        return super().represent_sequence(tag, sequence, flow_style=plain)


_Dumper.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+0123456789."))
_Dumper.add_implicit_resolver("tag:yaml.org,2002:int", _INT, list("-+0123456789"))
_Dumper.add_representer(tuple, lambda dumper, data: dumper.represent_sequence("tag:yaml.org,2002:seq", data))


def make_folder(path: Path, name: str) -> None:
    """Make a folder unless it is there. Raises InputError, calling it `name`, where that cannot be."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{name}: cannot be made a folder: {error.strerror}") from None


def expanded(path: str) -> Path:
    """A path with the home that `~` or `~name` stands for. Raises InputError where that is not known."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise InputError(f"{path}: it is not known where the home {path.partition('/')[0]} is") from None


def is_stream(path: Path) -> bool:
    """Whether a path is a pipe, a device, or by a name such as /dev/stdout a file that is open: nothing to replace."""
    folder = os.path.realpath(path.parent)
    is_open = folder == "/dev" or folder.startswith("/proc/")
    return path.exists() and not path.is_dir() and (is_open or not path.is_file())


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file so that a reader, or a crash, sees the old content or the new, never a part.

    A link stays, and what it leads to is written. A file that is there keeps its permissions, a new one has those
    that the umask leaves. A stream is given the content as it is.
    """
    data = content.encode() if isinstance(content, str) else content
    if is_stream(path):
        with naming(path), open(path, "wb") as file:
            file.write(data)
        return
    path = Path(os.path.realpath(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with naming(path), open(temporary, "xb") as file:
            file.write(data)
        if path.exists():
            os.chmod(temporary, stat.S_IMODE(path.stat().st_mode))
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Where the system says that a disk is full and does not say of which file, it is of this one."""
    try:
        yield
    except OSError as error:
        if error.errno and error.filename is None:
            error.filename = str(path)
        raise


def write_json(path: Path, data: Any) -> None:
    """Write JSON, indented, atomically."""
    write_atomically(path, json.dumps(data, indent=2, ensure_ascii=False) + "\n")
