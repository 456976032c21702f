"""AdmissionReviews as the API server sends them, and reviewers that ask an API server made of dicts."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from model_operator.controller.cache.cluster_state import ClusterState
from model_operator.controller.metrics.instruments import Metrics
from model_operator.controller.scope import Scope
from model_operator.controller.webhooks.reviewers import Admission
from model_operator.core.templates.render_settings import RenderSettings
from model_operator.core.webhooks.callers import Caller, Webhook
from model_operator.kube.errors import ApiUnavailableError, NotFoundError
from model_operator.settings import BATCH_APPLIERS

if TYPE_CHECKING:
    from model_operator.kube.client import ApiClient
    from model_operator.kube.resources import ResourceKind

PATHS = {
    "ModelInstance": "/validate-modelinstance",
    "ModelTemplate": "/validate-modeltemplate",
    "ClusterModelTemplate": "/validate-clustermodeltemplate",
}
_versions = itertools.count(1)


@dataclass
class FakeServer:
    """What the API server has, and how it answers.

    Attributes
    ----------
    objects
        By plural, namespace and name.
    trouble
        Raised by each request.
    is_silent
        Whether it never answers.
    asked
        Names that were read.
    """

    objects: dict[tuple[str, str, str], dict[str, Any]] = field(default_factory=dict)
    trouble: Exception | None = None
    is_silent: bool = False
    asked: list[str] = field(default_factory=list)

    async def get(self, kind: ResourceKind, namespace: str, name: str) -> dict[str, Any]:
        """Stand in for `ApiClient.get`."""
        self.asked.append(f"{kind.plural}/{namespace}/{name}")
        if self.is_silent:
            await asyncio.Event().wait()
        if self.trouble:
            raise self.trouble
        found = self.objects.get((kind.plural, namespace, name))
        if found is None:
            raise NotFoundError(404, {}, "GET")
        return found

    def put(self, obj: dict[str, Any]) -> dict[str, Any]:
        """Have an object exist, in its present version."""
        metadata = obj["metadata"]
        key = (f"{obj['kind'].lower()}s", metadata.get("namespace", ""), metadata["name"])
        self.objects[key] = obj
        return obj


UNAVAILABLE = ApiUnavailableError(503, {"message": "later"}, "GET")


def stored(obj: dict[str, Any], namespace: str = "team-a", **metadata: Any) -> dict[str, Any]:
    """Give an object as the API server would have it."""
    own = obj["metadata"]
    kept = {"namespace": namespace} if namespace else {}
    server = {"uid": f"uid-of-{own['name']}", "generation": 1, "resourceVersion": str(next(_versions))}
    return obj | {"metadata": {**kept, **server, **own, **metadata}}


def admission(
    server: FakeServer,
    *cached: dict[str, Any],
    namespaces: list[str] | None = None,
    metrics: Metrics | None = None,
    rendering: RenderSettings | None = None,
    is_storing: bool = False,
) -> Admission:
    """Give the webhooks of an operator whose caches have these objects, and which may store revisions."""
    rendering = rendering or RenderSettings()
    scope = Scope(namespaces or [], ["kube-*"])
    state = ClusterState(rendering.free_metadata_domains, stored=scope.stored_revisions if is_storing else ())
    for obj in cached:
        if obj["kind"] == "ModelInstance":
            state.instances.put(obj)
        else:
            next(cache for kind, cache in state.templates.items() if kind == obj["kind"]).put(obj)
    return Admission(
        cast("ApiClient", server),
        state,
        scope,
        rendering,
        BATCH_APPLIERS,
        metrics or Metrics(),
    )


def review(
    obj: Any, old: Any = None, *, user: str = "alice", operation: str | None = None, kind: str = ""
) -> dict[str, Any]:
    """Give the review of a write."""
    metadata = obj["metadata"] if obj else old["metadata"]
    return {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": {
                "group": "modeloperator.dev",
                "version": "v1alpha1",
                "kind": kind or (obj or old)["kind"],
            },
            "name": metadata.get("name", ""),
            "namespace": metadata.get("namespace", ""),
            "operation": operation or ("UPDATE" if old else "CREATE"),
            "userInfo": {"username": user},
            "object": obj,
            "oldObject": old,
        },
    }


async def ask(
    webhooks: Admission, asked: dict[str, Any], path: str = "", caller: Caller = Caller.AUTHENTICATED
) -> dict[str, Any]:
    """Give the response to a review, by default one of the API server; its patch is decoded."""
    webhook = Webhook(path or PATHS[asked["request"]["kind"]["kind"]])
    answer = json.loads(await webhooks.reviewers[webhook].review(json.dumps(asked).encode(), caller))
    assert (answer["apiVersion"], answer["kind"]) == ("admission.k8s.io/v1", "AdmissionReview")
    response: dict[str, Any] = answer["response"]
    assert response["uid"] == asked["request"]["uid"]
    if "patch" in response:
        assert response.pop("patchType") == "JSONPatch"
        response["patch"] = json.loads(base64.b64decode(response["patch"]))
    return response
