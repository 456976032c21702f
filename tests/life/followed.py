"""Which version of a template its instances follow: the last one that was not broken, while it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.life.asked import is_broken

if TYPE_CHECKING:
    from tests.life.history import History, Object, Version

KIND = "ModelTemplate"


def followed(history: History, name: str, before: int | None = None) -> Version | None:
    """Give the version that instances follow, at the end or just before some revision; None without one.

    A template that was never right has none but itself.
    """
    last = history.last(KIND, name, before)
    if last is None:
        return None
    return next(iter(_right_ones(history, last)), last)


def may_be_followed(history: History, name: str, when: Version) -> list[Object]:
    """Give all that instances may have followed shortly before a version.

    An edit that is followed at once by one that breaks the template may never have been stored.
    """
    found = []
    for recent in history.recent(KIND, name, when):
        if recent is not None:
            found += [recent, *(_right_ones(history, recent) if is_broken(recent.obj) else ())]
    return [each.obj for each in found]


def is_followed(history: History, template: Version, reference: Object) -> bool:
    """Tell whether ``status.template`` of an instance names what a template was, or was before it broke."""
    named = history.with_generation(KIND, reference["uid"], reference["generation"])
    if named is None or named.uid != template.uid:
        return False
    if not is_broken(template.obj):
        return bool(named.obj["spec"] == template.obj["spec"])
    right = _right_ones(history, template)
    return any(named.obj["spec"] == each.obj["spec"] for each in right or [template])


def _right_ones(history: History, last: Version) -> list[Version]:
    """Give the versions of a template up to one that are not broken, the latest first."""
    versions = [
        each
        for each in history.of(KIND, last.name)
        if each.uid == last.uid and each.revision <= last.revision and not is_broken(each.obj)
    ]
    return versions[::-1]
