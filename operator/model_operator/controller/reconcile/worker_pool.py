"""The workers: take a key, reconcile it, and decide when to look again."""

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
    """How a look has ended, and the longest time until the next; None when a watch event will tell."""

    result: Result
    limit: float | None


class WorkerPool:
    """Runs reconciliations, several at a time and never two of the same key.

    Parameters
    ----------
    queue
        Where keys come from.
    instances, templates
        What reconciles them.
    metrics
        Where it is counted how that ends.
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

    async def _reconcile(self, key: Key) -> _Outcome:
        """Reconcile one key."""
        try:
            if key.kind == MODEL_INSTANCES.kind:
                limit = await self._instances.reconcile(key.namespace, key.name)
            else:
                limit = await self._templates.reconcile(TemplateKind(key.kind), key.namespace, key.name)
            return _Outcome(Result.DONE if limit is None else Result.RETRY, limit)
        except NotFoundError:
            # Deleted meanwhile, or about to be: its watch event has told or will tell.
            return _Outcome(Result.GONE, None)
        except ConflictError:
            # The cache was behind; by the next look it has the newer version.
            return _Outcome(Result.CONFLICT, _CONFLICT_LIMIT)
        except ApiUnavailableError as error:
            log.warning("API server unavailable", code=error.code)
            return _Outcome(Result.UNAVAILABLE, _UNAVAILABLE_LIMIT)
        except ApiRefusedError as error:
            if is_namespace_terminating(error.code, error.status):
                return _Outcome(Result.GONE, None)
            # Without the server's words, which may quote what a user gave.
            log.error("status refused", code=error.code)  # noqa: TRY400 -- no defect of ours
            return _Outcome(Result.REFUSED, _REFUSED_LIMIT)
        except LeadershipLostError:
            raise
        except Exception:
            # One object must never stop the work on all others; it is looked at again, ever more rarely.
            log.exception("reconciliation failed")
            return _Outcome(Result.DEFECT, _DEFECT_LIMIT)
