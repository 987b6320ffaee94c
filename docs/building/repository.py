"""Links that leave docs/ stay within the site: what they lead to becomes a page of it, or a file.

In the repository a page links to `../examples/explore_a_run.py`, and that works where files are read. The site has no
`..`: code becomes a page with its text, a folder one with all of its files, Markdown of the top folder a page of the
documentation, the rest a download.
"""

from __future__ import annotations

import re
from pathlib import Path
from posixpath import normpath, relpath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)(?P<path>[^)\s#]+)(?P<anchor>#[^)\s]*)?(?=\))")
# Pages that lie in the top folder, and what they are called here.
PAGES = {"CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md", "README.md": "index.md"}
LANGUAGES = {".py": "python", ".yaml": "yaml", ".yml": "yaml", ".html": "html", "": "text"}


def target(path: str) -> str:
    """Where the site has what the repository has at `path`. Raises PluginError if it has nothing there."""
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    if path in PAGES:
        return PAGES[path]
    if not (ROOT / path).exists():
        raise PluginError(f"a link leads to {path}, which is not there")
    return f"source/{path}.md" if shown(path) else f"source/{path}"


def shown(path: str) -> bool:
    """Whether its text is a page; all else is a download."""
    return (ROOT / path).is_dir() or Path(path).suffix in LANGUAGES


def source(path: str) -> str:
    """Markdown of a page with the text of a file, or of each file of a folder."""
    place = ROOT / path
    files = sorted(place.iterdir()) if place.is_dir() else [place]
    text = [f"---\nsearch: {{exclude: true}}\n---\n# {path}"]
    for file in files:
        text += [f"## {file.name}"] if place.is_dir() else []
        text.append(f"````{LANGUAGES.get(file.suffix, 'text')}\n{file.read_text()}\n````")
    return "\n\n".join(text) + "\n"


def relinked(markdown: str, place: str, page: str) -> str:
    """Markdown of the file `place` in the repository, its links as they must be on the page `page` of the site."""

    def moved(match: re.Match[str]) -> str:
        path = normpath(f"{Path(place).parent.as_posix()}/{match['path']}")
        return relpath(target(path), Path(page).parent.as_posix()) + (match["anchor"] or "")

    return LINK.sub(moved, markdown)


def linked(markdown: str, place: str) -> set[str]:
    """Files outside docs/, by their paths in the repository, that a file's links lead to."""
    paths = {normpath(f"{Path(place).parent.as_posix()}/{match['path']}") for match in LINK.finditer(markdown)}
    return {path for path in paths if not path.startswith("docs/") and path not in PAGES}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages of the top folder, and all that anything links to."""
    sources = {file.src_uri: f"docs/{file.src_uri}" for file in files.documentation_pages() if file.abs_src_path}
    texts = {page: (ROOT / place).read_text() for page, place in sources.items()}
    found = {path for page, text in texts.items() for path in linked(text, sources[page])}
    for place, page in PAGES.items():
        if page not in sources:
            text = (ROOT / place).read_text()
            found |= linked(text, place)
            files.append(File.generated(config, page, content=relinked(text, place, page)))
    for path in sorted(found):
        content = source(path) if shown(path) else (ROOT / path).read_bytes()
        files.append(File.generated(config, target(path), content=content))
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Links of what is written in docs/."""
    written = page.file.abs_src_path is not None
    return relinked(markdown, f"docs/{page.file.src_uri}", page.file.src_uri) if written else markdown
