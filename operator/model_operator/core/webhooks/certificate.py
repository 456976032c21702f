"""The serving certificate of the webhooks: validity, renewal and trusted authorities.

Our own certificate authority (CA) signs the serving certificate; the API server trusts the authority by the
``caBundle`` of our webhook configurations. One Secret holds both:

===============  ==================================================================
``ca.crt``       the authority, then replaced authorities that are still trusted
``ca.key``       private key of the authority
``tls.crt``      the serving certificate
``tls.key``      private key of the serving certificate
``path-tokens``  the token of the webhooks' paths, then the replaced one
===============  ==================================================================

Times are aware datetimes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from model_operator.core.webhooks.callers import is_token

SERVING_VALIDITY = timedelta(days=90)
"""Validity of a serving certificate."""
AUTHORITY_VALIDITY = timedelta(days=3650)
"""Validity of an authority."""
BACKDATING = timedelta(hours=1)
"""Time by which ``notBefore`` precedes the creation of a certificate, for clocks that are slow."""
AUTHORITY_NAME = "model-operator-webhook-ca"
"""Common name of our authorities; identifies them among foreign ones in a bundle."""

AUTHORITIES_ENTRY = "ca.crt"
AUTHORITY_KEY_ENTRY = "ca.key"
SERVING_ENTRY = "tls.crt"
SERVING_KEY_ENTRY = "tls.key"
TOKENS_ENTRY = "path-tokens"

TOKEN_OVERLAP = timedelta(hours=1)
"""Time for which a replaced token is accepted. API servers see the new one within seconds, unless their
watches are interrupted."""
_KEPT_TOKENS = 2

_MAX_AUTHORITIES = 8
"""Maximum number of authorities in a bundle: each deletion of the Secret creates a new authority."""
_RENEWED_AFTER = 2 / 3
"""Fraction of a certificate's validity after which it is renewed."""

# Errors of parsing untrusted bytes, including the parts of a certificate that are parsed lazily.
_UNREADABLE = (
    ValueError,
    TypeError,
    InvalidSignature,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.ExtensionNotFound,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate and its private key."""

    certificate: x509.Certificate
    key: EllipticCurvePrivateKey = field(repr=False)


@dataclass(frozen=True, slots=True)
class Identity:
    """The serving certificate of the webhooks with its authority.

    Attributes
    ----------
    serving
        The serving certificate.
    authority
        The authority that signed it.
    authorities
        The authorities that callers must trust: the current one first, then earlier ones still in use.
    tokens
        The tokens of the webhooks' paths: the current one, created with the serving certificate, then the
        replaced one.
    """

    serving: KeyPair
    authority: KeyPair
    authorities: tuple[x509.Certificate, ...]
    tokens: tuple[str, ...] = field(repr=False)

    @property
    def data(self) -> dict[str, bytes]:
        """The Secret's content."""
        return {
            AUTHORITIES_ENTRY: bundle(self.authorities),
            AUTHORITY_KEY_ENTRY: _key_text(self.authority.key),
            SERVING_ENTRY: bundle([self.serving.certificate]),
            SERVING_KEY_ENTRY: _key_text(self.serving.key),
            TOKENS_ENTRY: "\n".join(self.tokens).encode(),
        }

    def accepted_tokens(self, now: datetime) -> tuple[str, ...]:
        """Return the accepted tokens, the current one first.

        Parameters
        ----------
        now
            The current time.
        """
        created = self.serving.certificate.not_valid_before_utc + BACKDATING
        return self.tokens if now < created + TOKEN_OVERLAP else self.tokens[:1]


@dataclass(frozen=True, slots=True)
class Renewal:
    """A new serving certificate is due.

    Attributes
    ----------
    reason
        The reason, a clause for the log; names no value of the Secret.
    authority
        The authority that signs it; None for a new authority.
    authorities
        The authorities that were found; :func:`trusted` selects from them.
    tokens
        The tokens of the webhooks' paths that were found, the current one first.
    """

    reason: str
    authority: KeyPair | None
    authorities: tuple[x509.Certificate, ...] = ()
    tokens: tuple[str, ...] = field(default=(), repr=False)


class UnusableError(Exception):
    """A certificate cannot be used; the message is a clause that says why and names no value."""


def validate_certificate(
    data: Mapping[str, bytes], names: Sequence[str], now: datetime
) -> Identity | Renewal:
    """Decide whether the content of the Secret can be used.

    Parameters
    ----------
    data
        Content of the Secret, decoded from base64 and untrusted; empty without a Secret.
    names
        DNS names and IP addresses of the webhooks.
    now
        The current time.

    Returns
    -------
    Identity or Renewal
        The identity to serve with; or a renewal, if a part is missing, invalid, expired, due for renewal, or
        for other names.
    """
    if not data:
        return Renewal("there is none yet", None)
    tokens = read_tokens(data.get(TOKENS_ENTRY, b""))
    authorities = read_authorities(data.get(AUTHORITIES_ENTRY, b""))
    try:
        authority = _read_authority(authorities, data, now)
    except UnusableError as error:
        return Renewal(str(error), None, authorities, tokens)
    try:
        serving = _read_serving(authority, data, names, now)
    except UnusableError as error:
        return Renewal(str(error), authority, authorities, tokens)
    if not tokens:
        return Renewal(f"{TOKENS_ENTRY} has no token", authority, authorities)
    return Identity(serving, authority, trusted(authority.certificate, authorities, now), tokens)


def trusted(
    authority: x509.Certificate, others: Iterable[x509.Certificate], now: datetime
) -> tuple[x509.Certificate, ...]:
    """Return the authorities that callers must trust, so that no replica is rejected during a change.

    A replaced authority signs no more certificates. Its last certificate has expired one
    `SERVING_VALIDITY` after the replacement; until then the authority stays trusted.

    Parameters
    ----------
    authority
        The current authority, which is first in the result.
    others
        The authorities that :func:`read_authorities` finds in the Secret and in webhook configurations.
    now
        The current time.
    """
    # Also sorted by content, so that all replicas produce the same bytes.
    newest_first = sorted(
        set(others) - {authority},
        key=lambda other: (other.not_valid_before_utc, other.fingerprint(SHA256())),
        reverse=True,
    )
    result = [authority]
    for other in newest_first:
        replaced = result[-1].not_valid_before_utc + BACKDATING
        if now < other.not_valid_after_utc and now < replaced + SERVING_VALIDITY:
            result.append(other)
    return tuple(result[:_MAX_AUTHORITIES])


def read_authorities(text: bytes) -> tuple[x509.Certificate, ...]:
    """Return our authorities in a bundle (PEM), without foreign ones; empty if the bundle is invalid."""
    try:
        return tuple(found for found in x509.load_pem_x509_certificates(text) if _is_authority(found))
    except _UNREADABLE:
        return ()


def read_tokens(text: bytes) -> tuple[str, ...]:
    """Return the tokens in an entry of the Secret, at most two; other words are left out."""
    words = text.decode("ascii", "replace").split()
    return tuple(dict.fromkeys(word for word in words if is_token(word)))[:_KEPT_TOKENS]


def bundle(certificates: Iterable[x509.Certificate]) -> bytes:
    """Return certificates as PEM, one after the other."""
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)


def renewal_time(certificate: x509.Certificate) -> datetime:
    """Return the time at which a certificate is due for renewal: after two thirds of its validity."""
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return start + (end - start) * _RENEWED_AFTER


def check_pair(certificates: bytes, key: bytes) -> x509.Certificate:
    """Return the first certificate of a chain, after a check that the key belongs to it.

    Parameters
    ----------
    certificates
        The chain as PEM, the serving certificate first.
    key
        Its private key as PEM, of any algorithm.

    Raises
    ------
    UnusableError
        Either cannot be parsed, or the key does not belong to the certificate.
    """
    return _read_pair(certificates, key, "tls.crt", "tls.key")[0]


def _read_authority(
    authorities: Sequence[x509.Certificate], data: Mapping[str, bytes], now: datetime
) -> KeyPair:
    if not authorities:
        raise UnusableError(f"{AUTHORITIES_ENTRY} has no certificate of our authority")
    text = bundle(authorities[:1])
    pair = _our_pair(text, data.get(AUTHORITY_KEY_ENTRY, b""), AUTHORITIES_ENTRY, AUTHORITY_KEY_ENTRY)
    _check_signature(pair.certificate, pair.certificate, AUTHORITIES_ENTRY)
    _check_time(pair.certificate, now, AUTHORITIES_ENTRY)
    return pair


def _read_serving(
    authority: KeyPair, data: Mapping[str, bytes], names: Sequence[str], now: datetime
) -> KeyPair:
    text, key = data.get(SERVING_ENTRY, b""), data.get(SERVING_KEY_ENTRY, b"")
    pair = _our_pair(text, key, SERVING_ENTRY, SERVING_KEY_ENTRY)
    _check_signature(pair.certificate, authority.certificate, SERVING_ENTRY)
    if not {general_name(name) for name in names} <= _names(pair.certificate):
        raise UnusableError(f"{SERVING_ENTRY} is for other names")
    _check_time(pair.certificate, now, SERVING_ENTRY)
    return pair


def general_name(name: str) -> x509.GeneralName:
    """Return a DNS name or IP address in the form of a certificate."""
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _names(certificate: x509.Certificate) -> set[x509.GeneralName]:
    try:
        return set(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except _UNREADABLE:
        return set()


def _our_pair(certificates: bytes, key: bytes, entry: str, key_entry: str) -> KeyPair:
    certificate, private_key = _read_pair(certificates, key, entry, key_entry)
    if not isinstance(private_key, EllipticCurvePrivateKey):
        raise UnusableError(f"{key_entry} is not an elliptic curve key")
    return KeyPair(certificate, private_key)


def _read_pair(
    certificates: bytes, key: bytes, entry: str, key_entry: str
) -> tuple[x509.Certificate, PrivateKeyTypes]:
    if not certificates:
        raise UnusableError(f"{entry} is missing or empty")
    if not key:
        raise UnusableError(f"{key_entry} is missing or empty")
    try:
        certificate = x509.load_pem_x509_certificates(certificates)[0]
        public_key = certificate.public_key()
    except _UNREADABLE as error:
        raise UnusableError(f"{entry} is not a PEM certificate") from error
    try:
        private_key = load_pem_private_key(key, password=None)
    except _UNREADABLE as error:
        raise UnusableError(f"{key_entry} is not an unencrypted PEM private key") from error
    if private_key.public_key() != public_key:
        raise UnusableError(f"{key_entry} does not belong to {entry}")
    return certificate, private_key


def _check_signature(certificate: x509.Certificate, signer: x509.Certificate, entry: str) -> None:
    """Check that the authority signed the certificate, and that it is unmodified."""
    try:
        certificate.verify_directly_issued_by(signer)
    except _UNREADABLE as error:
        raise UnusableError(f"{entry} is not signed by the authority") from error


def _check_time(certificate: x509.Certificate, now: datetime, entry: str) -> None:
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now < start:
        raise UnusableError(f"{entry} is not valid before {start.isoformat()}")
    if now >= end:
        raise UnusableError(f"{entry} expired at {end.isoformat()}")
    if now >= renewal_time(certificate):
        raise UnusableError(f"{entry} expires at {end.isoformat()}")


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    except _UNREADABLE:
        return False
    return constraints.value.ca and [name.value for name in names] == [AUTHORITY_NAME]


def _key_text(key: EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
