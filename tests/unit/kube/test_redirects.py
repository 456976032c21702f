"""Credentials go to the API server and nowhere else, wherever it points."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from yarl import URL

from model_operator.kube.client import ApiClient
from model_operator.kube.connection import Connection, origin_of
from model_operator.kube.kubeconfig import ClusterConfiguration


@dataclass
class Host:
    """Notes who has asked for what; answers with a redirect where there is one."""

    redirect: str = ""
    asked: list[tuple[str, str]] = field(default_factory=list)
    url: str = ""

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.asked.append((request.path, request.headers.get("Authorization", "")))
        if self.redirect and request.path == "/version":
            return web.Response(status=307, headers={"Location": self.redirect})
        return web.json_response({"from": self.url})


@contextlib.asynccontextmanager
async def serving(host: Host) -> AsyncIterator[Host]:
    runner = web.ServerRunner(web.Server(host.answer), shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield host
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def connected(host: Host) -> AsyncIterator[Connection]:
    configuration = ClusterConfiguration()
    configuration.host, configuration.proxy = host.url, None
    configuration.api_key["authorization"] = "token"
    configuration.api_key_prefix["authorization"] = "Bearer"
    connection = Connection(lambda: configuration, timeout=30)
    try:
        yield connection
    finally:
        await connection.close()


@pytest.mark.parametrize("elsewhere", [True, False], ids=["another host", "the same host"])
async def test_only_the_configured_server_gets_the_credentials(*, elsewhere: bool) -> None:
    async with serving(Host()) as other, serving(Host()) as server, connected(server) as connection:
        server.redirect = f"{other.url if elsewhere else server.url}/stolen"
        # As kopf asks, which leaves redirects to aiohttp.
        async with connection.session.get(f"{server.url}/version") as response:
            assert response.status == 200
        assert server.asked[0] == ("/version", "Bearer token")
        assert (other.asked if elsewhere else server.asked)[-1] == (
            "/stolen",
            "" if elsewhere else "Bearer token",
        )


async def test_our_own_requests_follow_no_redirect() -> None:
    async with serving(Host()) as other, serving(Host()) as server, connected(server) as connection:
        server.redirect = f"{other.url}/stolen"
        await ApiClient(connection).get_path("/version")
        assert [path for path, _ in server.asked] == ["/version"]
        assert other.asked == []


@pytest.mark.parametrize(
    ("server", "other", "is_same"),
    [
        ("https://10.96.0.1:443", "https://10.96.0.1/apis", True),
        ("https://10.96.0.1", "https://10.96.0.1:443/apis", True),
        ("https://[fd00::1]:443", "https://[fd00::1]/apis", True),
        ("https://api.test:6443", "https://api.test/apis", False),
        ("https://api.test", "http://api.test:443/apis", False),
        ("https://api.test", "https://attack.test/apis", False),
    ],
)
def test_a_default_port_makes_no_other_server(server: str, other: str, is_same: bool) -> None:
    """A pod reaches the API server at an address with the port 443, which requests do not repeat."""
    assert (origin_of(URL(other, encoded=True)) == origin_of(URL(server))) is is_same
