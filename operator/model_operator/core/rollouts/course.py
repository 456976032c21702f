"""The decision of a roll-out as the reconcile of one instance reads it: the revision that it runs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from model_operator.api import STABLE, ModelInstance
from model_operator.core.objects.conditions import Hold
from model_operator.core.rollouts.follower import Follower, FollowerKey
from model_operator.core.templates.compile import CompiledTemplate
from model_operator.core.templates.revisions.assignment import (
    Assigned,
    RevisionLookup,
    assign_revision,
    pinned_revision,
)


@dataclass(frozen=True, slots=True)
class Course:
    """What the roll-out of a template has decided.

    Attributes
    ----------
    target
        Hash of the latest valid revision.
    stable
        Hash of the stable revision; empty while there is none.
    grants
        The instances that may get the target.
    is_stepped
        Whether those that follow the latest revision need a grant for it, too.
    admits_new
        Whether a new instance starts with the target, and whether a move that needs no grant may begin: not
        while the roll-out is paused or halted.
    is_halted
        Whether it is halted.
    """

    target: str
    stable: str = ""
    grants: frozenset[FollowerKey] = frozenset()
    is_stepped: bool = True
    admits_new: bool = True
    is_halted: bool = False

    def revision_of(
        self, key: FollowerKey, current: str, *, follows_stable: bool = False
    ) -> tuple[str, Hold | None]:
        """Return the hash of the revision that an instance runs now, and why that is not the target.

        Parameters
        ----------
        key
            The instance.
        current
            Hash of the revision that it has run until now; empty for a new one.
        follows_stable
            Whether it follows the stable revision.
        """
        if current == self.target or key in self.grants or not (self.is_stepped or follows_stable):
            return self.target, None
        stays = current
        # The stable revision is proven: what follows it needs no grant for it.
        if self.stable and (follows_stable or (not current and not self.admits_new)):
            stays = self.stable
        if stays in ("", self.target):
            # Of an instance that has never run any there is nothing to preserve. But back to the stable
            # revision is a move of the roll-out, which may be paused.
            return (self.target, None) if not current else (current, self._hold)
        return stays, self._hold

    @property
    def _hold(self) -> Hold:
        return Hold.ROLLOUT_HALTED if self.is_halted else Hold.AWAITING_ROLLOUT


def is_decided_in_steps(instance: ModelInstance, template: CompiledTemplate) -> bool:
    """Return whether an instance gets the latest revision of its template only by a decision of the roll-out.

    Parameters
    ----------
    instance
        The ModelInstance.
    template
        Its template as it is now, valid or not.
    """
    if pinned_revision(instance) is not None:
        return False
    # Where a template cannot be read, neither can what it says about its roll-outs.
    spec = template.resource.spec
    return instance.spec.model_template_revision == STABLE or spec is None or spec.rollout is not None


def assign_in_course(
    instance: ModelInstance,
    template: CompiledTemplate,
    revisions: RevisionLookup,
    course: Course | None = None,
    current: str = "",
) -> Assigned:
    """Return the revision of its template that an instance runs now.

    Parameters
    ----------
    instance
        The ModelInstance.
    template
        Its template as it is now, valid or not.
    revisions
        The stored revisions of the template.
    course
        The decision of its roll-out; None where the instance gets each edit at once.
    current
        Hash of the revision that it has run until now, from
        `model_operator.core.rollouts.reading.running_revision`; empty for a new one.
    """
    assigned = assign_revision(instance, template, revisions)
    if course is None or pinned_revision(instance) is not None:
        return assigned
    follows_stable = instance.spec.model_template_revision == STABLE
    key = FollowerKey(instance.metadata.namespace, instance.metadata.name)
    revision, hold = course.revision_of(key, current, follows_stable=follows_stable)
    latest = revisions.latest(template) or template
    if hold is None:
        return replace(assigned, template=latest)
    # One that follows the stable revision moves by a grant alone.
    ahead = latest if course.admits_new and not follows_stable else None
    return replace(assigned, template=revisions.by_hash(template, revision), hold=hold, ahead=ahead)


def to_reconcile(
    before: Course | None, course: Course, followers: Iterable[Follower]
) -> Iterable[FollowerKey]:
    """Return the instances that a decision concerns: those that may move, and those of which it says more.

    A new revision concerns all of them, which is announced where it is stored.

    Parameters
    ----------
    before
        The decision before; None without one.
    course
        The decision.
    followers
        The instances that are not pinned.
    """
    if before is None or _for_all(before) == _for_all(course):
        return course.grants - (frozenset() if before is None else before.grants)
    return {each.key for each in followers if each.revision != course.target}


def _for_all(course: Course) -> tuple[object, ...]:
    return course.stable, course.is_stepped, course.admits_new, course.is_halted
