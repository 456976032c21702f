"""The worker pool: take a key, reconcile it, and requeue it."""

from __future__ import annotations

import asyncio
import time
from typing import NamedTuple

import structlog

from model_operator.api import TemplateKind
from model_operator.controller.metrics.instruments import Metrics, Result
from model_operator.controller.queue import WorkQueue
from model_operator.controller.reconcile.instances import InstanceReconciler
from model_operator.controller.reconcile.templates import TemplateReconciler
from model_operator.controller.scope import Key
from model_operator.core.reasons.refusals import is_namespace_terminating
from model_operator.kube.errors import (
    ApiRefusedError,
    ApiUnavailableError,
    ConflictError,
    LeadershipLostError,
    NotFoundError,
)
from model_operator.kube.resources import MODEL_INSTANCES

log = structlog.get_logger(__name__)

_UNAVAILABLE_LIMIT = 15.0
_CONFLICT_LIMIT = 5.0
_REFUSED_LIMIT = 60.0
_DEFECT_LIMIT = 300.0


class _Outcome(NamedTuple):
    """The result of a reconcile, and the longest time until the next; None to wait for a watch event."""

    result: Result
    limit: float | None


class WorkerPool:
    """Runs reconciliations, several at a time and never two of the same key.

    Parameters
    ----------
    queue
        The work queue.
    instances, templates
        The reconcilers.
    metrics
        The metrics of the results.
    """

    def __init__(
        self,
        queue: WorkQueue[Key],
        instances: InstanceReconciler,
        templates: TemplateReconciler,
        metrics: Metrics,
    ) -> None:
        self._queue = queue
        self._instances = instances
        self._templates = templates
        self._metrics = metrics

    async def run(self, count: int) -> None:
        """Work until cancelled.

        Parameters
        ----------
        count
            Number of keys to work on at the same time.
        """
        async with asyncio.TaskGroup() as group:
            for number in range(count):
                group.create_task(self._work(), name=f"worker {number}")

    async def _work(self) -> None:
        while True:
            key = await self._queue.get()
            structlog.contextvars.bind_contextvars(
                object_kind=key.kind, namespace=key.namespace, name=key.name
            )
            started = time.perf_counter()
            try:
                outcome = await self._reconcile(key)
            finally:
                structlog.contextvars.clear_contextvars()
            self._metrics.reconciled(key.kind, outcome.result, time.perf_counter() - started)
            if outcome.limit is None:
                self._queue.forget(key)
            else:
                self._queue.retry(key, outcome.limit)
            self._queue.done(key)
            # A reconcile with nothing to send does not suspend. Without this, thousands of them, as after a
            # change of leadership, would hold the event loop for so long that the Lease is not renewed.
            await asyncio.sleep(0)

    async def _reconcile(self, key: Key) -> _Outcome:
        """Reconcile one key."""
        try:
            if key.kind == MODEL_INSTANCES.kind:
                limit = await self._instances.reconcile(key.namespace, key.name)
            else:
                limit = await self._templates.reconcile(TemplateKind(key.kind), key.namespace, key.name)
            return _Outcome(Result.DONE if limit is None else Result.RETRY, limit)
        except NotFoundError:
            # Deleted meanwhile; its watch event follows.
            return _Outcome(Result.GONE, None)
        except ConflictError:
            # The cache was stale; the next reconcile has the newer version.
            return _Outcome(Result.CONFLICT, _CONFLICT_LIMIT)
        except ApiUnavailableError as error:
            log.warning("API server unavailable", code=error.code)
            return _Outcome(Result.UNAVAILABLE, _UNAVAILABLE_LIMIT)
        except ApiRefusedError as error:
            if is_namespace_terminating(error.code, error.status):
                return _Outcome(Result.GONE, None)
            # Without the server's message, which may quote a user's input.
            log.error("status refused", code=error.code)  # noqa: TRY400 -- no defect of ours
            return _Outcome(Result.REFUSED, _REFUSED_LIMIT)
        except LeadershipLostError:
            raise
        except Exception:
            # One object must never stop the work on all others; it is requeued with backoff.
            log.exception("reconciliation failed")
            return _Outcome(Result.DEFECT, _DEFECT_LIMIT)
