"""One request to one worker and back: the choice of the worker, and the attempts.

The connection to the worker is open exactly as long as the client's: a client that leaves cancels the
handler, whatever it waits for, and the handler closes the worker's connection.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from uuid import uuid4

import aiohttp
from aiohttp import web

from model_operator.core.gateway import worker_failures
from model_operator.core.gateway.apis import Route, Treatment, native_path
from model_operator.core.gateway.balancing import Worker, Workers
from model_operator.core.gateway.bodies import with_model
from model_operator.core.gateway.failures import Failure, status_of
from model_operator.core.gateway.headers import Header, for_translated_worker, for_worker
from model_operator.core.gateway.models import Deployment
from model_operator.core.gateway.translation import Stamp, Translation, translation
from model_operator.gateway.calls import Call, NoObserver, Observation, Observer, Outcome, RetryCause
from model_operator.gateway.delivery import Delivery
from model_operator.gateway.proxy_settings import ProxySettings
from model_operator.gateway.upstream import (
    ConnectError,
    EndedError,
    ExhaustedError,
    NoResponseError,
    StaleConnectionError,
    Upstream,
    WorkerError,
    abort,
)

__all__ = ["Call", "NoObserver", "Observation", "Observer", "Outcome", "Proxy", "RetryCause"]

_OTHER_WORKERS: Final = 2
"""Further workers that are tried when one cannot be reached."""


@dataclass(frozen=True, slots=True)
class _WorkerRequest:
    """What a worker gets; ``translation`` is None where bytes pass."""

    path: str
    headers: Iterable[Header]
    body: bytes
    translation: Translation | None = None
    is_stream: bool = False


class Proxy:
    """Answers requests by workers; to be created while an event loop runs.

    Parameters
    ----------
    settings
        Time limits.
    workers_of
        Returns the workers of a deployment.
    observer
        Takes note of requests.
    translate
        Returns the translation of one request.
    """

    def __init__(
        self,
        settings: ProxySettings,
        workers_of: Callable[[Deployment], Workers],
        observer: Observer | None = None,
        translate: Callable[[Route, Deployment, str, Stamp], Translation] = translation,
    ) -> None:
        self._settings = settings
        self._workers_of = workers_of
        self._observer = observer or NoObserver()
        self._translate = translate
        self._upstream = Upstream(settings)

    async def close(self) -> None:
        """Close the connections to workers."""
        await self._upstream.close()

    async def answer(self, request: web.Request, call: Call) -> web.StreamResponse:
        """Return the response to a request, sent or still to be sent.

        Parameters
        ----------
        request
            The request; its body is read.
        call
            What was decided about it.

        Raises
        ------
        Failure
            When nothing has been sent to the client.
        """
        delivery = Delivery(request, call, self._observer.begin(call), self._settings.idle_timeout)
        outcome = delivery.left()
        try:
            response = await self._answer(request, call, delivery)
        except Failure as failure:
            outcome = Outcome(status_of(failure, call.route.family), failure.reason, is_stream=call.is_stream)
            raise
        except asyncio.CancelledError:
            outcome = delivery.left()
            raise
        except ConnectionError:
            outcome = delivery.left()
            # aiohttp logs an exception of a handler, but not that a response cannot be sent.
            return delivery.response or web.Response(status=outcome.status)
        else:
            outcome = Outcome(
                response.status,
                delivery.reason,
                is_cut=delivery.reason is not None,
                is_stream=delivery.is_stream,
            )
            return response
        finally:
            delivery.observation.end(outcome)

    async def _answer(self, request: web.Request, call: Call, delivery: Delivery) -> web.StreamResponse:
        worker_request = self._worker_request(request, call)
        workers = self._workers_of(call.deployment)
        tried: list[Worker] = []
        while (worker := workers.choose(tried)) is not None and len(tried) <= _OTHER_WORKERS:
            if tried:
                delivery.observation.retry(RetryCause.CONNECT)
            elif workers.is_full:
                raise worker_failures.overloaded(call.model)
            with worker.slot():
                try:
                    response = await self._send(worker, worker_request, call, delivery)
                except ConnectError:
                    workers.failed(worker)
                    tried.append(worker)
                    continue
                workers.succeeded(worker)
                try:
                    return await self._deliver(response, worker_request, call, delivery)
                finally:
                    # What is complete was given back; anything else is not reused.
                    abort(response)
        raise worker_failures.unreachable(call.model) if tried else worker_failures.not_ready(call.model)

    def _worker_request(self, request: web.Request, call: Call) -> _WorkerRequest:
        deployment, headers = call.deployment, request.headers.items()
        if call.treatment is Treatment.TRANSLATE:
            stamp = Stamp(uuid4().hex, int(time.time()))
            translated = self._translate(call.route, deployment, call.requested, stamp)
            made = translated.request(call.body)
            kept = [*for_translated_worker(headers), *made.headers.items()]
            return _WorkerRequest(made.path, kept, made.body, translated, made.is_stream)
        if call.treatment is Treatment.EXECUTE:
            path = (call.is_stream and deployment.streaming_predict_route) or deployment.predict_route
            return _WorkerRequest(path, for_worker(headers), call.body)
        path = native_path(call.route, deployment.model_type, deployment.protocol)
        name = deployment.served_name
        body = call.body if name in (None, call.requested) else with_model(call.body, name)
        return _WorkerRequest(path, for_worker(headers), body)

    async def _send(
        self, worker: Worker, sent: _WorkerRequest, call: Call, delivery: Delivery
    ) -> aiohttp.ClientResponse:
        """Send a request to one worker; a second time if it met a connection that was closed for idleness."""
        try:
            try:
                return await self._upstream.send(worker.address, sent.path, sent.headers, sent.body)
            except StaleConnectionError:
                delivery.observation.retry(RetryCause.STALE_CONNECTION)
                return await self._upstream.send(
                    worker.address, sent.path, sent.headers, sent.body, is_fresh=True
                )
        except ConnectError:
            raise
        except ExhaustedError as error:
            raise worker_failures.exhausted(call.model) from error
        except NoResponseError as error:
            raise worker_failures.timed_out(call.model) from error
        except EndedError as error:
            raise worker_failures.ended(call.model) from error
        except WorkerError as error:
            raise worker_failures.not_http(call.model) from error

    async def _deliver(
        self, response: aiohttp.ClientResponse, sent: _WorkerRequest, call: Call, delivery: Delivery
    ) -> web.StreamResponse:
        status = response.status
        if status < HTTPStatus.OK or HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
            raise worker_failures.not_http(call.model)
        if sent.translation is None:
            return await delivery.passed(response)
        if status >= HTTPStatus.BAD_REQUEST:
            raise await delivery.rejected(response)
        if sent.is_stream:
            return await delivery.translated_stream(response, sent.translation)
        return await delivery.translated(response, sent.translation)
