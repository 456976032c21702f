"""Hearing of signals before kopf does."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any


def stop_signal() -> asyncio.Event:
    """Return what is set by SIGINT and SIGTERM, until somebody else listens for them."""
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    return stopped


async def unless_stopped(stopped: asyncio.Event, work: Coroutine[Any, Any, None]) -> None:
    """Do something, to its end or until a signal comes.

    Parameters
    ----------
    stopped
        When this is set, the work is cancelled.
    work
        What to do; what it raises is raised.
    """
    doing, waiting = asyncio.create_task(work), asyncio.create_task(stopped.wait())
    try:
        await asyncio.wait((doing, waiting), return_when=asyncio.FIRST_COMPLETED)
        if doing.done():
            doing.result()
    finally:
        doing.cancel()
        waiting.cancel()
