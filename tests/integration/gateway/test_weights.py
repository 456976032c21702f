"""Requests that name a model alone, among its deployments: a canary of an edited template gets its share."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from tests.cluster.waiting import wait_for
from tests.examples.objects import container, edit_bundle
from tests.fixtures.gateway import chat_template, is_routed, model_instance, post

if TYPE_CHECKING:
    from tests.cluster.gateway.process import GatewayProcess, StubWorkers
    from tests.cluster.kube_api import KubeApi, Object

CHAT = "/v1/chat/completions"
REQUESTS = 400


def entries(blue: str, *weights: int) -> list[Object]:
    """Give a deployment that stays at a revision and one that gets each edit, with their weights."""
    pins = {"blue": blue, "green": "latest"}
    return [
        {"name": name, "model_template_revision": pin, "traffic_weight": weight}
        for (name, pin), weight in zip(pins.items(), weights, strict=True)
    ]


def answered(gateway: GatewayProcess, model: str) -> list[str]:
    """Give the deployments of the model in the access lines, one for each request that a worker got."""
    return re.findall(rf" deployment=(\S+) .*\bmodel={model} ", gateway.log.read_text())


def shares(gateway: GatewayProcess, key: str, model: str, stub: StubWorkers) -> Counter[str]:
    """Send requests that name the model alone; give the numbers that each deployment answered."""
    before = len(answered(gateway, model))
    stub.forget()
    for _ in range(REQUESTS):
        status, body, _ = post(gateway, key, CHAT, {"model": model, "messages": []})
        assert status == 200, body
    lines = wait_for(
        lambda: found if len(found := answered(gateway, model)[before:]) == REQUESTS else None,
        message="each request has an access line",
    )
    found = Counter(lines)
    # What the workers saw themselves, of which each deployment has one.
    seen = Counter(each["worker"] for each in stub.requests())
    assert sorted(seen.values()) == sorted(found.values())
    return found


def test_a_canary_of_an_edited_template_gets_its_share(
    api: KubeApi, operator: None, gateway: GatewayProcess, key: str, stub: StubWorkers
) -> None:
    api.apply(chat_template(stub.port))
    first = str(wait_for(lambda: api.get("ModelTemplate", "chat").get("status", {}).get("latest_revision")))
    api.apply(model_instance(deployments=entries(first, 90, 10)))
    model = f"{api.namespace}/chat"
    for name in ("blue", "green"):
        wait_for(lambda name=name: is_routed(gateway, key, f"{model}/{name}"), 60)  # type: ignore[misc]

    edit_bundle(api, "chat", tag="v2")
    api.wait_for_condition("ModelTemplate", "chat", "RolledOut")
    wait_for(lambda: container(api.get("Deployment", "chat-green"))["image"].endswith(":v2"))
    api.wait_for_condition("ModelInstance", "chat", "Ready", reason="RolledOut")
    assert container(api.get("Deployment", "chat-blue"))["image"].endswith(":v1")
    wait_for(lambda: is_routed(gateway, key, f"{model}/green"), 60)

    found = shares(gateway, key, model, stub)
    # 4.4 standard deviations of 400 requests.
    assert abs(found["chat-green"] - 40) < 27, found
    assert found["chat-blue"] == REQUESTS - found["chat-green"]

    # Promotion by weight alone moves no pod.
    pods = {each["metadata"]["uid"] for each in api.list("Pod", labels="modeloperator.dev/instance=chat")}
    api.apply(model_instance(deployments=entries(first, 0, 100)))
    wait_for(lambda: shares(gateway, key, model, stub)["chat-green"] == REQUESTS, 60)
    assert is_routed(gateway, key, f"{model}/blue"), "by its own name it still answers"
    assert {
        each["metadata"]["uid"] for each in api.list("Pod", labels="modeloperator.dev/instance=chat")
    } == pods
