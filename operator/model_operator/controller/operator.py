"""The running operator: kopf for watching, the work queue and the workers, wired together."""

from __future__ import annotations

import asyncio
import datetime
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from http import HTTPStatus
from operator import attrgetter
from typing import Any, cast

import kopf
import structlog
from prometheus_client import disable_created_metrics

from model_operator import __version__
from model_operator.controller.cache.cluster_state import ClusterState
from model_operator.controller.events import EventRecorder
from model_operator.controller.health import health_bounds, serve_health
from model_operator.controller.leadership.election import lease_of, undelivered_seconds
from model_operator.controller.leadership.lease import Lease
from model_operator.controller.metrics.instruments import Metrics, Port
from model_operator.controller.metrics.requests import RequestCounter
from model_operator.controller.metrics.state import StateCollector
from model_operator.controller.preflight import check_cluster
from model_operator.controller.queue import WorkQueue
from model_operator.controller.reconcile.grace import GracePeriods
from model_operator.controller.reconcile.instances import InstanceReconciler
from model_operator.controller.reconcile.rollout_courses import RolloutCourses
from model_operator.controller.reconcile.template_dry_run import TemplateDryRunner, home_namespace
from model_operator.controller.reconcile.templates import TemplateReconciler
from model_operator.controller.reconcile.worker_pool import WorkerPool
from model_operator.controller.scope import Key, Scope
from model_operator.controller.watch.initial_list import InitialListRewriter
from model_operator.controller.watch.kopf_dispatch import dispatch_events_directly
from model_operator.controller.watch.kopf_reading import BoundedResponse, read_watches_safely
from model_operator.controller.watch.kopf_settings import kopf_settings
from model_operator.controller.watch.liveness import WATCHER, WatchLiveness
from model_operator.controller.watch.namespace_watch import NamespaceWatch
from model_operator.controller.watch.resync import Resync
from model_operator.controller.watch.triggers import Triggers
from model_operator.controller.webhooks.endpoint import WebhookEndpoint
from model_operator.controller.webhooks.reviewers import Admission
from model_operator.kube.client import ApiClient
from model_operator.kube.connection import Connection
from model_operator.kube.errors import ApiError, LeadershipLostError, StartupError
from model_operator.kube.kubeconfig import load_configuration
from model_operator.kube.resources import ResourceKind
from model_operator.metrics.exposition import MetricsPage
from model_operator.process.sockets import bind
from model_operator.process.stopping import stop_signal, unless_stopped
from model_operator.settings import OperatorSettings

log = structlog.get_logger(__name__)

_FILL_RETRY_SECONDS = 2.0
_LOGIN_SECONDS = 5.0
_FLUSH_SECONDS = 1.0
_SETTLE_SECONDS = 1.0

_SWITCH_SECONDS = 0.0005
"""How long the thread of a port may run while the main loop waits for the interpreter. Python's default is
ten times as long, and the main loop would wait that long after each of its requests."""


async def run_operator(settings: OperatorSettings) -> None:
    """Run until a signal, or until this replica loses leadership.

    Parameters
    ----------
    settings
        See :class:`OperatorSettings`.

    Raises
    ------
    StartupError
        When the cluster is unreachable, lacks the CRDs or denies a permission.
    LeadershipLostError
        When the Lease is lost, which has been logged.
    """
    read_watches_safely()
    sys.setswitchinterval(_SWITCH_SECONDS)
    # Each of them is a timestamp that Prometheus would store as another series.
    disable_created_metrics()  # type: ignore[no-untyped-call]
    metrics = Metrics()
    connection = Connection(
        partial(load_configuration, settings.kubeconfig, settings.context),
        settings.request_timeout_seconds,
        RequestCounter(metrics),
        undelivered_seconds(settings),
    )
    scope = Scope(settings.namespaces, settings.exclude_namespaces)
    client = ApiClient(connection)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(connection.close)
        kinds = await check_cluster(client, connection.server, scope, admission=settings.admission.port != 0)
        log.info(
            "starting", version=__version__, server=connection.server, namespaces=scope.namespaces or "all"
        )
        lease = await lease_of(settings, client)
        operator = Operator(settings, connection, client, scope, kinds, metrics, lease)
        stack.callback(operator.close)
        dispatch_events_directly(operator.registry)
        if settings.health_port:
            health = bind(settings.health_host, settings.health_port)
            page = MetricsPage(metrics.registry)
            metrics.expect_connections(Port.HEALTH)
            await stack.enter_async_context(
                serve_health(
                    health,
                    alive=operator.alive,
                    ready=operator.ready,
                    metrics=page,
                    bounds=health_bounds(settings.health_max_connections),
                    count=partial(metrics.connection_closed, Port.HEALTH),
                )
            )
        await operator.prepare()
        await operator.fill()
        if operator.is_stopped:
            log.info("stopped")
            return
        try:
            await kopf.operator(
                registry=operator.registry,
                # Only peering uses the identity, and it is off. Without one, kopf looks up the user name and
                # fails where there is none, as in a container.
                identity=cast(Any, "model-operator"),
                settings=kopf_settings(kinds, scope, settings.request_timeout_seconds),
                clusterwide=not scope.namespaces,
                namespaces=scope.namespaces,
            )
        except Exception as error:
            raise StartupError(f"the watches have ended: {error}; restart the operator") from error
        if operator.failed:
            raise StartupError("stopped after an unexpected error; see the log above")
        if operator.lost is not None:
            raise operator.lost


class Operator:
    """One operator: its parts, and the handlers by which kopf drives them.

    Without the Lease it only maintains its caches and serves the webhooks. All writes for instances and
    templates use a client that checks the Lease before each write. Writes of the webhooks' certificate do
    not: the first replica issues it, and the others read it.

    Attributes
    ----------
    registry
        The handlers, for :func:`kopf.operator`.
    failed
        Whether an unexpected error has ended the work: a restart is better than an idle process.
    lost
        The error by which leadership was lost, if it was.
    """

    def __init__(
        self,
        settings: OperatorSettings,
        connection: Connection,
        client: ApiClient,
        scope: Scope,
        kinds: Sequence[ResourceKind],
        metrics: Metrics,
        lease: Lease | None = None,
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        self._connection = connection
        self._kinds = kinds
        self._lease = lease
        writer = ApiClient(connection, lease.permit if lease is not None else None)
        self._state = ClusterState(settings.rendering.free_metadata_domains, scope.stored_revisions)
        self._queue: WorkQueue[Key] = WorkQueue(group_of=attrgetter("namespace"), workers=settings.workers)
        # Only the leader reconciles; on becoming leader it enqueues everything.
        self._queue.close()
        self._triggers = Triggers(self._state, self._queue, scope, metrics.unreadable)
        self._namespaces = NamespaceWatch(client, self._triggers, connection.renew)
        self._liveness = WatchLiveness(kinds, scope, settings.resync_seconds)
        self._resync = Resync(client, self._state, self._triggers, scope, kinds, self._liveness.heartbeat)
        self._initial_list = InitialListRewriter(connection.server, kinds, scope, self._resync.relisted)
        self._events = EventRecorder(writer, metrics, is_busy=lambda: len(self._queue) > 0)
        courses = RolloutCourses(self._state, self._triggers)
        self._workers = WorkerPool(
            self._queue,
            InstanceReconciler(
                writer,
                self._state,
                settings.rendering,
                self._triggers,
                self._events.record,
                grace=GracePeriods(settings.stalled_after_seconds),
                courses=courses,
            ),
            TemplateReconciler(
                writer,
                self._state,
                TemplateDryRunner(
                    writer,
                    self._state,
                    settings.rendering,
                    home_namespace(settings.admission.namespace),
                    settings.template_dry_run,
                ),
                self._triggers,
                self._events.record,
                grace=GracePeriods(settings.stalled_after_seconds),
                courses=courses,
            ),
            metrics,
        )
        self._webhooks: WebhookEndpoint | None = None
        if settings.admission.port:
            admission = Admission(
                client, self._state, scope, settings.rendering, settings.admission.warn_only_users, metrics
            )
            self._webhooks = WebhookEndpoint(settings.admission, client, admission, metrics)
        metrics.leader.set_function(lambda: self.is_leading)
        metrics.registry.register(StateCollector(self._state, self._queue, kinds, self._certificate_expires))
        self._task: asyncio.Task[None] | None = None
        self._stopped: asyncio.Event | None = None
        self._is_filled = False
        self._is_leading = False
        self._logged_in_at: float | None = None
        self.failed = False
        self.lost: LeadershipLostError | None = None
        self.registry = self._register()

    async def prepare(self) -> None:
        """Reserve the webhooks' port and make their certificate available.

        Raises
        ------
        StartupError
            When the port is taken or no certificate is available.
        """
        if self._webhooks is not None:
            await self._webhooks.prepare()

    async def fill(self) -> None:
        """Fill the caches before the first reconcile: with partial caches, templates would seem missing.

        A signal stops it.
        """
        self._stopped = stop_signal()
        await unless_stopped(self._stopped, self._fill())

    @property
    def is_stopped(self) -> bool:
        """Whether a signal came before kopf installed its handlers."""
        return self._stopped is not None and self._stopped.is_set()

    async def _fill(self) -> None:
        while True:
            try:
                versions = await self._resync.fill()
                break
            except ApiError as error:
                log.warning("cannot fill the caches yet", error=str(error))
                await asyncio.sleep(_FILL_RETRY_SECONDS)
                if error.code == HTTPStatus.UNAUTHORIZED:
                    await self._read_credentials_again()
        self._initial_list.resume_from(versions)
        self._is_filled = True
        self._liveness.heartbeat()
        log.info("caches are filled", instances=len(self._state.instances))

    async def _read_credentials_again(self) -> None:
        try:
            await self._connection.renew()
        except StartupError as error:
            log.warning("cannot read the credentials", error=str(error))

    def close(self) -> None:
        """Release what :meth:`prepare` has reserved."""
        if self._webhooks is not None:
            self._webhooks.close()

    def alive(self) -> str | None:
        """Return a problem that only a restart solves, such as a lost watch, which kopf does not notice."""
        if self._task is None:
            return None
        if self._task.done():
            return "the reconcile workers have stopped"
        if self._resync.silent is not None:
            return f"the watch of {self._resync.silent} does not report existing objects"
        return self._liveness.failure(task.get_name() for task in asyncio.all_tasks() if not task.done())

    @property
    def is_leading(self) -> bool:
        """Whether this replica leads; without leader election always, once it has started."""
        return self._is_leading and (self._lease is None or self._lease.is_held)

    def ready(self) -> str | None:
        """Return why the operator is not ready, as leader or as standby; None when it is."""
        if not self._is_filled:
            return "the caches are not filled yet"
        if self._webhooks is not None and not self._webhooks.is_serving:
            return "the webhooks are not served"
        return self.alive()

    def _certificate_expires(self) -> datetime.datetime | None:
        return None if self._webhooks is None else self._webhooks.certificate_expires

    def _register(self) -> kopf.OperatorRegistry:
        registry = kopf.OperatorRegistry()
        kopf.on.startup(registry=registry)(self._start)
        kopf.on.cleanup(registry=registry)(self._stop)
        kopf.on.login(registry=registry)(self._login)
        for kind in self._kinds:
            handler = self._watcher(kind)
            kopf.on.event(kind.group, kind.version, kind.plural, registry=registry, id=kind.plural)(handler)
        return registry

    def _watcher(self, kind: ResourceKind) -> Callable[..., Awaitable[None]]:
        async def on_event(event: kopf.RawEvent, **_: Any) -> None:
            self._metrics.watch_events.labels(kind.plural, event["type"] or "LISTED").inc()
            self._liveness.heartbeat()
            self._triggers.observe(kind, event["type"], event["object"])

        return on_event

    async def _login(self, **_: Any) -> kopf.AiohttpSession:
        """Return a session for kopf; after the server has refused the credentials, with reloaded ones.

        A coroutine, since kopf runs plain functions in threads, where no session can be opened.
        """
        now = asyncio.get_running_loop().time()
        if self._logged_in_at is not None:
            if now - self._logged_in_at < _LOGIN_SECONDS:
                # kopf retries with each new session: without a delay it would loop.
                raise kopf.TemporaryError("the API server refuses the credentials", delay=_LOGIN_SECONDS)
            log.warning("the API server refuses the credentials; reloading them")
            await self._connection.renew()
        self._logged_in_at = now
        session = self._connection.share(self._initial_list, BoundedResponse)
        return kopf.AiohttpSession(server=self._connection.server, aiohttp_session=session)

    async def _start(self, **_: Any) -> None:
        if self.is_stopped:
            signal.raise_signal(signal.SIGTERM)  # Now kopf handles it.
        self._liveness.begin()
        self._task = asyncio.create_task(self._run(), name="reconciling")

    async def _stop(self, **_: Any) -> None:
        # When one watcher fails, kopf would wait five seconds for the others.
        for task in asyncio.all_tasks():
            if task.get_name().startswith(WATCHER):
                task.cancel()
        self._queue.close()
        has_settled = await self._settle()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self.is_leading:
            await self._events.flush(_FLUSH_SECONDS)
        if self._lease is not None and has_settled:
            await self._lease.release()
        log.info("stopped")

    async def _settle(self) -> bool:
        """Let running reconciles end; return whether they have.

        The last write of a cancelled reconcile might arrive after another replica has acquired the Lease.
        """
        if self._task is None or self._task.done():
            return False
        try:
            async with asyncio.timeout(_SETTLE_SECONDS):
                await self._queue.settle()
        except TimeoutError:
            return False
        return True

    async def _run(self) -> None:
        """Run all tasks, and end the process when one of them fails."""
        try:
            await self._work()
        except Exception as error:
            self.lost = _as_lost(error)
            if self.lost is not None:
                log.error("leadership lost; exiting", reason=str(self.lost))  # noqa: TRY400 -- no defect
            else:
                log.exception("unexpected error; exiting")
                self.failed = True
            # Not kopf's stop flag: waiting for that would delay every other stop by five seconds.
            signal.raise_signal(signal.SIGTERM)

    async def _work(self) -> None:
        """Run everything except the watches."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._lead(), name="leading")
            group.create_task(self._resync.run(self._settings.resync_seconds), name="resync")
            group.create_task(self._namespaces.run(), name="labels of namespaces")
            if self._webhooks is not None:
                group.create_task(self._webhooks.run(), name="webhooks")

    async def _lead(self) -> None:
        """Wait for leadership, then reconcile for as long as this replica leads."""
        if self._lease is not None:
            await self._lease.acquire()
        self._is_leading = True
        self._queue.open()
        self._triggers.enqueue_all()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._workers.run(self._settings.workers), name="workers")
            group.create_task(self._events.run(), name="events")
            if self._lease is not None:
                group.create_task(self._lease.keep(), name="lease")


def _as_lost(error: Exception) -> LeadershipLostError | None:
    """Return the loss of leadership if there is no other error."""
    while isinstance(error, ExceptionGroup):
        others = error.split(LeadershipLostError)[1]
        if others is not None:
            return None
        error = error.exceptions[0]
    return error if isinstance(error, LeadershipLostError) else None
