"""The shipped webhooks for an operator outside the cluster: called by URL, with a certificate of its own."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import yaml
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from model_operator.controller.webhooks.issuing import issue_authority, issue_serving
from model_operator.core.webhooks.callers import path_of, webhook_named
from tests.cluster.cluster import MANIFESTS

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

LOOPBACK = "127.0.0.1"
TOKEN = "0123456789abcdef" * 4
"""Of the webhooks' paths, where an operator reads them from a file."""
NAMESPACE_NAME = "kubernetes.io/metadata.name"
"""Label that the API server puts on each namespace."""


def write_certificate(directory: Path) -> bytes:
    """Write ``tls.crt`` and ``tls.key`` for 127.0.0.1 and their ``ca.crt`` into a folder; give the latter.

    Beside them is ``token``, the file with the token of the webhooks' paths.
    """
    now = datetime.now(UTC)
    authority = issue_authority(now)
    serving = issue_serving(authority, [LOOPBACK], now)
    key = serving.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (directory / "tls.crt").write_bytes(serving.certificate.public_bytes(Encoding.PEM))
    (directory / "tls.key").touch(mode=0o600)
    (directory / "tls.key").write_bytes(key)
    (directory / "token").write_text(f"{TOKEN}\n")
    trusted = authority.certificate.public_bytes(Encoding.PEM)
    (directory / "ca.crt").write_bytes(trusted)
    return trusted


def write_client(directory: Path) -> None:
    """Write ``client.crt`` and ``client.key``, and ``client-ca.crt`` that has signed them, into a folder."""
    now = datetime.now(UTC)
    authority, key = issue_authority(now), ec.generate_private_key(ec.SECP256R1())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kube-apiserver")]))
        .issuer_name(authority.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .sign(authority.key, SHA256())
    )
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (directory / "client.crt").write_bytes(certificate.public_bytes(Encoding.PEM))
    (directory / "client.key").write_bytes(text)
    (directory / "client-ca.crt").write_bytes(authority.certificate.public_bytes(Encoding.PEM))


def webhook_environment(port: int, certificates: Path, *, with_token: bool = True) -> dict[str, str]:
    """Give the variables that have an operator serve the webhooks on 127.0.0.1.

    Without a token in their paths, any client gets its reviews judged.
    """
    variables = {"HOST": LOOPBACK, "PORT": str(port), "CERT_DIR": str(certificates)}
    if with_token:
        variables["TOKEN_FILE"] = str(certificates / "token")
    return {f"MODEL_OPERATOR_ADMISSION__{name}": value for name, value in variables.items()}


def shipped(*files: str) -> list[dict[str, Any]]:
    """Give the objects in files of ``manifests/base``."""
    return [obj for file in files for obj in yaml.safe_load_all((MANIFESTS / file).read_text()) if obj]


def webhook_configurations(port: int, authority: bytes) -> list[dict[str, Any]]:
    """Give the shipped webhook configurations with URLs in place of the Service.

    Parameters
    ----------
    port
        Where the operator serves them on 127.0.0.1.
    authority
        PEM of the certificate's authority.
    """
    configurations = [obj for obj in shipped("webhooks.yaml") if obj["kind"].endswith("Configuration")]
    for configuration in configurations:
        for webhook in configuration["webhooks"]:
            webhook["clientConfig"] = {
                "url": f"https://{LOOPBACK}:{port}{called_path(webhook)}",
                "caBundle": base64.b64encode(authority).decode(),
            }
    return configurations


def called_path(webhook: dict[str, Any], token: str = TOKEN) -> str:
    """Give the path at which the API server calls a webhook of the shipped configurations."""
    ours = webhook_named(webhook["name"])
    assert ours is not None
    return path_of(ours, token)


def policy() -> list[dict[str, Any]]:
    """Give the shipped policy with its binding."""
    return shipped("admission-policy.yaml")


def confined(objects: Iterable[dict[str, Any]], name: str, namespaces: list[str]) -> list[dict[str, Any]]:
    """Give webhook configurations and policies such that they are about some namespaces only.

    Parameters
    ----------
    objects
        As they are shipped; they are changed.
    name
        Appended to the names of these cluster-scoped objects. Of what is cluster-scoped itself, only objects
        whose name begins with it are judged.
    namespaces
        The namespaces.
    """
    here = {"key": NAMESPACE_NAME, "operator": "In", "values": namespaces}
    confined_objects = list(objects)
    for obj in confined_objects:
        obj["metadata"]["name"] += f"-{name}"
        if obj["kind"].endswith("AdmissionPolicyBinding"):
            obj["spec"]["policyName"] += f"-{name}"
            obj["spec"]["matchResources"] = {"namespaceSelector": {"matchExpressions": [here]}}
        for webhook in obj.get("webhooks", []):
            selector = webhook.setdefault("namespaceSelector", {})
            selector["matchExpressions"] = [*selector.get("matchExpressions", []), here]
            if webhook["rules"][0]["scope"] == "Cluster":
                named = {"name": "named", "expression": f"object.metadata.name.startsWith('{name}')"}
                webhook["matchConditions"] = [*webhook.get("matchConditions", []), named]
    return confined_objects
