"""An operator whose lists take for ever."""

from __future__ import annotations

import asyncio
from typing import NoReturn

from model_operator.cli.main import main
from model_operator.controller.watch.resync import Resync


async def fill(_: Resync) -> NoReturn:
    """List, and never come to an end."""
    await asyncio.get_running_loop().create_future()
    raise AssertionError


if __name__ == "__main__":
    Resync.fill = fill  # type: ignore[method-assign, assignment]
    main()
