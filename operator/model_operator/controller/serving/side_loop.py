"""Serving in a thread of its own, with an event loop of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, asynccontextmanager


@asynccontextmanager
async def in_thread(name: str, serve: Callable[[], AbstractAsyncContextManager[None]]) -> AsyncIterator[None]:
    """Have a context open in a thread while this one is.

    Parameters
    ----------
    name
        The thread's name.
    serve
        Called in the thread: the context, which is entered and left there. What it raises is raised here.
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
        except BaseException as error:  # noqa: BLE001 -- it is raised where the context is entered or left
            (closed if opened.done() else opened).set_exception(error)
        else:
            closed.set_result(None)

    # The process may end while it still serves.
    threading.Thread(target=run, name=name, daemon=True).start()
    loop, stopped = await asyncio.wrap_future(opened)
    try:
        yield
    finally:
        if not closed.done():
            loop.call_soon_threadsafe(stopped.set)
        await asyncio.wrap_future(closed)
