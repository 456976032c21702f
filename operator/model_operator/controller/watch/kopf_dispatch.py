"""Makes kopf call the handlers of watch events directly.

For each event kopf prepares what handlers of changes, timers, daemons and indices may need: a memory of the
object, causes, states of progress, loggers, a patch. That took a seventh of the operator's CPU time, and the
operator has handlers of ``@kopf.on.event`` alone, which need none of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import kopf
import structlog
from kopf._core.reactor import processing as kopf_processing

log = structlog.get_logger(__name__)

_REPLACED = "process_resource_event"


def dispatch_events_directly() -> None:
    """Make kopf pass each watch event to the handlers of its kind, and do nothing else with it.

    kopf has no hook for this. The name of one function is replaced in the one module that has it; watching,
    the order of the events of an object, login and signals stay kopf's.

    Raises
    ------
    RuntimeError
        When the installed release of kopf has no such function.
    """
    if not asyncio.iscoroutinefunction(vars(kopf_processing).get(_REPLACED)):
        raise RuntimeError("this release of kopf processes events in another way; use the locked one")
    vars(kopf_processing)[_REPLACED] = _process_event


async def _process_event(
    *,
    registry: kopf.OperatorRegistry,
    resource: Any,
    raw_event: kopf.RawEvent,
    resource_indexed: Any = None,
    operator_indexed: Any = None,
    **_: Any,
) -> None:
    """Call the handlers of an event; there is no patch, and so no new version of the object to wait for."""
    if operator_indexed is not None and resource_indexed is not None:
        # kopf counts the objects that were not processed when it started.
        await operator_indexed.drop_toggle(resource_indexed)
    for handler in _handlers_of(registry, resource):
        try:
            await handler.fn(event=raw_event)
        except Exception:
            # As kopf does: one object must not end the watch of all.
            log.exception("a handler of watch events has failed", handler=handler.id)


@lru_cache(maxsize=128)
def _handlers_of(registry: kopf.OperatorRegistry, resource: Any) -> Sequence[Any]:
    """Return the handlers of events of a kind. kopf compares kinds by group, version and plural alone."""
    handlers = registry._watching.get_all_handlers()  # noqa: SLF001 -- kopf has no other way
    return [each for each in handlers if each.selector is None or each.selector.check(resource)]
