"""Without the API server: control requests are 503, lists and calls to models go on for a while."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.cluster.gateway.callers import executor_key, person_token
from tests.cluster.gateway.on_loopback import STUB_PORT
from tests.cluster.gateway.process import GatewayProcess
from tests.cluster.proxy import TcpProxy
from tests.cluster.waiting import wait_for
from tests.fixtures.rest import client_of, model_of, send

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cluster.cluster import Cluster
    from tests.cluster.gateway.process import StubWorkers
    from tests.cluster.kube_api import KubeApi

pytestmark = pytest.mark.usefixtures("text_template", "operator")
COMPLETIONS = "/v1/completions"


@pytest.fixture
def cut_off(
    cluster: Cluster, stub: StubWorkers, api: KubeApi, tmp_path: Path
) -> Iterator[tuple[TcpProxy, GatewayProcess]]:
    """Give a gateway whose way to the API server can be cut, and that keeps answers for a second."""
    original = cluster.gateway_kubeconfig()
    with (
        TcpProxy.before(original) as proxy,
        GatewayProcess.start(
            proxy.kubeconfig(original, tmp_path / "kubeconfig"),
            log=tmp_path / "gateway.log",
            environment={
                STUB_PORT: str(stub.port),
                "MODEL_OPERATOR_GATEWAY_IDENTITY__ALLOWED_SECONDS": "1",
                "MODEL_OPERATOR_GATEWAY_IDENTITY__TIMEOUT_SECONDS": "1",
                "MODEL_OPERATOR_GATEWAY_REQUEST_TIMEOUT_SECONDS": "2",
                # A list needs the rights for each namespace, and other tests create some at any time.
                "MODEL_OPERATOR_GATEWAY_NAMESPACES": api.namespace,
            },
        ) as gateway,
    ):
        yield proxy, gateway


@pytest.mark.parametrize("fault", ["cut", "stall"])
def test_away_and_back(
    cut_off: tuple[TcpProxy, GatewayProcess], api: KubeApi, author: str, fault: str
) -> None:
    proxy, gateway = cut_off
    key = executor_key(api)
    with client_of(gateway, author) as client:
        model = client.models.create(**model_of(api.namespace))
        api.wait_for_condition("ModelInstance", "writer", "Ready")
        assert [each.id for each in client.models.list()] == [model.id]
        wait_for(lambda: completes(gateway, key, "writer"), 30, "the model answers")

        getattr(proxy, fault)()
        for method, path, body in (
            ("POST", "/v4/models", model_of(api.namespace, "other")),
            ("GET", f"/v4/models/{model.id}", None),
            ("PATCH", f"/v4/models/{model.id}", {"description": "x"}),
            ("DELETE", f"/v4/models/{model.id}", None),
        ):
            begun = time.monotonic()
            answer = send(gateway, author, method, path, body)
            assert answer.status_code == 503, (method, answer.text)
            assert int(answer.headers["Retry-After"]) > 0
            assert answer.json()["detail"]
            assert time.monotonic() - begun < 15
        # The rights of the list were known, so it goes on, as calls do.
        assert [each.id for each in client.models.list()] == [model.id]
        assert completes(gateway, key, "writer")
        assert send(gateway, person_token(api, name="new"), "GET", "/v4/models").status_code == 503

        proxy.mend()
        wait_for(lambda: send(gateway, author, "GET", f"/v4/models/{model.id}").status_code == 200, 30)
        assert client.models.update(model.id, description="x").description == "x"
        assert [each["metadata"]["name"] for each in api.list("ModelInstance")] == ["writer"]
        assert client.models.delete(model.id).count == 1


def completes(gateway: GatewayProcess, key: str, model: str) -> bool:
    """Return whether a model completes a text."""
    answer = send(
        gateway, None, "POST", COMPLETIONS, {"model": model, "prompt": "x"}, Authorization=f"Bearer {key}"
    )
    return answer.status_code == 200
