"""What is wrong is said, by field, and changes nothing that serves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster.kube_api import KubeApi, KubeApiError
from tests.cluster.waiting import wait_for
from tests.examples.objects import TEMPLATE, deploy, environment, instance, ready, template

if TYPE_CHECKING:
    from tests.cluster.kube_api import Object

pytestmark = pytest.mark.usefixtures("operator")

PARAMETERS = {
    "wrong type": ({"MODEL_NAME": "m", "BATCH_SIZE": "many"}, "BATCH_SIZE", "integer"),
    "missing": ({"BATCH_SIZE": 4}, "MODEL_NAME", "missing"),
    "unknown": ({"MODEL_NAME": "m", "COLOUR": "red"}, "COLOUR", "unknown"),
    "out of bounds": ({"MODEL_NAME": "m", "BATCH_SIZE": 0}, "BATCH_SIZE", "1"),
    "null": ({"MODEL_NAME": None}, "MODEL_NAME", "string"),
}


@pytest.mark.parametrize(("parameters", "field", "word"), PARAMETERS.values(), ids=PARAMETERS.keys())
def test_wrong_parameters_are_named_and_what_serves_stays(
    api: KubeApi, parameters: dict[str, Any], field: str, word: str
) -> None:
    deploy(api)
    before = api.get("Deployment", "minilm")
    obj = api.get("ModelInstance", "minilm")
    obj["spec"]["model_creation_parameters"] = parameters
    api.replace(obj)
    obj = api.wait_for_condition("ModelInstance", "minilm", "Ready", "False", reason="InvalidParameters")
    (error,) = obj["status"]["validation_errors"]
    assert error["loc"] == ["spec", "model_creation_parameters", field]
    assert word in error["msg"]
    assert f"spec.model_creation_parameters.{field}: {error['msg']}" in ready(obj)["message"]
    assert api.condition("ModelInstance", "minilm", "Available")["status"] == "True"
    api.wait_for_condition("ModelInstance", "minilm", "Stalled")
    after = api.get("Deployment", "minilm")
    assert after["metadata"]["generation"] == before["metadata"]["generation"]

    api.apply(instance(), force=True)
    api.patch("ModelInstance", "minilm", {"spec": {"model_creation_parameters": {field: None}}})
    api.patch("ModelInstance", "minilm", {"spec": {"model_creation_parameters": {"MODEL_NAME": "m"}}})
    obj = api.wait_for_condition("ModelInstance", "minilm", "Ready")
    assert obj["status"].get("validation_errors", []) == []
    assert environment(api.get("Deployment", "minilm"))["MODEL_NAME"] == "m"


TEMPLATES: dict[str, tuple[dict[str, Any], str]] = {
    "bad schema": (
        {"model_creation_parameters_schema": {"type": "object", "properties": {"A": {"type": "strnig"}}}},
        "spec.model_creation_parameters_schema.properties.A.type",
    ),
    "fetching schema": (
        {"model_creation_parameters_schema": {"properties": {"A": {"$ref": "http://127.0.0.1/x"}}}},
        "spec.model_creation_parameters_schema.properties.A",
    ),
    "undeclared reference": (
        {"vendor_configuration": {"bundle_config": {"args": ["--model=$(parameters.TYPO)"]}}},
        "spec.vendor_configuration.bundle_config.args[0]",
    ),
    "malformed pod template": ({"pod_template": {"spec": {"containers": "none"}}}, "spec.pod_template"),
    "volume that is not there": (
        {
            "pod_template": {
                "spec": {"containers": [{"name": "model", "volumeMounts": [{"name": "nowhere"}]}]}
            }
        },
        "spec.pod_template.spec.containers[0].volumeMounts[0].name",
    ),
}


@pytest.mark.parametrize(("edit", "path"), TEMPLATES.values(), ids=TEMPLATES.keys())
def test_invalid_template_is_named_and_what_serves_stays(api: KubeApi, edit: Object, path: str) -> None:
    deploy(api)
    before = api.get("Deployment", "minilm")["metadata"]["generation"]
    api.patch("ModelTemplate", "encoder", {"spec": edit})
    obj = api.wait_for_condition("ModelTemplate", "encoder", "Ready", "False", reason="TemplateInvalid")
    assert path in ready(obj)["message"]
    # Its instances go on with what it was, and those of one that was never valid say why they do not.
    api.apply({**obj, "metadata": {"name": "other"}, "status": {}})
    api.apply(instance("second", model_template_id="other"))
    obj = api.wait_for_condition("ModelInstance", "second", "Ready", "False", reason="TemplateInvalid")
    assert path in ready(obj)["message"]
    assert "Action (template owner)" in ready(obj)["message"]
    assert ready(api.get("ModelInstance", "minilm"))["reason"] == "RolledOut"
    assert api.get("Deployment", "minilm")["metadata"]["generation"] == before
    assert api.find("Deployment", "second") is None
    api.delete("ModelTemplate", "other")
    api.apply(template("other"))
    api.wait_for_condition("ModelInstance", "second", "Ready", reason="RolledOut")


def test_template_without_an_image_is_refused_by_the_api_server(api: KubeApi) -> None:
    with pytest.raises(
        KubeApiError, match=r"spec\.vendor_configuration\.bundle_config\.image: Required value"
    ):
        api.apply(template(image=None))


def test_model_type_that_differs_from_the_template_s(api: KubeApi) -> None:
    api.apply(TEMPLATE)
    api.apply(instance(model_type="RERANKING"))
    obj = api.wait_for_condition("ModelInstance", "minilm", "Ready", "False", reason="ModelTypeMismatch")
    assert obj["status"]["validation_errors"][0]["loc"] == ["spec", "model_type"]
    assert "EMBEDDING" in ready(obj)["message"]


def test_rendered_object_that_the_api_server_refuses(api: KubeApi) -> None:
    broken = template()
    broken["spec"]["pod_template"] = {
        "spec": {"containers": [{"name": "model", "volumeMounts": [{"name": "shared-memory"}]}]}
    }
    api.apply(broken)
    api.apply(instance())
    obj = api.wait_for_condition("ModelInstance", "minilm", "Ready", "False", reason="DeploymentRejected")
    assert "volumeMounts" in ready(obj)["message"]
    api.wait_for_condition("ModelInstance", "minilm", "Stalled")
    api.delete("ModelTemplate", "encoder")
    api.apply(TEMPLATE)
    api.wait_for_condition("ModelInstance", "minilm", "Ready", deadline=60)


def test_wrong_type_in_the_pod_template_is_a_refusal_too(api: KubeApi) -> None:
    broken = template()
    broken["spec"]["pod_template"] = {"spec": {"terminationGracePeriodSeconds": "soon"}}
    api.apply(broken)
    api.apply(instance())
    obj = api.wait_for_condition("ModelInstance", "minilm", "Ready", "False", reason="DeploymentRejected")
    assert "terminationGracePeriodSeconds" in ready(obj)["message"]


def test_quota_is_the_cluster_s_matter_and_heals(api: KubeApi) -> None:
    api.create(
        """
        apiVersion: v1
        kind: ResourceQuota
        metadata: {name: none}
        spec: {hard: {count/deployments.apps: "0"}}
        """
    )
    wait_for(lambda: api.get("ResourceQuota", "none").get("status", {}).get("hard"))
    api.apply(TEMPLATE)
    api.apply(instance())
    obj = api.wait_for_condition("ModelInstance", "minilm", "Ready", "False", reason="QuotaExceeded")
    assert "Action (cluster administrator)" in ready(obj)["message"]
    api.delete("ResourceQuota", "none")
    api.wait_for_condition("ModelInstance", "minilm", "Ready", deadline=90)
