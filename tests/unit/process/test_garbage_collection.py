"""Objects that stay are not traversed by the garbage collector, and others are afterwards as before."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from model_operator.process.garbage_collection import THRESHOLDS, collect_less_often, without_collection


@pytest.fixture(autouse=True)
def _thawed() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


def test_objects_made_meanwhile_are_excluded() -> None:
    kept: list[list[int]] = []
    with without_collection():
        assert not gc.isenabled()
        kept.append([])
    assert gc.isenabled()
    assert not any(each is kept[0] for each in gc.get_objects())


def test_error_excludes_nothing_and_enables_collection_again() -> None:
    gc.unfreeze()
    with pytest.raises(LookupError), without_collection():
        raise LookupError
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0


def test_stays_disabled_where_it_was() -> None:
    gc.disable()
    try:
        with without_collection():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_cycles_are_still_collected_though_less_often() -> None:
    collect_less_often()
    assert gc.get_threshold() == THRESHOLDS
    before = gc.get_stats()[0]["collections"]
    for _ in range(3 * THRESHOLDS[0]):
        cycle: list[object] = []
        cycle.append(cycle)
    assert 2 <= gc.get_stats()[0]["collections"] - before <= 4
