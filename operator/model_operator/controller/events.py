"""Posting Events: best effort, aggregated and rate-limited per object, never delaying a reconcile."""

from __future__ import annotations

import asyncio
import datetime
import itertools
import socket
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import structlog

from model_operator.controller.metrics.instruments import Metrics, Posting
from model_operator.core.objects.ownership import MANAGER
from model_operator.core.reasons.refusals import is_namespace_terminating
from model_operator.core.status.child_events import reported_together
from model_operator.core.status.events import Event, event_object, series
from model_operator.kube.client import ApiClient
from model_operator.kube.clock import Clock, micro_time, utc_now
from model_operator.kube.errors import (
    ApiError,
    ApiUnavailableError,
    ConflictError,
    ForbiddenError,
    LeadershipLostError,
    NotFoundError,
)
from model_operator.kube.resources import EVENTS

log = structlog.get_logger(__name__)

_SERIES_SECONDS = 360.0
"""Time after which a repetition starts a new Event; as in client-go's recorder."""
_REFRESH_SECONDS = 10.0
"""Time within which repetitions are combined into one write."""
_BURST = 25
_REFILL_SECONDS = 300.0
"""Burst of writes per object, and seconds until one more is allowed; as in client-go's spam filter."""
_QUEUED = 5000
_YIELD_SECONDS = 1.0
"""Longest time for which a poster delays one Event while instances wait."""
_BUSY_POLL_SECONDS = 0.1
_REMEMBERED = 4096
_FORBIDDEN_SECONDS = 300.0
"""Time for which no Events are posted to a namespace that forbids them."""
_POSTERS = 4
_MAX_INSTANCE = 128


@dataclass(eq=False)
class _Series:
    """One Event with its repetitions."""

    event: Event
    name: str
    first: datetime.datetime
    last: datetime.datetime
    count: int = 1
    written: int = 0
    tried_at: datetime.datetime | None = None
    is_queued: bool = False


@dataclass
class _Bucket:
    """Writes that are allowed for an object at a time (token bucket)."""

    tokens: float
    time: datetime.datetime


class EventRecorder:
    """Records Events and posts them in the background.

    Parameters
    ----------
    client
        Requests.
    metrics
        Counts Events by result.
    clock
        Returns the current time.
    is_busy
        Returns whether instances wait to be reconciled: then few Events are posted, the rest afterwards.
    """

    def __init__(
        self,
        client: ApiClient,
        metrics: Metrics,
        clock: Clock = utc_now,
        is_busy: Callable[[], bool] = lambda: False,
    ) -> None:
        self._client = client
        self._counted = metrics.events
        self._clock = clock
        self._is_busy = is_busy
        self._reporter = f"{MANAGER}-{socket.gethostname()}"[:_MAX_INSTANCE]
        # Oldest first: by the last repetition of a series, and by the last token of a bucket.
        self._series: OrderedDict[Event, _Series] = OrderedDict()
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        # Those with repetitions that are not written yet, or whose write failed; a dict for its order.
        self._unwritten: dict[_Series, None] = {}
        self._queue: deque[_Series] = deque()
        # The last one in the queue about each object, by uid.
        self._waiting: dict[str, _Series] = {}
        self._available = asyncio.Event()
        self._closed: dict[str, datetime.datetime] = {}
        self._numbers = itertools.count()
        self._dropped = 0
        self._has_logged_refusal = False

    def record(self, events: Iterable[Event]) -> None:
        """Record Events; returns at once, and drops Events beyond the rate limit.

        Parameters
        ----------
        events
            Events of this moment.
        """
        try:
            self._record(events)
        except Exception:
            log.exception("events lost")

    def _record(self, events: Iterable[Event]) -> None:
        now = self._clock()
        for event in events:
            if self._joins_waiting(event, now):
                continue
            known = self._series.get(event)
            if known is not None and now - known.last < datetime.timedelta(seconds=_SERIES_SECONDS):
                known.count += 1
                known.last = now
                self._series.move_to_end(event)
                self._unwritten[known] = None
                continue
            if not self._takes_token(event.regarding.uid, now):
                self._drop()
                continue
            unique = f"{int(now.timestamp() * 1_000_000):x}.{next(self._numbers):x}"
            new = _Series(event, f"{event.regarding.name}.{unique}", now, now)
            self._series[event] = new
            self._series.move_to_end(event)  # One that has ended, and is not removed yet, has another place.
            if len(self._series) > _REMEMBERED:
                self._series.popitem(last=False)
            self._enqueue(new)

    def _joins_waiting(self, event: Event, now: datetime.datetime) -> bool:
        """Report an Event together with the one that waits about its object, if one note can say both."""
        waiting = self._waiting.get(event.regarding.uid)
        if waiting is None or waiting.count > 1 or waiting.tried_at is not None:
            return False
        both = reported_together(waiting.event, event)
        if both is None or both in self._series:
            return False
        self._series.pop(waiting.event, None)
        waiting.event, waiting.first, waiting.last = both, now, now
        self._series[both] = waiting
        return True

    async def run(self) -> None:
        """Post until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._refresh(), name="event series")
            for number in range(_POSTERS):
                group.create_task(self._post_all(), name=f"event poster {number}")

    async def flush(self, seconds: float) -> None:
        """Post the remaining Events before the process ends.

        Parameters
        ----------
        seconds
            Longest time that this may take.
        """
        try:
            async with asyncio.timeout(seconds):
                for each in self._series.values():
                    if each.count > each.written and not each.is_queued:
                        self._enqueue(each)
                while self._queue:
                    await self._post(self._take())
        except TimeoutError:
            log.info("events not posted before the end", count=len(self._queue) + 1)

    def sweep(self) -> None:
        """Enqueue series that have grown, remove series that have ended, and log the dropped Events."""
        now = self._clock()
        self._enqueue_unwritten(now)
        self._remove_ended(now)
        for namespace, closed in list(self._closed.items()):
            if now - closed >= datetime.timedelta(seconds=_FORBIDDEN_SECONDS):
                del self._closed[namespace]
        if self._dropped:
            log.warning("dropped events beyond the rate limit", count=self._dropped)
            self._dropped = 0

    def _enqueue_unwritten(self, now: datetime.datetime) -> None:
        for each in list(self._unwritten):
            if each.count <= each.written or self._series.get(each.event) is not each:
                del self._unwritten[each]
            elif not each.is_queued and self._may_try(each, now):
                self._enqueue(each)

    def _remove_ended(self, now: datetime.datetime) -> None:
        """Remove what has ended: reads the oldest only, as thousands may be remembered."""
        ended = list(
            itertools.takewhile(
                lambda each: now - each.last >= datetime.timedelta(seconds=_SERIES_SECONDS),
                self._series.values(),
            )
        )
        for each in ended:
            if not each.is_queued:
                del self._series[each.event]
        rested = list(
            itertools.takewhile(
                lambda known: now - known[1].time >= datetime.timedelta(seconds=_REFILL_SECONDS),
                self._buckets.items(),
            )
        )
        for uid, bucket in rested:
            if _tokens(bucket, now) >= _BURST:
                del self._buckets[uid]  # A full bucket equals a new one.

    def _may_try(self, each: _Series, now: datetime.datetime) -> bool:
        rested = each.tried_at is None or now - each.tried_at >= datetime.timedelta(seconds=_REFRESH_SECONDS)
        return rested and self._takes_token(each.event.regarding.uid, now)

    async def _refresh(self) -> None:
        while True:
            await asyncio.sleep(_REFRESH_SECONDS / 2)
            self.sweep()

    async def _post_all(self) -> None:
        while True:
            while not self._queue:
                self._available.clear()
                await self._available.wait()
            await self._yield_to_reconciles()
            if not self._queue:
                continue
            try:
                await self._post(self._take())
            except LeadershipLostError:
                raise
            except Exception:
                log.exception("event lost")

    async def _yield_to_reconciles(self) -> None:
        """Wait while instances wait, but not for ever: posting takes a third of the server's capacity."""
        left = _YIELD_SECONDS
        while left > 0 and self._is_busy():
            await asyncio.sleep(_BUSY_POLL_SECONDS)
            left -= _BUSY_POLL_SECONDS

    def _enqueue(self, each: _Series) -> None:
        if len(self._queue) >= _QUEUED:
            self._drop()
            oldest = self._take()
            # As a series it would still be written, long after newer Events.
            self._series.pop(oldest.event, None)
        each.is_queued = True
        self._queue.append(each)
        self._waiting[each.event.regarding.uid] = each
        self._available.set()

    def _drop(self) -> None:
        self._dropped += 1
        self._counted.labels(Posting.DROPPED).inc()

    def _take(self) -> _Series:
        each = self._queue.popleft()
        each.is_queued = False
        uid = each.event.regarding.uid
        if self._waiting.get(uid) is each:
            del self._waiting[uid]
        return each

    async def _post(self, each: _Series) -> None:
        """Write the current state of a series; a refusal or an outage raises no error."""
        now, namespace = self._clock(), each.event.regarding.namespace or "default"
        each.tried_at = now
        closed = self._closed.get(namespace)
        if closed is not None and now - closed < datetime.timedelta(seconds=_FORBIDDEN_SECONDS):
            self._series.pop(each.event, None)
            self._counted.labels(Posting.REFUSED).inc()
            return
        count = each.count
        each.is_queued = True  # So that no other poster writes it meanwhile.
        try:
            await self._write(each, namespace, count)
        except NotFoundError:
            # The Event has expired and must be created again; or the namespace does not exist.
            if each.written:
                each.written, each.tried_at = 0, None
            else:
                self._series.pop(each.event, None)
        except ConflictError:
            each.written = count  # Already written; the response was lost.
        except ApiUnavailableError:
            pass  # Retried until the series ends.
        except ApiError as error:
            self._series.pop(each.event, None)
            self._refused(error, namespace, now)
        else:
            each.written = count
            self._counted.labels(Posting.POSTED).inc()
        finally:
            each.is_queued = False
            if each.count > each.written:
                self._unwritten[each] = None

    async def _write(self, each: _Series, namespace: str, count: int) -> None:
        last = micro_time(each.last)
        if each.written:
            await self._client.patch(EVENTS, namespace, each.name, {"series": series(count, last)})
            return
        obj = event_object(
            each.event,
            name=each.name,
            time=micro_time(each.first),
            instance=self._reporter,
            controller=MANAGER,
            count=count,
            last=last,
        )
        await self._client.create(EVENTS, obj)

    def _refused(self, error: ApiError, namespace: str, now: datetime.datetime) -> None:
        self._counted.labels(Posting.REFUSED).inc()
        if is_namespace_terminating(error.code, error.status):
            return
        if isinstance(error, ForbiddenError):
            self._closed[namespace] = now
            if self._has_logged_refusal:
                return
            self._has_logged_refusal = True
        log.warning("cannot write events", code=error.code, namespace=namespace)

    def _takes_token(self, uid: str, now: datetime.datetime) -> bool:
        bucket = self._buckets.setdefault(uid, _Bucket(_BURST, now))
        self._buckets.move_to_end(uid)
        if len(self._buckets) > _REMEMBERED:
            self._buckets.popitem(last=False)
        bucket.tokens, bucket.time = _tokens(bucket, now), now
        if bucket.tokens < 1:
            return False
        bucket.tokens -= 1
        return True


def _tokens(bucket: _Bucket, now: datetime.datetime) -> float:
    refill = (now - bucket.time).total_seconds() / _REFILL_SECONDS
    return min(_BURST, bucket.tokens + refill)
