"""Calls the handlers of watch events where kopf's watches yield them.

kopf makes a queue, a task and a timer for each object, so that a slow handler of one object does not delay
those of others. Then it prepares what handlers of changes, timers, daemons and indices may need: a memory of
the object, causes, states of progress, loggers, a patch. The operator has handlers of ``@kopf.on.event``
alone, which need none of it: they update a cache and enqueue keys, and wait for nothing. So an event is
handled where it is read, in the order in which the API server sent it.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from time import perf_counter
from typing import Any

import kopf
import structlog
from kopf._cogs.clients import watching as kopf_watching
from kopf._core.reactor import queueing as kopf_queueing

log = structlog.get_logger(__name__)

_REPLACED = "infinite_watch"
_TURN_SECONDS = 0.002
"""Time for events until other tasks have their turn, such as the renewal of the Lease and the webhooks."""
_READING_SECONDS = 0.0001
"""Least time that an event counts: kopf reads it before this can measure."""


def dispatch_events_directly(registry: kopf.OperatorRegistry) -> None:
    """Make kopf's watches call the handlers of their kind with each event, and yield nothing else to kopf.

    kopf has no hook for this. The name of one function is replaced in the one module that has it: the
    generator from which kopf's watchers take their events. Lists, watches and their resumption, pauses, the
    end of a watch, login and signals stay kopf's. It still gets its own marks between the events, and all
    events of a kind without handlers.

    Parameters
    ----------
    registry
        The handlers of events. They must be coroutine functions that do not wait: they hold up their watch.

    Raises
    ------
    RuntimeError
        When the installed release of kopf has no such function.
    """
    watch = inspect.unwrap(vars(kopf_watching).get(_REPLACED))  # type: ignore[arg-type]
    if not inspect.isasyncgenfunction(watch) or vars(kopf_queueing).get("watching") is not kopf_watching:
        raise RuntimeError("this release of kopf watches in another way; use the locked one")

    @functools.wraps(watch)
    async def dispatching(*, resource: Any, **arguments: Any) -> AsyncIterator[Any]:
        handlers = _handlers_of(registry, resource)
        spent = 0.0
        async with aclosing(watch(resource=resource, **arguments)) as events:
            async for event in events:
                if not handlers or isinstance(event, kopf_watching.Bookmark):
                    yield event
                elif event["type"] != "BOOKMARK":
                    began = perf_counter()
                    await _handle(handlers, event)
                    spent += max(perf_counter() - began, _READING_SECONDS)
                    if spent >= _TURN_SECONDS:
                        # A list, and what has arrived of a watch, come without a turn of the event loop.
                        await asyncio.sleep(0)
                        spent = 0.0

    vars(kopf_watching)[_REPLACED] = dispatching


async def _handle(handlers: Sequence[Any], event: kopf.RawEvent) -> None:
    for handler in handlers:
        try:
            await handler.fn(event=event)
        except Exception:
            # As kopf does: one object must not end the watch of all.
            log.exception("a handler of watch events has failed", handler=handler.id)


def _handlers_of(registry: kopf.OperatorRegistry, resource: Any) -> Sequence[Any]:
    """Return the handlers of events of a kind. kopf compares kinds by group, version and plural alone."""
    handlers = registry._watching.get_all_handlers()  # noqa: SLF001 -- kopf has no other way
    return [each for each in handlers if each.selector is None or each.selector.check(resource)]
