"""What a run was made with: packages, and the commit of the code."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import yaml

from hrfevo.store.versions import COMMIT, RECORDED_PACKAGES, commit, versions
from tests.conftest import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
# Of what is required, these read, draw or show what others have found.
ONLY_SHOW = {"plotly", "jinja2", "markupsafe", "dash", "dash-ag-grid", "pyyaml", "typer", "rich", "psutil", "alembic"}


def test_every_package_that_results_depend_on_is_recorded() -> None:
    required = {re.split(r"[<>=]", one)[0].lower() for one in PROJECT["dependencies"]}
    assert {name.lower() for name in RECORDED_PACKAGES} - {"hrfevo"} == required - ONLY_SHOW
    found = versions()
    assert all(found[name] for name in RECORDED_PACKAGES)
    assert found.get(COMMIT, "") == commit(ROOT)


def test_the_commit_is_that_of_the_clone_and_says_what_has_changed_since(tmp_path: Path) -> None:
    def git(*words: str) -> str:
        who = ("-c", "user.name=one", "-c", "user.email=one@example.org")
        return subprocess.run(["git", *who, *words], cwd=tmp_path, check=True, capture_output=True, text=True).stdout

    git("init", "-q")
    (tmp_path / "code.py").write_text("one")
    git("add", ".")
    git("commit", "-q", "-m", "one")
    git("tag", "v1")  # a name that may be moved is no commit
    head = git("rev-parse", "HEAD").strip()
    assert commit(tmp_path) == head
    (tmp_path / "code.py").write_text("two")
    assert commit(tmp_path) == f"{head}-dirty"
    (tmp_path / ".git" / "HEAD").write_text("damaged")
    assert commit(tmp_path) == ""


def test_the_citation_is_of_this_version() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert (cited["version"], cited["license"]) == (PROJECT["version"], PROJECT["license"])
    assert {"cff-version", "message", "title", "authors"} <= cited.keys(), "what the format asks for"
