"""`signal-model analyze`: its tables, its page in a browser, and its mistakes."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from signal_model.analysis.report import analyze, write
from signal_model.model import count_parameters
from tests.conftest import command
from tests.tools.models import MIXED, mixed


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory, text_folder: Path) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("analysis")
    (folder / "model.yaml").write_text(json.dumps(MIXED))
    text = next(iter(sorted(text_folder.iterdir())))
    result = command(
        "signal-model", "analyze", folder / "model.yaml", "--output", folder / "out", "--text", text, "--threads", 1
    )
    assert result.returncode == 0, result.stderr
    return folder / "out", result.stdout


def test_the_number_can_be_recomputed_from_the_table(written: tuple[Path, str]) -> None:
    folder, printed = written
    frame = pd.read_csv(folder / "costs.csv")
    spectral = frame[frame["kind"].isin(["Fourier transform", "complex product", "wavelet filter"])]["flops"].sum()
    share = spectral / frame["flops"].sum()
    said = re.search(r"([\d.]+) ?% of floating-point operations are spectral", printed)
    assert said is not None
    assert float(said[1]) == pytest.approx(100 * share, abs=0.06)
    assert f"{count_parameters(mixed()):,}" in printed
    lines = [line for line in printed.splitlines() if str(folder.parent) not in line]  # paths may be of any length
    assert max(map(len, lines)) < 110
    assert set(pd.read_csv(folder / "energies.csv")["stream"]) == {"embedded", "blocks.0", "blocks.1", "blocks.2"}
    assert pd.read_csv(folder / "harmonics.csv")["harmonic"].nunique() == 4


def test_the_page_is_complete_in_itself(written: tuple[Path, str]) -> None:
    page = (written[0] / "analysis.html").read_text("utf-8")
    own = re.sub(r"<script>/\*\*?.*?</script>", "", page, flags=re.DOTALL)
    assert not re.search(r"""(src|href)\s*=\s*["']?(https?:)?//""", own)
    assert "default-src 'none'" in page
    assert len(page.encode()) < 8e6


def test_text_of_users_is_escaped(tmp_path: Path) -> None:
    page, *_ = write(analyze(mixed()), tmp_path, "<b>x</b>", "</script><img src=x>")
    html = page.read_text("utf-8")
    assert "<b>x</b>" not in html
    assert "<img" not in html.split("<script>")[0]


def test_a_browser_draws_every_figure_without_complaint(written: tuple[Path, str], tmp_path: Path) -> None:
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None and "CI" not in os.environ:
        pytest.skip("no Chromium here")
    assert chromium is not None, "CI must have a Chromium"
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    options += [f"--user-data-dir={tmp_path}", "--enable-logging=stderr", "--dump-dom"]
    path = (written[0] / "analysis.html").as_uri()
    result = subprocess.run([chromium, *options, path], capture_output=True, text=True, timeout=90)
    assert "CONSOLE" not in result.stderr, result.stderr
    plots = result.stdout.split('id="figures">')[0].split('id="figure-')[1:]
    assert len(plots) == 13
    assert all("main-svg" in plot for plot in plots)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["/nowhere/model.yaml"], "/nowhere/model.yaml: no such file"),
        (["EMPTY"], "is no checkpoint"),
        (["MODEL", "--text", "/nowhere.txt"], "/nowhere.txt: no such file"),
        (["MODEL", "--text", "SHORT"], "fewer than the 65 of one window"),
        (["SMALL", "--text", "SHORT"], "has no tokenizer that fits it"),
        (["CLASSES", "--text", "SHORT"], "is a model of sound, not of text"),
        (["SOUND", "--text", "SHORT"], "is a model of sound, not of text"),
        (["MODEL", "--output", "SHORT"], "cannot be made a folder"),
    ],
)
def test_mistakes_get_one_line(arguments: list[str], says: str, tmp_path: Path) -> None:
    (tmp_path / "model.yaml").write_text(json.dumps(MIXED))
    (tmp_path / "small.yaml").write_text(json.dumps(MIXED | {"vocab_size": 17}))
    heard = {"width": 8, "context": 40, "classes": 3, "front_end": {"kind": "strided", "stride": 8}}
    (tmp_path / "classes.yaml").write_text(json.dumps({"task": "classification", "model": heard}))
    (tmp_path / "sound.yaml").write_text("{corpus: chirps, model: {width: 8, context: 4}}")
    (tmp_path / "short.txt").write_text("short" * 10)
    (tmp_path / "empty").mkdir()
    names = {"MODEL": "model.yaml", "SMALL": "small.yaml", "SHORT": "short.txt", "EMPTY": "empty"}
    names |= {"CLASSES": "classes.yaml", "SOUND": "sound.yaml"}
    result = command("signal-model", "analyze", *(tmp_path / names[a] if a in names else a for a in arguments))
    assert result.returncode == 2, (result.stdout, result.stderr)
    assert len(result.stderr.strip().splitlines()) == 1, result.stderr
    assert says in result.stderr
