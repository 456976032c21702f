"""An author of instances chooses what the template leaves open, and nothing else of a pod."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster.kube_api import KubeApiError
from tests.cluster.waiting import wait_for
from tests.examples.objects import instance, ready, template

if TYPE_CHECKING:
    from tests.cluster.kube_api import KubeApi, Object
    from tests.fixtures.admission import Admission

MODEL = "$(parameters.MODEL_NAME)"
"""A text that whoever writes an instance chooses."""


def container(**fields: Any) -> Object:
    return {"containers": [{"name": "model", **fields}]}


def volume(**source: Any) -> Object:
    return {"volumes": [{"name": "a", **source}]}


PODS: dict[str, Object] = {
    "account of the instance": {"serviceAccountName": "$(instance.account_id)"},
    "name of the instance": {"nodeName": "$(instance.name)"},
    "node": {"nodeSelector": {"kubernetes.io/hostname": MODEL}},
    "scheduler": {"schedulerName": MODEL},
    "name servers": {"dnsConfig": {"nameservers": [MODEL]}},
    "key of a Secret": container(
        env=[{"name": "A", "valueFrom": {"secretKeyRef": {"name": "a", "key": MODEL}}}]
    ),
    "Secret of the instance's name": volume(secret={"secretName": "$(instance.name)"}),
    "projected token": volume(
        projected={"sources": [{"serviceAccountToken": {"audience": MODEL, "path": "a"}}]}
    ),
    "volume of a node": volume(hostPath={"path": f"/var/{MODEL}"}),
    "part of a volume of a node": {
        **container(volumeMounts=[{"name": "a", "mountPath": "/a", "subPath": MODEL}]),
        **volume(hostPath={"path": "/var"}),
    },
    "storage elsewhere": volume(iscsi={"targetPortal": MODEL, "iqn": "a", "lun": 0}),
    "what is run": container(command=[MODEL]),
    "what a probe runs": container(livenessProbe={"exec": {"command": [MODEL]}}),
    "whom a probe asks": container(livenessProbe={"httpGet": {"host": MODEL, "port": 80}}),
    "what a hook asks": container(
        lifecycle={"preStop": {"httpGet": {"host": "10.0.0.1", "path": MODEL, "port": 80}}}
    ),
    "address of the node": container(ports=[{"containerPort": 80, "hostIP": MODEL, "hostPort": 80}]),
    "image of a sidecar": {"containers": [{"name": "side", "image": MODEL}]},
    "registry of a sidecar": {"containers": [{"name": "side", "image": f"{MODEL}/team/a:1"}]},
    "a field that nobody knows": {"fieldOfTomorrow": MODEL},
}


def with_pod(pod_spec: Object, name: str = "encoder") -> Object:
    obj = template(name)
    obj["spec"]["pod_template"] = {"spec": pod_spec}
    return obj


@pytest.mark.parametrize("pod_spec", PODS.values(), ids=PODS.keys())
def test_a_template_that_would_leave_it_open_is_refused(admission: Admission, pod_spec: Object) -> None:
    with pytest.raises(KubeApiError, match="the field decides what the pod may do"):
        admission.api.create(with_pod(pod_spec, "attacked"))


@pytest.mark.usefixtures("operator")
def test_past_the_webhooks_such_a_template_deploys_nothing(api: KubeApi) -> None:
    for number, pod_spec in enumerate(PODS.values()):
        api.create(with_pod(pod_spec, f"attacked-{number}"))
        api.create(instance(f"attack-{number}", model_template_id=f"attacked-{number}", account_id="admin"))
    for number in range(len(PODS)):
        api.wait_for_condition(
            "ModelTemplate", f"attacked-{number}", "Ready", "False", reason="TemplateInvalid"
        )
        api.wait_for_condition(
            "ModelInstance", f"attack-{number}", "Ready", "False", reason="TemplateInvalid"
        )
    assert api.list("Deployment") == []


@pytest.mark.usefixtures("operator")
@pytest.mark.parametrize("value", ["evil/a", "a:2", "registry.evil.test/a", f"a@sha256:{'0' * 64}"])
def test_a_value_brings_no_other_image(api: KubeApi, value: str) -> None:
    api.create(template(image=f"team/{MODEL}"))
    api.create(instance(model_creation_parameters={"MODEL_NAME": value}))

    obj = api.wait_for_condition("ModelInstance", "minilm", "Ready", "False", reason="InvalidParameters")

    (error,) = obj["status"]["validation_errors"]
    assert (error["loc"], error["type"]) == (["spec", "model_creation_parameters", "MODEL_NAME"], "image")
    assert value not in error["msg"]
    assert api.list("Deployment") == []


def deployments(*workers: int) -> Object:
    return {
        "deployments": [
            {"name": f"d{number}", "vendor_configuration": {"min_workers": 1, "max_workers": most}}
            for number, most in enumerate(workers)
        ]
    }


def test_an_instance_asks_for_no_more_workers_than_one_may(admission: Admission) -> None:
    admission.api.apply(template("many"))
    for api in (admission.api, admission.warn, admission.deny):
        with pytest.raises(KubeApiError, match=r"at most 250 workers in total.* got 251"):
            api.create(instance("many", model_template_id="many", **deployments(125, 126)))


@pytest.mark.usefixtures("operator")
def test_past_the_webhooks_too_many_workers_are_reported_and_nothing_is_torn_down(api: KubeApi) -> None:
    api.create(template())
    api.create(instance(**deployments(2, 2)))
    wait_for(lambda: len(api.list("HorizontalPodAutoscaler")) == 2)
    before = {obj["metadata"]["name"]: obj["metadata"]["generation"] for obj in api.list("Deployment")}

    api.patch("ModelInstance", "minilm", {"spec": deployments(200, 51)})
    obj = api.wait_for_condition("ModelInstance", "minilm", "Ready", "False", reason="InvalidParameters")

    (error,) = obj["status"]["validation_errors"]
    assert (error["loc"], error["type"]) == (["spec", "deployments"], "too_many_workers")
    assert "at most 250 workers" in ready(obj)["message"]
    after = {obj["metadata"]["name"]: obj["metadata"]["generation"] for obj in api.list("Deployment")}
    assert after == before
    assert {obj["spec"]["maxReplicas"] for obj in api.list("HorizontalPodAutoscaler")} == {2}
