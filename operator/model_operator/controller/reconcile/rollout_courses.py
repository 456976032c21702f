"""The roll-outs of templates in memory: what each has decided, and which moves are in progress.

Nothing of it is needed after a restart: it is decided again from the caches. A grant is kept until the
instance has the revision, so that no decision is taken twice. All grants end before a pause or halt is
reported.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

from model_operator.api import ModelInstance, Rollout, RolloutState, TemplateKind
from model_operator.controller.cache.cluster_state import ClusterState
from model_operator.controller.reconcile.followers import FollowerReader
from model_operator.controller.scheduler import Scheduler
from model_operator.core.rollouts.advance import Advance, advance
from model_operator.core.rollouts.course import Course, is_decided_in_steps, to_reconcile
from model_operator.core.rollouts.policy import Policy, policy_of
from model_operator.core.rollouts.reading import running_revision
from model_operator.core.templates.compile import CompiledTemplate
from model_operator.kube.clock import Clock, rfc3339, utc_now
from model_operator.kube.object_cache import Object

_HELD: Final = (RolloutState.PAUSED.value, RolloutState.HALTED.value)


@dataclass(frozen=True, slots=True)
class Decision:
    """What the roll-out of a template has decided.

    Attributes
    ----------
    generation
        Generation of the template that it follows.
    course
        What decides on its instances.
    progress
        What the template reports.
    pinned
        Number of its instances that are pinned.
    started_at
        Time at which the roll-out of the latest revision began, RFC 3339, UTC.
    """

    generation: int
    course: Course
    progress: Advance
    pinned: int
    started_at: str


class RolloutCourses:
    """Decides on the roll-outs of templates.

    Parameters
    ----------
    state
        The caches.
    scheduler
        Schedules the reconciles of instances that a decision concerns.
    clock
        The time.
    """

    def __init__(self, state: ClusterState, scheduler: Scheduler, clock: Clock = utc_now) -> None:
        self._state = state
        self._scheduler = scheduler
        self._clock = clock
        self._followers = FollowerReader(state)
        self._decisions: dict[str, Decision] = {}
        self._moving: Counter[str] = Counter()
        self._settled = asyncio.Event()
        state.on_forgotten(self._forget)

    def course_of(self, instance: ModelInstance, template: CompiledTemplate) -> Course | None:
        """Return what decides on an instance; None where it gets each edit at once.

        Parameters
        ----------
        instance
            The ModelInstance.
        template
            Its template as it is now.
        """
        if not is_decided_in_steps(instance, template):
            return None
        metadata, latest = template.resource.metadata, self._state.revisions.latest(template)
        if latest is None:
            return None
        known = self._decisions.get(metadata.uid)
        is_current = known is not None and (
            (known.generation, known.course.target) == (metadata.generation, latest.revision)
        )
        if known is None or not is_current:
            # The template is reconciled soon, and this instance before it.
            known = self.decide(template)
        return None if known is None else known.course

    def running(self, instance: Object, template: CompiledTemplate) -> str:
        """Return the hash of the revision of a template that an instance runs; empty for a new one."""
        latest = self._state.revisions.latest(template)
        return (
            ""
            if latest is None
            else running_revision(instance, self._followers.deployments(instance), latest)
        )

    def decide(self, template: CompiledTemplate) -> Decision | None:
        """Decide what the roll-out of a template does next, and enqueue the instances that it concerns.

        Parameters
        ----------
        template
            The template as it is now.

        Returns
        -------
        Decision or None
            The decision; None while no revision of the template is stored, or where none is.
        """
        metadata, latest = template.resource.metadata, self._state.revisions.latest(template)
        obj = self._state.templates[TemplateKind(template.resource.kind)].by_uid(metadata.uid)
        if latest is None or obj is None:
            self._forget(metadata.uid)
            return None
        before, target = self._decisions.get(metadata.uid), latest.revision
        is_same = before is not None and before.course.target == target
        grants = before.course.grants if before is not None and is_same else frozenset()
        status = obj.get("status") or {}
        stable = str(status.get("stable_revision") or "")
        now = self._clock()
        reported = status.get("rollout") or {}
        if reported.get("revision") == target:
            started_at = str(reported.get("started_at") or "")
        else:
            started_at = before.started_at if before is not None and is_same else rfc3339(now)
        followers, pinned = self._followers.read(obj, latest, started_at, grants)
        policy = _policy(template)
        progress = advance(policy, target, stable, followers, now)
        if progress.begins_again:
            # The API server's clock may be ahead of this one.
            started_at = max(rfc3339(now), *map(_created_at, self._followers.instances(obj)))
        is_stable_stored = any(each["hash"] == stable for each in self._state.revisions.of(template))
        course = Course(
            target,
            stable if is_stable_stored else "",
            progress.grants,
            policy.is_stepped,
            progress.admits_new,
            is_halted=progress.is_halted,
        )
        if reported.get("revision") == target and reported.get("state") in _HELD and course.admits_new:
            # Nothing moves before the status says that the pause or halt has ended.
            is_halted = reported["state"] == RolloutState.HALTED.value
            course = replace(course, grants=frozenset(), admits_new=False, is_halted=is_halted)
        known = None if before is None else before.course
        for key in to_reconcile(known, course, followers):
            self._scheduler.requeue_after(*key, 0)
        found_now = Decision(metadata.generation or 0, course, progress, pinned, started_at)
        self._decisions[metadata.uid] = found_now
        return found_now

    @contextmanager
    def moving(self, instance: Object, template: CompiledTemplate | None) -> Iterator[None]:
        """Note that an instance may be about to get a revision, from the decision until it has it.

        Parameters
        ----------
        instance
            The ModelInstance as it is cached.
        template
            Its template in the revision that it is about to run; None for none.
        """
        uid = None if template is None else template.resource.metadata.uid
        known = None if uid is None else self._decisions.get(uid)
        bound = (instance.get("status") or {}).get("template") or {}
        is_move = (
            template is not None
            and known is not None
            and known.course.target == template.revision != bound.get("revision")
        )
        if uid is None or not is_move:
            yield
            return
        self._moving[uid] += 1
        try:
            yield
        finally:
            self._moving[uid] -= 1
            if not self._moving[uid]:
                del self._moving[uid]
                self._settled.set()

    def is_moving(self, uid: str) -> bool:
        """Return whether a move to the latest revision of a template is in progress."""
        return uid in self._moving

    async def settle(self, uid: str) -> None:
        """Wait until no move of an instance of a template is in progress."""
        while uid in self._moving:
            self._settled.clear()
            await self._settled.wait()

    def _forget(self, uid: str) -> None:
        self._decisions.pop(uid, None)
        self._followers.forget(uid)


def _created_at(instance: Object) -> str:
    created: str = instance["metadata"].get("creationTimestamp", "")
    return created


def _policy(template: CompiledTemplate) -> Policy:
    spec = template.resource.spec
    if spec is None:
        # It cannot be read, so that nothing moves until it can.
        return replace(policy_of(Rollout()), is_paused=True)
    return policy_of(spec.rollout)
