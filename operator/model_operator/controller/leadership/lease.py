"""Acquiring, renewing and releasing the Lease of leader election; `core/leader_election.py` decides."""

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
    """Return seconds from any start; the clock also advances while the machine is suspended, if it can.

    Python's monotonic clock stops then, and a resumed holder would believe that it still holds the Lease.
    """
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def unique_name() -> str:
    """Return a unique name for this process, also after a restart in the same pod."""
    return f"{socket.gethostname()}_{uuid.uuid4()}"


class Lease:
    """A claim to the Lease.

    Parameters
    ----------
    client
        Requests; a client that may write without holding the Lease.
    namespace, name
        Of the Lease.
    timing
        Durations of leader election.
    identity
        Name of this replica.
    clock
        Seconds from any start, never going back.
    wall_clock
        The time that is written into the Lease for readers; no decision uses it.
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
        self._has_read = False
        self._renewed_at: float | None = None
        self._last_error = ""

    @property
    def is_held(self) -> bool:
        """Whether this replica may write now."""
        return self._seconds_left() > 0

    def permit(self) -> float:
        """Return the seconds within which a write that begins now must complete.

        Raises
        ------
        LeadershipLostError
            When this replica must not write, since another one may.
        """
        left = self._seconds_left()
        if left <= 0:
            raise LeadershipLostError(f"the Lease {self._namespace}/{self._name} is not held")
        return left

    async def acquire(self) -> None:
        """Wait until this replica holds the Lease."""
        while self._renewed_at is None:
            try:
                async with asyncio.timeout(self._attempt_seconds):
                    await self._read()
                    if self._step() is Step.ACQUIRE:
                        await self._write()
                        break
            except ConflictError:
                continue  # Another replica was first.
            except (ApiError, TimeoutError) as error:
                self._log_error(error)
                await asyncio.sleep(self._timing.retry_period)
            else:
                self._last_error = ""
                await self._wait()
        log.info("became leader", lease=f"{self._namespace}/{self._name}", identity=self._identity)

    async def keep(self) -> NoReturn:
        """Renew the Lease while this replica holds it.

        Raises
        ------
        LeadershipLostError
            When another replica holds it, or it cannot be renewed in time.
        """
        while True:
            await asyncio.sleep(min(self._timing.retry_period, self.permit()))
            await self._renew()

    async def release(self) -> None:
        """Release the Lease for another replica; to be called when no write is under way any more."""
        if not self.is_held:
            return
        self._renewed_at = None
        try:
            async with asyncio.timeout(_RELEASE_SECONDS):
                await self._put(released(self._seen, micro_time(self._wall_clock())))
        except (ApiError, TimeoutError) as error:
            log.warning("cannot release the lease; it will expire", error=_text_of(error))
        else:
            log.info("released the lease")

    @property
    def _attempt_seconds(self) -> float:
        """Timeout of one request: on a dead connection, there must be time for a second attempt."""
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
                    # It was changed or deleted, which alone does not mean that another replica holds it.
                    await self._read()
                    if self._step() is Step.LOST:
                        self._lose()
                    await self._write()
        except (ApiError, TimeoutError) as error:
            self._log_error(error)
        else:
            self._last_error = ""

    def _lose(self) -> NoReturn:
        self._renewed_at = None
        raise LeadershipLostError(f"the Lease {self._namespace}/{self._name} is held by {self._seen.holder}")

    async def _read(self) -> None:
        try:
            found = await self._client.get(LEASES, self._namespace, self._name)
        except NotFoundError:
            found = None
        self._observe(found)

    async def _write(self) -> None:
        """Write this replica's name, and remember the time of the request."""
        begun = self._clock()
        await self._put(held(self._seen, self._identity, micro_time(self._wall_clock()), self._timing))
        self._renewed_at = begun

    async def _put(self, spec: Object) -> None:
        """Write the record if the Lease still has the version that was read last."""
        if self._object is not None:
            self._observe(await self._client.replace(LEASES, {**self._object, "spec": spec}))
            return
        metadata = {"name": self._name, "namespace": self._namespace, "labels": {MANAGED_BY: MANAGER}}
        new = {"apiVersion": LEASES.api_version, "kind": LEASES.kind, "metadata": metadata, "spec": spec}
        self._observe(await self._client.create(LEASES, new))

    def _observe(self, obj: Object | None) -> None:
        before = self._seen if self._has_read else None
        self._has_read = True
        self._object = obj
        self._seen = observe(before, None if obj is None else obj.get("spec") or {}, self._clock())

    async def _wait(self) -> None:
        """Wait until the Lease may be free: it has changed or expired, or a retry period is over."""
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

    def _log_error(self, error: Exception) -> None:
        """Log an error, a repeated one only once."""
        text = _text_of(error)
        if text != self._last_error:
            self._last_error = text
            log.warning("cannot read or write the lease", error=text)


def _text_of(error: Exception) -> str:
    return str(error) or "timed out"
