"""Figures as SVG and PNG for papers, drawn by a real Chromium."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from xml.etree import ElementTree

import plotly.graph_objects as go
import pytest

from hrfevo.views.export.pictures import draw, find_chromium
from hrfevo.views.notebook import load
from signal_model.support.errors import InputError
from tests.conftest import answer


@pytest.fixture
def _chromium() -> None:
    try:
        find_chromium()
    except InputError:
        if "CI" in os.environ:
            raise
        pytest.skip("no Chromium here")


@pytest.mark.usefixtures("_chromium")
def test_a_figure_of_a_run_is_written_as_a_picture(written_run: Path, tmp_path: Path) -> None:
    file = tmp_path / "front.svg"
    assert answer("report", written_run, "--figure", "front", "--output", file).startswith(f"{file}: figure front of")
    root = ElementTree.fromstring(file.read_bytes())
    assert (root.get("width"), root.get("height")) == ("900", "560")
    words = " ".join("".join(one.itertext()) for one in root.iter("{http://www.w3.org/2000/svg}text"))
    figure = load(written_run).figures["front"]
    assert figure.layout.title.text in words
    assert figure.layout.yaxis.title.text in words
    points = [len(one) for one in root.iter() if one.get("class") == "points"]
    assert points[-1] == len(figure.data[-1].x) > 0  # the whole front
    with pytest.raises(InputError, match=r"front.svg: exists; name another file or add --overwrite"):
        answer("report", written_run, "--figure", "front", "--output", file)
    with pytest.raises(
        InputError, match=r"--figure 'frnt': the run has no such figure \(did you mean 'front'\?\); acc"
    ):
        answer("report", written_run, "--figure", "frnt", "--output", tmp_path / "x.svg")


@pytest.mark.usefixtures("_chromium")
def test_a_png_is_fine_enough_for_print_and_its_text_is_text() -> None:
    figure = go.Figure(go.Scatter(x=[1], y=[1], name="</script><script>document.body.textContent='gone'</script>"))
    figure.update_layout(title="a title", width=300, height=200)
    picture = draw(figure, ".png", height=100, bare=True)
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">II", picture[16:24]) == (900, 300)
    assert b"a title" not in draw(figure, ".svg", bare=True)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--figure", "front"], r"^--figure front: --output: expected a file that ends in .svg or .png, got none"),
        (["--figure", "front", "--output", "x.gif"], r"expected a file that ends in .svg or .png, got x.gif"),
        (["--bare"], r"^--width, --height, --bare, --overwrite: go with --figure"),
    ],
)
def test_what_cannot_be_drawn_is_said(options: list[str], says: str, written_run: Path) -> None:
    with pytest.raises(InputError, match=says):
        answer("report", written_run, *options)


def test_without_a_chromium_the_remedy_is_said(
    written_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ("report", written_run, "--figure", "front", "--output", tmp_path / "x.svg")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CHROMIUM", "")
    monkeypatch.setattr("hrfevo.views.export.pictures._NAMES", ("chromium", "google-chrome"))
    with pytest.raises(InputError, match=r"none is on the PATH: install one \(Debian: apt-get install chromium\), or"):
        answer(*asked)
    monkeypatch.setenv("CHROMIUM", "nowhere")
    with pytest.raises(InputError, match=r"^\$CHROMIUM: nowhere: no such program"):
        answer(*asked)
    fake = tmp_path / "fake"
    fake.write_text("#!/bin/sh\necho 'cannot open display' >&2\nexit 3\n")
    fake.chmod(0o755)
    monkeypatch.setenv("CHROMIUM", str(fake))
    with pytest.raises(InputError, match=r"fake: ended with code 3: cannot open display"):
        answer(*asked)
    fake.write_text("#!/bin/sh\n")
    with pytest.raises(InputError, match=r"fake: has drawn nothing"):
        answer(*asked)
    assert not (tmp_path / "x.svg").exists()
