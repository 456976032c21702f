"""What a real API server refuses and keeps, as the REST API reads it; no webhook is installed."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from model_operator.core.gateway.failures import Failure, FailureReason
from model_operator.core.gateway.rest.api_refusals import refusal
from model_operator.core.gateway.rest.creation_repeats import is_repeat
from model_operator.core.gateway.rest.instance_specs import new_instance, patched_instance, template_entries
from model_operator.core.gateway.rest.model_requests import read_model_draft
from tests.cluster.kube_api import KubeApiError
from tests.cluster.waiting import wait_for

if TYPE_CHECKING:
    from tests.cluster.kube_api import KubeApi, Object


def wanted(api: KubeApi, **fields: Any) -> Object:
    body = {"name": "qwen", "model_type": "EMBEDDING", "account_id": api.namespace, "model_template_id": "t"}
    request, wrong = read_model_draft(json.dumps(body | fields).encode())
    assert not wrong
    return new_instance(request, api.namespace, api.namespace, "ann")


def refused(api: KubeApi, obj: Object, *, replaces: bool = False) -> Failure:
    with pytest.raises(KubeApiError) as caught:
        api.replace(obj) if replaces else api.create(obj)
    error = caught.value
    status = {"reason": error.reason, "message": error.message, "details": {"causes": error.causes}}
    return refusal(error.code, status, obj["spec"])


def locs(failure: Failure) -> list[tuple[str | int, ...]]:
    return sorted({entry.loc for entry in failure.entries}, key=str)


def test_what_the_schema_and_the_rules_refuse_is_what_we_find_before(api: KubeApi) -> None:
    wrong = wanted(api, model_creation_parameters={f"P{number}": 1 for number in range(1001)})
    wrong["spec"] |= {"display_name": "", "model_vendor": "X", "base_model_metadata": "text"}
    wrong["spec"]["deployments"] = [{"name": "a" * 40}]
    incomplete = wanted(api, model_type="BUNDLE")
    del incomplete["spec"]["model_template_id"]
    for obj in (wrong, incomplete):
        found = refused(api, obj)
        assert found.reason is FailureReason.INVALID
        ours = {entry.loc for entry in template_entries(obj, None)}
        # Beside the fields, the API server may say that it has not checked the rules.
        assert {loc for loc in locs(found) if loc != ("body",)} <= ours


def test_what_is_kept_is_recognised_as_the_same(api: KubeApi) -> None:
    parameters = {"A": None, "B": 1.0, "C": [None, {"d": None}], "E": 1e22, "F": 0.1, "G": 2.5e-7}
    obj = wanted(api, name="Qwen 2", model_creation_parameters=parameters, display_name="ü\u2028")
    kept = api.create(obj)
    now = datetime.now(UTC)
    assert is_repeat(kept, obj, "ann", 0, "", now)
    assert not is_repeat(kept, wanted(api, name="Qwen 2"), "ann", 1, "", now)

    again = refused(api, obj)
    assert (again.reason, again.headers) == (FailureReason.CONFLICT, {"x-should-retry": "false"})
    patch = {"display_name": None, "model_template_id": "u"}

    def written() -> Object | None:
        # An operator may report on it meanwhile.
        live = api.get("ModelInstance", "qwen-2")
        try:
            return api.replace(patched_instance(live, patch, api.namespace))
        except KubeApiError as error:
            if error.code != 409:
                raise
            return None

    assert "display_name" not in wait_for(written, message="the change is written")["spec"]
    between = refused(api, patched_instance(kept, patch, api.namespace), replaces=True)
    assert between.reason is FailureReason.CONFLICT


def test_policies_and_quotas_refuse_with_their_status(api: KubeApi) -> None:
    quota = {"hard": {"count/modelinstances.modeloperator.dev": "0"}}
    api.create({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"}, "spec": quota})
    wait_for(lambda: api.get("ResourceQuota", "none").get("status", {}).get("hard"))
    assert refused(api, wanted(api)).reason is FailureReason.FORBIDDEN

    name = f"refusals-{api.namespace}"
    rule = {
        "apiGroups": ["modeloperator.dev"],
        "apiVersions": ["*"],
        "operations": ["CREATE"],
        "resources": ["modelinstances"],
    }
    selector = {"matchLabels": {"kubernetes.io/metadata.name": api.namespace}}
    kinds = {
        "ValidatingAdmissionPolicy": {
            "matchConstraints": {"namespaceSelector": selector, "resourceRules": [rule]},
            "validations": [{"expression": "false", "message": "no models on Fridays"}],
        },
        "ValidatingAdmissionPolicyBinding": {"policyName": name, "validationActions": ["Deny"]},
    }
    try:
        for kind, spec in kinds.items():
            obj = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": {"name": name}}
            api.create(obj | {"spec": spec})
        wait_for(lambda: refused(api, wanted(api)).reason is FailureReason.INVALID)
        assert locs(refused(api, wanted(api))) == [("body",)]
    finally:
        for kind in kinds:
            api.delete(kind, name)
