"""How far a Deployment is, read from its status, and what it ran before."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.life.history import History, Object, Version


def count(deployment: Object, name: str) -> int:
    """Give a count of a Deployment's status."""
    return int(deployment.get("status", {}).get(name, 0))


def is_observed(deployment: Object) -> bool:
    """Tell whether the status is about the present spec."""
    return count(deployment, "observedGeneration") >= int(deployment["metadata"]["generation"])


def is_complete(deployment: Object) -> bool:
    """Tell whether all workers that are wanted are there and available, and no others."""
    counts = ("updatedReplicas", "replicas", "availableReplicas")
    wanted = deployment["spec"]["replicas"]
    return is_observed(deployment) and all(count(deployment, name) == wanted for name in counts)


def still_serves(deployment: Object) -> bool:
    """Tell whether nothing is left of other revisions, and a worker is available if any is wanted.

    That is what scaling leaves of a roll-out that was complete.
    """
    is_pure = count(deployment, "replicas") == count(deployment, "updatedReplicas")
    return is_pure and bool(count(deployment, "availableReplicas") or not deployment["spec"]["replicas"])


def run_of(history: History, version: Version) -> list[Version]:
    """Give the versions of a Deployment up to this one since its pod template last changed."""
    run: list[Version] = []
    for each in history.of(version.kind, version.name):
        if each.revision > version.revision:
            break
        template = each.obj["spec"]["template"]
        if run and (run[-1].uid != each.uid or run[-1].obj["spec"]["template"] != template):
            run.clear()
        run.append(each)
    return run
