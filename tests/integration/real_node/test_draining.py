"""A roll-out under load loses no request: the old worker sleeps until no more requests are sent to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster.nodes.real import SHELL_IMAGE
from tests.cluster.waiting import wait_for
from tests.examples.objects import container, edit_bundle

if TYPE_CHECKING:
    from tests.cluster.control_plane import ControlPlane
    from tests.cluster.kube_api import KubeApi, Object

REGISTRY, _, IMAGE = SHELL_IMAGE.rpartition("/")
NAME, _, TAG = IMAGE.partition(":")
SERVE = """
mkdir -p /tmp/www && echo "$VERSION" > /tmp/www/index.html && cp /tmp/www/index.html /tmp/www/readyz
httpd -f -p 5005 -h /tmp/www &
trap 'kill $!; exit 0' TERM
wait
"""
"""Like most servers, it stops at SIGTERM at once."""
ASK = """
while true; do
  wget -q -O - http://{url} 2>&1 || echo FAILED
done
"""
LEAST = 20
"""Answers of each version, so that requests were under way all the time."""


def template() -> Object:
    endpoint = {"cpus": "50m", "memory": "32Mi", "storage": "32Mi"}
    bundle: dict[str, Any] = {
        "registry": REGISTRY,
        "image": NAME,
        "tag": TAG,
        "command": ["sh", "-c", SERVE],
        "env": {"VERSION": "old"},
    }
    return {
        "apiVersion": "modeloperator.dev/v1alpha1",
        "kind": "ModelTemplate",
        "metadata": {"name": "encoder"},
        "spec": {
            "model_type": "GENERIC",
            "vendor_configuration": {"bundle_config": bundle, "endpoint_config": endpoint},
        },
    }


@pytest.mark.usefixtures("node_operator")
def test_a_roll_out_under_load_loses_no_request(
    real_node: ControlPlane, node_api: KubeApi, node_namespace: str
) -> None:
    node_api.apply(template())
    node_api.apply(
        {
            "apiVersion": "modeloperator.dev/v1alpha1",
            "kind": "ModelInstance",
            "metadata": {"name": "minilm"},
            "spec": {"model_template_id": "encoder"},
        }
    )
    url = node_api.wait_for_condition("ModelInstance", "minilm", "Ready", deadline=90)["status"]["url"]
    hook = container(node_api.get("Deployment", "minilm"))["lifecycle"]
    assert hook == {"preStop": {"sleep": {"seconds": 5}}}
    shell = {
        "name": "shell",
        "image": SHELL_IMAGE,
        "command": ["sh", "-c", ASK.format(url=url.split("//")[1])],
    }
    node_api.create(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "client"},
            "spec": {"containers": [shell], "terminationGracePeriodSeconds": 0},
        }
    )

    def answers() -> list[str]:
        return real_node.kubectl("logs", "client", "--namespace", node_namespace).stdout.split()

    wait_for(lambda: node_api.get("Pod", "client")["status"].get("phase") == "Running", 60)
    wait_for(lambda: answers().count("old") >= LEAST, 40, "the old version answers")
    before = {
        pod["metadata"]["name"] for pod in node_api.list("Pod", labels="modeloperator.dev/instance=minilm")
    }

    edit_bundle(node_api, env={"VERSION": "new"})

    for name in before:
        node_api.wait_until_gone("Pod", name, deadline=60)
    new = answers().count("new")
    wait_for(lambda: answers().count("new") >= new + LEAST, 30, "the new version answers")
    assert set(answers()) == {"old", "new"}
