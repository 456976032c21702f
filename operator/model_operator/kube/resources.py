"""The kinds that the operator reads and writes, and their paths on the API server."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import quote

from model_operator.api import (
    GROUP,
    VERSION,
    ClusterModelTemplate,
    ClusterModelTemplateRevision,
    ModelInstance,
    ModelTemplate,
    ModelTemplateRevision,
    Resource,
)
from model_operator.core.objects.ownership import MANAGED_BY, MANAGER
from model_operator.kube.errors import ApiRefusedError


@dataclass(frozen=True, slots=True)
class ResourceKind:
    """One kind of object.

    Attributes
    ----------
    group, version, plural, kind
        As in the API's paths and manifests; the core group is the empty string.
    namespaced
        Whether its objects live in namespaces.
    label_selector
        Selects the objects that are watched; all when empty.
    """

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    label_selector: str = ""

    @property
    def api_version(self) -> str:
        """``apiVersion`` of a manifest."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """Return the path of all objects, of those of a namespace, of one object, or of a subresource.

        It is percent-encoded: each argument is one segment, whatever its characters.

        Raises
        ------
        ApiRefusedError
            An argument is ``.`` or ``..``, which URLs resolve and no encoding protects.
        """
        root = f"/apis/{self.api_version}" if self.group else f"/api/{self.version}"
        parts = [root]
        if namespace and self.namespaced:
            parts += ["namespaces", _segment(namespace)]
        parts += [_segment(part) for part in (self.plural, name, subresource) if part]
        return "/".join(parts)

    def object_path(self, namespace: str, name: str, subresource: str = "") -> str:
        """Return the path of one object or of its subresource; never that of a collection.

        Raises
        ------
        ApiRefusedError
            The name is empty, or it or the namespace is ``.`` or ``..``.
        """
        if not name:
            raise _unaddressable()
        return self.path(namespace, name, subresource)

    def __str__(self) -> str:
        return f"{self.plural}.{self.group}" if self.group else self.plural


def _segment(text: str) -> str:
    """Encode a string as one segment of a path; the rule is Kubernetes' `IsValidPathSegmentName`."""
    if text in {".", ".."}:
        raise _unaddressable()
    return quote(text, safe="", errors="surrogatepass")


def _unaddressable() -> ApiRefusedError:
    message = "expected the name of an object, got an empty string, '.' or '..'"
    return ApiRefusedError(HTTPStatus.BAD_REQUEST, {"message": message}, "path")


def _custom(resource: type[Resource]) -> ResourceKind:
    return ResourceKind(GROUP, VERSION, resource.plural, resource.__name__, resource.namespaced)


_OURS = f"{MANAGED_BY}={MANAGER}"

MODEL_INSTANCES = _custom(ModelInstance)
MODEL_TEMPLATES = _custom(ModelTemplate)
CLUSTER_MODEL_TEMPLATES = _custom(ClusterModelTemplate)
MODEL_TEMPLATE_REVISIONS = _custom(ModelTemplateRevision)
CLUSTER_MODEL_TEMPLATE_REVISIONS = _custom(ClusterModelTemplateRevision)
DEPLOYMENTS = ResourceKind("apps", "v1", "deployments", "Deployment", label_selector=_OURS)
SERVICES = ResourceKind("", "v1", "services", "Service", label_selector=_OURS)
DISRUPTION_BUDGETS = ResourceKind(
    "policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", label_selector=_OURS
)
AUTOSCALERS = ResourceKind(
    "autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", label_selector=_OURS
)
REPLICA_SETS = ResourceKind("apps", "v1", "replicasets", "ReplicaSet")
PODS = ResourceKind("", "v1", "pods", "Pod")
CLAIMS = ResourceKind("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim")
POD_EVENTS = ResourceKind("", "v1", "events", "Event")
ENDPOINT_SLICES = ResourceKind("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice")
NAMESPACES = ResourceKind("", "v1", "namespaces", "Namespace", namespaced=False)
SECRETS = ResourceKind("", "v1", "secrets", "Secret")
LEASES = ResourceKind("coordination.k8s.io", "v1", "leases", "Lease")
EVENTS = ResourceKind("events.k8s.io", "v1", "events", "Event")
SERVICE_ACCOUNTS = ResourceKind("", "v1", "serviceaccounts", "ServiceAccount")
ROLES = ResourceKind("rbac.authorization.k8s.io", "v1", "roles", "Role")
ROLE_BINDINGS = ResourceKind("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding")
TOKEN_REVIEWS = ResourceKind("authentication.k8s.io", "v1", "tokenreviews", "TokenReview", namespaced=False)
ACCESS_REVIEWS = ResourceKind(
    "authorization.k8s.io", "v1", "subjectaccessreviews", "SubjectAccessReview", namespaced=False
)
OWN_ACCESS_REVIEWS = ResourceKind(
    "authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview", namespaced=False
)
VALIDATING_WEBHOOKS = ResourceKind(
    "admissionregistration.k8s.io",
    "v1",
    "validatingwebhookconfigurations",
    "ValidatingWebhookConfiguration",
    namespaced=False,
)
MUTATING_WEBHOOKS = ResourceKind(
    "admissionregistration.k8s.io",
    "v1",
    "mutatingwebhookconfigurations",
    "MutatingWebhookConfiguration",
    namespaced=False,
)

TEMPLATE_KINDS = (MODEL_TEMPLATES, CLUSTER_MODEL_TEMPLATES)
REVISION_KINDS = (MODEL_TEMPLATE_REVISIONS, CLUSTER_MODEL_TEMPLATE_REVISIONS)
CHILD_KINDS = (DEPLOYMENTS, SERVICES, DISRUPTION_BUDGETS, AUTOSCALERS)
"""Kinds of children, in the order in which those of a removed deployment entry are deleted."""
KINDS = (
    MODEL_INSTANCES,
    *TEMPLATE_KINDS,
    *REVISION_KINDS,
    *CHILD_KINDS,
    REPLICA_SETS,
    PODS,
    CLAIMS,
    POD_EVENTS,
    ENDPOINT_SLICES,
    NAMESPACES,
    SECRETS,
    LEASES,
    EVENTS,
    SERVICE_ACCOUNTS,
    ROLES,
    ROLE_BINDINGS,
    TOKEN_REVIEWS,
    ACCESS_REVIEWS,
    OWN_ACCESS_REVIEWS,
    VALIDATING_WEBHOOKS,
    MUTATING_WEBHOOKS,
)
"""All kinds of which any of the processes reads or writes objects."""
CHILD_KIND = {kind.kind: kind for kind in CHILD_KINDS}
