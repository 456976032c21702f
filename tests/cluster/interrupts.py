"""Stopping a program in order: on Ctrl-C and on SIGTERM, however it was started."""

from __future__ import annotations

import signal


def stop_on_signals() -> None:
    """Have SIGINT and SIGTERM raise KeyboardInterrupt in the main thread, so that ``with`` blocks end.

    A shell starts a command in the background with SIGINT ignored, and everything that the command starts
    inherits that; Python then installs no handler of its own.
    """
    for received in (signal.SIGINT, signal.SIGTERM):
        signal.signal(received, signal.default_int_handler)
