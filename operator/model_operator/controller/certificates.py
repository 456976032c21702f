"""The certificate that the admission webhooks serve with: kept by the operator itself, or read from files.

Both classes are used alike::

    certificate = ServingCertificate(client, own_namespace())
    await certificate.ensure()  # or StartupError: one line that says what is missing
    site = aiohttp.web.TCPSite(runner, ssl_context=certificate.ssl_context)
    ...
    await certificate.run()  # renews and heals for ever; new connections get the new certificate

Private keys are never logged and never written to a disk.
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

from model_operator.controller.client import ApiClient, Object
from model_operator.controller.clock import Clock, utc_now
from model_operator.controller.connection import NAMESPACE_FILE
from model_operator.controller.errors import (
    ApiError,
    ConflictError,
    ForbiddenError,
    NotFoundError,
    StartupError,
)
from model_operator.controller.issuing import issue
from model_operator.controller.resources import (
    MUTATING_WEBHOOKS,
    SECRETS,
    VALIDATING_WEBHOOKS,
    ResourceKind,
)
from model_operator.core.certificates import (
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
from model_operator.core.ownership import MANAGED_BY, MANAGER

log = structlog.get_logger(__name__)

SECRET_NAME = "model-operator-webhook-cert"  # noqa: S105 -- a name
SERVICE_NAME = "model-operator-webhook"
CONFIGURATION_NAME = "model-operator"
"""Name of our validating and of our mutating webhook configuration."""

_PERIOD = 10.0
"""Seconds between two looks: the time until what others have changed is noticed."""
_ATTEMPTS = 5
"""Tries within one look; each failed one means that a replica or a person was quicker."""
_NAMESPACE_VARIABLE = "POD_NAMESPACE"


def own_namespace(configured: str | None = None) -> str:
    """Return the namespace that the operator runs in.

    Parameters
    ----------
    configured
        What the settings say, if anything.

    Raises
    ------
    StartupError
        When neither the settings nor the pod's environment tell.
    """
    namespace = configured or os.environ.get(_NAMESPACE_VARIABLE)
    if namespace:
        return namespace
    try:
        return NAMESPACE_FILE.read_text().strip()
    except OSError as error:
        raise StartupError(
            f"the operator's own namespace is unknown: set {_NAMESPACE_VARIABLE}, as this is no pod with a "
            "ServiceAccount"
        ) from error


class WebhookCertificate(ABC):
    """A serving certificate that is renewed without restart.

    Attributes
    ----------
    ssl_context
        For the server; TLS 1.2 or newer. Each new connection gets the certificate of its time.
    expires
        When the certificate that is served ends; None before there is one.
    """

    def __init__(self, period: float) -> None:
        self._period = period
        self._current: ssl.SSLContext | None = None
        self.expires: datetime.datetime | None = None
        self.ssl_context = _server_context()
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
            await self._look()
        except ApiError as error:
            hint = "; grant the rights of manifests/base" if isinstance(error, ForbiddenError) else ""
            raise StartupError(f"the webhooks' certificate cannot be kept: {error}{hint}") from error

    async def run(self) -> None:
        """Look again and again; trouble is logged once, and what is served meanwhile stays."""
        trouble = ""
        while True:
            await asyncio.sleep(self._period)
            try:
                await self._look()
            except (ApiError, StartupError) as error:
                if str(error) != trouble:
                    trouble = str(error)
                    log.warning("the webhooks' certificate cannot be kept", error=trouble)
            else:
                trouble = ""

    @abstractmethod
    async def _look(self) -> None:
        """Compare with what should be, and act upon the difference."""

    def _serve(self, certificates: bytes, key: bytes, expires: datetime.datetime) -> None:
        """Serve new connections with a certificate, given as PEM, that ends at that time."""
        context = _server_context()
        # OpenSSL wants a file; this one is in memory only, and the root file system may be read-only.
        with os.fdopen(os.memfd_create("certificate"), "wb") as file:
            file.write(key + b"\n" + certificates)
            file.flush()
            context.load_cert_chain(f"/proc/self/fd/{file.fileno()}")
        self._current, self.expires = context, expires
        log.info("the webhooks serve with a new certificate", expires=expires.isoformat())

    def _choose(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        if self._current is not None:
            connection.context = self._current


class ServingCertificate(WebhookCertificate):
    """A certificate that the operator makes and keeps in a Secret, signed by an authority of its own.

    Replicas agree on one Secret: a write names the version that was read, and who comes second reads
    what the first has written. A Secret that is deleted or broken by hand is made anew. The authorities
    are put into ``caBundle`` of our webhook configurations, and nothing else of these is touched, so that
    whoever applies them from manifests without that field does not notice. What a new authority has
    signed serves from the look after its publication on, when the API servers have had time to learn of it.

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
    period
        Seconds between two looks.

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
    ) -> None:
        super().__init__(period)
        self._client = client
        self._namespace = namespace
        self._names = (f"{SERVICE_NAME}.{namespace}.svc", *extra_names)
        self._configuration = configuration
        self._clock = clock
        self._served: Identity | None = None
        self._published: x509.Certificate | None = None
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
        self._published = authority

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
        for kind in (VALIDATING_WEBHOOKS, MUTATING_WEBHOOKS):
            await self._publish(kind, wanted)
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

    async def _publish(self, kind: ResourceKind, wanted: Identity) -> None:
        """Put the authorities into a webhook configuration, if there is one and it has others."""
        configuration = await self._find(kind, self._configuration)
        if configuration is None:
            return
        webhooks = configuration.get("webhooks") or []
        known = {authority for webhook in webhooks for authority in read_authorities(_ca_bundle(webhook))}
        known.update(wanted.authorities)
        if self._served is not None:
            known.update(self._served.authorities)
        text = bundle(trusted(wanted.authority.certificate, known, self._clock()))
        stale = [webhook["name"] for webhook in webhooks if _ca_bundle(webhook) != text]
        if stale:
            content = b64encode(text).decode()
            patch = {"webhooks": [{"name": name, "clientConfig": {"caBundle": content}} for name in stale]}
            version = configuration["metadata"]["resourceVersion"]
            await self._client.patch(kind, "", self._configuration, patch, version)
            log.info("put the webhooks' authority into the configuration", kind=kind.kind, webhooks=stale)

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
    period
        Seconds between two looks.
    """

    def __init__(self, directory: Path, *, period: float = _PERIOD) -> None:
        super().__init__(period)
        self._directory = directory
        self._served: tuple[bytes, bytes] | None = None

    async def _look(self) -> None:
        files = self._read(SERVING_ENTRY), self._read(SERVING_KEY_ENTRY)
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
