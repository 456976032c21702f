"""The serving certificate and the callers' tokens: maintained by the operator, or read from files.

Both classes are used alike::

    certificate = ServingCertificate(client, own_namespace())
    await certificate.ensure()  # or StartupError with one line that says what is missing
    site = aiohttp.web.TCPSite(runner, ssl_context=certificate.ssl_context)
    ...
    certificate.caller_policy.admit(path)  # for each request: who calls, and what
    await certificate.run()  # renews and repairs for ever; new connections get the new certificate

Private keys and tokens are never logged and never written to disk.
"""

from __future__ import annotations

import asyncio
import datetime
import os
import ssl
from abc import ABC, abstractmethod
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import structlog
from cryptography import x509

from model_operator.controller.webhooks.issuing import issue
from model_operator.core.objects.ownership import MANAGED_BY, MANAGER
from model_operator.core.webhooks.callers import CallerPolicy, is_token
from model_operator.core.webhooks.certificate import (
    SERVING_ENTRY,
    SERVING_KEY_ENTRY,
    Identity,
    UnusableError,
    bundle,
    check_pair,
    general_name,
    read_authorities,
    trusted,
    validate_certificate,
)
from model_operator.core.webhooks.publication import client_config_patch, token_to_publish, tokens_called
from model_operator.kube.client import ApiClient, Object
from model_operator.kube.clock import Clock, utc_now
from model_operator.kube.errors import (
    ApiError,
    ConflictError,
    ForbiddenError,
    NotFoundError,
    StartupError,
)
from model_operator.kube.resources import (
    MUTATING_WEBHOOKS,
    SECRETS,
    VALIDATING_WEBHOOKS,
    ResourceKind,
)

log = structlog.get_logger(__name__)

SECRET_NAME = "model-operator-webhook-cert"  # noqa: S105 -- a name
SERVICE_NAME = "model-operator-webhook"
CONFIGURATION_NAME = "model-operator"
"""Name of the operator's validating and mutating webhook configurations."""

_PERIOD = 10.0
"""Seconds between two syncs: the time until changes by others are noticed."""
_ATTEMPTS = 5
"""Attempts per sync; each failed one means that another replica or a user changed the object first."""


class WebhookCertificate(ABC):
    """A serving certificate that is renewed without restart.

    Attributes
    ----------
    ssl_context
        For the server; TLS 1.2 or newer. Each new connection gets the current certificate.
    expires
        Expiry of the current certificate; None before there is one.

    Parameters
    ----------
    period
        Seconds between two syncs.
    client_ca
        PEM file with the authorities that sign the API servers' client certificates; read at each sync. With
        it, clients without such a certificate are rejected. None: no client certificates are requested.
    """

    def __init__(self, period: float, client_ca: Path | None = None) -> None:
        self._period = period
        self._client_ca = client_ca
        self._client_authorities: str | None = None
        self._pair: tuple[bytes, bytes] | None = None
        self._current: ssl.SSLContext | None = None
        self.expires: datetime.datetime | None = None
        self.ssl_context = _server_context()
        if client_ca is not None:
            # The request for a client certificate comes from this context, not from the chosen one.
            self.ssl_context.verify_mode = ssl.CERT_REQUIRED
            # A resumed session would not be verified again.
            self.ssl_context.num_tickets = 0
            self.ssl_context.options |= ssl.OP_NO_TICKET
        # One context per certificate, chosen per connection: a partially loaded one is never used, and one
        # with another type of key replaces the previous one instead of being added to it.
        self.ssl_context.sni_callback = self._choose

    async def ensure(self) -> None:
        """Provide a usable certificate before the server starts.

        Raises
        ------
        StartupError
            When no certificate is available; the message says what is missing.
        """
        try:
            await self._sync_all()
        except ApiError as error:
            hint = "; grant the permissions of manifests/base" if isinstance(error, ForbiddenError) else ""
            text = self._redacted(error)
            raise StartupError(f"cannot maintain the webhooks' certificate: {text}{hint}") from error

    async def run(self) -> None:
        """Sync periodically; an error is logged once, and the current certificate stays in use."""
        logged = ""
        while True:
            await asyncio.sleep(self._period)
            try:
                await self._sync_all()
            except (ApiError, StartupError) as error:
                text = self._redacted(error)
                if text != logged:
                    logged = text
                    log.warning("cannot maintain the webhooks' certificate", error=text)
            else:
                logged = ""

    @property
    def caller_policy(self) -> CallerPolicy:
        """The credentials that callers must present now."""
        return CallerPolicy(self._tokens(), self._client_ca is not None)

    @abstractmethod
    def _tokens(self) -> tuple[str, ...] | None:
        """Return the accepted tokens of paths; None when paths have no token."""

    async def _sync_all(self) -> None:
        if self._client_ca is not None:
            self._read_client_authorities(self._client_ca)
        await self._sync()

    def _read_client_authorities(self, path: Path) -> None:
        try:
            text = path.read_text()
            if text == self._client_authorities:
                return
            # A file with any unreadable part has no effect.
            _server_context().load_verify_locations(cadata=text)
        except (OSError, ValueError, ssl.SSLError) as error:
            raise StartupError(
                f"cannot read the authorities of client certificates in {path}: expected PEM certificates"
            ) from error
        self._client_authorities = text
        if self._pair is not None:
            self._current = self._context(*self._pair)

    def _redacted(self, error: Exception) -> str:
        """Return an error's text without tokens: a refusal of a configuration may quote its paths."""
        text = str(error)
        for token in self._tokens() or ():
            text = text.replace(token, "…")
        return text

    @abstractmethod
    async def _sync(self) -> None:
        """Compare the live with the desired state, and correct the difference."""

    def _serve(self, certificates: bytes, key: bytes, expires: datetime.datetime) -> None:
        """Serve new connections with a certificate, given as PEM, that expires at that time."""
        self._current, self._pair = self._context(certificates, key), (certificates, key)
        self.expires = expires
        log.info("webhooks use a new certificate", expires=expires.isoformat())

    def _context(self, certificates: bytes, key: bytes) -> ssl.SSLContext:
        context = _server_context()
        if self._client_authorities is not None:
            context.load_verify_locations(cadata=self._client_authorities)
            context.verify_mode = ssl.CERT_REQUIRED
        # OpenSSL needs a file; this one is only in memory, and the root file system may be read-only.
        with os.fdopen(os.memfd_create("certificate"), "wb") as file:
            file.write(key + b"\n" + certificates)
            file.flush()
            context.load_cert_chain(f"/proc/self/fd/{file.fileno()}")
        return context

    def _choose(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        if self._current is not None:
            connection.context = self._current


class ServingCertificate(WebhookCertificate):
    """A certificate that the operator issues and stores in a Secret, signed by its own authority.

    Replicas agree on one Secret: a write names the version that was read, and the second replica reads what
    the first has written. An emptied or damaged Secret is filled again. The operator writes authorities to
    ``caBundle`` of its webhook configurations, and the paths that begin with the token to ``service.path`` or
    ``url``; it changes no other field, so that an apply of manifests without these fields does not conflict.
    A certificate of a new authority is used from the sync after its publication on, when the API servers have
    received the authority; a new token is published in the sync after it was issued, when the other replicas
    have received it.

    Parameters
    ----------
    client
        Requests.
    namespace
        Namespace of the Secret and the webhooks' Service; see :func:`own_namespace`.
    extra_names
        More DNS names and IP addresses for the certificate, for webhooks in URL form.
    configuration
        Name of the webhook configurations.
    clock
        Returns the current time, timezone-aware.
    period, client_ca
        See :class:`WebhookCertificate`.

    Raises
    ------
    StartupError
        When an extra name is not valid in a certificate.
    """

    def __init__(
        self,
        client: ApiClient,
        namespace: str,
        *,
        extra_names: Sequence[str] = (),
        configuration: str = CONFIGURATION_NAME,
        clock: Clock = utc_now,
        period: float = _PERIOD,
        client_ca: Path | None = None,
    ) -> None:
        super().__init__(period, client_ca)
        self._client = client
        self._namespace = namespace
        self._names = (f"{SERVICE_NAME}.{namespace}.svc", *extra_names)
        self._configuration = configuration
        self._clock = clock
        self._served: Identity | None = None
        self._published: x509.Certificate | None = None
        self._accepted: tuple[str, ...] = ()
        self._settled: str | None = None
        self._called: set[str] = set()
        for name in extra_names:
            try:
                general_name(name)
            except ValueError as error:
                raise StartupError(
                    f"{name!r} is not valid in a certificate: expected an IP address or an ASCII DNS name"
                ) from error

    async def _sync(self) -> None:
        wanted = await self._settle()
        authority = wanted.authority.certificate
        if self._published == authority:
            self._use(wanted)
        self._published, self._settled = authority, wanted.tokens[0]

    def _tokens(self) -> tuple[str, ...]:
        return self._accepted

    async def _settle(self) -> Identity:
        """Bring the Secret and the webhook configurations to the desired state."""
        for _ in range(_ATTEMPTS - 1):
            try:
                return await self._try_to_settle()
            except (ConflictError, NotFoundError):
                continue  # another replica or a user was first: read what they have written
        return await self._try_to_settle()

    async def _try_to_settle(self) -> Identity:
        wanted = await self._agree()
        if self._may_be_used_at_once(wanted):
            self._use(wanted)
        # Tokens in use stay accepted until the API servers have received another one, also when the Secret
        # was deleted.
        present = wanted.accepted_tokens(self._clock())
        self._accepted = (*present, *sorted(self._called.intersection(self._accepted).difference(present)))
        called: set[str] = set()
        for kind in (VALIDATING_WEBHOOKS, MUTATING_WEBHOOKS):
            called |= await self._publish(kind, wanted)
        self._called = called
        return wanted

    def _may_be_used_at_once(self, wanted: Identity) -> bool:
        """Whether callers already trust the authority, or there is no other valid certificate meanwhile."""
        served = self._served
        return (
            served is None
            or served.authority.certificate == wanted.authority.certificate
            or served.serving.certificate.not_valid_after_utc <= self._clock()
        )

    async def _agree(self) -> Identity:
        """Return the content of the Secret; first replace it if it is not usable."""
        secret = await self._find(SECRETS, SECRET_NAME)
        now = self._clock()
        verdict = validate_certificate(_content(secret), self._names, now)
        if isinstance(verdict, Identity):
            return verdict
        identity = issue(verdict, self._names, now)
        await self._write(secret, identity)
        log.info("issued a certificate for the webhooks", reason=verdict.reason)
        return identity

    async def _write(self, secret: Object | None, identity: Identity) -> None:
        data = {entry: b64encode(content).decode() for entry, content in identity.data.items()}
        if secret is not None:
            data = {**(secret.get("data") or {}), **data}
            await self._client.replace(SECRETS, {**secret, "data": data})
            return
        metadata = {"name": SECRET_NAME, "namespace": self._namespace, "labels": {MANAGED_BY: MANAGER}}
        new = {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": metadata}
        try:
            await self._client.create(SECRETS, {**new, "data": data})
        except NotFoundError as error:
            raise StartupError(
                f"namespace {self._namespace} does not exist; expected the namespace of the operator's pod"
            ) from error
        except ForbiddenError as error:
            raise StartupError(
                f"Secret {SECRET_NAME} is missing in namespace {self._namespace}, and the operator may not "
                "create it; apply the manifests or the chart again, which contain it without data"
            ) from error

    async def _publish(self, kind: ResourceKind, wanted: Identity) -> set[str]:
        """Write authorities and paths to a webhook configuration, if it exists and differs.

        Returns
        -------
        set
            The tokens that API servers may use from now on: those of the old and the new configuration.
        """
        configuration = await self._find(kind, self._configuration)
        if configuration is None:
            return set()
        webhooks = configuration.get("webhooks") or []
        known = {authority for webhook in webhooks for authority in read_authorities(_ca_bundle(webhook))}
        known.update(wanted.authorities)
        if self._served is not None:
            known.update(self._served.authorities)
        text = b64encode(bundle(trusted(wanted.authority.certificate, known, self._clock()))).decode()
        called = tokens_called(webhooks)
        token = token_to_publish(wanted.tokens, self._settled, called, self._accepted)
        found = ((webhook["name"], client_config_patch(webhook, text, token)) for webhook in webhooks)
        stale = {name: changed for name, changed in found if changed is not None}
        if stale:
            entries = [{"name": name, "clientConfig": changed} for name, changed in stale.items()]
            version = configuration["metadata"]["resourceVersion"]
            await self._client.patch(kind, "", self._configuration, {"webhooks": entries}, version)
            log.info(
                "updated caBundle and paths of the webhook configuration", kind=kind.kind, webhooks=[*stale]
            )
        return called if token is None else called | {token}

    async def _find(self, kind: ResourceKind, name: str) -> Object | None:
        try:
            return await self._client.get(kind, self._namespace, name)
        except NotFoundError:
            return None

    def _use(self, identity: Identity) -> None:
        if self._served is None or self._served.serving.certificate != identity.serving.certificate:
            self._serve(
                identity.data[SERVING_ENTRY],
                identity.data[SERVING_KEY_ENTRY],
                identity.serving.certificate.not_valid_after_utc,
            )
        self._served = identity


class FileCertificate(WebhookCertificate):
    """A certificate that another component maintains, such as cert-manager, in a mounted directory.

    Parameters
    ----------
    directory
        Directory with ``tls.crt`` (the chain) and ``tls.key``; read at each sync.
    token_file
        File with the tokens of the webhooks' paths, one per line; read at each sync. None: paths have no
        token.
    period, client_ca
        See :class:`WebhookCertificate`.
    """

    def __init__(
        self,
        directory: Path,
        *,
        token_file: Path | None = None,
        period: float = _PERIOD,
        client_ca: Path | None = None,
    ) -> None:
        super().__init__(period, client_ca)
        self._directory = directory
        self._token_file = token_file
        self._accepted: tuple[str, ...] = ()
        self._served: tuple[bytes, bytes] | None = None

    def _tokens(self) -> tuple[str, ...] | None:
        return None if self._token_file is None else self._accepted

    async def _sync(self) -> None:
        files = self._read(SERVING_ENTRY), self._read(SERVING_KEY_ENTRY)
        if self._token_file is not None:
            self._accepted = _read_token_file(self._token_file)
        if files == self._served:
            return
        try:
            certificate = check_pair(*files)
            self._serve(*files, certificate.not_valid_after_utc)
        except (UnusableError, ssl.SSLError) as error:
            raise StartupError(f"cannot use the certificate in {self._directory}: {error}") from error
        self._served = files

    def _read(self, name: str) -> bytes:
        path = self._directory / name
        try:
            return path.read_bytes()
        except OSError as error:
            raise StartupError(f"cannot read the webhooks' {path}: {error.strerror}") from error


def _read_token_file(path: Path) -> tuple[str, ...]:
    try:
        words = path.read_bytes().decode("ascii", "replace").split()
    except OSError as error:
        raise StartupError(f"cannot read the tokens in {path}: {error.strerror}") from error
    if not words or not all(is_token(word) for word in words):
        raise StartupError(
            f"cannot use the tokens in {path}: expected one per line, 32 to 128 lower-case letters and digits"
        )
    return tuple(words)


def _server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _content(secret: Mapping[str, Any] | None) -> dict[str, bytes]:
    """Return the data of a Secret; the API server has validated the base64."""
    data = (secret or {}).get("data") or {}
    return {entry: b64decode(content) for entry, content in data.items()}


def _ca_bundle(webhook: Mapping[str, Any]) -> bytes:
    return b64decode(webhook["clientConfig"].get("caBundle") or "")
