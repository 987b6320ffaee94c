"""A figure as a picture for a paper: Plotly draws it as on a page, in a Chromium that nobody sees."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from signal_model.support.errors import InputError
from signal_model.support.pages import Script, page

KINDS = (".svg", ".png")
# Of a picture, and above one without a title, points.
WIDTH, HEIGHT, _BARE = 900, 560, 40
VARIABLE = "CHROMIUM"
# Where it lies that is not on the PATH.
_ELSEWHERE = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "microsoft-edge", *_ELSEWHERE)
# Points of a PNG for each point of the figure: three hundred to an inch of a figure that is ten inches wide.
_FINENESS = 3
# Virtual time, milliseconds: the page is read when that is over, however long it took the processor.
_DRAWN = 60_000
_PATIENCE = 300.0


def draw(
    figure: go.Figure, kind: str, width: int | None = None, height: int | None = None, *, bare: bool = False
) -> bytes:
    """An SVG or PNG (`kind` is its ending) of `width` × `height` points on white; without title and caption if `bare`.

    A figure that says how large it is keeps to that where nothing else is asked for.
    Raises InputError where there is no Chromium, or it draws nothing.
    """
    chromium = find_chromium()
    drawn = go.Figure(figure).update_layout(paper_bgcolor="white", plot_bgcolor="white")
    layout = drawn.layout
    if bare:
        drawn.update_layout(title=None, margin={"t": layout.margin.t or _BARE})
    size = {"width": width or layout.width or WIDTH, "height": height or layout.height or HEIGHT}
    options: dict[str, Any] = {"format": kind[1:], **size}
    if kind == ".png":
        options["scale"] = _FINENESS
    html = page("hrfevo.views.export", "picture.html", plotly=Script.of(get_plotlyjs()), figure=drawn, options=options)
    return _decoded(_read(chromium, html), chromium)


def find_chromium() -> str:
    """The Chromium, Chrome or Edge of this machine; `$CHROMIUM` names another. Raises InputError if there is none."""
    if named := os.environ.get(VARIABLE):
        if found := shutil.which(named):
            return found
        raise InputError(f"${VARIABLE}: {named}: no such program")
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        raise InputError(
            "a picture is drawn by Chromium, Chrome or Edge, and none is on the PATH: install one "
            f"(Debian: apt-get install chromium), or name it in ${VARIABLE}"
        )
    return found


def _read(chromium: str, html: str) -> str:
    """The page as it is when its scripts are done."""
    options = ["--headless", "--no-first-run", "--disable-background-networking"]
    # Figures with many lines need WebGL, which machines without a GPU have in software.
    options += ["--use-angle=swiftshader", "--enable-unsafe-swiftshader", f"--virtual-time-budget={_DRAWN}"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        options.append("--no-sandbox")  # it has none for root
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        file = Path(folder) / "picture.html"
        file.write_text(html, "utf-8")
        command = [chromium, *options, f"--user-data-dir={folder}/profile", "--dump-dom", file.as_uri()]
        try:
            ended = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=_PATIENCE)
        except subprocess.TimeoutExpired:
            raise InputError(f"{chromium}: has drawn nothing in {_PATIENCE:g} seconds") from None
        except OSError as error:
            raise InputError(f"{chromium}: cannot be run: {error.strerror}") from None
    if ended.returncode:
        told = ended.stderr.strip().splitlines()
        raise InputError(f"{chromium}: ended with code {ended.returncode}{': ' if told else ''}{''.join(told[-1:])}")
    return ended.stdout


def _decoded(html: str, chromium: str) -> bytes:
    """The picture that the page has written into itself, as a data URL."""
    body = html[html.rfind("<body>") :].removeprefix("<body>").partition("</body>")[0].strip()
    head, _, content = body.partition(",")
    if not head.startswith("data:image/"):
        raise InputError(f"{chromium}: has drawn nothing: {body[:200]}")
    return base64.b64decode(content) if head.endswith(";base64") else unquote(content).encode()
