"""What the webhooks serve with, and what callers have to show: kept by the operator, or read from files.

Both classes are used alike::

    certificate = ServingCertificate(client, own_namespace())
    await certificate.ensure()  # or StartupError: one line that says what is missing
    site = aiohttp.web.TCPSite(runner, ssl_context=certificate.ssl_context)
    ...
    certificate.gate.admit(path)  # for each request: who calls, and what
    await certificate.run()  # renews and heals for ever; new connections get the new certificate

Private keys and tokens are never logged and never written to a disk.
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
from model_operator.core.webhooks.callers import Gate, is_token
from model_operator.core.webhooks.certificate import (
    SERVING_ENTRY,
    SERVING_KEY_ENTRY,
    Identity,
    UnusableError,
    bundle,
    check_pair,
    general_name,
    judge,
    read_authorities,
    trusted,
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
"""Name of our validating and of our mutating webhook configuration."""

_PERIOD = 10.0
"""Seconds between two looks: the time until what others have changed is noticed."""
_ATTEMPTS = 5
"""Tries within one look; each failed one means that a replica or a person was quicker."""


class WebhookCertificate(ABC):
    """A serving certificate that is renewed without restart.

    Attributes
    ----------
    ssl_context
        For the server; TLS 1.2 or newer. Each new connection gets the certificate of its time.
    expires
        When the certificate that is served ends; None before there is one.

    Parameters
    ----------
    period
        Seconds between two looks.
    client_ca
        PEM file with the authorities that sign the API servers' client certificates, read again and again.
        With it, who has no certificate of theirs is not served. None: nobody is asked for one.
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
            # What is asked of the client is this context's, whichever is chosen for the certificate.
            self.ssl_context.verify_mode = ssl.CERT_REQUIRED
            # A session that is resumed would not be verified again.
            self.ssl_context.num_tickets = 0
            self.ssl_context.options |= ssl.OP_NO_TICKET
        # A context per certificate, chosen by connection: a half-loaded one never serves, and one with
        # another kind of key replaces the former instead of being added to it.
        self.ssl_context.sni_callback = self._choose

    async def ensure(self) -> None:
        """Have a usable certificate, before the server starts.

        Raises
        ------
        StartupError
            When there is none and none can be had; says what is missing.
        """
        try:
            await self._look_at_all()
        except ApiError as error:
            hint = "; grant the rights of manifests/base" if isinstance(error, ForbiddenError) else ""
            text = self._redacted(error)
            raise StartupError(f"the webhooks' certificate cannot be kept: {text}{hint}") from error

    async def run(self) -> None:
        """Look again and again; trouble is logged once, and what is served meanwhile stays."""
        trouble = ""
        while True:
            await asyncio.sleep(self._period)
            try:
                await self._look_at_all()
            except (ApiError, StartupError) as error:
                text = self._redacted(error)
                if text != trouble:
                    trouble = text
                    log.warning("the webhooks' certificate cannot be kept", error=trouble)
            else:
                trouble = ""

    @property
    def gate(self) -> Gate:
        """What callers have to show now."""
        return Gate(self._tokens(), self._client_ca is not None)

    @abstractmethod
    def _tokens(self) -> tuple[str, ...] | None:
        """Return the tokens of which one is to be in the path; None when paths have none."""

    async def _look_at_all(self) -> None:
        if self._client_ca is not None:
            self._read_client_authorities(self._client_ca)
        await self._look()

    def _read_client_authorities(self, path: Path) -> None:
        try:
            text = path.read_text()
            if text == self._client_authorities:
                return
            # Of what cannot be read, nothing takes effect.
            _server_context().load_verify_locations(cadata=text)
        except (OSError, ValueError, ssl.SSLError) as error:
            raise StartupError(
                f"cannot read the authorities of client certificates in {path}: expected PEM certificates"
            ) from error
        self._client_authorities = text
        if self._pair is not None:
            self._current = self._context(*self._pair)

    def _redacted(self, error: Exception) -> str:
        """Return an error's text without tokens: whoever refuses a configuration may quote its paths."""
        text = str(error)
        for token in self._tokens() or ():
            text = text.replace(token, "…")
        return text

    @abstractmethod
    async def _look(self) -> None:
        """Compare with what should be, and act upon the difference."""

    def _serve(self, certificates: bytes, key: bytes, expires: datetime.datetime) -> None:
        """Serve new connections with a certificate, given as PEM, that ends at that time."""
        self._current, self._pair = self._context(certificates, key), (certificates, key)
        self.expires = expires
        log.info("the webhooks serve with a new certificate", expires=expires.isoformat())

    def _context(self, certificates: bytes, key: bytes) -> ssl.SSLContext:
        context = _server_context()
        if self._client_authorities is not None:
            context.load_verify_locations(cadata=self._client_authorities)
            context.verify_mode = ssl.CERT_REQUIRED
        # OpenSSL wants a file; this one is in memory only, and the root file system may be read-only.
        with os.fdopen(os.memfd_create("certificate"), "wb") as file:
            file.write(key + b"\n" + certificates)
            file.flush()
            context.load_cert_chain(f"/proc/self/fd/{file.fileno()}")
        return context

    def _choose(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        if self._current is not None:
            connection.context = self._current


class ServingCertificate(WebhookCertificate):
    """A certificate that the operator makes and keeps in a Secret, signed by an authority of its own.

    Replicas agree on one Secret: a write names the version that was read, and who comes second reads
    what the first has written. A Secret that is emptied or broken by hand is filled again. The authorities
    are put into ``caBundle`` of our webhook configurations, and the paths that begin with the token into
    ``service.path`` or ``url``; nothing else of these is touched, so that whoever applies them from manifests
    without these fields does not notice. What a new authority has signed serves from the look after its
    publication on, when the API servers have had time to learn of it; a new token is published in the look
    after it was made, when the other replicas have had time to learn of it.

    Parameters
    ----------
    client
        Requests.
    namespace
        Where the Secret and the webhooks' Service are; see :func:`own_namespace`.
    extra_names
        More DNS names and IP addresses to be called by, for webhooks in URL form.
    configuration
        Name of the webhook configurations.
    clock
        The time, aware.
    period, client_ca
        See :class:`WebhookCertificate`.

    Raises
    ------
    StartupError
        When an extra name cannot be in a certificate.
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
                    f"{name!r} is no name for a certificate: expected an IP address or an ASCII DNS name"
                ) from error

    async def _look(self) -> None:
        wanted = await self._settle()
        authority = wanted.authority.certificate
        if self._published == authority:
            self._use(wanted)
        self._published, self._settled = authority, wanted.tokens[0]

    def _tokens(self) -> tuple[str, ...]:
        return self._accepted

    async def _settle(self) -> Identity:
        """Have Secret and webhook configurations as they should be."""
        for _ in range(_ATTEMPTS - 1):
            try:
                return await self._try_to_settle()
            except (ConflictError, NotFoundError):
                continue  # a replica or a person was quicker: look at what they have done
        return await self._try_to_settle()

    async def _try_to_settle(self) -> Identity:
        wanted = await self._agree()
        if self._may_be_used_at_once(wanted):
            self._use(wanted)
        # What API servers have used until now stays accepted until they have had time to learn of another,
        # also when the Secret was deleted.
        present = wanted.accepted_tokens(self._clock())
        self._accepted = (*present, *sorted(self._called.intersection(self._accepted).difference(present)))
        called: set[str] = set()
        for kind in (VALIDATING_WEBHOOKS, MUTATING_WEBHOOKS):
            called |= await self._publish(kind, wanted)
        self._called = called
        return wanted

    def _may_be_used_at_once(self, wanted: Identity) -> bool:
        """Whether callers know the authority already, or there is nothing better to serve with meanwhile."""
        served = self._served
        return (
            served is None
            or served.authority.certificate == wanted.authority.certificate
            or served.serving.certificate.not_valid_after_utc <= self._clock()
        )

    async def _agree(self) -> Identity:
        """Return what the Secret holds, after putting something usable into it if need be."""
        secret = await self._find(SECRETS, SECRET_NAME)
        now = self._clock()
        verdict = judge(_content(secret), self._names, now)
        if isinstance(verdict, Identity):
            return verdict
        identity = issue(verdict, self._names, now)
        await self._write(secret, identity)
        log.info("made a certificate for the webhooks", reason=verdict.reason)
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
                f"namespace {self._namespace} does not exist; it is to be the one that the operator runs in"
            ) from error
        except ForbiddenError as error:
            raise StartupError(
                f"Secret {SECRET_NAME} is missing in namespace {self._namespace}, and the operator may not "
                "create it; apply the manifests or the chart again, which have it without content"
            ) from error

    async def _publish(self, kind: ResourceKind, wanted: Identity) -> set[str]:
        """Put authorities and paths into a webhook configuration, if there is one and it has others.

        Returns
        -------
        set
            The tokens that API servers may use from now on: those that the configuration had and has.
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
            log.info("put authority and paths into the configuration", kind=kind.kind, webhooks=[*stale])
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
    """A certificate that others keep, such as cert-manager, in a folder that is mounted into the pod.

    Parameters
    ----------
    directory
        Folder with ``tls.crt`` (the chain) and ``tls.key``, which are read again and again.
    token_file
        File with the tokens of the webhooks' paths, one a line, which is read again and again, too. None:
        paths have no token.
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

    async def _look(self) -> None:
        files = self._read(SERVING_ENTRY), self._read(SERVING_KEY_ENTRY)
        if self._token_file is not None:
            self._accepted = _read_token_file(self._token_file)
        if files == self._served:
            return
        try:
            certificate = check_pair(*files)
            self._serve(*files, certificate.not_valid_after_utc)
        except (UnusableError, ssl.SSLError) as error:
            raise StartupError(f"cannot serve with the files in {self._directory}: {error}") from error
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
            f"cannot use the tokens in {path}: expected one a line, 32 to 128 lower-case letters and digits"
        )
    return tuple(words)


def _server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _content(secret: Mapping[str, Any] | None) -> dict[str, bytes]:
    """Return what a Secret holds; the API server has checked that it is base64."""
    data = (secret or {}).get("data") or {}
    return {entry: b64decode(content) for entry, content in data.items()}


def _ca_bundle(webhook: Mapping[str, Any]) -> bytes:
    return b64decode(webhook["clientConfig"].get("caBundle") or "")
