"""The code sample of the reference, run as it stands: only the address and the key are set."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.cluster.waiting import wait_for
from tests.fixtures.rest import send, text_template_object

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.gateway.process import GatewayProcess
    from tests.cluster.kube_api import KubeApi

SAMPLE = """\
import os
from scale_gp import SGPClient

client = SGPClient(
    api_key=os.environ.get("SGP_API_KEY"),  # This is the default and can be omitted
)
model_instance = client.models.create(
    account_id="account_id",
    model_type="COMPLETION",
    name="name",
)
print(model_instance.id)
"""


@pytest.fixture
def account(api: KubeApi, cluster_api: KubeApi, gateway: GatewayProcess, author: str) -> Iterator[str]:
    """Give the account of the sample, which is the test's namespace by its label."""
    label = "modeloperator.dev/account-id"
    cluster_api.patch("Namespace", api.namespace, {"metadata": {"labels": {label: "account_id"}}})
    probe = {"model_type": "GENERIC", "model_vendor": "OPENAI"}
    kind = {"apiVersion": "modeloperator.dev/v1alpha1", "kind": "ModelInstance"}
    api.create({**kind, "metadata": {"name": "probe"}, "spec": probe})
    query = "/v4/models?account_id=account_id"
    wait_for(lambda: send(gateway, author, "GET", query).json()["items"], message="the label is seen")
    api.delete("ModelInstance", "probe")
    yield "account_id"
    cluster_api.patch("Namespace", api.namespace, {"metadata": {"labels": {label: None}}})


def run(gateway: GatewayProcess, key: str) -> subprocess.CompletedProcess[str]:
    """Run the sample."""
    environment = os.environ | {"SGP_CLIENT_BASE_URL": gateway.url, "SGP_API_KEY": key}
    return subprocess.run(
        [sys.executable, "-c", SAMPLE],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_without_a_default_template_it_is_told_what_it_lacks(
    gateway: GatewayProcess, author: str, account: str, api: KubeApi
) -> None:
    done = run(gateway, author)

    assert done.returncode != 0
    last = done.stderr.strip().splitlines()[-1]
    assert "UnprocessableEntityError: Error code: 422" in last
    assert "['body', 'model_template_id']" in last
    assert api.list("ModelInstance") == []


@pytest.mark.usefixtures("operator")
def test_with_a_default_template_it_gives_a_model(
    gateway: GatewayProcess, author: str, account: str, api: KubeApi
) -> None:
    other = text_template_object("other", model_type="EMBEDDING")
    chosen = text_template_object("chosen", model_creation_parameters_schema={"type": "object"})
    for obj in (chosen, other):
        obj["metadata"]["annotations"] = {"modeloperator.dev/is-default-template": "true"}
        api.apply(obj)

    done = run(gateway, author)

    assert done.returncode == 0, done.stderr
    obj = api.wait_for_condition("ModelInstance", "name", "Ready")
    assert done.stdout.strip() == obj["metadata"]["uid"]
    assert obj["spec"]["model_template_id"] == "chosen"
    assert run(gateway, author).stdout == done.stdout, "run again, it is a repeat"
