"""Handling of signals before kopf has started."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any


def stop_signal() -> asyncio.Event:
    """Return an event that SIGINT and SIGTERM set, until kopf installs its own handlers."""
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    return stopped


async def unless_stopped(stopped: asyncio.Event, work: Coroutine[Any, Any, object]) -> None:
    """Await a coroutine until it ends or a signal arrives.

    Parameters
    ----------
    stopped
        When this is set, the coroutine is cancelled.
    work
        The coroutine; its exceptions are raised, and its result is dropped.
    """
    doing, waiting = asyncio.create_task(work), asyncio.create_task(stopped.wait())
    try:
        await asyncio.wait((doing, waiting), return_when=asyncio.FIRST_COMPLETED)
        if doing.done():
            doing.result()
    finally:
        doing.cancel()
        waiting.cancel()
