"""Objects that a user may write: they change that user's own models at most, and never end the gateway."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster.gateway.published import MANAGED_BY, SLICE_MANAGER, publish, put_endpoints
from tests.cluster.gateway.world import world
from tests.cluster.kube_api import KubeApiError
from tests.cluster.namespaces import fresh_namespace
from tests.cluster.waiting import wait_for
from tests.fixtures.gateway import is_routed, post

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.cluster import Cluster
    from tests.cluster.gateway.process import StubWorkers
    from tests.cluster.gateway.world import World
    from tests.cluster.kube_api import KubeApi

CHAT = "/v1/chat/completions"


@pytest.fixture(scope="module")
def hostile(
    cluster: Cluster, cluster_api: KubeApi, stub: StubWorkers, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    with world(cluster, cluster_api, stub, tmp_path_factory.mktemp("objects")) as found:
        yield found
        assert is_routed(found.gateway, found.key, found.chat)
        assert found.defects() == []


@pytest.fixture(scope="module")
def elsewhere(cluster_api: KubeApi, hostile: World) -> Iterator[KubeApi]:
    """Give the namespace of another user, with a model of its own that the key is not for."""
    for namespace in fresh_namespace(cluster_api, "mo-private"):
        api = cluster_api.in_namespace(namespace)
        publish(api, "secret", hostile.stub.port, ["10.0.9.9"])
        yield api


def code(hostile: World, model: str, path: str = CHAT, **body: Any) -> tuple[int, str]:
    """Return status and code of the error of a request, or the worker that answered it."""
    status, answer, _ = post(hostile.gateway, hostile.key, path, {"model": model, "messages": [], **body})
    found = json.loads(answer)
    if status == 200:
        return status, found["choices"][0]["message"]["content"]
    if "error" in found:
        return status, found["error"]["code"]
    return status, found["detail"][0]["type"] if isinstance(found["detail"], list) else found["code"]


def test_the_api_server_refuses_special_addresses(hostile: World) -> None:
    for address in ("127.0.0.1", "169.254.169.254", "0.0.0.0", "224.0.0.1", "metadata.internal"):
        with pytest.raises(KubeApiError):
            put_endpoints(hostile.api, "special", 80, [address])
    for address in ("::1", "::ffff:127.0.0.1", "fe80::1"):
        with pytest.raises(KubeApiError):
            put_endpoints(hostile.api, "special", 80, [address], addressType="IPv6")


@pytest.mark.parametrize(
    "changed",
    [
        {"labels": {SLICE_MANAGER: "somebody.example.com"}},
        {"labels": {SLICE_MANAGER: "endpointslicemirroring-controller.k8s.io"}},
        {"labels": {MANAGED_BY: "somebody"}},
        {"ownerReferences": []},
    ],
)
def test_a_slice_of_another_origin_counts_for_nothing(hostile: World, changed: dict[str, Any]) -> None:
    port, api = hostile.stub.port, hostile.api
    put_endpoints(api, "chat", port, ["10.0.6.6"], name="forged")
    wait_for(lambda: "stub 127.0.6.6" in {code(hostile, hostile.chat)[1] for _ in range(4)}, 10, "it counts")
    written = api.get("EndpointSlice", "forged")
    written["metadata"] = {
        **written["metadata"],
        **changed,
        "labels": {**written["metadata"]["labels"], **changed.get("labels", {})},
    }
    api.replace(written)  # its controller may delete it at once
    wait_for(
        lambda: {code(hostile, hostile.chat) for _ in range(6)} == {(200, "stub 127.0.0.1")},
        10,
        "the forged one does not count",
    )
    if api.find("EndpointSlice", "forged"):
        api.delete("EndpointSlice", "forged")


def test_names_and_ids_of_other_models_in_a_status_lead_nowhere(hostile: World, elsewhere: KubeApi) -> None:
    uid = elsewhere.get("ModelInstance", "secret")["metadata"]["uid"]
    forged = publish(hostile.api, "forged", hostile.stub.port, ["10.0.5.5"])
    entry = hostile.api.get("ModelInstance", "forged")["status"]["deployments"][0]
    for name in ("secret", f"{elsewhere.namespace}/secret", uid, "../secret"):
        status = {"id": uid, "deployments": [{**entry, "name": name}, entry]}
        hostile.api.patch("ModelInstance", "forged", {"status": status}, subresource="status")
        assert code(hostile, f"{elsewhere.namespace}/secret") == (404, "model_not_found")
        assert code(hostile, uid) == (404, "model_not_found")
        assert code(hostile, forged) == (200, "stub 127.0.5.5")
    assert all(each["worker"] != "127.0.9.9" for each in hostile.stub.requests())


@pytest.mark.parametrize(
    ("route", "sent"),
    [
        ("/a b", "/a b"),
        ("/a\r\nX-Forged: 1", "/a\r\nX-Forged: 1"),
        ("/a HTTP/1.1\r\nHost: x\r\n\r\nGET /b", "/a HTTP/1.1\r\nHost: x\r\n\r\nGET /b"),
        ("/#\0", "/#\0"),
        ("/é", "/é"),
        ("@elsewhere.example", "/@elsewhere.example"),
        ("http://elsewhere.example/", "/http://elsewhere.example/"),
    ],
)
def test_a_route_is_one_path_at_the_worker(hostile: World, route: str, sent: str) -> None:
    publish(
        hostile.api,
        "routes",
        hostile.stub.port,
        ["10.0.4.4"],
        model_type="GENERIC",
        protocol="SGP",
        predict_route=route,
    )
    hostile.stub.forget()
    path = f"/v4/models/{hostile.api.namespace}%2Froutes/deployments/routes/execute"

    def paths() -> list[str]:
        hostile.stub.forget()
        post(hostile.gateway, hostile.key, path, {})
        return [each["path"] for each in hostile.stub.requests()]

    wait_for(lambda: paths() == [sent], 10, "the worker gets the route")
    (seen,) = hostile.stub.requests()
    assert "forged" not in json.dumps(seen["headers"]).lower()


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"model_request_parameters": {"properties": [1]}}},
        {"properties": {"model_request_parameters": {"pattern": "("}}},
        {"properties": {"model_request_parameters": {"type": 5, "required": 7}}},
        {"properties": {"model_request_parameters": {"properties": {"bindings": {"pattern": 5}}}}},
    ],
)
def test_a_schema_that_is_none_refuses_bindings(hostile: World, schema: dict[str, Any]) -> None:
    name = "schemas"
    model = publish(hostile.api, name, hostile.stub.port, ["10.0.3.3"], status={"request_schema": None})
    wait_for(lambda: code(hostile, model)[0] == 200, 10, "it is registered")
    hostile.api.patch("ModelInstance", name, {"status": {"request_schema": schema}}, subresource="status")
    path = f"/v4/models/{model.replace('/', '%2F')}/chat-completions"
    given = {"prompt": "a", "chat_history": [], "model_request_parameters": {"bindings": {"a": "x"}}}

    def answer() -> tuple[int, bool]:
        status, text, _ = post(hostile.gateway, hostile.key, path, given)
        return status, b"schema" in text

    wait_for(lambda: answer() == (422, True), 10, "they are refused for their schema")


@pytest.mark.parametrize("depth", [500, 2000])
def test_values_that_are_nested_deeply(hostile: World, depth: int) -> None:
    name = f"deep-{depth}"
    publish(hostile.api, name, hostile.stub.port, ["10.0.2.2"])
    text = '{"a":' * depth + "1" + "}" * depth
    path = f"/apis/modeloperator.dev/v1alpha1/namespaces/{hostile.api.namespace}/modelinstances/{name}/status"
    patch = f'{{"status":{{"request_schema":{{"properties":{{"model_request_parameters":{text}}}}}}}}}'
    assert write_text(hostile.api, path, patch) == 200
    assert is_routed(hostile.gateway, hostile.key, hostile.chat)
    later = publish(hostile.api, f"later-{depth}", hostile.stub.port, ["10.0.2.3"])
    wait_for(lambda: code(hostile, later)[0] == 200, 20, "the gateway still follows the cluster")


def write_text(api: KubeApi, path: str, text: str) -> int:
    """Send a merge patch as text, and return the status; Python's own encoder refuses such depths."""
    client = api._client
    kind = {"Content-Type": "application/merge-patch+json"}
    _, url, headers, *_ = client.param_serialize(
        "PATCH", path, header_params=kind, auth_settings=["BearerToken"]
    )
    sent = client.rest_client.pool_manager.request("PATCH", url, headers=headers, body=text.encode())
    return int(sent.status)
