"""The one exception that means "what you gave us cannot be used"."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable


class InputError(ValueError):
    """Something the user gave cannot be used.

    Its text is one line that names the place, the value and what is accepted. Command lines print
    it and exit with code 2; every other exception is a defect and keeps its traceback.
    """


def one_line(text: object) -> str:
    """An error's text, or any other, without its line breaks."""
    return " ".join(str(text).split())


def closest(value: object, accepted: Iterable[str]) -> str:
    """`" (did you mean 'x'?)"` for the accepted word nearest to `value`, or an empty string."""
    matches = difflib.get_close_matches(str(value), list(accepted), n=1)
    return f" (did you mean {matches[0]!r}?)" if matches else ""


def listed(items: list[str]) -> str:
    """a, b and c."""
    return ", ".join(items[:-1]) + " and " + items[-1] if len(items) > 1 else "".join(items)


def counted(count: float, noun: str, form: str = "") -> str:
    """`1 worker`, `3 workers`, `1,200 steps`, `2 studies`, `0.5 minutes`; six digits if not whole, or in a `form`.

    The last word of the noun is the one that is put into the plural, with an s.
    """
    told = format(count, form) if form else f"{count:,.0f}" if float(count).is_integer() else f"{count:,g}"
    if told == "1":
        return f"{told} {noun}"
    return f"{told} {noun[:-1]}ies" if re.search("[^aeiou]y$", noun) else f"{told} {noun}s"
