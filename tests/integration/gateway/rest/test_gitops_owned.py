"""What Flux and Argo CD apply is not changed behind their backs, and what REST makes can be committed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.cluster.waiting import wait_for
from tests.fixtures.rest import TEXT, model_of, send, text_template_object
from tests.gitops.flux import LABELS, MANAGER, Flux

if TYPE_CHECKING:
    import httpx
    from scale_gp import SGPClient

    from tests.cluster.gateway.process import GatewayProcess
    from tests.cluster.kube_api import KubeApi, Object
    from tests.cluster.kubectl import Kubectl

pytestmark = pytest.mark.usefixtures("text_template")

INSTANCE = "ModelInstance"
OWNERS = {"Flux": "Flux Kustomization flux-system/models", "Argo CD": "Argo CD Application models"}
AWKWARD = {
    "WEIGHTS": "y",
    "EMPTY": "",
    "NUMBER": "1e3",
    "OCTAL": "0o7",
    "LINES": "#!/bin/sh\n\techo 'a: b'\n\n  exit 0 \n",
    "SCRIPT": "first:\n  - second\n\n# third\n",
    "LEADING": "\n  x\n",
    "PÉRIODE": "été 😀 \u2028 ::error::",
}


def instance(name: str = "writer", **spec: Any) -> Object:
    """Return a model of the template `TEXT`, as it is in Git."""
    return {
        "apiVersion": "modeloperator.dev/v1alpha1",
        "kind": INSTANCE,
        "metadata": {"name": name},
        "spec": {
            "model_template_id": TEXT,
            "model_creation_parameters": {"WEIGHTS": "first"},
            "description": "of Git",
            **spec,
        },
    }


def apply(api: KubeApi, tool: str, obj: Object) -> Object:
    """Apply an object as a tool does."""
    if tool == "Flux":
        metadata = {**obj["metadata"], "labels": LABELS}
        return api.apply({**obj, "metadata": metadata}, manager=MANAGER)
    place = f"{api.namespace}/{obj['metadata']['name']}"
    tracking = {"argocd.argoproj.io/tracking-id": f"models:modeloperator.dev/{obj['kind']}:{place}"}
    metadata = {**obj["metadata"], "annotations": tracking}
    return api.apply({**obj, "metadata": metadata}, manager="argocd-controller")


def is_refused(answer: httpx.Response, owner: str) -> bool:
    assert answer.status_code == 409, answer.text
    assert answer.headers["x-should-retry"] == "false"
    assert "retry-after" not in answer.headers
    assert owner in answer.json()["detail"]
    assert "?force=true" in answer.json()["detail"]
    return True


@pytest.mark.parametrize("tool", OWNERS)
def test_a_model_of_git_is_changed_by_force_alone(
    gateway: GatewayProcess, author: str, api: KubeApi, tool: str
) -> None:
    deployments = [{"name": "main"}]
    applied = apply(api, tool, instance(deployments=deployments))
    path = f"/v4/models/{applied['metadata']['uid']}"

    for method, where, body in (
        ("PATCH", path, {"description": "of REST"}),
        ("DELETE", path, None),
        ("POST", f"{path}/deployments", {"name": "second"}),
        ("PATCH", f"{path}/deployments/main", {"deployment_metadata": {"a": 1}}),
        ("DELETE", f"{path}/deployments/main", None),
    ):
        assert is_refused(send(gateway, author, method, where, body), OWNERS[tool])
    live = api.get(INSTANCE, "writer")
    assert live["metadata"]["generation"] == applied["metadata"]["generation"]
    assert live["spec"] == applied["spec"]
    assert send(gateway, author, "GET", path).status_code == 200

    forced = send(gateway, author, "PATCH", f"{path}?force=true", {"description": "of REST"})
    assert (forced.status_code, forced.json()["description"]) == (200, "of REST")
    # The tool undoes it, as the message says.
    assert apply(api, tool, instance(deployments=deployments))["spec"]["description"] == "of Git"
    assert send(gateway, author, "DELETE", f"{path}?force=true").json() == {"count": 1, "success": True}
    api.wait_until_gone(INSTANCE, "writer")


@pytest.mark.parametrize("tool", OWNERS)
def test_a_template_of_git_is_deleted_by_force_alone(
    gateway: GatewayProcess, author: str, api: KubeApi, tool: str
) -> None:
    applied = apply(api, tool, text_template_object("unused"))
    path = f"/v4/model-templates/{applied['metadata']['uid']}"

    assert is_refused(send(gateway, author, "DELETE", path), OWNERS[tool])
    assert api.find("ModelTemplate", "unused")
    assert send(gateway, author, "DELETE", f"{path}?force=true").status_code == 200
    assert api.find("ModelTemplate", "unused") is None


def test_a_copy_of_what_argo_cd_applies_belongs_to_nobody(
    gateway: GatewayProcess, author: str, api: KubeApi
) -> None:
    source = apply(api, "Argo CD", instance())
    annotations = source["metadata"]["annotations"]
    api.create({**instance("copy"), "metadata": {"name": "copy", "annotations": annotations}})

    answer = send(gateway, author, "PATCH", f"/v4/models/{api.namespace}%2Fcopy", {"description": "of REST"})

    assert answer.status_code == 200, answer.text


def test_what_flux_is_told_to_leave_alone_may_be_changed(
    gateway: GatewayProcess, author: str, api: KubeApi
) -> None:
    left = instance()
    left["metadata"] |= {"labels": LABELS, "annotations": {"kustomize.toolkit.fluxcd.io/ssa": "IfNotPresent"}}
    uid = api.apply(left, manager=MANAGER)["metadata"]["uid"]

    answer = send(gateway, author, "PATCH", f"/v4/models/{uid}", {"description": "of REST"})

    assert (answer.status_code, answer.json()["description"]) == (200, "of REST")


def test_a_model_of_rest_is_committed(
    gateway: GatewayProcess, author: str, platform: SGPClient, api: KubeApi, kubectl: Kubectl
) -> None:
    template = text_template_object("open")
    template["spec"]["model_creation_parameters_schema"] = {"type": "object", "additionalProperties": True}
    api.apply(template)
    model = platform.models.create(
        **model_of(
            api.namespace,
            "Écrivain No. 1",
            model_template_id="open",
            model_creation_parameters=AWKWARD,
            description="a text of one line, " * 20,
            model_card="# Card\n\n* first\n* second\n",
        )
    )
    path = f"/v4/models/{model.id}"
    exported = send(gateway, author, "GET", f"{path}?view=manifest")
    assert exported.status_code == 200, exported.text
    assert exported.headers["Content-Type"].startswith("application/yaml")
    manifest = yaml.safe_load(exported.text)
    name = manifest["metadata"]["name"]
    live = api.get(INSTANCE, name)
    assert manifest["spec"] == live["spec"]
    assert manifest["metadata"] == {"name": name, "namespace": api.namespace}
    assert live["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "model-operator-rest"

    # In a cluster that has nothing of it, kubectl makes the same model.
    platform.models.delete(model.id)
    api.wait_until_gone(INSTANCE, name)
    kubectl("apply", "--server-side", "-f", "-", input=exported.text)
    made = send(gateway, author, "GET", f"/v4/models/{api.namespace}%2F{name}").json()
    described = {"id", "created_at", "created_by_user_id", "created_by_identity_type"}
    before = {key: value for key, value in model.to_dict(mode="json").items() if key not in described}
    assert {key: value for key, value in made.items() if key in before} == before
    again = send(gateway, author, "GET", f"/v4/models/{made['id']}?view=manifest")
    assert again.text == exported.text

    # From the commit on, it is Git's.
    Flux(api).apply([{**manifest, "metadata": {**manifest["metadata"], "labels": LABELS}}])
    assert api.get(INSTANCE, name)["metadata"]["generation"] == 1
    refused = send(gateway, author, "PATCH", f"/v4/models/{made['id']}", {"description": "of REST"})
    assert is_refused(refused, OWNERS["Flux"])
    assert send(gateway, author, "GET", f"/v4/models/{made['id']}?view=manifest").text == exported.text


def test_flux_prunes_nothing_that_rest_has_made(platform: SGPClient, api: KubeApi) -> None:
    model = platform.models.create(**model_of(api.namespace))
    flux = Flux(api)
    flux.apply([{**instance("of-git"), "metadata": {"name": "of-git", "labels": LABELS}}])

    flux.apply([])

    wait_for(lambda: api.find(INSTANCE, "of-git") is None, message="Flux has pruned its own")
    assert platform.models.retrieve(model.id).id == model.id
