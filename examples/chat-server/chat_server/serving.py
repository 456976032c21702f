"""From start to end: load the model, serve, and on SIGTERM go once no request runs."""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Callable

from chat_server.engine import Engine
from chat_server.settings import Settings

SIGNALS = (signal.SIGTERM, signal.SIGINT)
QUIET_SECONDS = 1.0
"""How long no request may have run before the server goes."""
POLL_SECONDS = 0.1

log = logging.getLogger(__name__)


def keep_signals() -> None:
    """Have SIGTERM and SIGINT wait until `serve` takes them; llama.cpp's threads inherit that.

    The kernel drops signals that process 1 of a container neither handles nor blocks.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)


def serve(settings: Settings, start: Callable[[Settings], Engine]) -> None:
    """Serve until SIGTERM or SIGINT; call `keep_signals` first.

    After SIGTERM, requests are still accepted: by then Kubernetes has removed the pod from its Service, or
    soon will. The server goes when none has run for a second, or after ``FINISH_SECONDS``. SIGINT, or a
    second SIGTERM, cuts that short.

    Parameters
    ----------
    settings
        What to serve.
    start
        Loads the model and serves it.

    Raises
    ------
    EngineError
        When the model cannot be served.
    """
    begun = time.monotonic()
    log.info("loading %s", settings.model_file.name)
    # A signal during loading is taken after it: two seconds of processor time.
    engine = start(settings)
    try:
        log.info("serving at port %d after %.2f s", settings.port, time.monotonic() - begun)
        if signal.sigwait(SIGNALS) == signal.SIGTERM:
            _finish(settings, engine)
    finally:
        engine.close()
    log.info("stopped")


def _finish(settings: Settings, engine: Engine) -> None:
    log.info("stopping: up to %g s for %d running requests", settings.finish_seconds, engine.running())
    now = quiet_since = time.monotonic()
    end = now + settings.finish_seconds
    while now < end and now - quiet_since < QUIET_SECONDS:
        if signal.sigtimedwait(SIGNALS, POLL_SECONDS) is not None:
            break
        now = time.monotonic()
        if engine.running():
            quiet_since = now
    if cut := engine.running():
        log.warning("cutting %d requests", cut)
