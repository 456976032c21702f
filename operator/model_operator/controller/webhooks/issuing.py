"""Issues keys, certificates and tokens for the webhooks: ECDSA P-256, the operator's own authority."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from model_operator.core.webhooks.certificate import (
    AUTHORITY_NAME,
    AUTHORITY_VALIDITY,
    BACKDATING,
    SERVING_VALIDITY,
    Identity,
    KeyPair,
    Renewal,
    general_name,
    trusted,
)

_SERVING_NAME = "model-operator-webhook"
_TOKEN_BYTES = 32


def issue(renewal: Renewal, names: Sequence[str], now: datetime) -> Identity:
    """Issue a serving certificate with a token, and an authority if there is no usable one.

    Parameters
    ----------
    renewal
        As :func:`~model_operator.core.webhooks.certificate.validate_certificate` returns it.
    names
        DNS names and IP addresses of the webhooks.
    now
        The current time.
    """
    authority = renewal.authority or issue_authority(now)
    serving = issue_serving(authority, names, now)
    return Identity(
        serving,
        authority,
        trusted(authority.certificate, renewal.authorities, now),
        (issue_token(), *renewal.tokens[:1]),
    )


def issue_token() -> str:
    """Issue a token for the webhooks' paths: 256 random bits."""
    return secrets.token_hex(_TOKEN_BYTES)


def issue_authority(now: datetime) -> KeyPair:
    """Issue an authority, which can sign serving certificates but no other authorities."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(AUTHORITY_NAME)
    certificate = (
        _builder(name, name, key, now, AUTHORITY_VALIDITY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .sign(key, SHA256())
    )
    return KeyPair(certificate, key)


def issue_serving(authority: KeyPair, names: Sequence[str], now: datetime) -> KeyPair:
    """Issue a serving certificate for `names`, signed by `authority`."""
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = authority.certificate
    signer = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    certificate = (
        _builder(_name(_SERVING_NAME), issuer.subject, key, now, SERVING_VALIDITY)
        .add_extension(x509.SubjectAlternativeName([general_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        # All authorities have the same name; this identifies the one that signed.
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(signer), critical=False)
        .sign(authority.key, SHA256())
    )
    return KeyPair(certificate, key)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    now: datetime,
    validity: timedelta,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATING)
        .not_valid_after(now + validity)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
