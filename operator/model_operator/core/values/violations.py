"""Violations: an error in a user's object and its path, in one form for webhook, status and command line."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

_PLAIN = re.compile(r"[A-Za-z0-9_$-]+", re.ASCII)
Loc = tuple[str | int, ...]
"""Path of a field from the object's root, for example ``("spec", "deployments", 0, "name")``."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One violation: the platform's ``ValidationError`` without the input, which may be confidential.

    Attributes
    ----------
    loc
        Path of the invalid field; starts with ``spec`` (or ``metadata``).
    msg
        What was expected and what kind of value was found, never the value itself.
    type
        Stable machine-readable code, for example ``missing``, ``type``, ``enum``.
    """

    loc: Loc
    msg: str
    type: str

    def to_dict(self) -> dict[str, Any]:
        """Return the entry of ``status.validation_errors``."""
        return {"loc": list(self.loc), "msg": self.msg, "type": self.type}

    def __str__(self) -> str:
        return f"{format_loc(self.loc)}: {self.msg}"


class InvalidObjectError(ValueError):
    """An object breaks a rule; the error carries all violations that were found.

    Attributes
    ----------
    violations
        Sorted by path, never empty.
    """

    def __init__(self, violations: Iterable[Violation]) -> None:
        self.violations = sort_violations(violations)
        super().__init__("; ".join(str(v) for v in self.violations))


def sort_violations(violations: Iterable[Violation]) -> tuple[Violation, ...]:
    """Return the violations sorted by path, indices numerically, without duplicates."""
    found = set(violations)
    return tuple(sorted(found, key=_sort_key)) if found else ()


def _sort_key(violation: Violation) -> tuple[Any, ...]:
    path = tuple((0, part, "") if isinstance(part, int) else (1, 0, part) for part in violation.loc)
    return (path, violation.type, violation.msg)


def format_loc(loc: Loc) -> str:
    """Return the path in the form of kubectl: ``spec.deployments[0].name``, ``metadata.labels[a.b/c]``.

    A key that is not a plain name is in brackets, with unprintable characters escaped.
    """
    text = ""
    for part in loc:
        if isinstance(part, str) and _PLAIN.fullmatch(part):
            text += f".{part}" if text else part
        else:
            text += f"[{part if isinstance(part, int) else repr(part)[1:-1]}]"
    return text
