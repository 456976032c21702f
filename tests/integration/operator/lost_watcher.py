"""An operator that loses a watch on SIGUSR1, as kopf may: without a word."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

from model_operator.cli.main import main
from model_operator.controller.operator import Operator

started = Operator._start


async def start(self: Operator, **_: Any) -> None:
    """Start, and from then on listen for the signal."""
    await started(self)
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, lose)


def lose() -> None:
    """End the watcher of ModelInstances."""
    for task in asyncio.all_tasks():
        if task.get_name().startswith("watcher for modelinstances."):
            task.cancel()


if __name__ == "__main__":
    Operator._start = start  # type: ignore[method-assign]
    main()
