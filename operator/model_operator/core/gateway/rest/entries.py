"""What is wrong with a request, in the form of the platform's ``ValidationError``."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

from model_operator.core.values.violations import Loc

BODY: Final = "body"
QUERY: Final = "query"
HEADER: Final = "header"


class _Absent(Enum):
    ABSENT = 0


ABSENT: Final = _Absent.ABSENT
"""No input is shown."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that is wrong with a request.

    Attributes
    ----------
    loc
        Path of the field, from ``body``, ``query`` or ``header``.
    msg
        What was expected, and what kind of value was found; never the value.
    type
        Code for programs to read, such as ``missing``.
    input
        The value that was sent, for the client that sent it; it is never logged.
    ctx
        Figures of the rule, such as ``{"ge": 1}``.
    """

    loc: tuple[str | int, ...]
    msg: str
    type: str
    input: Any = field(default=ABSENT, repr=False)
    ctx: Mapping[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the entry as it stands in ``detail``."""
        entry: dict[str, Any] = {"loc": list(self.loc), "msg": self.msg, "type": self.type}
        if self.input is not ABSENT:
            entry["input"] = self.input
        if self.ctx is not None:
            entry["ctx"] = dict(self.ctx)
        return entry


def merged(found: Sequence[Entry], more: Sequence[Entry]) -> tuple[Entry, ...]:
    """Return entries of two checks of one request: those of the second only where the first has none.

    What the first check finds wrong with a field speaks for all that is below it, too.

    Parameters
    ----------
    found
        What is wrong with the body by itself.
    more
        What is wrong with the object that was made of what is valid of it.
    """
    known = {entry.loc for entry in found}
    return (*found, *(entry for entry in more if not _has_part_of(known, entry.loc)))


def _has_part_of(known: Collection[Loc], loc: Loc) -> bool:
    """Whether a place, or one that it is in, is known; the body as a whole is none."""
    return any(loc[:length] in known for length in range(min(2, len(loc)), len(loc) + 1))
