"""The one exception that means "what you gave us cannot be used"."""

from __future__ import annotations

import difflib
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


def counted(count: float, noun: str, form: str = "") -> str:
    """`1 worker`, `3 workers`, `1,200 steps`, `0.5 minutes`; a number that is not whole to six digits, or in `form`.

    Of the last word of a noun, as in `layer of attention`, the plural must end in s; `study` becomes `studies`.
    """
    told = format(count, form or ("," if isinstance(count, int) else ",g"))
    if told == "1":
        return f"{told} {noun}"
    several = f"{noun[:-1]}ies" if noun.endswith("y") and noun[-2] not in "aeiou" else f"{noun}s"
    return f"{told} {several}"
