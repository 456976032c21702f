"""The differences between two texts, as a unified diff."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from typing import Final

_MAX_COMPARED_LINES: Final = 2000


def unified_diff(before: Sequence[str], after: Sequence[str], old: str, new: str) -> Iterator[str]:
    """Yield the lines of a diff; none when the texts are equal.

    For very long texts these are all lines, as comparing takes time with their square.

    Parameters
    ----------
    before, after
        The lines of the texts.
    old, new
        Their titles.
    """
    if max(len(before), len(after)) <= _MAX_COMPARED_LINES:
        yield from difflib.unified_diff(before, after, old, new, lineterm="")
    elif before != after:
        yield from (f"--- {old}", f"+++ {new}", f"@@ -1,{len(before)} +1,{len(after)} @@")
        yield from (f"-{line}" for line in before)
        yield from (f"+{line}" for line in after)
