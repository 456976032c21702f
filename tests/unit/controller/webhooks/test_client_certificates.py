"""Client certificates: with an authority for them, a connection without one carries no request."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import aiohttp
import pytest
from aiohttp import web

from model_operator.controller.webhooks.certificate import FileCertificate
from model_operator.core.webhooks.callers import CallerPolicy
from model_operator.kube.errors import StartupError
from tests.cluster.webhooks import LOOPBACK, TOKEN, write_certificate, write_client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

UNUSABLE = "cannot use the tokens in {}: expected one per line, 32 to 128 lower-case letters and digits"
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@asynccontextmanager
async def serving(certificate: FileCertificate) -> AsyncIterator[str]:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(text="served")

    application = web.Application()
    application.router.add_get("/", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, LOOPBACK, 0, ssl_context=certificate.ssl_context).start()
    try:
        yield f"https://{LOOPBACK}:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


async def answered(url: str, folder: Path, client: Path | None, version: ssl.TLSVersion) -> bool:
    """Tell whether a request is answered that is sent with a client's certificate, or without any."""
    context = ssl.create_default_context(cafile=str(folder / "ca.crt"))
    context.maximum_version = version
    if client is not None:
        context.load_cert_chain(client / "client.crt", client / "client.key")
    connector = aiohttp.TCPConnector(ssl=context)
    try:
        async with aiohttp.ClientSession(connector=connector) as session, session.get(url) as answer:
            return await answer.text() == "served"
    except (aiohttp.ClientError, ssl.SSLError):
        return False


def folders(tmp_path: Path, *names: str) -> list[Path]:
    made = [tmp_path / name for name in names]
    for each in made:
        each.mkdir()
    return made


@pytest.mark.parametrize("version", VERSIONS)
async def test_only_who_has_a_certificate_of_the_authority_is_served(
    tmp_path: Path, version: ssl.TLSVersion
) -> None:
    folder, ours, strangers = folders(tmp_path, "server", "ours", "strangers")
    write_certificate(folder)
    write_client(ours)
    write_client(strangers)
    certificate = FileCertificate(folder, client_ca=ours / "client-ca.crt")
    await certificate.ensure()
    async with serving(certificate) as url:
        assert await answered(url, folder, ours, version)
        assert not await answered(url, folder, strangers, version)
        assert not await answered(url, folder, None, version)
    assert certificate.caller_policy == CallerPolicy(None, verifies_certificates=True)


@pytest.mark.parametrize("version", VERSIONS)
async def test_another_authority_takes_effect_without_a_restart(
    tmp_path: Path, version: ssl.TLSVersion
) -> None:
    folder, first, second = folders(tmp_path, "server", "first", "second")
    write_certificate(folder)
    write_client(first)
    write_client(second)
    authority = tmp_path / "authority.crt"
    authority.write_bytes((first / "client-ca.crt").read_bytes())
    certificate = FileCertificate(folder, client_ca=authority)
    await certificate.ensure()
    async with serving(certificate) as url:
        authority.write_bytes((second / "client-ca.crt").read_bytes())
        await certificate.ensure()
        assert await answered(url, folder, second, version)
        assert not await answered(url, folder, first, version)
        authority.write_text("none")
        with pytest.raises(StartupError, match="expected PEM certificates"):
            await certificate.ensure()
        assert await answered(url, folder, second, version), "what serves stays"
        write_certificate(folder)
        authority.write_bytes((second / "client-ca.crt").read_bytes())
        await certificate.ensure()
        assert await answered(url, folder, second, version), "also with another serving certificate"
        assert not await answered(url, folder, None, version)


async def test_a_serving_certificate_of_the_same_authority_is_no_client_s(tmp_path: Path) -> None:
    """Its extended key usage says what it is for."""
    folder, ours = folders(tmp_path, "server", "ours")
    write_certificate(folder)
    write_client(ours)
    certificate = FileCertificate(folder, client_ca=folder / "ca.crt")
    await certificate.ensure()
    (ours / "client.crt").write_bytes((folder / "tls.crt").read_bytes())
    (ours / "client.key").write_bytes((folder / "tls.key").read_bytes())
    async with serving(certificate) as url:
        assert not await answered(url, folder, ours, VERSIONS[1])


@pytest.mark.parametrize("content", [None, b"", b"garbage", b"\xff"])
async def test_unusable_authority_ends_the_start(tmp_path: Path, content: bytes | None) -> None:
    write_certificate(tmp_path)
    authority = tmp_path / "authority.crt"
    if content is not None:
        authority.write_bytes(content)
    with pytest.raises(
        StartupError, match=r"cannot read the authorities of client certificates in .*: expected"
    ):
        await FileCertificate(tmp_path, client_ca=authority).ensure()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot read the tokens in {}: No such file or directory"),
        ("", UNUSABLE),
        (f"{TOKEN}\nx", UNUSABLE),
    ],
)
async def test_unusable_tokens_end_the_start(tmp_path: Path, content: str | None, message: str) -> None:
    write_certificate(tmp_path)
    tokens = tmp_path / "tokens"
    if content is not None:
        tokens.write_text(content)
    certificate = FileCertificate(tmp_path, token_file=tokens)
    assert certificate.caller_policy == CallerPolicy(()), "nobody is let in before they are read"
    with pytest.raises(StartupError) as refusal:
        await certificate.ensure()
    assert str(refusal.value) == message.format(tokens)


async def test_tokens_are_read_again(tmp_path: Path) -> None:
    write_certificate(tmp_path)
    certificate = FileCertificate(tmp_path, token_file=tmp_path / "token", period=0.01)
    await certificate.ensure()
    assert certificate.caller_policy == CallerPolicy((TOKEN,))
    other = TOKEN[::-1]
    (tmp_path / "token").write_text(f"{other}\n{TOKEN}\n")
    await certificate.ensure()
    assert certificate.caller_policy == CallerPolicy((other, TOKEN))
    (tmp_path / "token").write_text("x")
    running = asyncio.create_task(certificate.run())
    await asyncio.sleep(0.05)
    assert certificate.caller_policy == CallerPolicy((other, TOKEN)), "what is served stays"
    running.cancel()
