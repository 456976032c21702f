"""What is too large or too deep for any operator is denied at admission, to everybody, by field."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

import pytest

from model_operator.controller.cache.cluster_state import ClusterState
from model_operator.controller.webhooks.review import parse_review
from model_operator.core.admission.instance import Enforcement, examine_instance, review_instance
from model_operator.core.admission.template import review_template
from model_operator.core.objects.kept_form import INFORMATIONAL_LIMITS
from model_operator.core.templates.parsing import parse_template
from model_operator.core.templates.render_settings import RenderSettings
from model_operator.kube.resources import MODEL_INSTANCES, MODEL_TEMPLATES

DEEP = '{"a":' * 9_994 + "1" + "}" * 9_994
MARKER = "@@"


def review(kind: str, spec: str) -> bytes:
    """Give a review as the API server sends it, whose object is as deep as that takes."""
    request = {
        "uid": "r",
        "operation": "CREATE",
        "kind": {"group": "modeloperator.dev", "version": "v1alpha1", "kind": kind},
        "namespace": "team",
        "name": "a",
        "userInfo": {"username": "ada"},
        "object": {
            "apiVersion": "modeloperator.dev/v1alpha1",
            "kind": kind,
            "metadata": {"name": "a", "namespace": "team"},
            "spec": MARKER,
        },
    }
    text = json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request})
    return text.replace(f'"{MARKER}"', spec).encode()


HOSTILE = {
    "deep notes": ('"deployments":[{"name":"x","deployment_metadata":%s}]' % DEEP, "deployment_metadata"),  # noqa: UP031
    "deep parameters": (f'"model_creation_parameters":{{"A":{DEEP}}}', "at most 8 levels deep"),
    "large cards": (
        f'"model_card":"{"x" * 40_000}","description":"{"x" * 40_000}"',
        f"{INFORMATIONAL_LIMITS.size // 1024} KiB together",
    ),
    "many keys": (
        '"deployments":[{"name":"x","deployment_metadata":{"a":[%s0]}}]' % ("0," * 300_000),
        "1000 elements",
    ),
}


@pytest.mark.parametrize("enforcement", Enforcement)
@pytest.mark.parametrize(("spec", "word"), HOSTILE.values(), ids=HOSTILE.keys())
def test_an_instance_is_denied_to_everybody(spec: str, word: str, enforcement: Enforcement) -> None:
    change = parse_review(
        review("ModelInstance", f'{{"model_template_id":"t",{spec}}}'), MODEL_INSTANCES
    ).change
    assert change is not None
    verdict = review_instance(examine_instance(change, ClusterState(), RenderSettings()), change, enforcement)

    assert not verdict.allowed
    assert verdict.code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert word in verdict.message
    assert "xxx" not in verdict.message


@pytest.mark.parametrize("field", ["model_creation_parameters_schema", "model_request_parameters_schema"])
@pytest.mark.parametrize("value", [DEEP, '{"a":[%s0]}' % ("0," * 300_000)], ids=["deep", "wide"])
def test_a_template_is_denied(field: str, value: str) -> None:
    bundle = '"vendor_configuration":{"bundle_config":{"registry":"r.test","image":"i","tag":"t"}}'
    body = review("ModelTemplate", f'{{"model_type":"EMBEDDING",{bundle},"{field}":{value}}}')
    change = parse_review(body, MODEL_TEMPLATES).change
    assert change is not None
    obj: dict[str, Any] = dict(change.obj)

    verdict = review_template(change, parse_template(obj), RenderSettings())

    assert not verdict.allowed
    assert any(cause.field.startswith("spec") for cause in verdict.causes)


def test_what_was_let_in_before_may_be_relabelled_and_released() -> None:
    """Finalizers must be removable, however wrong the object is."""
    spec = f'{{"model_template_id":"t",{HOSTILE["deep notes"][0]}}}'
    change = parse_review(review("ModelInstance", spec), MODEL_INSTANCES).change
    assert change is not None
    again = type(change)({**change.obj, "metadata": {"name": "a", "labels": {"a": "b"}}}, change.obj)

    assert again.is_exempt
