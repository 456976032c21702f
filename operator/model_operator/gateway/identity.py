"""Asks the API server who calls, and what the caller may do; each question once at a time.

In steady state each key costs one TokenReview, and each pair of a key and a model one SubjectAccessReview,
in ten seconds, whatever the number of requests. While the API server does not respond, keys and permissions
that it has confirmed lately go on; a request waits for it only until the first failure is seen.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence
from contextlib import asynccontextmanager

from multidict import CIMultiDict, CIMultiDictProxy

from model_operator.core.gateway.access import (
    EXECUTE_MODELS,
    Action,
    Caller,
    Claims,
    access_review,
    asked_audiences,
    caller_of,
    calls_only,
    claims_of,
    decision_key,
    digest,
    expired,
    is_allowed,
    key_of,
    refused,
    token_review,
    too_many,
)
from model_operator.core.gateway.answers import Answers, Lifetimes, Now, Outage, TokenBucket
from model_operator.core.gateway.models import Model
from model_operator.gateway.identity_settings import IdentitySettings
from model_operator.gateway.reviews import IdentityEvent, Observe, Questions, Read, Reviews, ReviewServer
from model_operator.kube.client import Object
from model_operator.kube.resources import ACCESS_REVIEWS, TOKEN_REVIEWS

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
_FOR_CLUSTER = b"cluster"
"""Added to what a key is remembered by, where another question is asked about it."""


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
        server = ReviewServer(client, settings.timeout_seconds, Outage(_PAUSE_SECONDS, now), observe)
        lifetimes = Lifetimes(settings.allowed_seconds, settings.denied_seconds, settings.grace_seconds)
        self._callers = Questions[Caller | None](
            server, Answers(lifetimes, settings.max_entries, now), observe
        )
        self._decisions = Questions[bool](server, Answers(lifetimes, settings.max_entries, now), observe)
        self._lists = Questions[bool](server, Answers(lifetimes, settings.max_entries, now), observe)
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
            claims = self._claims_of(key)
            caller = await self._reviewed(
                key, question, claims, asked_audiences(claims, self._settings.audience)
            )
        if caller is None:
            raise refused()
        return caller

    async def authenticate_for_cluster(
        self, headers: CIMultiDictProxy[str] | CIMultiDict[str]
    ) -> tuple[Caller, str]:
        """Return the user whose key a request has, and the key, which the API server itself accepts.

        Parameters
        ----------
        headers
            Headers of the request.

        Raises
        ------
        Failure
            As :meth:`authenticate`; ``FORBIDDEN`` for a key that is for calls to models alone.
        """
        key = key_of(headers.getall(_AUTHORIZATION, ()), headers.getall(_API_KEY, ()))
        claims = claims_of(key)
        if not asked_audiences(claims, self._settings.audience):
            return await self.authenticate(headers), key
        question = digest(self._secret, key) + _FOR_CLUSTER
        if kept := self._callers.kept(question):
            caller = kept.value
        else:
            caller = await self._reviewed(key, question, self._claims_of(key), [])
        if caller is None:
            # A key that is wrong altogether is refused as such.
            await self.authenticate(headers)
            raise calls_only()
        return caller, key

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

    async def may(self, caller: Caller, action: Action, namespace: str) -> bool:
        """Return whether a caller may do something with all objects of a namespace.

        Parameters
        ----------
        caller
            Who calls.
        action
            What the caller wants to do.
        namespace
            The namespace; empty for all of the cluster.

        Raises
        ------
        Failure
            ``AUTHENTICATION_UNAVAILABLE`` while the API server does not respond.
        """
        return await _decided(self._decisions, caller, namespace, "", action)

    async def allowed_namespaces(
        self, caller: Caller, action: Action, namespaces: Collection[str]
    ) -> frozenset[str] | None:
        """Return the namespaces in which a caller may do something with all objects.

        Parameters
        ----------
        caller
            Who calls.
        action
            What the caller wants to do.
        namespaces
            The namespaces of interest.

        Returns
        -------
        frozenset or None
            Those of them that are allowed; None when all of the cluster is.

        Raises
        ------
        Failure
            ``AUTHENTICATION_UNAVAILABLE`` while the API server does not respond.
        """
        if len(namespaces) > _FEW_NAMESPACES and await self.may(caller, action, ""):
            return None
        async with self._turn(caller):
            questions = [(namespace, "") for namespace in namespaces]
            allowed = await self._each(self._lists, caller, questions, action)
        return frozenset(namespace for namespace, _ in allowed)

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

    def _claims_of(self, key: str) -> Claims:
        claims = claims_of(key)
        if claims.expires <= self._wall_clock():
            raise expired()
        return claims

    async def _reviewed(
        self, key: str, question: bytes, claims: Claims, audiences: Sequence[str]
    ) -> Caller | None:
        if not self._callers.knows(question) and not self._unknown.take():
            self._observe(IdentityEvent.LIMITED)
            raise too_many()
        ends = self._now() + claims.expires - self._wall_clock()

        def read(status: Object) -> Read[Caller | None]:
            caller = caller_of(status, audiences, self._secret)
            return Read(caller, caller is not None, ends)

        return (await self._callers.ask(question, TOKEN_REVIEWS, token_review(key, audiences), read)).value

    async def _filtered(self, asked: Questions[bool], caller: Caller, models: Sequence[Model]) -> list[Model]:
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
        self,
        asked: Questions[bool],
        caller: Caller,
        questions: Iterable[tuple[str, str]],
        action: Action = EXECUTE_MODELS,
    ) -> frozenset[tuple[str, str]]:
        """Return those of the questions, a namespace and a name each, that are allowed."""
        allowed = set()
        # Workers, not a task for each question: there may be thousands.
        left = iter(enumerate(questions, start=1))

        async def work() -> None:
            for number, (namespace, name) in left:
                async with self._listing:
                    if await _decided(asked, caller, namespace, name, action):
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


async def _decided(
    asked: Questions[bool], caller: Caller, namespace: str, name: str, action: Action = EXECUTE_MODELS
) -> bool:
    question = decision_key(caller, namespace, name, action)
    if kept := asked.kept(question):
        return kept.value

    def read(status: Object) -> Read[bool]:
        return Read(is_allowed(status), is_allowed(status))

    spec = access_review(caller, namespace, name, action)
    return (await asked.ask(question, ACCESS_REVIEWS, spec, read)).value
