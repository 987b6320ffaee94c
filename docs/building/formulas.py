"""Formulas become MathML as the site is built, which browsers show without a script.

`pymdownx.arithmatex` finds `$…$` and `$$…$$` and marks them; here the marked TeX is translated.
"""

from __future__ import annotations

import html
import re

from latex2mathml.converter import convert
from mkdocs.exceptions import PluginError

MARKED = re.compile(
    r'<span class="arithmatex">\\\((?P<inline>.*?)\\\)</span>'
    r'|<div class="arithmatex">\s*\\\[(?P<block>.*?)\\\]\s*</div>',
    re.DOTALL,
)


def on_page_content(content: str, **_: object) -> str:
    """A page's HTML with MathML for every formula. Raises PluginError for TeX that the translator does not know."""

    def translated(match: re.Match[str]) -> str:
        inline = match["inline"] is not None
        formula = mathml(html.unescape(match["inline"] if inline else match["block"]).strip(), inline)
        return formula if inline else f'<div class="formula">{formula}</div>'

    return MARKED.sub(translated, content)


def mathml(tex: str, inline: bool = True) -> str:
    """One formula. Raises PluginError naming it where a command in it is unknown, which would be shown as it stands."""
    try:
        translated: str = convert(tex, display="inline" if inline else "block")
    except Exception as error:  # each of its errors is a class of its own
        raise PluginError(f"formula {tex!r}: {type(error).__name__}") from error
    if "\\" in translated:
        raise PluginError(f"formula {tex!r}: a command is not known; see latex2mathml for those that are")
    return translated
