"""No object ends or stops the operator for anybody else, whatever its author put into it."""

from __future__ import annotations

import json
import sys
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.cluster.namespaces import fresh_namespace
from tests.cluster.processes import REPOSITORY
from tests.cluster.waiting import wait_for
from tests.examples.objects import deploy, edit_bundle, instance, template
from tests.fixtures.raw_instances import DEEP, create_raw

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cluster.kube_api import KubeApi
    from tests.cluster.kubectl import Kubectl
    from tests.fixtures.cluster import PrivateOperator

UNREADABLE = 'model_operator_unreadable_objects_total{resource="modelinstances"}'
HOSTILE = {
    "deep metadata of a deployment": (
        "deep-notes",
        '"deployments":[{"name":"x","deployment_metadata":@}]',
        DEEP,
    ),
    "deep parameters": ("deep-values", '"model_creation_parameters":{"MODEL_NAME":@}', DEEP),
    "wide metadata of a deployment": (
        "wide-notes",
        '"deployments":[{"name":"x","deployment_metadata":{"a":@}}]',
        "[" + "{}," * 380_000 + "{}]",
    ),
    "large cards": ("large-cards", '"model_card":@,"description":@', json.dumps("x" * 60_000)),
    "large numbers": (
        "large-numbers",
        '"model_creation_parameters":{"MODEL_NAME":"m","BATCH_SIZE":@}',
        "1" * 300,
    ),
}
"""By what is hostile: name of the instance, what stands in its specification, and what stands for ``@``."""


@pytest.fixture
def bystander(cluster_api: KubeApi) -> Iterator[KubeApi]:
    """Give a client for another namespace that the operator serves."""
    for namespace in fresh_namespace(cluster_api, "mo-bystander"):
        yield cluster_api.in_namespace(namespace)


def count(metrics: str) -> float:
    return float(
        next(line for line in metrics.splitlines() if line.startswith(UNREADABLE)).rpartition(" ")[2]
    )


@pytest.fixture(params=["this Python", "the image's Python"])
def python(request: pytest.FixtureRequest) -> str:
    """Give what runs the operator."""
    if request.param == "this Python":
        return sys.executable
    return str(request.getfixturevalue("python_of_the_image"))


@pytest.mark.timeout(900)  # of which most is for getting the image's Python, if nobody has yet
def test_hostile_objects_block_no_other_object(
    python: str,
    private_api: KubeApi,
    private_operator: PrivateOperator,
    bystander: KubeApi,
    kubectl: Kubectl,
    tmp_path: Path,
) -> None:
    assert bystander.namespace is not None
    namespace = private_api.namespace
    assert namespace is not None
    start = partial(
        private_operator,
        "--namespace",
        bystander.namespace,
        python=python,
        environment={"PYTHONPATH": str(REPOSITORY / "operator")},
    )
    operator = start()
    private_api.apply(template())
    deploy(bystander)

    for name, spec, value in HOSTILE.values():
        create_raw(kubectl, namespace, name, spec.replace("@", value), tmp_path / f"{name}.json")

    def status_of(name: str, path: str) -> str:
        output = ("-o", f"jsonpath={{.status{path}}}")
        return kubectl("get", "modelinstance", name, "--namespace", namespace, *output).stdout

    def is_reported(name: str) -> bool:
        return status_of(name, '.conditions[?(@.type=="Ready")].reason') == "InvalidParameters"

    def has_event(name: str) -> bool:
        told = [each for each in private_api.list("Event") if each["involvedObject"]["name"] == name]
        return any(each["reason"] == "InvalidParameters" for each in told)

    for name, _, _ in HOSTILE.values():
        wait_for(partial(is_reported, name), message=f"the status of {name} says what is wrong", deadline=60)
        assert status_of(name, ".validation_errors")
    assert "too_deep" in status_of("deep-notes", ".validation_errors[*].type")
    assert "too_large" in status_of("large-cards", ".validation_errors[*].type")
    for name in ("deep-notes", "deep-values", "wide-notes", "large-cards"):
        wait_for(partial(has_event, name), message=f"an Event about {name}", deadline=30)
    assert count(operator.metrics()) >= len(HOSTILE) - 1, "large numbers alone are read"

    # They are watched: each is written again, and with each the bystander's next edit is served.
    for name, _, _ in HOSTILE.values():
        kubectl("label", "modelinstance", name, "--namespace", namespace, "again=1")
    edit_bundle(bystander, tag="v2")
    bystander.wait_for_condition("ModelInstance", "minilm", "Ready")
    operator.check_running()

    # And they are listed.
    operator.stop()
    operator = start()
    bystander.apply(instance("another"))
    bystander.wait_for_condition("ModelInstance", "another", "Ready")
    private_api.apply(instance("neighbour"))
    wait_for(
        lambda: status_of("neighbour", ".ready_replicas") == "1",
        message="a neighbour of the hostile objects serves",
        deadline=60,
    )
    assert count(operator.metrics()) >= len(HOSTILE) - 1
    operator.check_running()
