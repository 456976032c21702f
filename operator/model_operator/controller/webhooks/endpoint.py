"""The webhooks as a part of the operator: binding the port, providing a certificate, serving."""

from __future__ import annotations

import asyncio
import datetime
import socket
from contextlib import AbstractAsyncContextManager
from functools import partial

import structlog

from model_operator.controller.metrics.instruments import Metrics, Port
from model_operator.controller.serving.admission_gate import AdmissionGate, ReviewBounds
from model_operator.controller.serving.side_loop import in_thread
from model_operator.controller.webhooks.certificate import FileCertificate, ServingCertificate
from model_operator.controller.webhooks.reviewers import Admission
from model_operator.controller.webhooks.server import serve_webhooks, webhook_bounds
from model_operator.kube.client import ApiClient
from model_operator.kube.namespace import own_namespace
from model_operator.process.connection_slots import Slots
from model_operator.process.sockets import bind
from model_operator.settings import AdmissionSettings

log = structlog.get_logger(__name__)


class WebhookEndpoint:
    """Serves the webhooks.

    Parameters
    ----------
    settings
        Address to listen on, and source of the certificate.
    client
        Requests, to maintain the certificate.
    admission
        Responds to the reviews.
    metrics
        Counts the requests.

    Attributes
    ----------
    is_serving
        Whether the webhooks are served now.
    """

    def __init__(
        self, settings: AdmissionSettings, client: ApiClient, admission: Admission, metrics: Metrics
    ) -> None:
        self._settings = settings
        self._admission = admission
        self._metrics = metrics
        self._certificate = (
            FileCertificate(
                settings.cert_dir, token_file=settings.token_file, client_ca=settings.client_ca_file
            )
            if settings.cert_dir is not None
            else ServingCertificate(
                client,
                own_namespace(settings.namespace),
                extra_names=settings.names,
                client_ca=settings.client_ca_file,
            )
        )
        self._bound: socket.socket | None = None
        self.is_serving = False

    @property
    def certificate_expires(self) -> datetime.datetime | None:
        """Expiry of the certificate; None before there is one."""
        return self._certificate.expires

    async def prepare(self) -> None:
        """Bind the port and provide a certificate; callers are refused until :meth:`run`.

        Raises
        ------
        StartupError
            The port is in use, or no certificate is available.
        """
        self._bound = bind(self._settings.host, self._settings.port)
        await self._certificate.ensure()

    async def run(self) -> None:
        """Serve until cancelled; to be called when the caches are complete."""
        if self._bound is None:
            raise RuntimeError("prepare() comes first")
        bound, settings, certificate = self._bound, self._settings, self._certificate
        reviews = {webhook: reviewer.review for webhook, reviewer in self._admission.reviewers.items()}
        bounds = webhook_bounds(
            settings.max_connections, settings.max_connections_per_address, settings.max_handshakes
        )
        slots = Slots(bounds, partial(self._metrics.connection_closed, Port.WEBHOOKS))
        gate = AdmissionGate(
            ReviewBounds(reviews=settings.max_reviews, body_bytes=settings.max_body_bytes),
            asyncio.get_running_loop(),
            self._metrics.shed,
        )

        def serve() -> AbstractAsyncContextManager[None]:
            context, middlewares = certificate.ssl_context, [self._metrics.webhook_middleware]
            return serve_webhooks(
                reviews, lambda: certificate.caller_policy, bound, context, gate, slots, middlewares
            )

        async with in_thread("webhooks", serve):
            self.is_serving = True
            log.info("webhooks are served", port=self._settings.port)
            if not certificate.caller_policy.is_authenticating:
                log.warning(
                    "callers of the webhooks are not authenticated, so instances are not validated against "
                    "their templates; set MODEL_OPERATOR_ADMISSION__TOKEN_FILE or __CLIENT_CA_FILE"
                )
            try:
                await self._certificate.run()
            finally:
                self.is_serving = False

    def close(self) -> None:
        """Release the port."""
        if self._bound is not None:
            self._bound.close()
