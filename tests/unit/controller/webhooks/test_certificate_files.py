"""Certificates that others keep in files, and how connections get them."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
import structlog
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509 import (
    AuthorityKeyIdentifier,
    CertificateBuilder,
    SubjectAlternativeName,
    random_serial_number,
)

from model_operator.controller.webhooks.certificate import FileCertificate
from model_operator.controller.webhooks.issuing import issue
from model_operator.core.webhooks.certificate import Identity, Renewal, bundle, general_name
from model_operator.kube.errors import StartupError
from tests.cluster.handshake import shown_certificate
from tests.cluster.waiting import wait_for

NAMES = ("model-operator-webhook.models.svc", "127.0.0.1")
GOOD = issue(Renewal("", None), NAMES, datetime.now(UTC))
NEXT = issue(Renewal("", GOOD.authority), NAMES, datetime.now(UTC))
TRUSTED = bundle(GOOD.authorities)


def _write(directory: Path, identity: Identity, *names: str) -> None:
    for name in names or ("tls.crt", "tls.key"):
        (directory / name).write_bytes(identity.data[name])


def _with_rsa() -> dict[str, bytes]:
    """Make a certificate with another kind of key, from the same authority."""
    key, signer = rsa.generate_private_key(65537, 2048), GOOD.authority
    model = GOOD.serving.certificate
    certificate = (
        CertificateBuilder(
            signer.certificate.subject,
            model.subject,
            key.public_key(),
            random_serial_number(),
            model.not_valid_before_utc,
            model.not_valid_after_utc,
        )
        .add_extension(SubjectAlternativeName([general_name(name) for name in NAMES]), critical=False)
        # Python 3.13 verifies strictly.
        .add_extension(model.extensions.get_extension_for_class(AuthorityKeyIdentifier).value, critical=False)
        .sign(signer.key, SHA256())
    )
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return {"tls.crt": bundle([certificate]), "tls.key": text}


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("name", NAMES)
async def test_callers_are_shown_the_certificate(tmp_path: Path, name: str, version: ssl.TLSVersion) -> None:
    _write(tmp_path, GOOD)
    certificate = FileCertificate(tmp_path)
    await certificate.ensure()
    shown = shown_certificate(certificate.ssl_context, TRUSTED, name, version=version)
    assert shown == GOOD.serving.certificate


def test_older_tls_is_refused(tmp_path: Path) -> None:
    assert FileCertificate(tmp_path).ssl_context.minimum_version == ssl.TLSVersion.TLSv1_2


async def test_a_stranger_to_the_authority_refuses(tmp_path: Path) -> None:
    _write(tmp_path, GOOD)
    certificate = FileCertificate(tmp_path)
    await certificate.ensure()
    stranger = bundle(issue(Renewal("", None), NAMES, datetime.now(UTC)).authorities)
    with pytest.raises(ssl.SSLCertVerificationError):
        shown_certificate(certificate.ssl_context, stranger, NAMES[0])


def test_without_certificate_no_handshake(tmp_path: Path) -> None:
    with pytest.raises(ssl.SSLError):
        shown_certificate(FileCertificate(tmp_path).ssl_context, TRUSTED, NAMES[0])


async def test_changed_files_serve_new_connections(tmp_path: Path) -> None:
    _write(tmp_path, GOOD)
    certificate = FileCertificate(tmp_path, period=0.01)
    await certificate.ensure()
    running = asyncio.create_task(certificate.run())
    context = certificate.ssl_context
    with structlog.testing.capture_logs() as logs:
        _write(tmp_path, NEXT, "tls.crt")
        await asyncio.to_thread(wait_for, lambda: logs)
        (line,) = logs
        assert line["error"] == (
            f"cannot use the certificate in {tmp_path}: tls.key does not belong to tls.crt"
        )
        assert shown_certificate(context, TRUSTED, NAMES[0]) == GOOD.serving.certificate

        _write(tmp_path, NEXT, "tls.key")
        await asyncio.to_thread(
            wait_for, lambda: shown_certificate(context, TRUSTED, NAMES[0]) == NEXT.serving.certificate
        )
    assert len(logs) == 2, "the same trouble is logged once"
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_another_kind_of_key_replaces_the_former(tmp_path: Path, version: ssl.TLSVersion) -> None:
    for name, content in _with_rsa().items():
        (tmp_path / name).write_bytes(content)
    certificate = FileCertificate(tmp_path)
    await certificate.ensure()
    context = certificate.ssl_context
    assert shown_certificate(context, TRUSTED, NAMES[0], version=version) != GOOD.serving.certificate
    _write(tmp_path, GOOD)
    await certificate.ensure()
    assert shown_certificate(context, TRUSTED, NAMES[0], version=version) == GOOD.serving.certificate


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"tls.key": b""}, "cannot read the webhooks' {}/tls.crt: No such file or directory"),
        ({"tls.crt": b"", "tls.key": b""}, "cannot use the certificate in {}: tls.crt is missing or empty"),
        (
            {"tls.crt": b"garbage", "tls.key": GOOD.data["tls.key"]},
            "cannot use the certificate in {}: tls.crt is not a PEM certificate",
        ),
        (
            {"tls.crt": GOOD.data["tls.crt"], "tls.key": NEXT.data["tls.key"]},
            "cannot use the certificate in {}: tls.key does not belong to tls.crt",
        ),
    ],
)
async def test_unusable_files_end_the_start(tmp_path: Path, content: dict[str, bytes], message: str) -> None:
    for name, text in content.items():
        (tmp_path / name).write_bytes(text)
    with pytest.raises(StartupError) as caught:
        await FileCertificate(tmp_path).ensure()
    assert str(caught.value) == message.format(tmp_path)
