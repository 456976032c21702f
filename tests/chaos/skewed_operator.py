"""The operator with a name of its own and wrong clocks: ``python -m tests.chaos.skewed_operator run …``.

``CHAOS_NAME`` goes into its user agent, so that the audit log tells operators apart. ``CHAOS_SKEW_SECONDS``
is what its time of day is wrong by. After ``CHAOS_JUMP_AFTER_SECONDS`` its steady clock jumps ahead by a
minute, as it does for a machine that was suspended.
"""

from __future__ import annotations

import datetime
import os
import time

from model_operator import __version__
from model_operator.controller import clock, connection

JUMP_SECONDS = 60.0


def skew(name: str, seconds: float, jump_after: float) -> None:
    """Make the clocks of this process wrong; to be called before anything takes them over."""
    right_time, right_steady, begun = clock.utc_now, time.clock_gettime, time.monotonic()

    def utc_now() -> datetime.datetime:
        return right_time() + datetime.timedelta(seconds=seconds)

    def clock_gettime(which: int) -> float:
        return right_steady(which) + JUMP_SECONDS * (time.monotonic() - begun > jump_after)

    vars(clock)["utc_now"] = utc_now
    vars(time)["clock_gettime"] = clock_gettime
    vars(connection)["__version__"] = f"{__version__} {name}"


if __name__ == "__main__":
    skew(
        os.environ["CHAOS_NAME"],
        float(os.environ["CHAOS_SKEW_SECONDS"]),
        float(os.environ["CHAOS_JUMP_AFTER_SECONDS"]),
    )
    from model_operator.cli.main import main

    main()
