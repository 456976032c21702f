"""One store: a model made over REST seen by kubectl, and the other way; and its manifest for Git."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import scale_gp
import yaml

from tests.cluster.waiting import wait_for
from tests.fixtures.rest import TEXT, model_of, send

if TYPE_CHECKING:
    from scale_gp import SGPClient

    from tests.cluster.gateway.process import GatewayProcess
    from tests.cluster.kube_api import KubeApi
    from tests.cluster.kubectl import Kubectl
    from tests.fixtures.rest import Wire

pytestmark = pytest.mark.usefixtures("text_template")
BY_KUBECTL = f"""
apiVersion: modeloperator.dev/v1alpha1
kind: ModelInstance
metadata:
  name: by-kubectl
spec:
  display_name: By kubectl
  model_template_id: {TEXT}
  model_creation_parameters: {{WEIGHTS: second}}
"""
FLUX = {
    "kustomize.toolkit.fluxcd.io/name": "models",
    "kustomize.toolkit.fluxcd.io/namespace": "team-a",
}
ARGOCD = {"argocd.argoproj.io/tracking-id": "shop:modeloperator.dev/ModelInstance:NAMESPACE/by-kubectl"}


def test_kubectl_sees_what_rest_has_made(platform: SGPClient, api: KubeApi, kubectl: Kubectl) -> None:
    model = platform.models.create(**model_of(api.namespace, description="over REST"))
    got = kubectl("get", "modelinstance", "writer", "--namespace", api.namespace, "--output=yaml").stdout
    obj = yaml.safe_load(got)

    assert obj["metadata"]["uid"] == model.id
    assert obj["spec"]["description"] == "over REST"
    kubectl("delete", "modelinstance", "writer", "--namespace", api.namespace)
    with pytest.raises(scale_gp.NotFoundError):
        platform.models.retrieve(model.id)


def test_rest_sees_what_kubectl_has_made(platform: SGPClient, api: KubeApi, kubectl: Kubectl) -> None:
    kubectl("apply", "--namespace", api.namespace, "-f", "-", input=BY_KUBECTL)
    uid = api.get("ModelInstance", "by-kubectl")["metadata"]["uid"]

    (model,) = wait_for(lambda: list(platform.models.list(account_id=api.namespace)), 1)
    assert (model.id, model.name, model.display_name) == (uid, "by-kubectl", "By kubectl")
    assert model.model_template_id == TEXT
    assert model.model_type == "COMPLETION", "the template's, since the object has none"
    platform.models.update(uid, description="over REST")
    seen = kubectl("get", "modelinstance", "by-kubectl", "--namespace", api.namespace, "--output=yaml").stdout
    assert yaml.safe_load(seen)["spec"]["description"] == "over REST"
    # Applied again, kubectl's fields come back, and what REST has set stays.
    kubectl("apply", "--namespace", api.namespace, "-f", "-", input=BY_KUBECTL.replace("By", "Still by"))
    model = platform.models.retrieve(uid)
    assert (model.display_name, model.description) == ("Still by kubectl", "over REST")
    assert platform.models.delete(uid).count == 1
    assert api.find("ModelInstance", "by-kubectl") is None


def test_a_manifest_to_commit(
    platform: SGPClient, api: KubeApi, gateway: GatewayProcess, author: str, kubectl: Kubectl
) -> None:
    model = platform.models.create(**model_of(api.namespace, "Two Words", description="x"))
    answer = send(gateway, author, "GET", f"/v4/models/{model.id}?view=manifest")

    assert answer.headers["Content-Type"].startswith("application/yaml")
    obj = yaml.safe_load(answer.text)
    assert obj.keys() == {"apiVersion", "kind", "metadata", "spec"}
    assert obj["metadata"] == {"name": "two-words", "namespace": api.namespace}
    assert obj["spec"] == api.get("ModelInstance", "two-words")["spec"]
    platform.models.delete(model.id)
    kubectl("apply", "-f", "-", input=answer.text)
    (again,) = wait_for(lambda: list(platform.models.list(account_id=api.namespace)))
    assert (again.name, again.description) == ("Two Words", "x")


@pytest.mark.parametrize(
    ("manager", "labels", "annotations", "owner"),
    [
        ("kustomize-controller", FLUX, {}, "team-a/models"),
        ("argocd-controller", {}, ARGOCD, "shop"),
        ("argocd-controller", {"argocd.argoproj.io/instance": "shop"}, {}, "shop"),
    ],
    ids=["Flux", "Argo CD", "Argo CD by label"],
)
def test_what_git_owns_is_changed_there(
    platform: SGPClient,
    api: KubeApi,
    wire: Wire,
    manager: str,
    labels: dict[str, str],
    annotations: dict[str, str],
    owner: str,
) -> None:
    obj = yaml.safe_load(BY_KUBECTL)
    named = {key: value.replace("NAMESPACE", api.namespace) for key, value in annotations.items()}
    obj["metadata"] |= {"labels": labels, "annotations": named}
    uid = api.apply(obj, manager=manager)["metadata"]["uid"]
    for change in (
        lambda **more: platform.models.update(uid, description="x", **more),
        lambda **more: platform.models.delete(uid, **more),
    ):
        wire.clear()
        with pytest.raises(scale_gp.ConflictError) as caught:
            change()
        (response,) = wire.take()
        assert response.headers["x-should-retry"] == "false"
        assert isinstance(caught.value.body, dict)
        assert owner in caught.value.body["detail"]
        change(extra_query={"force": "true"})
    assert api.find("ModelInstance", "by-kubectl") is None
