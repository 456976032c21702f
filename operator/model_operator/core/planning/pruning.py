"""Which children can be pruned: those no longer desired, once their replacement is ready."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from model_operator.core.objects.drift import hash_matches, with_applied_hash
from model_operator.core.objects.rollout import RolloutState, assess_rollout
from model_operator.core.rendering.autoscaler import AUTOSCALER


class _Key(NamedTuple):
    namespace: str
    kind: str
    name: str


def prunable(
    wanted: Sequence[Mapping[str, Any]],
    live: Iterable[Mapping[str, Any]],
    failed: Collection[str] = (),
) -> list[Mapping[str, Any]]:
    """Return the live children that may be deleted now.

    A child that is wanted stays. One that is not goes when nothing that might replace it is still on
    its way: a Service when the Deployment of its name is rolled out as wanted, any child when every
    wanted Deployment that is younger than it, or does not exist yet, serves. So renaming an entry of
    ``spec.deployments`` never leaves a gap, and a broken neighbour does not keep a removed entry.
    The autoscaler of a Deployment that goes on without is not dealt with here: it has to be gone before the
    Deployment gets its number of workers.

    Parameters
    ----------
    wanted
        Rendered children of all kinds.
    live
        The instance's own children, all kinds, with their status.
    failed
        Names of wanted children that could not be applied: what is not there in full replaces nothing.
    """
    live = list(live)
    wanted_by_key = {_key(child): child for child in wanted}
    deployments = {_key(child): child for child in live if child["kind"] == "Deployment"}
    wanted_deployments = [key for key in wanted_by_key if key.kind == "Deployment"]
    result = []
    for child in live:
        if _key(child) in wanted_by_key or child["metadata"].get("deletionTimestamp"):
            continue
        same_name = _key(child, "Deployment")
        if same_name in wanted_by_key:
            if child["kind"] == AUTOSCALER:
                continue
            if child["metadata"]["name"] not in failed and _is_rolled_out(
                wanted_by_key[same_name], deployments.get(same_name)
            ):
                result.append(child)
        elif all(_may_follow(child, deployments.get(key), key.name in failed) for key in wanted_deployments):
            result.append(child)
    return result


def _may_follow(old: Mapping[str, Any], replacement: Mapping[str, Any] | None, has_failed: bool) -> bool:
    if replacement is None:
        return False
    created = replacement["metadata"].get("creationTimestamp", "")
    # Children are created together, within the one-second resolution of a timestamp.
    if created <= old["metadata"].get("creationTimestamp", ""):
        return True
    return not has_failed and assess_rollout(replacement).state is RolloutState.COMPLETE


def _is_rolled_out(wanted: Mapping[str, Any], live: Mapping[str, Any] | None) -> bool:
    """Return whether a live Deployment has rolled out the desired state, which a failed apply prevents."""
    return (
        live is not None
        and hash_matches(with_applied_hash(wanted), live)
        and assess_rollout(live).state is RolloutState.COMPLETE
    )


def _key(child: Mapping[str, Any], kind: str | None = None) -> _Key:
    """Return the key of a child; with a kind, that of the child of that kind and the same name."""
    metadata = child["metadata"]
    return _Key(metadata.get("namespace", ""), kind or child["kind"], metadata["name"])
