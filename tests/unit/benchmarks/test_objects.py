"""Tests of what the benchmarks send."""

from __future__ import annotations

from benchmarks.objects import deletions, names


def test_children_are_deleted_some_owners_later_and_all_of_them() -> None:
    owners = names("bench", 5)
    paths = [request.path.rsplit("/", 2)[1:] for request in deletions(owners, 2)]
    order = [paths.index(["modelinstances", name]) for name in owners]
    assert order == sorted(order)
    for number, name in enumerate(owners):
        for kind in ("deployments", "services"):
            assert paths.count([kind, name]) == 1
            assert paths.index([kind, name]) > order[min(number + 2, len(owners) - 1)]
    assert len(paths) == 3 * len(owners)
