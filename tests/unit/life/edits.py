"""Short ways to make a true life untrue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.life.history import Object
    from tests.unit.life.true_life import Edit

FAR = "2026-01-01T12:00:00Z"


def at(revision: int, kind: str, obj: Object) -> Edit:
    return revision, lambda _: {"kind": kind, **obj}


def status(revision: int, **changed: Any) -> Edit:
    """Change fields of a status; None removes one."""

    def change(obj: Object) -> None:
        for name, value in changed.items():
            obj["status"] |= {name: value}
            if value is None:
                del obj["status"][name]

    return revision, change


def entry(revision: int, **changed: Any) -> Edit:
    def change(obj: Object) -> None:
        obj["status"]["deployments"][0] |= changed

    return revision, change


def change_condition(revision: int, kind: str, **changed: Any) -> Edit:
    def change(obj: Object) -> None:
        for each in obj["status"]["conditions"]:
            if each["type"] == kind:
                each.update(changed)

    return revision, change


def conditions(revision: int, change: Callable[[list[Object]], object]) -> Edit:
    def change_all(obj: Object) -> None:
        change(obj["status"]["conditions"])

    return revision, change_all


def meta(revision: int, **changed: Any) -> Edit:
    def change(obj: Object) -> None:
        obj["metadata"] |= changed

    return revision, change
