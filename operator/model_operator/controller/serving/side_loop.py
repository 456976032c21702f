"""Serving in a separate thread with its own event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, asynccontextmanager


@asynccontextmanager
async def in_thread(name: str, serve: Callable[[], AbstractAsyncContextManager[None]]) -> AsyncIterator[None]:
    """Keep a context manager open in a thread while this one is open.

    Parameters
    ----------
    name
        The thread's name.
    serve
        Called in the thread; its context manager is entered and exited there. Its exceptions are raised here.
    """
    opened: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()
    closed: Future[None] = Future()

    async def live() -> None:
        stopped = asyncio.Event()
        async with serve():
            opened.set_result((asyncio.get_running_loop(), stopped))
            await stopped.wait()

    def run() -> None:
        try:
            asyncio.run(live())
        except BaseException as error:  # noqa: BLE001 -- it is raised where the context is entered or exited
            (closed if opened.done() else opened).set_exception(error)
        else:
            closed.set_result(None)

    # A daemon thread, so that the process may end while it serves.
    threading.Thread(target=run, name=name, daemon=True).start()
    loop, stopped = await asyncio.wrap_future(opened)
    try:
        yield
    finally:
        if not closed.done():
            loop.call_soon_threadsafe(stopped.set)
        await asyncio.wrap_future(closed)
