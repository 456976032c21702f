"""A kubeconfig whose user impersonates another: the requests are those of that one, as with kubectl."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml
from aiohttp import web

from model_operator.kube.connection import Connection
from model_operator.kube.errors import StartupError
from model_operator.kube.impersonation import impersonation_headers
from model_operator.kube.kubeconfig import load_configuration

if TYPE_CHECKING:
    from pathlib import Path

FULL: dict[str, Any] = {
    "as": "ada",
    "as-uid": "u-1",
    "as-groups": ["team-a", "readers"],
    "as-user-extra": {"example.com/scopes": ["view", "edit"]},
}
HEADERS = (
    ("Impersonate-User", "ada"),
    ("Impersonate-Uid", "u-1"),
    ("Impersonate-Group", "team-a"),
    ("Impersonate-Group", "readers"),
    ("Impersonate-Extra-example.com%2Fscopes", "view"),
    ("Impersonate-Extra-example.com%2Fscopes", "edit"),
)


def kubeconfig(path: Path, server: str, **user: Any) -> Path:
    content = {
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": {"token": "t", **user}}, {"name": "v", "user": {"token": "t"}}],
        "contexts": [
            {"name": "here", "context": {"cluster": "c", "user": "u"}},
            {"name": "there", "context": {"cluster": "c", "user": "v"}},
        ],
        "current-context": "here",
    }
    path.write_text(yaml.safe_dump(content))
    return path


def test_each_field_has_its_header() -> None:
    assert impersonation_headers(FULL) == HEADERS
    assert impersonation_headers({"token": "t"}) == ()


@pytest.mark.parametrize(
    ("user", "message"),
    [
        ({"as-groups": ["team-a"]}, "as-groups without as"),
        ({"as": "", "as-uid": "u-1"}, "as-uid without as"),
        ({"as": "ada", "as-groups": "team-a"}, "as-groups of .* a list"),
        ({"as": "ada", "as-user-extra": ["x"]}, "as-user-extra of .* an object"),
        ({"as": "ada\r\nX: y"}, "as of .* printable"),
        ({"as": 7}, "as of .* strings"),
    ],
)
def test_what_cannot_be_sent_ends_the_command(tmp_path: Path, user: dict[str, Any], message: str) -> None:
    with pytest.raises(StartupError, match=message):
        load_configuration(kubeconfig(tmp_path / "config", "https://api.test", **user), None)


def test_the_user_is_that_of_the_context(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path / "config", "https://api.test", **FULL)

    assert load_configuration(path, None).impersonation == HEADERS
    assert load_configuration(path, "there").impersonation == ()


@pytest.mark.parametrize(("is_anonymous", "sent"), [(False, HEADERS), (True, ())])
async def test_requests_have_the_headers(
    tmp_path: Path, *, is_anonymous: bool, sent: tuple[tuple[str, str], ...]
) -> None:
    received: list[tuple[str, str]] = []

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        received.extend((k, v) for k, v in request.headers.items() if k.startswith("Impersonate-"))
        return web.Response(text="{}")

    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    address = f"http://127.0.0.1:{runner.addresses[0][1]}"
    path = kubeconfig(tmp_path / "config", address, **FULL)
    connection = Connection(lambda: load_configuration(path, None), 10, is_anonymous=is_anonymous)
    try:
        async with connection.session.get(f"{address}/version") as response:
            assert response.status == 200
    finally:
        await connection.close()
        await runner.cleanup()
    assert tuple(received) == sent
