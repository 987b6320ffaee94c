"""The documentation names every part and every option, and its sentences are short."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path
from statistics import mean
from typing import Any, get_args

import pytest
import typer
from pydantic import BaseModel

import hrfevo.cli
import signal_model.cli
from hrfevo.space.metrics import ADDED, METRICS
from hrfevo.space.reading import gene_count, load_space, parse_space, space_size
from hrfevo.space.search_space import SearchSpace
from hrfevo.space.shipped import shipped_spaces
from signal_model.config import (
    Activation,
    BasisEmbeddingConfig,
    EmbeddingConfig,
    FeedForwardConfig,
    FilterBankConfig,
    FrontEndConfig,
    MixerConfig,
    PositionsConfig,
    Recipe,
    Spacing,
)
from signal_model.support.errors import counted
from signal_model.support.settings import Part
from tests.tools.prose import sentences, words

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")] + sorted(DOCS.rglob("*.md"))
MATHEMATICS: dict[str, list[type[Part]]] = {
    "embeddings": [EmbeddingConfig, PositionsConfig],
    "mixers": [MixerConfig],
    "feedforward": [FeedForwardConfig, FilterBankConfig],
    "front_ends": [FrontEndConfig],
}
# What a part is told apart by.
KIND = ("kind", "type")


def chapters(page: str) -> dict[str, str]:
    """What stands under each heading of a page in the mathematics."""
    parts = re.split(r"^##+ (.*)$", (DOCS / "mathematics" / f"{page}.md").read_text(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def chapter(page: str, heading: str) -> str:
    """What stands under a heading of the second level; without a heading, what comes before the first."""
    parts = re.split(r"^## (.*)$", (ROOT / page).read_text(), flags=re.MULTILINE)
    return dict(zip(["", *parts[1::2]], parts[::2], strict=True))[heading]


def quoted(text: str) -> set[str]:
    """Words between backticks, outside of blocks."""
    prose = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    return {word for code in re.findall(r"`([^`]+)`", prose) for word in code.split()}


def commands_of(app: typer.Typer) -> set[str]:
    return {*typer.main.get_command(app).commands}  # type: ignore[attr-defined]


COMMANDS = commands_of(hrfevo.cli.app) | commands_of(signal_model.cli.app)
OWN_METRICS = {*METRICS} - {*ADDED}
FIGURES = {*re.findall(r'found\["([\w-]+)"\]', (ROOT / "hrfevo/views/figures/gallery.py").read_text())}
SCRIPTS = {file.name for file in (ROOT / "benchmarks").glob("*.py") if "__main__" in file.read_text()}


@pytest.mark.parametrize(
    ("page", "heading", "names"),
    [
        ("README.md", "Commands", COMMANDS),
        ("README.md", "Say what may vary", OWN_METRICS | {*shipped_spaces()}),
        ("docs/space.md", "What is better", OWN_METRICS),
        ("docs/space.md", "", {*shipped_spaces()}),
        ("docs/export.md", "A figure for a paper", FIGURES),
        ("docs/benchmarks/index.md", "", SCRIPTS),
    ],
)
def test_a_list_is_complete(page: str, heading: str, names: set[str]) -> None:
    assert len(names) > 5
    assert names - quoted(chapter(page, heading)) == set()


def test_the_space_of_the_readme_is_the_one_that_is_shipped() -> None:
    """Whatever it shows but for two examples, and how large `validate` says it is."""
    whole, _ = load_space("embeddings")
    (text,) = re.findall(r"```yaml\n(.*?)```", chapter("README.md", "Say what may vary"), re.DOTALL)
    shown = parse_space(text, "README.md")
    assert {**whole.genes, **shown.genes} == whole.genes
    for name in shown.model_fields_set - {"genes", "constraints", "resources"}:
        told, there = getattr(shown, name), getattr(whole, name)
        assert ({**there, **told} if isinstance(there, dict) else told) == there, name
    size = f"valid; {counted(gene_count(whole), 'gene')}, {space_size(whole)}; "
    assert size in (ROOT / "README.md").read_text()
    assert size in (DOCS / "space.md").read_text()


def test_extras_that_are_named_can_be_installed() -> None:
    known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    pairs = [pair for page in PAGES for pair in re.findall(r"\(extra `(\w+)`|hrfevo\[(\w+)\]", page.read_text())]
    named = {name for pair in pairs for name in pair} - {""}
    assert len(named) > 5
    assert named <= known.keys()


@pytest.mark.parametrize(("page", "part"), [(page, part) for page, parts in MATHEMATICS.items() for part in parts])
def test_every_kind_has_its_equation(page: str, part: type[Part]) -> None:
    found = chapters(page)
    for kind, config in part.kinds().items():
        if config.__module__.startswith("signal_model."):
            assert f"`{kind}`" in found
            assert kind == "none" or "$$" in found[f"`{kind}`"]


def test_every_choice_within_a_part_is_explained() -> None:
    for text, choices in (
        (chapters("embeddings")["`basis`"], BasisEmbeddingConfig.model_fields["functions"].annotation),
        (chapters("feedforward")["`mlp`"], Activation),
        (chapters("transforms")["Spacing of frequencies"], Spacing),
    ):
        assert all(f"| `{choice}` |" in text for choice in choices.__args__)


def test_every_public_transform_has_its_file_in_the_mathematics() -> None:
    text = (DOCS / "mathematics" / "transforms.md").read_text()
    files = {file.name for file in (ROOT / "signal_model" / "transforms").rglob("*.py")}
    own = files - {"__init__.py", "fast.py", "precision.py"}
    assert own == {Path(path).name for path in re.findall(r"\]\((\S+\.py)\)", text)}


@pytest.mark.parametrize(("name", "app"), [("hrfevo", hrfevo.cli.app), ("signal-model", signal_model.cli.app)])
def test_the_reference_has_every_command_and_option(
    name: str, app: typer.Typer, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("mkdocs")
    monkeypatch.syspath_prepend(str(DOCS / "building"))
    monkeypatch.delitem(sys.modules, "commands", raising=False)
    import commands  # type: ignore[import-not-found]

    sections = re.split(r"^## ", commands.page(name), flags=re.MULTILINE)
    waiting = [(name, typer.main.get_command(app))]
    seen = 0
    while waiting:
        called, command = waiting.pop()
        if inner := getattr(command, "commands", None):
            waiting += [(f"{called} {word}", below) for word, below in inner.items()]
            continue
        (section,) = (section for section in sections if section.startswith(f"`{called}`\n"))
        shown = [row.replace("\\|", "|") for row in re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE)]
        options = {option for row in shown for option in re.split(r"[ ,/]+", row) if option.startswith("-")}
        arguments = [row.lower() for row in shown if not row.startswith("-")]
        for parameter in command.params:
            if parameter.param_type_name == "option":
                assert {*parameter.opts} <= options
            else:
                name = (parameter.metavar or parameter.name).lower()
                assert any(name in row for row in arguments)
        seen += 1
    assert seen == len(sections) - 1 > 0


def test_the_reference_has_every_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a search space or a recipe may hold, kinds of parts and types of genes too."""
    pytest.importorskip("mkdocs")
    monkeypatch.syspath_prepend(str(DOCS / "building"))
    monkeypatch.delitem(sys.modules, "settings", raising=False)
    import settings  # type: ignore[import-not-found]

    listed = {model for models in settings.CHAPTERS.values() for model in models}
    waiting: list[Any] = [SearchSpace, Recipe]
    found: set[type[BaseModel]] = set()
    while waiting:
        one = waiting.pop()
        if not (isinstance(one, type) and issubclass(one, BaseModel)):
            waiting += get_args(one)
        elif one not in found:
            found.add(one)
            waiting += [field.annotation for field in one.model_fields.values()]
            waiting += one.kinds().values() if issubclass(one, Part) else one.__subclasses__()
    kept = {one for one in found if one.__module__.startswith(("hrfevo", "signal_model")) and not one.__subclasses__()}
    # What has no setting is described where it is chosen.
    assert {one.__name__ for one in kept - listed} <= {"PythonCorpusConfig", "ChirpsCorpusConfig"}
    assert len(kept) > 30
    rows = {
        (title, name)
        for title, body in re.findall(r"^### `(\w+)`\n(.*?)(?=^##|\Z)", settings.page(), re.DOTALL | re.MULTILINE)
        for name in re.findall(r"^\| `(\w+)` \|", body, re.MULTILINE)
    }
    for one in kept & listed:
        # A `kind` that leaves a choice is a setting like others; one that leaves none is the title.
        fields = {
            name for name, field in one.model_fields.items() if name not in KIND or len(get_args(field.annotation)) > 1
        }
        assert {(settings._name(one), name) for name in fields} <= rows


def test_every_variable_that_is_read_is_documented() -> None:
    text = (DOCS / "operations.md").read_text()
    read = set()
    for file in [*(ROOT / "hrfevo").rglob("*.py"), *(ROOT / "signal_model").rglob("*.py")]:
        source = file.read_text()
        read |= set(re.findall(r'environ(?:\.get)?[\[(]"([A-Z_]+)"', source))
        read |= set(re.findall(r'^(?:VARIABLE|SLURM)(?:, \w+)? = "([A-Z_]+)"', source, re.MULTILINE))
    assert read >= {"SIGNAL_MODEL_CACHE", "SIGNAL_MODEL_PLUGINS", "CHROMIUM", "SLURM_CPUS_ON_NODE"}
    assert {name for name in read if f"`{name}`" not in text} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    """In the repository; the site checks its own."""
    generated = {"hrfevo.md", "signal-model.md", "settings.md"}
    for link in re.findall(r"\]\((?![a-z]+:|#)([^)#\s]+)", page.read_text()):
        target = page.parent / link
        assert target.exists() or (target.parent.name == "reference" and target.name in generated), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_sentences_are_short(page: Path) -> None:
    found = sentences(page.read_text())
    assert [sentence for sentence in found if words(sentence) > 45] == []
    assert not found or mean(map(words, found)) < 18


def test_the_measure_of_prose_measures() -> None:
    page = """# No sentence

One two `three four` five. Six [seven eight](nine.md), e.g. nine!

- ten eleven
  twelve: thirteen; fourteen

| not | these |
|---|---|

```sh
nor these
```

$$x = y$$

Three $a + b$ more.
"""
    assert [words(sentence) for sentence in sentences(page)] == [4, 5, 5, 3]
