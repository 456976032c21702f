"""The mounted certificate: unusable files end the start, and a new pair takes effect without a restart."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import TYPE_CHECKING

import pytest

from model_operator.gateway import mounted_certificate as subject
from model_operator.gateway.mounted_certificate import MountedCertificate
from model_operator.kube.errors import StartupError
from tests.cluster.webhooks import write_certificate

if TYPE_CHECKING:
    from pathlib import Path


def test_files_that_cannot_be_used_end_the_start(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match="cannot use the certificate"):
        MountedCertificate(tmp_path / "tls.crt", tmp_path / "tls.key")
    for name in ("tls.crt", "tls.key"):
        (tmp_path / name).write_text("no PEM")
    with pytest.raises(StartupError, match="mount a PEM certificate"):
        MountedCertificate(tmp_path / "tls.crt", tmp_path / "tls.key")


async def test_a_new_pair_is_served_and_a_broken_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subject, "_POLL_SECONDS", 0.01)
    cert, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    write_certificate(tmp_path)
    other = cert.read_bytes()
    write_certificate(tmp_path)
    mounted = MountedCertificate(cert, key)
    reads = asyncio.Event()
    news = asyncio.Event()
    monkeypatch.setattr(subject.log, "warning", lambda *_, **__: reads.set())
    monkeypatch.setattr(subject.log, "info", lambda *_, **__: news.set())
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=mounted.context)
    port = server.sockets[0].getsockname()[1]

    async def served() -> bytes:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        found: ssl.SSLObject = writer.get_extra_info("ssl_object")
        certificate = found.getpeercert(binary_form=True)
        writer.close()
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            await writer.wait_closed()
        return certificate or b""

    follower = asyncio.create_task(mounted.follow())
    try:
        first = await served()
        for wrong in (b"broken", other):
            reads.clear()
            cert.write_bytes(wrong)
            async with asyncio.timeout(20):
                await reads.wait()
            assert await served() == first
        write_certificate(tmp_path)
        async with asyncio.timeout(20):
            await news.wait()
        assert await served() != first
    finally:
        follower.cancel()
        await asyncio.gather(follower, return_exceptions=True)
        server.close()
        await server.wait_closed()
