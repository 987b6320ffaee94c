"""The page of each command line, made from the command line itself as the site is built."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

import hrfevo.cli
import signal_model.cli

APPS = {"hrfevo": hrfevo.cli.app, "signal-model": signal_model.cli.app}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages."""
    for name in APPS:
        files.append(File.generated(config, f"reference/{name}.md", content=page(name)))
    return files


def page(name: str) -> str:
    """Markdown for a command line: a section for each command, its arguments and options."""
    app = APPS[name]
    text = [f"# The command `{name}`", app.info.help or "", "`--help` says the same."]
    for words, command in commands(name, typer.main.get_command(app)):
        context = typer.Context(command, info_name=words)
        records = [parameter.get_help_record(context) for parameter in command.params if parameter.expose_value]
        rows = [f"| `{_cell(left)}` | {_shown(_cell(right))} |" for left, right in filter(None, records)]
        usage = " ".join([words, *(piece.strip("{}") for piece in command.collect_usage_pieces(context))])
        text += [f"## `{words}`", _shown(command.help or ""), f"```text\n{usage}\n```"]
        text.append("\n".join(["| argument or option | meaning |", "|---|---|", *rows]))
    return "\n\n".join(text) + "\n"


def commands(words: str, command: Any) -> Iterator[tuple[str, Any]]:
    """Every command below one, by the words that call it."""
    if not hasattr(command, "commands"):
        yield words, command
        return
    for name, inner in command.commands.items():
        yield from commands(f"{words} {name}", inner)


def _shown(text: str) -> str:
    """Brackets, stars and underscores are meant as they stand."""
    return text.replace("<", "&lt;").replace("*", "&#42;").replace("_", "&#95;")


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
