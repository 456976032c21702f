"""Bounding work by counting it: the same number on every machine, however busy it is."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


@contextmanager
def bounded_calls(most: int) -> Iterator[None]:
    """Fail when the block makes more than `most` calls, of Python and of C functions together.

    Work inside one C function is not counted; `benchmarks` measure that in seconds.
    """
    calls = 0

    def count(_: FrameType, event: str, __: Any) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        yield
    finally:
        sys.setprofile(before)
    assert calls <= most, f"expected at most {most:,} calls, got {calls:,}"
