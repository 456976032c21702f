"""The session with the API server: credentials, proxies, certificates; each on a real socket."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import pytest
import yaml
from aiohttp import web
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from yarl import URL

from model_operator.controller.webhooks.issuing import issue_authority, issue_serving
from model_operator.kube import kubeconfig as subject
from model_operator.kube.connection import Connection, origin_of
from model_operator.kube.errors import StartupError
from model_operator.kube.kubeconfig import ClusterConfiguration, load_configuration

PROXY_VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXY_VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


class Server:
    """Answers everything, and keeps what was asked for: URL and authorization."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str | None]] = []
        self.address = ""

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.asked.append((request.raw_path, request.headers.get("Authorization")))
        return web.Response(text="{}")


@contextlib.asynccontextmanager
async def serving(tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    server = Server()
    runner = web.ServerRunner(web.Server(server.answer))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    port = runner.addresses[0][1]
    server.address = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
    yield server
    await runner.cleanup()


def configuration(server: str, token: object = "", **more: object) -> ClusterConfiguration:
    found = ClusterConfiguration()
    found.host = server
    found.proxy = None
    if token:
        found.api_key = {"authorization": f"Bearer {token}"}
    for name, value in more.items():
        setattr(found, name, value)
    return found


async def ask(connection: Connection, path: str = "/version") -> None:
    async with connection.session.get(connection.server + path) as response:
        assert response.status == 200


@contextlib.asynccontextmanager
async def connected(load: Callable[[], ClusterConfiguration]) -> AsyncIterator[Connection]:
    connection = Connection(load, timeout=10)
    yield connection
    await connection.close()


async def test_credentials_are_read_again_on_demand_only() -> None:
    async with serving() as server:
        tokens = iter(("one", "two"))
        async with connected(lambda: configuration(server.address, next(tokens))) as connection:
            await ask(connection)
            await ask(connection)
            before = connection.session
            await connection.renew()
            await ask(connection)

            assert before.closed
            assert connection.session is not before
        assert connection.session.closed is False, "whoever asks after the end gets a new one"
        await connection.close()
    assert [token for _, token in server.asked] == ["Bearer one", "Bearer one", "Bearer two"]


async def test_a_server_that_moved_is_found_after_renewing() -> None:
    async with serving() as old, serving() as new:
        addresses = iter((old.address, new.address + "/"))
        async with connected(lambda: configuration(next(addresses))) as connection:
            await connection.renew()
            assert connection.server == new.address
            await ask(connection)
    assert (len(old.asked), len(new.asked)) == (0, 1)


async def test_credentials_that_cannot_be_read_again_leave_the_session_as_it_is() -> None:
    async with serving() as server:
        found: list[ClusterConfiguration] = [configuration(server.address, "one")]

        def load() -> ClusterConfiguration:
            if not found:
                raise StartupError("cannot use the kubeconfig")
            return found.pop()

        async with connected(load) as connection:
            with pytest.raises(StartupError):
                await connection.renew()
            await ask(connection)


async def test_a_session_that_somebody_closed_is_opened_anew() -> None:
    async with serving() as server, connected(lambda: configuration(server.address)) as connection:
        await connection.session.close()
        await ask(connection)


async def test_user_name_and_password() -> None:
    async with serving() as server:
        more = {"username": "jane", "password": "secret"}
        async with connected(lambda: configuration(server.address, **more)) as connection:
            await ask(connection)
    assert [token for _, token in server.asked] == ["Basic amFuZTpzZWNyZXQ="]


@pytest.mark.parametrize(
    ("exempt", "through_proxy"),
    [
        ("", True),
        ("example.com", True),
        ("127.0.0.1", False),
        ("10.0.0.0/8,127.0.0.0/8", False),
        ("*", False),
    ],
)
async def test_the_environment_s_proxy_is_used_but_for_whom_it_excepts(
    monkeypatch: pytest.MonkeyPatch, exempt: str, through_proxy: bool
) -> None:
    async with serving() as server, serving() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.address)
        monkeypatch.setenv("NO_PROXY", exempt)
        async with connected(lambda: configuration(server.address)) as connection:
            await ask(connection)
    assert bool(proxy.asked) is through_proxy
    assert bool(server.asked) is not through_proxy


async def test_the_kubeconfig_s_proxy_comes_before_the_environment_s(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving() as proxy:
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
        monkeypatch.setenv("NO_PROXY", "*")
        found = configuration("http://api.test", proxy=proxy.address)
        async with connected(lambda: found) as connection:
            await ask(connection)
    assert [path for path, _ in proxy.asked] == ["http://api.test/version"]


@pytest.fixture
def tls(tmp_path: Path) -> tuple[ssl.SSLContext, Path]:
    """Give a server's TLS for the name `api.test`, and the file of the authority to trust."""
    now = datetime.datetime.now(datetime.UTC)
    authority = issue_authority(now)
    pair = issue_serving(authority, ["api.test"], now)
    trusted, certificate, key = (tmp_path / name for name in ("ca.crt", "tls.crt", "tls.key"))
    trusted.write_bytes(authority.certificate.public_bytes(Encoding.PEM))
    certificate.write_bytes(pair.certificate.public_bytes(Encoding.PEM))
    key.write_bytes(pair.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context, trusted


@pytest.mark.parametrize(
    ("more", "accepted"),
    [({"tls_server_name": "api.test"}, True), ({}, False), ({"verify_ssl": False}, True)],
    ids=["the name of the kubeconfig", "another name", "not verified"],
)
async def test_the_certificate_is_checked_against_the_name_that_the_kubeconfig_says(
    tls: tuple[ssl.SSLContext, Path], more: dict[str, object], accepted: bool
) -> None:
    context, trusted = tls
    async with (
        serving(context) as server,
        connected(lambda: configuration(server.address, ssl_ca_cert=str(trusted), **more)) as connection,
    ):
        if accepted:
            await ask(connection)
        else:
            with pytest.raises(aiohttp.ClientConnectorCertificateError):
                await ask(connection)
    assert len(server.asked) == accepted


def test_certificates_that_cannot_be_read_are_the_starter_s_matter(tmp_path: Path) -> None:
    broken = tmp_path / "ca.crt"
    broken.write_text("nothing")
    connection = Connection(lambda: configuration("https://api.test", ssl_ca_cert=str(broken)), timeout=10)

    async def main() -> None:
        connection.session  # noqa: B018 -- opens it

    with pytest.raises(StartupError, match="cannot use the certificates of the kubeconfig"):
        asyncio.run(main())


def kubeconfig(path: Path, **cluster: object) -> Path:
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": "https://api.test:6443", **cluster}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "here",
    }
    path.write_text(yaml.safe_dump(content))
    return path


def test_a_kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.test:3128")
    cluster = {"tls-server-name": "kubernetes", "insecure-skip-tls-verify": True}

    found = load_configuration(kubeconfig(tmp_path / "config", **cluster), "here")

    assert (found.host, found.tls_server_name, found.verify_ssl) == (
        "https://api.test:6443",
        "kubernetes",
        False,
    )
    assert found.get_api_key_with_prefix("BearerToken", alias="authorization") == "Bearer t"
    assert found.proxy is None, "the environment's proxy is looked up with its exceptions"


def test_a_kubeconfig_s_own_proxy(tmp_path: Path) -> None:
    found = load_configuration(
        kubeconfig(tmp_path / "config", **{"proxy-url": "http://proxy.test:3128"}), None
    )

    assert found.proxy == "http://proxy.test:3128"


@pytest.mark.parametrize("content", ["", "[]", "{", "clusters: 1", "current-context: nowhere"])
def test_a_kubeconfig_that_cannot_be_used(tmp_path: Path, content: str) -> None:
    path = tmp_path / "config"
    path.write_text(content)

    with pytest.raises(StartupError, match=str(path)):
        load_configuration(path, None)


def test_an_unknown_context(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match="elsewhere"):
        load_configuration(kubeconfig(tmp_path / "config"), "elsewhere")


def test_no_kubeconfig_outside_of_a_pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)

    with pytest.raises(StartupError, match="does not exist, and this is not a pod"):
        load_configuration(tmp_path / "config", None)


@pytest.mark.parametrize(
    ("has_file", "in_pod", "context", "expected"),
    [
        (False, True, None, True),
        (False, False, None, False),
        (True, True, None, False),
        (False, True, "c", False),
    ],
)
def test_whose_credentials_are_used(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    *,
    has_file: bool,
    in_pod: bool,
    context: str | None,
    expected: bool,
) -> None:
    path = tmp_path / "config"
    if has_file:
        path.touch()
    monkeypatch.setattr(subject, "KUBE_CONFIG_DEFAULT_LOCATION", str(path))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    if in_pod:
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")

    assert subject.is_pods_own(None, context) is expected
    assert subject.is_pods_own(path, context) is False


def contexts(path: Path, *names: str, current: str | None = None, **context: str) -> str:
    """Write a kubeconfig of contexts for one and the same server."""
    parts = {
        "clusters": [{"name": "c", "cluster": {"server": "https://server.test"}}],
        "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": name, "context": {"cluster": "c", "user": "u", **context}} for name in names],
    }
    path.write_text(yaml.safe_dump(parts | ({"current-context": current} if current else {})))
    return str(path)


@pytest.mark.parametrize("first", [None, "a"])
def test_of_several_kubeconfigs_the_first_with_a_current_context_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: str | None
) -> None:
    """As ``kubectl config current-context`` says it."""
    parts = [
        contexts(tmp_path / "1", "a", current=first, namespace="of-a"),
        str(tmp_path / "missing"),
        contexts(tmp_path / "2", "b", "a", current="b", namespace="of-b"),
        contexts(tmp_path / "3", "c", current="c", namespace="of-c"),
    ]
    monkeypatch.setattr(subject, "KUBE_CONFIG_DEFAULT_LOCATION", ":".join(parts))

    assert load_configuration(None, None).host == "https://server.test"
    assert subject.default_namespace(None, None) == f"of-{first or 'b'}"
    assert subject.default_namespace(None, "c") == "of-c"
    assert subject.default_namespace(None, "a") == "of-a"
    assert subject.context_names(None) == ["a", "b", "a", "c"]


def test_a_context_without_namespace(tmp_path: Path) -> None:
    contexts(tmp_path / "config", "a", current="a")

    assert subject.default_namespace(tmp_path / "config", None) == "default"


def test_the_namespace_of_a_pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "none"))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    monkeypatch.setattr(subject, "NAMESPACE_FILE", tmp_path / "namespace")

    assert subject.default_namespace(None, None) == "default"
    (tmp_path / "namespace").write_text("team-a\n")
    assert subject.default_namespace(None, None) == "team-a"


async def test_an_anonymous_connection_has_no_credentials_of_the_process(tmp_path: Path) -> None:
    async with serving() as server:
        found = configuration(server.address, "secret")
        # A client certificate that does not exist: reading it would fail.
        found.cert_file = found.key_file = str(tmp_path / "none.crt")
        found.username, found.password = "admin", "secret"
        connection = Connection(lambda: found, timeout=10, is_anonymous=True)
        try:
            async with connection.session.get(
                f"{server.address}/version", headers={"Authorization": "Bearer alice"}
            ) as response:
                assert response.status == 200
            await ask(connection)
        finally:
            await connection.close()
    assert [token for _, token in server.asked] == ["Bearer alice", None]


async def test_an_anonymous_connection_presents_no_client_certificate(
    tls: tuple[ssl.SSLContext, Path],
) -> None:
    context, trusted = tls
    client = trusted.with_name("tls.crt")
    more = {"cert_file": str(client), "key_file": str(client.with_suffix(".key")), "verify_ssl": False}
    context.verify_mode = ssl.CERT_OPTIONAL
    context.load_verify_locations(trusted)
    async with serving(context) as server:
        found = configuration(server.address, ssl_ca_cert=str(trusted), **more)
        async with connected(lambda: found) as own:
            # It is a server's, so that the handshake shows that it was presented.
            with pytest.raises(aiohttp.ClientError):
                await ask(own)
        callers = Connection(lambda: found, timeout=10, is_anonymous=True)
        try:
            await ask(callers)
        finally:
            await callers.close()


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        ("https://10.96.0.1:443", "https://10.96.0.1/api/v1/pods/a%2Fb?labelSelector=a%3Db"),
        ("https://[fd00::1]:6443", "https://[fd00::1]:6443/api/v1/pods/a%2Fb?labelSelector=a%3Db"),
        ("https://proxy.test/k8s/c-1/", "https://proxy.test/k8s/c-1/api/v1/pods/a%2Fb?labelSelector=a%3Db"),
    ],
)
def test_a_url_is_below_that_of_the_server_and_encoded_as_given(server: str, expected: str) -> None:
    url = Connection(lambda: configuration(server), timeout=10).url(
        "/api/v1/pods/a%2Fb", "labelSelector=a%3Db"
    )
    assert url.raw_path_qs == URL(expected, encoded=True).raw_path_qs
    assert origin_of(url) == origin_of(URL(expected))
    assert url.host_port_subcomponent == URL(expected).host_port_subcomponent
