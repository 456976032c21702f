"""The simulation multiplies what a real API server has, so that an operator has nothing to do with it."""

from __future__ import annotations

from benchmarks.simulation.__main__ import simulate
from benchmarks.simulation.report import writes

COUNT = 20


def test_an_operator_with_copies_writes_nothing_to_them() -> None:
    results = simulate([COUNT])

    figures = results["sizes"][str(COUNT)]
    assert writes(figures) == 0
    assert figures["writes"] == {"patch modeltemplates/status": 1}, "it counts its instances"
    assert figures["listed_mb"] > figures["resync_mb"] > 0
    assert results["bytes"]["Deployment"]["stored"] < results["bytes"]["Deployment"]["json"]
