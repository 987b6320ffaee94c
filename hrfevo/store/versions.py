"""What a run was made with: the code, its commit where that is known, and the packages that results depend on."""

from __future__ import annotations

import json
import platform
import subprocess
from importlib import metadata
from pathlib import Path

from signal_model.support.plugins import plugins

# Of what pyproject.toml requires: all but what only reads, draws or shows.
RECORDED_PACKAGES = (
    *("hrfevo", "torch", "numpy", "scipy", "PyWavelets", "deap", "ray", "optuna", "cmaes", "scikit-learn", "moocore"),
    *("pandas", "pydantic", "datasets", "fsspec", "pyarrow", "tokenizers", "safetensors", "SQLAlchemy"),
)
COMMIT = "hrfevo commit"


def versions() -> dict[str, str]:
    """Of Python, of packages and plugins, by name; the commit of the code where it is known; the machine's kind."""
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for package in RECORDED_PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed as a package"
    if told := commit(Path(__file__).parents[2]):
        found[COMMIT] = told
    return found | {f"plugin {plugin.name}": plugin.version for plugin in plugins()}


def commit(root: Path) -> str:
    """Of the code below `root`: that of its clone, with `-dirty` where files have changed since, or that which pip
    installed from. Empty where nobody knows, as for a released package or without git."""
    if not (root / ".git").exists():
        return _installed_from()
    asked = [
        "git",
        "--no-optional-locks",
        "-C",
        str(root),
        "describe",
        "--always",
        "--exclude=*",
        "--abbrev=40",
        "--dirty",
    ]
    try:
        return subprocess.run(asked, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def _installed_from() -> str:
    """The commit of a package that was installed from a repository (PEP 610)."""
    try:
        told = metadata.distribution("hrfevo").read_text("direct_url.json")
    except metadata.PackageNotFoundError:
        return ""
    return str(json.loads(told or "{}").get("vcs_info", {}).get("commit_id", ""))
