"""The program that measures looks with nothing to do: that there is nothing to do, not how long it takes."""

from __future__ import annotations

import asyncio

from benchmarks import looks, report


def test_looks_at_ready_instances_are_measured() -> None:
    found = asyncio.run(looks.measure(3, 1))

    assert found["instances"] == 3
    assert all(found[name] > 0 for name in ("ms", "first_ms", "fill_ms"))
    assert len(report.looks({"looks": found}).rows) == 3
