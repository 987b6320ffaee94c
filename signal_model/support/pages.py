"""Pages from the HTML templates of a package: what comes from data is escaped, unless it says that it is markup."""

from __future__ import annotations

import base64
import hashlib
from importlib import resources
from typing import Any, Self

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup


class Script(Markup):
    """A script that stands in a page as it is, and that the page's policy names by its digest."""

    @classmethod
    def of(cls, text: str) -> Self:
        """Raises ValueError for a text that would end its element early."""
        if "</script" in text.lower():
            raise ValueError("script: holds </script, which ends it; accepted: any other text, such as <\\/script")
        return cls(text)

    @classmethod
    def read(cls, package: str, name: str) -> Self:
        """One that lies beside the templates of a package."""
        return cls.of(resources.files(package).joinpath("templates", name).read_text("utf-8"))

    @property
    def digest(self) -> str:
        """As a Content-Security-Policy has it, `'sha256-…'`: no other script is run, whatever the data says."""
        return f"'sha256-{base64.b64encode(hashlib.sha256(self.encode()).digest()).decode()}'"


def page(package: str, template: str = "page.html", **values: Any) -> str:
    """The page that a template in `templates/` of a package, which may extend `base.html` here, makes of these values.

    A template that asks for a value that it was not given raises jinja2's UndefinedError.
    """
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package), PackageLoader(__package__)]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["json"] = _json
    return environment.get_template(template).render(values)


def _json(value: Any) -> Markup:
    """Data for a script, figures among it. Plotly escapes `<`, `>` and `/`, so no data can end the element."""
    from plotly.io.json import to_json_plotly

    return Markup(to_json_plotly(value))
