"""The instances of a template as its roll-out sees them, read from the caches: each version of one once.

A decision follows each change of one of them, so most are as they were at the last decision.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

from model_operator.controller.cache.cluster_state import ClusterState
from model_operator.controller.cache.instance_memo import InstanceMemo
from model_operator.core.objects.ownership import Ownership, classify
from model_operator.core.rollouts.follower import Follower, FollowerKey
from model_operator.core.rollouts.reading import deployment_names, is_pinned, read_follower
from model_operator.core.templates.compile import CompiledTemplate
from model_operator.kube.object_cache import Object
from model_operator.kube.resources import DEPLOYMENTS


class FollowerReader:
    """Reads the instances of templates.

    Parameters
    ----------
    state
        The caches.
    """

    def __init__(self, state: ClusterState) -> None:
        self._state = state
        # False for one that is pinned.
        self._memo = InstanceMemo[Follower | bool](state.changes, state.instances.get)

    def read(
        self,
        template: Object,
        latest: CompiledTemplate,
        started_at: str,
        grants: Collection[FollowerKey],
    ) -> tuple[list[Follower], int]:
        """Return the instances of a template that are not pinned, and the number of those that are.

        Parameters
        ----------
        template
            The template as it is cached.
        latest, started_at, grants
            As for `model_operator.core.rollouts.reading.read_follower`.
        """

        def read(instance: Object) -> Follower | bool | None:
            if not self._takes_part(instance, template):
                return None
            return not is_pinned(instance) and read_follower(
                instance, self.deployments(instance), latest, started_at
            )

        found = self._memo.values(
            template["metadata"]["uid"],
            (self._state.membership(template), latest.version, started_at),
            lambda: self._state.referring(template),
            read,
        )
        followers = [each for each in found.values() if isinstance(each, Follower)]
        pinned = len(found) - len(followers)
        if not grants:
            return followers, pinned
        return [_granted(each, latest, grants) for each in followers], pinned

    def instances(self, template: Object) -> Iterator[Object]:
        """Yield the instances that run a template, or are about to, some twice."""
        for instance in self._state.referring(template):
            if self._takes_part(instance, template):
                yield instance

    def _takes_part(self, instance: Object, template: Object) -> bool:
        return not instance["metadata"].get("deletionTimestamp") and self._state.is_of(instance, template)

    def deployments(self, instance: Object) -> list[Object]:
        """Return the Deployments that an instance controls, and those that it will adopt after a restore."""
        metadata, cache = instance["metadata"], self._state.children[DEPLOYMENTS.kind]
        namespace, name, uid = metadata.get("namespace", ""), metadata["name"], metadata["uid"]
        found = self._state.children_of_kind(DEPLOYMENTS.kind, namespace, uid)
        known = {each["metadata"]["name"] for each in found}
        others = (cache.get(namespace, each) for each in deployment_names(instance) if each not in known)
        return found + [
            each
            for each in others
            if each is not None
            and classify(each, namespace=namespace, name=name, uid=uid) is Ownership.ORPHAN
        ]

    def forget(self, uid: str) -> None:
        """Drop what is known of a template's instances."""
        self._memo.forget(uid)


def _granted(follower: Follower, latest: CompiledTemplate, grants: Collection[FollowerKey]) -> Follower:
    if follower.revision != latest.revision and follower.key in grants:
        return replace(follower, is_granted=True)
    return follower
