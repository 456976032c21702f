"""No value of a parameter leaves the objects that it is for: a marker goes the whole way, and is looked for.

It is given as a string, within an object and in a list, rightly and wrongly, and put where Kubernetes refuses
it and quotes it. Then it must be in the children, and in nothing else: not in the operator's log
at its most talkative, its metrics, Events, statuses, or the answers of its webhooks.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.cluster.kube_api import KubeApiError
from tests.cluster.operator_process import OperatorProcess
from tests.cluster.waiting import wait_for
from tests.cluster.webhooks import webhook_environment
from tests.examples.objects import environment, instance, ready, template
from tests.fixtures.admission import private_admission

if TYPE_CHECKING:
    from tests.cluster.kube_api import KubeApi, Object
    from tests.cluster.kubectl import Kubectl
    from tests.fixtures.admission import Admission

__all__ = ["private_admission"]

MARKER = "sk-Zq8wXv3Nt6Rb1Lm5"
NESTED = {"outer": {"token": f"{MARKER}-nested"}}
LIST = [f"{MARKER}-first", f"{MARKER}-second"]
RIGHT = {"MODEL_NAME": f"{MARKER}-string", "NESTED": NESTED, "LIST": LIST}
# Wrong in the ways in which a message could quote it: another type, not in a list, too long, not declared.
WRONG: dict[str, Any] = {
    "MODEL_NAME": [f"{MARKER}-string"],
    "NESTED": {"outer": {"token": {"deeper": f"{MARKER}-nested"}}},
    "LIST": [f"{MARKER}-first", {"no": f"{MARKER}-string"}],
    "MODE": f"{MARKER}-mode",
    "SHORT": f"{MARKER}-long",
    "SHAPED": f"{MARKER}-shape",
    "BATCH_SIZE": f"{MARKER}-number",
    "UNKNOWN": f"{MARKER}-unknown",
}


def checked() -> Object:
    """Give a template with parameters of each kind, which go into variables and arguments."""
    obj = template("checked", args=["--model", "$(parameters.MODEL_NAME)", "$(parameters.LIST[*])"])
    obj["spec"]["model_creation_parameters_schema"]["properties"] |= {
        "NESTED": {
            "type": "object",
            "properties": {"outer": {"type": "object", "properties": {"token": {"type": "string"}}}},
        },
        "LIST": {"type": "array", "items": {"type": "string"}},
        "MODE": {"enum": ["fast", "accurate"]},
        "SHORT": {"type": "string", "maxLength": 3},
        "SHAPED": {"type": "string", "pattern": "^[0-9]+$"},
    }
    return obj


def quoting(name: str, pod_template: Object | None = None, **bundle: Any) -> Object:
    """Give a template whose parameter VALUE goes where somebody may refuse and quote it."""
    obj = template(name, **bundle)
    obj["spec"]["model_creation_parameters_schema"] = {
        "type": "object",
        "required": ["VALUE"],
        "properties": {"VALUE": {"type": "string", "examples": ["example"]}},
    }
    if pod_template:
        obj["spec"]["pod_template"] = pod_template
    return obj


# Who quotes it: the API server of a host name, the scheduler of a claim, a node of an image.
REFUSED = {
    "hostname": (
        quoting("hostname", {"spec": {"hostname": "$(parameters.VALUE)"}}),
        f"{MARKER} no host",
        "DeploymentRejected",
    ),
    "claim": (
        quoting(
            "claim",
            {
                "spec": {
                    "volumes": [
                        {"name": "models", "persistentVolumeClaim": {"claimName": "$(parameters.VALUE)"}}
                    ]
                }
            },
        ),
        f"{MARKER.lower()}-claim",
        "VolumeNotReady",
    ),
    "image": (
        quoting(
            "image",
            {"metadata": {"labels": {"simulate.modeloperator.dev/failure": "image-pull"}}},
            tag="$(parameters.VALUE)",
        ),
        MARKER,
        "ImagePullFailed",
    ),
}


@pytest.fixture
def talkative(private_admission: Admission) -> Admission:
    """Give the webhooks with an operator that logs all that it can."""
    variables = {
        **webhook_environment(private_admission.port, private_admission.certificates),
        "MODEL_OPERATOR_LOG_LEVEL": "debug",
        "MODEL_OPERATOR_LOG_FORMAT": "json",
    }
    namespaces = (word for name in private_admission.namespaces for word in ("--namespace", name))
    private_admission.operator = OperatorProcess.start(
        private_admission.kubeconfig, *namespaces, log=private_admission.log, environment=variables
    )
    return private_admission


def denial(api: KubeApi, obj: Object) -> str:
    try:
        api.create(obj)
    except KubeApiError as error:
        return f"{error} {error.message}"
    raise AssertionError(f"{obj['metadata']['name']} was let in")


def leaks(text: str) -> list[str]:
    """Give the lines with the marker; its letters' case may have been changed."""
    return [line for line in text.splitlines() if MARKER.lower() in line.lower()]


def test_marker_is_in_the_children_and_nowhere_else(talkative: Admission, kubectl: Kubectl) -> None:
    api, warned = talkative.api, talkative.warn
    for each in (api, warned):
        each.apply(checked())
        each.wait_for_condition("ModelTemplate", "checked", "Ready")

    # Let in, and in the children as it was given.
    api.create(instance("right", model_template_id="checked", model_creation_parameters=RIGHT))
    api.wait_for_condition("ModelInstance", "right", "Ready")
    variables = environment(api.get("Deployment", "right"))
    assert variables["MODEL_NAME"] == RIGHT["MODEL_NAME"]
    assert (json.loads(variables["NESTED"]), json.loads(variables["LIST"])) == (NESTED, LIST)

    # Denied by the webhook, in the API server's answer and in kubectl's words.
    wrong = instance("wrong", model_template_id="checked", model_creation_parameters=WRONG)
    answer = denial(api, wrong)
    assert all(f"model_creation_parameters.{name}" in answer for name in WRONG)
    assert leaks(answer) == []
    shown = kubectl(
        "create", "--namespace", api.namespace, "-f", "-", input=yaml.safe_dump(wrong), check=False
    )
    assert "model_creation_parameters.SHAPED" in shown.stderr
    assert leaks(shown.stderr) == []

    # Only warned of, and told in the status.
    shown = kubectl("create", "--namespace", warned.namespace, "-f", "-", input=yaml.safe_dump(wrong))
    assert "model_creation_parameters.SHAPED" in shown.stderr
    assert leaks(shown.stderr) == []
    told = warned.wait_for_condition("ModelInstance", "wrong", "Ready", "False", reason="InvalidParameters")
    assert len(told["status"]["validation_errors"]) == len(WRONG)

    # Refused by the API server, the scheduler, or a node, which quote it.
    for name, (made_of, value, reason) in REFUSED.items():
        api.apply(made_of)
        api.create(instance(name, model_template_id=name, model_creation_parameters={"VALUE": value}))
        api.wait_for_condition("ModelInstance", name, "Ready", "False", reason=reason)

    for each in (api, warned):
        statuses = [obj["status"] for kind in ("ModelInstance", "ModelTemplate") for obj in each.list(kind)]
        assert leaks(yaml.safe_dump(statuses, width=10_000)) == []
    messages = {name: ready(api.get("ModelInstance", name))["message"] for name in REFUSED}
    assert all("…" in message for message in messages.values()), messages

    def posted() -> bool:
        reasons = {event["reason"] for event in own_events(api)}
        return reasons >= {"RolledOut", *(reason for _, _, reason in REFUSED.values())}

    wait_for(posted)
    wait_for(lambda: "InvalidParameters" in {event["reason"] for event in own_events(warned)})
    for each in (api, warned):
        assert leaks(yaml.safe_dump(own_events(each), width=10_000)) == []
    operator = talkative.operator
    assert operator is not None
    assert "model_operator_webhook_decisions_total" in operator.metrics()
    assert leaks(operator.metrics()) == []
    talkative.stop()
    log = talkative.log.read_text()
    assert '"level": "debug"' in log
    assert all(word in log for word in ('"denied"', '"child created"', '"write refused"'))
    assert leaks(log) == []


def own_events(api: KubeApi) -> list[Object]:
    """Give the Events that the operator has posted; a kubelet's and a scheduler's are theirs."""
    return [
        event
        for event in api.list("Event.events.k8s.io")
        if event.get("reportingController") == "model-operator"
    ]
