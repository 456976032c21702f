"""Callers of the real gateway: what it answers to keys, and what goes on without the API server."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.cluster.gateway.callers import executor_key, token_of
from tests.cluster.gateway.process import GatewayProcess
from tests.cluster.proxy import TcpProxy
from tests.cluster.waiting import wait_for
from tests.fixtures.gateway import is_routed, model_page, post

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cluster.cluster import Cluster
    from tests.cluster.kube_api import KubeApi

CHAT = "/v1/chat/completions"


def asked(gateway: GatewayProcess, model: str, *headers: tuple[str, str]) -> tuple[int, str]:
    """Send a request with these headers; return status and code of the error, empty without one."""
    body = json.dumps({"model": model, "messages": []}).encode()
    request = urllib.request.Request(gateway.url + CHAT, body, dict(headers))
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, ""
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())["error"]["code"]


def test_where_the_key_is_sent(chat: str, gateway: GatewayProcess, key: str) -> None:
    bearer, api_key = ("Authorization", f"Bearer {key}"), ("x-api-key", key)

    assert asked(gateway, chat, bearer) == asked(gateway, chat, api_key) == (200, "")
    assert asked(gateway, chat, bearer, api_key) == (200, "")
    assert asked(gateway, chat, bearer, ("x-api-key", "other")) == (400, "invalid_request")
    for headers in (
        (),
        (("Authorization", f"Basic {key}"),),
        (("Authorization", "Bearer "),),
        (("Authorization", f"Bearer {key}x"),),
        # More than aiohttp reads by default.
        (("Authorization", f"Bearer {key}{'x' * 10_000}"),),
        (("x-api-key", "a" * 16_385),),
    ):
        assert asked(gateway, chat, *headers) == (401, "unauthenticated")


def test_a_key_for_other_models_gets_the_answer_of_an_unknown_one(
    chat: str, api: KubeApi, gateway: GatewayProcess, key: str
) -> None:
    narrow = executor_key(api, "narrow", models=["other"])
    unknown = f"{api.namespace}/none"

    status, body, _ = post(gateway, narrow, CHAT, {"model": chat, "messages": []})
    expected, other, _ = post(gateway, narrow, CHAT, {"model": unknown, "messages": []})

    assert status == expected == 404
    assert body.replace(chat.encode(), b"NAME") == other.replace(unknown.encode(), b"NAME")
    assert asked(gateway, chat, ("x-api-key", token_of(api, "narrow", "vault"))) == (401, "unauthenticated")


@contextmanager
def through_a_proxy(cluster: Cluster, folder: Path) -> Iterator[tuple[TcpProxy, GatewayProcess]]:
    """Give a gateway whose way to the API server can be cut, and that keeps answers for a second."""
    original = cluster.gateway_kubeconfig()
    with TcpProxy.before(original) as proxy:
        started = GatewayProcess.start(
            proxy.kubeconfig(original, folder / "kubeconfig"),
            log=folder / "gateway.log",
            environment={
                "MODEL_OPERATOR_GATEWAY_IDENTITY__ALLOWED_SECONDS": "1",
                "MODEL_OPERATOR_GATEWAY_IDENTITY__TIMEOUT_SECONDS": "1",
            },
        )
        with started as gateway:
            yield proxy, gateway


@pytest.mark.parametrize("fault", ["cut", "stall"])
def test_without_the_api_server_known_keys_go_on(
    chat: str, api: KubeApi, cluster: Cluster, key: str, tmp_path: Path, fault: str
) -> None:
    new = token_of(api, "caller")
    with through_a_proxy(cluster, tmp_path) as (proxy, gateway):
        wait_for(lambda: is_routed(gateway, key, chat), 60, f"{chat} answers")
        getattr(proxy, fault)()
        begun, requests = time.monotonic(), 0
        # Four times as long as an answer is kept.
        while time.monotonic() < begun + 4:
            assert is_routed(gateway, key, chat)
            requests += 1
        assert requests > 10
        assert asked(gateway, chat, ("x-api-key", new)) == (503, "authentication_unavailable")
        status, text = model_page(gateway, token=new)
        assert status == 503
        assert "The API server of the cluster does not respond" in text
        assert is_routed(gateway, key, chat)
        proxy.mend()
        wait_for(lambda: is_routed(gateway, new, chat), 30, "a new key is accepted")
        log = (tmp_path / "gateway.log").read_text()
        assert key not in log
        assert new not in log
