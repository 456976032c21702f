"""An operator that begins to watch long after it has filled its caches: on SIGUSR1."""

from __future__ import annotations

import asyncio
import signal

from model_operator.cli.main import main
from model_operator.controller.operator import Operator

filled = Operator.fill


async def fill(self: Operator) -> None:
    """Fill the caches, and wait for the signal."""
    signalled = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, signalled.set)
    await filled(self)
    await signalled.wait()


if __name__ == "__main__":
    Operator.fill = fill  # type: ignore[method-assign]
    main()
