"""The expressions of docs/gitops.md, by which Flux judges the roll-outs of templates, in Kubernetes' own CEL.

Flux evaluates them with the same library. The API server does so here in a ValidatingAdmissionPolicy, which
answers a dry run with their values.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from model_operator.api import RolloutState
from model_operator.core.status.template import TemplateReason
from tests.cluster.kube_api import KubeApiError
from tests.cluster.waiting import wait_for
from tests.examples.objects import template
from tests.gitops.examples import examples
from tests.gitops.kstatus import KStatus
from tests.gitops.verdicts import in_roll_out, with_reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.cluster.kube_api import KubeApi, Object

(CHECKS,) = (
    obj["spec"]["healthCheckExprs"] for obj in examples(foreign=True) if "healthCheckExprs" in obj["spec"]
)
BY_KIND = {check["kind"]: check for check in CHECKS}
CHECK = BY_KIND["ModelTemplate"]
_NAME = "health-expressions"
_POLICY = {"apiVersion": "admissionregistration.k8s.io/v1", "metadata": {"name": _NAME}}


def test_both_kinds_of_templates_are_judged_alike() -> None:
    cluster_wide = {**BY_KIND["ClusterModelTemplate"], "kind": "ModelTemplate"}
    assert cluster_wide == CHECK
    assert BY_KIND.keys() == {"ModelTemplate", "ClusterModelTemplate"}


@pytest.fixture
def judge(private_api: KubeApi) -> Iterator[Callable[[Object], KStatus]]:
    """Give what Flux makes of a template with a status: of the present generation, and not in progress."""
    values = {each: f"string({_of_object(CHECK[each])})" for each in ("failed", "current")}
    shown = " + ' ' + ".join(f"'{name}=' + {value}" for name, value in values.items())
    _install(private_api, shown)
    private_api.apply(template())

    def judged(obj: Object) -> KStatus:
        status = {**obj["status"], "observedGeneration": 1}
        found = wait_for(lambda: _answer(private_api, {"status": status}), message="the policy is in force")
        if "failed=true" in found:
            return KStatus.FAILED
        return KStatus.CURRENT if "current=true" in found else KStatus.IN_PROGRESS

    yield judged
    for kind in ("ValidatingAdmissionPolicyBinding", "ValidatingAdmissionPolicy"):
        private_api.delete(kind, _NAME)


def test_a_halted_roll_out_fails_and_no_other_state_waits(judge: Callable[[Object], KStatus]) -> None:
    found = {state: judge(in_roll_out(state)) for state in RolloutState}

    assert found.pop(RolloutState.HALTED) == KStatus.FAILED
    assert set(found.values()) == {KStatus.CURRENT}


def test_a_template_is_judged_as_without_the_expressions(judge: Callable[[Object], KStatus]) -> None:
    expected = {
        reason: KStatus.CURRENT if reason.value.ready else KStatus.FAILED for reason in TemplateReason
    }

    assert {reason: judge(with_reason("ModelTemplate", reason)) for reason in TemplateReason} == expected
    unknown: Object = {"status": {"conditions": []}}
    assert judge(unknown) == KStatus.IN_PROGRESS


def _of_object(expression: str) -> str:
    """Return an expression of Flux, whose variables are the fields of the object, for a policy."""
    return re.sub(r"(?<![.\w])(metadata|spec|status)\.", r"object.\1.", expression)


def _install(api: KubeApi, message: str) -> None:
    selector = {"matchLabels": {"kubernetes.io/metadata.name": api.namespace}}
    rule = {
        "apiGroups": ["modeloperator.dev"],
        "apiVersions": ["*"],
        "operations": ["UPDATE"],
        "resources": ["modeltemplates/status"],
    }
    spec = {
        "failurePolicy": "Fail",
        "matchConstraints": {"namespaceSelector": selector, "resourceRules": [rule]},
        "validations": [{"expression": "false", "messageExpression": message}],
    }
    api.create({**_POLICY, "kind": "ValidatingAdmissionPolicy", "spec": spec})
    binding = {"policyName": _NAME, "validationActions": ["Deny"]}
    api.create({**_POLICY, "kind": "ValidatingAdmissionPolicyBinding", "spec": binding})


def _answer(api: KubeApi, status: Object) -> str:
    """Return the values; the write itself is refused."""
    try:
        api.patch("ModelTemplate", "encoder", status, subresource="status")
    except KubeApiError as refusal:
        return str(refusal)
    raise AssertionError("the policy is not in force")
