"""From start to end: listen, load the model, serve, and on SIGTERM go without losing a request."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import time
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import suppress

from aiohttp import web

from embedding_server.application import Service
from embedding_server.models import ModelError, load_model
from embedding_server.settings import Settings, SettingsError, read_settings

FINISH_SECONDS = 20.0
"""For requests that still run after the drain time; with it below Kubernetes' grace period of 30 s."""

log = logging.getLogger(__name__)


def main() -> int:
    """Serve as the environment says until a signal; give the exit status."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        asyncio.run(serve(read_settings(os.environ)))
    except (ModelError, OSError, SettingsError) as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 -- what `kubectl logs` is to show, alone
        return 1
    return 0


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT.

    After SIGTERM requests are still taken for the drain time, each on a connection that is then closed:
    Kubernetes takes a pod out of its Service while it stops it, not before. SIGINT, or a second SIGTERM,
    cuts that short. What runs is finished.

    Raises
    ------
    ModelError
        When the model cannot be loaded.
    OSError
        When the port cannot be listened on.
    """
    stop, hurry = _stop_signals()
    with ThreadPoolExecutor(1, thread_name_prefix="model") as executor:
        service = Service(settings, executor)
        runner = web.AppRunner(service.application(), access_log=None, shutdown_timeout=FINISH_SECONDS)
        await runner.setup()
        try:
            await web.TCPSite(runner, port=settings.port).start()
            log.info("listening on port %d", runner.addresses[0][1])
            await _serve_until(stop, service, settings, executor)
            service.draining = True
            if service.model is not None:
                log.info("draining for %g s", settings.drain_seconds)
                with suppress(TimeoutError):
                    await asyncio.wait_for(hurry.wait(), settings.drain_seconds)
        finally:
            await runner.cleanup()
    log.info("stopped")


async def _serve_until(stop: asyncio.Event, service: Service, settings: Settings, executor: Executor) -> None:
    """Load the model, and return at `stop`, whether it is loaded or not."""
    stopping = asyncio.create_task(stop.wait())
    loading = asyncio.create_task(_load(service, settings, executor))
    try:
        await asyncio.wait({stopping, loading}, return_when=asyncio.FIRST_COMPLETED)
        if loading.done():
            loading.result()
            await stopping
    finally:
        stopping.cancel()
        loading.cancel()


async def _load(service: Service, settings: Settings, executor: Executor) -> None:
    begun = time.monotonic()
    service.model = await asyncio.get_running_loop().run_in_executor(
        executor,
        lambda: load_model(
            settings.model_name, max_tokens=settings.max_tokens, batch_size=settings.batch_size
        ),
    )
    log.info(
        "ready: %s as %s, %d dimensions, loaded in %.2f s",
        settings.model_name,
        settings.model_type,
        service.model.width,
        time.monotonic() - begun,
    )


def _stop_signals() -> tuple[asyncio.Event, asyncio.Event]:
    """Give an event that is set when the server is to stop, and one when it is to do so without draining."""
    stop, hurry = asyncio.Event(), asyncio.Event()

    def terminate() -> None:
        if stop.is_set():
            hurry.set()
        stop.set()

    def interrupt() -> None:
        hurry.set()
        stop.set()

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, terminate)
    loop.add_signal_handler(signal.SIGINT, interrupt)
    return stop, hurry
