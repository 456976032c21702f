"""Which children can be pruned: those no longer desired, once their replacement is ready."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from model_operator.core.objects.rollout import RolloutState, assess_rollout
from model_operator.core.rendering.autoscaler import AUTOSCALER
from model_operator.core.rendering.desired_child import DEPLOYMENT, DesiredChild


class _Key(NamedTuple):
    namespace: str
    kind: str
    name: str


def prunable(
    desired: Sequence[DesiredChild],
    live: Iterable[Mapping[str, Any]],
    failed: Collection[str] = (),
) -> list[Mapping[str, Any]]:
    """Return the live children that may be deleted now.

    A child that is desired stays. One that is not goes when nothing that might replace it is still on
    its way: a Service when the Deployment of its name is rolled out as wanted, any child when every
    wanted Deployment that is younger than it, or does not exist yet, serves. So renaming an entry of
    ``spec.deployments`` never leaves a gap, and a broken neighbour does not keep a removed entry.
    The autoscaler of a Deployment that goes on without is not dealt with here: it has to be gone before the
    Deployment gets its number of workers.

    Parameters
    ----------
    desired
        The desired children of all kinds.
    live
        The instance's own children, all kinds, with their status.
    failed
        Names of wanted children that could not be applied: what is not there in full replaces nothing.
    """
    live = list(live)
    desired_keys = {_Key(child.namespace, child.kind, child.name) for child in desired}
    others = [
        child
        for child in live
        if _key(child) not in desired_keys and not child["metadata"].get("deletionTimestamp")
    ]
    if not others:
        return []
    deployments = {_key(child): child for child in live if child["kind"] == DEPLOYMENT}
    replacements = {
        _Key(child.namespace, child.kind, child.name): _Replacement.of(child, deployments, failed)
        for child in desired
        if child.kind == DEPLOYMENT
    }
    result = []
    for child in others:
        same_name = replacements.get(_key(child, DEPLOYMENT))
        if same_name is None:
            may_go = all(each.may_follow(child) for each in replacements.values())
        else:
            may_go = child["kind"] != AUTOSCALER and same_name.is_rolled_out
        if may_go:
            result.append(child)
    return result


@dataclass(frozen=True, slots=True)
class _Replacement:
    """A desired Deployment, as far as it can replace other children.

    Attributes
    ----------
    created
        When the live Deployment was created; None while there is none.
    is_complete
        Whether its roll-out is complete and all its children could be applied.
    is_rolled_out
        Whether moreover it is the desired one, which a failed apply prevents.
    """

    created: str | None
    is_complete: bool
    is_rolled_out: bool

    @classmethod
    def of(
        cls, desired: DesiredChild, live: Mapping[_Key, Mapping[str, Any]], failed: Collection[str]
    ) -> Self:
        deployment = live.get(_Key(desired.namespace, DEPLOYMENT, desired.name))
        if deployment is None:
            return cls(None, is_complete=False, is_rolled_out=False)
        state = assess_rollout(deployment).state
        is_complete = state is RolloutState.COMPLETE and desired.name not in failed
        return cls(
            deployment["metadata"].get("creationTimestamp", ""),
            is_complete=is_complete,
            is_rolled_out=is_complete and desired.hash_matches(deployment),
        )

    def may_follow(self, old: Mapping[str, Any]) -> bool:
        if self.created is None:
            return False
        # Children are created together, within the one-second resolution of a timestamp.
        return self.created <= old["metadata"].get("creationTimestamp", "") or self.is_complete


def _key(child: Mapping[str, Any], kind: str | None = None) -> _Key:
    """Return the key of a child; with a kind, that of the child of that kind and the same name."""
    metadata = child["metadata"]
    return _Key(metadata.get("namespace", ""), kind or child["kind"], metadata["name"])
