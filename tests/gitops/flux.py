"""Commits of templates and instances, applied, awaited and pruned the way Flux does it.

Written after ``ApplyAll`` and ``WaitForSet`` of https://github.com/fluxcd/pkg/tree/main/ssa: all objects are
dry-run first, then applied in a fixed order, in which kinds that Flux does not know stand by the alphabet.
From that moment on the statuses of kstatus are polled until all are current or one has failed.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import yaml

from tests.cluster.waiting import POLL_SECONDS, wait_for
from tests.gitops.kstatus import KStatus, compute

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tests.cluster.kube_api import KubeApi, Object, Objects
    from tests.cluster.kubectl import Kubectl

MANAGER = "kustomize-controller"
LABELS = {
    "kustomize.toolkit.fluxcd.io/name": "models",
    "kustomize.toolkit.fluxcd.io/namespace": "flux-system",
}
_KNOWN_KINDS = ("Namespace", "ServiceAccount", "Role", "RoleBinding", "ConfigMap", "Secret", "Service")
"""Kinds that Flux applies before all kinds that it does not know."""


@dataclass
class Flux:
    """One Kustomization with ``prune`` and ``wait``, for the namespace of `api`.

    Attributes
    ----------
    api
        Speaks to the API server as the account that Flux writes as.
    inventory
        What the last commit held, kinds and names; what a later one lacks is pruned.
    """

    api: KubeApi
    inventory: set[tuple[str, str]] = field(default_factory=set)

    def apply(self, objects: Iterable[Object]) -> Objects:
        """Try, apply and prune, as one reconciliation of a commit; return what the server answered."""
        ordered = sorted(objects, key=_place)
        for obj in ordered:
            self.api.apply(obj, manager=MANAGER, dry_run=True)
        answers = [self.api.apply(obj, manager=MANAGER) for obj in ordered]
        held = {(obj["kind"], obj["metadata"]["name"]) for obj in ordered}
        # Flux deletes in the reverse order.
        for kind, name in sorted(self.inventory - held, reverse=True):
            self.api.delete(kind, name)
        self.inventory = held
        return answers

    def wait(self) -> dict[str, str]:
        """Wait as ``wait: true`` does, until all are current or one has failed; return the statuses."""

        def settled() -> dict[str, str]:
            statuses = self.statuses()
            waits = KStatus.FAILED not in statuses.values() and set(statuses.values()) != {KStatus.CURRENT}
            assert not waits, f"their statuses are {statuses}"
            return statuses

        return wait_for(settled, message="the health check ends")

    def fails_early(self, seconds: float = 30.0) -> str:
        """Return what the health check ends early with; empty when all become current in time.

        Polls every tenth of a second, the first time at once, and fails fast as Flux does.
        """
        end = time.monotonic() + seconds
        while True:
            found = {name: compute(self.api.get(kind, name)) for kind, name in sorted(self.inventory)}
            failed = [f"{name}: {message}" for name, (status, message) in found.items() if _failed(status)]
            if failed:
                return "; ".join(failed)
            waits = {name: message for name, (status, message) in found.items() if status != KStatus.CURRENT}
            if not waits:
                return ""
            assert time.monotonic() < end, f"not current within {seconds:g} s: {waits}"
            time.sleep(POLL_SECONDS)

    def statuses(self) -> dict[str, str]:
        """Return what kstatus says of everything in the inventory."""
        return {name: compute(self.api.get(kind, name))[0] for kind, name in sorted(self.inventory)}


@dataclass
class FluxRepository(Flux):
    """A Kustomization that is built with kustomize before it is applied.

    Attributes
    ----------
    kubectl, folder
        Builds it, from the path in the repository.
    """

    kubectl: Kubectl = field(kw_only=True)
    folder: Path = field(kw_only=True)

    def reconcile(self, *objects: Object) -> Objects:
        """Build, then :meth:`apply`."""
        names = []
        for obj in objects:
            names.append(f"{obj['kind']}-{obj['metadata']['name']}.yaml".lower())
            (self.folder / names[-1]).write_text(yaml.safe_dump(obj))
        labels = [{"pairs": LABELS, "includeSelectors": False}]
        kustomization = {"namespace": self.api.namespace, "labels": labels, "resources": names}
        (self.folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
        return self.apply(yaml.safe_load_all(self.kubectl("kustomize", self.folder).stdout))


def _place(obj: Object) -> tuple[int, str, str]:
    kind = obj["kind"]
    known = _KNOWN_KINDS.index(kind) if kind in _KNOWN_KINDS else len(_KNOWN_KINDS)
    return known, kind, obj["metadata"]["name"]


def _failed(status: KStatus) -> bool:
    return status == KStatus.FAILED
