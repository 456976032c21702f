"""Which certificate the webhooks may serve with, when it is renewed, and which authorities stay trusted.

An authority (CA) of our own signs the serving certificate; the API server knows the authority by the
``caBundle`` of our webhook configurations. Both are kept in one Secret:

===============  ==========================================================================
``ca.crt``       the authority, then those it has replaced and that are still to be trusted
``ca.key``       its private key
``tls.crt``      the serving certificate
``tls.key``      its private key
``path-tokens``  the token of the webhooks' paths, then the one that it has replaced
===============  ==========================================================================

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
"""How long a serving certificate is valid."""
AUTHORITY_VALIDITY = timedelta(days=3650)
"""How long an authority is valid."""
BACKDATING = timedelta(hours=1)
"""By how much a certificate is valid before it was made, for clocks that are slow."""
AUTHORITY_NAME = "model-operator-webhook-ca"
"""Common name of our authorities, by which they are told from foreign ones in a bundle."""

AUTHORITIES_ENTRY = "ca.crt"
AUTHORITY_KEY_ENTRY = "ca.key"
SERVING_ENTRY = "tls.crt"
SERVING_KEY_ENTRY = "tls.key"
TOKENS_ENTRY = "path-tokens"

TOKEN_OVERLAP = timedelta(hours=1)
"""How long a replaced token is accepted. API servers learn of the new one within seconds, unless their
watches are cut off."""
_KEPT_TOKENS = 2

_MAX_AUTHORITIES = 8
"""Size of a bundle, whatever happens: each deletion of the Secret makes an authority."""
_RENEWED_AFTER = 2 / 3
"""Part of a certificate's validity after which it is renewed."""

# What reading bytes that anybody may have written raises, the lazily read parts of a certificate included.
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
    """A certificate and the private key that belongs to it."""

    certificate: x509.Certificate
    key: EllipticCurvePrivateKey = field(repr=False)


@dataclass(frozen=True, slots=True)
class Identity:
    """What the webhooks serve with, and who vouches for it.

    Attributes
    ----------
    serving
        The serving certificate.
    authority
        Who signed it.
    authorities
        Whom callers are to trust: the authority first, then earlier ones that may still be met.
    tokens
        Of the webhooks' paths: the present one, made with the serving certificate, then the one before.
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
        """Return the tokens with which callers are let in, the present one first.

        Parameters
        ----------
        now
            The time.
        """
        made = self.serving.certificate.not_valid_before_utc + BACKDATING
        return self.tokens if now < made + TOKEN_OVERLAP else self.tokens[:1]


@dataclass(frozen=True, slots=True)
class Renewal:
    """Why and from what a new serving certificate is to be made.

    Attributes
    ----------
    reason
        A clause for the log; names no value of the Secret.
    authority
        Who signs it; None means a new authority.
    authorities
        Authorities found so far, which :func:`trusted` sorts out.
    tokens
        Those of the webhooks' paths that were found, the present one first.
    """

    reason: str
    authority: KeyPair | None
    authorities: tuple[x509.Certificate, ...] = ()
    tokens: tuple[str, ...] = field(default=(), repr=False)


class UnusableError(Exception):
    """A certificate cannot be used; the message is a clause that says why and names no value."""


def judge(data: Mapping[str, bytes], names: Sequence[str], now: datetime) -> Identity | Renewal:
    """Decide whether to serve with what the Secret holds.

    Parameters
    ----------
    data
        The Secret's content, decoded from base64; whatever somebody has put there, empty without Secret.
    names
        DNS names and IP addresses by which the webhooks are called.
    now
        The time.

    Returns
    -------
    Identity or Renewal
        What to serve with; or what to do first, when something is missing, broken, expired, due for
        renewal, or made for other names.
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
    """Return the authorities that callers are to trust, so that no replica is refused during a change.

    An authority signs nothing once it has a successor, so the last certificate that it may have
    signed has expired one serving validity after that; until then it stays trusted.

    Parameters
    ----------
    authority
        The present one, which comes first.
    others
        Those that :func:`read_authorities` finds in the Secret and in webhook configurations.
    now
        The time.
    """
    # Sorted by content as well, so that replicas come to the same bytes.
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
    """Return our authorities in a bundle (PEM), none of a broken one; foreign certificates are left out."""
    try:
        return tuple(found for found in x509.load_pem_x509_certificates(text) if _is_authority(found))
    except _UNREADABLE:
        return ()


def read_tokens(text: bytes) -> tuple[str, ...]:
    """Return the tokens in an entry of the Secret, at most two; what is no token is left out."""
    words = text.decode("ascii", "replace").split()
    return tuple(dict.fromkeys(word for word in words if is_token(word)))[:_KEPT_TOKENS]


def bundle(certificates: Iterable[x509.Certificate]) -> bytes:
    """Return certificates as PEM, one after the other."""
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)


def renewal_time(certificate: x509.Certificate) -> datetime:
    """Return when a certificate is to be renewed: after two thirds of its validity."""
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return start + (end - start) * _RENEWED_AFTER


def check_pair(certificates: bytes, key: bytes) -> x509.Certificate:
    """Return the first certificate of a chain after making sure that the key belongs to it.

    Parameters
    ----------
    certificates
        The chain as PEM, the serving certificate first.
    key
        Its private key as PEM, of any algorithm.

    Raises
    ------
    UnusableError
        When either cannot be read, or they do not belong together.
    """
    return _read_pair(certificates, key, "tls.crt", "tls.key")[0]


def _read_authority(
    authorities: Sequence[x509.Certificate], data: Mapping[str, bytes], now: datetime
) -> KeyPair:
    if not authorities:
        raise UnusableError(f"{AUTHORITIES_ENTRY} has no certificate of an authority of ours")
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
    """Return a DNS name or IP address as certificates have it."""
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
        raise UnusableError(f"{key_entry} is no elliptic curve key")
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
        raise UnusableError(f"{entry} is no certificate in PEM form") from error
    try:
        private_key = load_pem_private_key(key, password=None)
    except _UNREADABLE as error:
        raise UnusableError(f"{key_entry} is no unencrypted private key in PEM form") from error
    if private_key.public_key() != public_key:
        raise UnusableError(f"{key_entry} does not belong to {entry}")
    return certificate, private_key


def _check_signature(certificate: x509.Certificate, signer: x509.Certificate, entry: str) -> None:
    """Make sure that a certificate is one that we have made: no bit of it is another."""
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
