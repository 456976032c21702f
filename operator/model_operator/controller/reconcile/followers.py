"""The instances of a template as its roll-out sees them, read from the caches: each version of one once.

A decision follows each change of one of them, so most are as they were at the last decision.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from model_operator.controller.cache.cluster_state import ClusterState
from model_operator.core.objects.ownership import Ownership, classify
from model_operator.core.rollouts.follower import Follower, FollowerKey
from model_operator.core.rollouts.reading import deployment_names, is_pinned, read_follower
from model_operator.core.templates.compile import CompiledTemplate
from model_operator.kube.object_cache import Object
from model_operator.kube.resources import DEPLOYMENTS


@dataclass(frozen=True, slots=True)
class _Reading:
    """What was read of one instance, and of which objects; the caches replace those that change."""

    instance: Object
    deployments: Sequence[Object]
    latest: CompiledTemplate
    started_at: str
    follower: Follower | None
    """None for one that is pinned."""

    def is_of(
        self, instance: Object, deployments: Sequence[Object], latest: CompiledTemplate, started_at: str
    ) -> bool:
        return (
            self.instance is instance
            and self.latest is latest
            and self.started_at == started_at
            and len(self.deployments) == len(deployments)
            and all(map(_is_same, self.deployments, deployments))
        )


class FollowerReader:
    """Reads the instances of templates.

    Parameters
    ----------
    state
        The caches.
    """

    def __init__(self, state: ClusterState) -> None:
        self._state = state
        self._readings: dict[str, dict[str, _Reading]] = {}

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
        uid = template["metadata"]["uid"]
        before, found = self._readings.get(uid, {}), dict[str, _Reading]()
        for instance in self.instances(template):
            deployments, key = self.deployments(instance), instance["metadata"]["uid"]
            known = before.get(key)
            if known is None or not known.is_of(instance, deployments, latest, started_at):
                follower = (
                    None if is_pinned(instance) else read_follower(instance, deployments, latest, started_at)
                )
                known = _Reading(instance, deployments, latest, started_at, follower)
            found[key] = known
        self._readings[uid] = found
        followers = [each.follower for each in found.values() if each.follower is not None]
        return [_granted(each, latest, grants) for each in followers], len(found) - len(followers)

    def instances(self, template: Object) -> Iterator[Object]:
        """Yield the instances that run a template, or are about to."""
        for key in dict.fromkeys(self._state.instances_of(template)):
            instance = self._state.instances.get(*key)
            if instance is None or instance["metadata"].get("deletionTimestamp"):
                continue
            if self._state.is_of(instance, template):
                yield instance

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
        self._readings.pop(uid, None)


def _is_same(one: Object, other: Object) -> bool:
    return one is other


def _granted(follower: Follower, latest: CompiledTemplate, grants: Collection[FollowerKey]) -> Follower:
    if follower.key in grants and follower.revision != latest.revision:
        return replace(follower, is_granted=True)
    return follower
