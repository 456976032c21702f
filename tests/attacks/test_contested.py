"""Who keeps changing a child back does not wear the operator out, and is named in the instance's status."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import pytest

from tests.cluster.kube_api import KubeApi, KubeApiError
from tests.cluster.waiting import wait_for
from tests.examples.objects import container, deploy, edit_bundle, ready

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.cluster.control_plane import ControlPlane
    from tests.cluster.kube_api import Object

pytestmark = pytest.mark.usefixtures("operator")

OURS = "registry.test/encoder:v1"
THEIRS = "registry.test/theirs:1"
FIGHT_SECONDS = 15.0
"""Corrections come at once, after 1, 2, 4 and 8 seconds; the next one would come after 16 more."""


@contextmanager
def opponent(act: Callable[[], Any]) -> Iterator[None]:
    """Have somebody do a thing over and over again, many times in a second; a refusal is no matter."""
    ended = threading.Event()

    def fight() -> None:
        while not ended.wait(0.03):
            try:
                act()
            except KubeApiError as error:
                assert error.code in (404, 409), error  # noqa: PT017 -- nothing else may be wrong

    thread = threading.Thread(target=fight)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def applies(control_plane: ControlPlane, api: KubeApi, resource: str) -> int:
    """Count the operator's applies of the children of the test's namespace."""
    return sum(
        (event["namespace"], event["resource"], event["verb"]) == (api.namespace, resource, "patch")
        and parse_qs(event["query"]).get("fieldManager") == ["model-operator"]
        for event in control_plane.audit_events()
    )


def contested(obj: Object) -> list[tuple[str, str, str]]:
    """Give kind, field and manager of what an instance's status says to be contested."""
    entries = obj["status"]["deployments"]
    return [
        (each["kind"], each["field"], each["manager"])
        for entry in entries
        for each in entry.get("contested", ())
    ]


def set_image(api: KubeApi, image: str, manager: str) -> None:
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "model", "image": image}]}}}}
    api.patch("Deployment", "minilm", patch, patch_type="strategic", manager=manager)


def test_controller_that_fights_is_named_and_costs_few_writes(
    api: KubeApi, control_plane: ControlPlane
) -> None:
    deploy(api)
    before = applies(control_plane, api, "deployments")

    def revert() -> None:
        if container(api.get("Deployment", "minilm"))["image"] == OURS:
            set_image(api, THEIRS, "image-updater")

    with opponent(revert):
        told = api.wait_for_condition("ModelInstance", "minilm", "Ready", "False", reason="Contested")
        time.sleep(FIGHT_SECONDS)
        again = api.get("ModelInstance", "minilm")
        written = applies(control_plane, api, "deployments") - before
        # What the user changes does not wait.
        asked = time.monotonic()
        edit_bundle(api, tag="v2")
        wait_for(lambda: container(api.get("Deployment", "minilm"))["image"] == "registry.test/encoder:v2")
        taken = time.monotonic() - asked

    field = 'spec.template.spec.containers[name="model"].image'
    for obj in (told, again):
        assert contested(obj) == [("Deployment", field, "image-updater")]
        assert ready(obj)["status"] == "False"
        assert f"{field} keeps being changed by field manager image-updater." in ready(obj)["message"]
    assert ready(told) == ready(again), "it is the same from round to round"
    assert 2 <= written <= 6
    assert taken < 12
    healed = api.wait_for_condition("ModelInstance", "minilm", "Ready", reason="RolledOut", deadline=60)
    assert contested(healed) == []


def test_single_edit_is_corrected_at_once_and_nobody_is_accused(api: KubeApi) -> None:
    obj = deploy(api)
    set_image(api, THEIRS, "kubectl-edit")
    wait_for(lambda: container(api.get("Deployment", "minilm"))["image"] == OURS)

    api.wait_for_condition("ModelInstance", "minilm", "Ready")
    versions = api.versions("ModelInstance", "minilm", obj["metadata"]["resourceVersion"])
    assert all(ready(each).get("reason") != "Contested" for each in versions)


def test_foreign_autoscaler_is_named_with_its_subresource(api: KubeApi, control_plane: ControlPlane) -> None:
    """An autoscaler of somebody else's writes as kube-controller-manager, by the scale subresource."""
    deploy(api)
    before = applies(control_plane, api, "deployments")

    def scale() -> None:
        if api.get("Deployment", "minilm")["spec"]["replicas"] == 1:
            api.patch(
                "Deployment",
                "minilm",
                {"spec": {"replicas": 2}},
                subresource="scale",
                manager="kube-controller-manager",
            )

    with opponent(scale):
        told = api.wait_for_condition("ModelInstance", "minilm", "Ready", "False", reason="Contested")
        time.sleep(5)
        written = applies(control_plane, api, "deployments") - before

    assert contested(told) == [("Deployment", "spec.replicas", "kube-controller-manager (scale)")]
    assert 1 <= written <= 5


def test_child_that_is_deleted_again_and_again(api: KubeApi, control_plane: ControlPlane) -> None:
    deploy(api)
    before = applies(control_plane, api, "services")
    with opponent(lambda: api.delete("Service", "minilm")):
        told = api.wait_for_condition("ModelInstance", "minilm", "Ready", "False", reason="Contested")
        time.sleep(5)
        written = applies(control_plane, api, "services") - before

    assert contested(told) == [("Service", "", "")]
    assert 1 <= written <= 6
    api.wait_for_condition("ModelInstance", "minilm", "Ready", deadline=60)
    assert api.find("Service", "minilm")


def test_controller_that_strips_our_annotations_is_a_fight_too(
    api: KubeApi, control_plane: ControlPlane
) -> None:
    """Without its hash a child looks as if it had never been applied: the pauses grow all the same."""
    deploy(api)
    before = applies(control_plane, api, "services")

    def strip() -> None:
        if "annotations" in api.get("Service", "minilm")["metadata"]:
            api.patch("Service", "minilm", {"metadata": {"annotations": None}}, manager="stripper")

    with opponent(strip):
        told = api.wait_for_condition("ModelInstance", "minilm", "Ready", "False", reason="Contested")
        time.sleep(5)
        written = applies(control_plane, api, "services") - before

    assert contested(told) == [("Service", "metadata.annotations", "")]
    assert 1 <= written <= 6


POLICY = """
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicy
metadata: {{name: {name}}}
spec:
  matchConstraints:
    namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: {namespace}}}}}
    resourceRules:
      - {{apiGroups: [apps], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [deployments]}}
  failurePolicy: Fail
  reinvocationPolicy: Never
  mutations: [{mutation}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicyBinding
metadata: {{name: {name}}}
spec: {{policyName: {name}}}
"""
MIRROR = """
{patchType: ApplyConfiguration, applyConfiguration: {expression: 'Object{spec: Object.spec{template:
Object.spec.template{spec: Object.spec.template.spec{containers: [
Object.spec.template.spec.containers{name: "agent", image: "agent:1"},
Object.spec.template.spec.containers{name: "model", image: "mirror.test/encoder:v1"}]}}}}'}}
"""
EACH_TIME_ANOTHER = """
{patchType: JSONPatch, jsonPatch: {expression: '[JSONPatch{op: "add",
path: "/metadata/labels/app.kubernetes.io~1component",
value: "v" + (oldObject == null ? "0" : oldObject.metadata.resourceVersion)}]'}}
"""


@contextmanager
def rewriting(cluster_api: KubeApi, api: KubeApi, mutation: str) -> Iterator[None]:
    """Have a policy rewrite each Deployment of the test's namespace."""
    name = f"rewrites-{api.namespace}"
    mutation = " ".join(mutation.split())
    cluster_api.apply_all(POLICY.format(name=name, namespace=api.namespace, mutation=mutation))
    labels = {"labels": {"a": "b"}}
    pod = {"metadata": labels, "spec": {"containers": [{"name": "model", "image": "x:1"}]}}
    probe = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "probe", **labels},
        "spec": {"replicas": 7, "selector": {"matchLabels": {"a": "b"}}, "template": pod},
    }

    def is_rewritten() -> bool:
        made = api.create(probe, dry_run=True)
        containers = made["spec"]["template"]["spec"]["containers"]
        return (made["metadata"]["labels"], made["spec"]["replicas"], len(containers)) != ({"a": "b"}, 7, 1)

    try:
        # A policy takes effect after a moment.
        wait_for(is_rewritten, message="the policy takes effect")
        yield
    finally:
        for kind in ("MutatingAdmissionPolicyBinding", "MutatingAdmissionPolicy"):
            cluster_api.delete(kind, name)


@pytest.mark.parametrize("mutation", [MIRROR, EACH_TIME_ANOTHER], ids=["mirror", "each time another"])
def test_policy_that_rewrites_what_is_applied_is_no_fight(
    api: KubeApi, cluster_api: KubeApi, control_plane: ControlPlane, mutation: str
) -> None:
    with rewriting(cluster_api, api, mutation):
        deploy(api)
        before = applies(control_plane, api, "deployments")
        for number in range(10):
            api.patch("ModelInstance", "minilm", {"metadata": {"annotations": {"touched": str(number)}}})
            api.patch("Deployment", "minilm", {"metadata": {"annotations": {"touched": str(number)}}})
            time.sleep(0.3)
        written = applies(control_plane, api, "deployments") - before
        obj = api.wait_for_condition("ModelInstance", "minilm", "Ready")

    assert contested(obj) == []
    assert written <= (2 if mutation == MIRROR else 8)


FEWER = """
{patchType: JSONPatch, jsonPatch: {expression: '[JSONPatch{op: "add", path: "/spec/replicas", value: 1}]'}}
"""


def test_policy_that_takes_workers_away_is_reported_and_not_fought(
    api: KubeApi, cluster_api: KubeApi, control_plane: ControlPlane
) -> None:
    deploy(api)
    with rewriting(cluster_api, api, FEWER):
        before = applies(control_plane, api, "deployments")
        api.patch("ModelInstance", "minilm", {"spec": {"replicas": 3}})
        obj = api.wait_for_condition("ModelInstance", "minilm", "Ready", "False", reason="Contested")
        time.sleep(3)
        written = applies(control_plane, api, "deployments") - before

    assert contested(obj) == [("Deployment", "spec.replicas", "")]
    assert written <= 3
