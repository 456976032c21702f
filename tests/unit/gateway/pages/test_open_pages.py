"""Pages without credentials: who gets them, what a browser may do with them, when they are sent again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from unittest.mock import Mock

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from model_operator.core.gateway.model_catalog import Catalog
from model_operator.gateway.intake import Intake
from model_operator.gateway.pages.open_pages import OpenPage
from model_operator.gateway.request_handler import Gateway

PAGES = {
    "/": OpenPage("text/html; charset=utf-8", b"<!doctype html>"),
    "/style.css": OpenPage("text/css; charset=utf-8", b"p {}", {"Cache-Control": "max-age=60"}),
}


@pytest.fixture
async def noted() -> list[tuple[str, str, int, str]]:
    return []


@pytest.fixture
async def client(noted: list[tuple[str, str, int, str]]) -> AsyncIterator[aiohttp.ClientSession]:
    def answered(
        method: str,
        route: str,
        status: int,
        seconds: float,
        *,
        error: str = "",
        caller: str = "",
        model: str = "",
    ) -> None:
        noted.append((method, route, status, error))

    identity = Mock(spec_set=())  # no page asks who calls
    intake = Intake(1000, 10_000, 100)
    gateway = Gateway(
        Catalog(),
        identity,
        Mock(spec_set=()),
        intake,
        lambda _: True,
        Mock(spec_set=()),
        Mock(spec_set=()),
        answered=answered,
        pages=PAGES,
    )
    runner = web.AppRunner(gateway.application(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    try:
        async with aiohttp.ClientSession(f"http://{host}:{port}") as session:
            yield session
    finally:
        await runner.cleanup()


async def test_a_page_needs_no_credentials(
    client: aiohttp.ClientSession, noted: list[tuple[str, str, int, str]]
) -> None:
    async with client.get("/") as response:
        assert response.status == 200
        assert response.content_type == "text/html"
        assert await response.read() == PAGES["/"].body
    assert noted == [("GET", "open-page", 200, "")]


async def test_a_head_has_the_headers_of_a_get(client: aiohttp.ClientSession) -> None:
    async with client.head("/") as head, client.get("/") as got:
        assert await head.read() == b""
        assert head.status == 200
        for name in ("Content-Type", "Content-Length", "ETag", "Cache-Control", "Content-Security-Policy"):
            assert head.headers[name] == got.headers[name]


async def test_a_page_that_the_browser_has_is_not_sent_again(client: aiohttp.ClientSession) -> None:
    tag = PAGES["/"].etag
    for header in (f'"{tag}"', f'W/"{tag}"', "*", f'"other", "{tag}"'):
        async with client.get("/", headers={"If-None-Match": header}) as response:
            assert response.status == 304
            assert response.headers["ETag"] == f'"{tag}"'
            assert await response.read() == b""
    for header in ('"other"', tag):
        async with client.get("/", headers={"If-None-Match": header}) as response:
            assert response.status == 200
    assert PAGES["/"].etag != PAGES["/style.css"].etag


async def test_a_page_may_load_from_its_own_host_alone(client: aiohttp.ClientSession) -> None:
    async with client.get("/") as response:
        policy = response.headers["Content-Security-Policy"]
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Cache-Control"] == "no-cache"
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert "*" not in policy


async def test_a_page_may_have_headers_of_its_own(client: aiohttp.ClientSession) -> None:
    async with client.get("/style.css") as response:
        assert response.headers["Cache-Control"] == "max-age=60"
        assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
async def test_a_page_is_read_alone(
    client: aiohttp.ClientSession, noted: list[tuple[str, str, int, str]], method: str
) -> None:
    async with client.request(method, "/", data=b"x") as response:
        assert response.status == 405
        assert response.headers["Allow"] == "GET, HEAD"
    assert noted == [(method, "open-page", 405, "method_not_allowed")]


@pytest.mark.parametrize("path", ["/x", "/style.css/", "/STYLE.CSS", "/%2F", "/style%2Ecss"])
async def test_paths_of_pages_are_exact(client: aiohttp.ClientSession, path: str) -> None:
    async with client.get(URL(path, encoded=True)) as response:
        assert response.status == 404
