"""Asks the API server who calls, and which models the caller may execute; each question once at a time.

In steady state each key costs one TokenReview, and each pair of a key and a model one SubjectAccessReview,
in ten seconds, whatever the number of requests. While the API server does not respond, keys and permissions
that it has confirmed lately go on; a request waits for it only until the first failure is seen.
"""

from __future__ import annotations

import asyncio
import math
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import Generic, Protocol, TypeVar

import structlog
from multidict import CIMultiDict, CIMultiDictProxy

from model_operator.core.gateway.access import (
    Caller,
    access_review,
    asked_audiences,
    caller_of,
    claims_of,
    decision_key,
    digest,
    expired,
    is_allowed,
    key_of,
    refused,
    token_review,
    too_many,
    unavailable,
)
from model_operator.core.gateway.answers import Answer, Answers, Lifetimes, Now, Outage, TokenBucket
from model_operator.core.gateway.models import Model
from model_operator.gateway.identity_settings import IdentitySettings
from model_operator.kube.client import Object
from model_operator.kube.errors import ApiError, ApiRefusedError, ForbiddenError
from model_operator.kube.resources import ACCESS_REVIEWS, TOKEN_REVIEWS, ResourceKind

log = structlog.get_logger(__name__)
Value = TypeVar("Value")

_LISTED_AT_ONCE = 8
"""Reviews at a time for lists, of all callers together: lists do not hold up calls."""
_SHORT_LIST = 8
"""Lists of more models have kept decisions of their own, so that they drop none that calls need."""
_BETWEEN_PAUSES = 50
"""Number of models after which a list lets other requests go on."""
_FEW_NAMESPACES = 2
"""Up to so many namespaces are not worth a review of the whole cluster."""
_PAUSE_SECONDS = 1.0
"""Time between two attempts while the API server does not respond."""
_AUTHORIZATION, _API_KEY = "Authorization", "x-api-key"


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


_EVENT = {TOKEN_REVIEWS: IdentityEvent.TOKEN_REVIEW, ACCESS_REVIEWS: IdentityEvent.ACCESS_REVIEW}
Observe = Callable[[IdentityEvent], None]


@dataclass(frozen=True, slots=True)
class _Read(Generic[Value]):
    """What a review says, whether it allows something, and when what it is about ends."""

    value: Value
    is_allowed: bool
    ends: float = math.inf


class Identity:
    """Authenticates and authorizes callers.

    Parameters
    ----------
    client
        The API client.
    settings
        Its settings.
    now
        Monotonic clock, in seconds.
    wall_clock
        Time in seconds since 1970, for the expiry of tokens.
    observe
        Called with each event.
    """

    def __init__(
        self,
        client: Reviews,
        settings: IdentitySettings,
        now: Now,
        wall_clock: Callable[[], float],
        observe: Observe = lambda _: None,
    ) -> None:
        self._settings = settings
        self._now = now
        self._wall_clock = wall_clock
        self._observe = observe
        self._secret = secrets.token_bytes(32)
        server = _Server(client, settings.timeout_seconds, Outage(_PAUSE_SECONDS, now), observe)
        lifetimes = Lifetimes(settings.allowed_seconds, settings.denied_seconds, settings.grace_seconds)
        self._callers = _Asked[Caller | None](server, Answers(lifetimes, settings.max_entries, now), observe)
        self._decisions = _Asked[bool](server, Answers(lifetimes, settings.max_entries, now), observe)
        self._lists = _Asked[bool](server, Answers(lifetimes, settings.max_entries, now), observe)
        self._turns: dict[bytes, tuple[asyncio.Lock, int]] = {}
        self._unknown = TokenBucket(settings.unknown_per_second, settings.unknown_burst, now)
        self._listing = asyncio.Semaphore(_LISTED_AT_ONCE)

    async def authenticate(self, headers: CIMultiDictProxy[str] | CIMultiDict[str]) -> Caller:
        """Return the user whose key a request has.

        Parameters
        ----------
        headers
            Headers of the request.

        Raises
        ------
        Failure
            ``INVALID_REQUEST`` for keys that differ, ``UNAUTHENTICATED`` without a key that the cluster
            accepts, ``AUTHENTICATION_UNAVAILABLE`` while the API server does not respond, ``GATEWAY_BUSY``
            for an unknown key while there are too many.
        """
        key = key_of(headers.getall(_AUTHORIZATION, ()), headers.getall(_API_KEY, ()))
        question = digest(self._secret, key)
        if kept := self._callers.kept(question):
            caller = kept.value
        else:
            caller = await self._reviewed(key, question)
        if caller is None:
            raise refused()
        return caller

    async def may_execute(self, caller: Caller, namespace: str, name: str) -> bool:
        """Return whether a caller may execute a model.

        Parameters
        ----------
        caller
            Who calls.
        namespace, name
            The instance. Without a name, all of the namespace; without a namespace, all of the cluster.

        Raises
        ------
        Failure
            ``AUTHENTICATION_UNAVAILABLE`` while the API server does not respond.
        """
        return await _decided(self._decisions, caller, namespace, name)

    async def filter(self, caller: Caller, models: Sequence[Model]) -> list[Model]:
        """Return the models that a caller may execute, in their order.

        A wider question comes first where it stands for several: the whole cluster, then each namespace, then
        each name that is left. At most eight reviews run at a time, and one long list of each caller.

        Parameters
        ----------
        caller
            Who calls.
        models
            The models.

        Raises
        ------
        Failure
            ``AUTHENTICATION_UNAVAILABLE`` while the API server does not respond.
        """
        if len(models) <= _SHORT_LIST:
            return await self._filtered(self._decisions, caller, models)
        async with self._turn(caller):
            return await self._filtered(self._lists, caller, models)

    async def close(self) -> None:
        """End the reviews that still run."""
        await asyncio.gather(self._callers.close(), self._decisions.close(), self._lists.close())

    async def _reviewed(self, key: str, question: bytes) -> Caller | None:
        claims = claims_of(key)
        left = claims.expires - self._wall_clock()
        if left <= 0:
            raise expired()
        if not self._callers.knows(question) and not self._unknown.take():
            self._observe(IdentityEvent.LIMITED)
            raise too_many()
        audiences = asked_audiences(claims, self._settings.audience)
        ends = self._now() + left

        def read(status: Object) -> _Read[Caller | None]:
            caller = caller_of(status, audiences, self._secret)
            return _Read(caller, caller is not None, ends)

        return (await self._callers.ask(question, TOKEN_REVIEWS, token_review(key, audiences), read)).value

    async def _filtered(self, asked: _Asked[bool], caller: Caller, models: Sequence[Model]) -> list[Model]:
        counts = Counter(model.namespace for model in models)
        everywhere = await self._each(asked, caller, [("", "")] if len(counts) > _FEW_NAMESPACES else [])
        if everywhere:
            return list(models)
        several = [(namespace, "") for namespace, count in counts.items() if count > 1]
        whole = await self._each(asked, caller, several)
        rest = [(each.namespace, each.name) for each in models if (each.namespace, "") not in whole]
        named = await self._each(asked, caller, rest)
        return [
            each for each in models if (each.namespace, "") in whole or (each.namespace, each.name) in named
        ]

    async def _each(
        self, asked: _Asked[bool], caller: Caller, questions: Iterable[tuple[str, str]]
    ) -> frozenset[tuple[str, str]]:
        """Return those of the questions, a namespace and a name each, that are allowed."""
        allowed = set()
        # Workers, not a task for each question: there may be thousands.
        left = iter(enumerate(questions, start=1))

        async def work() -> None:
            for number, (namespace, name) in left:
                async with self._listing:
                    if await _decided(asked, caller, namespace, name):
                        allowed.add((namespace, name))
                if number % _BETWEEN_PAUSES == 0:
                    await asyncio.sleep(0)

        workers = [asyncio.ensure_future(work()) for _ in range(_LISTED_AT_ONCE)]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
        return frozenset(allowed)

    @asynccontextmanager
    async def _turn(self, caller: Caller) -> AsyncIterator[None]:
        """Hold the caller's turn for a long list: further ones wait, and then find its answers."""
        lock, waiting = self._turns.get(caller.key, (asyncio.Lock(), 0))
        self._turns[caller.key] = lock, waiting + 1
        try:
            async with lock:
                yield
        finally:
            _, waiting = self._turns[caller.key]
            self._turns[caller.key] = lock, waiting - 1
            if waiting == 1:
                del self._turns[caller.key]


async def _decided(asked: _Asked[bool], caller: Caller, namespace: str, name: str) -> bool:
    question = decision_key(caller, namespace, name)
    if kept := asked.kept(question):
        return kept.value

    def read(status: Object) -> _Read[bool]:
        return _Read(is_allowed(status), is_allowed(status))

    spec = access_review(caller, namespace, name)
    return (await asked.ask(question, ACCESS_REVIEWS, spec, read)).value


class _Server:
    """Sends reviews, and notices when the API server does not respond."""

    def __init__(self, client: Reviews, seconds: float, outage: Outage, observe: Observe) -> None:
        self._client = client
        self._seconds = seconds
        self.outage = outage
        self._observe = observe

    async def review(self, kind: ResourceKind, spec: Object) -> Object | None:
        """Return the ``status`` of a review, or None without a response."""
        self._observe(_EVENT[kind])
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


class _Asked(Generic[Value]):
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

    def __init__(self, server: _Server, answers: Answers[Value], observe: Observe) -> None:
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
        self, question: bytes, kind: ResourceKind, spec: Object, read: Callable[[Object], _Read[Value]]
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
        self, question: bytes, kind: ResourceKind, spec: Object, read: Callable[[Object], _Read[Value]]
    ) -> asyncio.Task[Answer[Value] | None]:
        """Return the task that asks a question, the one that runs already if there is one."""
        if (task := self._running.get(question)) is None:
            task = asyncio.create_task(self._answered(question, kind, spec, read))
            self._running[question] = task
        return task

    async def _answered(
        self, question: bytes, kind: ResourceKind, spec: Object, read: Callable[[Object], _Read[Value]]
    ) -> Answer[Value] | None:
        try:
            status = await self._server.review(kind, spec)
            if status is None:
                return None
            said = read(status)
            return self._answers.keep(question, said.value, is_allowed=said.is_allowed, ends=said.ends)
        finally:
            del self._running[question]
