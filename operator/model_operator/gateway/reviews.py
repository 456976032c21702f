"""Questions to the API server about keys and permissions: each once at a time, with its answer kept.

While the API server does not respond, what it has confirmed lately goes on; a request waits for it only until
the first failure is seen.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import Generic, Protocol, TypeVar

import structlog

from model_operator.core.gateway.access import unavailable
from model_operator.core.gateway.answers import Answer, Answers, Outage
from model_operator.kube.client import Object
from model_operator.kube.errors import ApiError, ApiRefusedError, ForbiddenError
from model_operator.kube.resources import ACCESS_REVIEWS, TOKEN_REVIEWS, ResourceKind

log = structlog.get_logger(__name__)
Value = TypeVar("Value")


class Reviews(Protocol):
    """What identity needs of :class:`~model_operator.kube.client.ApiClient`."""

    async def review(self, kind: ResourceKind, spec: Object) -> Object:
        """Return the ``status`` of a review."""


class IdentityEvent(StrEnum):
    """What happened to a question, for metrics."""

    KEPT = "kept"
    """Answered from memory."""
    TOKEN_REVIEW = "token_review"  # noqa: S105 -- no password
    ACCESS_REVIEW = "access_review"
    FAILED = "failed"
    """A review had no response."""
    GRACE = "grace"
    """Answered from memory since the API server does not respond."""
    LIMITED = "limited"
    """An unknown key beyond the limit."""


EVENT_OF = {TOKEN_REVIEWS: IdentityEvent.TOKEN_REVIEW, ACCESS_REVIEWS: IdentityEvent.ACCESS_REVIEW}
Observe = Callable[[IdentityEvent], None]


@dataclass(frozen=True, slots=True)
class Read(Generic[Value]):
    """What a review says, whether it allows something, and when what it is about ends."""

    value: Value
    is_allowed: bool
    ends: float = math.inf


class ReviewServer:
    """Sends reviews, and notices when the API server does not respond."""

    def __init__(self, client: Reviews, seconds: float, outage: Outage, observe: Observe) -> None:
        self._client = client
        self._seconds = seconds
        self.outage = outage
        self._observe = observe

    async def review(self, kind: ResourceKind, spec: Object) -> Object | None:
        """Return the ``status`` of a review, or None without a response."""
        self._observe(EVENT_OF[kind])
        try:
            async with asyncio.timeout(self._seconds):
                status = await self._client.review(kind, spec)
        except (ApiError, TimeoutError) as error:
            self._observe(IdentityEvent.FAILED)
            # A refusal is about this review alone, unless it is about the gateway itself.
            is_general = not isinstance(error, ApiRefusedError) or isinstance(error, ForbiddenError)
            if is_general and self.outage.failed():
                _log_failure(kind, error)
            return None
        if self.outage.succeeded():
            log.info("the API server answers reviews again")
        return status


def _log_failure(kind: ResourceKind, error: ApiError | TimeoutError) -> None:
    # Not the message: it could quote the request, which has the key.
    if isinstance(error, ForbiddenError):
        log.error(
            "the gateway may not create reviews. Action (cluster administrator): bind the ClusterRole "
            "system:auth-delegator to its ServiceAccount",
            resource=str(kind),
            code=error.code,
        )
    else:
        log.warning(
            "the API server does not answer reviews; keys that it has accepted lately go on",
            resource=str(kind),
            code=getattr(error, "code", HTTPStatus.REQUEST_TIMEOUT),
        )


class Questions(Generic[Value]):
    """Questions of one kind: each is asked once at a time, and its answer kept.

    Parameters
    ----------
    server
        Answers them.
    answers
        Keeps the answers.
    observe
        Called with each event.
    """

    def __init__(self, server: ReviewServer, answers: Answers[Value], observe: Observe) -> None:
        self._server = server
        self._answers = answers
        self._observe = observe
        self._running: dict[bytes, asyncio.Task[Answer[Value] | None]] = {}

    def kept(self, question: bytes) -> Answer[Value] | None:
        """Return the answer that is used without asking again."""
        answer = self._answers.fresh(question)
        if answer is not None:
            self._observe(IdentityEvent.KEPT)
        return answer

    def knows(self, question: bytes) -> bool:
        """Return whether the last answer allowed something, or the question is being asked."""
        return question in self._running or self._answers.was_allowed(question)

    async def ask(
        self, question: bytes, kind: ResourceKind, spec: Object, read: Callable[[Object], Read[Value]]
    ) -> Answer[Value]:
        """Return the answer to a question for which none is kept.

        Parameters
        ----------
        question
            What its answer is remembered by.
        kind, spec
            The review.
        read
            Returns what the ``status`` of a review says, whether it allows something, and when that ends.

        Raises
        ------
        Failure
            ``AUTHENTICATION_UNAVAILABLE`` without a response and without grace.
        """
        if self._server.outage.is_on and (stale := self._answers.in_grace(question)):
            if self._server.outage.may_try():
                self._begin(question, kind, spec, read)
            self._observe(IdentityEvent.GRACE)
            return stale
        # A client that leaves does not end the review that others wait for.
        answer = await asyncio.shield(self._begin(question, kind, spec, read))
        if answer is None:
            answer = self._answers.in_grace(question)
            if answer is None:
                raise unavailable()
            self._observe(IdentityEvent.GRACE)
        return answer

    async def close(self) -> None:
        """End the questions that are being asked."""
        running = list(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _begin(
        self, question: bytes, kind: ResourceKind, spec: Object, read: Callable[[Object], Read[Value]]
    ) -> asyncio.Task[Answer[Value] | None]:
        """Return the task that asks a question, the one that runs already if there is one."""
        if (task := self._running.get(question)) is None:
            task = asyncio.create_task(self._answered(question, kind, spec, read))
            self._running[question] = task
        return task

    async def _answered(
        self, question: bytes, kind: ResourceKind, spec: Object, read: Callable[[Object], Read[Value]]
    ) -> Answer[Value] | None:
        try:
            status = await self._server.review(kind, spec)
            if status is None:
                return None
            said = read(status)
            return self._answers.keep(question, said.value, is_allowed=said.is_allowed, ends=said.ends)
        finally:
            del self._running[question]
