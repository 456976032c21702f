"""Regular expressions in linear time: RE2, with a limit on the size of the compiled program."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import re2

MAX_PROGRAM: Final = 2000
"""Maximum number of instructions of one compiled pattern. Large counted repetitions exceed it."""

_MAX_MEMORY: Final = 256 * 1024
_STEPS_PER_UNIT: Final = 1500


class PatternError(ValueError):
    """RE2 rejects the pattern; the message says why and what to write instead."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A compiled pattern.

    Attributes
    ----------
    text
        The pattern as written.
    program
        Number of instructions of the compiled program.
    """

    text: str
    program: int
    _compiled: Any

    def matches(self, value: str) -> bool:
        """Whether the pattern matches anywhere in the value, as JSON Schema defines ``pattern``."""
        return self._compiled.search(value) is not None

    def cost(self, value: str) -> int:
        """Return the maximum cost of matching this value, in units of work (see ``budget``).

        RE2's slow path visits every instruction for every byte, about 3 ns each.
        """
        return 1 + len(value) * self.program // _STEPS_PER_UNIT


def compile_pattern(text: str) -> Pattern:
    r"""Compile a pattern in RE2's syntax: no look-around, no back-references, ``\z`` for the end.

    Raises
    ------
    PatternError
        The pattern is not valid in RE2, or too large.
    """
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MAX_MEMORY
    try:
        compiled = re2.compile(text, options)
    except re2.error as error:
        reason = error.args[0].decode(errors="replace") if error.args else "syntax error"
        if "too large" in reason:
            raise _too_large() from None
        syntax = "RE2 syntax (no look-around, no back-references)"
        raise PatternError(f"must be a regular expression in {syntax}: {reason[:200]}") from None
    if compiled.programsize > MAX_PROGRAM:
        raise _too_large()
    return Pattern(text, compiled.programsize, compiled)


def _too_large() -> PatternError:
    return PatternError("is too large a regular expression; use minLength and maxLength to bound lengths")
