"""A parameter that names a Secret's key reaches the container, and only the kubelet reads the Secret."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.cluster.cluster import OPERATOR_USER
from tests.cluster.control_plane import ControlPlane
from tests.cluster.kube_api import KubeApi
from tests.examples.objects import container, instance, ready, template

pytestmark = pytest.mark.usefixtures("operator")

VALUE = "hf_not_to_be_seen"
SECRET = f"""
apiVersion: v1
kind: Secret
metadata: {{name: hugging-face}}
stringData: {{token: {VALUE}}}
"""
REFERENCE = {"name": "hugging-face", "key": "token"}
WRONG = {
    "the token itself": (VALUE, [], "must be an object, got a string"),
    "another key of the reference": (
        {"secretName": "hugging-face", "key": "token"},
        ["name"],
        "required field is missing",
    ),
    "a name that no Secret can have": ({"name": "Hugging Face", "key": "token"}, ["name"], "must match"),
    "a namespace": ({**REFERENCE, "namespace": "kube-system"}, ["namespace"], "unknown field"),
}


def template_with_token() -> dict[str, Any]:
    obj = template()
    obj["spec"]["model_creation_parameters_schema"]["properties"]["HF_TOKEN"] = {"x-secret-ref": True}
    return obj


def instance_with_token(token: Any) -> dict[str, Any]:
    return instance(model_creation_parameters={"MODEL_NAME": "m", "HF_TOKEN": token})


def variable(api: KubeApi) -> Any:
    variables = container(api.get("Deployment", "minilm"))["env"]
    return next((each for each in variables if each["name"] == "HF_TOKEN"), None)


def test_reference_becomes_a_secret_key_ref(api: KubeApi) -> None:
    api.create(SECRET)
    api.apply(template_with_token())
    api.apply(instance_with_token(REFERENCE))

    obj = api.wait_for_condition("ModelInstance", "minilm", "Ready")

    assert variable(api) == {"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": REFERENCE}}
    for shown in (obj, api.get("Deployment", "minilm")):
        assert VALUE not in yaml.safe_dump(shown)


def test_left_out_there_is_no_variable(api: KubeApi) -> None:
    api.apply(template_with_token())
    api.apply(instance())

    api.wait_for_condition("ModelInstance", "minilm", "Ready")

    assert variable(api) is None


@pytest.mark.parametrize(("token", "field", "message"), WRONG.values(), ids=WRONG)
def test_wrong_shape_is_told_by_field_and_never_repeated(
    api: KubeApi, token: Any, field: list[str], message: str
) -> None:
    # The instance first: what is wrong with it, only the template tells.
    api.apply(instance_with_token(token))
    api.apply(template_with_token())

    obj = api.wait_for_condition("ModelInstance", "minilm", "Ready", "False", reason="InvalidParameters")

    loc = ["spec", "model_creation_parameters", "HF_TOKEN", *field]
    errors = {".".join(error["loc"]): error["msg"] for error in obj["status"]["validation_errors"]}
    assert message in errors[".".join(loc)]
    assert ".".join(loc) in ready(obj)["message"]
    assert VALUE not in yaml.safe_dump(obj["status"])
    assert api.find("Deployment", "minilm") is None


@pytest.mark.parametrize("verb", ["get", "list", "watch", "create", "update", "patch", "delete"])
def test_operator_has_no_right_to_secrets(api: KubeApi, control_plane: ControlPlane, verb: str) -> None:
    resource = {"resource": "secrets", "verb": verb, "namespace": api.namespace}

    review = api.create(
        {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "metadata": {},
            "spec": {"user": OPERATOR_USER, "resourceAttributes": resource},
        }
    )

    assert review["status"]["allowed"] is False
