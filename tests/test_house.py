"""The rooms of the house: imports run downhill, and nothing lies in front of the door."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
from typer.main import get_command

from hrfevo.cli import app
from signal_model.cli import app as library

ROOT = Path(__file__).parent.parent

# From the top down: each room may import those after it. `docs/architecture.md` says what each is for.
FLOORS = {
    "hrfevo": (
        "cli",
        "commands",
        "benchmark",
        "runner",
        "views",
        "results",
        "store",
        "integrations",
        "algorithms",
        "workers",
        "space",
        "pareto",
    ),
    "signal_model": (
        "cli",
        "commands",
        "interchange",
        "training",
        "analysis",
        "evaluation",
        "model",
        "layers",
        "data",
        "transforms",
        "config",
        "support",
    ),
}
# What anything may import, since it imports nothing by itself, and how `python -m` finds the door.
DOORS = {"__init__", "__main__"}


def imports(package: str) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Who imports whom within a package, as paths of names below it."""
    for file in (ROOT / package).rglob("*.py"):
        place = file.relative_to(ROOT / package).with_suffix("").parts
        for node in ast.walk(ast.parse(file.read_text())):
            names: list[str] = []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            for name in names:
                root, *rest = name.split(".")
                if root in FLOORS and (root == package or package == "signal_model"):
                    yield place, (root, *rest) if root != package else tuple(rest)


@pytest.mark.parametrize("package", FLOORS)
def test_imports_run_downhill(package: str) -> None:
    floors = FLOORS[package]
    uphill = [
        (".".join(place), ".".join(name))
        for place, name in imports(package)
        if name and place[0] not in DOORS and (name[0] not in floors or floors.index(name[0]) < floors.index(place[0]))
    ]
    assert not uphill


@pytest.mark.parametrize("package", FLOORS)
def test_no_module_imports_itself_by_way_of_others(package: str) -> None:
    graph: dict[str, set[str]] = {}
    for place, name in imports(package):
        # The module that has the name, or is it.
        target = next(
            (
                name[:end]
                for end in (len(name), len(name) - 1)
                if (ROOT / package).joinpath(*name[:end]).with_suffix(".py").is_file()
            ),
            None,
        )
        if target and target != place:
            graph.setdefault(".".join(place), set()).add(".".join(target))
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as circle:
        pytest.fail(" → ".join(circle.args[1]))


@pytest.mark.parametrize("package", FLOORS)
def test_every_room_is_known_and_says_what_it_is_for(package: str) -> None:
    rooms = {path.stem for path in (ROOT / package).glob("*.py")} | {
        p.name for p in (ROOT / package).iterdir() if p.is_dir()
    }
    assert rooms - DOORS - {"__pycache__"} == {*FLOORS[package]}
    loose = {path.stem for path in (ROOT / package).glob("*.py")} - DOORS
    assert loose <= {"cli", "pareto", "model"}
    for folder in (ROOT / package).rglob("*"):
        if folder.is_dir() and any(folder.glob("*.py")):
            door = folder / "__init__.py"
            assert door.is_file(), folder
            assert ast.get_docstring(ast.parse(door.read_text())), folder


@pytest.mark.parametrize("package", FLOORS)
def test_commands_to_paste_are_quoted_and_name_plugins(package: str) -> None:
    """Text with a place in it that belongs to a command is made by `command` of `signal_model.support.plugins`."""
    verbs = {name: "|".join(get_command(one).commands) for name, one in (("hrfevo", app), ("signal-model", library))}
    said = "|".join(f"(?:{name} (?:{several}))" for name, several in verbs.items())
    said = f"(?:{said})"
    for file in sorted((ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            for part in node.values[:-1] if isinstance(node, ast.JoinedStr) else ():
                told = part.value if isinstance(part, ast.Constant) else ""
                assert not re.search(rf"\b{said}( --[a-z]+)? $", str(told)), (file, told)


@pytest.mark.parametrize("package", FLOORS)
def test_pages_are_made_from_templates(package: str) -> None:
    pages = [*(ROOT / package).rglob("*.html")]
    assert pages
    assert all(page.parent.name == "templates" for page in pages)
