"""Holding the Lease by which replicas agree on the one that writes; `core/leader_election.py` decides."""

from __future__ import annotations

import asyncio
import socket
import time
import uuid
from collections.abc import Callable
from typing import NoReturn

import structlog

from model_operator.core.leader_election import (
    Observation,
    Step,
    Timing,
    held,
    may_write_until,
    next_step,
    observe,
    released,
)
from model_operator.core.objects.ownership import MANAGED_BY, MANAGER
from model_operator.kube.client import ApiClient
from model_operator.kube.clock import Clock, micro_time, utc_now
from model_operator.kube.errors import (
    ApiError,
    ConflictError,
    LeadershipLostError,
    NotFoundError,
)
from model_operator.kube.object_cache import Object
from model_operator.kube.resources import LEASES

log = structlog.get_logger(__name__)

_RELEASE_SECONDS = 1.0


def steady_time() -> float:
    """Return seconds from any start that pass while the machine is suspended, too, where it can tell.

    Python's monotonic clock stands still then, and a suspended holder would wake up believing that it still
    holds the Lease.
    """
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def unique_name() -> str:
    """Return a name for this process that no other has, also after a restart in the same pod."""
    return f"{socket.gethostname()}_{uuid.uuid4()}"


class Lease:
    """A claim to the Lease.

    Parameters
    ----------
    client
        Requests; one that is allowed to write without holding the Lease.
    namespace, name
        Where the Lease is.
    timing
        The times to keep.
    identity
        Our name.
    clock
        Seconds from any start, never going back.
    wall_clock
        The time of day that is written into the Lease for people; nothing is decided by it.
    """

    def __init__(
        self,
        client: ApiClient,
        namespace: str,
        name: str,
        timing: Timing,
        identity: str | None = None,
        clock: Callable[[], float] = steady_time,
        wall_clock: Clock = utc_now,
    ) -> None:
        self._client = client
        self._namespace = namespace
        self._name = name
        self._timing = timing
        self._identity = identity or unique_name()
        self._clock = clock
        self._wall_clock = wall_clock
        self._object: Object | None = None
        self._seen = Observation(None, 0, 0)
        self._has_looked = False
        self._renewed_at: float | None = None
        self._trouble = ""

    @property
    def is_held(self) -> bool:
        """Whether we may write now."""
        return self._seconds_left() > 0

    def permit(self) -> float:
        """Return within how many seconds a write has to be over that begins now.

        Raises
        ------
        LeadershipLostError
            When nothing may be written, since another replica may.
        """
        left = self._seconds_left()
        if left <= 0:
            raise LeadershipLostError(f"the Lease {self._namespace}/{self._name} is not held")
        return left

    async def acquire(self) -> None:
        """Wait until the Lease is ours."""
        while self._renewed_at is None:
            try:
                async with asyncio.timeout(self._attempt_seconds):
                    await self._look()
                    if self._step() is Step.ACQUIRE:
                        await self._write()
                        break
            except ConflictError:
                continue  # Another replica was quicker.
            except (ApiError, TimeoutError) as error:
                self._tell_of(error)
                await asyncio.sleep(self._timing.retry_period)
            else:
                self._trouble = ""
                await self._wait()
        log.info("leading", lease=f"{self._namespace}/{self._name}", identity=self._identity)

    async def keep(self) -> NoReturn:
        """Renew for as long as it is ours.

        Raises
        ------
        LeadershipLostError
            When it is not, or cannot be renewed in time.
        """
        while True:
            await asyncio.sleep(min(self._timing.retry_period, self.permit()))
            await self._renew()

    async def release(self) -> None:
        """Give the Lease to whoever wants it; to be called when nothing of ours is being written any more."""
        if not self.is_held:
            return
        self._renewed_at = None
        try:
            async with asyncio.timeout(_RELEASE_SECONDS):
                await self._put(released(self._seen, micro_time(self._wall_clock())))
        except (ApiError, TimeoutError) as error:
            log.warning("the lease is not released and has to run out", error=_words(error))
        else:
            log.info("the lease is released")

    @property
    def _attempt_seconds(self) -> float:
        """Patience with one request: where a connection is dead, there is to be time for another one."""
        return self._timing.renew_deadline / 2

    def _seconds_left(self) -> float:
        if self._renewed_at is None:
            return 0
        return may_write_until(self._renewed_at, self._timing) - self._clock()

    def _step(self) -> Step:
        return next_step(self._identity, self._seen, self._renewed_at, self._timing, self._clock())

    async def _renew(self) -> None:
        try:
            async with asyncio.timeout(min(self.permit(), self._attempt_seconds)):
                try:
                    await self._write()
                except (ConflictError, NotFoundError):
                    # Somebody has written to it, or removed it: that alone says nothing of who holds it.
                    await self._look()
                    if self._step() is Step.LOST:
                        self._lose()
                    await self._write()
        except (ApiError, TimeoutError) as error:
            self._tell_of(error)
        else:
            self._trouble = ""

    def _lose(self) -> NoReturn:
        self._renewed_at = None
        raise LeadershipLostError(f"the Lease {self._namespace}/{self._name} is held by {self._seen.holder}")

    async def _look(self) -> None:
        try:
            found = await self._client.get(LEASES, self._namespace, self._name)
        except NotFoundError:
            found = None
        self._take(found)

    async def _write(self) -> None:
        """Write our name, and know by when that was."""
        begun = self._clock()
        await self._put(held(self._seen, self._identity, micro_time(self._wall_clock()), self._timing))
        self._renewed_at = begun

    async def _put(self, spec: Object) -> None:
        """Write the record over the version that was last seen, and over no other."""
        if self._object is not None:
            self._take(await self._client.replace(LEASES, {**self._object, "spec": spec}))
            return
        metadata = {"name": self._name, "namespace": self._namespace, "labels": {MANAGED_BY: MANAGER}}
        new = {"apiVersion": LEASES.api_version, "kind": LEASES.kind, "metadata": metadata, "spec": spec}
        self._take(await self._client.create(LEASES, new))

    def _take(self, obj: Object | None) -> None:
        before = self._seen if self._has_looked else None
        self._has_looked = True
        self._object = obj
        self._seen = observe(before, None if obj is None else obj.get("spec") or {}, self._clock())

    async def _wait(self) -> None:
        """Wait until there may be news: at once when the Lease is released, or when it has run out."""
        left = self._seen.reserved_until - self._clock()
        seconds = max(min(self._timing.retry_period, left), 0)
        if self._object is None:
            await asyncio.sleep(seconds)
            return
        version = self._object["metadata"]["resourceVersion"]
        try:
            async with asyncio.timeout(seconds):
                await self._client.next_change(LEASES, self._namespace, self._name, version)
        except TimeoutError:
            pass
        except ApiError:
            await asyncio.sleep(seconds)

    def _tell_of(self, error: Exception) -> None:
        """Log trouble, the same only once."""
        words = _words(error)
        if words != self._trouble:
            self._trouble = words
            log.warning("the lease cannot be read or written", error=words)


def _words(error: Exception) -> str:
    return str(error) or "no answer in time"
