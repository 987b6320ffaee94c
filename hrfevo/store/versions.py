"""What a run was made with: the code, its commit where that is known, and the packages that results depend on."""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from signal_model.support.plugins import FILES, plugins

# Of what pyproject.toml requires: all but what only reads, draws or shows.
RECORDED_PACKAGES = (
    *("hrfevo", "torch", "numpy", "scipy", "PyWavelets", "deap", "ray", "optuna", "cmaes", "scikit-learn", "moocore"),
    *("pandas", "pydantic", "datasets", "fsspec", "pyarrow", "tokenizers", "safetensors", "SQLAlchemy"),
)
COMMIT = "hrfevo commit"
PLUGIN = "plugin "


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
    return found | {f"{PLUGIN}{plugin.name}": plugin.version for plugin in plugins()}


def changes(before: Mapping[str, str]) -> list[str]:
    """What scores follow from and is another now than it was `before`, in words; nothing where nothing was kept.

    A plugin is another where its files are, whatever its version. Of runs of before that was kept, it is not known.
    """
    now = versions()
    code = sorted(name for name in {*before, *now} if name.startswith(PLUGIN))
    known = [COMMIT] if COMMIT in before and COMMIT in now else []
    told = []
    for name in ("hrfevo", *known, "torch", "platform", *code) if before else ():
        then, today = before.get(name, "none"), now.get(name, "none")
        (package, _, files), (package_now, _, files_now) = _parts(name, then), _parts(name, today)
        if package == package_now and files and files_now and files != files_now:
            told.append(f"the files of plugin {package} have changed since the run began")
        elif package != package_now:
            was, is_now = (
                f"{PLUGIN}{package}" if " " in package else f"{name} {then}",
                package_now if " " in package_now else today,
            )
            told.append(f"begun with {was}, now with {is_now}")
    return told


def _parts(name: str, version: str) -> tuple[str, str, str]:
    """Package and digest of a plugin; one without a package is called by its name. The version itself of others."""
    if name.startswith(PLUGIN) and version != "none" and " " not in version:
        return name.removeprefix(PLUGIN), FILES, version
    return version.partition(FILES)


def absent_plugins(before: Mapping[str, str]) -> list[str]:
    """Installed packages that were plugins `before` and are not now, by name and version."""
    there = {f"{PLUGIN}{plugin.name}" for plugin in plugins()}
    found = {name: _parts(name, told)[0] for name, told in before.items() if name.startswith(PLUGIN) and " " in told}
    return sorted(package for name, package in found.items() if name not in there)


def commit(root: Path) -> str:
    """Of the code below `root`: that of its clone, with `-dirty` where files have changed since, or that which pip
    installed from. Empty where nobody knows, as for a released package or without git."""
    if not (root / ".git").exists():
        return _installed_from()
    described = ("describe", "--always", "--exclude=*", "--abbrev=40", "--dirty")
    asked = ["git", "--no-optional-locks", "-C", str(root), *described]
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
