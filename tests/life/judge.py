"""Judging a whole history: each version of each object by the rules for its kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.life.children import child_faults
from tests.life.claims import claim_faults, template_faults
from tests.life.conditions import form_faults, told_faults

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.life.history import History, Version


def judge(history: History, since: int = 0) -> list[str]:
    """Give what is wrong with the versions of a history after a revision, each with the version's name."""
    return [
        f"{version}: {fault}"
        for version in history.versions
        if version.revision > since
        for fault in _faults(history, version)
    ]


def _faults(history: History, version: Version) -> Iterator[str]:
    before = history.previous(version)
    if version.kind in {"Deployment", "Service"}:
        yield from child_faults(history, before, version)
        return
    yield from form_faults(before, version)
    if version.status.get("observedGeneration", -1) < 0 or (before and before.status == version.status):
        return
    yield from told_faults(version)
    if version.kind == "ModelInstance":
        yield from claim_faults(history, before, version)
    else:
        yield from template_faults(version)
