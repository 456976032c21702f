"""A child of an instance as it is desired: one value for the manifest, its applied form and its hashes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from model_operator.core.objects.drift import (
    APPLIED_HASH,
    applicable_deployment,
    hash_matches,
    is_applied,
    with_applied_hash,
)
from model_operator.core.objects.template_annotation import with_template_revision

DEPLOYMENT = "Deployment"


@dataclass(frozen=True)
class DesiredChild:
    """A desired child.

    Hashing is a large part of a reconcile, and the apply, the tracking of contested fields, pruning and the
    status need its results. So it is done once, when one of them first needs it.

    Attributes
    ----------
    manifest
        The object as rendered; read-only.
    min_workers
        Minimum number of workers (pods) of a Deployment whose ``spec.replicas`` an autoscaler sets; 0 leaves
        any number to the autoscaler. Of no meaning for other children.
    first_workers
        Number of workers of such a Deployment when it is created, and at least this number when the operator
        has set it until then. None is `min_workers`.
    template_revision
        Hash of the revision of the template that a Deployment is rendered from, which it is annotated with;
        empty for other children. A child that differs in nothing else is the same.
    """

    manifest: dict[str, Any]
    min_workers: int = 1
    first_workers: int | None = None
    template_revision: str = field(default="", compare=False)

    @property
    def kind(self) -> str:
        """The kind."""
        return str(self.manifest["kind"])

    @property
    def name(self) -> str:
        """The name."""
        return str(self.manifest["metadata"]["name"])

    @property
    def namespace(self) -> str:
        """The namespace."""
        return str(self.manifest["metadata"].get("namespace", ""))

    @property
    def labels(self) -> Mapping[str, str]:
        """The labels."""
        labels: Mapping[str, str] = self.manifest["metadata"].get("labels") or {}
        return labels

    @property
    def initial_workers(self) -> int:
        """The number of workers with which an autoscaler begins."""
        return self.min_workers if self.first_workers is None else self.first_workers

    @property
    def leaves_replicas(self) -> bool:
        """Whether it is a Deployment without ``spec.replicas``, which an autoscaler sets."""
        return self.kind == DEPLOYMENT and "replicas" not in self.manifest["spec"]

    @cached_property
    def _hashed(self) -> tuple[dict[str, Any], str]:
        if self.kind == DEPLOYMENT:
            return applicable_deployment(self.manifest)
        return with_applied_hash(self.manifest), ""

    @property
    def applied(self) -> dict[str, Any]:
        """The object that is live after server-side apply, with its applied hash; read-only."""
        return self._hashed[0]

    @property
    def sent(self) -> dict[str, Any]:
        """The object for server-side apply: with the annotation that is never drift by itself."""
        if not self.template_revision:
            return self.applied
        return with_template_revision(self.applied, self.template_revision)

    @property
    def applied_hash(self) -> str:
        """The hash of the object, as its annotation has it."""
        return str(self.applied["metadata"]["annotations"][APPLIED_HASH])

    @property
    def pod_revision(self) -> str:
        """The hash of a Deployment's pod template; empty for other kinds."""
        return self._hashed[1]

    def hash_matches(self, live: Mapping[str, Any]) -> bool:
        """Return whether a live child was last applied as this; see `model_operator.core.objects.drift`."""
        return hash_matches(self.applied, live)

    def is_applied(self, live: Mapping[str, Any]) -> bool:
        """Return whether a live child is as this, so that no write is needed.

        The number of workers is left out where an autoscaler sets it.
        """
        return is_applied(self.applied, live)
