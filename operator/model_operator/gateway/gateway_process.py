"""The running gateway: informers, the API, the health port, and an end that cuts no request."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import structlog
from aiohttp import web
from prometheus_client import disable_created_metrics

from model_operator import __version__
from model_operator.core.gateway.endpoints import SELECTOR
from model_operator.gateway.health_application import health_application
from model_operator.gateway.identity import Identity
from model_operator.gateway.intake import Intake
from model_operator.gateway.metrics.counting import GatewayMetrics
from model_operator.gateway.metrics.scraped import ScrapedState
from model_operator.gateway.mounted_certificate import MountedCertificate
from model_operator.gateway.pages.model_page import ModelPage
from model_operator.gateway.pages.page_assets import page_assets
from model_operator.gateway.proxy import Proxy
from model_operator.gateway.request_handler import ApiProtocol, Gateway
from model_operator.gateway.rest.api_documents import DOCS_PATH, document_pages
from model_operator.gateway.rest.rest_api import RestApi
from model_operator.gateway.rest.rest_tables import RestTables
from model_operator.gateway.reviews import IdentityEvent
from model_operator.gateway.settings import GatewaySettings
from model_operator.gateway.start_checks import check_cluster
from model_operator.gateway.tables import Tables
from model_operator.kube.client import ApiClient
from model_operator.kube.connection import Connection
from model_operator.kube.informer import Informer, Object
from model_operator.kube.kubeconfig import load_configuration
from model_operator.kube.resources import (
    CLUSTER_MODEL_TEMPLATES,
    ENDPOINT_SLICES,
    MODEL_INSTANCES,
    MODEL_TEMPLATES,
    NAMESPACES,
)
from model_operator.metrics.exposition import MetricsPage
from model_operator.process.connection_slots import Bounds, Slots
from model_operator.process.inbound import Inbound, app_runner
from model_operator.process.sockets import bind
from model_operator.process.stopping import stop_signal, unless_stopped

log = structlog.get_logger(__name__)

_BACKLOG = 1024
_HANDSHAKES = 1024
_IDLE_SECONDS = 75.0
"""Time for which a connection is kept for the next request; clients keep theirs for less."""
_HEAD_LINE_BYTES = 20 * 1024
"""Of one header: tokens of identity providers are long."""
_HEAD_LINES = 128
_HEAD_BYTES = 1024 * 1024
"""Bytes of a request beside its body: headers, and the framing of chunks."""
_HEALTH_SHUTDOWN_SECONDS = 0.5


async def run_gateway(settings: GatewaySettings) -> None:
    """Run the gateway until SIGTERM or SIGINT, then drain.

    Raises
    ------
    StartupError
        When it cannot start; the message is one line for the operator administrator.
    """
    stopped = stop_signal()
    async with AsyncExitStack() as stack:
        bound = bind(settings.host, settings.port)
        stack.callback(bound.close)
        health = bind(settings.health_host, settings.health_port) if settings.health_port else None
        if health is not None:
            stack.callback(health.close)
        certificate = _certificate(settings)
        load = partial(load_configuration, settings.kubeconfig, settings.context)
        connection = Connection(load, settings.request_timeout_seconds)
        stack.push_async_callback(connection.close)
        callers = Connection(load, settings.request_timeout_seconds, is_anonymous=True)
        stack.push_async_callback(callers.close)
        process = GatewayProcess(settings, connection, callers, certificate)
        await process.run(bound, health, stopped)


class GatewayProcess:
    """The parts of one gateway, wired together.

    Parameters
    ----------
    settings
        The settings.
    connection
        The connection with the API server.
    callers
        Another one, without credentials of the gateway, for the requests of callers.
    certificate
        The certificate of the API; None for plain HTTP.
    """

    def __init__(
        self,
        settings: GatewaySettings,
        connection: Connection,
        callers: Connection,
        certificate: MountedCertificate | None,
    ) -> None:
        self._settings = settings
        self._connection = connection
        self._certificate = certificate
        self._client = ApiClient(connection)
        self._tables = Tables(time.monotonic, settings.proxy.limits())
        self._rest_tables = RestTables(time.monotonic, settings.namespaces)
        self._informers = self._make_informers(tuple(settings.namespaces))
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._metrics = GatewayMetrics(self._tables.catalog.ids)
        self._metrics.expect_identity_events(*IdentityEvent)
        self._metrics.registry.register(
            ScrapedState(
                models=lambda: len(self._tables.catalog),
                endpoints=self._tables.counts,
                watch_ages=lambda: {each.name: each.age() for each in self._informers},
            )
        )
        slots = Slots(_bounds(settings), self._metrics.connection_closed)
        self._inbound = Inbound(slots, keeps_after_errors=True)
        self._identity = Identity(
            self._client, settings.identity, time.monotonic, time.time, self._metrics.identity_event
        )
        self._proxy = Proxy(settings.proxy, self._tables.workers_of, self._metrics)
        assets = page_assets()
        self._rest = RestApi(self._rest_tables, self._identity, callers)
        self._gateway = Gateway(
            self._tables.catalog,
            self._identity,
            self._proxy,
            Intake(
                settings.max_body_bytes,
                settings.max_buffered_bytes,
                settings.max_requests,
                settings.body_timeout_seconds,
            ),
            self._tables.is_ready,
            self._rest,
            self._rest_tables.accounts.namespaces_of,
            self._metrics.answered,
            has_body=self._inbound.has_body,
            pages={**document_pages(), **assets.pages},
            model_page=ModelPage(
                self._tables.catalog, self._identity, self._tables.is_ready, assets, {"REST API": DOCS_PATH}
            ),
        )

    def _make_informers(self, namespaces: tuple[str, ...]) -> list[Informer]:
        """Return what keeps the tables in step with the cluster."""
        tables, rest = self._tables, self._rest_tables
        informer = partial(Informer, self._client, renew=self._connection.renew, now=time.monotonic)

        def put_instance(instance: Object) -> None:
            tables.put_instance(instance)
            rest.put_instance(instance)

        def remove_instance(namespace: str, name: str, version: int) -> None:
            tables.remove_instance(namespace, name)
            rest.remove_instance(namespace, name, version)

        return [
            informer(MODEL_INSTANCES, put=put_instance, remove=remove_instance, namespaces=namespaces),
            informer(
                ENDPOINT_SLICES,
                put=tables.put_slice,
                remove=tables.remove_slice,
                selection={"labels": SELECTOR},
                namespaces=namespaces,
            ),
            informer(
                MODEL_TEMPLATES,
                put=rest.put_template,
                remove=partial(rest.remove_template, MODEL_TEMPLATES.kind),
                namespaces=namespaces,
            ),
            informer(
                CLUSTER_MODEL_TEMPLATES,
                put=rest.put_template,
                remove=partial(rest.remove_template, CLUSTER_MODEL_TEMPLATES.kind),
            ),
            informer(
                NAMESPACES,
                put=rest.put_namespace,
                remove=rest.remove_namespace,
                selection={"metadata_only": True},
            ),
        ]

    async def run(self, bound: socket.socket, health: socket.socket | None, stopped: asyncio.Event) -> None:
        """Serve until the event is set, then drain.

        Parameters
        ----------
        bound, health
            Sockets of the API and of the health port.
        stopped
            Set by the first signal.
        """
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._proxy.close)
            await unless_stopped(stopped, self._check())
            if stopped.is_set():
                return
            # The health port opens first and closes last: it reports the start and the draining.
            if health is not None:
                await stack.enter_async_context(
                    _serving(
                        web.AppRunner(
                            health_application(self.ready, MetricsPage(self._metrics.registry)),
                            access_log=None,
                            shutdown_timeout=_HEALTH_SHUTDOWN_SECONDS,
                        ),
                        health,
                        None,
                    )
                )
            stack.push_async_callback(self._identity.close)
            stack.push_async_callback(self._rest.close)
            tasks = [asyncio.create_task(each.run(), name=each.name) for each in self._informers]
            if self._certificate is not None:
                tasks.append(asyncio.create_task(self._certificate.follow(), name="certificate"))
            stack.push_async_callback(_end, tasks)
            context = None if self._certificate is None else self._certificate.context
            application = self._gateway.application()
            application.middlewares.insert(0, self._inbound.middleware)
            runner = app_runner(
                application,
                "gateway",
                handler_cancellation=True,
                auto_decompress=False,
                max_field_size=_HEAD_LINE_BYTES,
                max_line_size=_HEAD_LINE_BYTES,
                max_headers=_HEAD_LINES,
                shutdown_timeout=self._settings.shutdown_seconds,
            )
            async with _serving(runner, bound, context, self._inbound):
                log.info(
                    "the gateway is serving",
                    version=__version__,
                    address=f"{'http' if context is None else 'https'}://{self._settings.host}:{self._settings.port}",
                )
                await self._until(stopped, tasks)
                self._gateway.is_draining = True
                log.info("draining", seconds=self._settings.drain_seconds)
                await asyncio.sleep(self._settings.drain_seconds)
        log.info("stopped")

    async def _check(self) -> None:
        watched = await check_cluster(self._client, self._connection, self._settings)
        self._informers = [each for each in self._informers if each.kind in watched]

    def ready(self) -> str | None:
        """Return why requests should go to another replica; None when they may come."""
        if self._gateway.is_draining:
            return "the gateway is draining"
        missing = [each.name for each in self._informers if not each.has_listed]
        return f"not listed yet: {', '.join(missing)}" if missing else None

    @staticmethod
    async def _until(stopped: asyncio.Event, tasks: list[asyncio.Task[None]]) -> None:
        """Wait for the signal; a task that ends has a defect, which ends the process."""
        waiting = asyncio.create_task(stopped.wait(), name="signal")
        try:
            done, _ = await asyncio.wait((waiting, *tasks), return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        for task in done - {waiting}:
            task.result()


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def _serving(
    runner: web.AppRunner,
    bound: socket.socket,
    context: ssl.SSLContext | None = None,
    inbound: Inbound | None = None,
) -> AsyncIterator[None]:
    """Serve an application on a socket; the end waits for its running requests."""
    await runner.setup()
    serve = runner.server
    assert serve is not None  # noqa: S101 -- set up just now
    try:
        if inbound is None:
            await web.SockSite(runner, bound, ssl_context=context, backlog=_BACKLOG).start()
            yield
        else:
            async with inbound.accept(bound, partial(_protocol, serve), context):
                yield
    finally:
        await runner.cleanup()


def _protocol(serve: web.Server) -> web.RequestHandler:
    """Return the protocol of a new connection of the API's port."""
    made = serve()
    # The class adds a method and no state; aiohttp has no setting for it.
    made.__class__ = ApiProtocol
    return made


def _bounds(settings: GatewaySettings) -> Bounds:
    """Return the bounds of the API's port; the proxy has its own deadlines for a response."""
    return Bounds(
        connections=settings.max_connections,
        per_address=settings.max_connections_per_address,
        handshakes=min(settings.max_connections, _HANDSHAKES),
        head_seconds=settings.body_timeout_seconds,
        busy_seconds=None,
        idle_seconds=_IDLE_SECONDS,
        request_bytes=settings.max_body_bytes + _HEAD_BYTES,
    )


def _certificate(settings: GatewaySettings) -> MountedCertificate | None:
    if settings.tls_cert_file is None or settings.tls_key_file is None:
        return None
    return MountedCertificate(settings.tls_cert_file, settings.tls_key_file)
